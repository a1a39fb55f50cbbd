"""Bitget over REST and what is said on which connection."""

import json
from typing import Any

import pytest

from service.venue import RestRequest, VenueRefused
from service.venues import bitget
from streams.events import RowBuffer
from streams.instruments import instrument
from tests.service.venues.cases import HOUR_NS, rows_of
from tests.service.venues.cases_bitget import INSTRUMENTS
from tests.service.venues.conversations import HOUR, T0, converse

FROM_MS, TO_MS = T0 + 6 * HOUR, T0 + 11 * HOUR
SPAN = FROM_MS * 1_000_000, TO_MS * 1_000_000


def answer(data: Any) -> dict[str, Any]:
    """Return a body as the venue wraps it."""
    return {"code": "00000", "msg": "success", "requestTime": T0, "data": data}


def listing(symbol: str, base: str, **other: Any) -> dict[str, Any]:
    """Return one contract of the listing, abridged."""
    return {
        "symbol": symbol, "category": "USDT-FUTURES", "baseCoin": base, "quoteCoin": "USDT", "isRwa": "NO",
        "type": "perpetual", "status": "online", "fundInterval": "8", "symbolType": "crypto",
        "launchTime": None, **other,
    }  # fmt: skip


LISTED = {
    "USDT-FUTURES": [
        listing("BTCUSDT", "BTC"),
        listing("1000BONKUSDT", "1000BONK", fundInterval="4", status="restrictedAPI"),
        listing("NEWUSDT", "NEW", fundInterval=""),
        listing("TSLAUSDT", "TSLA", symbolType="stock"),
        listing("XAUUSDT", "XAU", isRwa="YES"),
        listing("BTCUSDT26", "BTC", type="delivery"),
        listing("OLDUSDT", "OLD", status="offline"),
        listing("SOONUSDT", "SOON", status="listed"),
        listing("ODDBTC", "ODD", quoteCoin="BTC"),
        listing("1000ODDUSDT", "1000ODD"),
    ],
    "USDC-FUTURES": [listing("BTCPERP", "BTC", quoteCoin="USDC", fundInterval="1")],
}


def test_discovery_takes_trading_perpetuals_of_coins() -> None:
    def body(request: RestRequest) -> Any:
        assert request.path == "/api/v3/market/instruments"
        return answer(LISTED[request.params["category"]])

    universe, asked = converse(bitget.discover(), body)
    assert {
        one.symbol: (
            one.underlying,
            one.quote,
            one.coins_per_unit,
            one.funding_interval_ns // HOUR_NS,
        )
        for one in universe.instruments
    } == {
        "BTCUSDT": ("BTC", "USDT", 1, 8),
        "1000BONKUSDT": ("BONK", "USDT", 1000, 4),
        "NEWUSDT": ("NEW", "USDT", 1, 0),
        "BTCPERP": ("BTC", "USDC", 1, 1),
    }
    assert set(universe.unmapped) == {"1000ODDUSDT"}
    assert len(asked) == 2


def test_a_code_is_a_refusal() -> None:
    with pytest.raises(VenueRefused, match="40020: Parameter category error"):
        converse(
            bitget.discover(),
            lambda _: {"code": "40020", "msg": "Parameter category error", "data": None},
        )


def settlement(at_ms: int, rate: str) -> dict[str, str]:
    return {"symbol": "x", "fundingRate": rate, "fundingRateTimestamp": str(at_ms)}


def test_history_turns_pages_of_funding_and_pages_back_through_candles() -> None:
    pages = {
        "1": [settlement(T0 + 12 * HOUR, "0.9"), settlement(T0 + 8 * HOUR, "-0.0002")],
        "2": [settlement(T0 + 4 * HOUR, "0.0001"), settlement(T0 - 21 * HOUR, "0.5")],
    }

    def body(request: RestRequest) -> Any:
        params = request.params
        assert (params["category"], params["symbol"]) == ("USDT-FUTURES", "1000BONKUSDT")
        if request.path == "/api/v3/market/history-fund-rate":
            return answer({"resultList": pages[params["cursor"]]})
        assert (request.path, params["interval"]) == ("/api/v3/market/candles", "1H")
        assert int(params["limit"]) <= 1000
        price = {"mark": "0.01", "index": "0.02"}[params["type"]]
        # three a page, as if the venue gave fewer than it was asked for
        last = int(params["endTime"]) // HOUR * HOUR
        return answer([
            [str(last - n * HOUR), "1", "2", "0.5", price, "0", "0"] for n in reversed(range(3))
        ])  # fmt: skip

    out, spec = RowBuffer(), INSTRUMENTS["1000BONKUSDT"]
    _, asked = converse(bitget.history(spec, *SPAN, out), body)
    rows = rows_of(out, INSTRUMENTS)
    marks = [row for row in rows if row["kind"] == "mark"]
    assert [(row["exchange_ns"] // 10**6 - T0) / HOUR for row in marks] == [6, 7, 8, 9, 10]
    assert {(row["mark_price"], row["index_price"]) for row in marks} == {(0.00001, 0.00002)}
    (funding,) = [row for row in rows if row["kind"] == "funding"]
    assert (funding["rate"], funding["interval_ns"]) == (-0.0002, 4 * HOUR_NS)
    assert funding["exchange_ns"] == (T0 + 8 * HOUR) * 1_000_000
    assert {row["kind"] for row in rows} == {"mark", "funding"}
    assert [request.params.get("cursor") for request in asked[:3]] == ["1", "2", None]
    assert all({"backfill"} <= set(row["flags"]) for row in rows)


@pytest.mark.parametrize("rows", [[], [[str(T0 + 20 * HOUR), "1", "1", "1", "1"]]])
def test_pages_that_lead_nowhere_end(rows: list[Any]) -> None:
    def body(request: RestRequest) -> Any:
        if "fund" in request.path:
            return answer({"resultList": [settlement(T0 + 8 * HOUR, "0.1")]})
        return answer(rows)

    out = RowBuffer()
    _, asked = converse(bitget.history(INSTRUMENTS["BTCUSDT"], *SPAN, out), body)
    assert len(asked) == 4, "a page of funding, its repetition, and one of each kind of candle"
    assert out.rows == 1


def test_connections_are_small_and_of_one_settlement_coin() -> None:
    specs = [
        instrument(venue="bitget", symbol=f"C{n}{end}", underlying=f"C{n}", quote=quote)
        for end, quote, count in (("USDT", "USDT", 50), ("PERP", "USDC", 2))
        for n in range(count)
    ]
    plans = bitget.plan(specs)
    assert [len(plan.instruments) for plan in plans] == [24, 24, 2, 2]
    for plan, kind in zip(plans, ["usdt-futures"] * 3 + ["usdc-futures"], strict=True):
        frames = [json.loads(frame) for frame in plan.subscribe]
        args = [arg for frame in frames for arg in frame["args"]]
        assert len(args) == 1 + 2 * len(plan.instruments) < 50
        assert args[0] == {"instType": kind, "topic": "liquidation"}
        assert {arg["instType"] for arg in args} == {kind}
        assert {(arg["topic"], arg["symbol"]) for arg in args[1:]} == {
            (topic, spec.symbol) for topic in ("publicTrade", "ticker") for spec in plan.instruments
        }
        assert all(frame["op"] == "subscribe" for frame in frames)
        assert max(map(len, plan.subscribe)) < 4096
    assert {plan.path for plan in plans} == {"/v3/ws/public"}


@pytest.mark.parametrize(
    ("symbol", "said"),
    [
        ("1000BONKUSDT", ("BONK", "USDT", 1000)),
        ("BTCPERP", ("BTC", "USDC", 1)),
        ("BTCUSD", None),
        ("USDT", None),
    ],
)
def test_what_a_symbol_implies(symbol: str, said: tuple[str, str, int] | None) -> None:
    one = bitget.assume(symbol)
    assert said == (None if one is None else (one.underlying, one.quote, one.coins_per_unit))
