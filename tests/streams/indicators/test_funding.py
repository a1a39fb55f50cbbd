import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.config import MethodConfig
from streams.engine import Engine
from streams.indicators import funding
from tests.reference.indicators import funding as slow
from tests.reference.indicators.held import held_mean
from tests.reference.kernels.histogram import Points
from tests.reference.log import NAN, Contract, Log, play, reading
from tests.truth import Truth

A, B, C = Contract("alpha", "BTC"), Contract("beta", "BTC"), Contract("gamma", "BTC")
HOUR_NS = 3600 * 10**9


class Market:
    """Contracts with fixed open interest, so that the weights are known."""

    def __init__(self, usd: dict[Contract, float], config: MethodConfig | None = None) -> None:
        self.engine, self.log, self.usd = Engine(config), Log(), usd
        for c in usd:
            self.log.announce(c)

    def second(self, t: int) -> None:
        """Write the open interest of second `t` and let the engine tick at its end."""
        self.log.at(t - 0.5)
        for c, usd in self.usd.items():
            self.log.open_interest(c, usd / 100.0, usd, 100.0)
        self.log.at(t).heartbeat(next(iter(self.usd)))
        play(self.engine, self.log)


@pytest.mark.parametrize(
    ("rate", "hours", "expected"),
    [(1e-4, 8, 0.1095), (1e-4, 4, 0.219), (1.25e-5, 1, 0.1095), (-3e-4, 8, -0.3285), (0.0, 2, 0.0)],
)
def test_yearly_rates(truth: Truth, rate: float, hours: int, expected: float) -> None:
    off = funding.apr(rate, hours * HOUR_NS) - expected
    truth(8, "yearly rates of table 3.1, to a rounding", off / (abs(expected) or 1.0), 3e-16)
    assert math.isnan(funding.apr(rate, 0))
    m = Market({A: 1e6})
    m.log.at(0.2).funding(A, rate, hours * 3600)
    m.second(1)
    m.second(2)
    assert reading(m.engine, "funding_apr") == pytest.approx(expected, rel=1e-12)
    assert reading(m.engine, "funding_excess_apr") == pytest.approx(expected - 0.1095, abs=1e-12)


@given(
    rate=st.floats(-0.01, 0.01),
    hours=st.sampled_from([1, 2, 4, 8]),
    factor=st.sampled_from([2, 3, 6]),
)
def test_a_rate_said_for_another_interval_is_the_same_yearly(
    rate: float, hours: int, factor: int
) -> None:
    one = funding.apr(rate, hours * HOUR_NS)
    assert funding.apr(rate * factor, hours * factor * HOUR_NS) == pytest.approx(
        one, rel=1e-12, abs=1e-15
    )


@pytest.mark.parametrize(
    ("premium", "rate"),
    [(-1e-3, -5e-4), (-4e-4, 1e-4), (0.0, 1e-4), (3e-4, 1e-4), (6e-4, 1e-4), (1e-3, 5e-4)],
)
def test_funding_is_blind_in_the_dead_zone_and_the_premium_is_not(
    truth: Truth, premium: float, rate: float
) -> None:
    off = slow.exchange_rate(premium) / rate - 1.0
    truth(8, "the exchange's clamped rate, table 3.2, to a rounding", off, 2e-15)
    m = Market({A: 1e6})
    m.log.at(0.2).funding(A, slow.exchange_rate(premium))
    m.log.mark(A, 100.0, 100.0, 100.0 * (1.0 + premium))
    m.second(1)
    m.second(2)
    excess = reading(m.engine, "funding_excess_apr") - (rate - 1e-4) * 1095.0
    truth(8, "excess in and out of the dead zone, a year", excess, 1e-15)
    expected = 1e4 * math.log1p(premium)
    assert reading(m.engine, "premium_bp") == pytest.approx(expected, rel=1e-12, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.floats(-2.0, 2.0), st.floats(0.001, 1e9)),
        min_size=1,
        max_size=funding.MAX_VENUES,
    ),
    factor=st.floats(0.001, 1000.0),
)
def test_aggregates_equal_numpy_and_do_not_know_the_weights_unit(
    rows: list[tuple[float, float]], factor: float
) -> None:
    values, weights = np.array([v for v, _ in rows]), np.array([w for _, w in rows])
    got = funding.aggregate(values, weights, np.zeros(len(rows)), len(rows))
    assert got == pytest.approx(slow.aggregate(values, weights), rel=1e-9, abs=1e-12)
    if len({float(w) for w in np.cumsum(weights) / weights.sum()} & {0.5}) == 0:
        scaled = funding.aggregate(values, weights * factor, np.zeros(len(rows)), len(rows))
        assert scaled[0] == pytest.approx(got[0], rel=1e-9, abs=1e-12)


def test_the_lower_of_two_equal_halves_is_the_median() -> None:
    values, weights = np.array([0.3, 0.1]), np.array([2.0, 2.0])
    assert funding.weighted_median(values, weights, 2) == 0.1
    assert slow.weighted_median(values, weights) == 0.1
    assert math.isnan(funding.weighted_median(values, weights, 0))


def test_one_thin_venue_moves_neither_median_nor_goes_unnoticed() -> None:
    m = Market({A: 5e8, B: 4e8, C: 1e6})
    m.log.at(0.2).funding(A, 1e-4)
    m.log.funding(B, 1.1e-4)
    m.log.funding(C, 0.5)
    m.second(1)
    m.second(2)
    assert reading(m.engine, "funding_median_apr") == pytest.approx(0.0, abs=1e-12)
    assert reading(m.engine, "funding_dispersion_apr") == pytest.approx(0.0, abs=0.011)
    assert reading(m.engine, "funding_excess_apr") > 0.5


def test_every_tick_equals_the_recomputation() -> None:
    half_life = 60.0
    config = MethodConfig(
        funding_rank_half_life_s=half_life, premium_fast_half_life_s=7.0,
        premium_half_life_s=40.0, persist_half_life_s=30.0,
    )  # fmt: skip
    m = Market({A: 5e8, B: 3e8, C: 1e8}, config)
    rng = random.Random(3)
    rates: dict[Contract, tuple[float, int]] = {}
    premia: dict[Contract, list[float]] = {c: [NAN] for c in m.usd}  # at tick 0 nothing is known
    excesses, slows = [NAN], [NAN]
    f_points, p_points = Points(), Points()
    ticks = [0.0]
    for t in range(1, 300):
        m.log.at(t - 0.9)
        for c in m.usd:
            if rng.random() < 0.3:
                hours = rng.choice([1, 4, 8])
                rates[c] = (rng.gauss(1e-4, 2e-4) * hours / 8, hours)
                m.log.funding(c, rates[c][0], hours * 3600)
            index, mid = 100.0, 100.0 + rng.gauss(0.02, 0.05)
            silent = c is B and t < 100
            premia[c].append(NAN if silent else 1e4 * math.log(mid / index))
            if not silent:
                m.log.mark(c, 100.0, index, mid)
        m.second(t)
        ticks.append(float(t))
        # weights are learnt once a second was observed, so the aggregates start at the second tick
        known = [c for c in m.usd if c in rates]
        values = np.array([slow.apr(*rates[c]) - 0.1095 for c in known])
        usd = np.array([m.usd[c] for c in known])
        excess = slow.aggregate(values, usd) if t > 1 and usd.sum() >= 4.5e8 else (NAN, NAN, NAN)
        names = ("funding_excess_apr", "funding_median_apr", "funding_dispersion_apr")
        got = tuple(reading(m.engine, name) for name in names)
        assert got == pytest.approx(excess, rel=1e-9, abs=1e-12, nan_ok=True)
        seen = [c for c in m.usd if not math.isnan(premia[c][-1])] if t > 1 else []
        fast, eight = NAN, NAN
        if seen:
            total = sum(m.usd[c] for c in seen)
            fast = sum(m.usd[c] * _mean(ticks, premia[c], 7.0) for c in seen) / total
            eight = sum(m.usd[c] * _mean(ticks, premia[c], 40.0) for c in seen) / total
        assert reading(m.engine, "premium_bp") == pytest.approx(
            fast, rel=1e-9, abs=1e-9, nan_ok=True
        )
        assert reading(m.engine, "premium_8h_bp") == pytest.approx(
            eight, rel=1e-9, abs=1e-9, nan_ok=True
        )
        excesses.append(excess[0])
        slows.append(eight)
        _compare_stress(m, ticks, excesses, slows, f_points, p_points)


def _mean(ticks: list[float], values: list[float], half_life_s: float) -> float:
    """Return the EW mean; before any time was observed the value itself."""
    mean = held_mean(ticks, values, half_life_s)
    return values[-1] if math.isnan(mean) else mean


def _rank(points: Points, x: float, half_life_s: float, scale: float) -> float:
    known = points.times and not math.isnan(x)
    return slow.binned_rank(points, x, half_life_s, scale) if known else NAN


def _compare_stress(
    m: Market, ticks: list[float], excesses: list[float], slows: list[float], f_points: Points,
    p_points: Points,
) -> None:  # fmt: skip
    now, excess, eight = ticks[-1], excesses[-1], slows[-1]
    config = m.engine.config
    half_life = config.funding_rank_half_life_s
    for points, x in ((f_points, excess), (p_points, eight)):
        if not math.isnan(x):
            points.insert(now, x, now - ticks[-2])
    rank = _rank(f_points, excess, half_life, 0.05)
    prank = _rank(p_points, eight, half_life, 2.0)
    assert reading(m.engine, "funding_rank") == pytest.approx(rank, abs=1e-9, nan_ok=True)
    assert reading(m.engine, "premium_rank") == pytest.approx(prank, abs=1e-9, nan_ok=True)
    beyond = [NAN if math.isnan(x) else float(x > 0.10) for x in excesses]
    under = [NAN if math.isnan(x) else float(x < -0.10) for x in excesses]
    persist = [held_mean(ticks, flags, config.persist_half_life_s) for flags in (beyond, under)]
    assert reading(m.engine, "persist_long") == pytest.approx(persist[0], abs=1e-9, nan_ok=True)
    assert reading(m.engine, "persist_short") == pytest.approx(persist[1], abs=1e-9, nan_ok=True)
    warm = len(p_points.times) >= 200 and now - p_points.times[0] >= 2 * half_life
    used = prank if warm else NAN
    long = slow.stress([(0.45, rank), (0.35, used), (0.2, persist[0])])
    short = slow.stress([(0.45, 1 - rank), (0.35, 1 - used), (0.2, persist[1])])
    if math.isnan(excess):
        long = short = NAN
    assert reading(m.engine, "funding_stress_long") == pytest.approx(long, abs=1e-9, nan_ok=True)
    assert reading(m.engine, "funding_stress_short") == pytest.approx(short, abs=1e-9, nan_ok=True)
    quality = m.engine.state("BTC")["readings"]["funding_stress_long"]["quality"]
    f_warm = len(f_points.times) >= 200 and now - f_points.times[0] >= 2 * half_life
    assert ("WARMUP" in quality) == (not f_warm)


@given(
    low=st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)),
    up=st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)),
    missing=st.integers(0, 7),
)
def test_stress_grows_with_each_part_and_stays_a_share(
    low: tuple[float, ...], up: tuple[float, ...], missing: int
) -> None:
    hidden = [bool(missing >> i & 1) for i in range(3)]
    small = [NAN if h else x for h, x in zip(hidden, low, strict=True)]
    large = [NAN if h else max(x, y) for h, x, y in zip(hidden, low, up, strict=True)]
    a, b = funding.stress(*small), funding.stress(*large)
    if all(hidden):
        assert math.isnan(a)
    else:
        assert -1e-12 <= a <= b + 1e-12 <= 1.0 + 2e-12


def test_a_constant_market_ranks_in_the_middle_and_persists_by_its_level() -> None:
    config = MethodConfig(funding_rank_half_life_s=30.0, persist_half_life_s=30.0)
    m = Market({A: 1e8}, config)
    for t in range(1, 300):
        m.log.at(t - 0.9).funding(A, 1e-4 + 2e-4)  # +21.9 points
        m.log.mark(A, 100.0, 100.0, 100.02)
        m.second(t)
        if t > 3:
            assert reading(m.engine, "funding_rank") == 0.5
            assert reading(m.engine, "persist_long") == 1.0
    assert reading(m.engine, "premium_rank") == 0.5
    assert reading(m.engine, "funding_stress_long") == pytest.approx(0.45 * 0.5 + 0.35 * 0.5 + 0.2)
    assert reading(m.engine, "funding_stress_short") == pytest.approx(0.45 * 0.5 + 0.35 * 0.5)


def test_persistence_is_the_duty_cycle() -> None:
    config = MethodConfig(persist_half_life_s=50.0)
    m = Market({A: 1e8}, config)
    on, off, h = 20, 30, 50.0
    for t in range(1, 701):
        high = (t - 1) % (on + off) < on
        m.log.at(t - 0.9).funding(A, 4e-4 if high else 1e-4)
        m.second(t)
        if t > 650 and (t - 1) % (on + off) == on:  # it stood high for exactly 20 s
            at_best = (1 - 2 ** (-on / h)) / (1 - 2 ** (-(on + off) / h))
            assert reading(m.engine, "persist_long") == pytest.approx(at_best, abs=2e-4)
    assert reading(m.engine, "persist_short") == 0.0


def test_a_rate_older_than_two_intervals_is_unknown_and_coverage_says_so() -> None:
    m = Market({A: 3e8, B: 2e8}, MethodConfig())
    m.log.at(0.2).funding(A, 1e-4, 60)
    m.log.funding(B, 1e-4)
    for t in range(1, 124):
        m.second(t)
        state = m.engine.state("BTC")["readings"]["funding_apr"]
        if 2 <= t <= 120:
            assert state["coverage"] == pytest.approx(1.0)
        elif t > 120:  # only 40 % of the market is left
            assert state["coverage"] == pytest.approx(0.4)
            assert state["value"] is None
            assert state["quality"] == ["PARTIAL_COVERAGE"]


def test_a_premium_needs_a_young_index_and_a_young_perpetual() -> None:
    m = Market({A: 1e8})
    m.log.at(0.2).mark(A, 100.0, 100.0, 100.1)
    for t in range(1, 130):
        if t < 90:
            m.log.at(t - 0.9).mark(A, 100.0)  # a mark alone keeps neither index nor mid young
        if t == 100:
            m.log.at(t - 0.8).mark(A, NAN, 100.0)
            m.log.trade(A, 100.2, 1.0)
        m.second(t)
        premium = reading(m.engine, "premium_bp")
        assert math.isnan(premium) == (not (2 <= t <= 60 or 100 <= t <= 109))


@pytest.mark.parametrize("interval_s", [1, 40 * 86_400, -3600])
def test_an_impossible_interval_is_counted(interval_s: int) -> None:
    m = Market({A: 1e8})
    m.log.at(0.2).funding(A, 1e-4, interval_s)
    m.second(1)
    m.second(2)
    assert m.engine.counters["out_of_range"] == 1
    assert math.isnan(reading(m.engine, "funding_apr"))
