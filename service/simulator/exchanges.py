"""Simulated exchanges over one living market: start, watch, break, stop.

Everything runs in the clock's time. A pump looks at the clock every few milliseconds of the wall's, lets
the market live up to it and has each exchange say what happened.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Self

from service.clock import Clock
from service.simulator.exchange import Exchange
from service.simulator.faces import FACES
from service.simulator.market import Market
from service.simulator.scenario import Scenario, VenueName, demo_scenario

PUMP_EVERY_S = 0.015  # of the wall's time
MOST_AT_ONCE_S = (
    60.0  # log time lived through in one turn at most, so that a stall is caught up in pieces
)


class SimulatedExchanges:
    """The venues of a scenario on loopback.

    `exchanges` gives each one's faults and counters; `market.regime` the truth a watcher is to find.
    """

    def __init__(
        self,
        clock: Clock,
        scenario: Scenario | None = None,
        *,
        ports: Mapping[VenueName, int] | None = None,
    ) -> None:
        self.scenario = scenario or demo_scenario()
        self.market = Market(self.scenario, clock.now_ns())
        self._clock = clock
        self._pump: asyncio.Task[None] | None = None
        self._running = asyncio.Event()
        self._running.set()
        label = f"{clock.speed:g}x seed={self.scenario.seed}"
        chosen = ports or {}
        self.exchanges: dict[VenueName, Exchange] = {
            name: Exchange(FACES[name](self.market), clock, port=chosen.get(name, 0), label=label)
            for name, _ in self.scenario.shares
        }

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen on every port and let the market live."""
        for exchange in self.exchanges.values():
            await exchange.start()
        self._pump = asyncio.create_task(self._run(), name="simulated-market")

    async def stop(self) -> None:
        """Close everything. Raises what stopped the market, if anything did."""
        pump, self._pump = self._pump, None
        if pump is not None:
            pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pump
        for exchange in self.exchanges.values():
            await exchange.stop()

    def urls(self) -> dict[str, tuple[str, str]]:
        """Return (websocket URL, REST URL) by venue."""
        return {name: exchange.urls for name, exchange in self.exchanges.items()}

    def pause(self) -> None:
        """Stop telling: what was published can be counted. The clock goes on; so will the market."""
        self._running.clear()

    def resume(self) -> None:
        """Go on; what happened meanwhile is told at once."""
        self._running.set()

    async def drained(self) -> None:
        """Wait until everything published has been handed to the clients' sockets."""
        for exchange in self.exchanges.values():
            await exchange.drained()

    def rows(self) -> dict[str, dict[str, int]]:
        """Return, by venue and channel, the rows a perfect ingester has made of what was sent."""
        return {
            name: {channel: n for channel, n in exchange.rows.items() if n}
            for name, exchange in self.exchanges.items()
        }

    async def _run(self) -> None:
        told_ns = self.market.start_ns
        while True:
            await self._running.wait()
            now_ns = self._clock.now_ns()
            told_ns = min(now_ns, told_ns + int(MOST_AT_ONCE_S * 1e9))
            events = self.market.advance(told_ns)
            for exchange in self.exchanges.values():
                exchange.publish(events, told_ns)
            await asyncio.sleep(0.0 if told_ns < now_ns else PUMP_EVERY_S)
