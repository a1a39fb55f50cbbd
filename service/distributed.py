"""The two halves of a distributed run: venues into the market log, and the market log into signals."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
import structlog

from service.clock import Clock
from service.embedded import publish
from service.health import Health
from service.ingestion import Hooks, Ingestion
from service.kafka import KafkaSink, Producer
from service.memory import settle
from service.processor import Block
from service.publisher import Publisher
from service.records import Outgoing, json_record
from service.settings import Settings
from service.side_topics import feed_records, liquidation_records
from service.snapshots import FileStore, SnapshotStore
from service.telemetry import Telemetry
from service.topic_admin import ensure_topics
from service.venue import Venue
from service.worker import Worker, WorkerSettings
from streams.config import MethodConfig
from streams.engine import Engine, layout
from streams.instruments import Instrument
from streams.signals import Signal, rfc3339
from streams.speech import CODE_VERSION
from streams.topics import DEAD_LETTER, HEATMAP, INSTRUMENTS, STATE, Topic

NS = 1_000_000_000
STATE_EVERY_NS = 900_000_000  # of the wall: once a tick when live
HEATMAP_EVERY_NS = 10 * NS

_log = structlog.get_logger(__name__)


def producer_id() -> str:
    """Return what tells this process from others in record headers."""
    return f"{socket.gethostname()}-{os.getpid()}"


async def create_topics(settings: Settings) -> list[str]:
    """Create what is missing, verify the rest, return the names created.

    Raises:
        TopicMismatch: a topic has another shape.
        BrokerUnreachable: no broker answers.
    """
    kafka = settings.kafka
    return await ensure_topics(
        kafka.bootstrap_servers,
        partitions=kafka.partitions,
        replication=kafka.replication_factor,
        min_in_sync=kafka.min_insync_replicas,
    )


class _NotedSink:
    """Puts blocks where they go, and shows each to `note` first."""

    def __init__(self, sink: KafkaSink, note: Callable[[bytes], None]) -> None:
        self._sink = sink
        self._note = note

    async def put(self, partition: int, block: bytes) -> None:
        self._note(block)
        await self._sink.put(partition, block)

    async def flush(self) -> None:
        await self._sink.flush()

    async def close(self) -> None:
        await self._sink.close()


class IngestHalf:
    """Venues to the market log."""

    def __init__(self, settings: Settings, venues: Mapping[str, Venue], clock: Clock) -> None:
        self.settings = settings
        self.telemetry = Telemetry(clock.now_ns, max_symbols=0)
        self.telemetry.build(CODE_VERSION, settings.method.hash())
        self._venues = venues
        self._clock = clock
        self._notes: asyncio.Queue[Outgoing] = asyncio.Queue(maxsize=1000)
        self._known: dict[int, Instrument] = {}
        self.unnoted = 0  # side records given up because the broker was behind

    async def run(self) -> None:
        """Run until cancelled; everything read before is acknowledged on the way out."""
        settings = self.settings
        await create_topics(settings)
        async with Producer(settings.kafka.bootstrap_servers) as producer:
            publisher = Publisher(
                _NotedSink(KafkaSink(producer, producer_id=producer_id()), self._feeds),
                settings.kafka.partitions,
                linger_s=settings.linger_s,
                max_rows=settings.block_rows,
            )
            hooks = Hooks(dead_letter=self._dead_letter, instruments=self._instruments)
            ingestion = Ingestion(
                settings, self._venues, publisher, self._clock, self.telemetry, hooks
            )
            await self._serve(producer, publisher, ingestion)

    async def _serve(self, producer: Producer, publisher: Publisher, ingestion: Ingestion) -> None:
        settings = self.settings
        checks = {"venues": lambda: bool(ingestion.live) or "none of the venues has been read yet"}
        async with Health(
            self.telemetry, checks, host=settings.http_host, port=settings.http_port
        ) as health:
            _log.info("ingesting", venues=list(self._venues), health_port=health.port)
            settle()
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(publisher.run())
                    group.create_task(ingestion.run())
                    group.create_task(self._write_notes(producer))
                    group.create_task(self._measure(publisher, ingestion))
            finally:
                await publisher.close()

    def _feeds(self, block: bytes) -> None:
        for record in feed_records(block, self._known):
            self._note(record)

    def _note(self, record: Outgoing) -> None:
        """Queue a side record. The market log comes first: when the queue is full it is counted away."""
        try:
            self._notes.put_nowait(record)
        except asyncio.QueueFull:
            self.unnoted += 1

    def _dead_letter(self, venue: str, reason: str, frame: bytes) -> None:
        headers = (("reason", reason.encode()), ("venue", venue.encode()))
        self._note(Outgoing(DEAD_LETTER.name, 0, venue.encode(), frame, headers))

    def _instruments(self, venue: str, instruments: Sequence[Instrument]) -> None:
        now = rfc3339(self._clock.now_ns())
        self._known |= {one.id: one for one in instruments}
        for one in instruments:
            self._note(
                json_record(
                    INSTRUMENTS, key=f"{one.id:016x}", value=msgspec.json.encode(one),
                    ce_id=f"{one.id:016x}-{now}", ce_type="treadmill.instrument.v1", ce_time=now,
                    source=f"treadmill/ingest/{venue}", partition=0,
                )
            )  # fmt: skip

    async def _write_notes(self, producer: Producer) -> None:
        while True:
            await producer.put(await self._notes.get())

    async def _measure(self, publisher: Publisher, ingestion: Ingestion) -> None:
        while True:
            await asyncio.sleep(1.0)
            stats = publisher.stats
            self.telemetry.published(rows=stats.rows, blocks=stats.blocks, stretch=stats.stretch)
            ingestion.report(self.telemetry)


class EngineFactory:
    """Engines of one configuration."""

    def __init__(self, method: MethodConfig) -> None:
        self._method = method
        self._restored: WeakKeyDictionary[Engine, dict[str, int]] = WeakKeyDictionary()
        self.config_hash = f"{method.hash()} {layout()}"  # a state of another shape is of no use

    def new(self) -> Engine:
        """Return an engine that has seen nothing."""
        return Engine(self._method)

    def restore(self, state: bytes) -> Engine:
        """Return the engine a snapshot was taken of."""
        engine = Engine.restore(state, self._method)
        self._restored[engine] = engine.counters
        return engine

    def began_with(self, engine: Engine) -> dict[str, int]:
        """Return the counters an engine of ours was restored with: another worker's doing."""
        return self._restored.get(engine, {})


class ProcessHalf:
    """The market log to signals: one member of the processors' group."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.telemetry = Telemetry(
            clock.now_ns,
            symbols=settings.metrics_symbols,
            max_symbols=settings.metrics_max_symbols,
        )
        self.telemetry.build(CODE_VERSION, settings.method.hash())
        self._clock = clock
        self._told: dict[tuple[int, str], tuple[int, int]] = {}  # tick told, and when
        self._mapped: dict[tuple[int, str], int] = {}  # when its heatmap was told
        self._measured: dict[int, Engine] = {}
        self._factory = EngineFactory(settings.method)
        kafka = settings.kafka
        store: SnapshotStore | None = None
        if settings.snapshot_store == "file":
            store = FileStore(settings.data_dir / "snapshots")
        self.worker = Worker(
            WorkerSettings(
                bootstrap=kafka.bootstrap_servers,
                group_id=kafka.group_id,
                snapshot_interval_s=settings.snapshot_interval_s,
            ),
            self._factory,
            now_ns=clock.now_ns,
            store=store,
            on_fold=self._on_fold,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; then snapshot, commit and leave the group."""
        settings = self.settings
        await create_topics(settings)
        checks = {"partitions": lambda: self.worker.assigned or "waiting for the group"}
        async with Health(
            self.telemetry, checks, host=settings.http_host, port=settings.http_port
        ) as health:
            _log.info("processing", group=settings.kafka.group_id, health_port=health.port)
            measure = asyncio.create_task(self._measure(), name="measure")
            try:
                await self.worker.run(stop)
            finally:
                measure.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await measure

    def _on_fold(self, block: Block, engine: Engine, said: list[Signal]) -> Iterable[Outgoing]:
        """Count the signals; return the block's liquidations, states and heatmaps that are due."""
        now_ns = self._clock.now_ns()
        latency_s = max(0, now_ns - engine.received_ns) / NS
        self._count(
            block.partition, engine
        )  # here, so that a partition given away is counted to its end
        for signal in said:
            self.telemetry.signal(signal.kind, latency_s)
        records = list(liquidation_records(block.value, block.partition, engine))
        for symbol in engine.underlyings():
            where, tick_ns = (block.partition, symbol), engine.tick_ns(symbol)
            told_ns, told_at_ns = self._told.get(where, (-1, 0))
            # The last state counts on a compacted topic: while catching up, most may be passed over.
            if tick_ns > told_ns and now_ns - told_at_ns >= STATE_EVERY_NS:
                self._told[where] = (tick_ns, now_ns)
                records.append(_record(STATE, engine.state(symbol), block.partition))
                if now_ns - self._mapped.get(where, 0) >= HEATMAP_EVERY_NS:
                    self._mapped[where] = now_ns
                    records.append(_record(HEATMAP, engine.heatmap(symbol), block.partition))
        return records

    async def _measure(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            processor = self.worker.processor
            if processor is not None:
                self.telemetry.processor(msgspec.to_builtins(processor.stats))
            for status in self.worker.status():
                self.telemetry.partition(
                    status.partition,
                    lag=status.lag,
                    snapshot_age_s=status.snapshot_age_s,
                    snapshot_bytes=status.snapshot_bytes,
                )
                lane = processor.lanes.get(status.partition) if processor else None
                if lane is not None and isinstance(lane.engine, Engine):
                    self._count(status.partition, lane.engine)
                    publish(self.telemetry, lane.engine, status.partition)

    def _count(self, partition: int, engine: Engine) -> None:
        """Count what an engine has folded; one that is new here brings history that is not ours."""
        if self._measured.get(partition) is not engine:
            self._measured[partition] = engine
            self.telemetry.engine_started(partition, self._factory.began_with(engine))
        self.telemetry.engine(partition, engine.counters)


def _record(topic: Topic, body: dict[str, Any], partition: int) -> Outgoing:
    symbol, asof = body["symbol"], body["asof"]
    return json_record(
        topic, key=symbol, value=msgspec.json.encode(body), ce_id=f"{symbol}-{asof}",
        ce_type=topic.name, ce_time=asof, source="treadmill/process", partition=partition,
    )  # fmt: skip
