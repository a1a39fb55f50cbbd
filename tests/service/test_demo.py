"""`treadmill demo` as somebody sees it who has just heard of it: in a terminal, and in a pipe."""

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from service import configuration
from service.demo import Demo, demo_settings
from service.kernels import load_kernels
from service.settings import Settings
from streams.config import MethodConfig
from tests.e2e.processes import environment, fetch, samples, total
from tests.kafka.broker import free_ports

ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A child process at a pseudo-terminal of 150 columns and 45 lines."""

    def __init__(self, folder: Path, *arguments: str, **options: object) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 45, 150, 0, 0))
        env = environment(**options) | {"TERM": "xterm-256color"}
        for name in ("COLUMNS", "LINES", "NO_COLOR"):
            env.pop(name, None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "service", *arguments],
            stdin=theirs, stdout=theirs, stderr=theirs, env=env, cwd=folder, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self.seen = b""
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        """Read all that is written: a terminal that does not would stop the demo."""
        with contextlib.suppress(OSError):  # the other end is closed
            while piece := os.read(self._ours, 1 << 16):
                self.seen += piece

    def until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait until something is true."""
        end = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.text()[-3000:]
            assert time.monotonic() < end, f"no {what} in {seconds} s: {self.text()[-3000:]}"
            time.sleep(0.1)

    def interrupt(self) -> None:
        """Do what Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)

    def text(self) -> str:
        """Return all that was written, without colours and movements."""
        return ESCAPES.sub(b"", self.seen).decode(errors="replace")

    def ended(self, seconds: float) -> int:
        """Wait for the end of the process and of what it wrote; return its exit code."""
        code = self.process.wait(seconds)
        self._reading.join(5.0)
        return code

    def close(self) -> None:
        """End it, whatever it does."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reading.join(5.0)
        os.close(self._ours)


def ready(base: str) -> bool:
    """Say whether the port is there and says that everything is; compiling comes before the port."""
    try:
        return fetch(base + "/readyz") == (200, "ok\n")
    except OSError:  # nobody listens yet
        return False


def test_the_demo_in_a_terminal(tmp_path: Path) -> None:
    """It comes up, goes from UNKNOWN to CALM, serves its port, and Ctrl-C ends it at once."""
    load_kernels()
    (port,) = free_ports(1)
    base = f"http://127.0.0.1:{port}"
    terminal = Terminal(tmp_path, "demo", HTTP_PORT=port)
    try:
        terminal.until(lambda: "SIMULATED market" in terminal.text(), 120.0, "picture")
        terminal.until(lambda: ready(base), 120.0, "readiness")
        for coin in ("BTC", "ETH", "SOL"):
            terminal.until(lambda coin=coin: coin in terminal.text(), 5.0, coin)  # type: ignore[misc]
        terminal.until(lambda: " CALM " in terminal.text(), 60.0, "calm")
        status, page = fetch(base + "/metrics")
        assert status == 200
        metrics = samples(page)
        for venue in ("binance_usdm", "bybit", "okx"):
            assert total(metrics, "events_total", venue=venue, kind="trade") > 100
            assert total(metrics, "reconnects_total", venue=venue) == 0
        assert total(metrics, "rows_folded_total") > 1000
        assert total(metrics, "signals_total", kind="state") >= 2
        assert len([1 for name, _ in metrics if name == "machine_state"]) == 6
        terminal.interrupt()
        begin = time.monotonic()
        assert terminal.ended(10.0) == 0
        assert time.monotonic() - begin < 5.0
        assert terminal.text().rstrip().endswith("treadmill demo ended")
        assert "Traceback" not in terminal.text()
        assert "Error" not in terminal.text()
    finally:
        terminal.close()
    assert list(tmp_path.iterdir()) == [], "it leaves nothing behind"


def test_a_narrow_terminal_and_an_impatient_user(tmp_path: Path) -> None:
    load_kernels()
    terminal = Terminal(tmp_path, "demo", HTTP_PORT=0)
    try:
        terminal.until(lambda: "SIMULATED market" in terminal.text(), 120.0, "picture")
        terminal.interrupt()
        terminal.interrupt()
        assert terminal.ended(10.0) in {0, 130}
    finally:
        terminal.close()


def test_the_demo_in_a_pipe_says_each_signal_once(tmp_path: Path) -> None:
    load_kernels()
    command = [sys.executable, "-m", "service", "demo", "--seed", "3"]
    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
        process = subprocess.Popen(
            command, stdout=out, stderr=err, env=environment(HTTP_PORT=0), cwd=tmp_path
        )
        try:
            end = time.monotonic() + 80.0
            while (tmp_path / "out").read_text().count("-> CALM") < 6:
                assert time.monotonic() < end, (tmp_path / "out").read_text()
                assert process.poll() is None, (tmp_path / "err").read_text()
                time.sleep(0.2)
            process.terminate()
            assert process.wait(5.0) == 0
        finally:
            process.kill()
    assert (tmp_path / "err").read_bytes() == b""
    lines = (tmp_path / "out").read_text().splitlines()
    said = [line for line in lines if line.startswith("20")]
    assert len(said) == len(set(said))
    calm = [line.split()[1:] for line in said if line.endswith("UNKNOWN -> CALM")]
    assert sorted(calm) == sorted(
        [coin, side, "state", "UNKNOWN", "->", "CALM"]
        for coin in ("BTC", "ETH", "SOL")
        for side in ("long", "short")
    )


@pytest.mark.parametrize("speed", [1.0, 100.0, 200.0])
def test_demo_settings_are_valid_and_only_wait_longer(speed: float) -> None:
    urls = {"okx": ("ws://127.0.0.1:1", "http://127.0.0.1:1")}
    before = Settings(http_port=0)
    after = demo_settings(before, speed, urls)
    assert (after.venues, after.underlyings, after.http_port) == (("okx",), ("*",), 0)
    assert after.venue_urls["okx"].rest_url == "http://127.0.0.1:1"
    for name in MethodConfig.__struct_fields__:
        was, now = getattr(before.method, name), getattr(after.method, name)
        assert now == was or now > was, name
    flat = {
        name: value
        for name, value in configuration.effective(after).items()
        if not name.startswith("venue_urls") and not isinstance(value, list) and value is not None
    }
    assert configuration.load({}, overrides=flat).method == after.method


async def test_the_same_seed_is_the_same_market() -> None:
    settings = msgspec.structs.replace(Settings(), http_port=0)
    one, two, other = (Demo(settings, speed=60.0, seed=seed) for seed in (4, 4, 5))
    await asyncio.sleep(0)
    start_ns = one.exchanges.market.start_ns
    until_ns = start_ns + 5 * 10**9

    def lived(demo: Demo) -> list[object]:
        skew_ns = demo.exchanges.market.start_ns - start_ns
        return [
            (e.contract, e.time_ns - skew_ns, getattr(e, "price", None))
            for e in demo.exchanges.market.advance(until_ns + skew_ns)
            if hasattr(e, "number")
        ]

    first = lived(one)
    assert first == lived(two) != lived(other)
    assert len(first) > 20
