import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.config import MethodConfig
from streams.events import Channel
from streams.groups import Group
from streams.indicators import flow_outputs, flows
from streams.readings import quality_names
from streams.state import CONTRACT, UNDERLYING, params
from tests.reference.indicators import flows as slow
from tests.reference.indicators.held import held_std
from tests.reference.log import START_NS, S

P = params(MethodConfig())
START_S = START_NS // S
DAY_S = 86_400
WINDOWS = {"1m": 60, "5m": 300, "1h": 3600, "4h": 14_400, "24h": DAY_S}
PERPS = (Group.OFFSHORE_PERP, Group.ONCHAIN_PERP)
ALL = [
    Group.OFFSHORE_PERP, Group.OFFSHORE_PERP, Group.ONCHAIN_PERP, Group.SPOT_US, Group.SPOT_OFFSHORE,
    Group.SPOT_OFFSHORE, Group.REGULATED_FUTURES,
]  # fmt: skip


class World:
    """Contracts of some groups, their flows and readings, beside the slow twin."""

    def __init__(self, groups: list[Group], start_s: int = START_S, *, twin: bool = True) -> None:
        self.contracts = np.zeros(len(groups), CONTRACT)
        for contract, group in zip(self.contracts, groups, strict=True):
            contract["feed"]["group"] = int(group)
            flows.contract_init(contract["flows"])
        self.members = np.array([i for i, g in enumerate(groups) if g in PERPS], np.int64)
        self.beside = np.array([i for i, g in enumerate(groups) if g not in PERPS], np.int64)
        self.u = np.zeros(1, UNDERLYING["flows"])[0]
        flows.underlying_init(self.u)
        self.r = np.zeros(1, UNDERLYING["readings"])[0]
        self.slow = slow.Flows(groups) if twin else None
        self.groups, self.now_s = groups, start_s

    def trade(self, k: int, side: int, usd: float) -> None:
        """Let the taker of a trade be `side` (1 bought)."""
        contract = self.contracts[k]
        flows.trade(self.u, contract["flows"], int(self.groups[k]), side, usd)
        contract["price"]["trade_ns"] = self.now_s * S
        if self.slow:
            self.slow.trade(k, side, usd)

    def tick(self, seconds: int = 1, dead: frozenset[int] = frozenset()) -> None:
        """Let seconds pass in which all but the `dead` are watched, then evaluate."""
        self.now_s += seconds
        for k, contract in enumerate(self.contracts):
            contract["feed"]["channels"] = 0 if k in dead else int(Channel.TRADE)
            contract["feed"]["heartbeat_ns"] = self.now_s * S
        watched = tuple(bool(flows.watches(c, self.now_s * S, P)) for c in self.contracts)
        if self.slow:
            self.slow.tick(self.now_s, watched)
        self._evaluate(seconds)

    def _evaluate(self, seconds: int) -> None:
        m, b = self.members, self.beside
        now_ns = self.now_s * S
        flows.tick(self.u, self.contracts, m, m.size, b, b.size, now_ns, True, P)
        flow_outputs.publish(self.u, self.r, now_ns, float(seconds), P)

    def value(self, name: str) -> float:
        """Return a reading's value."""
        return float(self.r[name]["value"])

    def quality(self, name: str) -> set[str]:
        """Return a reading's flags."""
        return set(quality_names(int(self.r[name]["quality"])))


def known(cents: int, coverage: float, per: float = 100.0) -> float:
    """Return what is published of a sum."""
    return cents / per if coverage >= slow.NEEDED else math.nan


def compare(w: World) -> None:
    """Hold every reading against the twin."""
    s = w.slow
    assert s is not None
    volume = {}
    for name, groups in slow.CLASSES.items():
        for window, length in WINDOWS.items():
            reading = f"taker_net_usd_{name}_{window}"
            seen = float(w.r[reading]["coverage"])
            assert seen == pytest.approx(s.class_coverage(groups, length), abs=1e-9)
            net = known(s.net(groups, length), seen)
            assert w.value(reading) == pytest.approx(net, abs=0, nan_ok=True)
            assert w.quality(reading) == s.quality(groups, length)
        watched = s.class_coverage(groups, 60) > 0.0 or any(
            s.ticks[-1].watched[c] for c, g in enumerate(w.groups) if g in groups
        )
        cvd = s.cvd(groups) / 100.0 if watched else math.nan
        assert w.value(f"cvd_usd_{name}") == pytest.approx(cvd, abs=0, nan_ok=True)
        seen = float(w.r[f"taker_net_usd_{name}_24h"]["coverage"])
        volume[name] = known(s.gross(groups, DAY_S), seen)
        assert w.value(f"volume_usd_24h_{name}") == pytest.approx(volume[name], abs=0, nan_ok=True)
    both = volume["perp"] + volume["spot"]
    share = volume["perp"] / both if both > 0.0 else math.nan
    assert w.value("perp_share_24h") == pytest.approx(share, abs=1e-15, nan_ok=True)
    for name in ("perp", "spot"):
        for window, length in (("15m", 900), ("1h", 3600), ("4h", 14_400)):
            groups = slow.CLASSES[name]
            gross = s.gross(groups, length)
            seen = float(w.r[f"taker_imbalance_{name}_{window}"]["coverage"])
            assert seen == pytest.approx(s.class_coverage(groups, length), abs=1e-9)
            expected = known(s.net(groups, length), seen, gross) if gross else math.nan
            got = w.value(f"taker_imbalance_{name}_{window}")
            assert got == pytest.approx(expected, abs=1e-15, nan_ok=True)


@pytest.mark.parametrize("seed", range(2))
def test_every_reading_equals_brute_force_after_every_tick(seed: int) -> None:
    rng = random.Random(seed)
    w = World(ALL, START_S + rng.randrange(DAY_S))
    w.tick()
    dead: frozenset[int] = frozenset()
    for step in range(130):
        long = step > 45 and rng.random() < 0.35
        if rng.random() < 0.06:
            dead = frozenset(k for k in range(len(ALL)) if rng.random() < rng.choice([0.15, 0.6]))
        elif rng.random() < 0.3:
            dead = frozenset()
        for _ in range(rng.randrange(4)):
            w.trade(rng.randrange(len(ALL)), rng.choice([1, -1]), rng.lognormvariate(10.0, 3.0))
        w.tick(rng.randrange(300, 4000) if long else rng.randrange(1, 20), dead)
        compare(w)


def test_windows_are_exact_to_the_cent_for_ever() -> None:
    w = World([Group.OFFSHORE_PERP, Group.SPOT_US], twin=False)
    w.tick()
    amounts: list[tuple[int, int]] = []
    rng = random.Random(9)
    for _ in range(16_000):
        cents, side = rng.choice([1, 3, 10**13 + 7]), rng.choice([1, -1])
        w.trade(0, side, cents / 100.0)
        amounts.append((w.now_s + 1, side * cents))  # the tick that sees it
        w.tick()
    for length, bucket in ((60, 3), (300, 3), (900, 180), (3600, 180), (14_400, 180)):
        end = ((w.now_s - length) // bucket + 1) * bucket
        got = flows.window_net(w.u, flows.PERP, w.now_s * S, length)
        assert got == sum(cents for at, cents in amounts if at >= end)
        assert length - bucket < w.now_s - end + 1 <= length
    assert flows.net_cents(w.u, flows.PERP) == sum(cents for _, cents in amounts)


def test_the_taker_who_buys_counts_up_and_the_one_who_sells_down() -> None:
    w = World([Group.OFFSHORE_PERP, Group.SPOT_OFFSHORE])
    for _ in range(70):
        w.tick()
    w.trade(0, 1, 1000.0)
    w.trade(1, -1, 250.0)
    w.tick()
    assert w.value("taker_net_usd_perp_1m") == 1000.0
    assert w.value("taker_net_usd_spot_1m") == -250.0
    assert w.value("cvd_usd_perp") == 1000.0
    assert w.value("cvd_usd_spot") == -250.0


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.sampled_from([1, -1]), st.floats(0.01, 1e12)), max_size=30
    )
)
def test_swapping_buyers_and_sellers_mirrors_net_flow_and_leaves_volume(
    trades: list[tuple[int, int, float]],
) -> None:
    one, other = World(ALL, twin=False), World(ALL, twin=False)
    for w, sign in ((one, 1), (other, -1)):
        w.tick()
        for k, side, usd in trades:
            w.trade(k, sign * side, usd)
        for _ in range(5):
            w.tick(20_000 // 5)
    for name in one.r.dtype.names or ():
        if name.startswith(("taker_net_usd_", "cvd_", "taker_imbalance_")):
            assert one.value(name) == pytest.approx(-other.value(name), abs=0, nan_ok=True), name
        elif name.startswith(("volume_", "perp_share")):
            assert one.value(name) == pytest.approx(other.value(name), abs=0, nan_ok=True), name
        assert one.r[name]["quality"] == other.r[name]["quality"]


def test_a_market_that_nobody_subscribed_to_is_unknown_and_not_zero() -> None:
    w = World([Group.OFFSHORE_PERP])
    for _ in range(400):
        w.trade(0, 1, 5.0)
        w.tick()
    assert w.value("taker_net_usd_perp_5m") > 0.0
    for name in (
        "taker_net_usd_spot_1m",
        "cvd_usd_spot",
        "taker_net_usd_regulated_1m",
        "volume_usd_24h_spot",
    ):
        assert math.isnan(w.value(name)), name
        assert float(w.r[name]["coverage"]) == 0.0
    assert math.isnan(w.value("perp_share_24h"))


def test_watched_and_silent_is_zero() -> None:
    w = World([Group.OFFSHORE_PERP, Group.SPOT_US])
    for _ in range(400):
        w.tick()
    assert w.value("taker_net_usd_spot_5m") == 0.0
    assert math.isnan(w.value("taker_imbalance_spot_15m"))  # nothing to divide by
    assert w.quality("taker_net_usd_spot_5m") == set()
    assert w.quality("taker_net_usd_spot_1h") == {"WARMUP"}


def test_a_feed_that_died_makes_its_class_unknown_and_its_return_leaves_a_gap() -> None:
    w = World([Group.OFFSHORE_PERP, Group.SPOT_US], twin=False)
    for _ in range(4000):
        w.trade(1, 1, 10.0)
        w.tick()
    assert w.quality("taker_net_usd_spot_1h") == set()
    w.tick(dead=frozenset({1}))
    assert math.isnan(w.value("taker_net_usd_spot_1m"))
    assert math.isnan(w.value("taker_net_usd_spot_1h"))
    assert math.isnan(w.value("cvd_usd_spot"))
    for _ in range(60):
        w.tick(dead=frozenset({1}))
    w.tick()
    assert math.isnan(w.value("taker_net_usd_spot_1m"))  # of its minute next to nothing was seen
    assert w.value("taker_net_usd_spot_1h") > 0.0  # of its hour nearly all
    assert w.quality("taker_net_usd_spot_1h") == {"GAP_IN_WINDOW"}
    assert float(w.r["taker_net_usd_spot_1h"]["coverage"]) == pytest.approx(
        1.0 - 61 / 3600, abs=0.06
    )
    assert not math.isnan(w.value("taker_net_usd_perp_1m"))
    for _ in range(3700):
        w.tick()
    assert w.quality("taker_net_usd_spot_1h") == set()
    assert w.quality("taker_net_usd_spot_4h") >= {"GAP_IN_WINDOW"}


def test_a_small_venue_that_dies_is_a_gap_and_a_large_one_makes_the_class_unknown() -> None:
    w = World([Group.OFFSHORE_PERP, Group.OFFSHORE_PERP], twin=False)
    for _ in range(400):
        w.trade(0, 1, 97.0)
        w.trade(1, 1, 3.0)
        w.tick()
    w.tick(dead=frozenset({1}))
    assert w.value("taker_net_usd_perp_5m") > 0.0
    assert w.quality("taker_net_usd_perp_5m") == {"GAP_IN_WINDOW", "PARTIAL_COVERAGE"}
    for _ in range(400):
        w.tick()
    assert w.quality("taker_net_usd_perp_5m") == set()
    w.tick(dead=frozenset({0}))
    assert math.isnan(w.value("taker_net_usd_perp_1m"))


def test_lost_trades_are_a_gap_of_their_own_time() -> None:
    w = World([Group.OFFSHORE_PERP], twin=False)
    for _ in range(400):
        w.tick()
    flows.gap(w.u, int(Group.OFFSHORE_PERP), (w.now_s - 100) * S, w.now_s * S)
    w.tick()
    assert w.quality("taker_net_usd_perp_1m") == set()
    assert w.quality("taker_net_usd_perp_5m") == {"GAP_IN_WINDOW"}


def test_a_regulated_market_without_trades_for_an_hour_is_closed_and_not_flat() -> None:
    w = World([Group.REGULATED_FUTURES], twin=False)
    w.tick()
    for _ in range(400):
        w.trade(0, -1, 10.0)
        w.tick()
    assert w.value("taker_net_usd_regulated_5m") < 0.0
    for _ in range(3500):
        w.tick()
    assert w.value("taker_net_usd_regulated_5m") == 0.0  # it may be a quiet hour
    for _ in range(200):
        w.tick()
    assert math.isnan(w.value("taker_net_usd_regulated_5m"))
    assert math.isnan(w.value("cvd_usd_regulated"))
    w.trade(0, 1, 10.0)
    w.tick()
    assert w.value("cvd_usd_regulated") == 10.0 - 4000.0
    assert "GAP_IN_WINDOW" in w.quality("cvd_usd_regulated")


def test_cvd_begins_anew_at_midnight_and_says_when_it_missed_the_morning() -> None:
    w = World([Group.OFFSHORE_PERP], START_S + DAY_S - 100, twin=False)
    w.tick()
    w.trade(0, 1, 7.0)
    for _ in range(98):
        w.tick()
    assert w.value("cvd_usd_perp") == 7.0
    assert w.quality("cvd_usd_perp") == {"WARMUP"}
    assert float(w.r["cvd_usd_perp"]["coverage"]) == pytest.approx(98 / DAY_S, rel=0.02)
    w.tick()  # midnight
    assert w.value("cvd_usd_perp") == 0.0
    w.trade(0, -1, 2.0)
    w.tick()
    assert w.value("cvd_usd_perp") == -2.0
    assert w.quality("cvd_usd_perp") == set()
    w.tick(100 * DAY_S)
    assert w.value("cvd_usd_perp") == 0.0


def test_the_four_hour_net_is_held_against_its_own_usual_size() -> None:
    w = World([Group.OFFSHORE_PERP, Group.SPOT_US], twin=False)
    rng = random.Random(2)
    ticks, nets = [float(w.now_s)], [math.nan]
    w.tick(0)
    for _ in range(1500):
        w.trade(0, rng.choice([1, -1]), rng.lognormvariate(8.0, 1.0))
        w.tick(300)
        sigma = held_std([*ticks, float(w.now_s)], [*nets, math.nan], P["sigma_half_life_s"])
        ticks.append(float(w.now_s))
        nets.append(w.value("taker_net_usd_perp_4h"))
        z = w.value("taker_net_z_perp_4h")
        if math.isnan(z):
            assert "WARMUP" in w.quality("taker_net_z_perp_4h")
        else:
            assert z == pytest.approx(nets[-1] / sigma, rel=1e-9)
            assert w.quality("taker_net_z_perp_4h") == w.quality("taker_net_usd_perp_4h")
    assert math.isfinite(w.value("taker_net_z_perp_4h"))
    assert math.isnan(w.value("taker_net_z_spot_4h"))  # it never moved: no size to hold it against
