"""Contracts that come, go and change while they are being followed."""

import asyncio
import json
from collections.abc import Sequence

from websockets.asyncio.server import ServerConnection

from service.clock import ScaledClock
from service.universe import Universe
from service.venue import ConnectionPlan, MalformedFrame
from streams.events import Channel, DownReason, Kind
from streams.instruments import Instrument, instrument
from tests.reference.toy_run import ALL, T0, running, say
from tests.reference.toy_venue import BTC, ETH, ToyExchange, ToyVenue

SOL = instrument(venue="toy", symbol="SOL", underlying="SOL", quote="USD")
BIG_ETH = instrument(venue="toy", symbol="ETH", underlying="ETH", quote="USD", contract_size="10")


def test_a_contract_is_gone_when_two_looks_miss_it() -> None:
    universe = Universe([BTC, ETH])
    assert not universe.look([BTC, ETH])
    assert not universe.look([ETH])
    assert not universe.look([BTC, ETH]), "it was one bad answer"
    assert not universe.look([]), "an empty list takes nothing away at once"
    change = universe.look([ETH, SOL])
    assert (change.listed, change.delisted, change.respecified) == ((SOL,), (BTC,), ())
    assert universe.instruments == (ETH, SOL)
    assert universe.look([SOL, BIG_ETH]).respecified == (BIG_ETH,)
    assert universe.instruments == (BIG_ETH, SOL)
    assert not universe.look([SOL, BIG_ETH])


class Lists:
    """What the toy venue lists, look after look; and who was told of it."""

    def __init__(self, *looks: list[Instrument] | None) -> None:
        self.looks = list(looks)
        self.told: list[tuple[Instrument, ...]] = []

    async def look(self) -> list[Instrument]:
        """Return the next list; the last one for ever."""
        seen = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if seen is None:
            raise MalformedFrame("json", "no list today")
        return seen

    def changed(self, instruments: tuple[Instrument, ...]) -> None:
        """Remember what was told."""
        self.told.append(tuple(instruments))


class Chatty(ToyVenue):
    """Asks for its symbols by name, one connection for all."""

    def plan(self, instruments: Sequence[Instrument]) -> list[ConnectionPlan]:
        """Return one connection, if there is anything to ask for."""
        self.subscribe = (json.dumps([one.symbol for one in instruments]).encode(),)
        return super().plan(instruments) if instruments else []


async def test_listing_delisting_and_a_new_contract_size_while_running() -> None:
    clock = ScaledClock(T0, 20.0)
    numbers = iter(range(1, 10**9))

    async def behave(_: ToyExchange, ws: ServerConnection) -> None:
        symbols = json.loads(await ws.recv())
        while True:
            for symbol in symbols:
                await ws.send(say("mark", clock, s=symbol))
                await ws.send(say("trade", clock, s=symbol, n=next(numbers)))
            await asyncio.sleep(0.01)

    class Exchange(ToyExchange):
        async def _listen(self, socket: ServerConnection) -> None:
            await socket.wait_closed()

    lists = Lists([BTC, ETH], None, [BTC, ETH, SOL], [ETH, SOL], [ETH, SOL], [BIG_ETH, SOL])
    async with (
        Exchange(behave).open() as exchange,
        running(
            Chatty(), exchange.url, clock=clock, instruments=(BTC, ETH),
            discover_s=12.0, follow=lists,
        ) as run,
    ):  # fmt: skip
        await run.until(lambda: run.stats.listings["toy", "respecified"] == 1, 20.0)
        await run.until(
            lambda: run.rows(Kind.FEED_UP, BIG_ETH)["channels"].tolist().count(ALL) >= 2
        )
        last_ns = clock.now_ns()
        await run.until(lambda: run.rows(Kind.TRADE, SOL)["received_ns"].max() > last_ns)
    assert dict(run.stats.listings) == {
        ("toy", "listed"): 1, ("toy", "delisted"): 1, ("toy", "respecified"): 1,
    }  # fmt: skip
    assert lists.told == [(BTC, ETH, SOL), (ETH, SOL), (BIG_ETH, SOL)]
    assert run.stats.rejects["toy", "discovery"] == 1
    downs = {
        one.symbol: [DownReason(r) for r in run.rows(Kind.FEED_DOWN, one)["reason"] if r]
        for one in (BTC, ETH, SOL)
    }
    assert downs["BTC"][0] is DownReason.DELISTED
    assert DownReason.DELISTED not in downs["ETH"] + downs["SOL"]
    assert len(run.rows(Kind.HEARTBEAT, BTC)) < len(run.rows(Kind.HEARTBEAT, ETH))
    assert (run.rows(Kind.HEARTBEAT, SOL)["channels"] & Channel.MARK).any()
    sol = run.rows(Kind.TRADE, SOL)["sequence"].tolist()
    assert len(sol) == len(set(sol)) > 10


async def test_a_contract_that_is_gone_does_not_take_the_others_with_it_for_long() -> None:
    """Some venues refuse a whole request for one bad symbol: the list is looked at soon, not in time."""
    clock = ScaledClock(T0, 20.0)
    gone: list[str] = []

    async def behave(_: ToyExchange, ws: ServerConnection) -> None:
        symbols = json.loads(await ws.recv())
        if set(symbols) & set(gone):
            await ws.send(json.dumps({"ch": "ack", "s": "REFUSED"}))
            await ws.wait_closed()
        while not set(symbols) & set(gone):
            for symbol in symbols:
                await ws.send(say("mark", clock, s=symbol))
            await asyncio.sleep(0.01)
        ws.transport.abort()

    class Exchange(ToyExchange):
        async def _listen(self, socket: ServerConnection) -> None:
            await socket.wait_closed()

    lists = Lists([ETH])
    async with (
        Exchange(behave).open() as exchange,
        running(
            Chatty(), exchange.url, clock=clock, instruments=(BTC, ETH),
            discover_s=3600.0, follow=lists,
        ) as run,
    ):  # fmt: skip
        await run.until(lambda: run.stats.connections["toy", "live"] == 1)
        gone.append("BTC")
        lost_ns = clock.now_ns()
        await run.until(lambda: run.stats.listings["toy", "delisted"] == 1, 15.0)
        await run.until(lambda: run.rows(Kind.MARK, ETH)["received_ns"].max() > lost_ns + 10**9)
        await run.until(lambda: lists.told == [(ETH,)])
    assert clock.now_ns() - lost_ns < 300 * 10**9
    assert run.stats.rejects["toy", "refused"] >= 2
