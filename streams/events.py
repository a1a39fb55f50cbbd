"""The row: one market event in 64 little-endian bytes, and blocks of rows.

Every row has the same 40-byte header and 24 bytes of payload whose three fields depend on the kind. The
views below read the same bytes under their own names, so a block is also exactly what ClickHouse calls
``RowBinary``. A block is rows laid end to end and nothing else; schema version and producer travel in
record headers.

Everything that can change the state of an underlying is a row of one of its instruments, feed health and
contract facts included. That is what makes a partition's order the whole truth.
"""

import struct
from enum import IntEnum, IntFlag
from typing import Any, Final

import numpy as np
import numpy.typing as npt

ROW_BYTES: Final = 64
SCHEMA_VERSION: Final = 1

Rows = npt.NDArray[Any]


class Kind(IntEnum):
    """What a row says. Market kinds are below 16, feed health from 16, contract facts from 32."""

    TRADE = 1
    MARK = 2
    FUNDING = 3
    OPEN_INTEREST = 4
    LIQUIDATION = 5
    HEARTBEAT = 16
    FEED_UP = 17
    FEED_DOWN = 18
    GAP = 19
    INSTRUMENT = 32
    BACKFILL_END = 33


class Channel(IntFlag):
    """Bits of the `channels` field of feed rows: which of a venue's channels they speak of."""

    TRADE = 1
    MARK = 2
    FUNDING = 4
    OPEN_INTEREST = 8
    LIQUIDATION = 16
    ALL = 31


class Flag(IntFlag):
    """How far a row's numbers can be trusted, and where they come from."""

    BACKFILL = 1  # from REST history, not live
    SNAPSHOT = 2  # replayed by the venue on subscribing: old news, never a burst
    PREDICTED = 4  # funding: running estimate for `next_funding_ns`
    SETTLED = 8  # funding: paid at `exchange_ns`
    COMPLETE = 16  # liquidations: the venue publishes all; also a contract fact
    SAMPLED = 32  # liquidations: the venue publishes some; also a contract fact
    UNIT_ASSUMED = 64  # a conversion had to assume a price or a unit
    STABLE_ASSUMED = 128  # USDT or USDC taken as one USD
    PRICE_FILL = 256  # liquidation price is an average fill
    PRICE_BANKRUPTCY = 512  # liquidation price is the bankruptcy price, not a fill
    INVERSE = 1024  # contract fact: quoted in USD contracts, margined in coin
    HAS_BACKFILL = 2048  # contract fact: history rows will follow, ended by BACKFILL_END
    INTERVAL_ASSUMED = 4096  # funding: the interval is a default, not the venue's word
    SPOT = 8192  # contract fact: a spot market; it stands beside the perpetuals
    REGULATED = 16384  # contract fact: a regulated futures venue; beside them as well
    PARTIAL = 32768  # liquidations: one known part, such as a backstop; also a contract fact


class Side(IntEnum):
    """Taker of a trade, or position closed by a liquidation. Never the "side" of a venue's frame."""

    BUY = 1
    SELL = -1
    LONG = 1
    SHORT = -1
    NONE = 0


class Quote(IntEnum):
    """What a contract is quoted in: `reserved` of an INSTRUMENT row. UNKNOWN is also any other money."""

    UNKNOWN = 0
    USD = 1
    USDT = 2
    USDC = 3


class DownReason(IntEnum):
    """Why a feed went down: `reason` of a FEED_DOWN row."""

    CLOSED = 1
    SILENT = 2
    REFUSED = 3
    BANNED = 4
    STOPPED = 5
    DELISTED = 6


def _row(*payload: tuple[str, str]) -> np.dtype[Any]:
    return np.dtype(
        [
            ("kind", "u1"),
            ("side", "i1"),
            ("flags", "<u2"),
            (
                "reserved",
                "<u4",
            ),  # of INSTRUMENT rows a Quote; else zero, room for the schema to grow
            ("instrument", "<u8"),
            ("exchange_ns", "<i8"),
            ("received_ns", "<i8"),
            ("sequence", "<u8"),
            *payload,
        ]
    )


#: The neutral view: payload as three floats. All others differ only in the payload's names and types.
ROW: Final = _row(("a", "<f8"), ("b", "<f8"), ("c", "<f8"))

#: Typed views by kind. Prices are USD a coin, quantities coin, rates decimal per interval.
VIEWS: Final[dict[Kind, np.dtype[Any]]] = {
    Kind.TRADE: _row(("price", "<f8"), ("quantity", "<f8"), ("notional_usd", "<f8")),
    Kind.MARK: _row(("mark_price", "<f8"), ("index_price", "<f8"), ("mid_price", "<f8")),
    Kind.FUNDING: _row(("rate", "<f8"), ("interval_ns", "<i8"), ("next_funding_ns", "<i8")),
    Kind.OPEN_INTEREST: _row(("quantity", "<f8"), ("notional_usd", "<f8"), ("mark_price", "<f8")),
    Kind.LIQUIDATION: _row(("price", "<f8"), ("quantity", "<f8"), ("notional_usd", "<f8")),
    Kind.HEARTBEAT: _row(("channels", "<i8"), ("reason", "<i8"), ("since_ns", "<i8")),
    Kind.FEED_UP: _row(("channels", "<i8"), ("reason", "<i8"), ("since_ns", "<i8")),
    Kind.FEED_DOWN: _row(("channels", "<i8"), ("reason", "<i8"), ("since_ns", "<i8")),
    Kind.GAP: _row(("channels", "<i8"), ("from_ns", "<i8"), ("to_ns", "<i8")),
    Kind.INSTRUMENT: _row(("underlying", "S12"), ("venue", "S12")),
    Kind.BACKFILL_END: _row(("channels", "<i8"), ("from_ns", "<i8"), ("to_ns", "<i8")),
}

_HEAD = "<BbHIQqqQ"
#: ``pack_into`` formats by payload type, for `RowBuffer`.
PACK_FLOATS: Final = struct.Struct(_HEAD + "ddd")
PACK_FUNDING: Final = struct.Struct(_HEAD + "dqq")
PACK_INTEGERS: Final = struct.Struct(_HEAD + "qqq")
PACK_NAMES: Final = struct.Struct(_HEAD + "12s12s")
_HEAD_ONLY: Final = struct.Struct("<BxH4xQqqQ")  # without side and reserved
_QUOTES: Final = {str(quote.name): int(quote) for quote in Quote}
_QUOTE_NAMES: Final = {code: name.lower() for name, code in _QUOTES.items()}


class MalformedBlock(Exception):  # noqa: N818
    """Bytes that are not whole rows, or rows of an unknown kind."""


class RowBuffer:
    """Rows being written, one after another, into one growing piece of memory.

    Parsers call `floats`, `funding` and `integers`; the publisher takes `view()` and calls `clear()`.
    Nothing is allocated per row once the buffer has grown to its working size.
    """

    __slots__ = ("_bytes", "rows")

    def __init__(self, capacity_rows: int = 256) -> None:
        self._bytes = bytearray(capacity_rows * ROW_BYTES)
        self.rows = 0

    def _room(self) -> int:
        offset = self.rows * ROW_BYTES
        if offset == len(self._bytes):
            self._bytes.extend(bytes(len(self._bytes)))
        self.rows += 1
        return offset

    def floats(
        self,
        kind: int,
        side: int,
        flags: int,
        instrument: int,
        exchange_ns: int,
        received_ns: int,
        sequence: int,
        a: float,
        b: float,
        c: float,
    ) -> None:
        """Write a TRADE, MARK, OPEN_INTEREST or LIQUIDATION row."""
        offset = self._room()
        PACK_FLOATS.pack_into(
            self._bytes, offset,
            kind, side, flags, 0, instrument, exchange_ns, received_ns, sequence, a, b, c,
        )  # fmt: skip

    def funding(
        self,
        flags: int,
        instrument: int,
        exchange_ns: int,
        received_ns: int,
        rate: float,
        interval_ns: int,
        next_funding_ns: int,
    ) -> None:
        """Write a FUNDING row. `rate` is decimal per `interval_ns`."""
        offset = self._room()
        PACK_FUNDING.pack_into(
            self._bytes, offset,
            Kind.FUNDING, 0, flags, 0, instrument, exchange_ns, received_ns, 0,
            rate, interval_ns, next_funding_ns,
        )  # fmt: skip

    def integers(
        self,
        kind: int,
        flags: int,
        instrument: int,
        exchange_ns: int,
        received_ns: int,
        a: int,
        b: int,
        c: int,
    ) -> None:
        """Write a HEARTBEAT, FEED_UP, FEED_DOWN, GAP or BACKFILL_END row."""
        offset = self._room()
        PACK_INTEGERS.pack_into(
            self._bytes, offset,
            kind, 0, flags, 0, instrument, exchange_ns, received_ns, 0, a, b, c,
        )  # fmt: skip

    def contract(
        self,
        flags: int,
        instrument: int,
        exchange_ns: int,
        received_ns: int,
        funding_interval_ns: int,
        underlying: str,
        venue: str,
        quote: str = "",
    ) -> None:
        """Write an INSTRUMENT row; its `sequence` is the funding interval in ns, 0 if unknown.

        `quote` is what the contract is quoted in, as the venue names it; see `Quote` for those that are told.
        """
        offset = self._room()
        PACK_NAMES.pack_into(
            self._bytes, offset,
            Kind.INSTRUMENT, 0, flags, _QUOTES.get(quote, 0), instrument, exchange_ns, received_ns,
            funding_interval_ns, underlying.encode(), venue.encode(),
        )  # fmt: skip

    def view(self, start: int = 0) -> memoryview:
        """Return the bytes of the rows from `start` on, without copying. Valid until the next write."""
        return memoryview(self._bytes)[start * ROW_BYTES : self.rows * ROW_BYTES]

    def head(self, row: int) -> tuple[int, int, int, int, int, int]:
        """Return a row's kind, flags, instrument, exchange_ns, received_ns and sequence."""
        return _HEAD_ONLY.unpack_from(self._bytes, row * ROW_BYTES)

    def row(self, row: int) -> bytes:
        """Return a copy of a row's bytes."""
        return bytes(self._bytes[row * ROW_BYTES : (row + 1) * ROW_BYTES])

    def move(self, row: int, to: int) -> None:
        """Write a row over the row `to`."""
        self._bytes[to * ROW_BYTES : (to + 1) * ROW_BYTES] = self.row(row)

    def truncate(self, rows: int) -> None:
        """Take back every row after the first `rows`: a frame that turned out malformed leaves none."""
        self.rows = rows

    def clear(self) -> None:
        """Forget all rows, keep the memory."""
        self.rows = 0


def block_rows(block: bytes | bytearray | memoryview) -> Rows:
    """Return the rows of a block as a read-only view with the neutral dtype `ROW`.

    Raises:
        MalformedBlock: the length is no multiple of 64.

    >>> buffer = RowBuffer()
    >>> buffer.floats(Kind.TRADE, Side.BUY, 0, 7, 10, 11, 1, 60000.0, 0.5, 30000.0)
    >>> row = block_rows(bytes(buffer.view())).view(VIEWS[Kind.TRADE])[0]
    >>> float(row["price"]), int(row["side"])
    (60000.0, 1)
    """
    if len(block) % ROW_BYTES:
        raise MalformedBlock(f"{len(block)} bytes are not whole rows of {ROW_BYTES}")
    return np.frombuffer(block, dtype=ROW)


def row_to_dict(row: Any) -> dict[str, Any]:
    """Return one row under the names of its kind, for people: `treadmill tail`.

    Raises:
        MalformedBlock: the kind is unknown.
    """
    try:
        kind = Kind(int(row["kind"]))
    except ValueError:
        raise MalformedBlock(f"row kind {int(row['kind'])} is unknown") from None
    typed = np.frombuffer(row.tobytes(), dtype=VIEWS[kind])[0]
    names = [name for name in VIEWS[kind].names or () if name != "reserved"]
    out: dict[str, Any] = {name: typed[name].item() for name in names}
    for name in ("underlying", "venue"):
        if name in out:
            out[name] = out[name].decode()
    out["kind"] = kind.name.lower()
    out["flags"] = [flag.name.lower() for flag in Flag if out["flags"] & flag and flag.name]
    side = out.pop("side")
    if kind is Kind.INSTRUMENT:
        out["quote"] = _QUOTE_NAMES.get(int(typed["reserved"]), "unknown")
    elif kind is Kind.TRADE:
        out["taker"] = "buy" if side > 0 else "sell"
    elif kind is Kind.LIQUIDATION:
        out["position"] = "long" if side > 0 else "short"
    return out
