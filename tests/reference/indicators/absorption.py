"""Absorption from its definition: all seconds are kept, and a burst's window is looked up when it is over."""

import math
from dataclasses import dataclass

NAN = math.nan


@dataclass
class Second:
    """What is known at a tick; USD are cumulative."""

    t: int
    log_price: float
    spot: float  # bought less sold
    forced: tuple[float, float]  # of the market since the last tick, by side
    kappas: tuple[float, float]
    spot_coverage: float
    feeds: float


@dataclass
class Burst:
    """A burst that is over: between which ticks it was open."""

    side: int
    opened: int  # first tick that saw it
    end: int
    stop: int  # last tick of its window
    told: int  # tick at which it was over


def _clip(x: float, low: float, high: float) -> float:
    return min(max(x, low), high) if x == x else NAN


def _share(covered: list[float], steps: list[float]) -> float:
    known = (c * dt for c, dt in zip(covered, steps, strict=True) if c == c)
    return math.fsum(known) / math.fsum(steps)


def absorbed(seconds: list[Second], burst: Burst) -> tuple[float, float, float, float]:
    """Return flow and price version, and the retracements after 30 and 120 minutes."""
    first = next(i for i, s in enumerate(seconds) if s.t == burst.opened)
    before = seconds[first - 1]
    inside = [s for s in seconds[first:] if s.t <= burst.stop]
    steps = [b.t - a.t for a, b in zip([before, *inside], inside, strict=False)]
    sign = 1.0 if burst.side == 0 else -1.0
    forced = math.fsum(s.forced[burst.side] for s in inside)
    taken = sign * (inside[-1].spot - before.spot)
    seen = _share([s.spot_coverage for s in inside], [float(x) for x in steps]) >= 0.5
    seen = seen and _share([s.feeds for s in inside], [float(x) for x in steps]) >= 0.6
    flow = _clip(taken / forced, -1.0, 2.0) if seen and forced > 0.0 else NAN
    moves = [sign * (before.log_price - s.log_price) for s in inside if s.log_price == s.log_price]
    against = max([0.0, *moves])
    expected = before.kappas[burst.side] * forced / 1e6
    known = flow == flow and expected > 0.0 and before.log_price == before.log_price
    price = _clip(1.0 - against * 1e4 / expected, -1.0, 1.0) if known else NAN
    back = []
    for after in (1800, 7200):
        due = [s for s in seconds if burst.end + after <= s.t <= burst.end + after + 60]
        there = [s.log_price for s in due if s.log_price == s.log_price]
        retraced = NAN
        if there and against > 0.0:
            retraced = 1.0 - sign * (before.log_price - there[0]) / against
        back.append(_clip(retraced, -1.0, 2.0))
    return flow, price, back[0], back[1]
