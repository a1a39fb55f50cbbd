"""One venue, complete: its connections, polls, history, heartbeats and announcements, as rows."""

import asyncio
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from service.clock import Clock
from service.connection import Keeper
from service.intake import DeadLetter, Intake, Tap
from service.poll import Poller
from service.publisher import Publisher
from service.rest import RestClient, run_conversation
from service.session import ConnectPacer
from service.stats import IngestStats
from service.venue import Universe, Venue, contract_flags
from service.warmup import Progress, WarmUp, WarmUpOptions
from streams.events import Channel, Flag
from streams.instruments import Instrument

NS: Final = 1_000_000_000
#: Wall seconds between heartbeats at least, however fast log time runs.
HEARTBEAT_FLOOR_S: Final = 0.01


class IngestOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to ingest one venue. Seconds are log time; URLs default to the venue's own."""

    websocket_url: str | None = None
    rest_url: str | None = None
    heartbeat_s: float = 0.25
    announce_s: float = 60.0
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
    )


async def discover(
    venue: Venue, client: RestClient, clock: Clock, wanted: Callable[[str], bool] = bool
) -> Universe:
    """Ask the venue for its contracts, those whose underlying is `wanted`.

    Raises:
        RestFailed: the venue could not be asked.
        MalformedFrame: its answer could not be read.
    """
    found = await run_conversation(client, venue.discover(), clock)
    chosen = [one for one in found.instruments if wanted(one.underlying)]
    return Universe(instruments=chosen, unmapped=found.unmapped)


class VenueIngest:
    """Runs one venue until cancelled. Its client must be open, its publisher running."""

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
        dead_letter: DeadLetter | None = None,
        tap: Tap | None = None,
        progress: Progress | None = None,
    ) -> None:
        options = options or IngestOptions()
        self.instruments = tuple(instruments)
        self.intake = Intake(
            venue.SPEC.name, publisher, clock, stats,
            future_s=options.future_s, frame_max=options.frame_max, dead_letter=dead_letter, tap=tap,
        )  # fmt: skip
        self._clock = clock
        self._spec = venue.SPEC
        self._client = client
        self._options = options
        self._warm_up = (
            WarmUp(venue, self.instruments, self.intake, options.warm_up, progress)
            if options.warm_up is not None
            else None
        )
        for one in self.instruments:
            publisher.register(one)
        self._poller = Poller(venue.polls(self.instruments), client, self.intake)
        self._keepers = self._keep(venue)

    def _keep(self, venue: Venue) -> list[Keeper]:
        pacer = ConnectPacer()
        rng = random.Random(self._options.seed)  # noqa: S311 - jitter, no secret
        return [
            Keeper(
                f"socket:{number}", plan, venue, self.intake,
                url=self._options.websocket_url or venue.SPEC.websocket_url,
                pacer=pacer, rng=rng, overlap_s=self._options.overlap_s,
                silence_s=self._options.silence_s,
            )
            for number, plan in enumerate(venue.plan(self.instruments))
        ]  # fmt: skip

    def health(self) -> VenueHealth:
        """Return how the venue is doing now."""
        now_ns = self._clock.now_ns()
        budget, banned_until_ns = self._client.budget, self._client.banned_until_ns
        return VenueHealth(
            connections=sum(keeper.serving for keeper in self._keepers),
            live=self.intake.feeds.live,
            budget_used=budget.used(now_ns) / budget.limit,
            banned_until_ns=banned_until_ns if banned_until_ns > now_ns else 0,
        )

    async def run(self) -> None:
        """Ingest until cancelled; on the way out every feed is declared stopped."""
        self._announce()
        async with asyncio.TaskGroup() as group:
            for keeper in self._keepers:
                group.create_task(keeper.run())
            group.create_task(self._poller.run())
            group.create_task(self._beats())
            group.create_task(self._announcements())
            if self._warm_up is not None:
                group.create_task(self._warm_up.run(self._client))

    async def _beats(self) -> None:
        intake = self.intake
        pause_s = max(self._options.heartbeat_s, HEARTBEAT_FLOOR_S * self._clock.speed)
        while True:
            await self._clock.sleep(pause_s)
            now_ns = self._clock.now_ns()
            for keeper in self._keepers:
                keeper.refresh(now_ns)
            intake.feeds.beat(now_ns)
            intake.stats.lag(intake.venue, intake.feeds.lag_s)
            intake.publisher.note("heartbeat")

    async def _announcements(self) -> None:
        while True:
            await self._clock.sleep(self._options.announce_s)
            self._announce()

    def _announce(self) -> None:
        now_ns = self._clock.now_ns()
        exchange_ns = self.intake.feeds.venue_ns(now_ns)
        pending = set() if self._warm_up is None else self._warm_up.pending
        for one in self.instruments:
            flags = contract_flags(self._spec, one)
            if one.id in pending:
                flags |= Flag.HAS_BACKFILL
            self.intake.out.contract(
                flags, one.id, exchange_ns, now_ns,
                one.funding_interval_ns, one.underlying, one.venue,
            )  # fmt: skip
        self.intake.publisher.note("instrument")
