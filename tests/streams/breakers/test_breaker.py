"""A breaker's life by hand and against its twin; conditions, margins and Kleene's logic."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.breakers.breaker import (
    ACTIVE,
    CANDIDATE,
    CHANGED,
    DISCRETE,
    EXPIRED,
    GE,
    GT,
    INACTIVE,
    LE,
    LT,
    NO,
    NOTHING,
    UNASKED,
    UNKNOWN,
    YES,
    all_hold,
    all_sure,
    both,
    breaker_init,
    breaker_record,
    either,
    judge,
    least_coverage,
    likelier,
    live,
    unasked,
)
from streams.state import VALUE
from tests.reference.breakers.life import SlowLife, all_of, any_of, code
from tests.truth import Truth

NAN = math.nan
TIMES = {"candidate": 4, "hold": 10, "expiry": 30, "grace": 3}
TWO = breaker_record(2)


def breaker(dtype: np.dtype[np.void] = TWO) -> Any:
    b = np.zeros(1, dtype)[0]
    breaker_init(b)
    return b


class Run:
    """A breaker, its clock, and everything it said."""

    def __init__(self) -> None:
        self.b, self.now = breaker(), 100
        self.said: list[tuple[int, str]] = []

    def step(self, enter: int, stay: int = YES, dt: int = 1) -> str | None:
        """Take one look, `dt` after the last; return what it said."""
        self.now += dt
        self.b["said"] = NOTHING
        live(self.b, enter, stay, self.now, *TIMES.values())
        if self.b["said"] == NOTHING:
            return None
        status = ("INACTIVE", "CANDIDATE", "ACTIVE")[int(self.b["status"])]
        word = "EXPIRED" if self.b["said"] == EXPIRED else status
        self.said.append((self.now, word))
        return word

    def run(self, steps: int, enter: int, stay: int = YES, dt: int = 1) -> list[tuple[int, str]]:
        """Take several looks; return when it said what, counted from now."""
        start, seen = self.now, len(self.said)
        for _ in range(steps):
            self.step(enter, stay, dt)
        return [(when - start, word) for when, word in self.said[seen:]]


def active() -> Run:
    r = Run()
    assert r.run(11, YES) == [(5, "CANDIDATE"), (11, "ACTIVE")]
    return r


def test_it_is_a_candidate_after_the_first_wait_and_active_after_the_whole() -> None:
    r = active()
    assert int(r.b["previous"]) == CANDIDATE
    assert int(r.b["until_ns"]) == int(r.b["since_ns"]) + 30
    assert Run().run(40, NO) == []
    assert Run().run(40, UNKNOWN) == []
    assert Run().run(4, YES) == []


def test_a_failed_condition_ends_a_candidate_and_starts_the_wait_again() -> None:
    r = Run()
    assert r.run(8, YES) == [(5, "CANDIDATE")]
    assert r.step(NO) == "INACTIVE"
    assert r.run(11, YES) == [(5, "CANDIDATE"), (11, "ACTIVE")]


def test_a_short_gap_stops_the_clock_and_a_long_one_sets_it_back() -> None:
    r = Run()
    r.run(8, YES)  # seven have passed
    assert r.run(3, UNKNOWN) == []
    assert r.run(4, YES) == [
        (4, "ACTIVE")
    ]  # one step to begin again, and the three that were missing
    r = Run()
    r.run(8, YES)
    assert r.run(5, UNKNOWN) == [(5, "INACTIVE")]
    assert r.run(11, YES) == [(5, "CANDIDATE"), (11, "ACTIVE")]
    r = Run()
    r.run(8, YES)
    assert r.step(YES, dt=4) == "INACTIVE"  # nobody looked for longer than that


def test_an_active_one_outlives_its_entry_and_missing_data_but_not_its_expiry() -> None:
    for enter, stay in ((NO, YES), (UNKNOWN, YES), (NO, UNKNOWN), (UNKNOWN, UNKNOWN)):
        assert active().run(40, enter, stay) == [(30, "EXPIRED")]
    assert active().run(40, YES) == [(30, "EXPIRED"), (34, "CANDIDATE"), (40, "ACTIVE")]
    assert active().run(40, YES, dt=50)[0] == (50, "EXPIRED")


def test_what_it_needs_to_stay_ends_it_at_once_and_keeps_it_out() -> None:
    assert active().run(5, YES, NO) == [(1, "INACTIVE")]
    r = Run()
    assert r.run(40, YES, NO) == []
    assert r.run(40, YES, UNKNOWN) == []
    r.run(8, YES)
    assert r.step(YES, NO) == "INACTIVE"


def test_a_candidate_that_only_hangs_on_expires_too() -> None:
    r = Run()
    said = []
    r.run(8, YES)
    for _ in range(20):  # known for a moment now and then: the clock stands
        said += r.run(2, UNKNOWN)
        said += r.run(1, YES)
    assert said[0][1] == "EXPIRED"
    assert int(r.b["since_ns"]) == 100 + 5 + 30


looks = st.tuples(
    st.sampled_from([1, 1, 1, 1, 1, 2, 3, 4, 9]),
    st.sampled_from([YES, YES, YES, YES, NO, UNKNOWN]),
    st.sampled_from([YES, YES, YES, YES, YES, NO, UNKNOWN]),
)
stretches = st.tuples(st.integers(1, 16), looks)


@given(st.lists(stretches, min_size=1, max_size=14))
def test_any_life_is_its_twins_and_keeps_the_rules(
    truth: Truth,
    drawn: list[tuple[int, tuple[int, int, int]]],
) -> None:
    r, slow = Run(), SlowLife(**TIMES)
    before, unlike = INACTIVE, 0
    for dt, enter, stay in [look for n, look in drawn for _ in range(n)]:
        word = r.step(enter, stay, dt)
        status = int(r.b["status"])
        fast = (
            ("INACTIVE", "CANDIDATE", "ACTIVE")[status],
            int(r.b["since_ns"]),
            int(r.b["until_ns"]),
        )
        unlike += word != slow.step(r.now, enter, stay)
        unlike += fast != (slow.status, slow.since, slow.until)
        if status > before:  # nothing unknown takes it further
            assert (enter, stay) == (YES, YES)
        if status != INACTIVE:
            assert r.now < int(r.b["until_ns"])
        assert (status, before) != (CANDIDATE, ACTIVE)
        before = status
    truth(23, "looks at a breaker's life that differ from its twin's", unlike, 0)


@given(st.lists(stretches, min_size=1, max_size=10), st.integers(0, 150))
def test_a_breaker_is_its_record(drawn: list[tuple[int, tuple[int, int, int]]], cut: int) -> None:
    whole, parts = Run(), Run()
    for k, (dt, enter, stay) in enumerate(look for n, look in drawn for _ in range(n)):
        if k == cut:
            parts.b = np.frombuffer(bytearray(parts.b.tobytes()), TWO)[0]
        assert whole.step(enter, stay, dt) == parts.step(enter, stay, dt)
    assert whole.b.tobytes() == parts.b.tobytes()


def test_kleenes_logic_is_that_of_true_false_and_none() -> None:
    words = {YES: True, NO: False, UNKNOWN: None}
    for a, b in itertools.product(words, words):
        assert both(a, b) == code(all_of(words[a], words[b]))
        assert either(a, b) == code(any_of(words[a], words[b]))
    assert both(UNASKED, YES) == YES
    assert both(UNASKED, NO) == NO
    assert both(UNASKED, UNKNOWN) == UNKNOWN


def value(x: float, quality: int = 0, coverage: float = 1.0) -> Any:
    record = np.zeros(1, VALUE)[0]
    record["value"], record["quality"], record["coverage"] = x, quality, coverage
    return record


@pytest.mark.parametrize(
    ("op", "below", "at", "above"),
    [(GE, NO, YES, YES), (GT, NO, NO, YES), (LE, YES, YES, NO), (LT, YES, NO, NO)],
)  # fmt: skip
def test_a_condition_passes_fails_or_is_unknown(op: int, below: int, at: int, above: int) -> None:
    c = breaker()["conditions"][0]
    for x, wanted in ((0.9, below), (1.0, at), (1.1, above), (NAN, UNKNOWN)):
        judge(c, value(x), op, 1.0, 0.5, 0.2, 0.0, 100.0)
        assert int(c["passed"]) == wanted
        sign = 1.0 if op in (GE, GT) else -1.0
        if x == x:
            assert float(c["margin"]) == pytest.approx(sign * (x - 1.0) / 0.5)  # at least the floor
    judge(c, value(1.5, quality=32 | 4), op, 1.0, 0.5, 0.2, 0.0, 100.0)
    assert int(c["passed"]) == UNKNOWN  # it still warms up, and says so
    assert int(c["quality"]) == 36
    assert math.isnan(c["margin"])
    judge(c, value(1.5), op, NAN, 0.5, 0.2, 0.0, 100.0)
    assert int(c["passed"]) == UNKNOWN


def test_margins_are_in_the_values_own_spread_once_that_is_known() -> None:
    c = breaker()["conditions"][0]
    for k in range(400):  # between 1 and 3, evenly: a standard deviation of one
        judge(c, value(1.0 + 2.0 * (k % 2)), GE, 0.0, 0.01, NAN, 1.0 if k else 0.0, 100.0)
        assert math.isnan(c["margin"]) == (k < 200)
    assert float(c["margin"]) == pytest.approx(3.0, rel=0.02)
    assert float(c["sure"]) == pytest.approx(0.5 * math.erfc(-float(c["margin"]) / math.sqrt(2.0)))
    judge(c, value(3.0), GE, 0.0, 0.01, 1.5, 1.0, 100.0)
    assert float(c["margin"]) == pytest.approx(2.0)  # an error of its own goes first
    judge(c, value(3.0), GE, 0.0, DISCRETE, NAN, 1.0, 100.0)
    assert math.isnan(c["margin"])
    assert float(c["sure"]) == 1.0


def test_a_value_at_rest_has_the_floor_for_its_spread() -> None:
    c = breaker()["conditions"][0]
    for k in range(300):
        judge(c, value(0.9), LE, 1.0, 0.05, NAN, 1.0 if k else 0.0, 100.0)
    assert float(c["margin"]) == pytest.approx(2.0)


def test_belief_is_the_product_and_coverage_the_least_of_what_is_known() -> None:
    b = breaker()
    first, second = b["conditions"]
    judge(first, value(1.0, coverage=0.9), GE, 0.0, 1.0, 1.0, 0.0, 100.0)
    judge(second, value(0.5, coverage=0.7), GE, 0.0, 1.0, 1.0, 0.0, 100.0)
    phi = [0.5 * math.erfc(-x / math.sqrt(2.0)) for x in (1.0, 0.5)]
    assert all_sure(b, 0, 2) == pytest.approx(phi[0] * phi[1])
    assert least_coverage(b) == 0.7
    assert all_hold(b, 0, 2) == YES
    unasked(second)
    assert all_sure(b, 0, 2) == pytest.approx(phi[0])
    assert least_coverage(b) == 0.9
    judge(second, value(NAN, coverage=0.1), GE, 0.0, 1.0, 1.0, 0.0, 100.0)
    assert math.isnan(all_sure(b, 0, 2))
    assert least_coverage(b) == 0.9
    assert all_hold(b, 0, 2) == UNKNOWN
    assert math.isnan(likelier(NAN, NAN))
    assert CHANGED != EXPIRED
