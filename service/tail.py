"""What is on a topic or in a local log, as JSON lines for people."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import msgspec

from service.bus import read_log
from service.kafka import LogReader
from service.records import LogRecord
from service.settings import SettingsError
from streams.events import MalformedBlock, block_rows, row_to_dict
from streams.topics import MARKET, SNAPSHOTS, TOPICS, Topic

Write = Callable[[bytes], None]


def topic_named(name: str) -> Topic:
    """Return the topic of a full or short name.

    Raises:
        SettingsError: there is none.

    >>> topic_named("signals").name
    'treadmill.signals.v1'
    """
    for topic in TOPICS:
        if name in {topic.name, topic.name.removeprefix("treadmill.").rpartition(".")[0]}:
            return topic
    known = ", ".join(t.name.removeprefix("treadmill.").rpartition(".")[0] for t in TOPICS)
    raise SettingsError(f"no topic {name!r}: use one of {known}")


def block_lines(block: bytes) -> list[bytes]:
    """Return a block's rows as JSON lines."""
    return [msgspec.json.encode(row_to_dict(row)) for row in block_rows(block)]


def record_lines(topic: Topic, record: LogRecord) -> list[bytes]:
    """Return one record as JSON lines; what is no JSON is described."""
    value = record.value or b""
    if topic is MARKET:
        try:
            return block_lines(value)
        except MalformedBlock as error:
            return [_described(record, error=str(error))]
    if topic is SNAPSHOTS:
        return [_described(record)]
    try:
        msgspec.json.decode(value)
    except msgspec.DecodeError as error:
        return [
            _described(record, error=str(error), beginning=value[:200].decode(errors="replace"))
        ]
    return [value]


def _described(record: LogRecord, **more: Any) -> bytes:
    key = None if record.key is None else record.key.decode(errors="replace")
    facts = {"offset": record.offset, "key": key, "bytes": len(record.value or b"")}
    return msgspec.json.encode(facts | more)


def tail_folder(folder: Path, write: Write, *, last: int) -> int:
    """Write the rows of the `last` blocks of a local log; return how many rows.

    Raises:
        SettingsError: the folder holds no log.
        CorruptLog: what it holds cannot be read.
    """
    rows = 0
    blocks = deque(read_log(folder), maxlen=last)
    if not blocks:
        raise SettingsError(f"{folder} holds no blocks of a log: name a run's data-dir with /log")
    for _, block in blocks:
        for line in block_lines(block):
            write(line)
            rows += 1
    return rows


async def follow(
    bootstrap: str, topic: Topic, partitions: int, *, last: int, forever: bool
) -> AsyncGenerator[bytes, None]:
    """Yield a topic's records as JSON lines: the `last` of each partition, then, if asked, new ones."""
    async with LogReader(bootstrap) as reader:
        positions = {}
        for partition in range(partitions):
            first, end = await reader.bounds(topic.name, partition)
            positions[partition] = max(first, end - last)
        while True:
            for partition, position in positions.items():
                async with contextlib.aclosing(
                    reader.read(topic.name, partition, position)
                ) as records:
                    async for record in records:
                        positions[partition] = record.offset + 1
                        for line in record_lines(topic, record):
                            yield line
            if not forever:
                return
            await asyncio.sleep(0.5)
