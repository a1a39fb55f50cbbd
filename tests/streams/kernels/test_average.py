"""Averages of observed time against the list of all steps."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.kernels.average import (
    AVERAGE,
    STANDARD,
    average,
    average_init,
    average_step,
    standard_init,
    standard_step,
    standard_z,
)
from tests.reference.kernels import average as slow

STEPS = st.lists(
    st.tuples(st.one_of(st.floats(-5.0, 5.0), st.just(math.nan)), st.floats(0.0, 40.0)),
    min_size=1,
    max_size=50,
)


@settings(max_examples=80, deadline=None)
@given(STEPS)
def test_every_average_equals_the_sum_over_all_steps(steps: list[tuple[float, float]]) -> None:
    s = np.zeros(1, AVERAGE)[0]
    average_init(s)
    for i, (y, dt) in enumerate(steps):
        average_step(s, y, dt, 20.0)
        mean, weight = slow.average(steps[: i + 1], 20.0)
        assert s["weight"] == pytest.approx(weight, abs=1e-12)
        if weight > 1e-6:
            assert average(s) == pytest.approx(mean, rel=1e-9, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_every_spread_equals_the_sum_over_all_steps(steps: list[tuple[float, float]]) -> None:
    steps = [(y, max(dt, 1.0)) for y, dt in steps]
    s = np.zeros(1, STANDARD)[0]
    standard_init(s)
    for i, (y, dt) in enumerate(steps):
        standard_step(s, y, dt, 20.0, 1.5)
        mean, variance, weight = slow.spread(steps[: i + 1], 20.0, 1.5)
        assert s["weight"] == pytest.approx(weight, abs=1e-12)
        if weight > 1e-6:
            assert s["mean"] == pytest.approx(mean, rel=1e-8, abs=1e-8)
            assert s["variance"] == pytest.approx(variance, rel=1e-7, abs=1e-8)


def test_unclipped_it_is_the_weighted_variance_and_a_shock_weighs_as_its_clip() -> None:
    rng = np.random.default_rng(6)
    steps = [(float(rng.normal(3.0, 2.0)), 60.0) for _ in range(300)]
    s, shocked = np.zeros(1, STANDARD)[0], np.zeros(1, STANDARD)[0]
    for y, dt in steps:
        standard_step(s, y, dt, 3600.0, math.inf)
        standard_step(shocked, y, dt, 3600.0, 4.0)
    known = slow.weights(steps, 3600.0)
    x, w = np.array([y for y, _ in known]), np.array([share for _, share in known])
    mean = float(x @ w / w.sum())
    assert s["variance"] == pytest.approx(float(w @ (x - mean) ** 2 / w.sum()), rel=1e-10)
    clip = 4.0 * math.sqrt(shocked["variance"])
    as_clip = shocked.copy()
    standard_step(shocked, 1e6, 60.0, 3600.0, 4.0)
    standard_step(as_clip, float(as_clip["mean"]) + clip, 60.0, 3600.0, 4.0)
    assert shocked["variance"] == pytest.approx(as_clip["variance"], rel=1e-12)
    assert shocked["mean"] > 100.0


def test_nothing_is_standard_before_two_half_lives() -> None:
    s = np.zeros(1, STANDARD)[0]
    rng = np.random.default_rng(7)
    for i in range(200):
        z = standard_z(s, 1.0)
        assert math.isnan(z) == (i * 60.0 < 7200.0)
        standard_step(s, float(rng.normal()), 60.0, 3600.0, 4.0)
