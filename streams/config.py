"""Every threshold, half-life and prior of the method, once. Its hash travels in every signal.

Defaults marked "fit" are design choices to be fitted on data; the rest are definitions. Times are seconds.
"""

import hashlib
from typing import TypeAlias

import msgspec

from streams.brackets import DATE as BRACKETS_DATE
from streams.supply import DATE as SUPPLY_DATE

DAY_S = 86_400.0


#: One share for each of ten leverages.
Shares: TypeAlias = tuple[float, float, float, float, float, float, float, float, float, float]


class MethodConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All numbers that decide what a signal says."""

    # log time
    tick_s: float = 1.0  # evaluations happen on multiples of this
    heartbeat_stale_s: float = 15.0  # no heartbeat for longer: the instrument's feeds are unknown
    warmup_hold_s: float = 90.0  # how long an underlying waits for announced history
    warmup_gather_s: float = 10.0  # other venues have at least this long to announce theirs

    # open interest
    oi_hold_s: float = 600.0  # a level older than this is unknown
    oi_fresh_floor_s: float = 30.0  # fresh if younger than this or 3 median intervals
    oi_panel_coverage: float = 0.6
    oi_mean_half_life_s: float = 7 * DAY_S
    oi_rank_half_life_s: float = 30 * DAY_S
    oi_warm_s: float = 14 * DAY_S
    oi_z_floor: float = 0.005  # smallest scale of ln(OI) deviations, fit
    leverage_rank_half_life_s: float = 180 * DAY_S
    leverage_supply: int = SUPPLY_DATE  # which table of circulating coins, see streams.supply

    # funding
    neutral_rate_8h: float = 0.0001  # the exchanges' interest component; others in streams.neutral
    funding_rank_half_life_s: float = 30 * DAY_S
    premium_fast_half_life_s: float = 300.0
    premium_half_life_s: float = 8 * 3600.0
    persist_half_life_s: float = 72 * 3600.0
    persist_apr: float = 0.10  # fit
    funding_hours_leave_apr: float = (
        0.07  # hours above persist_apr are counted until below this, fit
    )
    funding_coverage: float = 0.5

    # liquidations
    merge_gap_s: float = 0.1
    dead_time_s: float = 1.0
    throttle_half_life_s: float = 5.0
    throttle_snapshot_half_life_s: float = 3.0
    throttle_mark_half_life_s: float = 60.0
    throttle_prior_rate: float = 0.02
    throttle_cap_rate: float = 100.0

    # cascade intensity: configured excitation, events per event by half-life
    hawkes_half_lives_s: tuple[float, float, float] = (2.0, 15.0, 120.0)
    hawkes_self: tuple[float, float, float] = (0.15, 0.20, 0.15)  # fit
    hawkes_cross: tuple[float, float, float] = (0.01, 0.02, 0.02)  # fit
    hawkes_price_gain: tuple[float, float, float] = (0.01, 0.01, 0.005)  # events per bp, fit
    hawkes_mu_floor: float = 1e-4  # events a second
    hawkes_mu_half_life_s: float = DAY_S
    mark_cap: float = 20.0

    # branching: the same model estimated
    branching_memory_s: float = 6 * 3600.0
    branching_fast_memory_s: float = 3600.0
    branching_solve_s: float = 10.0
    branching_feeds: float = 0.9  # of the complete feeds' open interest must be live
    branching_gap_s: float = 60.0  # a longer gap makes the numbers unknown for one memory
    branching_events: float = 200.0  # effective; fewer is WARMUP
    branching_alarm: float = 0.8  # events per event
    branching_moment_half_life_s: float = DAY_S
    branching_disagreement: float = 0.3  # events per event, fit

    # bursts
    burst_quantile: float = 0.995
    burst_floor_oi_per_minute: float = 1e-4  # share of open interest, fit
    burst_min_events: int = 5
    burst_dominance: float = 0.6
    burst_end_share: float = 0.2
    burst_end_s: float = 60.0
    burst_end_quantile: float = 0.95
    burst_merge_s: float = 120.0
    intensity_rank_half_life_s: float = 90 * DAY_S

    # price and quadrant
    sigma_half_life_s: float = 7 * DAY_S
    quadrant_deadband: float = 0.5
    quadrant_dwell_s: float = 120.0

    # taker flow, premia, groups
    flow_observed: float = (
        0.9  # of a window must have been watched, by what contracts usually trade
    )
    flow_usual_half_life_s: float = DAY_S  # memory of what a contract usually trades
    spot_fresh_s: float = 30.0  # a spot market's last trade is its price for so long
    coinbase_half_life_s: float = 300.0
    regulated_hold_s: float = 1.5 * DAY_S  # a daily settlement stands until the next one is due
    regulated_open_s: float = 3600.0  # without a trade for so long a regulated market is closed
    reflexivity_half_life_s: float = DAY_S

    # liquidation heatmap
    heat_bin: float = 0.00125  # ln price
    heat_half_life_s: float = 10 * DAY_S  # fit
    heat_sample_s: float = 10.0  # open interest is compared over at least this
    heat_passive: float = 0.5  # how speculative the passive side of a trade is, fit
    heat_prior: Shares = (
        0.164, 0.107, 0.178, 0.216, 0.121, 0.091, 0.068, 0.025, 0.012, 0.019,
    )  # share of coin at 2x 3x 5x 10x 20x 25x 50x 75x 100x 125x: log-normal around 8.3, fit  # fmt: skip
    heat_brackets: int = BRACKETS_DATE  # which table of maintenance margins, see streams.brackets
    heat_episode_s: float = 60.0  # an episode of the level ends after so long without consumption
    heat_phi_half_life_s: float = 14 * DAY_S
    heat_phi_episodes: int = 30  # fewer: the level is not calibrated
    heat_zone_quantile: float = 0.9
    heat_zone_reach: float = 0.15
    heat_forecast_share: float = 0.9  # of the map in a forecast, the rest is uniform

    # impact, absorption, lead and lag
    impact_memory_s: float = 2 * 3600.0
    impact_base_memory_s: float = 7 * DAY_S
    impact_solve_s: float = 10.0
    impact_events: float = 10.0  # effective flows of a side; fewer is WARMUP
    settlement_mask_s: float = 120.0  # on either side of whole hours nothing is learnt
    spot_coverage: float = 0.5  # of spot markets' trades, below which their flow is unknown
    absorption_after_s: float = 600.0  # a burst's window goes on for so long after it
    absorption_half_life_s: float = 7 * DAY_S
    trade_path_stale_s: float = 5.0  # a market that has not traded for longer has no present price
    lead_lag_half_life_s: float = 1800.0
    information_memory_s: float = 3600.0
    information_solve_s: float = 60.0

    # volatility
    vol_return_s: float = 5.0  # returns are of this length, on multiples of it
    vol_gap_s: float = 30.0  # a live return over longer is a gap: no medians, no half hours
    vol_half_lives_s: tuple[float, float, float, float, float] = (
        300.0, 3600.0, DAY_S, 7 * DAY_S, 30 * DAY_S,
    )  # fmt: skip
    vol_of_vol_half_life_s: float = DAY_S
    vol_step_s: float = 60.0  # switch and label are looked at this often
    vol_usual_half_life_s: float = 2 * DAY_S
    vol_clip: float = 4.0  # standard deviations that one step may add to the usual spread
    vol_cusum_drift: float = 1.5  # standard deviations, fit
    vol_cusum_limit: float = 30.0  # standard deviations times steps, fit: half a switch a day
    vol_switch_hold_s: float = DAY_S
    vol_rank_half_life_s: float = 90 * DAY_S
    vol_low: float = 0.20  # percentiles
    vol_high: float = 0.80
    vol_hysteresis: float = 0.05
    vol_block_s: float = 1800.0  # change points are looked for in blocks of this length
    vol_hazard: float = 1 / 336  # a regime ends with this probability a block
    vol_prior_blocks: float = (
        0.25  # blocks that the usual ln(variance) is worth to a new regime, fit
    )
    vol_prior_alpha: float = 2.0  # half the values that the usual spread is worth, fit
    vol_prior_sd: float = 0.35  # of ln(variance) of blocks within a regime, fit
    vol_recent_s: float = 3 * 3600.0  # a regime that began within this is new

    # scores: weights of their parts, missing ones left out
    crowding_weights: tuple[float, float, float] = (
        0.40,
        0.35,
        0.25,
    )  # stress, OI, OI to market cap
    fragility_weights: tuple[float, float, float, float] = (0.50, 0.20, 0.15, 0.15)
    fuel_rank_half_life_s: float = 90 * DAY_S
    absorption_rank_half_life_s: float = 30 * DAY_S

    # machine, all fit
    calm_enter: float = 0.60
    calm_exit: float = 0.70
    calm_dwell_s: float = 900.0
    calm_min_s: float = 1800.0
    calm_burst_free_s: float = DAY_S  # without a burst that cut open interest by cascade_oi_enter
    crowded_enter: float = 0.75
    crowded_exit: float = 0.65
    crowded_dwell_s: float = 1800.0
    crowded_min_s: float = 3600.0
    fragile_enter: float = 0.75
    fragile_exit: float = 0.65
    fragile_dwell_s: float = 600.0
    fragile_min_s: float = 1200.0
    fragile_zone_share: float = 0.01  # of open interest that a dense zone must hold to matter
    fragile_zone_sigmas: float = 1.0  # of a day's move that it may be away
    underneath_sigmas: float = 1.0  # of 4 hours that price must have moved
    underneath_oi_sigmas: float = 0.5  # of 4 hours that open interest may have
    underneath_flush: float = 0.01  # a burst that cut open interest by this much ...
    underneath_flush_s: float = DAY_S  # ... within this time: nothing is fragile underneath
    cascade_oi_enter: float = -0.005  # 5-minute change
    cascade_oi_exit: float = -0.002
    cascade_quiet_s: float = 600.0
    cascade_min_s: float = 120.0
    flushed_oi_drop: float = 0.04
    flushed_sigmas: float = 1.5  # of 24 hours: a fall of so many is enough as well
    flushed_fail_drop: float = 0.01  # a cascade that cut less returns to FRAGILE
    flushed_dwell_s: float = 900.0
    flushed_min_s: float = 3600.0
    flushed_releverage: float = 0.33
    flushed_expiry_s: float = DAY_S
    reset_exit: float = 0.70  # crowding at which RESET ends once its breaker is lost
    reset_dwell_s: float = 6 * 3600.0  # of a flush with an active breaker
    reset_min_s: float = 12 * 3600.0
    unknown_exit_s: float = 300.0
    score_coverage: float = 0.6
    heartbeat_s: float = 30.0  # a machine repeats its state this often

    # breakers, all fit
    breaker_step_s: float = 10.0  # they are looked at this often
    breaker_grace_s: float = (
        600.0  # not knowing for longer sets a wait back; for less it stops its clock
    )
    margin_half_life_s: float = (
        2 * DAY_S
    )  # memory of a value's usual spread, the unit of its margin
    margin_sd_oi: float = 0.005  # least standard deviations: share of open interest
    margin_sd_forced: float = 0.0005  # share of open interest forced in a day
    margin_sd_share: float = 0.02  # other shares and percentiles
    margin_sd_apr: float = 0.01
    margin_sd_branching: float = 0.05  # events per event
    margin_sd_bp: float = 0.5
    margin_sd_ratio: float = 0.05  # of variances

    # leverage reset
    reset_drawdown: float = -0.10  # coin OI below its highest of 14 days
    reset_oi_z: float = -1.0  # or this unusual, robust standard deviations
    reset_stress_low: float = 0.25
    reset_stress_high: float = 0.60
    reset_stress_exit: float = 0.80
    reset_excess_apr: float = 0.05  # funding may be off neutral, either way
    reset_shrinkage: float = 0.35  # size of the last three bursts over the largest of 14 days
    reset_burst_exit: float = 0.60  # of the largest, that a new burst may not reach
    reset_branching: float = 0.5  # events per event within 15 s
    reset_releverage: float = 0.25  # of the fall that may be built again
    reset_releverage_exit: float = 0.50
    reset_candidate_s: float = 4 * 3600.0
    reset_hold_s: float = DAY_S
    reset_expiry_s: float = 7 * DAY_S

    # spot absorption
    absorption_memory_s: float = DAY_S  # two bursts within this are looked at together
    absorption_forced: float = 0.003  # share of open interest forced in a day: one burst is enough
    absorption_flow: float = 0.30  # of what was forced that spot took
    absorption_price: float = 0.40  # of the expected move that did not come
    absorption_retracement: float = 0.50  # of the move that came back in two hours
    absorption_flow_exit: float = 0.10  # of a later burst
    absorption_spot_exit: float = 1.0  # standard deviations of spot's 4-hour flow against it
    absorption_candidate_s: float = 2400.0
    absorption_hold_s: float = 4 * 3600.0
    absorption_expiry_s: float = 72 * 3600.0

    # volatility regime as a breaker
    regime_expansion: float = 1.8  # variance of a day over that of a month
    regime_compression: float = 0.6
    regime_exit_high: float = 1.4
    regime_exit_low: float = 0.75
    regime_candidate_s: float = 2 * 3600.0
    regime_hold_s: float = 12 * 3600.0
    regime_expiry_s: float = 7 * DAY_S

    def hash(self) -> str:
        """Return what identifies these numbers in a signal."""
        return (
            "sha256:" + hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()
        )
