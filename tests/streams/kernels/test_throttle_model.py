"""The test of a feed's throttling rule against simulated feeds of each kind (method 4.3)."""

import math

import numpy as np
import numpy.typing as npt
import pytest

from streams.kernels.throttle_model import (
    DEAD_TIME,
    NEITHER,
    SNAPSHOT,
    THROTTLE_TEST,
    UNKNOWN,
    throttle_delay_spread,
    throttle_test_init,
    throttle_test_note,
    throttle_test_restart,
    throttle_verdict,
)
from tests.reference.kernels.feeds import clock_snapshot, dead_time, hawkes_times, poisson_times

Floats = npt.NDArray[np.float64]
DAY_NS = 20_000 * 86_400 * 1_000_000_000


def recorded(times: Floats, delays: Floats) -> np.void:
    s = np.zeros(1, THROTTLE_TEST)[0]
    throttle_test_init(s)
    for t, delay in zip(times, delays, strict=True):
        exchange_ns = DAY_NS + int(t * 1e3) * 1_000_000  # venues print whole milliseconds
        throttle_test_note(s, exchange_ns, exchange_ns + round(delay * 1e9), 1.0, 0.1)
    return s


def feed(kind: int, times: Floats, rng: np.random.Generator) -> np.void:
    """Show `times` as a feed of the kind would, with network jitter of 30 ms."""
    if kind == DEAD_TIME:
        times = times[dead_time(times, 1.0)]
        waits = np.zeros(times.size)
    else:
        times = times[clock_snapshot(times, 1.0)]
        waits = np.ceil(times) - times
    return recorded(times, 0.05 + waits + rng.exponential(0.03, times.size))


@pytest.mark.parametrize("kind", [DEAD_TIME, SNAPSHOT])
@pytest.mark.parametrize("rate", [0.02, 0.1, 0.5, 2.0, 10.0, 40.0])
def test_each_feed_is_recognised_at_any_rate(kind: int, rate: float) -> None:
    found = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        s = feed(kind, poisson_times(rng, rate, max(600.0, 80.0 / rate)), rng)
        found.append(throttle_verdict(s, 1.0))
    assert set(found) <= {kind, UNKNOWN}
    assert found.count(kind) >= 19


@pytest.mark.parametrize("kind", [DEAD_TIME, SNAPSHOT])
def test_bursts_are_no_obstacle(kind: int) -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        s = feed(kind, hawkes_times(rng, 0.01, 0.9, 5.0, 20_000.0), rng)
        assert throttle_verdict(s, 1.0) == kind


def test_a_complete_feed_follows_neither_rule() -> None:
    rng = np.random.default_rng(3)
    times = poisson_times(rng, 2.0, 300.0)
    assert throttle_verdict(recorded(times, np.full(times.size, 0.05)), 1.0) == NEITHER


def test_little_is_nothing() -> None:
    rng = np.random.default_rng(4)
    times = np.arange(1.0, 12.0) * 1.5
    assert throttle_verdict(recorded(times, np.full(11, 0.05)), 1.0) == UNKNOWN
    wide = np.arange(1.0, 60.0) * 7.3
    assert throttle_verdict(recorded(wide, rng.uniform(0.0, 2.5, 59)), 1.0) == UNKNOWN
    assert math.isnan(throttle_delay_spread(recorded(times, np.full(11, 0.05))))


def test_clocks_may_differ() -> None:
    rng = np.random.default_rng(5)
    times = np.sort(rng.uniform(0.0, 4e4, 200))
    waits = np.ceil(times) - times
    for shift in (-2.0, 0.0, 1.37, 3.0):
        s = recorded(times, waits + shift)
        assert throttle_delay_spread(s) == pytest.approx(0.5, abs=0.1)
        assert throttle_verdict(s, 1.0) == SNAPSHOT


def test_parts_of_a_print_late_rows_and_outages_make_no_gap() -> None:
    times = np.arange(1.0, 40.0) * 1.5
    whole = recorded(times, np.zeros(times.size))
    parts = recorded(np.sort(np.concatenate([times, times + 0.02])), np.zeros(2 * times.size))
    assert parts.tobytes() == whole.tobytes()
    throttle_test_note(parts, DAY_NS, DAY_NS, 1.0, 0.1)
    assert parts.tobytes() == whole.tobytes()
    throttle_test_restart(parts)
    near = float(parts["near"])
    throttle_test_note(parts, int(whole["last_ns"]) + 200_000_000, 0, 1.0, 0.1)
    assert parts["near"] < near


def test_the_rule_may_change() -> None:
    rng = np.random.default_rng(6)
    first = poisson_times(rng, 1.0, 2_000.0)
    second = 2_000.0 + poisson_times(rng, 1.0, 6_000.0)
    first, second = first[dead_time(first, 1.0)], second[clock_snapshot(second, 1.0)]
    times = np.concatenate([first, second])
    assert throttle_verdict(recorded(first, np.zeros(first.size)), 1.0) == DEAD_TIME
    assert throttle_verdict(recorded(times, np.zeros(times.size)), 1.0) == SNAPSHOT
