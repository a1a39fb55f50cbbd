"""The page of ground truths names every row, and tests that exist; and the fixture lets nothing pass."""

import ast
import math

import pytest

from tests.streams.properties.audit import table as audit_table
from tests.truth import MATRIX, PENDING, Collector, Report, Source, Truth, rows_reported, sources
from tests.truth_page import PAGE, Line, holds, lines

TEXT = PAGE.read_text("utf-8")
WRITE = "run `make truth`, with the rows or tests in question as ARGS"


def test_every_row_is_held_by_a_test_or_pending() -> None:
    held = {source.row for source in sources()}
    assert held <= MATRIX.keys()
    assert not held & PENDING, "a row is held now: take it out of PENDING in tests/truth.py"
    assert MATRIX.keys() - held == PENDING, "no test reports these rows"
    assert list(MATRIX) == list(range(1, 25))


def test_the_page_names_the_tests_that_report_and_no_others() -> None:
    on_page = {Source(line.row, line.test) for line in lines(TEXT)}
    assert sources() - on_page == set(), f"not on the page: {WRITE}"
    assert on_page - sources() == set(), f"on the page, and no such test reports that: {WRITE}"


@pytest.mark.parametrize("line", lines(TEXT), ids=lambda line: f"{line.row}: {line.what}")
def test_what_was_measured_is_allowed(line: Line) -> None:
    assert holds(line)


def test_the_table_of_properties_is_current() -> None:
    assert TEXT.endswith(audit_table()), WRITE


def test_errors_beyond_the_tolerance_and_unknown_ones_fail() -> None:
    truth = Truth()
    for error, tolerance in ((1.1e-9, 1e-9), (-2.0, 1.0), (math.nan, 1.0), (1e-300, 0.0)):
        with pytest.raises(AssertionError):
            truth(1, "something", error, tolerance)
    for value in (0.89, 1.21, math.nan):
        with pytest.raises(AssertionError):
            truth.between(20, "something", value, 0.9, 1.2)
    for value in (0.0, -1.0, math.nan):
        with pytest.raises(AssertionError):
            truth.above(19, "something", value)
    with pytest.raises(AssertionError):
        truth(25, "no row", 0.0, 1.0)
    assert truth.reports == {}


def test_the_worst_of_several_is_reported_and_a_tolerance_does_not_change() -> None:
    truth = Truth()
    for error in (0.01, -0.02, 0.0):
        truth(13, "bias", error, 0.03)
    for phi in (1.1, 0.95):
        truth.between(20, "phi", phi, 0.9, 1.2)
    for edge in (0.3, 0.2):
        truth.above(19, "skill", edge)
    bias, phi, skill = truth.reports.values()
    assert (bias.measured, bias.allowed) == ("0.02", "≤ 0.03")
    assert (phi.measured, phi.allowed) == ("0.95 to 1.1", "0.9 to 1.2")
    assert (skill.measured, skill.allowed) == ("0.2", "> 0")
    with pytest.raises(AssertionError):
        truth(13, "bias", 0.0, 0.05)


@pytest.mark.parametrize(("measured", "allowed", "wanted"), [
    ("0.02", "≤ 0.03", True), ("0.031", "≤ 0.03", False), ("0", "exact", True), ("1e-16", "exact", False),
    ("0.95 to 1.1", "0.9 to 1.2", True), ("0.8 to 1.1", "0.9 to 1.2", False), ("1.1", "0.9 to 1.2", True),
    ("0.1", "> 0", True), ("0", "> 0", False), ("nan", "≤ 1", False),
])  # fmt: skip
def test_figures_of_the_page_are_read(measured: str, allowed: str, wanted: bool) -> None:
    line = Line(3, "ranks", measured, allowed, "full", "tests/test_truth.py::test_x")
    assert lines(line.written()) == [line]
    assert holds(line) is wanted


def test_reports_are_read_from_the_source() -> None:
    def rows(text: str) -> set[int]:
        node = ast.parse(text).body[0]
        assert isinstance(node, ast.FunctionDef)
        return rows_reported(node)

    assert rows(
        "def test_a(truth):\n    truth(3, 'x', 0.0, 1.0)\n    truth.above(row=4, what='y', value=1.0)"
    ) == {3, 4}
    assert rows("def test_a(x):\n    truth(3, 'x', 0.0, 1.0)") == set()
    with pytest.raises(SyntaxError, match="number of the row"):
        rows("def test_a(truth, row):\n    truth(row, 'x', 0.0, 1.0)")


def test_the_worst_of_all_parameters_is_collected_and_failures_are_not() -> None:
    seen = Collector()
    for error, outcome in ((0.1, "passed"), (0.2, "passed"), (9.0, "failed")):
        report = Report(11, "rate", error, error, -math.inf, 1.0)
        seen.pytest_runtest_logreport(
            pytest.TestReport(
                f"tests/x.py::test_y[{error}]", ("x", 1, "y"), {}, outcome, None, "call",  # type: ignore[arg-type]
                user_properties=[("truth", tuple(report))],
            )
        )  # fmt: skip
    assert [r.measured for r in seen.reports.values()] == ["0.2"]
    assert seen.held == seen.failed == {"tests/x.py::test_y"}
