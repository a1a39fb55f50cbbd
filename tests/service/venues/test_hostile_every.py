"""Hostile frames for every venue: rows that make sense, nothing, or a `VenueError`. Never anything else."""

import re

import pytest

from service.venue import Decoder, MalformedFrame, VenueRefused
from service.venues.decode import MAX_FRAME_BYTES, REASONS
from streams.events import Kind, RowBuffer, block_rows
from tests.service.venues.cases import RECEIVED_NS
from tests.service.venues.every import GOOD, INSTRUMENTS, opened
from tests.service.venues.sanity import insane

EACH = [(venue, kind) for venue, kinds in GOOD.items() for kind in kinds]
each = pytest.mark.parametrize(("venue", "kind"), EACH)
every_venue = pytest.mark.parametrize("venue", list(GOOD))

ROWS, NOTHING, REFUSED = "rows", "nothing", "refused"


def market_rows(out: RowBuffer) -> int:
    """Count rows that are no GAP."""
    return int((block_rows(bytes(out.view()))["kind"] != Kind.GAP).sum())


def outcome_of(venue: str, frame: bytes) -> str:
    """Feed a frame, then a good one to the same decoder; say what became of the first, or its reason."""
    decoder, out = opened(venue), RowBuffer()
    outcome = _fed(decoder, frame, out)
    assert outcome in REASONS | {ROWS, NOTHING, REFUSED}
    assert outcome in {ROWS, NOTHING} or out.rows == 0, "an error leaves no row"
    assert insane(bytes(out.view()), INSTRUMENTS[venue]) == []
    out.clear()
    decoder.decode(GOOD[venue]["trade"][0], RECEIVED_NS, out)
    assert outcome == ROWS or market_rows(out) > 0, "the next good frame is read"
    return outcome


def _fed(decoder: Decoder, frame: bytes, out: RowBuffer) -> str:
    try:
        decoder.decode(frame, RECEIVED_NS, out)
    except MalformedFrame as error:
        return error.reason
    except VenueRefused:
        return REFUSED
    return ROWS if market_rows(out) else NOTHING


@each
def test_good_frames_are_good(venue: str, kind: str) -> None:
    frame, price, symbol = GOOD[venue][kind]
    assert price in frame
    assert symbol in frame
    assert outcome_of(venue, frame) == ROWS
    assert "trade" in GOOD[venue]


@each
def test_truncated_anywhere(venue: str, kind: str) -> None:
    frame = GOOD[venue][kind][0]
    outcomes = [outcome_of(venue, frame[:length]) for length in range(len(frame))]
    assert ROWS not in outcomes
    assert outcomes[-1] in REASONS


NO_NUMBERS = [
    b'"NaN"', b'"nan"', b'"Infinity"', b'"-Infinity"', b'"inf"', b'"1e400"', b"1e400", b'"1e15"', b"1e15",
    b'"0"', b"0", b'"-1"', b"-0.5", b"NaN", b"Infinity", b'"x"', b'"1_0"', b'" 1"', b'"0x10"', b"[1]",
    b"{}", b"true", b'"1e-320"', b"1e-320", b'"5e-324"', b"5e-324",
]  # fmt: skip


@each
@pytest.mark.parametrize("number", NO_NUMBERS)
def test_bad_prices(venue: str, kind: str, number: bytes) -> None:
    frame, price, _ = GOOD[venue][kind]
    outcome = outcome_of(venue, frame.replace(price, number))
    if kind in {"trade", "liquidation"}:
        assert outcome in REASONS


@pytest.mark.parametrize(("venue", "kind"), [e for e in EACH if e[1] in {"trade", "liquidation"}])
@pytest.mark.parametrize("number", [b'""', b"null"])
def test_absent_prices(venue: str, kind: str, number: bytes) -> None:
    frame, price, _ = GOOD[venue][kind]
    assert outcome_of(venue, frame.replace(price, number)) != ROWS


#: What looks like a time of our days in seconds, milliseconds, microseconds or nanoseconds.
_TIMES = re.compile(rb"(?<![\d.])1[4-9]\d{8}(?:\d{3}|\d{6}|\d{9})?(?![\d.])")
BAD_TIMES = [
    b"0", b"1", b"1420070399", b"1420070399999", b"4102444800", b"4102444800000", b"1630048897",
    b"1630048897897", b"1630048897897000", b"1630048897897000000", b"-1630048897897", b"9" * 26, b"1e18",
    b"1630048897897.5", b"yesterday", b"null", b"",
]  # fmt: skip


@each
@pytest.mark.parametrize("time", BAD_TIMES)
def test_bad_times(venue: str, kind: str, time: bytes) -> None:
    frame = GOOD[venue][kind][0]
    outcome_of(venue, _TIMES.sub(time, frame))
    for found in _TIMES.finditer(frame):
        outcome_of(venue, frame[: found.start()] + time + frame[found.end() :])


@each
def test_symbols_we_did_not_ask_for(venue: str, kind: str) -> None:
    frame, _, symbol = GOOD[venue][kind]
    assert outcome_of(venue, frame.replace(symbol, b"NOSUCHCOIN")) != ROWS


@each
def test_symbols_that_are_no_utf8(venue: str, kind: str) -> None:
    frame, _, symbol = GOOD[venue][kind]
    assert outcome_of(venue, frame.replace(symbol, symbol[:-2] + b"\xff\xfe")) != ROWS


@every_venue
@pytest.mark.parametrize(
    "opening",
    [b"[", b'{"a":', b'{"data":', b'{"stream":', b'{"topic":[', b'[0,"te",[', b'{"params":'],
)
def test_deep_nesting(venue: str, opening: bytes) -> None:
    assert outcome_of(venue, opening * 100_000) != ROWS


@each
def test_deep_nesting_beside_a_good_event(venue: str, kind: str) -> None:
    frame = GOOD[venue][kind][0]
    deep = b"[" * 100_000 + b"]" * 100_000
    for at in (found.end() for found in re.finditer(rb"\{", frame)):
        outcome_of(venue, frame[:at] + b'"deep":' + deep + b"," + frame[at:])
    for at in (found.end() for found in re.finditer(rb"\[", frame)):
        outcome_of(venue, frame[:at] + deep + b"," + frame[at:])


@every_venue
def test_size(venue: str) -> None:
    good = GOOD[venue]["trade"][0]
    assert outcome_of(venue, b"x" * 50_000_000) == "size"
    assert outcome_of(venue, good + b" " * (MAX_FRAME_BYTES + 1 - len(good))) == "size"
    assert outcome_of(venue, good + b" " * (MAX_FRAME_BYTES - len(good))) == ROWS


@every_venue
@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b" ",
        b"null",
        b"0",
        b'"pong"',
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"\x00",
        b"true",
        b"[[]]",
        b'""',
        b"[null]",
    ],
)
def test_hardly_anything(venue: str, frame: bytes) -> None:
    assert outcome_of(venue, frame) != ROWS


@each
def test_every_field_missing_or_of_another_type(venue: str, kind: str) -> None:
    """Whatever value is taken out or replaced, rows that are left make sense."""
    frame = GOOD[venue][kind][0]
    for value in re.finditer(rb'(?<=[:,\[])("[^"]*"|-?[\d.]+|true|false|null)(?=[,\]}])', frame):
        for other in (b"null", b'""', b"[]", b"{}", b"-1", b'"x"', b"9" * 30):
            outcome_of(venue, frame[: value.start()] + other + frame[value.end() :])
