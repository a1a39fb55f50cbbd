"""The terminal view, from readings and signals that a real engine made of a simulated market."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from rich.console import Console, RenderableType

from service.view import (
    DIALS,
    HISTORY,
    STYLES,
    History,
    breaker_lines,
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
    return (one for one in said if one.kind in {"state", "breaker", "burst", "data_quality"})


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


def test_breakers_are_a_line_a_coin_however_far_they_are(
    cascade: tuple[Engine, list[Signal]],
) -> None:
    state = cascade[0].state("BTC")
    faint = text(breaker_lines([state], 200))
    line = next(line for line in faint.splitlines() if line.strip().startswith("BTC"))
    assert line.count("leverage reset ") == line.count("spot absorption ") == 2
    assert "vol regime" in line
    assert DIALS[0] in line
    reset, absorption, _, _, regime = state["breakers"]
    reset |= {
        "status": "ACTIVE",
        "confidence": 0.82,
        "valid_until": "2025-11-14T22:13:20.000000000Z",
    }
    absorption |= {"status": "CANDIDATE", "confidence": None, "held_s": 7200.0, "hold_s": 14400.0}
    regime |= {"status": "CANDIDATE", "direction": "down", "confidence": 0.5, "held_s": 10800.0,
               "hold_s": 43200.0}  # fmt: skip
    loud = text(breaker_lines([state], 200))
    assert "● LEVERAGE RESET 0.82 to 11-14 22:13" in loud
    assert "◑ spot absorption ?, 2.0 h left" in loud
    assert "◔ vol regime ↓ 0.50, 9.0 h left" in " ".join(loud.split())


def test_a_breaker_is_told_with_its_direction(cascade: tuple[Engine, list[Signal]]) -> None:
    state = next(one for one in cascade[1] if one.kind == "state")
    told = msgspec.structs.replace(
        state, kind="breaker", side="both", name="VOL_REGIME", status="ACTIVE", previous="CANDIDATE",
        confidence=0.71, context={"direction": -1.0},
    )  # fmt: skip
    drawn = text(signal_lines([told]))
    assert "both  vol regime candidate → active down  confidence 0.71" in drawn
    expired = msgspec.structs.replace(state, status="EXPIRED", previous="CROWDED")
    assert "CROWDED  →  EXPIRED" in text(signal_lines([expired]))


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
