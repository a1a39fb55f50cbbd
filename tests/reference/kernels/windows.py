"""Rolling windows by brute force: every put and every flow is kept, the window is built anew."""

import math


class LevelWindow:
    """What a level was at the end of a bucket, from the list of all puts."""

    def __init__(self, buckets: int) -> None:
        self.buckets = buckets
        self.puts: list[tuple[int, float]] = []

    def put(self, bucket: int, x: float) -> None:
        """Record a level unless it is late."""
        if not self.puts or bucket >= self.puts[-1][0]:
            self.puts.append((bucket, x))

    def at(self, bucket: int) -> float:
        """Return the last level put up to `bucket`."""
        if not self.puts or bucket <= self.puts[-1][0] - self.buckets:
            return math.nan
        known = [x for at, x in self.puts if at <= bucket]
        return known[-1] if known else math.nan


class FlowWindow:
    """The sum of a window, from the list of all flows; Python integers do not overflow."""

    def __init__(self, buckets: int) -> None:
        self.buckets = buckets
        self.flows: list[tuple[int, int]] = []
        self.newest: int | None = None
        self.first: int | None = None

    def add(self, bucket: int, x: int) -> None:
        """Record a flow, late ones in the newest bucket."""
        self.newest = bucket if self.newest is None else max(self.newest, bucket)
        self.first = bucket if self.first is None else self.first
        self.flows.append((self.newest, x))

    def sum(self, bucket: int) -> int:
        """Add up the window that ends in `bucket` or later."""
        if self.newest is None:
            return 0
        self.newest = max(self.newest, bucket)
        return sum(x for at, x in self.flows if self.newest - self.buckets < at <= self.newest)

    def count(self) -> int:
        """Return how many of the buckets were observed."""
        if self.newest is None or self.first is None:
            return 0
        return min(self.newest - self.first + 1, self.buckets)
