"""`kill -9` of workers in the middle of a stream: nothing is lost, nothing is said twice differently."""

import asyncio
import os
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from service import configuration
from service.kafka import KafkaSink, LogReader, Producer
from service.snapshots import TopicStore
from streams.engine import Engine
from streams.signals import Signal, fact
from tests.e2e.market_log import market_blocks
from tests.e2e.processes import Treadmill, environment, total
from tests.e2e.topics import PARTITIONS, Folded, market_log, signals_on_topic
from tests.e2e.world import CASCADES, EPOCH_NS, QUICK

pytestmark = pytest.mark.kafka

KILLS = 10 if os.environ.get("TREADMILL_FULL") == "1" else 3
SEED = 20
#: Seconds between kills: sometimes shorter than the ten a group needs to give a dead worker's work away.
GAP_S = (5.0, 13.0)
SECONDS = 1800  # of the market


class Group:
    """The workers of one group: two alive at a time, and all that ever were."""

    def __init__(self, stack: ExitStack, folder: Path, bootstrap: str) -> None:
        self._stack, self._folder = stack, folder
        self._env = environment(
            KAFKA__BOOTSTRAP_SERVERS=bootstrap, KAFKA__PARTITIONS=PARTITIONS, HTTP_PORT=0,
            SNAPSHOT_INTERVAL_S=1.0, **{f"METHOD__{k.upper()}": v for k, v in QUICK.items()},
        )  # fmt: skip
        self.method = configuration.load(self._env).method
        self.all: list[Treadmill] = []
        self.alive: list[Treadmill] = []

    def start(self) -> Treadmill:
        """Start one more worker."""
        worker = Treadmill(f"process-{len(self.all)}", self._folder, "process", env=self._env)
        self.all.append(self._stack.enter_context(worker))
        self.alive.append(worker)
        return worker

    def kill(self, rng: random.Random) -> None:
        """SIGKILL one of them."""
        victim = self.alive.pop(rng.randrange(len(self.alive)))
        assert victim.running, victim.err.read_text()[-3000:]
        victim.kill()

    async def caught_up(self) -> bool:
        """Say whether those alive own every partition and are at its end."""
        pages = [await one.metrics() for one in self.alive if one.events()]
        owned = [p for page in pages for (n, p) in page if n == "consumer_lag_records"]
        lag = sum(total(page, "consumer_lag_records") for page in pages)
        return len(set(owned)) == PARTITIONS and lag == 0


def paced(blocks: list[tuple[int, bytes]], head: int) -> Iterator[tuple[int, int]]:
    """Yield (from, to): the head at once, then a hundredth of the rest at a time."""
    yield 0, head
    step = max(1, (len(blocks) - head) // 100)
    for at in range(head, len(blocks), step):
        yield at, min(at + step, len(blocks))


async def feed(bootstrap: str, blocks: list[tuple[int, bytes]], seconds: float) -> None:
    """Write a fifth of the log at once and the rest over `seconds`."""
    async with Producer(bootstrap) as producer:
        sink = KafkaSink(producer, producer_id="test")
        for start, end in paced(blocks, len(blocks) // 5):
            for partition, block in blocks[start:end]:
                await sink.put(partition, block)
            await sink.flush()
            if start:
                await asyncio.sleep(seconds / 100)


def once(said: list[Signal]) -> list[Signal]:
    """Return the first of each id."""
    return list({one.id: one for one in reversed(said)}.values())[::-1]


async def test_killed_workers_lose_nothing_and_say_nothing_else(
    topics: str, tmp_path: Path
) -> None:
    rng = random.Random(SEED)
    gaps = [rng.uniform(*GAP_S) for _ in range(KILLS)]
    blocks = list(market_blocks(CASCADES, SECONDS, PARTITIONS, EPOCH_NS))
    log: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
    for partition, block in blocks:
        log[partition].append(block)
    rows = sum(len(block) // 64 for _, block in blocks)
    with ExitStack() as stack:
        group = Group(stack, tmp_path, topics)
        truth = Folded(log, group.method)
        for worker in (group.start(), group.start()):
            await worker.event("processing")
        begin = time.monotonic()
        feeding = asyncio.create_task(feed(topics, blocks, sum(gaps) + 3.0))
        for gap_s in gaps:
            await asyncio.sleep(gap_s)
            assert not feeding.done(), "killed in the middle of the stream"
            group.kill(rng)
            group.start()
        await feeding
        for worker in group.alive:
            await worker.event("processing")
        end = time.monotonic() + 40.0
        while not await group.caught_up():
            assert time.monotonic() < end, [one.err.read_text()[-500:] for one in group.alive]
            await asyncio.sleep(0.5)
        seconds = time.monotonic() - begin
        pages = [await one.metrics() for one in group.alive]
        for worker in group.alive:
            worker.terminate()
        assert [await one.ended() for one in group.alive] == [0, 0]
        assert all(worker.complaints() == [] for worker in group.all)

    assert await market_log(topics) == log
    said = await signals_on_topic(topics)
    raw = sum(map(len, said.values()))
    for symbol, facts in truth.facts().items():
        assert [fact(one) for one in once(said[symbol])] == facts, f"{symbol}: lost or changed"
        by_id = {one.id: fact(one) for one in said[symbol]}
        assert all(by_id[one.id] == fact(one) for one in said[symbol]), "a repetition differs"
    duplicates = raw - sum(map(len, truth.signals.values()))
    assert duplicates == 0, "the emit filter lets nothing through twice"

    async with Producer(topics) as producer, LogReader(topics) as reader:
        store = TopicStore(producer, reader)
        hashes: dict[str, str] = {}
        for partition, mine in enumerate(log):
            snapshot = await store.load(partition)
            assert snapshot is not None
            assert snapshot.offset == len(mine) - 1
            hashes |= Engine.restore(snapshot.state, group.method).underlying_hashes()
    assert hashes == truth.hashes()

    states = [one for each in truth.signals.values() for one in each if one.kind == "state"]
    bursts = [one for each in truth.signals.values() for one in each if one.kind == "burst"]
    assert {"CALM", "CASCADE"} <= {one.status for one in states}
    assert len(states) > 15
    assert len(bursts) > 50
    repeated = sum(total(page, "repeated_signals_total") for page in pages)
    print(
        f"\n{rows} rows in {len(blocks)} blocks, {KILLS} kills in {seconds:.0f} s: {raw} signals "
        f"({len(states)} states, {len(bursts)} bursts), {duplicates} duplicates on the topic, "
        f"{repeated:.0f} repetitions kept back by the two that were left"
    )
