"""Asks venues for trades that did not come, and says in the log what stays missing."""

from collections.abc import Mapping
from typing import Final

import structlog

from service.holes import Hole
from service.intake import Intake
from service.rest import Getter, VenueBanned, run_conversation
from service.venue import Venue, VenueError
from streams.events import Channel, Kind
from streams.instruments import Instrument

NS: Final = 1_000_000_000
#: Seconds of log time between looks.
EVERY_S: Final = 1.0
#: After a request that failed, the next one waits as long again as has been waited, and this at least.
AGAIN_NS: Final = 10 * NS
#: What could not be had this long after it was missed is given up.
KEEP_NS: Final = 3600 * NS
#: A ban may outlast that: so much is waited for its end.
BAN_KEEP_NS: Final = 24 * 3600 * NS

_log = structlog.get_logger(__name__)


class Filler:
    """One venue's. A hole that could not be filled becomes a GAP row of its instrument."""

    def __init__(
        self, venue: Venue, instruments: Mapping[int, Instrument], client: Getter, intake: Intake
    ) -> None:
        self._venue = venue
        self._instruments = instruments
        self._client = client
        self._intake = intake

    async def run(self) -> None:
        """Look after holes until cancelled; venues that do not number their trades have none."""
        holes = self._intake.screen.holes
        while holes is not None:
            await self._intake.clock.sleep(EVERY_S)
            for key, hole in holes.due(self._intake.clock.now_ns()):
                instrument = self._instruments.get(key)
                if instrument is not None:
                    await self._mend(instrument, hole)

    async def _mend(self, instrument: Instrument, hole: Hole) -> None:
        intake, gap = self._intake, hole.gap
        holes = intake.screen.holes
        if holes is None:
            return
        missing = gap.last - gap.first + 1
        if not hole.asked:
            intake.stats.missing(intake.venue, "found", missing)
        others, again_ns = await self._ask(instrument, hole)
        lost = 0
        if again_ns:
            left = holes.ask_again(instrument.id, gap.first, gap.last, again_ns)
        else:
            left = holes.give_up(instrument.id, gap.first, gap.last)
            lost = max(0, left - others)
            intake.stats.missing(intake.venue, "foreign", left - lost)
        intake.stats.missing(intake.venue, "filled", missing - left)
        if lost:
            self._mark(instrument, hole, lost)
        # ids of block trades are missing all the time: only what was or may have been lost is news
        say = _log.info if lost or again_ns or left < missing else _log.debug
        say(
            "trades_missing", venue=intake.venue, symbol=instrument.symbol,
            first=gap.first, last=gap.last, filled=missing - left, lost=lost,
        )  # fmt: skip

    def _mark(self, instrument: Instrument, hole: Hole, lost: int) -> None:
        intake, gap = self._intake, hole.gap
        intake.stats.missing(intake.venue, "lost", lost)
        now_ns = intake.clock.now_ns()
        intake.out.integers(
            Kind.GAP, 0, instrument.id, intake.feeds.venue_ns(now_ns), now_ns,
            Channel.TRADE, gap.from_ns, gap.to_ns,
        )  # fmt: skip
        intake.publisher.note("feed")

    async def _ask(self, instrument: Instrument, hole: Hole) -> tuple[int, int]:
        """Ask for a hole's trades.

        Return how many of its ids are no trades of ours, and when to ask again (0 is never).
        """
        intake = self._intake

        async def wrote(start: int) -> None:
            if intake.out.rows > start:
                intake.admit("fill", start, 0)
            if intake.publisher.full:
                await intake.publisher.drained()

        conversation = self._venue.fill(instrument, hole.gap, intake.out)
        if conversation is None:
            return 0, 0
        try:
            others = await run_conversation(
                self._client, conversation, intake.clock, out=intake.out, wrote=wrote
            )
        except VenueError as error:
            intake.stats.reject(intake.venue, "fill")
            again_ns = _again_ns(error, hole, intake.clock.now_ns())
            _log.warning(
                "fill_failed", venue=intake.venue, symbol=instrument.symbol, error=str(error),
                again=again_ns > 0,
            )  # fmt: skip
            return 0, again_ns
        return others or 0, 0


def _again_ns(error: VenueError, hole: Hole, now_ns: int) -> int:
    """Return when to ask again after a failure, 0 if the hole is too old for that."""
    age_ns = now_ns - hole.found_ns
    if isinstance(error, VenueBanned):
        # A ban is no answer: what it kept back is asked for once it is over, however long it was.
        return error.until_ns if error.until_ns - hole.found_ns < BAN_KEEP_NS else 0
    return now_ns + max(AGAIN_NS, age_ns) if age_ns < KEEP_NS else 0
