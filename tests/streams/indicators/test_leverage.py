"""Open interest against supply and volume."""

import math

import numpy as np
import pytest

from streams.config import MethodConfig
from streams.engine import Engine
from streams.indicators import leverage
from streams.kernels.bitcoin import bitcoin_at, bitcoin_height
from streams.state import PARAMS, READINGS, UNDERLYING, params
from streams.supply import BITCOIN, CIRCULATING, supply_of
from tests.reference.kernels.histogram import Points
from tests.reference.log import Contract, Log, play, reading

DAY = 86_400.0


def run(coin: str, price: float, quantity: float) -> Engine:
    engine, log, c = Engine(), Log(), Contract("alpha", coin)
    log.announce(c)
    for t in range(1, 6):
        log.at(t - 0.5).mark(c, price, price)
        log.open_interest(c, quantity, quantity * price, price)
        log.at(t).heartbeat(c)
    play(engine, log)
    return engine


@pytest.mark.parametrize("price", [20_000.0, 87_000.0])
def test_bitcoin_needs_only_the_time_and_price_cancels(price: float) -> None:
    engine = run("BTC", price, 300_000.0)
    supply = bitcoin_at(bitcoin_height(engine.tick_ns("BTC")))
    assert 19.5e6 < supply < 19.6e6  # November 2023
    assert reading(engine, "oi_to_mcap") == pytest.approx(300_000.0 / supply, rel=1e-12)
    assert engine.state("BTC")["readings"]["oi_to_mcap"]["quality"] == ["MODELLED"]
    assert reading(engine, "oi_to_mcap_rank_180d") == pytest.approx(0.5, abs=1e-6)
    assert engine.state("BTC")["readings"]["oi_to_mcap_rank_180d"]["quality"] == [
        "MODELLED",
        "WARMUP",
    ]


@pytest.mark.parametrize("coin", ["ETH", "PEPE"])
def test_other_coins_need_a_supply(coin: str) -> None:
    engine = run(coin, 3000.0, 1e6)
    got = reading(engine, "oi_to_mcap", coin)
    if coin in CIRCULATING:
        assert got == pytest.approx(1e6 / CIRCULATING[coin], rel=1e-12)
        assert "UNIT_ASSUMED" in engine.state(coin)["readings"]["oi_to_mcap"]["quality"]
    else:
        assert math.isnan(got)
        assert math.isnan(reading(engine, "oi_to_mcap_rank_180d", coin))


def test_a_snapshot_keeps_the_supply() -> None:
    engine = run("ETH", 3000.0, 1e6)
    again = Engine.restore(engine.snapshot())
    assert again.state_hash() == engine.state_hash()
    assert supply_of("BTC") == BITCOIN


@pytest.mark.parametrize(
    ("perp", "spot", "days"),
    [(50e9, 10e9, 0.5), (50e9, math.nan, 0.6), (math.nan, 10e9, math.nan), (0.0, 0.0, math.nan)],
)
def test_days_of_trading(perp: float, spot: float, days: float) -> None:
    np.testing.assert_equal(leverage.to_adv(30e9, perp, spot), days)


def test_both_ratios_rank_by_the_time_they_stood() -> None:
    """The kernel alone, for a year and a half of days."""
    p = params(MethodConfig())
    u = np.zeros(1, UNDERLYING)[0]
    for name, _, _ in READINGS:
        u["readings"][name]["value"] = math.nan
    leverage.underlying_init(u["leverage"])
    u["leverage"]["supply"] = 1e6
    rng, points, q = np.random.default_rng(6), (Points(), Points()), 5e4
    for day in range(540):
        q *= math.exp(rng.normal(0.0, 0.03))
        r = u["readings"]
        r["oi_usd"]["value"], r["price"]["value"], r["oi_usd"]["coverage"] = q * 100.0, 100.0, 1.0
        spot = math.nan if day % 7 == 3 else 2e6
        leverage.publish(u["leverage"], r, 8e6, spot, 0, DAY, day * DAY, day % 11 != 5, p)
        if day % 11 == 5:
            assert math.isnan(r["oi_to_mcap"]["value"])
            assert math.isnan(r["oi_to_adv_rank_180d"]["value"])
            continue
        ratios = q / 1e6, q * 100.0 / (8e6 + (0.0 if math.isnan(spot) else spot))
        for name, x, seen in zip(("oi_to_mcap", "oi_to_adv"), ratios, points, strict=True):
            seen.insert(day * DAY, x, DAY)
            assert r[name]["value"] == pytest.approx(x, rel=1e-12)
            if day > 200:
                exact = seen.rank(x, 180.0 * DAY)
                assert r[f"{name}_rank_180d"]["value"] == pytest.approx(exact, abs=0.05)
    assert r["oi_to_mcap_rank_180d"]["quality"] & leverage.WARMUP == 0
    assert PARAMS.names is not None
