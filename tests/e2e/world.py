"""Settings and runs for tests of the whole service over the simulated exchanges."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from service.clock import ScaledClock
from service.embedded import EmbeddedRun
from service.ingestion import Hooks
from service.kernels import load_kernels
from service.settings import Settings, VenueUrls
from service.simulator.exchanges import SimulatedExchanges
from service.simulator.scenario import BTC, ETH, SOL, Excitation, Phase, Scenario, Underlying
from service.venues.registry import VENUES
from streams.config import MethodConfig
from streams.signals import Signal

EPOCH_NS = 1_790_000_000 * 10**9

#: Waits of seconds instead of hours, and ranks that a day of history fills.
SWIFT: dict[str, float] = {
    "oi_warm_s": 3600.0, "oi_rank_half_life_s": 7200.0, "oi_mean_half_life_s": 7200.0,
    "funding_rank_half_life_s": 7200.0, "unknown_exit_s": 5.0,
    "calm_enter": 0.97, "calm_exit": 0.98, "crowded_enter": 0.99, "crowded_exit": 0.985,
    "calm_dwell_s": 5.0, "calm_min_s": 5.0, "calm_burst_free_s": 30.0,
}  # fmt: skip
SILENT_MARKET = Scenario(
    seed=5,
    underlyings=(BTC,),
    phases=(Phase(kind="CALM", duration_s=30 * 86_400.0, long_rate=0.0, short_rate=0.0),),
)

_COINS = (
    BTC, ETH, SOL,
    Underlying(name="APT", price=8.0, open_interest=4e7, price_decimals=3, okx_contract="1"),
    Underlying(name="LTC", price=80.0, open_interest=4e6, price_decimals=2, okx_contract="1"),
)  # fmt: skip
#: Laps of seven and a half minutes, each with a cascade that costs a fifteenth of the open interest.
CASCADES = Scenario(
    seed=20,
    underlyings=_COINS,
    variation=0.0,
    excitation=Excitation(half_lives_s=(0.5, 1.0, 2.0)),
    phases=(
        Phase(kind="CALM", duration_s=330.0, trade_rate=2.0),
        Phase(
            kind="CASCADE", duration_s=40.0, price_return=-0.05, oi_level=0.93, volatility=2.0,
            premium_bp=-5.0, premium_half_life_s=20.0, trade_rate=12.0,
            long_rate=2.0, short_rate=0.02, liquidation_size=3.0,
        ),
        Phase(kind="AFTER", duration_s=80.0, trade_rate=2.0, long_rate=0.0, short_rate=0.0),
    ),
)  # fmt: skip
#: A method that needs no history and finds every state within a lap.
QUICK: dict[str, float] = {
    "oi_warm_s": 60.0, "oi_rank_half_life_s": 30.0, "oi_mean_half_life_s": 60.0,
    "funding_rank_half_life_s": 30.0, "unknown_exit_s": 5.0, "calm_enter": 0.97, "calm_exit": 0.98,
    "crowded_enter": 0.99, "crowded_exit": 0.985, "calm_dwell_s": 10.0, "calm_min_s": 5.0,
    "calm_burst_free_s": 30.0, "burst_floor_oi_per_minute": 1e-6, "burst_min_events": 3,
    "burst_end_share": 0.5, "burst_end_s": 5.0, "burst_merge_s": 5.0, "cascade_oi_enter": -0.002,
    "cascade_oi_exit": -0.001, "cascade_quiet_s": 20.0, "heartbeat_s": 5.0,
}  # fmt: skip


def swift_settings(exchanges: SimulatedExchanges, speed: float, **method: float) -> Settings:
    """Return settings for simulated venues, with waits that fit a clock running `speed` times."""
    fast = {
        "heartbeat_stale_s": max(15.0, 2.5 * speed),
        "oi_fresh_floor_s": max(30.0, 2.5 * speed),
        "warmup_hold_s": 60.0 * speed,
        "warmup_gather_s": 1.0 * speed,
    }
    return Settings(
        venues=tuple(exchanges.urls()),
        underlyings=("*",),
        http_port=0,
        heartbeat_s=max(0.25, 0.02 * speed),
        future_tolerance_s=max(5.0, speed),
        warmup_days=1,
        venue_urls={
            name: VenueUrls(websocket_url=websocket, rest_url=rest)
            for name, (websocket, rest) in exchanges.urls().items()
        },
        method=MethodConfig(**(SWIFT | fast | method)),
    )


class Watched:
    """An embedded run with everything it says."""

    def __init__(self, run: EmbeddedRun, exchanges: SimulatedExchanges, folder: Path) -> None:
        self.run = run
        self.exchanges = exchanges
        self.folder = folder
        self.signals: list[Signal] = []
        self.dead: list[tuple[str, str, bytes]] = []

    def state(self, symbol: str = "BTC") -> tuple[str, str]:
        """Return both machines' states."""
        if symbol not in self.run.engine.underlyings():
            return ("UNKNOWN", "UNKNOWN")
        now = self.run.engine.state(symbol)
        return now["long"]["state"], now["short"]["state"]

    def said(self, kind: str, status: str | None = None) -> list[Signal]:
        """Return the signals of a kind so far."""
        return [s for s in self.signals if s.kind == kind and status in {None, s.status}]

    def metric(self, name: str, **labels: str) -> float:
        """Return a sample of the run's metrics, 0 if it has none."""
        return self.run.telemetry.value(f"treadmill_{name}", **labels) or 0.0

    async def until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait at most `seconds` of the wall for something to become true."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"not in {seconds} s: {what}; {self.state()}"
            await asyncio.sleep(0.02)


@asynccontextmanager
async def embedded(
    folder: Path,
    scenario: Scenario,
    speed: float,
    *,
    method: Mapping[str, float] | None = None,
    hooks: Hooks | None = None,
    epoch_ns: int = EPOCH_NS,
    **settings: Any,
) -> AsyncIterator[Watched]:
    """Run simulated exchanges and the whole service around them."""
    load_kernels()
    clock = ScaledClock(epoch_ns, speed)
    async with SimulatedExchanges(clock, scenario) as exchanges:
        chosen = swift_settings(exchanges, speed, **(method or {}))
        chosen = msgspec.structs.replace(chosen, **settings)
        venues = {name: VENUES[name] for name in chosen.venues}
        dead: list[tuple[str, str, bytes]] = []
        hooks = msgspec.structs.replace(
            hooks or Hooks(), dead_letter=lambda *what: dead.append(what)
        )
        signals: list[Signal] = []
        run = EmbeddedRun(
            chosen, venues, clock, on_signal=signals.append, hooks=hooks, folder=folder
        )
        watched = Watched(run, exchanges, folder)
        watched.signals, watched.dead = signals, dead
        task = asyncio.create_task(run.run(), name="embedded")
        try:
            yield watched
            assert not task.done(), "the run ended by itself"
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled(), task.exception()
