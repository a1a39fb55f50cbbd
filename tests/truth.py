"""Ground truths: which tests hold them, and how far off they were when last measured.

The method's matrix has 24 rows of things whose true value is known. A test that holds one takes the fixture
`truth` and says, after measuring, ``truth(row, what, error, tolerance)``: that asserts, and reports. A row
may be held by several tests. To add one, add the fixture to a test and the call; then ``make truth``.

``python -m tests.truth`` (``make truth``) runs exactly the tests that report, in the full profile, prints the
table and rewrites `streams/TRUTH.md`; with numbers of rows, or parts of names of tests, it runs and rewrites
only those. In the ordinary test run simulations are shorter: `profile` chooses.
"""

import argparse
import ast
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import pytest

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = "TREADMILL_TRUTH"  # "full": as many seeds as a figure for the table needs

#: Row: subject, what is known to be true, the tolerance that the method states.
MATRIX: dict[int, tuple[str, str, str]] = {
    1: ("EW sums, means, variances", "closed forms and quadrature", "1e-12"),
    2: ("rolling windows", "brute force, in fixed point", "exact"),
    3: ("forgotten quantiles", "the weighted quantile of all points", "rank 0.003"),
    4: ("units of open interest", "documented frames; traded volume; the venue's own USD", "exact, 2 %"),
    5: ("coin and price effect", "the midpoint identity", "1e-12"),
    6: ("sides opened and closed", "V + dq and V - dq on a simulated tape", "exact"),
    7: ("panel change", "venues that come and go", "exact"),
    8: ("yearly funding, dead zone", "the method's tables", "exact"),
    9: ("carry", "the $21.0 million example", "1e-9"),
    10: ("side and size of liquidations", "documented frames of each venue, and mutants", "exact"),
    11: ("throttled feeds", "two simulators", "12 %"),
    12: ("Hawkes recursions", "quadrature, sums over all events", "1e-10"),
    13: ("branching", "simulations with n of 0, 0.4, 0.7, 0.9, 0.95", "2 s.e., bias 0.03"),
    14: ("price covariate", "planted gain, no branching", "0.1"),
    15: ("spurious criticality", "a background that follows the day", "0.1"),
    16: ("residuals", "uniform under the truth, wrong models rejected", "1 %"),
    17: ("liquidation prices", "the method's table; equity is the maintenance margin", "1e-9"),
    18: ("conservation of the map", "opened less consumed, closed, aged", "1e-9"),
    19: ("score of the map", "oracle, model, nothing, stale map: in this order", "95 % intervals apart"),
    20: ("level of the map", "phi of the true book", "0.9 to 1.2"),
    21: ("impact, information share, lead", "planted parameters", "2 s.e."),
    22: ("volatility", "Gaussian returns, planted jumps and changes, run lengths", "as stated"),
    23: ("state machine", "worked traces, rules, mirrored markets", "exact"),
    24: ("end to end", "snapshots, cuts, live and replay", "exact"),
}  # fmt: skip

#: Rows whose subject is being built: no test holds them yet. Empty this as they come.
PENDING: frozenset[int] = frozenset()


def profile(short: T, full: T) -> T:
    """Return `full` where figures for the table are measured, else `short`."""
    return full if os.environ.get(ENVIRONMENT) == "full" else short


def figure(x: float, digits: int) -> str:
    """Return a number to so many digits, without the zero in 1e-09."""
    return f"{x:.{digits}g}".replace("e-0", "e-")


class Report(NamedTuple):
    """What a test measured: the range of its values, and the range they may have."""

    row: int
    what: str
    least: float
    most: float
    low: float
    high: float

    @property
    def measured(self) -> str:
        """Return the value that came nearest to a bound; both ends where both are bounds."""
        if self.high == math.inf:
            return figure(self.least, 3)
        if self.low == -math.inf or self.least == self.most:
            return figure(self.most, 2)
        return f"{figure(self.least, 3)} to {figure(self.most, 3)}"

    @property
    def allowed(self) -> str:
        """Return the bounds in words."""
        if self.high == math.inf:
            return f"> {self.low:g}"
        if self.low > -math.inf:
            return f"{self.low:g} to {self.high:g}"
        return f"≤ {figure(self.high, 3)}" if self.high > 0.0 else "exact"


class Truth:
    """Takes reports of the test that is running."""

    def __init__(self) -> None:
        self.reports: dict[tuple[int, str], Report] = {}

    def _take(self, row: int, what: str, value: float, low: float, high: float) -> None:
        assert row in MATRIX
        before = self.reports.get((row, what), Report(row, what, value, value, low, high))
        assert (before.low, before.high) == (low, high), f"{what}: one line, one tolerance"
        self.reports[row, what] = before._replace(
            least=min(before.least, value), most=max(before.most, value)
        )

    def __call__(self, row: int, what: str, error: float, tolerance: float) -> None:
        """Assert that an error is within its tolerance, and report it; the worst of several counts."""
        assert abs(error) <= tolerance, f"{what}: off by {error:g}, tolerated {tolerance:g}"
        self._take(row, what, abs(float(error)), -math.inf, float(tolerance))

    def between(self, row: int, what: str, value: float, low: float, high: float) -> None:
        """Assert that a value lies between two bounds, and report it."""
        assert low <= value <= high, f"{what}: {value:g} is not within {low:g} to {high:g}"
        self._take(row, what, float(value), low, high)

    def above(self, row: int, what: str, value: float, low: float = 0.0) -> None:
        """Assert that a value is above a bound, and report it."""
        assert value > low, f"{what}: {value:g} is not above {low:g}"
        self._take(row, what, float(value), low, math.inf)


@pytest.fixture(scope="session")
def truth() -> Truth:
    """Return what takes a test's reports. Of the session, so that property tests may report too."""
    return Truth()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what reports."""
    for item in items:
        if "truth" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.truth)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Give each test a clean page; one that passes and reports nothing has not done what it says."""
    book = getattr(item, "funcargs", {}).get("truth")
    if book is None:
        yield
        return
    book.reports.clear()
    yield
    assert book.reports, "a test with the fixture `truth` must report"
    item.user_properties += [("truth", tuple(report)) for report in book.reports.values()]


class Source(NamedTuple):
    """A test that reports, as its source says."""

    row: int
    test: str  # file::name


def sources(folder: Path = ROOT / "tests") -> set[Source]:
    """Return which tests report which rows, read from the sources."""
    found = set()
    for path in sorted(folder.rglob("test_*.py")):
        text = path.read_text("utf-8")
        if "truth" not in text:
            continue
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                name = f"{path.relative_to(ROOT).as_posix()}::{node.name}"
                found |= {Source(row, name) for row in rows_reported(node)}
    return found


def rows_reported(test: ast.FunctionDef | ast.AsyncFunctionDef) -> set[int]:
    """Return the rows a test reports, empty if it has no fixture `truth`.

    Raises:
        SyntaxError: it reports a row whose number is not written out.
    """
    if "truth" not in {argument.arg for argument in test.args.args}:
        return set()
    rows = set()
    for node in ast.walk(test):
        if not isinstance(node, ast.Call):
            continue
        target = node.func.value if isinstance(node.func, ast.Attribute) else node.func
        if not (isinstance(target, ast.Name) and target.id == "truth"):
            continue
        given = [*node.args[:1], *(k.value for k in node.keywords if k.arg == "row")][0]
        number = given.value if isinstance(given, ast.Constant) else None
        if number not in MATRIX:
            raise SyntaxError(f"{test.name}: write the number of the row")
        rows.add(int(str(number)))
    return rows


class Collector:
    """Gathers what the tests of a run report."""

    def __init__(self) -> None:
        self.reports: dict[tuple[int, str, str], Report] = {}
        self.held: set[str] = set()
        self.failed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the reports of a test that passed; of its parameters, the widest range."""
        test = report.nodeid.partition("[")[0]
        if report.failed:
            self.failed.add(test)
        if report.when != "call" or not report.passed:
            return
        self.held.add(test)
        for name, value in report.user_properties:
            if name == "truth":
                new = Report(*value)  # type: ignore[misc]
                old = self.reports.get((new.row, new.what, test), new)
                least, most = min(old.least, new.least), max(old.most, new.most)
                self.reports[new.row, new.what, test] = new._replace(least=least, most=most)


def chosen(words: list[str]) -> list[str]:
    """Return the tests that report the rows, or have the parts of names, given; all without any."""
    return sorted({
        source.test
        for source in sources()
        if not words or any(w == str(source.row) or (w in source.test and not w.isdigit()) for w in words)
    })  # fmt: skip


def main() -> int:
    """Measure, print and write; return the exit code."""
    from tests.truth_page import PAGE, written

    parser = argparse.ArgumentParser(prog="python -m tests.truth", description=__doc__)
    parser.add_argument("words", nargs="*", help="rows, or parts of names of tests; all without")
    parser.add_argument("--short", action="store_true", help="the profile of the ordinary test run")
    given = parser.parse_args()
    tests = chosen(given.words)
    if not tests:
        print("no test reports that", file=sys.stderr)
        return 1
    os.environ[ENVIRONMENT] = "short" if given.short else "full"
    seen = Collector()
    code = int(pytest.main(["-p", "no:randomly", "-q", *tests], plugins=[seen]))
    without = sorted(seen.failed | (set(tests) - seen.held))
    held = {key: report for key, report in seen.reports.items() if key[2] not in without}
    PAGE.write_text(written(held, set(tests) if given.words else None), "utf-8")
    print(PAGE.read_text("utf-8"))
    for test in without:
        print(f"failed or did not run, so it is not on the page: {test}", file=sys.stderr)
    return code or int(bool(without))


if __name__ == "__main__":
    sys.exit(main())
