"""The heatmap's trial: the indicator, an oracle that sees the true book, and their daily scores.

The indicator gets what a venue publishes. The oracle's map is the histogram of true liquidation prices, and
what it says would be consumed is held against what was forced; both are scored by the same kernels.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from streams.brackets import brackets, terms
from streams.config import MethodConfig
from streams.indicators import heatmap, heatmap_level, heatmap_score
from streams.kernels.jit import kernel
from streams.state import CONTRACT, MAX_CONTRACTS, params
from tests.reference.heat_world import DAY, Minute, World

MINUTE_NS = 60_000_000_000
BASE_NS = 19_676 * DAY * MINUTE_NS
WIDTH = 0.00125


@dataclass
class Scores:
    """Sums of one day."""

    cases: float
    skill: float
    placebos: float
    placebo: float
    over_distance: float
    hit: float
    chance: float


def take(score: Any, day: int) -> Scores:
    """Return a day's sums."""
    d = score["day"][day % heatmap_score.DAYS]
    if int(d["day"]) != day:
        return Scores(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    return Scores(*(float(d[name]) for name in Scores.__annotations__))


@kernel
def play(
    maps: Any, contracts: Any, members: Any, work: Any, score: Any, true_score: Any, p: Any,
    numbers: Any, longs: Any, shorts: Any, now_ns: int,
) -> None:  # fmt: skip
    """Let the indicator see a minute, and both scores what was forced in it."""
    low, high, price, open_interest, traded, bought = numbers
    c = contracts[0]
    heatmap.mark(c.heat, low)
    heatmap.mark(c.heat, high)
    heatmap.mark(c.heat, price)
    heatmap.trade(c.heat, 1, bought, bought * price)
    heatmap.trade(c.heat, -1, traded - bought, (traded - bought) * price)
    c.price.mark, c.price.mark_ns = price, now_ns
    c.open_interest.quantity, c.open_interest.usd = open_interest, open_interest * price
    c.open_interest.time_ns = now_ns
    heatmap.tick(maps, contracts, members, 1, now_ns, 60.0, True, p, work)
    for k in range(longs.shape[0]):
        heatmap_score.forced(score, 0, longs[k, 0], longs[k, 1], p.heat_bin)
        heatmap_score.forced(true_score, 0, longs[k, 0], longs[k, 1], p.heat_bin)
    for k in range(shorts.shape[0]):
        heatmap_score.forced(score, 1, shorts[k, 0], shorts[k, 1], p.heat_bin)
        heatmap_score.forced(true_score, 1, shorts[k, 0], shorts[k, 1], p.heat_bin)


class Trial:
    """Indicator and oracle over one world."""

    def __init__(self, seed: int, config: MethodConfig) -> None:
        self.world, self.p = World(seed), params(config)
        self.contracts = np.zeros(1, CONTRACT)
        self.c = self.contracts[0]
        heatmap.contract_init(self.c["heat"])
        self.c["heat"]["maintenance"], self.c["heat"]["amount"] = terms(brackets("binance", "BTC"))
        self.members = np.zeros(MAX_CONTRACTS, np.int64)
        self.work = np.zeros((3, MAX_CONTRACTS))
        self.maps = [np.zeros(1, heatmap.UNDERLYING)[0] for _ in range(2)]
        self.scores = [np.zeros(1, heatmap_score.SCORE)[0] for _ in range(2)]
        self.levels = [np.zeros(1, heatmap_level.LEVEL)[0] for _ in range(2)]
        for who in range(2):
            heatmap.underlying_init(self.maps[who])
            heatmap_score.score_init(self.scores[who])
            heatmap_level.level_init(self.levels[who])
        self.before = (np.zeros((0, 4)), np.zeros((0, 4)))
        self.model_days: list[Scores] = []
        self.oracle_days: list[Scores] = []

    def run(self, days: int) -> None:
        """Play the world's days."""
        for minute in self.world.run(days):
            now_ns = BASE_NS + (minute.number + 1) * MINUTE_NS
            numbers = (
                minute.low, minute.high, minute.price, minute.open_interest, minute.traded, minute.bought,
            )  # fmt: skip
            play(
                self.maps[0], self.contracts, self.members, self.work, *self.scores, self.p, numbers,
                *minute.forced, now_ns,
            )  # fmt: skip
            self._oracle(minute)
            for side in range(2):
                realised = float(minute.forced[side][:, 1].sum())
                for level, m in zip(self.levels, self.maps, strict=True):
                    consumed = float(m["consumed_usd"][side])
                    heatmap_level.level_step(level, side, consumed, realised, now_ns, self.p)
            for score, m in zip(self.scores, self.maps, strict=True):
                heatmap_score.score_step(score, m, True, now_ns, self.p)
            if (minute.number + 2) % DAY == 0:  # a day's last step
                day = now_ns // (DAY * MINUTE_NS)
                self.model_days.append(take(self.scores[0], day))
                self.oracle_days.append(take(self.scores[1], day))

    def _oracle(self, m: Minute) -> None:
        """Let the oracle's map be the true book as it stands, in front of the price."""
        model, oracle = self.maps
        for side in range(2):
            reached = int(np.floor(float(model["reached"][side]) / WIDTH))
            oracle["consumed_usd"][side] = self._met(m, side, reached)
            oracle["reached"][side] = model["reached"][side]
            s = oracle["map"][side]
            s["started"], s["front"] = 1, model["map"][side]["front"]
            if (m.number + 1) % 60 == 0:
                rows = m.book[side]
                place = bins(rows, side)
                ahead = (place >= s["front"]) & (place < s["front"] + heatmap.BINS)
                s["mass"][:] = 0.0
                np.add.at(s["mass"], place[ahead] % heatmap.BINS, rows[ahead, 1])
        self.before = m.book

    def _met(self, m: Minute, side: int, reached: int) -> float:
        """Return the USD of the book before the minute in bins price met in it, each position once."""
        rows = self.before[side]
        met = (bins(rows, side) <= reached) & (rows[:, 3] == 0.0)
        usd = float((rows[met, 0] * rows[met, 1]).sum())
        now = m.book[side]
        now[(bins(now, side) <= reached) & (now[:, 2] < m.number), 3] = 1.0
        return usd


def bins(rows: np.ndarray, side: int) -> np.ndarray:
    """Return the bins of positions."""
    return np.floor(heatmap.sign_of(side) * np.log(rows[:, 0]) / WIDTH).astype(int)


def bootstrap(
    sums: np.ndarray, counts: np.ndarray, draws: int = 1000, seed: int = 0
) -> tuple[float, float, float]:
    """Return mean per case and its 95 % interval, drawing whole days."""
    rng = np.random.default_rng(seed)
    picks = rng.integers(0, len(sums), (draws, len(sums)))
    means = sums[picks].sum(axis=1) / np.maximum(counts[picks].sum(axis=1), 1e-9)
    return float(sums.sum() / counts.sum()), *(float(x) for x in np.quantile(means, (0.025, 0.975)))
