"""`streams/TRUTH.md`: written by ``python -m tests.truth``, read back by its own test."""

import datetime as dt
import platform
import re
from collections.abc import Mapping
from importlib.metadata import version
from typing import NamedTuple

from tests.streams.properties.audit import table as audit_table
from tests.truth import MATRIX, PENDING, ROOT, Report, profile

PAGE = ROOT / "streams" / "TRUTH.md"
LINE = re.compile(
    r"^\| (?P<row>\d+) \| (?P<what>[^|]+) \| (?P<measured>[^|]+) \| (?P<allowed>[^|]+) "
    r"\| (?P<profile>full|short) \| \[(?P<name>\w+)\]\(\.\./(?P<file>[^)]+)\) \|$"
)
HEAD = """# Ground truths, measured

Written by `make truth` on {date} (Python {python}, numpy {numpy}, numba {numba}, {machine}); not by hand.

Each row is a thing whose true value is known. Each line below it is a test that asserts what is allowed, and
what it measured: the worst over all its cases. Figures marked `full` come from more seeds than the ordinary
test run takes. `make truth ARGS="13 15"` measures two rows anew, `ARGS="--short"` takes the shorter profile.

| row | held against | measured | allowed | profile | test |
|---|---|---|---|---|---|
"""
TAIL = """
## Properties of every kernel and indicator

*Twin*: equal to a slow, obviously right program after every step. *Cuts*: independent of how time or the log
is cut. *Snapshot*: its bytes are its state. *Scale*, *shift*, *mirror*: what units, origins and directions
must not change. Where there is no such property the cell says why.

"""


class Line(NamedTuple):
    """A line of the table."""

    row: int
    what: str
    measured: str
    allowed: str
    profile: str
    test: str

    def written(self) -> str:
        """Return the line as the page has it."""
        file, _, name = self.test.partition("::")
        cells = (self.row, self.what, self.measured, self.allowed, self.profile)
        return f"| {' | '.join(map(str, cells))} | [{name}](../{file}) |"


def lines(text: str) -> list[Line]:
    """Return the lines of a page."""
    found = []
    for match in filter(None, map(LINE.match, text.splitlines())):
        cells = match.groupdict()
        test = f"{cells.pop('file')}::{cells.pop('name')}"
        found.append(Line(int(cells.pop("row")), test=test, **cells))
    return found


def holds(line: Line) -> bool:
    """Return whether what was measured, as printed, is what is allowed."""
    values = [float(word) for word in line.measured.split(" to ")]
    if line.allowed == "exact":
        return values == [0.0]
    if line.allowed.startswith("> "):
        return values[0] > float(line.allowed[2:])
    if line.allowed.startswith("≤ "):
        return 0.0 <= values[0] <= float(line.allowed[2:])
    low, high = (float(word) for word in line.allowed.split(" to "))
    return low <= values[0] <= values[-1] <= high


def table(of: list[Line]) -> str:
    """Return the table's body: each row's subject and stated tolerance, then its lines."""
    out = []
    for row, (subject, known, stated) in MATRIX.items():
        out.append(f"| **{row}** | **{subject}**: {known} | | {stated} | | |")
        own = sorted(line for line in of if line.row == row)
        out += [line.written() for line in own]
        if row in PENDING:
            out.append(f"| {row} | pending: no test yet | | | | |")
    return "\n".join(out) + "\n"


def written(reports: Mapping[tuple[int, str, str], Report], only: set[str] | None) -> str:
    """Return the page with new figures; with `only`, lines of other tests stay as they are."""
    which = profile("short", "full")
    new = [
        Line(row, what, report.measured, report.allowed, which, test)
        for (row, what, test), report in reports.items()
    ]
    kept = [] if only is None or not PAGE.exists() else lines(PAGE.read_text("utf-8"))
    new += [line for line in kept if only is not None and line.test not in only]
    head = HEAD.format(
        date=dt.datetime.now(dt.UTC).date().isoformat(),
        python=platform.python_version(), numpy=version("numpy"), numba=version("numba"),
        machine=platform.machine(),
    )  # fmt: skip
    return head + table(new) + TAIL + audit_table()
