"""The terminal view, from readings and signals that a real engine made of a simulated market."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from rich.console import Console, RenderableType

from service.view import (
    HISTORY,
    STYLES,
    History,
    clock_text,
    market_table,
    money,
    screen,
    signal_lines,
    sparkline,
)
from streams.breakers.machine import State
from streams.config import MethodConfig
from streams.engine import Engine
from streams.events import Kind, RowBuffer
from streams.signals import Signal
from tests.e2e.market_log import market_blocks
from tests.e2e.world import CASCADES, EPOCH_NS, QUICK


def text(one: RenderableType, width: int = 200) -> str:
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    with console.file:
        console.print(one)
    return console.export_text()


@pytest.fixture(scope="module")
def cascade() -> tuple[Engine, list[Signal]]:
    """Return an engine in the middle of a cascade, and what it has said."""
    engine = Engine(MethodConfig(**QUICK))
    said: list[Signal] = []
    for number, (_, block) in enumerate(market_blocks(CASCADES, 365, 1, EPOCH_NS)):
        said += engine.fold(block, number)
    return engine, said


@pytest.fixture
def empty() -> dict[str, Any]:
    """Return the state of an underlying of which nothing is known but its name."""
    rows = RowBuffer()
    rows.contract(0, 9, EPOCH_NS, EPOCH_NS, 0, "NEW", "okx")
    rows.integers(Kind.HEARTBEAT, 0, 9, EPOCH_NS, EPOCH_NS, 0, 0, 0)
    engine = Engine()
    engine.fold(bytes(rows.view()), 0)
    return engine.state("NEW")


def shown(said: list[Signal]) -> Iterator[Signal]:
    return (one for one in said if one.kind in {"state", "burst", "data_quality"})


def test_every_state_has_a_style() -> None:
    assert set(STYLES) == {state.name for state in State}


def test_a_cascade_is_on_the_screen_with_its_evidence(cascade: tuple[Engine, list[Signal]]) -> None:
    engine, said = cascade
    states = [engine.state(symbol) for symbol in engine.underlyings()]
    history = History()
    for _ in range(HISTORY + 10):
        for state in states:
            history.note(
                state["symbol"], state["readings"], ("price", "liquidated_usd_per_s_60s_long")
            )
    drawn = text(
        screen("treadmill", "SIMULATED market", states, history, list(shown(said)), width=200)
    )
    for state in states:
        assert state["symbol"] in drawn
        assert f"{state['readings']['price']['value']:,.2f}" in drawn
    assert "SIMULATED market" in drawn
    assert "CASCADE" in drawn
    assert "burst started" in drawn
    assert "feeds ok" in drawn
    assert "✓ burst_long 1 == 1" in drawn
    assert "nan" not in drawn.lower()
    assert len(history.line("BTC", "price")) == HISTORY


def test_what_is_unknown_is_a_question_mark_and_no_zero(empty: dict[str, Any]) -> None:
    drawn = text(market_table([empty], History(), 200))
    line = next(line for line in drawn.splitlines() if "NEW" in line)
    assert line.split() == ["NEW", "?", "UNKNOWN", "UNKNOWN", *"??????", "?"]


def test_newest_signals_come_first_and_none_are_said_so(
    cascade: tuple[Engine, list[Signal]],
) -> None:
    assert text(signal_lines([])).strip() == "nothing yet"
    first, last = [one for one in cascade[1] if one.kind == "state"][:2]
    drawn = text(signal_lines([first, last]))
    assert drawn.index(last.asof[11:19]) < len(drawn)
    heads = [line for line in drawn.splitlines() if " → " in line]
    assert [head.split()[2] for head in heads] == [last.side, first.side]
    failed = msgspec.structs.replace(last.evidence[0], passed=False, value=None, threshold=None)
    odd = msgspec.structs.replace(last, evidence=[failed])
    assert f"✗ {failed.metric} ? {failed.op} ?" in text(signal_lines([odd]))


@pytest.mark.parametrize("width", [40, 80, 120])
def test_narrow_terminals_lose_columns_but_nothing_breaks(
    cascade: tuple[Engine, list[Signal]], width: int
) -> None:
    engine, said = cascade
    states = [engine.state(symbol) for symbol in engine.underlyings()]
    drawn = text(screen("t", "s", states, History(), list(shown(said))[-9:], width=width), width)
    assert max(map(len, drawn.splitlines())) <= width
    assert ("premium" in drawn, "intensity" in drawn) == (width >= 110, width >= 120)


def test_small_charts() -> None:
    assert sparkline([]) == ""
    assert sparkline([None, None]) == ""
    assert sparkline([5.0, 5.0]) == "▄▄"
    assert sparkline([0.0, None, -1.0, 1.0]) == "▄ ▁█"
    assert History().line("BTC", "price") == ""


def test_money_and_time() -> None:
    assert [money(x) for x in (0.0, 999.0, 1e3, 2.5e9, -3e6)] == [
        "$0", "$999", "$1.0k", "$2.5B", "$-3.0M",
    ]  # fmt: skip
    assert clock_text(1_700_000_000 * 10**9) == "2023-11-14 22:13:20 UTC"
