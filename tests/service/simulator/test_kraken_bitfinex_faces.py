"""What the simulated Kraken and Bitfinex do beyond serving our own modules: limits, pings, errors."""

import asyncio
from typing import Any

import msgspec
import pytest

from service.simulator.kraken_perp import KrakenPerp
from service.simulator.market import Market
from service.simulator.scenario import Scenario
from service.simulator.wire import Care
from tests.service.simulator.talking import BUSY, EPOCH_NS, Dial, Get, Start

NS = 10**9


def alone(name: str) -> Scenario:
    """Return the busy scenario on one venue."""
    return msgspec.structs.replace(BUSY, shares=((name, 1.0),))


def feed(name: str, event: str = "subscribe", *products: str) -> dict[str, Any]:
    """Return a request to Kraken Futures."""
    return {"event": event, "feed": name, "product_ids": list(products)}


async def test_kraken_futures_greets_answers_and_refuses(start: Start, dial: Dial) -> None:
    simulated = await start(alone("kraken_perp"))
    client = await dial(simulated.urls()["kraken_perp"][0] + "/ws/v1")
    assert await client.hear() == {"event": "info", "version": 1}
    for request, message in [
        ("{", "Json Error"),
        (feed("trade", "subscribe", "PF_NOSUCHUSD"), "Invalid product id"),
        (feed("nosuch", "subscribe", "PF_XBTUSD"), "Invalid feed"),
    ]:
        await client.say(request)
        assert await client.hear() == {"event": "error", "message": message}
    await client.say(feed("trade", "subscribe", "PF_XBTUSD", "PF_ETHUSD"))
    acks = [await client.until(lambda m: m.get("event") == "subscribed") for _ in range(2)]
    assert [ack["product_ids"] for ack in acks] == [["PF_XBTUSD"], ["PF_ETHUSD"]]


async def test_kraken_futures_numbers_trades_over_the_snapshot(start: Start, dial: Dial) -> None:
    simulated = await start(alone("kraken_perp"))
    await asyncio.sleep(0.3)
    client = await dial(simulated.urls()["kraken_perp"][0] + "/ws/v1")
    await client.say(feed("trade", "subscribe", "PF_XBTUSD"))
    snapshot = await client.until(lambda m: m.get("feed") == "trade_snapshot")
    numbers = [trade["seq"] for trade in snapshot["trades"]]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) > 5
    first = await client.until(lambda m: m.get("feed") == "trade" and "uid" in m)
    assert first["seq"] == numbers[0] + 1
    forced = await client.until(lambda m: m.get("type") == "liquidation")
    assert forced["side"] in {"buy", "sell"}
    await client.say(feed("trade", "unsubscribe", "PF_XBTUSD"))
    await client.until(lambda m: m.get("event") == "unsubscribed")
    assert await client.silent()


def test_kraken_futures_cuts_who_is_not_heard() -> None:
    face = KrakenPerp(Market(alone("kraken_perp"), EPOCH_NS))
    peer = face.connect("/ws/v1", {}, EPOCH_NS)
    assert peer is not None
    assert peer.care(EPOCH_NS + 10 * NS) == Care()
    assert peer.care(EPOCH_NS + 30 * NS) == Care(ping=True)
    peer.pinged_ns = peer.ponged_ns = EPOCH_NS + 30 * NS
    assert peer.care(EPOCH_NS + 80 * NS).cut is None
    assert peer.care(EPOCH_NS + 91 * NS).cut == (1000, "no ping")
    assert face.connect("/ws/v2", {}, EPOCH_NS) is None


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/derivatives/api/v3/historical-funding-rates", {"symbol": "PF_NOSUCHUSD"}, 200),
        ("/api/charts/v1/analytics/PF_XBTUSD/open-interest", {"interval": 300}, 400),
        ("/api/charts/v1/analytics/PF_XBTUSD/open-interest", {"since": 1, "interval": 7}, 400),
        ("/api/charts/v1/analytics/PF_NOSUCH/open-interest", {"since": 1, "interval": 300}, 404),
        ("/api/charts/v1/mark/PF_XBTUSD/7m", {}, 404),
    ],
)
async def test_kraken_futures_rest_errors(
    start: Start, get: Get, path: str, query: dict[str, Any], status: int
) -> None:
    simulated = await start(alone("kraken_perp"))
    got, body, _ = await get(simulated.urls()["kraken_perp"][1] + path, **query)
    assert got == status
    assert body.get("errors") or body["result"] == "error"


async def test_kraken_spot_beats_each_second_and_cuts_who_says_nothing(
    start: Start, dial: Dial
) -> None:
    simulated = await start(alone("kraken_spot"), speed=60.0, patience_s=0.5)
    url = simulated.urls()["kraken_spot"][0] + "/v2"
    client, quiet = await dial(url), await dial(url)
    assert (await client.hear())["channel"] == "status"
    params = {"channel": "trade", "symbol": ["BTC/USD", "XBT/USD"], "snapshot": False}
    await client.say({"method": "subscribe", "params": params})
    good = await client.until(lambda m: m.get("method") == "subscribe")
    bad = await client.until(lambda m: m.get("success") is False)
    assert (good["success"], good["result"]["symbol"]) == (True, "BTC/USD")
    assert "XBT/USD" in bad["error"]
    await client.until(lambda m: m.get("channel") == "heartbeat")
    await client.until(lambda m: m.get("channel") == "heartbeat")
    await client.say({"method": "ping"})
    await client.until(lambda m: m.get("method") == "pong")
    assert (await quiet.ending()).rcvd is not None


async def test_bitfinex_numbers_channels_and_frames(start: Start, dial: Dial) -> None:
    simulated = await start(alone("bitfinex"))
    client = await dial(simulated.urls()["bitfinex"][0] + "/ws/2")
    assert (await client.hear())["event"] == "info"
    await client.say({"event": "conf", "flags": 98304})
    assert (await client.hear())["status"] == "OK"
    symbol = "tBTCF0:USTF0"
    numbers = {}
    for channel, name, value in [
        ("status", "key", f"deriv:{symbol}"),
        ("trades", "symbol", symbol),
        ("status", "key", "liq:global"),
    ]:
        await client.say({"event": "subscribe", "channel": channel, name: value})
        ack = await client.until(lambda m: isinstance(m, dict))
        numbers[value] = ack["chanId"]
    assert len(set(numbers.values())) == 3
    frames = [await client.until(lambda m: isinstance(m, list)) for _ in range(30)]
    assert {frame[0] for frame in frames} <= set(numbers.values())
    counted = [frame[-2] for frame in frames]
    assert counted == list(range(counted[0], counted[0] + 30))
    words = [
        frame[1] for frame in frames if frame[0] == numbers[symbol] and frame[1] in {"te", "tu"}
    ]
    assert words[:2] == ["te", "tu"]


async def test_bitfinex_refuses_and_limits_channels(start: Start, dial: Dial) -> None:
    simulated = await start(alone("bitfinex"))
    client = await dial(simulated.urls()["bitfinex"][0] + "/ws/2")
    await client.hear()
    trades = {"event": "subscribe", "channel": "trades"}
    await client.say(trades | {"symbol": "tNOSUCH"})
    assert (await client.until(lambda m: isinstance(m, dict)))["code"] == 10300
    for expected in ("subscribed", "error"):
        await client.say(trades | {"symbol": "tBTCF0:USTF0"})
        answer = await client.until(lambda m: isinstance(m, dict))
        assert answer["event"] == expected
    assert answer["code"] == 10301
    await client.say({"event": "ping", "cid": 7})
    assert (await client.until(lambda m: isinstance(m, dict)))["cid"] == 7


async def test_bitfinex_rest_is_limited(start: Start, get: Get) -> None:
    simulated = await start(alone("bitfinex"), speed=1.0)
    url = simulated.urls()["bitfinex"][1] + "/v2/status/deriv/tNOSUCH/hist"
    answers = [await get(url) for _ in range(91)]
    assert [status for status, _, _ in answers] == [500] * 90 + [429]
    assert all(body[0] == "error" for _, body, _ in answers)
