"""One venue, complete: its connections, polls, history, heartbeats and announcements, as rows."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec
import structlog

from service.clock import Clock
from service.filler import Filler
from service.intake import DeadLetter, Intake, Tap
from service.links import Links
from service.poll import Poller
from service.publisher import Publisher
from service.rest import RestClient, run_conversation
from service.stats import IngestStats
from service.universe import Change, Universe
from service.venue import Universe as Listed
from service.venue import Venue, VenueError, contract_flags
from service.warmup import Progress, WarmUp, WarmUpOptions
from streams.events import Channel, Flag
from streams.instruments import Instrument

NS: Final = 1_000_000_000
#: Wall seconds between heartbeats at least, however fast log time runs.
HEARTBEAT_FLOOR_S: Final = 0.01
#: Seconds of log time between a refusal and the next look at what the venue lists.
REFUSED_S: Final = 15.0

_log = structlog.get_logger(__name__)


class IngestOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to ingest one venue. Seconds are log time; URLs default to the venue's own."""

    websocket_url: str | None = None
    rest_url: str | None = None
    heartbeat_s: float = 0.25
    announce_s: float = 60.0
    discover_s: float = 600.0  # between looks at what the venue lists
    future_s: float = 5.0  # exchange time this far ahead of ours is refused
    overlap_s: float = 2.0  # two connections are read this long on rotation
    silence_s: float | None = None  # of control channels; None: the venue's own
    frame_max: int = 4 << 20  # bytes; a longer frame is refused unread
    warm_up: WarmUpOptions | None = None
    data_dir: Path | None = None  # where bans survive a restart
    seed: int | None = None  # of the jitter


class VenueHealth(msgspec.Struct, frozen=True, kw_only=True):
    """A venue at one moment. `budget_used` is the used share of its REST budget; 0 is no ban."""

    connections: int
    live: Channel
    budget_used: float
    banned_until_ns: int


def rest_client(
    venue: Venue, clock: Clock, stats: IngestStats, options: IngestOptions
) -> RestClient:
    """Return the venue's REST client; one a venue and process, because it keeps the budget."""
    spec = venue.SPEC
    return RestClient(
        options.rest_url or spec.rest_url,
        spec.rest_weight_per_minute,
        clock,
        spec.used_weight_header,
        venue=spec.name,
        stats=stats,
        data_dir=options.data_dir,
        headers=spec.headers,
    )


async def discover(
    venue: Venue, client: RestClient, clock: Clock, wanted: Callable[[str], bool] = bool
) -> Listed:
    """Ask the venue for its contracts, those whose underlying is `wanted`.

    Raises:
        RestFailed: the venue could not be asked.
        MalformedFrame: its answer could not be read.
    """
    found = await run_conversation(client, venue.discover(), clock)
    chosen = [one for one in found.instruments if wanted(one.underlying)]
    return Listed(instruments=chosen, unmapped=found.unmapped)


class Follow(Protocol):
    """Where a running venue learns what is listed now, and whom it tells."""

    async def look(self) -> Sequence[Instrument]:
        """Return the contracts that are wanted and listed now.

        Raises:
            VenueError: the venue could not be asked or understood.
        """
        ...

    def changed(self, instruments: Sequence[Instrument]) -> None:
        """Take note of the contracts followed from now on."""
        ...


class VenueIngest:
    """Runs one venue until cancelled. Its client must be open, its publisher running.

    `follow` is what it looks for again and again: contracts are listed, delisted and respecified while
    running. Its hooks are told what is new.
    """

    def __init__(
        self,
        venue: Venue,
        instruments: Sequence[Instrument],
        publisher: Publisher,
        clock: Clock,
        stats: IngestStats,
        *,
        client: RestClient,
        options: IngestOptions | None = None,
        follow: Follow | None = None,
        dead_letter: DeadLetter | None = None,
        tap: Tap | None = None,
        progress: Progress | None = None,
    ) -> None:
        options = options or IngestOptions()
        trades = venue.SPEC.semantics.trade
        self.universe = Universe(instruments)
        self.intake = Intake(
            venue.SPEC.name, publisher, clock, stats,
            future_s=options.future_s, contiguous=trades is not None and trades.gaps == "contiguous",
            frame_max=options.frame_max, dead_letter=dead_letter, tap=tap,
        )  # fmt: skip
        self._venue = venue
        self._publisher = publisher
        self._clock = clock
        self._client = client
        self._options = options
        self._follow = follow
        self._progress = progress
        self._known = {one.id: one for one in instruments}
        self._histories = [] if options.warm_up is None else [self._history(self.instruments)]
        for one in instruments:
            publisher.register(one)
        self._poller = Poller(venue.polls(instruments), client, self.intake)
        self._filler = Filler(venue, self._known, client, self.intake)
        self._links = Links(
            venue, self.intake,
            url=options.websocket_url or venue.SPEC.websocket_url, seed=options.seed,
            overlap_s=options.overlap_s, silence_s=options.silence_s,
            data_dir=options.data_dir,
        )  # fmt: skip

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """The contracts followed now."""
        return self.universe.instruments

    def _history(self, instruments: Sequence[Instrument]) -> WarmUp:
        options = self._options.warm_up or WarmUpOptions(history_s=0.0)
        return WarmUp(self._venue, instruments, self.intake, options, self._progress)

    def health(self) -> VenueHealth:
        """Return how the venue is doing now."""
        now_ns = self._clock.now_ns()
        budget, banned_until_ns = self._client.budget, self._client.banned_until_ns
        return VenueHealth(
            connections=self._links.serving,
            live=self.intake.feeds.live,
            budget_used=budget.used(now_ns) / budget.limit,
            banned_until_ns=banned_until_ns if banned_until_ns > now_ns else 0,
        )

    async def run(self) -> None:
        """Ingest until cancelled; on the way out every feed is declared stopped."""
        holes, folder = self.intake.screen.holes, self._options.data_dir
        if holes is None or folder is None:
            await self._run()
            return
        file = folder / f"tapes-{self.intake.venue}.json"
        holes.resume(file, self._clock.now_ns())
        try:
            await self._run()
        except asyncio.CancelledError:
            holes.leave(file, self._clock.now_ns())
            raise

    async def _run(self) -> None:
        self._announce(self.instruments)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._links.run(self._venue.plan(self.instruments)))
            group.create_task(self._poller.run())
            group.create_task(self._filler.run())
            group.create_task(self._beats())
            group.create_task(self._announcements())
            if self._follow is not None:
                group.create_task(self._watch(self._follow, group))
            for history in self._histories:
                group.create_task(history.run(self._client))

    async def _watch(self, follow: Follow, group: asyncio.TaskGroup) -> None:
        """Look at the venue's list again and again, and follow what it lists."""
        while True:
            await self._time_to_look()
            try:
                seen = await follow.look()
            except VenueError as error:
                self.intake.stats.reject(self.intake.venue, "discovery")
                _log.warning("discovery_failed", venue=self.intake.venue, error=str(error))
                continue
            change = self.universe.look(seen)
            if change:
                await self._take(change, group)
                follow.changed(self.instruments)

    async def _time_to_look(self) -> None:
        """Wait between looks, shorter after a refusal: a contract that is gone may take others with it."""
        refused = self.intake.refused
        refused.clear()
        try:
            async with asyncio.timeout(self._options.discover_s / self._clock.speed):
                await refused.wait()
            await self._clock.sleep(min(REFUSED_S, self._options.discover_s))
        except TimeoutError:
            pass

    async def _take(self, change: Change, group: asyncio.TaskGroup) -> None:
        intake, new = self.intake, (*change.listed, *change.respecified)
        for event in ("listed", "delisted", "respecified"):
            if found := getattr(change, event):
                intake.stats.listing(intake.venue, event, len(found))
                symbols = [one.symbol for one in found]
                _log.info("contracts_changed", venue=intake.venue, what=event, symbols=symbols)
        for one in new:
            self._publisher.register(one)
            self._known[one.id] = one
        if change.listed and self._options.warm_up is not None:
            history = self._history(change.listed)
            self._histories.append(history)
            group.create_task(history.run(self._client))
        self._announce(new)
        delisted = {one.id for one in change.delisted}
        self._poller.replace(self._venue.polls(self.instruments), delisted)
        await self._links.replace(
            self._venue.plan(self.instruments), delisted=delisted, make_first=not change.respecified
        )

    async def _beats(self) -> None:
        intake = self.intake
        pause_s = max(self._options.heartbeat_s, HEARTBEAT_FLOOR_S * self._clock.speed)
        while True:
            await self._clock.sleep(pause_s)
            now_ns = self._clock.now_ns()
            self._links.refresh(now_ns)
            intake.feeds.beat(now_ns)
            intake.stats.lag(intake.venue, intake.feeds.lag_s)
            intake.publisher.note("heartbeat")

    async def _announcements(self) -> None:
        while True:
            await self._clock.sleep(self._options.announce_s)
            self._announce(self.instruments)

    def _announce(self, instruments: Sequence[Instrument]) -> None:
        now_ns = self._clock.now_ns()
        exchange_ns = self.intake.feeds.venue_ns(now_ns)
        pending = {key for history in self._histories for key in history.pending}
        for one in instruments:
            flags = contract_flags(self._venue.SPEC, one)
            if one.id in pending:
                flags |= Flag.HAS_BACKFILL
            self.intake.out.contract(
                flags, one.id, exchange_ns, now_ns,
                one.funding_interval_ns, one.underlying, one.venue, one.quote,
            )  # fmt: skip
        self.intake.publisher.note("instrument")
