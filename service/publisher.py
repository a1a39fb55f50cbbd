"""Rows to blocks: one shared buffer in arrival order, cut by partition every few milliseconds.

What costs is records, not rows, so the linger grows while records come too fast and shrinks again. Linger is
wall time: it is about machines, not about the market.
"""

import asyncio
import math
from collections import deque
from typing import Final, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from streams.events import ROW_BYTES, RowBuffer, Rows, block_rows
from streams.instruments import Instrument, UnknownInstrument, partition_of

#: Records a second and partition that a worker should see at most.
RECORDS_PER_S: Final = 200.0
#: How far linger and rows a block may be stretched to stay below that.
STRETCH_MAX: Final = 10.0
#: A block stays far below a broker's message limit of about 1 MB.
BLOCK_ROWS_MAX: Final = 4096
#: Rows waiting for the sink beyond which readers must wait too.
FULL_ROWS: Final = 16384


class Sink(Protocol):
    """Where blocks go: a broker, or the engine in this process."""

    async def put(self, partition: int, block: bytes) -> None:
        """Take one block. Returning means that it is the sink's to keep."""
        ...

    async def flush(self) -> None:
        """Wait until everything taken is durable."""
        ...

    async def close(self) -> None:
        """Flush, and let go of connections and files."""
        ...


class Outlet(Protocol):
    """Where an intake leaves its rows: the publisher, or a replay's direct way to the engine."""

    @property
    def buffer(self) -> RowBuffer:
        """Rows are written here, in the order of arrival."""
        ...

    def note(self, name: str) -> None:
        """A frame of this name may have left rows."""
        ...

    @property
    def full(self) -> bool:
        """Whether writers should wait for `drained`."""
        ...

    async def drained(self) -> None:
        """Wait until what is in the buffer has gone."""
        ...


class PublisherStats(msgspec.Struct):
    """What has left, and how far the linger is stretched (1 is not at all)."""

    rows: int = 0
    blocks: int = 0
    stretch: float = 1.0


class Publisher:
    """Collects rows in `buffer` and hands them to `sink`, one block a partition and flush.

    Whoever writes to `buffer` calls `note` after it, and awaits `drained` while `full`. `run` is the
    linger loop. Rows leave the buffer only into blocks, and blocks are dropped, in order, only once the
    sink has them.
    """

    def __init__(
        self,
        sink: Sink,
        partitions: int,
        *,
        linger_s: float = 0.005,
        max_rows: int = 256,
        records_per_s: float = RECORDS_PER_S,
    ) -> None:
        self._buffer = RowBuffer(4 * max_rows)
        self.stats = PublisherStats()
        self._sink = sink
        self._partitions = partitions
        self._linger_s = linger_s
        self._max_rows = max_rows
        self._records_per_s = records_per_s
        self._by_id: dict[int, int] = {}
        self._ids = np.empty(0, dtype=np.uint64)
        self._parts = np.empty(0, dtype=np.intp)
        self._pending: deque[tuple[int, bytes]] = deque()
        self._lock = asyncio.Lock()
        self._some = asyncio.Event()
        self._now = asyncio.Event()
        self._rates = np.zeros(partitions)
        self._rated_at = 0.0

    @property
    def buffer(self) -> RowBuffer:
        """Rows that wait, in the order of arrival. Whoever writes here calls `note` after it."""
        return self._buffer

    def register(self, instrument: Instrument) -> int:
        """Return the partition of the instrument's rows; must come before its first row."""
        partition = partition_of(instrument.underlying, self._partitions)
        self._by_id[instrument.id] = partition
        ids = sorted(self._by_id)
        self._ids = np.array(ids, dtype=np.uint64)
        self._parts = np.array([self._by_id[i] for i in ids], dtype=np.intp)
        return partition

    def note(self, name: str) -> None:
        """Say that a frame of this name may have left rows. Liquidations and full blocks do not linger."""
        rows = self._buffer.rows
        if not rows:
            return
        self._some.set()
        if name == "liquidation" or rows >= self._max_rows * self.stats.stretch:
            self._now.set()

    @property
    def full(self) -> bool:
        """Whether the sink is so far behind that writers should wait for `drained`."""
        return self._buffer.rows >= FULL_ROWS

    async def drained(self) -> None:
        """Wait until what is in the buffer now has gone to the sink."""
        await self.flush()

    async def run(self) -> None:
        """Flush what lingers, until cancelled. A sink that raises ends it."""
        while True:
            await self._some.wait()
            try:
                async with asyncio.timeout(self._linger_s * self.stats.stretch):
                    await self._now.wait()
            except TimeoutError:
                pass
            await self.flush()

    async def flush(self) -> None:
        """Hand all rows to the sink. Cancelling the caller does not cut a block in two or send it twice."""
        work = asyncio.ensure_future(self._flush())
        # A cancelled caller never looks; what failed stays pending and fails the next flush as well.
        work.add_done_callback(lambda done: None if done.cancelled() else done.exception())
        await asyncio.shield(work)

    async def close(self) -> None:
        """Flush everything and close the sink."""
        await self.flush()
        await self._sink.flush()
        await self._sink.close()

    async def _flush(self) -> None:
        async with self._lock:
            self._some.clear()
            self._now.clear()
            if self.buffer.rows:
                rows = block_rows(bytes(self.buffer.view()))
                cut = self._cut(rows)  # may refuse: the rows stay where they are
                self.buffer.clear()
                self._pending.extend(cut)
                self._adapt(cut)
            while self._pending:
                partition, block = self._pending[0]
                await self._sink.put(partition, block)
                self._pending.popleft()
                self.stats.blocks += 1
                self.stats.rows += len(block) // ROW_BYTES

    def _cut(self, rows: Rows) -> list[tuple[int, bytes]]:
        parts = self._parts_of(rows)
        cut = []
        for partition in np.unique(parts).tolist():
            mine = rows[parts == partition]
            cut += [
                (partition, mine[at : at + BLOCK_ROWS_MAX].tobytes())
                for at in range(0, len(mine), BLOCK_ROWS_MAX)
            ]
        return cut

    def _parts_of(self, rows: Rows) -> npt.NDArray[np.intp]:
        wanted = rows["instrument"]
        at = np.searchsorted(self._ids, wanted)
        at[at == len(self._ids)] = 0
        known = self._ids[at] == wanted if len(self._ids) else np.zeros(len(wanted), dtype=bool)
        if not known.all():
            raise UnknownInstrument(
                f"row of instrument {wanted[~known][0]}, which was never registered"
            )
        return self._parts[at]

    def _adapt(self, cut: list[tuple[int, bytes]]) -> None:
        now = asyncio.get_running_loop().time()
        self._rates *= math.exp(self._rated_at - now)  # a mean over about a second
        self._rated_at = now
        for partition, _ in cut:
            self._rates[partition] += 1.0
        factor = 1.2 if self._rates.max() > self._records_per_s else 0.97
        self.stats.stretch = min(STRETCH_MAX, max(1.0, self.stats.stretch * factor))
