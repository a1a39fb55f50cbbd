import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.kernels.decay import (
    HELD,
    decay,
    held_advance,
    held_init,
    held_set,
    held_std,
    held_warm,
    point_add,
    point_rate,
)
from tests.reference.kernels.decay import HeldSignal, PointSum
from tests.truth import Truth

HALF_LIFE_S = 10.0
VALUES = st.one_of(st.floats(-50.0, 50.0), st.just(math.nan))
PATHS = st.lists(st.tuples(st.floats(0.0, 25.0), VALUES), min_size=1, max_size=30)


def held() -> np.void:
    s = np.zeros(1, HELD)[0]
    held_init(s)
    return s


def walk(path: list[tuple[float, float]]) -> np.void:
    s = held()
    for dt_s, y in path:
        held_set(s, y)
        held_advance(s, dt_s, HALF_LIFE_S)
    return s


@pytest.mark.parametrize(
    ("dt_s", "expected"),
    [(0.0, 1.0), (-3.0, 1.0), (10.0, 0.5), (20.0, 0.25), (1e6, 0.0)],
)
def test_decay_halves_every_half_life(dt_s: float, expected: float) -> None:
    assert decay(dt_s, HALF_LIFE_S) == expected


@given(st.floats(0.0, 100.0), st.floats(0.0, 100.0))
def test_decay_over_two_steps_is_decay_over_their_sum(a: float, b: float) -> None:
    both = decay(a, HALF_LIFE_S) * decay(b, HALF_LIFE_S)
    assert both == pytest.approx(decay(a + b, HALF_LIFE_S), rel=1e-12)


def test_point_sum_equals_the_faded_sum_of_all_events_after_every_step() -> None:
    rng = np.random.default_rng(1)
    slow, value, t_s = PointSum(), 0.0, 0.0
    for _ in range(300):
        dt_s, x = rng.exponential(3.0), rng.lognormal()
        t_s += dt_s
        value = point_add(value, decay(dt_s, HALF_LIFE_S), x)
        slow.add(t_s, x)
        assert value == pytest.approx(slow.value(t_s, HALF_LIFE_S), rel=1e-12)


def test_point_sum_of_regular_events_has_its_closed_form(truth: Truth) -> None:
    value = 0.0
    for _ in range(2_000):
        value = point_add(value, decay(3.0, HALF_LIFE_S), 7.0)
    known = 7.0 / (1.0 - 2.0 ** (-3.0 / HALF_LIFE_S))
    truth(1, "sum of regular events, closed form", value / known - 1.0, 1e-12)


def test_point_rate_of_poisson_events_has_the_right_mean_and_variance() -> None:
    rng = np.random.default_rng(2)
    rate, half_life_s = 2.0, 5.0
    value, rates = 0.0, []
    for count in rng.poisson(rate * 0.25, 60_000):
        value = point_add(value, decay(0.25, half_life_s), float(count))
        rates.append(point_rate(value, half_life_s))
    settled = np.array(rates[400:])
    assert settled.mean() == pytest.approx(rate, rel=0.03)
    assert settled.var() == pytest.approx(rate * math.log(2.0) / half_life_s / 2.0, rel=0.1)


def test_a_missing_point_only_lets_time_pass() -> None:
    assert point_add(8.0, 0.5, math.nan) == 4.0


@settings(max_examples=60, deadline=None)
@given(PATHS)
def test_held_moments_equal_quadrature_after_every_step(
    truth: Truth, path: list[tuple[float, float]]
) -> None:
    s, slow = held(), HeldSignal()
    for dt_s, y in path:
        held_set(s, y)
        slow.set(y)
        held_advance(s, dt_s, HALF_LIFE_S)
        slow.advance(dt_s)
        if not slow.steps:
            assert math.isnan(held_std(s))
            continue
        mean, variance = slow.moments(HALF_LIFE_S)
        size = max(1e-100, *(abs(y) for _, y in slow.steps))
        truth(1, "mean of a held signal, quadrature", (s["mean"] - mean) / size, 1e-12)
        off = (s["variance"] - variance) / size**2
        truth(1, "variance of a held signal, quadrature", off, 1e-12)
        assert s["observed_s"] == pytest.approx(math.fsum(dt for dt, _ in slow.steps), rel=1e-12)


def test_a_constant_has_exactly_no_variance() -> None:
    s = walk([(dt_s, 0.1) for dt_s in (1.0, 0.3, 17.0, 1e-9, 1e4)])
    assert s["mean"] == 0.1
    assert held_std(s) == 0.0


def test_a_square_wave_has_its_closed_form(truth: Truth) -> None:
    low, high, half_period_s = 3.0, 11.0, 4.0
    s = walk([(half_period_s, y) for _ in range(400) for y in (low, high)])
    g = 2.0 ** (-half_period_s / HALF_LIFE_S)
    mean, variance = (high + g * low) / (1.0 + g), g * ((high - low) / (1.0 + g)) ** 2
    truth(1, "mean of a square wave, closed form", s["mean"] / mean - 1.0, 1e-12)
    truth(1, "variance of a square wave, closed form", s["variance"] / variance - 1.0, 1e-12)


def test_a_small_variance_survives_a_large_mean() -> None:
    s = walk([(4.0, 1e9 + y) for _ in range(400) for y in (-1.0, 1.0)])
    g = 2.0 ** (-4.0 / HALF_LIFE_S)
    assert s["variance"] == pytest.approx(4.0 * g / (1.0 + g) ** 2, rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(PATHS, st.floats(-100.0, 100.0), st.floats(0.01, 100.0))
def test_held_moments_follow_a_shift_and_a_scale(
    path: list[tuple[float, float]], shift: float, scale: float
) -> None:
    plain = walk(path)
    moved = walk([(dt_s, scale * y + shift) for dt_s, y in path])
    size = abs(shift) + 50.0 * scale
    if plain["observed_s"] > 0.0:
        assert moved["mean"] == pytest.approx(scale * plain["mean"] + shift, abs=1e-12 * size)
        assert moved["variance"] == pytest.approx(
            scale**2 * plain["variance"], rel=1e-9, abs=1e-12 * size**2
        )


@settings(max_examples=40, deadline=None)
@given(PATHS, st.floats(0.01, 1000.0))
def test_a_stretch_without_a_value_changes_nothing(
    path: list[tuple[float, float]], gap_s: float
) -> None:
    s = walk(path)
    before = s.tobytes()
    last = float(s["held"])
    held_set(s, math.nan)
    held_advance(s, gap_s, HALF_LIFE_S)
    held_set(s, last)
    assert s.tobytes() == before


def test_cutting_a_step_in_two_changes_nothing() -> None:
    whole, cut = walk([(8.0, 1.0), (6.0, 5.0)]), walk([(8.0, 1.0), (2.5, 5.0), (3.5, 5.0)])
    assert cut["mean"] == pytest.approx(whole["mean"], rel=1e-14)
    assert cut["variance"] == pytest.approx(whole["variance"], rel=1e-14)


def test_before_time_passed_the_mean_is_the_value_and_the_spread_unknown() -> None:
    s = held()
    held_set(s, math.nan)
    assert s["mean"] == 0.0
    held_set(s, 4.0)
    held_set(s, 6.0)
    assert s["mean"] == 6.0
    assert math.isnan(held_std(s))
    held_advance(s, -1.0, HALF_LIFE_S)
    held_advance(s, math.nan, HALF_LIFE_S)
    assert s["observed_s"] == 0.0
    held_set(s, math.nan)
    held_advance(s, 5.0, HALF_LIFE_S)
    held_set(s, 2.0)
    held_advance(s, 1.0, HALF_LIFE_S)
    assert (s["mean"], s["variance"]) == (2.0, 0.0)


def test_warm_counts_only_observed_time() -> None:
    s = walk([(12.0, 1.0), (100.0, math.nan), (7.9, 2.0)])
    assert not held_warm(s, HALF_LIFE_S)
    held_advance(s, 0.2, HALF_LIFE_S)
    assert held_warm(s, HALF_LIFE_S)
