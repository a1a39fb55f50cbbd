"""A real, small engine for tests of everything around an engine.

It sums TRADE rows by instrument and says something every fiftieth row of one, so that lost, repeated
or reordered blocks show in its state, its signals or both.
"""

import hashlib

import msgspec
import numpy as np

from streams.events import RowBuffer, Side, block_rows
from streams.signals import Signal, rfc3339, signal_id

EVERY = 50


class _Sum(msgspec.Struct):
    rows: int = 0
    quantity: float = 0.0
    order: int = 0  # depends on the order of rows, unlike a sum


class _State(msgspec.Struct):
    offset: int = -1
    blocks: int = 0
    sums: dict[int, _Sum] = {}


class CountingFold:
    """The engine: `fold`, `snapshot`, `state_hash`, `offset`."""

    def __init__(self, state: _State | None = None) -> None:
        self._state = state or _State(sums={})

    @property
    def offset(self) -> int:
        """Offset of the last block folded, -1 before the first."""
        return self._state.offset

    def fold(self, block: bytes, offset: int) -> list[Signal]:
        """Take in one block; offsets must follow each other."""
        if offset != self._state.offset + 1 and self._state.offset >= 0:
            raise AssertionError(f"offset {offset} after {self._state.offset}")
        self._state.offset = offset
        self._state.blocks += 1
        return [signal for row in block_rows(block) if (signal := self._row(row)) is not None]

    def _row(self, row: np.void) -> Signal | None:
        instrument = int(row["instrument"])
        total = self._state.sums.setdefault(instrument, _Sum())
        total.rows += 1
        total.quantity += float(row["b"])
        total.order = (total.order * 31 + int(row["sequence"])) % 1_000_003
        if total.rows % EVERY:
            return None
        return _signal(instrument, total, int(row["exchange_ns"]))

    def snapshot(self) -> bytes:
        """Return the whole state."""
        return msgspec.msgpack.encode(self._state)

    def state_hash(self) -> str:
        """Return a digest of the state: equal for equal histories."""
        return hashlib.sha256(self.snapshot()).hexdigest()

    @property
    def rows(self) -> int:
        """How many rows it has seen."""
        return sum(each.rows for each in self._state.sums.values())


class CountingFactory:
    """Makes `CountingFold`s."""

    def __init__(self, config_hash: str = "counting") -> None:
        self.config_hash = config_hash

    def new(self) -> CountingFold:
        """Return one that has seen nothing."""
        return CountingFold()

    def restore(self, state: bytes) -> CountingFold:
        """Return one as it was."""
        return CountingFold(msgspec.msgpack.decode(state, type=_State))


def _signal(instrument: int, total: _Sum, asof_ns: int) -> Signal:
    symbol, seq, asof = str(instrument), total.rows // EVERY, rfc3339(asof_ns)
    return Signal(
        id=signal_id(symbol, "both", "state", seq), seq=seq, kind="state", symbol=symbol, side="both",
        name="count", status="SAID", previous=None, asof=asof, since=asof, valid_until=None,
        trigger_event_ts=asof, evidence=[], quality=[], coverage=None, config_hash="counting",
        context={"quantity": total.quantity, "order": float(total.order)}, code_version="test",
        replay=False,
    )  # fmt: skip


def trade_block(start: int, rows: int, instruments: tuple[int, ...] = (1, 2, 3)) -> bytes:
    """Return a block of `rows` TRADE rows numbered from `start`, of `instruments` in turn."""
    buffer = RowBuffer(rows)
    for number in range(start, start + rows):
        now_ns = 1_700_000_000_000_000_000 + number * 1_000_000
        buffer.floats(
            1, Side.BUY, 0, instruments[number % len(instruments)], now_ns, now_ns, number,
            100.0, 0.1 + (number % 17) / 7, 10.0,
        )  # fmt: skip
    return bytes(buffer.view())
