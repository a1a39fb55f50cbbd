"""Recorded frames, or a market log, through the same intake and the same engine. No clock but the file's.

A capture is read as an ingester would have: decoded, screened, with heartbeats every quarter of a second of
received time, so the same file gives the same rows and the same signals, byte for byte.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from service.bus import read_log
from service.capture import CaptureCounts, guess_venue, read_capture, read_instruments
from service.intake import Intake
from service.settings import SettingsError
from service.stats import MemoryStats
from service.venue import Venue, VenueRefused, VenueSpec, contract_flags
from streams.engine import Engine
from streams.events import Channel, RowBuffer
from streams.instruments import Instrument
from streams.signals import Signal

NS: Final = 1_000_000_000
HEARTBEAT_NS: Final = NS // 4
BLOCK_ROWS: Final = 4096
#: What names the stream of a frame, near its beginning.
_STREAM: Final = re.compile(rb'"(?:e|topic|channel)":"([A-Za-z0-9_-]{1,40})')
_STREAMS_MAX: Final = 50
#: What names a contract in the frames of the venues there are.
_SYMBOL: Final = re.compile(rb'"(?:s|symbol|instId)":"([^"\\]{2,40})"')
_FED: Final[Mapping[str, Channel]] = {
    "trade": Channel.TRADE, "mark": Channel.MARK, "funding": Channel.FUNDING,
    "open_interest": Channel.OPEN_INTEREST, "liquidation": Channel.LIQUIDATION,
    "ticker": Channel.MARK | Channel.FUNDING | Channel.OPEN_INTEREST,
}  # fmt: skip

OnSignal = Callable[[Signal], None]
#: Called now and then: frames or blocks read, rows folded.
OnProgress = Callable[[int, int], None]


class FileClock:
    """Shows the received time of the frame being read."""

    speed = 1.0

    def __init__(self) -> None:
        self.time_ns = 0

    def now_ns(self) -> int:
        """Return the file's time."""
        return self.time_ns

    async def sleep(self, seconds: float) -> None:
        """Refuse: a file does not wait."""
        raise RuntimeError(f"a replay was asked to wait for {seconds} s")


class DirectOutlet:
    """Rows to the engine, a block at a time, in this thread."""

    full = False

    def __init__(self, engine: Engine, on_signal: OnSignal, block_rows: int = BLOCK_ROWS) -> None:
        self._buffer = RowBuffer(2 * block_rows)
        self._engine = engine
        self._on_signal = on_signal
        self._block_rows = block_rows
        self.rows = 0

    @property
    def buffer(self) -> RowBuffer:
        """Rows that wait."""
        return self._buffer

    def note(self, name: str) -> None:
        """Fold when there is a block's worth."""
        del name
        if self._buffer.rows >= self._block_rows:
            self.flush()

    async def drained(self) -> None:
        """Fold what waits."""
        self.flush()

    def flush(self) -> None:
        """Fold what waits."""
        block = bytes(self._buffer.view())
        self.rows += self._buffer.rows
        self._buffer.clear()
        for signal in self._engine.fold(block, self._engine.offset + 1):
            self._on_signal(signal)


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay read and made."""

    venue: str
    instruments: tuple[str, ...]
    frames: int
    rows: dict[str, int]
    ignored: dict[str, int]  # frames that carry nothing we want, by what they call themselves
    rejected: dict[str, int]
    skipped_lines: int
    clock_steps_back: int
    torn: bool


def symbols_in(path: Path) -> list[str]:
    """Return the symbols that a capture's frames name, sorted."""
    found: set[bytes] = set()
    for _, frame in read_capture(path, CaptureCounts()):
        found.update(_SYMBOL.findall(frame))
    return sorted(symbol.decode() for symbol in found)


def instruments_of(path: Path, venue: Venue) -> list[Instrument]:
    """Return the contracts of a capture: those it carries, else those the venue's rules imply.

    Raises:
        SettingsError: it carries none and its symbols do not tell their contract's size.
    """
    carried = read_instruments(path)
    if carried:
        return carried
    assumed = [venue.assume(symbol) for symbol in symbols_in(path)]
    known = [one for one in assumed if one is not None]
    if not known:
        raise SettingsError(
            f"{path} carries no contract specifications and {venue.SPEC.name}'s symbols do not imply "
            "them: record it with `treadmill record`, which writes them"
        )
    return known


def venue_of(path: Path, name: str | None, venues: Mapping[str, Venue]) -> Venue:
    """Return the venue whose frames a capture holds.

    Raises:
        SettingsError: neither `name` nor the path says.
    """
    chosen = name or guess_venue(path, venues)
    if chosen is None or chosen not in venues:
        raise SettingsError(f"{path}: say with --venue whose frames these are: {', '.join(venues)}")
    return venues[chosen]


def replay_capture(
    path: Path,
    venue: Venue,
    engine: Engine,
    on_signal: OnSignal,
    on_progress: OnProgress,
    *,
    block_rows: int = BLOCK_ROWS,
) -> Replayed:
    """Run a capture through intake and engine.

    Raises:
        OSError: the file cannot be read.
        SettingsError: its contracts are unknown.
    """
    instruments = instruments_of(path, venue)
    clock, stats, counts = FileClock(), MemoryStats(), CaptureCounts()
    outlet = DirectOutlet(engine, on_signal, block_rows)
    intake = Intake(venue.SPEC.name, outlet, clock, stats)
    decoder = venue.decoder({one.symbol: one for one in instruments})
    feed = _Feed(intake, venue.SPEC, tuple(instruments))
    ignored: Counter[str] = Counter()
    for received_ns, frame in read_capture(path, counts):
        clock.time_ns = max(clock.time_ns, received_ns)
        feed.beat(clock.time_ns)
        try:
            name = intake.frame(decoder, frame, 1)
        except VenueRefused:  # counted by the intake; a file goes on
            continue
        feed.saw(name, clock.time_ns)
        if name == "ignored":
            ignored[_stream_name(frame, ignored)] += 1
        if counts.frames % 8192 == 0:
            on_progress(counts.frames, outlet.rows)
    outlet.flush()
    on_progress(counts.frames, outlet.rows)
    return Replayed(
        venue=venue.SPEC.name,
        instruments=tuple(one.symbol for one in instruments),
        frames=counts.frames,
        rows={name: n for (_, name), n in sorted(stats.rows.items()) if n},
        ignored=dict(sorted(ignored.items())),
        rejected={reason: n for (_, reason), n in sorted(stats.rejects.items())},
        skipped_lines=counts.skipped,
        clock_steps_back=counts.clock_steps_back,
        torn=bool(counts.torn),
    )


def _stream_name(frame: bytes, known: Collection[str]) -> str:
    """Return what a frame calls its stream; "other" if nothing, or if there are too many names.

    >>> _stream_name(b'{"stream":"btcusdt@depth","data":{"e":"depthUpdate"}}', ())
    'depthUpdate'
    """
    match = _STREAM.search(frame, 0, 200)
    name = match[1].decode() if match else "other"
    return name if name in known or len(known) < _STREAMS_MAX else "other"


class _Feed:
    """The file as a connection: announces its contracts, beats, and is up once it has brought data."""

    def __init__(
        self, intake: Intake, spec: VenueSpec, instruments: tuple[Instrument, ...]
    ) -> None:
        self._spec = spec
        self._intake = intake
        self._instruments = instruments
        self._live = Channel(0)
        self._due_ns = 0
        intake.feeds.add("file", instruments, Channel.ALL)

    def beat(self, now_ns: int) -> None:
        """Write what an ingester writes as time goes by."""
        if self._due_ns == 0:
            self._announce(now_ns)
            self._due_ns = now_ns
        if now_ns >= self._due_ns:
            self._intake.feeds.beat(now_ns)
            self._due_ns = now_ns + HEARTBEAT_NS

    def saw(self, name: str | None, now_ns: int) -> None:
        """A frame brought data of these channels: they are up from here to the end of the file."""
        channels = _FED.get(name or "", Channel(0))
        if channels & ~self._live:
            self._live |= channels
            self._intake.feeds.report("file", self._live, now_ns)

    def _announce(self, now_ns: int) -> None:
        for one in self._instruments:
            flags = contract_flags(self._spec, one)
            self._intake.out.contract(
                flags, one.id, now_ns, now_ns, one.funding_interval_ns, one.underlying, one.venue,
                one.quote,
            )  # fmt: skip


def replay_log(folder: Path, engine: Engine, on_signal: OnSignal, on_progress: OnProgress) -> int:
    """Run a local market log through the engine; return the blocks folded.

    Raises:
        SettingsError: the folder holds no log.
        CorruptLog: what it holds cannot be read.
    """
    blocks = 0
    for index, block in _progressing(folder, on_progress, engine):
        for signal in engine.fold(block, index):
            on_signal(signal)
        blocks += 1
    if blocks == 0:
        raise SettingsError(f"{folder} holds no blocks of a log: name a run's data-dir with /log")
    on_progress(blocks, engine.counters["rows"])
    return blocks


def _progressing(
    folder: Path, on_progress: OnProgress, engine: Engine
) -> Iterator[tuple[int, bytes]]:
    for number, item in enumerate(read_log(folder)):
        if number % 1024 == 0:
            on_progress(number, engine.counters["rows"])
        yield item
