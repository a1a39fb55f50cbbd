"""Live-time maximum likelihood from the list of all events: live intervals are written out."""

import math
from collections.abc import Iterator

from tests.reference.kernels.decay import forgotten


class LiveTime:
    """Common to both models: weigh events and live intervals by their age."""

    def __init__(self, start_s: float, prior_rate: float, half_life_s: float) -> None:
        self.start_s, self.prior_rate, self.half_life_s = start_s, prior_rate, half_life_s
        self.events: list[tuple[float, float]] = []

    def shown(self, now_s: float) -> list[float]:
        """Return the times of the events that count at `now_s`."""
        raise NotImplementedError

    def intervals(self, now_s: float) -> Iterator[tuple[float, float]]:
        """Yield the live intervals up to `now_s`."""
        raise NotImplementedError

    def rate(self, now_s: float) -> float:
        """Return events over live time, both weighed by age, with the faded prior."""
        h = self.half_life_s
        prior = h * forgotten(now_s - self.start_s, h)
        seen = math.fsum(forgotten(now_s - t, h) for t in self.shown(now_s))
        live = math.fsum(
            h / math.log(2.0) * (forgotten(now_s - b, h) - forgotten(now_s - a, h))
            for a, b in self.intervals(now_s)
            if b > a
        )
        return (seen + self.prior_rate * prior) / (live + prior)

    def mean_size(self, now_s: float, half_life_s: float) -> float:
        """Return the mean size, weighed by age."""
        weights = [forgotten(now_s - t, half_life_s) for t, _ in self.events]
        sizes = [usd for _, usd in self.events]
        return math.fsum(w * x for w, x in zip(weights, sizes, strict=True)) / math.fsum(weights)


class DeadTime(LiveTime):
    """Model A: live is what lies more than tau after the event before it."""

    def __init__(
        self, start_s: float, prior_rate: float, half_life_s: float, dead_s: float
    ) -> None:
        super().__init__(start_s, prior_rate, half_life_s)
        self.dead_s = dead_s

    def shown(self, now_s: float) -> list[float]:
        """Return all events."""
        return [t for t, _ in self.events if t <= now_s]

    def intervals(self, now_s: float) -> Iterator[tuple[float, float]]:
        """Yield the live intervals up to `now_s`."""
        ends = [*self.shown(now_s), now_s]
        starts = [self.start_s, *self.shown(now_s)]
        for a, b in zip(starts, ends, strict=True):
            yield min(a + self.dead_s, b), b


class Snapshots(LiveTime):
    """Model B: live is the rest of a period after its last event, or all of an empty one.

    A period counts once the next one has ended or has shown an event.
    """

    def __init__(
        self, start_s: float, prior_rate: float, half_life_s: float, period_s: float
    ) -> None:
        super().__init__(start_s, prior_rate, half_life_s)
        self.period_s = period_s

    def _counted(self, now_s: float) -> tuple[range, dict[int, float]]:
        """Return the periods that count, and the last event of those that have one."""
        last: dict[int, float] = {}
        for t, _ in sorted(self.events):
            last[math.floor(t / self.period_s)] = t
        end = max([math.floor(now_s / self.period_s) - 1, *last])
        periods = range(math.floor(self.start_s / self.period_s), end)
        return periods, {period: t for period, t in last.items() if period in periods}

    def shown(self, now_s: float) -> list[float]:
        """Return the last event of each period that counts."""
        return list(self._counted(now_s)[1].values())

    def intervals(self, now_s: float) -> Iterator[tuple[float, float]]:
        """Yield the rest of each period after its last event, or all of it."""
        periods, last = self._counted(now_s)
        for period in periods:
            begin = max(period * self.period_s, self.start_s)
            yield last.get(period, begin), (period + 1) * self.period_s
