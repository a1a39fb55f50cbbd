"""Bybit's protocol, spoken to as a client would."""

import asyncio
import itertools

import pytest
from websockets.exceptions import InvalidStatus

from tests.service.simulator.talking import Dial, Get, Start, alone

PATH = "/v5/public/linear"


def subscribe(*topics: str) -> dict[str, object]:
    return {"op": "subscribe", "req_id": "7", "args": list(topics)}


async def test_subscribing_is_acknowledged_and_trades_follow(start: Start, dial: Dial) -> None:
    simulated = await start()
    client = await dial(simulated.urls()["bybit"][0] + PATH)
    await client.say(subscribe("publicTrade.BTCUSDT"))
    ack = await client.hear()
    assert (ack["success"], ack["op"], ack["req_id"], ack["ret_msg"]) == (
        True,
        "subscribe",
        "7",
        "",
    )
    trades = [(await client.hear())["data"][0] for _ in range(50)]
    assert {t["S"] for t in trades} == {"Buy", "Sell"}
    assert len({t["i"] for t in trades}) == 50
    sequence = [t["seq"] for t in trades]
    assert sequence == sorted(sequence)
    assert sequence[1] - sequence[0] != 1, "monotonic, not consecutive"


@pytest.mark.parametrize("bad", ["publicTrade.NOSUCH", "liquidation.BTCUSDT", "tickers"])
async def test_one_bad_topic_rejects_the_whole_request(start: Start, dial: Dial, bad: str) -> None:
    simulated = await start()
    client = await dial(simulated.urls()["bybit"][0] + PATH)
    await client.say(subscribe("publicTrade.BTCUSDT", bad))
    answer = await client.hear()
    assert answer["success"] is False
    assert bad in answer["ret_msg"]
    assert await client.silent()


async def test_tickers_begin_with_a_snapshot_and_go_on_with_what_changed(
    start: Start, dial: Dial
) -> None:
    simulated = await start()
    client = await dial(simulated.urls()["bybit"][0] + PATH)
    await client.say(subscribe("tickers.BTCUSDT"))
    assert (await client.hear())["success"]
    first = await client.hear()
    assert first["type"] == "snapshot"
    both, single = (float(first["data"][k]) for k in ("openInterest", "singleOpenInterest"))
    assert both == pytest.approx(2 * single, abs=0.01)
    merged = dict(first["data"])
    deltas = [await client.hear() for _ in range(30)]
    assert {d["type"] for d in deltas} == {"delta"}
    for delta in deltas:
        assert "fundingIntervalHour" not in delta["data"]
        changed = {k for k in delta["data"] if k != "symbol"}
        assert all(merged[k] != delta["data"][k] for k in changed), "only what changed"
        merged |= delta["data"]
    assert set(merged) == set(first["data"])
    await client.say({"op": "unsubscribe", "args": ["tickers.BTCUSDT"]})
    await client.until(lambda m: m.get("op") == "unsubscribe")
    await client.say(subscribe("tickers.BTCUSDT"))
    again = await client.until(lambda m: "topic" in m)
    assert again["type"] == "snapshot", "a new subscription starts anew"


async def test_liquidations_are_complete_and_batched(start: Start, dial: Dial) -> None:
    simulated = await start(speed=60.0)
    client = await dial(simulated.urls()["bybit"][0] + PATH)
    await client.say(subscribe("allLiquidation.BTCUSDT"))
    assert (await client.hear())["success"]
    batches = [await client.hear() for _ in range(60)]
    ends = [b["ts"] for b in batches]
    assert all(t % 500 == 0 for t in ends)
    assert ends == sorted(set(ends))
    assert max(len(b["data"]) for b in batches) > 1
    for batch in batches:
        assert all(0 <= batch["ts"] - row["T"] <= 500 for row in batch["data"])
    longs = sum(row["S"] == "Buy" for b in batches for row in b["data"])
    assert longs > 50, "the side is the position's"


async def test_ping_is_answered(start: Start, dial: Dial) -> None:
    simulated = await start()
    client = await dial(simulated.urls()["bybit"][0] + PATH)
    await client.say({"op": "ping", "req_id": "x"})
    pong = await client.hear()
    assert (pong["op"], pong["ret_msg"], pong["req_id"], pong["success"]) == (
        "ping",
        "pong",
        "x",
        True,
    )


async def test_a_client_that_does_not_ping_is_cut_one_that_does_is_not(
    start: Start, dial: Dial
) -> None:
    simulated = await start(speed=60.0, patience_s=0.0)
    quiet = await dial(simulated.urls()["bybit"][0] + PATH)
    lively = await dial(simulated.urls()["bybit"][0] + PATH)
    await quiet.say(subscribe("publicTrade.BTCUSDT"))
    for _ in range(5):
        await lively.say({"op": "ping"})
        assert (await lively.hear())["ret_msg"] == "pong"
        await asyncio.sleep(0.2)
    closed = await quiet.ending(1.0)
    assert closed.rcvd is not None
    assert closed.rcvd.reason == "no ping"


async def test_rest_pages_instruments_by_cursor(start: Start, get: Get) -> None:
    simulated = await start()
    base = simulated.urls()["bybit"][1]
    symbols, cursor = [], ""
    while True:
        _, body, _ = await get(
            f"{base}/v5/market/instruments-info", category="linear", limit=2, cursor=cursor
        )
        symbols += [row["symbol"] for row in body["result"]["list"]]
        cursor = body["result"]["nextPageCursor"]
        if not cursor:
            break
    assert symbols == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
    assert body["result"]["list"][0]["fundingInterval"] == 480


async def test_rest_open_interest_pages_down_to_the_asked_start(start: Start, get: Get) -> None:
    simulated = await start()
    base, now = simulated.urls()["bybit"][1], simulated.market.start_ns // 10**6
    times, cursor, begin = [], "", now - 3 * 86_400_000
    for _ in range(20):
        _, body, _ = await get(
            f"{base}/v5/market/open-interest", category="linear", symbol="BTCUSDT",
            intervalTime="5min", startTime=begin, endTime=now, limit=200, cursor=cursor,
        )  # fmt: skip
        rows, cursor = body["result"]["list"], body["result"]["nextPageCursor"]
        assert float(rows[0]["openInterest"]) == pytest.approx(
            2 * float(rows[0]["singleOpenInterest"])
        )
        times += [int(row["timestamp"]) for row in rows]
        if not cursor:
            break
    assert times == sorted(set(times), reverse=True)
    assert len(times) == 3 * 288


async def test_rest_candles_and_funding_are_newest_first(start: Start, get: Get) -> None:
    simulated = await start()
    base, now = simulated.urls()["bybit"][1], simulated.market.start_ns // 10**6
    for kind in ("mark", "index"):
        _, body, _ = await get(
            f"{base}/v5/market/{kind}-price-kline", category="linear", symbol="BTCUSDT",
            interval="60", start=now - 10 * 86_400_000, end=now, limit=1000,
        )  # fmt: skip
        times = [int(row[0]) for row in body["result"]["list"]]
        assert times == sorted(times, reverse=True)
        assert len(times) in {240, 241}
        assert len(body["result"]["list"][0]) == 5
    query = {"category": "linear", "symbol": "BTCUSDT"}
    _, body, _ = await get(f"{base}/v5/market/funding/history", **query)
    times = [int(row["fundingRateTimestamp"]) for row in body["result"]["list"]]
    assert len(times) == 200
    assert times == sorted(times, reverse=True)
    _, body, _ = await get(f"{base}/v5/market/funding/history", **query, startTime=now - 86_400_000)
    assert body["retCode"] == 10001, "a start alone is an error"


async def test_rest_tickers_and_errors(start: Start, get: Get) -> None:
    simulated = await start()
    base = simulated.urls()["bybit"][1]
    _, body, headers = await get(f"{base}/v5/market/tickers", category="linear")
    assert len(body["result"]["list"]) == 3
    assert headers["x-treadmill-simulator"] == "20x seed=7"
    status, body, _ = await get(f"{base}/v5/market/tickers", category="linear", symbol="NOSUCH")
    assert (status, body["retCode"]) == (200, 10001)
    _, body, _ = await get(f"{base}/v5/market/tickers", category="spot")
    assert body["retCode"] == 10001
    status, _, _ = await get(f"{base}/v5/market/nothing")
    assert status == 404


async def test_inverse_sizes_and_open_interest_are_dollars(
    start: Start, dial: Dial, get: Get
) -> None:
    simulated = await start(alone("bybit_coin"), speed=60.0)
    websocket, rest = simulated.urls()["bybit_coin"]
    client = await dial(websocket + "/v5/public/inverse")
    await client.say(subscribe("publicTrade.BTCUSD", "tickers.BTCUSD", "allLiquidation.BTCUSD"))
    ticker = await client.until(lambda m: m.get("topic") == "tickers.BTCUSD")
    held = simulated.market.scenario.underlyings[0].open_interest
    assert float(ticker["data"]["singleOpenInterest"]) == pytest.approx(60_000 * held, rel=0.1)
    for topic in ("publicTrade.BTCUSD", "allLiquidation.BTCUSD"):
        message = await client.until(lambda m, wanted=topic: m.get("topic") == wanted)
        sizes = [float(row["v"]) for row in message["data"]]
        assert all(size == int(size) and size > 1.0 for size in sizes), "whole contracts"
    with pytest.raises(InvalidStatus):
        await dial(websocket + PATH)
    _, body, _ = await get(f"{rest}/v5/market/instruments-info", category="inverse")
    first = body["result"]["list"][0]
    assert (first["symbol"], first["contractType"]) == ("BTCUSD", "InversePerpetual")
    assert (first["settleCoin"], first["quoteCoin"]) == ("BTC", "USD")


async def test_spot_takes_ten_topics_at_once_and_tells_candles(start: Start, dial: Dial) -> None:
    simulated = await start(alone("bybit_spot"), speed=60.0)
    client = await dial(simulated.urls()["bybit_spot"][0] + "/v5/public/spot")
    await client.say(subscribe(*["publicTrade.BTCUSDT"] * 11))
    assert (await client.hear())["success"] is False
    await client.say(subscribe("tickers.BTCUSDT"))
    assert (await client.hear())["success"] is False
    await client.say(subscribe("kline.1.BTCUSDT"))
    assert (await client.hear())["success"]
    candles = [(await client.hear())["data"][0] for _ in range(150)]
    assert any(candle["confirm"] for candle in candles)
    for before, after in itertools.pairwise(candles):
        assert (after["start"] > before["start"]) == before["confirm"]
        if before["start"] == after["start"]:
            assert float(after["volume"]) >= float(before["volume"])
        prices = [float(after[name]) for name in ("low", "open", "close", "high")]
        assert min(prices) == prices[0]
        assert max(prices) == prices[3]
