"""From a liquidation's bytes to the signal they cause, at a steady load from another process.

Every liquidation here provably causes a signal: the method is set so that one order opens a burst and the
next second ends it, and each coin has one liquidation a second. What is measured is from just before the
generator writes the frame to its socket until the STARTED signal is in the hands of whoever asked for it.
"""

import asyncio
import contextlib
import itertools
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition
from rich.table import Table

from service.clock import WallClock
from service.embedded import EmbeddedRun
from service.settings import Settings, VenueUrls
from service.topic_admin import ensure_topics
from service.venues.registry import VENUES
from streams.config import MethodConfig
from streams.signals import Signal, decode
from streams.topics import SIGNALS
from tests.benchmarks.load import Place, Report
from tests.benchmarks.timing import Plan, table
from tests.kafka.broker import KafkaCluster

COINS = 50
RATES = (5_000.0, 20_000.0)
ROUNDS = 2
SECONDS = 8.0
#: Of the topics in the distributed run.
PARTITIONS = 4
#: One order opens a burst; the next evaluation ends it.
EAGER = {
    "burst_floor_oi_per_minute": 0.0, "burst_min_events": 1, "burst_dominance": 0.0,
    "burst_end_share": 1.0, "burst_end_s": 0.0, "burst_merge_s": 0.0,
}  # fmt: skip


class Delays(NamedTuple):
    """Milliseconds from sent to signal, and how many liquidations never became one."""

    ms: list[float]
    missing: int
    report: Report

    def percentile(self, share: float) -> float:
        """Return a percentile of the delays."""
        return float(np.percentile(self.ms, 100.0 * share))


class Seen:
    """The first STARTED signal of each coin and exchange second, with the moment it was seen."""

    def __init__(self) -> None:
        self.at_ns: dict[tuple[str, int], int] = {}

    def note(self, one: Signal) -> None:
        """Take a signal."""
        if one.kind == "burst" and one.status == "STARTED" and one.trigger_event_ts is not None:
            moment = datetime.fromisoformat(one.trigger_event_ts[:19] + "+00:00")
            self.at_ns.setdefault((one.symbol, int(moment.timestamp())), time.monotonic_ns())

    def against(self, report: Report) -> Delays:
        """Return the delays of what was sent."""
        ms = [
            (self.at_ns[one.coin, one.second] - one.sent_ns) / 1e6
            for one in report.liquidated
            if (one.coin, one.second) in self.at_ns
        ]
        return Delays(ms, len(report.liquidated) - len(ms), report)


class Generator:
    """The load generator's process."""

    def __init__(self, process: asyncio.subprocess.Process, place: Place) -> None:
        self._process = process
        self.place = place

    async def report(self) -> Report:
        """Wait for the end of the load."""
        assert self._process.stdout is not None
        return msgspec.json.decode(await self._process.stdout.read(), type=Report)


@contextlib.asynccontextmanager
async def generator(rate: float, seconds: float, lead_s: float) -> AsyncIterator[Generator]:
    """Start the load generator; end it if it has not ended."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.load", str(rate), str(seconds), str(COINS),
        str(lead_s),
        stdout=asyncio.subprocess.PIPE, limit=1 << 26,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = await process.stdout.readline()
        yield Generator(process, msgspec.json.decode(line, type=Place))
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def embedded(rate: float, seconds: float, lead_s: float) -> Delays:
    """Measure the embedded run: socket, decoder, screen, publisher, log, engine, signal file, callback."""
    seen = Seen()
    async with generator(rate, seconds, lead_s) as load:
        with tempfile.TemporaryDirectory(prefix="treadmill-bench-") as folder:
            settings = Settings(
                venues=("bybit",), underlyings=("*",), http_port=0, data_dir=Path(folder),
                warmup_days=0,
                venue_urls={"bybit": VenueUrls(
                    websocket_url=load.place.websocket, rest_url=load.place.rest
                )},
                method=msgspec.structs.replace(MethodConfig(), **EAGER),
            )  # fmt: skip
            run = EmbeddedRun(
                settings, {"bybit": VENUES["bybit"]}, WallClock(), on_signal=seen.note
            )
            running = asyncio.create_task(run.run())
            reporting = asyncio.create_task(load.report())
            await asyncio.wait({running, reporting}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                reporting.cancel()
                running.result()
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
            return seen.against(reporting.result())


async def distributed(bootstrap: str, rate: float, seconds: float, lead_s: float) -> Delays:
    """Measure `treadmill ingest`, Kafka, `treadmill process`, Kafka, and a consumer of the signals here."""
    seen = Seen()
    async with generator(rate, seconds, lead_s) as load, contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="treadmill-bench-")))
        environment = _environment(bootstrap, load.place, folder)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="latest"
        )
        await consumer.start()
        stack.push_async_callback(consumer.stop)
        partitions = [TopicPartition(SIGNALS.name, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_end(*partitions)
        reading = asyncio.create_task(_read(consumer, seen))
        process = await stack.enter_async_context(_command("process", environment, folder))
        await _owned(folder / "process.log", process)
        ingest = await stack.enter_async_context(_command("ingest", environment, folder))
        reporting = asyncio.create_task(load.report())
        ends = {asyncio.create_task(one.wait()) for one in (process, ingest)}
        await asyncio.wait({reading, reporting, *ends}, return_when=asyncio.FIRST_COMPLETED)
        for task in (reading, *ends):
            task.cancel()
        if not reporting.done():
            reporting.cancel()
            raise RuntimeError(f"a process ended early: {_last_words(folder)}")
        return seen.against(reporting.result())


def _environment(bootstrap: str, place: Place, folder: Path) -> dict[str, str]:
    method = {f"METHOD__{name.upper()}": str(value) for name, value in EAGER.items()}
    options = {
        "VENUES": "bybit", "UNDERLYINGS": "*", "HTTP_PORT": "0", "DATA_DIR": str(folder),
        "VENUE_URLS__BYBIT__WEBSOCKET_URL": place.websocket,
        "VENUE_URLS__BYBIT__REST_URL": place.rest,
        "WARMUP_DAYS": "0",
        "KAFKA__BOOTSTRAP_SERVERS": bootstrap, "KAFKA__GROUP_ID": folder.name,
        "SNAPSHOT_STORE": "file", **method,
    }  # fmt: skip
    ours = {f"TREADMILL_{name}": value for name, value in options.items()}
    return {**{k: v for k, v in os.environ.items() if not k.startswith("TREADMILL_")}, **ours}


@contextlib.asynccontextmanager
async def _command(
    name: str, environment: dict[str, str], folder: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a command of ours until the block ends."""
    with (folder / f"{name}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "service", name, env=environment, stdout=log, stderr=log
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), 10.0)
            if process.returncode is None:
                process.kill()
                await process.wait()


def _last_words(folder: Path) -> str:
    return " | ".join(path.read_text(errors="replace")[-300:] for path in folder.glob("*.log"))


async def _owned(log: Path, process: asyncio.subprocess.Process) -> None:
    """Wait until a worker has taken all partitions, or has ended."""
    while log.read_text(errors="replace").count("partition_taken") < PARTITIONS:
        if process.returncode is not None:
            return
        await asyncio.sleep(0.05)


async def _read(consumer: AIOKafkaConsumer, seen: Seen) -> None:
    async for record in consumer:
        seen.note(decode(record.value))


def _spans(plan: Plan) -> tuple[float, float]:
    """Return seconds of load and of lead."""
    return max(1.0, plan.seconds(SECONDS)), max(2.0, plan.seconds(4.0))


def _table(title: str, rounds: dict[float, list[Delays]]) -> Table:
    made = table(
        title, "frames a second sent, one event each", "signals of liquidations",
        "p50 ms", "p99 ms", "worst ms", "generator's worst stall",
    )  # fmt: skip
    for one in itertools.chain.from_iterable(rounds.values()):
        said = [f"{one.percentile(p):.1f}" if one.ms else "-" for p in (0.5, 0.99, 1.0)]
        made.add_row(
            f"{one.report.frames / one.report.seconds:,.0f}",
            f"{len(one.ms)} of {len(one.ms) + one.missing}", *said, f"{one.report.late_ms:.0f} ms",
        )  # fmt: skip
    return made


def _rounds(
    plan: Plan, rates: tuple[float, ...], way: Callable[[float, float, float], Delays]
) -> dict[float, list[Delays]]:
    """Measure every rate once a round, at most `ROUNDS` rounds."""
    rounds: dict[float, list[Delays]] = {rate: [] for rate in rates}
    for _ in range(min(ROUNDS, plan.rounds)):
        for rate, results in rounds.items():
            results.append(way(rate, *_spans(plan)))
    return rounds


def measure_embedded(plan: Plan) -> Table:
    """Return the table of delays through the embedded run."""
    title = f"the generator's write() to the signal callback; {COINS} coins, a liquidation a second each"

    def alone(rate: float, seconds: float, lead_s: float) -> Delays:
        return asyncio.run(embedded(rate, seconds, lead_s))

    return _table(f"4a. Bytes to signal, embedded: {title}", _rounds(plan, RATES, alone))


def measure_distributed(plan: Plan, libs: Path) -> Table:
    """Return the table of delays through ingest, Kafka, process and Kafka again, a new broker each time."""

    def anew(rate: float, seconds: float, lead_s: float) -> Delays:
        with KafkaCluster(libs=libs) as kafka:
            asyncio.run(ensure_topics(kafka.bootstrap, partitions=PARTITIONS))
            return asyncio.run(distributed(kafka.bootstrap, rate, seconds, lead_s))

    title = "`treadmill ingest`, Kafka, `treadmill process`, Kafka, consumer, all on this machine"
    rates = RATES if plan.share >= 1.0 else RATES[-1:]
    return _table(f"4b. The same through {title}", _rounds(plan, rates, anew))
