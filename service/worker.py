"""One member of the processors' group: Faust's events wired to a `Processor`, started and ended.

`faust_app` is the other door to Faust: the parts of it that we had to make our own.
"""

import asyncio
import contextlib
import tempfile
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec
import structlog
from faust.types import TP

from service.faust_app import App, make_app
from service.kafka import LogReader, Producer
from service.processor import Block, EngineFactory, OnFold, Processor
from service.snapshots import SnapshotStore, TopicStore
from streams.topics import MARKET

#: A graceful end takes at most this long; what is not done by then is done by the next worker.
SHUTDOWN_S: Final = 9.0

_log = structlog.get_logger(__name__)


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker needs to know about its surroundings. Times in seconds."""

    bootstrap: str
    group_id: str
    snapshot_interval_s: float = 10.0
    fetch_wait_s: float = 0.05
    session_timeout_s: float = 10.0  # a dead worker's partitions are given away after this
    instance_id: str | None = (
        None  # a stable name: the same worker started again needs no rebalance
    )
    source: str = "treadmill/process"  # CloudEvents source of what it writes
    client: dict[str, Any] = {}  # security options, as aiokafka's clients take them


class WorkerCrashed(Exception):  # noqa: N818
    """Faust ended by itself; the cause is chained."""


class PartitionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One owned partition, for health and metrics. `lag` is blocks, None before the first fetch."""

    partition: int
    offset: int
    lag: int | None
    epoch: int
    snapshot_offset: int
    snapshot_age_s: float
    snapshot_bytes: int


class Worker:
    """One member of the processors' group. `run` it once; read `status` while it runs."""

    def __init__(
        self,
        settings: WorkerSettings,
        factory: EngineFactory,
        *,
        now_ns: Callable[[], int],
        store: SnapshotStore | None = None,
        on_fold: OnFold | None = None,
    ) -> None:
        """Keep snapshots in `store`; None keeps them on the snapshots topic."""
        self._settings = settings
        self._factory = factory
        self._now_ns = now_ns
        self._store = store
        self._on_fold = on_fold
        self._ending = asyncio.Event()
        self._failure: BaseException | None = None
        self._app: App | None = None
        self.processor: Processor | None = None
        self.assigned = False

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then snapshot, commit and leave the group.

        Raises:
            LogHole, UnknownSchema, Undelivered, Fenced, WorkerCrashed: see there. The state in
                memory is worthless then; a new process goes on from the last snapshot.
        """
        settings = self._settings
        producer = Producer(settings.bootstrap, client=settings.client)
        reader = LogReader(settings.bootstrap, client=settings.client)
        async with contextlib.AsyncExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="treadmill-faust-"))
            await producer.start()
            stack.push_async_callback(_in_time, producer.close)
            await reader.start()
            stack.push_async_callback(_in_time, reader.close)
            self.processor = Processor(
                self._factory,
                producer=producer,
                reader=reader,
                store=self._store or TopicStore(producer, reader),
                commit=self._commit,
                now_ns=self._now_ns,
                source=settings.source,
                on_fold=self._on_fold,
            )
            self._app = self._wire(
                make_app(
                    group_id=settings.group_id,
                    bootstrap=settings.bootstrap,
                    client=settings.client,
                    session_timeout_s=settings.session_timeout_s,
                    instance_id=settings.instance_id,
                    fetch_wait_s=settings.fetch_wait_s,
                    folder=folder,
                    positions=self.processor.positions,
                )
            )
            stack.push_async_callback(_in_time, self._app.stop)
            await self._live(self._app, stop)
        if self._failure is not None:
            raise self._failure

    def status(self) -> list[PartitionStatus]:
        """Return how far each owned partition is."""
        if self.processor is None:
            return []
        return [self._lane_status(lane) for lane in list(self.processor.lanes.values())]

    async def _live(self, app: App, stop: asyncio.Event) -> None:
        """Run Faust and the snapshots until someone ends it."""
        tasks = [
            asyncio.create_task(each)
            for each in (stop.wait(), self._ending.wait(), self._guarded(self._save_loop()))
        ]
        starting = asyncio.create_task(self._guarded(app.start()))
        tasks.append(asyncio.create_task(self._watch(app, starting)))
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in (*tasks, starting):
            task.cancel()
        await asyncio.gather(*tasks, starting, return_exceptions=True)

    async def _watch(self, app: App, starting: "asyncio.Task[None]") -> None:
        """Notice that Faust has ended by itself."""
        await starting
        await app.wait()
        cause = app.crash_reason
        if self._failure is None:
            self._failure = WorkerCrashed(f"Faust ended: {cause!r}")
            self._failure.__cause__ = cause

    async def _guarded(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do `work`; its failure ends the worker."""
        try:
            await work
        except Exception as error:  # noqa: BLE001 - re-raised by `run`
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
        self._ending.set()

    def _wire(self, app: App) -> App:
        """Connect Faust's events to the processor."""
        processor = self._owned()
        topic = app.topic(
            MARKET.name,
            key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw",
        )  # fmt: skip

        @app.agent(topic, name="market", concurrency=1)
        async def market(stream: Any) -> None:
            async for event in stream.noack().events():
                await self._guarded(processor.record(_block(event.message)))
                if self._ending.is_set():
                    return

        async def complete(*_: Any, **__: Any) -> None:
            owned = [tp.partition for tp in app.consumer.assignment() if tp.topic == MARKET.name]
            await self._guarded(processor.take(owned))
            self.assigned = True

        async def revoked(*_: Any, **__: Any) -> None:
            self.assigned = False
            await self._release()

        async def shutdown(*_: Any, **__: Any) -> None:
            await self._release()

        app.on_rebalance_complete.connect(complete)
        app.on_partitions_revoked.connect(revoked)
        app.on_before_shutdown.connect(shutdown)
        return app

    async def _release(self) -> None:
        """Give everything up in order, unless the state is not to be trusted any more."""
        if self._failure is None:
            await self._guarded(self._owned().release())

    async def _save_loop(self) -> None:
        interval_s = self._settings.snapshot_interval_s
        while True:
            await asyncio.sleep(min(1.0, interval_s / 4))
            await self._owned().save_due(interval_s)

    async def _commit(self, partition: int, offset: int) -> None:
        """Commit through Faust's consumer; a partition already taken from us is passed over."""
        if self._app is not None:
            await self._app.commit_position(TP(MARKET.name, partition), offset)

    def _owned(self) -> Processor:
        if self.processor is None:
            raise RuntimeError("the worker is not running")
        return self.processor

    def _lane_status(self, lane: Any) -> PartitionStatus:
        return PartitionStatus(
            partition=lane.partition,
            offset=lane.next_offset - 1,
            lag=self._lag(lane.partition, lane.next_offset),
            epoch=lane.epoch,
            snapshot_offset=lane.saved_offset,
            snapshot_age_s=lane.snapshot_age_s,
            snapshot_bytes=lane.snapshot_bytes,
        )

    def _lag(self, partition: int, next_offset: int) -> int | None:
        where = TP(MARKET.name, partition)
        if self._app is None or where not in self._app.consumer.assignment():
            return None
        end: int | None = self._app.consumer.highwater(where)
        return None if end is None else max(0, end - next_offset)


def _block(message: Any) -> Block:
    return Block(
        message.partition,
        message.offset,
        round(message.timestamp * 1000),
        message.value,
        message.headers,
    )


async def _in_time(ending: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """End something within `SHUTDOWN_S`, or report and leave it."""
    try:
        async with asyncio.timeout(SHUTDOWN_S):
            await ending()
    except TimeoutError:
        _log.warning("shutdown_timed_out", what=getattr(ending, "__qualname__", repr(ending)))
