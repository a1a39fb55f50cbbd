"""Running simulators and ways to talk to them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import msgspec
import pytest
from websockets.asyncio.client import connect

from service.clock import ScaledClock
from service.simulator.exchanges import SimulatedExchanges
from service.simulator.scenario import Scenario
from tests.service.simulator.talking import BUSY, EPOCH_NS, Client, Dial, Get, Start


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start simulators that are stopped after the test."""
    async with AsyncExitStack() as stack:

        async def begin(
            scenario: Scenario = BUSY, *, speed: float = 20.0, patience_s: float = 5.0
        ) -> SimulatedExchanges:
            simulated = SimulatedExchanges(ScaledClock(EPOCH_NS, speed), scenario)
            for exchange in simulated.exchanges.values():
                exchange.patience_wall_s = patience_s
            return await stack.enter_async_context(simulated)

        yield begin


@pytest.fixture
async def dial() -> AsyncIterator[Dial]:
    """Open websockets that are closed after the test."""
    async with AsyncExitStack() as stack:

        async def open_socket(url: str, **options: Any) -> Client:
            options = {"ping_interval": None, "compression": None, "close_timeout": 1} | options
            return Client(await stack.enter_async_context(connect(url, **options)))

        yield open_socket


@pytest.fixture
async def get() -> AsyncIterator[Get]:
    """GET: (status, decoded body, headers)."""
    async with aiohttp.ClientSession() as session:

        async def fetch(url: str, **query: Any) -> tuple[int, Any, Any]:
            params = {k: str(v) for k, v in query.items()}
            async with session.get(url, params=params) as answer:
                body = await answer.read()
                return answer.status, msgspec.json.decode(body) if body else None, answer.headers

        yield fetch
