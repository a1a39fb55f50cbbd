import math

import numba
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.kernels.histogram import (
    BLOCK,
    HISTOGRAM,
    UPPER,
    histogram_init,
    histogram_insert,
    histogram_quantile,
    histogram_rank,
    histogram_warm,
    robust_z,
)
from tests.reference.kernels.histogram import Points, binned, binned_quantile
from tests.truth import Truth

Floats = npt.NDArray[np.float64]
HALF_LIFE_S = 600.0
DAY_S = 86_400.0


def empty() -> np.void:
    h = np.zeros(1, HISTOGRAM)[0]
    histogram_init(h)
    return h


@numba.njit
def insert_all(
    h: np.void, times: Floats, values: Floats, weights: Floats, scale: float, half_life_s: float
) -> None:
    for i in range(times.size):
        histogram_insert(h, times[i], values[i], weights[i], scale, half_life_s)


def points_of(times: Floats, values: Floats, weights: Floats) -> Points:
    points = Points()
    points.times, points.values, points.weights = list(times), list(values), list(weights)
    return points


def funding_points(rng: np.random.Generator, size: int) -> tuple[Floats, Floats, Floats]:
    """Return a premium that wanders, clamped to a baseline about half of the time, held unevenly.

    The values are APR around the exchanges' neutral 0.1095.
    """
    state = np.empty(size)
    state[0] = 0.0
    shocks = 0.02 * rng.standard_t(4, size)
    for i in range(1, size):
        state[i] = 0.995 * state[i - 1] + shocks[i]
    premium = np.where(np.abs(state) < 0.12, 0.0, state - np.sign(state) * 0.12)
    held_s = rng.exponential(60.0, size) + 1.0
    return np.cumsum(held_s), 0.1095 + premium, held_s


@pytest.mark.parametrize("scale", [0.02, 0.05, 0.1])
def test_ranks_of_funding_are_within_the_stated_error(truth: Truth, scale: float) -> None:
    times, values, weights = funding_points(np.random.default_rng(4), 20_000)
    half_life_s = 3.0 * DAY_S
    h = empty()
    insert_all(h, times, values, weights, scale, half_life_s)
    points = points_of(times, values, weights)
    width = 0.015 * math.hypot(scale, 0.1095)
    near = (values != 0.1095) & (np.abs(values - 0.1095) <= width)
    clear = np.append(values[~near][::29], 0.1095)
    errors = [histogram_rank(h, x, scale) - points.rank(x, half_life_s) for x in clear]
    truth(3, "rank of a clamped funding rate", float(np.max(np.abs(errors))), 0.003)
    assert np.mean(np.abs(errors)) <= 0.001
    # What shares a bin with the baseline is not told apart from it: right to one bin's width.
    for x in values[near][::29]:
        below, _ = points.rank_range(x - width, half_life_s)
        _, upto = points.rank_range(x + width, half_life_s)
        assert below <= histogram_rank(h, x, scale) <= upto


@pytest.mark.parametrize("scale", [0.02, 0.1])
def test_quantiles_of_funding_have_the_rank_they_were_asked_for(scale: float) -> None:
    times, values, weights = funding_points(np.random.default_rng(5), 20_000)
    half_life_s = 3.0 * DAY_S
    h = empty()
    insert_all(h, times, values, weights, scale, half_life_s)
    points = points_of(times, values, weights)
    for q in np.linspace(0.01, 0.99, 50):
        x = histogram_quantile(h, q, scale)
        # An atom's own bin is 1.5 % of scale + |x| wide: any value in it stands for the atom.
        width = 0.015 * math.hypot(scale, x)
        below, _ = points.rank_range(x - width, half_life_s)
        _, upto = points.rank_range(x + width, half_life_s)
        assert below - 0.003 <= q <= upto + 0.003


@pytest.mark.parametrize("spread", [0.5, 3.0, 30.0])
def test_ranks_of_a_wide_range_of_spreads_are_within_the_stated_error(
    truth: Truth, spread: float
) -> None:
    rng = np.random.default_rng(6)
    values = rng.normal(0.0, 2.0 * spread, 20_000)
    times, weights = np.arange(20_000.0), np.ones(20_000)
    h = empty()
    insert_all(h, times, values, weights, spread, 1e9)
    ranks = [histogram_rank(h, x, spread) for x in values[::100]]
    exact = [points_of(times, values, weights).rank(x, 1e9) for x in values[::100]]
    worst = float(np.abs(np.subtract(ranks, exact)).max())
    truth(3, "rank of normal values, narrow to wide", worst, 0.003)


def test_state_equals_the_rebuilt_histogram_after_every_insert() -> None:
    rng = np.random.default_rng(7)
    h, points, t_s = empty(), Points(), 0.0
    for _ in range(150):
        t_s += rng.exponential(300.0)
        x, weight = float(rng.standard_cauchy()), float(rng.exponential())
        histogram_insert(h, t_s, x, weight, 0.5, HALF_LIFE_S)
        points.insert(t_s, x, weight)
        shares = binned(points, HALF_LIFE_S, 0.5)
        assert h["mass"][0] == 0.0
        in_order = [sum(block.tolist()) for block in h["mass"].reshape(-1, BLOCK)]
        assert h["blocks"].tolist() == in_order
        np.testing.assert_allclose(h["mass"][1:] / h["total"], shares, rtol=1e-10, atol=1e-14)
        for q in (0.05, 0.31, 0.5, 0.77, 0.95):
            slow = binned_quantile(shares, q, 0.5)
            assert histogram_quantile(h, q, 0.5) == pytest.approx(slow, rel=1e-6, abs=1e-6)


def test_growing_weights_are_renormalised_without_a_trace() -> None:
    rng = np.random.default_rng(8)
    times = np.cumsum(rng.exponential(40.0, 4_000))
    values, weights = rng.normal(size=4_000), np.ones(4_000)
    h = empty()
    insert_all(h, times, values, weights, 1.0, 60.0)
    assert h["reference_s"] > 0.0
    assert np.isfinite(h["mass"]).all()
    shares = binned(points_of(times, values, weights), 60.0, 1.0)
    np.testing.assert_allclose(h["mass"][1:] / h["total"], shares, rtol=1e-9, atol=1e-14)


def test_after_a_very_long_pause_only_the_new_value_counts() -> None:
    h = empty()
    histogram_insert(h, 0.0, -5.0, 1e6, 1.0, 60.0)
    histogram_insert(h, 1e9, 5.0, 1.0, 1.0, 60.0)
    assert histogram_rank(h, 0.0, 1.0) == 0.0
    assert histogram_quantile(h, 0.5, 1.0) == pytest.approx(5.0, rel=0.015)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-1e9, 1e9), st.floats(0.1, 10.0)), min_size=1, max_size=30),
    st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=10),
)
def test_ranks_and_quantiles_are_monotone_and_bounded(
    values: list[tuple[float, float]], asked: list[float]
) -> None:
    h = empty()
    for i, (x, weight) in enumerate(values):
        histogram_insert(h, float(i), x, weight, 10.0, HALF_LIFE_S)
    ranks = [histogram_rank(h, x, 10.0) for x in sorted(asked)]
    assert ranks == sorted(ranks)
    assert 0.0 <= ranks[0] <= ranks[-1] <= 1.0
    quantiles = [histogram_quantile(h, q / 20.0, 10.0) for q in range(21)]
    assert quantiles == sorted(quantiles)


def test_the_upper_half_is_all_there_is_of_what_is_never_negative() -> None:
    rng = np.random.default_rng(10)
    whole, upper = empty(), np.zeros(1, UPPER)[0]
    histogram_init(upper)
    for t_s in np.cumsum(rng.exponential(900.0, 2_000)):
        x = float(rng.choice([0.0, rng.exponential(), rng.lognormal(3.0, 3.0)]))
        for h in (whole, upper):
            histogram_insert(h, t_s, x, 1.0, 0.5, HALF_LIFE_S)
        assert upper["mass"].tolist() == whole["mass"][512:].tolist()
        assert upper["total"] == whole["total"]
        assert histogram_rank(upper, x, 0.5) == histogram_rank(whole, x, 0.5)
        q = float(rng.uniform())
        assert histogram_quantile(upper, q, 0.5) == histogram_quantile(whole, q, 0.5)
    histogram_insert(upper, t_s, -7.0, 1e9, 0.5, HALF_LIFE_S)
    assert histogram_rank(upper, 0.0, 0.5) == pytest.approx(0.5, abs=1e-6)
    assert histogram_quantile(upper, 0.5, 0.5) == pytest.approx(0.0, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-500, 500), min_size=2, max_size=30), st.integers(-8, 8))
def test_ranks_do_not_depend_on_units_or_sign(values: list[int], power: int) -> None:
    plain, scaled, mirrored = empty(), empty(), empty()
    unit = 2.0**power
    for i, x in enumerate(values):
        histogram_insert(plain, float(i), float(x), 1.0, 3.0, HALF_LIFE_S)
        histogram_insert(scaled, float(i), x * unit, 1.0, 3.0 * unit, HALF_LIFE_S)
        histogram_insert(mirrored, float(i), -float(x), 1.0, 3.0, HALF_LIFE_S)
    for x in values:
        rank = histogram_rank(plain, float(x), 3.0)
        assert histogram_rank(scaled, x * unit, 3.0 * unit) == rank
        assert histogram_rank(mirrored, -float(x), 3.0) == pytest.approx(1.0 - rank, abs=1e-12)
    upper = robust_z(plain, 700.0, 1.0, 3.0)
    assert robust_z(scaled, 700.0 * unit, unit, 3.0 * unit) == pytest.approx(upper, rel=1e-12)
    assert robust_z(mirrored, -700.0, 1.0, 3.0) == pytest.approx(-upper, rel=1e-9)


def test_a_metric_that_rests_at_zero_has_median_zero() -> None:
    h = empty()
    for i in range(50):
        histogram_insert(h, float(i), 1e-18 * (-1) ** i, 1.0, 1.0, HALF_LIFE_S)
    assert histogram_rank(h, 0.0, 1.0) == pytest.approx(0.5)
    assert histogram_quantile(h, 0.5, 1.0) == pytest.approx(0.0, abs=1e-15)


def test_values_out_of_range_and_infinite_go_to_the_outermost_bins() -> None:
    h = empty()
    for x in (-math.inf, -1e30, 1e30, math.inf):
        histogram_insert(h, 0.0, x, 1.0, 1.0, HALF_LIFE_S)
    assert h["mass"][1] == h["mass"][1023] == 2.0
    assert histogram_quantile(h, 1.0, 1.0) == pytest.approx(1000.0, rel=0.01)


def test_what_is_missing_is_ignored_and_the_empty_state_is_unknown() -> None:
    h = empty()
    for x, weight in ((math.nan, 1.0), (1.0, 0.0), (1.0, -1.0), (1.0, math.nan), (1.0, math.inf)):
        histogram_insert(h, 0.0, x, weight, 1.0, HALF_LIFE_S)
    assert h.tobytes() == np.zeros(1, HISTOGRAM).tobytes()
    assert math.isnan(histogram_rank(h, 1.0, 1.0))
    assert math.isnan(histogram_quantile(h, 0.5, 1.0))
    assert math.isnan(robust_z(h, 1.0, 1.0, 1.0))
    assert not histogram_warm(h, 1e9, HALF_LIFE_S, 0)
    histogram_insert(h, 0.0, 1.0, 1.0, 1.0, HALF_LIFE_S)
    assert math.isnan(histogram_rank(h, math.nan, 1.0))
    assert math.isnan(robust_z(h, math.nan, 1.0, 1.0))


def test_a_late_insert_has_the_weight_of_its_own_time() -> None:
    ordered, late = empty(), empty()
    for t_s, x in ((0.0, 1.0), (500.0, 2.0), (900.0, 3.0)):
        histogram_insert(ordered, t_s, x, 1.0, 1.0, HALF_LIFE_S)
    for t_s, x in ((0.0, 1.0), (900.0, 3.0), (500.0, 2.0)):
        histogram_insert(late, t_s, x, 1.0, 1.0, HALF_LIFE_S)
    np.testing.assert_allclose(late["mass"], ordered["mass"], rtol=1e-14)
    assert late["last_s"] == 900.0


def test_warm_needs_two_half_lives_and_enough_inserts() -> None:
    h = empty()
    for i in range(200):
        histogram_insert(h, 50.0 + i, 1.0, 1.0, 1.0, 100.0)
    assert not histogram_warm(h, 249.9, 100.0, 200)
    assert histogram_warm(h, 250.0, 100.0, 200)
    assert not histogram_warm(h, 250.0, 100.0, 201)


def test_robust_z_of_normal_values_is_their_z() -> None:
    rng = np.random.default_rng(9)
    values = rng.normal(7.0, 2.0, 40_000)
    h = empty()
    insert_all(h, np.arange(40_000.0), values, np.ones(40_000), 1.0, 1e9)
    for z in (-3.0, -1.0, 0.0, 2.0):
        assert robust_z(h, 7.0 + 2.0 * z, 0.01, 1.0) == pytest.approx(z, abs=0.05)
    assert robust_z(h, 1e6, 0.01, 1.0) == 8.0
    assert robust_z(h, -1e6, 0.01, 1.0) == -8.0


def test_robust_z_of_a_value_that_never_moved_uses_the_floor() -> None:
    h = empty()
    for i in range(500):
        histogram_insert(h, float(i), 0.1095, 1.0, 0.1, HALF_LIFE_S)
    assert abs(robust_z(h, 0.1095, 0.05, 0.1)) < 0.03
    assert robust_z(h, 0.2095, 0.05, 0.1) == pytest.approx(2.0, abs=0.03)
