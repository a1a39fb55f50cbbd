"""The highest level of the last B buckets and the lowest since then: how far it fell, and what came back.

Each bucket keeps its highest value, the lowest after that, and its lowest of all. The peak is the latest of
the highest buckets; the low since it is the lowest after the peak in its own bucket and the lowest of every
bucket that followed. Both are exact but for the window's old end, which is off by at most a bucket. A
bucket is a whole number, normally time // width. Asking costs one pass over the buckets.

Empty buckets hold NaN; zero bytes are no valid state, call `fall_init`.
"""

import math

import numpy as np

from streams.kernels.jit import Record, kernel


def fall_ring(buckets: int) -> np.dtype[np.void]:
    """Return the record type of a ring over `buckets` buckets.

    >>> fall_ring(29).itemsize
    712
    """
    return np.dtype([
        ("highs", "f8", (buckets,)), ("afters", "f8", (buckets,)), ("lows", "f8", (buckets,)),
        ("newest", "i8"), ("first", "i8"),
    ])  # fmt: skip


@kernel
def fall_init(ring: Record) -> None:
    """Forget everything.

    >>> ring = np.zeros(1, fall_ring(3))[0]
    >>> fall_init(ring)
    >>> fall_peak_and_low(ring)
    (nan, nan)
    """
    ring.highs[:] = math.nan
    ring.afters[:] = math.nan
    ring.lows[:] = math.nan
    ring.newest = ring.first = -1


@kernel
def fall_put(ring: Record, bucket: int, x: float) -> None:
    """Take a value in `bucket`; NaN only lets time pass, what comes late counts for the newest bucket.

    >>> ring = np.zeros(1, fall_ring(3))[0]
    >>> fall_init(ring)
    >>> for bucket, x in ((0, 5.0), (0, 9.0), (0, 7.0), (1, 4.0), (2, 6.0)):
    ...     fall_put(ring, bucket, x)
    >>> fall_peak_and_low(ring)
    (9.0, 4.0)
    >>> fall_put(ring, 3, 5.5)
    >>> fall_peak_and_low(ring)
    (6.0, 5.5)
    """
    size = ring.highs.size
    if ring.newest >= 0:
        for back in range(min(bucket - ring.newest, size)):
            k = (bucket - back) % size
            ring.highs[k] = ring.afters[k] = ring.lows[k] = math.nan
    ring.newest = max(ring.newest, bucket)
    if math.isnan(x):
        return
    if ring.first < 0:
        ring.first = ring.newest
    k = ring.newest % size
    if not ring.highs[k] > x:
        ring.highs[k] = ring.afters[k] = x
    ring.afters[k] = min(ring.afters[k], x)
    ring.lows[k] = x if math.isnan(ring.lows[k]) else min(ring.lows[k], x)


@kernel
def fall_peak_and_low(ring: Record) -> tuple[float, float]:
    """Return the highest value of the window and the lowest since; both NaN where nothing is known."""
    size = ring.highs.size
    peak = low = math.nan
    for back in range(size - 1, -1, -1):
        if back > ring.newest:
            continue
        k = (ring.newest - back) % size
        if math.isnan(ring.highs[k]):
            continue
        if not peak > ring.highs[k]:
            peak, low = ring.highs[k], ring.afters[k]
        else:
            low = min(low, ring.lows[k])
    return peak, low


@kernel
def fall_full(ring: Record) -> bool:
    """Return whether the whole window lies after the first value.

    >>> ring = np.zeros(1, fall_ring(3))[0]
    >>> fall_init(ring)
    >>> fall_put(ring, 10, 1.0)
    >>> fall_put(ring, 11, 1.0)
    >>> fall_full(ring)
    False
    >>> fall_put(ring, 12, 1.0)
    >>> fall_full(ring)
    True
    """
    return bool(ring.first >= 0 and ring.newest - ring.first >= ring.highs.size - 1)
