import asyncio
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from service.clock import ScaledClock
from service.intake import Intake
from service.publisher import Publisher
from service.rest import RestClient
from service.stats import MemoryStats
from service.warmup import WarmUp, WarmUpOptions
from streams.events import VIEWS, Channel, Flag, Kind, block_rows
from streams.instruments import Instrument
from tests.reference.toy_venue import BTC, ETH, Answer, ListSink, ToyVenue, our_tasks, toy_rest

NS = 1_000_000_000
T0 = 1_700_000_000 * NS


async def warm(
    answer: Answer, *, deadline_s: float = 80.0, speed: float = 100.0, weight: int = 6000
) -> tuple[Any, MemoryStats, WarmUp]:
    clock, stats, sink = ScaledClock(T0, speed), MemoryStats(), ListSink()
    publisher = Publisher(sink, 1)
    for one in (BTC, ETH):
        publisher.register(one)
    intake = Intake("toy", publisher, clock, stats)
    progress = []
    options = WarmUpOptions(history_s=3600.0, deadline_s=deadline_s)
    warm_up = WarmUp(ToyVenue(), (BTC, ETH), intake, options, lambda *said: progress.append(said))
    assert warm_up.pending == {BTC.id, ETH.id}
    async with (
        toy_rest(answer) as url,
        RestClient(url, weight, clock, venue="toy", stats=stats) as client,
    ):
        await warm_up.run(client)
    await publisher.close()
    assert warm_up.pending == set()
    assert progress == [("toy", 1, 2), ("toy", 2, 2)]
    assert our_tasks() == set()
    rows = np.concatenate([block_rows(block) for _, block in sink.blocks])
    return rows, stats, warm_up


def end_of(rows: int, one: Instrument) -> Any:
    mine = rows[rows["instrument"] == one.id]
    assert mine["kind"].tolist().count(Kind.BACKFILL_END) == 1
    assert mine["kind"][-1] == Kind.BACKFILL_END  # after all its history
    assert mine["flags"][-1] == Flag.BACKFILL
    return np.frombuffer(mine[-1:].tobytes(), dtype=VIEWS[Kind.BACKFILL_END])[0]


def pages(request: web.Request) -> list[float]:
    return [1.0, 2.0] if int(request.query["page"]) < 3 else []


async def test_history_is_written_and_ended() -> None:
    rows, stats, warm_up = await warm(pages)
    for one in (BTC, ETH):
        end = end_of(rows, one)
        assert end["channels"] == Channel.OPEN_INTEREST
        assert end["to_ns"] - end["from_ns"] == 3600 * NS
        mine = rows[rows["instrument"] == one.id]
        assert mine["kind"].tolist() == [Kind.OPEN_INTEREST] * 6 + [Kind.BACKFILL_END]
    assert warm_up.failed == 0
    assert stats.rows["toy", "history"] == 12


async def test_a_failed_history_ends_with_what_it_had() -> None:
    def answer(request: web.Request) -> Any:
        if request.query["s"] == "BTC" and request.query["page"] != "0":
            return web.Response(status=404)
        if request.query["s"] == "ETH":
            return web.Response(text="{")
        return [1.0]

    rows, stats, warm_up = await warm(answer)
    btc, eth = end_of(rows, BTC), end_of(rows, ETH)
    assert btc["channels"] == Channel.OPEN_INTEREST
    assert eth["channels"] == 0
    assert eth["from_ns"] == eth["to_ns"]
    assert warm_up.failed == 2
    assert stats.rejects == {("toy", "history_http_404"): 1, ("toy", "history_unexpected"): 1}


@pytest.mark.parametrize("slow", ["answers", "budget"])
async def test_the_deadline_ends_what_takes_too_long(slow: str) -> None:
    async def answer(_: web.Request) -> Any:
        if slow == "answers":
            await asyncio.sleep(5.0)
        return [1.0]

    rows, stats, warm_up = await warm(answer, deadline_s=30.0, weight=20)
    assert warm_up.failed == 2
    assert stats.rejects == {("toy", "history_deadline"): 2}
    expected = 0 if slow == "answers" else Channel.OPEN_INTEREST
    assert end_of(rows, BTC)["channels"] == expected


async def test_a_ban_ends_every_history() -> None:
    rows, stats, _ = await warm(lambda _: web.Response(status=418, headers={"Retry-After": "3600"}))
    assert end_of(rows, BTC)["channels"] == end_of(rows, ETH)["channels"] == 0
    assert stats.rejects["toy", "history_banned"] == 2
