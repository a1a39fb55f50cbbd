"""Daily settlements of CME's coin futures, from files that the operator provides.

CME has no free feed. Its bulletins of volume and open interest come once a day and may be put, or exported
from whatever the operator has bought, as CSV files (``*.csv``) into the folder `daily_files_dir`:

```csv
date,product,underlying,contract_coins,open_interest_contracts,volume_contracts,settlement_usd
2026-11-20,BTC,BTC,5,23145,9876,91250.5
```

A line is one product on one trading day: its coins a contract, the contracts open at the end of the day,
those traded, and the settlement price in USD a coin. Each becomes an OPEN_INTEREST row of venue ``cme``,
valued at the settlement, at 21:00 UTC of its date: settlements are at 16:00 US Eastern, which is 21:00 UTC
in winter and an hour earlier in summer, so rows are never early. A line for a time ahead waits for it.

The folder is looked at every minute. The same day twice is said once; a day whose numbers have changed
(preliminary, then final) is said again. All but a product's newest day are history and flagged BACKFILL.
Bad lines, and files that cannot be read, are the operator's to mend: a log line each, and the rest goes on.
"""

import asyncio
import csv
import datetime as dt
import re
from collections.abc import Callable, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import msgspec
import structlog

from service.clock import Clock
from service.heartbeats import Feeds
from service.publisher import Publisher
from service.semantics import Evidence, OpenInterestFeed, Semantics
from service.stats import IngestStats
from service.venues.decode import NotNegative, Positive
from service.venues.symbols import underlying_of
from streams.events import Channel, DownReason, Flag, Kind
from streams.instruments import BadInstrument, Instrument, instrument

NAME: Final = "cme"
#: What each channel means.
SEMANTICS: Final = Semantics(
    market="regulated",
    title="CME, daily files",
    open_interest=OpenInterestFeed(
        source="file", unit="contracts", cadence_s=86_400.0,
        note="valued at the settlement; taken as of 21:00 UTC",
        evidence=Evidence("2026-11", "CME Group daily bulletins, in the operator's files"),
    ),
)  # fmt: skip

HEADER: Final = (
    "date", "product", "underlying", "contract_coins", "open_interest_contracts", "volume_contracts",
    "settlement_usd",
)  # fmt: skip
LOOK_EVERY_S: Final = 60.0
FILE_MAX_BYTES: Final = 4 << 20
FILE_MAX_LINES: Final = 50_000
FILES_MAX: Final = 500
DAYS_MAX: Final = 200_000  # of all products

_NS: Final = 10**9
_SETTLED_S: Final = 21 * 3600
_ROWS_AT_ONCE: Final = 1000
_FIRST_YEAR, _LAST_YEAR = 2015, 2099
_SIZE: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")

_log = structlog.get_logger(__name__)


class Line(msgspec.Struct, frozen=True):
    """One product's day as the file has it."""

    date: dt.date
    product: Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9]{1,12}\Z")]
    underlying: Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9]{1,12}\Z")]
    contract_coins: str
    open_interest_contracts: NotNegative
    volume_contracts: NotNegative
    settlement_usd: Positive

    @property
    def at_ns(self) -> int:
        """When it was settled, ns since the epoch."""
        midnight = dt.datetime.combine(self.date, dt.time(), dt.UTC)
        return (int(midnight.timestamp()) + _SETTLED_S) * _NS


class BadLine(NamedTuple):
    """A line that is no day, by its number in the file, from 1."""

    number: int
    why: str


class UnusableFile(Exception):  # noqa: N818
    """A file that cannot be read at all; says why in a few words."""


def parse(raw: bytes) -> tuple[list[Line], list[BadLine]]:
    """Return a file's days, and its lines that are none.

    Raises:
        UnusableFile: it is too large, no text, or has another header.
    """
    if len(raw) > FILE_MAX_BYTES:
        raise UnusableFile(f"more than {FILE_MAX_BYTES} bytes")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnusableFile(f"byte {error.start} is no UTF-8") from None
    rows = csv.reader(text.splitlines())
    days: list[Line] = []
    bad: list[BadLine] = []
    try:
        header = next(rows, [])
        if tuple(cell.strip() for cell in header) != HEADER:
            raise UnusableFile(f"line 1 must be {','.join(HEADER)}")
        for number, cells in enumerate(rows, start=2):
            if number > FILE_MAX_LINES:
                raise UnusableFile(f"more than {FILE_MAX_LINES} lines")
            if not any(cells):
                continue
            try:
                days.append(_line(cells))
            except ValueError as error:
                bad.append(BadLine(number, str(error)[:200]))
    except csv.Error as error:
        raise UnusableFile(f"line {rows.line_num}: {error}") from None
    return days, bad


def _line(cells: Sequence[str]) -> Line:
    """Return the day that a line's cells say.

    Raises:
        ValueError: they say none (msgspec's errors are of this kind).
    """
    if len(cells) != len(HEADER):
        raise ValueError(f"{len(cells)} fields, not {len(HEADER)}")
    said = dict(zip(HEADER, (cell.strip() for cell in cells), strict=True))
    line = msgspec.convert(said, Line, strict=False)
    if not _FIRST_YEAR <= line.date.year <= _LAST_YEAR:
        raise ValueError(f"year {line.date.year}")
    if not _SIZE.fullmatch(line.contract_coins) or float(line.contract_coins) == 0.0:
        raise ValueError(f"contract_coins {line.contract_coins[:40]!r}")
    if underlying_of(line.underlying) != (line.underlying, 1):
        raise ValueError(f"underlying {line.underlying!r} is in no table of names")
    return line


class Look(msgspec.Struct):
    """What one look at the folder found."""

    days: list[Line] = []
    readable: list[str] = []
    bad: dict[str, list[BadLine]] = {}
    unusable: dict[str, str] = {}
    folder: str = ""  # why it cannot be listed


class Folder:
    """The operator's files. Each is read again only when it has changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read: dict[str, tuple[int, int]] = {}

    def look(self) -> Look:
        """Read what is new or has changed since the last look."""
        found = Look()
        try:
            files = sorted(self.path.glob("*.csv"))
            if not self.path.is_dir():
                found.folder = "no such folder"
        except OSError as error:
            files, found.folder = [], error.strerror or "cannot be listed"
        if len(files) > FILES_MAX:
            found.unusable["*.csv"] = f"{len(files)} files, only the last {FILES_MAX} are read"
        for file in files[-FILES_MAX:]:
            try:
                self._look_at(file, found)
            except OSError as error:
                found.unusable[file.name] = error.strerror or "cannot be read"
            except UnusableFile as error:
                found.unusable[file.name] = str(error)
        return found

    def _look_at(self, file: Path, found: Look) -> None:
        stat = file.stat()
        now = stat.st_mtime_ns, stat.st_size
        if self._read.get(file.name) == now:
            return
        with file.open("rb") as opened:
            raw = opened.read(FILE_MAX_BYTES + 1)
        self._read[file.name] = now
        days, bad = parse(raw)
        found.days += days
        found.readable.append(file.name)
        if bad:
            found.bad[file.name] = bad


class DailyFiles:
    """Follows the folder and writes its days as rows. Its publisher must be running."""

    def __init__(
        self,
        folder: Path,
        publisher: Publisher,
        clock: Clock,
        stats: IngestStats,
        *,
        wanted: Callable[[str], bool] = bool,
        tell: Callable[[str, Sequence[Instrument]], None] | None = None,
        days_max: int = DAYS_MAX,
    ) -> None:
        self.feeds = Feeds(publisher.buffer)
        self.instruments: dict[str, Instrument] = {}
        self._folder = Folder(folder)
        self._publisher = publisher
        self._clock = clock
        self._stats = stats
        self._wanted = wanted
        self._tell = tell
        self._days_max = days_max
        self._said: dict[tuple[str, dt.date], Line] = {}
        self._ahead: dict[tuple[str, dt.date], Line] = {}
        self._newest: dict[str, dt.date] = {}
        self._complaints: dict[str, str] = {}

    async def run(self) -> None:
        """Look at the folder every minute until cancelled."""
        try:
            while True:
                await self.once()
                await self._clock.sleep(LOOK_EVERY_S)
        finally:
            self._report(Channel(0), DownReason.STOPPED)

    async def once(self) -> None:
        """Look once, and publish what is new."""
        found = await asyncio.to_thread(self._folder.look)
        self._complain(found)
        self._learn(found.days)
        self._announce()
        self._report(
            Channel(0) if found.folder else Channel.OPEN_INTEREST,
            DownReason.CLOSED if found.folder else None,
        )
        due = self._due(found.days)
        for line in due:
            self._newest[line.product] = max(line.date, self._newest.get(line.product, line.date))
        for at, line in enumerate(due):
            self._write(line)
            if at % _ROWS_AT_ONCE == 0 and self._publisher.full:
                await self._publisher.drained()
        if due:
            self._stats.frame(NAME, "open_interest", len(due))
        self._publisher.note("open_interest")

    def _learn(self, days: Sequence[Line]) -> None:
        """Make contracts of products that are new. A product whose coin changes is a mistake."""
        known = len(self.instruments)
        for line in days:
            if line.product in self.instruments or not self._wanted(line.underlying):
                continue
            try:
                made = instrument(
                    venue=NAME, symbol=line.product, underlying=line.underlying, quote="USD",
                    contract_size=line.contract_coins, market="regulated",
                )  # fmt: skip
            except BadInstrument as bad:
                self._say("daily_product_unusable", line.product, str(bad))
                continue
            self.instruments[line.product] = made
            self._publisher.register(made)
            self.feeds.add(line.product, (made,), Channel.OPEN_INTEREST)
        if len(self.instruments) > known and self._tell is not None:
            self._tell(NAME, list(self.instruments.values()))

    def _due(self, days: Sequence[Line]) -> list[Line]:
        """Return the days to be written, oldest first: new ones, corrected ones, ones that waited."""
        for line in days:
            if self._fits(line) and self._said.get((line.product, line.date)) != line:
                self._ahead[line.product, line.date] = line
        now_ns = self._clock.now_ns()
        due = [line for line in self._ahead.values() if line.at_ns <= now_ns]
        for line in due:
            del self._ahead[line.product, line.date]
        return sorted(due, key=attrgetter("date", "product"))

    def _fits(self, line: Line) -> bool:
        made = self.instruments.get(line.product)
        if made is None:
            return False
        if made.underlying != line.underlying:
            why = f"is of {made.underlying}, not of {line.underlying}"
            self._say("daily_product_unusable", line.product, why)
            self._stats.reject(NAME, "line")
            return False
        if len(self._said) + len(self._ahead) >= self._days_max:
            self._say("daily_days_many", "days", f"only {self._days_max} are kept")
            return False
        return True

    def _write(self, line: Line) -> None:
        self._said[line.product, line.date] = line
        history = line.date < self._newest[line.product]
        coin = line.open_interest_contracts * float(line.contract_coins)
        self._publisher.buffer.floats(
            Kind.OPEN_INTEREST, 0, int(Flag.BACKFILL) if history else 0,
            self.instruments[line.product].id, line.at_ns, self._clock.now_ns(), 0,
            coin, coin * line.settlement_usd, line.settlement_usd,
        )  # fmt: skip

    def _announce(self) -> None:
        now_ns = self._clock.now_ns()
        for one in self.instruments.values():
            self._publisher.buffer.contract(
                Flag.REGULATED, one.id, now_ns, now_ns, 0, one.underlying, one.venue, one.quote
            )  # fmt: skip

    def _report(self, live: Channel, reason: DownReason | None) -> None:
        for product in self.instruments:
            self.feeds.report(product, live, self._clock.now_ns(), reason=reason)
        self._publisher.note("feed")

    def _complain(self, found: Look) -> None:
        """Log what the operator has to mend, each thing once as long as it stays the same."""
        for file in found.readable:
            self._complaints.pop(file, None)
        for file, bad in found.bad.items():
            for _ in bad:
                self._stats.reject(NAME, "line")
            _log.warning(
                "daily_lines_bad", file=file, lines=len(bad), line=bad[0].number, why=bad[0].why
            )  # fmt: skip
        for file, why in found.unusable.items():
            if self._say("daily_file_unusable", file, why):
                self._stats.reject(NAME, "file")
        folder = str(self._folder.path)
        if found.folder:
            self._say("daily_folder_unusable", folder, found.folder)
        else:
            self._complaints.pop(folder, None)

    def _say(self, event: str, what: str, why: str) -> bool:
        """Log a complaint; False if it has been said before."""
        if self._complaints.get(what) == why:
            return False
        self._complaints[what] = why
        _log.warning(event, what=what, why=why)
        return True
