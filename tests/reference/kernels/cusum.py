"""Cumulative sums from their other definition, and the classical formula for the time between alarms."""

import math


class SlowCusum:
    """The sum is the highest total of any run of values that ends now and began after the last alarm."""

    def __init__(self, drift: float, limit: float) -> None:
        self.drift, self.limit = drift, limit
        self.since: list[float] = []
        self.sum = 0.0

    def step(self, z: float) -> bool:
        """Take a value; NaN is none."""
        if math.isnan(z):
            return False
        self.since.append(z - self.drift)
        totals = [math.fsum(self.since[i:]) for i in range(len(self.since))]
        self.sum = max(0.0, *totals)
        if self.sum <= self.limit:
            return False
        self.since, self.sum = [], 0.0
        return True


def average_run_length(drift: float, limit: float, mean: float = 0.0) -> float:
    """Return Siegmund's approximation for independent normal values of variance one."""
    d, b = mean - drift, limit + 1.166
    return (math.exp(-2.0 * d * b) + 2.0 * d * b - 1.0) / (2.0 * d * d)
