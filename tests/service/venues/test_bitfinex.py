"""Bitfinex derivatives: contracts, history, connections, and what the decoder remembers."""

import json
from pathlib import Path
from typing import Any

import pytest

from service.session import Session
from service.venue import Decoder, MalformedFrame, RestRequest, VenueRefused
from service.venues import bitfinex
from streams.events import VIEWS, Channel, Flag, Kind, RowBuffer, block_rows
from streams.instruments import Instrument
from tests.service.venues.cases import RECEIVED_NS, rows_of
from tests.service.venues.cases_bitfinex import (
    BTC_STATUS,
    INSTRUMENTS,
    LIQUIDATIONS,
    OPENING,
    T,
    array,
    forced,
    liquidations,
    status,
    subscribed,
    trade,
)
from tests.service.venues.conversations import HOUR, T0, converse

MINUTE = 60_000


def listed(*pairs: str, names: tuple[tuple[str, str], ...] = ()) -> list[Any]:
    """Return the body that lists pairs, with names of their coins."""
    return [list(pairs), [list(name) for name in names]]


def test_discovery_lists_perpetuals_of_coins_against_tether() -> None:
    body = listed(
        "BTCF0:USTF0", "ALGF0:USTF0", "ETHF0:BTCF0", "EUROPE50IXF0:USTF0", "XAGF0:USTF0", "EURF0:USTF0",
        "TESTBTCF0:TESTUSDTF0", "1000NEWF0:USTF0", "BTCDOMF0:USTF0",
        names=(("ALG", "ALGO"), ("UST", "USDt"), ("BTCF0", "BTC-PERP")),
    )  # fmt: skip
    universe, asked = converse(bitfinex.discover(), lambda _: body)
    assert [request.path for request in asked] == [
        "/v2/conf/pub:list:pair:futures,pub:map:currency:sym"
    ]
    assert [
        (i.symbol, i.underlying, i.quote, i.contract_size, i.funding_interval_ns)
        for i in universe.instruments
    ] == [
        ("tBTCF0:USTF0", "BTC", "USDT", "1", 8 * 3600 * 10**9),
        ("tALGF0:USTF0", "ALGO", "USDT", "1", 8 * 3600 * 10**9),
    ]
    assert list(universe.unmapped) == ["t1000NEWF0:USTF0"]


@pytest.mark.parametrize("body", [[[], []], [["BTCF0:USTF0"], [["UST", "USDt"]], []], [], {}, [1]])
def test_listings_of_another_form(body: Any) -> None:
    if body == [[], []]:
        assert converse(bitfinex.discover(), lambda _: body)[0].instruments == []
        return
    with pytest.raises(MalformedFrame):
        converse(bitfinex.discover(), lambda _: body)


def test_a_refusal_is_the_venues_no() -> None:
    with pytest.raises(VenueRefused, match="ratelimit"):
        converse(bitfinex.discover(), lambda _: ["error", 11010, "ratelimit: error"])


def test_a_symbol_implies_its_contract() -> None:
    spec = bitfinex.assume("tBTCF0:USTF0")
    assert spec is not None
    assert (spec.underlying, spec.quote, spec.funding_interval_ns) == (
        "BTC",
        "USDT",
        28_800 * 10**9,
    )
    for symbol in ("BTCF0:USTF0", "tBTCUSD", "tF0:USTF0", "tXAGF0:USTF0", "t", ""):
        assert bitfinex.assume(symbol) is None


def minute(at_ms: int, size: float | None = 100.0) -> list[Any]:
    """Return the history's row of a minute: rate and mark tell what it is of."""
    due = (at_ms // (8 * HOUR) + 1) * 8 * HOUR
    rate = (due - T0) // HOUR / 1e5
    mark = 60000.0 + (at_ms - T0) // MINUTE
    return [at_ms, None, mark + 2, mark - 10, None, 1e6, None, due, 0.5, 7, None, rate, None, None,
            mark, None, None, size, None, None, None, 0.0005, 0.0025]  # fmt: skip


def past(request: RestRequest) -> list[Any]:
    """Answer with the minutes of a span, 5000 at most."""
    assert request.path == "/v2/status/deriv/tBTCF0:USTF0/hist"
    assert (request.params["sort"], request.params["limit"]) == ("1", "5000")
    first, last = int(request.params["start"]), int(request.params["end"])
    times = range(-(-first // MINUTE) * MINUTE, last + 1, MINUTE)
    return [minute(ms) for ms in times[:5000]]


def of(out: RowBuffer, kind: Kind) -> Any:
    """Return the rows of a kind."""
    rows = block_rows(bytes(out.view()))
    return rows[rows["kind"] == kind].view(VIEWS[kind])


def test_history_is_one_pass_over_the_minutes() -> None:
    out = RowBuffer()
    hours = 100  # 6000 minutes
    span = T0 * 10**6, (T0 + hours * HOUR) * 10**6
    _, asked = converse(bitfinex.history(INSTRUMENTS["tBTCF0:USTF0"], *span, out), past)
    assert [request.params["start"] for request in asked] == [
        str(T0), str(T0 + 4999 * MINUTE + 1),
    ]  # fmt: skip
    levels = of(out, Kind.OPEN_INTEREST)
    assert levels["exchange_ns"].tolist() == list(range(*span, 300 * 10**9))
    assert levels["notional_usd"].tolist() == [100.0 * (60000 + 5 * n) for n in range(12 * hours)]
    marks = of(out, Kind.MARK)
    assert len(marks) == hours - 1, "the last hour ends with the span"
    assert marks["exchange_ns"][0] == (T0 + HOUR) * 10**6
    assert (marks["mark_price"][0], marks["index_price"][0]) == (60059.0, 60049.0)
    paid = of(out, Kind.FUNDING)
    assert paid["exchange_ns"].tolist() == [(T0 + n * 8 * HOUR) * 10**6 for n in range(1, 13)]
    assert paid["rate"].tolist() == [n * 8 / 1e5 for n in range(1, 13)]
    assert set(paid["flags"].tolist()) == {int(Flag.BACKFILL | Flag.SETTLED)}


def test_a_month_at_most_and_nothing_where_nothing_is() -> None:
    out = RowBuffer()
    span = 0, T0 * 10**6
    _, asked = converse(bitfinex.history(INSTRUMENTS["tBTCF0:USTF0"], *span, out), lambda _: [])
    assert [request.params["start"] for request in asked] == [str(T0 - 720 * HOUR)]
    assert out.rows == 0


def test_a_venue_that_repeats_itself_is_not_followed_for_ever() -> None:
    same = [minute(T0 - HOUR)] * 5000
    span = T0 * 10**6, (T0 + HOUR) * 10**6
    _, asked = converse(
        bitfinex.history(INSTRUMENTS["tBTCF0:USTF0"], *span, RowBuffer()), lambda _: same
    )
    assert len(asked) == 1


def many(count: int) -> list[Instrument]:
    """Return contracts."""
    return [spec for n in range(count) if (spec := bitfinex.assume(f"tC{n}F0:USTF0"))]


def test_connections_keep_to_their_channels_and_all_hear_of_liquidations() -> None:
    plans = bitfinex.plan(many(30))
    assert [len(plan.instruments) for plan in plans] == [12, 12, 6]
    for plan in plans:
        conf, *wanted = [json.loads(frame) for frame in plan.subscribe]
        assert conf == {"event": "conf", "flags": 98304}
        assert len(wanted) == 2 * len(plan.instruments) + 1 <= 25
        assert wanted[-1] == {"event": "subscribe", "channel": "status", "key": "liq:global"}
        for spec in plan.instruments:
            symbol = spec.symbol
            assert {"event": "subscribe", "channel": "trades", "symbol": symbol} in wanted
            assert {"event": "subscribe", "channel": "status", "key": f"deriv:{symbol}"} in wanted
        assert plan.control == Channel.TRADE | Channel.MARK
        Session(plan, bitfinex.SPEC, now_ns=0)
    assert bitfinex.polls(many(2)) == []


def opened(*openings: bytes) -> Decoder:
    """Return a decoder that has read frames."""
    decoder = bitfinex.decoder(INSTRUMENTS)
    for frame in openings:
        decoder.decode(frame, RECEIVED_NS, RowBuffer())
    return decoder


def test_a_gap_is_of_the_channels_that_a_connection_has() -> None:
    out = RowBuffer()
    decoder = opened(*OPENING[:3], OPENING[-1])  # BTC's status and all liquidations
    decoder.decode(status(number=1), RECEIVED_NS, out)
    out.clear()
    decoder.decode(status(number=5), RECEIVED_NS + 7, out)
    gaps = {gap["instrument"]: gap for gap in of(out, Kind.GAP)}
    assert {gap["channels"] for gap in gaps.values()} == {30, 16}
    assert gaps[INSTRUMENTS["tBTCF0:USTF0"].id]["channels"] == 30
    assert all((g["from_ns"], g["to_ns"]) == (RECEIVED_NS, RECEIVED_NS + 7) for g in gaps.values())
    out.clear()
    decoder.decode(status(number=2), RECEIVED_NS, out)
    assert len(of(out, Kind.GAP)) == 0, "a count that begins anew is no gap"


def test_a_frame_that_cannot_be_read_is_lost() -> None:
    out = RowBuffer()
    decoder = opened(*OPENING)
    decoder.decode(trade(b"1", b"5", number=1), RECEIVED_NS, out)
    with pytest.raises(MalformedFrame):
        decoder.decode(trade(b"1", b"0", number=2), RECEIVED_NS, out)
    assert out.rows == 1
    decoder.decode(trade(b"1", b"5", number=3), RECEIVED_NS, out)
    assert len(of(out, Kind.GAP)) == len(INSTRUMENTS)


def test_nothing_is_read_of_a_channel_that_was_left_or_never_was() -> None:
    decoder, out = opened(*OPENING), RowBuffer()
    left = b'{"event":"unsubscribed","status":"OK","chanId":%d}' % BTC_STATUS
    assert decoder.decode(left, RECEIVED_NS, out) == "ack"
    for frame in (status(), array(4711, b"[1]")):
        with pytest.raises(MalformedFrame) as caught:
            decoder.decode(frame, RECEIVED_NS, out)
        assert caught.value.reason == "unknown"
    with pytest.raises(MalformedFrame) as caught:
        decoder.decode(subscribed(b"trades", 5, b'"symbol":"tNOSUCH"'), RECEIVED_NS, out)
    assert caught.value.reason == "symbol"


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (trade(b"0", b"5"), "range"),
        (trade(b"1e-19", b"5"), "range"),
        (trade(b"1e16", b"5"), "range"),
        (array(18, b'"te"'), "type"),
        (array(18, b'"te",[1,2]'), "range"),
        (array(18, b'"tx",[452025730,%d,1,5]' % T), "unknown"),
        (b'[18,"te"]', "type"),
        (b"[18]", "type"),
        (status(rate=b"1"), "range"),
        (status(open_interest=b"-1"), "range"),
        (liquidations(forced(b"tBTCF0:USTF0", b"0"), number=1), "range"),
        (liquidations(b'["pos",1]', number=1), "type"),
        (array(LIQUIDATIONS, b"[[]]"), "type"),
        (b'{"event":"news"}', "unknown"),
        (b"{}", "type"),
    ],
)
def test_frames_that_cannot_be_read(frame: bytes, reason: str) -> None:
    decoder, out = opened(*OPENING, status()), RowBuffer()
    with pytest.raises(MalformedFrame) as caught:
        decoder.decode(frame, RECEIVED_NS, out)
    assert caught.value.reason == reason
    assert out.rows == 0


@pytest.mark.shared_data
def test_recorded_frames_whose_subscriptions_are_not_in_the_file(shared_data: Path) -> None:
    """The answer key's frames of channels that were subscribed to before it begins, with answers made up."""
    path = shared_data / "raw" / "tardis_fixtures" / "bitfinex-derivatives.jsonl"
    records = {one["seq"]: one for one in map(json.loads, path.read_text().splitlines())}
    decoder = opened(
        subscribed(b"status", 23928, b'"key":"deriv:tBTCF0:USTF0"'),
        subscribed(b"trades", 23916, b'"symbol":"tBTCF0:USTF0"'),
        subscribed(b"status", 1, b'"key":"deriv:tETHF0:USTF0"'),
        subscribed(b"status", 907, b'"key":"liq:global"'),
        subscribed(b"status", 386841, b'"key":"liq:global"'),
        status(1, mark=b"235.5"),
    )

    def read(number: int) -> list[dict[str, Any]]:
        out = RowBuffer()
        decoder.decode(json.dumps(records[number]["raw"]).encode(), RECEIVED_NS, out)
        return [row for row in rows_of(out, INSTRUMENTS) if row["kind"] != "gap"]

    (executed,), repeated = read(12), read(13)
    key = records[12]["tardis_normalized"][0]
    assert (executed["taker"], executed["price"], executed["quantity"], executed["sequence"]) == (
        key["side"], key["price"], key["amount"], int(key["id"]),
    )  # fmt: skip
    assert repeated == []
    mark, funding, level = read(10)
    key = records[10]["tardis_normalized"][0]
    assert (mark["mark_price"], mark["index_price"]) == (key["markPrice"], key["indexPrice"])
    assert (funding["rate"], level["quantity"]) == (key["fundingRate"], key["openInterest"])
    assert read(14) == read(16) == [], "half a day old when they were sent"
    match, trigger = read(19), read(20)
    assert match == [], "told of before its trigger"
    key = records[20]["tardis_normalized"][0]
    assert [(row["position"], row["quantity"], row["price"]) for row in trigger] == [
        ("short", key["amount"], 235.5)
    ]
    assert key["side"] == "buy", "the forced order of the key closes the short"
