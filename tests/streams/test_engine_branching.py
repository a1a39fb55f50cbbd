"""Which rows reach the branching fit, and that its readings come out of the engine."""

import math
import random
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from streams.config import MethodConfig
from streams.engine import Engine
from streams.events import Channel, Flag, Side
from streams.kernels.throttle import throttle_rate
from tests.reference.kernels.feeds import clock_snapshot, dead_time, poisson_times
from tests.reference.log import Contract, Log, play, reading

COMPLETE, SAMPLED = Contract("alpha", "BTC"), Contract("gamma", "BTC", sampled=True)
CONFIG = MethodConfig(
    branching_memory_s=200.0, branching_fast_memory_s=100.0, branching_events=20.0
)


def engine_after(
    *contracts: Contract,
    seconds: int = 400,
    dead: tuple[int, int] = (0, 0),
    flags: int | None = None,
) -> Engine:
    """Fold a market in which every contract prints an order of each side every few seconds."""
    rng = random.Random(70)
    log, engine = Log(), Engine(CONFIG)
    price = 100.0
    for c in contracts:
        log.announce(c)
    for second in range(1, seconds):
        price *= 1.0 + rng.gauss(0.0, 2e-4)
        for k, c in enumerate(contracts):
            log.at(second + 0.01 * k)
            down = dead[0] <= second < dead[1]
            log.heartbeat(c, Channel.MARK | Channel.TRADE if down else Channel.ALL)
            log.mark(c, price, price)
            log.open_interest(c, 1000.0)
            for side in (Side.LONG, Side.SHORT):
                log.at(second + rng.uniform(0.1, 0.9))
                if not down and rng.random() < 0.4:
                    quantity = rng.lognormvariate(0.0, 1.0)
                    log.liquidation(c, side, price, quantity, flags)
                    log.at((log.now_ns - log.start_ns) / 1e9 + 0.02)
                    log.liquidation(
                        c, side, price, quantity, flags
                    )  # a second print of the same order
        play(engine, log)
    return engine


def quality(engine: Engine, name: str) -> list[str]:
    return engine.state("BTC")["readings"][name]["quality"]  # type: ignore[no-any-return]


def orders(engine: Engine) -> float:
    return float(engine._underlyings[0]["branching"]["fits"][0]["events"].sum())


def test_a_complete_feed_is_fitted_and_orders_are_counted_once() -> None:
    engine = engine_after(COMPLETE, SAMPLED, seconds=420)
    for k, side in enumerate(("long", "short")):
        assert math.isfinite(reading(engine, f"branching_{side}"))
        assert reading(engine, f"branching_se_{side}") > 0.0
        assert 0.0 <= reading(engine, f"p_supercritical_{side}") <= 1.0
        assert "MODELLED" in quality(engine, f"branching_{side}")
        assert "WARMUP" not in quality(engine, f"branching_{side}")
        impact = float(engine._underlyings[0]["branching"]["impact"][k, 0])
        assert math.isnan(reading(engine, f"loop_gain_{side}")) == math.isnan(impact)
    exposure = float(engine._underlyings[0]["branching"]["fits"][0]["exposure_s"])
    assert orders(engine) / exposure == pytest.approx(0.8, rel=0.15)
    assert engine.state("BTC")["readings"]["branching_long"]["coverage"] == pytest.approx(
        0.5, abs=0.1
    )


def test_sampled_feeds_and_incomplete_rows_never_reach_the_fit() -> None:
    engine = engine_after(SAMPLED)
    assert orders(engine) == 0.0
    assert math.isnan(reading(engine, "branching_long"))
    assert "THROTTLED_SOURCE" in quality(engine, "branching_long")
    assert orders(engine_after(COMPLETE, flags=int(Flag.PARTIAL), seconds=60)) == 0.0


def test_a_gap_of_the_complete_feed_makes_it_unknown_and_is_no_exposure() -> None:
    whole, gap = engine_after(COMPLETE), engine_after(COMPLETE, dead=(250, 320))
    assert math.isfinite(reading(whole, "branching_long"))
    assert math.isnan(reading(gap, "branching_long"))
    assert "GAP_IN_WINDOW" in quality(gap, "branching_long")
    f, g = (e._underlyings[0]["branching"]["fits"][0] for e in (gap, whole))
    missing = sum(2.0 ** (-(399 - s) / 200.0) for s in range(250, 321))
    assert float(g["exposure_s"] - f["exposure_s"]) == pytest.approx(missing, rel=0.02)


def throttled(shown: npt.NDArray[np.bool_], times: npt.NDArray[np.float64]) -> Iterator[Engine]:
    """Fold what a throttled feed shows of orders of 100 USD; yield the engine after each second."""
    log, engine = Log(), Engine(CONFIG)
    log.announce(SAMPLED)
    log.announce(COMPLETE)
    for second in range(1, int(times[-1])):
        log.at(second)
        for c in (SAMPLED, COMPLETE):
            log.heartbeat(c)
            log.mark(c, 100.0, 100.0)
            log.open_interest(c, 1000.0)
        inside = (times >= second) & (times < second + 1)
        for t, is_shown in zip(times[inside], shown[inside], strict=True):
            log.at(float(t))
            log.received_ns = math.ceil(log.now_ns / 1e9) * 1_000_000_000
            if is_shown:
                log.liquidation(SAMPLED, Side.LONG, 100.0, 1.0)
            if is_shown and t % 5.0 < 1.0:
                log.liquidation(COMPLETE, Side.LONG, 100.0, 0.5)
            log.received_ns = None
        play(engine, log)
        yield engine


@pytest.mark.parametrize(("snapshots", "model"), [(False, 1.0), (True, 2.0)])
def test_each_throttled_feed_is_corrected_by_the_model_it_follows(
    snapshots: bool, model: float
) -> None:
    """Method 4.3 in the engine: within 12 % of the true rate, where the other model is far off."""
    times = poisson_times(np.random.default_rng(71), 5.0, 900.0)
    shown = np.zeros(times.size, np.bool_)
    shown[(clock_snapshot if snapshots else dead_time)(times, 1.0)] = True
    rates = []
    for second, engine in enumerate(throttled(shown, times)):
        if second > 300:
            rates.append(reading(engine, "liquidated_usd_per_s_60s_long"))
    complete = 50.0 * float((shown & (times % 5.0 < 1.0)).sum()) / 900.0
    assert np.mean(rates) - complete == pytest.approx(500.0, rel=0.12)
    assert reading(engine, "throttle_model") == model
    for name in ("throttle_model", "liquidated_usd_per_s_60s_long"):
        assert "MODEL_REJECTED" not in quality(engine, name)
    assert "THROTTLED_SOURCE" not in quality(engine, "liquidated_usd_per_s_60s_long")
    other = engine._contracts[0]["throttling"]["snapshots"]
    wrong = engine._contracts[0]["liquidations"]["throttle"] if snapshots else other
    assert abs(throttle_rate(wrong, 1e9) / 5.0 - 1.0) > 0.12
    assert reading(engine, "throttle_ratio") == pytest.approx(500.0 / complete, rel=0.35)


def test_a_feed_that_follows_no_rule_rejects_its_correction() -> None:
    times = poisson_times(np.random.default_rng(72), 2.0, 200.0)
    *_, engine = throttled(np.ones(times.size, np.bool_), times)
    assert reading(engine, "throttle_model") == 3.0
    for name in ("throttle_model", "throttle_ratio", "liquidated_usd_per_s_60s_long"):
        assert "MODEL_REJECTED" in quality(engine, name)
    assert "MODEL_REJECTED" not in quality(engine, "liquidated_usd_per_s_raw_60s_long")


def test_a_rate_that_the_cap_cut_is_a_floor_and_says_so() -> None:
    times = np.arange(1.0, 60.0) + 1e-3  # as regular as a feed of infinite rate
    said = []
    for engine in throttled(np.ones(times.size, np.bool_), times):
        said.append("THROTTLED_SOURCE" in quality(engine, "liquidated_usd_per_s_10s_long"))
    assert said[-1]
    assert not said[0]
    assert reading(engine, "liquidated_usd_per_s_10s_long") <= 100.0 * 100.0 + 50.0


def test_without_a_sampled_feed_there_is_no_throttle_model() -> None:
    assert math.isnan(reading(engine_after(COMPLETE, seconds=30), "throttle_model"))
