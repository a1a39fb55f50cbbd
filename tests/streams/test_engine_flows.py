"""Spot, regulated futures and perpetuals in one engine: who trades where, and what is not known of it."""

import math
import random

import numpy as np
import pytest

from streams.config import MethodConfig
from streams.engine import Engine
from streams.events import ROW_BYTES, Channel, Flag, Kind, Side
from streams.indicators.quadrant import Quadrant
from streams.instruments import stable_id
from streams.readings import quality_names
from tests.reference.log import NAN, Contract, Log, S, play, reading

PERP, CHAIN = Contract("bybit", "BTC"), Contract("hyperliquid", "BTC")
COINBASE, COINBASE_TETHER = Contract("coinbase", "BTC", inverse=True), Contract("coinbase", "BTC")
BINANCE, KRAKEN = Contract("binance_spot", "BTC"), Contract("kraken_spot", "BTC")
CDE, CME = Contract("coinbase_cde", "BTC"), Contract("cme", "BTC")
SPOT = (COINBASE, COINBASE_TETHER, BINANCE, KRAKEN)
TRADES = int(Channel.TRADE)


def quality(engine: Engine, name: str) -> set[str]:
    """Return a reading's flags."""
    return set(quality_names(int(engine._underlyings[0]["readings"][name]["quality"])))


def announce(log: Log, *, perps: bool = True) -> None:
    """Write the facts of all contracts. `inverse` only makes Coinbase's two markets two here."""
    for c in (PERP, CHAIN) if perps else ():
        log.announce(c)
    log._buffer.contract(
        Flag.SPOT, COINBASE.id, log.now_ns, log.now_ns, 0, "BTC", "coinbase", "USD"
    )
    for c in SPOT[1:]:
        log.announce(c, Flag.SPOT, "USDT")
    for c in (CDE, CME):
        log.announce(c, Flag.REGULATED, "USD")


class Market:
    """All markets of one coin, second by second."""

    def __init__(self, config: MethodConfig | None = None) -> None:
        self.engine, self.log, self.t = Engine(config), Log(), 0
        announce(self.log)

    def second(
        self, trades: dict[Contract, float] | None = None, dead: tuple[Contract, ...] = ()
    ) -> None:
        """Let heartbeats come of all but the `dead`, then trades: USD, negative where the taker sells."""
        self.t += 1
        self.log.at(self.t)
        for c in (PERP, CHAIN, *SPOT, CDE):
            self.log.heartbeat(c, Channel.ALL & ~Channel.TRADE if c in dead else Channel.ALL)
        for c, usd in (trades or {}).items():
            self.log.trade(c, 100.0, abs(usd) / 100.0, Side.BUY if usd > 0 else Side.SELL)
        play(self.engine, self.log)


def test_takers_are_told_apart_by_market_and_side() -> None:
    m = Market()
    for _ in range(70):
        m.second()
    m.second({PERP: 1000.0, CHAIN: -300.0, COINBASE: 50.0, BINANCE: -20.0, CDE: -7.0})
    m.second()
    assert reading(m.engine, "taker_net_usd_perp_1m") == 700.0
    assert reading(m.engine, "taker_net_usd_spot_1m") == 30.0
    assert math.isnan(reading(m.engine, "taker_net_usd_regulated_1m"))  # closed until it traded
    for _ in range(60):
        m.second({CDE: -1.0})
    assert reading(m.engine, "taker_net_usd_regulated_1m") == pytest.approx(-58.0, abs=2.0)
    assert reading(m.engine, "cvd_usd_perp") == 700.0
    assert reading(m.engine, "taker_net_usd_perp_1m") == 0.0
    u = m.engine._underlyings[0]
    assert np.array_equal(u["flows"]["cents"], np.rint(u["taker_usd"] * 100.0).astype(np.int64))


def test_a_dead_spot_feed_is_unknown_and_not_zero() -> None:
    m = Market()
    for _ in range(320):
        m.second(dict.fromkeys(SPOT, 10.0))
    assert reading(m.engine, "taker_net_usd_spot_5m") > 0.0
    for _ in range(5):
        m.second({PERP: 1.0}, dead=SPOT)
    for name in ("taker_net_usd_spot_1m", "taker_net_usd_spot_5m", "cvd_usd_spot"):
        assert math.isnan(reading(m.engine, name)), name
        assert "GAP_IN_WINDOW" in quality(m.engine, name)
    assert reading(m.engine, "taker_net_usd_perp_5m") == 5.0 - 1.0
    m.second()
    m.second()
    assert not math.isnan(reading(m.engine, "cvd_usd_spot"))
    assert "GAP_IN_WINDOW" in quality(m.engine, "cvd_usd_spot")


def test_without_heartbeats_trades_that_come_are_not_all_there_are() -> None:
    m = Market()
    for _ in range(100):
        m.second({BINANCE: 10.0})
    for t in range(101, 130):
        m.log.at(t).trade(BINANCE, 100.0, 1.0)
        m.log.mark(PERP, 100.0, 100.0)
        play(m.engine, m.log)
        assert math.isnan(reading(m.engine, "taker_net_usd_spot_1m")) == (t > 115)


def test_a_hole_in_the_tape_is_a_gap_of_its_class_only() -> None:
    m = Market()
    for _ in range(70):
        m.second({PERP: 10.0, BINANCE: 10.0})
    m.log.feed(Kind.GAP, BINANCE, Channel.MARK)
    m.second()
    assert quality(m.engine, "taker_net_usd_spot_1m") == set()
    m.log._buffer.integers(
        Kind.GAP, 0, BINANCE.id, m.log.now_ns, m.log.now_ns, TRADES, 0, m.log.now_ns
    )
    m.second()
    m.second()
    assert quality(m.engine, "taker_net_usd_spot_1m") == {"GAP_IN_WINDOW"}
    assert quality(m.engine, "taker_net_usd_perp_1m") == set()
    for _ in range(62):
        m.second()
    assert quality(m.engine, "taker_net_usd_spot_1m") == set()


def test_what_history_says_of_trades_is_no_flow() -> None:
    engine, log = Engine(MethodConfig(warmup_gather_s=0.0)), Log()
    log.announce(PERP, Flag.HAS_BACKFILL)
    for hour in range(-48, 0):
        log.at(3600.0 * hour).mark(PERP, 100.0, 100.0, flags=Flag.BACKFILL)
        log.floats(Kind.TRADE, PERP, 100.0, 5.0, 500.0, Side.BUY, Flag.BACKFILL)
    log.at(0.0).feed(Kind.BACKFILL_END, PERP)
    for t in range(1, 70):
        log.at(t).heartbeat(PERP)
        log.trade(PERP, 100.0, 1.0, Side.SELL)
    play(engine, log)
    assert engine.counters["backfill_rows"] == 96
    f = engine._underlyings[0]["flows"]
    assert f["cents"][0].tolist() == [0, 69 * 10_000]
    assert reading(engine, "cvd_usd_perp") == -100.0 * 68  # the last one comes after the tick
    assert quality(engine, "cvd_usd_perp") == {"WARMUP"}
    assert math.isnan(reading(engine, "volume_usd_24h_perp"))


def test_regulated_open_interest_is_shared_out_and_stays_out_of_the_panel() -> None:
    engine, log = Engine(), Log()
    announce(log, perps=False)
    log.at(-7200.0).open_interest(CME, 2e5, 2e7, 100.0)  # said once, before any perpetual is known
    log.at(0.0).announce(PERP)
    log.announce(CHAIN)
    for t in range(1, 40):
        log.at(t).open_interest(PERP, 5e5, 5e7, 100.0)
        log.open_interest(CHAIN, 2e5, 2e7, 100.0)
        log.open_interest(CDE, 1e5, 1e7, NAN)
        log.open_interest(BINANCE, 9e9, 9e11, 100.0)  # no such thing
    play(engine, log)
    assert reading(engine, "oi_coin") == 7e5
    assert reading(engine, "oi_usd") == 7e7
    shares = [
        reading(engine, f"oi_share_{g}")
        for g in ("offshore_perp", "onchain_perp", "regulated_futures")
    ]
    assert shares == pytest.approx([0.5, 0.2, 0.3])
    assert engine.counters["oi_without_mark"] == 0
    log.at(40).open_interest(CDE, 1e5, NAN, NAN)
    play(engine, log)
    assert engine.counters["oi_without_mark"] == 1


def test_swapping_the_venues_of_two_groups_swaps_what_is_said_of_them() -> None:
    said = []
    for first, second in ((PERP, CHAIN), (CHAIN, PERP)):
        engine, log = Engine(), Log()
        announce(log)
        for t in range(1, 4000):
            log.at(t)
            for c in (PERP, CHAIN, BINANCE, COINBASE):
                log.heartbeat(c)
            log.trade(first, 100.0, 3.0, Side.BUY)
            log.trade(second, 100.0, 2.0, Side.SELL)
            log.open_interest(first, 3e5, 3e7, 100.0)
            log.open_interest(second, 1e5, 1e7, 100.0)
        play(engine, log)
        said.append({
            g: (reading(engine, f"taker_net_usd_1h_{g}"), reading(engine, f"oi_share_{g}"))
            for g in ("offshore_perp", "onchain_perp")
        })  # fmt: skip
    assert said[0]["offshore_perp"] == said[1]["onchain_perp"]
    assert said[0]["onchain_perp"] == said[1]["offshore_perp"]
    assert said[0]["offshore_perp"][0] > 0.0 > said[0]["onchain_perp"][0]
    assert said[0]["offshore_perp"][1] == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("venue", "neutral"), [("bybit", 1e-4), ("deribit", 0.0), ("kraken_perp", 0.0), ("dydx", 0.0)]
)
def test_excess_funding_is_over_the_venues_own_neutral_level(venue: str, neutral: float) -> None:
    engine, log, c = Engine(), Log(), Contract(venue, "BTC")
    log.announce(c)
    for t in range(1, 4):
        log.at(t).open_interest(c, 1e6, 1e8, 100.0)
        log.funding(c, neutral + 2e-4)
    play(engine, log)
    assert reading(engine, "funding_excess_apr") == pytest.approx(2e-4 * 1095.0)
    assert reading(engine, "funding_apr") == pytest.approx((neutral + 2e-4) * 1095.0)


def test_of_two_venues_each_is_held_against_its_own() -> None:
    engine, log, other = (
        Engine(MethodConfig(neutral_rate_8h=3e-4)),
        Log(),
        Contract("deribit", "BTC"),
    )
    for c in (PERP, other):
        log.announce(c)
    for t in range(1, 4):
        log.at(t)
        for c, rate in ((PERP, 3e-4), (other, 0.0)):
            log.open_interest(c, 1e6, 1e8, 100.0)
            log.funding(c, rate)
    play(engine, log)
    assert reading(engine, "funding_excess_apr") == pytest.approx(0.0, abs=1e-12)
    assert reading(engine, "funding_dispersion_apr") == pytest.approx(0.0, abs=1e-12)


def test_the_premium_knows_venues_and_monies_from_the_announcements() -> None:
    engine, log = Engine(), Log()
    announce(log)
    for t in range(1, 700):
        tether = 1.0 if t < 100 else 0.98
        log.at(t).trade(COINBASE, 100.1, 1.0)
        log.trade(COINBASE_TETHER, 100.1 / tether, 1.0)
        log.trade(BINANCE, 100.0 / tether, 1.0)
        log.trade(KRAKEN, 55.0, 1.0)  # no dollars there
        play(engine, log)
        if t > 1:
            premium = reading(engine, "coinbase_premium_bp")
            assert premium == pytest.approx(1e4 * math.log(1.001), rel=1e-9)
    assert quality(engine, "coinbase_premium_bp") == set()
    assert reading(engine, "usdt_usd") == pytest.approx(0.98, abs=0.01)
    log.at(700 + 31).heartbeat(PERP)
    play(engine, log)
    assert math.isnan(reading(engine, "coinbase_premium_bp"))


def everything(seed: int, seconds: int) -> bytes:
    """Return rows of all markets, with outages, gaps, late trades and settlements."""
    rng, log = random.Random(seed), Log()
    announce(log)
    level = 100.0
    for t in range(1, seconds):
        level *= math.exp(rng.gauss(0.0, 1e-3))
        for c in (PERP, CHAIN, *SPOT, CDE):
            log.at(t + rng.random())
            if rng.random() < 0.9:
                down = t % 200 < 10 and rng.random() < 0.3
                log.heartbeat(c, Channel.ALL & ~Channel.TRADE if down else Channel.ALL)
            if rng.random() < 0.6:
                if rng.random() < 0.1:
                    log.now_ns -= rng.randrange(9 * S)
                side = rng.choice([Side.BUY, Side.SELL])
                log.trade(
                    c, level * math.exp(rng.gauss(0.0, 1e-4)), rng.lognormvariate(0.0, 2.0), side
                )
            if c in (PERP, CHAIN, CDE) and rng.random() < 0.3:
                log.mark(c, level, level, level * 1.0003)
                log.open_interest(c, 1e6 * rng.uniform(0.99, 1.01), NAN, level)
                log.funding(c, rng.gauss(1e-5, 1e-5), 3600)
            if rng.random() < 0.01:
                log.feed(Kind.GAP, c)
        if t % 97 == 0:
            log.open_interest(CME, 1e5, 1e7, 100.0)
    return log.take()


def test_neither_blocks_nor_a_restart_change_anything() -> None:
    rows = everything(5, 480)
    whole = Engine()
    whole.fold(rows, 0)
    for name in (
        "taker_net_usd_spot_1m",
        "coinbase_premium_bp",
        "oi_share_regulated_futures",
        "basis_gap_apr",
    ):
        assert not math.isnan(reading(whole, name)), name
    rng = random.Random(6)
    at, engine, offset = 0, Engine(), 0
    while at < len(rows):
        step = rng.choice([1, 3, 40, 700]) * ROW_BYTES
        engine.fold(rows[at : at + step], offset)
        at, offset = at + step, offset + 1
        if rng.random() < 0.05:
            engine = Engine.restore(engine.snapshot())
    assert engine.state_hash() == whole.state_hash()


def test_spot_leads_where_its_takers_push_and_those_of_perpetuals_do_not() -> None:
    """Two days of noise make usual sizes; then price rises on spot buying with open interest flat."""
    config = MethodConfig(heartbeat_stale_s=120.0, regulated_open_s=1e6)
    for sign, label in ((1, Quadrant.SPOT_LED), (-1, Quadrant.SPOT_LED_DOWN)):
        engine, log, rng = Engine(config), Log(), random.Random(3)
        announce(log)
        level, coin = 100.0, 1e6
        for minute in range(1, 60 * 54):
            log.at(60.0 * minute)
            push = minute > 60 * 54 - 20
            level *= math.exp(sign * 0.002) if push else math.exp(rng.gauss(0.0, 5e-4))
            coin *= 1.0 if push else math.exp(rng.gauss(0.0, 5e-4))
            for c in (PERP, COINBASE):
                log.heartbeat(c)
                log.mark(c, level, level)
            log.open_interest(PERP, coin, NAN, level)
            log.funding(PERP, 1e-4)
            buys = sign if push else rng.choice([1, -1])
            log.trade(COINBASE, level, 5.0, Side.BUY if buys > 0 else Side.SELL)
            log.trade(PERP, level, 9.0, Side.SELL if buys > 0 else Side.BUY)
        play(engine, log)
        assert reading(engine, "quadrant_15m") == label
        assert sign * reading(engine, "taker_imbalance_spot_15m") == 1.0
        assert sign * reading(engine, "taker_imbalance_perp_15m") == -1.0


def test_ids_of_the_two_coinbase_markets_differ() -> None:
    assert COINBASE.id == stable_id("coinbase", "BTC-USD") != COINBASE_TETHER.id
