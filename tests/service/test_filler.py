"""Trades that a connection did not bring, asked for by id, through real sockets."""

import asyncio
import random
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from websockets.asyncio.server import ServerConnection

from service.clock import ScaledClock
from streams.events import Channel, Kind
from tests.reference.toy_run import T0, running, say
from tests.reference.toy_venue import SPEC, ToyExchange, ToyVenue, toy_rest

LAST = 400
#: Never sent by the stream: single trades, runs, and the tail of one connection.
LOST = {17, 18, 19, 100, *range(150, 181), 399}


def numbered(*, remembers: bool) -> ToyVenue:
    trade = SPEC.semantics.trade
    assert trade is not None
    semantics = msgspec.structs.replace(
        SPEC.semantics, trade=msgspec.structs.replace(trade, gaps="contiguous")
    )
    venue = ToyVenue(msgspec.structs.replace(SPEC, semantics=semantics))
    venue.remembers = remembers
    return venue


class Tape:
    """A market that numbers its trades, cuts its connections, and forgets to send some."""

    def __init__(self, clock: ScaledClock) -> None:
        self.clock = clock
        self.number = 0
        self.times: dict[int, int] = {}
        self.rng = random.Random(5)

    async def behave(self, _: ToyExchange, ws: ServerConnection) -> None:
        """Trade on; what is missing, and the ends of connections, are planned."""
        while self.number < LAST:
            self.number += 1
            self.times[self.number] = self.clock.now_ns() // 1_000_000
            if self.number not in LOST:
                await ws.send(say("trade", self.clock, n=self.number))
            await ws.send(say("mark", self.clock))
            if self.number in {120, 160, 250}:
                ws.transport.abort()
                return
            await asyncio.sleep(self.rng.uniform(0.0, 0.003))
        while True:
            await ws.send(say("mark", self.clock))
            await asyncio.sleep(0.02)

    def answer(self, request: web.Request) -> list[tuple[int, int]]:
        """All trades of a span but number 18, which the venue itself has no more."""
        first, last = int(request.query["from"]), int(request.query["to"])
        return [(n, 0 if n == 100 else self.times[n]) for n in range(first, last + 1) if n != 18]


@pytest.mark.parametrize("remembers", [True, False])
async def test_what_the_venue_can_give_again_is_had_and_the_rest_is_marked(remembers: bool) -> None:
    clock = ScaledClock(T0, 20.0)
    tape = Tape(clock)
    async with (
        toy_rest(tape.answer) as rest,
        ToyExchange(tape.behave).open() as exchange,
        running(numbered(remembers=remembers), exchange.url, rest=rest, clock=clock) as run,
    ):
        missed = run.stats.missed
        await run.until(lambda: tape.number == LAST)
        ends = ("filled", "lost", "foreign")
        await run.until(lambda: sum(missed["toy", end] for end in ends) == len(LOST))
        await asyncio.sleep(0.1)
    trades = run.rows(Kind.TRADE)["sequence"].tolist()
    gaps = [
        row for row in run.rows(Kind.GAP) if row["from_ns"] and row["channels"] == Channel.TRADE
    ]
    if remembers:
        assert sorted(trades) == [n for n in range(1, LAST + 1) if n not in {18, 100}]
        assert missed["toy", "lost"] == 1, "18 nobody has"
        assert missed["toy", "foreign"] == 1, "100 was no trade of ours"
        assert len(gaps) == 1
    else:
        assert sorted(trades) == [n for n in range(1, LAST + 1) if n not in LOST]
        assert missed["toy", "lost"] == missed["toy", "found"] == len(LOST)
        assert len(gaps) == 4
    assert len(trades) == len(set(trades))


class Market:
    """Trades on whoever listens; `deaf` keeps them from the stream."""

    def __init__(self, clock: ScaledClock) -> None:
        self.clock = clock
        self.times: list[int] = []
        self.deaf = False
        self.asked: list[int] = []
        self.banned = False

    def trade(self) -> None:
        """Make a trade; its number is its place, counted from one."""
        self.times.append(self.clock.now_ns() // 1_000_000)

    async def behave(self, _: ToyExchange, ws: ServerConnection) -> None:
        """Tell what happens from now on."""
        told = len(self.times)
        while True:
            await ws.send(say("mark", self.clock))
            for number in range(told + 1, len(self.times) + 1):
                if not self.deaf:
                    await ws.send(say("trade", self.clock, n=number))
            told = len(self.times)
            await asyncio.sleep(0.005)

    def answer(self, request: web.Request) -> web.Response | list[tuple[int, int]]:
        """Give a span of trades, or want to be left alone for a minute."""
        self.asked.append(self.clock.now_ns())
        if self.banned:
            return web.Response(status=429, headers={"Retry-After": "60"})
        first, last = int(request.query["from"]), int(request.query["to"])
        return [(n, self.times[n - 1]) for n in range(first, last + 1)]


async def trade_on(market: Market, seconds: float) -> None:
    for _ in range(int(seconds / 0.01)):
        market.trade()
        await asyncio.sleep(0.01)


async def test_a_ban_puts_off_what_is_missing_and_loses_nothing() -> None:
    clock = ScaledClock(T0, 60.0)
    market = Market(clock)
    async with (
        toy_rest(market.answer) as rest,
        ToyExchange(market.behave).open() as exchange,
        running(numbered(remembers=True), exchange.url, rest=rest, clock=clock) as run,
    ):
        missed = run.stats.missed
        await run.until(lambda: run.stats.connections["toy", "live"] == 1)
        market.banned = True
        await trade_on(market, 0.1)
        market.deaf = True
        await trade_on(market, 0.1)
        market.deaf = False
        await trade_on(market, 0.1)
        await run.until(lambda: len(market.asked) == 1)
        market.banned = False
        await run.until(lambda: missed["toy", "filled"] == missed["toy", "found"] > 0)
        assert market.asked[1] - market.asked[0] >= 60 * 10**9, "none inside the ban"
        await asyncio.sleep(0.1)
    trades = run.rows(Kind.TRADE)["sequence"].tolist()
    assert sorted(trades) == list(range(min(trades), len(market.times) + 1))
    assert missed["toy", "lost"] == 0


async def test_what_was_traded_between_two_processes_is_asked_for(tmp_path: Path) -> None:
    clock = ScaledClock(T0, 20.0)
    market = Market(clock)
    trades: list[int] = []
    async with (
        toy_rest(market.answer) as rest,
        ToyExchange(market.behave).open() as exchange,
    ):
        for turn in range(3):
            async with running(
                numbered(remembers=True), exchange.url, rest=rest, clock=clock, data_dir=tmp_path
            ) as run:
                live = run.stats.connections
                await run.until(lambda live=live: live["toy", "live"] == 1)
                await trade_on(market, 0.3)
                if turn:
                    missed = run.stats.missed
                    await run.until(lambda m=missed: m["toy", "filled"] == m["toy", "found"] > 0)
            trades += run.rows(Kind.TRADE)["sequence"].tolist()
            await trade_on(market, 0.2)
    last = max(trades)
    assert sorted(trades) == list(range(min(trades), last + 1)), "once each, none is missing"
    assert last > 80
