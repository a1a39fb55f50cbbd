"""Snapshots survive what happens to them: cut short, flipped, half written, or no longer ours."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.kafka import LogReader, Producer, read_partition
from service.records import Outgoing
from service.snapshots import (
    CHUNK_BYTES,
    Fenced,
    FileStore,
    Snapshot,
    TopicStore,
    TornSnapshot,
    pack,
    unpack,
)
from streams.topics import SNAPSHOTS


def _snapshot(offset: int, *, epoch: int = 1, state: bytes = b"state" * 100) -> Snapshot:
    return Snapshot(
        partition=1, offset=offset, output_offset=offset // 2, config_hash="c", epoch=epoch,
        created_ns=1_700_000_000_000_000_000, state=state,
    )  # fmt: skip


@given(st.binary(max_size=300), st.integers(0, 2**62), st.data())
@settings(max_examples=60)
def test_any_cut_or_flipped_byte_is_noticed(state: bytes, offset: int, data: st.DataObject) -> None:
    packed = pack(_snapshot(offset, state=state))
    assert unpack(packed) == _snapshot(offset, state=state)
    at = data.draw(st.integers(0, len(packed) - 1))
    with pytest.raises(TornSnapshot):
        unpack(packed[:at])
    flipped = bytearray(packed)
    flipped[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(TornSnapshot):
        unpack(bytes(flipped))


def test_a_snapshot_of_a_later_schema_is_not_guessed_at() -> None:
    with pytest.raises(TornSnapshot, match="schema 2"):
        unpack(pack(msgspec.structs.replace(_snapshot(1), schema=2)))


async def test_files_alternate_and_the_newest_wins(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "made" / "by" / "us")
    assert await store.load(1) is None
    for offset in (10, 20, 30):
        await store.save(1, _snapshot(offset))
        assert await FileStore(tmp_path / "made" / "by" / "us").load(1) == _snapshot(offset)
    names = sorted(path.name for path in (tmp_path / "made" / "by" / "us").iterdir())
    assert names == ["partition-1.0", "partition-1.1"]  # two slots, nothing left over
    assert await store.load(2) is None


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "gone"])
async def test_a_torn_file_falls_back_to_the_one_before(tmp_path: Path, damage: str) -> None:
    store = FileStore(tmp_path)
    await store.save(1, _snapshot(10))
    await store.save(1, _snapshot(20))
    newest = next(path for path in tmp_path.iterdir() if unpack(path.read_bytes()).offset == 20)
    data = newest.read_bytes()
    if damage == "gone":
        newest.unlink()
    else:
        newest.write_bytes({"cut": data[:-5], "flip": data[:-1] + b"?", "empty": b""}[damage])
    again = FileStore(tmp_path)
    assert await again.load(1) == _snapshot(10)
    await again.save(1, _snapshot(30))  # must not overwrite the only whole one
    assert {unpack(path.read_bytes()).offset for path in tmp_path.iterdir()} == {10, 30}


async def test_a_replaced_owner_cannot_save_to_files(tmp_path: Path) -> None:
    first, second = FileStore(tmp_path), FileStore(tmp_path)
    old = await first.claim(1)
    await first.save(1, _snapshot(10, epoch=old))
    new = await second.claim(1)
    assert new > old
    with pytest.raises(Fenced, match="partition 1 has a new owner"):
        await first.save(1, _snapshot(20, epoch=old))
    await second.save(1, _snapshot(15, epoch=new))
    assert await FileStore(tmp_path).load(1) == _snapshot(15, epoch=new)


@asynccontextmanager
async def _topic_store(bootstrap: str) -> AsyncIterator[tuple[TopicStore, Producer]]:
    async with Producer(bootstrap) as producer, LogReader(bootstrap) as reader:
        yield TopicStore(producer, reader), producer


def _noise(size: int) -> bytes:
    """Return bytes that do not compress."""
    return random.Random(size).randbytes(size)


@pytest.mark.kafka
async def test_topic_snapshots_of_any_size_come_back(topics: str) -> None:
    async with _topic_store(topics) as (store, _):
        assert await store.load(1) is None
        for offset, size in ((10, 10), (20, 2 * CHUNK_BYTES + 7), (30, CHUNK_BYTES // 2)):
            await store.save(1, _snapshot(offset, state=_noise(size)))
            async with _topic_store(topics) as (fresh, _):
                assert await fresh.load(1) == _snapshot(offset, state=_noise(size))
                assert await fresh.load(0) is None
    keys = [record.key for record in await read_partition(topics, SNAPSHOTS.name, 1)]
    assert keys == [b"1:0:0", b"1:0", b"1:1:0", b"1:1:1", b"1:1:2", b"1:1", b"1:0:0", b"1:0"]


@pytest.mark.kafka
async def test_a_save_cut_short_leaves_the_other_slot(topics: str) -> None:
    async with _topic_store(topics) as (store, producer):
        await store.save(1, _snapshot(10, state=_noise(2_000_000)))
        await store.save(1, _snapshot(20, state=_noise(2_000_001)))
        # What a writer leaves that dies after one chunk of the next save: slot 0 is half overwritten.
        chunk = pack(_snapshot(30, state=_noise(2_000_002)))[:CHUNK_BYTES]
        await producer.put(Outgoing(SNAPSHOTS.name, 1, b"1:0:0", chunk, ()))
        await producer.flush()
    async with _topic_store(topics) as (store, producer):
        assert await store.load(1) == _snapshot(20, state=_noise(2_000_001))
        await store.save(1, _snapshot(40))  # goes over the torn slot, not the whole one
        await producer.put(Outgoing(SNAPSHOTS.name, 1, b"1:0:0", b"torn again", ()))
    async with _topic_store(topics) as (store, _):
        assert await store.load(1) == _snapshot(20, state=_noise(2_000_001))


@pytest.mark.kafka
async def test_keys_that_are_not_ours_do_no_harm(topics: str) -> None:
    async with _topic_store(topics) as (store, producer):
        await store.save(1, _snapshot(10))
        for key in (b"", b"x:y:z:w", b"\xff", b"1:zero:1", b"1:two", b"1:epoch"):
            await producer.put(Outgoing(SNAPSHOTS.name, 1, key, b"noise", ()))
        await producer.flush()
        assert await store.load(1) == _snapshot(10)
        await store.save(1, _snapshot(11))


@pytest.mark.kafka
async def test_a_replaced_owner_cannot_save_to_the_topic(topics: str) -> None:
    async with _topic_store(topics) as (first, _), _topic_store(topics) as (second, _):
        old = await first.claim(1)
        await first.save(1, _snapshot(10, epoch=old))
        assert await second.load(1) == _snapshot(10, epoch=old)
        new = await second.claim(1)
        assert new > old
        with pytest.raises(Fenced, match=f"epoch {new}, ours is {old}"):
            await first.save(1, _snapshot(20, epoch=old))
        await second.save(1, _snapshot(15, epoch=new))
        assert await first.load(1) == _snapshot(15, epoch=new)
        assert await first.claim(1) > new
