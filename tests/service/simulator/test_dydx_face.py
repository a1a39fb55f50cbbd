"""dYdX's words: numbered messages, limits, what subscriptions begin with, pings."""

from typing import Any

from service.simulator.dydx import DydxPeer
from tests.service.simulator.talking import Client, Dial, Get, Start, alone


async def opened(start: Start, dial: Dial) -> tuple[str, Client]:
    """Return the REST address and a connection that has been greeted."""
    simulated = await start(alone("dydx"), speed=30.0)
    websocket, rest = simulated.urls()["dydx"]
    client = await dial(websocket + "/v4/ws")
    greeting = await client.hear()
    assert (greeting["type"], greeting["message_id"]) == ("connected", 0)
    return rest, client


def ask(channel: str, market: str = "") -> dict[str, Any]:
    """Return a subscription."""
    request: dict[str, Any] = {"type": "subscribe", "channel": channel}
    return request | ({"id": market, "batched": False} if market else {})


async def test_messages_of_a_connection_are_numbered(start: Start, dial: Dial) -> None:
    _, client = await opened(start, dial)
    await client.say(ask("v4_markets"))
    for coin in ("BTC", "ETH", "SOL"):
        await client.say(ask("v4_trades", f"{coin}-USD"))
    heard = [await client.hear() for _ in range(40)]
    assert [one["message_id"] for one in heard] == list(range(1, 41))
    assert len({one["connection_id"] for one in heard}) == 1
    assert heard[0]["contents"]["markets"].keys() == {"BTC-USD", "ETH-USD", "SOL-USD"}
    assert sum(one["type"] == "subscribed" for one in heard) == 4


async def test_it_refuses(start: Start, dial: Dial) -> None:
    _, client = await opened(start, dial)
    for bad in (
        "{", [], {"type": "x"}, ask("v4_liquidations"), ask("v4_trades", "NOSUCH-USD"), ask("v4_trades"),
    ):  # fmt: skip
        await client.say(bad)
        assert (await client.hear())["type"] == "error"
    await client.say(ask("v4_trades", "BTC-USD"))
    await client.say(ask("v4_trades", "BTC-USD"))
    again = await client.until(lambda message: message["type"] == "error")
    assert "already subscribed" in again["message"]


async def test_trades_begin_with_old_ones_forced_ones_among_them(start: Start, dial: Dial) -> None:
    _, client = await opened(start, dial)
    await client.say(ask("v4_trades", "BTC-USD"))

    def forced(message: Any) -> bool:
        return message["type"] == "channel_data" and any(
            one["type"] == "LIQUIDATED" for one in message["contents"]["trades"]
        )

    await client.until(forced)
    await client.say({"type": "unsubscribe", "channel": "v4_trades", "id": "BTC-USD"})
    await client.until(lambda message: message["type"] == "unsubscribed")
    await client.say(ask("v4_trades", "BTC-USD"))
    first = await client.until(lambda message: message["type"] == "subscribed")
    old = first["contents"]["trades"]
    assert [one["createdAt"] for one in old] == sorted((o["createdAt"] for o in old), reverse=True)
    assert "LIQUIDATED" in {one["type"] for one in old}


async def test_rest_refuses_what_it_does_not_know(start: Start, dial: Dial, get: Get) -> None:
    rest, _ = await opened(start, dial)
    for path, query, status in (
        ("/v4/historicalFunding/NOSUCH-USD", {}, 404),
        ("/v4/historicalFunding/BTC-USD", {"limit": 1001}, 400),
        ("/v4/candles/perpetualMarkets/BTC-USD", {"resolution": "2HOURS"}, 400),
        ("/v4/elsewhere", {}, 404),
    ):
        answer, body, _ = await get(rest + path, **query)
        assert answer == status
        assert body["errors"]


async def test_rest_has_its_limit(start: Start) -> None:
    face = (await start(alone("dydx"))).exchanges["dydx"].face
    statuses = [face.rest("/v4/perpetualMarkets", {}, 0).status for _ in range(101)]
    assert statuses == [200] * 100 + [429]
    assert face.rest("/v4/perpetualMarkets", {}, 10**10).status == 200


async def test_who_does_not_answer_pings_is_cut(start: Start) -> None:
    simulated = await start(alone("dydx"))
    face = simulated.exchanges["dydx"].face
    peer = face.connect("/v4/ws", {}, 0)
    assert isinstance(peer, DydxPeer)
    second = 10**9
    assert not peer.care(29 * second).ping
    assert peer.care(30 * second).ping
    peer.pinged_ns = 30 * second
    assert peer.care(40 * second).cut is None
    assert peer.care(41 * second).cut == (4002, "Heartbeat timeout")
    peer.ponged_ns = 31 * second
    assert peer.care(41 * second).cut is None
    assert face.connect("/elsewhere", {}, 0) is None
