"""Advanced Trade's two venues: listing, polls, connections, and the count of a connection's messages."""

import json
from typing import Any

import pytest

from service.venue import MalformedFrame, RestRequest, Venue, VenueRefused
from service.venues import coinbase_adv, coinbase_cde
from service.venues.registry import VENUES
from streams.events import Channel, RowBuffer
from streams.instruments import instrument
from tests.service.venues import cases_coinbase_cde as cde
from tests.service.venues.cases import HOUR_NS, RECEIVED_NS, rows_of
from tests.service.venues.cases_coinbase_adv import INSTRUMENTS, beat, trade, trades
from tests.service.venues.conversations import converse

BOTH = [VENUES["coinbase_adv"], VENUES["coinbase_cde"]]
both = pytest.mark.parametrize("venue", BOTH, ids=lambda venue: venue.SPEC.name)


def spot(base: str, quote: str = "USD", **other: Any) -> dict[str, Any]:
    """Return a spot product of the listing, abridged."""
    listing = {
        "product_id": f"{base}-{quote}", "product_type": "SPOT", "base_currency_id": base,
        "quote_currency_id": quote, "status": "online", "alias": "", "is_disabled": False,
        "trading_disabled": False, "price": "1", "mid_market_price": "", "future_product_details": None,
    }  # fmt: skip
    return {**listing, **other}


def future(symbol: str, root: str, size: str = "0.01", **details: Any) -> dict[str, Any]:
    """Return a future of the listing, abridged."""
    said = {
        "venue": "cde", "contract_size": size, "contract_root_unit": root, "non_crypto": False,
        "contract_expiry_type": "EXPIRING", "funding_interval": "3600s", "open_interest": "1",
    }  # fmt: skip
    return {
        **spot("", symbol, quote_currency_id="USD"),
        "product_id": symbol,
        "product_type": "FUTURE",
        "status": "",
        "future_product_details": said | details,
    }


def listing(*products: dict[str, Any]) -> Any:
    """Return an answer to whoever asks for products."""

    def answer(request: RestRequest) -> Any:
        assert request.path == "/api/v3/brokerage/market/products"
        first = int(request.params["offset"])
        chosen = [p for p in products if p["product_type"] == request.params["product_type"]]
        page = chosen[first : first + int(request.params["limit"])]
        return {"products": page, "num_products": len(page), "pagination": None}

    return answer


def test_spot_markets_with_a_stream_of_their_own_are_discovered() -> None:
    answer = listing(
        spot("BTC"),
        spot("BTC", "USDC", alias="BTC-USD"),
        spot("ETH", "USDT"),
        spot("ETH", "BTC"),
        spot("OFF", trading_disabled=True),
        spot("GONE", is_disabled=True),
        spot("OLD", status="delisted"),
        spot("USDT", "USD"),
        spot("k-strange"),
        future("BIP-20DEC30-CDE", "BTC"),
    )
    universe, _ = converse(coinbase_adv.discover(), answer)
    assert [(i.symbol, i.underlying, i.quote, i.market) for i in universe.instruments] == [
        ("BTC-USD", "BTC", "USD", "spot"),
        ("ETH-USDT", "ETH", "USDT", "spot"),
    ]
    assert list(universe.unmapped) == ["k-strange-USD"]


def test_perpetual_style_futures_on_coins_are_discovered() -> None:
    answer = listing(
        future("BIP-20DEC30-CDE", "BTC"),
        future("ETP-20DEC30-CDE", "ETH", "0.1"),
        future("BIT-24APR26-CDE", "BTC", funding_interval=None),
        future("GOL-27MAR26-CDE", "GOLD", non_crypto=True),
        future("INT-20DEC30-INTX", "BTC", venue="intx"),
        spot("BTC"),
        {**future("OFF-20DEC30-CDE", "BTC"), "is_disabled": True},
        {**future("EUR-20DEC30-CDE", "BTC"), "quote_currency_id": "EUR"},
    )
    universe, _ = converse(coinbase_cde.discover(), answer)
    assert [
        (i.symbol, i.underlying, i.contract_size, i.market, i.funding_interval_ns)
        for i in universe.instruments
    ] == [
        ("BIP-20DEC30-CDE", "BTC", "0.01", "regulated", HOUR_NS),
        ("ETP-20DEC30-CDE", "ETH", "0.1", "regulated", HOUR_NS),
    ]
    assert universe.unmapped == {}


@pytest.mark.parametrize(
    "size", ["", "0", "-1", "NaN", "1e400", "1e9", "0x10", "9" * 40, "0." + "0" * 40 + "1", "1 "]
)
def test_a_size_that_is_none_is_reported(size: str) -> None:
    answer = listing(future("XXP-20DEC30-CDE", "XX", size), future("BIP-20DEC30-CDE", "BTC"))
    universe, _ = converse(coinbase_cde.discover(), answer)
    assert [i.symbol for i in universe.instruments] == ["BIP-20DEC30-CDE"]
    assert list(universe.unmapped) == ["XXP-20DEC30-CDE"]


def test_a_bad_number_of_one_product_does_not_hide_the_others() -> None:
    bad = future("XXP-20DEC30-CDE", "XX", open_interest="-7", funding_rate="99", index_price="NaN")
    universe, _ = converse(coinbase_cde.discover(), listing(bad, future("BIP-20DEC30-CDE", "BTC")))
    assert len(universe.instruments) == 2


def test_pages_are_followed_until_one_brings_nothing_new() -> None:
    many = [spot(f"N{n}X") for n in range(1200)]
    universe, asked = converse(coinbase_adv.discover(), listing(*many))
    assert len(universe.instruments) == 1200
    assert [request.params["offset"] for request in asked] == ["0", "500", "1000"]
    same = {"products": many[:500]}
    universe, asked = converse(coinbase_adv.discover(), lambda _request: same)
    assert (len(universe.instruments), len(asked)) == (500, 2), "a venue that ignores the offset"


@both
def test_heartbeats_are_subscribed_first_and_one_channel_a_message(venue: Venue) -> None:
    specs = [
        instrument(venue=venue.SPEC.name, symbol=f"C{n}-USD", underlying=f"C{n}", quote="USD")
        for n in range(130)
    ]
    plans = venue.plan(specs)
    assert [len(plan.instruments) for plan in plans] == [100, 30]
    for plan in plans:
        heartbeats, *others = (json.loads(frame) for frame in plan.subscribe)
        assert heartbeats == {"type": "subscribe", "channel": "heartbeats"}
        assert {frame["channel"] for frame in others} == {"market_trades"}
        products = [symbol for frame in others for symbol in frame["product_ids"]]
        assert products == [spec.symbol for spec in plan.instruments]
        assert plan.control == plan.channels == Channel.TRADE


@both
def test_there_is_no_history_and_no_way_to_fill(venue: Venue) -> None:
    spec = next(iter(INSTRUMENTS.values()))
    out = RowBuffer()
    _, asked = converse(venue.history(spec, 0, RECEIVED_NS, out), lambda _request: [])
    assert (asked, out.rows) == ([], 0)
    assert venue.SPEC.semantics.trade is not None
    assert not venue.SPEC.semantics.trade.fill


def test_what_a_symbol_implies() -> None:
    assert coinbase_adv.assume("BTC-USD") == INSTRUMENTS["BTC-USD"]
    assert coinbase_adv.assume("BTC-GBP") is None
    assert coinbase_cde.assume("BIP-20DEC30-CDE") is None, "neither coin nor size"


def test_what_cannot_be_read_is_a_hole_from_the_last_that_could() -> None:
    decoder, out = coinbase_adv.decoder(INSTRUMENTS), RowBuffer()
    decoder.decode(beat(4), RECEIVED_NS, out)
    for bad in (
        trades(trade(product=b"NOSUCH-USD"), number=5),
        trades(trade(price=b"0"), number=5),
        trades(trade(time=b"now"), number=7),
        beat(8)[:-1],
    ):
        with pytest.raises(MalformedFrame):
            decoder.decode(bad, RECEIVED_NS + 1, out)
        assert out.rows == 0, "not even a GAP row: what is missing is said by the next good one"
    with pytest.raises(VenueRefused):
        decoder.decode(b'{"type":"error","message":"no","sequence_num":6}', RECEIVED_NS + 1, out)
    assert out.rows == 0
    decoder.decode(beat(6), RECEIVED_NS + 2, out)
    gaps = rows_of(out, INSTRUMENTS)
    assert [row["symbol"] for row in gaps] == list(INSTRUMENTS)
    assert {(row["from_ns"], row["to_ns"]) for row in gaps} == {(RECEIVED_NS, RECEIVED_NS + 2)}


def test_each_settlement_is_told_once() -> None:
    (poll,) = coinbase_cde.polls([cde.INSTRUMENTS["BIP-20DEC30-CDE"]])
    out = RowBuffer()

    def funding(**details: str) -> list[Any]:
        out.clear()
        poll.decode(cde.product(**details), RECEIVED_NS, out)
        rows = rows_of(out, cde.INSTRUMENTS)
        return [row["rate"] for row in rows if row["kind"] == "funding"]

    assert funding() == [0.000013]
    assert funding() == []
    assert funding(funding_rate="0.00002") == [0.00002], "corrected"
    assert funding(funding_time="2026-10-06T05:00:00Z") == [0.000013]
    assert funding(funding_time="2026-10-06T07:00:00Z") == [0.000013], "ahead: an estimate"
    assert funding(funding_time="2026-10-06T07:00:00Z") == [0.000013], "as often as it is asked for"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (cde.product("ETP-20DEC30-CDE"), "symbol"),
        (cde.product(open_interest="-1"), "range"),
        (cde.product(open_interest="NaN"), "range"),
        (cde.product(index_price="0"), "range"),
        (cde.product(funding_rate="1"), "range"),
        (cde.product(funding_time="yesterday"), "type"),
        (cde.product(mid="1e400"), "range"),
        (b'{"product_id":"BIP-20DEC30-CDE","future_product_details":null}', "type"),
        (b'{"error":"NOT_FOUND"}', "type"),
        (b"", "truncated"),
    ],
)
def test_products_that_cannot_be_read(body: bytes, reason: str) -> None:
    (poll,) = coinbase_cde.polls([cde.INSTRUMENTS["BIP-20DEC30-CDE"]])
    out = RowBuffer()
    with pytest.raises(MalformedFrame) as caught:
        poll.decode(body, RECEIVED_NS, out)
    assert (caught.value.reason, out.rows) == (reason, 0)


def test_polls_keep_to_their_part_of_the_budget() -> None:
    specs = list(cde.INSTRUMENTS.values())
    assert {poll.every_s for poll in coinbase_cde.polls(specs)} == {10.0}
    many = coinbase_cde.polls(specs * 40)
    assert 60.0 / many[0].every_s * len(many) <= 200.0
    assert many[0].request.path == "/api/v3/brokerage/market/products/BIP-20DEC30-CDE"
    assert many[0].channel == Channel.MARK | Channel.FUNDING | Channel.OPEN_INTEREST
