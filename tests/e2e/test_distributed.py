"""The whole distributed service on one machine: three ingesters, a real Kafka, two workers, a consumer."""

import asyncio
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from service import configuration
from service.clock import WallClock
from service.simulator.exchanges import SimulatedExchanges
from service.simulator.scenario import BTC, ETH, SOL, Excitation, Phase, Scenario, Underlying
from streams.events import Flag, Kind, block_rows
from streams.instruments import partition_of
from streams.signals import fact
from tests.e2e.processes import Treadmill, environment, total
from tests.e2e.topics import PARTITIONS, Folded, market_log, signals_on_topic
from tests.e2e.world import SWIFT

pytestmark = pytest.mark.kafka

#: One coin for each partition.
COINS = (
    BTC, ETH, SOL,
    Underlying(name="APT", price=8.0, open_interest=4e7, price_decimals=3, okx_contract="1"),
)  # fmt: skip
#: Calm until everybody is there, then ten seconds that cost a tenth of the open interest.
MARKET = Scenario(
    seed=11,
    underlyings=COINS,
    variation=0.0,
    excitation=Excitation(half_lives_s=(0.5, 1.0, 2.0)),
    phases=(
        Phase(kind="CALM", duration_s=25.0, long_rate=0.0, short_rate=0.0, trade_rate=2.0),
        Phase(
            kind="CASCADE", duration_s=10.0, price_return=-0.05, oi_level=0.9, volatility=2.0,
            long_rate=3.0, short_rate=0.02, trade_rate=8.0, liquidation_size=3.0,
        ),
        Phase(kind="AFTER", duration_s=86_400.0, oi_level=0.9, long_rate=0.0, short_rate=0.0, trade_rate=2.0),
    ),
)  # fmt: skip
BUSY_S = 40.0
METHOD = SWIFT | {
    "warmup_gather_s": 4.0, "warmup_hold_s": 20.0, "unknown_exit_s": 2.0, "calm_dwell_s": 2.0,
    "burst_floor_oi_per_minute": 1e-6, "burst_min_events": 3, "burst_end_share": 0.8,
    "burst_end_s": 2.0, "burst_merge_s": 1.0, "cascade_oi_enter": -0.002,
    "cascade_oi_exit": -0.001, "heartbeat_s": 5.0,
}  # fmt: skip


def options(bootstrap: str) -> dict[str, object]:
    """Return what every process is told."""
    return {
        "KAFKA__BOOTSTRAP_SERVERS": bootstrap, "KAFKA__PARTITIONS": PARTITIONS, "HTTP_PORT": 0,
        "UNDERLYINGS": "*", "SNAPSHOT_INTERVAL_S": 2.0, "WARMUP_DAYS": 1,

    } | {f"METHOD__{name.upper()}": value for name, value in METHOD.items()}  # fmt: skip


def ingester(
    venue: str, urls: tuple[str, str], folder: Path, common: dict[str, object]
) -> Treadmill:
    there = f"VENUE_URLS__{venue.upper()}__"
    env = environment(
        VENUES=venue, DATA_DIR=folder / venue,
        **{there + "WEBSOCKET_URL": urls[0], there + "REST_URL": urls[1]}, **common,
    )  # fmt: skip
    return Treadmill(f"ingest-{venue}", folder, "ingest", env=env)


def logged(log: list[list[bytes]], ids: dict[int, str]) -> dict[str, Counter[Kind]]:
    """Return the rows of the market log by venue and kind."""
    found: dict[str, Counter[Kind]] = {}
    for blocks in log:
        rows = block_rows(b"".join(blocks))
        for instrument in np.unique(rows["instrument"]).tolist():
            kinds = rows["kind"][rows["instrument"] == instrument]
            count = found.setdefault(ids[instrument], Counter())
            count.update(Kind(kind) for kind in kinds.tolist())
    return found


def venues_by_instrument(log: list[list[bytes]]) -> dict[int, str]:
    """Read from the log itself whose contract an id is; each in its coin's partition."""
    found: dict[int, str] = {}
    for partition, blocks in enumerate(log):
        rows = block_rows(b"".join(blocks))
        for row in rows[rows["kind"] == Kind.INSTRUMENT]:
            coin, venue = (bytes(row.tobytes()[at : at + 12]).rstrip(b"\0") for at in (40, 52))
            assert partition_of(coin.decode(), PARTITIONS) == partition
            found[int(row["instrument"])] = venue.decode()
    return found


async def caught_up(workers: list[Treadmill], rows: int, seconds: float) -> None:
    """Wait until the workers have folded as many rows."""
    end = time.monotonic() + seconds
    while True:
        folded = sum([total(await w.metrics(), "rows_folded_total") for w in workers])
        if folded == rows:
            return
        assert time.monotonic() < end, f"{folded:.0f} of {rows} rows folded"
        await asyncio.sleep(0.3)


async def test_what_was_sent_is_logged_folded_and_said_once(topics: str, tmp_path: Path) -> None:
    common = options(topics)
    venues = ("binance_usdm", "bybit", "okx")
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                Treadmill(f"process-{n}", tmp_path, "process", env=environment(**common))
            )
            for n in (1, 2)
        ]
        for worker in workers:
            await worker.event("processing")
        async with SimulatedExchanges(WallClock(), MARKET) as exchanges:
            begin = time.monotonic()
            ingesters = [
                stack.enter_context(ingester(venue, urls, tmp_path, common))
                for venue, urls in exchanges.urls().items()
            ]
            for one in ingesters:
                await one.event("venue_started", 25.0)
            ready_s = time.monotonic() - begin
            assert ready_s < 16.0, "everybody is there before the cascade"
            await asyncio.sleep(BUSY_S - (time.monotonic() - begin))
            assert [await one.page("/readyz") for one in ingesters] == [(200, "ok\n")] * 3
            exchanges.pause()
            await exchanges.drained()
            await asyncio.sleep(0.5)
            heard = [await one.metrics() for one in ingesters]
            for one in ingesters:
                one.terminate()
            assert [await one.ended() for one in ingesters] == [0, 0, 0]
            sent = exchanges.rows()
            accepted = {name: e.accepted for name, e in exchanges.exchanges.items()}
        log = await market_log(topics)
        method = configuration.load(environment(**common)).method
        folded = Folded(log, method)
        await caught_up(workers, folded.counted("rows"), 20.0)
        owned = [total(await w.metrics(), "restores_total") for w in workers]
        rejected = [total(await w.metrics(), "rows_rejected_total") for w in workers]
        for worker in workers:
            worker.terminate()
        assert [await worker.ended() for worker in workers] == [0, 0]
        said = await signals_on_topic(topics)

        # what the venues sent is in the log
        rows = logged(log, venues_by_instrument(log))
        for venue, metrics in zip(venues, heard, strict=True):
            assert accepted[venue] == 1, "no reconnect could have cost anything"
            assert total(metrics, "malformed_frames_total") == 0
            assert total(metrics, "duplicates_total") == 0
            assert rows[venue][Kind.TRADE] == sent[venue]["trade"] > 300
            assert rows[venue][Kind.LIQUIDATION] == sent[venue]["liquidation"] > 30

        # what is in the log was folded or refused
        everything = sum(len(block) // 64 for blocks in log for block in blocks)
        held_ends = sum(count[Kind.BACKFILL_END] for count in rows.values())
        assert held_ends == len(COINS) * len(venues)
        assert folded.counted("rows") == everything - held_ends
        refusals = ("unknown_instrument", "unknown_kind", "out_of_range", "oi_without_mark",
                    "old_news", "backfill_ignored")  # fmt: skip
        assert sum(rejected) == sum(folded.counted(name) for name in refusals)
        snapshots = sum(
            int(np.count_nonzero(block_rows(b"".join(blocks))["flags"] & Flag.SNAPSHOT))
            for blocks in log
        )
        assert folded.counted("old_news") == snapshots

        # what was folded was said, once, and is the same whoever folds it
        assert {symbol: [fact(one) for one in each] for symbol, each in said.items()} == (
            folded.facts()
        )
        ids = [one.id for each in said.values() for one in each]
        assert len(ids) == len(set(ids))
        assert all(one.emitted and one.latency_ms for each in said.values() for one in each)
        kinds = Counter((one.kind, one.status) for each in said.values() for one in each)
        for coin in COINS:
            statuses = {(one.kind, one.status) for one in said[coin.name]}
            wanted = {("burst", "STARTED"), ("burst", "PROVISIONAL"), ("state", "CALM"),
                      ("state", "CASCADE"), ("data_quality", "OK")}  # fmt: skip
            assert wanted <= statuses, (coin.name, statuses)
        assert sum(owned) >= PARTITIONS
        for process in (*ingesters, *workers):
            assert process.complaints() == []
    trades = sum(count[Kind.TRADE] for count in rows.values())
    forced = sum(count[Kind.LIQUIDATION] for count in rows.values())
    print(
        f"\n{everything} rows in the log, {trades} trades, {forced} liquidations ({snapshots} old "
        f"news); {len(ids)} signals {dict(kinds)}; partitions taken {owned}; ready {ready_s:.1f} s"
    )
