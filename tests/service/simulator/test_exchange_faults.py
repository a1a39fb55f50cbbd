"""What can be broken, and what is counted."""

import asyncio
import gzip
import time
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from websockets.exceptions import InvalidStatus

from service.clock import ScaledClock, WallClock
from service.simulator.exchange import Exchange
from service.simulator.exchanges import SimulatedExchanges
from service.simulator.recorded import BadRecording, RecordedFeed, read_recording, recorded_frame
from service.simulator.scenario import Phase, demo_scenario
from tests.service.simulator.talking import BUSY, Client, Dial, Get, Start

MARKET = "/market/stream?streams=btcusdt@aggTrade/btcusdt@markPrice@1s/btcusdt@forceOrder"

#: Half a minute without liquidations, so that subscriptions do not begin with old ones.
LATE = Phase(kind="CALM", duration_s=30.0, long_rate=0.0, short_rate=0.0, trade_rate=3.0)


async def busy_client(simulated: SimulatedExchanges, dial: Dial) -> tuple[Exchange, Client]:
    client = await dial(simulated.urls()["binance_usdm"][0] + MARKET)
    await client.hear()
    return simulated.exchanges["binance_usdm"], client


async def test_refused_handshakes_and_their_end(start: Start, dial: Dial) -> None:
    simulated = await start()
    exchange = simulated.exchanges["okx"]
    exchange.faults.refuse_status = 503
    url = simulated.urls()["okx"][0] + "/ws/v5/public"
    with pytest.raises(InvalidStatus):
        await dial(url)
    exchange.faults.refuse_status = None
    await (await dial(url)).say("ping")


async def test_a_stopped_exchange_refuses_tcp_and_comes_back_on_its_port(
    start: Start, dial: Dial
) -> None:
    simulated = await start()
    exchange, client = await busy_client(simulated, dial)
    port = exchange.port
    await exchange.stop()
    assert (await client.ending()).rcvd is None
    with pytest.raises(ConnectionRefusedError):
        await dial(simulated.urls()["binance_usdm"][0] + MARKET)
    await exchange.start()
    assert exchange.port == port
    await busy_client(simulated, dial)


async def test_close_with_a_code_and_abort_without(start: Start, dial: Dial) -> None:
    simulated = await start()
    exchange, client = await busy_client(simulated, dial)
    exchange.close(1012, "restart")
    closed = await client.ending()
    assert closed.rcvd is not None
    assert closed.rcvd.code == 1012
    exchange, client = await busy_client(simulated, dial)
    exchange.abort()
    aborted = await client.ending()
    assert aborted.rcvd is None, "1006: no close frame"


async def test_a_stall_is_silent_but_connected_and_ends(start: Start, dial: Dial) -> None:
    simulated = await start()
    exchange, client = await busy_client(simulated, dial)
    exchange.faults.stalled = True
    await asyncio.sleep(0.2)
    while not await client.silent(0.3):
        pass
    await client.say({"method": "LIST_SUBSCRIPTIONS", "id": 5})
    assert await client.silent(0.3)
    assert len(exchange.connections) == 1
    exchange.faults.stalled = False
    assert "stream" in await client.hear()


@pytest.mark.parametrize(
    ("muted", "kept"),
    [
        ("liquidation", {"btcusdt@aggTrade", "btcusdt@markPrice@1s"}),
        ("btcusdt@aggTrade", {"btcusdt@forceOrder", "btcusdt@markPrice@1s"}),
        ("route:/market", set()),
    ],
)
async def test_a_channel_a_stream_or_a_route_can_be_muted(
    start: Start, dial: Dial, muted: str, kept: set[str]
) -> None:
    simulated = await start(speed=60.0)
    simulated.exchanges["binance_usdm"].faults.muted.add(muted)
    client = await dial(simulated.urls()["binance_usdm"][0] + MARKET)
    seen, ends = set(), time.monotonic() + 1.0
    while time.monotonic() < ends:
        try:
            seen.add((await client.hear(0.2))["stream"])
        except TimeoutError:
            continue
    assert seen == kept


async def test_hostile_frames_reach_the_subscribers_as_they_are(start: Start, dial: Dial) -> None:
    simulated = await start()
    exchange, client = await busy_client(simulated, dial)
    hostile = b'{"stream":"btcusdt@aggTrade","data":' + b"[" * 500
    assert exchange.inject(hostile, "btcusdt@aggTrade") == 1
    while (message := await client.raw()) != hostile.decode():
        assert message
    assert exchange.inject(b"x", "nobody@aggTrade") == 0
    assert exchange.inject(b"to all") == 1


async def test_rest_answers_can_be_overridden(start: Start, get: Get) -> None:
    simulated = await start()
    exchange, base = simulated.exchanges["bybit"], simulated.urls()["bybit"][1]
    exchange.faults.rest_status = 500
    assert (await get(f"{base}/v5/market/time"))[0] == 500
    exchange.faults.rest_status = None
    exchange.faults.rest_status_by_path["/v5/market/tickers"] = 403
    assert (await get(f"{base}/v5/market/tickers", category="linear"))[0] == 403
    assert (await get(f"{base}/v5/market/time"))[0] == 200
    exchange.faults.rest_body = b'{"retCode":"what"}'
    assert (await get(f"{base}/v5/market/time"))[1] == {"retCode": "what"}
    assert exchange.asked["/v5/market/time"] == 3


async def test_what_was_sent_is_what_a_client_gets(start: Start, dial: Dial) -> None:
    """Counters against a client's own count, on every venue, with liquidations by the batch."""
    simulated = await start(msgspec.structs.replace(BUSY, phases=(LATE, *BUSY.phases)), speed=60.0)
    plans = {
        "binance_usdm": ("/market/stream", {"method": "SUBSCRIBE", "id": 1, "params": [
            "btcusdt@aggTrade", "btcusdt@forceOrder"]}),
        "bybit": ("/v5/public/linear", {"op": "subscribe", "args": [
            "publicTrade.BTCUSDT", "allLiquidation.BTCUSDT"]}),
        "okx": ("/ws/v5/public", {"op": "subscribe", "args": [
            {"channel": "trades", "instId": "BTC-USDT-SWAP"},
            {"channel": "liquidation-orders", "instType": "SWAP"}]}),
    }  # fmt: skip
    clients: dict[str, Client] = {}
    for venue, (path, message) in plans.items():
        clients[venue] = await dial(simulated.urls()[venue][0] + path)
        await clients[venue].say(message)
    await asyncio.sleep(1.0)
    simulated.pause()
    await simulated.drained()
    assert simulated.exchanges["okx"].sent["liquidation_snapshot"] == 0, "nothing to begin with"
    got = {venue: {"trade": 0, "liquidation": 0} for venue in clients}
    for venue, client in clients.items():
        while True:
            try:
                channel, rows = rows_of(venue, await client.hear(0.3))
            except TimeoutError:
                break
            if channel:
                got[venue][channel] += rows
    wanted = {
        venue: {c: n for c, n in rows.items() if c in {"trade", "liquidation"}}
        for venue, rows in simulated.rows().items()
    }
    assert got == wanted
    assert all(n > 10 for rows in got.values() for n in rows.values())


def rows_of(venue: str, message: Any) -> tuple[str, int]:
    if venue == "binance_usdm" and "stream" in message:
        return ("trade" if "aggTrade" in message["stream"] else "liquidation"), 1
    if venue == "bybit" and "topic" in message:
        return ("trade" if "Trade" in message["topic"] else "liquidation"), len(message["data"])
    if venue == "okx" and "data" in message:
        if message["arg"]["channel"] == "trades":
            return "trade", 1
        return "liquidation", len(message["data"])
    return "", 0


async def test_rows_count_once_however_many_listen(start: Start, dial: Dial) -> None:
    simulated = await start()
    for _ in range(3):
        client = await dial(simulated.urls()["binance_usdm"][0] + "/market/ws/btcusdt@aggTrade")
        await client.hear()
    simulated.pause()
    await simulated.drained()
    exchange = simulated.exchanges["binance_usdm"]
    assert exchange.sent["trade"] > exchange.rows["trade"]


async def test_the_same_frames_at_any_speed() -> None:
    """Sixty seconds of the market, told at two speeds, are the same bytes."""
    told = []
    for speed in (30.0, 120.0):
        simulated = SimulatedExchanges(ScaledClock(1_790_000_000 * 10**9, speed), demo_scenario(3))
        async with simulated, aiohttp.ClientSession() as session:
            url = simulated.urls()["binance_usdm"][0] + "/market/ws/btcusdt@aggTrade"
            async with session.ws_connect(url) as socket:
                frames = {}
                while not frames or max(frames) < 3_000_000_060:
                    message = await asyncio.wait_for(socket.receive(), 10.0)
                    frames[msgspec.json.decode(message.data)["a"]] = message.data
                told.append(frames)
    common = told[0].keys() & told[1].keys()
    assert len(common) > 40
    assert all(told[0][number] == told[1][number] for number in common)


def write_recording(path: Path) -> list[bytes]:
    frames = [
        b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","a":%d}}' % n if n % 2 else
        b'{"stream":"ethusdt@aggTrade","data":{"e":"aggTrade","a":%d}}' % n
        for n in range(200)
    ]  # fmt: skip
    with gzip.open(path, "wb") as out:
        for n, frame in enumerate(frames):
            out.write(b"%d %b\n" % (10**18 + n * 5_000_000, frame))
    return frames


@pytest.mark.parametrize(("speed", "least_s"), [(None, 0.0), (4.0, 0.2)])
async def test_recordings_are_served_to_their_subscribers(
    start: Start, dial: Dial, tmp_path: Path, speed: float | None, least_s: float
) -> None:
    recording = tmp_path / "frames.txt.gz"
    frames = write_recording(recording)
    simulated = await start()
    simulated.pause()
    exchange = simulated.exchanges["binance_usdm"]
    base = simulated.urls()["binance_usdm"][0]
    combined = await dial(f"{base}/market/stream?streams=btcusdt@aggTrade")
    raw = await dial(f"{base}/market/ws/ethusdt@aggTrade")
    began = time.monotonic()
    played = await RecordedFeed(exchange, [recording], speed=speed).play(WallClock())
    assert played == 200
    assert time.monotonic() - began >= least_s
    assert [(await combined.raw()).encode() for _ in range(100)] == frames[1::2]
    assert [(await raw.hear())["a"] for _ in range(100)] == list(range(0, 200, 2))
    assert await combined.silent(0.1)


async def test_a_firehose_goes_to_everybody(start: Start, dial: Dial, tmp_path: Path) -> None:
    recording = tmp_path / "frames.txt.gz"
    frames = write_recording(recording)
    simulated = await start()
    simulated.pause()
    client = await dial(simulated.urls()["binance_usdm"][0] + "/market/stream")
    feed = RecordedFeed(simulated.exchanges["binance_usdm"], [recording], speed=None, everyone=True)
    await feed.play(WallClock())
    assert [(await client.raw()).encode() for _ in range(200)] == frames


def test_recorded_frames_of_every_venue_find_their_stream() -> None:
    named = {
        b'{"topic":"tickers.BTCUSDT","data":{}}': "tickers.BTCUSDT",
        b'{"arg":{"channel":"trades","instId":"BTC-USDT-SWAP"},"data":[]}': "trades:BTC-USDT-SWAP",
        b'{"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[]}': "liquidation-orders:SWAP",
        b'{"e":"markPriceUpdate","s":"BTCUSDT"}': "btcusdt@markPrice@1s",
        b'{"lastUpdateId":1}': "",
        b"pong": "",
    }
    assert {raw: recorded_frame(raw).stream for raw in named} == named


def test_a_file_that_is_no_recording_says_where(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b'1 {"a":1}\n\nnonsense\n')
    with pytest.raises(BadRecording, match=r"x\.txt:3"):
        list(read_recording(path))


@pytest.mark.shared_data
async def test_a_real_recording_plays(shared_data: Path, start: Start, dial: Dial) -> None:
    (path,) = (shared_data / "raw" / "binance_usdm").glob("btcusdt_trade*.gz")
    simulated = await start()
    simulated.pause()
    exchange = simulated.exchanges["binance_usdm"]
    client = await dial(
        simulated.urls()["binance_usdm"][0] + "/public/stream?streams=btcusdt@trade"
    )
    feed = asyncio.create_task(RecordedFeed(exchange, [path], speed=None).play(WallClock()))
    first = await client.hear(20.0)
    assert first["stream"] == "btcusdt@trade"
    assert first["data"]["s"] == "BTCUSDT"
    feed.cancel()
