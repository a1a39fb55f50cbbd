"""Exact rolling windows: rings of equal buckets for levels (last value) and flows (sums).

A window of B buckets of w seconds is off by at most one bucket at its old end. A bucket is a whole
number, normally time // w, and lives at slot `bucket % B`.

A level is carried: a bucket without a put has the value of the one before it, which may be NaN
when that is what was put. A flow is added up in int64 fixed point (cents, 1e-8 coin), so that what
a bucket added is exactly what its expiry takes away, for ever. Sums beyond 9.2e18 units would wrap
round; the caller chooses a unit that cannot.

`count` is in both the number of buckets the ring remembers, at most B: a window is complete when
`count` equals its length. Zero bytes are a valid empty ring.
"""

import math

import numpy as np

from streams.kernels.jit import Record, kernel


def level_ring(buckets: int) -> np.dtype[np.void]:
    """Return the record type of a ring that remembers a level over `buckets` buckets.

    >>> level_ring(60).itemsize
    496
    """
    return np.dtype([("values", "f8", (buckets,)), ("last_bucket", "i8"), ("count", "i8")])


def flow_ring(buckets: int) -> np.dtype[np.void]:
    """Return the record type of a ring that adds up a flow over `buckets` buckets.

    >>> flow_ring(60).names
    ('sums', 'last_bucket', 'total', 'count')
    """
    return np.dtype(
        [("sums", "i8", (buckets,)), ("last_bucket", "i8"), ("total", "i8"), ("count", "i8")]
    )


@kernel
def level_init(ring: Record) -> None:
    """Empty a level ring.

    >>> ring = np.zeros(1, level_ring(3))[0]
    >>> level_put(ring, 7, 1.5)
    >>> level_init(ring)
    >>> level_at(ring, 7)
    nan
    """
    ring.values[:] = math.nan
    ring.last_bucket = 0
    ring.count = 0


@kernel
def level_put(ring: Record, bucket: int, x: float) -> None:
    """Let `x` be the level at the end of `bucket`; a bucket older than the last one is ignored.

    Buckets skipped since the last put carry its value, NaN included.

    >>> ring = np.zeros(1, level_ring(4))[0]
    >>> level_put(ring, 10, 1.0)
    >>> level_put(ring, 13, 2.0)
    >>> [level_at(ring, bucket) for bucket in (9, 10, 12, 13, 99)]
    [nan, 1.0, 1.0, 2.0, 2.0]
    """
    size = ring.values.size
    if ring.count == 0:
        ring.last_bucket = bucket
        ring.count = 1
    elif bucket < ring.last_bucket:
        return
    elif bucket > ring.last_bucket:
        carried = ring.values[ring.last_bucket % size]
        steps = min(bucket - ring.last_bucket, size)
        for back in range(1, steps):
            ring.values[(bucket - back) % size] = carried
        ring.count = min(ring.count + steps, size)
        ring.last_bucket = bucket
    ring.values[bucket % size] = x


@kernel
def level_at(ring: Record, bucket: int) -> float:
    """Return the level at the end of `bucket`, or NaN when the ring does not remember it.

    >>> ring = np.zeros(1, level_ring(2))[0]
    >>> for bucket in range(3):
    ...     level_put(ring, bucket, 10.0 * bucket)
    >>> level_at(ring, 0), level_at(ring, 1), level_at(ring, 2), level_at(ring, 3)
    (nan, 10.0, 20.0, 20.0)
    """
    if bucket <= ring.last_bucket - ring.count:
        return math.nan
    if ring.count == 0:
        return math.nan
    return float(ring.values[min(bucket, ring.last_bucket) % ring.values.size])


@kernel
def flow_init(ring: Record) -> None:
    """Empty a flow ring.

    >>> ring = np.zeros(1, flow_ring(3))[0]
    >>> flow_add(ring, 7, 100)
    >>> flow_init(ring)
    >>> flow_sum(ring, 7)
    0
    """
    ring.sums[:] = 0
    ring.last_bucket = 0
    ring.total = 0
    ring.count = 0


@kernel
def _flow_advance(ring: Record, bucket: int) -> None:
    size = ring.sums.size
    steps = min(bucket - ring.last_bucket, size)
    for back in range(steps):
        slot = (bucket - back) % size
        ring.total -= ring.sums[slot]
        ring.sums[slot] = 0
    if steps > 0:
        ring.count = min(ring.count + steps, size)
        ring.last_bucket = bucket


@kernel
def flow_add(ring: Record, bucket: int, x_fixed: int) -> None:
    """Add `x_fixed` units to `bucket`; what comes late is added to the newest bucket.

    Adding 0 says "observed, nothing happened" and starts the ring's memory.

    >>> ring = np.zeros(1, flow_ring(3))[0]
    >>> flow_add(ring, 10, 5)
    >>> flow_add(ring, 12, 7)
    >>> flow_add(ring, 11, 1)
    >>> [flow_sum(ring, bucket) for bucket in (12, 13, 14, 15)]
    [13, 8, 8, 0]
    """
    if ring.count == 0:
        ring.last_bucket = bucket
        ring.count = 1
    _flow_advance(ring, bucket)
    ring.sums[ring.last_bucket % ring.sums.size] += x_fixed
    ring.total += x_fixed


@kernel
def flow_sum(ring: Record, bucket: int) -> int:
    """Return the sum over the window that ends in `bucket`, and forget what is older.

    The window never moves back: an older `bucket` gets the newest window. An empty ring sums to 0;
    `count` tells how much of the window was observed.

    >>> ring = np.zeros(1, flow_ring(2))[0]
    >>> flow_add(ring, 0, 4)
    >>> flow_sum(ring, 1), flow_sum(ring, 2), flow_sum(ring, 0)
    (4, 0, 0)
    """
    if ring.count > 0:
        _flow_advance(ring, bucket)
    return int(ring.total)
