"""A file replayed: every frame accounted for, twice the same, and the same as it was live."""

import gzip
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from service.capture import CaptureWriter
from service.ingestion import Hooks
from service.replay import Replayed, replay_capture, replay_log, venue_of
from service.settings import SettingsError
from service.venues.registry import VENUES
from streams.engine import Engine
from streams.instruments import Instrument
from streams.signals import Signal, decode, fact
from tests.e2e.processes import environment
from tests.e2e.world import embedded, swift_settings
from tests.service.simulator.talking import BUSY
from tests.truth import Truth

RECORDED = "raw/binance_usdm/{}usdt_trade_depth_bookTicker_20240808.txt.gz"


def run_replay(folder: Path, *arguments: str) -> tuple[bytes, list[dict[str, Any]]]:
    """Run the command; return its signals and what it says of files and the whole."""
    done = subprocess.run(
        [sys.executable, "-m", "service", "replay", *arguments],
        capture_output=True, check=False, timeout=120, env=environment(), cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    facts = [json.loads(line) for line in done.stderr.splitlines() if line.startswith(b"{")]
    return done.stdout, facts


def counted(path: Path) -> tuple[Counter[str], int]:
    """Count a recording's events by name, and clocks that step back, without any of our readers."""
    names: Counter[str] = Counter()
    back, last = 0, 0
    with gzip.open(path, "rt") as lines:
        for line in lines:
            stamp, _, frame = line.partition(" ")
            names[json.loads(frame).get("data", {}).get("e", "none")] += 1
            back += int(stamp) < last
            last = int(stamp)
    return names, back


def replayed(path: Path, venue: str, **options: Any) -> tuple[Replayed, Engine, list[bytes]]:
    """Replay a capture here."""
    engine = Engine(replay=True)
    said: list[bytes] = []
    facts = replay_capture(
        path, VENUES[venue], engine, lambda one: said.append(fact(one)), lambda *_: None, **options
    )
    return facts, engine, said


@pytest.mark.shared_data
@pytest.mark.parametrize("coin", ["btc", "eth"])
def test_a_recording_is_accounted_for_to_the_last_frame(
    shared_data: Path, tmp_path: Path, coin: str
) -> None:
    path = shared_data / RECORDED.format(coin)
    names, back = counted(path)
    first, (facts, summary) = run_replay(tmp_path, str(path))
    assert facts["frames"] == names.total()
    assert facts["rows"] == {"trade": names["trade"]}
    assert names["trade"] > 10_000
    assert facts["ignored"] == {name: names[name] for name in ("bookTicker", "depthUpdate")}
    assert facts["rejected"] == {"unknown": names["none"]}, "a REST snapshot among the frames"
    assert facts["clock_steps_back"] == back
    assert (facts["skipped_lines"], facts["torn"]) == (0, False)
    assert facts["instruments"] == [f"{coin.upper()}USDT"]
    assert summary["signals"] == len(first.splitlines()) > 0
    assert summary["counters"]["unknown_instrument"] == summary["counters"]["out_of_range"] == 0

    again, (_, second) = run_replay(tmp_path, str(path))
    assert again == first, "byte for byte"
    assert second["state_hash"] == summary["state_hash"]
    for signal in map(decode, first.splitlines()):
        assert (signal.replay, signal.emitted, signal.symbol) == (True, None, coin.upper())


@pytest.mark.shared_data
def test_how_rows_are_cut_into_blocks_does_not_matter(shared_data: Path, tmp_path: Path) -> None:
    whole = shared_data / RECORDED.format("btc")
    part = tmp_path / "binance_usdm_part.txt.gz"
    with gzip.open(whole, "rb") as source, gzip.open(part, "wb", compresslevel=1) as out:
        for _, line in zip(range(20_000), source, strict=False):
            out.write(line)
    hashes, said = set(), set()
    for block_rows in (1, 7, 4096):
        facts, engine, signals = replayed(part, "binance_usdm", block_rows=block_rows)
        assert facts.rows["trade"] > 3000
        hashes.add(engine.state_hash())
        said.add(tuple(signals))
    assert len(hashes) == len(said) == 1


async def test_live_is_replay(truth: Truth, tmp_path: Path) -> None:
    """What was said live is said again from the log; frames that were tapped replay to the same rows."""
    writers = {name: CaptureWriter(tmp_path / f"{name}_tap.txt.gz") for name in VENUES}

    def specify(venue: str, instruments: Sequence[Instrument]) -> None:
        writers[venue].instruments(instruments)

    hooks = Hooks(tap=lambda venue, ns, raw: writers[venue].write(ns, raw), instruments=specify)
    fast = {"burst_floor_oi_per_minute": 1e-7, "burst_min_events": 2, "cascade_oi_enter": -1e-6}
    async with embedded(
        tmp_path / "run", BUSY, 20.0, method=fast | {"cascade_oi_exit": -1e-7}, hooks=hooks
    ) as watched:
        await watched.until(
            lambda: len(watched.said("burst")) > 6 and len(watched.said("state")) > 2,
            30.0, "bursts and states",
        )  # fmt: skip
        watched.exchanges.pause()
        for exchange in watched.exchanges.exchanges.values():
            await exchange.drained()
        live, sent = watched, watched.exchanges.rows()
        await watched.until(
            lambda: all(
                live.metric("events_total", venue=name, kind="trade") == counts["trade"]
                for name, counts in sent.items()
            ),
            10.0, "all that was sent has been read",
        )  # fmt: skip
        method = swift_settings(watched.exchanges, 20.0, **(fast | {"cascade_oi_exit": -1e-7}))
    for writer in writers.values():
        writer.close()

    engine = Engine(method.method, replay=True)
    again: list[Signal] = []
    blocks = replay_log(tmp_path / "run" / "log", engine, again.append, lambda *_: None)
    assert blocks == engine.offset + 1 > 10
    assert engine.state_hash() == live.run.engine.state_hash()
    assert engine.counters == live.run.engine.counters
    as_live = [fact(msgspec.structs.replace(one, replay=False)) for one in again]
    assert as_live == [fact(one) for one in live.signals]
    unlike = sum(a != b for a, b in zip(as_live, map(fact, live.signals), strict=True))
    truth(24, "signals that differ between live and replay", unlike, 0)
    kept = (tmp_path / "run" / "signals.jsonl").read_bytes().splitlines()
    assert [fact(decode(line)) for line in kept] == as_live

    for name, counts in sent.items():
        path = tmp_path / f"{name}_tap.txt.gz"
        facts, _, _ = replayed(path, name)
        assert venue_of(path, None, VENUES) is VENUES[name]
        assert facts.frames == writers[name].frames
        assert facts.rows["trade"] == counts["trade"] > 100
        forced = live.metric("events_total", venue=name, kind="liquidation")
        assert facts.rows["liquidation"] == forced >= counts["liquidation"] > 10
        assert name == "okx" or forced == counts["liquidation"], "only OKX begins with old news"
        assert (facts.rejected, facts.skipped_lines, len(facts.instruments)) == ({}, 3, 3)


def test_a_capture_without_specifications_that_cannot_be_assumed(tmp_path: Path) -> None:
    path = tmp_path / "okx_trades.txt"
    path.write_text('1790000000000000000 {"arg":{"channel":"trades","instId":"BTC-USDT-SWAP"}}\n')
    with pytest.raises(
        SettingsError, match=r"carries no contract specifications .*`treadmill record`"
    ):
        replayed(path, "okx")


def test_whose_frames_they_are(tmp_path: Path) -> None:
    assert venue_of(Path("raw/bybit/x.gz"), None, VENUES) is VENUES["bybit"]
    assert venue_of(Path("raw/bybit/x.gz"), "okx", VENUES) is VENUES["okx"]
    for name in (None, "nasdaq"):
        with pytest.raises(SettingsError, match=f"--venue .* {', '.join(VENUES)}"):
            venue_of(tmp_path / "frames.gz", name, VENUES)
