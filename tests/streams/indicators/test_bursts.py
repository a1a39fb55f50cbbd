import random
from collections.abc import Callable

import numpy as np
import pytest

from streams.config import MethodConfig
from streams.engine import Engine
from streams.events import Side
from streams.indicators.bursts import (
    BURST,
    ENDED,
    FADING,
    IDLE,
    NONE,
    OPEN,
    STARTED,
    burst_init,
    learn,
    order,
    step,
)
from streams.signals import Signal
from streams.state import params
from tests.reference.kernels.decay import PointSum
from tests.reference.log import START_NS, Contract, Log, S

A = Contract("alpha", "BTC")
HALF_LIFE_S = 10.0
OI_USD = 1e9
CONFIG = MethodConfig(burst_floor_oi_per_minute=2e-5)


class Market:
    """One complete feed over a billion dollars of open interest."""

    def __init__(self, config: MethodConfig | None = None) -> None:
        self.engine, self.log = Engine(config or CONFIG), Log()
        self.log.announce(A)
        self.bursts: list[Signal] = []
        self.total = {Side.LONG: 0.0, Side.SHORT: 0.0}
        self.flow = PointSum()

    def second(self, t: int, usd_per_s: float, side: Side = Side.LONG, orders: int = 4) -> None:
        """Print a second's flow in equal orders, then beat."""
        self.log.at(t - 0.99).heartbeat(A)
        if t % 10 == 1:
            self.log.open_interest(A, OI_USD / 100.0, OI_USD, 100.0)
        for k in range(orders if usd_per_s > 0.0 else 0):
            moment = t - 0.9 + 0.2 * k
            self.log.at(moment).liquidation(A, side, 100.0, usd_per_s / orders / 100.0)
            self.total[side] += usd_per_s / orders
            self.flow.add(moment, usd_per_s / orders)
        self.log.at(t).heartbeat(A)
        said = self.engine.fold(self.log.take(), t)
        self.bursts += [s for s in said if s.kind == "burst"]

    def final(self) -> list[dict[str, float]]:
        """Return the contexts of all finished bursts, times since the start."""
        out = []
        for s in self.bursts:
            if s.status == "FINAL":
                times = {k: s.context[k] - START_NS / S for k in ("start_s", "peak_s", "end_s")}
                out.append({**s.context, **times})
        return out


def rectangle(t: float) -> float:
    return 20_000.0 if 100 < t <= 160 else 0.0


def triangle(t: float) -> float:
    return max(0.0, 40_000.0 * (1.0 - abs(t - 140) / 40.0))


@pytest.mark.parametrize(
    ("shape", "start", "peak", "last"), [(rectangle, 100, 160, 160), (triangle, 100, 140, 180)]
)
def test_known_shapes_are_found_where_they_are(
    shape: Callable[[float], float], start: int, peak: int, last: int
) -> None:
    m = Market()
    rates = {}
    for t in range(1, 420):
        m.second(t, shape(t))
        rates[t] = 0.06931471805599453 * m.flow.value(t, HALF_LIFE_S)
    [burst] = m.final()
    assert start <= burst["start_s"] <= start + HALF_LIFE_S
    assert abs(burst["peak_s"] - peak) <= HALF_LIFE_S
    # the end is when a 10-second memory fell below a fifth of its peak: 2.3 half-lives after a cliff
    below = min(
        t for t, r in rates.items() if t > burst["peak_s"] and r < 0.2 * max(rates.values())
    )
    assert abs(burst["end_s"] - below) <= 1.0
    assert last - HALF_LIFE_S <= burst["end_s"] <= last + 2.4 * HALF_LIFE_S
    assert burst["peak_usd_per_s"] == pytest.approx(max(rates.values()), rel=0.08)
    later = [
        x for t, x in m.flow.events if t > burst["start_s"] + 1e-3
    ]  # not the one that opened it
    assert burst["usd_raw"] == pytest.approx(sum(later), rel=1e-9)
    assert burst["usd_raw"] <= m.total[Side.LONG]
    assert burst["orders"] == len(later)
    statuses = [s.status for s in m.bursts]
    assert statuses[0] == "STARTED"
    assert statuses[-1] == "FINAL"
    assert set(statuses[1:-1]) == {"PROVISIONAL"}


@pytest.mark.parametrize(("pause_s", "expected"), [(150, 1), (260, 2)])
def test_flares_within_the_merge_gap_are_one_burst(pause_s: int, expected: int) -> None:
    m = Market()
    for t in range(1, 300 + pause_s + 300):
        active = 100 < t <= 130 or 130 + pause_s < t <= 160 + pause_s
        m.second(t, 20_000.0 if active else 0.0)
    assert len(m.final()) == expected
    assert sum(b["usd_raw"] for b in m.final()) <= m.total[Side.LONG]
    numbers = [b["burst"] for b in m.final()]
    assert numbers == list(range(1, expected + 1))


@pytest.mark.parametrize(
    ("usd_per_s", "orders", "found"),
    [(400.0, 4, True), (300.0, 4, False)],  # the floor is 333 USD/s of a billion
)
def test_the_floor_is_a_share_of_open_interest(usd_per_s: float, orders: int, found: bool) -> None:
    m = Market()
    for t in range(1, 300):
        m.second(t, usd_per_s if t > 20 else 0.0, orders=orders)
    assert bool(m.bursts) == found


def test_few_orders_are_no_burst_however_large() -> None:
    m = Market()
    for t in range(1, 200):
        m.second(t, 5e7 if t in {50, 57, 64, 71, 87, 94} else 0.0, orders=1)
    assert not m.bursts
    for t in range(200, 206):
        m.second(t, 5e7, orders=1)
    assert [s.side for s in m.bursts if s.status == "STARTED"] == ["long"]


def test_a_side_without_the_larger_share_starts_nothing() -> None:
    m = Market()
    for t in range(1, 100):  # half and half: neither dominates
        m.log.at(t - 0.95).heartbeat(A)
        for k in range(4):
            moment = t - 0.9 + 0.2 * k
            m.log.at(moment).liquidation(A, Side.LONG, 100.0, 100.0)
            m.log.liquidation(A, Side.SHORT, 100.0, 100.0)
        m.second(t, 0.0)
    assert not m.bursts


def test_sides_do_not_mix_and_totals_stay_below_what_was_printed() -> None:
    m, rng = Market(), random.Random(9)
    for t in range(1, 2000):
        phase = t // 150 % 4
        usd = rng.uniform(1e3, 5e4) if phase in (1, 3) and t % 150 < 50 else 0.0
        m.second(t, usd, Side.LONG if phase == 1 else Side.SHORT)
    finals = [s for s in m.bursts if s.status == "FINAL"]
    assert len(finals) >= 6
    for side, name in ((Side.LONG, "long"), (Side.SHORT, "short")):
        own = sum(s.context["usd_raw"] or 0.0 for s in finals if s.side == name)
        assert 0.5 * m.total[side] < own <= m.total[side]


def test_once_its_history_is_known_a_usual_flow_is_no_burst() -> None:
    config = MethodConfig(burst_floor_oi_per_minute=2e-5, intensity_rank_half_life_s=100.0)
    m = Market(config)
    for t in range(1, 600):
        m.second(t, 2_000.0 if t % 100 < 50 else 1_900.0)
    early = [s for s in m.bursts if s.status == "STARTED"]
    assert len(early) == 1  # before the history was known
    m.bursts.clear()
    for t in range(600, 1100):
        m.second(t, 0.0 if t < 900 else 1_500.0)
    assert not [s for s in m.bursts if s.status == "STARTED"]
    for t in range(1100, 1120):
        m.second(t, 6_000.0)
    assert [s for s in m.bursts if s.status == "STARTED"]


def test_only_a_tick_ends_a_burst_so_that_its_end_is_never_overtaken() -> None:
    b, p = np.zeros(1, BURST)[0], params(CONFIG)
    burst_init(b)

    def advance(rate: float, t: float, dt_s: float) -> None:
        now_ns = START_NS + round(t * S)
        step(b, rate, 0.0, OI_USD, 1e7, 100.0, True, dt_s, now_ns, t, p)

    for k in range(5):
        order(b, b, 0.0, 1e5, START_NS + k * S)
    advance(30_000.0, 5.0, 0.0)  # a row may open it
    assert (b["phase"], b["said"]) == (OPEN, STARTED)
    b["said"] = NONE
    for t in range(6, 186):
        advance(1_000.0, t + 0.5, 0.0)
        assert (b["phase"], b["said"], b["quiet_ns"]) == (OPEN, NONE, 0)
    for t in range(200, 381):
        b["said"] = NONE
        advance(1_000.0, t, 1.0)
    assert (b["phase"], b["said"]) == (IDLE, ENDED)


@pytest.mark.parametrize("known", [True, False])
def test_a_rate_that_is_usual_again_ends_a_burst_at_once(known: bool) -> None:
    """Method 6: below 20 % of the peak for a minute, or below the 95th percentile of 90 days."""
    config = MethodConfig(intensity_rank_half_life_s=100.0 if known else 1e6)
    b, p, rng = np.zeros(1, BURST)[0], params(config), random.Random(3)
    burst_init(b)
    for t in range(400):
        learn(b, rng.uniform(0.0, 40_000.0), OI_USD, 1.0, float(t), p)

    def advance(rate: float, t: int) -> None:
        b["said"] = NONE
        step(b, rate, 0.0, OI_USD, 1e7, 100.0, True, 1.0, START_NS + t * S, float(t), p)

    for k in range(5):
        order(b, b, 0.0, 1e5, START_NS + (400 + k) * S)
    advance(50_000.0, 405)
    assert b["phase"] == OPEN
    advance(30_000.0, 406)  # more than a fifth of the peak, but many a minute saw that much
    assert b["phase"] == (FADING if known else OPEN)
    advance(45_000.0, 407)
    assert (b["phase"], b["quiet_ns"]) == (OPEN, 0)  # a flare within the merge gap
    for t in range(408, 408 + 180):
        advance(30_000.0, t)
        assert b["phase"] == (FADING if known else OPEN)
        assert b["end_ns"] == (START_NS + 408 * S if known else 0)
    advance(30_000.0, 408 + 180)
    assert b["phase"] == (IDLE if known else OPEN)
    assert (b["said"] == ENDED) == known


def test_a_dead_feed_holds_the_burst_open() -> None:
    m = Market()
    for t in range(1, 131):
        m.second(t, 20_000.0 if t > 100 else 0.0)
    for t in range(160, 700, 10):  # only marks, no heartbeat: the flow is unknown
        m.log.at(t).mark(A, 100.0)
        m.bursts += [s for s in m.engine.fold(m.log.take(), t) if s.kind == "burst"]
    assert not m.final()
    for t in range(701, 1000):
        m.second(t, 0.0)
    assert len(m.final()) == 1
