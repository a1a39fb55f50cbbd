"""The regime against a recomputation from its definitions, and hand-worked labels."""

import math
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.config import MethodConfig
from streams.indicators import volatility
from streams.indicators import volatility_regime as regime
from streams.indicators.volatility_regime import VolRegime
from streams.readings import Quality
from streams.state import READINGS, UNDERLYING, VALUE, params
from tests.reference.indicators import volatility as slow
from tests.reference.kernels.average import average
from tests.reference.kernels.histogram import Points, binned
from tests.reference.log import NAN, START_NS, S

CONFIG = MethodConfig(
    vol_half_lives_s=(100.0, 150.0, 300.0, 900.0, 4000.0),
    vol_step_s=20.0, vol_usual_half_life_s=400.0, vol_cusum_drift=0.5, vol_cusum_limit=4.0,
    vol_switch_hold_s=200.0, vol_rank_half_life_s=900.0, vol_block_s=60.0, vol_hazard=0.05,
    vol_recent_s=180.0,
)  # fmt: skip
ALL = np.dtype([(name, VALUE) for name, _, _ in READINGS])
T0 = START_NS / S


def market(seed: int, size: int) -> list[slow.Tick]:
    """Return ticks of a walk whose volatility changes, with silences and skipped minutes."""
    rng = random.Random(seed)
    t, level, loud, silent, ticks = 0.0, 0.0, 1.0, 0, []
    for _ in range(size):
        t += 1.0 if rng.random() < 0.99 else float(rng.choice([2, 3, 4, 45]))
        loud = rng.choice([0.3, 1.0, 3.0]) if rng.random() < 0.004 else loud
        level += rng.gauss(0.0, 1e-4 * loud)
        silent = rng.randrange(1, 90) if rng.random() < 0.0004 else max(silent - 1, 0)
        ticks.append((t, NAN if silent else level, 1.0, True))
    return ticks


def fresh() -> Any:
    u = np.zeros(1, UNDERLYING)[0]
    volatility.underlying_init(u["volatility"])
    regime.underlying_init(u["volatility_regime"])
    return u


def feed(u: Any, tick: slow.Tick, p: Any) -> Any:
    t, level, indexed, live = tick
    time_ns = START_NS + round(t * S)
    v, k, readings = u["volatility"], u["volatility_regime"], np.zeros(1, ALL)[0]
    volatility.tick(v, level, indexed, time_ns, live, p)
    regime.tick(k, v, time_ns, t, live, p)
    regime.publish(k, v, readings, time_ns, t, p)
    return readings


def binned_rank(points: Points, x: float) -> float:
    shares = binned(points, CONFIG.vol_rank_half_life_s, regime.LOG_SCALE)
    step = math.asinh(1000.0) / 511
    own = math.floor(math.asinh(x / regime.LOG_SCALE) / step + 0.5) + 511
    return float(shares[:own].sum() + 0.5 * shares[own])


@dataclass
class Minutes:
    """Compares each minute with the twin and counts what it has seen."""

    seen: Counter[str] = field(default_factory=Counter)

    def run(self, ticks: list[slow.Tick]) -> None:
        """Play a market from the start."""
        u, p = fresh(), params(CONFIG)
        twin, points, minute = slow.SlowRegime(CONFIG), Points(), 0.0
        for i, tick in enumerate(ticks):
            r, now = feed(u, tick, p), T0 + tick[0]
            if now // 20.0 == minute:
                continue
            dt = (now // 20.0 - minute) * 20.0 if minute else 0.0
            minute = now // 20.0
            made = slow.returns([(T0 + t, *rest) for t, *rest in ticks[: i + 1]], CONFIG)
            recent = bool(made) and now - made[-1].end_s <= 60.0
            twin.minute(now, dt, slow.log_variance(made, 100.0, now) if recent else NAN)
            day = slow.log_variance(made, 300.0, now) - math.log(0.25)
            if day == day and dt > 0.0:
                points.insert(tick[0], day, dt)
            rank = binned_rank(points, day) if day == day and points.times else NAN
            self.compare(r, twin, rank)

    def compare(self, r: Any, twin: slow.SlowRegime, rank: float) -> None:
        """Check one minute's readings."""
        assert r["vol_z"]["value"] == pytest.approx(twin.z, rel=1e-6, abs=1e-6, nan_ok=True)
        assert r["vol_rank_90d"]["value"] == pytest.approx(rank, abs=1e-9, nan_ok=True)
        self.seen["rank"] += rank == rank
        if twin.z != twin.z:
            return
        assert r["vol_cusum_up"]["value"] * 4.0 == pytest.approx(twin.up.sum, abs=1e-5)
        assert r["vol_cusum_down"]["value"] * 4.0 == pytest.approx(twin.down.sum, abs=1e-5)
        assert r["vol_switch"]["value"] == twin.direction
        rate = average(twin.switches, 30 * 86_400.0)[0]
        assert r["vol_switches_per_day"]["value"] == pytest.approx(rate, rel=1e-6)
        self.seen[("none", "up", "down")[twin.direction]] += 1
        self.seen["again"] += twin.direction == 0 and twin.alarm_s > 0.0


def test_every_minute_equals_the_recomputation() -> None:
    minutes = Minutes()
    for seed in range(3):
        minutes.run(market(seed, 3000))
    assert min(minutes.seen[x] for x in ("rank", "none", "up", "down", "again")) > 5, minutes.seen


def test_every_age_equals_the_posterior_of_all_segmentations() -> None:
    u, p, ticks = fresh(), params(CONFIG), market(7, 3500)
    steps = 0
    for i, tick in enumerate(ticks):
        r = feed(u, tick, p)
        if i % 40:
            continue
        made = slow.returns([(T0 + t, *rest) for t, *rest in ticks[: i + 1]], CONFIG)
        over = slow.blocks(made, CONFIG)
        mass = slow.ages(over, CONFIG) if over else None
        assert r["vol_change_probability"]["quality"] & Quality.MODELLED
        if mass is None or T0 + tick[0] - made[-1].end_s > 150.0:
            assert math.isnan(r["vol_change_probability"]["value"])
            continue
        steps = max(steps, mass.size - 1)
        state = u["volatility_regime"]["changes"]
        assert state["steps"] == mass.size - 1
        np.testing.assert_allclose(state["mass"][: mass.size], mass, atol=1e-8)
        recent = r["vol_change_probability"]["value"]
        assert recent == pytest.approx(mass[:4].sum(), abs=1e-8)
        assert r["vol_regime_age_h"]["value"] == pytest.approx(mass.argmax() / 60.0)
    assert steps > 40


N, L, H, U = VolRegime.NORMAL, VolRegime.LOW, VolRegime.HIGH, VolRegime.UNKNOWN
TRACE = [
    (0.50, N), (0.79, N), (0.81, H), (0.76, H), (0.79, H), (0.74, N), (0.79, N), (0.21, N), (0.19, L),
    (0.24, L), (0.26, N), (0.24, N), (0.90, H), (0.10, L), (0.95, H), (NAN, U), (0.78, H), (0.50, N),
    (0.05, L), (NAN, U), (0.22, L), (0.99, H),
]  # fmt: skip


def test_labels_follow_a_hand_worked_trace() -> None:
    p, k = params(MethodConfig()), fresh()["volatility_regime"]
    for i in range(1000):  # ln RV spread evenly over four octaves
        x = regime.LOG_CENTRE + math.log(16.0) * ((i * 617) % 1000 / 1000.0 - 0.5)
        regime._step_label(k, x, 60.0, 60.0 * i, START_NS + 60 * S * i, p)
    for i, (share, wanted) in enumerate(TRACE, 1000):
        x = regime.LOG_CENTRE + math.log(16.0) * (share - 0.5)
        regime._step_label(k, x, 0.0, 60.0 * i, START_NS + 60 * S * i, p)
        assert k["rank"] == pytest.approx(share, abs=0.006, nan_ok=True)
        label = regime.label(k)
        assert (0 if math.isnan(label) else VolRegime(int(label))) == wanted, (i, share)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.2, 5.0))
def test_a_louder_market_differs_in_nothing_but_loudness(seed: int, scale: float) -> None:
    p, ticks = params(CONFIG), market(seed, 700)
    plain, scaled = fresh(), fresh()
    for t, level, indexed, live in ticks:
        r = feed(plain, (t, level, indexed, live), p)
        other = feed(scaled, (t, scale * level, indexed, live), p)
        for name in ("vol_z", "vol_change_probability", "vol_regime_age_h"):
            assert other[name]["value"] == pytest.approx(
                r[name]["value"], rel=1e-5, abs=1e-5, nan_ok=True
            )


def test_history_fills_percentiles_and_alarms_nobody() -> None:
    u, p = fresh(), params(MethodConfig())
    rng, level = random.Random(1), 0.0
    for hour in range(1, 24 * 12):
        loud = 1.0 if hour < 240 else 4.0
        level += rng.gauss(0.0, 0.005 * loud)
        r = feed(u, (3600.0 * hour, level, 1.0, False), p)
    assert math.isnan(r["vol_z"]["value"])
    assert math.isnan(r["vol_switch"]["value"])
    assert math.isnan(r["vol_change_probability"]["value"])
    assert r["vol_rank_90d"]["value"] > 0.9
    assert r["vol_regime"]["value"] == VolRegime.HIGH
    assert r["vol_regime"]["quality"] & Quality.WARMUP
