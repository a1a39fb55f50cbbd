"""Worker processes on a real Kafka: killed, handed over, ended, and always with one answer."""

import asyncio
import contextlib
import os
import random
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from service.kafka import KafkaSink, LogReader, Producer, read_partition
from service.processor import LogHole
from service.snapshots import FileStore, Snapshot, TopicStore
from service.worker import Worker, WorkerSettings
from streams.signals import decode, fact
from streams.topics import MARKET, SIGNALS
from tests.conftest import ROOT
from tests.kafka_fixture import PARTITIONS
from tests.reference.counting_fold import CountingFactory, CountingFold, trade_block

pytestmark = pytest.mark.kafka

KILLS = 10 if os.environ.get("TREADMILL_FULL") else 3
ROWS = 20


class WorkerProcess:
    """A worker in its own process, and what it last said about itself."""

    def __init__(self, bootstrap: str, folder: Path, *, store: str = "topic", **names: str) -> None:
        self._said = folder / f"said-{uuid.uuid4().hex}.json"
        self._output = self._said.with_suffix(".log")
        self.started = time.monotonic()
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    sys.executable, "-m", "tests.kafka.run_worker", bootstrap,
                    names.get("group", "test"), store, names.get("instance", "-"), str(self._said),
                ],
                cwd=ROOT, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def said(self) -> dict[str, Any]:
        """Return its last report; an empty one before the first."""
        with contextlib.suppress(FileNotFoundError):
            said: dict[str, Any] = msgspec.json.decode(self._said.read_bytes())
            return said
        return {"assigned": False, "lanes": {}, "stats": {}}

    def output(self) -> str:
        """Return what it printed."""
        return self._output.read_text(errors="replace")

    async def until(self, told: Callable[[dict[str, Any]], bool], seconds: float = 30.0) -> float:
        """Wait until a report satisfies `told`; return the seconds since the process started."""
        deadline = time.monotonic() + seconds
        while not told(self.said()):
            assert self.process.poll() is None, self.output()[-3000:]
            assert time.monotonic() < deadline, f"{self.said()} {self.output()[-3000:]}"
            await asyncio.sleep(0.05)
        return time.monotonic() - self.started

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self.process.kill()
        self.process.wait()

    async def terminate(self) -> tuple[int, float]:
        """SIGTERM; return the exit code and the seconds it took."""
        begin = time.monotonic()
        self.process.terminate()
        code = await asyncio.to_thread(self.process.wait, 20)
        return code, time.monotonic() - begin


@pytest.fixture
def workers(topics: str, tmp_path: Path) -> Iterator[Callable[..., WorkerProcess]]:
    """Return a starter of worker processes on fresh topics; none outlives the test."""
    group = f"group-{uuid.uuid4().hex}"
    started: list[WorkerProcess] = []

    def start(**options: str) -> WorkerProcess:
        started.append(WorkerProcess(topics, tmp_path, **{"group": group, **options}))
        return started[-1]

    yield start
    for worker in started:
        worker.kill()


async def _publish(bootstrap: str, stop: asyncio.Event, *, pause_s: float = 0.01) -> None:
    """Write blocks to all partitions in turn until told to stop; partitions have own instruments."""
    async with Producer(bootstrap) as producer:
        sink, number = KafkaSink(producer, producer_id="test"), 0
        while not stop.is_set():
            for partition in range(PARTITIONS):
                names = (10 * partition + 1, 10 * partition + 2)
                await sink.put(partition, trade_block(number * ROWS, ROWS, names))
            number += 1
            await asyncio.sleep(pause_s)


@contextlib.asynccontextmanager
async def _publishing(bootstrap: str) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(_publish(bootstrap, stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def _answer(bootstrap: str) -> dict[str, tuple[int, str, dict[str, bytes]]]:
    """Fold each partition without interruption: last offset, state hash, signals by id."""
    answer = {}
    for partition in range(PARTITIONS):
        fold, facts = CountingFold(), {}
        for record in await read_partition(bootstrap, MARKET.name, partition):
            for each in fold.fold(record.value or b"", record.offset):
                facts[each.id] = fact(each)
        answer[str(partition)] = (fold.offset, fold.state_hash(), facts)
    return answer


async def _assert_signals(
    bootstrap: str, answer: dict[str, tuple[int, str, dict[str, bytes]]]
) -> int:
    """Every signal of the answer is on its partition, nothing else is; return the duplicates."""
    duplicates = 0
    for partition, (_, _, facts) in answer.items():
        records = await read_partition(bootstrap, SIGNALS.name, int(partition))
        signals = [decode(record.value or b"") for record in records]
        assert {each.id for each in signals} == set(facts)
        assert all(fact(each) == facts[each.id] for each in signals)
        duplicates += len(signals) - len(facts)
    return duplicates


def _caught_up(answer: dict[str, tuple[int, str, dict[str, bytes]]]) -> Callable[[Any], bool]:
    def told(said: dict[str, Any]) -> bool:
        lanes = said["lanes"]
        return set(lanes) == set(answer) and all(
            lanes[partition]["offset"] == offset for partition, (offset, _, _) in answer.items()
        )

    return told


def _assert_states(said: dict[str, Any], answer: dict[str, Any]) -> None:
    assert {p: lane["hash"] for p, lane in said["lanes"].items()} == {
        p: state_hash for p, (_, state_hash, _) in answer.items()
    }


@pytest.mark.parametrize("home", ["topic", "file"])
async def test_sigkill_at_random_changes_nothing(
    topics: str, tmp_path: Path, workers: Callable[..., WorkerProcess], home: str
) -> None:
    """The oracle is a fold of the same log that nobody killed."""
    store = "topic" if home == "topic" else str(tmp_path / "snapshots")
    chance, ready = random.Random(), []
    async with _publishing(topics):
        for _ in range(KILLS):
            worker = workers(store=store, instance="one")
            folding = lambda said: said["assigned"] and said["stats"]["blocks"] > 0  # noqa: E731
            ready.append(await worker.until(folding))
            await asyncio.sleep(chance.uniform(0.0, 1.2))
            worker.kill()
    answer = await _answer(topics)
    worker = workers(store=store, instance="one")
    await worker.until(_caught_up(answer))
    _assert_states(worker.said(), answer)
    code, _ = await worker.terminate()
    assert code == 0
    duplicates = await _assert_signals(topics, answer)
    signals = sum(len(facts) for _, _, facts in answer.values())
    assert signals > 20
    assert duplicates <= signals * 0.02
    print(f"{KILLS} kills: ready after {ready} s, {duplicates} of {signals} signals twice")


async def test_two_workers_share_and_the_survivor_takes_over(
    topics: str, workers: Callable[..., WorkerProcess]
) -> None:
    def owns(count: int) -> Callable[[dict[str, Any]], bool]:
        return lambda said: said["assigned"] and len(said["lanes"]) == count

    async with _publishing(topics):
        first = workers()
        await first.until(owns(PARTITIONS))
        second = workers()
        await asyncio.gather(first.until(owns(2)), second.until(owns(2)))
        assert set(first.said()["lanes"]).isdisjoint(second.said()["lanes"])
        await asyncio.sleep(1.0)
        begin = time.monotonic()
        first.kill()
        await second.until(owns(PARTITIONS))
        print(f"taken over {time.monotonic() - begin:.1f} s after SIGKILL, session timeout 3 s")
        third = workers()
        await asyncio.gather(second.until(owns(2)), third.until(owns(2)))
        code, seconds = await third.terminate()
        assert code == 0
        assert seconds < 10
        await second.until(owns(PARTITIONS))
    answer = await _answer(topics)
    await second.until(_caught_up(answer))
    _assert_states(second.said(), answer)
    assert (await second.terminate())[0] == 0
    await _assert_signals(topics, answer)


async def _committed(bootstrap: str, group: str) -> dict[str, int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        found: dict[TopicPartition, Any] = await admin.list_consumer_group_offsets(group)
    finally:
        await admin.close()
    return {str(where.partition): value.offset for where, value in found.items()}


async def test_commits_follow_snapshots_and_sigterm_saves_all(
    topics: str, workers: Callable[..., WorkerProcess]
) -> None:
    worker = workers(group="followed")
    async with _publishing(topics):
        await worker.until(lambda said: said["stats"].get("snapshots", 0) >= 2 * PARTITIONS)
        for _ in range(10):
            committed = await _committed(topics, "followed")
            async with Producer(topics) as producer, LogReader(topics) as reader:
                store = TopicStore(producer, reader)
                saved = [await store.load(partition) for partition in range(PARTITIONS)]
            for partition, offset in committed.items():
                snapshot = saved[int(partition)]
                assert snapshot is not None
                assert offset <= snapshot.offset + 1
    answer = await _answer(topics)
    await worker.until(_caught_up(answer))
    code, seconds = await worker.terminate()
    assert code == 0
    assert seconds < 10
    ends = {partition: offset + 1 for partition, (offset, _, _) in answer.items()}
    assert await _committed(topics, "followed") == ends


async def test_sigterm_while_joining_ends_the_process(
    workers: Callable[..., WorkerProcess],
) -> None:
    worker = workers()
    await worker.until(lambda said: said["stats"] != {})  # connected, Faust starting
    assert not worker.said()["assigned"]
    code, seconds = await worker.terminate()
    assert code == 0, worker.output()
    assert seconds < 10


async def _run_until(worker: Worker, done: Callable[[], bool]) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(stop))
    while not done() and not running.done():
        await asyncio.sleep(0.02)
    stop.set()
    await running


async def test_a_worker_in_this_process_reports_where_it_is(topics: str, tmp_path: Path) -> None:
    async with Producer(topics) as producer:
        for number in range(30):
            await KafkaSink(producer, producer_id="t").put(1, trade_block(number * ROWS, ROWS))
    worker = Worker(
        WorkerSettings(bootstrap=topics, group_id="inside", snapshot_interval_s=0.1),
        CountingFactory(),
        now_ns=time.time_ns,
        store=FileStore(tmp_path),
    )
    assert worker.status() == []
    statuses = []

    def done() -> bool:
        statuses[:] = worker.status()
        return any(each.snapshot_offset == 29 for each in statuses)

    await _run_until(worker, done)
    by_partition = {each.partition: each for each in statuses}
    assert set(by_partition) == set(range(PARTITIONS))
    assert (by_partition[1].offset, by_partition[1].lag, by_partition[1].epoch) == (29, 0, 1)
    assert by_partition[1].snapshot_bytes > 0
    assert by_partition[0].offset == -1


async def test_a_hole_stops_the_worker_and_saves_nothing(topics: str, tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    ahead = Snapshot(
        partition=2, offset=500, output_offset=0, config_hash="counting", epoch=3, created_ns=1,
        state=CountingFold().snapshot(),
    )  # fmt: skip
    await store.save(2, ahead)
    worker = Worker(
        WorkerSettings(bootstrap=topics, group_id="holed", snapshot_interval_s=0.1),
        CountingFactory(),
        now_ns=time.time_ns,
        store=FileStore(tmp_path),
    )
    with pytest.raises(LogHole, match=f"{MARKET.name}-2 goes on at offset 0, the state at 501"):
        await asyncio.wait_for(_run_until(worker, lambda: False), 20)
    assert await store.load(2) == ahead


async def test_a_fold_that_fails_ends_the_worker_with_its_own_error(
    topics: str, tmp_path: Path
) -> None:
    async with Producer(topics) as producer:
        await KafkaSink(producer, producer_id="t").put(0, trade_block(0, ROWS))
        await KafkaSink(producer, producer_id="t").put(0, b"not whole rows")
    worker = Worker(
        WorkerSettings(bootstrap=topics, group_id="poisoned", snapshot_interval_s=30),
        CountingFactory(),
        now_ns=time.time_ns,
        store=FileStore(tmp_path),
    )
    with pytest.raises(Exception, match="14 bytes are not whole rows"):
        await asyncio.wait_for(_run_until(worker, lambda: False), 20)
    assert await FileStore(tmp_path).load(0) is None  # a state that met an error is not kept
