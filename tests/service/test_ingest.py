"""Whole venues through real sockets on loopback: what a venue can do to us, and what the rows then say."""

import asyncio
import json
import random
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from typing import Any, Never

import msgspec
import numpy as np
import pytest
from aiohttp import web
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from service.clock import ScaledClock
from service.ingest import IngestOptions, VenueIngest, discover, rest_client
from service.publisher import Publisher
from service.stats import MemoryStats
from service.venue import ConnectionPlan
from service.warmup import WarmUpOptions
from streams.events import Channel, DownReason, Flag, Kind, Quote
from streams.instruments import Instrument
from tests.reference.toy_run import ALL, NS, T0, running, say, spec, steady
from tests.reference.toy_venue import (
    BTC,
    ETH,
    ListSink,
    ToyExchange,
    ToyVenue,
    our_tasks,
    toy_rest,
)


async def test_subscribe_data_heartbeats_announcements_and_stop() -> None:
    clock = ScaledClock(T0, 20.0)
    async with (
        ToyExchange(steady(clock)).open() as exchange,
        running(
            ToyVenue(), exchange.url, clock=clock, instruments=(BTC, ETH), announce_s=10.0
        ) as run,
    ):
        await run.until(lambda: len(run.rows(Kind.HEARTBEAT)) > 20 and len(run.taps) > 20)
        await run.until(lambda: len(run.rows(Kind.INSTRUMENT)) >= 2)
    assert exchange.heard == ['{"op":"sub"}']
    for one in (BTC, ETH):
        assert run.rows(Kind.FEED_UP, one)["channels"].tolist() == [ALL]
        assert run.rows(Kind.FEED_DOWN, one)["reason"].tolist() == [DownReason.STOPPED]
        assert run.rows(Kind.INSTRUMENT, one)["underlying"][0] == one.underlying.encode()
        assert run.rows(Kind.INSTRUMENT, one)["reserved"][0] == Quote[one.quote]
    beats = run.rows(Kind.HEARTBEAT)
    assert beats["channels"][-1] == ALL
    assert (np.diff(beats["exchange_ns"]) > -NS // 2).all()
    assert run.stats.frames["toy", "mark"] == len(run.rows(Kind.MARK)) == len(run.taps)
    assert len(run.rows(Kind.GAP)) == 0
    assert 0.0 <= run.stats.lags["toy"] < 2.0
    assert run.publisher.stats.rows * 64 == sum(len(block) for _, block in run.sink.blocks)


class Market:
    """One stream of trades and liquidations, sent to whoever is subscribed at the time."""

    def __init__(self, clock: ScaledClock) -> None:
        self.clock = clock
        self.last = 1000
        self.forced = 0
        self.members: set[object] = set()

    async def trade(self) -> None:
        """Trade until cancelled, about a hundred a second, a liquidation at every tenth."""
        rng = random.Random(6)
        while True:
            self.last += 1
            frames = [say("trade", self.clock, n=self.last), say("mark", self.clock)]
            if self.last % 10 == 0:
                self.forced += 1
                frames.append(say("liquidation", self.clock, q=float(self.forced)))
            for ws in list(self.members):
                with suppress(ConnectionClosed):
                    for frame in frames:
                        await ws.send(frame)
            await asyncio.sleep(rng.uniform(0.0, 0.02))

    async def behave(self, _: ToyExchange, ws: ServerConnection) -> None:
        """Serve one connection until it has lived for 60 s of log time (speed 20), then cut it."""
        self.members.add(ws)
        with suppress(TimeoutError):
            await asyncio.wait_for(ws.wait_closed(), 3.0)
        self.members.discard(ws)


async def test_rotation_loses_nothing_and_doubles_nothing() -> None:
    clock = ScaledClock(T0, 20.0)
    market = Market(clock)
    async with ToyExchange(market.behave).open() as exchange:
        venue = ToyVenue(spec(lifetime_s=40.0))
        async with running(venue, exchange.url, clock=clock) as run:
            await run.until(lambda: bool(market.members))
            trading = asyncio.create_task(market.trade())
            await run.until(lambda: run.stats.connections["toy", "rotated"] >= 2, 15.0)
            trading.cancel()
            await asyncio.gather(trading, return_exceptions=True)
            await asyncio.sleep(0.1)
            assert len(run.rows(Kind.FEED_DOWN)) == 0
    trades = run.rows(Kind.TRADE)["sequence"].tolist()
    assert sorted(trades) == list(range(1001, market.last + 1))
    forced = run.rows(Kind.LIQUIDATION)["quantity"].tolist()
    assert sorted(forced) == [float(i + 1) for i in range(market.forced)]
    assert run.stats.duplicates["toy"] > 0
    assert run.stats.connections["toy", "live"] >= 3
    assert run.rows(Kind.FEED_UP)["channels"].tolist() == [ALL]
    assert run.rows(Kind.FEED_DOWN)["reason"].tolist() == [DownReason.STOPPED]


class Sparse(ToyVenue):
    """Trades prove life here, and they are rare."""

    def plan(self, instruments: Sequence[Instrument]) -> list[ConnectionPlan]:
        """Ask for the contracts by name, so that another list is another plan."""
        self.subscribe = (json.dumps([one.symbol for one in instruments]).encode(),)
        (one,) = super().plan(instruments)
        return [msgspec.structs.replace(one, control=Channel.MARK | Channel.TRADE)]


@pytest.mark.parametrize("why", ["rotation", "listing"])
async def test_a_successor_takes_over_when_it_brings_what_there_was(why: str) -> None:
    """A new connection has marks at once and a trade in its time: until then the old one counts."""
    clock = ScaledClock(T0, 20.0)
    numbers = iter(range(1, 10**9))

    async def behave(_: ToyExchange, ws: ServerConnection) -> None:
        for turn in count(1):
            await ws.send(say("mark", clock))
            if turn % 40 == 0:
                await ws.send(say("trade", clock, n=next(numbers)))
            await asyncio.sleep(0.01)

    class Lists:
        async def look(self) -> list[Instrument]:
            """List another contract."""
            return [BTC, ETH]

        def changed(self, instruments: Sequence[Instrument]) -> None:
            """Do nothing about it."""

    rotates = why == "rotation"
    venue = Sparse(spec(lifetime_s=40.0 if rotates else None))
    follow = None if rotates else Lists()
    async with (
        ToyExchange(behave).open() as exchange,
        running(venue, exchange.url, clock=clock, follow=follow, discover_s=30.0) as run,
    ):
        await run.until(lambda: ALL in np.bitwise_or.accumulate(run.rows(Kind.FEED_UP)["channels"]))
        if rotates:
            await run.until(lambda: run.stats.connections["toy", "rotated"] >= 2, 15.0)
        else:
            await run.until(lambda: run.stats.connections["toy", "stopped"] == 1, 15.0)
        await asyncio.sleep(0.1)
        assert run.rows(Kind.FEED_DOWN).tolist() == []
    assert run.rows(Kind.FEED_DOWN)["reason"].tolist() == [DownReason.STOPPED]


async def test_hostile_frames_cost_one_reject_each_and_the_connection_lives() -> None:
    clock = ScaledClock(T0, 1.0)
    hostile = [
        b"[" * 200_000,
        b'{"ch":"trade","s":"BTC","t":1e999}',
        b'{"ch":"trade","s":"BTC","t":99999999999999999999999}',
        b'{"ch":"trade","s":"NOSUCH","t":1}',
        b'{"ch":"trade","s":"BTC","t":9223372036854775807}',
        b"\xff\xfe\x00",
        b"\xef\xbb\xbf{}",
        b"",
        b"null",
        b'{"ch":"trade","s":"\\ud800"}',
        b"[]",
    ]

    async def behave(_: ToyExchange, ws: ServerConnection) -> None:
        await ws.send(say("mark", clock))
        await ws.send(b"x" * 50_000_000, text=True)
        for frame in hostile:
            await ws.send(frame, text=True)
        await ws.send(say("trade", clock, n=1, ahead_s=60.0))
        await ws.send(say("trade", clock, n=2))
        while True:
            await ws.send(say("mark", clock))
            await asyncio.sleep(0.05)

    async with (
        ToyExchange(behave).open() as exchange,
        running(ToyVenue(), exchange.url, clock=clock) as run,
    ):
        await run.until(lambda: len(run.rows(Kind.TRADE)) == 1)
        await asyncio.sleep(0.2)
    assert exchange.attempts == 1
    assert run.stats.rejects["toy", "oversized"] == 1
    assert run.stats.rejects["toy", "future"] == 1
    assert sum(run.stats.rejects.values()) == len(hostile) + 2
    assert len(run.dead) == len(hostile) + 1
    assert max(len(frame) for _, _, frame in run.dead) == 64 << 10
    assert run.rows(Kind.TRADE)["sequence"].tolist() == [2]


async def test_a_refused_subscription_is_counted_and_named_as_the_reason() -> None:
    async def behave(_: ToyExchange, ws: ServerConnection) -> None:
        await ws.send('{"ch":"ack","s":"REFUSED"}')
        await ws.wait_closed()

    async with ToyExchange(behave).open() as exchange, running(ToyVenue(), exchange.url) as run:
        await run.until(lambda: len(run.rows(Kind.FEED_DOWN)) == 1)
    assert run.stats.rejects["toy", "refused"] >= 1
    assert run.rows(Kind.FEED_DOWN)["reason"][0] == DownReason.REFUSED


async def test_subscriptions_and_pings_are_sent_at_the_venues_pace() -> None:
    clock = ScaledClock(T0, 1.0)
    venue = ToyVenue(spec(sends_per_s=20.0, ping=b"ping", ping_every_s=0.3))
    venue.subscribe = tuple(b"sub%d" % i for i in range(5))
    async with (
        ToyExchange(steady(clock)).open() as exchange,
        running(venue, exchange.url, clock=clock) as run,
    ):
        await run.until(lambda: exchange.heard.count("ping") >= 2)
    assert exchange.heard[:5] == [f"sub{i}" for i in range(5)]


async def test_a_slow_sink_holds_the_socket_back_and_loses_nothing() -> None:
    clock = ScaledClock(T0, 1.0)
    total = 40_000
    sent = []

    async def behave(_: ToyExchange, ws: ServerConnection) -> None:
        batch = 100
        for start in range(0, total, batch):
            trades = [
                {
                    "ch": "trade",
                    "s": "BTC",
                    "t": clock.now_ns() // 1_000_000,
                    "n": n + 1,
                    "p": 1,
                    "q": 1,
                }
                for n in range(start, start + batch)
            ]
            await ws.send(json.dumps([*trades, json.loads(say("mark", clock))]))
            sent.append(start + batch)
        await ws.wait_closed()

    async with (
        ToyExchange(behave).open() as exchange,
        running(ToyVenue(spec(silence_s=60.0)), exchange.url, clock=clock) as run,
    ):
        run.sink.gate.clear()
        await run.until(lambda: run.publisher.full)
        await asyncio.sleep(0.3)
        assert run.publisher.buffer.rows < 20_000
        run.sink.gate.set()
        await run.until(lambda: len(run.rows(Kind.TRADE)) == total)
    assert run.rows(Kind.TRADE)["sequence"].tolist() == list(range(1, total + 1))


async def test_discovery_polls_and_history_by_rest() -> None:
    clock = ScaledClock(T0, 20.0)

    def answer(request: web.Request) -> Any:
        if request.path == "/instruments":
            return ["BTC", "ETH", "SOL"]
        if request.path == "/oi":
            return 5.0
        return [1.0] if request.query["page"] == "0" else []

    async with toy_rest(answer) as rest, ToyExchange(steady(clock)).open() as exchange:
        venue = ToyVenue(poll_s=5.0)
        options = IngestOptions(rest_url=rest)
        async with rest_client(venue, clock, MemoryStats(), options) as client:
            assert len((await discover(venue, client, clock)).instruments) == 3
            some = await discover(venue, client, clock, {"BTC", "SOL"}.__contains__)
            found = some.instruments
        assert [one.symbol for one in found] == ["BTC", "SOL"]
        async with running(
            venue, exchange.url, rest=rest, clock=clock, instruments=found, announce_s=5.0,
            warm_up=WarmUpOptions(history_s=600.0),
        ) as run:  # fmt: skip
            everything = ALL | Channel.OPEN_INTEREST
            await run.until(lambda: everything in run.rows(Kind.HEARTBEAT)["channels"])
            await run.until(lambda: len(run.rows(Kind.INSTRUMENT)) >= 3)
    flags = run.rows(Kind.INSTRUMENT)["flags"].tolist()
    assert flags[0] == Flag.HAS_BACKFILL | Flag.SAMPLED
    assert flags[-1] == Flag.SAMPLED
    assert len(run.rows(Kind.BACKFILL_END)) == 1
    assert run.rows(Kind.OPEN_INTEREST)["flags"].tolist().count(Flag.BACKFILL) == 1


async def both(ingest: VenueIngest, publisher: Publisher) -> None:
    async with asyncio.timeout(5.0), asyncio.TaskGroup() as group:
        group.create_task(ingest.run())
        group.create_task(publisher.run())


async def test_our_own_mistake_ends_the_run_loudly() -> None:
    clock = ScaledClock(T0, 20.0)

    class Broken(ListSink):
        async def put(self, partition: int, block: bytes) -> Never:
            raise ZeroDivisionError(f"ours, {partition}, {len(block)} bytes")

    async with ToyExchange(steady(clock)).open() as exchange:
        publisher = Publisher(Broken(), 1)
        options = IngestOptions(websocket_url=exchange.url, rest_url="http://127.0.0.1:9")
        venue, stats = ToyVenue(), MemoryStats()
        async with rest_client(venue, clock, stats, options) as client:
            ingest = VenueIngest(
                venue, (BTC,), publisher, clock, stats, client=client, options=options
            )  # fmt: skip
            with pytest.raises(ExceptionGroup) as failed:
                await both(ingest, publisher)
    assert failed.group_contains(ZeroDivisionError)
    assert our_tasks() == set()
