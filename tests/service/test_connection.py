"""What a venue's socket can do to us, through real sockets on loopback, and what the rows then say."""

import asyncio
import itertools
import shutil
import socket
import ssl
import struct
import subprocess
import time
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from service.clock import ScaledClock
from service.connection import BREATH_FRAMES
from streams.events import DownReason, Kind
from tests.reference.toy_run import ALL, NS, T0, running, say, spec, steady
from tests.reference.toy_venue import ToyExchange, ToyVenue


async def test_acked_but_silent_is_down_and_tried_again() -> None:
    async def behave(_: ToyExchange, ws: ServerConnection) -> None:
        while True:
            await ws.send('{"ch":"ack"}')
            await asyncio.sleep(0.05)

    async with ToyExchange(behave).open() as exchange, running(ToyVenue(), exchange.url) as run:
        await run.until(lambda: exchange.attempts >= 2)
        down = run.rows(Kind.FEED_DOWN)
        assert down["reason"].tolist() == [DownReason.SILENT]
        assert down["channels"].tolist() == [ALL]
        assert len(run.rows(Kind.FEED_UP)) == 0
        assert set(run.rows(Kind.HEARTBEAT)["channels"].tolist()) == {0}
    assert run.stats.connections["toy", "silent"] >= 1
    assert run.stats.frames["toy", "ack"] > 10


async def test_a_live_connection_that_falls_silent_leaves_a_gap() -> None:
    clock = ScaledClock(T0, 20.0)

    async def behave(exchange: ToyExchange, ws: ServerConnection) -> None:
        first = exchange.attempts == 1
        for _ in range(10 if first else 10_000):
            await ws.send(say("mark", clock))
            await asyncio.sleep(0.02)
        while True:
            await ws.send('{"ch":"pong"}')
            await ws.send(say("trade", clock))  # not a control channel
            await asyncio.sleep(0.05)

    async with (
        ToyExchange(behave).open() as exchange,
        running(ToyVenue(), exchange.url, clock=clock) as run,
    ):
        await run.until(lambda: len(run.rows(Kind.GAP)) == 1)
    (gap,) = run.rows(Kind.GAP)
    marks = run.rows(Kind.MARK)["exchange_ns"]
    inside = (marks > gap["from_ns"] + NS) & (marks < gap["to_ns"] - NS)
    assert not inside.any()
    assert 19 * NS < gap["to_ns"] - gap["from_ns"] < 60 * NS  # silence limit is 1 s of the wall
    reasons = run.rows(Kind.FEED_DOWN)["reason"].tolist()
    assert reasons == [DownReason.SILENT, DownReason.STOPPED]


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1008, 1012])
async def test_closed_connections_come_back_at_once(code: int) -> None:
    clock = ScaledClock(T0, 1.0)

    async def behave(exchange: ToyExchange, ws: ServerConnection) -> None:
        await ws.send(say("mark", clock))
        if exchange.attempts > 1:
            await ws.wait_closed()
        elif code == 1006:
            sock = ws.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            ws.transport.abort()
        else:
            await ws.close(code)

    async with (
        ToyExchange(behave).open() as exchange,
        running(ToyVenue(), exchange.url, clock=clock) as run,
    ):
        await run.until(lambda: len(run.rows(Kind.FEED_UP)) == 2)
        (gap,) = run.rows(Kind.GAP)
        assert gap["to_ns"] - gap["from_ns"] < 2 * NS
    assert run.stats.connections["toy", f"closed_{code}"] == 1
    reasons = run.rows(Kind.FEED_DOWN)["reason"].tolist()
    assert reasons == [DownReason.CLOSED, DownReason.STOPPED]


async def test_a_half_open_connection_is_noticed_by_pings_within_ten_seconds() -> None:
    """The peer stops existing without a word: it reads and answers nothing, not even pings."""
    clock, noticed = ScaledClock(T0, 1.0), asyncio.Event()

    async def behave(exchange: ToyExchange, ws: ServerConnection) -> None:
        await ws.send(say("mark", clock))
        if exchange.attempts == 1:
            ws.transport.pause_reading()
        await noticed.wait()
        ws.transport.abort()

    # the silence limit is far away: only the library's pings can notice
    async with (
        ToyExchange(behave).open() as exchange,
        running(ToyVenue(spec(silence_s=300.0)), exchange.url, clock=clock) as run,
    ):
        await run.until(lambda: len(run.rows(Kind.FEED_UP)) == 1)
        started = time.monotonic()
        await run.until(lambda: len(run.rows(Kind.FEED_DOWN)) == 1, 14.0)
        assert time.monotonic() - started < 12.5
        assert run.rows(Kind.FEED_DOWN)["reason"].tolist() == [DownReason.CLOSED]
        assert run.stats.connections["toy", "ping_timeout"] == 1
        noticed.set()


async def test_thousands_of_frames_at_once_leave_turns_for_others() -> None:
    clock, sent = ScaledClock(T0, 1.0), 5000

    async def behave(_: ToyExchange, ws: ServerConnection) -> None:
        await ws.send(say("mark", clock))
        payload = say("trade", clock).encode()
        frame = bytes((0x81, len(payload))) + payload
        ws.transport.write(frame * sent)
        await ws.wait_closed()

    async with (
        ToyExchange(behave).open() as exchange,
        running(ToyVenue(), exchange.url, clock=clock) as run,
    ):
        counts = [0]
        while counts[-1] < sent:
            await asyncio.sleep(0)
            counts.append(run.stats.frames["toy", "trade"])
    jumps = [after - before for before, after in itertools.pairwise(counts)]
    assert max(jumps) <= 2 * BREATH_FRAMES, sorted(jumps)[-5:]


async def test_a_venue_that_refuses_is_asked_seldom_and_reported_once() -> None:
    clock = ScaledClock(T0, 300.0)
    async with ToyExchange(steady(clock)).open() as exchange:
        exchange.refuse = (503, {})
        async with running(ToyVenue(), exchange.url, clock=clock) as run:
            await clock.sleep(600.0)
            attempts = exchange.attempts
            assert len(run.rows(Kind.FEED_DOWN)) == 1
            exchange.refuse = None
            await run.until(lambda: len(run.rows(Kind.FEED_UP)) == 1)
            assert len(run.rows(Kind.GAP)) == 1
    assert 8 <= attempts <= 20
    assert run.stats.connections["toy", "http_503"] >= attempts
    assert run.rows(Kind.FEED_DOWN)["reason"][0] == DownReason.REFUSED


async def test_a_ban_on_connecting_is_obeyed() -> None:
    clock = ScaledClock(T0, 100.0)
    async with ToyExchange(steady(clock)).open() as exchange:
        exchange.refuse = (429, {"Retry-After": "200"})
        async with running(ToyVenue(), exchange.url, clock=clock) as run:
            await run.until(lambda: exchange.attempts == 1)
            before = clock.now_ns()
            await clock.sleep(150.0)
            assert exchange.attempts == 1
            await run.until(lambda: exchange.attempts == 2)
            assert clock.now_ns() - before > 190 * NS
            assert run.rows(Kind.FEED_DOWN)["reason"].tolist() == [DownReason.BANNED]


async def test_network_trouble_has_a_class_and_stops_nobody() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = f"ws://127.0.0.1:{probe.getsockname()[1]}"
    for url, word in ((closed, "connection_refused"), ("ws://name.invalid", "dns")):
        async with running(ToyVenue(), url) as run:
            await run.until(lambda run=run: len(run.rows(Kind.FEED_DOWN)) == 1)
        assert run.stats.connections["toy", word] >= 1


async def test_a_certificate_nobody_vouches_for_is_refused_by_name(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("NO OPENSSL: the certificate test did not run")
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=elsewhere.invalid",
         "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    heard: list[str | bytes] = []

    async def listen(ws: ServerConnection) -> None:
        heard.extend([message async for message in ws])

    async with serve(listen, "127.0.0.1", 0, ssl=context) as server:
        url = f"wss://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with running(ToyVenue(), url) as run:
            await run.until(lambda: len(run.rows(Kind.FEED_DOWN)) == 1)
            assert run.rows(Kind.FEED_DOWN)["reason"].tolist() == [DownReason.REFUSED]
    assert run.stats.connections["toy", "certificate"] >= 1
    assert heard == []
