"""Takes back rows that must not be published: from the future, without time, or seen before.

While a connection is replaced, two deliver the same events, and after a reconnect venues replay some. Trades
with a sequence are told apart by it; liquidations, and trades without one, by their content. Where a venue's
ids count up by one, what is missing is known too: `Screen.holes`.
"""

import struct
from collections import Counter, deque
from typing import Final

import msgspec

from service.holes import Holes
from streams.events import Flag, Kind, RowBuffer
from streams.instruments import BadInstrument, UnknownInstrument

#: What hostile bytes may raise in a reader that forgot a case. Counted as "unexpected" and survived.
HOSTILE: Final = (
    ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError,
    struct.error, msgspec.MsgspecError, BadInstrument, UnknownInstrument,
)  # fmt: skip

#: Contents remembered; liquidations come a few a second at most.
REMEMBERED: Final = 8192

# Plain integers: this runs for every row, and members of an IntFlag are slow to combine.
_BACKFILL: Final = int(Flag.BACKFILL)
_OLD_NEWS: Final = int(Flag.BACKFILL | Flag.SNAPSHOT)
_TRADE: Final = int(Kind.TRADE)
_MARK: Final = int(Kind.MARK)
_LIQUIDATION: Final = int(Kind.LIQUIDATION)


class _Copies:
    """Lets the n-th copy of a content pass if no other connection has delivered n of it."""

    def __init__(self) -> None:
        self._passed: Counter[bytes] = Counter()
        self._seen: Counter[tuple[bytes, int]] = Counter()
        self._order: deque[tuple[bytes, int]] = deque()

    def is_new(self, key: bytes, connection: int) -> bool:
        self._seen[key, connection] += 1
        self._order.append((key, connection))
        if len(self._order) > REMEMBERED:
            forgotten = self._order.popleft()
            self._passed.pop(forgotten[0], None)
            self._seen.pop(forgotten, None)
        if self._seen[key, connection] <= self._passed[key]:
            return False
        self._passed[key] += 1
        return True


class Screen:
    """One venue's screen. `future_ns` is how far exchange time may be ahead of received time.

    `contiguous` says that the venue's trade ids count up by one: then `holes` knows what is missing.
    `overlaps` counts replacements under way: only then are trades without sequence compared by content.
    `lag_ns` is received minus exchange time of the last screened frame's first live price, or None.
    """

    def __init__(self, future_ns: int, *, contiguous: bool = False) -> None:
        self.overlaps = 0
        self.holes = Holes() if contiguous else None
        self.lag_ns: int | None = None
        self._future_ns = future_ns
        self._copies = _Copies()
        self._last: dict[
            int, tuple[int, int, int]
        ] = {}  # instrument: sequence, exchange_ns, connection

    def sift(self, out: RowBuffer, start: int, connection: int) -> list[str]:
        """Remove what must go from the rows written since `start`; return why, one word a row."""
        self.lag_ns = None
        reasons = []
        kept = start
        for row in range(start, out.rows):
            reason = self._reason(out, row, connection)
            if reason is not None:
                reasons.append(reason)
                continue
            if kept != row:
                out.move(row, kept)
            kept += 1
        out.truncate(kept)
        return reasons

    def _reason(self, out: RowBuffer, row: int, connection: int) -> str | None:
        kind, flags, instrument, exchange_ns, received_ns, sequence = out.head(row)
        if exchange_ns > received_ns + self._future_ns:
            return "future"
        if exchange_ns <= 0:
            return "no_time"
        if flags & _BACKFILL:
            return None
        if kind == _TRADE and sequence:
            if self.holes is not None:
                if not self.holes.is_new(instrument, sequence, exchange_ns, received_ns):
                    return "duplicate"
            elif self._repeated(instrument, sequence, exchange_ns, connection):
                return "duplicate"
        elif kind == _LIQUIDATION or (kind == _TRADE and self.overlaps):
            whole = out.row(row)
            key = whole[:2] + whole[8:24] + whole[32:]  # without flags and received_ns
            if not self._copies.is_new(key, connection):
                return "duplicate"
        if self.lag_ns is None and kind <= _MARK and not flags & _OLD_NEWS:
            # a row that bears our own time says nothing about the venue's
            self.lag_ns = received_ns - exchange_ns or None
        return None

    def _repeated(self, instrument: int, sequence: int, exchange_ns: int, connection: int) -> bool:
        last = self._last.get(instrument)
        if (
            last is not None
            and connection != last[2]
            and sequence <= last[0]
            and exchange_ns <= last[1]
        ):
            return True
        # A sequence that restarts comes with later times and is taken as it is.
        self._last[instrument] = (sequence, exchange_ns, connection)
        return False
