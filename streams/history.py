"""Rows held back until an underlying's announced history is complete."""

from typing import Any

import msgspec
import numpy as np

from streams.config import MethodConfig
from streams.events import ROW, ROW_BYTES, Flag, Kind, Rows
from streams.kernels.jit import NS_PER_S

MAX_HELD_ROWS = 4_000_000  # 256 MB: more is no history but an error somewhere


class _Dump(msgspec.Struct, frozen=True):
    since_ns: int
    expected: list[int]
    ended: list[int]
    history: bytes
    live: bytes


class Hold:
    """What an underlying is waiting for, and what has come meanwhile."""

    def __init__(self, since_ns: int) -> None:
        self.since_ns = since_ns  # received time of the first announcement
        self.expected: set[int] = set()
        self.ended: set[int] = set()
        self._history: list[bytes] = []
        self._live: list[bytes] = []
        self._rows = 0

    def expect(self, instrument: int) -> None:
        """Wait for this contract's history too."""
        self.expected.add(instrument)

    def take(self, row: Any, instrument: int) -> None:
        """Keep a row; BACKFILL_END marks a history as complete."""
        if int(row["kind"]) == Kind.BACKFILL_END:
            self.ended.add(instrument)
        elif int(row["flags"]) & Flag.BACKFILL:
            self._history.append(row.tobytes())
            self._rows += 1
        else:
            self._live.append(row.tobytes())
            self._rows += 1

    def complete(self, row: Any, config: MethodConfig) -> bool:
        """Return whether the wait is over as of `row`: all ended and others had time to announce."""
        waited_s = (int(row["received_ns"]) - self.since_ns) / NS_PER_S
        if waited_s >= config.warmup_hold_s:
            return True
        if self._rows >= MAX_HELD_ROWS:
            return True
        return self.expected <= self.ended and waited_s >= config.warmup_gather_s

    def contents(self) -> tuple[Rows, Rows]:
        """Return history in time order (ties as they came) and the live rows as they came."""
        history = np.frombuffer(b"".join(self._history), ROW)
        live = np.frombuffer(b"".join(self._live), ROW)
        ordered = history[np.argsort(history["exchange_ns"], kind="stable")]
        ordered.setflags(write=False)  # the loop is compiled for read-only rows
        return ordered, live

    def dump(self) -> bytes:
        """Return everything as bytes, for snapshots."""
        return msgspec.msgpack.encode(
            _Dump(
                since_ns=self.since_ns,
                expected=sorted(self.expected),
                ended=sorted(self.ended),
                history=b"".join(self._history),
                live=b"".join(self._live),
            )
        )

    @classmethod
    def load(cls, data: bytes) -> "Hold":
        """Return what `dump` wrote."""
        dump = msgspec.msgpack.decode(data, type=_Dump)
        hold = cls(dump.since_ns)
        hold.expected, hold.ended = set(dump.expected), set(dump.ended)
        hold._history, hold._live = [dump.history], [dump.live]
        hold._rows = (len(dump.history) + len(dump.live)) // ROW_BYTES
        return hold
