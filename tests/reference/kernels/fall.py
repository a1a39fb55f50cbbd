"""The highest of a window and the lowest since it, from all values ever seen."""

import math


class SlowFall:
    """Keeps every value with its bucket."""

    def __init__(self, buckets: int) -> None:
        self.buckets = buckets
        self.newest = -1
        self.values: list[tuple[int, float]] = []

    def put(self, bucket: int, x: float) -> None:
        """Take a value; what comes late counts for the newest bucket, NaN only lets time pass."""
        self.newest = max(self.newest, bucket)
        if not math.isnan(x):
            self.values.append((self.newest, x))

    def peak_and_low(self) -> tuple[float, float]:
        """Return the latest of the highest values of the window, and the lowest from there on."""
        window = [x for bucket, x in self.values if bucket > self.newest - self.buckets]
        if not window:
            return math.nan, math.nan
        peak = max(window)
        last = max(k for k, x in enumerate(window) if x == peak)
        return peak, min(window[last:])
