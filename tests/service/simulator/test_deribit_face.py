"""The simulated Deribit: what it serves, what it leaves out, errors."""

import msgspec
import pytest

from service.simulator.scenario import Scenario
from tests.service.simulator.talking import BUSY, Dial, Get, Start

SCENARIO: Scenario = msgspec.structs.replace(BUSY, shares=(("deribit", 1.0),))


def ask(method: str, **params: object) -> dict[str, object]:
    """Return a request."""
    return {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}


async def test_channels_that_do_not_exist_are_left_out(start: Start, dial: Dial) -> None:
    simulated = await start(SCENARIO)
    client = await dial(simulated.urls()["deribit"][0] + "/ws/api/v2")
    good = ["trades.BTC-PERPETUAL.100ms", "ticker.ETH-PERPETUAL.100ms"]
    await client.say(ask("public/subscribe", channels=[*good, "trades.GONE-PERPETUAL.100ms"]))
    answer = await client.until(lambda message: message.get("id") == 7)
    assert answer["result"] == good
    heard = await client.until(lambda message: message["params"]["channel"] == good[0])
    numbers = [row["trade_seq"] for row in heard["params"]["data"]]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", -32700),
        ("[]", -32700),
        (ask("private/buy"), -32601),
        (ask("public/subscribe"), -32602),
        (ask("public/subscribe", channels=["trades.BTC-PERPETUAL.raw"]), 13778),
    ],
)
async def test_what_it_does_not_do_is_an_error(
    start: Start, dial: Dial, message: object, code: int
) -> None:
    simulated = await start(SCENARIO)
    client = await dial(simulated.urls()["deribit"][0] + "/ws/api/v2")
    await client.say(message)
    assert (await client.hear())["error"]["code"] == code
    await client.say(ask("public/test"))
    assert "version" in (await client.hear())["result"]


async def test_trades_by_number_are_those_that_were_streamed(
    start: Start, dial: Dial, get: Get
) -> None:
    simulated = await start(SCENARIO)
    websocket, rest = simulated.urls()["deribit"]
    client = await dial(websocket + "/ws/api/v2")
    await client.say(ask("public/subscribe", channels=["trades.BTC-PERPETUAL.100ms"]))
    streamed: list[dict[str, object]] = []
    while not any("liquidation" in row for row in streamed) or len(streamed) < 50:
        heard = await client.until(lambda message: "params" in message)
        streamed += heard["params"]["data"]
    assert any("combo_id" in row for row in streamed)
    status, body, _ = await get(
        f"{rest}/api/v2/public/get_last_trades_by_instrument", instrument_name="BTC-PERPETUAL",
        start_seq=streamed[0]["trade_seq"], end_seq=streamed[-1]["trade_seq"], count=1000, sorting="asc",
    )  # fmt: skip
    assert status == 200
    assert body["result"] == {"trades": streamed, "has_more": False}


async def test_too_many_requests_are_refused(start: Start, get: Get) -> None:
    simulated = await start(SCENARIO, speed=1.0)
    url = simulated.urls()["deribit"][1] + "/api/v2/public/test"
    statuses = [(await get(url))[0] for _ in range(210)]
    assert statuses[:100] == [200] * 100
    assert 429 in statuses
