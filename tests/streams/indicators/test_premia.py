import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.config import MethodConfig
from streams.events import Quote
from streams.groups import venue_code
from streams.indicators import premia
from streams.readings import quality_names
from streams.state import CONTRACT, UNDERLYING, params
from tests.reference.indicators.held import held_mean
from tests.reference.log import START_NS, S

P = params(MethodConfig())
MARKETS = (
    ("binance_spot", Quote.USDT), ("binance_spot", Quote.USDC), ("coinbase", Quote.USD),
    ("coinbase", Quote.USDT), ("coinbase_adv", Quote.USD), ("kraken_spot", Quote.USD),
    ("kraken_spot", Quote.USDT), ("okx_spot", Quote.USDT), ("nowhere", Quote.UNKNOWN),
)  # fmt: skip
USD, USDT = ("coinbase", Quote.USD), ("binance_spot", Quote.USDT)
KRAKEN = ("kraken_spot", Quote.USD), ("kraken_spot", Quote.USDT)
prices = st.floats(1e-3, 1e6)


class World:
    """Spot markets of one coin, and the premium."""

    def __init__(self, markets: tuple[tuple[str, Quote], ...] = MARKETS) -> None:
        self.contracts = np.zeros(len(markets), CONTRACT)
        for contract, (venue, quote) in zip(self.contracts, markets, strict=True):
            contract["feed"]["venue"], contract["feed"]["quote"] = venue_code(venue), int(quote)
        self.markets, self.now_s = markets, 0
        self.beside = np.arange(len(markets))
        self.u = np.zeros(1, UNDERLYING["premia"])[0]
        premia.underlying_init(self.u)
        self.r = np.zeros(1, UNDERLYING["readings"])[0]

    def trade(self, market: tuple[str, Quote], price: float) -> None:
        """Let a market trade now."""
        c = self.contracts[self.markets.index(market)]["price"]
        c["trade"], c["trade_ns"] = price, START_NS + self.now_s * S

    def tick(self, seconds: int = 1) -> float:
        """Let seconds pass and return the premium."""
        self.now_s += seconds
        now_ns = START_NS + self.now_s * S
        premia.tick(
            self.u, self.r, self.contracts, self.beside, self.beside.size, now_ns, float(seconds), P
        )
        return self.value("coinbase_premium_bp")

    def value(self, name: str) -> float:
        """Return a reading's value."""
        return float(self.r[name]["value"])

    def quality(self) -> set[str]:
        """Return the premium's flags."""
        return set(quality_names(int(self.r["coinbase_premium_bp"]["quality"])))


@settings(deadline=None)  # it compiles
@given(coinbase=prices, binance=prices, tether=st.floats(0.5, 2.0), coins=st.floats(0.01, 100.0))
def test_the_premium_is_what_its_algebra_says(
    coinbase: float, binance: float, tether: float, coins: float
) -> None:
    bp = premia.premium_bp(coinbase, binance, math.log(tether))
    assert binance * tether * math.exp(bp / 1e4) == pytest.approx(coinbase, rel=1e-9)
    assert premia.premium_bp(coinbase * coins, binance * coins, math.log(tether)) == pytest.approx(
        bp, abs=1e-7
    )
    assert premia.premium_bp(binance * tether, coinbase, 0.0) == pytest.approx(
        -premia.premium_bp(coinbase, binance * tether, 0.0), abs=1e-7
    )


def test_a_move_of_the_peg_alone_leaves_the_premium_where_it_was() -> None:
    w = World()
    rng = random.Random(1)
    for second in range(2000):
        tether = 1.0 if second < 500 else 0.97 + 0.03 * math.sin(second / 50.0)
        level = 100.0 * math.exp(0.2 * math.sin(second / 300.0))
        w.trade(USD, level * 1.0005)
        w.trade(USDT, level / tether)
        w.trade(KRAKEN[0], level * 1.0002)
        w.trade(KRAKEN[1], level * 1.0002 / tether)
        w.trade(
            ("okx_spot", Quote.USDT), level * rng.uniform(0.5, 2.0)
        )  # no dollars there: it says nothing
        w.trade(("binance_spot", Quote.USDC), level * rng.uniform(0.5, 2.0))
        assert w.tick() == pytest.approx(1e4 * math.log(1.0005), abs=1e-8)
        assert "UNIT_ASSUMED" not in w.quality()
    assert w.value("usdt_usd") == pytest.approx(0.97, abs=0.02)
    assert w.quality() == set()


def test_without_a_venue_that_trades_both_the_peg_is_in_the_premium_and_it_says_so() -> None:
    w = World((USD, USDT))
    for _ in range(700):
        w.trade(USD, 100.0)
        w.trade(USDT, 100.0 / 0.99)
        w.tick()
    assert w.value("coinbase_premium_bp") == pytest.approx(1e4 * math.log(0.99))
    assert w.quality() == {"UNIT_ASSUMED"}
    assert math.isnan(w.value("usdt_usd"))


def test_the_flag_stays_until_what_was_assumed_is_forgotten() -> None:
    w = World()
    for second in range(1400):
        w.trade(USD, 100.0)
        w.trade(USDT, 100.0)
        if second >= 700:
            w.trade(KRAKEN[0], 100.0)
            w.trade(KRAKEN[1], 100.0)
        w.tick()
        assert ("UNIT_ASSUMED" in w.quality()) == (second < 700 + 599)


def test_the_tether_is_the_geometric_mean_over_venues_that_trade_both() -> None:
    w = World()
    w.trade(KRAKEN[0], 99.0)
    w.trade(KRAKEN[1], 100.0)
    w.trade(USD, 101.0)
    w.trade(("coinbase", Quote.USDT), 100.0)
    w.tick()
    assert w.value("usdt_usd") == pytest.approx(math.sqrt(0.99 * 1.01))
    assert math.isnan(w.value("coinbase_premium_bp"))  # Binance has not traded


def test_a_price_that_is_too_old_makes_it_unknown_and_the_other_feed_of_coinbase_steps_in() -> None:
    w = World()
    w.trade(USD, 100.0)
    w.trade(USDT, 100.0)
    w.tick()
    assert w.value("coinbase_premium_bp") == 0.0
    w.tick(29)
    assert w.value("coinbase_premium_bp") == 0.0
    w.tick()
    assert math.isnan(w.value("coinbase_premium_bp"))
    assert float(w.r["coinbase_premium_bp"]["coverage"]) == 0.0
    w.trade(("coinbase_adv", Quote.USD), 100.0)
    w.trade(USDT, 100.0)
    w.tick()
    assert w.value("coinbase_premium_bp") == 0.0


def test_the_mean_has_a_half_life_of_five_minutes_and_skips_what_is_unknown() -> None:
    w = World((USD, USDT, *KRAKEN))
    rng = random.Random(3)
    ticks, seen = [0.0], [math.nan]
    level = 1.0
    for _ in range(400):
        level *= 1.0 + rng.gauss(0.0, 1e-4)
        if rng.random() < 0.9:
            w.trade(USD, 100.0 * level)
            w.trade(USDT, 100.0)
        step = rng.choice([1, 1, 5, 40])
        got = w.tick(step)
        c = w.contracts["price"]
        fresh = all(START_NS + w.now_s * S - t <= 30 * S for t in c["trade_ns"][:2])
        ticks.append(float(w.now_s))
        seen.append(1e4 * math.log(c["trade"][0] / c["trade"][1]) if fresh else math.nan)
        mean = held_mean(ticks, seen, 300.0)
        mean = seen[-1] if math.isnan(mean) else mean  # the first weighs all until time has passed
        expected = mean if fresh else math.nan
        assert got == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)
    assert sum(math.isnan(x) for x in seen) > 20
