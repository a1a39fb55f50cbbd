"""All venues of one process into one publisher: discovery, connections, polls, history, for ever.

A venue that cannot be asked for its contracts is the venue's fault: counted, asked again later, and the
others go on without it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import msgspec
import structlog

from service import daily
from service.clock import Clock
from service.configuration import chosen
from service.ingest import IngestOptions, VenueHealth, VenueIngest, discover, rest_client
from service.intake import DeadLetter, Tap
from service.publisher import Publisher
from service.rest import RestClient
from service.settings import Settings
from service.stats import IngestStats
from service.telemetry import Telemetry
from service.venue import Venue, VenueError
from service.warmup import Progress, WarmUpOptions
from streams.events import Channel
from streams.instruments import Instrument

DAY_S = 86_400.0
RETRY_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)

_NOT_STARTED = VenueHealth(connections=0, live=Channel(0), budget_used=0.0, banned_until_ns=0)

_log = structlog.get_logger(__name__)

#: Called once a venue's contracts are known.
OnInstruments = Callable[[str, Sequence[Instrument]], None]


class Hooks(msgspec.Struct, frozen=True, kw_only=True):
    """Who else wants to know."""

    dead_letter: DeadLetter | None = None
    tap: Tap | None = None
    progress: Progress | None = None
    instruments: OnInstruments | None = None


def options_of(settings: Settings, venue: str) -> IngestOptions:
    """Return one venue's ingestion options."""
    urls = settings.venue_urls.get(venue)
    history_s = settings.warmup_days * DAY_S
    warm_up = WarmUpOptions(history_s=history_s, deadline_s=0.9 * settings.method.warmup_hold_s)
    return IngestOptions(
        websocket_url=urls.websocket_url if urls else None,
        rest_url=urls.rest_url if urls else None,
        heartbeat_s=settings.heartbeat_s,
        future_s=settings.future_tolerance_s,
        silence_s=settings.silence_s,
        frame_max=settings.websocket_max_frame_bytes,
        warm_up=warm_up if history_s else None,
        data_dir=settings.data_dir,
    )


class Ingestion:
    """Every configured venue. `run` until cancelled; `live` holds the venues that are being read."""

    def __init__(
        self,
        settings: Settings,
        venues: Mapping[str, Venue],
        publisher: Publisher,
        clock: Clock,
        stats: IngestStats,
        hooks: Hooks | None = None,
    ) -> None:
        self.live: dict[str, VenueIngest] = {}
        self._settings = settings
        self._venues = venues
        self._publisher = publisher
        self._clock = clock
        self._stats = stats
        self._hooks = hooks or Hooks()
        self._unmapped: set[tuple[str, str]] = set()
        self._daily = self._daily_files()

    async def run(self) -> None:
        """Read all venues until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name, venue in self._venues.items():
                group.create_task(self._venue(name, venue))
            if self._daily is not None:
                group.create_task(self._daily.run())

    def _daily_files(self) -> daily.DailyFiles | None:
        folder = self._settings.daily_files_dir
        if folder is None:
            return None
        return daily.DailyFiles(
            folder, self._publisher, self._clock, self._stats, wanted=self._wanted, tell=self.tell
        )

    def report(self, telemetry: Telemetry) -> None:
        """Set the gauges of every venue; what is not being read is down."""
        for name, venue in self._venues.items():
            ingest = self.live.get(name)
            health = ingest.health() if ingest is not None else _NOT_STARTED
            telemetry.connected(name, health.connections)
            telemetry.rest_budget(name, health.budget_used, health.banned_until_ns)
            self._feeds(telemetry, name, venue.SPEC.semantics.channels, health.live)
        if self._daily is not None:
            live = self._daily.feeds.live
            self._feeds(telemetry, daily.NAME, daily.SEMANTICS.channels, live)

    @staticmethod
    def _feeds(telemetry: Telemetry, name: str, has: Channel, live: Channel) -> None:
        """Set which feeds are up: of a channel that a venue does not have there is nothing to say."""
        for channel in has:
            telemetry.feed(name, str(channel.name).lower(), up=bool(live & channel))

    async def _venue(self, name: str, venue: Venue) -> None:
        options = options_of(self._settings, name)
        async with rest_client(venue, self._clock, self._stats, options) as client:
            instruments = await self._discover(venue, client)
            if not instruments:
                _log.warning("nothing_to_watch", venue=name, underlyings=self._settings.underlyings)
                return
            _log.info("venue_started", venue=name, instruments=len(instruments))
            self.tell(name, instruments)
            ingest = VenueIngest(
                venue, instruments, self._publisher, self._clock, self._stats,
                client=client, options=options, follow=_Follow(self, name, venue, client),
                dead_letter=self._hooks.dead_letter,
                tap=self._hooks.tap, progress=self._hooks.progress,
            )  # fmt: skip
            self.live[name] = ingest
            try:
                await ingest.run()
            finally:
                del self.live[name]

    async def _discover(self, venue: Venue, client: RestClient) -> list[Instrument]:
        attempt = 0
        while True:
            try:
                return await self.look(venue, client)
            except VenueError as error:
                pause_s = RETRY_S[min(attempt, len(RETRY_S) - 1)]
                self._stats.reject(venue.SPEC.name, "discovery")
                _log.warning(
                    "discovery_failed", venue=venue.SPEC.name, error=str(error), again_in_s=pause_s
                )
                await self._clock.sleep(pause_s)
                attempt += 1

    async def look(self, venue: Venue, client: RestClient) -> list[Instrument]:
        """Return what is wanted of what a venue lists; report what cannot be mapped, each once."""
        found = await discover(venue, client, self._clock, self._wanted)
        name = venue.SPEC.name
        for symbol, why in found.unmapped.items():
            if (name, symbol) not in self._unmapped:
                self._unmapped.add((name, symbol))
                self._stats.listing(name, "unmapped", 1)
                _log.warning("unmapped", venue=name, symbol=symbol[:64], why=why[:200])
        return found.instruments

    def tell(self, name: str, instruments: Sequence[Instrument]) -> None:
        """Say which contracts of a venue are followed from now on."""
        if self._hooks.instruments is not None:
            self._hooks.instruments(name, instruments)

    def _wanted(self, underlying: str) -> bool:
        return chosen(self._settings.underlyings, underlying)


class _Follow:
    """What one running venue looks at again and again."""

    def __init__(self, ingestion: Ingestion, name: str, venue: Venue, client: RestClient) -> None:
        self._ingestion = ingestion
        self._name = name
        self._venue = venue
        self._client = client

    async def look(self) -> list[Instrument]:
        """Return the contracts that are wanted and listed now."""
        return await self._ingestion.look(self._venue, self._client)

    def changed(self, instruments: Sequence[Instrument]) -> None:
        """Pass on the contracts followed from now on."""
        self._ingestion.tell(self._name, instruments)
