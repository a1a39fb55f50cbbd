"""Forced orders from all prints: merging, rates, the hidden part of sampled feeds, and their excitation."""

import math
from dataclasses import dataclass, field

from tests.reference.indicators.held import held_mean
from tests.reference.kernels.decay import forgotten
from tests.reference.kernels.throttle import DeadTime

HALF_LIVES = {"10s": 10.0, "60s": 60.0, "10m": 600.0}


@dataclass(frozen=True)
class Print:
    """One print: when, which contract, side (0 long), size, whether its feed shows only some."""

    t: float
    contract: str
    side: int
    usd: float
    sampled: bool


def orders(prints: list[Print], gap_s: float = 0.1) -> list[list[Print]]:
    """Return prints of one contract and side in groups that no gap of `gap_s` or more divides."""
    groups: list[list[Print]] = []
    for p in prints:
        same = [g for g in groups if (g[-1].contract, g[-1].side) == (p.contract, p.side)]
        if same and round(p.t - same[-1][-1].t, 9) < gap_s:
            same[-1].append(p)
        else:
            groups.append([p])
    return groups


def raw_rate(prints: list[Print], now: float, side: int, half_life_s: float) -> float:
    """Return USD/s as printed."""
    return (math.log(2.0) / half_life_s) * math.fsum(
        p.usd * forgotten(now - p.t, half_life_s) for p in prints if p.side == side
    )


@dataclass
class Hidden:
    """The corrected rate of the sampled contracts at every tick, by side.

    Listening starts when a tick first finds the channel live, or with a print before that.
    """

    live_from: float
    ticks: list[float] = field(default_factory=list)
    values: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))

    def tick(self, prints: list[Print], now: float) -> None:
        """Recompute the rate as of `now` from all prints."""
        self.ticks.append(now)
        for side in (0, 1):
            self.values[side].append(self._rate(prints, now, side))

    def _rate(self, prints: list[Print], now: float, side: int) -> float:
        total = 0.0
        for contract in {p.contract for p in prints if p.sampled}:
            own = [p for p in prints if p.contract == contract]
            twin = DeadTime(min(own[0].t, self.live_from), 0.02, 5.0, 1.0)
            twin.events = [(p.t, p.usd) for p in own]
            usd = [
                math.fsum(p.usd * forgotten(now - p.t, 60.0) for p in own if p.side == s)
                for s in (0, 1)
            ]
            total += min(twin.rate(now), 100.0) * twin.mean_size(now, 60.0) * usd[side] / sum(usd)
        return total

    def mean(self, side: int, half_life_s: float) -> float:
        """Return what the correction adds to a rate of this half-life."""
        mean = held_mean(self.ticks, self.values[side], half_life_s)
        return 0.0 if math.isnan(mean) else mean


def marked_events(prints: list[Print], cap: float) -> list[tuple[float, int, float]]:
    """Return (time, source, mark) of all prints of complete feeds: an order's marks add up to its own.

    The mark is sqrt(usd) over the day's forgotten mean of the orders' first prints.
    """
    out: list[tuple[float, int, float]] = []
    starts: list[tuple[float, float]] = []
    place = {p: (group, i) for group in orders(prints) for i, p in enumerate(group)}
    for p in prints:
        group, i = place[p]
        if p.sampled:
            continue
        before = math.fsum(q.usd for q in group[:i])
        size = _mark(starts, p.t, before + p.usd, cap)
        if i == 0:
            starts.append((p.t, math.sqrt(p.usd)))
        else:
            size -= _mark(starts, p.t, before, cap)
        out.append((p.t, p.side, size))
    return out


def _mark(starts: list[tuple[float, float]], now: float, usd: float, cap: float) -> float:
    if not starts:
        return 1.0
    shares = [forgotten(now - t, 86_400.0) for t, _ in starts]
    mean = math.fsum(w * x for w, (_, x) in zip(shares, starts, strict=True)) / math.fsum(shares)
    return min(math.sqrt(usd) / mean, cap)


def background(
    starts: list[float], now: float, observed_s: float, explained: float, floor: float
) -> float:
    """Return mu: the forgotten daily rate of orders less the share that excitation explains."""
    seen = -math.expm1(-math.log(2.0) * observed_s / 86_400.0)
    if seen <= 0.0:
        return floor
    rate = math.log(2.0) / 86_400.0 * math.fsum(forgotten(now - t, 86_400.0) for t in starts) / seen
    return max(rate * max(0.0, 1.0 - explained), floor)
