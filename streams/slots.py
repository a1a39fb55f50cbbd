"""Which record is a contract's: a dictionary for Python, an open-addressing table for the compiled loop."""

import numpy as np
import numpy.typing as npt


class Slots:
    """Slots by instrument id. The table holds (id, slot) pairs side by side and is at most a quarter full.

    >>> slots = Slots()
    >>> slots.add(7)
    >>> slots.get(7), slots.get(8)
    (0, None)
    """

    def __init__(self) -> None:
        self._slots: dict[int, int] = {}
        self.table: npt.NDArray[np.int64] = np.zeros((64, 2), np.int64)

    def get(self, instrument: int) -> int | None:
        """Return a contract's slot, None if it is a stranger's id."""
        return self._slots.get(instrument)

    def add(self, instrument: int) -> None:
        """Give a new contract the next slot."""
        self._slots[instrument] = len(self._slots)
        if 4 * len(self._slots) <= len(self.table):
            self._enter(instrument)
            return
        self.table = np.zeros((2 * len(self.table), 2), np.int64)
        for known in self._slots:
            self._enter(known)

    def _enter(self, instrument: int) -> None:
        key = int(np.uint64(instrument).astype(np.int64))
        mask = len(self.table) - 1
        at = key & mask
        while self.table[at, 0]:
            at = (at + 1) & mask
        self.table[at] = key, self._slots[instrument]
