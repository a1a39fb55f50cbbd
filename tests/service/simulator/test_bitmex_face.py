"""The simulated BitMEX: greeting, one answer a topic, partials, errors, its small budget."""

import msgspec
import pytest

from service.simulator.scenario import Scenario
from tests.service.simulator.talking import BUSY, Dial, Get, Start

SCENARIO: Scenario = msgspec.structs.replace(BUSY, shares=(("bitmex", 1.0),))


async def test_it_greets_then_answers_each_topic_with_its_partial(start: Start, dial: Dial) -> None:
    simulated = await start(SCENARIO)
    client = await dial(simulated.urls()["bitmex"][0] + "/realtime")
    assert (await client.hear())["info"].startswith("Welcome")
    topics = ["instrument:XBTUSDT", "trade:XBTUSDT", "liquidation"]
    await client.say({"op": "subscribe", "args": topics})
    for topic in topics:
        assert (await client.until(lambda message: "subscribe" in message))["subscribe"] == topic
        partial = await client.until(lambda message: message.get("action") == "partial")
        assert partial["table"] == topic.partition(":")[0]
        if partial["table"] == "instrument":
            assert partial["data"][0]["fundingInterval"] == "2000-01-01T08:00:00.000Z"
    update = await client.until(lambda message: message.get("action") == "update")
    assert "typ" not in update["data"][0], "what has not changed is left out"


async def test_ping_is_answered_by_pong_as_text(start: Start, dial: Dial) -> None:
    simulated = await start(SCENARIO)
    client = await dial(simulated.urls()["bitmex"][0] + "/realtime")
    await client.hear()
    await client.say("ping")
    assert await client.raw() == "pong"


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("nonsense", "Unrecognized request"),
        ({"op": "buy"}, "Unknown or missing op"),
        ({"op": "subscribe", "args": ["trade:GONE"]}, "Unknown or expired symbol"),
        ({"op": "subscribe", "args": "chairs"}, "Unknown table"),
    ],
)
async def test_what_it_does_not_do_is_an_error(
    start: Start, dial: Dial, message: object, error: str
) -> None:
    simulated = await start(SCENARIO)
    client = await dial(simulated.urls()["bitmex"][0] + "/realtime")
    await client.hear()
    await client.say(message)
    answer = await client.hear()
    assert answer["status"] == 400
    assert answer["error"].startswith(error)


async def test_a_forced_order_is_inserted_and_deleted(start: Start, dial: Dial) -> None:
    simulated = await start(SCENARIO)
    client = await dial(simulated.urls()["bitmex"][0] + "/realtime")
    await client.say({"op": "subscribe", "args": ["liquidation"]})
    order = (await client.until(lambda message: message.get("action") == "insert"))["data"][0]
    gone = (await client.until(lambda message: message.get("action") == "delete"))["data"][0]
    assert gone == {"orderID": order["orderID"], "symbol": order["symbol"]}
    assert order["leavesQty"] == int(order["leavesQty"]) > 0


async def test_thirty_requests_a_minute(start: Start, get: Get) -> None:
    simulated = await start(SCENARIO, speed=1.0)
    url = simulated.urls()["bitmex"][1] + "/api/v1/instrument/active"
    statuses = [(await get(url))[0] for _ in range(61)]
    assert statuses[:30] == [200] * 30
    assert 429 in statuses
    _, _, headers = await get(url)
    assert int(headers["Retry-After"]) <= 61
