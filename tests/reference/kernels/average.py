"""Averages of what was observed, from the list of all steps and their ages."""

import math

Step = tuple[float, float]  # value or NaN, seconds


def weights(steps: list[Step], half_life_s: float) -> list[tuple[float, float]]:
    """Return each observed value and the weight that is left of its time."""
    left, age = [], 0.0
    for y, dt in reversed(steps):
        if dt > 0.0:
            share = 2.0 ** (-age / half_life_s) - 2.0 ** (-(age + dt) / half_life_s)
            left.append((y, share))
            age += dt
    return [(y, share) for y, share in reversed(left) if y == y]


def average(steps: list[Step], half_life_s: float) -> tuple[float, float]:
    """Return the average and the weight behind it."""
    known = weights(steps, half_life_s)
    weight = math.fsum(share for _, share in known)
    total = math.fsum(y * share for y, share in known)
    return (total / weight if weight else math.nan), weight


def spread(steps: list[Step], half_life_s: float, clip: float) -> tuple[float, float, float]:
    """Return mean, variance and weight, a deviation clipped if it comes once the memory is warm.

    The variance is the weighted mean of what each value adds to it when it comes: its squared
    distance from the mean before it, times what it takes of the whole.
    """
    added: list[tuple[float, float, float]] = []  # share, squared deviation, of all so far
    variance = 0.0
    for i, (x, dt) in enumerate(steps):
        mean, before = average(steps[:i], half_life_s)
        if dt <= 0.0 or x != x:
            continue
        weight = average(steps[: i + 1], half_life_s)[1]
        share = (1.0 - 2.0 ** (-dt / half_life_s)) / weight
        d = abs(x - mean) if mean == mean else 0.0
        warm = before >= 0.75
        added.append((share, min(d, clip * math.sqrt(variance)) ** 2 if warm else d * d, weight))
        variance, left = 0.0, 1.0
        for s, square, _ in reversed(added):
            variance += left * s * (1.0 - s) * square
            left *= 1.0 - s
    mean, weight = average(steps, half_life_s)
    return mean, variance, weight
