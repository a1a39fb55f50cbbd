"""Frames as the venues document them, and what each must become, computed by hand.

A case is frames fed in order to one new decoder; `rows` are what the last of them must write. The check is
plain Python, so that the mutation test can run it against mutated modules.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from service.venue import Venue
from streams.events import Channel, RowBuffer, block_rows, row_to_dict
from streams.instruments import Instrument, instrument

HOUR_NS = 3_600_000_000_000
RECEIVED_NS = 1_791_269_850_000_000_000
NAN = float("nan")


class Case(NamedTuple):
    """Frames for one decoder, and what the last one must become."""

    name: str
    frames: tuple[bytes, ...]
    says: str
    rows: tuple[dict[str, Any], ...]


class Polled(NamedTuple):
    """A REST body that answers the poll of a symbol's channel, and what it must become."""

    name: str
    symbol: str
    channel: Channel
    body: bytes
    rows: tuple[dict[str, Any], ...]


AnyCase = Case | Polled


class Mutant(NamedTuple):
    """A way to misread a venue: `old` stands once in its module (or in `module`), `new` in its place."""

    what: str
    old: str
    new: str
    module: str = ""


def listed(venue: str, *specs: tuple[str, str, str, dict[str, Any]]) -> dict[str, Instrument]:
    """Return instruments of (symbol, coin, quote, what else `instrument` takes) by symbol."""
    return {
        symbol: instrument(venue=venue, symbol=symbol, underlying=coin, quote=quote, **rest)
        for symbol, coin, quote, rest in specs
    }


#: What an instrument takes besides, where funding is paid each eight hours.
EIGHT_HOURS: dict[str, Any] = {"funding_interval_ns": 8 * HOUR_NS}


def rows_of(out: RowBuffer, instruments: Mapping[str, Instrument]) -> list[dict[str, Any]]:
    """Return the rows of a buffer for people, the symbol in place of the id."""
    symbols = {spec.id: symbol for symbol, spec in instruments.items()}
    rows = [row_to_dict(row) for row in block_rows(bytes(out.view()))]
    for row in rows:
        row["symbol"] = symbols[row.pop("instrument")]
    return rows


def same(expected: object, actual: object) -> bool:
    """Compare, floats to 1e-12 and NaN equal to NaN."""
    if isinstance(expected, float) and isinstance(actual, int | float):
        if math.isnan(expected):
            return math.isnan(actual)
        return math.isclose(expected, actual, rel_tol=1e-12, abs_tol=0.0)
    return expected == actual


def differences(expected: dict[str, Any], actual: dict[str, Any]) -> list[str]:
    """Say in which of the expected fields a row differs."""
    return [
        f"{name}: expected {value!r}, got {actual.get(name)!r}"
        for name, value in expected.items()
        if not same(value, actual.get(name))
    ]


def written(
    venue: Venue, instruments: Mapping[str, Instrument], case: AnyCase
) -> tuple[str, list[dict[str, Any]]]:
    """Run a case against a venue module; return what it says of the last frame, and the rows of that."""
    out = RowBuffer()
    if isinstance(case, Polled):
        poll = next(
            poll
            for poll in venue.polls(list(instruments.values()))
            if poll.instrument.symbol == case.symbol and case.channel in poll.channel
        )
        poll.decode(case.body, RECEIVED_NS, out)
        return "", rows_of(out, instruments)
    decoder = venue.decoder(instruments)
    says = ""
    for frame in case.frames:
        out.clear()
        says = decoder.decode(frame, RECEIVED_NS, out)
    return says, rows_of(out, instruments)


def problems(venue: Venue, instruments: Mapping[str, Instrument], case: AnyCase) -> list[str]:
    """Run a case against a venue module; return what is wrong."""
    says, rows = written(venue, instruments, case)
    expected_says = "" if isinstance(case, Polled) else case.says
    found = [] if says == expected_says else [f"says {says}, expected {expected_says}"]
    if len(rows) != len(case.rows):
        return [*found, f"{len(rows)} rows, expected {len(case.rows)}: {rows}"]
    for at, (expected, actual) in enumerate(zip(case.rows, rows, strict=True)):
        found += [f"row {at} {line}" for line in differences(expected, actual)]
    return found
