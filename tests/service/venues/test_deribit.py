"""Deribit beyond single frames: contracts, funding of hours, trades by number, plans."""

import math
from typing import Any

import msgspec
import pytest

from service.session import Session
from service.venue import Gap, MalformedFrame, RestRequest, VenueRefused
from service.venues import deribit
from streams.events import RowBuffer
from streams.instruments import instrument
from tests.service.venues.cases import HOUR_NS, RECEIVED_NS, rows_of
from tests.service.venues.cases_deribit import INSTRUMENTS
from tests.service.venues.conversations import HOUR, T0, converse

BTC, ETH = INSTRUMENTS["BTC-PERPETUAL"], INSTRUMENTS["ETH_USDC-PERPETUAL"]


def listing(name: str, base: str, quote: str = "USD", **other: Any) -> dict[str, Any]:
    """Return one contract of get_instruments, abridged."""
    inverse = quote == "USD"
    return {
        "instrument_name": name, "kind": "future", "settlement_period": "perpetual", "is_active": True,
        "instrument_type": "reversed" if inverse else "linear", "base_currency": base,
        "quote_currency": quote, "counter_currency": quote, "contract_size": 10.0, "tick_size": 0.5,
        "settlement_currency": base if inverse else quote,
    } | other  # fmt: skip


def body(result: Any) -> dict[str, Any]:
    """Return an answer as it is wrapped."""
    return {
        "jsonrpc": "2.0",
        "result": result,
        "usIn": 1,
        "usOut": 2,
        "usDiff": 1,
        "testnet": False,
    }


def test_discovers_perpetuals_whose_sizes_are_usd_or_coin() -> None:
    listings = [
        listing("BTC-PERPETUAL", "BTC"),
        listing("ETH_USDC-PERPETUAL", "ETH", "USDC", contract_size=0.001),
        listing("BTC_USDT-PERPETUAL", "BTC", "USDT", contract_size=1e308),
        listing("BTC-25DEC26", "BTC", settlement_period="month"),
        listing("BTC-25DEC26-90000-C", "BTC", kind="option"),
        listing("OLD-PERPETUAL", "OLD", is_active=False),
        listing("ETH_BTC-PERPETUAL", "ETH", "BTC"),
        listing("SOL-PERPETUAL", "SOL", settlement_currency="BTC"),
        listing("1000NEW_USDC-PERPETUAL", "1000NEW", "USDC"),
    ]
    universe, asked = converse(deribit.discover(), lambda _: body(listings))
    assert [(i.symbol, i.underlying, i.quote, i.contract_type) for i in universe.instruments] == [
        ("BTC-PERPETUAL", "BTC", "USD", "inverse"),
        ("ETH_USDC-PERPETUAL", "ETH", "USDC", "linear"),
        ("BTC_USDT-PERPETUAL", "BTC", "USDT", "linear"),
    ]
    assert {i.contract_size for i in universe.instruments} == {"1"}, "amounts are no contracts"
    assert {i.funding_interval_ns for i in universe.instruments} == {8 * HOUR_NS}
    assert universe.unmapped.keys() == {"SOL-PERPETUAL", "1000NEW_USDC-PERPETUAL"}
    assert asked[0].params == {"currency": "any", "kind": "future"}


@pytest.mark.parametrize(
    ("symbol", "kind"),
    [("BTC-PERPETUAL", "inverse"), ("ETH_USDC-PERPETUAL", "linear"), ("BTC_USDT-PERPETUAL", "linear")],
)  # fmt: skip
def test_a_symbol_alone_implies_what_discovery_finds(symbol: str, kind: str) -> None:
    spec = deribit.assume(symbol)
    assert spec is not None
    quote = {"inverse": "USD", "linear": symbol.partition("-")[0].partition("_")[2]}[kind]
    base = symbol[:3]
    universe, _ = converse(deribit.discover(), lambda _: body([listing(symbol, base, quote)]))
    assert universe.instruments == [spec]


@pytest.mark.parametrize(
    "symbol", ["BTC-25DEC26", "ETH_BTC-PERPETUAL", "BTC-PERPETUALS", "kX-PERPETUAL"]
)
def test_other_symbols_imply_nothing(symbol: str) -> None:
    assert deribit.assume(symbol) is None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b'{"error":{"code":10028,"message":"too_many_requests"}}', VenueRefused),
        (b'{"result":"ok"}', MalformedFrame),
        (b"[]", MalformedFrame),
        (b"", MalformedFrame),
    ],
)
def test_a_body_that_is_no_list_is_the_venues_fault(answer: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        converse(deribit.discover(), lambda _: answer)


def test_history_is_what_each_hour_cost_even_where_hours_are_missing() -> None:
    """720 hours in two pages; the hour that is missing does not make the next one cheaper."""
    first_ms = T0 - 720 * HOUR
    hours = {first_ms + n * HOUR: n * 1e-7 for n in range(720) if n != 300}

    def answer(request: RestRequest) -> Any:
        assert request.params["instrument_name"] == "BTC-PERPETUAL"
        start, end = (int(request.params[f"{word}_timestamp"]) for word in ("start", "end"))
        assert end - start < 744 * HOUR
        rows = [
            {"timestamp": at, "interest_1h": rate, "interest_8h": 8 * rate, "index_price": 60000.0,
             "prev_index_price": 59990.0}
            for at, rate in hours.items() if start <= at <= end
        ]  # fmt: skip
        return body(rows)

    out = RowBuffer()
    _, asked = converse(deribit.history(BTC, first_ms * 10**6, T0 * 10**6, out), answer)
    rows = rows_of(out, INSTRUMENTS)
    assert len(asked) == 2
    assert {row["exchange_ns"] // 10**6: row["rate"] for row in rows} == hours
    assert {row["interval_ns"] for row in rows} == {HOUR_NS}
    assert all(row["flags"] == ["backfill", "settled"] for row in rows)
    assert [row["exchange_ns"] for row in rows] == sorted(row["exchange_ns"] for row in rows)


def trade(number: int, **other: Any) -> dict[str, Any]:
    """Return a trade of 100 USD as REST has it."""
    return {
        "trade_seq": number, "trade_id": str(number), "timestamp": T0 + number, "price": 50000.0,
        "amount": 100.0, "contracts": 10.0, "direction": "sell", "tick_direction": 0,
        "instrument_name": "BTC-PERPETUAL", "index_price": 50001.0, "mark_price": 50002.0,
    } | other  # fmt: skip


GAP = Gap(first=1001, last=3500, from_ns=T0 * 10**6, to_ns=RECEIVED_NS)


def test_a_gap_is_filled_page_by_page_as_the_stream_would_have() -> None:
    others = {1500: {"block_trade_id": "BLOCK-61"}, 3500: {"combo_id": "BTC-FS-25DEC26_PERP"}}

    def answer(request: RestRequest) -> Any:
        first, last = int(request.params["start_seq"]), int(request.params["end_seq"])
        assert (last, request.params["sorting"]) == (3500, "asc")
        until = min(last, first + int(request.params["count"]) - 1)
        page = [trade(n, **others.get(n, {})) for n in range(first, until + 1)]
        page[0]["liquidation"] = "M"
        return body({"trades": page, "has_more": until < last})

    out = RowBuffer()
    conversation = deribit.fill(BTC, GAP, out)
    assert conversation is not None
    negotiated, asked = converse(conversation, answer)
    rows = rows_of(out, INSTRUMENTS)
    assert negotiated == 2
    assert len(asked) == 3
    taken = [row for row in rows if row["kind"] == "trade"]
    assert [row["sequence"] for row in taken] == [n for n in range(1001, 3501) if n not in others]
    assert {row["received_ns"] for row in rows} == {RECEIVED_NS}
    assert [row["sequence"] for row in rows if row["kind"] == "liquidation"] == [1001, 2001, 3001]
    assert {row["position"] for row in rows if row["kind"] == "liquidation"} == {"short"}


@pytest.mark.parametrize(
    "page",
    [
        [],
        [trade(7), trade(3501)],
        [trade(2000, instrument_name="ETH-PERPETUAL")],
    ],
    ids=["nothing", "outside of the gap", "another contract"],
)
def test_a_fill_ends_when_nothing_of_the_gap_comes(page: list[dict[str, Any]]) -> None:
    out = RowBuffer()
    conversation = deribit.fill(BTC, GAP, out)
    assert conversation is not None
    negotiated, asked = converse(conversation, lambda _: body({"trades": page, "has_more": True}))
    assert (negotiated, len(asked), out.rows) == (0, 1, 0)


def test_a_gap_without_numbers_is_not_asked_for() -> None:
    assert deribit.fill(BTC, msgspec.structs.replace(GAP, first=0, last=0), RowBuffer()) is None


def test_plans_stay_within_a_sessions_channels_and_each_part_is_checked() -> None:
    many = [
        instrument(venue="deribit", symbol=f"C{n}_USDC-PERPETUAL", underlying=f"C{n}", quote="USDC")
        for n in range(260)
    ]
    plans = deribit.plan(many)
    assert [len(plan.instruments) for plan in plans] == [250, 10]
    asked = [msgspec.json.decode(frame) for plan in plans for frame in plan.subscribe]
    channels = [channel for request in asked for channel in request["params"]["channels"]]
    assert sorted(channels) == sorted(
        f"{topic}.{spec.symbol}.100ms" for spec in many for topic in ("trades", "ticker")
    )
    assert max(len(request["params"]["channels"]) for request in asked) <= 100
    decoder, out = deribit.decoder({i.symbol: i for i in plans[0].instruments}), RowBuffer()
    for request in asked[:5]:
        served = request["params"]["channels"]
        good = {"jsonrpc": "2.0", "id": request["id"], "result": served}
        assert decoder.decode(msgspec.json.encode(good), RECEIVED_NS, out) == "ack"
        lacks = msgspec.json.encode({**good, "result": served[1:]})
        with pytest.raises(VenueRefused, match="1 channels not served"):
            decoder.decode(lacks, RECEIVED_NS, out)


def test_a_session_pings_by_an_ordinary_request() -> None:
    (plan,) = deribit.plan([BTC, ETH])
    session = Session(plan, deribit.SPEC, now_ns=0)
    session.opened(0)
    sent = []
    for second in range(45):
        now_ns = second * 10**9
        session.received("ticker", now_ns)
        sent += [msgspec.json.decode(action.data)["method"] for action in session.due(now_ns)]  # type: ignore[union-attr]  # nothing else is due
    assert sent == ["public/subscribe", "public/test", "public/test"]


def test_funding_of_a_dated_future_is_none() -> None:
    frame = (
        b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":"ticker.BTC-PERPETUAL.100ms","data":'
        b'{"timestamp":1790526539043,"instrument_name":"BTC-PERPETUAL","mark_price":60000.0,'
        b'"open_interest":1200.0,"index_price":null,"best_bid_price":null,"best_ask_price":1.0}}}'
    )
    out = RowBuffer()
    assert deribit.decoder(INSTRUMENTS).decode(frame, RECEIVED_NS, out) == "ticker"
    mark, interest = rows_of(out, INSTRUMENTS)
    assert math.isnan(mark["index_price"])
    assert math.isnan(mark["mid_price"])
    assert interest["kind"] == "open_interest"
