"""Where snapshots live: an engine's state with the input offset it includes, saved whole or not.

Two homes, one protocol: files on a volume, or the compacted snapshots topic. Both keep two slots
and write them in turn, so that a crash while writing leaves the other one whole. Both know the
epoch of the partition's owner: whoever finds a higher one has been replaced and must stop.
"""

import asyncio
import contextlib
import hashlib
import os
import zlib
from pathlib import Path
from typing import Final, Protocol

import msgspec
import structlog

from service.kafka import LogReader, Producer
from service.records import LogRecord, Outgoing
from streams.topics import SNAPSHOTS

SCHEMA: Final = 1
CHUNK_BYTES: Final = 900_000
#: A state that unpacks to more is not one of ours.
MAX_STATE_BYTES: Final = 1 << 30
_MAGIC: Final = b"TMSNAP01"
_DIGEST_BYTES: Final = 32
_SLOTS: Final = (0, 1)

_log = structlog.get_logger(__name__)


class TornSnapshot(Exception):  # noqa: N818 - names what happened
    """Bytes that are not a whole snapshot: cut short, flipped, or of a future schema."""


class Fenced(Exception):  # noqa: N818
    """Another worker owns the partition now. The process that learns it must stop writing."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one partition after its input up to and including `offset`.

    `output_offset`: signals from input up to `offset` are below it in the signals partition.
    """

    schema: int = SCHEMA
    partition: int
    offset: int
    output_offset: int
    config_hash: str
    epoch: int
    created_ns: int
    state: bytes


class SnapshotStore(Protocol):
    """Where a worker keeps its snapshots."""

    async def load(self, partition: int) -> Snapshot | None:
        """Return the newest whole snapshot, None if there is none."""
        ...

    async def claim(self, partition: int) -> int:
        """Become the partition's owner and return the epoch; owners before can save no more."""
        ...

    async def save(self, partition: int, snapshot: Snapshot) -> None:
        """Keep `snapshot`; when this returns it survives a crash.

        Raises:
            Fenced: the partition has been claimed with a higher epoch than the snapshot's.
        """
        ...


def pack(snapshot: Snapshot) -> bytes:
    """Return a snapshot as bytes that can tell whether they are whole.

    >>> one = Snapshot(
    ...     partition=0,
    ...     offset=7,
    ...     output_offset=2,
    ...     config_hash="c",
    ...     epoch=1,
    ...     created_ns=5,
    ...     state=b"state",
    ... )
    >>> unpack(pack(one)) == one
    True
    """
    squeezed = msgspec.structs.replace(snapshot, state=zlib.compress(snapshot.state, 1))
    body = msgspec.msgpack.encode(squeezed)
    return _MAGIC + hashlib.sha256(body).digest() + body


def unpack(data: bytes) -> Snapshot:
    """Read `pack`'s bytes back.

    Raises:
        TornSnapshot: they are not whole, or not of this schema.
    """
    head = len(_MAGIC) + _DIGEST_BYTES
    body = data[head:]
    if data[: len(_MAGIC)] != _MAGIC or hashlib.sha256(body).digest() != data[len(_MAGIC) : head]:
        raise TornSnapshot("checksum does not match")
    try:
        squeezed = msgspec.msgpack.decode(body, type=Snapshot)
        inflater = zlib.decompressobj()
        state = inflater.decompress(squeezed.state, MAX_STATE_BYTES)
    except (msgspec.DecodeError, zlib.error) as error:
        raise TornSnapshot(str(error)) from error
    if squeezed.schema != SCHEMA or not inflater.eof:
        raise TornSnapshot(f"schema {squeezed.schema}, we read {SCHEMA}, or a state over 1 GiB")
    return msgspec.structs.replace(squeezed, state=state)


def newest(candidates: list[Snapshot]) -> Snapshot | None:
    """Return the snapshot of the latest owner, and of his the furthest one."""
    return max(candidates, key=lambda each: (each.epoch, each.offset), default=None)


class FileStore:
    """Snapshots in a folder: `partition-3.0`, `partition-3.1`, and `partition-3.epoch`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._next: dict[int, int] = {}

    async def load(self, partition: int) -> Snapshot | None:
        """Return the newest whole snapshot; a torn slot is reported and passed over."""
        return await asyncio.to_thread(self._load, partition)

    async def claim(self, partition: int) -> int:
        """Write the next epoch to the epoch file."""
        epoch = self._claimed(partition) + 1
        await asyncio.to_thread(_write_file, self._path(partition, "epoch"), str(epoch).encode())
        return epoch

    async def save(self, partition: int, snapshot: Snapshot) -> None:
        """Write the older slot: temporary file, fsync, rename, fsync of the folder."""
        _guard(partition, snapshot.epoch, self._claimed(partition))
        if partition not in self._next:
            await self.load(partition)
        slot = self._next[partition]
        await asyncio.to_thread(self._save, self._path(partition, str(slot)), snapshot)
        self._next[partition] = 1 - slot

    def _save(self, path: Path, snapshot: Snapshot) -> None:
        _write_file(path, pack(snapshot))

    def _path(self, partition: int, suffix: str) -> Path:
        return self._folder / f"partition-{partition}.{suffix}"

    def _claimed(self, partition: int) -> int:
        try:
            return int(self._path(partition, "epoch").read_text())
        except FileNotFoundError:
            return 0

    def _load(self, partition: int) -> Snapshot | None:
        found: dict[int, Snapshot] = {}
        for slot in _SLOTS:
            path = self._path(partition, str(slot))
            try:
                found[slot] = unpack(path.read_bytes())
            except FileNotFoundError:
                continue
            except TornSnapshot as error:
                _log.warning("snapshot_torn", path=str(path), reason=str(error))
        best = newest(list(found.values()))
        self._next[partition] = _slot_after(found, best)
        return best


def _write_file(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _slot_after(found: dict[int, Snapshot], best: Snapshot | None) -> int:
    """Return the slot to write next: never the one that holds the best snapshot."""
    return next((1 - slot for slot, each in found.items() if each is best), 0)


def _guard(partition: int, epoch: int, claimed: int) -> None:
    if claimed > epoch:
        raise Fenced(f"partition {partition} has a new owner: epoch {claimed}, ours is {epoch}")


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The last record of a snapshot on the topic: without it the chunks are nothing."""

    epoch: int
    offset: int
    chunks: int
    sha256: str


class _PartitionView:
    """What a snapshots partition says, record by record."""

    def __init__(self) -> None:
        self.position = 0
        self.claimed = 0
        self.manifests: dict[int, Manifest] = {}
        self.chunks: dict[tuple[int, int], bytes] = {}

    def apply(self, record: LogRecord, *, keep_chunks: bool) -> None:
        """Take in one record; one that is not ours is left alone."""
        self.position = record.offset + 1
        value = record.value or b""
        with contextlib.suppress(ValueError, msgspec.DecodeError):
            match (record.key or b"").decode().split(":"):
                case [_, "epoch"]:
                    self.claimed = max(self.claimed, int(value))
                case [_, slot]:
                    manifest = msgspec.json.decode(value, type=Manifest)
                    self.manifests[int(slot)] = manifest
                    self.claimed = max(self.claimed, manifest.epoch)
                case [_, slot, chunk] if keep_chunks:
                    self.chunks[int(slot), int(chunk)] = value
                case _:
                    pass

    def snapshot(self, slot: int) -> Snapshot | None:
        """Return the slot's snapshot if all of it is there and is what the manifest says."""
        manifest = self.manifests.get(slot)
        if manifest is None:
            return None
        parts = [self.chunks.get((slot, number), b"") for number in range(manifest.chunks)]
        try:
            return _unpack_as(manifest, b"".join(parts))
        except TornSnapshot as error:
            _log.warning("snapshot_torn", topic=SNAPSHOTS.name, slot=slot, reason=str(error))
            return None


def _unpack_as(manifest: Manifest, data: bytes) -> Snapshot:
    if hashlib.sha256(data).hexdigest() != manifest.sha256:
        raise TornSnapshot("chunks are not the manifest's")
    return unpack(data)


class TopicStore:
    """Snapshots on `treadmill.snapshots.v1`, partition by partition.

    A snapshot is chunks keyed ``partition:slot:chunk`` and then a manifest keyed
    ``partition:slot``; the owner's epoch is keyed ``partition:epoch``. Compaction keeps the last
    of each key.
    """

    def __init__(self, producer: Producer, reader: LogReader) -> None:
        self._producer = producer
        self._reader = reader
        self._next: dict[int, int] = {}
        self._seen: dict[int, int] = {}
        self._epochs: dict[int, int] = {}

    async def load(self, partition: int) -> Snapshot | None:
        """Read the partition to its end and return the newest whole snapshot."""
        view = await self._view(partition, 0, keep_chunks=True)
        found = {slot: each for slot in _SLOTS if (each := view.snapshot(slot)) is not None}
        best = newest(list(found.values()))
        self._next[partition] = _slot_after(found, best)
        return best

    async def claim(self, partition: int) -> int:
        """Write the next epoch and wait for its acknowledgement."""
        epoch = await self._latest_claim(partition) + 1
        await self._put(partition, f"{partition}:epoch", str(epoch).encode())
        await self._producer.flush()
        return epoch

    async def save(self, partition: int, snapshot: Snapshot) -> None:
        """Write the older slot: all chunks, then the manifest, each acknowledged."""
        _guard(partition, snapshot.epoch, await self._latest_claim(partition))
        if partition not in self._next:
            await self.load(partition)
        slot = self._next[partition]
        data = await asyncio.to_thread(pack, snapshot)
        pieces = [data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)]
        for number, piece in enumerate(pieces):
            await self._put(partition, f"{partition}:{slot}:{number}", piece)
        await self._producer.flush()
        manifest = Manifest(
            epoch=snapshot.epoch,
            offset=snapshot.offset,
            chunks=len(pieces),
            sha256=hashlib.sha256(data).hexdigest(),
        )
        await self._put(partition, f"{partition}:{slot}", msgspec.json.encode(manifest))
        await self._producer.flush()
        self._next[partition] = 1 - slot

    async def _put(self, partition: int, key: str, value: bytes) -> None:
        await self._producer.put(Outgoing(SNAPSHOTS.name, partition, key.encode(), value, ()))

    async def _latest_claim(self, partition: int) -> int:
        """Read what was written since we last looked and return the highest epoch ever seen."""
        await self._view(partition, self._seen.get(partition, 0), keep_chunks=False)
        return self._epochs[partition]

    async def _view(self, partition: int, start: int, *, keep_chunks: bool) -> _PartitionView:
        view = _PartitionView()
        view.position = start
        async with contextlib.aclosing(
            self._reader.read(SNAPSHOTS.name, partition, start)
        ) as records:
            async for record in records:
                view.apply(record, keep_chunks=keep_chunks)
        self._seen[partition] = view.position
        self._epochs[partition] = max(view.claimed, self._epochs.get(partition, 0))
        return view
