"""The whole engine under changes of unit, day, direction and order: every reading, every signal."""

import datetime as dt
import functools
import math
import re
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from streams.config import MethodConfig
from streams.engine import Engine
from streams.events import ROW_BYTES
from streams.indicators.heatmap import COARSE
from streams.kernels.bitcoin import bitcoin_at, bitcoin_height
from streams.readings import Quality
from streams.state import VALUE
from tests.reference.whole_market import PRICE, whole_market
from tests.streams.properties.changed import later, mirrored, reordered, scaled
from tests.streams.properties.symmetries import (
    BY_SHAPE,
    NAMES,
    NOT,
    ROUNDED,
    UNITS,
    Line,
    Mirror,
    line_of,
    partner,
    plain,
    reflected,
)
from tests.truth import profile

Floats = npt.NDArray[np.float64]
#: Neutral funding is zero, or there would be no mirror image; all is warm within the log.
CONFIG = MethodConfig(
    neutral_rate_8h=0.0, heartbeat_s=300.0, heartbeat_stale_s=100.0, vol_gap_s=120.0,
    funding_rank_half_life_s=2e4, persist_half_life_s=2e4, premium_half_life_s=3600.0,
    oi_rank_half_life_s=2e4, oi_mean_half_life_s=2e4, oi_warm_s=4e4, sigma_half_life_s=4e4,
    vol_half_lives_s=(300.0, 900.0, 3600.0, 7200.0, 2e4), vol_usual_half_life_s=600.0,
    vol_rank_half_life_s=2e4, intensity_rank_half_life_s=2e4,
    branching_memory_s=600.0, branching_fast_memory_s=300.0, branching_events=20.0,
    calm_dwell_s=5.0, calm_min_s=5.0, calm_burst_free_s=600.0, crowded_enter=0.6, crowded_exit=0.5,
    calm_enter=0.45, calm_exit=0.55, crowded_dwell_s=60.0, crowded_min_s=60.0, unknown_exit_s=2.0,
    fragile_dwell_s=20.0, fragile_min_s=20.0, cascade_quiet_s=60.0, cascade_min_s=2.0,
    flushed_dwell_s=2.0, flushed_min_s=5.0, burst_floor_oi_per_minute=1.5e-4,
)  # fmt: skip
SAMPLES = 160
SEEDS = st.sampled_from([1, 2])
QUIET = 0.003  # prices that hardly move
few = functools.partial(  # an example takes a second, and is as small as any other
    settings, deadline=None, derandomize=True, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip


class Run(NamedTuple):
    """What an engine published after each of many pieces, and all it said."""

    values: Floats  # [piece, reading]
    quality: npt.NDArray[np.int64]
    said: list[Any]


def cuts(block: bytes, pieces: int = SAMPLES) -> list[int]:
    rows = len(block) // ROW_BYTES
    return [round(k * rows / pieces) * ROW_BYTES for k in range(pieces + 1)]


def run(block: bytes, at: list[int] | None = None) -> Run:
    """Fold a block in pieces."""
    engine, values, quality, said = Engine(CONFIG), [], [], []
    for offset, (a, b) in enumerate(pairwise(at or cuts(block))):
        said += engine.fold(block[a:b], offset)
        published = np.frombuffer(engine._underlyings[0]["readings"].tobytes(), VALUE)
        values.append(published["value"].copy())
        quality.append(published["quality"].copy())
    return Run(np.array(values), np.array(quality), said)


@functools.cache
def market(seed: int, loudness: float = 1.0) -> Run:
    """Return the market as it is."""
    return run(whole_market(seed, loudness))


def facts(said: list[Any], *, mirror: bool = False) -> list[tuple[Any, ...]]:
    """Return what was said, without ids and numbers; of one moment in a fixed order."""
    other = {"long": "short", "short": "long"} if mirror else {}
    return sorted((s.asof, s.kind, other.get(s.side, s.side), s.status) for s in said)


def off(got: Floats, wanted: Floats) -> float:
    """Return the largest difference, relative to the largest value; infinite if one is unknown."""
    if (np.isnan(got) != np.isnan(wanted)).any():
        return math.inf
    if np.isnan(wanted).all():
        return 0.0
    size = float(np.nanmax(np.abs(wanted)))
    return (
        float(np.nanmax(np.abs(got - wanted))) / size
        if size > 0.0
        else float(np.nanmax(np.abs(got)))
    )


def supply(asof: str) -> float:
    """Return how many bitcoins there are."""
    seconds = round(dt.datetime.fromisoformat(asof).timestamp())
    return bitcoin_at(bitcoin_height(seconds * 1_000_000_000))


def worst(
    got: Run, wanted: dict[str, Floats], near: dict[str, float]
) -> dict[str, tuple[float, float]]:
    """Return the readings that are further off than they may be."""
    errors = {name: off(got.values[:, NAMES.index(name)], wanted[name]) for name in NAMES}
    return {name: (e, near[name]) for name, e in errors.items() if not e <= near[name]}


def test_every_reading_says_how_it_scales_and_mirrors() -> None:
    for name in NAMES:
        assert isinstance(line_of(name), Line)
        assert partner(name) in NAMES, name
        assert partner(partner(name)) == name
    with pytest.raises(LookupError, match="a_new_reading"):
        line_of("a_new_reading")


@pytest.mark.parametrize("name", NAMES)
def test_what_scales_has_a_unit_of_money_and_what_has_one_scales(name: str) -> None:
    above, *below = re.split(r" per |/", UNITS[name])
    wanted = int("USD" in above) - sum("USD" in part for part in below)
    assert line_of(name).power == wanted, UNITS[name]


def test_the_market_is_worth_it() -> None:
    statuses = set()
    for seed in (1, 2):
        r = market(seed)
        known = ~np.isnan(r.values).all(axis=0)
        unknown = {name for name, seen in zip(NAMES, known, strict=True) if not seen}
        assert known.mean() > 0.75, sorted(unknown)
        moving = np.nanmax(r.values[:, known], axis=0) > np.nanmin(r.values[:, known], axis=0)
        assert moving.mean() > 0.75
        statuses |= {s.status for s in r.said if s.kind == "state"}
        assert {s.status for s in r.said if s.kind == "burst"} == {
            "STARTED",
            "PROVISIONAL",
            "FINAL",
        }
    assert {"CALM", "CROWDED", "CASCADE", "FLUSHED", "UNKNOWN"} <= statuses


@few(max_examples=profile(3, 12))
@given(seed=SEEDS, steps=st.integers(-500, 500))
def test_all_prices_times_a_factor_scale_dollars_and_nothing_else(seed: int, steps: int) -> None:
    """By a whole number of the heatmap's widest bins, so that all its maps are cut the same way."""
    factor = math.exp(steps * COARSE * CONFIG.heat_bin)
    a, b = market(seed), run(scaled(whole_market(seed), factor))
    wanted = {n: a.values[:, i] * factor ** line_of(n).power for i, n in enumerate(NAMES)}
    cents = 1.0 / factor  # sums in whole cents are coarser for smaller prices
    near = {n: 1e-6 * max(1.0, cents) for n in NAMES}
    assert worst(b, wanted, near) == {}
    assert (a.quality == b.quality).all()
    assert facts(a.said) == facts(b.said)


@few(max_examples=profile(2, 6))
@given(seed=SEEDS, power=st.sampled_from([-3, -1, 1, 4]))
def test_prices_in_another_unit_of_two_change_no_bit_of_what_has_no_unit(
    seed: int, power: int
) -> None:
    factor = 4.0**power
    a, b = market(seed), run(scaled(whole_market(seed), factor))
    for i, name in enumerate(NAMES):
        line = line_of(name)
        if line.power == 0 and line.near not in {BY_SHAPE, NOT}:  # the map's bins are cut elsewhere
            near = 1e-6 * max(1.0, 1.0 / factor) if ROUNDED.fullmatch(name) else 0.0
            assert off(b.values[:, i], a.values[:, i]) <= near, name
    assert facts(a.said) == facts(b.said)


@few(max_examples=profile(2, 6))
@given(seed=SEEDS, days=st.integers(-3000, 3000))
def test_another_day_changes_nothing(seed: int, days: int) -> None:
    a, b = market(seed), run(later(whole_market(seed), days))
    mcap, rank = NAMES.index("oi_to_mcap"), NAMES.index("oi_to_mcap_rank_180d")
    mined = supply(b.said[0].asof) / supply(a.said[0].asof)  # the one thing that knows the date
    assert off(b.values[:, mcap] * mined, a.values[:, mcap]) < 3e-4
    assert off(b.values[:, rank], a.values[:, rank]) < 0.02  # its bins are cut elsewhere
    b.values[:, [mcap, rank]] = a.values[:, [mcap, rank]]
    np.testing.assert_array_equal(b.values, a.values)
    np.testing.assert_array_equal(b.quality, a.quality)
    for one, other in zip(a.said, b.said, strict=True):
        assert (one.kind, one.side, one.status, one.previous) == (
            other.kind, other.side, other.status, other.previous,
        )  # fmt: skip
        assert [e.value for e in one.evidence] == [e.value for e in other.evidence]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_mirrored_market_swaps_the_sides_of_everything(seed: int) -> None:
    """Ranks among few values jump from bin to bin, so values that warm up are not compared."""
    a, b = market(seed, QUIET), run(mirrored(whole_market(seed, QUIET), PRICE))
    wanted = {}
    for i, name in enumerate(NAMES):
        mirror, from_ = line_of(name).mirror, NAMES.index(partner(name))
        cold = (a.quality[:, from_] & Quality.WARMUP) > 0
        wanted[name] = np.array([reflected(mirror, float(x), PRICE**2) for x in a.values[:, from_]])
        wanted[name][cold] = b.values[cold, i] = math.nan
        if mirror is Mirror.LABEL:
            b.values[:, i] = [plain(x) for x in b.values[:, i]]
    assert worst(b, wanted, {name: line_of(name).near for name in NAMES}) == {}
    assert facts(a.said, mirror=True) == facts(b.said)


@few(max_examples=profile(2, 6))
@given(seed=SEEDS, order=st.permutations(range(5)))
def test_the_order_of_venues_does_not_matter(seed: int, order: list[int]) -> None:
    """Of two venues whose positions open and close in one second the map books one first."""
    a, b = market(seed), run(reordered(whole_market(seed), order))
    wanted = {name: a.values[:, i] for i, name in enumerate(NAMES)}
    near = {name: 1e-4 if line_of(name).near in {BY_SHAPE, NOT} else 1e-7 for name in NAMES}
    assert worst(b, wanted, near) == {}
    assert facts(a.said) == facts(b.said)


@few(max_examples=profile(2, 8))
@given(seed=SEEDS, at=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=4))
def test_restored_anywhere_it_goes_the_same_way(seed: int, at: list[float]) -> None:
    block = whole_market(seed)
    rows = len(block) // ROW_BYTES
    edges = sorted({0, rows, *(int(x * rows) for x in at)})
    engine, said = Engine(CONFIG), []
    for offset, (a, b) in enumerate(pairwise(edges)):
        said += engine.fold(block[a * ROW_BYTES : b * ROW_BYTES], offset)
        engine = Engine.restore(engine.snapshot(), CONFIG)
    published = np.frombuffer(engine._underlyings[0]["readings"].tobytes(), VALUE)
    np.testing.assert_array_equal(published["value"], market(seed).values[-1])
    assert [msgspec.to_builtins(s) for s in said] == [
        msgspec.to_builtins(s) for s in market(seed).said
    ]
