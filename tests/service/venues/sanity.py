"""What every row must be, whatever a venue sent: numbers that may go into the engine."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from streams.events import VIEWS, Flag, Kind, block_rows
from streams.instruments import Instrument

MIN_NS = 1_420_070_400 * 10**9  # 2015
MAX_NS = 4_102_444_800 * 10**9  # 2100
WEEK_NS = 7 * 24 * 3_600 * 10**9
_FLAGS = sum(Flag)


def insane(block: bytes, instruments: Mapping[str, Instrument]) -> list[str]:
    """Return what is wrong with the rows of a block, as text."""
    known = {spec.id for spec in instruments.values()}
    found = []
    for row in block_rows(block):
        try:
            kind = Kind(int(row["kind"]))
        except ValueError:
            found.append(f"kind {int(row['kind'])}")
            continue
        typed = row.reshape(1).view(VIEWS[kind])[0]
        wrong = [*_head(row, known), *_BODIES[kind](typed)]
        if wrong:
            found.append(f"{kind.name} {', '.join(wrong)}: {typed}")
    return found


def _head(row: Any, known: set[int]) -> Iterator[str]:
    if int(row["instrument"]) not in known:
        yield "unknown instrument"
    for name in ("exchange_ns", "received_ns"):
        if not MIN_NS <= int(row[name]) < MAX_NS:
            yield f"{name} out of range"
    if int(row["side"]) not in {-1, 0, 1}:
        yield "side"
    if int(row["flags"]) & ~_FLAGS:
        yield "unknown flags"


def _event(row: Any) -> Iterator[str]:
    """A trade or a liquidation has everything."""
    if int(row["side"]) == 0:
        yield "no side"
    for name in ("price", "quantity", "notional_usd"):
        if not 0 < float(row[name]) < math.inf:
            yield name


def _levels(*names: str) -> Any:
    """Levels may be missing, not all of them; what is there is finite."""

    def check(row: Any) -> Iterator[str]:
        values = [float(row[name]) for name in names]
        if all(map(math.isnan, values)):
            yield "nothing there"
        for name, value in zip(names, values, strict=True):
            if not (math.isnan(value) or 0 <= value < math.inf):
                yield name
            if "price" in name and value == 0:
                yield f"{name} is zero"

    return check


def _funding(row: Any) -> Iterator[str]:
    if not -1 < float(row["rate"]) < 1:
        yield "rate"
    if not 0 < int(row["interval_ns"]) <= WEEK_NS:
        yield "interval_ns"
    due_ns = int(row["next_funding_ns"])
    if due_ns and not MIN_NS <= due_ns < MAX_NS:
        yield "next_funding_ns"


def _gap(row: Any) -> Iterator[str]:
    if not int(row["channels"]):
        yield "channels"


def _never(_row: Any) -> Iterator[str]:
    yield "no row of a decoder"


_BODIES: Mapping[Kind, Any] = {
    Kind.TRADE: _event,
    Kind.LIQUIDATION: _event,
    Kind.MARK: _levels("mark_price", "index_price", "mid_price"),
    Kind.OPEN_INTEREST: _levels("quantity", "notional_usd"),
    Kind.FUNDING: _funding,
    Kind.GAP: _gap,
    **dict.fromkeys(
        (Kind.HEARTBEAT, Kind.FEED_UP, Kind.FEED_DOWN, Kind.INSTRUMENT, Kind.BACKFILL_END), _never
    ),
}
