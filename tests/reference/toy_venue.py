"""A venue small enough to read at a glance: a real `Venue`, and its exchange on loopback.

Frames are ``{"ch": "trade", "s": "BTC", "t": ms, "p": 1.0, "q": 1.0, "n": 7}``; channels are trade, mark and
liquidation. Open interest comes by REST.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from service.semantics import (
    Evidence,
    LiquidationFeed,
    MarkFeed,
    OpenInterestFeed,
    Semantics,
    TradeFeed,
)
from service.venue import (
    ConnectionPlan,
    Conversation,
    FrameName,
    Gap,
    MalformedFrame,
    Poll,
    RestRequest,
    Universe,
    VenueRefused,
    VenueSpec,
    no_fill,
)
from streams.events import Channel, Flag, Kind, RowBuffer, Side
from streams.instruments import Instrument, instrument

NOWHERE = Evidence("2026-11", "tests")
SPEC = VenueSpec(
    name="toy",
    semantics=Semantics(
        market="perpetual",
        title="Toy",
        trade=TradeFeed(unit="coin", gaps="none", evidence=NOWHERE),
        mark=MarkFeed(index=False, cadence_s=1.0, evidence=NOWHERE),
        open_interest=OpenInterestFeed(source="rest", unit="coin", cadence_s=5.0, evidence=NOWHERE),
        liquidation=LiquidationFeed(
            completeness="sampled", side="position", price="fill", evidence=NOWHERE
        ),
    ),
    websocket_url="wss://toy.invalid",
    rest_url="https://toy.invalid",
    sends_per_s=10.0,
    rest_weight_per_minute=600,
    used_weight_header="X-Used",
    silence_s=10.0,
)
BTC = instrument(venue="toy", symbol="BTC", underlying="BTC", quote="USD")
ETH = instrument(venue="toy", symbol="ETH", underlying="ETH", quote="USD")
KINDS = {"trade": Kind.TRADE, "mark": Kind.MARK, "liquidation": Kind.LIQUIDATION}


class Frame(msgspec.Struct):
    """Everything the toy exchange says."""

    ch: FrameName
    s: str = ""
    t: int = 0
    p: float = 0.0
    q: float = 0.0
    n: int = 0


class ToyDecoder:
    """Reads toy frames."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._instruments = instruments

    def decode(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        """Read one frame."""
        try:
            said = msgspec.json.decode(frame, type=Frame | list[Frame])
        except msgspec.MsgspecError as error:
            raise MalformedFrame("json", str(error)) from None
        frames = said if isinstance(said, list) else [said]
        for one in frames:
            if one.s == "REFUSED":
                raise VenueRefused("no such symbol")
            if one.ch in KINDS:
                self._row(one, received_ns, out)
        return frames[0].ch

    def _row(self, one: Frame, received_ns: int, out: RowBuffer) -> None:
        out.floats(
            KINDS[one.ch], Side.BUY, 0, self._instruments[one.s].id,
            one.t * 1_000_000, received_ns, one.n, one.p, one.q, one.p * one.q,
        )  # fmt: skip


class ToyVenue:
    """The venue, with a spec and a history that a test may choose."""

    def __init__(self, spec: VenueSpec = SPEC, *, poll_s: float | None = None) -> None:
        self.SPEC = spec
        self.poll_s = poll_s
        self.remembers = False
        self.subscribe: tuple[bytes, ...] = (b'{"op":"sub"}',)

    def decoder(self, instruments: Mapping[str, Instrument]) -> ToyDecoder:
        """Return a decoder."""
        return ToyDecoder(instruments)

    def plan(self, instruments: Sequence[Instrument]) -> list[ConnectionPlan]:
        """Return one connection for everything."""
        return [
            ConnectionPlan(
                path="/ws",
                subscribe=self.subscribe,
                channels=Channel.TRADE | Channel.MARK | Channel.LIQUIDATION,
                control=Channel.MARK,
                instruments=tuple(instruments),
            )
        ]

    def discover(self) -> Conversation[Universe]:
        """Ask for a list of symbols."""
        body = yield RestRequest(path="/instruments")
        universe = Universe()
        for symbol in msgspec.json.decode(body, type=list[str]):
            universe.add(venue="toy", symbol=symbol, base=symbol, quote="USD")
        return universe

    def fill(
        self, instrument: Instrument, gap: Gap, out: RowBuffer
    ) -> Conversation[int | None] | None:
        """Ask for numbered trades, if the toy is one that remembers them."""
        return (
            self._trades(instrument, gap, out) if self.remembers else no_fill(instrument, gap, out)
        )

    @staticmethod
    def _trades(instrument: Instrument, gap: Gap, out: RowBuffer) -> Conversation[int]:
        body = yield RestRequest(
            path="/trades", params={"from": str(gap.first), "to": str(gap.last)}
        )
        others = 0
        for number, ms in msgspec.json.decode(body, type=list[tuple[int, int]]):
            if ms == 0:  # no trade of ours
                others += 1
                continue
            out.floats(
                Kind.TRADE, Side.BUY, 0, instrument.id, ms * 1_000_000, gap.to_ns, number,
                100.0, 1.0, 100.0,
            )  # fmt: skip
        return others

    def history(
        self, instrument: Instrument, from_ns: int, to_ns: int, out: RowBuffer
    ) -> Conversation[None]:
        """Page until a page is empty."""
        page = 0
        while True:
            body = yield RestRequest(
                path="/history", params={"s": instrument.symbol, "page": str(page)}, weight=2
            )
            rows = msgspec.json.decode(body, type=list[float])
            for quantity in rows:
                out.floats(
                    Kind.OPEN_INTEREST, 0, Flag.BACKFILL, instrument.id,
                    from_ns + page, to_ns, 0, quantity, quantity, 1.0,
                )  # fmt: skip
            page += 1
            if not rows:
                return

    def polls(self, instruments: Sequence[Instrument]) -> list[Poll]:
        """Return the open interest polls, if wanted."""
        if self.poll_s is None:
            return []
        return [self._poll(one, self.poll_s) for one in instruments]

    @staticmethod
    def _poll(one: Instrument, every_s: float) -> Poll:
        def decode(body: bytes, received_ns: int, out: RowBuffer) -> None:
            try:
                quantity = msgspec.json.decode(body, type=float)
            except msgspec.MsgspecError as error:
                raise MalformedFrame("json", str(error)) from None
            out.floats(
                Kind.OPEN_INTEREST,
                0,
                0,
                one.id,
                received_ns,
                received_ns,
                0,
                quantity,
                quantity,
                1.0,
            )

        return Poll(
            request=RestRequest(path="/oi", params={"s": one.symbol}),
            every_s=every_s,
            channel=Channel.OPEN_INTEREST,
            instrument=one,
            decode=decode,
        )


#: What a loopback REST server answers: a response, or what to send as JSON; may be awaited.
Answer = Callable[[web.Request], Any]
Behaviour = Callable[["ToyExchange", ServerConnection], Any]


class ToyExchange:
    """The exchange's websocket. `behaviour(exchange, socket)` is what it does with a connection."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.attempts = 0
        self.sockets: list[ServerConnection] = []
        self.heard: list[str] = []
        self.refuse: tuple[int, dict[str, str]] | None = None
        self.url = ""

    def _gate(self, socket: ServerConnection, _: Request) -> Response | None:
        self.attempts += 1
        if self.refuse is None:
            return None
        answer = socket.respond(self.refuse[0], "no")
        for name, value in self.refuse[1].items():
            answer.headers[name] = value
        return answer

    async def _serve(self, socket: ServerConnection) -> None:
        self.sockets.append(socket)
        listener = asyncio.create_task(self._listen(socket))
        try:
            await self.behaviour(self, socket)
        except ConnectionClosed:
            pass
        finally:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)

    async def _listen(self, socket: ServerConnection) -> None:
        async for message in socket:
            self.heard.append(str(message))

    @asynccontextmanager
    async def open(self) -> AsyncIterator["ToyExchange"]:
        """Serve on a loopback port."""
        async with serve(
            self._serve,
            "127.0.0.1",
            0,
            process_request=self._gate,
            ping_interval=None,
            close_timeout=0.2,
        ) as server:
            self.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield self


@asynccontextmanager
async def toy_rest(
    answer: Answer,
) -> AsyncIterator[str]:
    """Serve REST on loopback: `answer(request)` returns a response, or what to send as JSON."""

    async def handle(request: web.Request) -> web.StreamResponse:
        said = answer(request)
        if asyncio.iscoroutine(said):
            said = await said
        if isinstance(said, web.StreamResponse):
            return said
        return web.Response(text=json.dumps(said))

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


class ListSink:
    """A sink that keeps every block in a list; `gate` holds it back while cleared."""

    def __init__(self) -> None:
        self.blocks: list[tuple[int, bytes]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.flushed = 0
        self.closed = False

    async def put(self, partition: int, block: bytes) -> None:
        """Keep it, once the gate is open."""
        await self.gate.wait()
        self.blocks.append((partition, block))

    async def flush(self) -> None:
        """Count."""
        self.flushed += 1

    async def close(self) -> None:
        """Note it."""
        self.closed = True


def our_tasks() -> set[str]:
    """Return the running tasks but the test itself and what the loopback servers still wind down."""
    current = asyncio.current_task()
    return {
        name
        for task in asyncio.all_tasks()
        if task is not current
        and "RequestHandler" not in (name := repr(task.get_coro()))
        and "ServerConnection" not in name
        and "protocol_handler" not in name
    }
