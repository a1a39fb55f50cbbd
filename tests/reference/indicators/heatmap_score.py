"""Every forecast kept whole and scored from the definition; every episode kept and weighted at the end.

USD of kept maps, and of what was forced in a bin, are float32 numbers, as the definition has them.
"""

import math
from dataclasses import dataclass, field

import numpy as np

HOUR_S, DAY_S = 3600, 86_400


def mixed(usd: np.ndarray, share: float) -> np.ndarray:
    """Return the forecast's probabilities over its cells."""
    n = len(usd)
    if usd.sum() <= 0.0:
        return np.full(n, 1.0 / n)
    return share * usd / usd.sum() + (1.0 - share) / n


def rounded(usd: dict[int, float]) -> dict[int, float]:
    """Return a map's USD as float32 holds them."""
    return {place: float(np.float32(x)) for place, x in usd.items()}


def log_score(usd: np.ndarray, forced: np.ndarray, share: float) -> float:
    """Return the expected ln q under the realised shares."""
    r = forced / forced.sum()
    return float(np.sum(r * np.log(mixed(usd, share))))


def crps(usd: np.ndarray, forced: np.ndarray, share: float) -> float:
    """Return the mean squared difference of cumulative shares."""
    ahead = np.cumsum(mixed(usd, share)) - np.cumsum(forced / forced.sum())
    return float(np.mean(ahead**2))


@dataclass
class Case:
    """One side of one forecast, scored."""

    time_s: int
    skill: float
    placebo: float | None
    over_distance: float
    crps: float
    hit: float
    chance: float
    pit: np.ndarray
    logs: tuple[float, float] | None


@dataclass
class Forecast:
    """What was said at a time: by side, USD by bin."""

    time_s: int
    maps: tuple[dict[int, float], dict[int, float]]
    fronts: tuple[int, int]
    forced: list[tuple[int, int, float]] = field(default_factory=list)  # side, bin, USD
    reach: list[int] = field(default_factory=lambda: [-(10**9), -(10**9)])
    broken: bool = False


class Scorer:
    """Keeps everything; nothing is forgotten but what the definition forgets."""

    def __init__(self, share: float, cells: int = 128, stale_cells: int = 256) -> None:
        self.share, self.cells, self.stale_cells = share, cells, stale_cells
        self.open: list[Forecast] = []
        self.old: list[Forecast] = []
        self.cases: list[Case] = []
        self.realised: list[np.ndarray] = []
        self.hour: int | None = None

    def forced(self, side: int, place: int, usd: float) -> None:
        """Note a forced order."""
        for f in self.open:
            f.forced.append((side, place, usd))

    def step(
        self, time_s: int, reached: tuple[int, int],
        maps: tuple[dict[int, float], dict[int, float]], fronts: tuple[int, int], *, known: bool,
    ) -> None:  # fmt: skip
        """Advance; at a new hour score and forecast."""
        for f in self.open:
            f.broken |= not known
            for side in range(2):
                f.reach[side] = max(f.reach[side], reached[side])
        if time_s // HOUR_S == self.hour:
            return
        self.hour = time_s // HOUR_S
        for f in [f for f in self.open if f.time_s // HOUR_S <= self.hour - 4]:
            if f.time_s // HOUR_S == self.hour - 4 and not f.broken:
                self._score(f, 0, time_s)
                self._score(f, 1, time_s)
            self.open.remove(f)
        maps = (rounded(maps[0]), rounded(maps[1]))
        self.open.append(Forecast(time_s, maps, fronts, broken=not known))
        if not self.old or time_s - self.old[-1].time_s >= 1.5 * DAY_S:
            self.old.append(Forecast(time_s, maps, fronts))

    def _cells(self, f: Forecast, of: dict[int, float], side: int, n: int, last: int) -> np.ndarray:
        return np.array([
            of.get(k, 0.0) if k < last else 0.0 for k in range(f.fronts[side], f.fronts[side] + n)
        ])  # fmt: skip

    def _score(self, f: Forecast, side: int, time_s: int) -> None:
        n = min(f.reach[side] - f.fronts[side] + 1, self.cells)
        if n < 2:
            return
        sums: dict[int, float] = {}
        for where, place, usd in f.forced:
            if where == side:
                sums[place] = float(np.float32(sums.get(place, 0.0) + usd))
        forced = self._cells(f, sums, side, n, 10**9)
        if forced.sum() <= 0.0:
            return
        usd = self._cells(f, f.maps[side], side, n, 10**9)
        flat, ours = -math.log(n), log_score(usd, forced, self.share)
        usual = sum(
            (0.998 ** (len(self.realised) - i) * r[:n] for i, r in enumerate(self.realised)),
            np.zeros(n),
        )
        old = [o for o in self.old if time_s - o.time_s >= 3 * DAY_S]
        placebo = None
        if old:
            last = old[-1].fronts[side] + self.stale_cells
            stale = self._cells(f, old[-1].maps[side], side, n, last)
            stale[: max(old[-1].fronts[side] - f.fronts[side], 0)] = 0.0
            placebo = log_score(stale, forced, self.share) - flat
        top = sorted(range(n), key=lambda k: (-usd[k], k))[:3]
        q = mixed(usd, self.share)
        at = np.minimum(((np.cumsum(q) - 0.5 * q) * 10).astype(int), 9)
        pit = np.zeros(10)
        np.add.at(pit, at, forced / forced.sum())
        self.cases.append(Case(
            time_s, ours - flat, placebo, ours - log_score(usual, forced, self.share),
            crps(np.ones(n), forced, self.share) - crps(usd, forced, self.share),
            float(sum(forced[k] for k in top) / forced.sum()), min(3, n) / n, pit,
            (math.log(usd.sum()), math.log(forced.sum())) if usd.sum() > 0.0 else None,
        ))  # fmt: skip
        row = np.zeros(self.cells)
        row[:n] = forced / forced.sum()
        self.realised.append(row)

    def week(self, time_s: int) -> list[Case]:
        """Return the cases of the last seven UTC days."""
        return [c for c in self.cases if time_s // DAY_S - c.time_s // DAY_S < 7]

    def error(self, time_s: int) -> float:
        """Return the day-clustered standard error of the weekly skill."""
        cases = self.week(time_s)
        mean = float(np.mean([c.skill for c in cases]))
        days: dict[int, float] = {}
        for c in cases:
            day = c.time_s // DAY_S
            days[day] = days.get(day, 0.0) + c.skill - mean
        if len(days) < 2:
            return math.nan
        spread = math.fsum(x * x for x in days.values()) * len(days) / (len(days) - 1)
        return math.sqrt(spread) / len(cases)

    def slope(self, half_life_s: float) -> float:
        """Return the weighted least-squares slope of ln realised on ln modelled USD."""
        pairs = [(c.time_s, *c.logs) for c in self.cases if c.logs]
        w = np.array([0.5 ** ((pairs[-1][0] - t) / half_life_s) for t, _, _ in pairs])
        x, y = np.array([p[1] for p in pairs]), np.array([p[2] for p in pairs])
        x, y = x - np.average(x, weights=w), y - np.average(y, weights=w)
        return float(np.sum(w * x * y) / np.sum(w * x * x))


def ratio(episodes: list[tuple[float, float, float]], half_life_s: float) -> tuple[float, float]:
    """Return phi and its standard error from all episodes (time, consumed, realised)."""
    w = np.array([0.5 ** ((episodes[-1][0] - t) / half_life_s) for t, _, _ in episodes])
    x, y = np.array([e[1] for e in episodes]), np.array([e[2] for e in episodes])
    phi = float(np.sum(w * y) / np.sum(w * x))
    return phi, float(np.sqrt(np.sum((w * (y - phi * x)) ** 2)) / np.sum(w * x))
