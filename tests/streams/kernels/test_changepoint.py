"""Run-length posteriors against closed-form segment likelihoods, and what a cap costs."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.kernels.changepoint import (
    changepoint_init,
    changepoint_recent,
    changepoint_record,
    changepoint_run,
    changepoint_step,
)
from tests.reference.kernels.changepoint import run_lengths, run_lengths_by_enumeration
from tests.truth import Truth, profile

SHORT, MIDDLE, LONG = changepoint_record(40), changepoint_record(130), changepoint_record(400)
PRIOR = (0.2, 0.3, 1.5, 0.4)


def step(s: Any, x: float, hazard: float, prior: tuple[float, float, float, float]) -> None:
    changepoint_step(s, x, hazard, *prior)


def detector(dtype: np.dtype[np.void]) -> Any:
    s = np.zeros(1, dtype)[0]
    changepoint_init(s)
    return s


def test_the_reference_adds_up_all_segmentations() -> None:
    values = [0.1, 0.4, -0.3, 2.0, 2.4, 1.9, 0.0]
    for n in range(1, 8):
        np.testing.assert_allclose(
            run_lengths(values[:n], 0.1, PRIOR),
            run_lengths_by_enumeration(values[:n], 0.1, PRIOR),
            rtol=1e-12,
        )


def test_every_posterior_equals_that_of_the_segments_and_adds_up_to_one(truth: Truth) -> None:
    rng = np.random.default_rng(4)
    values = np.concatenate(
        [rng.normal(m, s, n) for m, s, n in ((0, 1, 50), (3, 0.3, 30), (1, 2, 40))]
    )
    s = detector(MIDDLE)
    off = 0.0
    for t, x in enumerate(values, 1):
        step(s, float(x), 0.02, PRIOR)
        wanted = run_lengths(list(values[:t]), 0.02, PRIOR)
        off = max(off, float(np.abs(s["mass"][: t + 1] - wanted).max()))
        truth(22, "BOCPD: posterior's sum less one", s["mass"].sum() - 1.0, 1e-12)
        assert s["mass"][0] == 0.02
        assert changepoint_recent(s, 5) == pytest.approx(wanted[:6].sum(), abs=1e-10)
        assert changepoint_run(s) == wanted.argmax()
    truth(22, "BOCPD: posterior, closed form of all segments", off, 1e-10)


def test_a_cap_keeps_the_mass_and_changes_little() -> None:
    rng = np.random.default_rng(5)
    values = np.concatenate([rng.normal(0.0, 1.0, 120), rng.normal(4.0, 1.0, 120)])
    capped, whole = detector(SHORT), detector(LONG)
    for t, x in enumerate(values):
        step(capped, float(x), 0.005, PRIOR)
        step(whole, float(x), 0.005, PRIOR)
        assert capped["mass"].sum() == pytest.approx(1.0, abs=1e-12)
        folded = np.append(whole["mass"][:40], whole["mass"][40:].sum())
        assert 0.5 * np.abs(capped["mass"] - folded).sum() < 0.1
        if 100 <= t < 120:  # what the last entry knows is worth 40 values
            assert changepoint_run(capped) == 40
            assert capped["mean"][40] == pytest.approx(values[t - 80 : t + 1].mean(), abs=0.25)
            variance = capped["beta"][40] / (PRIOR[2] + 20.0)
            assert variance == pytest.approx(1.0, abs=0.5)


@pytest.mark.parametrize(("size", "missing"), [(2.5, 0.05), (4.0, 0.0)])
def test_a_planted_change_is_found_within_six_steps(
    truth: Truth, size: float, missing: float
) -> None:
    """The hazard and cap of method 9.5; the change is a multiple of the noise, up or down."""
    missed = false = 0
    seeds = profile(40, 200)
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        s = detector(LONG)
        prior = (0.0, 0.25, 2.0, 0.18)
        for i in range(336):
            step(s, float(rng.normal(0.0, 0.3)), 1 / 336, prior)
            false += i > 12 and changepoint_recent(s, 6) > 0.5
        sign = 1.0 if seed % 2 else -1.0
        found = 99
        for i in range(1, 13):
            step(s, float(rng.normal(sign * size * 0.3, 0.3)), 1 / 336, prior)
            if changepoint_recent(s, 6) > 0.5 and changepoint_run(s) <= 6:
                found = min(found, i)
        missed += found > 6
    what = f"BOCPD: share of changes of {size} sd not found within 6 steps"
    truth(22, what, missed / seeds, missing)
    assert false <= seeds  # steps out of 323 each


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(-3.0, 3.0), min_size=1, max_size=60),
    st.floats(-50.0, 50.0),
    st.floats(0.01, 100.0),
)
def test_shift_and_scale_of_values_and_prior_change_no_probability(
    values: list[float], shift: float, scale: float
) -> None:
    plain, other = detector(SHORT), detector(SHORT)
    mean, kappa, alpha, beta = PRIOR
    for x in values:
        step(plain, x, 0.05, PRIOR)
        moved = (shift + scale * mean, kappa, alpha, beta * scale * scale)
        step(other, shift + scale * x, 0.05, moved)
        np.testing.assert_allclose(other["mass"], plain["mass"], rtol=1e-6, atol=1e-9)


def test_missing_values_are_no_steps_and_extremes_do_no_harm() -> None:
    s = detector(SHORT)
    step(s, math.nan, 0.1, PRIOR)
    assert math.isnan(changepoint_recent(s, 3))
    for x in (0.0, 1e9, -1e9, 0.0, math.nan, 0.0):
        step(s, x, 0.1, PRIOR)
    assert s["steps"] == 5
    assert s["mass"].sum() == pytest.approx(1.0)
