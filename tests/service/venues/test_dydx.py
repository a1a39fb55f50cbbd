"""dYdX over REST, what is said on which connection, and the numbers of its messages."""

import json
from typing import Any

import pytest

from service.venue import MalformedFrame, RestRequest, VenueRefused
from service.venues import dydx
from service.venues.dydx_rest import moment_ns
from streams.events import Channel, Kind, RowBuffer, block_rows
from streams.instruments import instrument
from tests.service.venues.cases import HOUR_NS, RECEIVED_NS, rows_of, same
from tests.service.venues.cases_dydx import (
    ANSWERS,
    ASKED,
    CONNECTED,
    CONNECTION,
    INSTRUMENTS,
    told,
    trade,
    trades,
)
from tests.service.venues.conversations import HOUR, T0, converse

FROM_MS, TO_MS = T0 + 6 * HOUR, T0 + 11 * HOUR
SPAN = FROM_MS * 1_000_000, TO_MS * 1_000_000
NAN = float("nan")
SECOND_NS = 1_000_000_000


def hour(number: float) -> str:
    """Return the moment so many hours after T0, 2026-10-01 00:00 UTC."""
    whole, rest = divmod(int(number * 3600), 3600)
    return f"2026-10-01T{whole:02}:{rest // 60:02}:{rest % 60:02}.000Z"


def market(status: str = "ACTIVE", **other: Any) -> dict[str, Any]:
    """Return one market of the listing, abridged."""
    return {
        "clobPairId": "0",
        "status": status,
        "stepSize": "0.0001",
        "atomicResolution": -10,
        **other,
    }


def test_discovery_takes_active_markets_of_known_coins() -> None:
    markets = {
        "BTC-USD": market(),
        "ETH-USD": market(stepSize="1e400", atomicResolution=10**30, oraclePrice="-1"),
        "1INCH-USD": market(),
        "FTM-USD": market("FINAL_SETTLEMENT"),
        "NEW-USD": market("INITIALIZING"),
        "BUFFI,UNISWAP_V3,0X4C1B1302220D7DE5C22B495E78B72F2DD2457D45-USD": market(),
        "1000NEWCOIN-USD": market(),
        "BTC-EUR": market(),
    }
    universe, asked = converse(dydx.discover(), lambda _: {"markets": markets})
    assert [request.path for request in asked] == ["/v4/perpetualMarkets"]
    found = {s.symbol: (s.underlying, s.quote, s.contract_size) for s in universe.instruments}
    assert found == {
        "BTC-USD": ("BTC", "USDC", "1"),
        "ETH-USD": ("ETH", "USDC", "1"),
        "1INCH-USD": ("1INCH", "USDC", "1"),
    }
    assert {spec.funding_interval_ns for spec in universe.instruments} == {HOUR_NS}
    assert len(universe.unmapped) == 2, "a pool's coin and a scaled name are not guessed"


@pytest.mark.parametrize(
    "body", [b"null", b"{}", b'{"markets":[]}', b'{"markets":{"BTC-USD":7}}', b"\xff"]
)
def test_discovery_of_nonsense_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedFrame):
        converse(dydx.discover(), lambda _: body)


@pytest.mark.parametrize(
    ("symbol", "coin"), [("BTC-USD", "BTC"), ("-USD", None), ("BTC", None), ("A,B-USD", None)]
)
def test_what_a_symbol_implies(symbol: str, coin: str | None) -> None:
    spec = dydx.assume(symbol)
    assert (None if spec is None else spec.underlying) == coin


def settled(at: float, rate: str = "0.00001", **other: Any) -> dict[str, Any]:
    """Return one settlement."""
    return {"ticker": "x", "rate": rate, "effectiveAtHeight": "1", "effectiveAt": hour(at), **other}


def candle(at: float, size: str) -> dict[str, Any]:
    """Return one candle, abridged."""
    return {"startedAt": hour(at), "ticker": "x", "open": "1", "startingOpenInterest": size}


def history_answer(request: RestRequest) -> Any:
    """Answer with pages of two, newest first."""
    if request.path.startswith("/v4/candles/perpetualMarkets/"):
        assert request.params["resolution"] == "1HOUR"
        assert request.params["fromISO"] == hour(6)
        pages = {
            hour(11): [candle(10, "700"), candle(9, "600")],
            hour(9): [candle(8, "0"), candle(6, "500")],
        }
        return {"candles": pages[request.params["toISO"]]}
    pages = {
        "2026-10-01T10:59:59.999Z": [settled(10, price="61000"), settled(8, "-0.00002")],
        "2026-10-01T07:59:59.999Z": [settled(7, price="60000"), settled(5, "0.5", price="1")],
    }
    return {"historicalFunding": pages[request.params["effectiveBeforeOrAt"]]}


def test_history_interleaves_open_interest_funding_and_oracle_prices() -> None:
    out = RowBuffer()
    _, asked = converse(dydx.history(INSTRUMENTS["BTC-USD"], *SPAN, out), history_answer)
    rows = rows_of(out, INSTRUMENTS)
    names = {
        "mark": ("mark_price", "index_price", "mid_price"),
        "open_interest": ("quantity", "notional_usd"),
        "funding": ("rate", "interval_ns"),
    }
    expected: list[tuple[str, int, tuple[float, ...]]] = [
        ("open_interest", 6, (500.0, NAN)),
        ("mark", 7, (60000.0, 60000.0, NAN)),
        ("funding", 7, (0.00001, HOUR_NS)),
        ("funding", 8, (-0.00002, HOUR_NS)),
        ("open_interest", 8, (0.0, NAN)),
        ("open_interest", 9, (600.0, NAN)),
        ("mark", 10, (61000.0, 61000.0, NAN)),
        ("funding", 10, (0.00001, HOUR_NS)),
        ("open_interest", 10, (700.0, NAN)),
    ]
    assert [(row["kind"], row["exchange_ns"]) for row in rows] == [
        (kind, (T0 + at * HOUR) * 1_000_000) for kind, at, _ in expected
    ]
    for row, (kind, _, numbers) in zip(rows, expected, strict=True):
        got = [row[name] for name in names[kind]]
        assert all(same(float(a), b) for a, b in zip(numbers, got, strict=True)), row
        assert "backfill" in row["flags"]
    assert len(asked) == 4


def test_history_of_a_market_that_has_none_asks_twice() -> None:
    out = RowBuffer()
    empty = {"candles": [], "historicalFunding": []}
    _, asked = converse(dydx.history(INSTRUMENTS["BTC-USD"], *SPAN, out), lambda _: empty)
    assert (out.rows, len(asked)) == (0, 2)


def test_pages_that_repeat_themselves_end() -> None:
    out = RowBuffer()
    page = {"candles": [candle(10, "1")], "historicalFunding": [settled(10)]}
    _, asked = converse(dydx.history(INSTRUMENTS["BTC-USD"], *SPAN, out), lambda _: page)
    assert len(asked) == 4
    assert out.rows == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("yesterday", "type"),
        ("1724371198855", "type"),
        ("2024-08-22T23:59:58.855", "type"),  # of no zone
        ("2014-12-31T23:59:59.999Z", "range"),
        ("2100-01-01T00:00:00.000Z", "range"),
        ("2024-13-22T23:59:58.855Z", "type"),
    ],
)
def test_moments_that_are_none(text: str, reason: str) -> None:
    with pytest.raises(MalformedFrame) as caught:
        moment_ns(text)
    assert caught.value.reason == reason
    frame = trades(b"BTC-USD", trade(b"BUY", b"1", b"5"), trade(b"BUY", b"1", b"5"))
    at = frame.rindex(b"2024-08-22T23:59:58.855Z")
    out = RowBuffer()
    with pytest.raises(MalformedFrame):
        dydx.decoder(INSTRUMENTS).decode(
            frame[:at] + text.encode() + frame[at + 24 :], RECEIVED_NS, out
        )
    assert out.rows == 0


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2024-08-22T23:59:58.855Z", 1_724_371_198_855_000_000),
        ("2024-08-22T23:59:58.855123Z", 1_724_371_198_855_123_000),
        ("2024-08-23T01:59:58.855+02:00", 1_724_371_198_855_000_000),
    ],
)
def test_moments_are_exact(text: str, ns: int) -> None:
    assert moment_ns(text) == ns


def test_connections_keep_to_the_limit_of_a_channel() -> None:
    specs = [
        instrument(venue="dydx", symbol=f"C{n}-USD", underlying=f"C{n}", quote="USDC")
        for n in range(70)
    ]
    plans = dydx.plan(specs)
    assert [len(plan.instruments) for plan in plans] == [32, 32, 6]
    for plan in plans:
        said = [json.loads(frame) for frame in plan.subscribe]
        assert said[0] == {"type": "subscribe", "channel": "v4_markets"}
        assert {(one["channel"], one["batched"]) for one in said[1:]} == {("v4_trades", False)}
        assert [one["id"] for one in said[1:]] == [spec.symbol for spec in plan.instruments]
        assert plan.control == Channel.MARK | Channel.FUNDING | Channel.OPEN_INTEREST
        assert plan.channels == Channel.ALL
    assert dydx.SPEC.sends_per_s <= 2


def gaps(out: RowBuffer) -> list[dict[str, Any]]:
    """Return the GAP rows."""
    return [row for row in rows_of(out, INSTRUMENTS) if row["kind"] == "gap"]


def test_a_hole_is_of_since_the_last_message_before_it() -> None:
    decoder, out = dydx.decoder(INSTRUMENTS), RowBuffer()
    for n, frame in enumerate((CONNECTED, *ANSWERS, told(5))):
        decoder.decode(frame, RECEIVED_NS + n * SECOND_NS, out)
    out.clear()
    decoder.decode(told(9), RECEIVED_NS + 60 * SECOND_NS, out)
    found = gaps(out)
    assert [row["symbol"] for row in found] == list(INSTRUMENTS)
    assert {(row["from_ns"], row["to_ns"]) for row in found} == {
        (RECEIVED_NS + 5 * SECOND_NS, RECEIVED_NS + 60 * SECOND_NS)
    }
    assert block_rows(bytes(out.view()))["kind"].tolist() == [Kind.GAP] * 3 + [Kind.TRADE]


def test_a_hole_that_answers_might_have_filled_is_of_when_it_came() -> None:
    decoder, out = dydx.decoder(INSTRUMENTS), RowBuffer()
    frames = (CONNECTED, ANSWERS[0], told(3), told(4), *[told(n) for n in (5, 6)])
    for n, frame in enumerate(frames):
        decoder.decode(frame, RECEIVED_NS + n * SECOND_NS, out)
    assert gaps(out) == []
    for n in range(7, 7 + ASKED - 1):  # none of the answers that were awaited has the number 2
        answer = ANSWERS[0].replace(b'"message_id":1', b'"message_id":%d' % n)
        decoder.decode(answer, RECEIVED_NS + n * SECOND_NS, out)
    assert {(row["from_ns"], row["to_ns"]) for row in gaps(out)} == {
        (RECEIVED_NS + SECOND_NS, RECEIVED_NS + 9 * SECOND_NS)
    }


@pytest.mark.parametrize(
    "bad",
    [
        told(7).replace(b'"price":"5"', b'"price":"-5"'),
        b'{"type":"error","message":"x","connection_id":"%b","message_id":7}' % CONNECTION,
    ],
)
def test_a_hole_before_a_frame_that_leaves_no_row_is_told_of_with_the_next(bad: bytes) -> None:
    decoder, out = dydx.decoder(INSTRUMENTS), RowBuffer()
    for frame in (CONNECTED, *ANSWERS, told(5)):
        decoder.decode(frame, RECEIVED_NS, out)
    out.clear()
    with pytest.raises((MalformedFrame, VenueRefused)):
        decoder.decode(bad, RECEIVED_NS, out)
    assert out.rows == 0
    decoder.decode(told(8), RECEIVED_NS + SECOND_NS, out)
    assert {(row["from_ns"], row["to_ns"]) for row in gaps(out)} == {
        (RECEIVED_NS, RECEIVED_NS + SECOND_NS)
    }


def test_a_refusal_is_an_answer() -> None:
    """The number of a refused subscription is used up, so nothing is awaited for it."""
    refused = b'{"type":"error","message":"no","connection_id":"%b","message_id":4}' % CONNECTION
    decoder, out = dydx.decoder(INSTRUMENTS), RowBuffer()
    for frame in (CONNECTED, *ANSWERS[:3]):
        decoder.decode(frame, RECEIVED_NS, out)
    with pytest.raises(VenueRefused):
        decoder.decode(refused, RECEIVED_NS, out)
    decoder.decode(told(5), RECEIVED_NS, out)
    assert gaps(out) == []
    decoder.decode(told(7), RECEIVED_NS, out)
    assert len(gaps(out)) == 3


@pytest.mark.parametrize("number", [2**63 - 1, 10**6])
def test_a_number_far_ahead_costs_nothing(number: int) -> None:
    decoder, out = dydx.decoder(INSTRUMENTS), RowBuffer()
    decoder.decode(CONNECTED, RECEIVED_NS, out)
    decoder.decode(told(number), RECEIVED_NS, out)
    assert len(gaps(out)) == 3
