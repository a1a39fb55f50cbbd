"""Coinbase Exchange over REST, its connections, and what its heartbeats make of a tape that stops."""

import json
from typing import Any

import pytest

from service.venue import Gap, MalformedFrame, RestRequest, VenueRefused
from service.venues import coinbase
from streams.events import Kind, RowBuffer, block_rows
from streams.instruments import instrument
from tests.service.venues.cases import RECEIVED_NS, rows_of
from tests.service.venues.cases_coinbase import INSTRUMENTS, OLD, SECOND, heartbeat, match
from tests.service.venues.conversations import converse

BTC = INSTRUMENTS["BTC-USD"]


def product(base: str, quote: str = "USD", **other: Any) -> dict[str, Any]:
    """Return one product of the listing, abridged."""
    listing = {
        "id": f"{base}-{quote}", "base_currency": base, "quote_currency": quote, "status": "online",
        "trading_disabled": False, "fx_stablecoin": False, "base_increment": "0.00000001",
    }  # fmt: skip
    return {**listing, **other}


def test_trading_markets_in_dollars_are_discovered() -> None:
    def answer(request: RestRequest) -> Any:
        assert (request.path, request.params) == ("/products", {})
        return [
            product("BTC"),
            product("ETH", "USDT"),
            product("ETH", "BTC"),
            product("SOL", "EUR"),
            product("OLD", status="delisted"),
            product("OFF", trading_disabled=True),
            product("USDT", fx_stablecoin=True),
            product("1000NEW"),
        ]

    universe, _ = converse(coinbase.discover(), answer)
    assert [(i.symbol, i.underlying, i.quote, i.market) for i in universe.instruments] == [
        ("BTC-USD", "BTC", "USD", "spot"),
        ("ETH-USDT", "ETH", "USDT", "spot"),
    ]
    assert list(universe.unmapped) == ["1000NEW-USD"]


@pytest.mark.parametrize("conversation", ["discover", "fill"])
@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"message":"NotFound"}', VenueRefused),
        (b"[", MalformedFrame),
        (b"null", MalformedFrame),
        (b"[1]", MalformedFrame),
        (b"<html>", MalformedFrame),
    ],
)
def test_answers_that_are_none(conversation: str, body: bytes, error: type[Exception]) -> None:
    gap = Gap(first=1, last=2, from_ns=0, to_ns=1)
    talk: Any = (
        coinbase.discover() if conversation == "discover" else coinbase.fill(BTC, gap, RowBuffer())
    )
    with pytest.raises(error):
        converse(talk, lambda _request: body)


def page(first: int, last: int) -> list[dict[str, Any]]:
    """Return trades of a page, newest first as the venue gives them."""
    keep = ("trade_id", "side", "size", "price", "time")
    return [
        {name: json.loads(match(number=n))[name] for name in keep}
        for n in range(last, first - 1, -1)
    ]


def test_a_gap_is_filled_by_ids_oldest_first() -> None:
    def answer(request: RestRequest) -> Any:
        assert request.path == "/products/BTC-USD/trades"
        after = int(request.params["after"])
        assert request.params["limit"] == "1000"
        return page(after - 1000, after - 1)

    out = RowBuffer()
    gap = Gap(first=5001, last=7500, from_ns=0, to_ns=RECEIVED_NS)
    _, asked = converse(coinbase.fill(BTC, gap, out), answer)
    assert [request.params["after"] for request in asked] == ["6001", "7001", "7501"]
    rows = block_rows(bytes(out.view()))
    assert rows["sequence"].tolist() == list(range(5001, 7501))
    live = RowBuffer()
    coinbase.decoder(INSTRUMENTS).decode(match(number=5001), RECEIVED_NS, live)
    assert live.row(0) == out.row(0), "as the stream would have written it"


def test_trades_that_the_venue_has_not_end_the_filling() -> None:
    out = RowBuffer()
    gap = Gap(first=1, last=200_000, from_ns=0, to_ns=RECEIVED_NS)
    _, asked = converse(coinbase.fill(BTC, gap, out), lambda _request: [])
    assert (len(asked), out.rows) == (200, 0)
    stuck = Gap(first=10, last=11, from_ns=0, to_ns=RECEIVED_NS)
    _, asked = converse(coinbase.fill(BTC, stuck, out), lambda _request: page(1, 20))
    assert (len(asked), out.rows) == (1, 2), "what else comes is not of the gap"


def test_a_symbol_implies_its_market() -> None:
    assert coinbase.assume("BTC-USD") == BTC
    assert coinbase.assume("BTC-GBP") is None
    assert coinbase.assume("BTC") is None


def test_there_is_no_history_and_nothing_to_poll() -> None:
    out = RowBuffer()
    _, asked = converse(coinbase.history(BTC, 0, RECEIVED_NS, out), lambda _request: [])
    assert (asked, out.rows, coinbase.polls([BTC])) == ([], 0, [])


def test_connections_carry_a_hundred_products_each_with_its_heartbeat() -> None:
    specs = [
        instrument(venue="coinbase", symbol=f"C{n}-USD", underlying=f"C{n}", quote="USD")
        for n in range(230)
    ]
    plans = coinbase.plan(specs)
    assert [len(plan.instruments) for plan in plans] == [100, 100, 30]
    for plan in plans:
        said = [json.loads(frame) for frame in plan.subscribe]
        products = [symbol for frame in said for symbol in frame["product_ids"]]
        assert products == [spec.symbol for spec in plan.instruments]
        assert all(frame["channels"] == ["matches", "heartbeat"] for frame in said)
        assert all(len(frame["product_ids"]) <= 50 for frame in said)
        assert plan.control == plan.channels == coinbase.Channel.TRADE


def test_a_heartbeat_that_cannot_be_read_changes_nothing() -> None:
    decoder, out = coinbase.decoder(INSTRUMENTS), RowBuffer()
    decoder.decode(OLD, RECEIVED_NS, out)
    for bad in (
        heartbeat(22, product=b"NOSUCH-USD"),
        heartbeat(22).replace(b"08:19:28", b"08:19:60"),
        heartbeat(22).replace(b'"last_trade_id":22', b'"last_trade_id":-1'),
    ):
        with pytest.raises(MalformedFrame):
            decoder.decode(bad, RECEIVED_NS, out)
    assert decoder.decode(heartbeat(20), RECEIVED_NS, out) == "beat"
    assert out.rows == 0


def test_a_tape_that_stops_is_a_gap_for_as_long_as_it_does() -> None:
    decoder, out = coinbase.decoder(INSTRUMENTS), RowBuffer()
    frames = [OLD, *(heartbeat(20 + second, 28 + second) for second in range(6))]
    says = [decoder.decode(frame, RECEIVED_NS, out) for frame in frames]
    assert says == ["notice", "beat", "beat", "notice", "notice", "notice", "notice"]
    gaps = rows_of(out, INSTRUMENTS)
    assert {row["kind"] for row in gaps} == {Kind.GAP.name.lower()}
    spans = [(row["from_ns"] // 10**9 - SECOND, row["to_ns"] // 10**9 - SECOND) for row in gaps]
    assert spans == [(1, 3), (3, 4), (4, 5), (5, 6)]


@pytest.mark.parametrize(
    ("time", "reason"),
    [
        (b"2014-12-31T23:59:59.999999999Z", "range"),
        (b"2100-01-01T00:00:00Z", "range"),
        (b"2024-02-30T00:00:00Z", "range"),
        (b"2024-11-07T24:00:00Z", "type"),
        (b"2024-11-07T08:19:27", "type"),
        (b"2024-11-07T08:19:27+01:00", "type"),
        (b"2024-11-07T08:19:27.1234567890Z", "type"),
        (b"2024-11-07T08:19:27.Z", "type"),
        ("٢024-11-07T08:19:27Z".encode(), "type"),
        (b"1730967567000", "type"),
        (b"", "type"),
    ],
)
def test_times_that_are_none(time: bytes, reason: str) -> None:
    decoder, out = coinbase.decoder(INSTRUMENTS), RowBuffer()
    with pytest.raises(MalformedFrame) as caught:
        decoder.decode(match(time=time), RECEIVED_NS, out)
    assert (caught.value.reason, out.rows) == (reason, 0)
