import asyncio
import gzip
import json
import socket
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from service.budget import NS, Budget, retry_after_s
from service.clock import ScaledClock
from service.rest import (
    BODY_MAX,
    RestClient,
    RestFailed,
    VenueBanned,
    error_class,
    run_conversation,
)
from service.stats import MemoryStats
from service.venue import Conversation, MalformedFrame, RestRequest
from streams.events import Kind, RowBuffer
from tests.reference.toy_venue import toy_rest

T0 = 1_700_000_000 * NS
REQUEST = RestRequest(path="/x", params={"a": "b c"}, weight=10)


def client_for(
    url: str,
    *,
    speed: float = 50.0,
    weight: int = 600,
    data_dir: Path | None = None,
    clock: ScaledClock = None,
) -> tuple[RestClient, MemoryStats]:
    stats = MemoryStats()
    clock = clock or ScaledClock(T0, speed)
    return RestClient(
        url, weight, clock, "X-Used", venue="toy", stats=stats, data_dir=data_dir
    ), stats


@settings(max_examples=80, deadline=None)
@given(
    asks=st.lists(st.tuples(st.integers(1, 50), st.integers(0, 20 * NS)), max_size=40),
    limit=st.integers(20, 100),
)
def test_no_minute_ever_holds_more_than_the_budget(asks: list[tuple[int, int]], limit: int) -> None:
    budget, now, spent = Budget(limit), T0, []
    for weight, pause in asks:
        now += pause
        wait = budget.wait_ns(weight, now)
        if wait > 0:
            assert (
                budget.used(now + wait - 1) + min(weight, limit) > limit
            )  # not longer than needed
        now += wait
        assert budget.wait_ns(weight, now) == 0
        budget.spend(min(weight, limit), now)
        spent.append((now, min(weight, limit)))
    for start, _ in spent:
        assert sum(w for at, w in spent if start <= at < start + 60 * NS) <= limit


def test_budget_learns_what_others_spend() -> None:
    budget = Budget(100)
    budget.spend(10, T0)
    budget.learn(95, T0)
    assert budget.used(T0) == 95
    budget.learn(20, T0)
    assert budget.used(T0) == 95
    assert 0 < budget.wait_ns(10, T0) <= 60 * NS


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("0", 1.0), ("-5", 1.0), ("1e99", 3 * 86400.0), ("nan", 30.0), ("inf", 3 * 86400.0), (None, 30.0),
     ("", 30.0), ("12.5", 12.5)],
)  # fmt: skip
def test_retry_after_is_bounded(header: str | None, seconds: float) -> None:
    assert retry_after_s(header, 30.0, T0) == seconds


async def test_get_sends_parameters_and_counts() -> None:
    seen = []

    def answer(request: web.Request) -> Any:
        seen.append((request.path, dict(request.query)))
        return {"ok": 1}

    async with toy_rest(answer) as url:
        client, stats = client_for(url + "/")
        async with client:
            assert json.loads(await client.get(REQUEST)) == {"ok": 1}
    assert seen == [("/x", {"a": "b c"})]
    assert stats.requests == {("toy", "ok"): 1}


async def test_requests_wait_for_budget_in_log_time() -> None:
    times = []
    async with toy_rest(lambda _: times.append(clock.now_ns()) or 1) as url:
        clock = ScaledClock(T0, 200.0)
        client, _ = client_for(url, weight=30, clock=clock)
        async with client, asyncio.TaskGroup() as group:
            for _ in range(7):
                group.create_task(client.get(REQUEST))
    assert len(times) == 7
    times.sort()
    assert times[2] - times[0] < 30 * NS
    assert times[3] - times[0] > 55 * NS
    assert times[6] - times[0] > 115 * NS


async def test_used_weight_header_is_believed() -> None:
    def answer(_: web.Request) -> Any:
        return web.Response(text="1", headers={"X-Used": "595"})

    async with toy_rest(answer) as url:
        client, _ = client_for(url)
        async with client:
            await client.get(REQUEST)
            assert client.budget.used(client._clock.now_ns()) == 595


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {"Retry-After": "40"}, 40),
        (418, {"Retry-After": "300"}, 300),
        (429, {}, 30),
        (418, {}, 120),
    ],
)
async def test_no_request_inside_a_ban_not_even_after_a_restart(
    tmp_path: Path, status: int, headers: dict[str, str], seconds: float
) -> None:
    hits = []

    def answer(_: web.Request) -> Any:
        hits.append(clock.now_ns())
        return web.Response(status=status, headers=headers) if len(hits) == 1 else 1

    async with toy_rest(answer) as url:
        clock = ScaledClock(T0, 300.0)
        client, stats = client_for(url, clock=clock, data_dir=tmp_path / "new")
        async with client:
            with pytest.raises(VenueBanned) as first:
                await client.get(REQUEST)
            assert first.value.until_ns == pytest.approx(hits[0] + seconds * NS, abs=20 * NS)
            for _ in range(5):
                with pytest.raises(VenueBanned):
                    await client.get(REQUEST)
        again, _ = client_for(url, clock=clock, data_dir=tmp_path / "new")
        async with again:
            assert again.banned_until_ns == first.value.until_ns
            with pytest.raises(VenueBanned):
                await again.get(REQUEST)
            assert len(hits) == 1
            await clock.sleep((first.value.until_ns - clock.now_ns()) / NS + 0.5)
            await again.get(REQUEST)
    assert len(hits) == 2
    assert hits[1] >= first.value.until_ns
    assert stats.requests["toy", "banned"] == 6


def test_a_half_written_ban_counts_as_a_ban(tmp_path: Path) -> None:
    (tmp_path / "ban-toy.json").write_text('{"until_')
    client, _ = client_for("http://127.0.0.1:9", data_dir=tmp_path)
    assert client.banned_until_ns > T0 + 100 * NS


@pytest.mark.parametrize(
    ("status", "transient"),
    [(400, False), (403, False), (451, False), (302, False), (500, True), (503, True)],
)
async def test_other_refusals_say_their_status(status: int, transient: bool) -> None:
    def answer(_: web.Request) -> Any:
        return web.Response(status=status, text="because", headers={"Location": "/elsewhere"})

    async with toy_rest(answer) as url:
        client, stats = client_for(url)
        async with client:
            with pytest.raises(RestFailed, match="because") as failed:
                await client.get(REQUEST)
    assert failed.value.reason == f"http_{status}"
    assert failed.value.transient is transient
    assert stats.requests == {("toy", f"http_{status}"): 1}


@pytest.mark.parametrize("bomb", [True, False])
async def test_bodies_are_bounded_compressed_or_not(bomb: bool) -> None:
    def answer(_: web.Request) -> Any:
        body = b" " * (BODY_MAX + 1)
        if not bomb:
            return web.Response(body=body)
        return web.Response(body=gzip.compress(body), headers={"Content-Encoding": "gzip"})

    async with toy_rest(answer) as url:
        client, _ = client_for(url)
        async with client:
            with pytest.raises(RestFailed) as failed:
                await client.get(REQUEST)
    assert failed.value.reason == "too_large"


async def test_network_trouble_has_a_class(unused_port: int) -> None:
    client, stats = client_for(f"http://127.0.0.1:{unused_port}")
    async with client:
        with pytest.raises(RestFailed) as failed:
            await client.get(REQUEST)
    assert failed.value.reason == "connection_refused"
    client, stats = client_for("http://name.invalid")
    async with client:
        with pytest.raises(RestFailed) as failed:
            await client.get(REQUEST)
    assert failed.value.reason == "dns"
    assert stats.requests == {("toy", "dns"): 1}


@pytest.fixture
def unused_port() -> int:
    """Return a loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_error_classes_look_at_causes() -> None:
    outer = OSError("x")
    outer.__cause__ = socket.gaierror(8, "no")
    assert error_class(outer) == "dns"
    assert error_class(OSError("?")) == "network"


async def test_use_outside_of_its_context_is_our_mistake() -> None:
    client, _ = client_for("http://127.0.0.1:9")
    with pytest.raises(RuntimeError, match="async with"):
        await client.get(REQUEST)


class Pages:
    """A getter that answers from a list; exceptions in it are raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def get(self, request: RestRequest) -> bytes:
        """Give the next answer."""
        self.asked.append(request.path)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def paging(out: RowBuffer = None) -> Conversation[int]:
    total = 0
    for page in range(3):
        body = yield RestRequest(path=f"/{page}")
        for _ in range(int(body)):
            total += 1
            if out is not None:
                out.integers(Kind.GAP, 0, 1, T0, T0, page, 0, 0)
        if body.endswith(b"!"):
            raise MalformedFrame("page")
    return total


FAST = ScaledClock(T0, 1000.0)


async def test_a_conversation_returns_its_result_and_tries_transient_failures_again() -> None:
    flaky = RestFailed("timeout", "", transient=True)
    pages = Pages(b"1", flaky, flaky, b"2", b"3")
    out, starts = RowBuffer(), []

    async def wrote(start: int) -> None:
        starts.append((start, out.rows))

    assert await run_conversation(pages, paging(out), FAST, out=out, wrote=wrote) == 6
    assert pages.asked == ["/0", "/1", "/1", "/1", "/2"]
    assert starts == [(0, 0), (0, 1), (1, 3), (3, 6)]


@pytest.mark.parametrize(
    ("answers", "asked"),
    [
        ([RestFailed("http_400", "", transient=False)], 1),
        ([RestFailed("dns", "", transient=True)] * 3, 3),
        ([VenueBanned("toy", 5)], 1),
    ],
)
async def test_a_conversation_gives_up(answers: Any, asked: int) -> None:
    pages, conversation = Pages(*answers), paging()
    with pytest.raises(RestFailed):
        await run_conversation(pages, conversation, FAST)
    assert len(pages.asked) == asked
    assert conversation.gi_frame is None  # closed


async def test_a_page_that_cannot_be_read_leaves_no_rows() -> None:
    out = RowBuffer()
    pages = Pages(b"2", b"two")
    with pytest.raises(MalformedFrame, match="unexpected"):
        await run_conversation(pages, paging(out), FAST, out=out)
    assert out.rows == 2


async def test_pages_without_end_are_malformed() -> None:
    def endless() -> Conversation[None]:
        while True:
            yield RestRequest(path="/again")

    class Always:
        async def get(self, _: RestRequest) -> bytes:
            return b""

    with pytest.raises(MalformedFrame, match="endless"):
        await run_conversation(Always(), endless(), FAST)


async def test_waiters_for_budget_are_served_in_order() -> None:
    order = []

    def answer(request: web.Request) -> int:
        order.append(int(request.query["n"]))
        return 1

    async with toy_rest(answer) as url:
        client, _ = client_for(url, weight=10, speed=2000.0)
        started = time.monotonic()
        async with client, asyncio.TaskGroup() as group:
            for n in range(6):
                group.create_task(
                    client.get(RestRequest(path="/", params={"n": str(n)}, weight=10))
                )
        assert time.monotonic() - started > 0.1
    assert all(a < b for a, b in pairwise(order))
