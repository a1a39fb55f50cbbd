"""Whose time it is. Everything that waits or stamps is handed one of these."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Log time: what rows are stamped with and timers run on."""

    @property
    def speed(self) -> float:
        """Seconds of log time per second of the wall's. 1 outside of simulations."""
        ...

    def now_ns(self) -> int:
        """Return nanoseconds since the epoch."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for that much of this clock's time."""
        ...


class WallClock:
    """The machine's clock. Never goes back while the process lives."""

    speed = 1.0

    def __init__(self) -> None:
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    def now_ns(self) -> int:
        """Return UTC as it was at start plus what the monotonic clock has counted since."""
        return self._offset_ns + time.monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class ScaledClock:
    """A simulation's clock: starts at `epoch_ns` and runs `speed` times as fast as the wall's.

    `origin_ns` is the monotonic reading at which it showed `epoch_ns`; processes of one simulation
    share all three numbers and so the time.
    """

    def __init__(self, epoch_ns: int, speed: float, origin_ns: int | None = None) -> None:
        self.epoch_ns = epoch_ns
        self.speed = speed
        self.origin_ns = time.monotonic_ns() if origin_ns is None else origin_ns

    def now_ns(self) -> int:
        """Return the simulation's time."""
        return self.epoch_ns + int((time.monotonic_ns() - self.origin_ns) * self.speed)

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds` of the simulation's time."""
        await asyncio.sleep(seconds / self.speed)
