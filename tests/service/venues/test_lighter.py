"""Lighter: contracts, settled funding, and what is said on which connection."""

import json
from typing import Any

import pytest

from service.screen import Screen
from service.session import Session
from service.venue import MalformedFrame, RestRequest
from service.venues import lighter
from streams.events import Channel, RowBuffer
from streams.instruments import instrument
from tests.service.venues.cases import HOUR_NS, RECEIVED_NS, rows_of
from tests.service.venues.cases_lighter import BTC_LEVELS, INSTRUMENTS, statistics, trade, trades
from tests.service.venues.conversations import HOUR, T0, converse

FROM_MS, TO_MS = T0 + 6 * HOUR, T0 + 11 * HOUR
SPAN = FROM_MS * 1_000_000, TO_MS * 1_000_000


def listing(number: Any, symbol: str, **other: Any) -> dict[str, Any]:
    """Return one market of the listing, abridged."""
    return {
        "symbol": symbol, "market_id": number, "market_type": "perp", "status": "active",
        "taker_fee": "0.0000", "liquidation_fee": "1.0000", "size_decimals": 4, "open_interest": 245.18,
        **other,
    }  # fmt: skip


def universe_of(*markets: Any) -> Any:
    """Drive discovery with a listing."""
    body = {"code": 200, "order_book_details": list(markets), "spot_order_book_details": []}
    universe, asked = converse(lighter.discover(), lambda _: body)
    assert [(one.path, one.params) for one in asked] == [
        ("/api/v1/orderBookDetails", {"filter": "perp"})
    ]
    return universe


def test_discovery_takes_active_perpetuals_by_their_number() -> None:
    universe = universe_of(
        listing(0, "ETH"),
        listing(1, "BTC"),
        listing(4, "1000PEPE"),
        listing(5, "1000NEWCOIN"),
        listing(9, "OLD", status="inactive"),
        listing(2048, "ETH/USDC", market_type="spot"),
        {"symbol": "BARE", "market_id": 10},
    )
    found = {
        spec.symbol: (spec.underlying, spec.quote, spec.coins_per_unit, spec.contract_size)
        for spec in universe.instruments
    }
    assert found == {
        "0": ("ETH", "USDC", 1, "1"),
        "1": ("BTC", "USDC", 1, "1"),
        "4": ("PEPE", "USDC", 1000, "1"),
    }
    assert {spec.funding_interval_ns for spec in universe.instruments} == {HOUR_NS}
    assert list(universe.unmapped) == ["5"], "a scaled name is never guessed"


@pytest.mark.parametrize("number", [-1, 1.5, 2**63, 1e300, None, [], "x", True])
def test_numbers_that_are_none_are_refused(number: Any) -> None:
    with pytest.raises(MalformedFrame):
        universe_of(listing(number, "BTC"))


@pytest.mark.parametrize(
    "body", [b"null", b"{}", b"[]", b'{"order_book_details":[{}]}', b"\xff", b"[[["]
)
def test_discovery_of_nonsense_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedFrame):
        converse(lighter.discover(), lambda _: body)


def test_a_number_implies_no_coin() -> None:
    assert lighter.assume("1") is None


def settled(at_ms: int, rate: str, direction: str = "long") -> dict[str, Any]:
    """Return one settlement; `rate` is in percent."""
    return {"timestamp": at_ms // 1000, "value": "0.02", "rate": rate, "direction": direction}


def test_history_is_settled_funding_with_the_sign_of_who_paid() -> None:
    def answer(request: RestRequest) -> Any:
        assert request.path == "/api/v1/fundings"
        assert request.params == {
            "market_id": "1", "resolution": "1h", "count_back": "501",
            "start_timestamp": str(FROM_MS // 1000), "end_timestamp": str(TO_MS // 1000),
        }  # fmt: skip
        fundings = [
            settled(FROM_MS - HOUR, "3"),
            settled(FROM_MS, "0.0012"),
            settled(FROM_MS + 3 * HOUR, "0.0500", "short"),
            settled(TO_MS, "3"),
        ]
        return {"code": 200, "resolution": "1h", "fundings": fundings}

    out = RowBuffer()
    _, asked = converse(lighter.history(INSTRUMENTS["1"], *SPAN, out), answer)
    rows = rows_of(out, INSTRUMENTS)
    assert len(asked) == 1
    assert [(row["exchange_ns"] // 1_000_000 - FROM_MS, row["rate"]) for row in rows] == [
        (0, pytest.approx(0.000012)), (3 * HOUR, pytest.approx(-0.0005)),
    ]  # fmt: skip
    assert {row["interval_ns"] for row in rows} == {HOUR_NS}, "a missing hour stretches no rate"
    assert {tuple(row["flags"]) for row in rows} == {("backfill", "settled")}


def test_history_asks_for_every_hour_once() -> None:
    out = RowBuffer()
    span = (T0 - 1200 * HOUR) * 1_000_000, T0 * 1_000_000
    _, asked = converse(
        lighter.history(INSTRUMENTS["1"], *span, out), lambda _: {"code": 200, "fundings": None}
    )
    spans = [(int(r.params["start_timestamp"]), int(r.params["end_timestamp"])) for r in asked]
    assert [(end - start) // 3600 for start, end in spans] == [500, 500, 200]
    assert [end for _, end in spans[:-1]] == [start for start, _ in spans[1:]]
    assert out.rows == 0


@pytest.mark.parametrize(
    "change",
    [{"rate": "100"}, {"rate": "-0.1"}, {"rate": "NaN"}, {"direction": "both"}, {"timestamp": T0}],
)
def test_settlements_that_make_no_sense_are_refused(change: dict[str, Any]) -> None:
    fundings = [settled(FROM_MS, "0.0012") | change]
    with pytest.raises(MalformedFrame):
        converse(
            lighter.history(INSTRUMENTS["1"], *SPAN, RowBuffer()), lambda _: {"fundings": fundings}
        )


def test_a_connection_follows_99_markets_and_everybodys_statistics() -> None:
    specs = [
        instrument(venue="lighter", symbol=str(n), underlying=f"C{n}", quote="USDC")
        for n in range(235)
    ]
    plans = lighter.plan(specs)
    assert [len(plan.instruments) for plan in plans] == [99, 99, 37]
    for plan in plans:
        said = [json.loads(frame) for frame in plan.subscribe]
        assert {one["type"] for one in said} == {"subscribe"}
        assert [one["channel"] for one in said] == [
            "market_stats/all", *(f"trade/{spec.symbol}" for spec in plan.instruments),
        ]  # fmt: skip
        assert len(said) <= 100, "what a connection may subscribe to"
        assert plan.path == "/stream?readonly=true"
        assert plan.channels == Channel.ALL
        assert plan.control == Channel.MARK | Channel.FUNDING | Channel.OPEN_INTEREST
        Session(plan, lighter.SPEC, now_ns=0)
    per_minute = len(plans) * 60 * lighter.SPEC.sends_per_s
    pings = len(plans) * 60 / lighter.SPEC.ping_every_s
    assert per_minute + pings < 200, "messages that an address may send in a minute"
    assert lighter.SPEC.ping_every_s < 120, "who says nothing for so long is dropped"


def test_nothing_is_polled_or_filled() -> None:
    assert lighter.polls(list(INSTRUMENTS.values())) == []
    assert lighter.SPEC.semantics.trade is not None
    assert not lighter.SPEC.semantics.trade.fill


def test_a_second_connection_repeats_nothing_however_updates_are_sorted() -> None:
    """Trades of one update come in the order of their ids, as the screen of repetitions asks."""
    screen, out = Screen(10**9), RowBuffer()
    frame = trades(b"1", *(trade(n, b"100", b"1") for n in (3, 1, 2)))
    for connection in (1, 2):
        start = out.rows
        lighter.decoder(INSTRUMENTS).decode(frame, RECEIVED_NS, out)
        screen.sift(out, start, connection)
    assert [row["sequence"] for row in rows_of(out, INSTRUMENTS)] == [1, 2, 3]


def test_one_market_that_cannot_be_read_leaves_no_row_of_the_others() -> None:
    out = RowBuffer()
    frame = statistics((b"1", BTC_LEVELS), (b"0", b'{"mark_price":"0"}'))
    with pytest.raises(MalformedFrame, match="range"):
        lighter.decoder(INSTRUMENTS).decode(frame, RECEIVED_NS, out)
    assert out.rows == 0


def test_markets_that_are_not_ours_may_be_anything() -> None:
    out = RowBuffer()
    frame = statistics((b"9", b'{"mark_price":"0"}'), (b"1", BTC_LEVELS), (b"", b"[]"))
    assert lighter.decoder(INSTRUMENTS).decode(frame, RECEIVED_NS, out) == "ticker"
    assert {row["symbol"] for row in rows_of(out, INSTRUMENTS)} == {"1"}


@pytest.mark.parametrize("channel", [b"trade:9", b"trade:", b"trade", b"trade/1", b""])
def test_trades_of_no_market_of_ours_are_refused(channel: bytes) -> None:
    frame = trades(b"1", trade(1, b"100", b"1")).replace(b"trade:1", channel)
    with pytest.raises(MalformedFrame, match="symbol"):
        lighter.decoder(INSTRUMENTS).decode(frame, RECEIVED_NS, RowBuffer())
