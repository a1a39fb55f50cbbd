"""World `book`: who would be forced where is known, so the heatmap's places and its level have a truth.

Traders come as they like, long or short, with the leverages that the map assumes; each has a counterparty who
holds no leverage and nets nothing, so open interest is the book. Part of them is on cross margin and is never
forced. They close by themselves after a day on average, or by force where the mark touches them. Two truths:

* place: an oracle, whose map is the true book, scored by the same kernels on the same hours;
* level: phi, the factor between the map's USD and what would really be forced, is here the true book's USD
  near the price over the map's, hour by hour with phi's own memory.
"""

from typing import Any

import numpy as np

from service.simulator.traders import true_fuel
from service.simulator.world import HOUR_S, START_NS, Plan, Stage
from streams.config import DAY_S, MethodConfig
from streams.events import Kind, block_rows
from streams.indicators import heatmap, heatmap_score
from streams.kernels.jit import NS_PER_S
from tests.worlds.run import Estimate, Outcome, Run

DAYS = 10
NEAR = 0.05  # ln of the price: how far the true book is compared
CONFIG = MethodConfig()
DAY_NS = round(DAY_S * NS_PER_S)
PLAN = Plan(
    stages=(Stage(name="trade", duration_s=DAYS * DAY_S, step_s=10.0, steered=False, close=1.0),),
    venues=(("bybit", 1.0, False),),
    volatility_bp=0.85,
    vol_of_vol=0.004,
    booked=True,
    opens=0.03,
    isolated=0.6,
    perp_usd=1e5,
    spot_usd=0.0,
    kappa_bp=(1.0, 1.0),
    lag_s=0.0,
    premium_sd=0.0,
)
SCORED = ("cases", "skill", "placebos", "placebo")


class Oracle:
    """The score of a map that is the true book."""

    def __init__(self) -> None:
        self.score = np.zeros(1, heatmap_score.SCORE)[0]
        self._maps = np.zeros(1, heatmap.UNDERLYING)[0]
        self._settings = Run(PLAN, 0).engine._tools[0][0]
        heatmap_score.score_init(self.score)
        heatmap.underlying_init(self._maps)

    def hour(self, one: Run, model: Any, time_ns: int) -> None:
        """Take what was forced and how far the mark went, then look into the book."""
        rows = block_rows(one.block)
        for row in rows[rows["kind"] == Kind.LIQUIDATION]:
            side = 0 if row["side"] > 0 else 1
            heatmap_score.forced(self.score, side, row["a"], row["c"], CONFIG.heat_bin)
        s, b = one.world.state[0], one.world.book[0]
        self._maps["reached"] = -np.log(s["low"]), np.log(s["high"])
        for side in range(2):
            ladder, front = self._maps["map"][side], int(model["map"][side]["front"])
            count = int(b["count"][side])
            price, coin = b["price"][side, :count], b["coin"][side, :count]
            held = (price > 0.0) & np.isfinite(price)
            at = np.floor(heatmap.sign_of(side) * np.log(price[held]) / CONFIG.heat_bin).astype(int)
            ahead = (at >= front) & (at < front + heatmap.BINS)
            ladder["started"], ladder["front"], ladder["scale"] = 1, front, 1.0
            ladder["mass"] = 0.0
            np.add.at(ladder["mass"], at[ahead] % heatmap.BINS, coin[held][ahead])
        heatmap_score.score_step(self.score, self._maps, True, time_ns, self._settings)
        one.world.look()


def _day(score: Any, day: int) -> tuple[float, ...]:
    d = score["day"][day % heatmap_score.DAYS]
    return tuple(float(d[name]) if int(d["day"]) == day else 0.0 for name in SCORED)


def run(seed: int, days: int = DAYS) -> Outcome:
    """Live through one world; note the days' scores and the level at the end."""
    one, oracle = Run(PLAN, seed), Oracle()
    outcome = Outcome("book", seed)
    keep = 0.5 ** (HOUR_S / CONFIG.heat_phi_half_life_s)
    true = modelled = 0.0
    for at in one.every(HOUR_S):
        if at > days * DAY_S:
            break
        time_ns = START_NS + round(at * NS_PER_S)
        u = one.engine._underlyings[0]
        oracle.hour(one, u["heat"], time_ns)
        mark = float(one.world.state[0]["mark"])
        near = [true_fuel(one.world.book[0], side, mark, NEAR) for side in range(2)]
        map_near = one.reading("risk_usd_5pct_below") + one.reading("risk_usd_5pct_above")
        true, modelled = true * keep + sum(near), modelled * keep + map_near
        if time_ns % DAY_NS == 0 and time_ns > START_NS:
            day = time_ns // DAY_NS - 1
            outcome.scores.append(_day(u["heat_score"], day) + _day(oracle.score, day))
    value, error = one.reading("heatmap_phi"), one.reading("heatmap_phi_se")
    outcome.estimates.append(Estimate("phi", true / modelled, value, error))
    return outcome
