"""A whole ingest run around the toy venue: publisher, client, clock, and what came out."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import numpy as np
from websockets.asyncio.server import ServerConnection

from service.clock import ScaledClock
from service.ingest import Follow, IngestOptions, VenueIngest, rest_client
from service.publisher import Publisher
from service.stats import MemoryStats
from service.venue import VenueSpec
from streams.events import VIEWS, Channel, block_rows
from streams.instruments import Instrument
from tests.reference.toy_venue import (
    BTC,
    SPEC,
    Behaviour,
    ListSink,
    ToyExchange,
    ToyVenue,
    our_tasks,
)

NS = 1_000_000_000
T0 = 1_700_000_000 * NS
ALL = Channel.TRADE | Channel.MARK | Channel.LIQUIDATION


def spec(**changes: Any) -> VenueSpec:
    return msgspec.structs.replace(SPEC, **changes)


def say(
    ch: str,
    clock: ScaledClock,
    s: str = "BTC",
    n: int = 0,
    p: float = 100.0,
    q: float = 1.0,
    ahead_s: float = 0.0,
) -> str:
    t = (clock.now_ns() + int(ahead_s * NS)) // 1_000_000
    return json.dumps({"ch": ch, "s": s, "t": t, "p": p, "q": q, "n": n})


class Run:
    """A running ingest with everything around it."""

    def __init__(self, clock: ScaledClock) -> None:
        self.clock = clock
        self.stats = MemoryStats()
        self.sink = ListSink()
        self.publisher = Publisher(self.sink, 1)
        self.dead: list[tuple[str, str, bytes]] = []
        self.taps: list[tuple[str, int, bytes]] = []

    def rows(self, kind: int, one: Instrument = BTC) -> Any:
        """Return what has been published of one kind."""
        blocks = b"".join(block for _, block in self.sink.blocks)
        rows = block_rows(blocks)
        rows = rows[(rows["kind"] == kind) & (rows["instrument"] == one.id)]
        return np.frombuffer(rows.tobytes(), dtype=VIEWS[kind])

    async def until(self, condition: Callable[[], bool], seconds: float = 8.0) -> None:
        """Wait at most `seconds` of the wall for something to become true."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, (self.stats.connections, self.stats.rejects)
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(
    venue: ToyVenue,
    url: str,
    *,
    speed: float = 20.0,
    rest: str = "http://127.0.0.1:9",
    instruments: Sequence[Instrument] = (BTC,),
    clock: ScaledClock = None,
    follow: Follow | None = None,
    **options: Any,
) -> AsyncIterator[Run]:
    run = Run(clock or ScaledClock(T0, speed))
    chosen = IngestOptions(websocket_url=url, rest_url=rest, seed=1, **options)
    async with rest_client(venue, run.clock, run.stats, chosen) as client:
        ingest = VenueIngest(
            venue, instruments, run.publisher, run.clock, run.stats,
            client=client, options=chosen, follow=follow,
            dead_letter=lambda *said: run.dead.append(said), tap=lambda *said: run.taps.append(said),
        )  # fmt: skip
        tasks = [asyncio.create_task(ingest.run()), asyncio.create_task(run.publisher.run())]
        try:
            yield run
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
    await run.publisher.close()
    assert [type(one) for one in ended] == [asyncio.CancelledError, asyncio.CancelledError]
    assert our_tasks() == set()


def steady(clock: ScaledClock, *, every_s: float = 0.02) -> Behaviour:
    """Mark price and numbered trades for ever; one market whoever listens."""

    async def behave(exchange: ToyExchange, ws: ServerConnection) -> None:
        while not exchange.heard:
            await asyncio.sleep(0.001)
        while True:
            await ws.send(say("mark", clock))
            await asyncio.sleep(every_s)

    return behave
