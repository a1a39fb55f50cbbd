"""The embedded run: venues, local log, engine, metrics and health in one process. No broker.

``ingestion → publisher → EmbeddedBus (log, fold) → signals``. A restart loads the snapshot and folds what the
log has beyond it; signals that were already handed out are recognised by their id and not repeated.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import msgspec
import structlog

from service.bus import EmbeddedBus, LocalLog
from service.clock import Clock
from service.health import Health
from service.ingestion import Hooks, Ingestion
from service.kernels import load_kernels
from service.memory import settle
from service.publisher import Publisher
from service.settings import Settings
from service.snapshots import FileStore, Snapshot
from service.telemetry import Telemetry
from service.venue import Venue
from streams.breakers.breaker import Status
from streams.breakers.machine import State
from streams.engine import Engine, SchemaMismatch
from streams.signals import Signal, decode, encode, rfc3339
from streams.speech import CODE_VERSION

OnSignal = Callable[[Signal], None]
REMEMBERED = 20_000  # ids of signals already written
KEEP_SIGNAL_BYTES = 256 << 20

_log = structlog.get_logger(__name__)


class SignalFile:
    """Signals as JSON lines in one file, each once. Older lines move to a second file when it is large."""

    def __init__(self, path: Path, *, keep_bytes: int = KEEP_SIGNAL_BYTES) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._older = path.with_suffix(".old.jsonl")
        self._keep_bytes = keep_bytes
        self._file = path.open("ab", buffering=0)
        self._file.truncate(_whole_bytes(path))  # before it is read: what is cut off is not known
        self._order = deque(_ids(self._older, path), maxlen=REMEMBERED)
        self._known = set(self._order)

    def write(self, signal: Signal) -> bool:
        """Append a signal; False if the file has it already."""
        if signal.id in self._known:
            return False
        self._file.write(encode(signal) + b"\n")
        if len(self._order) == REMEMBERED:
            self._known.discard(self._order[0])
        self._order.append(signal.id)
        self._known.add(signal.id)
        if self._file.tell() > self._keep_bytes:
            self._file.close()
            self._path.replace(self._older)
            self._file = self._path.open("ab", buffering=0)
        return True

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _whole_bytes(path: Path) -> int:
    """Return the length of a file up to its last line break: what follows was torn by a crash."""
    size = path.stat().st_size
    with path.open("rb") as file:
        while size > 0:
            start = max(0, size - 65_536)
            file.seek(start)
            at = file.read(size - start).rfind(b"\n")
            if at >= 0:
                return start + at + 1
            size = start
    return 0


def _ids(*paths: Path) -> Iterator[str]:
    """Yield the ids of the last signals of files, oldest first; a torn line is said again and not known."""
    for path in paths:
        if not path.exists():
            continue
        with path.open("rb") as file:
            for line in deque(file, maxlen=REMEMBERED):
                with contextlib.suppress(msgspec.MsgspecError):
                    yield decode(line).id


class EmbeddedRun:
    """One process that does everything. `engine` and `telemetry` may be looked at while it runs."""

    def __init__(
        self,
        settings: Settings,
        venues: Mapping[str, Venue],
        clock: Clock,
        *,
        on_signal: OnSignal | None = None,
        hooks: Hooks | None = None,
        folder: Path | None = None,
    ) -> None:
        """Keep log, snapshots and signals in `folder`; None keeps them in the settings' data_dir."""
        # what its ingestion keeps (bans, tapes) belongs to the run as well
        self.settings = msgspec.structs.replace(settings, data_dir=folder or settings.data_dir)
        self.clock = clock
        self.telemetry = Telemetry(
            clock.now_ns,
            symbols=settings.metrics_symbols,
            max_symbols=settings.metrics_max_symbols,
        )
        self.telemetry.build(CODE_VERSION, settings.method.hash())
        self.engine = Engine(settings.method)
        self.ready = False
        self._folder = self.settings.data_dir
        self._on_signal = on_signal
        self._store = FileStore(self._folder / "snapshots")
        self._epoch = 1
        self._saved_ns = self._saved_bytes = 0
        self._venues = venues
        self._hooks = hooks or Hooks()

    async def run(self) -> None:
        """Restore, then run until cancelled; on the way out everything is flushed and snapshotted."""
        log = LocalLog(self._folder / "log", keep_bytes=self.settings.local_log_max_bytes)
        signals = SignalFile(self._folder / "signals.jsonl")
        try:
            await self._restore()
            bus = EmbeddedBus(self.engine, log, lambda said: self._emit(said, signals))
            recovery = await asyncio.to_thread(bus.recover)
            _log.info("recovered", **msgspec.to_builtins(recovery), offset=self.engine.offset)
            self.telemetry.engine_started(0, self.engine.counters)
            async with self._running(bus) as tasks:
                await asyncio.gather(*tasks)
        finally:
            await self._save()
            log.close()
            signals.close()

    @contextlib.asynccontextmanager
    async def _running(self, bus: EmbeddedBus) -> "AsyncIterator[list[asyncio.Task[None]]]":
        settings = self.settings
        publisher = Publisher(bus, 1, linger_s=settings.linger_s, max_rows=settings.block_rows)
        ingestion = Ingestion(
            settings, self._venues, publisher, self.clock, self.telemetry, self._hooks
        )
        checks = {"restored": lambda: self.ready, "data": lambda: bool(self.engine.underlyings())}
        async with Health(
            self.telemetry, checks, host=settings.http_host, port=settings.http_port
        ) as health:
            self.health = health
            await asyncio.to_thread(load_kernels, settings.method)
            settle()
            self.ready = True
            tasks = [
                asyncio.create_task(publisher.run(), name="publisher"),
                asyncio.create_task(ingestion.run(), name="ingestion"),
                asyncio.create_task(self._snapshots(), name="snapshots"),
                asyncio.create_task(self._measure(publisher, ingestion), name="measure"),
            ]
            try:
                yield tasks
            finally:
                for task in tasks[1:]:
                    task.cancel()
                await asyncio.gather(*tasks[1:], return_exceptions=True)
                tasks[0].cancel()
                await asyncio.gather(tasks[0], return_exceptions=True)
                await publisher.flush()

    def _emit(self, said: list[Signal], signals: SignalFile) -> None:
        """Stamp and hand on what the engine said."""
        now_ns = self.clock.now_ns()
        latency_s = max(0, now_ns - self.engine.received_ns) / 1e9
        for signal in said:
            stamped = msgspec.structs.replace(
                signal,
                emitted=rfc3339(now_ns),
                latency_ms={"recv_to_emit": round(latency_s * 1e3, 3)},
            )
            if not signals.write(stamped):
                continue
            self.telemetry.signal(signal.kind, latency_s / self.clock.speed)
            if self._on_signal is not None:
                self._on_signal(stamped)

    async def _restore(self) -> None:
        self._epoch = await self._store.claim(0)
        snapshot = await self._store.load(0)
        if snapshot is None:
            return
        try:
            self.engine = Engine.restore(snapshot.state, self.settings.method)
        except SchemaMismatch as error:
            _log.warning("snapshot_unusable", reason=str(error), consequence="folding the log anew")

    async def _save(self) -> None:
        state = self.engine.snapshot()
        snapshot = Snapshot(
            partition=0,
            offset=self.engine.offset,
            output_offset=0,
            config_hash=self.settings.method.hash(),
            epoch=self._epoch,
            created_ns=self.clock.now_ns(),
            state=state,
        )
        await self._store.save(0, snapshot)
        self._saved_ns, self._saved_bytes = snapshot.created_ns, len(state)

    async def _snapshots(self) -> None:
        while True:
            await asyncio.sleep(self.settings.snapshot_interval_s)
            await self._save()

    async def _measure(self, publisher: Publisher, ingestion: Ingestion) -> None:
        """Tell the metrics each second what only its owner knows."""
        while True:
            await asyncio.sleep(1.0)
            stats = publisher.stats
            self.telemetry.published(rows=stats.rows, blocks=stats.blocks, stretch=stats.stretch)
            self.telemetry.partition(
                0,
                lag=0,
                snapshot_age_s=(self.clock.now_ns() - self._saved_ns) / 1e9,
                snapshot_bytes=self._saved_bytes,
            )
            ingestion.report(self.telemetry)
            publish(self.telemetry, self.engine)


def publish(telemetry: Telemetry, engine: Engine, partition: int = 0) -> None:
    """Set the gauges of every underlying an engine watches, and count what it has folded."""
    telemetry.engine(partition, engine.counters)
    for symbol in engine.underlyings():
        state = engine.state(symbol)
        telemetry.readings(symbol, {name: r["value"] for name, r in state["readings"].items()})
        for side in ("long", "short"):
            telemetry.machine(symbol, side, State[state[side]["state"]].value)
        for one in state["breakers"]:
            telemetry.breaker(symbol, one["side"], one["name"], Status[one["status"]].value)
