"""Crowding, fragility and re-leverage from their parts."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.config import MethodConfig
from streams.indicators import fragility, releverage
from streams.indicators.crowding import crowding
from streams.state import VALUE, params
from tests.reference.kernels.fall import SlowFall
from tests.reference.kernels.histogram import Points

NAN = math.nan
P = params(MethodConfig())
WARMUP, PARTIAL, MODELLED = 32, 2, 16
S = 10**9


def value(x: float = NAN, quality: int = 0) -> Any:
    record = np.zeros(1, VALUE)[0]
    record["value"], record["quality"], record["coverage"] = x, quality, 1.0
    return record


def mean_of(parts: list[tuple[float, float | None]], needed: float = 0.6) -> tuple[float, float]:
    """Return the weighted mean of known parts, NaN below `needed`, and the weight behind it."""
    weight = math.fsum(w for w, x in parts if x is not None)
    total = math.fsum(w * x for w, x in parts if x is not None)
    return (total / weight if weight >= needed - 1e-12 else NAN), weight


def phi(z: float) -> float:
    return 0.5 * (1.0 + math.erf(z / math.sqrt(2.0)))


@pytest.mark.parametrize("known", list(itertools.product([True, False], repeat=3)))
def test_crowding_is_the_known_parts_and_says_how_much_that_is(known: tuple[bool, ...]) -> None:
    values, out = (0.9, 1.0, 0.3), value()
    parts = [value(x if k else NAN) for x, k in zip(values, known, strict=True)]
    crowding(out, *parts, P)
    worth = (0.9, phi(1.0), 0.3)
    wanted, weight = mean_of([
        (w, x if k else None) for w, x, k in zip((0.40, 0.35, 0.25), worth, known, strict=True)
    ])  # fmt: skip
    assert float(out["value"]) == pytest.approx(wanted, rel=1e-12, nan_ok=True)
    assert float(out["coverage"]) == pytest.approx(weight)
    assert (int(out["quality"]) & PARTIAL == 0) == all(known)
    # 0.35 and 0.25 are exactly enough; stress alone is not
    assert math.isnan(out["value"]) == (sum(known) < 2)
    for k in range(3):  # what warms up is as good as unknown
        warming = [value(values[j], WARMUP if j == k else 0) for j in range(3)]
        missing = [value(NAN if j == k else values[j]) for j in range(3)]
        a, b = value(), value()
        crowding(a, *warming, P)
        crowding(b, *missing, P)
        assert (a["value"], a["coverage"]) == (b["value"], b["coverage"])
        assert not int(a["quality"]) & WARMUP


unit = st.none() | st.floats(0.0, 1.0)


@given(c=unit, fuel=unit, r0=st.none() | st.floats(-1.0, 5.0), absorbed=unit)
def test_fragility_is_the_known_parts(
    c: float | None, fuel: float | None, r0: float | None, absorbed: float | None
) -> None:
    out = value()
    parts = [value(NAN if x is None else x, MODELLED) for x in (c, fuel, r0, absorbed)]
    fragility.fragility(out, *parts, P)
    bounded = None if r0 is None else min(1.0, max(0.0, r0))
    rest = None if absorbed is None else 1.0 - absorbed
    wanted, weight = mean_of([(0.5, c), (0.2, fuel), (0.15, bounded), (0.15, rest)])
    assert float(out["value"]) == pytest.approx(wanted, rel=1e-9, nan_ok=True)
    assert float(out["coverage"]) == pytest.approx(weight)
    assert math.isnan(out["value"]) == (weight < 0.59)
    if weight > 0.0:
        assert int(out["quality"]) & MODELLED


@given(parts=st.tuples(*[st.floats(0.0, 1.0)] * 4), k=st.integers(0, 3), more=st.floats(0.0, 1.0))
def test_fragility_rises_with_every_part_but_absorption(
    parts: tuple[float, ...], k: int, more: float
) -> None:
    low, high = value(), value()
    raised = [max(x, more) if j == k else x for j, x in enumerate(parts)]
    fragility.fragility(low, *(value(x) for x in parts), P)
    fragility.fragility(high, *(value(x) for x in raised), P)
    change = float(high["value"]) - float(low["value"])
    assert change <= 1e-12 if k == 3 else change >= -1e-12


def test_fuel_and_absorption_are_ranked_each_ten_seconds() -> None:
    f = np.zeros(1, fragility.RANKS)[0]
    fragility.ranks_init(f)
    ranks, points = [value(), value()], [Points(), Points()]
    start = 1_700_000_000
    for k in range(400):
        now_s = 3.0 * k
        risk, absorbed = 5e7 * (2.0 + math.sin(0.01 * k)), 0.3 + math.cos(0.02 * k)
        looked = int(f["step_ns"])
        fragility.step(
            f, value(risk, WARMUP if 100 <= k < 150 else 0), 1e9, value(absorbed),
            (start + 3 * k) * S, now_s, *ranks, P,
        )  # fmt: skip
        if int(f["step_ns"]) == looked:
            continue
        assert (start + 3 * k) // 10 != looked // S // 10
        dt_s = (int(f["step_ns"]) - looked) / S if looked else 0.0
        places = (risk / (risk + 1e8), (absorbed + 1.0) / 3.0)
        for j, bins in enumerate((144, 64)):
            if dt_s > 0.0 and (j == 1 or not 100 <= k < 150):
                points[j].insert(now_s, float(int(places[j] * bins)), dt_s)
            if points[j].times and (j == 1 or not 100 <= k < 150):
                own = float(int(places[j] * bins))
                half_life_s = (90, 30)[j] * 86_400.0
                assert float(ranks[j]["value"]) == pytest.approx(points[j].rank(own, half_life_s))
        assert math.isnan(ranks[0]["value"]) == (100 <= k < 150 or not points[0].times)
        assert int(ranks[0]["quality"]) & WARMUP  # half a year is far away


def test_what_is_built_again_is_measured_from_the_low_since_the_peak() -> None:
    levels, out = np.zeros(1, releverage.LEVELS)[0], value()
    releverage.levels_init(levels)
    slow = SlowFall(15)
    shape = [(1, 1.0), (4, 1.2), (5, 1.05), (6, 0.9), (7, 1.0), (9, 1.05), (19, 1.06), (33, 1.0)]
    for day, level in shape:
        at = (20_000 * 86_400 + day * 86_400) * S
        releverage.step(levels, level, at, 0.8, out)
        slow.put(20_000 + day, level)
        peak, low = slow.peak_and_low()
        wanted = (level - low) / (peak - low) if peak > low else NAN
        assert float(out["value"]) == pytest.approx(wanted, nan_ok=True)
        assert bool(int(out["quality"]) & WARMUP) == (day < 15)
        assert float(out["coverage"]) == 0.8
    releverage.step(levels, NAN, at, 0.0, out)
    assert math.isnan(out["value"])
