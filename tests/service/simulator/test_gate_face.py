"""Gate's protocol, spoken to as a client would."""

from typing import Any

import pytest

from tests.service.simulator.talking import Dial, Get, Start, alone

PATH = "/v4/ws/usdt"


def subscribe(channel: str, *names: str) -> dict[str, object]:
    return {"time": 123456, "channel": f"futures.{channel}", "event": "subscribe", "payload": names}


async def test_sizes_are_signed_decimal_strings_of_contracts(start: Start, dial: Dial) -> None:
    simulated = await start(alone("gate"), speed=30.0)
    client = await dial(simulated.urls()["gate"][0] + PATH)
    await client.say(subscribe("trades", "BTC_USDT"))
    ack = await client.hear()
    assert (ack["event"], ack["result"], "error" in ack) == (
        "subscribe", {"status": "success"}, False,
    )  # fmt: skip
    rows = [row for _ in range(40) for row in (await client.hear())["result"]]
    assert {row["size"].startswith("-") for row in rows} == {True, False}
    ids = [row["id"] for row in rows]
    assert ids == sorted(ids)


async def test_one_unknown_contract_fails_the_whole_payload(start: Start, dial: Dial) -> None:
    simulated = await start(alone("gate"))
    client = await dial(simulated.urls()["gate"][0] + PATH)
    await client.say(subscribe("trades", "BTC_USDT", "NOSUCH_USDT"))
    answer = await client.hear()
    assert answer["error"]["code"] == 2
    assert answer["result"] == {"status": "fail"}
    assert await client.silent()


@pytest.mark.parametrize(
    "request_", [[], {"event": "subscribe"}, {**subscribe("trades", "BTC_USDT"), "time": "now"}]
)
async def test_bad_requests_are_errors(start: Start, dial: Dial, request_: Any) -> None:
    simulated = await start(alone("gate"))
    client = await dial(simulated.urls()["gate"][0] + PATH)
    await client.say(request_)
    assert (await client.hear())["error"]["code"] in {1, 2}


async def test_liquidations_of_a_second_come_together(start: Start, dial: Dial) -> None:
    simulated = await start(alone("gate"), speed=60.0)
    client = await dial(simulated.urls()["gate"][0] + PATH)
    await client.say(subscribe("public_liquidates", "!all"))
    await client.hear()
    batches = [(await client.hear())["result"] for _ in range(40)]
    assert max(map(len, batches)) > 1
    assert max(map(len, batches)) <= 20
    for batch in batches:
        assert len({(row["contract"], row["time"] // 1000) for row in batch}) == 1


async def test_application_pings_are_answered(start: Start, dial: Dial) -> None:
    simulated = await start(alone("gate"))
    client = await dial(simulated.urls()["gate"][0] + PATH)
    await client.say({"time": 123456, "channel": "futures.ping"})
    assert (await client.hear())["channel"] == "futures.pong"


async def test_statistics_are_stamped_at_their_start(start: Start, get: Get) -> None:
    simulated = await start(alone("gate"), speed=0.01)
    url = simulated.urls()["gate"][1] + "/api/v4/futures/usdt/contract_stats"
    since_s = (simulated.market.start_ns // 10**9 - 7200) // 300 * 300
    status, rows, _ = await get(
        url, contract="BTC_USDT", interval="5m", limit=10, **{"from": since_s}
    )
    assert (status, len(rows)) == (200, 12), "a row or two more than asked for"
    assert rows[0]["time"] == since_s
    assert (await get(url, contract="BTC_USDT", limit=2001))[0] == 400
    assert (await get(url, contract="NOSUCH"))[1]["label"] == "INVALID_PARAM_VALUE"
