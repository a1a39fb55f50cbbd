"""Hundreds of polls within one budget that others use as well: fair, and never above it."""

import asyncio
from collections import Counter, defaultdict

from aiohttp import web

from service.clock import ScaledClock
from service.intake import Intake
from service.poll import Poller
from service.publisher import Publisher
from service.rest import RestClient
from service.stats import MemoryStats
from streams.events import Kind, block_rows
from streams.instruments import instrument
from tests.reference.toy_venue import ListSink, ToyVenue, our_tasks, toy_rest

NS = 1_000_000_000
T0 = 1_700_000_040 * NS  # a whole minute
SYMBOLS, LIMIT, FOREIGN = 300, 600, 350
MINUTES, SPEED = 5, 40.0
CONTRACTS = [
    instrument(venue="toy", symbol=f"C{n}", underlying=f"C{n}", quote="USD") for n in range(SYMBOLS)
]


async def test_three_hundred_symbols_share_what_others_leave_of_the_budget() -> None:
    clock, stats = ScaledClock(T0, SPEED), MemoryStats()
    hits: dict[int, Counter[str]] = defaultdict(Counter)  # by minute

    def answer(request: web.Request) -> web.Response:
        minute = (clock.now_ns() - T0) // (60 * NS)
        hits[minute][request.query["s"]] += 1
        foreign = FOREIGN if minute else 0  # from the second minute on
        used = str(hits[minute].total() + foreign)
        return web.Response(text="1.0", headers={"X-Used": used})

    publisher = Publisher(ListSink(), 1)
    for one in CONTRACTS:
        publisher.register(one)
    intake = Intake("toy", publisher, clock, stats)
    async with (
        toy_rest(answer) as url,
        RestClient(url, LIMIT, clock, "X-Used", venue="toy", stats=stats) as client,
    ):
        poller = Poller(ToyVenue(poll_s=35.0).polls(CONTRACTS), client, intake)
        task = asyncio.create_task(poller.run())
        await clock.sleep(MINUTES * 60.0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert our_tasks() == set()

    assert hits[0].total() >= 450, "alone it polls at its own pace"
    for minute in range(2, MINUTES):
        own = hits[minute].total()
        assert own <= LIMIT - FOREIGN + 40, "what others use is left to them"
        assert own >= 0.6 * (LIMIT - FOREIGN), "and the rest is used"
    whole = sum(hits.values(), Counter())
    assert len(whole) == SYMBOLS
    assert max(whole.values()) - min(whole.values()) <= 2, "nobody is starved"
    assert set(stats.requests) == {("toy", "ok")}
    answered = stats.requests["toy", "ok"]
    assert whole.total() - answered < 20, "but for those under way at the end"
    rows = block_rows(bytes(intake.out.view()))
    assert (rows["kind"] == Kind.OPEN_INTEREST).sum() >= answered - 1
