"""Binance's protocol, spoken to as a client would."""

import itertools

import aiohttp
import pytest
from websockets.exceptions import InvalidStatus

from service.simulator.binance_usdm import BinanceUsdm
from service.simulator.exchanges import SimulatedExchanges
from tests.service.simulator.talking import Dial, Get, Start

ACK_3 = {"result": None, "id": 3}


def face_of(simulated: SimulatedExchanges) -> BinanceUsdm:
    face = simulated.exchanges["binance_usdm"].face
    assert isinstance(face, BinanceUsdm)
    return face


def subscribe(*streams: str, number: int = 3) -> dict[str, object]:
    return {"method": "SUBSCRIBE", "params": list(streams), "id": number}


async def test_streams_named_in_the_url_speak_raw_or_combined(start: Start, dial: Dial) -> None:
    simulated = await start()
    base, _ = simulated.urls()["binance_usdm"]
    raw = await dial(f"{base}/market/ws/btcusdt@aggTrade")
    assert (await raw.hear())["e"] == "aggTrade"
    combined = await dial(f"{base}/market/stream?streams=btcusdt@aggTrade/ethusdt@markPrice@1s")
    seen = [await combined.hear() for _ in range(40)]
    assert {m["stream"] for m in seen} == {"btcusdt@aggTrade", "ethusdt@markPrice@1s"}


async def test_trades_are_contiguous_and_say_who_took(start: Start, dial: Dial) -> None:
    simulated = await start()
    client = await dial(simulated.urls()["binance_usdm"][0] + "/market/ws")
    await client.say(subscribe("btcusdt@aggTrade"))
    assert await client.hear() == ACK_3
    trades = [await client.hear() for _ in range(60)]
    assert [t["a"] for t in trades] == list(range(trades[0]["a"], trades[0]["a"] + 60))
    assert {t["m"] for t in trades} == {True, False}
    assert set(trades[0]) == {"e", "E", "a", "s", "p", "q", "nq", "f", "l", "T", "m", "st"}


async def test_marks_come_each_second_with_the_predicted_rate(start: Start, dial: Dial) -> None:
    simulated = await start()
    client = await dial(simulated.urls()["binance_usdm"][0] + "/market/ws/btcusdt@markPrice@1s")
    first, second = await client.hear(), await client.hear()
    assert second["E"] - first["E"] == 1000
    assert set(first) == {"e", "E", "s", "p", "ap", "P", "i", "r", "T", "st"}
    assert first["T"] % (8 * 3_600_000) == 0


async def test_forced_orders_are_a_sample_of_one_a_second(start: Start, dial: Dial) -> None:
    simulated = await start(speed=60.0)
    client = await dial(simulated.urls()["binance_usdm"][0] + "/market/ws/btcusdt@forceOrder")
    orders = [await client.hear() for _ in range(60)]
    pushed = [o["E"] for o in orders]
    assert all(b - a >= 1000 for a, b in itertools.pairwise(pushed))
    sold = [o["o"] for o in orders if o["o"]["S"] == "SELL"]
    assert len(sold) > 30, "longs are closed by selling"
    assert all(float(o["ap"]) > float(o["p"]) for o in sold), "filled above the bankruptcy price"
    assert orders[0]["o"]["z"] == orders[0]["o"]["q"]


@pytest.mark.parametrize("path", ["/ws", "/stream", "/public/ws", "/private/ws"])
async def test_the_wrong_route_acknowledges_and_stays_silent(
    start: Start, dial: Dial, path: str
) -> None:
    simulated = await start()
    client = await dial(simulated.urls()["binance_usdm"][0] + path)
    await client.say(subscribe("btcusdt@aggTrade", "btcusdt@markPrice@1s", "btcusdt@forceOrder"))
    assert await client.hear() == ACK_3
    assert await client.silent()
    await client.say({"method": "LIST_SUBSCRIPTIONS", "id": 4})
    assert len((await client.hear())["result"]) == 3


async def test_public_streams_speak_on_the_public_and_the_unrouted_url_only(
    start: Start, dial: Dial
) -> None:
    simulated = await start()
    for path, speaks in (("/public/ws", True), ("/ws", True), ("/market/ws", False)):
        client = await dial(simulated.urls()["binance_usdm"][0] + path)
        await client.say(subscribe("btcusdt@bookTicker"))
        assert await client.hear() == ACK_3
        assert await client.silent() is not speaks


async def test_unknown_and_upper_case_streams_are_acknowledged_and_silent(
    start: Start, dial: Dial
) -> None:
    simulated = await start()
    client = await dial(simulated.urls()["binance_usdm"][0] + "/market/ws")
    await client.say(subscribe("BTCUSDT@aggTrade", "nosuch@aggTrade"))
    assert await client.hear() == ACK_3
    assert await client.silent()


async def test_unsubscribing_ends_a_stream(start: Start, dial: Dial) -> None:
    simulated = await start()
    client = await dial(simulated.urls()["binance_usdm"][0] + "/market/ws/btcusdt@aggTrade")
    await client.hear()
    await client.say({"method": "UNSUBSCRIBE", "params": ["btcusdt@aggTrade"], "id": 9})
    await client.until(lambda m: m == {"result": None, "id": 9})
    assert await client.silent()


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{nonsense", 3),
        ({"method": "DANCE", "id": 1}, 2),
        ({"method": "SUBSCRIBE", "params": "btcusdt@aggTrade", "id": 1}, 2),
        ({"method": "SUBSCRIBE", "params": ["btcusdt@aggTrade"], "id": "one"}, 2),
        ({"method": "SET_PROPERTY", "params": ["colour", True], "id": 1}, 0),
        ({"method": "SET_PROPERTY", "params": ["combined", 1], "id": 1}, 1),
        ({"method": "SUBSCRIBE", "params": [f"s{n}@aggTrade" for n in range(1025)], "id": 1}, 2),
    ],
)
async def test_malformed_requests_are_answered_with_a_code(
    start: Start, dial: Dial, message: object, code: int
) -> None:
    simulated = await start()
    client = await dial(simulated.urls()["binance_usdm"][0] + "/market/ws")
    await client.say(message)
    answer = await client.hear()
    assert answer["code"] == code
    assert answer["msg"]


async def test_more_than_ten_messages_a_second_end_the_connection(start: Start, dial: Dial) -> None:
    simulated = await start(speed=1.0)
    client = await dial(simulated.urls()["binance_usdm"][0] + "/market/ws")
    for number in range(11):
        await client.say({"method": "LIST_SUBSCRIPTIONS", "id": number})
    closed = await client.ending()
    assert closed.rcvd is not None
    assert closed.rcvd.code == 1008


async def test_the_server_pings_and_cuts_at_the_end_of_the_lifetime(
    start: Start, dial: Dial
) -> None:
    simulated = await start(speed=600.0)
    face_of(simulated).lifetime_s = 1200.0
    client = await dial(simulated.urls()["binance_usdm"][0] + "/market/ws")
    closed = await client.ending()
    assert closed.rcvd is not None
    assert closed.rcvd.code == 1001
    assert simulated.exchanges["binance_usdm"].sent["ping"] >= 5


async def test_a_client_that_never_pongs_is_cut(start: Start) -> None:
    """A client of the other library, with its automatic answers off."""
    simulated = await start(speed=600.0, patience_s=0.0)
    url = simulated.urls()["binance_usdm"][0] + "/market/ws"
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, autoping=False) as socket,
    ):
        kinds = {message.type async for message in socket}
        assert kinds == {aiohttp.WSMsgType.PING}
        assert socket.close_code == 1008


async def test_unknown_paths_have_no_websocket(start: Start, dial: Dial) -> None:
    simulated = await start()
    with pytest.raises(InvalidStatus):
        await dial(simulated.urls()["binance_usdm"][0] + "/v5/public/linear")


async def test_rest_describes_the_contracts_and_itself(start: Start, get: Get) -> None:
    simulated = await start()
    base = simulated.urls()["binance_usdm"][1]
    status, info, headers = await get(f"{base}/fapi/v1/exchangeInfo")
    assert status == 200
    assert [s["symbol"] for s in info["symbols"]] == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
    assert headers["x-treadmill-simulator"] == "20x seed=7"
    assert headers["X-MBX-USED-WEIGHT-1M"] == "1"
    _, funding, _ = await get(f"{base}/fapi/v1/fundingInfo")
    assert [f["fundingIntervalHours"] for f in funding] == [8]
    _, now, _ = await get(f"{base}/fapi/v1/openInterest", symbol="BTCUSDT")
    assert 20_000 < float(now["openInterest"]) < 46_000
    _, premium, _ = await get(f"{base}/fapi/v1/premiumIndex", symbol="BTCUSDT")
    assert float(premium["markPrice"]) > 0
    _, every, _ = await get(f"{base}/fapi/v1/premiumIndex")
    assert len(every) == 3


async def test_rest_history_pages_upwards(start: Start, get: Get) -> None:
    simulated = await start()
    base, now = simulated.urls()["binance_usdm"][1], simulated.market.start_ns // 10**6
    start_ms = now - 20 * 86_400_000
    _, page, _ = await get(
        f"{base}/futures/data/openInterestHist",
        symbol="BTCUSDT", period="5m", limit=500, startTime=start_ms, endTime=now,
    )  # fmt: skip
    times = [row["timestamp"] for row in page]
    assert times == sorted(times)
    assert len(times) == 500
    assert 0 <= times[0] - start_ms < 300_000
    _, newest, _ = await get(f"{base}/futures/data/openInterestHist", symbol="BTCUSDT", period="5m")
    assert len(newest) == 30
    assert newest[-1]["timestamp"] > now - 300_000
    for path, key in (("mark", "symbol"), ("index", "pair")):
        _, bars, _ = await get(
            f"{base}/fapi/v1/{path}PriceKlines", **{key: "BTCUSDT"},
            interval="1h", limit=1500, startTime=now - 60 * 86_400_000,
        )  # fmt: skip
        assert len(bars) in {1440, 1441}
        assert len(bars[0]) == 12
    _, paid, _ = await get(f"{base}/fapi/v1/fundingRate", symbol="BTCUSDT", limit=1000)
    assert len(paid) >= 270
    assert paid[-1]["fundingTime"] > now - 8 * 3_600_000


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("/fapi/v1/openInterest", {}, -1102),
        ("/fapi/v1/openInterest", {"symbol": "NOSUCH"}, -1121),
        ("/fapi/v1/markPriceKlines", {"symbol": "BTCUSDT", "interval": "7x"}, -1120),
        ("/fapi/v1/fundingRate", {"symbol": "BTCUSDT", "limit": "many"}, -1100),
        (
            "/futures/data/openInterestHist",
            {"symbol": "BTCUSDT", "period": "5m", "startTime": 1},
            -1130,
        ),
    ],
)
async def test_rest_errors_have_the_venues_codes(
    start: Start, get: Get, path: str, query: dict[str, object], code: int
) -> None:
    simulated = await start()
    status, body, _ = await get(simulated.urls()["binance_usdm"][1] + path, **query)
    assert (status, body["code"]) == (400, code)


async def test_the_weight_is_limited_then_the_address_is_banned(start: Start, get: Get) -> None:
    simulated = await start(speed=1.0)
    base = simulated.urls()["binance_usdm"][1]
    face_of(simulated)._rest._weight.most = 20
    statuses = []
    for _ in range(40):
        status, body, headers = await get(f"{base}/fapi/v1/ping")
        statuses.append(status)
        if status != 200:
            assert int(headers["Retry-After"]) >= 1
            assert body["code"] == -1003
    assert statuses == [200] * 20 + [429] * 10 + [418] * 10
