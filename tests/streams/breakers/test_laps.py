import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.breakers.laps import LAPS, laps_init, publish, step
from streams.breakers.machine import State
from streams.state import VALUE
from tests.reference.breakers.laps import SlowLaps

HOUR_NS = 3600 * 10**9
START_NS = 20_000 * 24 * HOUR_NS


class Run:
    """One side's laps, an hour a step, beside their twin."""

    def __init__(self) -> None:
        self.s, self.slow, self.hours = np.zeros(1, LAPS)[0], SlowLaps(0.33), 0
        laps_init(self.s)
        self.peak = self.low = math.log(1000.0)

    def step(self, state: State, oi: float, hours: int = 1) -> None:
        """Stay in a state with this open interest; the machine's peak is the last of CROWDED."""
        for _ in range(hours):
            self.hours += 1
            now_ns, log_oi = START_NS + self.hours * HOUR_NS, math.log(oi)
            if state in (State.CROWDED, State.CALM):
                self.peak = self.low = log_oi
            self.low = min(self.low, log_oi)
            step(self.s, int(state), self.peak, self.low, log_oi, now_ns, 0.33)
            self.slow.step(now_ns, state.name, log_oi, self.peak, self.low)

    def read(self, oi: float) -> dict[str, float]:
        """Return the readings."""
        names = ("count", "rebuild_h", "fraction", "depth", "ratio")
        records: list[Any] = [np.zeros(1, VALUE)[0] for _ in names]
        publish(self.s, math.log(oi), START_NS + self.hours * HOUR_NS, *records)
        return {name: float(r["value"]) for name, r in zip(names, records, strict=True)}


def lap(r: Run, peak: float, low: float, back: float) -> None:
    """Crowd up to a peak, cascade to a low, and build up again."""
    r.step(State.CROWDED, peak)
    r.step(State.CASCADE, low)
    r.step(State.FLUSHED, low, 3)
    r.step(State.FLUSHED, back, 2)
    r.step(State.FRAGILE, back, 2)


def test_a_flush_a_rebuilding_and_a_cascade_are_a_lap() -> None:
    r = Run()
    assert math.isnan(r.read(1000.0)["depth"])
    lap(r, 1000.0, 900.0, 950.0)
    before = r.read(950.0)
    assert (before["count"], before["rebuild_h"]) == (0.0, 3.0)
    assert before["depth"] == pytest.approx(0.1)
    assert before["fraction"] == pytest.approx(math.log(950 / 900) / math.log(1000 / 900))
    r.step(State.CASCADE, 920.0)
    after = r.read(920.0)
    assert (after["count"], after["rebuild_h"]) == (1.0, 3.0)
    assert after["fraction"] == pytest.approx(math.log(920 / 900) / math.log(1000 / 900))
    r.step(State.FLUSHED, 800.0, 3)
    deeper = r.read(800.0)
    assert deeper["depth"] == pytest.approx(0.2)
    assert deeper["ratio"] == pytest.approx(2.0)


def test_a_cascade_before_a_third_is_back_deepens_the_same_fall() -> None:
    r = Run()
    lap(r, 1000.0, 900.0, 950.0)
    r.step(State.CASCADE, 920.0)
    r.step(State.FLUSHED, 850.0, 2)
    r.step(State.CASCADE, 840.0)
    r.step(State.FLUSHED, 800.0, 2)
    assert r.read(800.0)["count"] == 1.0
    assert r.read(800.0)["ratio"] == pytest.approx(
        2.0
    )  # against the first flush, not its own beginning


def test_laps_are_forgotten_after_thirty_days() -> None:
    r = Run()
    for _ in range(3):
        lap(r, 1000.0, 900.0, 980.0)
    r.step(State.CASCADE, 900.0)
    assert r.read(900.0)["count"] == 3.0
    r.step(State.CALM, 900.0, 30 * 24 - 12)
    assert r.read(900.0)["count"] == 2.0
    r.step(State.CALM, 900.0, 30)
    assert r.read(900.0)["count"] == 0.0


steps = st.tuples(
    st.sampled_from([State.CALM, State.CROWDED, State.FRAGILE, State.CASCADE, State.FLUSHED, State.RESET]),
    st.sampled_from([800.0, 850.0, 900.0, 930.0, 950.0, 1000.0]),
    st.sampled_from([1, 1, 2, 5, 200]),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, min_size=1, max_size=40))
def test_any_history_has_the_laps_of_its_twin(drawn: list[tuple[State, float, int]]) -> None:
    r = Run()
    for state, oi, hours in drawn:
        r.step(state, oi, hours)
    laps = r.slow.laps()
    assert int(r.s["done"]) == len(laps)
    got = r.read(oi)
    assert got["count"] == r.slow.count()
    if laps:
        assert int(r.s["done_ns"][(len(laps) - 1) % 16]) == laps[-1][0]
        assert float(r.s["rebuild_s"]) == pytest.approx(laps[-1][1])
        assert float(r.s["fraction"]) == pytest.approx(laps[-1][2])
