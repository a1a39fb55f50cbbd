import math

import numba
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.indicators.fragility import fuel_place
from streams.kernels.shares import share_init, share_insert, share_rank, share_record, share_warm
from tests.reference.kernels.histogram import Points

Floats = npt.NDArray[np.float64]
BINS = 144
RECORD = share_record(BINS)
DAY_S = 86_400.0


def empty() -> np.void:
    h = np.zeros(1, RECORD)[0]
    share_init(h)
    return h


@numba.njit
def insert_all(h: np.void, times: Floats, xs: Floats, weights: Floats, half_life_s: float) -> None:
    for i in range(times.size):
        share_insert(h, times[i], xs[i], weights[i], half_life_s)


def fuel(rng: np.random.Generator, size: int, spread: float) -> tuple[Floats, Floats, Floats]:
    """Return a share of open interest that wanders around a tenth by `spread` of itself."""
    x = np.empty(size)
    x[0] = 0.0
    for i in range(1, size):
        x[i] = 0.999 * x[i - 1] + spread * math.sqrt(1.0 - 0.999**2) * rng.standard_normal()
    held_s = np.full(size, 600.0)
    return np.cumsum(held_s), 0.1 * np.exp(x), held_s


@pytest.mark.parametrize(("spread", "worst", "mean"), [(0.5, 0.013, 0.005), (0.2, 0.03, 0.012)])
def test_ranks_of_fuel_are_within_the_stated_error(
    spread: float, worst: float, mean: float
) -> None:
    times, shares, weights = fuel(np.random.default_rng(8), 20_000, spread)
    places = shares / (shares + 0.1)
    h = empty()
    insert_all(h, times, places, weights, 30.0 * DAY_S)
    points = Points()
    points.times, points.values, points.weights = list(times), list(shares), list(weights)
    errors = [
        abs(share_rank(h, fuel_place(x)) - points.rank(x, 30.0 * DAY_S)) for x in shares[::61]
    ]
    assert max(errors) <= worst
    assert np.mean(errors) <= mean


@given(
    st.lists(
        st.tuples(st.floats(0.0, 1.0), st.floats(0.1, 9.0), st.floats(0.0, 500.0)),
        min_size=1, max_size=60,
    ),
    st.floats(0.0, 1.0),
)  # fmt: skip
def test_a_rank_is_the_mass_below_its_bin_and_half_of_its_own(
    drawn: list[tuple[float, float, float]], x: float
) -> None:
    h, points, now = empty(), Points(), 0.0
    for value, weight, dt in drawn:
        now += dt
        share_insert(h, now, value, weight, 60.0)
        points.insert(now, float(min(int(value * BINS), BINS - 1)), weight)
    own = float(min(int(x * BINS), BINS - 1))
    assert share_rank(h, x) == pytest.approx(points.rank(own, 60.0), abs=1e-9)


def test_weights_that_grow_for_ever_are_brought_back() -> None:
    h, points = empty(), Points()
    for k in range(3000):
        x = 0.5 + 0.4 * math.sin(0.7 * k)
        share_insert(h, 10.0 * k, x, 1.0, 20.0)  # 1500 half-lives
        points.insert(10.0 * k, float(int(x * BINS)), 1.0)
    assert np.isfinite(h["mass"]).all()
    for x in (0.2, 0.5, 0.8):
        assert share_rank(h, x) == pytest.approx(points.rank(float(int(x * BINS)), 20.0), abs=1e-9)


def test_a_value_at_rest_is_in_the_middle_of_its_past() -> None:
    h = empty()
    for k in range(50):
        share_insert(h, float(k), 0.3, 1.0, 60.0)
    assert share_rank(h, 0.3) == 0.5


def test_what_is_no_share_or_has_no_weight_is_ignored() -> None:
    h = empty()
    for x, weight in ((math.nan, 1.0), (0.5, 0.0), (0.5, -1.0), (0.5, math.inf), (0.5, math.nan)):
        share_insert(h, 0.0, x, weight, 60.0)
    assert math.isnan(share_rank(h, 0.5))
    assert not share_warm(h, 1e9, 60.0, 0.0)
    for x in (-3.0, 7.0):  # beyond the ends counts for them
        share_insert(h, 0.0, x, 1.0, 60.0)
    assert (share_rank(h, 0.0), share_rank(h, 0.5), share_rank(h, 1.0)) == (0.25, 0.5, 0.75)
    assert math.isnan(share_rank(h, math.nan))
