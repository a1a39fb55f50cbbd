"""The embedded run: an append-only local log, and the engine behind it in the same process.

A log is a folder of segments named by the index of their first block. A segment is a header and then blocks,
each with its length and checksum. A block is in the log before the engine sees it, so a restart is the
snapshot plus `read(offset + 1)`.
"""

import asyncio
import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from io import BufferedReader, FileIO, TextIOWrapper
from pathlib import Path
from typing import Final, Protocol
from zlib import crc32

import msgspec

from streams.events import ROW_BYTES, SCHEMA_VERSION
from streams.signals import Signal

_HEADER: Final = struct.Struct("<8sIQ")  # magic, schema, index of the first block
_FRAME: Final = struct.Struct("<II")  # length, crc32
_MAGIC: Final = b"TREADLOG"
_BLOCK_MAX: Final = 64 << 20

OnSignals = Callable[[list[Signal]], None]


class CorruptLog(Exception):  # noqa: N818 - named as the field names it
    """A log folder that cannot be read: foreign file, other schema, or damage that is no torn tail."""


class LogInUse(Exception):  # noqa: N818 - as above
    """Two processes were told to write one folder."""


class Engine(Protocol):
    """What the bus needs of the engine."""

    @property
    def offset(self) -> int:
        """Index of the last block folded, -1 before the first."""
        ...

    def fold(self, block: bytes, offset: int) -> list[Signal]:
        """Fold one block."""
        ...

    def snapshot(self) -> bytes:
        """Return the whole state."""
        ...


def _blocks(file: BufferedReader) -> Iterator[bytes | None]:
    """Yield the blocks after the header; a last None says that what follows is damaged."""
    while head := file.read(_FRAME.size):
        if len(head) < _FRAME.size:
            yield None
            return
        length, checksum = _FRAME.unpack(head)
        block = file.read(length) if length <= _BLOCK_MAX else b""
        if len(block) != length or length % ROW_BYTES or crc32(block) != checksum:
            yield None
            return
        yield block


def _lock(folder: Path) -> TextIOWrapper:
    file = (folder / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise LogInUse(
            f"{folder} is written by another process: stop it or choose another folder"
        ) from None
    return file


def _open_segment(path: Path, first: int) -> BufferedReader:
    file = path.open("rb")
    head = file.read(_HEADER.size)
    if head == _HEADER.pack(_MAGIC, SCHEMA_VERSION, first):
        return file
    file.close()
    raise CorruptLog(
        f"{path} is no segment of schema {SCHEMA_VERSION}: move it away to start afresh"
    )


def _segments(folder: Path) -> list[int]:
    return sorted(int(path.stem) for path in folder.glob("*.log") if path.stem.isdigit())


def _path(folder: Path, first: int) -> Path:
    return folder / f"{first:020d}.log"


def read_log(folder: Path, from_index: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield (index, block) from `from_index` on, or from what retention has left. Changes nothing on disk.

    Ends before a torn tail; a log that is being written can be read as far as it has come.

    Raises:
        CorruptLog: a block between good ones is damaged.
    """
    segments = _segments(folder)
    for position, first in enumerate(segments):
        last = position == len(segments) - 1
        if not last and segments[position + 1] <= from_index:
            continue
        path = _path(folder, first)
        if last and path.stat().st_size < _HEADER.size:
            return  # being created, or died then
        with _open_segment(path, first) as file:
            for index, block in enumerate(_blocks(file), start=first):
                if block is None and not last:
                    raise CorruptLog(f"{path}: block {index} is damaged; move the folder away")
                if block is not None and index >= from_index:
                    yield index, block


class LocalLog:
    """Blocks on disk, counted from 0. One writer at a time, which a lock on the folder enforces.

    `segment_bytes` is when a new file begins, `keep_bytes` what the folder may hold; the oldest segments go
    first, the newest never. `torn_bytes` says how much of an interrupted write was cut off on opening.

    Raises:
        LogInUse: another process writes to the folder.
        CorruptLog: its newest segment is none of ours.
    """

    def __init__(
        self, folder: Path, *, segment_bytes: int = 256 << 20, keep_bytes: int = 2 << 30
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.torn_bytes = 0
        self.next_index = 0
        self._segment_bytes = segment_bytes
        self._keep_bytes = keep_bytes
        self._lock = _lock(folder)
        try:
            self._file, self._size = self._open_last()
        except BaseException:
            self._lock.close()
            raise

    @property
    def first_index(self) -> int:
        """The oldest block that retention has left; `next_index` if there is none."""
        return min(_segments(self.folder), default=self.next_index)

    def _open_last(self) -> tuple[FileIO, int]:
        segments = _segments(self.folder)
        if not segments:
            return self._start_segment()
        path = _path(self.folder, segments[-1])
        self.next_index = segments[-1]
        size = path.stat().st_size
        if size < _HEADER.size:  # died while the segment was being created
            self.torn_bytes = size
            return self._start_segment()
        good = _HEADER.size
        with _open_segment(path, segments[-1]) as file:
            for block in _blocks(file):
                if block is None:
                    break
                good += _FRAME.size + len(block)
                self.next_index += 1
        self.torn_bytes = size - good
        writer = FileIO(path, "r+")
        writer.truncate(good)
        writer.seek(good)
        return writer, good

    def _start_segment(self) -> tuple[FileIO, int]:
        writer = FileIO(_path(self.folder, self.next_index), "w")
        writer.write(_HEADER.pack(_MAGIC, SCHEMA_VERSION, self.next_index))
        return writer, _HEADER.size

    def _roll(self) -> None:
        self.sync()
        self._file.close()
        self._file, self._size = self._start_segment()
        paths = [_path(self.folder, first) for first in _segments(self.folder)]
        sizes = [path.stat().st_size for path in paths]
        total = sum(sizes)
        for path, size in zip(paths[:-1], sizes[:-1], strict=True):
            if total <= self._keep_bytes:
                return
            path.unlink()
            total -= size

    def append(self, block: bytes) -> int:
        """Write a block and return its index. It survives this process, not yet the machine: see `sync`.

        Raises:
            OSError: the disk is full or gone; the log ends as it did before.
        """
        if self._size >= self._segment_bytes:
            self._roll()
        framed = _FRAME.pack(len(block), crc32(block)) + block
        try:
            self._write_whole(framed)
        except OSError:
            self._file.truncate(self._size)
            self._file.seek(self._size)
            raise
        self._size += len(framed)
        self.next_index += 1
        return self.next_index - 1

    def _write_whole(self, framed: bytes) -> None:
        written = self._file.write(framed)
        if written != len(framed):
            raise OSError(
                f"{self.folder}: disk full, {written} of {len(framed)} bytes were written"
            )

    def skip_to(self, index: int) -> None:
        """Let the next block be `index`: a snapshot outlived the end of the log in a power cut."""
        if index > self.next_index:
            self.next_index = index
            self._roll()

    def read(self, from_index: int) -> Iterator[tuple[int, bytes]]:
        """Yield (index, block) from `from_index` on; as `read_log`."""
        return read_log(self.folder, from_index)

    def sync(self) -> None:
        """Make everything appended survive the machine."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Sync, close and let go of the folder. The log takes nothing more."""
        if not self._file.closed:
            self.sync()
            self._file.close()
            self._lock.close()


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """What a restart found: blocks folded, blocks that retention had taken, torn bytes cut off."""

    folded: int
    missing: int
    torn_bytes: int


class EmbeddedBus:
    """A sink of one partition that logs each block, folds it, and hands on the signals.

    Without a log (`None`) nothing survives the process; blocks are then just numbered.
    """

    partitions = 1

    def __init__(self, engine: Engine, log: LocalLog | None, on_signals: OnSignals) -> None:
        self.engine = engine
        self.log = log
        self._on_signals = on_signals

    def recover(self) -> Recovery:
        """Fold what the log holds beyond the engine's offset; to be called once, before `put`.

        Signals of these blocks go to `on_signals` again: their ids are the same as before.
        """
        if self.log is None:
            return Recovery(folded=0, missing=0, torn_bytes=0)
        expected = self.engine.offset + 1
        folded = missing = 0
        for index, block in self.log.read(expected):
            missing += index - expected
            expected = index + 1
            self._fold(block, index)
            folded += 1
        self.log.skip_to(expected)
        return Recovery(folded=folded, missing=missing, torn_bytes=self.log.torn_bytes)

    async def put(self, partition: int, block: bytes) -> None:
        """Log the block and fold it."""
        if partition:
            raise ValueError(f"partition {partition}: an embedded run has only partition 0")
        index = self.engine.offset + 1 if self.log is None else self.log.append(block)
        self._fold(block, index)

    def _fold(self, block: bytes, index: int) -> None:
        signals = self.engine.fold(block, index)
        if signals:
            self._on_signals(signals)

    async def flush(self) -> None:
        """Make the log survive the machine."""
        if self.log is not None:
            await asyncio.to_thread(self.log.sync)

    async def close(self) -> None:
        """Close the log."""
        if self.log is not None:
            self.log.close()
