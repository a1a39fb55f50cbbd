"""The exact median of the most recent values."""

import statistics


def recent_median(values: list[float], memory: int) -> float:
    """Return the median of the last `memory` values."""
    return statistics.median(values[-memory:])
