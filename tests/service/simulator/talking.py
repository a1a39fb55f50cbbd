"""A websocket client for tests, and a scenario in which every channel is busy."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

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


def alone(venue: str, scenario: Scenario = BUSY) -> Scenario:
    """Return a scenario with a single venue in it."""
    return msgspec.structs.replace(scenario, shares=((venue, 1.0),))


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

    async def ending(self, seconds: float = 10.0) -> ConnectionClosed:
        """Read until the connection ends and return how it did."""
        async with asyncio.timeout(seconds):
            while True:
                try:
                    await self.socket.recv()
                except ConnectionClosed as closed:
                    return closed


Start = Callable[..., Awaitable[SimulatedExchanges]]
Dial = Callable[..., Awaitable[Client]]
Get = Callable[..., Awaitable[tuple[int, Any, Any]]]
