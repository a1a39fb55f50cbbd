"""Hyperliquid's words: greeting, refusals, what subscriptions begin with, fills that are no liquidations."""

import pytest

from service.simulator.exchanges import SimulatedExchanges
from service.simulator.hyperliquid import SILENCE_NS, HyperliquidPeer
from tests.service.simulator.talking import Client, Dial, Start, alone

VAULT = "0xb0a55f13d22f66e6d495ac98113841b2326e9540"


async def opened(start: Start, dial: Dial) -> tuple[SimulatedExchanges, Client]:
    """Return the venue and a connection that has been greeted."""
    simulated = await start(alone("hyperliquid"), speed=30.0)
    client = await dial(simulated.urls()["hyperliquid"][0] + "/ws")
    greeting = await client.raw()
    assert greeting in {"Websocket connection established.", b"Websocket connection established."}
    return simulated, client


def ask(kind: str, **what: str) -> dict[str, object]:
    """Return a subscription."""
    return {"method": "subscribe", "subscription": {"type": kind, **what}}


async def test_it_greets_pongs_and_refuses(start: Start, dial: Dial) -> None:
    _, client = await opened(start, dial)
    await client.say({"method": "ping"})
    assert await client.hear() == {"channel": "pong"}
    for bad in (
        ask("liquidations", coin="BTC"),
        ask("trades", coin="NOSUCH"),
        {"method": "x"},
        [],
        "{",
    ):
        await client.say(bad)
        assert (await client.hear())["channel"] == "error"
    await client.say(ask("trades", coin="BTC"))
    await client.say(ask("trades", coin="BTC"))
    again = await client.until(lambda message: message["channel"] == "error")
    assert again["data"].startswith("Already subscribed")


async def test_a_coins_trades_begin_with_old_ones(start: Start, dial: Dial) -> None:
    simulated, client = await opened(start, dial)
    await client.say(ask("trades", coin="BTC"))
    assert (await client.hear())["data"]["subscription"]["type"] == "trades"
    first, second = await client.hear(), await client.hear()
    assert len(first["data"]) > 1
    assert max(one["time"] for one in first["data"]) < simulated.market.start_ns // 10**6
    assert min(one["time"] for one in second["data"]) >= simulated.market.start_ns // 10**6


async def test_ten_users_may_be_watched_and_fills_are_repeated(start: Start, dial: Dial) -> None:
    _, client = await opened(start, dial)
    for n in range(11):
        await client.say(ask("userFills", user=f"0x{n:040x}"))
    refused = await client.until(lambda message: message["channel"] == "error")
    assert "10 total users" in refused["data"]
    await client.say(
        {"method": "unsubscribe", "subscription": {"type": "userFills", "user": f"0x{0:040x}"}}
    )
    await client.say(ask("userFills", user=VAULT))
    fills = await client.until(lambda m: m["channel"] == "userFills" and m["data"]["user"] == VAULT)
    assert fills["data"]["isSnapshot"]
    live = [
        await client.until(
            lambda m: m["channel"] == "userFills" and not m["data"].get("isSnapshot")
        )
        for _ in range(4)
    ]
    marked = ["liquidation" in one["data"]["fills"][0] for one in live]
    assert marked == [True, False] * 2, "the vault trades for itself as well"


@pytest.mark.parametrize(("quiet_ns", "cut"), [(SILENCE_NS, False), (SILENCE_NS + 1, True)])
async def test_who_is_told_nothing_is_cut(start: Start, quiet_ns: int, cut: bool) -> None:
    simulated = await start(alone("hyperliquid"))
    face = simulated.exchanges["hyperliquid"].face
    peer = face.connect("/ws", {}, 1)
    assert isinstance(peer, HyperliquidPeer)
    assert (peer.care(1 + quiet_ns).cut is not None) == cut
    assert face.connect("/elsewhere", {}, 1) is None
