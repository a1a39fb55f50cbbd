"""Which test holds which property of each kernel and indicator: the second table of `streams/TRUTH.md`.

Paths are under `tests/streams`; a text that begins with a dash says why there is no such property. A module
of `streams/kernels`, `streams/indicators` or `streams/breakers` without a line fails the test: add one.
"""

from typing import NamedTuple

#: The whole engine, which every indicator is part of.
WHOLE = "properties/test_symmetries.py::"
CUTS, RESTORE = (
    "test_engine.py::test_blocks_may_be_cut_anywhere",
    f"{WHOLE}test_restored_anywhere_it_goes_the_same_way",
)
SCALE = f"{WHOLE}test_all_prices_times_a_factor_scale_dollars_and_nothing_else"
SHIFT, MIRROR = (
    f"{WHOLE}test_another_day_changes_nothing",
    f"{WHOLE}test_a_mirrored_market_swaps_the_sides_of_everything",
)
BITS = "kernels/test_snapshot.py::test_a_restored_record_goes_on_bit_for_bit"
OF_VALUES, OF_EVENTS = (f"properties/test_kernels_of_{what}.py::" for what in ("values", "events"))


class Held(NamedTuple):
    """The tests of one module's properties; the defaults are those of the whole engine."""

    twin: str
    cuts: str = CUTS
    snapshot: str = RESTORE
    scale: str = SCALE
    shift: str = SHIFT
    mirror: str = MIRROR


def kernel(twin: str, cuts: str, scale: str, shift: str, mirror: str, snapshot: str = BITS) -> Held:
    """Return the line of a kernel, whose properties are its own."""
    return Held(twin, cuts, snapshot, scale, shift, mirror)


STATELESS = "- no state"
EVENTS = "- one step an event, no time"
K, I, B = "kernels/test_", "indicators/test_", "breakers/test_"
SUMS = f"{OF_VALUES}test_sums_and_falls_follow_units_and_origins"
SMALL = f"{OF_VALUES}test_small_histograms_know_no_origin_and_rank_the_other_way_when_mirrored"
AVERAGES = f"{OF_VALUES}test_averages_and_spreads_follow_scale_shift_and_mirror"
LEVELS = f"{OF_VALUES}test_levels_follow_units_and_origins"

TABLE: dict[str, Held] = {
    "kernels/average": kernel(
        f"{K}average.py::test_every_average_equals_the_sum_over_all_steps",
        f"{OF_VALUES}test_a_step_of_an_average_may_be_cut_in_two", AVERAGES, AVERAGES, AVERAGES,
    ),
    "kernels/bitcoin": kernel(
        f"{K}bitcoin.py::test_every_height_is_the_sum_of_its_eras", STATELESS, "- counts coins",
        "- is about the date", "- has no sides", snapshot=STATELESS,
    ),
    "kernels/branching": kernel(
        f"{K}branching_truth.py::test_errors_of_radius_and_loop_gain_are_those_of_draws", STATELESS,
        f"{K}hawkes.py::test_scaling_a_sources_marks_scales_its_gain_back", STATELESS,
        f"{OF_EVENTS}test_sums_and_radius_of_a_mirrored_fit_are_the_mirrored_ones", STATELESS,
    ),
    "kernels/buckets": kernel(f"{K}buckets.py::test_every_sum_is_exact", EVENTS, SUMS, SUMS, SUMS),
    "kernels/changepoint": kernel(
        f"{K}changepoint.py::test_every_posterior_equals_that_of_the_segments_and_adds_up_to_one", EVENTS,
        f"{K}changepoint.py::test_shift_and_scale_of_values_and_prior_change_no_probability",
        f"{K}changepoint.py::test_shift_and_scale_of_values_and_prior_change_no_probability",
        f"{OF_VALUES}test_a_mirrored_series_has_the_same_change_points",
    ),
    "kernels/cholesky": kernel(
        f"{K}wls.py::test_cholesky_equals_lapack", STATELESS,
        f"{K}wls.py::test_units_change_coefficients_and_errors_by_their_factor", STATELESS,
        f"{OF_EVENTS}test_a_regressor_turned_round_turns_its_coefficient", STATELESS,
    ),
    "kernels/cross": kernel(
        f"{K}cross.py::test_every_step_equals_the_definition", "- one step a second",
        f"{K}cross.py::test_units_and_signs_change_nothing", "- sees returns only",
        f"{K}cross.py::test_units_and_signs_change_nothing",
    ),
    "kernels/cusum": kernel(
        f"{K}cusum.py::test_every_step_is_the_highest_total_of_a_run_that_ends_now", EVENTS,
        f"{K}cusum.py::test_a_common_unit_of_value_drift_and_limit_does_not_matter",
        f"{OF_VALUES}test_a_mirrored_signal_switches_the_other_way",
        f"{OF_VALUES}test_a_mirrored_signal_switches_the_other_way",
    ),
    "kernels/decay": kernel(
        f"{K}decay.py::test_held_moments_equal_quadrature_after_every_step",
        f"{K}decay.py::test_cutting_a_step_in_two_changes_nothing",
        f"{K}decay.py::test_held_moments_follow_a_shift_and_a_scale",
        f"{K}decay.py::test_held_moments_follow_a_shift_and_a_scale", AVERAGES,
    ),
    "kernels/excitation": kernel(
        f"{K}excitation.py::test_intensity_equals_the_double_sum_before_and_after_every_event",
        f"{K}excitation.py::test_steps_without_events_change_nothing",
        *[f"{OF_EVENTS}test_excitation_is_linear_in_marks_knows_no_origin_and_mirrors"] * 3,
    ),
    "kernels/extremes": kernel(
        f"{K}extremes.py::test_every_answer_equals_the_maximum_of_the_window", EVENTS,
        f"{OF_VALUES}test_the_highest_follows_units_and_origins",
        f"{OF_VALUES}test_the_highest_follows_units_and_origins", "- a maximum is no minimum",
    ),
    "kernels/fall": kernel(
        f"{K}fall.py::test_peak_and_low_are_those_of_all_values", EVENTS, SUMS, SUMS,
        "- a highest is no lowest",
    ),
    "kernels/hawkes": kernel(
        f"{K}hawkes.py::test_every_step_equals_the_definition",
        f"{K}hawkes.py::test_points_without_a_mark_change_nothing_at_fixed_weights",
        f"{K}hawkes.py::test_scaling_a_sources_marks_scales_its_gain_back", "- sees intervals only",
        f"{K}hawkes.py::test_mirrored_markets_have_mirrored_fits",
    ),
    "kernels/heat": kernel(
        f"{K}heat.py::test_the_ladder_is_the_ledger_after_every_step",
        f"{OF_EVENTS}test_a_ladder_is_linear_in_coin_and_ages_in_any_pieces",
        f"{OF_EVENTS}test_a_ladder_is_linear_in_coin_and_ages_in_any_pieces",
        f"{K}heat.py::test_translation_moves_the_map_and_changes_nothing_else",
        "- one side; the sign of its coordinate is the caller's",
    ),
    "kernels/histogram": kernel(
        f"{K}histogram.py::test_state_equals_the_rebuilt_histogram_after_every_insert", EVENTS,
        f"{K}histogram.py::test_ranks_do_not_depend_on_units_or_sign",
        f"{OF_VALUES}test_a_histogram_knows_no_origin_of_time",
        f"{K}histogram.py::test_ranks_do_not_depend_on_units_or_sign",
    ),
    "kernels/hysteresis": kernel(
        f"{K}hysteresis.py::test_every_step_equals_a_search_through_the_past", EVENTS,
        f"{K}hysteresis.py::test_time_has_no_unit", f"{OF_VALUES}test_a_gate_knows_no_origin_of_time",
        "- on is not off",
    ),
    "kernels/ledger": kernel(
        f"{K}ledger.py::test_sums_equal_brute_force_after_every_writing", EVENTS, SUMS, SUMS, SUMS,
    ),
    "kernels/margin": kernel(
        f"{K}margin.py::test_the_table_to_the_cent", STATELESS,
        f"{K}margin.py::test_scaling_all_prices_scales_it", STATELESS,
        f"{OF_EVENTS}test_an_inverse_long_is_a_linear_short_seen_from_the_coin", STATELESS,
    ),
    "kernels/median": kernel(
        f"{K}median.py::test_the_estimate_stays_near_the_exact_median_of_the_recent_past", EVENTS,
        *[f"{K}median.py::test_the_unit_and_the_sign_do_not_matter"] * 3,
    ),
    "kernels/path": kernel(
        f"{OF_VALUES}test_a_path_is_its_list_of_values_on_any_day", EVENTS, LEVELS,
        f"{OF_VALUES}test_a_path_is_its_list_of_values_on_any_day", LEVELS,
    ),
    "kernels/ranks": kernel(
        f"{K}ranks.py::test_every_rank_equals_the_binned_twin_and_nearly_the_exact_one", EVENTS,
        f"{K}ranks.py::test_ranks_rise_and_know_no_unit", SMALL, SMALL,
    ),
    "kernels/residuals": kernel(
        f"{K}residuals.py::test_bins_equal_the_weighted_distribution_after_every_event",
        f"{OF_EVENTS}test_residuals_have_no_unit_of_time_and_intervals_may_be_cut",
        f"{OF_EVENTS}test_residuals_have_no_unit_of_time_and_intervals_may_be_cut", "- sees intervals only",
        "- early is not late",
    ),
    "kernels/shares": kernel(
        f"{K}shares.py::test_a_rank_is_the_mass_below_its_bin_and_half_of_its_own", EVENTS,
        "- a share has no unit", SMALL, SMALL,
    ),
    "kernels/throttle": kernel(
        f"{K}throttle.py::test_dead_time_equals_written_out_live_intervals_after_every_step",
        *[f"{OF_EVENTS}test_throttled_rates_follow_the_unit_of_size_and_know_no_day"] * 3, "- has no sides",
    ),
    "kernels/throttle_model": kernel(
        f"{OF_EVENTS}test_the_rules_gaps_are_those_of_all_prints_on_any_day", EVENTS, "- only times",
        f"{OF_EVENTS}test_the_rules_gaps_are_those_of_all_prints_on_any_day", "- has no sides",
    ),
    "kernels/windows": kernel(
        f"{K}windows.py::test_levels_equal_brute_force_after_every_put", EVENTS, LEVELS, LEVELS, LEVELS,
    ),
    "kernels/wls": kernel(
        f"{K}wls.py::test_every_solution_equals_the_batch_one", EVENTS,
        f"{K}wls.py::test_units_change_coefficients_and_errors_by_their_factor", "- sees intervals only",
        f"{OF_EVENTS}test_a_regressor_turned_round_turns_its_coefficient",
    ),
    "indicators/absorption": Held(f"{I}absorption.py::test_every_burst_equals_the_definition"),
    "indicators/branching": Held(f"{I}branching.py::test_every_tick_equals_the_definition"),
    "indicators/branching_fit": Held(f"{I}branching.py::test_every_tick_equals_the_definition"),
    "indicators/burst_record": Held(
        f"{I}burst_memory.py::test_a_record_says_who_printed_and_how_far_it_went"
    ),
    "indicators/burst_sizes": Held(
        f"{I}burst_memory.py::test_shrinkage_and_relative_size_are_those_of_all_bursts"
    ),
    "indicators/bursts": Held(
        "properties/test_indicators.py::test_bursts_are_those_read_from_the_whole_past"
    ),
    "indicators/carry": Held(f"{I}carry.py::test_windows_equal_all_settlements_written_out"),
    "indicators/cascade": Held(f"{I}liquidations.py::test_intensity_equals_the_double_sum_over_all_events"),
    "indicators/crowding": Held(
        f"{I}scores.py::test_crowding_is_the_known_parts_and_says_how_much_that_is"
    ),
    "indicators/deleveraging": Held(f"{I}deleveraging.py::test_week_and_peak_equal_looking_at_everything"),
    "indicators/feeds": Held(f"{I}feeds.py::test_perpetuals_count_by_open_interest"),
    "indicators/flow_outputs": Held(f"{I}flows.py::test_every_reading_equals_brute_force_after_every_tick"),
    "indicators/flows": Held(f"{I}flows.py::test_every_reading_equals_brute_force_after_every_tick"),
    "indicators/fragility": Held(f"{I}scores.py::test_fragility_is_the_known_parts"),
    "indicators/funding": Held(f"{I}funding.py::test_every_tick_equals_the_recomputation"),
    "indicators/funding_split": Held(
        f"{I}funding_split.py::test_classes_and_spread_are_their_definitions"
    ),
    "indicators/funding_view": Held(
        f"{I}funding_split.py::test_classes_and_spread_are_their_definitions", snapshot=STATELESS,
        scale="- rates have no unit of money", shift="- says the time of its rates",
        mirror="- a venue's name is no number",
    ),
    "indicators/gates": Held(f"{I}gates.py::test_both_gates_are_their_definitions"),
    "indicators/groups": Held(
        f"{I}groups.py::test_shares_of_fresh_groups_sum_to_one_and_the_others_are_unknown"
    ),
    "indicators/heatmap": Held(f"{I}heatmap.py::test_the_map_is_the_ledger_of_positions_at_every_tick"),
    "indicators/heatmap_level": Held(f"{I}heatmap_score.py::test_phi_is_the_ratio_over_all_episodes"),
    "indicators/heatmap_outputs": Held(
        f"{I}heatmap.py::test_the_map_is_the_ledger_of_positions_at_every_tick"
    ),
    "indicators/heatmap_score": Held(f"{I}heatmap_score.py::test_scores_are_those_of_keeping_every_forecast"),
    "indicators/heatmap_view": Held(f"{I}heatmap.py::test_the_view_holds_the_whole_map"),
    "indicators/impact": Held(f"{I}impact.py::test_every_solution_equals_the_definition"),
    "indicators/information": Held(f"{I}lead_lag.py::test_paths_lead_and_share_equal_their_definitions"),
    "indicators/lead_lag": Held(f"{I}lead_lag.py::test_paths_lead_and_share_equal_their_definitions"),
    "indicators/leverage": Held(f"{I}leverage.py::test_both_ratios_rank_by_the_time_they_stood"),
    "indicators/liquidations": Held(
        f"{I}liquidations.py::test_rates_equal_the_recomputation_after_every_tick"
    ),
    "indicators/open_interest": Held(
        f"{I}open_interest.py::test_every_tick_equals_the_recomputation_from_all_rows"
    ),
    "indicators/premia": Held(f"{I}premia.py::test_the_premium_is_what_its_algebra_says"),
    "indicators/price": Held(f"{I}price.py::test_every_tick_equals_the_chain_of_matched_returns"),
    "indicators/quadrant": Held(
        "properties/test_indicators.py::test_labels_are_those_read_from_the_whole_past"
    ),
    "indicators/releverage": Held(
        f"{I}scores.py::test_what_is_built_again_is_measured_from_the_low_since_the_peak"
    ),
    "indicators/throttling": Held(f"{OF_EVENTS}test_the_rules_gaps_are_those_of_all_prints_on_any_day"),
    "indicators/trade_paths": Held(f"{I}lead_lag.py::test_paths_lead_and_share_equal_their_definitions"),
    "indicators/turnover": Held(f"{I}turnover.py::test_windows_count_every_side_exactly"),
    "indicators/volatility": Held(
        f"{I}volatility.py::test_every_reading_equals_the_recomputation_from_all_ticks"
    ),
    "indicators/volatility_regime": Held(
        f"{I}volatility_regime.py::test_every_minute_equals_the_recomputation"
    ),
    "breakers/breaker": Held(f"{B}breaker.py::test_any_life_is_its_twins_and_keeps_the_rules"),
    "breakers/inputs": Held(f"{B}inputs.py::test_each_input_is_its_reading"),
    "breakers/laps": Held(f"{B}laps.py::test_any_history_has_the_laps_of_its_twin"),
    "breakers/leverage_reset": Held(f"{B}conditions.py::test_any_sequence_is_the_twins"),
    "breakers/machine": Held(f"{B}machine.py::test_any_history_keeps_the_rules"),
    "breakers/reasons": Held(
        f"{B}machine.py::test_fragile_underneath_is_what_the_method_says_and_mirrors"
    ),
    "breakers/spot_absorption": Held(f"{B}conditions.py::test_any_sequence_is_the_twins"),
    "breakers/vol_regime": Held(f"{B}conditions.py::test_any_sequence_is_the_twins"),
}  # fmt: skip


def cell(held: str) -> str:
    """Return a test as a link, a reason as it is."""
    if held.startswith("- "):
        return held
    file, _, name = held.partition("::")
    return f'[held](../tests/streams/{file} "{name}")'


def table() -> str:
    """Return the page's table."""
    head = ["module", *Held._fields]
    out = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    out += [f"| `{name}` | {' | '.join(map(cell, held))} |" for name, held in TABLE.items()]
    return "\n".join(out) + "\n"
