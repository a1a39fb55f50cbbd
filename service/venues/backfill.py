"""Rows of one instrument's REST history, gathered in any order and written in the order of time.

One underlying has one order of rows, so open interest, funding and candles of a span must be interleaved
before they are written. The end of the span stands for the time of asking: nothing here has a clock.
"""

from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Final

from service.venues.decode import HOUR_MS, HOUR_NS, NAN, NS_PER_MS, contract
from streams.events import Flag, Kind, RowBuffer
from streams.instruments import Instrument

_BACKFILL: Final = int(Flag.BACKFILL)
_SETTLED: Final = int(Flag.BACKFILL | Flag.SETTLED)


class Backfill:
    """The history of `instrument` from `from_ns` to before `to_ns`. What lies outside is dropped."""

    def __init__(self, instrument: Instrument, from_ns: int, to_ns: int) -> None:
        self.contract = contract(instrument)
        self.from_ms = -(-from_ns // NS_PER_MS)
        self.to_ms = to_ns // NS_PER_MS
        self._to_ns = to_ns
        self._rows: list[tuple[int, Kind, tuple[Any, ...]]] = []

    def _add(self, at_ms: int, kind: Kind, arguments: tuple[Any, ...]) -> None:
        if self.from_ms <= at_ms < self.to_ms:
            self._rows.append((at_ms, kind, arguments))

    def open_interest(
        self,
        at_ms: int,
        *,
        coin: float,
        notional_usd: float,
        mark_price: float = NAN,
        flags: int = 0,
    ) -> None:
        """Add a sample of open interest, one side."""
        c = self.contract
        self._add(at_ms, Kind.OPEN_INTEREST, (
            Kind.OPEN_INTEREST, 0, flags | _BACKFILL | c.assumed, c.id, at_ms * NS_PER_MS, self._to_ns, 0,
            coin, notional_usd, mark_price,
        ))  # fmt: skip

    def settlements(self, rates: Mapping[int, float], *, every_ns: int = 0) -> None:
        """Add settled funding by its time in ms. A rate is for the time since the settlement before.

        `every_ns` is given where the venue says what each rate is for, so that one that is missing does not
        stretch the next.
        """
        c = self.contract
        before_ms: int | None = None
        for at_ms, rate in sorted(rates.items()):
            interval_ns, flags = c.interval_ns, c.interval_flags
            if every_ns:
                interval_ns, flags = every_ns, 0
            elif before_ms is not None and (hours := _whole_hours(at_ms - before_ms)):
                interval_ns, flags = hours * HOUR_NS, 0
            before_ms = at_ms
            at_ns = at_ms * NS_PER_MS
            self._add(at_ms, Kind.FUNDING, (
                _SETTLED | flags, c.id, at_ns, self._to_ns, rate, interval_ns, at_ns + interval_ns,
            ))  # fmt: skip

    def hourly_closes(self, marks: Mapping[int, float], indices: Mapping[int, float]) -> None:
        """Add mark and index closes of hourly candles, keyed by the candle's start in ms.

        A close is known when its hour is over, so the row is at the candle's end.
        """
        c = self.contract
        for start_ms, mark in marks.items():
            at_ms = start_ms + HOUR_MS
            self._add(at_ms, Kind.MARK, (
                Kind.MARK, 0, _BACKFILL, c.id, at_ms * NS_PER_MS, self._to_ns, 0,
                mark / c.unit, indices.get(start_ms, NAN) / c.unit, NAN,
            ))  # fmt: skip

    def write(self, out: RowBuffer) -> None:
        """Write everything, oldest first; at one time a mark goes before what it values."""
        for _, kind, arguments in sorted(self._rows, key=itemgetter(0, 1)):
            if kind is Kind.FUNDING:
                out.funding(*arguments)
            else:
                out.floats(*arguments)


def _whole_hours(span_ms: int) -> int:
    """Return the hours between two settlements, 0 if they cannot be neighbours."""
    hours = round(span_ms / HOUR_MS)
    return hours if hours <= 24 else 0
