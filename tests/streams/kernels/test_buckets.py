"""Sums over buckets against looking at everything."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.kernels.buckets import (
    bucket_add,
    bucket_full,
    bucket_init,
    bucket_move,
    bucket_ring,
    bucket_sum,
)
from tests.reference.kernels.buckets import SlowBuckets

RING = bucket_ring(5, 2)
MOVES = st.lists(
    st.tuples(st.integers(-2, 8), st.integers(0, 1), st.integers(-1000, 1000).map(float)),
    min_size=1,
    max_size=150,
)


@settings(max_examples=200, deadline=None)
@given(MOVES)
def test_every_sum_is_exact(moves: list[tuple[int, int, float]]) -> None:
    ring, slow, now = np.zeros(1, RING)[0], SlowBuckets(5), 10
    bucket_init(ring)
    for step, flow, x in moves:
        now += step
        bucket_move(ring, now)
        slow.move(now)
        bucket_add(ring, flow, x)
        slow.add(flow, x)
        assert [bucket_sum(ring, f) for f in (0, 1)] == [slow.sum(f) for f in (0, 1)]
        assert bucket_full(ring) == slow.full()


def test_nothing_drifts_whatever_came_before() -> None:
    ring = np.zeros(1, RING)[0]
    for bucket in range(10_000):
        bucket_move(ring, bucket)
        bucket_add(ring, 0, 1e15 + 0.1)
    for bucket in range(10_000, 10_005):
        bucket_move(ring, bucket)
        bucket_add(ring, 0, 0.5)
    assert bucket_sum(ring, 0) == 2.5
