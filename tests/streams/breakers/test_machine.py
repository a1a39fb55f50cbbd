"""Hand-worked traces: one minute a step, thresholds and times written out below."""

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.breakers.breaker import ACTIVE, CANDIDATE, INACTIVE, NO, UNKNOWN, YES
from streams.breakers.machine import (
    CHANGED,
    MACHINE,
    NOTHING,
    REPEATED,
    State,
    machine_init,
    oi_drop,
    step,
)
from streams.breakers.reasons import fragile_underneath, near_zone
from streams.config import MethodConfig
from streams.state import params
from tests.reference.breakers.life import all_of, code, passes
from tests.truth import Truth

NAN = math.nan
CONFIG = MethodConfig(
    calm_enter=0.60, calm_exit=0.70, calm_dwell_s=900, calm_min_s=1800, calm_burst_free_s=86_400,
    crowded_enter=0.75, crowded_exit=0.65, crowded_dwell_s=1800, crowded_min_s=3600,
    fragile_enter=0.75, fragile_exit=0.65, fragile_dwell_s=600, fragile_min_s=1200,
    cascade_oi_enter=-0.005, cascade_oi_exit=-0.002, cascade_quiet_s=600, cascade_min_s=120,
    flushed_oi_drop=0.04, flushed_fail_drop=0.01, flushed_dwell_s=900, flushed_min_s=3600,
    flushed_releverage=0.33, flushed_expiry_s=86_400, unknown_exit_s=300, heartbeat_s=30,
    flushed_sigmas=1.5, reset_dwell_s=21_600, reset_min_s=43_200, reset_exit=0.70,
    underneath_sigmas=1.0, underneath_oi_sigmas=0.5, fragile_zone_share=0.01, fragile_zone_sigmas=1.0,
)  # fmt: skip
P = params(CONFIG)
STEP_S = 60
CASCADING: dict[str, Any] = {"burst": True, "change": -0.006}


@dataclass
class Inputs:
    """What a machine sees at a step."""

    c: float = 0.3
    x: float = 0.5
    underneath: int = NO
    zone: int = NO
    burst: bool = False
    change: float = 0.0
    excess: float = 0.05
    usual: float = 0.02
    oi: float = 1000.0
    sigma: float = NAN
    breaker: int = INACTIVE
    known: bool = True
    liquidations: bool = True


@dataclass
class Run:
    """A machine, its clock in minutes, and every change it made."""

    minute: int = 0
    m: Any = field(default_factory=lambda: np.zeros(1, MACHINE)[0])
    changes: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        machine_init(self.m)

    def step(self, i: Inputs) -> State:
        """Advance by one minute."""
        self.minute += 1
        self.m["said"] = NOTHING
        before = int(self.m["state"])
        now_ns = (1_000_000 + self.minute * STEP_S) * 10**9
        s = self.m["sight"]
        s["crowding"], s["fragility"], s["underneath"], s["near_zone"] = (
            i.c,
            i.x,
            i.underneath,
            i.zone,
        )
        s["burst_open"], s["change_5m"], s["log_oi"] = i.burst, i.change, math.log(i.oi)
        s["excess"], s["usual_excess"], s["sigma_24h"] = i.excess, i.usual, i.sigma
        s["breaker"], s["inputs_known"], s["flow_known"] = i.breaker, i.known, i.liquidations
        step(self.m, now_ns, P)
        state = State(int(self.m["state"]))
        if state != before:
            self.changes.append((self.minute, state.name))
        assert int(self.m["said"]) == (CHANGED if state != before else REPEATED)
        return state

    def run(self, minutes: int, **inputs: Any) -> list[tuple[int, str]]:
        """Hold the inputs for a while; return the changes, minutes counted from 1."""
        start, seen = self.minute, len(self.changes)
        for _ in range(minutes):
            self.step(Inputs(**inputs))
        return [(minute - start, name) for minute, name in self.changes[seen:]]


def crowded(*, fragile: bool = False) -> Run:
    """Return a machine that has just become CROWDED, or FRAGILE, from CALM."""
    r = Run()
    assert r.run(60) == [(16, "CALM")]
    assert r.run(31, c=0.8) == [(31, "CROWDED")]
    if fragile:
        assert r.run(11, c=0.8, x=0.8) == [(11, "FRAGILE")]
    return r


def test_it_starts_unknown_and_becomes_calm_after_a_quarter_of_an_hour() -> None:
    assert Run().run(200) == [(16, "CALM")]
    assert Run().run(200, c=0.69) == [(16, "CALM")]  # the first time the exit threshold is enough
    assert Run().run(500, c=0.72) == []
    assert Run().run(100, c=0.8) == [(31, "CROWDED")]


def test_crowded_needs_half_an_hour_without_a_break() -> None:
    r = Run()
    r.run(60)
    assert r.run(30, c=0.8) == []
    assert r.run(1, c=0.74) == []
    assert r.run(30, c=0.8) == []
    assert r.run(1, c=0.75) == [(1, "CROWDED")]


def test_crowded_stays_an_hour_and_then_calm_needs_its_own_wait() -> None:
    assert crowded().run(200, c=0.3) == [(60, "CALM")]  # the calm wait ran out meanwhile
    assert crowded().run(200, c=0.66) == []
    r = crowded()
    assert r.run(120, c=0.63) == []  # below crowded, above calm: it holds
    assert r.run(20, c=0.6) == [(16, "CALM")]


@pytest.mark.parametrize("reason", [{"x": 0.75}, {"underneath": YES}, {"zone": YES}])
def test_fragile_needs_crowding_and_ten_minutes_of_a_reason(reason: dict[str, Any]) -> None:
    assert crowded().run(30, c=0.8, **reason) == [(11, "FRAGILE")]
    r = Run()
    r.run(60)
    assert r.run(300, c=0.65, **reason) == []  # calm people are not fragile
    assert r.run(100, c=0.8, **reason) == [(31, "CROWDED"), (41, "FRAGILE")]
    assert r.run(100, c=0.8) == [(1, "CROWDED")]  # its minimum is over


def test_fragile_ends_after_twenty_minutes_without_a_reason() -> None:
    assert crowded(fragile=True).run(60, c=0.8, x=0.65) == [(20, "CROWDED")]
    assert crowded(fragile=True).run(60, c=0.8, x=0.66) == []
    assert crowded(fragile=True).run(60, c=0.8, x=NAN, underneath=YES) == []
    assert crowded(fragile=True).run(60, c=0.8, x=0.5, zone=YES) == []


def test_a_reason_that_is_no_longer_known_is_not_over_and_one_that_never_was_is_none() -> None:
    assert (
        crowded(fragile=True).run(600, c=0.8, x=NAN) == []
    )  # it was the score, and nobody knows it now
    for reason in ("underneath", "zone"):
        r = crowded()
        assert r.run(11, c=0.8, **{reason: YES}) == [(11, "FRAGILE")]
        assert r.run(600, c=0.8, **{reason: UNKNOWN}) == []
        assert r.run(60, c=0.8, **{reason: NO}) == [(1, "CROWDED")]
        r = crowded()
        assert r.run(11, c=0.8, **{reason: YES}) == [(11, "FRAGILE")]
        others = {"underneath": UNKNOWN, "zone": UNKNOWN, "x": NAN, reason: NO}
        assert r.run(60, c=0.8, **others) == [(20, "CROWDED")]
    assert (
        crowded(fragile=True).run(60, c=0.8, x=0.66, underneath=UNKNOWN) == []
    )  # not yet below its exit


def test_an_unknown_score_is_over_where_it_could_not_be_high_whatever_its_parts() -> None:
    assert crowded(fragile=True).run(100, c=0.31, x=NAN) == []
    left = crowded(fragile=True).run(
        100, c=0.3, x=NAN
    )  # half of it is 0.15: at most 0.65 with the rest
    assert left[0] == (20, "CROWDED")
    assert left[-1][1] == "CALM"


@pytest.mark.parametrize("change", [-0.005, -0.3])
def test_a_cascade_is_a_burst_with_falling_open_interest_from_any_state(change: float) -> None:
    for r in (Run(), crowded(), crowded(fragile=True)):
        assert r.run(1, c=0.8, burst=True, change=change) == [(1, "CASCADE")]
    r = crowded()
    assert r.run(5, c=0.8, burst=True, change=-0.0049) == []
    assert r.run(5, c=0.8, change=-0.01) == []
    assert r.run(5, c=0.8, burst=True, change=NAN) == []


def test_a_cascade_ends_ten_quiet_minutes_later() -> None:
    r = crowded(fragile=True)
    r.run(5, c=0.8, oi=970.0, **CASCADING)
    assert r.run(10, c=0.5, oi=970.0) == []
    assert r.run(1, c=0.5, oi=970.0, change=-0.002) == []  # still closing: the wait starts again
    assert r.run(10, c=0.5, oi=970.0) == []
    assert r.run(1, c=0.5, oi=970.0, burst=True) == []
    assert r.run(20, c=0.5, oi=970.0) == [(11, "CROWDED")]  # 3 % is neither a flush nor a failure


def flushed(oi: float = 950.0) -> Run:
    r = crowded(fragile=True)
    assert r.run(6, c=0.8, oi=oi, **CASCADING) == [(1, "CASCADE")]
    assert r.run(12, c=0.5, oi=oi, excess=0.0) == []  # over, but the flush is being waited for
    assert r.run(10, c=0.5, oi=oi, excess=0.0) == [(4, "FLUSHED")]
    return r


def test_a_real_cascade_is_flushed_once_funding_is_below_usual_for_a_quarter_of_an_hour() -> None:
    assert flushed().changes[-1][1] == "FLUSHED"
    for hopeless in ({"excess": 0.02}, {"oi": 961.0}):
        r = crowded()
        r.run(6, c=0.8, oi=950.0, **CASCADING)
        inputs = {"c": 0.5, "oi": 950.0, "excess": 0.0, **hopeless}
        assert "FLUSHED" not in [name for _, name in r.run(600, **inputs)]


def test_flushed_ends_by_rebuilding_a_third_but_not_within_the_hour() -> None:
    r = flushed()  # 50 coins fell: 966.5 is a third of the way up, in logarithms a little less
    assert r.run(30, c=0.5, oi=980.0, excess=0.0) == []
    assert r.run(60, c=0.5, oi=964.0, excess=0.0) == []
    assert r.run(2, c=0.5, oi=967.0, excess=0.0) == [(1, "CALM")]
    r = flushed()
    assert r.run(60, c=0.5, oi=950.0, excess=0.0) == []
    assert r.run(2, c=0.72, oi=967.0, excess=0.0) == [(1, "CROWDED")]


def test_flushed_expires_after_a_day() -> None:
    r = flushed()
    left = r.run(1500, c=0.5, oi=950.0, excess=0.0)
    assert left == [(1440 - 6, "CALM")]  # it was flushed for six minutes already
    assert r.run(300, c=0.5, oi=950.0, excess=0.0) == []  # and the old fall is no new flush


def test_a_lower_low_in_the_flush_is_what_is_rebuilt_from() -> None:
    r = flushed()
    assert r.run(70, c=0.5, oi=900.0, excess=0.0) == []
    assert r.run(5, c=0.5, oi=925.0, excess=0.0) == []  # a quarter of the way up
    assert r.run(5, c=0.5, oi=940.0, excess=0.0) == [(1, "CALM")]


def test_a_cascade_that_did_not_cut_open_interest_leaves_fragility() -> None:
    for r in (crowded(), crowded(fragile=True)):
        r.run(5, c=0.8, oi=995.0, **CASCADING)
        assert r.run(12, c=0.8, oi=995.0) == [(11, "FRAGILE")]  # for all its crowding
        assert r.run(60, c=0.8, oi=995.0) == [(19, "CROWDED")]  # twenty minutes after it began
    r = Run()
    r.run(60)
    r.run(5, c=0.4, oi=992.0, **CASCADING)
    assert r.run(12, c=0.4, oi=992.0) == [(11, "FRAGILE")]


def test_a_second_cascade_out_of_a_flush_can_flush_again() -> None:
    r = flushed()
    assert r.run(5, c=0.5, oi=900.0, excess=0.0, **CASCADING) == [(1, "CASCADE")]
    names = [name for _, name in r.run(60, c=0.5, oi=900.0, excess=0.0)]
    assert names[-1] == "FLUSHED"
    assert oi_drop(r.m, math.log(900.0)) == pytest.approx(0.1)


def test_a_calm_day_needs_a_day_without_a_burst_that_closed_positions() -> None:
    r = Run()
    r.run(60)
    r.run(1, c=0.4, oi=1000.0, **CASCADING)
    r.run(4, c=0.4, oi=980.0, **CASCADING)
    left = r.run(2000, c=0.4, oi=980.0)
    assert left == [(11, "CROWDED"), (1440 + 1 + 15, "CALM")]


@pytest.mark.parametrize(
    "missing", [{"known": False}, {"c": NAN}, {"known": False, "liquidations": False}]
)
def test_missing_inputs_are_unknown_at_once_and_the_state_comes_back(
    missing: dict[str, Any],
) -> None:
    for r, state in (
        (crowded(), "CROWDED"),
        (crowded(fragile=True), "FRAGILE"),
        (flushed(), "FLUSHED"),
    ):
        quiet = (
            {"c": 0.8, "x": 0.8} if state != "FLUSHED" else {"c": 0.5, "oi": 950.0, "excess": 0.0}
        )
        if state == "CROWDED":
            quiet.pop("x")
        assert r.run(600, **{**quiet, **missing}) == [(1, "UNKNOWN")]
        assert r.run(30, **quiet) == [(6, state)]


def test_waits_start_again_after_a_gap() -> None:
    r = Run()
    r.run(60)
    r.run(20, c=0.8)
    r.run(600, c=NAN)
    assert r.run(40, c=0.8) == [(6, "CALM"), (31, "CROWDED")]
    r.run(5, c=0.8, oi=950.0, **CASCADING)
    r.run(5, c=0.8, oi=950.0)
    r.run(30, c=0.8, oi=950.0, change=NAN)  # quiet, or not: nobody knows
    assert r.run(20, c=0.8, oi=950.0) == [(11, "CROWDED")]


def test_stress_never_becomes_calm_through_a_gap() -> None:
    for r in (crowded(), crowded(fragile=True)):
        before = State(int(r.m["state"])).name
        r.run(3000, c=NAN)
        for minute, name in r.run(60, c=0.3):
            assert name == before or minute >= 16  # only what was seen since counts
        assert r.changes[-1][1] == "CALM"


def test_a_cascade_goes_on_without_other_feeds_but_not_without_its_own() -> None:
    r = crowded()
    r.run(5, c=0.8, oi=960.0, **CASCADING)
    assert r.run(30, c=NAN, known=False, oi=960.0, **CASCADING) == []
    dead = {"known": False, "liquidations": False}
    assert r.run(30, c=0.8, oi=940.0, **CASCADING, **dead) == [(1, "UNKNOWN")]
    assert r.run(5, c=0.8, oi=940.0, **CASCADING) == [(1, "CASCADE")]
    assert r.m["start_log_oi"] == math.log(960.0)  # the same cascade
    assert r.m["low_log_oi"] == math.log(940.0)


@pytest.mark.parametrize("c", [0.8, 0.62])
def test_a_cascade_that_ended_unseen_is_not_announced_again(c: float) -> None:
    r = crowded()
    r.run(5, c=0.8, oi=950.0, **CASCADING)
    assert r.run(20, c=NAN, known=False, oi=950.0) == [(11, "UNKNOWN")]
    assert [name for _, name in r.run(3, c=c, oi=950.0)] == []
    names = [name for _, name in r.run(60, c=c, oi=950.0, excess=0.0)]
    assert names == (["CROWDED"] if c > 0.65 else ["CROWDED", "FLUSHED"])


def test_the_fall_counts_from_the_most_open_interest_at_peak_crowding() -> None:
    r = crowded()
    r.run(10, c=0.9, oi=1100.0)
    r.run(10, c=0.9, oi=1050.0)  # as crowded, less of it
    assert oi_drop(r.m, math.log(1045.0)) == pytest.approx(1.0 - 1045.0 / 1100.0)
    r.run(1, c=0.91, oi=1050.0)
    assert oi_drop(r.m, math.log(1045.0)) == pytest.approx(1.0 - 1045.0 / 1050.0)


def test_a_fall_may_be_large_for_what_a_day_does() -> None:
    for sigma, oi, name in (
        (0.02, 969.0, "FLUSHED"),  # 3.1 % are more than one and a half of 2 %
        (0.021, 969.0, "CROWDED"),
        (0.001, 991.0, "FRAGILE"),  # less than 1 % is a failure however quiet the days
        (NAN, 959.0, "FLUSHED"),
    ):
        r = crowded()
        r.run(5, c=0.8, oi=oi, **CASCADING)
        names = [n for _, n in r.run(60, c=0.5, oi=oi, excess=0.0, sigma=sigma)]
        assert names[0] == name


def reset() -> Run:
    """Return a machine that has just become RESET out of a flush."""
    r = flushed()
    quiet = {"c": 0.5, "oi": 950.0, "excess": 0.0}
    assert r.run(30, **quiet, breaker=CANDIDATE) == []
    assert r.run(361, **quiet, breaker=ACTIVE) == [(361, "RESET")]
    return r


def test_a_flush_with_a_breaker_that_holds_for_six_hours_is_a_reset() -> None:
    assert reset().changes[-1][1] == "RESET"
    r = flushed()
    quiet = {"c": 0.5, "oi": 950.0, "excess": 0.0}
    r.run(300, **quiet, breaker=ACTIVE)
    r.run(1, **quiet, breaker=INACTIVE)  # the wait starts again
    assert r.run(360, **quiet, breaker=ACTIVE) == []
    assert r.run(1, **quiet, breaker=ACTIVE) == [(1, "RESET")]
    r = flushed()  # rebuilt within the wait: no flush is left to be reset
    assert "RESET" not in [n for _, n in r.run(900, **{**quiet, "oi": 970.0}, breaker=ACTIVE)]
    for r in (Run(), crowded(), crowded(fragile=True)):
        assert "RESET" not in [n for _, n in r.run(900, c=0.8, breaker=ACTIVE)]


def test_a_flush_waits_for_a_breaker_on_its_way_beyond_its_day() -> None:
    r = flushed()
    quiet = {"c": 0.5, "oi": 950.0, "excess": 0.0}
    assert r.run(1500, **quiet, breaker=CANDIDATE) == []
    assert r.run(2, **quiet) == [(1, "CALM")]


def test_a_reset_ends_when_its_breaker_is_lost_and_crowding_is_back_but_not_within_half_a_day() -> (
    None
):
    r = reset()
    assert r.run(100, c=0.72, oi=950.0, breaker=INACTIVE) == []
    assert r.run(619, c=0.72, oi=950.0, breaker=INACTIVE) == []
    assert r.run(1, c=0.72, oi=950.0, breaker=INACTIVE) == [(1, "CROWDED")]
    r = reset()
    assert r.run(2000, c=0.72, oi=950.0, breaker=ACTIVE) == []
    assert r.run(2000, c=0.5, oi=950.0, breaker=INACTIVE) == []
    assert r.run(1, c=0.70, oi=950.0, breaker=CANDIDATE) == [(1, "CROWDED")]


def test_a_reset_gives_way_to_crowding_and_to_a_cascade_and_comes_back_from_a_gap() -> None:
    r = reset()
    assert r.run(40, c=0.8, oi=1000.0, breaker=ACTIVE) == [(31, "CROWDED")]
    assert r.run(120, c=0.6, oi=1000.0, breaker=ACTIVE) == [
        (51, "RESET")
    ]  # after its hour, and it holds
    assert r.run(1, c=0.6, oi=990.0, breaker=ACTIVE, **CASCADING) == [(1, "CASCADE")]
    assert "RESET" not in [n for _, n in r.run(300, c=0.6, oi=990.0, breaker=ACTIVE)]
    r = reset()
    assert r.run(60, c=NAN, oi=950.0, breaker=ACTIVE) == [(1, "UNKNOWN")]
    assert r.run(60, c=0.5, oi=950.0, breaker=ACTIVE) == [(6, "RESET")]


numbers = st.sampled_from([-0.1, -0.03, -0.02, -0.01, 0.0, 0.004, 0.005, 0.01, 0.02, 0.05, NAN])


@given(r=numbers, g=numbers, excess=numbers, sizes=st.booleans(), flush=st.booleans())
def test_fragile_underneath_is_what_the_method_says_and_mirrors(
    r: float, g: float, excess: float, sizes: bool, flush: bool
) -> None:
    sigma_r, sigma_g = (0.02, 0.01) if sizes else (NAN, NAN)
    long = fragile_underneath(1.0, r, sigma_r, g, sigma_g, excess, flush, P)
    limit = -sigma_r if sizes else NAN
    wanted = all_of(
        passes(r, "<=", limit),
        passes(abs(g), "<=", 0.5 * sigma_g),
        passes(excess, ">", 0.0),
        not flush,
    )
    assert long == code(wanted)
    assert long == fragile_underneath(-1.0, -r, sigma_r, g, sigma_g, -excess, flush, P)


@pytest.mark.parametrize(("mapped", "distance", "usd", "oi", "sigma", "wanted"), [
    (True, 3.0, 1e7, 1e9, 0.03, YES),
    (True, 3.1, 1e7, 1e9, 0.03, NO),
    (True, 3.0, 9e6, 1e9, 0.03, NO),
    (True, NAN, NAN, 1e9, 0.03, NO),  # no zone in reach
    (False, NAN, NAN, 1e9, 0.03, UNKNOWN),  # no map
    (True, 3.0, 1e7, 1e9, NAN, UNKNOWN),
    (True, 3.0, 1e7, NAN, 0.03, UNKNOWN),
    (True, 9.0, 1e7, NAN, 0.03, NO),
    (True, 3.0, 1e6, 1e9, NAN, NO),
])  # fmt: skip
def test_near_a_zone(
    mapped: bool, distance: float, usd: float, oi: float, sigma: float, wanted: int
) -> None:
    assert near_zone(mapped, distance, usd, oi, sigma, P) == wanted


STRESS = {State.CROWDED, State.FRAGILE, State.CASCADE}
LEGAL = {
    "UNKNOWN": {"CALM", "CROWDED", "FRAGILE", "CASCADE", "FLUSHED", "RESET"},
    "CALM": {"UNKNOWN", "CROWDED", "CASCADE"},
    "CROWDED": {"UNKNOWN", "CALM", "FRAGILE", "CASCADE", "FLUSHED", "RESET"},
    "FRAGILE": {"UNKNOWN", "CALM", "CROWDED", "CASCADE", "FLUSHED", "RESET"},
    "CASCADE": {"UNKNOWN", "CROWDED", "FRAGILE", "FLUSHED"},
    "FLUSHED": {"UNKNOWN", "CALM", "CROWDED", "CASCADE", "RESET"},
    "RESET": {"UNKNOWN", "CROWDED", "CASCADE"},
}
inputs = st.builds(
    Inputs,
    c=st.sampled_from([0.3, 0.55, 0.62, 0.68, 0.72, 0.8, 0.95, NAN]),
    x=st.sampled_from([NAN, 0.5, 0.7, 0.9]),
    underneath=st.sampled_from([NO, YES, UNKNOWN]),
    zone=st.sampled_from([NO, NO, YES, UNKNOWN]),
    sigma=st.sampled_from([NAN, 0.01]),
    breaker=st.sampled_from([INACTIVE, CANDIDATE, ACTIVE, ACTIVE]),
    burst=st.sampled_from([False, False, True]),
    change=st.sampled_from([0.0, -0.003, -0.006, NAN]),
    excess=st.sampled_from([0.0, 0.05]),
    oi=st.sampled_from([900.0, 950.0, 970.0, 995.0, 1000.0]),
    known=st.sampled_from([True, True, True, False]),
)
segment = st.tuples(st.sampled_from([1, 3, 7, 12, 20, 35, 70, 200, 400]), inputs)


def lasted(inputs: list[Inputs], minutes: int, holds: Any) -> bool:
    """Return whether the last `minutes` + 1 steps all were known and fulfilled `holds`."""
    window = inputs[-minutes - 1 :]
    return len(window) > minutes and all(i.known and i.c == i.c and holds(i) for i in window)


def longest(inputs: list[Inputs], holds: Any) -> int:
    """Return the most steps in a row, none unknown, that fulfilled `holds`."""
    best = run = 0
    for i in inputs:
        run = run + 1 if i.known and i.c == i.c and holds(i) else 0
        best = max(best, run)
    return best


@settings(max_examples=80, deadline=None)
@given(segments=st.lists(segment, min_size=4, max_size=20), deaf=st.integers(0, 400))
def test_any_history_keeps_the_rules(
    truth: Truth, segments: list[tuple[int, Inputs]], deaf: int
) -> None:
    r, seen, state, entered = Run(), [], State.UNKNOWN, 0
    before = State.UNKNOWN  # the last state that was not UNKNOWN
    stressed = 0  # the step at which CALM or FLUSHED last gave way to stress
    for drawn in [i for minutes, i in segments for _ in range(minutes)]:
        hears = not deaf <= r.minute < deaf + 20
        i = Inputs(**{**vars(drawn), "liquidations": hears, "known": drawn.known and hears})
        seen.append(i)
        now = r.step(i)
        known = i.known and i.c == i.c
        if hears and i.burst and i.change <= -0.005:
            assert now is State.CASCADE
        elif not known:
            assert now in (State.UNKNOWN, State.CASCADE)
            assert now is State.UNKNOWN or hears
        if now is not state:
            assert now.name in LEGAL[state.name]
            _check_entry(now, state, seen, minutes=r.minute - entered)
            if now is State.CALM and before in STRESS | {State.UNKNOWN}:
                limit = 0.60 if before in STRESS else 0.70
                assert longest(seen[stressed:], lambda i, limit=limit: i.c <= limit) >= 16
            if now in STRESS and before not in STRESS:
                stressed = len(seen) - 1
            state, entered = now, r.minute
        if now is not State.UNKNOWN:
            before = now
    names = ["UNKNOWN", *(name for _, name in r.changes)]
    illegal = sum(after not in LEGAL[first] for first, after in pairwise(names))
    truth(23, "illegal changes of state in drawn histories", illegal, 0)


def _check_entry(now: State, was: State, seen: list[Inputs], *, minutes: int) -> None:
    """Check that a change had its reason for as long as it needs one."""
    if now is State.CROWDED and was is State.CALM:
        assert lasted(seen, 30, lambda i: i.c >= 0.75)
    if now is State.FRAGILE and was is State.CROWDED:
        assert lasted(seen, 10, lambda i: i.x >= 0.75 or YES in (i.underneath, i.zone))
    if now is State.FLUSHED and was is not State.UNKNOWN:
        assert longest(seen, lambda i: i.excess < i.usual) >= 16
    if now is State.RESET and was is State.FLUSHED:
        assert lasted(seen, 360, lambda i: i.breaker == ACTIVE)
    if was is State.RESET and now is State.CROWDED:
        full = lasted(seen, 30, lambda i: i.c >= 0.75)
        assert full or (seen[-1].c >= 0.70 and seen[-1].breaker != ACTIVE)
    if was is State.CASCADE and now is not State.UNKNOWN:
        quiet = [not i.burst and i.change > -0.002 and i.liquidations for i in seen]
        recent = range(max(0, len(quiet) - 27), len(quiet) - 10)  # a pending flush may add its wait
        assert any(all(quiet[k : k + 11]) for k in recent)
        assert minutes >= 2
    if was is State.UNKNOWN and now is not State.CASCADE:
        assert lasted(seen, 5, lambda _: True)
