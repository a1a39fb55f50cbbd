import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.config import MethodConfig
from streams.engine import Engine
from tests.reference.indicators.open_interest import (
    Venue,
    chained_log,
    flows,
    panel_change,
    resolution,
    z_score,
)
from tests.reference.log import START_NS, Contract, Log, S, play, reading
from tests.truth import Truth

LINEAR, INVERSE, THIRD = (
    Contract("alpha", "BTC"),
    Contract("beta", "BTC", inverse=True),
    Contract("gamma", "BTC"),
)
WINDOWS = {"1m": 60, "5m": 300, "1h": 3600, "4h": 14_400, "24h": 86_400}


class Market:
    """Feeds rows to the engine and to the twins, and ticks both."""

    def __init__(self, contracts: tuple[Contract, ...], config: MethodConfig) -> None:
        self.engine, self.log, self.config = Engine(config), Log(), config
        self.contracts = contracts
        self.venues = {c: Venue(c.inverse) for c in contracts}
        self.ticks: list[float] = []
        self.sums: dict[int, tuple[int, int]] = {}  # flow and effect in cents at each tick
        for c in contracts:
            self.log.announce(c)

    def _pass(self, t: float) -> None:
        """Tick the twins as a row at `t` makes the engine tick, before the row itself is seen."""
        second = math.floor(t)
        if self.ticks and second <= self.ticks[-1]:
            return
        self.ticks.append(float(second))
        self.sums[second] = flows(self.twins, second, self.config.oi_hold_s)
        for venue in self.venues.values():
            known = venue.fresh(second, self.config.oi_fresh_floor_s)
            coin = venue.price_free_coin() if known else math.nan
            venue.path.put(START_NS // S + second, coin)

    def row(
        self, c: Contract, t: float, quantity: float, price: float, *, bare: bool = False
    ) -> None:
        """Write an open interest; an inverse contract's quantity is in coin at `price` too.

        A `bare` row has what the venue knows without a price: the other follows at the engine's mark.
        """
        usd = quantity * price
        self._pass(t)
        if bare:
            known = (math.nan, usd) if c.inverse else (quantity, math.nan)
            self.log.at(t).mark(c, price)
            self.log.open_interest(c, *known)
        else:
            self.log.at(t).open_interest(c, quantity, usd, price)
        self.venues[c].rows.append((t, quantity, usd, price))

    def tick(self, t: int) -> None:
        """Let the heart of a contract beat at a whole second, and compare nothing yet."""
        self._pass(t)
        self.log.at(t).heartbeat(self.contracts[0])
        play(self.engine, self.log)

    @property
    def twins(self) -> list[Venue]:
        """Return the twins in the engine's order."""
        return list(self.venues.values())

    def cents(self) -> tuple[float, float]:
        """Return the engine's own sums."""
        u = self.engine._underlyings[0]["open_interest"]
        return float(u["flow_cents"]), float(u["effect_cents"])


def compare_windows(m: Market, t: int, names: tuple[str, ...]) -> None:
    sums = m.sums
    for name in names:
        window = WINDOWS[name]
        moved, own = panel_change(m.twins, START_NS // S + t, window)
        got = reading(m.engine, f"oi_change_{name}")
        coverage = m.engine._underlyings[0]["readings"][f"oi_change_{name}"]["coverage"]
        if coverage < m.config.oi_panel_coverage:
            assert math.isnan(got)
        else:
            assert got == pytest.approx(moved, rel=1e-9, abs=1e-13)
            assert min(own) - 1e-12 <= got <= max(own) + 1e-12
        bucket = resolution(window)
        end = ((START_NS // S + t - window) // bucket + 1) * bucket - START_NS // S
        then = [s for s in sums if s < end]
        flow, effect = (reading(m.engine, f"oi_{x}_usd_{name}") for x in ("flow", "price_effect"))
        if not then:
            assert math.isnan(flow)
            assert math.isnan(effect)
            continue
        assert flow == (sums[t][0] - sums[max(then)][0]) / 100.0
        assert effect == (sums[t][1] - sums[max(then)][1]) / 100.0


@pytest.mark.parametrize(
    ("names", "step_s", "ticks", "floor_s"),
    [(("1m", "5m"), 1, 420, 30.0), (("1h", "4h", "24h"), 240, 400, 500.0)],
)
def test_every_tick_equals_the_recomputation_from_all_rows(
    names: tuple[str, ...], step_s: int, ticks: int, floor_s: float
) -> None:
    rng = random.Random(step_s)
    config = MethodConfig(oi_fresh_floor_s=floor_s)
    m = Market((LINEAR, INVERSE, THIRD), config)
    quantity = {LINEAR: 1000.0, INVERSE: 400.0, THIRD: 150.0}
    price = 50_000.0
    for i in range(1, ticks):
        t = i * step_s
        for c in m.contracts:
            price *= 1.0 + rng.gauss(0.0, 1e-3)
            quantity[c] *= 1.0 + rng.gauss(0.0, 2e-3)
            silent = c is THIRD and ticks // 3 < i < ticks // 2
            if not silent and (step_s > 5 or rng.random() < 0.4):
                bare = rng.random() < 0.5
                m.row(c, t - rng.uniform(0.1, 0.9), quantity[c], price, bare=bare)
        m.tick(t)
        assert m.cents() == m.sums[t]
        compare_windows(m, t, names)
        if i % 40 == 0:  # the weights, from all ticks
            for k, venue in enumerate(m.twins):
                mean = m.engine._contracts[k]["open_interest"]["weight"]["mean"]
                assert mean == pytest.approx(venue.mean_usd(m.ticks, floor_s), rel=1e-9)


@pytest.mark.parametrize("contract", [LINEAR, INVERSE])
def test_a_level_without_price_is_the_same_level_at_our_mark(contract: Contract) -> None:
    hashes = set()
    for bare in (True, False):
        engine, log = Engine(), Log()
        log.announce(contract)
        for t in range(1, 40):
            price = 2.0 ** (t % 5)  # a power of two, so that both ways of writing round alike
            log.at(t).mark(contract, price)
            quantity, usd = 300.0 + t, (300.0 + t) * price
            if not bare:
                log.open_interest(contract, quantity, usd, price)
            elif contract.inverse:
                log.open_interest(contract, math.nan, usd)
            else:
                log.open_interest(contract, quantity)
        play(engine, log)
        hashes.add(engine.state_hash())
        assert reading(engine, "oi_coin") == 338.0
        assert reading(engine, "oi_usd") == 338.0 * 8.0
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("contract", "mark_s", "level", "counter"),
    [
        (INVERSE, None, (math.nan, 5e6, math.nan), "oi_without_mark"),
        (INVERSE, 1.0, (math.nan, 5e6, math.nan), "oi_without_mark"),  # the mark is too old by then
        (INVERSE, 699.0, (math.nan, 5e6, math.nan), None),
        (INVERSE, 699.0, (math.nan, math.nan, 50.0), "out_of_range"),
        (INVERSE, 699.0, (math.nan, -1.0, 50.0), "out_of_range"),
        (LINEAR, 699.0, (math.nan, 5e6, math.nan), "out_of_range"),
    ],
)
def test_usd_alone_is_a_level_of_inverse_contracts_with_a_fresh_mark(
    contract: Contract, mark_s: float | None, level: tuple[float, float, float], counter: str | None
) -> None:
    engine, log = Engine(), Log()
    log.announce(contract)
    log.at(0.5).heartbeat(contract)
    if mark_s is not None:
        log.at(mark_s).mark(contract, 50.0)
    log.at(700.0).open_interest(contract, *level)
    log.at(701.0).heartbeat(contract)
    play(engine, log)
    assert {name for name, count in engine.counters.items() if count} & {
        "oi_without_mark", "out_of_range",
    } == ({counter} if counter else set())  # fmt: skip
    coin = reading(engine, "oi_coin")
    assert math.isnan(coin) if counter else coin == 1e5


def test_flow_and_effect_add_up_to_the_change_in_whole_cents(truth: Truth) -> None:
    rng = random.Random(5)
    m = Market((LINEAR,), MethodConfig())
    levels = []
    for t in range(1, 60):
        quantity, price = rng.lognormvariate(5.0, 0.2), rng.lognormvariate(9.0, 0.2)
        m.row(LINEAR, t - 0.5, quantity, price)
        levels.append(round(quantity * price * 100.0))
        m.tick(t)
        truth(
            5, "the same summed by the engine, cents", sum(m.cents()) - (levels[-1] - levels[0]), 0
        )


@pytest.mark.parametrize("contract", [LINEAR, INVERSE])
def test_a_price_path_without_trading_is_no_flow_and_no_change(contract: Contract) -> None:
    m = Market((contract,), MethodConfig())
    rng, price = random.Random(6), 40_000.0
    for t in range(1, 200):
        price *= math.exp(rng.gauss(0.0, 0.02))
        if not 80 < t < 140:  # the feed may even die meanwhile
            contracts_usd = 3e7
            m.row(contract, t - 0.5, contracts_usd / price if contract.inverse else 700.0, price)
        m.tick(t)
        change = reading(m.engine, "oi_change_1m")
        assert abs(m.cents()[0]) <= 1.0  # quantity times price is rounded once
        assert math.isnan(change) or abs(change) < 1e-14
    moved = [
        m.engine.state("BTC")["readings"][f"oi_{n}_usd_1m"]["value"]
        for n in ("flow", "price_effect")
    ]
    assert abs(moved[0]) <= 0.01
    assert moved[1] == pytest.approx(0.0, abs=0.02) if contract.inverse else abs(moved[1]) > 1e4


def test_an_inverse_change_is_measured_in_contracts_whatever_the_price_did() -> None:
    m = Market((INVERSE,), MethodConfig())
    for t in range(1, 120):
        price = 60_000.0 * 0.99**t  # down to a third
        usd = 1e7 if t < 100 else 0.9e7
        m.row(INVERSE, t - 0.5, usd / price, price)
        m.tick(t)
    assert reading(m.engine, "oi_change_1m") == pytest.approx(-0.1, rel=1e-12)
    assert m.cents()[0] == -1e8
    for t in range(120, 130):  # everything is closed: never more than all
        m.row(INVERSE, t - 0.5, 0.0, 60_000.0 * 0.99**t)
        m.tick(t)
    assert reading(m.engine, "oi_change_1m") == -1.0


def test_z_equals_the_offline_computation_after_every_tick() -> None:
    config = MethodConfig(
        oi_fresh_floor_s=500.0, oi_mean_half_life_s=3600.0, oi_rank_half_life_s=7200.0
    )
    m = Market((LINEAR, INVERSE), config)
    rng = random.Random(8)
    quantity = {LINEAR: 1000.0, INVERSE: 400.0}
    for i in range(1, 220):
        t = 60 * i + 1
        for c in m.contracts:
            quantity[c] *= math.exp(rng.gauss(0.0, 0.004))
            m.row(c, t - 0.5, quantity[c], 50_000.0)
        m.tick(t)
        if i < 3:
            continue
        log_oi = chained_log(m.twins)
        assert m.engine._underlyings[0]["open_interest"]["log_oi"] == pytest.approx(
            log_oi[-1], abs=1e-12
        )
        slow = z_score(log_oi, m.ticks, 3600.0, 7200.0, config.oi_z_floor)
        assert reading(m.engine, "oi_z") == pytest.approx(slow, rel=1e-6, abs=1e-9)


def test_steady_growth_is_nothing_unusual_and_a_jump_fades_with_the_mean() -> None:
    config = MethodConfig(
        oi_fresh_floor_s=500.0, oi_mean_half_life_s=3600.0, oi_rank_half_life_s=36_000.0
    )
    m = Market((LINEAR,), config)
    jump = 900
    for i in range(1, 1100):
        quantity = 100.0 * math.exp(2e-5 * i) * (1.2 if i >= jump else 1.0)
        m.row(LINEAR, 60 * i + 0.5, quantity, 50_000.0)
        m.tick(60 * i + 1)
        u = m.engine._underlyings[0]["open_interest"]
        x = u["log_oi"] - u["mean"]["mean"]
        if 700 < i < jump:
            assert abs(reading(m.engine, "oi_z")) < 0.5
        elif i >= jump:
            ramp = (
                2e-5 * 3600.0 / math.log(2.0) / 60.0
            )  # a growing level leads its mean by rate * h / ln 2
            decayed = math.log(1.2) * 2.0 ** (-60 * (i - jump) / 3600.0)
            assert x == pytest.approx(ramp + decayed, rel=5e-3, abs=3e-5)


@settings(max_examples=25, deadline=None)
@given(
    alive=st.lists(
        st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=80, max_size=80
    ),
    prices=st.lists(st.floats(0.97, 1.03), min_size=80, max_size=80),
)
def test_venues_that_come_and_go_never_change_a_flat_market(
    alive: list[tuple[bool, bool, bool]], prices: list[float]
) -> None:
    m = Market((LINEAR, INVERSE, THIRD), MethodConfig(oi_fresh_floor_s=4.0, oi_panel_coverage=0.0))
    price = 1000.0
    for t, (up, factor) in enumerate(zip(alive, prices, strict=True), 1):
        price *= factor
        for c, is_up in zip(m.contracts, up, strict=True):
            if is_up:
                m.row(c, t - 0.5, 5e6 / price if c.inverse else 70.0, price)
        m.tick(t)
        change = reading(m.engine, "oi_change_1m")
        assert math.isnan(change) or abs(change) < 1e-13
        assert abs(m.engine._underlyings[0]["open_interest"]["log_oi"]) < 1e-12


def test_the_level_is_the_sum_of_what_is_young_enough() -> None:
    config = MethodConfig(oi_hold_s=50.0)
    m = Market((LINEAR, THIRD), config)
    for t in range(1, 120):
        if t < 40:
            m.row(LINEAR, t - 0.5, 10.0, 100.0)
        m.row(THIRD, t - 0.5, 5.0, 102.0)
        m.tick(t)
        both = t - min(t - 0.5, 38.5) <= 50.0
        assert reading(m.engine, "oi_coin") == (15.0 if both else 5.0)
        assert reading(m.engine, "oi_usd") == (1510.0 if both else 510.0)
        quality = m.engine.state("BTC")["readings"]["oi_coin"]["quality"]
        assert quality == ([] if both else ["STALE_INPUT"])


def test_a_level_without_any_price_is_counted_and_leaves_no_trace() -> None:
    m = Market((LINEAR,), MethodConfig())
    m.log.at(0.5).open_interest(LINEAR, 10.0)
    m.log.open_interest(LINEAR, 0.0, 0.0)
    m.tick(1)
    assert m.engine.counters["oi_without_mark"] == 2
    m.row(LINEAR, 1.5, 10.0, 100.0)
    m.row(LINEAR, 1.6, 12.0, 110.0)
    m.tick(2)
    assert m.cents() == (21_000.0, 11_000.0)
    m.log.at(2.5).mark(LINEAR, 120.0)
    m.log.open_interest(LINEAR, 12.0)  # coin only: valued at our mark
    m.tick(3)
    assert reading(m.engine, "oi_usd") == 1440.0


def test_coverage_below_the_panel_makes_the_change_unknown() -> None:
    m = Market((LINEAR, THIRD), MethodConfig())
    for t in range(1, 200):
        m.row(LINEAR, t - 0.5, 10.0, 100.0)
        if t > 100:  # half of the market was not seen a minute ago
            m.row(THIRD, t - 0.5, 10.0, 100.0)
        m.tick(t)
        known = not math.isnan(reading(m.engine, "oi_change_1m"))
        assert known == (61 <= t <= 101 or t >= 161)
    assert np.isnan(reading(m.engine, "oi_change_5m"))
