"""Percentiles of a ratio from 96 bins against those from all points."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.kernels.ranks import BINS, RANKS, ranks_insert, ranks_rank, ranks_warm
from tests.reference.kernels.histogram import Points

HALF_LIFE_S = 180.0 * 86_400.0
STEP = 0.015


def empty() -> np.void:
    return np.zeros(1, RANKS)[0]


def binned_rank(points: Points, x: float, half_life_s: float) -> float:
    """Return the rank with mass even in ln between edges half a step beside the first value."""
    middle = points.values[0]
    edges = middle * np.exp((np.arange(1, BINS) - 0.5 * (BINS + 1)) * STEP)
    own = np.searchsorted(edges, points.values, side="right")
    shares = np.bincount(own, weights=points.faded(half_life_s), minlength=BINS)
    place = min(max(math.log(x / middle) / STEP + 0.5 * (BINS + 1), 0.0), BINS - 1e-9)
    inside = place - int(place)
    return float((shares[: int(place)].sum() + inside * shares[int(place)]) / shares.sum())


def walk(seed: int, n: int = 4000) -> list[tuple[float, float, float]]:
    """Return times, values and dwell times of a ratio that wanders about as open interest does."""
    rng = np.random.default_rng(seed)
    x, t, out = math.log(0.03), 0.0, []
    for dwell in rng.exponential(2 * 3600.0, n):
        x += 0.1 * (math.log(0.03) - x) * dwell / 86_400.0 + rng.normal(0.0, 0.03) * math.sqrt(
            dwell / 86_400.0
        )
        t += dwell
        out.append((t, math.exp(x), float(dwell)))
    return out


@pytest.mark.parametrize("half_life_s", [HALF_LIFE_S, 86_400.0])
def test_every_rank_equals_the_binned_twin_and_nearly_the_exact_one(half_life_s: float) -> None:
    h, points, errors = empty(), Points(), []
    for i, (t, x, dwell) in enumerate(walk(1)):
        ranks_insert(h, t, x, dwell, STEP, half_life_s)
        points.insert(t, x, dwell)
        if i % 50 == 49:
            got = ranks_rank(h, x, STEP)
            assert got == pytest.approx(binned_rank(points, x, half_life_s), abs=1e-9)
            errors.append(abs(got - points.rank(x, half_life_s)))
    settled = errors[10:]  # from the 500th value on
    if (
        half_life_s == HALF_LIFE_S
    ):  # a day's memory holds a dozen values: nothing is even inside a bin
        assert max(settled) < 0.02
        assert np.mean(settled) < 0.005


def test_a_constant_ratio_ranks_in_the_middle_and_extremes_at_the_ends() -> None:
    h = empty()
    for day in range(10):
        ranks_insert(h, day * 86_400.0, 0.025, 86_400.0, STEP, HALF_LIFE_S)
        assert ranks_rank(h, 0.025, STEP) == 0.5
    assert ranks_rank(h, 0.01, STEP) == 0.0
    assert ranks_rank(h, 1e300, STEP) == pytest.approx(1.0)
    assert ranks_rank(h, 1e-300, STEP) == 0.0
    for nonsense in (0.0, -1.0, math.nan, math.inf):
        before = h.tobytes()
        ranks_insert(h, 1e7, nonsense, 1.0, STEP, HALF_LIFE_S)
        ranks_insert(h, 1e7, 0.02, nonsense, STEP, HALF_LIFE_S)
        assert h.tobytes() == before
        assert math.isnan(ranks_rank(h, nonsense, STEP))


@given(st.lists(st.floats(0.001, 10.0), min_size=1, max_size=40), st.floats(0.01, 100.0))
def test_ranks_rise_and_know_no_unit(values: list[float], factor: float) -> None:
    a, b = empty(), empty()
    for i, x in enumerate(values):
        ranks_insert(a, float(i), x, 1.0, STEP, 50.0)
        ranks_insert(b, float(i), x * factor, 1.0, STEP, 50.0)
    grid = np.geomspace(0.001, 10.0, 25)
    ranks = [ranks_rank(a, x, STEP) for x in grid]
    assert all(y >= x - 1e-12 for x, y in itertools.pairwise(ranks))
    assert [ranks_rank(b, x * factor, STEP) for x in grid] == pytest.approx(ranks, abs=1e-6)


def test_weights_grow_for_ever() -> None:
    h, points = empty(), Points()
    for i in range(4000):
        x = 1.0 + 0.3 * math.sin(i / 37.0)
        ranks_insert(h, 100.0 * i, x, 1.0, STEP, 600.0)
        points.insert(100.0 * i, x, 1.0)
    assert math.isfinite(h["total"])
    assert ranks_rank(h, 1.1, STEP) == pytest.approx(binned_rank(points, 1.1, 600.0), abs=1e-9)


def test_warmth_needs_two_half_lives_and_enough_values() -> None:
    h = empty()
    assert not ranks_warm(h, 1e9, 60.0, 0.0)
    for i in range(10):
        ranks_insert(h, float(i), 1.0, 1.0, STEP, 60.0)
    assert not ranks_warm(h, 119.0, 60.0, 10.0)
    assert ranks_warm(h, 120.0, 60.0, 10.0)
    assert not ranks_warm(h, 120.0, 60.0, 11.0)


def test_bins_follow_a_ratio_that_leaves_them_and_lose_no_mass() -> None:
    """Threefold up and back: every rank stays right. Then far beyond the grid: only the ends are kept."""
    h, points = empty(), Points()
    ln = np.concatenate(
        [np.linspace(0.0, 1.05, 400), np.linspace(1.05, 0.05, 700), np.full(9, -9.0)]
    )
    for i, x in enumerate(0.02 * np.exp(ln)):
        ranks_insert(h, float(i), float(x), 1.0, STEP, 1e9)
        points.insert(float(i), float(x), 1.0)
        assert h["mass"].sum() == pytest.approx(i + 1.0, rel=1e-5)
        if i % 25 == 0 and i < 1100:
            low, high = points.rank_range(float(x), 1e9)
            assert low - 0.02 <= ranks_rank(h, float(x), STEP) <= high + 0.02
    assert ranks_rank(h, 0.02 * math.exp(-9.0), STEP) == pytest.approx(4.5 / 1109, abs=1e-4)
    ranks_insert(h, 2e3, 1e6, 1.0, STEP, 1e9)
    assert ranks_rank(h, 1e6, STEP) == pytest.approx(1.0 - 0.5 / 1110, abs=1e-3)
    assert h["mass"][0] == pytest.approx(1109.0, rel=1e-5)
