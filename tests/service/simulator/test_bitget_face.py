"""Bitget's protocol, spoken to as a client would."""

from collections import Counter

import pytest

from tests.service.simulator.talking import Dial, Get, Start, alone

PATH = "/v3/ws/public"
KIND = "usdt-futures"


def subscribe(*topics: tuple[str, str | None], kind: str = KIND) -> dict[str, object]:
    args = [{"instType": kind, "topic": topic, "symbol": symbol} for topic, symbol in topics]
    return {"op": "subscribe", "args": [{k: v for k, v in arg.items() if v} for arg in args]}


async def test_trades_begin_with_a_snapshot_of_old_ones(start: Start, dial: Dial) -> None:
    simulated = await start(alone("bitget"), speed=30.0)
    url = simulated.urls()["bitget"][0] + PATH
    first = await dial(url)
    await first.say(subscribe(("publicTrade", "BTCUSDT")))
    await first.hear()
    seen = [row["i"] for _ in range(25) for row in (await first.hear())["data"]]
    second = await dial(url)
    await second.say(subscribe(("publicTrade", "BTCUSDT")))
    ack = await second.hear()
    assert (ack["event"], ack["arg"]["symbol"]) == ("subscribe", "BTCUSDT")
    old = await second.hear()
    assert old["action"] == "snapshot"
    assert len(old["data"]) == 20
    assert {row["i"] for row in old["data"]} & set(seen)
    assert (await second.until(lambda said: "data" in said))["action"] == "update"


async def test_each_second_has_the_largest_of_a_side(start: Start, dial: Dial) -> None:
    simulated = await start(alone("bitget"), speed=60.0)
    client = await dial(simulated.urls()["bitget"][0] + PATH)
    await client.say(subscribe(("liquidation", None)))
    await client.hear()
    rows = [row for _ in range(30) for row in (await client.hear())["data"]]
    printed = Counter((row["symbol"], row["side"], int(row["ts"]) // 1000) for row in rows)
    assert max(printed.values()) == 1
    assert {row["side"] for row in rows} == {"buy", "sell"}


@pytest.mark.parametrize(
    ("topic", "symbol", "kind"),
    [("publicTrade", "NOSUCH", KIND), ("books", "BTCUSDT", KIND), ("ticker", "BTCUSDT", "coin-futures")],
)  # fmt: skip
async def test_what_does_not_exist_is_said_by_argument(
    start: Start, dial: Dial, topic: str, symbol: str, kind: str
) -> None:
    simulated = await start(alone("bitget"))
    client = await dial(simulated.urls()["bitget"][0] + PATH)
    await client.say(subscribe((topic, symbol), kind=kind))
    answer = await client.hear()
    assert (answer["event"], answer["code"]) == ("error", "30016")


async def test_text_pings_are_answered_and_their_lack_ends_it(start: Start, dial: Dial) -> None:
    simulated = await start(alone("bitget"), speed=200.0, patience_s=0.2)
    client = await dial(simulated.urls()["bitget"][0] + PATH)
    await client.say("ping")
    assert await client.raw() == "pong"
    assert (await client.ending()).rcvd.code == 1000


async def test_too_many_requests_are_refused(start: Start, get: Get) -> None:
    simulated = await start(alone("bitget"), speed=0.01)
    url = simulated.urls()["bitget"][1] + "/api/v3/market/instruments"
    statuses = [(await get(url, category="USDT-FUTURES"))[0] for _ in range(21)]
    assert statuses == [200] * 20 + [429]
