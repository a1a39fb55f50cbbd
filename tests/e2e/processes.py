"""`treadmill` as an operator runs it: child processes, told by their environment, heard by their streams."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.conftest import ROOT

Sample = tuple[str, tuple[tuple[str, str], ...]]


def environment(**options: object) -> dict[str, str]:
    """Return our environment without any option of ours but `options`, named as variables are."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("TREADMILL_")}
    clean["PYTHONPATH"] = str(ROOT)
    clean["PYTHONWARNINGS"] = "default"
    return clean | {f"TREADMILL_{name}": str(value) for name, value in options.items()}


class Treadmill:
    """One child process. Its streams are files in `folder`."""

    def __init__(self, name: str, folder: Path, *arguments: str, env: Mapping[str, str]) -> None:
        self.name = name
        self.out, self.err = folder / f"{name}.out", folder / f"{name}.err"
        command = [sys.executable, "-m", "service", *arguments]
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(command, stdout=out, stderr=err, env=env, cwd=folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self.process.poll() is None

    def events(self) -> list[dict[str, Any]]:
        """Return its JSON log lines so far."""
        found = []
        for line in self.err.read_text(errors="replace").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return [event for event in found if isinstance(event, dict)]

    async def event(self, name: str, seconds: float = 60.0) -> dict[str, Any]:
        """Wait for a log line."""
        end = time.monotonic() + seconds
        while True:
            for event in self.events():
                if event.get("event") == name:
                    return event
            assert self.running, f"{self.name} ended:\n{self.err.read_text()[-3000:]}"
            assert time.monotonic() < end, f"{self.name} never said {name}:\n{self.err.read_text()}"
            await asyncio.sleep(0.05)

    async def page(self, path: str) -> tuple[int, str]:
        """Return status and text of one of its three pages."""
        said = next(e for e in self.events() if "health_port" in e)
        return await asyncio.to_thread(fetch, f"http://127.0.0.1:{said['health_port']}{path}")

    async def metrics(self) -> dict[Sample, float]:
        """Return its metrics by name, without our prefix, and labels."""
        status, text = await self.page("/metrics")
        assert status == 200
        return samples(text)

    def kill(self) -> None:
        """End it without asking."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> None:
        """Ask it to end, as an orchestrator does."""
        self.process.send_signal(signal.SIGTERM)

    async def ended(self, seconds: float = 20.0) -> int:
        """Wait for its end and return the exit code."""
        return await asyncio.to_thread(self.process.wait, seconds)

    def complaints(self) -> list[str]:
        """Return what should not be on standard error: tracebacks, warnings of Python, our errors.

        Kafka's client calls it an error that a new broker is still looking for its coordinator.
        """
        lines = self.err.read_text(errors="replace").splitlines()
        words = ("Traceback", "Warning:", '"level": "error"', "Task exception", "never retrieved")
        mine = [line for line in lines if '"event": "library"' not in line]
        return [line for line in mine if any(word in line for word in words)]


def fetch(url: str) -> tuple[int, str]:
    """GET a page of ours."""
    try:
        with urllib.request.urlopen(url, timeout=5.0) as answer:  # noqa: S310 - our own loopback
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def samples(text: str) -> dict[Sample, float]:
    r"""Read Prometheus' text format, as far as we write it.

    >>> samples('# HELP x y\ntreadmill_x_total{venue="okx",kind="trade"} 3.0\n')
    {('x_total', (('kind', 'trade'), ('venue', 'okx'))): 3.0}
    """
    found: dict[Sample, float] = {}
    for line in text.splitlines():
        if line.startswith("treadmill_"):
            name, _, value = line.removeprefix("treadmill_").rpartition(" ")
            name, _, labels = name.partition("{")
            pairs = [pair.partition("=") for pair in labels.removesuffix("}").split(",") if pair]
            key = (name, tuple(sorted((k, v.strip('"')) for k, _, v in pairs)))
            found[key] = float(value)
    return found


def total(metrics: Mapping[Sample, float], name: str, **labels: str) -> float:
    """Return the sum of a metric over all series that have these labels."""
    wanted = set(labels.items())
    return sum(v for (n, has), v in metrics.items() if n == name and wanted <= set(has))
