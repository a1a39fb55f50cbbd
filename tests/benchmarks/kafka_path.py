"""Rows into and out of a real Apache Kafka: the sink, a plain consumer, the Faust worker."""

import asyncio
import itertools
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from rich.table import Table

from service.clock import WallClock
from service.distributed import EngineFactory, ProcessHalf
from service.kafka import KafkaSink, Producer
from service.settings import Kafka, Settings
from service.snapshots import FileStore
from service.topic_admin import ensure_topics
from service.worker import Worker, WorkerSettings
from streams.config import MethodConfig
from streams.engine import Engine
from streams.events import ROW_BYTES
from streams.topics import MARKET
from tests.benchmarks.market import Market, S, market
from tests.benchmarks.timing import (
    Measure,
    Plan,
    Took,
    Watch,
    best_ns,
    cpu_us,
    interleave,
    median_ns,
    rate,
    table,
)
from tests.kafka.broker import KafkaCluster

PARTITIONS = 4
BLOCK_ROWS = 200
UNDERLYINGS = 20
ROWS_PER_S = 20_000.0
LAP_S = 10.0

Blocks = list[tuple[int, bytes]]


def lap(made: Market, number: int) -> Blocks:
    """Return the market's blocks as they are `number` laps later, so that laps make one long log."""
    rows = made.rows.copy()
    rows["exchange_ns"] += number * int(LAP_S * S)
    rows["received_ns"] += number * int(LAP_S * S)
    return made._replace(rows=rows).partitioned(PARTITIONS, BLOCK_ROWS)


def rows_of(blocks: Blocks) -> int:
    """Return how many rows blocks hold."""
    return sum(len(block) for _, block in blocks) // ROW_BYTES


async def produce(bootstrap: str, blocks: Blocks) -> Took:
    """Put blocks until every one is acknowledged."""
    async with Producer(bootstrap) as producer:
        sink = KafkaSink(producer, producer_id="benchmark")
        with Watch() as watch:
            for partition, block in blocks:
                await sink.put(partition, block)
            await sink.flush()
    return watch.took(rows_of(blocks))


async def plain(bootstrap: str, blocks: int, rows: int) -> Took:
    """Fold the log with aiokafka's consumer and nothing else."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        engines = [Engine() for _ in range(PARTITIONS)]
        consumer.assign([TopicPartition(MARKET.name, p) for p in range(PARTITIONS)])
        await consumer.getmany(timeout_ms=10_000, max_records=1)
        left = blocks - 1
        with Watch() as watch:
            while left:
                for where, records in (await consumer.getmany(timeout_ms=1000)).items():
                    engine = engines[where.partition]
                    for record in records:
                        engine.fold(record.value, record.offset)
                    left -= len(records)
        return watch.took(rows - BLOCK_ROWS)
    finally:
        await consumer.stop()


async def timed(
    run: Coroutine[Any, Any, None], folded: Callable[[], int], stop: asyncio.Event, blocks: int,
    rows: int,
) -> Took:  # fmt: skip
    """Measure a worker from its first blocks to the last of the log, then end it."""
    running = asyncio.ensure_future(run)

    async def until(count: int) -> None:
        while folded() < count:
            if running.done():
                await running
                raise AssertionError("the worker ended before the log did")
            await asyncio.sleep(0.002)

    await until(1)
    before = folded()
    with Watch() as watch:
        await until(blocks)
    stop.set()
    await running
    return watch.took(rows * (blocks - before) // blocks)


async def worker(bootstrap: str, blocks: int, rows: int, folder: Path, group: str) -> Took:
    """Fold the log with the Faust worker."""
    settings = WorkerSettings(bootstrap=bootstrap, group_id=group)
    one = Worker(
        settings, EngineFactory(MethodConfig()), now_ns=WallClock().now_ns, store=FileStore(folder)
    )
    stop = asyncio.Event()
    return await timed(one.run(stop), lambda: _folded(one), stop, blocks, rows)


async def process(bootstrap: str, blocks: int, rows: int, folder: Path, group: str) -> Took:
    """Fold the log with all that `treadmill process` does beside: states, metrics, health."""
    settings = Settings(
        kafka=Kafka(bootstrap_servers=bootstrap, group_id=group, partitions=PARTITIONS),
        snapshot_store="file", data_dir=folder, http_port=0,
    )  # fmt: skip
    half, stop = ProcessHalf(settings, WallClock()), asyncio.Event()
    return await timed(half.run(stop), lambda: _folded(half.worker), stop, blocks, rows)


def _folded(one: Worker) -> int:
    return one.processor.stats.blocks if one.processor else 0


def measure(plan: Plan, libs: Path) -> Table:
    """Return the table of rows a second into and out of one broker."""
    laps = plan.count(5, least=2)
    made = market(UNDERLYINGS, ROWS_PER_S, LAP_S)
    with KafkaCluster(libs=libs) as kafka, tempfile.TemporaryDirectory() as folder:
        at, boot = Path(folder), kafka.bootstrap
        asyncio.run(ensure_topics(boot, partitions=PARTITIONS))
        cut = [lap(made, number) for number in range(laps)]
        count, rows = sum(map(len, cut)), sum(map(rows_of, cut))
        took = {"KafkaSink.put and flush": [asyncio.run(produce(boot, blocks)) for blocks in cut]}
        number = itertools.count()

        def fresh(way: Callable[..., Coroutine[Any, Any, Took]]) -> Measure:
            def one() -> Took:
                name = f"bench-{next(number)}"
                return asyncio.run(way(boot, count, rows, at / name, name))

            return one

        took |= interleave(plan, {
            "aiokafka's consumer + Engine.fold": lambda: asyncio.run(plain(boot, count, rows)),
            "Faust worker (service.worker)": fresh(worker),
            "all of `treadmill process`": fresh(process),
        })  # fmt: skip
    out = table(
        f"3. Real Apache Kafka, blocks of {BLOCK_ROWS} rows, {UNDERLYINGS} underlyings, {PARTITIONS} "
        f"partitions; the broker on the same machine; a log of {rows:,} rows",
        "way", "rows/s, wall: best", "median", "blocks/s", "CPU us a row", "rows/s a core by CPU",
    )  # fmt: skip
    for name, results in took.items():
        us = cpu_us(results)
        out.add_row(
            name, rate(best_ns(results)), rate(median_ns(results)),
            f"{1e9 / median_ns(results) * count / rows:,.0f}", f"{us:.2f}", rate(us * 1e3),
        )  # fmt: skip
    return out
