"""What waits for the impact, out of a log with perpetuals, spot markets and a cascade."""

import functools
import json
import math
import random
from itertools import pairwise

import pytest

from streams.config import MethodConfig
from streams.engine import Engine
from streams.events import ROW_BYTES, Channel, Flag, Side
from streams.indicators import absorption, impact, information, lead_lag, trade_paths
from streams.signals import fact
from tests.reference.log import Contract, Log, reading

COMPLETE, SAMPLED = Contract("alpha", "BTC"), Contract("gamma", "BTC", sampled=True)
SPOTS = (Contract("coinbase", "BTC"), Contract("binance_spot", "BTC"))
CONFIG = MethodConfig(
    impact_memory_s=300.0, impact_base_memory_s=900.0, impact_events=2.0, settlement_mask_s=0.0,
    absorption_after_s=30.0, burst_merge_s=20.0, burst_end_s=20.0, lead_lag_half_life_s=100.0,
    information_memory_s=400.0, information_solve_s=30.0, branching_memory_s=200.0,
    branching_fast_memory_s=100.0, branching_events=20.0, burst_floor_oi_per_minute=0.01,
    oi_mean_half_life_s=300.0, burst_end_share=0.4,
)  # fmt: skip
SECONDS, CASCADE = 780, range(500, 545)
NAMES = {
    name
    for module in (impact, absorption, trade_paths, lead_lag, information)
    for name, _, _ in module.READINGS
}


@functools.cache
def rows(*, spot_down: bool = False) -> bytes:
    """Return the log: forced orders move the index 2 s later, spot follows perpetuals; a cascade comes."""
    rng, log = random.Random(80), Log()
    for c in (COMPLETE, SAMPLED):
        log.announce(c)
    for c in SPOTS:
        log.announce(c, Flag.SPOT)
    level, coming, perp, spot, coin = math.log(100.0), [0.0, 0.0, 0.0], 0.0, 0.0, 5e6
    for second in range(1, SECONDS):
        level += rng.gauss(0.0, 1e-4) + coming.pop(0)
        coming.append(0.0)
        perp = level + 0.5 * (perp - level if perp else 0.0) + rng.gauss(0.0, 1e-4)
        spot += (0.25 * (perp - spot) if spot else perp) + rng.gauss(0.0, 2e-4)
        price = math.exp(level)
        for k, c in enumerate((COMPLETE, SAMPLED, *SPOTS)):
            log.at(second + 0.01 * k)
            dead = spot_down and c in SPOTS and second > 400
            log.heartbeat(c, Channel.MARK if dead else Channel.ALL)
            if k < 2:
                log.mark(c, price, price)
                coin *= 1.0 + (-1e-3 if second in CASCADE else 5e-4)
                log.open_interest(c, coin)
        for k, c in enumerate((COMPLETE, SAMPLED, *SPOTS)):
            log.at(second + 0.1 + 0.01 * k)
            side = Side.BUY if rng.random() < (0.5 if k < 2 else 0.6) else Side.SELL
            log.received_ns = log.now_ns + (20_000_000 if k < 2 else 70_000_000)
            log.trade(c, math.exp(perp if k < 2 else spot), rng.lognormvariate(4.0, 1.0), side)
            log.received_ns = None
        for position in (Side.LONG, Side.SHORT):
            hot = second in CASCADE and position == Side.LONG
            for k in range(rng.randrange(2, 5) if hot else int(rng.random() < 0.35)):
                log.at(second + 0.3 + 0.15 * k)
                coins = rng.lognormvariate(6.0, 0.5)
                log.liquidation(COMPLETE, position, price, coins)
                log.received_ns = log.now_ns + 20_000_000
                log.trade(
                    COMPLETE,
                    math.exp(perp),
                    coins,
                    Side.SELL if position == Side.LONG else Side.BUY,
                )
                log.received_ns = None
                if k == 0:  # it prints one a second
                    log.liquidation(SAMPLED, position, price, coins)
                coming[2] += (-1.0 if position == Side.LONG else 1.0) * 40e-4 * coins * price / 1e6
    log.at(SECONDS).heartbeat(COMPLETE)
    return log.take()


def run(blocks: list[bytes]) -> tuple[Engine, list[bytes]]:
    """Fold blocks in order."""
    engine, said = Engine(CONFIG), []
    for offset, block in enumerate(blocks):
        said += [fact(signal) for signal in engine.fold(block, offset)]
    return engine, said


@functools.cache
def whole() -> tuple[Engine, tuple[bytes, ...]]:
    """Return the engine and its signals after the log in one piece."""
    engine, said = run([rows()])
    return engine, tuple(said)


def test_every_reading_that_is_due_is_there() -> None:
    engine, _ = whole()
    readings = engine.state("BTC")["readings"]
    late = {n for n in NAMES if n.startswith("retracement")}  # half an hour and two hours after
    never = {n for n in NAMES if n.startswith("absorbed") and (n.endswith("short") or "_2_" in n)}
    for name in NAMES:
        assert (readings[name]["value"] is None) == (name in late | never), name
    for name in ("kappa_long", "kappa_base_short", "impact_taker_perp", "impact_root_long"):
        assert "MODELLED" in readings[name]["quality"]
        assert "WARMUP" not in readings[name]["quality"]
    assert "CORRECTED" in readings["absorbed_flow_long"]["quality"]
    assert readings["absorbed_flow_long"]["coverage"] == 1.0
    assert readings["kappa_long"]["coverage"] == pytest.approx(0.5, abs=0.01)


def test_readings_say_what_the_log_was_made_of() -> None:
    engine, _ = whole()
    kappa, error = reading(engine, "kappa_base_long"), reading(engine, "kappa_base_se_long")
    assert abs(kappa - 20.0) < 3.0 * error  # 40 for what half of the market printed
    assert 0.0 < error < 8.0
    assert reading(engine, "spot_information_share") < 0.4
    assert reading(engine, "perp_leads") == 1.0
    assert reading(engine, "lead_lag_ratio") > 1.5
    assert reading(engine, "trade_delay_perp") == pytest.approx(20.0)
    assert reading(engine, "trade_delay_spot") == pytest.approx(70.0)


def test_the_loop_gain_takes_the_impact_of_now() -> None:
    engine, _ = whole()
    u = engine._underlyings[0]["branching"]
    for side, name in enumerate(("long", "short")):
        assert u["impact"][side].tolist() == [
            reading(engine, f"kappa_{name}"),
            reading(engine, f"kappa_se_{name}"),
        ]
        size = float(u["order_usd"][side] / u["orders"][side])
        by_price = (
            reading(engine, f"price_gain_{name}") * reading(engine, f"kappa_{name}") * size / 1e6
        )
        loop = reading(engine, f"branching_{name}") + by_price
        assert reading(engine, f"loop_gain_{name}") == pytest.approx(
            loop, rel=0.05
        )  # solved 10 s apart
        assert (
            reading(engine, f"loop_gain_low_{name}")
            < loop
            < reading(engine, f"loop_gain_high_{name}")
        )


def test_r0_is_bp_per_usd_times_usd_per_bp() -> None:
    """By hand: what the map holds within 25 bp, over 25, times phi, times bp for each of its USD."""
    engine, _ = whole()
    h, width = engine.heatmap("BTC"), CONFIG.heat_bin
    for side, name in enumerate(("long", "short")):
        sign = -1.0 if side == 0 else 1.0
        here = float(engine._underlyings[0]["heat"]["here"][side])
        edge = sign * math.log(h[name]["edge"])
        near = 0.0
        for stretch in h[name]["runs"]:
            for k, usd in enumerate(stretch["usd"]):
                start = edge + (stretch["at"] + k) * width
                overlap = min(start + width, here + 25e-4) - max(start, here)
                near += usd * max(overlap, 0.0) / width
        assert near > 0.0
        kappa = reading(engine, f"kappa_base_{name}") / 1e6  # bp for each USD
        expected = kappa * reading(engine, "heatmap_phi") * near / 25.0
        assert reading(engine, f"r0_{name}") == pytest.approx(expected, rel=1e-5)


def test_the_burst_says_what_spot_took_so_far() -> None:
    engine, said = whole()
    signals = [json.loads(line) for line in said]
    bursts = [s for s in signals if s["kind"] == "burst" and s["side"] == "long"]
    assert [s["status"] for s in bursts][0 :: len(bursts) - 1] == ["STARTED", "FINAL"]
    shares = [s["context"]["spot_absorbed_share"] for s in bursts[1:]]
    assert all(share is not None for share in shares)
    assert shares[-1] == pytest.approx(reading(engine, "absorbed_flow_long"), abs=0.2)


def test_without_spot_feeds_spot_absorption_is_unknown() -> None:
    engine, said = run([rows(spot_down=True)])
    assert math.isnan(reading(engine, "absorbed_flow_long"))
    assert math.isnan(reading(engine, "absorbed_price_long"))
    told = int(engine._underlyings[0]["impact"]["told_ns"]) - 19_676 * 86_400 * 10**9
    assert 400 <= told / 1e9 <= 420  # a spot market exists, and its flow is unknown
    assert b'"spot_absorbed_share":null' in b"".join(said)
    assert b'"spot_absorbed_share":0' not in b"".join(said)


@pytest.mark.parametrize("seed", range(4))
def test_blocks_may_be_cut_anywhere_and_snapshots_taken(seed: int) -> None:
    data, rng = rows(), random.Random(seed)
    points = sorted(rng.sample(range(1, len(data) // ROW_BYTES), 25))
    edges = [0, *(point * ROW_BYTES for point in points), len(data)]
    engine, said = Engine(CONFIG), []
    for offset, (start, stop) in enumerate(pairwise(edges)):
        said += [fact(signal) for signal in engine.fold(data[start:stop], offset)]
        if offset % 6 == 5:
            engine = Engine.restore(engine.snapshot(), CONFIG)
    assert tuple(said) == whole()[1]
    assert engine.state_hash() == whole()[0].state_hash()
