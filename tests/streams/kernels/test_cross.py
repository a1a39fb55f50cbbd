"""Lead and lag of two series: against the definition, and on shifted copies of one series."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.kernels.cross import (
    CHANCE,
    CROSS,
    cross_add,
    cross_fade,
    cross_init,
    lead_evidence,
    lead_ratio,
)
from streams.kernels.jit import Record, kernel
from tests.reference.kernels.cross import SlowCross

Floats = npt.NDArray[np.float64]
NAN = math.nan


@kernel
def run(s: Record, first: Floats, second: Floats, g: float) -> None:
    """Add all steps of two series."""
    before = np.full((2, 10), np.nan)
    cross_init(s)
    for t in range(first.size):
        cross_fade(s, g)
        cross_add(s, first[t], second[t], before)
        for i in range(2):
            for k in range(9, 0, -1):
                before[i, k] = before[i, k - 1]
        before[0, 0], before[1, 0] = first[t], second[t]


def after(first: Floats, second: Floats, g: float = 0.999) -> tuple[float, float]:
    """Return ratio and evidence."""
    s = np.zeros(1, CROSS)[0]
    run(s, first, second, g)
    return lead_ratio(s), lead_evidence(s)


def test_every_step_equals_the_definition() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(2, 250))
    second[1:] += 0.5 * first[:-1]
    first[rng.random(250) < 0.05] = NAN
    second[rng.random(250) < 0.05] = NAN
    slow, s = SlowCross(), np.zeros(1, CROSS)[0]
    cross_init(s)
    before = np.full((2, 10), NAN)
    compared = 0
    for f, x in zip(first, second, strict=True):
        cross_fade(s, 0.97)
        slow.step(f, x, 0.97)
        if math.isfinite(f) and math.isfinite(x):
            cross_add(s, f, x, before)
        before[:, 1:] = before[:, :-1].copy()
        before[:, 0] = f, x
        assert lead_ratio(s) == pytest.approx(slow.ratio(), rel=1e-9, nan_ok=True)
        assert lead_evidence(s) == pytest.approx(slow.evidence(), rel=1e-9)
        compared += math.isfinite(lead_ratio(s))
    assert compared > 200


@pytest.mark.parametrize("lag", [1, 2, 5, 10])
def test_a_shifted_copy_is_led_by_its_original(lag: int) -> None:
    rng = np.random.default_rng(lag)
    x = rng.normal(size=5000)
    late = np.concatenate([np.zeros(lag), x[:-lag]])
    ratio, evidence = after(x, late)
    assert ratio > 50.0
    assert evidence > 20.0 * CHANCE
    back, same = after(late, x)
    assert back == pytest.approx(1.0 / ratio)
    assert same == pytest.approx(evidence)


def test_a_noisy_follower_is_found_and_a_common_move_is_no_lead() -> None:
    rng = np.random.default_rng(3)
    x, noise = rng.normal(size=20_000), rng.normal(size=(2, 20_000))
    follower = noise[0] + 0.15 * np.concatenate([np.zeros(2), x[:-2]])
    ratio, evidence = after(x, follower, 0.9998)
    assert ratio > 8.0
    assert evidence > CHANCE
    ratio, evidence = after(x + noise[0], x + noise[1], 0.9998)
    assert evidence < CHANCE
    assert 0.05 < ratio < 20.0


def test_chance_leads_in_one_case_of_twenty_whatever_the_volatility_does() -> None:
    rng = np.random.default_rng(4)
    beyond, runs = 0, 1500
    for _ in range(runs):
        wave = np.exp(np.cumsum(rng.normal(0.0, 0.05, 2000)))
        first, second = rng.normal(size=(2, 2000)) * wave
        beyond += after(first, second, 0.998)[1] > CHANCE
    assert 0.035 < beyond / runs < 0.065


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 100.0), st.booleans())
def test_units_and_signs_change_nothing(seed: int, unit: float, mirrored: bool) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(2, 200))
    ratio, evidence = after(first, second)
    sign = -1.0 if mirrored else 1.0
    other, same = after(sign * first * unit, sign * second * 3.0)
    assert other == pytest.approx(ratio, rel=1e-9)
    assert same == pytest.approx(evidence, rel=1e-9)
