"""Every command as an operator types it: results on standard output, one line for a mistake."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from service import configuration
from service.bus import LocalLog
from service.clock import WallClock
from service.replay import instruments_of
from service.simulator.exchanges import SimulatedExchanges
from service.venues.registry import VENUES
from streams.signals import decode
from streams.topics import TOPICS
from tests.e2e.market_log import market_blocks
from tests.e2e.processes import Treadmill, environment
from tests.e2e.world import CASCADES, EPOCH_NS, QUICK
from tests.kafka.broker import free_ports
from tests.service.simulator.talking import BUSY

Done = subprocess.CompletedProcess[bytes]


def treadmill(folder: Path, *arguments: str, seconds: float = 90.0, **options: object) -> Done:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "service", *arguments],
        capture_output=True, check=False, timeout=seconds, env=environment(**options), cwd=folder,
    )  # fmt: skip


def complaint(done: Done) -> str:
    """Return the one line that a mistake of the operator's is."""
    text = done.stderr.decode()
    assert done.returncode == 2, text
    assert done.stdout == b""
    lines = [line for line in text.splitlines() if not line.startswith("{")]  # of libraries
    assert len(lines) == 1, text
    assert lines[0].startswith("treadmill: ")
    return lines[0].removeprefix("treadmill: ")


@pytest.fixture
def local_log(tmp_path: Path) -> Path:
    """Return a folder with two minutes of a market log."""
    log = LocalLog(tmp_path / "data" / "log")
    for _, block in market_blocks(CASCADES, 120, 1, EPOCH_NS):
        log.append(block)
    log.close()
    return log.folder


# config


def test_config_shows_every_option_and_what_it_is_set_to(tmp_path: Path) -> None:
    done = treadmill(tmp_path, "config", UNDERLYINGS="BTC,1*", METHOD__TICK_S="2")
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode()
    for option in configuration.describe():
        assert option.name in text
        assert option.env in text
    assert "['BTC', '1*']" in text
    values = json.loads(treadmill(tmp_path, "config", "--json", METHOD__TICK_S="2").stdout)
    assert values["method.tick_s"] == 2.0
    assert values["venues"] == [name for name in VENUES if name != "coinbase_adv"]


def test_help_names_every_command(tmp_path: Path) -> None:
    commands = (
        "demo", "run", "ingest", "process", "topics", "record", "replay", "tail", "config", "venues",
    )  # fmt: skip
    for arguments, code in ((("--help",), 0), ((), 2)):
        done = treadmill(tmp_path, *arguments)
        assert (done.returncode, done.stderr) == (code, b"")
        assert all(command in done.stdout.decode() for command in commands)


# mistakes


@pytest.mark.parametrize(("arguments", "options", "said"), [
    (("config",), {"LINGER_S": "9"}, "TREADMILL_LINGER_S = '9'"),
    (("config",), {"LINGR_S": "1"}, "did you mean TREADMILL_LINGER_S?"),
    (("config",), {"VENUES": "nasdaq"}, f"use {', '.join(VENUES)}"),
    (("config",), {"CONFIG": "nowhere.toml"}, "config file nowhere.toml: No such file"),
    (("config",), {"VENUE_URLS__OKX__REST_URL": "http://example.com"}, "http://… to this machine"),
    (("run", "--venues", "nasdaq"), {}, "'nasdaq', which has no module"),
    (("run", "--http-port", "70000"), {}, "--http-port = 70000"),
    (("run", "--http-port", "x"), {}, "Invalid value for '--http-port'"),
    (("run", "--data-dir", "/proc/no/where"), {"HTTP_PORT": 0}, "/proc/no"),
    (("ingest",), {"METHOD__CALM_ENTER": "0.9"}, "method.calm_enter = 0.9 is above"),
    (("replay", "missing.gz"), {}, "missing.gz: no such file"),
    (("replay", "."), {}, "holds no blocks of a log"),
    (("tail", "trades"), {}, "no topic 'trades': use one of market"),
    (("tail", "."), {}, "holds no blocks of a log"),
    (("tail", ".", "--follow"), {}, "--follow is for topics"),
    (("record", "okx", "bybit", "-o", "x.gz"), {}, "record one venue a file"),
    (("record", "nasdaq", "-o", "x.gz"), {}, "'nasdaq', which has no module"),
    (("record", "okx"), {}, "Missing option '--output'"),
    (("demo", "--speed", "0"), {}, "Invalid value for '--speed'"),
    (("trade",), {}, "No such command 'trade'"),
])  # fmt: skip
def test_a_mistake_is_one_line_and_exit_code_2(
    tmp_path: Path, arguments: tuple[str, ...], options: dict[str, object], said: str
) -> None:
    assert said in complaint(treadmill(tmp_path, *arguments, **options))


@pytest.mark.parametrize("command", [("topics",), ("process",), ("ingest",), ("tail", "signals")])
def test_no_broker(tmp_path: Path, command: tuple[str, ...]) -> None:
    nowhere = f"127.0.0.1:{free_ports(1)[0]}"
    done = treadmill(tmp_path, *command, KAFKA__BOOTSTRAP_SERVERS=nowhere, HTTP_PORT=0)
    assert nowhere in complaint(done)


@pytest.fixture
def taken() -> AsyncIterator[int]:
    """Return a port that somebody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


@pytest.mark.parametrize("command", ["run", "demo"])
def test_the_port_is_taken(tmp_path: Path, taken: int, command: str) -> None:
    done = treadmill(tmp_path, command, HTTP_PORT=taken)
    assert done.returncode == 2
    last = done.stderr.decode().splitlines()[-1]
    assert last.startswith(f"treadmill: http_host = '127.0.0.1', http_port = {taken}: the port is")
    assert b"Traceback" not in done.stderr


@pytest.mark.kafka
@pytest.mark.parametrize("command", ["ingest", "process"])
def test_the_port_is_taken_with_a_broker(
    tmp_path: Path, topics: str, taken: int, command: str
) -> None:
    options = {"KAFKA__BOOTSTRAP_SERVERS": topics, "KAFKA__PARTITIONS": 4, "HTTP_PORT": taken}
    assert "the port is in use" in complaint(treadmill(tmp_path, command, **options))


def test_our_own_mistakes_are_not_hidden(tmp_path: Path, local_log: Path) -> None:
    """What is not the operator's ends loudly: a full device; 120 is the interpreter failing to flush too."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "service", "tail", str(local_log)],
            stdout=full, stderr=subprocess.PIPE, check=False, env=environment(), cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode in (1, 120)
    assert b"Traceback" in done.stderr
    assert b"No space left on device" in done.stderr


# topics


@pytest.mark.kafka
def test_topics_are_created_and_then_as_they_should_be(tmp_path: Path, no_topics: str) -> None:
    options = {"KAFKA__BOOTSTRAP_SERVERS": no_topics, "KAFKA__PARTITIONS": 4}
    for word in ("created", "as it should be"):
        done = treadmill(tmp_path, "topics", **options)
        assert (done.returncode, done.stderr) == (0, b"")
        lines = done.stdout.decode().splitlines()
        assert len(lines) == len(TOPICS)
        assert all(line.endswith(word) for line in lines)
    wrong = treadmill(tmp_path, "topics", KAFKA__BOOTSTRAP_SERVERS=no_topics, KAFKA__PARTITIONS=8)
    assert "has 4 partitions, the setting says 8: set partitions" in complaint(wrong)


# tail and replay


def test_tail_of_a_local_log(tmp_path: Path, local_log: Path) -> None:
    done = treadmill(tmp_path, "tail", str(local_log), "--last", "5")
    assert (done.returncode, done.stderr) == (0, b"")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) > 20
    assert {"trade", "heartbeat"} <= {row["kind"] for row in rows}


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path, local_log: Path) -> None:
    command = f"{sys.executable} -m service tail {local_log} --last 100000 | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        capture_output=True, check=False, timeout=60, env=environment(), cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, b"")
    assert json.loads(done.stdout)["kind"] == "instrument"


def test_replay_of_a_local_log(tmp_path: Path, local_log: Path) -> None:
    method = {f"METHOD__{name.upper()}": value for name, value in QUICK.items()}
    runs = [treadmill(tmp_path, "replay", str(local_log), **method) for _ in range(2)]
    assert runs[0].returncode == 0
    said = [decode(line) for line in runs[0].stdout.splitlines()]
    assert {one.symbol for one in said} == {coin.name for coin in CASCADES.underlyings}
    assert runs[0].stdout == runs[1].stdout
    file, summary = [json.loads(x) for x in runs[0].stderr.splitlines() if x.startswith(b"{")]
    assert file["blocks"] > 1000
    assert summary["signals"] == len(said) > 50


def test_a_damaged_log_is_the_operators_to_move_away(tmp_path: Path, local_log: Path) -> None:
    (segment,) = local_log.glob("*.log")
    segment.write_bytes(b"GARBAGE!" + segment.read_bytes()[8:])
    for command in ("tail", "replay"):
        done = treadmill(tmp_path, command, str(local_log))
        assert done.returncode == 2
        assert b"is no segment of schema" in done.stderr
        assert b"Traceback" not in done.stderr


# record


@pytest.mark.parametrize("venue", ["binance_usdm", "bybit", "okx", "hyperliquid", "deribit"])
async def test_what_was_recorded_can_be_replayed(tmp_path: Path, venue: str) -> None:
    path = tmp_path / f"{venue}.txt.gz"
    scenario = msgspec.structs.replace(BUSY, shares=((venue, 1.0),))
    async with SimulatedExchanges(WallClock(), scenario) as exchanges:
        there = f"VENUE_URLS__{venue.upper()}__"
        websocket, rest = exchanges.urls()[venue]
        env = environment(
            UNDERLYINGS="BTC,SOL", **{there + "WEBSOCKET_URL": websocket, there + "REST_URL": rest}
        )
        arguments = ("record", venue, "-o", str(path))
        if venue != "okx":  # ended by the clock; OKX by the operator
            arguments += ("--seconds", "4")
        with Treadmill("record", tmp_path, *arguments, env=env) as recording:
            await recording.event("venue_started")
            await asyncio.sleep(3.0)
            if venue == "okx":
                recording.process.send_signal(signal.SIGINT)
            assert await recording.ended() == 0
            assert recording.complaints() == []
            last = recording.err.read_text().splitlines()[-1]
    frames = int(last.partition(" ")[0])
    assert last == f"{frames} frames in {path}"
    specified = instruments_of(path, VENUES[venue])
    assert [one.underlying for one in specified] == ["BTC", "SOL"]

    done = await asyncio.to_thread(treadmill, tmp_path, "replay", str(path))
    assert done.returncode == 0
    file, summary = [json.loads(x) for x in done.stderr.splitlines() if x.startswith(b"{")]
    assert (file["venue"], file["frames"], file["torn"]) == (venue, frames, False)
    assert file["rejected"] == {}
    assert file["rows"]["trade"] > 5
    assert summary["counters"]["unknown_instrument"] == 0
    assert all(msgspec.json.decode(line)["replay"] for line in done.stdout.splitlines())
