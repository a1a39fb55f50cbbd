"""Is the map right about where? Its forecasts scored against what was forced, every hour (method 7.7).

Each hour the map's next 128 bins of each side are kept. Four hours later they are compared with where
positions of that side were forced meanwhile, in the bins up to the furthest the mark went (`n` of them, at
least two): ``q = 0.9*map + 0.1*uniform`` over those bins, ``score = sum(r * ln q)``, r the realised shares.
Truncation leaves out where price went, one side at a time leaves out the trend. Differences in nats:

* skill: map less uniform; the same against the distances at which forced orders were found so far;
* placebo: a map at least three days old less uniform, which must not be better than nothing;
* crps: the uniform's less the map's integrated squared difference from the realised cumulative shares;
* lift: realised share in the map's three fullest bins over the share three random bins would get.

Means run over seven UTC days, today's so far included; the standard error treats days as the independent
units. Hours in which the liquidation feeds failed are not scored.

What is kept of a map and what is forced in its bins is rounded to float32: shares to seven digits are plenty.
"""

import math

import numpy as np

from streams.indicators.heatmap import BINS, sign_of
from streams.kernels.decay import decay
from streams.kernels.heat import bin_of, bin_price
from streams.kernels.jit import NS_PER_S, Record, kernel

CELLS, STALE_CELLS = 128, 256  # bins from the price on; 12.5 bp each
HOURS, STALE, DAYS, WEEK = 4, 3, 8, 7
HOUR_NS, DAY_NS = 3600 * NS_PER_S, 86_400 * NS_PER_S
STALE_EVERY_NS, STALE_AGE_NS = 36 * HOUR_NS, 72 * HOUR_NS
PIT = 10
KEEP_DISTANCES = 0.998  # a case; half is forgotten after 346
SLOPE_HALF_LIFE_S = 28 * 86_400.0

FORECAST = np.dtype([
    ("made_ns", "i8"), ("broken", "i8"), ("front", "i8", (2,)), ("reach", "i8", (2,)),
    ("usd", "f4", (2, CELLS)), ("forced", "f4", (2, CELLS)),
])  # fmt: skip
OLD_MAP = np.dtype([("taken_ns", "i8"), ("front", "i8", (2,)), ("usd", "f4", (2, STALE_CELLS))])
DAY = np.dtype([
    ("day", "i8"), ("cases", "f8"), ("skill", "f8"), ("crps", "f8"), ("over_distance", "f8"),
    ("placebos", "f8"), ("placebo", "f8"), ("hit", "f8"), ("chance", "f8"),
])  # fmt: skip
SLOPE = np.dtype([
    ("weight", "f8"), ("x", "f8"), ("y", "f8"), ("xx", "f8"), ("xy", "f8"), ("updated_ns", "i8"),
])  # fmt: skip
SCORE = np.dtype([
    ("hour", "i8"), ("forecast", FORECAST, (HOURS,)), ("old", OLD_MAP, (STALE,)), ("next_old", "i8"),
    ("day", DAY, (DAYS,)), ("distances", "f8", (CELLS,)), ("pit", "f8", (PIT,)), ("slope", SLOPE),
])  # fmt: skip


@kernel
def score_init(s: Record) -> None:
    """No forecast yet."""
    s.hour = s.next_old = 0
    for k in range(HOURS):
        s.forecast[k].made_ns = 0
    for k in range(STALE):
        s.old[k].taken_ns = 0
    for k in range(DAYS):
        s.day[k].day = -1
    s.distances[:] = 0.0
    s.pit[:] = 0.0
    s.slope.weight = s.slope.x = s.slope.y = s.slope.xx = s.slope.xy = 0.0
    s.slope.updated_ns = 0


@kernel
def log_score(usd: Record, forced: Record, n: int, share: float) -> float:
    """Return ``sum(r * ln q)`` over the first `n` cells; q is uniform where `usd` is empty.

    >>> round(log_score(np.array([1.0, 3.0]), np.array([0.0, 5.0]), 2, 1.0), 6)
    -0.287682
    """
    total = all_forced = 0.0
    for k in range(n):
        total += usd[k]
        all_forced += forced[k]
    score = 0.0
    for k in range(n):
        if forced[k] > 0.0:
            q = share * usd[k] / total + (1.0 - share) / n if total > 0.0 else 1.0 / n
            score += forced[k] / all_forced * math.log(q)
    return score


@kernel
def crps(usd: Record, forced: Record, n: int, share: float) -> float:
    """Return the mean squared difference of the forecast's and the realised cumulative shares."""
    total = all_forced = 0.0
    for k in range(n):
        total += usd[k]
        all_forced += forced[k]
    ahead = squares = 0.0
    for k in range(n):
        q = share * usd[k] / total + (1.0 - share) / n if total > 0.0 else 1.0 / n
        ahead += q - forced[k] / all_forced
        squares += ahead * ahead
    return squares / n


@kernel
def top_hit(usd: Record, forced: Record, n: int, count: int) -> float:
    """Return the realised share in the `count` fullest cells; of equal ones the nearer counts."""
    all_forced = hit = 0.0
    taken = np.zeros(n)
    for k in range(n):
        all_forced += forced[k]
    for _ in range(min(count, n)):
        best = -1
        for k in range(n):
            if taken[k] == 0.0 and (best < 0 or usd[k] > usd[best]):
                best = k
        taken[best] = 1.0
        hit += forced[best]
    return hit / all_forced


@kernel
def _pit(pit: Record, usd: Record, forced: Record, n: int, share: float) -> None:
    """Add where in the forecast's distribution the forced USD fell."""
    total = all_forced = below = 0.0
    for k in range(n):
        total += usd[k]
        all_forced += forced[k]
    for k in range(n):
        q = share * usd[k] / total + (1.0 - share) / n if total > 0.0 else 1.0 / n
        pit[min(int((below + 0.5 * q) * PIT), PIT - 1)] += forced[k] / all_forced
        below += q


@kernel
def _learn_slope(s: Record, x: float, y: float, time_ns: int) -> None:
    """Add a pair (ln model USD, ln realised USD) to the forgetting regression."""
    g = decay((time_ns - s.updated_ns) / NS_PER_S, SLOPE_HALF_LIFE_S) if s.updated_ns > 0 else 0.0
    s.weight = s.weight * g + 1.0
    dx, dy = x - s.x, y - s.y
    s.x += dx / s.weight
    s.y += dy / s.weight
    s.xx = s.xx * g + dx * (x - s.x)
    s.xy = s.xy * g + dx * (y - s.y)
    s.updated_ns = time_ns


@kernel
def usd_slope(s: Record) -> float:
    """Return the slope of ln realised USD on ln model USD in reach; 1 is right in scale, NaN unknown."""
    return s.slope.xy / s.slope.xx if s.slope.weight > 2.0 and s.slope.xx > 0.0 else math.nan


@kernel
def _day(s: Record, time_ns: int) -> int:
    """Return the slot of today's sums, emptied if they were another day's."""
    day = time_ns // DAY_NS
    slot = day % DAYS
    d = s.day[slot]
    if d.day != day:
        d.day = day
        d.cases = d.skill = d.crps = d.over_distance = 0.0
        d.placebos = d.placebo = d.hit = d.chance = 0.0
    return slot


@kernel
def _oldest(s: Record, time_ns: int) -> int:
    """Return the slot of the youngest map that is old enough to be the placebo, -1 if there is none."""
    found = -1
    for k in range(STALE):
        taken = s.old[k].taken_ns
        old_enough = taken > 0 and time_ns - taken >= STALE_AGE_NS
        if old_enough and (found < 0 or taken > s.old[found].taken_ns):
            found = k
    return found


@kernel
def _score_placebo(
    s: Record, d: Record, f: Record, side: int, n: int, uniform: float, time_ns: int, share: float
) -> None:
    slot = _oldest(s, time_ns)
    if slot < 0:
        return
    usd = np.zeros(n, np.float32)
    old = s.old[slot]
    for k in range(n):
        place = f.front[side] + k - old.front[side]
        if 0 <= place < STALE_CELLS:
            usd[k] = old.usd[side, place]
    d.placebos += 1.0
    d.placebo += log_score(usd, f.forced[side], n, share) - uniform


@kernel
def score_case(s: Record, f: Record, side: int, time_ns: int, share: float) -> None:
    """Score one side of a forecast, if price came far enough and forced something there."""
    n = min(f.reach[side] - f.front[side] + 1, CELLS)
    forced = total = 0.0
    for k in range(n):
        forced += f.forced[side, k]
        total += f.usd[side, k]
    if n < 2 or not forced > 0.0:
        return
    uniform = -math.log(n)
    usd, realised = f.usd[side], f.forced[side]
    flat = np.ones(n)
    skill = log_score(usd, realised, n, share)
    d = s.day[_day(s, time_ns)]
    d.cases += 1.0
    d.skill += skill - uniform
    d.over_distance += skill - log_score(s.distances, realised, n, share)
    d.crps += crps(flat, realised, n, share) - crps(usd, realised, n, share)
    d.hit += top_hit(usd, realised, n, 3)
    d.chance += min(3, n) / n
    _score_placebo(s, d, f, side, n, uniform, time_ns, share)
    _pit(s.pit, usd, realised, n, share)
    for k in range(CELLS):
        s.distances[k] *= KEEP_DISTANCES
        if k < n:
            s.distances[k] += realised[k] / forced
    if total > 0.0:
        _learn_slope(s.slope, math.log(total), math.log(forced), time_ns)


@kernel
def _keep(row: Record, map_side: Record, side: int, width: float) -> None:
    """Copy the USD of the bins from the price on."""
    mask = BINS - 1
    for k in range(row.size):
        place = map_side.front + k
        coin = map_side.mass[place & mask] * map_side.scale
        row[k] = coin * bin_price(place, width, sign_of(side))


@kernel
def _make(f: Record, maps: Record, time_ns: int, width: float) -> None:
    f.made_ns = time_ns
    f.broken = 0
    for side in range(2):
        f.front[side] = maps[side].front
        f.reach[side] = f.front[side] - 1
        f.forced[side, :] = 0.0
        _keep(f.usd[side], maps[side], side, width)


@kernel
def forced(s: Record, side: int, price: float, usd: float, width: float) -> None:
    """Note a forced order at the mark `price` for all forecasts that are open."""
    place = bin_of(sign_of(side) * math.log(price), width)
    for k in range(HOURS):
        f = s.forecast[k]
        cell = place - f.front[side]
        if f.made_ns > 0 and 0 <= cell < CELLS:
            f.forced[side, cell] += usd


@kernel
def score_step(s: Record, h: Record, known: bool, time_ns: int, p: Record) -> None:
    """Follow the mark of the map `h`; at a new hour score the forecast that ends and make another.

    `known` says whether the liquidation feeds covered enough of the market since the last step.
    """
    started = h.map[0].started == 1 and h.map[1].started == 1
    for k in range(HOURS):
        f = s.forecast[k]
        if not known:
            f.broken = 1
        for side in range(2):
            if h.reached[side] == h.reached[side]:
                f.reach[side] = max(f.reach[side], bin_of(h.reached[side], p.heat_bin))
    hour = time_ns // HOUR_NS
    if hour == s.hour or not started:
        return
    s.hour = hour
    f = s.forecast[hour % HOURS]
    on_time = time_ns - f.made_ns < (HOURS + 1) * HOUR_NS
    if f.made_ns > 0 and f.broken == 0 and on_time:
        score_case(s, f, 0, time_ns, p.heat_forecast_share)
        score_case(s, f, 1, time_ns, p.heat_forecast_share)
    _make(f, h.map, time_ns, p.heat_bin)
    if not known:
        f.broken = 1
    last = s.old[(s.next_old - 1) % STALE]
    if s.next_old == 0 or time_ns - last.taken_ns >= STALE_EVERY_NS:
        old = s.old[s.next_old % STALE]
        old.taken_ns = time_ns
        for side in range(2):
            old.front[side] = h.map[side].front
            _keep(old.usd[side], h.map[side], side, p.heat_bin)
        s.next_old += 1


@kernel
def weekly(s: Record, time_ns: int) -> tuple[float, float, float, float, float, float, float]:
    """Return (cases, skill, its standard error, placebo, over distance, crps, lift) of seven days."""
    today = time_ns // DAY_NS
    cases = skill = placebos = placebo = over = gain = hit = chance = 0.0
    for k in range(DAYS):
        d = s.day[k]
        if d.day < 0 or today - d.day >= WEEK:
            continue
        cases, skill, over, gain = (
            cases + d.cases,
            skill + d.skill,
            over + d.over_distance,
            gain + d.crps,
        )
        placebos, placebo = placebos + d.placebos, placebo + d.placebo
        hit, chance = hit + d.hit, chance + d.chance
    mean = skill / cases if cases > 0.0 else math.nan
    squares, days = 0.0, 0
    for k in range(DAYS):
        d = s.day[k]
        if d.day >= 0 and today - d.day < WEEK and d.cases > 0.0:
            squares += (d.skill - mean * d.cases) ** 2
            days += 1
    error = math.sqrt(squares * days / (days - 1.0)) / cases if days > 1 else math.nan
    return (
        cases, mean, error, placebo / placebos if placebos > 0.0 else math.nan,
        over / cases if cases > 0.0 else math.nan, gain / cases if cases > 0.0 else math.nan,
        hit / chance if chance > 0.0 else math.nan,
    )  # fmt: skip
