import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.kernels.windows import (
    flow_add,
    flow_init,
    flow_ring,
    flow_sum,
    level_at,
    level_init,
    level_put,
    level_ring,
)
from tests.reference.kernels.windows import FlowWindow, LevelWindow
from tests.truth import Truth

LENGTHS = st.sampled_from([1, 2, 5, 60])
JUMPS = st.one_of(st.integers(-3, 3), st.integers(-80, 200))
LEVELS = st.one_of(st.floats(-1e9, 1e9), st.just(math.nan))
FLOWS = st.integers(-(2**40), 2**40)
STARTS = st.sampled_from([0, -7, 1_780_000_000])


def ring_of(dtype: np.dtype[np.void]) -> np.void:
    return np.zeros(1, dtype)[0]


def same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))


@settings(max_examples=80, deadline=None)
@given(LENGTHS, STARTS, st.lists(st.tuples(JUMPS, LEVELS), max_size=25))
def test_levels_equal_brute_force_after_every_put(
    truth: Truth, length: int, start: int, puts: list[tuple[int, float]]
) -> None:
    ring, slow, bucket = ring_of(level_ring(length)), LevelWindow(length), start
    for jump, x in puts:
        bucket += jump
        level_put(ring, bucket, x)
        slow.put(bucket, x)
        newest = int(ring["last_bucket"])
        asked = range(newest - length - 2, newest + 3)
        wrong = sum(not same(level_at(ring, bucket), slow.at(bucket)) for bucket in asked)
        truth(2, "levels that differ from brute force", wrong, 0)


def test_a_level_is_carried_over_skipped_buckets_and_unknown_stays_unknown() -> None:
    ring = ring_of(level_ring(10))
    level_init(ring)
    for bucket, x in [(100, 1.0), (103, math.nan), (106, 5.0), (106, 6.0), (101, 99.0)]:
        level_put(ring, bucket, x)
    seen = [level_at(ring, bucket) for bucket in range(99, 109)]
    want = [math.nan, 1.0, 1.0, 1.0, math.nan, math.nan, math.nan, 6.0, 6.0, 6.0]
    np.testing.assert_array_equal(seen, want)


def test_a_skip_longer_than_the_ring_leaves_only_the_carried_value() -> None:
    ring = ring_of(level_ring(4))
    for bucket in range(4):
        level_put(ring, bucket, float(bucket))
    level_put(ring, 1_000_000, 9.0)
    seen = [level_at(ring, 1_000_000 - back) for back in range(5)]
    np.testing.assert_array_equal(seen, [9.0, 3.0, 3.0, 3.0, math.nan])


def test_an_empty_level_ring_knows_nothing() -> None:
    ring = ring_of(level_ring(3))
    assert all(math.isnan(level_at(ring, bucket)) for bucket in (-1, 0, 1))


@settings(max_examples=80, deadline=None)
@given(LENGTHS, STARTS, st.lists(st.tuples(JUMPS, FLOWS, st.booleans()), max_size=40))
def test_flow_sums_equal_brute_force_after_every_step(
    truth: Truth, length: int, start: int, steps: list[tuple[int, int, bool]]
) -> None:
    ring, slow, bucket = ring_of(flow_ring(length)), FlowWindow(length), start
    for jump, x, only_read in steps:
        bucket += jump
        if not only_read:
            flow_add(ring, bucket, x)
            slow.add(bucket, x)
        truth(2, "flow sums less brute force", flow_sum(ring, bucket) - slow.sum(bucket), 0)
        assert ring["count"] == slow.count()
        assert ring["total"] == ring["sums"].sum()


def test_flow_sums_never_drift() -> None:
    rng = np.random.default_rng(3)
    ring = ring_of(flow_ring(60))
    amounts = rng.integers(0, 10**14, 20_000)
    for bucket, amount in enumerate(amounts):
        flow_add(ring, bucket // 7, int(amount))
    newest = 19_999 // 7
    first = (newest - 59) * 7
    assert flow_sum(ring, newest) == int(amounts[first:].sum())
    assert flow_sum(ring, newest + 59) == int(amounts[newest * 7 :].sum())
    assert flow_sum(ring, newest + 60) == 0


def test_a_late_flow_is_counted_in_the_newest_bucket() -> None:
    ring = ring_of(flow_ring(3))
    flow_add(ring, 10, 1)
    flow_add(ring, 4, 2)
    assert ring["sums"].tolist() == [0, 3, 0]
    assert [flow_sum(ring, bucket) for bucket in (4, 12, 13)] == [3, 3, 0]


def test_reading_does_not_start_a_flow_but_adding_nothing_does() -> None:
    ring = ring_of(flow_ring(5))
    flow_init(ring)
    assert (flow_sum(ring, 100), int(ring["count"])) == (0, 0)
    flow_add(ring, 100, 0)
    flow_sum(ring, 102)
    assert int(ring["count"]) == 3
