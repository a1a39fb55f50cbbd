"""Symmetries of kernels of events, as far as their own tests leave them open."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.kernels.branching import branching_radius, branching_sum
from streams.kernels.decay import decay
from streams.kernels.excitation import (
    EXCITATION,
    excitation_add,
    excitation_advance,
    excitation_init,
    excitation_intensity,
)
from streams.kernels.hawkes import FIT, SIZE, hawkes_init
from streams.kernels.heat import (
    ladder,
    ladder_age,
    ladder_coin,
    ladder_init,
    ladder_move,
    ladder_open,
)
from streams.kernels.margin import liquidation_price
from streams.kernels.residuals import (
    RESIDUAL,
    residual_advance,
    residual_distance,
    residual_event,
    residual_events,
    residual_init,
)
from streams.kernels.throttle import (
    THROTTLE,
    clock_snapshot_step,
    dead_time_step,
    throttle_init,
    throttle_rate,
    throttle_usd_rate,
)
from streams.kernels.throttle_model import (
    THROTTLE_TEST,
    throttle_delay_spread,
    throttle_test_init,
    throttle_test_note,
    throttle_verdict,
)
from streams.kernels.wls import wls_add, wls_fade, wls_init, wls_record, wls_solve

Floats = npt.NDArray[np.float64]
DAY_S = 86_400
HALF_LIVES = np.array([2.0, 15.0, 120.0])
LADDER, WLS = ladder(64), wls_record(3)
EVENTS = st.lists(
    st.tuples(st.floats(0.0, 60.0), st.integers(0, 3), st.floats(0.01, 20.0)),
    min_size=1,
    max_size=30,
)
SWAP = (1, 0, 3, 2)


def fresh(dtype: Any, init: Any = None) -> Any:
    record = np.zeros(1, dtype)[0]
    if init is not None:
        init(record)
    return record


@settings(max_examples=40, deadline=None)
@given(EVENTS, st.floats(0.01, 100.0), st.integers(-3000, 3000), st.integers(0, 1000))
def test_excitation_is_linear_in_marks_knows_no_origin_and_mirrors(
    events: list[tuple[float, int, float]], scale: float, days: int, seed: int
) -> None:
    half = np.random.default_rng(seed).uniform(0.0, 0.3, (4, 3))
    n = np.stack([half, half[list(SWAP)]])  # of a market with two like sides
    plain, scaled, later, mirrored = (fresh(EXCITATION, excitation_init) for _ in range(4))
    t_s = 0.0
    for dt, source, mark in events:
        t_s += dt
        for s, shift in ((plain, 0), (scaled, 0), (later, days * DAY_S), (mirrored, 0)):
            excitation_advance(s, t_s + shift, HALF_LIVES)
        excitation_add(plain, source, mark)
        excitation_add(scaled, source, scale * mark)
        excitation_add(later, source, mark)
        excitation_add(mirrored, SWAP[source], mark)
        for target in (0, 1):
            rate = excitation_intensity(plain, target, 0.0, n, HALF_LIVES)
            for s, wanted in ((scaled, scale * rate), (later, rate)):
                got = excitation_intensity(s, target, 0.0, n, HALF_LIVES)
                assert got == pytest.approx(wanted, rel=1e-6)  # time is a float of up to 1e8 s
            got = excitation_intensity(mirrored, 1 - target, 0.0, n, HALF_LIVES)
            assert got == pytest.approx(rate, rel=1e-12)


@settings(max_examples=100, deadline=None)
@given(
    entry=st.floats(1e-3, 1e6), leverage=st.floats(1.5, 125.0), m=st.floats(0.0, 0.02), long=st.booleans()
)  # fmt: skip
def test_an_inverse_long_is_a_linear_short_seen_from_the_coin(
    entry: float, leverage: float, m: float, long: bool
) -> None:
    """Who holds dollars at one over the price and owes coin is the mirror image of who holds coin."""
    inverse = liquidation_price(entry, leverage, m, 0.0, long, True)
    linear = liquidation_price(1.0 / entry, leverage, m, 0.0, not long, False)
    assert inverse * linear == pytest.approx(1.0, rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.01, 3.0), st.floats(0.1, 90.0)), min_size=1, max_size=40),
    st.floats(0.01, 100.0), st.floats(0.05, 0.95),
)  # fmt: skip
def test_residuals_have_no_unit_of_time_and_intervals_may_be_cut(
    intervals: list[tuple[float, float]], unit: float, share: float
) -> None:
    plain, other, cut = (fresh(RESIDUAL, residual_init) for _ in range(3))
    for s in (plain, other, cut):
        residual_event(s, 60.0)
    for expected, dt in intervals:
        # an interval whose part of the distribution is an edge falls on either side of it by rounding
        if abs(20.0 * math.exp(-expected) - round(20.0 * math.exp(-expected))) < 1e-9:
            continue
        residual_advance(plain, expected, dt)
        residual_advance(other, expected, dt * unit)
        residual_advance(cut, share * expected, share * dt)
        residual_advance(cut, expected - share * expected, dt - share * dt)
        residual_event(plain, 60.0)
        residual_event(other, 60.0 * unit)
        residual_event(cut, 60.0)
        for s in (other, cut):
            assert residual_events(s) == pytest.approx(residual_events(plain), rel=1e-9)
            assert residual_distance(s) == pytest.approx(residual_distance(plain), abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.01, 30.0), st.floats(1.0, 1e6)), min_size=1, max_size=40),
    st.floats(0.01, 100.0), st.integers(0, 3000), st.booleans(),
)  # fmt: skip
def test_throttled_rates_follow_the_unit_of_size_and_know_no_day(
    prints: list[tuple[float, float]], scale: float, days: int, snapshots: bool
) -> None:
    step = clock_snapshot_step if snapshots else dead_time_step
    plain, scaled, later, busy = (fresh(THROTTLE) for _ in range(4))
    start = float(days * DAY_S)
    for s, origin in ((plain, 0.0), (scaled, 0.0), (later, start), (busy, 0.0)):
        throttle_init(s, origin, 0.02, 5.0)
    t_s = 0.0
    for dt, usd in prints:
        if not snapshots:  # time may pass in parts
            step(busy, t_s + 0.4 * dt, 0.0, 1.0, 5.0, 60.0)
        t_s += dt
        step(plain, t_s, usd, 1.0, 5.0, 60.0)
        step(scaled, t_s, scale * usd, 1.0, 5.0, 60.0)
        step(busy, t_s, usd, 1.0, 5.0, 60.0)
        step(later, start + t_s, usd, 1.0, 5.0, 60.0)
        rate, usd_rate = throttle_rate(plain, 1e9), throttle_usd_rate(plain, 1e9)
        assert throttle_rate(scaled, 1e9) == rate
        assert throttle_usd_rate(scaled, 1e9) == pytest.approx(scale * usd_rate, rel=1e-9)
        assert throttle_rate(busy, 1e9) == pytest.approx(rate, rel=1e-9)
        edge = min(abs(t_s - round(t_s)), abs(dt - 1.0))  # where a period or the dead time ends
        if edge < 1e-6:
            return
        assert throttle_usd_rate(later, 1e9) == pytest.approx(usd_rate, rel=1e-5)


class SlowTest:
    """The test of the throttling rule, from the list of all prints."""

    def __init__(self) -> None:
        self.kept: list[tuple[int, int]] = []

    def note(self, exchange_ns: int, received_ns: int) -> None:
        """Take a print that is neither part of the last nor older."""
        if not self.kept or exchange_ns - self.kept[-1][0] >= 10**8:
            self.kept.append((exchange_ns, received_ns))

    def weights(self) -> list[float]:
        """Return what is left of each print, the newest being whole."""
        return [2.0 ** (-age / 300.0) for age in range(len(self.kept))][::-1]

    def gaps(self) -> tuple[float, float, float]:
        """Return gaps within 0.98 s, within 2 s, and within one second of the clock, weighted."""
        short = near = crowded = 0.0
        for (a, _), (b, _), w in zip(self.kept, self.kept[1:], self.weights()[1:], strict=False):
            if b - a < 2 * 10**9:
                near += w
                short += w * (b - a < 0.98e9)
                crowded += w * (a // 10**9 == b // 10**9)
        return short, near, crowded


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-50, 3000), st.integers(0, 1500)), min_size=5, max_size=80),
    st.integers(1, 3000),
)  # fmt: skip
def test_the_rules_gaps_are_those_of_all_prints_on_any_day(
    prints: list[tuple[int, int]], days: int
) -> None:
    s, later, slow = (
        fresh(THROTTLE_TEST, throttle_test_init), fresh(THROTTLE_TEST, throttle_test_init), SlowTest(),
    )  # fmt: skip
    at = 10**12
    for gap_ms, delay_ms in prints:
        at += gap_ms * 10**6
        throttle_test_note(s, at, at + delay_ms * 10**6, 1.0, 0.1)
        moved = at + days * DAY_S * 10**9
        throttle_test_note(later, moved, moved + delay_ms * 10**6, 1.0, 0.1)
        slow.note(at, at + delay_ms * 10**6)
        short, near, crowded = slow.gaps()
        assert (s["short"], s["near"], s["crowded"]) == pytest.approx(
            (short, near, crowded), rel=1e-9
        )
        assert s["prints"] == pytest.approx(sum(slow.weights()), rel=1e-9)
        assert throttle_verdict(later, 1.0) == throttle_verdict(s, 1.0)
        np.testing.assert_equal(throttle_delay_spread(later), throttle_delay_spread(s))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-4, 4), st.integers(2, 50), st.floats(0.1, 9.0), st.floats(0.0, 900.0)),
        min_size=1, max_size=30,
    ),
    st.floats(0.01, 100.0), st.floats(0.05, 0.95),
)  # fmt: skip
def test_a_ladder_is_linear_in_coin_and_ages_in_any_pieces(
    steps: list[tuple[int, int, float, float]], scale: float, share: float
) -> None:
    plain, scaled, cut = (fresh(LADDER, ladder_init) for _ in range(3))
    here = 0
    for move, at, coin, dt in steps:
        here += move
        for s, unit, parts in (
            (plain, 1.0, (dt,)),
            (scaled, scale, (dt,)),
            (cut, 1.0, (share * dt, dt - share * dt)),
        ):
            ladder_move(s, here, here)
            ladder_open(s, here + at, unit * coin)
            for part in parts:
                ladder_age(s, part, decay(part, 3600.0))
        assert ladder_coin(scaled) == pytest.approx(scale * ladder_coin(plain), rel=1e-9)
        assert ladder_coin(cut) == pytest.approx(ladder_coin(plain), rel=1e-9)
        for name in ("opened", "consumed", "aged", "dropped"):
            assert scaled[name] == pytest.approx(scale * plain[name], rel=1e-9, abs=1e-9)
            assert cut[name] == pytest.approx(plain[name], rel=1e-9, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_a_regressor_turned_round_turns_its_coefficient(seed: int) -> None:
    rng = np.random.default_rng(seed)
    plain, turned = fresh(WLS, wls_init), fresh(WLS, wls_init)
    signs = np.array([1.0, -1.0, 1.0])
    for _ in range(40):
        x, y = rng.normal(size=3), float(rng.normal())
        for s, regressors, outcome in ((plain, x, y), (turned, x * signs, -y)):
            wls_fade(s, 0.95)
            wls_add(s, regressors, outcome, 1.0)
    solutions = []
    for s in (plain, turned):
        theta, covariance = np.empty(3), np.empty((3, 3))
        assert wls_solve(s, 1e-6, theta, covariance)
        solutions.append((theta, covariance))
    (theta, covariance), (other, spread) = solutions
    np.testing.assert_allclose(other, -theta * signs, rtol=1e-12)
    np.testing.assert_allclose(spread, covariance * np.outer(signs, signs), rtol=1e-12)


def solved(theta: Floats, spread: Floats, weight: Floats, scales: Floats) -> tuple[Any, Floats]:
    """Return a fit and the factor of its solution, from whole matrices."""
    f, factor = fresh(FIT, hawkes_init), np.empty((2, SIZE + 1, SIZE))
    f["theta"], upper = theta, np.triu_indices(SIZE)
    for target in (0, 1):
        f["V"][target] = spread[target][upper]
        factor[target, :SIZE] = np.linalg.cholesky(weight[target])
        factor[target, SIZE] = scales[target]
    return f, factor


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_sums_and_radius_of_a_mirrored_fit_are_the_mirrored_ones(seed: int) -> None:
    rng = np.random.default_rng(seed)
    order = [0, 4, 5, 6, 1, 2, 3, 10, 11, 12, 7, 8, 9]
    theta, root = rng.uniform(0.0, 0.3, (2, SIZE)), 1e-2 * rng.normal(size=(2, SIZE, SIZE))
    spread = np.einsum("ipq,irq->ipr", root, root)
    mixed = 0.2 * rng.normal(size=(2, SIZE, SIZE))
    weight = np.einsum("ipq,irq->ipr", mixed, mixed) + np.eye(SIZE)
    scales = rng.uniform(0.5, 2.0, (2, SIZE))
    plain = solved(theta, spread, weight, scales)
    mirrored = solved(
        theta[::-1][:, order],
        spread[::-1][:, order][:, :, order],
        weight[::-1][:, order][:, :, order],
        scales[::-1][:, order],
    )
    assert branching_radius(*mirrored) == pytest.approx(branching_radius(*plain), rel=1e-9)
    for target in (0, 1):
        for source in range(4):
            wanted = branching_sum(*plain, target, source, 0, 3)
            got = branching_sum(*mirrored, 1 - target, SWAP[source], 0, 3)
            assert got == pytest.approx(wanted, rel=1e-9)
