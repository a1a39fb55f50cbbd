import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.kernels.decay import decay
from streams.kernels.heat import (
    bin_of,
    dense_level,
    ladder,
    ladder_age,
    ladder_close,
    ladder_coin,
    ladder_fuel,
    ladder_init,
    ladder_move,
    ladder_open,
    ladder_usd,
    next_zone,
)
from tests.reference.kernels.heat import Ledger
from tests.truth import Truth

BINS, WIDTH, HALF_LIFE = 64, 0.01, 3600.0
SMALL = ladder(BINS)


def empty(dtype: np.dtype = SMALL) -> np.void:
    record = np.zeros(1, dtype)[0]
    ladder_init(record)
    return record


def masses(s: np.void) -> dict[int, float]:
    front = int(s["front"])
    values = {k: float(s["mass"][k % BINS] * s["scale"]) for k in range(front, front + BINS)}
    return {k: v for k, v in values.items() if v > 0.0}


def identity(s: np.void) -> float:
    return float(s["opened"] - s["consumed"] - s["closed"] - s["aged"] - s["dropped"])


def compare(s: np.void, twin: Ledger) -> None:
    ours, theirs = masses(s), twin.by_bin()
    scale = max(theirs.values(), default=1.0)
    for k in ours.keys() | theirs.keys():
        assert ours.get(k, 0.0) == pytest.approx(theirs.get(k, 0.0), rel=1e-9, abs=1e-12 * scale)
    for name in ("opened", "consumed", "closed", "aged", "dropped"):
        assert float(s[name]) == pytest.approx(getattr(twin, name), rel=1e-9, abs=1e-9)
    assert ladder_coin(s) == pytest.approx(twin.coin(), rel=1e-9, abs=1e-9)
    assert ladder_coin(s) == pytest.approx(identity(s), rel=1e-9, abs=1e-9 * float(s["opened"]))
    assert float(s["mass"].sum()) == pytest.approx(float(s["total"]), rel=1e-12, abs=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_the_ladder_is_the_ledger_after_every_step(truth: Truth, seed: int) -> None:
    rng = random.Random(seed)
    s, twin, here = empty(), Ledger(BINS), 1000
    for _ in range(600):
        act = rng.random()
        if act < 0.35 or twin.front is None:
            here += (
                rng.choice((-3, -1, 0, 0, 1, 3)) if rng.random() < 0.97 else rng.randint(-90, 90)
            )
            reached = here + rng.choice((0, 0, 1, 4))
            assert ladder_move(s, reached, here) == pytest.approx(
                twin.move(reached, here), rel=1e-9
            )
        elif act < 0.7:
            at, coin = here + rng.randint(-3, BINS + 4), rng.lognormvariate(0.0, 2.0)
            ladder_open(s, at, coin)
            twin.open(at, coin)
        elif act < 0.85:
            share = rng.choice((0.01, 0.3, 0.9, 1.0)) if rng.random() < 0.3 else rng.random() * 0.1
            ladder_close(s, share)
            twin.close(share)
        else:
            dt = rng.expovariate(1.0 / 600.0)
            ladder_age(s, dt, decay(dt, HALF_LIFE))
            twin.age(dt, HALF_LIFE)
        compare(s, twin)
        lost = (ladder_coin(s) - identity(s)) / max(float(s["opened"]), 1e-300)
        truth(18, "coin less what came and went, after every step", lost, 1e-9)
        x = (here + rng.random()) * WIDTH
        y = x + rng.random() * BINS * WIDTH
        for sign in (-1.0, 1.0):
            assert ladder_usd(s, x, y, WIDTH, sign) == pytest.approx(
                twin.usd(x, y, WIDTH, sign), rel=1e-9, abs=1e-12
            )
            assert ladder_fuel(s, x, WIDTH, sign, 0.04) == pytest.approx(
                twin.fuel(x, WIDTH, sign, 0.04), rel=1e-9, abs=1e-12
            )


def test_conservation_over_a_million_steps_worth_of_fading(truth: Truth) -> None:
    """Row 18: the identity at 1e-9 although the scale is renormalised again and again."""
    rng, s = random.Random(1), empty()
    ladder_move(s, 0, 0)
    for k in range(70_000):  # past the exact recomputation at 2**16
        ladder_open(s, rng.randint(2, 60), rng.random())
        ladder_age(s, 40.0, decay(40.0, HALF_LIFE))
        if k % 7 == 0:
            ladder_close(s, 0.01)
        if k % 50 == 0:
            ladder_move(s, rng.randint(0, 3), 0)
    error = abs(ladder_coin(s) - identity(s)) / float(s["opened"])
    truth(18, "coin less what came and went, 70 000 steps", error, 1e-9)
    assert float(s["mass"].sum()) == pytest.approx(float(s["total"]), rel=1e-12)


def test_with_price_frozen_nothing_is_consumed_and_a_round_trip_returns_to_zero() -> None:
    s = empty()
    ladder_move(s, 5, 5)
    ladder_open(s, 20, 7.0)
    for _ in range(10):
        assert ladder_move(s, 5, 5) == 0.0
    ladder_close(s, 1.0)
    assert ladder_coin(s) == 0.0
    assert float(s["consumed"]) == 0.0
    ladder_open(s, 20, 3.0)  # and it lives on
    assert ladder_coin(s) == pytest.approx(3.0)


def test_a_level_is_met_once() -> None:
    s = empty()
    ladder_move(s, 0, 0)
    ladder_open(s, 10, 9.0)
    assert ladder_move(s, 10, 2) == pytest.approx(6.0)  # the centre and all before it
    assert ladder_move(s, 10, 4) == 0.0
    assert ladder_move(s, 12, 12) == pytest.approx(3.0)


def test_what_is_opened_behind_the_price_or_beyond_the_end_is_counted_at_once() -> None:
    s = empty()
    ladder_move(s, 100, 100)
    ladder_open(s, 100, 9.0)
    assert float(s["consumed"]) == pytest.approx(6.0)
    ladder_open(s, 100 + BINS, 9.0)
    assert float(s["dropped"]) == pytest.approx(6.0 - 3.0)
    assert ladder_coin(s) == pytest.approx(identity(s)) == pytest.approx(9.0)


def test_the_mean_age_is_that_of_the_ledger_without_losses_by_place() -> None:
    rng, s, twin = random.Random(3), empty(), Ledger(BINS)
    ladder_move(s, 0, 0)
    twin.move(0, 0)
    for _ in range(200):
        coin, dt = rng.random(), rng.expovariate(0.01)
        ladder_open(s, rng.randint(3, 50), coin)
        twin.open(20, coin)
        ladder_age(s, dt, decay(dt, HALF_LIFE))
        twin.age(dt, HALF_LIFE)
        mean = math.fsum(p.coin * p.age_s for p in twin.positions) / twin.coin()
        assert float(s["age_s"]) == pytest.approx(mean, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    shift=st.integers(-20_000, 20_000),
    steps=st.lists(
        st.tuples(st.integers(-5, 5), st.integers(0, 80), st.floats(0.1, 9.0)), max_size=30
    ),
)
def test_translation_moves_the_map_and_changes_nothing_else(
    shift: int, steps: list[tuple[int, int, float]]
) -> None:
    a, b, here = empty(), empty(), 0
    for move, at, coin in steps:
        here += move
        ladder_move(a, here + 1, here)
        ladder_move(b, here + 1 + shift, here + shift)
        ladder_open(a, here + at, coin)
        ladder_open(b, here + at + shift, coin)
    assert {k + shift: v for k, v in masses(a).items()} == masses(b)
    for name in ("opened", "consumed", "dropped", "age_s"):
        assert float(a[name]) == float(b[name])


def test_dense_zones_are_runs_above_the_quantile_of_non_empty_bins() -> None:
    rng, s = random.Random(4), empty()
    ladder_move(s, -1, -1)
    for _ in range(40):
        ladder_open(s, rng.randint(2, 60), rng.lognormvariate(0.0, 1.5))
    stop = 40
    found = [float(s["mass"][k]) for k in range(stop) if s["mass"][k] > 0.0]
    level = dense_level(s, stop, 0.9)
    assert level == pytest.approx(float(np.quantile(found, 0.9)), rel=1e-12)
    dense = [k for k in range(stop) if s["mass"][k] > level]
    walked, at = [], 0
    while True:
        first, beyond = next_zone(s, at, stop, level)
        if first >= stop:
            break
        walked += list(range(first, beyond))
        assert first == 0 or s["mass"][first - 1] <= level
        at = beyond
    assert walked == dense
    assert math.isnan(dense_level(empty(), stop, 0.9))


def test_bins_are_the_same_whichever_side_of_zero() -> None:
    for price in (1e-6, 0.3, 1.0, 7.5, 1e5):
        k = bin_of(math.log(price), 0.00125)
        assert k * 0.00125 <= math.log(price) < (k + 1) * 0.00125
