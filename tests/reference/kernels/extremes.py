"""The highest value of a window by looking at all of them."""

import math


class SlowHighest:
    """Keeps everything."""

    def __init__(self, buckets: int) -> None:
        self.buckets = buckets
        self.seen: list[tuple[int, float]] = []
        self.newest = 0

    def put(self, bucket: int, x: float) -> None:
        """Take a value; late ones count for the newest bucket."""
        if x == x:
            self.newest = max(bucket, self.newest)
            self.seen.append((self.newest, x))

    def highest(self, bucket: int) -> float:
        """Return the highest of the window that ends in `bucket`."""
        inside = [x for at, x in self.seen if at > bucket - self.buckets]
        return max(inside) if inside else math.nan
