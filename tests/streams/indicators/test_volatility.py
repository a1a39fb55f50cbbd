"""Realised volatility against a recomputation from all ticks, and against what is known of it."""

import math
import random
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.config import MethodConfig
from streams.engine import Engine
from streams.indicators import volatility
from streams.kernels.jit import Record, kernel
from streams.readings import Quality
from streams.state import READINGS, UNDERLYING, VALUE, params
from tests.reference.indicators import volatility as slow
from tests.reference.log import NAN, START_NS, Contract, Log, S, play
from tests.truth import Truth, profile

Floats = npt.NDArray[np.float64]
CONFIG = MethodConfig(
    vol_half_lives_s=(100.0, 150.0, 400.0, 900.0, 40_000.0), vol_of_vol_half_life_s=300.0
)
FOREVER = MethodConfig(vol_half_lives_s=(1e12, 1e12, 1e12, 1e12, 1e12))
NAMES = ("5m", "1h", "24h", "7d")
ALL = np.dtype([(name, VALUE) for name, _, _ in READINGS])


def path(seed: int, size: int, *, history: int = 6) -> list[slow.Tick]:
    """Return ticks of a walk with jumps, skipped seconds, missing indices, outages; history before."""
    rng = random.Random(seed)
    t, level, ticks = 0.0, 3.0, []
    for _ in range(history):
        t += 3600.0
        level += rng.gauss(0.0, 0.02)
        ticks.append((t, level, 0.5, False))
    indexed, silent = 1.0, 0
    for _ in range(size):
        t += 1.0 if rng.random() < 0.95 else float(rng.choice([2, 3, 4, 6, 9, 29, 33, 100]))
        level += rng.gauss(0.0, 1e-4) + (0.01 if rng.random() < 0.004 else 0.0)
        indexed = rng.choice([0.0, 0.5, 1.0]) if rng.random() < 0.02 else indexed
        silent = rng.randrange(1, 70) if rng.random() < 0.005 else max(silent - 1, 0)
        ticks.append((t, NAN if silent else level, indexed, True))
    return ticks


def fresh() -> Any:
    u = np.zeros(1, UNDERLYING)[0]
    volatility.underlying_init(u["volatility"])
    return u


def ns(seconds: float) -> int:
    return START_NS + round(seconds * S)


def feed(u: Any, tick: slow.Tick, p: Any) -> None:
    t, level, indexed, live = tick
    volatility.tick(u["volatility"], level, indexed, ns(t), live, p)


def published(u: Any, t: float, p: Any) -> Any:
    readings = np.zeros(1, ALL)[0]
    volatility.publish(u["volatility"], readings, ns(t), p)
    return readings


@pytest.mark.parametrize("seed", range(3))
def test_every_reading_equals_the_recomputation_from_all_ticks(seed: int) -> None:
    u, p, ticks = fresh(), params(CONFIG), path(seed, 1500)
    seen = dict.fromkeys(("vol", "jump", "stale", "vol_of_vol"), 0)
    for i, tick in enumerate(ticks):
        feed(u, tick, p)
        if i % 17:
            continue
        so_far = [(START_NS / S + t, x, share, live) for t, x, share, live in ticks[: i + 1]]
        made, now = slow.returns(so_far, CONFIG), START_NS / S + tick[0]
        r = published(u, tick[0], p)
        for k, name in enumerate(NAMES):
            half_life = CONFIG.vol_half_lives_s[k]
            h = slow.horizon(made, half_life)
            current = bool(made) and now - made[-1].end_s <= half_life
            expected = math.sqrt(h.variance) if current else NAN
            vol = r[f"realised_vol_{name}"]
            assert vol["value"] == pytest.approx(expected, rel=1e-9, nan_ok=True)
            jumps = max(0.0, 1.0 - h.median / h.live) if current and h.live == h.live else NAN
            assert r[f"jump_share_{name}"]["value"] == pytest.approx(jumps, abs=1e-9, nan_ok=True)
            robust = math.sqrt(h.median * slow.YEAR_S) if current else NAN
            value = r[f"realised_vol_robust_{name}"]["value"]
            assert value == pytest.approx(robust, rel=1e-9, nan_ok=True)
            assert vol["coverage"] == pytest.approx(h.indexed, abs=1e-9, nan_ok=True)
            warm = h.weight >= 0.75 and h.live_weight >= 0.5
            assert bool(vol["quality"] & Quality.WARMUP) == (not warm)
            seen["vol"] += warm
            seen["jump"] += jumps > 0.3
            seen["stale"] += not current
        if i % 170 == 0:
            spread = slow.vol_of_vol(so_far, CONFIG)
            if made and now - made[-1].end_s <= 100.0:
                assert r["vol_of_vol"]["value"] == pytest.approx(spread, rel=1e-8, nan_ok=True)
                seen["vol_of_vol"] += spread > 0.0
    assert all(seen.values())


def test_ratios_are_of_variances() -> None:
    u, p = fresh(), params(CONFIG)
    for tick in path(4, 900):
        feed(u, tick, p)
    r = published(u, tick[0], p)
    fast, slow_ = r["realised_vol_1h"]["value"], r["realised_vol_7d"]["value"]
    assert r["vol_compression"]["value"] == pytest.approx(fast**2 / slow_**2, rel=1e-12)
    fast, slow_ = r["realised_vol_24h"]["value"], r["realised_vol_30d"]["value"]
    assert r["vol_expansion"]["value"] == pytest.approx(fast**2 / slow_**2, rel=1e-12)


def test_a_constant_move_each_five_seconds_is_annualised_by_its_root() -> None:
    u, p = fresh(), params(MethodConfig())
    for i in range(200):
        feed(u, (5.0 * i, 1e-4 * (i % 2), 1.0, True), p)
    r = published(u, 5.0 * i, p)
    for name in NAMES:
        wanted = 1e-4 * math.sqrt(31_536_000.0 / 5.0)
        assert r[f"realised_vol_{name}"]["value"] == pytest.approx(wanted, rel=1e-12)
        assert r[f"jump_share_{name}"]["value"] == 0.0


@kernel
def walk(v: Record, returns: Floats, start_ns: int, p: Record) -> None:
    """Tick through returns of five seconds each."""
    level = 0.0
    volatility.tick(v, level, 1.0, start_ns, True, p)
    for i in range(returns.size):
        level += returns[i]
        volatility.tick(v, level, 1.0, start_ns + (i + 1) * 5_000_000_000, True, p)


@kernel
def ratio_to_variance(x: Floats) -> float:
    """Return MedRV over the mean square of a series."""
    median = square = 0.0
    for i in range(2, x.size):
        median += volatility.median_variance(abs(x[i - 2]), abs(x[i - 1]), abs(x[i]))
        square += x[i] * x[i]
    return median / square


def test_medrv_is_unbiased_for_gaussian_returns(truth: Truth) -> None:
    rng = np.random.default_rng(1)
    ratios = [ratio_to_variance(rng.normal(size=4_000_000)) for _ in range(profile(3, 10))]
    truth(
        22, "MedRV over variance of Gaussian returns, less one", float(np.mean(ratios)) - 1.0, 0.002
    )
    assert pytest.approx(1.4193, abs=1e-4) == volatility.MED_RV


def test_a_jump_of_twenty_sigma_in_three_hundred_returns_is_57_percent(truth: Truth) -> None:
    rng, p = np.random.default_rng(2), params(FOREVER)
    shares, bipower = [], []
    for _ in range(300):
        r = rng.normal(size=302)
        r[rng.integers(10, 290)] = 20.0
        u = fresh()
        walk(u["volatility"], r, START_NS, p)
        h = u["volatility"]["horizons"][0]
        shares.append(1.0 - h["medians"]["sum"] / h["live"]["sum"])
        crossed = np.pi / 2.0 * np.abs(r[1:] * r[:-1]).sum()
        bipower.append(1.0 - crossed / (r**2).sum())
    off = float(np.mean(shares)) - 400.0 / 700.0
    truth(22, "share of a planted jump of 20 sigma", off, 0.01)
    assert float(np.mean(bipower)) == pytest.approx(0.50, abs=0.03)  # the estimator not taken


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.floats(-20.0, 20.0), st.floats(0.1, 30.0))
def test_shift_and_mirror_change_nothing_and_scale_scales(
    seed: int, shift: float, scale: float
) -> None:
    p, ticks = params(CONFIG), path(seed, 250)
    plain, moved, mirrored = fresh(), fresh(), fresh()
    for t, level, indexed, live in ticks:
        feed(plain, (t, level, indexed, live), p)
        feed(moved, (t, shift + scale * level, indexed, live), p)
        feed(mirrored, (t, -level, indexed, live), p)
    assert mirrored["volatility"]["horizons"].tobytes() == plain["volatility"]["horizons"].tobytes()
    r, other = published(plain, t, p), published(moved, t, p)
    for name in NAMES:
        for kind, factor in (
            ("realised_vol", scale),
            ("realised_vol_robust", scale),
            ("jump_share", 1.0),
        ):
            value = r[f"{kind}_{name}"]["value"]
            assert other[f"{kind}_{name}"]["value"] == pytest.approx(
                value * factor, rel=1e-6, abs=1e-9, nan_ok=True
            )


def test_history_warms_long_memories_only_with_a_half_life_of_live_data() -> None:
    u, p = fresh(), params(MethodConfig(vol_half_lives_s=(300.0, 3600.0, 7200.0, 36_000.0, 1e6)))
    rng = random.Random(3)
    level = 0.0
    for hour in range(1, 40):
        level += rng.gauss(0.0, 0.01)
        feed(u, (3600.0 * hour, level, 1.0, False), p)
    r = published(u, 3600.0 * hour, p)
    assert math.isnan(r["realised_vol_5m"]["value"])
    assert math.isnan(r["realised_vol_24h"]["value"])  # a candle is half of that memory
    assert r["realised_vol_7d"]["value"] == pytest.approx(0.01 * math.sqrt(8760.0), rel=0.5)
    start, warm_s = 3600.0 * hour, None
    for i in range(1, 8000):
        level += rng.gauss(0.0, 0.01 / math.sqrt(720.0))
        feed(u, (start + 5.0 * i, level, 1.0, True), p)
        if i % 50 == 0:
            r = published(u, start + 5.0 * i, p)
            if warm_s is None and not r["realised_vol_7d"]["quality"] & Quality.WARMUP:
                warm_s = 5.0 * i
                assert r["realised_vol_robust_7d"]["quality"] & Quality.WARMUP
    assert warm_s == pytest.approx(36_000.0, abs=250.0)


def test_an_outage_is_flagged_and_makes_no_return() -> None:
    u, p = fresh(), params(CONFIG)
    for t in range(1000):
        dead = 600 <= t < 640
        feed(
            u, (float(t), NAN if dead else (0.0 if t < 600 else 0.5) + 1e-5 * (t % 3), 1.0, True), p
        )
        r = published(u, float(t), p)
        assert not r["realised_vol_5m"]["value"] > 0.1  # the move of 50 % is not a return
        gap = bool(r["realised_vol_5m"]["quality"] & Quality.GAP_IN_WINDOW)
        assert gap == (600 <= t <= 739)
        gap = bool(r["realised_vol_1h"]["quality"] & Quality.GAP_IN_WINDOW)
        assert gap == (600 <= t <= 789)


def test_in_the_engine_it_follows_the_index_and_says_where_there_is_none() -> None:
    engine, log = Engine(CONFIG), Log()
    with_index, without = Contract("alpha", "BTC"), Contract("beta", "BTC")
    log.announce(with_index)
    log.announce(without)
    rng = random.Random(5)
    level, ticks = math.log(5000.0), []
    levels = {with_index: level, without: level}
    for t in range(1, 1200):
        for c, before in levels.items():
            levels[c] = before + rng.gauss(0.0, 2e-4)
            price = math.exp(levels[c])
            log.at(t - 0.5).mark(c, 1.01 * price, price if c is with_index else NAN)
        log.at(t).heartbeat(with_index)
        play(engine, log)
        mean = 0.5 * (levels[with_index] + levels[without])
        ticks.append((START_NS / S + t, mean, 0.5, True))
    readings = engine.state("BTC")["readings"]
    made = slow.returns(ticks, CONFIG)
    for k, name in enumerate(NAMES):
        expected = math.sqrt(slow.horizon(made, CONFIG.vol_half_lives_s[k]).variance)
        vol = readings[f"realised_vol_{name}"]
        assert vol["value"] == pytest.approx(expected, rel=1e-9)
        assert vol["coverage"] == 0.5
        assert "PARTIAL_COVERAGE" in vol["quality"]
    assert readings["vol_of_vol"]["value"] == pytest.approx(
        slow.vol_of_vol(ticks, CONFIG), rel=1e-8
    )
    assert msgspec.json.encode(readings)
