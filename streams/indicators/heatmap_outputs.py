"""What is said of the heatmap: USD near the price, dense zones, fuel, structural R0 (method 7.5).

Everything is MODELLED, as the model has it; multiply USD by `heatmap_phi` for what to expect. ``below`` is
longs, who are closed when price falls. Written every ten seconds; NaN while no venue has a price.

* fuel: ``sum(usd(d) * exp(-d/d0))`` over the whole map, d the ln distance, d0 a day's standard deviation;
* a dense zone: neighbouring bins above the 90th percentile of the non-empty ones within 15 %; the nearest;
* ``r0 = kappa * phi * density``: bp of move per forced USD times forced USD per bp within 25 bp. Above one a
  forced order forces more than itself. It owes nothing to the excitation fit, so it can contradict it.
"""

import math

from streams.indicators import heatmap, heatmap_level, heatmap_score
from streams.kernels.heat import (
    bin_of,
    dense_level,
    ladder_coin,
    ladder_fuel,
    ladder_usd,
    next_zone,
)
from streams.kernels.jit import NS_PER_S, Record, kernel
from streams.readings import Quality

MODELLED = int(Quality.MODELLED)
WARMUP = int(Quality.WARMUP)
PUBLISH_NS = 10 * NS_PER_S
NEAR_BP = 25.0
DAY_IN_WINDOWS = 6.0  # of 4 h

SIDES = ("long", "short")
PLACES = ("below", "above")
SHIFTS = ("halved", "doubled")
READINGS = (
    *((f"risk_usd_{pct}pct_{place}", "USD", f"modelled forced orders within {pct} % {place} the price")
      for place in PLACES for pct in (1, 2, 5, 10)),
    *((f"risk_usd_5pct_{place}_leverage_{shift}", "USD", f"the same within 5 % if all leverages were {shift}")
      for place in PLACES for shift in SHIFTS),
    ("heatmap_asymmetry", "-1..1", "(below - above) / (below + above) within 5 %"),
    *((f"fuel_{side}", "USD", f"modelled forced orders of {side}s, weighted by nearness in daily sd")
      for side in SIDES),
    *((f"fuel_{side}_leverage_{shift}", "USD", f"the same if all leverages were {shift}")
      for side in SIDES for shift in SHIFTS),
    *((f"zone_{name}_{place}", unit, f"nearest dense zone {place} the price: {meaning}")
      for place in PLACES
      for name, unit, meaning in (
          ("low", "USD per coin", "its lower end"), ("high", "USD per coin", "its upper end"),
          ("distance_pct", "%", "how far its near end is"), ("usd", "USD", "what it holds"),
          ("share", "0..1", "its part of that side's map"),
      )),
    ("heatmap_age", "s", "mean age of the positions in the map"),
    ("heatmap_phi", "ratio", "realised over modelled forced USD, 14-day memory; WARMUP before 30 episodes"),
    ("heatmap_phi_se", "ratio", "its standard error"),
    ("heatmap_episodes", "count", "episodes behind it"),
    *((f"r0_{side}", "ratio", f"forced {side}s each forced one brings about by its price impact alone")
      for side in SIDES),
    ("heatmap_cases_7d", "count", "forecasts scored in seven days"),
    ("heatmap_skill_7d", "nats", "log score of where, less a uniform forecast's"),
    ("heatmap_skill_se_7d", "nats", "its standard error, days as units"),
    ("heatmap_placebo_7d", "nats", "the same of a map three days old: the control"),
    ("heatmap_skill_over_distance_7d", "nats", "log score less that of usual distances"),
    ("heatmap_crps_gain_7d", "0..1", "uniform's less the map's squared difference of cumulative shares"),
    ("heatmap_top3_lift_7d", "ratio", "hits of the three fullest bins over those of random ones"),
    ("heatmap_usd_slope", "ratio", "slope of ln realised on ln modelled USD in reach, 28-day memory"),
)  # fmt: skip


@kernel
def _put(r: Record, value: float, coverage: float, quality: int) -> None:
    r.value, r.coverage, r.quality = value, coverage, quality


@kernel
def within(s: Record, here: float, side: int, share: float, width: float) -> float:
    """Return the USD of a ladder up to a price that is the `share` away; NaN without a price."""
    if here != here:
        return math.nan
    reach = -math.log1p(-share) if side == 0 else math.log1p(share)
    return ladder_usd(s, here, here + reach, width, heatmap.sign_of(side))


@kernel
def fuel(s: Record, here: float, side: int, width: float, day_sigma: float) -> float:
    """Return the fuel of a ladder; NaN without a price or a day's standard deviation."""
    if here != here or not day_sigma > 0.0:
        return math.nan
    return ladder_fuel(s, here, width, heatmap.sign_of(side), day_sigma)


@kernel
def zone_stop(here: float, side: int, p: Record) -> int:
    """Return the bin before which dense zones are looked for."""
    share = p.heat_zone_reach
    reach = -math.log1p(-share) if side == 0 else math.log1p(share)
    return bin_of(here + reach, p.heat_bin) + 1


@kernel
def _zone(
    h: Record, side: int, coverage: float, quality: int, p: Record,
    low: Record, high: Record, distance: Record, usd: Record, share: Record,
) -> None:  # fmt: skip
    _put(low, math.nan, coverage, quality)
    _put(high, math.nan, coverage, quality)
    _put(distance, math.nan, coverage, quality)
    _put(usd, math.nan, coverage, quality)
    _put(share, math.nan, coverage, quality)
    here, s, sign, width = h.here[side], h.map[side], heatmap.sign_of(side), p.heat_bin
    if here != here or ladder_coin(s) <= 0.0:
        return
    stop = zone_stop(here, side, p)
    first, beyond = next_zone(s, s.front, stop, dense_level(s, stop, p.heat_zone_quantile))
    if first >= stop:
        return
    near, far = first * width, beyond * width
    low.value = math.exp(min(sign * near, sign * far))
    high.value = math.exp(max(sign * near, sign * far))
    distance.value = abs(math.expm1(sign * (near - here))) * 100.0
    usd.value = ladder_usd(s, near, far, width, sign)
    share.value = usd.value / ladder_usd(s, here, here + heatmap.BINS * width, width, sign)


@kernel
def _risks(h: Record, r: Record, coverage: float, q: int, p: Record) -> None:
    w, wide = p.heat_bin, p.heat_bin * heatmap.COARSE
    long, short, down, up = h.map[0], h.map[1], h.here[0], h.here[1]
    _put(r.risk_usd_1pct_below, within(long, down, 0, 0.01, w), coverage, q)
    _put(r.risk_usd_2pct_below, within(long, down, 0, 0.02, w), coverage, q)
    _put(r.risk_usd_5pct_below, within(long, down, 0, 0.05, w), coverage, q)
    _put(r.risk_usd_10pct_below, within(long, down, 0, 0.10, w), coverage, q)
    _put(r.risk_usd_1pct_above, within(short, up, 1, 0.01, w), coverage, q)
    _put(r.risk_usd_2pct_above, within(short, up, 1, 0.02, w), coverage, q)
    _put(r.risk_usd_5pct_above, within(short, up, 1, 0.05, w), coverage, q)
    _put(r.risk_usd_10pct_above, within(short, up, 1, 0.10, w), coverage, q)
    below, above = within(h.half[0], down, 0, 0.05, wide), within(h.half[1], up, 1, 0.05, wide)
    _put(r.risk_usd_5pct_below_leverage_halved, below, coverage, q)
    _put(r.risk_usd_5pct_above_leverage_halved, above, coverage, q)
    below, above = within(h.double[0], down, 0, 0.05, wide), within(h.double[1], up, 1, 0.05, wide)
    _put(r.risk_usd_5pct_below_leverage_doubled, below, coverage, q)
    _put(r.risk_usd_5pct_above_leverage_doubled, above, coverage, q)
    below, above = r.risk_usd_5pct_below.value, r.risk_usd_5pct_above.value
    both = below + above
    _put(r.heatmap_asymmetry, (below - above) / both if both > 0.0 else math.nan, coverage, q)


@kernel
def _fuels(h: Record, r: Record, day_sigma: float, coverage: float, q: int, p: Record) -> None:
    w, wide = p.heat_bin, p.heat_bin * heatmap.COARSE
    down, up, d0 = h.here[0], h.here[1], day_sigma
    _put(r.fuel_long, fuel(h.map[0], down, 0, w, d0), coverage, q)
    _put(r.fuel_short, fuel(h.map[1], up, 1, w, d0), coverage, q)
    _put(r.fuel_long_leverage_halved, fuel(h.half[0], down, 0, wide, d0), coverage, q)
    _put(r.fuel_short_leverage_halved, fuel(h.half[1], up, 1, wide, d0), coverage, q)
    _put(r.fuel_long_leverage_doubled, fuel(h.double[0], down, 0, wide, d0), coverage, q)
    _put(r.fuel_short_leverage_doubled, fuel(h.double[1], up, 1, wide, d0), coverage, q)


@kernel
def _mean_age(h: Record) -> float:
    long, short = ladder_coin(h.map[0]), ladder_coin(h.map[1])
    if not long + short > 0.0:
        return math.nan
    return (long * h.map[0].age_s + short * h.map[1].age_s) / (long + short)


@kernel
def density(s: Record, here: float, side: int, width: float) -> float:
    """Return the model's USD per bp within 25 bp of the price; NaN without a price."""
    if here != here:
        return math.nan
    near = ladder_usd(s, here, here + NEAR_BP * 1e-4, width, heatmap.sign_of(side))
    return near / NEAR_BP


@kernel
def _level(
    h: Record, level: Record, r: Record, kappa_long: float, kappa_short: float, coverage: float,
    q: int, p: Record,
) -> None:  # fmt: skip
    phi = heatmap_level.phi(level)
    sure = MODELLED if heatmap_level.calibrated(level, p) else MODELLED | WARMUP
    _put(r.heatmap_phi, phi, coverage, sure)
    _put(r.heatmap_phi_se, heatmap_level.phi_error(level), coverage, sure)
    _put(r.heatmap_episodes, float(level.episodes), coverage, MODELLED)
    long = kappa_long * 1e-6 * phi * density(h.map[0], h.here[0], 0, p.heat_bin)
    short = kappa_short * 1e-6 * phi * density(h.map[1], h.here[1], 1, p.heat_bin)
    _put(r.r0_long, long, coverage, sure | q)
    _put(r.r0_short, short, coverage, sure | q)


@kernel
def _skill(score: Record, r: Record, time_ns: int, coverage: float, q: int) -> None:
    cases, skill, error, placebo, over, gain, lift = heatmap_score.weekly(score, time_ns)
    _put(r.heatmap_cases_7d, cases, coverage, q)
    _put(r.heatmap_skill_7d, skill, coverage, q)
    _put(r.heatmap_skill_se_7d, error, coverage, q)
    _put(r.heatmap_placebo_7d, placebo, coverage, q)
    _put(r.heatmap_skill_over_distance_7d, over, coverage, q)
    _put(r.heatmap_crps_gain_7d, gain, coverage, q)
    _put(r.heatmap_top3_lift_7d, lift, coverage, q)
    _put(r.heatmap_usd_slope, heatmap_score.usd_slope(score), coverage, q)


@kernel
def publish(
    h: Record, level: Record, score: Record, r: Record, coverage: float, sigma_4h: float,
    kappa_long: float, kappa_short: float, time_ns: int, p: Record,
) -> None:  # fmt: skip
    """Write the readings, if ten seconds have begun since the last time.

    `kappa_long` and `kappa_short` are bp of adverse move per million USD forced, NaN if unknown.
    """
    if time_ns // PUBLISH_NS == h.published:
        return
    h.published = time_ns // PUBLISH_NS
    q = MODELLED | (0 if h.observed_s >= 2.0 * p.heat_half_life_s else WARMUP)
    _risks(h, r, coverage, q, p)
    _fuels(h, r, sigma_4h * math.sqrt(DAY_IN_WINDOWS), coverage, q, p)
    _zone(h, 0, coverage, q, p, r.zone_low_below, r.zone_high_below, r.zone_distance_pct_below,
          r.zone_usd_below, r.zone_share_below)  # fmt: skip
    _zone(h, 1, coverage, q, p, r.zone_low_above, r.zone_high_above, r.zone_distance_pct_above,
          r.zone_usd_above, r.zone_share_above)  # fmt: skip
    _put(r.heatmap_age, _mean_age(h), coverage, q)
    _level(h, level, r, kappa_long, kappa_short, coverage, q, p)
    _skill(score, r, time_ns, coverage, q)
