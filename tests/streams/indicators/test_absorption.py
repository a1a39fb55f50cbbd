"""Absorption against its definition, by hand, mirrored, and where it must be unknown."""

import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.config import MethodConfig
from streams.groups import GROUPS, Group
from streams.indicators import absorption, bursts
from streams.readings import Quality
from streams.state import VALUE, params
from tests.reference.indicators.absorption import Burst, Second, absorbed

S = 1_000_000_000
NAN = math.nan
START_NS = 19_676 * 86_400 * S
READINGS = np.dtype([(name, VALUE) for name, _, _ in absorption.READINGS])
CONFIG = MethodConfig()


class Market:
    """Bursts are opened and ended by the test; everything may be mirrored."""

    def __init__(self, *, mirrored: bool = False) -> None:
        self.u = np.zeros(1, absorption.UNDERLYING)[0]
        absorption.underlying_init(self.u)
        self.bursts = np.zeros(2, bursts.BURST)
        for b in self.bursts:
            bursts.burst_init(b)
        self.taker, self.printed = np.zeros((GROUPS, 2)), np.zeros(2)
        self.p, self.mirrored = params(CONFIG), mirrored
        self.seconds: list[Second] = []
        self.past: list[Burst] = []

    def side(self, k: int) -> int:
        """Return where a side stands."""
        return 1 - k if self.mirrored else k

    def start(self, k: int) -> None:
        """Open a burst before the next tick."""
        b = self.bursts[self.side(k)]
        b["number"] += 1
        b["phase"], b["end_ns"] = bursts.OPEN, 0

    def end(self, k: int, t: int) -> None:
        """Let a burst have ended at `t`."""
        b = self.bursts[self.side(k)]
        b["phase"], b["end_ns"] = bursts.IDLE, START_NS + t * S

    def spot(self, usd: float) -> None:
        """Let takers buy spot, or sell if negative."""
        signed = -usd if self.mirrored else usd
        group = Group.SPOT_US if int(abs(usd)) % 2 else Group.SPOT_OFFSHORE
        self.taker[group, 0 if signed > 0.0 else 1] += abs(usd)

    def tick(
        self, t: int, level: float, hidden: tuple[float, float] = (0.0, 0.0),
        kappas: tuple[float, float] = (20.0, 10.0), spot: float = 1.0, feeds: float = 1.0,
    ) -> None:  # fmt: skip
        """Evaluate a second and keep it for the definition."""
        dt = t - self.seconds[-1].t if self.seconds else 0
        if self.mirrored:
            hidden, kappas = hidden[::-1], kappas[::-1]
        log_price = -level if self.mirrored else level
        before = self.u["printed"].copy()
        absorption.tick(
            self.u, self.bursts, self.taker, self.printed, hidden, kappas, log_price, spot, feeds,
            START_NS + t * S, float(dt), self.p,
        )  # fmt: skip
        usd = [
            (self.printed[k] - before[k] + hidden[k] * dt) / feeds if feeds > 0.0 else 0.0
            for k in (0, 1)
        ]
        net = self.taker[:, 0] - self.taker[:, 1]
        self.seconds.append(
            Second(t, log_price, float(net[3] + net[4]), (usd[0], usd[1]), kappas, spot, feeds)
        )

    def published(self, t: int) -> Any:
        """Return the readings."""
        r = np.zeros(1, READINGS)[0]
        absorption.publish(self.u, r, 1, 0.9, START_NS + t * S)
        return r


def four(r: Any, side: str) -> list[float]:
    names = ("absorbed_flow", "absorbed_price", "retracement_30m", "retracement_120m")
    return [float(r[f"{name}_{side}"]["value"]) for name in names]


def story(market: Market, seed: int, seconds: int) -> None:
    """Play bursts of both sides, some soon after each other, with feeds that die and prices that vanish."""
    rng = random.Random(seed)
    level, until, opened = 4.0, [0, 0], [0, 0]
    pending: list[list[int]] = [[], []]  # opened, end of a burst whose window is open
    for t in range(1, seconds):
        if rng.random() < 0.02:
            continue
        level += rng.gauss(0.0, 1e-4)
        market.spot(rng.gauss(2e4, 2e5))
        for k in (0, 1):
            b = market.bursts[market.side(k)]
            if t >= until[k] and b["phase"] != bursts.IDLE:
                market.end(k, t - 20)
                pending[k] = [opened[k], t - 20]
                until[k] = t + rng.choice([30, 300, 900, 2500])
            elif t >= until[k] and rng.random() < 0.01:
                if pending[k]:  # the window is cut short
                    market.past.append(Burst(market.side(k), *pending[k], market.seconds[-1].t, t))
                    pending[k] = []
                market.start(k)
                opened[k], until[k] = t, t + rng.randrange(60, 200)
            if market.bursts[market.side(k)]["phase"] == bursts.OPEN:
                usd = rng.lognormvariate(10.0, 1.0)
                market.printed[market.side(k)] += usd
                level += (-1.0 if k == 0 else 1.0) * 15e-4 * usd / 1e6
        dead, blind = rng.random() < 0.3, 3000 <= t < 3030
        market.tick(
            t, NAN if blind else level, (rng.uniform(0.0, 1e4), 0.0), (20.0 + t % 7, 10.0),
            0.2 if dead else 1.0, 0.5 if dead else 0.9,
        )  # fmt: skip
        for k in (0, 1):
            if pending[k] and t - pending[k][1] >= 600:
                market.past.append(Burst(market.side(k), *pending[k], t, t))
                pending[k] = []


@pytest.mark.parametrize("seed", range(3))
def test_every_burst_equals_the_definition(seed: int) -> None:
    market, compared = Market(), 0
    story(market, seed, 12_000)
    t = market.seconds[-1].t
    r = market.published(t)
    for k, side in enumerate(("long", "short")):
        mine = [b for b in market.past if b.side == k]
        last, before = absorbed(market.seconds, mine[-1]), absorbed(market.seconds, mine[-2])
        assert four(r, side) == pytest.approx(list(last), rel=1e-6, abs=1e-9, nan_ok=True)
        for i, name in enumerate(("flow", "price")):
            both = r[f"absorbed_{name}_2_{side}"]["value"]
            assert both == pytest.approx((last[i] + before[i]) / 2.0, rel=1e-6, nan_ok=True)
        flows = [(absorbed(market.seconds, b)[0], b.told) for b in mine]
        weights = [2.0 ** (-(t - told) / CONFIG.absorption_half_life_s) for _, told in flows]
        known = [(x, w) for (x, _), w in zip(flows, weights, strict=True) if x == x]
        mean = math.fsum(x * w for x, w in known) / math.fsum(w for _, w in known)
        assert r[f"absorbed_flow_ew_{side}"]["value"] == pytest.approx(mean, rel=1e-9)
        compared += len(mine)
    assert compared >= 8


def test_by_hand() -> None:
    """2 M forced, 1.2 M of it bought by spot; 40 bp expected, 30 came; 15 and 36 made good."""
    market = Market()
    market.tick(100, 0.0)
    market.start(0)
    for t in range(101, 201):
        market.printed[0] += 2e4
        market.spot(1.2e4)
        market.tick(t, -30e-4 * (t - 100) / 100, kappas=(20.0 if t < 150 else 99.0, 10.0))
    assert float(market.u["sides"][0]["window"]["share"]) == pytest.approx(0.6)
    market.end(0, 200)
    for t in range(201, 8000):
        market.tick(t, -15e-4 if t < 5000 else 6e-4)
        r = market.published(t)
        assert math.isnan(r["absorbed_flow_long"]["value"]) == (t < 800)
        assert math.isnan(r["retracement_30m_long"]["value"]) == (t < 2000)
        assert math.isnan(r["retracement_120m_long"]["value"]) == (t < 7400)
    assert four(r, "long") == pytest.approx([0.6, 0.25, 0.5, 1.2])
    assert math.isnan(r["absorbed_flow_2_long"]["value"])
    assert int(r["absorbed_price_long"]["quality"]) == (
        Quality.CORRECTED | Quality.PARTIAL_COVERAGE | Quality.MODELLED
    )
    assert int(r["absorbed_flow_ew_long"]["quality"]) & Quality.WARMUP
    assert all(math.isnan(x) for x in four(r, "short"))
    assert all(math.isnan(x) for x in four(market.published(200 + 86_401), "long"))


@pytest.mark.parametrize(
    ("spot", "feeds", "known"),
    [(0.5, 0.6, True), (0.49, 1.0, False), (NAN, 1.0, False), (1.0, 0.59, False)],
)
def test_where_too_little_was_seen_it_is_unknown(spot: float, feeds: float, known: bool) -> None:
    market = Market()
    market.tick(1, 0.0)
    market.start(1)
    for t in range(2, 12):
        market.printed[1] += 1e5
        market.tick(t, 1e-4 * t, spot=spot, feeds=feeds)
    market.end(1, 11)
    market.tick(611, 0.0, spot=spot, feeds=feeds)
    r = market.published(611)
    assert math.isfinite(r["absorbed_flow_short"]["value"]) == known
    assert math.isfinite(r["absorbed_price_short"]["value"]) == known


@pytest.mark.parametrize("kappa", [NAN, 0.0, -5.0])
def test_without_a_positive_kappa_no_move_is_expected(kappa: float) -> None:
    market = Market()
    market.tick(1, 0.0, kappas=(kappa, kappa))
    market.start(0)
    for t in range(2, 12):
        market.printed[0] += 1e5
        market.tick(t, -1e-4 * t)
    market.end(0, 11)
    market.tick(611, 0.0)
    r = market.published(611)
    assert r["absorbed_flow_long"]["value"] == 0.0
    assert math.isnan(r["absorbed_price_long"]["value"])


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10_000))
def test_a_mirrored_market_swaps_the_sides(seed: int) -> None:
    plain, mirrored = Market(), Market(mirrored=True)
    story(plain, seed, 4000)
    story(mirrored, seed, 4000)
    t = plain.seconds[-1].t
    a, b = plain.published(t), mirrored.published(t)
    for one, other in (("long", "short"), ("short", "long")):
        assert four(b, other) == pytest.approx(four(a, one), rel=1e-9, abs=1e-12, nan_ok=True)
