"""The residual test: uniform p-values under the truth, rejection of wrong models (ground truth 16)."""

import math

import numpy as np
import numpy.typing as npt
import pytest

from streams.kernels.residuals import (
    BINS,
    RESIDUAL,
    kolmogorov_p,
    residual_advance,
    residual_distance,
    residual_event,
    residual_events,
    residual_init,
    residual_p,
    residual_rejected,
)
from tests.reference.kernels.cascades import DAY_S, World, gains, simulate
from tests.reference.kernels.fitted import residuals
from tests.truth import Truth, profile

Floats = npt.NDArray[np.float64]
TRUE = World(n=gains(0.6, 0.1, 0.01), rate=0.1, sigma_bp=2.0)


def theta(world: World) -> Floats:
    background = world.rate * (1.0 - world.n[0, :2].sum())
    return np.column_stack([[background, background], world.n.reshape(2, 12)])


def fresh() -> np.void:
    s = np.zeros(1, RESIDUAL)[0]
    residual_init(s)
    return s


def direct(history: list[tuple[float, float]], half_life_s: float) -> tuple[float, float]:
    """Return distance and effective number from the list of (integral, time) of all events."""
    end = history[-1][1]
    weights = np.array([2.0 ** (-(end - t) / half_life_s) for _, t in history])
    u = np.array([1.0 - math.exp(-tau) for tau, _ in history])
    edges = np.arange(1, BINS) / BINS
    below = np.array([weights[u < edge].sum() / weights.sum() for edge in edges])
    return float(np.abs(below - edges).max()), float(weights.sum() ** 2 / (weights**2).sum())


def test_bins_equal_the_weighted_distribution_after_every_event() -> None:
    rng = np.random.default_rng(50)
    s, history, t_s = fresh(), [], 0.0
    residual_event(s, 40.0)
    for _ in range(150):
        tau = 0.0
        for step in rng.exponential(2.0, 3):
            residual_advance(s, 0.2 * step, step)
            tau, t_s = tau + 0.2 * step, t_s + step
        residual_event(s, 40.0)
        history.append((tau, t_s))
        distance, effective = direct(history, 40.0)
        assert residual_distance(s) == pytest.approx(distance, rel=1e-10, abs=1e-12)
        assert residual_events(s) == pytest.approx(effective, rel=1e-10)
        critical = max(0.08, 1.63 / math.sqrt(effective))
        assert residual_rejected(s) == (distance > critical)


def test_an_unobserved_stretch_ends_no_interval() -> None:
    s = fresh()
    residual_event(s, 60.0)
    residual_advance(s, 1.0, 1.0)
    residual_event(s, 60.0)
    residual_advance(s, math.nan, 5.0)
    residual_advance(s, 1.0, 1.0)
    before = s["bins"].copy()
    residual_event(s, 60.0)
    assert s["bins"].tolist() == before.tolist()
    residual_advance(s, 1.0, 1.0)
    residual_event(s, 60.0)
    assert residual_events(s) > 1.9


@pytest.mark.parametrize("half_life_s", [1e9, 3600.0])
def test_p_values_are_uniform_under_the_truth(truth: Truth, half_life_s: float) -> None:
    p = np.sort([
        residual_p(s)
        for seed in range(profile(200, 1000))
        for s in residuals(simulate(TRUE, seed, 3 * 3600.0), theta(TRUE), half_life_s)
    ])  # fmt: skip
    place = np.arange(1, p.size + 1) / p.size
    distance = max((place - p).max(), (p - place + 1.0 / p.size).max())
    uniform = kolmogorov_p(distance * math.sqrt(p.size))
    truth.above(16, "p of uniformity of p-values, true model", uniform, 0.01)
    assert np.mean(p < 0.01) < 0.03


def test_the_true_model_passes_and_wrong_ones_are_rejected(truth: Truth) -> None:
    stream = simulate(TRUE, 7, 2 * DAY_S)
    slow = np.zeros((2, 4, 3))
    slow[0, 0, 2] = slow[1, 1, 2] = 0.7
    for s in residuals(stream, theta(TRUE), 6 * 3600.0):
        assert not residual_rejected(s)
        truth.above(16, "p of the true model", residual_p(s), 0.01)
    for wrong in (World(n=gains(0.0), rate=0.12), World(n=slow, rate=0.12)):
        for s in residuals(stream, theta(wrong), 6 * 3600.0):
            assert residual_rejected(s)
            truth(16, "p of wrong models", residual_p(s), 0.01)
