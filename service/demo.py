"""The demonstration: simulated exchanges, the embedded run, and the terminal view over both."""

import asyncio
import contextlib
import tempfile
import time
from collections import deque
from pathlib import Path

import msgspec
from rich.console import Console, RenderableType
from rich.live import Live

from service.clock import ScaledClock
from service.embedded import EmbeddedRun
from service.ingestion import Hooks
from service.settings import Settings, VenueUrls
from service.simulator.exchanges import SimulatedExchanges
from service.simulator.scenario import Scenario, demo_scenario
from service.venues.registry import VENUES
from service.view import History, clock_text, screen
from streams.signals import Signal

CHARTED = ("price", "liquidated_usd_per_s_60s_long")
SHOWN = ("state", "breaker", "burst", "data_quality")
LINES = 9
CALM_S = 2100.0  # five minutes of known inputs, fifteen of calm, and the start


def demo_settings(settings: Settings, speed: float, urls: dict[str, tuple[str, str]]) -> Settings:
    """Return the settings with simulated venues, and waits that fit a clock running `speed` times."""
    method = msgspec.structs.replace(
        settings.method,
        # a hiccup of the wall's clock is a long silence on this one
        heartbeat_stale_s=max(settings.method.heartbeat_stale_s, 2.5 * speed),
        oi_fresh_floor_s=max(settings.method.oi_fresh_floor_s, 1.5 * speed),
        warmup_hold_s=max(settings.method.warmup_hold_s, 60.0 * speed),
        warmup_gather_s=max(settings.method.warmup_gather_s, 3.0 * speed),
    )
    return msgspec.structs.replace(
        settings,
        venues=tuple(urls),
        underlyings=("*",),
        daily_files_dir=None,  # no real settlements among simulated prices
        heartbeat_s=max(settings.heartbeat_s, 0.02 * speed),
        silence_s=max(60.0, 3.0 * speed),
        future_tolerance_s=max(settings.future_tolerance_s, 1.0 * speed),
        venue_urls={
            name: VenueUrls(websocket_url=websocket, rest_url=rest)
            for name, (websocket, rest) in urls.items()
        },
        method=method,
    )


def _scenario(seed: int) -> Scenario:
    """Return the demonstration's market, calm for as long as a machine needs to call it so."""
    scenario = demo_scenario(seed)
    calm, *others = scenario.phases
    longer = msgspec.structs.replace(calm, duration_s=CALM_S)
    return msgspec.structs.replace(scenario, phases=(longer, *others))


class Demo:
    """Everything that the view shows, and the loop that refreshes it."""

    def __init__(self, settings: Settings, *, speed: float, seed: int) -> None:
        self.speed = speed
        self.clock = ScaledClock(time.time_ns(), speed)
        self.exchanges = SimulatedExchanges(self.clock, _scenario(seed))
        self.signals: deque[Signal] = deque(maxlen=LINES)
        self.history = History()
        self.warm: dict[str, str] = {}
        self._settings = settings
        self._seed = seed
        self.embedded: EmbeddedRun | None = None

    async def run(self, console: Console) -> None:
        """Run until cancelled."""
        with tempfile.TemporaryDirectory(prefix="treadmill-demo-") as folder:
            async with self.exchanges:
                settings = demo_settings(self._settings, self.speed, self.exchanges.urls())
                self.embedded = EmbeddedRun(
                    settings, {name: VENUES[name] for name in settings.venues}, self.clock,
                    on_signal=self._keep, hooks=Hooks(progress=self._progress),
                    folder=Path(folder),
                )  # fmt: skip
                running = asyncio.create_task(self.embedded.run(), name="embedded")
                try:
                    await self._show(console, running)
                finally:
                    running.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await running

    def _keep(self, signal: Signal) -> None:
        if signal.kind in SHOWN and signal.status != "PROVISIONAL":
            self.signals.append(signal)

    def _progress(self, venue: str, done: int, total: int) -> None:
        self.warm[venue] = f"{venue} {done}/{total}"

    async def _show(self, console: Console, running: "asyncio.Task[None]") -> None:
        if not console.is_terminal:
            await self._tell(console, running)
            return
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while not running.done():
                live.update(self._screen(console.width), refresh=True)
                await asyncio.sleep(0.25)
        await running

    async def _tell(self, console: Console, running: "asyncio.Task[None]") -> None:
        """Without a terminal: each signal once, as a line."""
        told: set[str] = set()
        while not running.done():
            for signal in list(self.signals):
                if signal.id not in told:
                    told.add(signal.id)
                    console.print(
                        f"{signal.asof} {signal.symbol} {signal.side} {signal.kind} "
                        f"{signal.previous or ''} -> {signal.status}", highlight=False, soft_wrap=True,
                    )  # fmt: skip
            await asyncio.sleep(0.25)
        await running

    def _screen(self, width: int) -> RenderableType:
        engine = self.embedded.engine if self.embedded else None
        states = [engine.state(symbol) for symbol in engine.underlyings()] if engine else []
        for state in states:
            self.history.note(state["symbol"], state["readings"], CHARTED)
        rows = engine.counters["rows"] if engine else 0
        port = self.embedded.health.port if self.embedded and self.embedded.ready else 0
        warm = "   ".join(self.warm.values()) or "asking the venues for their history"
        status = (
            f"SIMULATED market, seed {self._seed}, its clock runs {self.speed:g}x: "
            f"{clock_text(self.clock.now_ns())}\n"
            f"{rows:,} rows folded   history: {warm}   metrics: http://127.0.0.1:{port}/metrics   "
            "Ctrl-C ends it"
        )
        return screen(
            "treadmill demo", status, states, self.history, list(self.signals), width=width
        )
