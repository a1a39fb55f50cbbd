"""`treadmill record`: one venue's raw frames into a capture, decoded only to know that they live."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from service.capture import CaptureWriter
from service.clock import Clock
from service.ingestion import Hooks, Ingestion
from service.publisher import Publisher
from service.settings import Settings
from service.stats import MemoryStats
from service.venue import Venue
from streams.instruments import Instrument


class NowhereSink:
    """Counts rows and lets them go: a recorder wants the frames."""

    def __init__(self) -> None:
        self.blocks = 0

    async def put(self, partition: int, block: bytes) -> None:
        """Count a block."""
        del partition, block
        self.blocks += 1

    async def flush(self) -> None:
        """Nothing waits."""

    async def close(self) -> None:
        """Nothing is open."""


class Recorder:
    """Writes what a venue sends. `frames` is how many so far."""

    def __init__(
        self, settings: Settings, venues: Mapping[str, Venue], clock: Clock, path: Path
    ) -> None:
        self.frames = 0
        self.stats = MemoryStats()
        self._settings = msgspec.structs.replace(settings, warmup_days=0, daily_files_dir=None)
        self._venues = venues
        self._clock = clock
        self._path = path

    async def run(self) -> None:
        """Record until cancelled."""
        with CaptureWriter(self._path) as writer:

            def tap(venue: str, received_ns: int, frame: bytes) -> None:
                del venue
                writer.write(received_ns, frame)
                self.frames += 1

            def specify(venue: str, instruments: Sequence[Instrument]) -> None:
                del venue
                writer.instruments(instruments)

            publisher = Publisher(NowhereSink(), 1)
            ingestion = Ingestion(
                self._settings, self._venues, publisher, self._clock, self.stats,
                Hooks(tap=tap, instruments=specify),
            )  # fmt: skip
            async with asyncio.TaskGroup() as group:
                group.create_task(publisher.run())
                group.create_task(ingestion.run())
