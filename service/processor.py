"""What a worker does with the partitions it owns: restore, fold, emit, snapshot, commit. No Faust here.

The order of things is the guarantee. Signals are acknowledged before the snapshot that covers them,
offsets are committed after it, and a partition is taken up at the offset after its snapshot, whatever
the group has committed. A signal made again has the same id and is dropped if the topic has it.
"""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple, Protocol

import msgspec
import structlog

from service.kafka import LogReader, Producer
from service.records import Outgoing, signal_record
from service.snapshots import Fenced, Snapshot, SnapshotStore
from streams.events import SCHEMA_VERSION
from streams.signals import Signal, decode, fact, rfc3339
from streams.topics import MARKET, SIGNALS

_SCHEMA: Final = str(SCHEMA_VERSION).encode()

_log = structlog.get_logger(__name__)


class LogHole(Exception):  # noqa: N818 - names what happened
    """Rows between the snapshot and the log are gone: the state cannot be carried on honestly."""


class UnknownSchema(Exception):  # noqa: N818
    """A block is laid out in a way this version cannot read."""


class Fold(Protocol):
    """The engine as the processor sees it: a pure fold over one partition's blocks."""

    @property
    def offset(self) -> int:
        """The offset of the last block folded."""
        ...

    def fold(self, block: bytes, offset: int) -> list[Signal]:
        """Take in one block and return the signals that follow from it."""
        ...

    def snapshot(self) -> bytes:
        """Return the whole state."""
        ...


class EngineFactory(Protocol):
    """Makes engines of one configuration."""

    @property
    def config_hash(self) -> str:
        """What the state depends on beside the log; a snapshot with another hash is not used."""
        ...

    def new(self) -> Fold:
        """Return an engine that has seen nothing."""
        ...

    def restore(self, state: bytes) -> Fold:
        """Return an engine as it was when `snapshot` returned `state`."""
        ...


class Block(NamedTuple):
    """One record of the market log."""

    partition: int
    offset: int
    timestamp_ms: int  # the publisher's wall clock
    value: bytes
    headers: Iterable[tuple[str, bytes]] | None = None


#: Called after each fold; returns further records to write: state, liquidations.
OnFold = Callable[[Block, Any, list[Signal]], Iterable[Outgoing]]
#: Tells the group that a partition is done up to (not including) an offset.
Commit = Callable[[int, int], Awaitable[None]]


class ProcessorStats(msgspec.Struct):
    """What has happened since the process started. Telemetry reads it."""

    blocks: int = 0
    skipped_blocks: int = 0
    signals: int = 0
    repeated_signals: int = 0  # made again after a restart, already on the topic, dropped
    conflicting_signals: int = 0  # same id, other content: written, and worth a look
    snapshots: int = 0
    restores: int = 0
    fold_seconds: float = 0.0


class Lane:
    """One owned partition: its engine and how far everything about it is."""

    def __init__(self, partition: int, engine: Fold, epoch: int) -> None:
        self.partition = partition
        self.engine = engine
        self.epoch = epoch
        self.next_offset = 0
        self.saved_offset = -1
        self.saved_at = time.monotonic()
        self.snapshot_bytes = 0
        self.output_floor = 0  # signals of later blocks are at or after this offset
        self.known: dict[str, bytes] = {}  # id to digest of what is on the topic already
        self.known_until = 0  # blocks from here on cannot have signals in `known`
        self.known_end = 0  # offset after the last signal read into `known`
        self.turn = asyncio.Lock()
        self.saving = asyncio.Lock()
        self.closed = False

    @property
    def snapshot_age_s(self) -> float:
        """Seconds since the last snapshot, or since the partition was taken."""
        return time.monotonic() - self.saved_at

    def forget_known(self) -> None:
        """Drop the emit filter once everything that it could match has been folded."""
        if self.known_until <= self.next_offset:
            self.known.clear()
            self.output_floor = max(self.output_floor, self.known_end)


class Processor:
    """The partitions this worker owns. `take` and `release` follow the group, `record` the log."""

    def __init__(
        self,
        factory: EngineFactory,
        *,
        producer: Producer,
        reader: LogReader,
        store: SnapshotStore,
        commit: Commit,
        now_ns: Callable[[], int],
        source: str = "treadmill/process",
        on_fold: OnFold | None = None,
    ) -> None:
        self._factory = factory
        self._producer = producer
        self._reader = reader
        self._store = store
        self._commit = commit
        self._now_ns = now_ns
        self._source = source
        self._on_fold = on_fold
        self._ownership = asyncio.Lock()
        self.lanes: dict[int, Lane] = {}
        self.stats = ProcessorStats()

    def positions(self) -> dict[int, int]:
        """Return where each owned partition goes on."""
        return {lane.partition: lane.next_offset for lane in self.lanes.values()}

    async def take(self, partitions: Iterable[int]) -> None:
        """Own exactly these partitions: restore what is new, forget without saving what is gone.

        Raises:
            LogHole: a snapshot does not join up with the log.
        """
        wanted = set(partitions)
        async with self._ownership:
            for gone in set(self.lanes) - wanted:
                self.lanes.pop(gone).closed = True
            for partition in sorted(wanted - set(self.lanes)):
                self.lanes[partition] = await self._open(partition)

    async def release(self) -> None:
        """Snapshot and commit every partition and own none."""
        async with self._ownership:
            for lane in list(self.lanes.values()):
                async with lane.turn:
                    lane.closed = True
                try:
                    await self.save(lane)
                except Fenced as error:  # the new owner was faster: nothing of ours is lost
                    _log.warning("released_after_new_owner", reason=str(error))
                del self.lanes[lane.partition]

    async def record(self, block: Block) -> None:
        """Fold one block of an owned partition and write what follows from it.

        Raises:
            LogHole: blocks between the last one and this are missing.
            UnknownSchema: the block's header names a schema we cannot read.
        """
        lane = self.lanes.get(block.partition)
        if lane is None:
            self.stats.skipped_blocks += 1
            return
        async with lane.turn:
            if lane.closed or block.offset < lane.next_offset:
                self.stats.skipped_blocks += 1
                return
            if block.offset > lane.next_offset:
                raise LogHole(_hole(block.partition, lane.next_offset, block.offset))
            _check_schema(block)
            await self._fold(lane, block)

    async def save(self, lane: Lane) -> None:
        """Make everything up to the lane's last block durable, then commit it."""
        async with lane.saving:
            async with lane.turn:
                if lane.next_offset - 1 <= lane.saved_offset:
                    return
                snapshot = self._capture(lane)
            await self._producer.flush()
            await self._store.save(lane.partition, snapshot)
            lane.saved_offset = snapshot.offset
            lane.saved_at = time.monotonic()
            lane.snapshot_bytes = len(snapshot.state)
            self.stats.snapshots += 1
            await self._commit(lane.partition, snapshot.offset + 1)

    async def save_due(self, interval_s: float) -> None:
        """Save every lane whose last snapshot is older than `interval_s` seconds."""
        for lane in list(self.lanes.values()):
            if not lane.closed and lane.snapshot_age_s >= interval_s:
                await self.save(lane)

    async def _fold(self, lane: Lane, block: Block) -> None:
        begin = time.perf_counter()
        signals = lane.engine.fold(block.value, block.offset)
        self.stats.fold_seconds += time.perf_counter() - begin
        self.stats.blocks += 1
        lane.next_offset = block.offset + 1
        for signal in signals:
            if self._is_new(lane, signal):
                await self._emit(block, signal)
        if self._on_fold is not None:
            for record in self._on_fold(block, lane.engine, signals):
                await self._producer.put(record)

    def _is_new(self, lane: Lane, signal: Signal) -> bool:
        digest = lane.known.pop(signal.id, None)
        if digest is None:
            return True
        if digest == _digest(signal):
            self.stats.repeated_signals += 1
            return False
        self.stats.conflicting_signals += 1
        _log.error("signal_conflict", id=signal.id, symbol=signal.symbol, name=signal.name)
        return True

    async def _emit(self, block: Block, signal: Signal) -> None:
        now_ns = self._now_ns()
        latency_ms = {"log": max(0.0, now_ns / 1e6 - block.timestamp_ms)}
        stamped = msgspec.structs.replace(signal, emitted=rfc3339(now_ns), latency_ms=latency_ms)
        await self._producer.put(
            signal_record(stamped, partition=block.partition, source=self._source)
        )
        self.stats.signals += 1

    def _capture(self, lane: Lane) -> Snapshot:
        """Take the state as it is now; what it emitted so far may still be on its way."""
        lane.forget_known()
        acked = self._producer.acked_end(SIGNALS.name, lane.partition) or 0
        lane.output_floor = max(lane.output_floor, acked)
        return Snapshot(
            partition=lane.partition,
            offset=lane.next_offset - 1,
            output_offset=lane.output_floor,
            config_hash=self._factory.config_hash,
            epoch=lane.epoch,
            created_ns=self._now_ns(),
            state=lane.engine.snapshot(),
        )

    async def _open(self, partition: int) -> Lane:
        """Claim a partition and bring its engine to where the snapshot left it."""
        begin = time.monotonic()
        snapshot = await self._store.load(partition)
        epoch = await self._store.claim(partition)
        snapshot = self._usable(snapshot)
        lane = Lane(
            partition,
            self._factory.restore(snapshot.state) if snapshot else self._factory.new(),
            epoch,
        )
        lane.output_floor = snapshot.output_offset if snapshot else 0
        await self._read_known(lane)
        first, end = await self._reader.bounds(MARKET.name, partition)
        lane.next_offset = snapshot.offset + 1 if snapshot else first
        lane.saved_offset = lane.next_offset - 1
        lane.known_until = end
        if not first <= lane.next_offset <= end:
            raise LogHole(
                _hole(partition, lane.next_offset, first if first > lane.next_offset else end)
            )
        self.stats.restores += 1
        took = {"seconds": round(time.monotonic() - begin, 3), "behind": end - lane.next_offset}
        _log.info("partition_taken", partition=partition, offset=lane.next_offset, **took)
        return lane

    def _usable(self, snapshot: Snapshot | None) -> Snapshot | None:
        """Return the snapshot unless it was made under another configuration."""
        if snapshot is None or snapshot.config_hash == self._factory.config_hash:
            return snapshot
        _log.warning(
            "snapshot_of_other_configuration",
            partition=snapshot.partition,
            theirs=snapshot.config_hash,
            ours=self._factory.config_hash,
            consequence="the retained log is folded from its start",
        )
        return None

    async def _read_known(self, lane: Lane) -> None:
        """Fill the emit filter with the signals that a block after the snapshot may have left."""
        lane.known_end = lane.output_floor
        async with contextlib.aclosing(
            self._reader.read(SIGNALS.name, lane.partition, lane.output_floor)
        ) as records:
            async for record in records:
                lane.known_end = record.offset + 1
                with contextlib.suppress(
                    msgspec.MsgspecError
                ):  # not ours: cannot be repeated by us
                    signal = decode(record.value or b"")
                    lane.known[signal.id] = _digest(signal)


def _digest(signal: Signal) -> bytes:
    return hashlib.blake2b(fact(signal), digest_size=16).digest()


def _check_schema(block: Block) -> None:
    headers: Mapping[str, bytes] = dict(block.headers or ())
    schema = headers.get("schema", _SCHEMA)
    if schema != _SCHEMA:
        raise UnknownSchema(
            f"{MARKET.name}-{block.partition} offset {block.offset} has row schema {schema!r}, this "
            f"version reads {_SCHEMA!r}: upgrade the workers before the ingesters"
        )


def _hole(partition: int, expected: int, found: int) -> str:
    return (
        f"{MARKET.name}-{partition} goes on at offset {found}, the state at {expected}: retention or "
        "a wiped topic has taken what is between. Delete the partition's snapshot to start from "
        "what the log still has"
    )
