import math
import random

import numpy as np
import pytest

from streams.config import MethodConfig
from streams.engine import Engine
from streams.events import Channel, Flag, Kind, Side
from streams.state import excitation
from tests.reference.indicators.liquidations import (
    HALF_LIVES,
    Hidden,
    Print,
    background,
    marked_events,
    orders,
    raw_rate,
)
from tests.reference.kernels.excitation import intensity
from tests.reference.log import Contract, Log, play, reading

COMPLETE, SAMPLED, OTHER = (
    Contract("alpha", "BTC"),
    Contract("beta", "BTC", sampled=True),
    Contract("gamma", "BTC"),
)
SIDES = {0: Side.LONG, 1: Side.SHORT}


class Market:
    """Contracts with open interest and beating hearts; prints go to the engine and to a list."""

    def __init__(self, *contracts: Contract) -> None:
        self.engine, self.log, self.contracts = Engine(), Log(), contracts
        self.prints: list[Print] = []
        for c in contracts:
            self.log.announce(c)

    def hit(self, t: float, c: Contract, side: int, usd: float, flags: int | None = None) -> None:
        """Print a liquidation of `usd` at a price of 100."""
        self.log.at(t).liquidation(c, SIDES[side], 100.0, usd / 100.0, flags)
        self.prints.append(Print(t, c.venue, side, usd, c.sampled))

    def tick(self, t: int, channels: int = Channel.ALL, price: float | None = None) -> None:
        """Beat at a whole second, which makes the engine tick there."""
        self.log.at(t)
        for c in self.contracts:
            self.log.heartbeat(c, channels)
        if t == 1 or t % 20 == 0:
            for c in self.contracts:
                self.log.open_interest(c, 1e6, 1e8, 100.0)
        if price is not None:
            self.log.mark(self.contracts[0], price, price)
        play(self.engine, self.log)


def shower(m: Market, rng: random.Random, t: int) -> None:
    """Print the second before `t`: single orders, and orders in several prints."""
    moments = sorted(rng.randrange(1, 999) / 1000 for _ in range(rng.choice([0, 0, 1, 3, 8])))
    for moment in moments:
        c = rng.choice(m.contracts)
        m.hit(t - 1 + moment, c, int(rng.random() < 0.3), round(rng.lognormvariate(9.0, 1.5), 2))


def test_rates_equal_the_recomputation_after_every_tick() -> None:
    m, rng, hidden = Market(COMPLETE, SAMPLED, OTHER), random.Random(1), Hidden(live_from=2.0)
    m.tick(1)
    hidden.tick([], 0.0)
    hidden.tick([], 1.0)
    for t in range(2, 150):
        if t % 50 < 30:
            shower(m, rng, t)
        m.tick(t)
        hidden.tick(m.prints, float(t))
        full = [p for p in m.prints if not p.sampled]
        for name, half_life in HALF_LIVES.items():
            for side, label in ((0, "long"), (1, "short")):
                if t < 4:
                    continue
                raw = reading(m.engine, f"liquidated_usd_per_s_raw_{name}_{label}")
                assert raw == pytest.approx(
                    raw_rate(m.prints, t, side, half_life), rel=1e-10, abs=1e-12
                )
                estimated = reading(m.engine, f"liquidated_usd_per_s_{name}_{label}")
                expected = raw_rate(full, t, side, half_life) + hidden.mean(side, half_life)
                assert estimated == pytest.approx(expected, rel=1e-9, abs=1e-9)
        for side in (0, 1):
            cents = m.engine._underlyings[0]["liquidations"]["cents"][side]
            assert cents == sum(round(p.usd * 100) for p in m.prints if p.side == side)


def test_orders_are_merged_by_contract_and_side_below_the_gap() -> None:
    m = Market(COMPLETE, OTHER)
    m.tick(1)
    for t, c, side in [
        (1.5, COMPLETE, 0), (1.599, COMPLETE, 0), (1.698, COMPLETE, 0),  # one order, however long
        (1.699, OTHER, 0), (1.7, COMPLETE, 1), (1.798, COMPLETE, 0),  # 100 ms: another one
        (1.8, COMPLETE, 1),
    ]:  # fmt: skip
        m.hit(t, c, side, 1000.0)
    m.tick(2)
    seen = m.engine._underlyings[0]["cascade"]["seen"]
    assert seen == len(orders(m.prints)) == 5
    assert [len(g) for g in orders(m.prints)] == [3, 1, 1, 1, 1]


def test_intensity_equals_the_double_sum_over_all_events() -> None:
    m, rng, config = Market(COMPLETE, SAMPLED), random.Random(2), MethodConfig()
    n, half_lives = excitation(config), np.array(config.hawkes_half_lives_s)
    explained = sum(config.hawkes_self) + sum(config.hawkes_cross)
    moves: list[tuple[float, int, float]] = []
    prices = [100.0]
    m.tick(1, price=prices[0])
    for t in range(2, 200):
        if t % 60 < 25:
            shower(m, rng, t)
        prices.append(prices[-1] * math.exp(rng.gauss(0.0, 1e-3)))
        m.tick(t, price=prices[-1])
        observed = t - 1.0  # the feeds are live from the beat at 1 on
        if t > 2:  # the price written at t - 1 is new at tick t
            bp = 1e4 * math.log(prices[-2] / prices[-3])
            moves.append((float(t), 2 if bp < 0.0 else 3, abs(bp)))
        events = marked_events(m.prints, config.mark_cap)
        for side, label in ((0, "long"), (1, "short")):
            starts = [g[0].t for g in orders(m.prints) if not g[0].sampled and g[0].side == side]
            mu = background(starts, t, observed, explained, config.hawkes_mu_floor)
            expected = intensity([*events, *moves], t, side, mu, n, half_lives)
            got = reading(m.engine, f"liquidation_intensity_{label}")
            assert got == pytest.approx(expected, rel=1e-10)
            ratio = reading(m.engine, f"cascade_intensity_{label}")
            assert ratio == pytest.approx(math.log(expected / mu), abs=1e-9)
            parts = {"self": [side], "cross": [1 - side], "price": [2 + side]}
            for part, sources in parts.items():
                own = [e for e in [*events, *moves] if e[1] in sources]
                value = reading(m.engine, f"intensity_{part}_{label}")
                excited = intensity(own, t, side, 0.0, n, half_lives)
                assert value == pytest.approx(excited, rel=1e-9, abs=1e-15)


def test_an_order_in_parts_excites_as_much_as_in_one() -> None:
    whole, parts = Market(COMPLETE), Market(COMPLETE)
    for m in (whole, parts):
        m.tick(1)
        for t in (2, 3, 4):
            m.hit(t - 0.5, COMPLETE, 0, 5000.0)
            m.tick(t)
    whole.hit(4.5, COMPLETE, 0, 5000.0)
    whole.hit(4.5, COMPLETE, 0, 15_000.0)
    for _ in range(4):
        parts.hit(4.5, COMPLETE, 0, 5000.0)
    for m in (whole, parts):
        m.tick(5)
    a = reading(whole.engine, "liquidation_intensity_long")
    assert a == pytest.approx(reading(parts.engine, "liquidation_intensity_long"), rel=1e-12)


def test_bankruptcy_prices_are_replaced_by_a_young_mark() -> None:
    m = Market(COMPLETE)
    flags = Flag.COMPLETE | Flag.PRICE_BANKRUPTCY | Flag.UNIT_ASSUMED
    m.tick(1, price=120.0)
    m.hit(1.5, COMPLETE, 0, 1000.0, flags)  # ten coins
    m.hit(1.8, COMPLETE, 0, 1000.0)  # a fill needs no mark
    m.tick(2)
    assert m.engine._underlyings[0]["liquidations"]["cents"][0] == 120_000 + 100_000
    for t in range(3, 70):
        m.log.at(t).mark(COMPLETE, math.nan, 120.0)  # an index says nothing of the mark
        m.tick(t)
    m.hit(69.5, COMPLETE, 0, 1000.0, flags)  # the mark is too old by now
    m.tick(70)
    assert m.engine._underlyings[0]["liquidations"]["cents"][0] == 220_000 + 100_000


def test_old_news_is_counted_and_no_flow() -> None:
    m = Market(COMPLETE)
    m.tick(1)
    m.hit(1.5, COMPLETE, 0, 1e6, Flag.COMPLETE | Flag.SNAPSHOT)
    m.tick(2)
    m.tick(3)
    assert reading(m.engine, "liquidated_usd_per_s_raw_10s_long") == 0.0
    assert m.engine.counters["old_news"] == 1


def test_no_feed_is_not_no_liquidations() -> None:
    m = Market(COMPLETE, OTHER)
    names = ("liquidated_usd_per_s_10s_long", "liquidation_intensity_long", "burst_long")
    for t in range(1, 200):
        dead = 100 <= t < 140
        m.tick(t, Channel.ALL & ~Channel.LIQUIDATION if dead else Channel.ALL)
        unknown = t < 3 or 101 <= t <= 140
        for name in names:
            assert math.isnan(reading(m.engine, name)) == unknown or t < 4
        quality = m.engine.state("BTC")["readings"]["cascade_intensity_long"]["quality"]
        assert ("THROTTLED_SOURCE" in quality) == (t == 1 or 101 <= t <= 140)
        assert ("GAP_IN_WINDOW" in quality) or t >= 140 or t < 101


@pytest.mark.parametrize("kind", [Kind.FEED_DOWN, None])
def test_a_feed_ends_by_word_or_by_silence(kind: Kind | None) -> None:
    m = Market(COMPLETE)
    for t in range(1, 10):
        m.tick(t)
    m.log.at(9.5)
    if kind is not None:
        m.log.feed(kind, COMPLETE, Channel.LIQUIDATION)
    known = []
    for t in range(10, 30):
        m.log.at(t).mark(COMPLETE, 100.0)
        play(m.engine, m.log)
        known.append(not math.isnan(reading(m.engine, "liquidated_usd_per_s_10s_long")))
    assert known == ([False] * 20 if kind is not None else [True] * 15 + [False] * 5)
    m.log.at(30).feed(Kind.FEED_UP, COMPLETE, Channel.LIQUIDATION)
    m.log.at(31).mark(COMPLETE, 100.0)
    play(m.engine, m.log)
    assert reading(m.engine, "liquidated_usd_per_s_10s_long") == 0.0
