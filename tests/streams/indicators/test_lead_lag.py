"""Trade paths, lead-lag and information share: against their definitions, and where the leader is known."""

import math
import random
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from streams.config import MethodConfig
from streams.groups import Group
from streams.indicators import information, lead_lag, trade_paths
from streams.kernels.jit import Record, kernel
from streams.readings import Quality
from streams.state import CONTRACT, VALUE, params
from tests.reference.indicators.trade_paths import SlowInformation, SlowPath
from tests.reference.kernels.cross import SlowCross
from tests.truth import Truth, profile

S = 1_000_000_000
NAN = math.nan
Floats = npt.NDArray[np.float64]
START_NS = 19_676 * 86_400 * S
QUICK = MethodConfig(
    lead_lag_half_life_s=200.0, information_memory_s=300.0, information_solve_s=20.0
)
READINGS = np.dtype([
    (name, VALUE)
    for name, _, _ in (*trade_paths.READINGS, *lead_lag.READINGS, *information.READINGS)
])  # fmt: skip


class Market:
    """Two perpetuals, two spot markets and a regulated future that is of no concern."""

    def __init__(self, config: MethodConfig = QUICK) -> None:
        self.contracts = np.zeros(5, CONTRACT)
        self.paths = np.zeros(1, trade_paths.UNDERLYING)[0]
        self.lead = np.zeros(1, lead_lag.UNDERLYING)[0]
        self.info = np.zeros(1, information.UNDERLYING)[0]
        trade_paths.underlying_init(self.paths)
        lead_lag.underlying_init(self.lead)
        information.underlying_init(self.info)
        groups = (
            Group.OFFSHORE_PERP, Group.ONCHAIN_PERP, Group.SPOT_US, Group.SPOT_OFFSHORE,
            Group.REGULATED_FUTURES,
        )  # fmt: skip
        for c, group in zip(self.contracts, groups, strict=True):
            trade_paths.contract_init(c["path"])
            c["price"]["trade"] = NAN
            c["feed"]["group"], c["feed"]["aside"] = group, int(group >= Group.REGULATED_FUTURES)
        self.members, self.beside = np.array([0, 1]), np.array([2, 3, 4])
        self.p = params(config)
        self.last_s: int | None = None

    def trade(self, k: int, second: float, price: float) -> None:
        """Print a trade of a contract."""
        c = self.contracts[k]["price"]
        c["trade"], c["trade_ns"] = price, START_NS + round(second * S)

    def tick(self, second: int) -> None:
        """Evaluate a second."""
        now_ns = START_NS + second * S
        dt_s = 0.0 if self.last_s is None else float(second - self.last_s)
        trade_paths.tick(
            self.paths, self.contracts, self.members, 2, self.beside, 3, now_ns, dt_s, self.p
        )
        lead_lag.tick(self.lead, self.paths, now_ns, self.p)
        information.tick(self.info, self.paths, now_ns, self.p)
        self.last_s = second

    def published(self, second: int) -> Any:
        """Return the readings."""
        r = np.zeros(1, READINGS)[0]
        lead_lag.publish(self.lead, r, 1.0, START_NS + second * S, self.p)
        information.publish(self.info, r, 1.0, START_NS + second * S, self.p)
        return r


def quotes(seed: int, seconds: int) -> list[tuple[int, dict[int, tuple[float, float]]]]:
    """Return the trades of each second, some markets silent for a while, some seconds without any row."""
    rng = random.Random(seed)
    perp = spot = 4.0
    silent = dict.fromkeys(range(5), 0)
    rows = []
    for second in range(1, seconds):
        gap = perp - spot
        perp += rng.gauss(0.0, 2e-4) - 0.15 * gap
        spot += rng.gauss(0.0, 2e-4) + 0.05 * gap
        trades = {}
        for k in range(5):
            if rng.random() < 0.004:
                silent[k] = rng.randrange(3, 30)
            silent[k] -= 1
            everything = 400 <= second < 420 or (k >= 2 and 500 <= second < 520)
            if silent[k] < 0 and not everything and rng.random() < 0.9:
                level = (perp if k < 2 else spot) + rng.gauss(0.0, 2e-5) + 0.01 * k
                trades[k] = (second - rng.random(), math.exp(level))
        if rng.random() < 0.99:
            rows.append((second, trades))
    return rows


def test_paths_lead_and_share_equal_their_definitions() -> None:
    market = Market()
    slow = (SlowPath(5.0), SlowPath(5.0))
    cross, info = SlowCross(), SlowInformation(300.0)
    last: dict[int, tuple[float, float]] = {}
    before, seen = None, {"resumed": 0, "moves": 0, "share": 0, "broken": 0}
    for second, trades in quotes(5, 900):
        for k, (t, x) in trades.items():
            market.trade(k, t, x)
            last[k] = (t, x)
        market.tick(second)
        moves = [
            slow[i].step({str(k): last[k] for k in ks if k in last}, float(second))
            for i, ks in enumerate(((0, 1), (2, 3)))
        ]
        dt_s = 0.0 if before is None else float(second - before)
        whole = dt_s == 1.0
        if not whole:
            moves = [NAN, NAN]
        before = second
        levels = [NAN if path.silent else path.level for path in slow]
        np.testing.assert_allclose(market.paths["move"], moves, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(
            market.paths["level"], [x.level for x in slow], rtol=1e-9, atol=1e-7
        )
        counts = second >= 120
        cross.step(moves[0], moves[1], 2.0 ** (-dt_s / 200.0), counts=counts)
        for _ in range(0 if whole else 9):
            cross.step(NAN, NAN, 1.0)  # what was before has no whole second's distance to now
        broken = any(path.broken for path in slow)
        told = info.step(
            moves[0], moves[1], levels[0] - levels[1], dt_s, counts=counts, whole=whole, broken=broken
        )  # fmt: skip
        seen["moves"] += all(map(math.isfinite, moves))
        seen["broken"] += broken
        if int(market.info["solved_ns"]) == START_NS + second * S:
            assert told
            _, _, share, error = info.solve()
            assert market.info["share"] == pytest.approx(share, rel=1e-6, nan_ok=True)
            assert market.info["error"] == pytest.approx(error, rel=1e-6, nan_ok=True)
            seen["share"] += share == share
        if second % 20 == 0:
            r = market.published(second)
            assert r["lead_lag_ratio"]["value"] == pytest.approx(
                cross.ratio(), rel=1e-6, nan_ok=True
            )
    assert all(seen[name] > 0 for name in ("moves", "share", "broken"))
    assert seen["moves"] > 600


def test_no_coming_or_going_moves_a_path() -> None:
    """Contracts at very different levels, none of which moves, come, fall silent and return."""
    market, rng = Market(), random.Random(6)
    for second in range(1, 600):
        for k in range(5):
            if (second + 37 * k) // (20 + k) % 3:
                market.trade(k, second - rng.random(), 100.0 * (1.0 + k))
        market.tick(second)
    assert market.paths["level"].tolist() == [0.0, 0.0]


def test_a_silent_path_resumes_with_the_move_it_missed() -> None:
    market = Market()
    for second in range(1, 40):
        if not 10 <= second < 25:
            market.trade(0, float(second), 100.0 if second < 10 else 101.0)
        market.tick(second)
        assert math.isnan(market.paths["move"][0]) == (second == 1 or 15 <= second <= 25)
    assert market.paths["level"][0] == pytest.approx(1e4 * math.log(1.01))


@kernel
def _play(
    paths: Record,
    lead: Record,
    info: Record,
    contracts: Record,
    levels: Floats,
    start_ns: int,
    p: Record,
) -> None:
    """Trade a perpetual and a spot market each second at levels in bp, float64[2, seconds]."""
    members, beside = np.array([0]), np.array([2])
    for t in range(levels.shape[1]):
        now_ns = start_ns + t * 1_000_000_000
        for i in range(2):
            c = contracts[2 * i]
            c.price.trade = math.exp(levels[i, t] * 1e-4)
            c.price.trade_ns = now_ns
        trade_paths.tick(paths, contracts, members, 1, beside, 1, now_ns, 1.0, p)
        lead_lag.tick(lead, paths, now_ns, p)
        information.tick(info, paths, now_ns, p)


def after(levels: Floats, config: MethodConfig | None = None) -> tuple[Market, Any]:
    """Return the market and its readings after both series."""
    market = Market(config or MethodConfig())
    start_ns = START_NS + 1800 * S
    _play(market.paths, market.lead, market.info, market.contracts, levels, start_ns, market.p)
    return market, market.published(1800 + levels.shape[1] - 1)


def coupled(seed: int, seconds: int, alpha_s: float, alpha_f: float, sd: float = 1.0) -> Floats:
    """Return two prices in bp that pull each other: ds = alpha_s e + noise, df = alpha_f e + noise."""
    rng = np.random.default_rng(seed)
    noise = sd * rng.normal(size=(2, seconds))
    noise += rng.normal(size=seconds)  # news that both take at once
    levels = np.zeros((2, seconds))
    for t in range(1, seconds):
        e = levels[0, t - 1] - levels[1, t - 1]
        levels[0, t] = levels[0, t - 1] + alpha_f * e + noise[0, t]
        levels[1, t] = levels[1, t - 1] + alpha_s * e + noise[1, t]
    return levels


def test_planted_adjustments_give_the_spot_share_of_four_fifths(truth: Truth) -> None:
    """0.02 and -0.08: spot gives way a quarter as much, so it makes four fifths of the price."""
    inside, shares, runs = 0, [], profile(100, 400)
    for seed in range(runs):
        _, r = after(coupled(seed, 3 * 3600, 0.02, -0.08))
        share, error = (r[f"spot_information_share{x}"]["value"] for x in ("", "_se"))
        assert not int(r["spot_information_share"]["quality"]) & Quality.WARMUP
        shares.append(share)
        inside += abs(share - 0.8) <= 2.0 * error
    truth(21, "mean share of spot in the price, less 0.8", float(np.mean(shares)) - 0.8, 0.01)
    beyond = 1.0 - inside / runs  # 4.6 % expected
    truth(21, "part of the shares beyond 2 standard errors of the planted one", beyond, 0.08)


def test_swapping_the_markets_swaps_the_share() -> None:
    levels = coupled(7, 3 * 3600, 0.05, -0.03)
    _, one = after(levels)
    _, other = after(levels[::-1].copy())
    assert other["spot_information_share"]["value"] == pytest.approx(
        1.0 - one["spot_information_share"]["value"], abs=1e-4
    )
    mirrored, _ = after(-levels)
    assert mirrored.info["share"] == pytest.approx(one["spot_information_share"]["value"], rel=1e-9)


def test_prices_that_do_not_pull_each_other_have_no_share() -> None:
    rng = np.random.default_rng(8)
    _, r = after(
        np.cumsum(rng.normal(size=(2, 10_000)), axis=1), MethodConfig(information_memory_s=1e6)
    )
    assert math.isnan(r["spot_information_share"]["value"])


@pytest.mark.parametrize("lag", [1, 2, 5, 10])
@pytest.mark.parametrize("leader", [0, 1])
def test_shifted_copies_say_who_leads(truth: Truth, lag: int, leader: int) -> None:
    rng = np.random.default_rng(lag)
    walk = np.cumsum(rng.normal(size=6000 + lag))
    copies = np.stack([walk[lag:], walk[:-lag]])  # the first is ahead
    _, r = after(copies if leader == 0 else copies[::-1].copy())
    ratio = r["lead_lag_ratio"]["value"]
    assert ratio > 20.0 if leader == 0 else ratio < 0.05
    wrong = r["perp_leads"]["value"] - float(leader == 0)
    truth(21, "who leads by 1, 2, 5 or 10 seconds, less who does", wrong, 0)
    assert not int(r["perp_leads"]["quality"]) & Quality.WARMUP


def test_without_a_lead_it_is_unknown_who_leads() -> None:
    rng = np.random.default_rng(9)
    news, noise = np.cumsum(rng.normal(size=6000)), np.cumsum(rng.normal(size=(2, 6000)), axis=1)
    _, r = after(news + noise)
    assert math.isnan(r["perp_leads"]["value"])
    assert 0.1 < r["lead_lag_ratio"]["value"] < 10.0


def test_delays_of_trades_are_told_apart() -> None:
    market = Market()
    feeds = market.contracts["feed"]
    for _ in range(20_000):
        trade_paths.note_delay(market.paths, feeds[0], 0, 30_000_000)
        trade_paths.note_delay(market.paths, feeds[3], 0, 120_000_000)
        trade_paths.note_delay(market.paths, feeds[4], 0, 900_000_000)  # regulated
        trade_paths.note_delay(market.paths, feeds[0], 0, 60 * S)  # fetched afterwards
    assert market.paths["delay_ms"].tolist() == pytest.approx([30.0, 120.0])
