"""A record's bytes are its whole state, also when it is nested in the engine's one big record."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from streams.kernels.average import (
    AVERAGE,
    STANDARD,
    average_init,
    average_step,
    standard_init,
    standard_step,
)
from streams.kernels.buckets import bucket_add, bucket_init, bucket_move, bucket_ring
from streams.kernels.changepoint import changepoint_init, changepoint_record, changepoint_step
from streams.kernels.cross import CROSS, cross_add, cross_fade, cross_init
from streams.kernels.cusum import SWITCH, switch_init, switch_step
from streams.kernels.decay import HELD, held_advance, held_init, held_set
from streams.kernels.excitation import (
    EXCITATION,
    excitation_add,
    excitation_advance,
    excitation_init,
)
from streams.kernels.extremes import highest_init, highest_put, highest_ring
from streams.kernels.fall import fall_init, fall_put, fall_ring
from streams.kernels.hawkes import (
    FIT,
    hawkes_advance,
    hawkes_event,
    hawkes_init,
    hawkes_solve,
    hawkes_weigh,
)
from streams.kernels.heat import (
    ladder,
    ladder_age,
    ladder_close,
    ladder_init,
    ladder_move,
    ladder_open,
)
from streams.kernels.histogram import HISTOGRAM, UPPER, histogram_init, histogram_insert
from streams.kernels.hysteresis import GATE, gate_init, gate_step
from streams.kernels.ledger import ledger, ledger_init, ledger_turn
from streams.kernels.median import MEDIAN, median_init, median_update
from streams.kernels.path import PATH, path_init, path_put
from streams.kernels.ranks import RANKS, ranks_init, ranks_insert
from streams.kernels.residuals import RESIDUAL, residual_advance, residual_event, residual_init
from streams.kernels.shares import share_init, share_insert, share_record
from streams.kernels.throttle import (
    THROTTLE,
    clock_snapshot_step,
    dead_time_step,
    throttle_init,
)
from streams.kernels.throttle_model import THROTTLE_TEST, throttle_test_init, throttle_test_note
from streams.kernels.windows import (
    flow_add,
    flow_init,
    flow_ring,
    level_init,
    level_put,
    level_ring,
)
from streams.kernels.wls import wls_add, wls_fade, wls_init, wls_record, wls_solve

HALF_LIVES = np.array([2.0, 15.0, 120.0])
FLOWS, LEVELS, LADDER = flow_ring(7), level_ring(5), ladder(16)
HIGHEST, CHANGES, WLS = highest_ring(6), changepoint_record(20), wls_record(2)
LEDGER = ledger(5, 2)
BUCKETS, FALL, SHARES = bucket_ring(5, 2), fall_ring(6), share_record(20)
EVERYTHING = np.dtype(
    [
        ("pad", "i8"),
        ("held", HELD),
        ("flows", FLOWS),
        ("levels", LEVELS, (2,)),
        ("histogram", HISTOGRAM),
        ("upper", UPPER),
        ("gate", GATE),
        ("dead", THROTTLE),
        ("snap", THROTTLE),
        ("excitation", EXCITATION),
        ("median", MEDIAN),
        ("fit", FIT),
        ("residual", RESIDUAL),
        ("throttle_test", THROTTLE_TEST),
        ("average", AVERAGE),
        ("standard", STANDARD),
        ("switch", SWITCH),
        ("highest", HIGHEST),
        ("changes", CHANGES),
        ("wls", WLS),
        ("ledger", LEDGER),
        ("cross", CROSS),
        ("ladder", LADDER),
        ("path", PATH),
        ("buckets", BUCKETS),
        ("fall", FALL),
        ("ranks", RANKS),
        ("shares", SHARES),
    ]
)


def start(all_of_it: Any) -> None:
    held_init(all_of_it["held"])
    flow_init(all_of_it["flows"])
    for i in range(2):
        level_init(all_of_it["levels"][i])
    histogram_init(all_of_it["histogram"])
    histogram_init(all_of_it["upper"])
    gate_init(all_of_it["gate"])
    throttle_init(all_of_it["dead"], 0.0, 0.02, 5.0)
    throttle_init(all_of_it["snap"], 0.0, 0.02, 5.0)
    excitation_init(all_of_it["excitation"])
    median_init(all_of_it["median"])
    hawkes_init(all_of_it["fit"])
    residual_init(all_of_it["residual"])
    throttle_test_init(all_of_it["throttle_test"])
    average_init(all_of_it["average"])
    standard_init(all_of_it["standard"])
    switch_init(all_of_it["switch"])
    highest_init(all_of_it["highest"])
    changepoint_init(all_of_it["changes"])
    wls_init(all_of_it["wls"])
    ledger_init(all_of_it["ledger"])
    cross_init(all_of_it["cross"])
    ladder_init(all_of_it["ladder"])
    path_init(all_of_it["path"])
    bucket_init(all_of_it["buckets"])
    fall_init(all_of_it["fall"])
    ranks_init(all_of_it["ranks"])
    share_init(all_of_it["shares"])


def step(all_of_it: Any, t_s: float, x: float, wanted: bool) -> None:
    bucket = int(t_s)
    held_advance(all_of_it["held"], 0.3, 10.0)
    held_set(all_of_it["held"], x)
    flow_add(all_of_it["flows"], bucket, int(1e6 * x))
    level_put(all_of_it["levels"][0], bucket, x)
    level_put(all_of_it["levels"][1], bucket // 3, -x)
    histogram_insert(all_of_it["histogram"], t_s, x, 1.0, 1.0, 0.05)
    histogram_insert(all_of_it["upper"], t_s, abs(x), 1.0, 1.0, 0.05)
    gate_step(all_of_it["gate"], int(t_s * 1e9), wanted, not wanted, 10**9, 10**9, 0)
    dead_time_step(all_of_it["dead"], t_s, x, 1.0, 5.0, 60.0)
    clock_snapshot_step(all_of_it["snap"], t_s, x, 1.0, 5.0, 60.0)
    fit, memory = all_of_it["fit"], all_of_it["excitation"]["a"]
    hawkes_advance(fit, memory, 0.8, HALF_LIVES, 60.0, wanted)
    excitation_advance(all_of_it["excitation"], t_s, HALF_LIVES)
    hawkes_event(fit, bucket % 2, memory, HALF_LIVES, 60.0)
    hawkes_solve(fit, 60.0, np.empty((2, 14, 13)))
    hawkes_weigh(fit, memory, HALF_LIVES)
    residual_advance(all_of_it["residual"], abs(x), 0.8)
    residual_event(all_of_it["residual"], 60.0)
    throttle_test_note(all_of_it["throttle_test"], int(t_s * 1e9), int(t_s * 1.1e9), 1.0, 0.1)
    excitation_add(all_of_it["excitation"], bucket % 4, abs(x))
    median_update(all_of_it["median"], x)
    average_step(all_of_it["average"], x, 0.3, 5.0)
    standard_step(all_of_it["standard"], x, 0.3, 5.0, 4.0)
    switch_step(all_of_it["switch"], x, int(t_s * 1e9), 0.3, 1.0, 10**10)
    highest_put(all_of_it["highest"], bucket, x)
    changepoint_step(all_of_it["changes"], x, 0.1, 0.0, 0.3, 1.0, 0.5)
    wls_fade(all_of_it["wls"], 0.9)
    wls_add(all_of_it["wls"], np.array([1.0, x]), t_s, 1.0)
    wls_solve(all_of_it["wls"], 1e-6, np.empty(2), np.empty((2, 2)))
    all_of_it["ledger"]["rows"][ledger_turn(all_of_it["ledger"], bucket)] += int(1e6 * x)
    cross_fade(all_of_it["cross"], 0.9)
    cross_add(all_of_it["cross"], x, -x, np.full((2, 10), t_s))
    ladder_move(all_of_it["ladder"], bucket % 5, bucket % 3)
    ladder_open(all_of_it["ladder"], bucket % 5 + 6, abs(x))
    ladder_close(all_of_it["ladder"], 0.1)
    ladder_age(all_of_it["ladder"], 0.8, 60.0)
    path_put(all_of_it["path"], int(t_s * 1e9), x)
    bucket_move(all_of_it["buckets"], bucket)
    bucket_add(all_of_it["buckets"], bucket % 2, x)
    fall_put(all_of_it["fall"], bucket, x)
    ranks_insert(all_of_it["ranks"], t_s, abs(x), 1.0, 0.1, 5.0)
    share_insert(all_of_it["shares"], t_s, abs(x) / 3.0, 1.0, 5.0)


def inputs(size: int) -> list[tuple[float, float, bool]]:
    rng = np.random.default_rng(40)
    times = np.cumsum(rng.exponential(0.8, size))
    return [(float(t), float(rng.normal()), bool(rng.random() < 0.8)) for t in times]


@pytest.mark.parametrize("cut", [0, 1, 77, 149])
def test_a_restored_record_goes_on_bit_for_bit(cut: int) -> None:
    whole = np.zeros(1, EVERYTHING)[0]
    start(whole)
    for row in inputs(150)[:cut]:
        step(whole, *row)
    restored = np.frombuffer(bytearray(whole.tobytes()), EVERYTHING)[0]
    for row in inputs(150)[cut:]:
        step(whole, *row)
        step(restored, *row)
    assert restored.tobytes() == whole.tobytes()
    assert whole["pad"] == 0


def test_a_nested_record_goes_the_way_of_a_lone_one() -> None:
    nested = np.zeros(1, EVERYTHING)[0]
    start(nested)
    lone = {name: np.zeros(1, EVERYTHING[name])[0] for name in EVERYTHING.names or ()}
    start(lone)
    for row in inputs(150):
        step(nested, *row)
        step(lone, *row)
    for name in EVERYTHING.names or ():
        assert nested[name].tobytes() == lone[name].tobytes(), name


@pytest.mark.parametrize(
    "dtype",
    [
        HELD, FLOWS, LEVELS, HISTOGRAM, UPPER, GATE, THROTTLE, EXCITATION, MEDIAN, FIT, RESIDUAL,
        THROTTLE_TEST, AVERAGE, STANDARD, HIGHEST, CHANGES, WLS, CROSS, LADDER, SWITCH["up"], SWITCH,
        LEDGER, BUCKETS, FALL, RANKS, SHARES,
    ],
)  # fmt: skip
def test_records_are_made_of_aligned_eight_byte_fields(dtype: np.dtype[np.void]) -> None:
    for field, offset in (dtype.fields or {}).values():
        assert field.base in {np.dtype("f8"), np.dtype("i8"), SWITCH["up"]}
        assert offset % 8 == 0


@pytest.mark.parametrize(
    ("dtype", "init"),
    [
        (HELD, held_init),
        (FLOWS, flow_init),
        (LEVELS, level_init),
        (HISTOGRAM, histogram_init),
        (UPPER, histogram_init),
        (GATE, gate_init),
        (EXCITATION, excitation_init),
        (MEDIAN, median_init),
        (FIT, hawkes_init),
        (RESIDUAL, residual_init),
        (THROTTLE_TEST, throttle_test_init),
        (AVERAGE, average_init),
        (STANDARD, standard_init),
        (SWITCH, switch_init),
        (HIGHEST, highest_init),
        (CHANGES, changepoint_init),
        (WLS, wls_init),
        (LEDGER, ledger_init),
        (CROSS, cross_init),
        (LADDER, ladder_init),
        (PATH, path_init),
        (BUCKETS, bucket_init),
        (FALL, fall_init),
        (RANKS, ranks_init),
        (SHARES, share_init),
    ],
)
def test_init_leaves_nothing_of_what_was_there(
    dtype: np.dtype[np.void], init: Callable[[np.void], None]
) -> None:
    clean, dirty = (
        np.zeros(1, dtype)[0],
        np.frombuffer(bytearray(b"\x41" * dtype.itemsize), dtype)[0],
    )
    init(clean)
    init(dirty)
    assert dirty.tobytes() == clean.tobytes()
