"""Sums of several flows over one window, exact for ever and small: a row of numbers for each bucket.

A window of B buckets of w seconds is off by at most one bucket at its old end (method 1, P3). The sum is
added up anew from the buckets whenever it is asked for, so nothing drifts, whatever unit the flows have.
A bucket is a whole number, normally time // w. What comes late counts for the newest bucket.

Zero bytes are a valid empty ring.
"""

import numpy as np

from streams.kernels.jit import Record, kernel


def bucket_ring(buckets: int, flows: int) -> np.dtype[np.void]:
    """Return the record type of a ring that adds up `flows` flows over `buckets` buckets.

    >>> bucket_ring(30, 3).itemsize
    736
    """
    return np.dtype([("sums", "f8", (buckets, flows)), ("newest", "i8"), ("count", "i8")])


@kernel
def bucket_init(ring: Record) -> None:
    """Forget everything.

    >>> ring = np.ones(1, bucket_ring(2, 1))[0]
    >>> bucket_init(ring)
    >>> bucket_sum(ring, 0), bucket_full(ring)
    (0.0, False)
    """
    ring.sums[:, :] = 0.0
    ring.newest = ring.count = 0


@kernel
def bucket_move(ring: Record, bucket: int) -> None:
    """Let the window end in `bucket`, which may be long after the last; the first call starts it.

    >>> ring = np.zeros(1, bucket_ring(2, 1))[0]
    >>> bucket_move(ring, 7)
    >>> bucket_full(ring)
    False
    >>> bucket_move(ring, 8)
    >>> bucket_full(ring)
    True
    """
    size = ring.sums.shape[0]
    if ring.count == 0:
        ring.newest, ring.count = bucket, 1
        return
    steps = min(bucket - ring.newest, size)
    for back in range(steps):
        ring.sums[(bucket - back) % size, :] = 0.0
    if steps > 0:
        ring.newest = bucket
        ring.count = min(ring.count + steps, size)


@kernel
def bucket_add(ring: Record, flow: int, x: float) -> None:
    """Add `x` to the newest bucket of one flow.

    >>> ring = np.zeros(1, bucket_ring(2, 2))[0]
    >>> for bucket, x in ((5, 1.0), (6, 2.0), (7, 4.0)):
    ...     bucket_move(ring, bucket)
    ...     bucket_add(ring, 1, x)
    >>> bucket_sum(ring, 0), bucket_sum(ring, 1)
    (0.0, 6.0)
    """
    ring.sums[ring.newest % ring.sums.shape[0], flow] += x


@kernel
def bucket_sum(ring: Record, flow: int) -> float:
    """Return the sum of one flow over the window, the newest bucket included."""
    total = 0.0
    for i in range(ring.sums.shape[0]):
        total += ring.sums[i, flow]
    return total


@kernel
def bucket_full(ring: Record) -> bool:
    """Return whether the ring has been told of the whole window."""
    return bool(ring.count == ring.sums.shape[0])
