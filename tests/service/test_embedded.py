"""The embedded run over restarts, orderly and not: one log, one state, every signal once."""

import asyncio
import random
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from service import configuration
from service.bus import LogInUse, read_log
from service.clock import ScaledClock, WallClock
from service.embedded import EmbeddedRun, SignalFile
from service.kernels import load_kernels
from service.simulator.exchanges import SimulatedExchanges
from service.snapshots import FileStore
from service.venues.registry import VENUES
from streams.config import MethodConfig
from streams.engine import Engine
from streams.signals import Signal, decode, encode, fact
from tests.e2e.processes import Treadmill, environment, fetch
from tests.e2e.world import EPOCH_NS, QUICK, embedded, swift_settings
from tests.reference.counting_fold import CountingFold, trade_block
from tests.service.simulator.talking import BUSY

SPEED = 20.0
LOUD = {"burst_floor_oi_per_minute": 1e-7, "burst_min_events": 2, "heartbeat_s": 2.0,
        "cascade_oi_enter": -1e-6, "cascade_oi_exit": -1e-7}  # fmt: skip


def signals(count: int) -> list[Signal]:
    return CountingFold().fold(trade_block(0, 50 * count, (1,)), 0)


def refold(folder: Path, method: MethodConfig) -> tuple[Engine, list[bytes]]:
    """Fold a run's whole log in one piece."""
    engine = Engine(method)
    said = [one for index, block in read_log(folder / "log") for one in engine.fold(block, index)]
    return engine, [fact(one) for one in said]


def kept(folder: Path) -> list[bytes]:
    """Return the facts of a run's signal file."""
    return [fact(decode(line)) for line in (folder / "signals.jsonl").read_bytes().splitlines()]


def test_a_signal_file_takes_each_signal_once(tmp_path: Path) -> None:
    path, said = tmp_path / "deep" / "signals.jsonl", signals(5)
    file = SignalFile(path)
    assert [file.write(one) for one in (*said, *said[:2])] == [True] * 5 + [False] * 2
    file.close()
    again = SignalFile(path)
    assert [again.write(one) for one in said] == [False] * 5
    again.close()
    assert path.read_bytes() == b"".join(encode(one) + b"\n" for one in said)


@pytest.mark.parametrize("torn", [1, 30, 10_000])
def test_a_line_torn_by_a_crash_is_cut_off_and_said_again(tmp_path: Path, torn: int) -> None:
    path, said = tmp_path / "signals.jsonl", signals(40)
    path.write_bytes(b"".join(encode(one) + b"\n" for one in said)[:-torn])
    file = SignalFile(path)
    written = [file.write(one) for one in said]
    file.close()
    assert not written[0]
    assert written[-1]
    assert written == sorted(written), "only the end was lost"
    assert [decode(line) for line in path.read_bytes().splitlines()] == said


def test_an_old_file_still_counts(tmp_path: Path) -> None:
    path, said = tmp_path / "signals.jsonl", signals(10)
    file = SignalFile(path, keep_bytes=3 * len(encode(said[0])))
    for one in said:
        file.write(one)
    file.close()
    older = path.with_suffix(".old.jsonl")
    assert older.exists()
    file = SignalFile(path)
    known = len(older.read_bytes().splitlines()) + len(path.read_bytes().splitlines())
    assert [file.write(one) for one in said].count(False) == known > 0
    file.close()
    (tmp_path / "bad").write_bytes(b"\xff\xff no JSON\n{}\n")
    file = SignalFile(tmp_path / "bad")
    assert file.write(said[0])
    file.close()


async def test_a_restart_goes_on_where_the_last_run_ended(tmp_path: Path) -> None:
    offsets = []
    for turn in range(2):
        async with embedded(
            tmp_path, BUSY, SPEED, method=LOUD, epoch_ns=EPOCH_NS + turn * 600 * 10**9
        ) as watched:
            already = len(watched.signals)
            await watched.until(
                lambda a=already, w=watched: len(w.signals) > a + 25, 30.0, "signals"
            )
            if turn:
                await watched.until(
                    lambda w=watched: w.run.engine.counters["backfill_ignored"] > 0, 30.0, "history"
                )
            method = watched.run.settings.method
        offsets.append(watched.run.engine.offset)
        engine, said = refold(tmp_path, method)
        assert engine.offset == offsets[-1]
        assert engine.state_hash() == watched.run.engine.state_hash()
        assert kept(tmp_path) == said
        snapshot = await FileStore(tmp_path / "snapshots").load(0)
        assert snapshot is not None
        assert (snapshot.offset, snapshot.epoch) == (offsets[-1], turn + 1)
    assert offsets[1] > offsets[0] > 10
    assert engine.counters["backfill_ignored"] > 0, "the state had its history already"


async def test_other_thresholds_fold_the_log_anew(tmp_path: Path) -> None:
    async with embedded(tmp_path, BUSY, SPEED, method=LOUD) as watched:
        await watched.until(lambda: len(watched.signals) > 10, 30.0, "signals")
    other = LOUD | {"burst_end_s": 7.0}
    async with embedded(
        tmp_path, BUSY, SPEED, method=other, epoch_ns=EPOCH_NS + 600 * 10**9
    ) as again:
        await again.until(lambda: again.run.engine.offset > watched.run.engine.offset, 20.0, "rows")
        assert len(again.signals) >= len(watched.signals)
        method = again.run.settings.method
    engine, said = refold(tmp_path, method)
    assert engine.state_hash() == again.run.engine.state_hash()
    assert [fact(one) for one in again.signals] == said
    assert kept(tmp_path) == [fact(one) for one in watched.signals] + said


async def test_a_folder_has_one_writer(tmp_path: Path) -> None:
    async with embedded(tmp_path, BUSY, SPEED) as watched:
        await watched.until(lambda: watched.run.ready, 10.0, "ready")
        settings = watched.run.settings
        venues = {name: VENUES[name] for name in settings.venues}
        second = EmbeddedRun(settings, venues, ScaledClock(EPOCH_NS, SPEED), folder=tmp_path)
        with pytest.raises(LogInUse, match="written by another process"):
            await second.run()


async def test_the_port_tells_when_it_is_ready_and_what_it_knows(tmp_path: Path) -> None:
    async with embedded(tmp_path, BUSY, SPEED) as watched:
        await watched.until(lambda: watched.run.ready, 10.0, "ready")
        base = f"http://127.0.0.1:{watched.run.health.port}"
        status, text = await asyncio.to_thread(fetch, base + "/readyz")
        assert (status, text) == (503, "data: not ready\n")
        await watched.until(lambda: bool(watched.run.engine.underlyings()), 30.0, "data")
        await asyncio.sleep(1.5)  # gauges are set once a second
        assert await asyncio.to_thread(fetch, base + "/readyz") == (200, "ok\n")
        assert (await asyncio.to_thread(fetch, base + "/livez"))[0] == 200
        assert (await asyncio.to_thread(fetch, base + "/elsewhere"))[0] == 404
        assert watched.metric("rows_folded_total") > 100
        assert watched.metric("websocket_connected", venue="okx") == 1
        assert watched.metric("feed_up", venue="bybit", channel="liquidation") == 1


async def test_a_killed_run_repeats_and_forgets_nothing(tmp_path: Path) -> None:
    """`treadmill run`, killed twice in mid-sentence and ended once: as if it had never stopped."""
    load_kernels()
    rng = random.Random(7)
    async with SimulatedExchanges(WallClock(), BUSY) as exchanges:
        settings = swift_settings(exchanges, 1.0)
        urls = {
            f"VENUE_URLS__{name.upper()}__{kind}": url
            for name, both in exchanges.urls().items()
            for kind, url in zip(("WEBSOCKET_URL", "REST_URL"), both, strict=True)
        }
        method = QUICK | LOUD | {"warmup_gather_s": 0.5, "tick_s": 0.2, "heartbeat_s": 0.4}
        env = environment(
            UNDERLYINGS="*", HTTP_PORT=0, DATA_DIR=tmp_path / "data", SNAPSHOT_INTERVAL_S=0.5,
            WARMUP_DAYS=settings.warmup_days, **urls,
            **{f"METHOD__{name.upper()}": value for name, value in method.items()},
        )  # fmt: skip
        printed: list[bytes] = []
        with ExitStack() as stack:
            for turn in range(3):
                run = stack.enter_context(Treadmill(f"run-{turn}", tmp_path, "run", env=env))
                await run.event("venue_started")
                while len(run.out.read_bytes().splitlines()) < 30:
                    assert run.running, run.err.read_text()
                    await asyncio.sleep(0.05)
                await asyncio.sleep(rng.uniform(0.0, 1.0))
                if turn < 2:
                    run.kill()
                else:
                    run.terminate()
                    assert await run.ended() == 0
                assert run.complaints() == []
                printed += run.out.read_bytes().splitlines(keepends=True)
                folded = (await run.event("recovered"))["folded"] if turn else 1
                assert folded > 0, "there was something left to fold"
    chosen = configuration.load(env).method
    engine, said = refold(tmp_path / "data", chosen)
    assert kept(tmp_path / "data") == said
    assert len(said) > 90
    told = [fact(decode(line)) for line in printed if line.endswith(b"\n")]
    assert set(told) <= set(said)
    assert len(told) == len(set(told)) >= len(said) - 2, "a crash may come between file and stream"
    snapshot = await FileStore(tmp_path / "data" / "snapshots").load(0)
    assert snapshot is not None
    restored = Engine.restore(snapshot.state, chosen)
    assert restored.underlying_hashes() == engine.underlying_hashes()
    assert msgspec.json.decode(said[0])["emitted"] is None
