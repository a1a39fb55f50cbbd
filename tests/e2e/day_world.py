"""What a simulated day needs: its market, exchanges that remember who knocks, the service around them."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import msgspec

from service.clock import ScaledClock
from service.embedded import EmbeddedRun
from service.ingestion import Hooks
from service.kernels import load_kernels
from service.simulator.exchange import Exchange
from service.simulator.exchanges import SimulatedExchanges
from service.simulator.scenario import BTC, CALM_LAP, ETH, SOL, Excitation, Scenario, Underlying
from service.simulator.wire import Face
from service.venues.registry import VENUES
from streams.instruments import Instrument
from streams.signals import Signal
from tests.e2e.day_facts import Span
from tests.e2e.world import EPOCH_NS, swift_settings

NS: Final = 10**9
MINUTE_NS: Final = 60 * NS
#: How far the ingester's clock is behind the exchanges'.
BEHIND_S: Final = 1.3
#: Trades about once an hour, as do its liquidations.
_SAMPLE: Final = re.compile(r"^treadmill_(\w+_total)\{(.*)\} (\S+)$", re.MULTILINE)
QUIET: Final = Underlying(
    name="LTC", price=80.0, open_interest=4e6, price_decimals=2, okx_contract="1",
    activity=1.0 / 1000.0,
)  # fmt: skip
#: Of the day: a connection to a venue on which much happens must live through its life between two events.
LIFETIME_SHARE: Final = 0.16
SHARES: Final = {
    "binance_usdm": 0.4, "bybit": 0.2, "okx": 0.2, "binance_spot": 0.1, "coinbase": 0.1,
}  # fmt: skip
VENUES_OF_THE_DAY: Final = tuple(SHARES)
#: How long a window of planned trouble is open after its cause is gone, at most.
RECOVERY_S: Final = 420.0


def scenario(seed: int, *venues: str) -> Scenario:
    """Return the day's market: calm, two coins that trade, one that comes and goes, one that is quiet."""
    return Scenario(
        seed=seed,
        underlyings=(BTC, ETH, msgspec.structs.replace(SOL, activity=0.5), QUIET),
        shares=tuple((name, SHARES[name]) for name in venues or VENUES_OF_THE_DAY),
        phases=CALM_LAP,
        trade_rate=0.4,
        excitation=Excitation(branching=(0.0, 0.0, 0.0)),  # no forced close causes another
    )


class Door:
    """A face that remembers when it was spoken to. What faults refuse does not get this far."""

    def __init__(self, face: Face, clock: ScaledClock) -> None:
        self._face, self._clock = face, clock
        self.knocks: list[tuple[int, bool]] = []  # when, and whether it was a handshake

    def __getattr__(self, name: str) -> Any:
        return getattr(self._face, name)

    def connect(self, path: str, query: Mapping[str, str], now_ns: int) -> Any:
        """Note a handshake."""
        self.knocks.append((now_ns, True))
        return self._face.connect(path, query, now_ns)

    def rest(self, path: str, query: Mapping[str, str], now_ns: int) -> Any:
        """Note a request."""
        self.knocks.append((now_ns, False))
        return self._face.rest(path, query, now_ns)


class Day:
    """Exchanges, the service around them, and what is noted of both. `figures` are by event."""

    def __init__(
        self, folder: Path, exchanges: SimulatedExchanges, clock: ScaledClock, hours: float
    ) -> None:
        self.folder = folder
        self.exchanges = exchanges
        self.clock = clock  # the exchanges'
        self.ours = ScaledClock(
            clock.epoch_ns - int(BEHIND_S * NS), clock.speed, origin_ns=clock.origin_ns
        )
        self.hours = hours
        self.start_ns = self.end_ns = self.stopped_ns = clock.now_ns()
        self.figures: dict[str, dict[str, Any]] = {}
        self.signals: list[Signal] = []
        self.instruments: dict[int, Instrument] = {}
        self.planned: list[tuple[str, int, int]] = []  # venue, ours from, to
        self.unlisted: dict[tuple[str, str], list[Span]] = {}
        self.stopped: Span = (0, 0)
        self.counts: Counter[tuple[str, str]] = Counter()
        self.offsets: dict[str, float] = {}
        self.run: EmbeddedRun | None = None
        self._task: asyncio.Task[None] | None = None
        self._settings = msgspec.structs.replace(
            swift_settings(exchanges, clock.speed), data_dir=folder
        )
        self._venues = {name: self._venue(name) for name in self._settings.venues}
        self._doors = {name: Door(one.face, clock) for name, one in exchanges.exchanges.items()}
        for name, door in self._doors.items():
            self.exchange(name).face = door

    def _venue(self, name: str) -> Any:
        """Return a venue whose connections live as long as this day's exchanges let them."""
        module = VENUES[name]
        face: Any = self.exchanges.exchanges[name].face
        parts = {part: getattr(module, part) for part in module.__all__}
        if module.SPEC.lifetime_s is not None:
            quiet = name == "binance_spot"
            face.lifetime_s = (
                lifetime_s(self.hours) if quiet else self.hours * 3600.0 * LIFETIME_SHARE
            )
            parts["SPEC"] = msgspec.structs.replace(module.SPEC, lifetime_s=face.lifetime_s)
        return SimpleNamespace(**parts)

    def exchange(self, name: str) -> Exchange:
        """Return a venue's exchange."""
        return self.exchanges.exchanges[name]

    def start(self) -> None:
        """Start the service, with what it left in its folder."""

        def know(_venue: str, instruments: Any) -> None:
            self.instruments |= {one.id: one for one in instruments}

        self.run = EmbeddedRun(
            self._settings, self._venues, self.ours, on_signal=self.signals.append,
            hooks=Hooks(instruments=know), folder=self.folder,
        )  # fmt: skip
        self._task = asyncio.create_task(self.run.run(), name="day")

    async def stop(self) -> None:
        """Stop the service in order and keep its counters."""
        assert self._task is not None
        assert not self._task.done(), self._task.exception()
        self._collect()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        assert self._task.cancelled(), self._task.exception()

    def _collect(self) -> None:
        assert self.run is not None
        text, _ = self.run.telemetry.expose()
        for name, labels, value in _SAMPLE.findall(text.decode()):
            self.counts[name, labels] += int(float(value))
        for venue in VENUES_OF_THE_DAY:
            if venue in self.exchanges.exchanges:
                self.offsets[venue] = self.metric("clock_offset_seconds", venue=venue)

    def counted(self, name: str, **labels: str) -> int:
        """Return a counter's value, all runs together."""
        text = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
        return self.counts[f"{name}_total", text]

    def totals(self, name: str) -> dict[str, int]:
        """Return all values of a counter that are not 0, by their labels."""
        return {
            labels.replace('"', ""): n
            for (family, labels), n in self.counts.items()
            if family == f"{name}_total" and n
        }

    def metric(self, name: str, **labels: str) -> float:
        """Return a sample of the present run's metrics, 0 if it has none."""
        assert self.run is not None
        return self.run.telemetry.value(f"treadmill_{name}", **labels) or 0.0

    def event(self, venue: str, word: str) -> int:
        """Return how often something has happened to a venue's connections in this run."""
        return int(self.metric("connection_events_total", venue=venue, event=word))

    def knocks(self, venue: str, from_ns: int, to_ns: int, *, websockets: bool) -> int:
        """Return how often a venue was spoken to between two moments of its clock."""
        found = self._doors[venue].knocks
        return sum(from_ns < at < to_ns and (websockets or not shake) for at, shake in found)

    async def minutes(self, minutes: float) -> None:
        """Let the log's time pass."""
        await self.clock.sleep(minutes * 60.0)

    async def until(self, condition: Callable[[], bool], minutes: float, what: str) -> float:
        """Wait until something is true; return how many seconds of log time it took."""
        since = self.clock.now_ns()
        end = time.monotonic() + max(3.0, minutes * 60.0 / self.clock.speed)
        while not condition():
            assert time.monotonic() < end, f"not in {minutes} min: {what}"
            await asyncio.sleep(0.002)
        return (self.clock.now_ns() - since) / NS

    async def connected(self, venue: str, lives: int, minutes: float = 15.0) -> float:
        """Wait until a venue's connection has become live more than `lives` times."""
        return await self.until(
            lambda: self.event(venue, "live") > lives, minutes, f"{venue} is back"
        )

    def planned_since(self, since_ns: int, *venues: str) -> None:
        """Note that venues were in trouble from then until now, and a little longer."""
        behind = int(BEHIND_S * NS)
        for venue in venues or VENUES_OF_THE_DAY:
            until_ns = self.ours.now_ns() + int(max(RECOVERY_S, self.clock.speed) * NS)
            self.planned.append((venue, since_ns - behind - NS, until_ns))


def lifetime_s(hours: float) -> float:
    """Return how long connections may live: a day, or as long as it takes for one to be over in this one.

    >>> lifetime_s(24.0), round(lifetime_s(2.5))
    (86400.0, 6821)
    """
    return min(86_400.0, (hours - 0.7) * 3600.0 / 0.95)


@asynccontextmanager
async def service(
    folder: Path, market: Scenario, *, speed: float, hours: float
) -> AsyncIterator[Day]:
    """Run the exchanges and the service; both are stopped in order at the end."""
    load_kernels()
    clock = ScaledClock(EPOCH_NS, speed)
    async with SimulatedExchanges(clock, market) as exchanges:
        day = Day(folder, exchanges, clock, hours)
        day.start()
        try:
            yield day
        finally:
            day.end_ns = clock.now_ns()
            await day.stop()
            day.stopped_ns = clock.now_ns()
