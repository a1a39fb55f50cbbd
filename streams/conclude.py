"""What is concluded from the readings at a tick: scores, breakers, machines, laps, in this order."""

import math

from streams.breakers import inputs, laps, leverage_reset, machine, spot_absorption, vol_regime
from streams.breakers.breaker import UNKNOWN
from streams.breakers.breaker import breaker_init as _breaker_init
from streams.breakers.reasons import fragile_underneath, near_zone
from streams.indicators import (
    burst_record,
    burst_sizes,
    bursts,
    crowding,
    fragility,
    open_interest,
    price,
    releverage,
)
from streams.kernels.jit import NS_PER_S, Record, kernel

DAY_IN_WINDOWS = 6.0  # of 4 h

READINGS = (
    *((f"breaker_{name}_{side}", "label", f"{words}: 0 INACTIVE, 1 CANDIDATE, 2 ACTIVE")
      for name, words in (("leverage_reset", "leverage is out and stays out"),
                          ("spot_absorption", "spot takes what is forced out"))
      for side in ("long", "short")),
    ("breaker_vol_regime", "label", "volatility is at another level: 0 INACTIVE, 1 CANDIDATE, 2 ACTIVE"),
)  # fmt: skip


@kernel
def conclude_init(u: Record) -> None:
    """Nothing is concluded yet."""
    u.looked_ns = 0
    releverage.levels_init(u.levels)
    _breaker_init(u.vol_regime_breaker)
    for side in range(2):
        fragility.ranks_init(u.fragility[side])
        burst_record.record_init(u.burst_record[side])
        burst_sizes.sizes_init(u.burst_sizes[side])
        _breaker_init(u.leverage_reset[side])
        _breaker_init(u.spot_absorption[side])
        machine.machine_init(u.machine[side])
        laps.laps_init(u.laps[side])


@kernel
def score(u: Record, time_ns: int, now_s: float, p: Record) -> None:
    """Write crowding and fragility of both sides, and what of its fall open interest has built again."""
    r = u.readings
    covered = u.open_interest.chained > 0 and u.open_interest.coverage >= p.oi_panel_coverage
    log_oi = u.open_interest.log_oi if covered else math.nan
    releverage.step(u.levels, log_oi, time_ns, u.open_interest.coverage, r.oi_releverage_14d)
    valued = r.oi_to_mcap_rank_180d
    crowding.crowding(r.crowding_long, r.funding_stress_long, r.oi_z, valued, p)
    crowding.crowding(r.crowding_short, r.funding_stress_short, r.oi_z, valued, p)
    fragility.step(
        u.fragility[0], r.risk_usd_5pct_below, r.oi_usd.value, r.absorbed_flow_ew_long, time_ns,
        now_s, r.fuel_rank_90d_long, r.absorption_rank_30d_long, p,
    )  # fmt: skip
    fragility.step(
        u.fragility[1], r.risk_usd_5pct_above, r.oi_usd.value, r.absorbed_flow_ew_short, time_ns,
        now_s, r.fuel_rank_90d_short, r.absorption_rank_30d_short, p,
    )  # fmt: skip
    fragility.fragility(r.fragility_long, r.crowding_long, r.fuel_rank_90d_long, r.r0_long,
                        r.absorption_rank_30d_long, p)  # fmt: skip
    fragility.fragility(r.fragility_short, r.crowding_short, r.fuel_rank_90d_short, r.r0_short,
                        r.absorption_rank_30d_short, p)  # fmt: skip


# Bursts as the breakers see them


@kernel
def follow_bursts(u: Record, time_ns: int) -> None:
    """Keep the records of both sides' bursts, which have just been stepped."""
    r, price_now = u.readings, u.price.price
    oi_usd, log_oi = r.oi_usd.value, u.open_interest.log_oi
    burst_record.step(
        u.burst_record[0], u.burst[0], oi_usd, log_oi, price_now,
        inputs.known(r.branching_fast_long), inputs.known(r.loop_gain_long), time_ns,
    )  # fmt: skip
    burst_record.step(
        u.burst_record[1], u.burst[1], oi_usd, log_oi, price_now,
        inputs.known(r.branching_fast_short), inputs.known(r.loop_gain_short), time_ns,
    )  # fmt: skip


@kernel
def compare_bursts(u: Record, time_ns: int, p: Record) -> None:
    """Remember bursts that have ended, and write how they compare."""
    r, covered = u.readings, u.liquidations.coverage
    known = covered >= p.score_coverage
    for side in range(2):
        b, record = u.burst[side], u.burst_record[side]
        burst_sizes.step(u.burst_sizes[side], record, b, time_ns)
        if b.said == bursts.ENDED and burst_record.flush_ratio(record) >= p.underneath_flush:
            u.machine[side].flush_ns = time_ns
    burst_sizes.publish(
        u.burst_sizes[0], u.burst_record[0], u.burst[0], time_ns, known, covered, r.oi_usd.value,
        r.liquidated_usd_raw_24h_long, r.liquidated_usd_per_s_60s_long, r.burst_shrinkage_long,
        r.burst_relative_long, r.recent_bursts_long, r.forced_share_24h_long, p,
    )  # fmt: skip
    burst_sizes.publish(
        u.burst_sizes[1], u.burst_record[1], u.burst[1], time_ns, known, covered, r.oi_usd.value,
        r.liquidated_usd_raw_24h_short, r.liquidated_usd_per_s_60s_short, r.burst_shrinkage_short,
        r.burst_relative_short, r.recent_bursts_short, r.forced_share_24h_short, p,
    )  # fmt: skip


# Breakers


@kernel
def step_breakers(u: Record, time_ns: int, p: Record) -> None:
    """Look at all breakers, if a new step has begun since the last look."""
    step_ns = int(p.breaker_step_s * NS_PER_S)
    if time_ns // step_ns == u.looked_ns // step_ns:
        return
    u.looked_ns = time_ns
    for side in range(2):
        inputs.gather(u.inputs, u, side)
        leverage_reset.step(u.leverage_reset[side], u.inputs, time_ns, p)
        spot_absorption.step(u.spot_absorption[side], u.inputs, time_ns, p)
    vol_regime.step(u.vol_regime_breaker, u.inputs, time_ns, p)


@kernel
def furthest(u: Record, side: int) -> int:
    """Return the status of the side's breaker that is furthest; one for both sides is one of each."""
    return max(
        u.leverage_reset[side].status, u.spot_absorption[side].status, u.vol_regime_breaker.status
    )


@kernel
def breakers_speak(u: Record) -> bool:
    """Return whether a breaker has something to say."""
    said = u.vol_regime_breaker.said
    for side in range(2):
        said += u.leverage_reset[side].said + u.spot_absorption[side].said
    return said > 0


# Machines


@kernel
def day_sigma(u: Record) -> float:
    """Return the standard deviation of a day's log return, from that of four hours."""
    return price.sigma(u.price, 2) * math.sqrt(DAY_IN_WINDOWS)


@kernel
def _reasons(u: Record, side: int, sign: float, time_ns: int, p: Record) -> tuple[int, int]:
    """Return whether a side is fragile underneath, and whether the price is near a zone of its."""
    r, m = u.readings, u.machine[side]
    recent = m.flush_ns > 0 and time_ns - m.flush_ns <= machine.ns(p.underneath_flush_s)
    underneath = fragile_underneath(
        sign, r.return_4h.value, price.sigma(u.price, 2), r.oi_change_4h.value,
        open_interest.sigma(u.open_interest, 2), r.funding_excess_apr.value, recent, p,
    )  # fmt: skip
    risk = r.risk_usd_5pct_below if side == 0 else r.risk_usd_5pct_above
    distance = r.zone_distance_pct_below.value if side == 0 else r.zone_distance_pct_above.value
    held = r.zone_usd_below.value if side == 0 else r.zone_usd_above.value
    mapped = inputs.known(risk) >= 0.0
    return underneath, near_zone(mapped, distance, held, r.oi_usd.value, day_sigma(u), p)


@kernel
def _look(u: Record, side: int, time_ns: int, p: Record) -> None:
    """Gather what a machine looks at."""
    r, s, b = u.readings, u.machine[side].sight, u.burst[side]
    sign = 1.0 if side == 0 else -1.0
    s.crowding = r.crowding_long.value if side == 0 else r.crowding_short.value
    s.fragility = r.fragility_long.value if side == 0 else r.fragility_short.value
    s.underneath, s.near_zone = _reasons(u, side, sign, time_ns, p)
    s.burst_open = (
        1 if b.phase == bursts.OPEN and b.dominant == 1 else 0
    )  # now, not only when it opened
    s.change_5m = r.oi_change_5m.value
    s.excess = sign * r.funding_excess_apr.value
    s.usual_excess = sign * inputs.known(r.funding_excess_median_30d)
    s.log_oi = u.open_interest.log_oi
    s.sigma_24h = inputs.known(r.oi_change_24h_sigma)
    s.breaker = furthest(u, side)
    flow = u.liquidations.coverage >= p.score_coverage
    s.flow_known = 1 if flow else 0
    s.inputs_known = 1 if flow and u.open_interest.coverage >= p.score_coverage else 0


@kernel
def step_machine(u: Record, side: int, time_ns: int, p: Record) -> None:
    """Advance one side's machine on the readings as they stand, and its laps."""
    _look(u, side, time_ns, p)
    m = u.machine[side]
    machine.step(m, time_ns, p)
    laps.step(
        u.laps[side], machine.present(m), m.peak_log_oi, m.low_log_oi, m.sight.log_oi, time_ns,
        p.flushed_releverage,
    )  # fmt: skip


@kernel
def _number(truth: int) -> float:
    return math.nan if truth == UNKNOWN else float(truth)


@kernel
def publish(u: Record, time_ns: int) -> None:
    """Write what breakers, machines and laps have come to."""
    r, long, short = u.readings, u.machine[0], u.machine[1]
    r.fragile_underneath_long.value = _number(long.sight.underneath)
    r.fragile_underneath_short.value = _number(short.sight.underneath)
    r.near_dense_zone_long.value = _number(long.sight.near_zone)
    r.near_dense_zone_short.value = _number(short.sight.near_zone)
    r.oi_drop_long.value = machine.oi_drop(long, u.open_interest.log_oi)
    r.oi_drop_short.value = machine.oi_drop(short, u.open_interest.log_oi)
    r.breaker_leverage_reset_long.value = float(u.leverage_reset[0].status)
    r.breaker_leverage_reset_short.value = float(u.leverage_reset[1].status)
    r.breaker_spot_absorption_long.value = float(u.spot_absorption[0].status)
    r.breaker_spot_absorption_short.value = float(u.spot_absorption[1].status)
    r.breaker_vol_regime.value = float(u.vol_regime_breaker.status)
    laps.publish(u.laps[0], u.open_interest.log_oi, time_ns, r.laps_30d_long, r.lap_rebuild_h_long,
                 r.lap_rebuild_fraction_long, r.lap_depth_long, r.lap_depth_ratio_long)  # fmt: skip
    laps.publish(u.laps[1], u.open_interest.log_oi, time_ns, r.laps_30d_short, r.lap_rebuild_h_short,
                 r.lap_rebuild_fraction_short, r.lap_depth_short, r.lap_depth_ratio_short)  # fmt: skip
