"""The estimator's arithmetic, against its definition."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.kernels.excitation import (
    EXCITATION,
    excitation_add,
    excitation_advance,
    excitation_init,
)
from streams.kernels.hawkes import (
    FIT,
    SIZE,
    forgotten_integral,
    hawkes_advance,
    hawkes_effective_events,
    hawkes_event,
    hawkes_expected,
    hawkes_init,
    hawkes_intensity,
    hawkes_rate,
    hawkes_solve,
    hawkes_variance,
    hawkes_weigh,
)
from tests.reference.kernels.hawkes import DirectFit
from tests.truth import Truth

Floats = npt.NDArray[np.float64]
HALF_LIVES = np.array([2.0, 15.0, 120.0])
MEMORY_S = 600.0


class Fit:
    """The kernels in the order in which the indicator calls them."""

    def __init__(self) -> None:
        self.f, self.s = np.zeros(1, FIT)[0], np.zeros(1, EXCITATION)[0]
        hawkes_init(self.f)
        excitation_init(self.s)
        excitation_advance(self.s, 0.0, HALF_LIVES)
        self.factor = np.zeros((2, SIZE + 1, SIZE))

    def step(
        self, t_s: float, source: int, mark: float, observed: bool = True, weigh: bool = True
    ) -> None:
        """Take a point."""
        hawkes_advance(
            self.f, self.s["a"], t_s - float(self.s["time_s"]), HALF_LIVES, MEMORY_S, observed
        )
        excitation_advance(self.s, t_s, HALF_LIVES)
        if source < 2 and observed:
            hawkes_event(self.f, source, self.s["a"], HALF_LIVES, MEMORY_S)
        excitation_add(self.s, source, mark)
        if weigh:
            hawkes_weigh(self.f, self.s["a"], HALF_LIVES)

    def solve(self) -> None:
        """Solve."""
        hawkes_solve(self.f, MEMORY_S, self.factor)

    @property
    def covariance(self) -> Floats:
        """Return the covariance of both solutions, from the variances of all sums of two coefficients."""
        out = np.empty((2, SIZE, SIZE))
        for i in range(2):
            own = [hawkes_variance(self.f, self.factor, i, e) for e in np.eye(SIZE)]
            for p, q in np.ndindex(SIZE, SIZE):
                both = hawkes_variance(self.f, self.factor, i, np.eye(SIZE)[p] + np.eye(SIZE)[q])
                out[i, p, q] = 0.5 * (both - own[p] - own[q])
        return out

    def matrix(self, name: str, target: int) -> Floats:
        """Return a symmetric matrix of which the record holds the upper triangle."""
        upper = np.zeros((SIZE, SIZE))
        upper[np.triu_indices(SIZE)] = self.f[name][target]
        return upper + np.triu(upper, 1).T


def points(seed: int, size: int) -> list[tuple[float, int, float]]:
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.choice([0.001, 0.4, 1.0, 3.0, 25.0], size))
    sources = rng.choice([0, 0, 1, 1, 2, 3], size)
    return [(float(t), int(j), float(rng.lognormal())) for t, j in zip(times, sources, strict=True)]


def relative(got: Floats, wanted: Floats) -> float:
    """Return the largest relative difference; below 1e-280 nothing is told apart."""
    size = np.maximum(np.abs(wanted), 1e-280)
    beyond = np.maximum(np.abs(got - wanted) - 1e-280, 0.0)
    return float((beyond / size).max(initial=0.0))


def test_every_step_equals_the_definition(truth: Truth) -> None:
    fast, slow = Fit(), DirectFit(HALF_LIVES, MEMORY_S)
    solved = 0
    for i, (t_s, source, mark) in enumerate(points(31, 130)):
        observed = not 60 <= i < 66
        fast.step(t_s, source, mark, observed, weigh=False)
        slow.observe(t_s, observed)
        if i % 7 == 0:  # theta decides the weights from here on
            slow.point(t_s, source, mark, observed)
            fast.solve()
            expected = slow.solve(t_s)
            slow.points.pop(), slow.weights.pop()
            for target, (theta, covariance) in enumerate(expected):
                np.testing.assert_allclose(fast.f["theta"][target], theta, rtol=1e-6, atol=1e-9)
                if not math.isnan(covariance[0, 0]):
                    solved += 1
                    scale = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
                    error = np.abs(fast.covariance[target] - covariance) / scale
                    assert error.max() < 1e-6
        slow.point(t_s, source, mark, observed)
        hawkes_weigh(fast.f, fast.s["a"], HALF_LIVES)
        np.testing.assert_allclose(fast.f["w"], slow.weights[-1], rtol=1e-9)
        for target in (0, 1):
            g, b, v = slow.matrices(t_s, target)
            off = relative(fast.matrix("G", target), g)
            truth(12, "G of the fit, quadrature", off, 1e-10)
            truth(12, "b of the fit, sum over all events", relative(fast.f["b"][target], b), 1e-10)
            kept = math.exp(-2.0 * math.log(2.0) / MEMORY_S * fast.f["stale_s"][target])
            np.testing.assert_allclose(fast.matrix("V", target) * kept, v, rtol=1e-10, atol=1e-280)
            assert hawkes_rate(fast.f, target) == pytest.approx(slow.rate(t_s, target), rel=1e-10)
        assert fast.f["exposure_s"] == pytest.approx(slow.exposure(t_s), rel=1e-10)
    assert solved > 10


def test_the_intensity_and_its_integral_are_those_of_theta(truth: Truth) -> None:
    fast, slow = Fit(), DirectFit(HALF_LIVES, MEMORY_S)
    for t_s, source, mark in points(32, 60):
        fast.step(t_s, source, mark)
        slow.point(t_s, source, mark, True)
    theta = np.random.default_rng(33).uniform(0.01, 0.2, (2, 13))
    fast.f["theta"] = theta
    now_s = float(fast.s["time_s"])
    before = slow.regressors(np.array([np.nextafter(now_s, np.inf)]))[0]
    for target in (0, 1):
        intensity = hawkes_intensity(fast.f, target, fast.s["a"], HALF_LIVES)
        assert intensity == pytest.approx(float(theta[target] @ before), rel=1e-10)
        expected = hawkes_expected(fast.f, target, fast.s["a"], 5.0, HALF_LIVES)
        nodes, weights = np.polynomial.legendre.leggauss(20)
        rates = slow.regressors(now_s + 2.5 * (1.0 + nodes)) @ theta[target]
        off = expected / (2.5 * float(weights @ rates)) - 1.0
        truth(12, "expected events of a step, quadrature", off, 1e-10)


def test_integral_of_a_step_is_right_also_where_the_rates_meet() -> None:
    nodes, weights = np.polynomial.legendre.leggauss(40)
    for a in (0.0, 0.5, 0.9999999, 1.0, 1.0000001, 1.5, 30.0):
        for dt in (1e-9, 0.3, 4.0):
            s = 0.5 * dt * (nodes + 1.0)
            slow = 0.5 * dt * float(weights @ np.exp(-(dt - s) - a * s))
            fast = forgotten_integral(a, 1.0, dt, math.exp(-dt))
            assert fast == pytest.approx(slow, rel=1e-10)
    assert forgotten_integral(0.0, 1.0, 1e6, 0.0) == pytest.approx(1.0)
    assert forgotten_integral(3.0, 1.0, 1e6, 0.0) == 0.0


def test_points_without_a_mark_change_nothing_at_fixed_weights() -> None:
    plain, busy = Fit(), Fit()
    previous = 0.0
    for t_s, source, mark in points(34, 40):
        busy.step(0.3 * previous + 0.7 * t_s, 2, 0.0, weigh=False)
        previous = t_s
        for fit in (plain, busy):
            fit.step(t_s, source, mark, weigh=False)
    for name in ("G", "b", "V"):
        np.testing.assert_allclose(busy.f[name], plain.f[name], rtol=1e-11)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), factor=st.floats(0.1, 10.0))
def test_scaling_a_sources_marks_scales_its_gain_back(seed: int, factor: float) -> None:
    """Prices in pips instead of basis points must not change what else is estimated."""
    plain, scaled = Fit(), Fit()
    for t_s, source, mark in points(seed, 140):
        plain.step(t_s, source, mark)
        scaled.step(t_s, source, mark * factor if source == 2 else mark)
    plain.solve()
    scaled.solve()
    units = np.ones(13)
    units[7:10] = factor
    np.testing.assert_allclose(scaled.f["theta"] * units, plain.f["theta"], rtol=1e-5, atol=1e-7)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_mirrored_markets_have_mirrored_fits(seed: int) -> None:
    plain, mirrored = Fit(), Fit()
    swap = {0: 1, 1: 0, 2: 3, 3: 2}
    order = [0, 4, 5, 6, 1, 2, 3, 10, 11, 12, 7, 8, 9]
    for t_s, source, mark in points(seed, 140):
        plain.step(t_s, source, mark)
        mirrored.step(t_s, swap[source], mark)
    plain.solve()
    mirrored.solve()
    np.testing.assert_allclose(
        mirrored.f["theta"][::-1, order], plain.f["theta"], rtol=1e-6, atol=1e-8
    )


def test_an_unobserved_stretch_fades_everything_alike_and_so_changes_no_estimate() -> None:
    fit = Fit()
    for t_s, source, mark in points(35, 150):
        fit.step(t_s, source, mark)
    fit.solve()
    before = fit.f["theta"].copy(), fit.covariance
    events = hawkes_effective_events(fit.f, 0)
    hawkes_advance(fit.f, fit.s["a"], 200.0, HALF_LIVES, MEMORY_S, False)
    fit.solve()
    # what does change: the rate that the prior is centred on, whose own time does not fade
    np.testing.assert_allclose(fit.f["theta"], before[0], rtol=0.05, atol=1e-3)
    np.testing.assert_allclose(fit.covariance, before[1], rtol=1e-6)
    assert hawkes_effective_events(fit.f, 0) == pytest.approx(events)


def test_without_events_theta_is_the_rate_and_errors_are_unknown() -> None:
    fit = Fit()
    for second in range(1, 500):
        fit.step(float(second), 2 + second % 2, 3.0)
    fit.solve()
    assert fit.f["theta"][:, 1:].tolist() == [[0.0] * 12] * 2
    assert 0.0 < fit.f["theta"][0, 0] < 1.0 / 400.0
    assert np.isnan(fit.covariance).all()


def test_a_source_that_never_spoke_gets_no_excitation() -> None:
    fit = Fit()
    for t_s, source, mark in points(36, 150):
        fit.step(t_s, min(source, 1), mark)
    fit.solve()
    assert (fit.f["theta"][:, 7:] == 0.0).all()
    assert np.isfinite(fit.covariance).all()


@pytest.mark.parametrize("dt", [0.0, -1.0, math.nan, math.inf])
def test_no_time_is_no_exposure(dt: float) -> None:
    fit: Any = Fit()
    fit.step(1.0, 0, 1.0)
    before = fit.f.tobytes()
    hawkes_advance(fit.f, fit.s["a"], dt, HALF_LIVES, MEMORY_S, True)
    assert fit.f.tobytes() == before
