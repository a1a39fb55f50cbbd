"""The highest value of the last B buckets, exactly, at constant cost on average.

A queue holds, oldest first, the values that may still become the highest: a new one removes from
its end all that are not higher, so the queue falls from front to end and its front is the answer
(method 1, P3). A bucket is a whole number from 0, normally time // width; the window that ends in
it is that bucket and the B - 1 before. The lowest value is the highest of the negatives.

Zero bytes are a valid empty state.

Reference: D. Lemire, Streaming maximum-minimum filter using no more than three comparisons per
element, Nordic J. Computing 13 (2006).
"""

import math

import numpy as np

from streams.kernels.jit import Record, kernel


def highest_ring(buckets: int) -> np.dtype[np.void]:
    """Return the record type of a queue over windows of `buckets` buckets.

    >>> highest_ring(60).itemsize
    984
    """
    return np.dtype([
        ("values", "f8", (buckets,)), ("at", "i8", (buckets,)),
        ("front", "i8"), ("count", "i8"), ("newest", "i8"),
    ])  # fmt: skip


@kernel
def highest_init(ring: Record) -> None:
    """Forget everything.

    >>> ring = np.ones(1, highest_ring(3))[0]
    >>> highest_init(ring)
    >>> highest(ring, 0)
    nan
    """
    ring.values[:] = 0.0
    ring.at[:] = 0
    ring.front = ring.count = ring.newest = 0


@kernel
def _expire(ring: Record, bucket: int) -> None:
    size = ring.values.size
    while ring.count > 0 and ring.at[ring.front] <= bucket - size:
        ring.front = (ring.front + 1) % size
        ring.count -= 1


@kernel
def highest_put(ring: Record, bucket: int, x: float) -> None:
    """Take a value in `bucket`; NaN is ignored, what comes late counts for the newest bucket.

    >>> ring = np.zeros(1, highest_ring(3))[0]
    >>> for bucket, x in enumerate((5.0, 1.0, 2.0)):
    ...     highest_put(ring, bucket, x)
    >>> [highest(ring, bucket) for bucket in (2, 3, 4, 5)]
    [5.0, 2.0, 2.0, nan]
    """
    if math.isnan(x):
        return
    size = ring.values.size
    bucket = max(bucket, ring.newest)
    _expire(ring, bucket)
    while ring.count > 0 and ring.values[(ring.front + ring.count - 1) % size] <= x:
        ring.count -= 1
    if ring.count > 0 and ring.at[(ring.front + ring.count - 1) % size] == bucket:
        return  # the same bucket has shown a higher one
    slot = (ring.front + ring.count) % size
    ring.values[slot] = x
    ring.at[slot] = bucket
    ring.count += 1
    ring.newest = bucket


@kernel
def highest(ring: Record, bucket: int) -> float:
    """Return the highest value of the window that ends in `bucket`, and forget what is older; NaN if none.

    >>> ring = np.zeros(1, highest_ring(2))[0]
    >>> highest_put(ring, 7, -3.0)
    >>> highest(ring, 8), highest(ring, 9)
    (-3.0, nan)
    """
    _expire(ring, bucket)
    if ring.count == 0:
        return math.nan
    return float(ring.values[ring.front])
