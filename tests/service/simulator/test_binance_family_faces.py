"""COIN-M, Aster and spot as far as they differ from USD-M, and the trades that all of them remember."""

import asyncio
from typing import Any

import aiohttp
import msgspec
import pytest
from websockets.exceptions import InvalidStatus

from service.simulator.scenario import Scenario
from service.venue import Gap, Venue
from service.venues.registry import VENUES
from streams.events import RowBuffer
from tests.service.simulator.talking import BUSY, Client, Dial, Get, Start

API = {
    "aster": "/fapi/v1", "binance_coin": "/dapi/v1", "binance_spot": "/api/v3", "binance_usdm": "/fapi/v1",
}  # fmt: skip
CONTRACT = dict.fromkeys(API, "BTCUSDT") | {"binance_coin": "BTCUSD_PERP"}


def alone(name: str) -> Scenario:
    """Return a busy market with one venue."""
    return msgspec.structs.replace(BUSY, shares=((name, 1.0),))


async def heard(client: Client, count: int) -> list[Any]:
    """Return so many messages."""
    return [await client.hear() for _ in range(count)]


@pytest.mark.parametrize("name", API)
async def test_missed_trades_can_be_asked_for_by_id(start: Start, dial: Dial, name: str) -> None:
    """What our own module makes of them is what the stream would have become."""
    simulated = await start(alone(name), speed=60.0)
    websocket, rest = simulated.urls()[name]
    symbol, venue = CONTRACT[name], VENUES[name]
    route = "/market" if name == "binance_usdm" else ""
    client = await dial(f"{websocket}{route}/ws/{symbol.lower()}@aggTrade")
    trades = await heard(client, 80)
    assert [t["a"] for t in trades] == list(range(trades[0]["a"], trades[0]["a"] + 80))
    async with aiohttp.ClientSession() as session:
        async with session.get(rest + API[name] + "/exchangeInfo") as answer:
            assert symbol in {s["symbol"] for s in (await answer.json())["symbols"]}
        spec = venue.assume(symbol)
        assert spec is not None
        gap = Gap(
            first=trades[10]["a"], last=trades[69]["a"], from_ns=1, to_ns=simulated.market.start_ns
        )
        filled, streamed = RowBuffer(), RowBuffer()
        await _fill(session, rest, venue, spec, gap, filled)
    decoder = venue.decoder({symbol: spec})
    for trade in trades[10:70]:
        decoder.decode(msgspec.json.encode(trade), gap.to_ns, streamed)
    assert filled.rows == 60
    assert bytes(filled.view()) == bytes(streamed.view())


async def _fill(
    session: aiohttp.ClientSession, base: str, venue: Venue, spec: Any, gap: Gap, out: RowBuffer
) -> None:
    conversation = venue.fill(spec, gap, out)
    assert conversation is not None
    body = None
    while True:
        try:
            request = next(conversation) if body is None else conversation.send(body)
        except StopIteration:
            return
        async with session.get(base + request.path, params=request.params) as answer:
            assert answer.status == 200
            body = await answer.read()


async def test_trades_page_by_id_by_time_and_from_the_newest(start: Start, get: Get) -> None:
    simulated = await start(alone("binance_spot"), speed=200.0)
    url = simulated.urls()["binance_spot"][1] + "/api/v3/aggTrades"
    async with asyncio.timeout(10):
        while True:
            _, newest, headers = await get(url, symbol="BTCUSDT", limit=100)
            if len(newest) == 100:
                break
    assert int(headers["X-MBX-USED-WEIGHT-1M"]) % 4 == 0
    ids = [t["a"] for t in newest]
    assert ids == list(range(ids[0], ids[0] + 100))
    _, page, _ = await get(url, symbol="BTCUSDT", fromId=ids[5], limit=7)
    assert [t["a"] for t in page] == ids[5:12]
    _, page, _ = await get(url, symbol="BTCUSDT", fromId=0, limit=3)
    assert page[0]["a"] <= ids[0], "the oldest that are kept"
    _, page, _ = await get(url, symbol="BTCUSDT", fromId=ids[-1] + 10**6)
    assert page == []
    _, page, _ = await get(
        url, symbol="BTCUSDT", startTime=newest[50]["T"], endTime=newest[60]["T"]
    )
    assert {t["a"] for t in newest[50:61]} <= {t["a"] for t in page}
    assert all(newest[50]["T"] <= t["T"] <= newest[60]["T"] for t in page)
    status, body, _ = await get(url, fromId=1)
    assert (status, body["code"]) == (400, -1102)


async def test_coin_margined_sizes_are_whole_contracts(start: Start, dial: Dial, get: Get) -> None:
    simulated = await start(alone("binance_coin"), speed=60.0)
    websocket, rest = simulated.urls()["binance_coin"]
    for route in ("", "/market"):
        client = await dial(f"{websocket}{route}/ws/ethusd_perp@aggTrade/ethusd_perp@forceOrder")
        for event in await heard(client, 60):
            body = event.get("o", event)
            assert body["q"].isdigit()
            assert int(body["q"]) >= 1
            assert body["st"] == 2
    with pytest.raises(InvalidStatus):
        await dial(f"{websocket}/private/ws")
    _, info, _ = await get(f"{rest}/dapi/v1/exchangeInfo")
    sizes = {s["symbol"]: s["contractSize"] for s in info["symbols"]}
    assert sizes == {"BTCUSD_PERP": 100, "ETHUSD_PERP": 10, "SOLUSD_PERP": 10}
    _, level, _ = await get(f"{rest}/dapi/v1/openInterest", symbol="ETHUSD_PERP")
    tick = simulated.market.tick(1, simulated.market.start_ns)
    assert int(level["openInterest"]) * 10 == pytest.approx(tick.open_interest * tick.mark, rel=0.1)
    status, _, _ = await get(
        f"{rest}/futures/data/openInterestHist", symbol="ETHUSD_PERP", period="5m"
    )
    assert status == 400, "statistics go by pair"


async def test_aster_speaks_as_binance_did_before_2026(start: Start, dial: Dial, get: Get) -> None:
    simulated = await start(alone("aster"), speed=20.0)
    websocket, rest = simulated.urls()["aster"]
    with pytest.raises(InvalidStatus):
        await dial(f"{websocket}/market/ws/btcusdt@aggTrade")
    client = await dial(f"{websocket}/ws/btcusdt@aggTrade")
    assert set(await client.hear()) == {"e", "E", "a", "s", "p", "q", "f", "l", "T", "m"}
    status, _, _ = await get(f"{rest}/futures/data/openInterestHist", symbol="BTCUSDT", period="5m")
    assert status == 404
    _, intervals, _ = await get(f"{rest}/fapi/v1/fundingInfo")
    assert len(intervals) == 3


async def test_a_quiet_spot_pair_still_has_a_candle_each_second(start: Start, dial: Dial) -> None:
    quiet = msgspec.structs.replace(alone("binance_spot"), trade_rate=1e-6)
    simulated = await start(quiet, speed=20.0)
    client = await dial(
        simulated.urls()["binance_spot"][0] + "/stream?streams=btcusdt@kline_1s/btcusdt@aggTrade"
    )
    said = await heard(client, 20)
    assert {m["stream"] for m in said} == {"btcusdt@kline_1s"}
    starts = [m["data"]["k"]["t"] for m in said]
    assert starts == [starts[0] + 1000 * n for n in range(20)]


async def test_spot_hears_five_messages_a_second(start: Start, dial: Dial) -> None:
    simulated = await start(alone("binance_spot"), speed=1.0)
    client = await dial(simulated.urls()["binance_spot"][0] + "/ws")
    for number in range(6):
        await client.say({"method": "LIST_SUBSCRIPTIONS", "id": number})
    closed = await client.ending()
    assert closed.rcvd is not None
    assert closed.rcvd.code == 1008
