"""OKX's protocol, spoken to as a client would."""

import asyncio
import itertools

import pytest

from tests.service.simulator.talking import Dial, Get, Start, alone

PATH = "/ws/v5/public"
BTC = "BTC-USDT-SWAP"


def subscribe(*args: dict[str, str]) -> dict[str, object]:
    return {"id": "1", "op": "subscribe", "args": list(args)}


def by_contract(channel: str, name: str = BTC) -> dict[str, str]:
    return {"channel": channel, "instId": name}


async def test_each_argument_is_answered_by_itself(start: Start, dial: Dial) -> None:
    simulated = await start()
    client = await dial(simulated.urls()["okx"][0] + PATH)
    await client.say(subscribe(by_contract("trades"), by_contract("trades", "NO-SUCH-SWAP")))
    first, second = await client.hear(), await client.hear()
    assert (first["event"], first["arg"]) == ("subscribe", by_contract("trades"))
    assert (second["event"], second["code"]) == ("error", "60018")
    trades = [(await client.hear())["data"][0] for _ in range(50)]
    ids = [int(t["tradeId"]) for t in trades]
    assert ids == list(range(ids[0], ids[0] + 50))
    assert {t["side"] for t in trades} == {"buy", "sell"}


async def test_sizes_are_contracts(start: Start, dial: Dial) -> None:
    simulated = await start()
    client = await dial(simulated.urls()["okx"][0] + PATH)
    await client.say(subscribe(by_contract("open-interest")))
    await client.hear()
    row = (await client.hear())["data"][0]
    assert float(row["oi"]) * 0.01 == pytest.approx(float(row["oiCcy"]), rel=1e-6)
    assert float(row["oiCcy"]) * 60_000 == pytest.approx(float(row["oiUsd"]), rel=0.05)


async def test_levels_are_told_at_once_and_then_at_their_own_pace(start: Start, dial: Dial) -> None:
    simulated = await start(speed=60.0)
    client = await dial(simulated.urls()["okx"][0] + PATH)
    args = [by_contract(c) for c in ("mark-price", "open-interest", "funding-rate")]
    args.append(by_contract("index-tickers", "BTC-USDT"))
    await client.say(subscribe(*args))
    stamps: dict[str, list[int]] = {}
    while len(stamps.get("funding-rate", [])) < 4:
        message = await client.hear()
        if "data" in message:
            stamps.setdefault(message["arg"]["channel"], []).append(int(message["data"][0]["ts"]))
    assert set(stamps) == {"mark-price", "open-interest", "funding-rate", "index-tickers"}
    for channel, pace in (("mark-price", 1), ("open-interest", 3), ("funding-rate", 60)):
        steps = {b - a for a, b in zip(stamps[channel][1:], stamps[channel][2:], strict=False)}
        assert steps == {pace * 1000}


async def test_liquidations_begin_with_a_snapshot_of_recent_orders(
    start: Start, dial: Dial
) -> None:
    simulated = await start(speed=60.0)
    await asyncio.sleep(0.6)
    client = await dial(simulated.urls()["okx"][0] + PATH)
    await client.say(subscribe({"channel": "liquidation-orders", "instType": "SWAP"}))
    assert (await client.hear())["event"] == "subscribe"
    snapshot = await client.hear()
    assert len(snapshot["data"]) > 1
    details = [(await client.hear())["data"][0]["details"][0] for _ in range(30)]
    newest = max(int(row["details"][0]["ts"]) for row in snapshot["data"])
    assert int(details[-1]["ts"]) > newest
    assert all((d["side"] == "sell") == (d["posSide"] == "long") for d in details)
    assert sum(d["posSide"] == "long" for d in details) > 15
    exchange = simulated.exchanges["okx"]
    assert exchange.sent["liquidation_snapshot"] == 1
    assert exchange.rows["liquidation_snapshot"] == 0


@pytest.mark.parametrize("message", ["{nonsense", {"op": "dance"}, {"op": "subscribe"}, "[]"])
async def test_illegal_requests_are_60012(start: Start, dial: Dial, message: object) -> None:
    simulated = await start()
    client = await dial(simulated.urls()["okx"][0] + PATH)
    await client.say(message)
    answer = await client.hear()
    assert (answer["event"], answer["code"]) == ("error", "60012")


async def test_text_ping_keeps_a_quiet_connection_and_silence_ends_it(
    start: Start, dial: Dial
) -> None:
    simulated = await start(speed=60.0, patience_s=0.0)
    quiet, lively = [await dial(simulated.urls()["okx"][0] + PATH) for _ in range(2)]
    for _ in range(5):
        await lively.say("ping")
        assert await lively.raw() == "pong"
        await asyncio.sleep(0.2)
    closed = await quiet.ending(1.0)
    assert closed.rcvd is not None
    assert closed.rcvd.code == 4004


async def test_rest_instruments_have_their_contract_sizes(start: Start, get: Get) -> None:
    simulated = await start()
    base = simulated.urls()["okx"][1]
    _, body, headers = await get(f"{base}/api/v5/public/instruments", instType="SWAP")
    sizes = {row["instId"]: row["ctVal"] for row in body["data"]}
    assert sizes == {"BTC-USDT-SWAP": "0.01", "ETH-USDT-SWAP": "0.1", "SOL-USDT-SWAP": "1"}
    assert headers["x-treadmill-simulator"] == "20x seed=7"
    _, body, _ = await get(f"{base}/api/v5/public/funding-rate", instId="ANY")
    assert len(body["data"]) == 3
    assert (
        int(body["data"][0]["nextFundingTime"]) - int(body["data"][0]["fundingTime"]) == 28_800_000
    )
    assert body["data"][0]["settFundingRate"] != ""


async def test_rest_candles_page_with_after_newest_first(start: Start, get: Get) -> None:
    simulated = await start()
    base, now = simulated.urls()["okx"][1], simulated.market.start_ns // 10**6
    for path, name in (("mark-price", BTC), ("index", "BTC-USDT")):
        times: list[int] = []
        after: dict[str, int] = {}
        for _ in range(4):
            _, body, _ = await get(
                f"{base}/api/v5/market/history-{path}-candles", instId=name, bar="1H", **after
            )
            page = [int(row[0]) for row in body["data"]]
            assert len(page) == 100
            assert len(body["data"][0]) == 6
            times += page
            after = {"after": page[-1]}
        assert times == list(range(times[0], times[0] - 400 * 3_600_000, -3_600_000))
        assert times[0] <= now + 60_000


async def test_rest_open_interest_history_keeps_1440_points(start: Start, get: Get) -> None:
    simulated = await start(speed=1.0)
    base = simulated.urls()["okx"][1]
    rows, end = [], {}
    for _ in range(20):
        _, body, _ = await get(
            f"{base}/api/v5/rubik/stat/contracts/open-interest-history",
            instId=BTC, period="5m", limit=100, **end,
        )  # fmt: skip
        if not body["data"]:
            break
        rows += body["data"]
        end = {"end": body["data"][-1][0]}
        await asyncio.sleep(0.1)
    times = [int(row[0]) for row in rows]
    assert times == sorted(set(times), reverse=True)
    assert len(times) == 1440
    assert float(rows[0][1]) * 0.01 == pytest.approx(float(rows[0][2]), rel=1e-5)


async def test_rest_funding_history_and_errors(start: Start, get: Get) -> None:
    simulated = await start()
    base = simulated.urls()["okx"][1]
    path = f"{base}/api/v5/public/funding-rate-history"
    _, body, _ = await get(path, instId=BTC, limit=100)
    times = [int(row["fundingTime"]) for row in body["data"]]
    assert times == sorted(times, reverse=True)
    assert len(times) == 100
    _, older, _ = await get(path, instId=BTC, limit=10, after=times[-1])
    assert int(older["data"][0]["fundingTime"]) == times[-1] - 28_800_000
    status, body, _ = await get(path, instId="NO-SUCH")
    assert (status, body["code"]) == (200, "51001")
    status, body, _ = await get(f"{base}/api/v5/public/instruments")
    assert body["code"] == "51000"


async def test_too_many_requests_are_429(start: Start, get: Get) -> None:
    simulated = await start(speed=0.5)
    base = simulated.urls()["okx"][1]
    statuses = [(await get(f"{base}/api/v5/public/time"))[0] for _ in range(50)]
    assert statuses.count(429) > 0


async def test_the_snapshot_of_orders_keeps_its_distance_from_the_present(
    start: Start, dial: Dial
) -> None:
    simulated = await start(speed=60.0)
    await asyncio.sleep(0.4)
    client = await dial(simulated.urls()["okx"][0] + PATH)
    liquidations = {"channel": "liquidation-orders", "instType": "SWAP"}
    await client.say(subscribe(by_contract("mark-price"), liquidations))
    mark = await client.until(lambda m: "data" in m)
    now_ms = int(mark["data"][0]["ts"])
    snapshot = await client.until(lambda m: "data" in m and m["arg"] == liquidations)
    newest = max(int(row["details"][0]["ts"]) for row in snapshot["data"])
    assert newest < now_ms - 5000


async def test_spot_sizes_are_coin_and_tickers_come_each_100_ms_at_most(
    start: Start, dial: Dial, get: Get
) -> None:
    simulated = await start(alone("okx_spot"))
    websocket, rest = simulated.urls()["okx_spot"]
    client = await dial(websocket + PATH)
    pair = "BTC-USDT"
    await client.say(subscribe(by_contract("mark-price", pair), by_contract("tickers", pair)))
    refused, accepted = await client.hear(), await client.hear()
    assert (refused["event"], refused["code"]) == ("error", "60018")
    assert (accepted["event"], accepted["arg"]["channel"]) == ("subscribe", "tickers")
    stamps = [int((await client.hear())["data"][0]["ts"]) for _ in range(40)]
    assert all(after - before >= 100 for before, after in itertools.pairwise(stamps[1:]))
    await client.say(subscribe(by_contract("trades", pair)))
    trade = await client.until(
        lambda m: m.get("arg", {}).get("channel") == "trades" and "data" in m
    )
    held = simulated.market.scenario.underlyings[0].open_interest
    assert 0.0 < float(trade["data"][0]["sz"]) < held / 100.0
    _, body, _ = await get(f"{rest}/api/v5/public/instruments", instType="SPOT")
    assert [row["instId"] for row in body["data"]] == ["BTC-USDT", "ETH-USDT", "SOL-USDT"]
    _, body, _ = await get(f"{rest}/api/v5/public/instruments", instType="SWAP")
    assert body["code"] == "51000"
    _, body, _ = await get(f"{rest}/api/v5/public/funding-rate-history", instId=pair)
    assert body["code"] == "404"
