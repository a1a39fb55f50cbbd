"""Running simulators and ways to talk to them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect

from service.clock import ScaledClock
from service.simulator.exchanges import SimulatedExchanges
from service.simulator.scenario import Phase, Scenario

EPOCH_NS = 1_790_000_000 * 10**9

#: Nothing but a long cascade: every channel is busy.
BUSY = Scenario(
    seed=7,
    phases=(
        Phase(
            kind="CASCADE", duration_s=86_400.0, price_return=-0.5, oi_level=0.5,
            long_rate=0.8, short_rate=0.1, trade_rate=3.0,
        ),
    ),
)  # fmt: skip

Start = Callable[..., Awaitable[SimulatedExchanges]]


class Client:
    """A websocket client that speaks JSON and gives up waiting after some seconds."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, message: Any) -> None:
        """Send text, or a value as JSON."""
        await self.socket.send(
            message if isinstance(message, str) else msgspec.json.encode(message).decode()
        )

    async def raw(self, seconds: float = 5.0) -> str | bytes:
        """Wait for a message as it comes."""
        return await asyncio.wait_for(self.socket.recv(), seconds)

    async def hear(self, seconds: float = 5.0) -> Any:
        """Wait for a JSON message."""
        return msgspec.json.decode(await self.raw(seconds))

    async def until(self, wanted: Callable[[Any], bool], seconds: float = 10.0) -> Any:
        """Wait for the first message that is wanted."""
        async with asyncio.timeout(seconds):
            while True:
                message = await self.hear(seconds)
                if wanted(message):
                    return message

    async def silent(self, seconds: float = 0.4) -> bool:
        """Say whether nothing comes."""
        try:
            await self.raw(seconds)
        except TimeoutError:
            return True
        return False


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start simulators that are stopped after the test."""
    async with AsyncExitStack() as stack:

        async def begin(
            scenario: Scenario = BUSY, *, speed: float = 20.0, patience_s: float = 0.0
        ) -> SimulatedExchanges:
            simulated = SimulatedExchanges(ScaledClock(EPOCH_NS, speed), scenario)
            for exchange in simulated.exchanges.values():
                exchange.patience_wall_s = patience_s
            return await stack.enter_async_context(simulated)

        yield begin


@pytest.fixture
async def dial() -> AsyncIterator[Callable[..., Awaitable[Client]]]:
    """Open websockets that are closed after the test."""
    async with AsyncExitStack() as stack:

        async def open_socket(url: str, **options: Any) -> Client:
            options = {"ping_interval": None, "compression": None, "close_timeout": 1} | options
            return Client(await stack.enter_async_context(connect(url, **options)))

        yield open_socket


@pytest.fixture
async def get() -> AsyncIterator[Callable[..., Awaitable[tuple[int, Any, Any]]]]:
    """GET: (status, decoded body, headers)."""
    async with aiohttp.ClientSession() as session:

        async def fetch(url: str, **query: Any) -> tuple[int, Any, Any]:
            params = {k: str(v) for k, v in query.items()}
            async with session.get(url, params=params) as answer:
                body = await answer.read()
                return answer.status, msgspec.json.decode(body) if body else None, answer.headers

        yield fetch
