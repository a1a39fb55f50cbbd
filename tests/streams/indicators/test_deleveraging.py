"""Open interest over days against every tick's values."""

import math
import random

import pytest

from streams.config import MethodConfig
from streams.engine import Engine
from tests.reference.indicators.deleveraging import drawdown, week_change
from tests.reference.indicators.held import held_std
from tests.reference.indicators.open_interest import Venue, chained_log
from tests.reference.log import START_NS, Contract, Log, S, play, reading

LINEAR, INVERSE, THIRD = (
    Contract("alpha", "BTC"),
    Contract("beta", "BTC", inverse=True),
    Contract("gamma", "BTC"),
)
DAY = 86_400
CONFIG = MethodConfig(oi_fresh_floor_s=1900.0, oi_hold_s=1900.0)
STEP = 1800


class Market:
    """Half-hourly open interest of three contracts for weeks, with the twins beside."""

    def __init__(self, contracts: tuple[Contract, ...] = (LINEAR, INVERSE, THIRD)) -> None:
        self.engine, self.log, self.contracts = Engine(CONFIG), Log(), contracts
        self.venues = {c: Venue(c.inverse) for c in contracts}
        self.seconds: list[int] = []
        for c in contracts:
            self.log.announce(c)

    def step(self, t: int, quantity: dict[Contract, float], price: float) -> None:
        """Write what is published just before `t`, tick there, and let the twins see the same."""
        for k, c in enumerate(quantity):  # all within the second before the tick, each tick once
            self.log.at(t - 0.9 + 0.1 * k).open_interest(c, quantity[c], quantity[c] * price, price)
        self._see(t - 1)
        for c, q in quantity.items():
            self.venues[c].rows.append((t - 0.9, q, q * price, price))
        self._see(t)
        self.log.at(t).heartbeat(self.contracts[0])
        play(self.engine, self.log)

    def _see(self, t: int) -> None:
        self.seconds.append(t)
        for venue in self.venues.values():
            known = venue.fresh(t, CONFIG.oi_fresh_floor_s)
            venue.path.put(START_NS // S + t, venue.price_free_coin() if known else math.nan)


def test_week_and_peak_equal_looking_at_everything() -> None:
    m, rng, price = Market(), random.Random(2), 40_000.0
    quantity = {LINEAR: 1000.0, INVERSE: 400.0, THIRD: 150.0}
    for i in range(1, 24 * 48):
        t, price = i * STEP, price * math.exp(rng.gauss(0.0, 0.005))
        for c in quantity:
            quantity[c] *= math.exp(rng.gauss(0.0, 0.004))
        silent = 300 < i < 420
        m.step(t, {c: q for c, q in quantity.items() if not (silent and c is THIRD)}, price)
        if i % 23:
            continue
        twins = list(m.venues.values())
        expected = week_change(twins, START_NS // S + t)
        got = reading(m.engine, "oi_change_7d")
        assert math.isnan(got) == (t < 7 * DAY + 3 * 3600 - STEP) or t < 8 * DAY
        if got == got:
            assert got == pytest.approx(expected, rel=1e-9)
        seconds = [START_NS // S + s for s in m.seconds]
        slow = drawdown(seconds, chained_log(twins))
        assert reading(m.engine, "oi_drawdown_14d") == pytest.approx(slow, abs=1e-12)
        warm = "WARMUP" not in m.engine.state("BTC")["readings"]["oi_drawdown_14d"]["quality"]
        assert warm == (t > 14 * DAY + STEP)


def test_flow_of_a_week_is_all_that_was_opened_at_its_price() -> None:
    m = Market((LINEAR,))
    for i in range(1, 9 * 48):
        m.step(i * STEP, {LINEAR: 1000.0 + i}, 100.0 + i % 2)
    # one coin each half hour at the midpoint 100.5, since the end of the 3 hours that held a week ago
    t = i * STEP
    end = ((t - 7 * DAY) // 10_800 + 1) * 10_800
    steps = (t - end) // STEP + 1
    assert reading(m.engine, "oi_flow_usd_7d") == pytest.approx(100.5 * steps, rel=1e-12)


def test_neither_price_nor_venues_that_come_and_go_are_a_drawdown() -> None:
    m, rng, price = Market(), random.Random(3), 1000.0
    for i in range(1, 300):
        price *= math.exp(rng.gauss(0.0, 0.05))
        alive = [c for c in m.contracts if c is LINEAR or rng.random() < 0.6]
        m.step(i * STEP, {c: 5e6 / price if c.inverse else 7000.0 for c in alive}, price)
        fall = reading(m.engine, "oi_drawdown_14d")
        assert math.isnan(fall) or abs(fall) < 1e-12


def test_a_flush_of_a_fifth_is_a_drawdown_of_a_fifth_until_its_peak_is_two_weeks_old() -> None:
    m = Market((LINEAR,))
    for i in range(1, 20 * 48):
        t = i * STEP
        m.step(t, {LINEAR: 1000.0 if t < 3 * DAY else 800.0}, 100.0)
        fall = reading(m.engine, "oi_drawdown_14d")
        if 3 * DAY < t < 17 * DAY:
            assert fall == pytest.approx(-0.2, rel=1e-9)
        elif t < 3 * DAY or t >= 17 * DAY + 4 * 3600:
            assert fall == pytest.approx(0.0, abs=1e-12) or t <= STEP
    assert t >= 19 * DAY


def test_the_usual_size_of_a_day_is_the_spread_of_all_days() -> None:
    m, rng, quantity, changes, seen = Market((LINEAR,)), random.Random(4), 1000.0, [], [0.0]
    changes.append(math.nan)
    for i in range(1, 6 * 48):
        t = i * STEP
        quantity *= math.exp(rng.gauss(0.0, 0.01))
        m.step(t, {LINEAR: quantity}, 100.0)
        seen += [t - 1.0, float(t)]
        changes += [math.nan, reading(m.engine, "oi_change_24h")]
        changes[-2] = changes[-3]
        sigma = reading(m.engine, "oi_change_24h_sigma")
        assert math.isnan(sigma) == (t < 3 * DAY + 2 * STEP) or abs(t - 3 * DAY) <= 2 * STEP
    assert sigma == pytest.approx(held_std(seen, changes, CONFIG.sigma_half_life_s), rel=0.02)


def test_linear_growth_is_nothing_unusual_and_a_jump_fades_by_the_week() -> None:
    """Method 2.5: z of linear growth goes to 0; a step of 20 % decays as 0.2 * 2^(-t / 7 d) in ln Q."""
    m, jump, told = Market((LINEAR,)), 60 * 48, {}
    for i in range(1, 75 * 48):
        quantity = (1000.0 + 0.05 * i) * (1.2 if i >= jump else 1.0)
        m.step(i * STEP, {LINEAR: quantity}, 100.0)
        u = m.engine._underlyings[0]["open_interest"]
        told[i] = (float(u["log_oi"] - u["mean"]["mean"]), reading(m.engine, "oi_z"))
    assert abs(told[jump - 1][1]) < 1.0
    ahead = (
        0.05 * 48 / (1000.0 + 0.05 * jump) * 7.0 / math.log(2.0)
    )  # a growing level leads its mean
    assert told[jump - 1][0] == pytest.approx(ahead, rel=0.05)
    for i in range(jump, 75 * 48):
        decay = math.log(1.2) * 2.0 ** (-(i - jump) * STEP / (7.0 * DAY))
        assert told[i][0] - told[jump - 1][0] == pytest.approx(decay, abs=0.01)
