"""Symmetries of kernels of values, as far as their own tests leave them open."""

import math
from bisect import bisect_right
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.kernels.average import (
    AVERAGE,
    STANDARD,
    average,
    average_step,
    standard_step,
    standard_z,
)
from streams.kernels.buckets import bucket_add, bucket_move, bucket_ring, bucket_sum
from streams.kernels.changepoint import changepoint_record, changepoint_step
from streams.kernels.cusum import SWITCH, switch_init, switch_step
from streams.kernels.decay import HELD, held_advance, held_init, held_set
from streams.kernels.extremes import highest, highest_init, highest_put, highest_ring
from streams.kernels.fall import fall_init, fall_peak_and_low, fall_put, fall_ring
from streams.kernels.histogram import (
    HISTOGRAM,
    histogram_init,
    histogram_insert,
    histogram_quantile,
    histogram_rank,
)
from streams.kernels.hysteresis import GATE, gate_init, gate_step
from streams.kernels.ledger import ledger, ledger_at, ledger_turn
from streams.kernels.path import PATH, path_at, path_init, path_put
from streams.kernels.ranks import RANKS, ranks_insert, ranks_rank
from streams.kernels.shares import share_insert, share_rank, share_record
from streams.kernels.windows import level_at, level_init, level_put, level_ring

Floats = npt.NDArray[np.float64]
DAY_S = 86_400
VALUES = st.one_of(st.floats(-50.0, 50.0), st.just(math.nan))
STEPS = st.lists(st.tuples(VALUES, st.floats(0.5, 40.0)), min_size=1, max_size=30)
RING, LEVELS, CHANGES = highest_ring(5), level_ring(6), changepoint_record(40)
BUCKETS, FALL, LEDGER, SHARES = bucket_ring(5, 1), fall_ring(5), ledger(5, 1), share_record(20)


def fresh(dtype: Any, init: Any = None) -> Any:
    record = np.zeros(1, dtype)[0]
    if init is not None:
        init(record)
    return record


@settings(max_examples=40, deadline=None)
@given(STEPS, st.floats(-100.0, 100.0), st.floats(0.01, 100.0), st.sampled_from([-1.0, 1.0]))
def test_averages_and_spreads_follow_scale_shift_and_mirror(
    steps: list[tuple[float, float]], shift: float, scale: float, sign: float
) -> None:
    plain, moved = (fresh(AVERAGE), fresh(STANDARD), fresh(HELD, held_init)), (
        fresh(AVERAGE), fresh(STANDARD), fresh(HELD, held_init),
    )  # fmt: skip
    size = abs(shift) + 50.0 * scale
    for y, dt in steps:
        for (a, s, h), x in ((plain, y), (moved, shift + sign * scale * y)):
            average_step(a, x, dt, 20.0)
            standard_step(s, x, dt, 20.0, 4.0)
            held_set(h, x)
            held_advance(h, dt, 20.0)
        assert average(moved[0]) == pytest.approx(
            shift + sign * scale * average(plain[0]), abs=1e-11 * size, nan_ok=True
        )
        if plain[1]["weight"] > 1e-6:
            mean, variance = float(plain[1]["mean"]), float(plain[1]["variance"])
            assert moved[1]["mean"] == pytest.approx(shift + sign * scale * mean, abs=1e-9 * size)
            assert moved[1]["variance"] == pytest.approx(
                scale * scale * variance, rel=1e-6, abs=1e-9 * size * size
            )
        z, other = standard_z(plain[1], 3.0), standard_z(moved[1], shift + sign * scale * 3.0)
        if not math.isnan(z) and plain[1]["variance"] > 1e-3:
            assert other == pytest.approx(sign * z, rel=1e-5, abs=1e-6 * size / scale)
        if plain[2]["observed_s"] > 0.0:
            mean, variance = float(plain[2]["mean"]), float(plain[2]["variance"])
            assert moved[2]["mean"] == pytest.approx(shift + sign * scale * mean, abs=1e-11 * size)
            assert moved[2]["variance"] == pytest.approx(
                scale * scale * variance, rel=1e-9, abs=1e-11 * size * size
            )


@settings(max_examples=40, deadline=None)
@given(STEPS, st.floats(0.01, 0.99))
def test_a_step_of_an_average_may_be_cut_in_two(
    steps: list[tuple[float, float]], share: float
) -> None:
    whole, cut = (fresh(AVERAGE), fresh(STANDARD)), (fresh(AVERAGE), fresh(STANDARD))
    for y, dt in steps:
        for (a, s), parts in ((whole, [dt]), (cut, [share * dt, dt - share * dt])):
            for part in parts:
                average_step(a, y, part, 20.0)
                standard_step(s, y, part, 20.0, math.inf)
    assert average(cut[0]) == pytest.approx(average(whole[0]), rel=1e-9, abs=1e-9, nan_ok=True)
    assert cut[1]["weight"] == pytest.approx(whole[1]["weight"], rel=1e-9)
    if whole[1]["weight"] > 1e-6:
        assert cut[1]["mean"] == pytest.approx(whole[1]["mean"], rel=1e-8, abs=1e-8)
        assert cut[1]["variance"] == pytest.approx(whole[1]["variance"], rel=1e-7, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.floats(-9.0, 9.0)), min_size=1, max_size=60))
def test_a_mirrored_signal_switches_the_other_way(steps: list[tuple[int, float]]) -> None:
    plain, mirrored, later = (fresh(SWITCH, switch_init) for _ in range(3))
    now = 0
    for dt, z in steps:
        now += dt
        new = switch_step(plain, z, now, 0.5, 3.0, 20)
        assert switch_step(later, z, now + 10**9, 0.5, 3.0, 20) == new
        # both sums cannot alarm at once, so nothing is decided by their order
        assert switch_step(mirrored, -z, now, 0.5, 3.0, 20) == new
        assert mirrored["direction"] == -plain["direction"]
        assert later["direction"] == plain["direction"]
        assert mirrored["up"]["sum"] == plain["down"]["sum"]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-3.0, 3.0), min_size=1, max_size=60))
def test_a_mirrored_series_has_the_same_change_points(values: list[float]) -> None:
    plain, mirrored = fresh(CHANGES), fresh(CHANGES)
    for x in values:
        changepoint_step(plain, x, 0.05, 0.2, 0.3, 1.5, 0.4)
        changepoint_step(mirrored, -x, 0.05, -0.2, 0.3, 1.5, 0.4)
        np.testing.assert_allclose(mirrored["mass"], plain["mass"], rtol=1e-9, atol=1e-15)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(-9, 9)), min_size=1, max_size=60),
    st.integers(0, 10**6), st.integers(-5, 5), st.integers(-100, 100),
)  # fmt: skip
def test_the_highest_follows_units_and_origins(
    moves: list[tuple[int, int]], start: int, power: int, shift: int
) -> None:
    plain, other, now = fresh(RING, highest_init), fresh(RING, highest_init), 0
    unit = 2.0**power
    for step, x in moves:
        now += step
        highest_put(plain, now, float(x))
        highest_put(other, now + start, unit * (x + shift))
        assert highest(other, now + start) == unit * (highest(plain, now) + shift)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-2, 9), VALUES), min_size=1, max_size=40),
    st.integers(-(10**9), 10**9), st.integers(-5, 5),
)  # fmt: skip
def test_levels_follow_units_and_origins(
    puts: list[tuple[int, float]], start: int, power: int
) -> None:
    plain, other, now = fresh(LEVELS, level_init), fresh(LEVELS, level_init), 0
    for step, x in puts:
        now += step
        level_put(plain, now, x)
        level_put(other, now + start, -(2.0**power) * x)
        for back in range(8):
            wanted = -(2.0**power) * level_at(plain, now - back)
            np.testing.assert_equal(level_at(other, now - back + start), wanted)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.0, 9e4), st.floats(-100.0, 100.0)), min_size=1, max_size=60),
    st.integers(-3000, 3000),
)  # fmt: skip
def test_a_path_is_its_list_of_values_on_any_day(
    puts: list[tuple[float, float]], days: int
) -> None:
    """Its slow twin, after every put: the last value by the end of the bucket in which the window starts."""
    s, later = fresh(PATH, path_init), fresh(PATH, path_init)
    shift, seconds, values, t_s = days * DAY_S, [], [], 40.0 * DAY_S
    for dt, x in puts:
        t_s += dt if len(values) % 3 else min(dt, 90.0)
        path_put(s, int(t_s) * 10**9, x)
        path_put(later, (int(t_s) + shift) * 10**9, x)
        seconds.append(int(t_s))
        values.append(x)
        for window, bucket in (
            (60, 1),
            (300, 5),
            (900, 15),
            (3600, 60),
            (14_400, 60),
            (86_400, 300),
        ):
            end = ((int(t_s) - window) // bucket + 1) * bucket
            known = bisect_right(seconds, end - 1)
            wanted = values[known - 1] if known else math.nan
            np.testing.assert_equal(path_at(s, int(t_s) * 10**9, window), wanted)
            got = path_at(later, (int(t_s) + shift) * 10**9, window)
            np.testing.assert_equal(got, wanted)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-5.0, 5.0), st.floats(0.0, 500.0)), min_size=2, max_size=40),
    st.integers(-3000, 3000),
)  # fmt: skip
def test_a_histogram_knows_no_origin_of_time(values: list[tuple[float, float]], days: int) -> None:
    plain, later = fresh(HISTOGRAM, histogram_init), fresh(HISTOGRAM, histogram_init)
    t_s = 0.0
    for x, dt in values:
        t_s += dt
        histogram_insert(plain, t_s, x, 1.0, 1.0, 600.0)
        histogram_insert(later, t_s + days * DAY_S, x, 1.0, 1.0, 600.0)
    for x, _ in values:
        rank = histogram_rank(plain, x, 1.0)
        assert histogram_rank(later, x, 1.0) == pytest.approx(rank, abs=1e-7)
    for q in (0.1, 0.5, 0.9):
        wanted = histogram_quantile(plain, q, 1.0)
        width = 0.02 * math.hypot(1.0, wanted)  # between two bins the rank alone decides
        shares = [histogram_rank(later, wanted + k * width, 1.0) for k in (-1, 1)]
        assert shares[0] - 1e-6 <= q <= shares[1] + 1e-6


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.booleans()), min_size=1, max_size=60),
    st.integers(-(10**18), 10**18),
)  # fmt: skip
def test_a_gate_knows_no_origin_of_time(steps: list[tuple[int, bool, bool]], start: int) -> None:
    plain, later, now = fresh(GATE, gate_init), fresh(GATE, gate_init), 0
    for dt, enter, leave in steps:
        now += dt
        switched = gate_step(plain, now, enter, leave, 4, 6, 8)
        if now + start == -1:
            return  # the one moment that stands for "not waiting"
        assert gate_step(later, now + start, enter, leave, 4, 6, 8) == switched


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-2, 9), st.integers(-50, 50)), min_size=1, max_size=40),
    st.integers(0, 10**9),
)  # fmt: skip
def test_sums_and_falls_follow_units_and_origins(moves: list[tuple[int, int]], start: int) -> None:
    """Whole numbers, so that twice as much, and turned round, is exactly that."""
    sums, falls, books = ((fresh(BUCKETS), fresh(BUCKETS)), (fresh(FALL, fall_init), fresh(FALL, fall_init)),
                          (fresh(LEDGER), fresh(LEDGER)))  # fmt: skip
    now, total = 100, 0
    for step, x in moves:
        now, total = now + step, total + x
        for k, (origin, unit) in enumerate(((0, 1), (start, -2))):
            bucket_move(sums[k], now + origin)
            bucket_add(sums[k], 0, float(unit * x))
            books[k]["rows"][ledger_turn(books[k], now + origin), 0] = unit * total
            fall_put(falls[k], now + origin, float(abs(unit) * (x + 7 * k)))
        assert bucket_sum(sums[1], 0) == -2.0 * bucket_sum(sums[0], 0)
        for back in range(4):
            newest = int(books[0]["last_bucket"])
            one, other = (
                ledger_at(b, newest - back + o, 0) for b, o in zip(books, (0, start), strict=True)
            )
            assert other == -2 * one
        moved = tuple(2.0 * (level + 7.0) for level in fall_peak_and_low(falls[0]))
        assert fall_peak_and_low(falls[1]) == moved


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 19), st.floats(0.1, 9.0), st.floats(0.0, 50.0)), min_size=1, max_size=40
    ),
    st.integers(-3000, 3000),
)  # fmt: skip
def test_small_histograms_know_no_origin_and_rank_the_other_way_when_mirrored(
    drawn: list[tuple[int, float, float]], days: int
) -> None:
    shares, ratios = [fresh(SHARES) for _ in range(2)], [fresh(RANKS) for _ in range(2)]
    t_s = 0.0
    for place, weight, dt in drawn:
        t_s += dt
        for k, (shift_s, at) in enumerate(((0.0, place), (days * DAY_S, 19 - place))):
            share_insert(shares[k], t_s + shift_s, (at + 0.5) / 20, weight, 60.0)
            ranks_insert(ratios[k], t_s + shift_s, math.exp(0.02 * (at - 9.5)), weight, 0.015, 60.0)
    for place in range(20):
        one, other = (
            share_rank(h, (at + 0.5) / 20)
            for h, at in zip(shares, (place, 19 - place), strict=True)
        )
        assert other == pytest.approx(1.0 - one, abs=1e-6)
        one, other = (
            ranks_rank(h, math.exp(0.02 * (at - 9.5)), 0.015)
            for h, at in zip(ratios, (place, 19 - place), strict=True)
        )  # fmt: skip
        assert other == pytest.approx(1.0 - one, abs=1e-6)
