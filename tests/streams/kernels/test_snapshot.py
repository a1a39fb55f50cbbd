"""A record's bytes are its whole state, also when it is nested in the engine's one big record."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from streams.kernels.decay import HELD, held_advance, held_init, held_set
from streams.kernels.excitation import (
    EXCITATION,
    excitation_add,
    excitation_advance,
    excitation_init,
)
from streams.kernels.histogram import HISTOGRAM, histogram_init, histogram_insert
from streams.kernels.hysteresis import GATE, gate_init, gate_step
from streams.kernels.median import MEDIAN, median_init, median_update
from streams.kernels.throttle import (
    THROTTLE,
    clock_snapshot_step,
    dead_time_step,
    throttle_init,
)
from streams.kernels.windows import (
    flow_add,
    flow_init,
    flow_ring,
    level_init,
    level_put,
    level_ring,
)

HALF_LIVES = np.array([2.0, 15.0, 120.0])
FLOWS, LEVELS = flow_ring(7), level_ring(5)
EVERYTHING = np.dtype(
    [
        ("pad", "i8"),
        ("held", HELD),
        ("flows", FLOWS),
        ("levels", LEVELS, (2,)),
        ("histogram", HISTOGRAM),
        ("gate", GATE),
        ("dead", THROTTLE),
        ("snap", THROTTLE),
        ("excitation", EXCITATION),
        ("median", MEDIAN),
    ]
)


def start(all_of_it: Any) -> None:
    held_init(all_of_it["held"])
    flow_init(all_of_it["flows"])
    for i in range(2):
        level_init(all_of_it["levels"][i])
    histogram_init(all_of_it["histogram"])
    gate_init(all_of_it["gate"])
    throttle_init(all_of_it["dead"], 0.0, 0.02, 5.0)
    throttle_init(all_of_it["snap"], 0.0, 0.02, 5.0)
    excitation_init(all_of_it["excitation"])
    median_init(all_of_it["median"])


def step(all_of_it: Any, t_s: float, x: float, wanted: bool) -> None:
    bucket = int(t_s)
    held_advance(all_of_it["held"], 0.3, 10.0)
    held_set(all_of_it["held"], x)
    flow_add(all_of_it["flows"], bucket, int(1e6 * x))
    level_put(all_of_it["levels"][0], bucket, x)
    level_put(all_of_it["levels"][1], bucket // 3, -x)
    histogram_insert(all_of_it["histogram"], t_s, x, 1.0, 1.0, 0.05)
    gate_step(all_of_it["gate"], int(t_s * 1e9), wanted, not wanted, 10**9, 10**9, 0)
    dead_time_step(all_of_it["dead"], t_s, x, 1.0, 5.0, 60.0)
    clock_snapshot_step(all_of_it["snap"], t_s, x, 1.0, 5.0, 60.0)
    excitation_advance(all_of_it["excitation"], t_s, HALF_LIVES)
    excitation_add(all_of_it["excitation"], bucket % 4, abs(x))
    median_update(all_of_it["median"], x)


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
    "dtype", [HELD, FLOWS, LEVELS, HISTOGRAM, GATE, THROTTLE, EXCITATION, MEDIAN]
)
def test_records_are_made_of_aligned_eight_byte_fields(dtype: np.dtype[np.void]) -> None:
    for field, offset in (dtype.fields or {}).values():
        assert field.base in {np.dtype("f8"), np.dtype("i8")}
        assert offset % 8 == 0


@pytest.mark.parametrize(
    ("dtype", "init"),
    [
        (HELD, held_init),
        (FLOWS, flow_init),
        (LEVELS, level_init),
        (HISTOGRAM, histogram_init),
        (GATE, gate_init),
        (EXCITATION, excitation_init),
        (MEDIAN, median_init),
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
