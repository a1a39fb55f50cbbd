import math

import numba
import numpy as np
import numpy.typing as npt
import pytest

from streams.kernels.median import MEDIAN, median_init, median_update
from tests.reference.kernels.median import recent_median

Floats = npt.NDArray[np.float64]


def fresh() -> np.void:
    s = np.zeros(1, MEDIAN)[0]
    median_init(s)
    return s


@numba.njit
def trail(s: np.void, values: Floats) -> Floats:
    out = np.empty(values.size)
    for i in range(values.size):
        median_update(s, values[i])
        out[i] = s.value
    return out


def draws(name: str, size: int) -> Floats:
    rng = np.random.default_rng(30)
    kinds = {
        "uniform": lambda: rng.uniform(0.0, 1.0, size),
        "normal": lambda: rng.normal(-3.0, 2.0, size),
        "exponential": lambda: rng.exponential(0.5, size),
        "lognormal": lambda: rng.lognormal(0.0, 1.5, size),
        "cauchy": lambda: rng.standard_cauchy(size),
        "tiny": lambda: 1e-6 * rng.normal(0.02, 0.005, size),
        "huge": lambda: 1e9 * rng.exponential(1.0, size),
    }
    return np.asarray(kinds[name](), np.float64)


KINDS = ["uniform", "normal", "exponential", "lognormal", "cauchy", "tiny", "huge"]


@pytest.mark.parametrize("name", KINDS)
def test_the_estimate_has_the_rank_of_a_median(name: str) -> None:
    values = draws(name, 50_000)
    ranks = np.searchsorted(np.sort(values), trail(fresh(), values)[500:]) / values.size
    assert ranks.mean() == pytest.approx(0.5, abs=0.01)
    assert ranks.std() < 0.055
    assert np.quantile(ranks, 0.001) > 0.3
    assert np.quantile(ranks, 0.999) < 0.7


@pytest.mark.parametrize("name", KINDS)
def test_the_estimate_is_usable_after_thirty_values(name: str) -> None:
    values = draws(name, 30_000).reshape(-1, 30)
    last = [trail(fresh(), row)[-1] for row in values]
    ranks = np.searchsorted(np.sort(values.ravel()), last) / values.size
    assert ranks.mean() == pytest.approx(0.5, abs=0.03)
    assert ranks.std() < 0.13


def test_the_estimate_stays_near_the_exact_median_of_the_recent_past() -> None:
    rng = np.random.default_rng(31)
    level = np.repeat([1.0, 4.0, 2.0], 2_000)
    values = level * rng.lognormal(0.0, 0.3, level.size)
    estimate = trail(fresh(), values)
    for i in range(600, values.size, 50):
        if i % 2_000 >= 500:
            exact = recent_median(values[: i + 1].tolist(), 150)
            assert estimate[i] == pytest.approx(exact, rel=0.15)


def test_a_constant_is_met_exactly_and_a_new_constant_is_reached() -> None:
    s = fresh()
    assert (trail(s, np.full(10_000, 0.1)) == 0.1).all()
    assert trail(s, np.full(500, 60.0))[-1] == pytest.approx(60.0, rel=0.01)
    assert trail(s, np.full(900, 1.0))[-1] == pytest.approx(1.0, rel=0.01)


def test_a_new_level_is_reached_also_after_a_long_time_of_nearly_equal_values() -> None:
    rng = np.random.default_rng(33)
    s = fresh()
    trail(s, 1.0 + 1e-12 * rng.normal(size=10_000))
    assert trail(s, np.full(500, 60.0))[-1] == pytest.approx(60.0, rel=0.01)


def test_the_scale_is_the_typical_distance() -> None:
    s, scales = fresh(), []
    values = draws("normal", 20_000)
    trail(s, values[:1_000])
    for x in values[1_000:]:
        median_update(s, x)
        scales.append(float(s["scale"]))
    assert np.median(scales) == pytest.approx(0.6745 * 2.0, rel=0.1)


def test_rare_outliers_of_any_size_hardly_move_it() -> None:
    rng = np.random.default_rng(32)
    values = rng.normal(0.02, 0.004, 20_000)
    values[rng.random(20_000) < 0.02] = 3.6e6
    estimate = trail(fresh(), values)[500:]
    assert np.abs(estimate - 0.02).max() < 0.003
    assert estimate.mean() == pytest.approx(0.02, abs=0.0003)


def test_the_unit_and_the_sign_do_not_matter() -> None:
    values = draws("normal", 2_000)
    plain = trail(fresh(), values)
    np.testing.assert_array_equal(trail(fresh(), 1024.0 * values), 1024.0 * plain)
    np.testing.assert_array_equal(trail(fresh(), -values), -plain)
    np.testing.assert_allclose(trail(fresh(), values + 64.0), plain + 64.0, rtol=1e-9)


def test_values_that_are_not_finite_are_ignored() -> None:
    s = fresh()
    assert math.isnan(s["value"])
    for x in (math.nan, math.inf, 2.0, -math.inf, math.nan):
        median_update(s, x)
    assert s.tolist() == (2.0, 0.0, 1.0)
