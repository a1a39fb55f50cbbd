"""What a venue, or whoever sits between, may send: rows, nothing, or `MalformedFrame`, with exact reasons."""

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.venue import MalformedFrame, VenueRefused
from service.venues.decode import MAX_BODY_BYTES, MAX_FRAME_BYTES, REASONS, read_body
from service.venues.registry import VENUES
from streams.events import VIEWS, Kind, RowBuffer, block_rows
from tests.service.venues import cases_bybit, cases_okx, every
from tests.service.venues.cases import RECEIVED_NS
from tests.service.venues.every import INSTRUMENTS
from tests.service.venues.sanity import insane

#: What the first three venues must say exactly; all venues are in `test_hostile_every`.
GOOD = {venue: every.GOOD[venue] for venue in ("binance_usdm", "bybit", "okx")}
EACH = [(venue, kind) for venue, kinds in GOOD.items() for kind in kinds]


def reason_of(venue: str, frame: bytes) -> str:
    """Feed one bad frame, then a good one; return the reason of the bad one's error."""
    decoder = VENUES[venue].decoder(INSTRUMENTS[venue])
    out = RowBuffer()
    good = GOOD[venue]["trade"][0]
    decoder.decode(good, RECEIVED_NS, out)
    with pytest.raises(MalformedFrame) as caught:
        decoder.decode(frame, RECEIVED_NS, out)
    assert out.rows == 1, "a malformed frame leaves no row"
    assert decoder.decode(good, RECEIVED_NS, out) == "trade"
    assert out.rows == 2, "and the next good one is read"
    assert caught.value.reason in REASONS
    return caught.value.reason


@pytest.mark.parametrize(("venue", "kind"), EACH)
def test_truncated_anywhere(venue: str, kind: str) -> None:
    frame = GOOD[venue][kind][0]
    reasons = {reason_of(venue, frame[:length]) for length in range(len(frame))}
    assert reasons <= {"truncated", "range"}, "a number cut short may be out of range first"
    assert reason_of(venue, frame[:-1]) == "truncated"


BAD_NUMBERS = [
    (b'"NaN"', "range"),
    (b'"nan"', "range"),
    (b'"Infinity"', "range"),
    (b'"-Infinity"', "range"),
    (b'"inf"', "range"),
    (b'"1e400"', "range"),
    (b"1e400", "range"),
    (b'"1e15"', "range"),
    (b'"0"', "range"),
    (b"0", "range"),
    (b'"-1"', "range"),
    (b"-0.5", "range"),
    (b"NaN", "json"),
    (b"Infinity", "json"),
    (b'"x"', "type"),
    (b'"1_0"', "type"),
    (b'" 1"', "type"),
    (b'"0x10"', "type"),
    (b"[1]", "type"),
    (b"{}", "type"),
    (b"true", "type"),
]


@pytest.mark.parametrize(("number", "reason"), BAD_NUMBERS)
@pytest.mark.parametrize(("venue", "kind"), EACH)
def test_bad_prices(venue: str, kind: str, number: bytes, reason: str) -> None:
    frame, price, _ = GOOD[venue][kind]
    assert frame.count(price) >= 1
    assert reason_of(venue, frame.replace(price, number, 1)) == reason


@pytest.mark.parametrize(("venue", "kind"), [pair for pair in EACH if pair[1] != "ticker"])
@pytest.mark.parametrize("number", [b'""', b"null"])
def test_absent_prices(venue: str, kind: str, number: bytes) -> None:
    frame, price, _ = GOOD[venue][kind]
    assert reason_of(venue, frame.replace(price, number, 1)) == "type"


TIMES = {
    "binance_usdm": (b"1791269849651", b"%b"),
    "bybit": (b"1672304486865", b"%b"),
    "okx": (b'"1630048897897"', b'"%b"'),
}
BAD_TIMES = [
    (b"0", "range"),
    (b"1420070399999", "range"),  # a millisecond before 2015
    (b"4102444800000", "range"),  # 2100
    (b"1630048897", "range"),  # seconds
    (b"1630048897897000", "range"),  # microseconds
    (b"-1630048897897", "range"),
    (b"99999999999999999999999999", "range"),
    (b"1630048897897.5", "type"),
    (b"yesterday", "type"),
]


@pytest.mark.parametrize(("time", "reason"), BAD_TIMES)
@pytest.mark.parametrize("venue", list(GOOD))
def test_bad_times(venue: str, time: bytes, reason: str) -> None:
    old, form = TIMES[venue]
    if time == b"yesterday":
        form = b'"%b"'
    assert reason_of(venue, GOOD[venue]["trade"][0].replace(old, form % time)) == reason


@pytest.mark.parametrize(
    ("venue", "old", "new", "reason"),
    [
        ("binance_usdm", b'"a":3476312671', b'"a":18446744073709551616', "range"),
        ("binance_usdm", b'"a":3476312671', b'"a":-1', "range"),
        ("binance_usdm", b'"m":true', b'"m":"maybe"', "type"),
        ("binance_usdm", b'"q":"0.004"', b'"q":"0"', "range"),
        ("binance_usdm", b'"q":"0.004",', b"", "type"),
        ("binance_usdm", b'"e":"aggTrade"', b'"e":"somethingNew"', "unknown"),
        ("binance_usdm", b'"e":"aggTrade",', b"", "unknown"),
        ("bybit", b'"S":"Buy"', b'"S":"buy"', "type"),
        ("bybit", b'"v":"0.001"', b'"v":"-0.001"', "range"),
        ("bybit", b"publicTrade.", b"somethingNew.", "unknown"),
        ("okx", b'"side":"buy"', b'"side":"long"', "type"),
        ("okx", b'"sz":"12"', b'"sz":"0"', "range"),
        ("okx", b'"tradeId":"130639474"', b'"tradeId":"18446744073709551616"', "range"),
        ("okx", b'"trades"', b'"something-new"', "unknown"),
    ],
)
def test_bad_fields_of_trades(venue: str, old: bytes, new: bytes, reason: str) -> None:
    frame = GOOD[venue]["trade"][0]
    assert old in frame
    assert reason_of(venue, frame.replace(old, new)) == reason


@pytest.mark.parametrize("rate", [b'"1"', b'"-1"', b'"100"', b'"NaN"'])
def test_rates_beyond_all_caps(rate: bytes) -> None:
    frame = GOOD["binance_usdm"]["mark"][0].replace(b'"0.0001"', rate)
    assert reason_of("binance_usdm", frame) == "range"
    assert reason_of("bybit", cases_bybit.SNAPSHOT.replace(b'"-0.0005"', rate)) == "range"
    item = b'"fundingRate":%b,"fundingTime":"1744590349506","ts":"1744580000000"' % rate
    assert reason_of("okx", cases_okx.push(b"funding-rate", cases_okx.SWAP, item)) == "range"


def test_open_interest_may_be_zero_and_not_negative() -> None:
    frame = cases_bybit.SNAPSHOT.replace(
        b'"singleOpenInterest":"500"', b'"singleOpenInterest":"%b"'
    )
    assert reason_of("bybit", frame % b"-1") == "range"
    out = RowBuffer()
    VENUES["bybit"].decoder(INSTRUMENTS["bybit"]).decode(frame % b"0", RECEIVED_NS, out)
    row = block_rows(bytes(out.view())).view(VIEWS[Kind.OPEN_INTEREST])[-1]
    assert (row["quantity"], row["notional_usd"]) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("venue", "kind"), [pair for pair in EACH if pair != ("okx", "liquidation")]
)
def test_symbols_we_did_not_ask_for(venue: str, kind: str) -> None:
    frame, _, symbol = GOOD[venue][kind]
    assert reason_of(venue, frame.replace(symbol, b"NOSUCHCOIN")) == "symbol"


def test_one_bad_trade_of_many_takes_all_with_it() -> None:
    good = cases_bybit.trade(b"BTCUSDT", b"Buy", b"1", b"5")
    for bad in (
        cases_bybit.trade(b"NOSUCH", b"Buy", b"1", b"5"),
        cases_bybit.trade(b"BTCUSDT", b"Buy", b"1", b"0"),
    ):
        reason_of("bybit", cases_bybit.trades(b"BTCUSDT", good, good, bad))


@pytest.mark.parametrize("venue", list(GOOD))
@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"data":', b'{"stream":', b'{"topic":['])
def test_deep_nesting(venue: str, opening: bytes) -> None:
    reason_of(venue, opening * 100_000)


@pytest.mark.parametrize(("venue", "kind"), EACH)
def test_deep_nesting_beside_a_good_event(venue: str, kind: str) -> None:
    frame = GOOD[venue][kind][0]
    deep = b'"deep":' + b"[" * 100_000 + b"]" * 100_000 + b","
    for at in (b'"e":', b'"T":', b'"symbol":', b'"instId":', b'"details":'):
        if at in frame:
            assert reason_of(venue, frame.replace(at, deep + at, 1)) == "depth"


@pytest.mark.parametrize("venue", list(GOOD))
def test_size(venue: str) -> None:
    good = GOOD[venue]["trade"][0]
    assert reason_of(venue, b"x" * 50_000_000) == "size"
    assert reason_of(venue, good + b" " * (MAX_FRAME_BYTES + 1 - len(good))) == "size"
    out = RowBuffer()
    decoder = VENUES[venue].decoder(INSTRUMENTS[venue])
    decoder.decode(good + b" " * (MAX_FRAME_BYTES - len(good)), RECEIVED_NS, out)
    assert out.rows == 1


@pytest.mark.parametrize(("venue", "kind"), EACH)
def test_symbols_that_are_no_utf8(venue: str, kind: str) -> None:
    frame, _, symbol = GOOD[venue][kind]
    key = {"binance_usdm": b'"s":"', "bybit": b'"s":"', "okx": b'"instId":"'}[venue]
    if kind == "ticker":
        key = b'"symbol":"'
    broken = symbol[:-2] + b"\xff\xfe"
    last = frame.rindex(key + symbol)
    assert reason_of(venue, frame[:last] + frame[last:].replace(symbol, broken, 1)) == "utf8"


@pytest.mark.parametrize("venue", list(GOOD))
@pytest.mark.parametrize(
    "frame", [b"", b" ", b"null", b"0", b'"pong"', b"[]", b"{}", b"\xff\xfe", b"\x00"]
)
def test_hardly_anything(venue: str, frame: bytes) -> None:
    reason_of(venue, frame)


def test_a_body_is_bounded_too() -> None:
    with pytest.raises(MalformedFrame) as caught:
        read_body(msgspec.json.Decoder(list[int]), b" " * (MAX_BODY_BYTES + 1))
    assert caught.value.reason == "size"


SEEDS = [
    *[(venue, kind[0]) for venue, kinds in GOOD.items() for kind in kinds.values()],
    ("bybit", cases_bybit.delta(b'"markPrice":"60010","fundingRate":"0.1","openInterest":"5"')),
    ("okx", cases_okx.index(b"BTC-USDT", b"59990", cases_okx.T0)),
    ("okx", b'{"event":"subscribe","arg":{"channel":"liquidation-orders","instType":"SWAP"}}'),
    ("binance_usdm", b'{"result":null,"id":1}'),
]
_TOKENS = st.sampled_from([
    b"", b'"', b"0", b"-", b"1e999", b"null", b"[", b"]", b"{", b"}", b",", b":", b'""', b"\xff", b"\\u0000",
    b"NaN", b"9" * 40, b"\\ud800",
])  # fmt: skip
_CUTS = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 6), st.one_of(_TOKENS, st.binary(max_size=3))),
    min_size=1,
    max_size=4,
)


@settings(max_examples=400, deadline=None)
@given(seed=st.sampled_from(SEEDS), cuts=_CUTS)
@example(seed=SEEDS[0], cuts=[(0, 6, b"")])
def test_mutated_bytes_give_rows_or_nothing_or_malformed(
    seed: tuple[str, bytes], cuts: list[tuple[int, int, bytes]]
) -> None:
    venue, frame = seed
    for at, drop, put in cuts:
        frame = frame[: at % (len(frame) + 1)] + put + frame[at % (len(frame) + 1) + drop :]
    decoder = VENUES[venue].decoder(INSTRUMENTS[venue])
    out = RowBuffer()
    good = GOOD[venue].get("ticker", GOOD[venue]["mark"] if venue != "bybit" else None)
    assert good is not None
    decoder.decode(good[0], RECEIVED_NS, out)
    before = out.rows
    reason = None
    try:
        decoder.decode(frame, RECEIVED_NS, out)
    except MalformedFrame as error:
        reason = error.reason
    except VenueRefused:
        reason = "refused"
    assert reason is None or (reason in REASONS | {"refused"} and out.rows == before)
    assert insane(bytes(out.view(before)), INSTRUMENTS[venue]) == []
    assert decoder.decode(GOOD[venue]["trade"][0], RECEIVED_NS, out) == "trade"
