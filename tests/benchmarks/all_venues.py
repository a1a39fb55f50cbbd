"""All venues at once: what the ingest path takes in, what it loses, and how late its event loop gets.

    python -m tests.benchmarks all-venues [--seconds 600] [--frames 20000] [--quick]

The load comes from another process (``all_venues_load``). Measured here, in a process like the user's: once
the venues with their publisher and a sink that only counts, once all of the embedded run, with log, engine,
snapshots and signals.
"""

import asyncio
import contextlib
import re
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np
from rich.table import Table

from service.bus import read_log
from service.clock import WallClock
from service.embedded import EmbeddedRun
from service.ingestion import Hooks, Ingestion
from service.memory import settle
from service.publisher import Publisher
from service.settings import Settings, VenueUrls
from service.telemetry import Telemetry
from service.venue import Venue
from service.venues.registry import VENUES
from streams.events import Flag, Kind, block_rows
from streams.instruments import Instrument
from tests.benchmarks.all_venues_load import Places, Report
from tests.benchmarks.probe import Probe
from tests.benchmarks.timing import table

SECONDS: Final = 600.0
FRAMES: Final = 20_000.0
QUICK_SECONDS: Final = 10.0
#: At a tenth of the rate, at least: kernels are compiled, buffers have grown.
LEAD_S: Final = 5.0
#: Of the log in the first variant, as `treadmill ingest` has by default.
PARTITIONS: Final = 4
#: Frames that did not come over a websocket.
ASKED_FOR: Final = frozenset({"poll", "fill"})
_OLD: Final = int(Flag.SNAPSHOT | Flag.BACKFILL)
_SAMPLE: Final = re.compile(r'(treadmill_\w+_total)\{\w+="(\w*)",venue="(\w+)"\} (\S+)')


class Tally:
    """New rows by venue and kind. It is a sink."""

    def __init__(self) -> None:
        self.rows: Counter[tuple[str, int]] = Counter()
        self._instruments: dict[int, str] = {}
        self._venues: list[str] = []
        self._ids = np.empty(0, dtype=np.uint64)
        self._places = np.empty(0, dtype=np.intp)

    def note(self, venue: str, instruments: Sequence[Instrument]) -> None:
        """Learn which instruments are a venue's."""
        self._instruments |= {one.id: venue for one in instruments}
        self._venues = sorted(set(self._instruments.values()))
        known = sorted(self._instruments.items())
        self._ids = np.array([key for key, _ in known], dtype=np.uint64)
        self._places = np.array([self._venues.index(name) for _, name in known], dtype=np.intp)

    async def put(self, partition: int, block: bytes) -> None:  # noqa: ARG002 - a sink's
        """Count the rows of a block."""
        rows = block_rows(block)
        new = rows[rows["flags"] & _OLD == 0]
        places = self._places[np.searchsorted(self._ids, new["instrument"])]
        counts = np.bincount(places * 64 + new["kind"])
        for at in np.flatnonzero(counts).tolist():
            self.rows[self._venues[at // 64], at % 64] += int(counts[at])

    async def flush(self) -> None:
        """Do nothing: there is nothing that waits."""

    async def close(self) -> None:
        """Do nothing."""


class Counts(NamedTuple):
    """What the metrics say, by venue.

    Frames of websockets that were understood, refusals, trades whose ids were skipped and those of them that
    REST did not explain either, connections that ended with why.
    """

    frames: Counter[str]
    rejects: Counter[str]
    skipped: Counter[str]
    missing: Counter[str]
    ends: Counter[str]


def counted(telemetry: Telemetry) -> Counts:
    """Return what a scrape says now."""
    counts = Counts(*(Counter() for _ in Counts._fields))
    for line in telemetry.expose()[0].decode().splitlines():
        if found := _SAMPLE.match(line):
            name, label, venue, value = found.groups()
            if name == "treadmill_frames_total" and label not in ASKED_FOR:
                counts.frames[venue] += int(float(value))
            elif name == "treadmill_malformed_frames_total":
                counts.rejects[venue] += int(float(value))
            elif name == "treadmill_trades_missing_total" and label == "found":
                counts.skipped[venue] += int(float(value))
            elif name == "treadmill_trades_missing_total" and label == "lost":
                counts.missing[venue] += int(float(value))
            elif name == "treadmill_reconnects_total":
                counts.ends[f"{venue} {label}"] += int(float(value))
    return counts


class Result(NamedTuple):
    """One run: what was sent, what came, and how it was for the process.

    Counts are of when the full rate began, of when it ended, and of when all of it had been read.
    """

    name: str
    report: Report
    before: Counts
    during: Counts
    after: Counts
    rows: Counter[tuple[str, int]]
    probe: Probe

    def lost(self, venue: str) -> tuple[int, int, int]:
        """Return frames, trades and liquidations that were sent and not understood; negative is too many."""
        sent = self.report.venues[venue]
        return (
            sent.frames - self.after.frames[venue],
            sent.trades - self.rows[venue, Kind.TRADE],
            sent.liquidations - self.rows[venue, Kind.LIQUIDATION],
        )

    @property
    def faults(self) -> dict[str, int]:
        """What must be nothing: losses of any sort, refusals, skipped ids, ended connections."""
        losses = [self.lost(venue) for venue in self.report.venues]
        return {
            "frames not understood": sum(abs(frames) for frames, _, _ in losses),
            "trades lost": sum(abs(trades) for _, trades, _ in losses),
            "liquidations lost": sum(abs(forced) for _, _, forced in losses),
            "refused": self.after.rejects.total(),
            "ids lost": self.after.missing.total(),
            "bytes not delivered": self.report.undelivered_bytes,
            "connections ended": self.ends.total(),
        }

    @property
    def ends(self) -> Counter[str]:
        """Which connections ended under the full rate, and why."""
        return self.after.ends - self.before.ends


#: A way to run: settings, venues, where its rows are counted; yields its metrics.
Way = Callable[[Settings, dict[str, Venue], Tally], AbstractAsyncContextManager[Telemetry]]


@contextlib.asynccontextmanager
async def into_a_count(
    settings: Settings, venues: dict[str, Venue], tally: Tally
) -> AsyncIterator[Telemetry]:
    """Run all venues into a sink that counts, as `treadmill ingest` does into Kafka."""
    clock = WallClock()
    telemetry = Telemetry(clock.now_ns, max_symbols=0)
    publisher = Publisher(
        tally, PARTITIONS, linger_s=settings.linger_s, max_rows=settings.block_rows
    )
    ingestion = Ingestion(
        settings, venues, publisher, clock, telemetry, Hooks(instruments=tally.note)
    )
    settle()
    async with _running(publisher.run(), ingestion.run()):
        yield telemetry
    await publisher.close()


@contextlib.asynccontextmanager
async def embedded(
    settings: Settings, venues: dict[str, Venue], tally: Tally
) -> AsyncIterator[Telemetry]:
    """Run everything in this process; the rows are counted in its log, afterwards."""
    run = EmbeddedRun(settings, venues, WallClock(), hooks=Hooks(instruments=tally.note))
    async with _running(run.run()):
        yield run.telemetry
    for _, block in read_log(settings.data_dir / "log"):
        await tally.put(0, block)


@contextlib.asynccontextmanager
async def _running(*work: "asyncio._CoroutineLike[None]") -> AsyncIterator[None]:
    """Run these beside the block. What fails is raised here, at the block's end at the latest."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        yield
    finally:
        ended = [task for task in tasks if task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in ended:
        task.result()
        raise RuntimeError("what was to be measured ended early")


class Generator:
    """The load generator's process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def line(self) -> bytes:
        """Wait for its next line."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the load generator ended early")
        return line


@contextlib.asynccontextmanager
async def generator(frames: float, seconds: float, lead_s: float) -> AsyncIterator[Generator]:
    """Start the load generator, and end it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.all_venues_load",
        str(frames), str(seconds), str(lead_s),
        stdout=asyncio.subprocess.PIPE, limit=1 << 24,
    )  # fmt: skip
    try:
        yield Generator(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def observe(
    name: str, way: Way, frames: float, seconds: float, *, lead_s: float = LEAD_S
) -> Result:
    """Run one way under the load and return what came of it."""
    tally, probe = Tally(), Probe(seconds)
    async with generator(frames, seconds, lead_s) as load:
        places = msgspec.json.decode(await load.line(), type=Places)
        with tempfile.TemporaryDirectory(prefix="treadmill-bench-") as folder:
            venues = {venue: VENUES[venue] for venue in places}
            async with way(_settings(places, Path(folder)), venues, tally) as telemetry:
                await load.line()
                before = counted(telemetry)
                probe.begin()
                await load.line()
                probe.end()
                during = counted(telemetry)
                report = msgspec.json.decode(await load.line(), type=Report)
                after = counted(telemetry)
    return Result(name, report, before, during, after, tally.rows, probe)


def _settings(places: Places, folder: Path) -> Settings:
    return Settings(
        venues=tuple(places), underlyings=("*",), http_port=0, data_dir=folder, warmup_days=0,
        venue_urls={
            venue: VenueUrls(websocket_url=websocket, rest_url=rest)
            for venue, (websocket, rest) in places.items()
        },
    )  # fmt: skip


def by_venue(result: Result) -> Table:
    """Return the table of one run's venues."""
    made = table(
        f"{result.name}: by venue", "venue", "connections", "instruments", "frames/s", "frames",
        "trades", "liquidations", "lost frames", "lost trades", "lost liq.", "refused", "ids skipped",
        "and lost",
    )  # fmt: skip
    for venue, sent in result.report.venues.items():
        rate = (result.during.frames[venue] - result.before.frames[venue]) / result.probe.wall_s
        counts = (
            result.after.frames[venue], result.rows[venue, Kind.TRADE],
            result.rows[venue, Kind.LIQUIDATION], *result.lost(venue),
            result.after.rejects[venue], result.after.skipped[venue], result.after.missing[venue],
        )  # fmt: skip
        made.add_row(
            venue, str(sent.connections), str(sent.instruments), f"{rate:,.0f}",
            *(f"{count:,}" for count in counts),
        )  # fmt: skip
    return made


def summary(results: Sequence[Result]) -> Table:
    """Return the table of all runs."""
    made = table("5. All venues at once", "", *(one.name for one in results))
    lines = [_lines(one) for one in results]
    for name in lines[0]:
        made.add_row(name, *(one[name] for one in lines))
    return made


def _lines(one: Result) -> dict[str, str]:
    report, probe = one.report, one.probe
    sent = report.venues.values()
    memory = probe.memory()
    came = one.during.frames.total() - one.before.frames.total()
    late = [f"{probe.late_ms(share):.1f}" for share in (0.5, 0.99, 0.999, 1.0)]
    return {
        "connections, instruments": f"{sum(s.connections for s in sent)}, {sum(s.instruments for s in sent)}",
        "seconds": f"{report.seconds:.0f}",
        "frames a second: sent": f"{report.frames / report.seconds:,.0f}",
        "frames a second: taken in": f"{came / probe.wall_s:,.0f}",
        "rows of trades and liquidations": f"{sum(s.trades + s.liquidations for s in sent):,}",
        **{f"faults: {name}": f"{count:,}" for name, count in one.faults.items()},
        "which ended, and why": ", ".join(sorted(one.ends)) or "none",
        "event loop late, ms: p50, p99, p99.9, worst": ", ".join(late),
        "resident MB: end, most": f"{memory[0]:.0f}, {memory[1]:.0f}",
        "resident MB a minute, last 80 %": f"{memory[2]:+.2f}",
        "CPU of one core": f"{probe.cpu_s / probe.wall_s:.0%}",
        "CPU us a frame": f"{probe.cpu_s / max(came, 1) * 1e6:.1f}",
        "generator: CPU, worst stall, most unread": (
            f"{report.cpu_s / report.seconds:.0%}, {report.late_ms:.0f} ms, "
            f"{report.backlog_bytes / 1e6:.1f} MB"
        ),
    }  # fmt: skip


def measure(frames: float = FRAMES, seconds: float = SECONDS) -> Iterator[Table]:
    """Yield the tables of both ways, then the summary."""
    results = []
    for name, way in (("venues into a count", into_a_count), ("embedded run", embedded)):
        results.append(asyncio.run(observe(name, way, frames, seconds)))
        yield by_venue(results[-1])
    yield summary(results)
