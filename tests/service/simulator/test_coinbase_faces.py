"""Coinbase's simulated venues: subscriptions, keep-alive, numbers, and what REST refuses."""

from typing import Any

import pytest

from service.simulator.coinbase import FIRST_ID
from service.venues import coinbase
from streams.events import Kind, RowBuffer, block_rows
from streams.instruments import instrument
from tests.service.simulator.talking import Client, Dial, Get, Start, alone

both = pytest.mark.parametrize("name", ["coinbase_adv", "coinbase_cde"])
SYMBOL = {"coinbase_adv": "BTC-USD", "coinbase_cde": "BIP-20DEC30-CDE"}
PRODUCTS = "/api/v3/brokerage/market/products"


def asking(channels: list[Any], products: list[str], kind: str = "subscribe") -> dict[str, Any]:
    """Return a message to Coinbase Exchange."""
    return {"type": kind, "product_ids": products, "channels": channels}


def wants(channel: Any, *products: str, kind: str = "subscribe") -> dict[str, Any]:
    """Return a message to Advanced Trade."""
    return {"type": kind, "channel": channel, "product_ids": list(products)}


async def test_exchange_subscriptions(start: Start, dial: Dial) -> None:
    simulated = await start(alone("coinbase"))
    client = await dial(simulated.urls()["coinbase"][0])
    for bad in (
        "{", "[]", asking(["level3"], ["BTC-USD"]), asking(["matches"], ["FOO-USD"]),
        asking(["matches"], []), asking([], ["BTC-USD"]), {"type": "hello"},
        {"type": "subscribe", "channels": 5}, asking([{"name": "matches"}], [[]]),
    ):  # fmt: skip
        await client.say(bad)
        assert (await client.hear())["type"] == "error"
    await client.say(
        asking(["matches", {"name": "heartbeat", "product_ids": ["ETH-USD"]}], ["BTC-USD"])
    )
    acked = await client.hear()
    assert acked["channels"] == [
        {"name": "matches", "product_ids": ["BTC-USD"]},
        {"name": "heartbeat", "product_ids": ["ETH-USD"]},
    ]
    match = await client.until(lambda m: m["type"] == "match")
    assert match["product_id"] == "BTC-USD"
    assert (await client.until(lambda m: m["type"] == "heartbeat"))["product_id"] == "ETH-USD"
    await client.say(asking(["matches"], ["BTC-USD"], "unsubscribe"))
    acked = await client.until(lambda m: m["type"] == "subscriptions")
    assert [channel["name"] for channel in acked["channels"]] == ["heartbeat"]
    await client.say(asking(["matches"], ["BTC-USD"]))
    again = await client.until(lambda m: m["type"] == "last_match")
    assert again["trade_id"] > match["trade_id"]


async def test_whoever_does_not_subscribe_is_cut(start: Start, dial: Dial) -> None:
    for name in ("coinbase", "coinbase_adv"):
        simulated = await start(alone(name), speed=30.0, patience_s=0.1)
        ending = await (await dial(simulated.urls()[name][0])).ending()
        assert ending.rcvd is not None
        assert ending.rcvd.code == 1000


async def test_heartbeats_know_of_trades_that_do_not_come(start: Start, dial: Dial) -> None:
    simulated = await start(alone("coinbase"), speed=20.0)
    client = await dial(simulated.urls()["coinbase"][0])
    await client.say(asking(["matches", "heartbeat"], ["BTC-USD"]))
    await client.until(lambda m: m["type"] == "match")
    simulated.exchanges["coinbase"].faults.muted = {"trade"}
    spec = instrument(venue="coinbase", symbol="BTC-USD", underlying="BTC", quote="USD")
    decoder, rows, says = coinbase.decoder({"BTC-USD": spec}), RowBuffer(), []
    while says[-3:] != ["notice"] * 3:
        raw = await client.raw()
        frame = raw.encode() if isinstance(raw, str) else raw
        says.append(decoder.decode(frame, simulated.market.start_ns, rows))
    block = block_rows(bytes(rows.view()))
    assert (block["kind"] == Kind.GAP).sum() >= 3


async def test_trades_by_id(start: Start, dial: Dial, get: Get) -> None:
    simulated = await start(alone("coinbase"), speed=20.0)
    websocket, rest = simulated.urls()["coinbase"]
    client = await dial(websocket)
    await client.say(asking(["matches"], ["BTC-USD"]))
    await client.until(lambda m: m["type"] == "match" and m["trade_id"] > FIRST_ID + 10)
    url = rest + "/products/BTC-USD/trades"
    _, page, _ = await get(url, after=FIRST_ID + 8, limit=3)
    assert [trade["trade_id"] - FIRST_ID for trade in page] == [7, 6, 5]
    _, page, _ = await get(url, before=FIRST_ID + 2, after=FIRST_ID + 5)
    assert [trade["trade_id"] - FIRST_ID for trade in page] == [4, 3]
    assert (await get(url, after="x"))[0] == 400
    assert (await get(rest + "/products/FOO-USD/trades"))[0] == 404
    assert (await get(rest + "/products/BTC-USD"))[1]["status"] == "online"


async def numbered(client: Client, count: int) -> list[int]:
    """Return the numbers of so many messages."""
    return [(await client.hear())["sequence_num"] for _ in range(count)]


@both
async def test_each_connection_is_numbered_by_itself(start: Start, dial: Dial, name: str) -> None:
    simulated = await start(alone(name), speed=20.0)
    first, second = [await dial(simulated.urls()[name][0]) for _ in range(2)]
    for client in (first, second):
        await client.say(wants("heartbeats"))
        await client.say(wants("market_trades", SYMBOL[name]))
    assert await numbered(first, 30) == list(range(30))
    assert await numbered(second, 30) == list(range(30))


@both
async def test_advanced_subscriptions(start: Start, dial: Dial, name: str) -> None:
    simulated = await start(alone(name), speed=20.0)
    client = await dial(simulated.urls()[name][0])
    for bad in (
        "{", "[]", wants(["heartbeats", "market_trades"]), wants("market_trades"), wants("level9"),
        wants("market_trades", "FOO-USD"), {"type": "hello", "channel": "heartbeats"},
        {**wants("market_trades"), "product_ids": [["BTC-USD"]]}, {**wants("heartbeats"), "product_ids": 5},
    ):  # fmt: skip
        await client.say(bad)
        assert (await client.hear())["type"] == "error"
    await client.say(wants("market_trades", SYMBOL[name]))
    acked = await client.hear()
    assert acked["events"] == [{"subscriptions": {"market_trades": [SYMBOL[name]]}}]
    assert (await client.hear())["events"][0]["type"] == "snapshot"
    update = await client.until(lambda m: len(m["events"][0].get("trades", ())) > 1)
    ids = [int(trade["trade_id"]) for trade in update["events"][0]["trades"]]
    assert ids == sorted(ids, reverse=True)
    await client.say(wants("market_trades", SYMBOL[name], kind="unsubscribe"))
    await client.until(lambda m: m["channel"] == "subscriptions")
    assert await client.silent()


async def test_quiet_subscriptions_end_without_heartbeats(start: Start, dial: Dial) -> None:
    simulated = await start(alone("coinbase_adv"), speed=150.0, patience_s=0.1)
    simulated.exchanges["coinbase_adv"].faults.muted = {"trade"}
    url = simulated.urls()["coinbase_adv"][0]
    quiet, kept = await dial(url), await dial(url)
    await quiet.say(wants("market_trades", "BTC-USD"))
    await kept.say(wants("heartbeats"))
    ending = await quiet.ending()
    assert (ending.rcvd.code, ending.rcvd.reason) == (1000, "idle")
    assert (await kept.hear())["channel"] in {"subscriptions", "heartbeats"}


@both
async def test_products_and_what_looks_like_one(start: Start, get: Get, name: str) -> None:
    simulated = await start(alone(name))
    rest = simulated.urls()[name][1]
    kind = {"coinbase_adv": "SPOT", "coinbase_cde": "FUTURE"}[name]
    _, page, _ = await get(rest + PRODUCTS, product_type=kind)
    assert len(page["products"]) == 6, "three of them have no stream or an end"
    _, second, _ = await get(rest + PRODUCTS, product_type=kind, offset=4, limit=5)
    assert second["products"] == page["products"][4:]
    _, product, _ = await get(f"{rest}{PRODUCTS}/{SYMBOL[name]}")
    assert product["product_id"] == SYMBOL[name]
    assert (await get(f"{rest}{PRODUCTS}/FOO"))[0] == 404
    assert (await get(rest + PRODUCTS, offset="x"))[0] == 400
    statuses = [(await get(rest + PRODUCTS))[0] for _ in range(40)]
    assert set(statuses) <= {200, 429}


async def test_open_interest_is_that_of_the_market(start: Start, get: Get) -> None:
    simulated = await start(alone("coinbase_cde"), speed=1.0)
    _, product, _ = await get(f"{simulated.urls()['coinbase_cde'][1]}{PRODUCTS}/BIP-20DEC30-CDE")
    details = product["future_product_details"]
    truth = next(c for c in simulated.market.contracts if c.symbol == "BIP-20DEC30-CDE")
    tick = simulated.market.tick(truth.index, simulated.market.start_ns)
    assert float(details["open_interest"]) * 0.01 == pytest.approx(tick.open_interest, rel=1e-3)
    assert float(details["funding_rate"]) * 8 == pytest.approx(tick.funding_rate, rel=1e-2)
    assert (details["funding_interval"], details["contract_size"]) == ("3600s", "0.01")
