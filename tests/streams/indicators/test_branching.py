"""The branching indicator: what it fits, when it is unknown, what it says of itself."""

import math
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pytest

from streams.config import MethodConfig
from streams.indicators import branching, branching_fit, cascade
from streams.kernels.branching import moment_branching
from streams.kernels.decay import HELD
from streams.readings import Quality
from streams.state import VALUE, params
from tests.reference.indicators.branching import Slow
from tests.reference.kernels.cascades import World, gains, simulate

S = 1_000_000_000
Floats = npt.NDArray[np.float64]
CONTRACT = np.dtype([
    ("open_interest", np.dtype([("weight", HELD)])),
    ("liquidations", np.dtype([("sampled", "i8"), ("partial", "i8")])),
])  # fmt: skip
READINGS = np.dtype([(name, VALUE) for name, _, _ in branching.READINGS])
QUICK = MethodConfig(
    branching_memory_s=300.0, branching_fast_memory_s=100.0, branching_events=20.0,
    branching_moment_half_life_s=600.0,
)  # fmt: skip
NAMES = [name for name, _, _ in branching.READINGS]


class Market:
    """One underlying with a complete feed and a sampled one."""

    def __init__(self, config: MethodConfig = QUICK) -> None:
        self.u = np.zeros(1, branching_fit.UNDERLYING)[0]
        self.sizes = np.zeros(1, cascade.UNDERLYING)[0]
        self.r = np.zeros(1, READINGS)[0]
        self.contracts = np.zeros(2, CONTRACT)
        self.contracts["liquidations"]["sampled"][1] = 1
        self.contracts["open_interest"]["weight"]["mean"] = (3e9, 7e9)
        self.contracts["open_interest"]["weight"]["observed_s"] = 1.0
        self.p = params(config)
        self.last_s = 0.0
        branching_fit.underlying_init(self.u)
        cascade.underlying_init(self.sizes)

    def order(self, t_s: float, side: int, usd: float, before: float = 0.0) -> None:
        """Take a print of the complete feed."""
        args = (side, before, usd, round(t_s * S), t_s, self.p)
        branching_fit.apply(self.u, self.sizes, *args)
        cascade.apply(self.sizes, *args)

    def tick(self, t_s: float, move: float = 0.0, live: bool = True) -> None:
        """Evaluate a second in which the price moved so."""
        up, members = np.array([live, True]), np.array([0, 1])
        branching_fit.tick(
            self.u, self.contracts, members, 2, up, move, round(t_s * S), t_s, t_s - self.last_s, self.p
        )  # fmt: skip
        self.last_s = t_s
        branching.publish(self.u, self.r, round(t_s * S), self.p)

    def value(self, name: str) -> float:
        """Return a reading."""
        return float(self.r[name]["value"])

    def has(self, name: str, flag: Quality) -> bool:
        """Return whether a reading carries a flag."""
        return bool(int(self.r[name]["quality"]) & flag)


def feed_is_live(second: int) -> bool:
    return second >= 5 and not 150 <= second < 170 and not 400 <= second < 470


def story(seed: int, seconds: int) -> list[tuple[float, int, float, float]]:
    """Return (time, kind, x, y): orders of side `kind`, -1 for a tick, 2 and 3 for a print that grows one."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[float, int, float, float]] = []
    for second in range(1, seconds):
        if not 580 <= second < 593:  # the log itself was interrupted
            rows.append((float(second), -1, float(rng.normal(0.0, 2e-4)), 0.0))
            for at in np.sort(rng.uniform(0.0, 0.9, rng.poisson(0.5))):
                side, usd = int(rng.integers(2)), float(rng.lognormal(8.0, 1.0))
                rows.append((second + at, side, usd, 0.0))
                if rng.random() < 0.3:
                    rows.append((second + at + 0.05, 2 + side, float(rng.lognormal(7.0)), usd))
    return sorted(rows)


def test_every_tick_equals_the_definition() -> None:
    fast, slow = Market(), Slow(300.0, 600.0, (60.0, 600.0, 3600.0))
    compared = 0
    for t_s, kind, x, y in story(60, 1300):
        if kind in {0, 1}:
            fast.order(t_s, kind, x)
            slow.order(t_s, kind, x)
            continue
        if kind >= 2:
            fast.order(t_s, kind - 2, x, y)
            slow.grow(t_s, kind - 2, y, x)
            continue
        if t_s > 320.0:  # the definition is slow: enough is enough
            slow.ticks.append((t_s, feed_is_live(int(t_s)) and t_s - slow.ticks[-1][0] <= 10.0))
        due = round(t_s * S) - int(fast.u["solved_ns"]) >= 10 * S
        fast.tick(t_s, x, feed_is_live(int(t_s)))
        if t_s <= 320.0:
            slow.tick(t_s, x, feed_is_live(int(t_s)), due)
            if due:
                for side, (theta, covariance) in enumerate(slow.solved):
                    own = slice(1 + 3 * side, 4 + 3 * side)
                    np.testing.assert_allclose(
                        fast.u["fits"][0]["theta"][side], theta, rtol=1e-5, atol=1e-8
                    )
                    if not math.isnan(covariance[0, 0]):
                        compared += 1
                        error = math.sqrt(covariance[own, own].sum())
                        assert fast.u["sides"][side]["own_error"] == pytest.approx(error, rel=1e-5)
        _compare_gaps(fast, slow, t_s)
        if t_s % 180.0 == 0.0:
            _compare_moments(fast, slow)
    assert compared > 10


def _compare_gaps(fast: Market, slow: Slow, t_s: float) -> None:
    gap_s, long_s = slow.gaps(60.0)
    for side, name in enumerate(("long", "short")):
        solved = fast.u["fits"]["solved"][:, side] == 1.0
        known = slow.live() and t_s - long_s > 300.0 and solved[0]
        assert math.isnan(fast.value(f"branching_{name}")) != known
        assert math.isnan(fast.value(f"p_supercritical_{name}")) != known
        known = slow.live() and t_s - long_s > 100.0 and solved[1]
        assert math.isnan(fast.value(f"branching_1h_{name}")) != known
        if any(live for _, live in slow.ticks):
            assert fast.has(f"branching_{name}", Quality.GAP_IN_WINDOW) == (t_s - gap_s <= 600.0)
        throttled = not feed_is_live(int(t_s))
        assert fast.has(f"branching_{name}", Quality.THROTTLED_SOURCE) == throttled


def _compare_moments(fast: Market, slow: Slow) -> None:
    for side in (0, 1):
        for w in range(3):
            mean, variance = slow.moments(side, w)
            held = fast.u["moments"][3 * side + w]
            if math.isnan(mean):
                assert held["observed_s"] == 0.0
                continue
            assert held["mean"] == pytest.approx(mean, rel=1e-10)
            assert held["variance"] == pytest.approx(variance, rel=1e-9, abs=1e-12)


@numba.njit
def _play(
    u: Any, sizes: Any, contracts: Any, times: Floats, sources: Any, marks: Floats, p: Any,
    dead_from_s: float, dead_every_s: float,
) -> None:  # fmt: skip
    """Run a simulated stream, price points being ticks; the feed is dead at times, and shows nothing then."""
    members, up, last_s = np.arange(2), np.ones(2, np.bool_), 0.0
    for i in range(times.size):
        t, ns = times[i], round(times[i] * 1e9)
        dead = dead_every_s > 0.0 and t % dead_every_s >= dead_from_s
        if sources[i] >= 2:
            up[0] = not dead
            move = marks[i] * 1e-4 * (-1.0 if sources[i] == 2 else 1.0)
            branching_fit.tick(u, contracts, members, 2, up, move, ns, t, t - last_s, p)
            last_s = t
        elif not dead:
            usd = 1e4 * marks[i] ** 2
            branching_fit.apply(u, sizes, sources[i], 0.0, usd, ns, t, p)
            cascade.apply(sizes, sources[i], 0.0, usd, ns, t, p)


def played(stream: Any, config: MethodConfig, dead: tuple[float, float] = (0.0, 0.0)) -> Market:
    market = Market(config)
    _play(market.u, market.sizes, market.contracts, *stream, market.p, *dead)
    market.last_s = float(stream[0][-1])
    second = math.floor(market.last_s) + 1.0
    market.tick(second, 0.0, not (dead[1] > 0.0 and second % dead[1] >= dead[0]))
    return market


HALF_DAY = MethodConfig()


def test_a_known_market_is_recovered_warm_and_passes_its_test() -> None:
    """Nine comparisons, so three standard errors: by chance one in forty runs would be beyond."""
    world = World(n=gains(0.6, 0.1, 0.01), rate=0.15, sigma_bp=2.0)
    market = played(simulate(world, 61, 1.5 * 86_400.0), HALF_DAY)
    for name in ("long", "short"):
        error = market.value(f"branching_se_{name}")
        assert 0.0 < error < 0.1
        assert abs(market.value(f"branching_{name}") - 0.6) < 3.0 * error
        fast_error = market.value(f"branching_fast_se_{name}")
        assert abs(market.value(f"branching_fast_{name}") - 0.42) < 3.0 * fast_error
        gain = market.value(f"price_gain_{name}")
        assert abs(gain - 0.01) < 3.0 * market.value(f"price_gain_se_{name}")
        assert market.value(f"branching_ks_{name}") < 0.05
        assert market.value(f"p_supercritical_{name}") < 0.1
        assert market.value(f"branching_2s_{name}") < market.value(f"branching_fast_{name}")
        assert math.isnan(market.value(f"loop_gain_{name}"))
        assert int(market.r[f"branching_{name}"]["quality"]) == Quality.MODELLED
        assert float(market.r[f"branching_{name}"]["coverage"]) == pytest.approx(0.3)
    error = market.value("branching_radius_se")
    assert abs(market.value("branching_radius") - 0.7) < 3.0 * error


def test_time_without_a_feed_is_unobserved_and_not_empty() -> None:
    """The feed is dead 50 s of each 200 s; as if it were empty, the rate would be a quarter too low."""
    world = World(n=gains(0.4), rate=0.3, sigma_bp=2.0)
    market = played(simulate(world, 62, 86_400.0), HALF_DAY, (150.0, 200.0))
    f = market.u["fits"][0]
    assert float(f["exposure_s"]) == pytest.approx(
        0.74 * 21_600.0 / math.log(2.0) * 15 / 16, rel=0.02
    )
    assert float(f["events"][0] / f["exposure_s"]) == pytest.approx(0.3, rel=0.06)
    assert market.has("branching_long", Quality.WARMUP)  # a day holds less than two memories of it


def test_a_wrong_model_is_rejected_and_says_so() -> None:
    """Orders that keep their distance from each other, as no Hawkes process does."""
    rng = np.random.default_rng(63)
    ticks = np.arange(1.0, 86_400.0)
    parts = [(ticks, 3, np.zeros(ticks.size))]
    for side in (0, 1):
        times = np.cumsum(rng.gamma(8.0, 1.0, 9_000))
        parts.append((times[times < ticks[-1]], side, np.ones((times < ticks[-1]).sum())))
    times = np.concatenate([t for t, _, _ in parts])
    order = np.argsort(times, kind="stable")
    sources = np.concatenate([np.full(t.size, j) for t, j, _ in parts])[order]
    marks = np.concatenate([m for _, _, m in parts])[order]
    market = played((times[order], sources, marks), HALF_DAY)
    for name in ("branching_long", "branching_fast_short", "loop_gain_long", "branching_radius"):
        assert market.has(name, Quality.MODEL_REJECTED), name
    assert market.value("branching_p_long") < 1e-6
    assert market.value("branching_ks_long") > 0.08
    assert math.isfinite(market.value("branching_long"))


def test_the_loop_gain_has_an_interval_once_the_impact_is_known() -> None:
    world = World(n=gains(0.3, 0.0, 0.02), rate=0.15, sigma_bp=2.0)
    market = played(simulate(world, 64, 86_400.0), HALF_DAY)
    u = market.u
    u["impact"][0] = 400.0, 40.0  # bp for each million USD
    second = market.last_s
    for _ in range(12):
        second += 1.0
        market.tick(second)
    size = float(u["order_usd"][0] / u["orders"][0])
    gain, own = market.value("price_gain_long"), market.value("branching_long")
    loop = own + gain * 400.0 * size / 1e6
    assert market.value("loop_gain_long") == pytest.approx(loop, rel=1e-9)
    low, high = market.value("loop_gain_low_long"), market.value("loop_gain_high_long")
    assert low < loop < high
    assert low + high == pytest.approx(2.0 * loop)
    assert math.isnan(market.value("loop_gain_short"))


def test_a_slow_background_shows_as_a_disagreement() -> None:
    world = World(n=gains(0.0), rate=0.3, diurnal=0.6, sigma_bp=2.0)
    stream = simulate(world, 65, 2.2 * 86_400.0)
    market = played(stream, HALF_DAY)
    assert market.value("branching_moment_1h_long") > 0.7
    assert abs(market.value("branching_fast_long")) < 0.2
    assert market.value("branching_disagrees_long") == 1.0
    m = market.u["moments"][2]
    expected = moment_branching(float(m["mean"]), float(m["variance"]))
    assert market.value("branching_moment_1h_long") == expected


def test_without_a_complete_feed_everything_is_unknown() -> None:
    market = Market()
    market.contracts["liquidations"]["sampled"][0] = 1
    for second in range(1, 400):
        market.tick(float(second), 1e-4)
    for name in NAMES:
        assert math.isnan(market.value(name)), name
        assert market.has(name, Quality.THROTTLED_SOURCE | Quality.MODELLED), name


def test_a_small_complete_feed_may_die_and_a_large_one_may_not() -> None:
    for weights, known in (((9.5e9, 0.4e9), True), ((8e9, 2e9), False)):
        market = Market()
        market.contracts["liquidations"]["sampled"] = 0
        market.contracts["open_interest"]["weight"]["mean"] = weights
        rng = np.random.default_rng(66)
        for second in range(1, 300):
            market.tick(float(second))
            if rng.random() < 0.5:
                market.order(second + 0.5, 0, 1e4)
            if rng.random() < 0.5:
                market.order(second + 0.6, 1, 1e4)
        up, members = np.array([True, False]), np.array([0, 1])
        branching_fit.tick(
            market.u, market.contracts, members, 2, up, 0.0, 300 * S, 300.0, 1.0, market.p
        )
        branching.publish(market.u, market.r, 300 * S, market.p)
        assert math.isfinite(market.value("branching_long")) == known


def test_few_events_are_warmup() -> None:
    world = World(n=gains(0.2), rate=0.001, sigma_bp=2.0)
    market = played(simulate(world, 67, 86_400.0), HALF_DAY)
    assert market.has("branching_long", Quality.WARMUP)
    assert market.has("branching_1h_long", Quality.WARMUP)
