import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from service.clock import ScaledClock
from service.intake import Intake
from service.poll import Poller
from service.publisher import Publisher
from service.rest import RestClient
from service.stats import MemoryStats
from streams.events import VIEWS, Channel, DownReason, Kind, block_rows
from streams.instruments import Instrument
from tests.reference.toy_venue import BTC, ETH, Answer, ListSink, ToyVenue, our_tasks, toy_rest

NS = 1_000_000_000
T0 = 1_700_000_000 * NS


@asynccontextmanager
async def polling(
    answer: Answer, *, every_s: float = 10.0, speed: float = 100.0, weight: int = 600
) -> AsyncIterator[Intake]:
    clock, stats = ScaledClock(T0, speed), MemoryStats()
    publisher = Publisher(ListSink(), 1)
    for one in (BTC, ETH):
        publisher.register(one)
    intake = Intake("toy", publisher, clock, stats)
    async with (
        toy_rest(answer) as url,
        RestClient(url, weight, clock, venue="toy", stats=stats) as client,
    ):
        poller = Poller(ToyVenue(poll_s=every_s).polls([BTC, ETH]), client, intake)
        task = asyncio.create_task(poller.run())
        try:
            yield intake
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert task.cancelled()
    assert our_tasks() == set()


def rows_of(intake: Intake, kind: int, instrument: Instrument = BTC) -> Any:
    rows = block_rows(bytes(intake.out.view()))
    rows = rows[(rows["kind"] == kind) & (rows["instrument"] == instrument.id)]
    return np.frombuffer(rows.tobytes(), dtype=VIEWS[kind])


async def test_polls_are_staggered_and_keep_their_pace() -> None:
    hits = {"BTC": [], "ETH": []}

    def answer(request: web.Request) -> float:
        hits[request.query["s"]].append(intake.clock.now_ns())
        return 7.5

    async with polling(answer) as intake:
        await intake.clock.sleep(47.0)
    assert len(hits["BTC"]) == 5
    assert 4 <= len(hits["ETH"]) <= 5
    assert hits["ETH"][0] - hits["BTC"][0] == pytest.approx(5 * NS, abs=3 * NS)
    for earlier, later in pairwise(hits["BTC"]):
        assert later - earlier == pytest.approx(10 * NS, abs=4 * NS)
    assert set(rows_of(intake, Kind.OPEN_INTEREST)["quantity"].tolist()) == {7.5}
    assert len(rows_of(intake, Kind.FEED_UP)) == 1
    assert intake.stats.frames["toy", "poll"] == len(hits["BTC"]) + len(hits["ETH"])


@pytest.mark.parametrize(
    ("bad", "reason", "counted"),
    [
        (lambda: web.Response(status=500), DownReason.REFUSED, ("requests", "http_500")),
        (lambda: web.Response(text="{"), DownReason.SILENT, ("rejects", "json")),
        (
            lambda: web.Response(status=418, headers={"Retry-After": "3600"}),
            DownReason.BANNED,
            ("requests", "banned"),
        ),
    ],
)
async def test_down_after_three_misses_not_two(
    bad: Callable[[], web.Response], reason: DownReason, counted: tuple[str, str]
) -> None:
    hits = []

    def answer(request: web.Request) -> Any:
        if request.query["s"] == "ETH":
            return 1.0
        hits.append(1)
        return 1.0 if len(hits) == 1 else bad()

    async with polling(answer) as intake:
        await intake.clock.sleep(22.0)
        assert len(rows_of(intake, Kind.FEED_DOWN)) == 0
        await intake.clock.sleep(16.0)
        down = rows_of(intake, Kind.FEED_DOWN)
        assert down["reason"].tolist() == [reason]
        assert down["channels"].tolist() == [Channel.OPEN_INTEREST]
        assert down["since_ns"][0] < T0 + 9 * NS
    table, word = counted
    assert getattr(intake.stats, table)["toy", word] >= 2


async def test_recovery_is_a_gap_and_up() -> None:
    hits = []

    def answer(request: web.Request) -> Any:
        if request.query["s"] == "BTC":
            hits.append(1)
            return web.Response(status=500) if 2 <= len(hits) <= 4 else 1.0
        return 1.0

    async with polling(answer, every_s=5.0) as intake:
        await intake.clock.sleep(24.0)
    assert len(rows_of(intake, Kind.FEED_UP)) == 2
    (gap,) = rows_of(intake, Kind.GAP)
    assert gap["to_ns"] - gap["from_ns"] == pytest.approx(20 * NS, abs=4 * NS)
    assert [DownReason(r) for r in rows_of(intake, Kind.FEED_DOWN)["reason"]] == [
        DownReason.REFUSED,
        DownReason.STOPPED,
    ]


async def test_too_small_a_budget_slows_polls_without_bunching() -> None:
    times = []

    def answer(_: web.Request) -> float:
        times.append(intake.clock.now_ns())
        return 1.0

    async with polling(answer, every_s=2.0, weight=10, speed=400.0) as intake:
        await intake.clock.sleep(170.0)
    for start in times:
        assert sum(start <= at < start + 55 * NS for at in times) <= 10
    assert 20 <= len(times) <= 35
