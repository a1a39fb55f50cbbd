from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.kernels.hysteresis import GATE, gate_init, gate_step
from tests.reference.kernels.hysteresis import SlowGate
from tests.truth import Truth

STEPS = st.lists(
    st.tuples(st.integers(0, 6), st.booleans(), st.booleans()), min_size=25, max_size=60
)
WAITS = st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(0, 20))


def gate() -> np.void:
    g = np.zeros(1, GATE)[0]
    gate_init(g)
    return g


def run(
    steps: list[tuple[int, bool, bool]], waits: tuple[int, int, int], unit: int = 1
) -> list[tuple[int, int]]:
    """Return (time, switch) for each step; steps are (time since the last one, enter, leave)."""
    g, now, switches = gate(), 0, []
    for dt, enter, leave in steps:
        now += dt * unit
        switch = gate_step(g, now, enter, leave, *(wait * unit for wait in waits))
        switches.append((now, switch))
    return switches


# Each column is a step at 0, 10, 20 ... seconds: E enter, L leave, B both, "." neither or unknown.
# Answers: + switched on, - switched off, 0 no change. Worked by hand.
TRACES = [
    # (dwell in, dwell out, minimum), trace, answer
    ((0, 0, 0), "E.E.L.L", "+000-00"),
    ((0, 0, 0), "ELELEL", "+-+-+-"),
    ((0, 0, 0), "LLL...", "000000"),
    ((20, 0, 0), "EEEL", "00+-"),
    ((20, 0, 0), "EE.EEE", "00000+"),
    ((25, 0, 0), "EEEE", "000+"),
    ((0, 20, 0), "ELLLE", "+00-+"),
    ((0, 20, 0), "ELL.LLL", "+00000-"),
    ((0, 20, 0), "ELLELLL", "+00000-"),
    ((0, 0, 30), "ELLLL", "+00-0"),
    ((0, 0, 30), "EL..L", "+000-"),
    ((0, 20, 30), "EELLLL", "+000-0"),
    ((0, 20, 50), "ELLLLLL", "+0000-0"),
    ((20, 20, 0), "EEELLLEEE", "00+00-00+"),
    ((0, 20, 0), "ELLLELLL", "+00-+00-"),
    ((20, 0, 0), "EEELEEE", "00+-00+"),
    ((0, 0, 0), "BBB", "+-+"),
    ((10, 10, 0), "BBBBB", "0+0-0"),
]


@pytest.mark.parametrize(("waits", "trace", "answer"), TRACES)
def test_hand_worked_traces(
    truth: Truth, waits: tuple[int, int, int], trace: str, answer: str
) -> None:
    steps = [(10 if i else 0, c in "EB", c in "LB") for i, c in enumerate(trace)]
    marks = {1: "+", -1: "-", 0: "0"}
    got = "".join(marks[switch] for _, switch in run(steps, waits))
    assert got == answer
    wrong = sum(a != b for a, b in zip(got, answer, strict=True))
    truth(23, "steps that differ from traces worked by hand", wrong, 0)


@settings(max_examples=200, deadline=None)
@given(STEPS, WAITS)
def test_every_step_equals_a_search_through_the_past(
    steps: list[tuple[int, bool, bool]], waits: tuple[int, int, int]
) -> None:
    g, slow, now = gate(), SlowGate(), 0
    for dt, enter, leave in steps:
        now += dt
        switch = gate_step(g, now, enter, leave, *waits)
        expected = slow.step(
            now,
            enter=enter,
            leave=leave,
            dwell_in=waits[0],
            dwell_out=waits[1],
            least=waits[2],
        )
        assert switch == expected
        assert (bool(g["on"]), int(g["since_ns"])) == (slow.on, slow.since_ns)


@settings(max_examples=100, deadline=None)
@given(STEPS, WAITS)
def test_no_switch_comes_before_its_time(
    steps: list[tuple[int, bool, bool]], waits: tuple[int, int, int]
) -> None:
    switches = [(now, switch) for now, switch in run(steps, waits) if switch]
    assert [switch for _, switch in switches] == [1, -1] * (len(switches) // 2) + [1] * (
        len(switches) % 2
    )
    for (before, _), (after, switch) in pairwise(switches):
        least = max(waits[1], waits[2]) if switch == -1 else waits[0]
        # A wait starts at a step, and the step of a switch cannot start the next one.
        assert after - before >= least


@settings(max_examples=100, deadline=None)
@given(STEPS, WAITS, st.sampled_from([2, 7, 1_000_000_000]))
def test_time_has_no_unit(
    steps: list[tuple[int, bool, bool]], waits: tuple[int, int, int], unit: int
) -> None:
    slow = run(steps, waits, unit)
    assert slow == [(now * unit, switch) for now, switch in run(steps, waits)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.651, 0.749), min_size=1, max_size=40), st.booleans())
def test_a_signal_between_the_thresholds_never_switches(values: list[float], start: bool) -> None:
    g = gate()
    if start:
        assert gate_step(g, 0, True, False, 0, 0, 0) == 1
    for i, value in enumerate(values):
        assert gate_step(g, i * 10**9, value >= 0.75, value <= 0.65, 0, 0, 0) == 0
    assert bool(g["on"]) == start


def test_unknown_input_breaks_a_wait_and_switches_nothing() -> None:
    g = gate()
    assert gate_step(g, 0, True, False, 20, 20, 0) == 0
    assert gate_step(g, 19, False, False, 20, 20, 0) == 0
    assert gate_step(g, 20, True, False, 20, 20, 0) == 0
    assert gate_step(g, 40, True, False, 20, 20, 0) == 1
    assert [gate_step(g, now, False, False, 0, 0, 0) for now in (10**6, 10**12)] == [0, 0]
    assert g["on"] == 1
