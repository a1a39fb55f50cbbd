import math

import numba
import numpy as np
import numpy.typing as npt
import pytest

from streams.kernels.throttle import (
    THROTTLE,
    clock_snapshot_step,
    dead_time_step,
    throttle_init,
    throttle_rate,
    throttle_usd_rate,
)
from tests.reference.kernels.decay import PointSum
from tests.reference.kernels.feeds import (
    clock_snapshot,
    dead_time,
    hawkes_times,
    poisson_times,
)
from tests.reference.kernels.throttle import DeadTime, Snapshots
from tests.truth import Truth

Floats = npt.NDArray[np.float64]
UNCAPPED = 1e9
PRIOR_RATE = 0.02
HALF_LIFE_S = 5.0
MARK_HALF_LIFE_S = 60.0


def listening(half_life_s: float, start_s: float = 0.0) -> np.void:
    s = np.zeros(1, THROTTLE)[0]
    throttle_init(s, start_s, PRIOR_RATE, half_life_s)
    return s


@numba.njit
def estimates(
    s: np.void, times: Floats, usd: Floats, ticks: Floats, snapshots: bool, half_life_s: float
) -> tuple[Floats, Floats]:
    """Return the estimated event and USD rates at each tick, for a throttle of one second."""
    rates, usd_rates = np.empty(ticks.size), np.empty(ticks.size)
    i = 0
    for k in range(ticks.size):
        while i <= times.size:
            seen = i < times.size and times[i] <= ticks[k]
            t_s, size = (times[i], usd[i]) if seen else (ticks[k], 0.0)
            if snapshots:
                clock_snapshot_step(s, t_s, size, 1.0, half_life_s, 60.0)
            else:
                dead_time_step(s, t_s, size, 1.0, half_life_s, 60.0)
            if not seen:
                break
            i += 1
        rates[k] = throttle_rate(s, 1e9)
        usd_rates[k] = throttle_usd_rate(s, 1e9)
    return rates, usd_rates


def correct(
    times: Floats, usd: Floats, end_s: float, *, snapshots: bool
) -> tuple[Floats, Floats, Floats]:
    """Throttle a feed, estimate it each second; return the ticks and both rates, settled."""
    shown = clock_snapshot(times, 1.0) if snapshots else dead_time(times, 1.0)
    ticks = np.arange(1.0, end_s)
    s = listening(HALF_LIFE_S)
    rates, usd_rates = estimates(s, times[shown], usd[shown], ticks, snapshots, HALF_LIFE_S)
    return ticks[100:], rates[100:], usd_rates[100:]


@pytest.mark.parametrize("snapshots", [False, True])
@pytest.mark.parametrize("rate", [0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0])
def test_poisson_rate_is_recovered(truth: Truth, rate: float, snapshots: bool) -> None:
    rng = np.random.default_rng(10)
    end_s = max(10_000.0, 5_000.0 / rate)
    times = poisson_times(rng, rate, end_s)
    usd = rng.exponential(5_000.0, times.size)
    _, rates, usd_rates = correct(times, usd, end_s, snapshots=snapshots)
    truth(11, "rate of a Poisson feed", rates.mean() / (times.size / end_s) - 1.0, 0.12)
    truth(11, "USD rate of a Poisson feed", usd_rates.mean() / (usd.sum() / end_s) - 1.0, 0.12)


@pytest.mark.parametrize("snapshots", [False, True])
@pytest.mark.parametrize(
    ("mu", "branching", "kernel_s"),
    [(0.2, 0.6, 2.0), (0.2, 0.6, 15.0), (0.1, 0.9, 2.0), (0.1, 0.9, 15.0), (0.05, 0.95, 15.0)],
)
def test_hawkes_bursts_are_recovered_overall_and_in_the_hottest_minutes(
    truth: Truth, mu: float, branching: float, kernel_s: float, snapshots: bool
) -> None:
    rng = np.random.default_rng(11)
    end_s = 200_000.0
    times = hawkes_times(rng, mu, branching, kernel_s, end_s)
    _, rates, _ = correct(times, np.ones(times.size), end_s, snapshots=snapshots)
    true = np.histogram(times, np.arange(100.0, end_s - 60.0, 60.0))[0] / 60.0
    minutes = rates[: true.size * 60].reshape(-1, 60).mean(axis=1)
    shown = clock_snapshot(times, 1.0) if snapshots else dead_time(times, 1.0)
    raw = np.histogram(times[shown], np.arange(100.0, end_s - 60.0, 60.0))[0] / 60.0
    hottest = np.argsort(true)[-true.size // 100 :]
    truth(11, "rate of Hawkes bursts, overall", minutes.mean() / true.mean() - 1.0, 0.12)
    hot = minutes[hottest].mean() / true[hottest].mean() - 1.0
    truth(11, "rate of Hawkes bursts, hottest 1 % of minutes", hot, 0.12)
    assert raw[hottest].mean() < 0.8 * true[hottest].mean()


def test_dead_time_equals_written_out_live_intervals_after_every_step() -> None:
    rng = np.random.default_rng(12)
    start_s, t_s = 1000.3, 1000.3
    s, slow = listening(5.0, start_s), DeadTime(start_s, PRIOR_RATE, 5.0, 1.0)
    for _ in range(200):
        t_s += rng.choice([0.0, 0.01, 0.7, 1.3, 9.0])
        usd = float(rng.choice([0.0, 10.0, 500.0]))
        dead_time_step(s, t_s, usd, 1.0, 5.0, MARK_HALF_LIFE_S)
        if usd > 0.0:
            slow.events.append((t_s, usd))
        assert throttle_rate(s, UNCAPPED) == pytest.approx(slow.rate(t_s), rel=1e-12)
        if slow.events:
            mean = slow.mean_size(t_s, MARK_HALF_LIFE_S)
            assert s["mark_mean"] == pytest.approx(mean, rel=1e-12)


@pytest.mark.parametrize("lateness_s", [0.0, 0.9, 2.5])
def test_snapshots_equal_written_out_live_intervals_after_every_step(lateness_s: float) -> None:
    """The clock runs ahead of the events, as when others' rows set it."""
    rng = np.random.default_rng(13)
    t_s = now_s = 1000.3
    s, slow = listening(3.0, t_s), Snapshots(t_s, PRIOR_RATE, 3.0, 1.0)
    t_s += lateness_s
    for _ in range(200):
        t_s += float(rng.choice([0.0, 0.01, 0.4, 1.3, 4.0]))
        now_s = max(now_s, t_s + float(rng.uniform(0.0, lateness_s)))
        clock_snapshot_step(s, now_s, 0.0, 1.0, 3.0, MARK_HALF_LIFE_S)
        if rng.random() < 0.7:
            clock_snapshot_step(s, t_s, 7.0, 1.0, 3.0, MARK_HALF_LIFE_S)
            slow.events.append((t_s, 7.0))
        assert throttle_rate(s, UNCAPPED) == pytest.approx(slow.rate(now_s), rel=1e-9)


def test_a_complete_feed_and_its_snapshots_give_the_same_rate() -> None:
    times = poisson_times(np.random.default_rng(14), 8.0, 300.0)
    complete, shown = listening(3.0), listening(3.0)
    for t_s in times:
        clock_snapshot_step(complete, t_s, 1.0, 1.0, 3.0, MARK_HALF_LIFE_S)
    for t_s in times[clock_snapshot(times, 1.0)]:
        clock_snapshot_step(shown, t_s, 1.0, 1.0, 3.0, MARK_HALF_LIFE_S)
    assert throttle_rate(complete, UNCAPPED) == pytest.approx(throttle_rate(shown, UNCAPPED))


@pytest.mark.parametrize("step", [dead_time_step, clock_snapshot_step])
def test_a_slow_feed_is_not_corrected(step: object) -> None:
    """As the rate goes to 0 the estimate goes to that of the plain faded sum."""
    assert callable(step)
    s, plain = listening(1e5), PointSum()
    end_s = 2e6
    for t_s in poisson_times(np.random.default_rng(15), 1e-3, end_s):
        step(s, t_s, 1.0, 1.0, 1e5, 1e5)
        plain.add(t_s, 1.0)
    step(s, end_s, 0.0, 1.0, 1e5, 1e5)
    raw = plain.value(end_s, 1e5) * math.log(2.0) / 1e5
    assert throttle_rate(s, UNCAPPED) == pytest.approx(raw, rel=0.002)


def test_without_dead_time_the_estimate_is_the_raw_rate() -> None:
    s, plain = listening(5.0), PointSum()
    for t_s in poisson_times(np.random.default_rng(16), 20.0, 400.0):
        dead_time_step(s, t_s, 1.0, 0.0, 5.0, MARK_HALF_LIFE_S)
        plain.add(t_s, 1.0)
    raw = plain.value(float(s["time_s"]), 5.0) * math.log(2.0) / 5.0
    assert throttle_rate(s, UNCAPPED) == pytest.approx(raw, rel=1e-9)


@pytest.mark.parametrize("factor", [0.001, 7.0])
def test_time_has_no_unit(factor: float) -> None:
    times = poisson_times(np.random.default_rng(17), 2.0, 200.0)
    for step in (dead_time_step, clock_snapshot_step):
        plain, scaled = listening(4.0), np.zeros(1, THROTTLE)[0]
        throttle_init(scaled, 0.0, PRIOR_RATE / factor, 4.0 * factor)
        for t_s in times:
            step(plain, t_s, 3.0, 1.0, 4.0, 60.0)
            step(scaled, t_s * factor, 3.0, factor, 4.0 * factor, 60.0 * factor)
        rate = throttle_rate(plain, UNCAPPED) / factor
        assert throttle_rate(scaled, UNCAPPED) == pytest.approx(rate, rel=1e-9)


@pytest.mark.parametrize("step", [dead_time_step, clock_snapshot_step])
def test_silence_and_nonsense_sizes_let_the_rate_fall(step: object) -> None:
    assert callable(step)
    s = listening(5.0)
    assert throttle_usd_rate(s, 100.0) == 0.0
    for usd in (0.0, -5.0, math.nan, math.inf):
        step(s, float(s["time_s"]) + 30.0, usd, 1.0, 5.0, 60.0)
        assert s["mark_weight"] == 0.0
    assert throttle_rate(s, 100.0) < 1e-6
    step(s, 1e7, 0.0, 1.0, 5.0, 60.0)
    assert throttle_rate(s, 100.0) == 0.0


def test_the_estimate_is_capped() -> None:
    s = listening(5.0)
    for i in range(1, 40):
        dead_time_step(s, 1.0 * i, 50.0, 1.0, 5.0, 60.0)
    assert throttle_rate(s, UNCAPPED) > 100.0
    assert throttle_rate(s, 100.0) == 100.0
    assert throttle_usd_rate(s, 100.0) == pytest.approx(5_000.0)


def test_a_late_event_of_the_dead_time_model_counts_as_now() -> None:
    late, now = listening(5.0), listening(5.0)
    for s in (late, now):
        dead_time_step(s, 10.0, 0.0, 1.0, 5.0, 60.0)
    dead_time_step(late, 9.0, 3.0, 1.0, 5.0, 60.0)
    dead_time_step(now, 10.0, 3.0, 1.0, 5.0, 60.0)
    assert late.tobytes() == now.tobytes()
