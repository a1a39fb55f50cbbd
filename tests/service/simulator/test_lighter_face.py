"""Lighter's words: greeting, refusals, what subscriptions begin with, takeovers, and silence."""

import msgspec

from service.simulator.exchanges import SimulatedExchanges
from service.simulator.lighter import SILENCE_NS, Lighter, LighterPeer
from service.simulator.market import Market
from service.simulator.scenario import BTC, CALM_LAP
from tests.service.simulator.talking import BUSY, EPOCH_NS, Client, Dial, Start, alone


async def opened(start: Start, dial: Dial) -> tuple[SimulatedExchanges, Client]:
    """Return the venue and a connection that has been greeted."""
    simulated = await start(alone("lighter"), speed=30.0)
    client = await dial(simulated.urls()["lighter"][0] + "/stream?readonly=true")
    assert (await client.hear())["type"] == "connected"
    return simulated, client


def subscribe(channel: str) -> dict[str, str]:
    """Return a subscription."""
    return {"type": "subscribe", "channel": channel}


async def test_it_pongs_and_refuses(start: Start, dial: Dial) -> None:
    _, client = await opened(start, dial)
    await client.say({"type": "ping"})
    assert await client.hear() == {"type": "pong"}
    for bad in (
        subscribe("trade/77"),
        subscribe("trade/BTC"),
        subscribe("nothing/all"),
        {"a": 1},
        "{",
    ):
        await client.say(bad)
        assert "error" in await client.hear(), bad
    await client.say(subscribe("trade/1"))
    await client.say(subscribe("trade/1"))
    again = await client.until(lambda message: "error" in message)
    assert again["error"]["message"] == "Already Subscribed"


async def test_a_market_is_told_newest_first_and_takeovers_as_such(
    start: Start, dial: Dial
) -> None:
    _, client = await opened(start, dial)
    await client.say(subscribe("trade/1"))
    first = await client.hear()
    assert (first["type"], first["channel"]) == ("subscribed/trade", "trade:1")
    seen: set[str] = set()
    while seen != {"trade", "liquidation", "deleverage"}:
        update = await client.hear()
        assert update["type"] == "update/trade"
        for told in (update["trades"], update["liquidation_trades"]):
            ids = [one["trade_id"] for one in told]
            assert ids == sorted(ids, reverse=True)
            seen |= {one["type"] for one in told}
        assert {one["type"] for one in update["trades"]} <= {"trade"}
    await client.say({"type": "unsubscribe", "channel": "trade/1"})
    await client.until(lambda message: message["type"] == "unsubscribed")
    await client.say(subscribe("trade/1"))
    again = await client.until(lambda message: message["type"] == "subscribed/trade")
    assert again["trades"], "the last trades are repeated"
    assert again["liquidation_trades"], "and the last forced closes"


async def test_one_market_may_be_asked_for_alone(start: Start, dial: Dial) -> None:
    _, client = await opened(start, dial)
    await client.say(subscribe("market_stats/0"))
    for stage in ("subscribed", "update"):
        said = await client.hear()
        assert (said["type"], said["channel"]) == (f"{stage}/market_stats", "market_stats:0")
        assert said["market_stats"]["symbol"] == "ETH"
    await client.say(subscribe("market_stats/all"))
    every = await client.until(lambda message: message["channel"] == "market_stats:all")
    assert {number: one["symbol"] for number, one in every["market_stats"].items()} == {
        "0": "ETH",
        "1": "BTC",
        "2": "SOL",
    }


def test_who_says_nothing_for_two_minutes_is_dropped() -> None:
    peer = LighterPeer(Lighter(Market(alone("lighter", BUSY), EPOCH_NS)), EPOCH_NS)
    assert peer.care(EPOCH_NS + SILENCE_NS).cut is None
    assert peer.care(EPOCH_NS + SILENCE_NS + 1).cut is not None


def test_a_connection_may_have_a_hundred_subscriptions() -> None:
    coins = tuple(msgspec.structs.replace(BTC, name=f"F{n:03d}") for n in range(100))
    scenario = msgspec.structs.replace(alone("lighter"), underlyings=coins, phases=CALM_LAP)
    market = Market(scenario, EPOCH_NS)
    peer = LighterPeer(Lighter(market), EPOCH_NS)
    channels = ["market_stats/all", *(f"trade/{one.symbol}" for one in market.contracts)]
    assert len(set(channels)) == 101, "every coin has a number of its own"
    refused = [
        channel
        for channel in channels
        if not peer.hear(msgspec.json.encode(subscribe(channel)), EPOCH_NS).join
    ]
    assert refused == channels[-1:]
