"""How an event loop fares: how late its timers run, what it takes of the CPU, and whether memory grows."""

import asyncio
import os
import time
from pathlib import Path
from typing import Final

import numpy as np

PROBE_S: Final = 0.01
WEIGH_S: Final = 1.0
#: Of the run, for the slope of the memory: the last part.
STEADY: Final = 0.8


def resident_mb() -> float:
    """Return the resident memory of this process, as Linux tells it."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Probe:
    """Watches the running loop between `begin` and `end`, at most about `seconds`."""

    def __init__(self, seconds: float) -> None:
        # room for all of it at once: what is measured must not grow by being measured
        self._late_s = np.zeros(int(2 * seconds / PROBE_S) + 1000)
        self._weights = np.zeros((int(2 * seconds / WEIGH_S) + 100, 2))
        self._turns = self._weighed = 0
        self.cpu_s = self.wall_s = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self) -> None:
        """Start to measure."""
        self.cpu_s, self.wall_s = -time.process_time(), -time.monotonic()
        self._tasks = [asyncio.create_task(self._turn()), asyncio.create_task(self._weigh())]

    def end(self) -> None:
        """Stop to measure."""
        self.cpu_s += time.process_time()
        self.wall_s += time.monotonic()
        for task in self._tasks:
            task.cancel()

    async def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        while self._turns < len(self._late_s):
            due = loop.time() + PROBE_S
            await asyncio.sleep(PROBE_S)
            self._late_s[self._turns] = loop.time() - due
            self._turns += 1

    async def _weigh(self) -> None:
        while self._weighed < len(self._weights):
            self._weights[self._weighed] = time.monotonic(), resident_mb()
            self._weighed += 1
            await asyncio.sleep(WEIGH_S)

    def late_ms(self, share: float) -> float:
        """Return a quantile of the timer's lateness in milliseconds."""
        return float(np.quantile(self._late_s[: self._turns], share)) * 1e3

    def memory(self) -> tuple[float, float, float]:
        """Return resident MB at the end and at most, and the slope of the last part in MB a minute."""
        at, mb = self._weights[: self._weighed].T
        steady = at >= at[-1] - STEADY * (at[-1] - at[0])
        slope = np.polyfit(at[steady] - at[0], mb[steady], 1)[0] if steady.sum() > 2 else np.nan
        return float(mb[-1]), float(mb.max()), float(slope) * 60.0
