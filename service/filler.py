"""Asks venues for trades that did not come, and says in the log what stays missing."""

from collections.abc import Mapping
from typing import Final

import structlog

from service.holes import Hole
from service.intake import Intake
from service.rest import Getter, run_conversation
from service.venue import Venue, VenueError
from streams.events import Channel, Kind
from streams.instruments import Instrument

#: Seconds of log time between looks.
EVERY_S: Final = 1.0

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
        missing = gap.last - gap.first + 1
        intake.stats.missing(intake.venue, "found", missing)
        others = await self._ask(instrument, hole)
        holes = intake.screen.holes
        left = 0 if holes is None else holes.give_up(instrument.id, gap.first, gap.last)
        lost = max(0, left - others)
        intake.stats.missing(intake.venue, "filled", missing - lost)
        if lost:
            intake.stats.missing(intake.venue, "lost", lost)
            now_ns = intake.clock.now_ns()
            intake.out.integers(
                Kind.GAP, 0, instrument.id, intake.feeds.venue_ns(now_ns), now_ns,
                Channel.TRADE, gap.from_ns, gap.to_ns,
            )  # fmt: skip
            intake.publisher.note("feed")
        _log.info(
            "trades_missing", venue=intake.venue, symbol=instrument.symbol,
            first=gap.first, last=gap.last, filled=missing - lost, lost=lost,
        )  # fmt: skip

    async def _ask(self, instrument: Instrument, hole: Hole) -> int:
        """Ask for a hole's trades; return how many of its ids are no trades of ours."""
        intake = self._intake

        async def wrote(start: int) -> None:
            if intake.out.rows > start:
                intake.admit("fill", start, 0)
            if intake.publisher.full:
                await intake.publisher.drained()

        conversation = self._venue.fill(instrument, hole.gap, intake.out)
        if conversation is None:
            return 0
        try:
            others = await run_conversation(
                self._client, conversation, intake.clock, out=intake.out, wrote=wrote
            )
        except VenueError as error:
            intake.stats.reject(intake.venue, "fill")
            _log.warning(
                "fill_failed", venue=intake.venue, symbol=instrument.symbol, error=str(error)
            )
            return 0
        return others or 0
