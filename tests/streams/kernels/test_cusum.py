"""Cumulative sums: another definition, Siegmund's run lengths, and the switch of method 9.4 on its null."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.kernels.average import STANDARD, standard_step, standard_z
from streams.kernels.cusum import (
    CUSUM,
    SWITCH,
    cusum_alarms,
    cusum_init,
    cusum_step,
    switch_count,
    switch_init,
    switch_limit,
    switch_step,
)
from streams.kernels.jit import Record, kernel
from tests.reference.kernels.cusum import SlowCusum, average_run_length
from tests.truth import Truth, profile

Floats = npt.NDArray[np.float64]
VALUES = st.lists(st.one_of(st.floats(-4.0, 4.0), st.just(math.nan)), min_size=1, max_size=80)


@settings(max_examples=100, deadline=None)
@given(VALUES, st.floats(0.0, 2.0), st.floats(0.0, 6.0))
def test_every_step_is_the_highest_total_of_a_run_that_ends_now(
    values: list[float], drift: float, limit: float
) -> None:
    s, slow = np.zeros(1, CUSUM)[0], SlowCusum(drift, limit)
    cusum_init(s)
    alarms = 0
    for z in values:
        alarm = slow.step(z)
        if abs(slow.sum - limit) < 1e-9:
            return  # rounding decides
        assert cusum_step(s, z, drift, limit) == alarm
        alarms += alarm
        assert s["sum"] == pytest.approx(slow.sum, abs=1e-9)
    assert s["alarms"] == alarms == cusum_alarms(np.array(values), drift, limit)


@pytest.mark.parametrize(
    ("drift", "limit", "mean"),
    [(0.5, 4.0, 0.0), (0.5, 3.0, 0.0), (0.25, 6.0, 0.0), (0.75, 3.0, 0.0), (0.5, 5.0, 1.0), (0.5, 8.0, 0.75)],
)  # fmt: skip
def test_run_length_of_independent_values_is_siegmunds(
    truth: Truth, drift: float, limit: float, mean: float
) -> None:
    z = np.random.default_rng(9).normal(mean, 1.0, profile(6_000_000, 20_000_000))
    measured = z.size / cusum_alarms(z, drift, limit)
    off = measured / average_run_length(drift, limit, mean) - 1.0
    truth(22, "average run length of a CUSUM, Siegmund's formula", off, 0.10)


@settings(max_examples=40, deadline=None)
@given(VALUES, st.integers(-3, 3))
def test_a_common_unit_of_value_drift_and_limit_does_not_matter(
    values: list[float], exponent: int
) -> None:
    unit = 2.0**exponent
    plain, other = np.zeros(1, CUSUM)[0], np.zeros(1, CUSUM)[0]
    for z in values:
        alarm = cusum_step(plain, z, 0.5, 2.0)
        assert alarm == cusum_step(other, z * unit, 0.5 * unit, 2.0 * unit)
        assert other["sum"] == plain["sum"] * unit


def remembering(rng: np.random.Generator, size: int) -> Floats:
    """Return a standard normal signal whose memory is 200 steps long."""
    z = np.zeros(size)
    for i in range(1, size):
        z[i] = 0.995 * z[i - 1] + rng.normal() * math.sqrt(1.0 - 0.995**2)
    return z


def test_a_limit_is_found_that_keeps_within_the_budget() -> None:
    z = remembering(np.random.default_rng(3), 60_000)
    limit = switch_limit(z, 1.5, 1440, 12)
    assert switch_count(z, 1.5, limit, 1440) <= 12 < switch_count(z, 1.5, limit - 0.1, 1440)
    assert switch_limit(np.zeros(10), 1.5, 1440, 0) == 0.0


def test_a_switch_counts_alarms_that_say_something_new() -> None:
    z = 2.0 * remembering(np.random.default_rng(5), 20_000)
    z[::97] = math.nan
    s, counted = np.zeros(1, SWITCH)[0], 0
    switch_init(s)
    up, down, said, shown = SlowCusum(1.5, 30.0), SlowCusum(1.5, 30.0), [(-(10**9), 0)], []
    for i, x in enumerate(z):
        counted += switch_step(s, float(x), i, 1.5, 30.0, 300)
        held = said[-1][1] if i - said[-1][0] < 300 else 0
        up.since, down.since = up.since if up.sum else [], down.since if down.sum else []
        direction = int(up.step(float(x))) - int(down.step(-float(x)))
        if direction:
            shown += [i] if direction != held else []
            said.append((i, direction))
            held = direction
        assert s["direction"] == held
    assert counted == len(shown) == switch_count(z, 1.5, 30.0, 300) > 10
    assert len(said) - 1 == s["up"]["alarms"] + s["down"]["alarms"] > 2 * counted


@kernel
def standardised(latent: Floats, noise: Floats, s: Record, z: Floats) -> None:
    """Write the z of method 9.4 from minutes of variance: five-minute memory, usual level of two days."""
    a = 1.0 - 2.0 ** (-60.0 / 300.0)
    fast = 0.0
    for i in range(latent.size):
        minute = math.exp(latent[i]) * noise[i]
        fast = minute if i == 0 else fast + a * (minute - fast)
        z[i] = standard_z(s, math.log(fast))
        standard_step(s, math.log(fast), 60.0, 172_800.0, 4.0)


def volatility(seed: int, days: int, rise: float = 1.0, at: int = 0) -> Floats:
    """Return z for a quiet world (appendix A6): ln RV AR(1) 0.995 a minute, sd 0.03, 60 returns a minute."""
    rng = np.random.default_rng(seed)
    size = days * 1440
    latent = 0.03 / math.sqrt(1.0 - 0.995**2) * remembering(rng, size)
    latent[at:] += math.log(rise)
    z = np.empty(size)
    standardised(latent, rng.chisquare(60, size) / 60.0, np.zeros(1, STANDARD)[0], z)
    return z


def test_quiet_volatility_switches_at_most_every_second_day_or_so(truth: Truth) -> None:
    seeds = range(profile(10, 40))
    series = [volatility(seed, 104) for seed in seeds]  # four days each to get warm
    days = 100.0 * len(seeds)
    settled = sum(switch_count(z, 1.5, 30.0, 1440) for z in series) / days
    textbook = sum(switch_count(z, 0.5, 10.0, 1440) for z in series) / days
    truth(22, "switches a day of quiet volatility, less 0.46", settled - 0.46, 0.08)
    assert textbook == pytest.approx(2.2, abs=0.2)


def test_a_rise_of_variance_by_two_and_a_half_is_found_in_half_an_hour(truth: Truth) -> None:
    at, waits = 6 * 1440 + 137, []
    for seed in range(150):
        z = volatility(1000 + seed, 8, 2.5, at)[at:]
        s = np.zeros(1, SWITCH)[0]
        alarms = (i for i, x in enumerate(z, 1) if switch_step(s, float(x), i, 1.5, 30.0, 1440))
        waits.append(next(alarms, 10_000))
    wait = float(np.median(waits))
    truth.between(22, "minutes to a rise of variance by 2.5, median", wait, 20, 40)
