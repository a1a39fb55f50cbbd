"""History before live data: each instrument's past through the same publisher, ended by one row.

Nothing pretends: BACKFILL_END says which channels really came and from when. A history that failed ends too,
with what it had.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import numpy as np

from service.intake import Intake
from service.rest import Getter, RestFailed, run_conversation
from service.venue import MalformedFrame, Venue, VenueError
from streams.events import Channel, Flag, Kind, block_rows
from streams.instruments import Instrument

NS: Final = 1_000_000_000
#: Instruments of one venue asked about at the same time.
CONCURRENT: Final = 4

#: A callback: venue, instruments done, instruments in all.
Progress = Callable[[str, int, int], None]

_KINDS: Final = (
    (Kind.MARK, Channel.MARK),
    (Kind.FUNDING, Channel.FUNDING),
    (Kind.OPEN_INTEREST, Channel.OPEN_INTEREST),
)


class WarmUpOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How far back to ask, in seconds of log time, and how long it may take."""

    history_s: float
    deadline_s: float = 80.0


class _Covered(msgspec.Struct):
    """What of an instrument's history has been written."""

    channels: Channel
    from_ns: int


class WarmUp:
    """The history of one venue's instruments. `pending` are the ids whose history is still to end."""

    def __init__(
        self,
        venue: Venue,
        instruments: Sequence[Instrument],
        intake: Intake,
        options: WarmUpOptions,
        progress: Progress | None = None,
    ) -> None:
        self.pending = {instrument.id for instrument in instruments}
        self.failed = 0
        self._venue = venue
        self._instruments = instruments
        self._intake = intake
        self._options = options
        self._progress = progress
        self._gate = asyncio.Semaphore(CONCURRENT)

    async def run(self, client: Getter) -> None:
        """Ask for everything, at most until the deadline, and end every instrument's history."""
        to_ns = self._intake.clock.now_ns()
        from_ns = to_ns - int(self._options.history_s * NS)
        async with asyncio.TaskGroup() as group:
            for instrument in self._instruments:
                group.create_task(self._one(client, instrument, from_ns, to_ns))

    async def _one(self, client: Getter, instrument: Instrument, from_ns: int, to_ns: int) -> None:
        intake = self._intake
        covered = _Covered(Channel(0), to_ns)
        elapsed_s = 0.0
        try:
            async with self._gate:
                elapsed_s = (intake.clock.now_ns() - to_ns) / NS
                left_s = max(0.0, self._options.deadline_s - elapsed_s)
                async with asyncio.timeout(left_s / intake.clock.speed):
                    await self._ask(client, instrument, (from_ns, to_ns), covered)
        except (VenueError, TimeoutError) as error:
            self.failed += 1
            intake.stats.reject(intake.venue, f"history_{_word(error)}")
        self._end(instrument, covered, to_ns)

    async def _ask(
        self, client: Getter, instrument: Instrument, span: tuple[int, int], covered: _Covered
    ) -> None:
        intake = self._intake

        async def wrote(start: int) -> None:
            if intake.out.rows > start:
                _cover(covered, bytes(intake.out.view(start)), instrument.id)
                intake.admit("history", start, 0)
            if intake.publisher.full:
                await intake.publisher.drained()

        history = self._venue.history(instrument, *span, intake.out)
        await run_conversation(client, history, intake.clock, out=intake.out, wrote=wrote)

    def _end(self, instrument: Instrument, covered: _Covered, to_ns: int) -> None:
        intake = self._intake
        now_ns = intake.clock.now_ns()
        intake.out.integers(
            Kind.BACKFILL_END, Flag.BACKFILL, instrument.id, intake.feeds.venue_ns(now_ns), now_ns,
            covered.channels, covered.from_ns, to_ns,
        )  # fmt: skip
        intake.publisher.note("history")
        self.pending.discard(instrument.id)
        if self._progress is not None:
            total = len(self._instruments)
            self._progress(intake.venue, total - len(self.pending), total)


def _cover(covered: _Covered, block: bytes, instrument: int) -> None:
    rows = block_rows(block)
    rows = rows[rows["instrument"] == instrument]
    for kind, channel in _KINDS:
        if np.any(rows["kind"] == kind):
            covered.channels |= channel
    if len(rows):
        covered.from_ns = min(covered.from_ns, int(rows["exchange_ns"].min()))


def _word(error: BaseException) -> str:
    if isinstance(error, RestFailed | MalformedFrame):
        return error.reason
    return "deadline" if isinstance(error, TimeoutError) else "refused"
