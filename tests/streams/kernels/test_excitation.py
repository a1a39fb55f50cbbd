import math

import numpy as np
import pytest

from streams.kernels.excitation import (
    COMPONENTS,
    EXCITATION,
    SOURCES,
    excitation_add,
    excitation_advance,
    excitation_init,
    excitation_intensity,
    excitation_part,
)
from tests.reference.kernels.excitation import intensity
from tests.truth import Truth

HALF_LIVES = np.array([2.0, 15.0, 120.0])


def quiet() -> np.void:
    s = np.zeros(1, EXCITATION)[0]
    excitation_init(s)
    return s


def gains(seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.random.default_rng(seed).uniform(-0.05, 0.3, (2, SOURCES, COMPONENTS))


@pytest.mark.parametrize("origin_s", [0.0, -5_000.0, 80_000.0])
def test_intensity_equals_the_double_sum_before_and_after_every_event(
    truth: Truth, origin_s: float
) -> None:
    rng = np.random.default_rng(20)
    s, n, t_s = quiet(), gains(21), origin_s
    events: list[tuple[float, int, float]] = []
    for _ in range(200):
        t_s += rng.choice([0.0, 1e-3, 0.5, 7.0, 400.0])
        source, mark = int(rng.integers(SOURCES)), float(rng.lognormal())
        excitation_advance(s, t_s, HALF_LIVES)
        for target in (0, 1):
            # Before the event is added its own mark must not be felt: the left limit.
            slow = intensity(events, t_s, target, 0.01, n, HALF_LIVES)
            fast = excitation_intensity(s, target, 0.01, n, HALF_LIVES)
            truth(12, "intensity, sum over all events", fast / slow - 1.0, 1e-10)
        excitation_add(s, source, mark)
        events.append((t_s, source, mark))
        slow = intensity(events, t_s, 0, 0.01, n, HALF_LIVES)
        assert excitation_intensity(s, 0, 0.01, n, HALF_LIVES) == pytest.approx(slow, rel=1e-10)


def test_each_source_is_its_own_events_and_all_parts_make_the_whole() -> None:
    rng = np.random.default_rng(22)
    s, n, t_s = quiet(), gains(23), 0.0
    events: list[tuple[float, int, float]] = []
    for _ in range(60):
        t_s += rng.exponential(3.0)
        source, mark = int(rng.integers(SOURCES)), float(rng.lognormal())
        excitation_advance(s, t_s, HALF_LIVES)
        excitation_add(s, source, mark)
        events.append((t_s, source, mark))
    for target in (0, 1):
        parts = [excitation_part(s, target, j, n, HALF_LIVES) for j in range(SOURCES)]
        for j, part in enumerate(parts):
            own = [event for event in events if event[1] == j]
            assert part == pytest.approx(intensity(own, t_s, target, 0.0, n, HALF_LIVES), rel=1e-10)
        whole = excitation_intensity(s, target, 0.3, n, HALF_LIVES)
        assert whole == pytest.approx(0.3 + math.fsum(parts), rel=1e-12)


def test_one_unit_mark_triggers_n_events_over_all_time() -> None:
    """The integral of the intensity above mu after one event is the sum of n over components."""
    s, n = quiet(), gains(24)
    excitation_advance(s, 0.0, HALF_LIVES)
    excitation_add(s, 2, 1.0)
    total, t_s = 0.0, 0.0
    nodes, weights = np.polynomial.legendre.leggauss(20)
    for width_s in [2.0] * 50 + [40.0] * 150:
        for node, weight in zip(nodes, weights, strict=True):
            excitation_advance(s, t_s + 0.5 * width_s * (node + 1.0), HALF_LIVES)
            total += 0.5 * width_s * weight * excitation_intensity(s, 1, 0.0, n, HALF_LIVES)
        t_s += width_s
    assert total == pytest.approx(n[1, 2].sum(), rel=1e-9)


def test_an_event_has_half_its_pull_after_each_half_life() -> None:
    s = quiet()
    excitation_advance(s, 50.0, HALF_LIVES)
    excitation_add(s, 1, 8.0)
    for k, half_life_s in enumerate(HALF_LIVES):
        later = np.frombuffer(bytearray(s.tobytes()), EXCITATION)[0]
        excitation_advance(later, 50.0 + 3.0 * half_life_s, HALF_LIVES)
        assert later["a"][1, k] == pytest.approx(1.0, rel=1e-14)


def test_time_never_goes_back_and_missing_marks_add_nothing() -> None:
    s = quiet()
    excitation_advance(s, 10.0, HALF_LIVES)
    excitation_add(s, 0, 1.0)
    before = s.tobytes()
    excitation_advance(s, 9.0, HALF_LIVES)
    excitation_advance(s, math.nan, HALF_LIVES)
    excitation_add(s, 0, math.nan)
    assert s.tobytes() == before


def test_steps_without_events_change_nothing() -> None:
    coarse, fine = quiet(), quiet()
    for s in (coarse, fine):
        excitation_advance(s, 0.0, HALF_LIVES)
        excitation_add(s, 3, 5.0)
    for t_s in np.linspace(0.0, 90.0, 181):
        excitation_advance(fine, float(t_s), HALF_LIVES)
    excitation_advance(coarse, 90.0, HALF_LIVES)
    np.testing.assert_allclose(fine["a"], coarse["a"], rtol=1e-12)
