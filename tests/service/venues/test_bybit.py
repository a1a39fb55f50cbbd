"""Bybit's three categories: what is asked for, listed and known of the past. Frames are in the cases."""

from typing import Any

import pytest

from service.venue import Conversation, RestRequest, Universe, VenueRefused
from service.venues import bybit, bybit_coin, bybit_spot
from streams.events import Channel, RowBuffer
from streams.instruments import instrument
from tests.service.venues import cases_bybit_coin, cases_bybit_spot
from tests.service.venues.cases import HOUR_NS, NAN, rows_of, same
from tests.service.venues.conversations import HOUR, T0, bybit_answer, converse
from tests.service.venues.test_plans import many, said


def topics_of(plan: Any) -> list[str]:
    """Return what a plan subscribes to."""
    return [topic for frame in said(plan) for topic in frame["args"]]


@pytest.mark.parametrize(("venue", "path"), [(bybit, "linear"), (bybit_coin, "inverse")])
def test_contracts_keep_to_the_characters_of_a_connection(venue: Any, path: str) -> None:
    plans = venue.plan(many(venue.SPEC.name, "LONGNAME{:04}USDT", 600))
    assert [plan.path for plan in plans] == [f"/v5/public/{path}"] * 3
    assert sum(len(plan.instruments) for plan in plans) == 600
    for plan in plans:
        topics = topics_of(plan)
        assert sum(map(len, topics)) <= 20_000
        assert len(topics) == len(set(topics)) == 3 * len(plan.instruments)
        assert all(len(frame["args"]) <= 200 and frame["op"] == "subscribe" for frame in said(plan))
        assert plan.control == Channel.TRADE | Channel.MARK
        assert plan.channels == Channel.ALL


def test_spot_asks_for_ten_topics_at_once_and_for_a_heartbeat_on_each_connection() -> None:
    plans = bybit_spot.plan(many("bybit_spot", "LONGNAME{:04}USDT", 800, market="spot"))
    assert len(plans) == 2
    assert sum(len(plan.instruments) for plan in plans) == 800
    for plan in plans:
        topics = topics_of(plan)
        assert topics[0] == "kline.1.BTCUSDT"
        assert topics[1:] == [f"publicTrade.{one.symbol}" for one in plan.instruments]
        assert sum(map(len, topics)) <= 20_000
        assert max(len(frame["args"]) for frame in said(plan)) == 10
        assert (plan.path, plan.channels, plan.control) == (
            "/v5/public/spot", Channel.TRADE, Channel.TRADE,
        )  # fmt: skip


def listing(symbol: str, base: str, quote: str = "USDT", **other: Any) -> dict[str, Any]:
    """Return one listing, abridged."""
    return {
        "symbol": symbol, "contractType": "LinearPerpetual", "status": "Trading", "baseCoin": base,
        "quoteCoin": quote, "settleCoin": quote, "symbolType": "", "fundingInterval": 480, **other,
    }  # fmt: skip


def discovered(
    venue: Any, category: str, listings: list[dict[str, Any]]
) -> tuple[dict[str, tuple[Any, ...]], dict[str, str]]:
    """Return what a venue takes of its listings, and what it cannot."""

    def answer(request: RestRequest) -> Any:
        assert request.path == "/v5/market/instruments-info"
        assert request.params["category"] == category
        return bybit_answer({"category": category, "list": listings})

    universe, asked = converse(venue.discover(), answer)
    assert len(asked) == 1
    assert {one.venue for one in universe.instruments} <= {venue.SPEC.name}
    return {
        one.symbol: (
            one.underlying, one.quote, one.market, one.contract_type, one.contract_size,
            one.coins_per_unit, one.funding_interval_ns // HOUR_NS,
        )
        for one in universe.instruments
    }, universe.unmapped  # fmt: skip


def test_linear_takes_coins_only() -> None:
    found, unmapped = discovered(bybit, "linear", [
        listing("BTCUSDT", "BTC"),
        listing("NEWUSDT", "NEW", symbolType="innovation"),
        listing("TSLAUSDT", "TSLA", symbolType="stock"),
        listing("XAUUSDT", "XAU", symbolType="metal"),
        listing("BTCUSD", "BTC", "USD", contractType="InversePerpetual"),
    ])  # fmt: skip
    assert set(found) == {"BTCUSDT", "NEWUSDT"}
    assert found["BTCUSDT"] == ("BTC", "USDT", "perpetual", "linear", "1", 1, 8)
    assert unmapped == {"XAUUSDT": "is it a coin? The venue calls it 'metal'"}


def test_inverse_contracts_are_one_dollar() -> None:
    inverse = {"contractType": "InversePerpetual", "settleCoin": "BTC"}
    found, unmapped = discovered(bybit_coin, "inverse", [
        listing("BTCUSD", "BTC", "USD", **inverse),
        listing("ETHUSD", "ETH", "USD", contractType="InversePerpetual", settleCoin="ETH",
                fundingInterval=240),
        listing("XRPUSD", "XRP", "USD", **inverse),
        listing("BTCUSDZ26", "BTC", "USD", contractType="InverseFutures", settleCoin="BTC"),
        listing("ADAUSD", "ADA", "USD", contractType="InversePerpetual", settleCoin="ADA",
                status="Closed"),
    ])  # fmt: skip
    assert found == {
        "BTCUSD": ("BTC", "USD", "perpetual", "inverse", "1", 1, 8),
        "ETHUSD": ("ETH", "USD", "perpetual", "inverse", "1", 1, 4),
    }
    assert unmapped == {"XRPUSD": "inverse, and settled in 'BTC'"}


def test_spot_pairs_are_of_coins_and_quoted_in_dollars() -> None:
    found, unmapped = discovered(bybit_spot, "spot", [
        listing("BTCUSDT", "BTC", symbolType="", fundingInterval=None, contractType=""),
        listing("ETHUSDC", "ETH", "USDC", symbolType="adventure"),
        listing("SHIB1000USDT", "SHIB1000"),
        listing("ETHBTC", "ETH", "BTC"),
        listing("TSLAXUSDT", "TSLAX", symbolType="xstocks"),
        listing("OLDUSDT", "OLD", status="Closed"),
        listing("A-BUSDT", "A-B"),
    ])  # fmt: skip
    assert found == {
        "BTCUSDT": ("BTC", "USDT", "spot", "linear", "1", 1, 0),
        "ETHUSDC": ("ETH", "USDC", "spot", "linear", "1", 1, 0),
        "SHIB1000USDT": ("SHIB", "USDT", "spot", "linear", "1", 1000, 0),
    }
    assert set(unmapped) == {"A-BUSDT"}


@pytest.mark.parametrize("venue", [bybit_coin, bybit_spot])
def test_refusals(venue: Any) -> None:
    conversation: Conversation[Universe] = venue.discover()
    with pytest.raises(VenueRefused, match="Too many"):
        converse(conversation, lambda _: b'{"retCode":10006,"retMsg":"Too many visits!"}')


# History


def inverse_answer(request: RestRequest) -> Any:
    """Answer about BTCUSD: dollars of open interest at 2:15, 3:30 and 9:00, marks of 2:00 and 3:00."""
    assert (request.params["category"], request.params["symbol"]) == ("inverse", "BTCUSD")
    if request.path == "/v5/market/open-interest":
        rows = [
            {"openInterest": "7", "singleOpenInterest": "1", "timestamp": str(T0 + 9 * HOUR)},
            {"openInterest": "9000000", "timestamp": str(T0 + 3 * HOUR + HOUR // 2)},
            {"openInterest": "9", "singleOpenInterest": "5000000",
             "timestamp": str(T0 + 2 * HOUR + HOUR // 4)},
        ]  # fmt: skip
        return bybit_answer({"list": rows, "nextPageCursor": ""})
    closes = {"/v5/market/mark-price-kline": "50000", "/v5/market/index-price-kline": "49990"}
    close = closes.get(request.path)
    hours = (2, 1) if close else ()
    return bybit_answer({"list": [[str(T0 + h * HOUR), "1", "2", "0.5", close] for h in hours]})


def test_inverse_history_turns_dollars_into_coin_at_the_last_hourly_mark() -> None:
    spec, out = cases_bybit_coin.INSTRUMENTS["BTCUSD"], RowBuffer()
    span = [(T0 + hour * HOUR) * 1_000_000 for hour in (2, 10)]
    _, asked = converse(bybit_coin.history(spec, *span, out), inverse_answer)
    rows = rows_of(out, {"BTCUSD": spec})
    levels = [row for row in rows if row["kind"] == "open_interest"]
    assert [(row["exchange_ns"] // 1_000_000 - T0) / HOUR for row in levels] == [2.25, 3.5]
    assert [row["quantity"] for row in levels] == [100.0, 90.0]
    assert [row["notional_usd"] for row in levels] == [5_000_000.0, 4_500_000.0]
    assert [row["mark_price"] for row in levels] == [50_000.0, 50_000.0]
    assert all(row["flags"] == ["backfill", "unit_assumed"] for row in levels)
    marks = [row for row in rows if row["kind"] == "mark"]
    assert [(row["mark_price"], row["index_price"]) for row in marks] == [(50_000.0, 49_990.0)] * 2
    first = next(request for request in asked if request.path == "/v5/market/mark-price-kline")
    assert int(first.params["start"]) == T0, "the hour before the first sample has to be over"


def test_linear_history_is_in_coin_without_a_mark() -> None:
    spec = instrument(venue="bybit", symbol="BTCUSDT", underlying="BTC", quote="USDT")
    out = RowBuffer()

    def answer(request: RestRequest) -> Any:
        assert request.params["category"] == "linear"
        if request.path == "/v5/market/open-interest":
            row = {"openInterest": "4", "singleOpenInterest": "2", "timestamp": str(T0 + HOUR)}
            return bybit_answer({"list": [row]})
        return bybit_answer({"list": []})

    converse(bybit.history(spec, T0 * 1_000_000, (T0 + 2 * HOUR) * 1_000_000, out), answer)
    (row,) = rows_of(out, {"BTCUSDT": spec})
    assert row["quantity"] == 2.0
    assert same(NAN, row["notional_usd"])
    assert row["flags"] == ["backfill", "stable_assumed"]


def test_spot_has_no_history_and_nothing_to_fill() -> None:
    spec, out = cases_bybit_spot.INSTRUMENTS["BTCUSDT"], RowBuffer()
    _, asked = converse(bybit_spot.history(spec, 0, T0 * 1_000_000, out), lambda _: b"")
    assert (asked, out.rows) == ([], 0)


# What recordings may assume


@pytest.mark.parametrize(
    ("venue", "symbol", "expected"),
    [
        (bybit_coin, "BTCUSD", ("BTC", "USD", "inverse", "perpetual")),
        (bybit_coin, "BTCUSDT", None),
        (bybit_coin, "USD", None),
        (bybit_coin, "BTCUSDZ26", None),
        (bybit_spot, "BTCUSDT", ("BTC", "USDT", "linear", "spot")),
        (bybit_spot, "ETHUSDC", ("ETH", "USDC", "linear", "spot")),
        (bybit_spot, "BTCUSD", ("BTC", "USD", "linear", "spot")),
        (bybit_spot, "ETHBTC", None),
        (bybit_spot, "USDT", None),
        (bybit, "BTCUSD", None),
    ],
)
def test_symbols_that_say_what_they_are(venue: Any, symbol: str, expected: Any) -> None:
    one = venue.assume(symbol)
    if expected is None:
        assert one is None
    else:
        assert one.venue == venue.SPEC.name
        assert (one.underlying, one.quote, one.contract_type, one.market) == expected
