import math
import random

import numpy as np
import pytest

from streams.kernels.jit import NS_PER_S
from streams.kernels.path import (
    DAY,
    DAY_S,
    HOURS,
    HOURS_S,
    PATH,
    QUARTER,
    QUARTER_S,
    path_at,
    path_init,
    path_put,
    ring_at,
    ring_put,
)
from tests.reference.indicators.open_interest import Path

WINDOWS = (1, 59, 60, 61, 300, 900, 1800, 3600, 14_400, 43_200, 86_400)
START_S = 1_790_000_017


def same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))


@pytest.mark.parametrize(("seed", "longest_step_s"), [(1, 3), (2, 40), (3, 700), (4, 9000)])
def test_every_window_equals_the_look_up_among_all_levels(seed: int, longest_step_s: int) -> None:
    rng, path, slow, now_s = random.Random(seed), np.zeros(1, PATH)[0], Path(), START_S
    path_init(path)
    for _ in range(900):
        now_s += rng.randint(0, longest_step_s)
        value = math.nan if rng.random() < 0.05 else rng.gauss(0.0, 1e9)
        path_put(path, now_s * NS_PER_S + rng.randrange(NS_PER_S), value)
        slow.put(now_s, value)
        for window_s in WINDOWS:
            assert same(path_at(path, now_s * NS_PER_S, window_s), slow.at(now_s, window_s))


@pytest.mark.parametrize("window_s", [60, 300, 900, 3600, 14_400, 86_400])
def test_a_window_is_right_to_a_sixtieth_of_its_length(window_s: int) -> None:
    """The level is the second itself, so the look-up says which second stood for the window's start."""
    path, worst = np.zeros(1, PATH)[0], 0.0
    path_init(path)
    for now_s in range(START_S, START_S + window_s + 1200):
        path_put(path, now_s * NS_PER_S, float(now_s))
        found = path_at(path, now_s * NS_PER_S, window_s)
        if now_s - START_S >= window_s:
            late_s = found - (now_s - window_s)
            assert 0.0 <= late_s < window_s / 60.0
            worst = max(worst, late_s)
    assert worst < window_s / (60.0 if window_s <= 3600 else 240.0)


def test_a_ring_alone_knows_what_the_path_knows() -> None:
    rng, path = random.Random(5), np.zeros(1, PATH)[0]
    rings = [np.zeros(1, dtype)[0] for dtype in (QUARTER, HOURS, DAY)]
    path_init(path)
    for step in range(3000):
        now_ns, value = (START_S + 37 * step) * NS_PER_S, rng.gauss(0.0, 1.0)
        path_put(path, now_ns, value)
        for ring, width_s, windows in zip(
            rings, (QUARTER_S, HOURS_S, DAY_S), ((900,), (3600, 14_400), (86_400,)), strict=True
        ):
            ring_put(ring, width_s, now_ns, value)
            for window_s in windows:
                alone = ring_at(ring, width_s, now_ns, window_s)
                assert same(alone, path_at(path, now_ns, window_s))
