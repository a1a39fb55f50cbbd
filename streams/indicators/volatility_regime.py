"""Volatility regime: has volatility switched, where does it stand, and how long has it been there?

Three answers for different uses (method 9.4, 9.5):

* Switch, each minute: ``z`` is ``ln RV_5m`` against its own mean and deviation of two days, each step
  of the deviation clipped to four. Two cumulative sums, up and down, alarm on a lasting move; the
  direction holds for a day after the last alarm. The limit suits a quiet signal with a memory of hours
  (half a switch a day). What it makes of a market is `vol_switches_per_day`; where that is too much,
  `streams.kernels.cusum.switch_limit` finds another from the market's own past.
* Label, each minute: LOW, NORMAL or HIGH by the percentile of ``RV_24h`` in 90 days, with hysteresis.
* Age, each half hour: Bayesian run length of ``ln RV`` of the half hour just over. The model takes half
  hours for independent within a regime, which they are not quite: it is quick to see a new one.

No value from before a memory is warm enters a cumulative sum. History of hours or minutes fills the
percentiles and nothing else here.
"""

import math
from enum import IntEnum

import numpy as np

from streams.indicators import volatility
from streams.kernels.average import (
    AVERAGE,
    STANDARD,
    WARM,
    average,
    average_init,
    average_step,
    standard_init,
    standard_step,
    standard_z,
)
from streams.kernels.changepoint import (
    changepoint_init,
    changepoint_recent,
    changepoint_record,
    changepoint_run,
    changepoint_step,
)
from streams.kernels.cusum import SWITCH, switch_init, switch_step
from streams.kernels.histogram import (
    HISTOGRAM,
    histogram_init,
    histogram_insert,
    histogram_rank,
    histogram_warm,
)
from streams.kernels.hysteresis import GATE, gate_init, gate_step
from streams.kernels.jit import NS_PER_S, Record, kernel
from streams.readings import Quality

WARMUP = int(Quality.WARMUP)
STALE = int(Quality.STALE_INPUT)
MODELLED = int(Quality.MODELLED)
DAY_S = 86_400.0
RATE_HALF_LIFE_S = 30.0 * DAY_S
LOG_CENTRE = math.log(0.25)  # variance of 50 % a year: where the histogram is finest
LOG_SCALE = 0.1
RUN_CAP = 400
WARM_BLOCKS = 48

UNDERLYING = np.dtype([
    ("minute", "i8"),
    ("usual", STANDARD), ("z", "f8"), ("switch", SWITCH), ("switches", AVERAGE),
    ("ranks", HISTOGRAM), ("rank", "f8"), ("high", GATE), ("low", GATE),
    ("label", "f8"), ("label_step", "f8"), ("label_ns", "i8"),  # last known, how it moved last, and when
    ("block", "i8"), ("block_squares", "f8"), ("block_s", "f8"),
    ("typical", AVERAGE), ("recent", "f8"), ("run", "f8"),  # what `changes` say, as of the last block
    ("changes", changepoint_record(RUN_CAP)),
])  # fmt: skip


class VolRegime(IntEnum):
    """The labels, as published."""

    UNKNOWN = 0
    LOW = 1
    NORMAL = 2
    HIGH = 3


READINGS = (
    ("vol_z", "sd", "ln(variance of 5m) against its last two days"),
    ("vol_cusum_up", "0..1", "how much of an alarm lasting high volatility has gathered"),
    ("vol_cusum_down", "0..1", "how much of an alarm lasting low volatility has gathered"),
    ("vol_switch", "-1, 0, 1", "where volatility has switched to, for a day after the last alarm"),
    ("vol_switches_per_day", "1/day", "how often it did over 30 days; above 0.5 the limit is too low"),
    ("vol_rank_90d", "0..1", "90-day percentile of the 24h volatility"),
    ("vol_regime", "label", "LOW, NORMAL or HIGH by that percentile, see VolRegime"),
    ("vol_regime_change", "steps", "how the label has moved last, 0 if not within a day"),
    ("vol_change_probability", "0..1", "probability that a regime began in the last three hours"),
    ("vol_regime_age_h", "hours", "most probable age of the present regime, at most 200"),
)  # fmt: skip


@kernel
def underlying_init(u: Record) -> None:
    """Nothing is known yet."""
    u.minute = u.block = u.label_ns = 0
    u.z = u.rank = u.recent = u.run = u.label = math.nan
    u.label_step = 0.0
    u.block_squares = u.block_s = 0.0
    average_init(u.switches)
    standard_init(u.usual)
    switch_init(u.switch)
    histogram_init(u.ranks)
    gate_init(u.high)
    gate_init(u.low)
    average_init(u.typical)
    changepoint_init(u.changes)


@kernel
def _step_switch(u: Record, x: float, dt_s: float, time_ns: int, p: Record) -> None:
    """Watch one minute's ln RV_5m, after others unseen; NaN leaves sums as they are, memories fade."""
    lost_s, step_s = max(dt_s - p.vol_step_s, 0.0), min(dt_s, p.vol_step_s)
    u.z = standard_z(u.usual, x)
    hold_ns = int(p.vol_switch_hold_s * NS_PER_S)
    new = switch_step(u.switch, u.z, time_ns, p.vol_cusum_drift, p.vol_cusum_limit, hold_ns)
    per_day = (DAY_S / p.vol_step_s if new else 0.0) if u.z == u.z else math.nan
    average_step(u.switches, math.nan, lost_s, RATE_HALF_LIFE_S)
    average_step(u.switches, per_day, step_s, RATE_HALF_LIFE_S)
    standard_step(u.usual, math.nan, lost_s, p.vol_usual_half_life_s, p.vol_clip)
    standard_step(u.usual, x, step_s, p.vol_usual_half_life_s, p.vol_clip)


@kernel
def _step_label(u: Record, x: float, dt_s: float, now_s: float, time_ns: int, p: Record) -> None:
    """Rank one minute's ln RV_24h among its past and move the two gates."""
    centred = x - LOG_CENTRE
    histogram_insert(u.ranks, now_s, centred, dt_s, LOG_SCALE, p.vol_rank_half_life_s)
    u.rank = histogram_rank(u.ranks, centred, LOG_SCALE)
    band = p.vol_hysteresis
    gate_step(u.high, time_ns, u.rank >= p.vol_high, u.rank <= p.vol_high - band, 0, 0, 0)
    gate_step(u.low, time_ns, u.rank <= p.vol_low, u.rank >= p.vol_low + band, 0, 0, 0)
    now = label(u)
    if now == now:
        if u.label == u.label and now != u.label:
            u.label_step, u.label_ns = now - u.label, time_ns
        u.label = now


@kernel
def _end_block(u: Record, blocks: int, p: Record) -> None:
    """Judge the half hour just over by the mean of those before it; under half of it seen is nothing."""
    x = math.nan
    if u.block_s >= 0.5 * p.vol_block_s and u.block_squares > 0.0:
        x = math.log(u.block_squares / u.block_s * volatility.YEAR_S)
    usual = average(u.typical)
    if x == x and usual == usual:
        changepoint_step(
            u.changes, x, p.vol_hazard, usual, p.vol_prior_blocks,
            p.vol_prior_alpha, p.vol_prior_alpha * p.vol_prior_sd * p.vol_prior_sd,
        )  # fmt: skip
        u.recent = changepoint_recent(u.changes, int(p.vol_recent_s / p.vol_block_s))
        u.run = float(changepoint_run(u.changes))
    average_step(u.typical, x, p.vol_block_s, RATE_HALF_LIFE_S)
    average_step(u.typical, math.nan, (blocks - 1) * p.vol_block_s, RATE_HALF_LIFE_S)
    u.block_squares = u.block_s = 0.0


@kernel
def _take_return(u: Record, v: Record, time_ns: int, p: Record) -> None:
    """Put a return into the half hour in which it ended."""
    block = time_ns // int(p.vol_block_s * NS_PER_S)
    if block != u.block:
        if u.block > 0:
            _end_block(u, block - u.block, p)
        u.block = block
    u.block_squares += v.square
    u.block_s += v.span_s


@kernel
def tick(u: Record, v: Record, time_ns: int, now_s: float, live: bool, p: Record) -> None:
    """Advance to `time_ns` on the volatilities `v` as they stand then; minutes skipped are unknown."""
    if v.fresh == 1:
        _take_return(u, v, time_ns, p)
    step_ns = int(p.vol_step_s * NS_PER_S)
    minute = time_ns // step_ns
    if minute == u.minute:
        return
    dt_s = (minute - u.minute) * p.vol_step_s if u.minute > 0 else 0.0
    u.minute = minute
    _step_label(u, volatility.log_variance(v, volatility.H24, time_ns, p), dt_s, now_s, time_ns, p)
    recent = (time_ns - v.told_ns) / NS_PER_S <= volatility.STALE_S
    x = volatility.log_variance(v, volatility.M5, time_ns, p) if live and recent else math.nan
    _step_switch(u, x, dt_s, time_ns, p)


@kernel
def label(u: Record) -> float:
    """Return the label as a number, NaN while there is no percentile."""
    if u.rank != u.rank:
        return math.nan
    if u.high.on == 1:
        return 3.0
    return 1.0 if u.low.on == 1 else 2.0


@kernel
def _publish_switch(u: Record, r: Record, bits: int, p: Record) -> None:
    known = u.usual.weight >= WARM
    if not known:
        bits |= WARMUP
    watching = u.z == u.z
    r.vol_z.value = u.z
    r.vol_cusum_up.value = u.switch.up.sum / p.vol_cusum_limit if watching else math.nan
    r.vol_cusum_down.value = u.switch.down.sum / p.vol_cusum_limit if watching else math.nan
    r.vol_switch.value = float(u.switch.direction) if known else math.nan
    r.vol_z.quality = r.vol_cusum_up.quality = r.vol_cusum_down.quality = bits
    r.vol_switch.quality = bits
    r.vol_switches_per_day.value = average(u.switches)
    r.vol_switches_per_day.quality = bits if u.switches.weight >= WARM else bits | WARMUP


@kernel
def _publish_age(u: Record, r: Record, bits: int, known: bool, p: Record) -> None:
    bits |= MODELLED if u.changes.steps >= WARM_BLOCKS else MODELLED | WARMUP
    r.vol_change_probability.value = u.recent if known else math.nan
    r.vol_regime_age_h.value = u.run * p.vol_block_s / 3600.0 if known else math.nan
    r.vol_change_probability.quality = r.vol_regime_age_h.quality = bits


@kernel
def publish(u: Record, v: Record, r: Record, time_ns: int, now_s: float, p: Record) -> None:
    """Write the readings of methods 9.4 and 9.5."""
    fast = volatility.quality(v, volatility.M5, time_ns, p) & ~WARMUP
    _publish_switch(u, r, fast, p)
    _publish_age(u, r, fast, volatility.variance(v, volatility.H1, time_ns, p) >= 0.0, p)
    day = volatility.quality(v, volatility.H24, time_ns, p)
    if not histogram_warm(u.ranks, now_s, p.vol_rank_half_life_s, 200.0):
        day |= WARMUP
    r.vol_rank_90d.value = u.rank
    r.vol_regime.value = label(u)
    held = u.label_ns > 0 and time_ns - u.label_ns <= p.vol_switch_hold_s * NS_PER_S
    change = u.label_step if held else 0.0
    r.vol_regime_change.value = change if r.vol_regime.value == r.vol_regime.value else math.nan
    r.vol_rank_90d.quality = r.vol_regime.quality = r.vol_regime_change.quality = day
    fast_share = average(v.horizons[volatility.M5].indexed)
    for reading in (r.vol_z, r.vol_cusum_up, r.vol_cusum_down, r.vol_switch, r.vol_switches_per_day,
                    r.vol_change_probability, r.vol_regime_age_h):  # fmt: skip
        reading.coverage = fast_share
    r.vol_rank_90d.coverage = average(v.horizons[volatility.H24].indexed)
    r.vol_regime.coverage = r.vol_regime_change.coverage = r.vol_rank_90d.coverage
