import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.kernels.fall import fall_full, fall_init, fall_peak_and_low, fall_put, fall_ring
from tests.reference.kernels.fall import SlowFall

SIX = fall_ring(6)


def ring() -> np.void:
    record = np.zeros(1, SIX)[0]
    fall_init(record)
    return record


def same(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return all(x == y or (math.isnan(x) and math.isnan(y)) for x, y in zip(a, b, strict=True))


puts = st.tuples(
    st.sampled_from([0, 0, 0, 1, 1, 2, 5, 6, 7, 20, -1]), st.sampled_from([1.0, 2.0, 3.0, 4.0, 5.0, math.nan])
)  # fmt: skip


@given(st.lists(puts, max_size=60))
def test_peak_and_low_are_those_of_all_values(drawn: list[tuple[int, float]]) -> None:
    r, slow, bucket = ring(), SlowFall(6), 3
    for step, x in drawn:
        bucket = max(bucket + step, 0)
        fall_put(r, bucket, x)
        slow.put(bucket, x)
        assert same(fall_peak_and_low(r), slow.peak_and_low())


@given(st.lists(st.floats(-5.0, 5.0), min_size=1, max_size=40), st.floats(0.1, 10.0))
def test_it_moves_with_its_values(values: list[float], scale: float) -> None:
    a, b = ring(), ring()
    for k, x in enumerate(values):
        fall_put(a, k // 4, x)
        fall_put(b, k // 4, 2.0 * x * scale)
    assert np.allclose(fall_peak_and_low(b), 2.0 * scale * np.array(fall_peak_and_low(a)))


def test_a_long_walk_and_its_record() -> None:
    rng, x = random.Random(3), 0.0
    r, slow = ring(), SlowFall(6)
    for k in range(2000):
        x += rng.gauss(0.0, 1.0)
        fall_put(r, k // 30, x)
        slow.put(k // 30, x)
        assert same(fall_peak_and_low(r), slow.peak_and_low())
        if k == 1000:
            r = np.frombuffer(bytearray(r.tobytes()), SIX)[0]


def test_it_is_full_when_the_window_lies_after_the_first_value() -> None:
    r = ring()
    for bucket in range(9, 15):
        assert not fall_full(r)
        fall_put(r, bucket, 1.0 if bucket >= 10 else math.nan)
    assert not fall_full(r)
    fall_put(r, 15, math.nan)
    assert fall_full(r)
    assert fall_peak_and_low(r) == (1.0, 1.0)


@pytest.mark.parametrize("late", [0, 4])
def test_what_comes_late_counts_now(late: int) -> None:
    r = ring()
    fall_put(r, 5, 2.0)
    fall_put(r, late, 7.0)
    fall_put(r, 5, 3.0)
    assert fall_peak_and_low(r) == (7.0, 3.0)
