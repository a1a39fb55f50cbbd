"""Volatility recomputed from all ticks so far: returns first, then every memory as a sum over its returns."""

import math
from dataclasses import dataclass, field
from itertools import pairwise

from streams.config import MethodConfig
from tests.reference.kernels.average import average, spread
from tests.reference.kernels.changepoint import Floats, run_lengths
from tests.reference.kernels.cusum import SlowCusum
from tests.reference.kernels.decay import HeldSignal

NAN = math.nan
YEAR_S = 365 * 86_400.0
Tick = tuple[float, float, float, bool]  # seconds, log price, share of index prices, live


@dataclass
class Return:
    """One return and what it may tell."""

    start_s: float
    end_s: float
    r: float
    indexed: float
    fine: bool  # live and not over a gap
    follows: bool  # begins where the one before ended

    @property
    def rate(self) -> float:
        """Return its variance a second."""
        return self.r**2 / (self.end_s - self.start_s)


def returns(ticks: list[Tick], config: MethodConfig) -> list[Return]:
    """Return what the sampled path did: first ticks of each step, within stretches of known prices."""
    stretches: list[list[Tick]] = [[]]
    for tick in ticks:
        if tick[1] == tick[1]:
            stretches[-1].append(tick)
        else:
            stretches.append([])
    made: list[Return] = []
    for stretch in stretches:
        sampled: dict[float, Tick] = {}
        for tick in stretch:
            sampled.setdefault(tick[0] // config.vol_return_s, tick)
        samples = sorted(sampled.values())
        for (t0, p0, _, _), (t1, p1, indexed, live) in pairwise(samples):
            fine = live and t1 - t0 <= config.vol_gap_s
            follows = bool(made) and made[-1].end_s == t0
            made.append(Return(t0, t1, p1 - p0, indexed, fine, follows))
    return made


def medians(made: list[Return]) -> list[float]:
    """Return each return's MedRV term, NaN unless it and the two before are fine and follow each other."""
    constant = math.pi / (6.0 - 4.0 * math.sqrt(3.0) + math.pi)
    terms = []
    for i, last in enumerate(made):
        three = made[i - 2 : i + 1] if i >= 2 else []
        known = bool(three) and all(x.fine for x in three) and all(x.follows for x in three[1:])
        terms.append(constant * sorted(x.rate for x in three)[1] if known else NAN)
        assert last.end_s > last.start_s
    return terms


@dataclass
class Horizon:
    """One memory's averages and weights."""

    variance: float
    weight: float
    indexed: float
    live: float
    live_weight: float
    median: float


def horizon(made: list[Return], half_life_s: float) -> Horizon:
    """Return the memory as of the last return."""
    terms = medians(made)
    gaps = [0.0 for _ in made[:1]] + [b.start_s - a.end_s for a, b in pairwise(made)]

    def remember(values: list[float]) -> tuple[float, float]:
        steps: list[tuple[float, float]] = []
        for gap, x, value in zip(gaps, made, values, strict=True):
            steps += [(NAN, gap), (value, x.end_s - x.start_s)]
        return average(steps, half_life_s)

    told = [x.end_s - x.start_s <= 0.1 * half_life_s for x in made]
    rates = [x.rate if ok else NAN for x, ok in zip(made, told, strict=True)]
    shares = [x.indexed if ok else NAN for x, ok in zip(made, told, strict=True)]
    live = [x.rate if m == m else NAN for x, m in zip(made, terms, strict=True)]
    variance, weight = remember(rates)
    alive, alive_weight = remember(live)
    return Horizon(
        variance * YEAR_S, weight, remember(shares)[0], alive, alive_weight, remember(terms)[0]
    )


def log_variance(made: list[Return], half_life_s: float, now_s: float) -> float:
    """Return ln of the variance a year, NaN if the memory is not full or out of date."""
    if not made or now_s - made[-1].end_s > half_life_s:
        return NAN
    h = horizon(made, half_life_s)
    return math.log(h.variance) if h.weight >= 0.75 and h.variance > 0.0 else NAN


def vol_of_vol(ticks: list[Tick], config: MethodConfig) -> float:
    """Return the EW standard deviation of ln RV of the shortest memory, each return holding till the next."""
    made, held = returns(ticks, config), HeldSignal()
    for i, x in enumerate(made):
        known = x.fine and x.follows
        held.advance(x.end_s - x.start_s if known else 0.0)
        fast = log_variance(made[: i + 1], config.vol_half_lives_s[0], x.end_s)
        held.set(fast if x.fine else NAN)
    if not held.steps:
        return NAN
    return math.sqrt(held.moments(config.vol_of_vol_half_life_s)[1])


@dataclass
class SlowRegime:
    """The regime's three answers; told each tick at which a minute begins."""

    config: MethodConfig
    minutes: list[tuple[float, float]] = field(default_factory=list)  # ln RV of 5m, seconds
    switches: list[tuple[float, float]] = field(default_factory=list)
    z: float = NAN
    direction: int = 0
    alarm_s: float = 0.0

    def __post_init__(self) -> None:
        self.up = SlowCusum(self.config.vol_cusum_drift, self.config.vol_cusum_limit)
        self.down = SlowCusum(self.config.vol_cusum_drift, self.config.vol_cusum_limit)

    def minute(self, now_s: float, dt_s: float, x: float) -> None:
        """Watch one minute's ln RV."""
        c = self.config
        mean, variance, weight = spread(self.minutes, c.vol_usual_half_life_s, c.vol_clip)
        warm = weight >= 0.75 and variance > 0.0
        self.z = (x - mean) / math.sqrt(variance) if warm else NAN
        if self.direction and now_s - self.alarm_s >= c.vol_switch_hold_s:
            self.direction = 0
        said = int(self.up.step(self.z)) - int(self.down.step(-self.z))
        new = said not in {0, self.direction}
        if said:
            self.direction, self.alarm_s = said, now_s
        lost, step = max(dt_s - c.vol_step_s, 0.0), min(dt_s, c.vol_step_s)
        daily = NAN if self.z != self.z else float(new) * 86_400.0 / c.vol_step_s
        self.switches += [(NAN, lost), (daily, step)]
        self.minutes += [(NAN, lost), (x, step)]


def blocks(made: list[Return], config: MethodConfig) -> list[tuple[int, float]]:
    """Return each block that is over, and ln of its annual variance, NaN if too little of it was seen."""
    parts: dict[int, list[Return]] = {}
    for x in made:
        if x.fine:
            parts.setdefault(int(x.end_s // config.vol_block_s), []).append(x)
    over = []
    for block in sorted(parts)[:-1]:
        seen = math.fsum(x.end_s - x.start_s for x in parts[block])
        squares = math.fsum(x.r**2 for x in parts[block])
        known = seen >= 0.5 * config.vol_block_s and squares > 0.0
        over.append((block, math.log(squares / seen * YEAR_S) if known else NAN))
    return over


def ages(over: list[tuple[int, float]], config: MethodConfig) -> Floats | None:
    """Return the posterior of the run length after all blocks; None while there is none."""
    steps: list[tuple[float, float]] = []
    values, usual = [], []
    for (block, x), (before, _) in zip(over, [(over[0][0] - 1, 0.0), *over], strict=False):
        mean = average(steps, 30 * 86_400.0)[0]
        if x == x and mean == mean:
            values.append(x)
            usual.append(mean)
        steps += [(NAN, (block - before - 1) * config.vol_block_s), (x, config.vol_block_s)]
    if not values:
        return None
    a, sd = config.vol_prior_alpha, config.vol_prior_sd
    usual.append(NAN)
    return run_lengths(
        values, config.vol_hazard, lambda s: (usual[s], config.vol_prior_blocks, a, a * sd * sd)
    )
