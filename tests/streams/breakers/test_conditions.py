"""Each breaker's conditions: every one decides once, and any sequence is its twin's, mirrored too."""

import math
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.breakers import leverage_reset, spot_absorption, vol_regime
from streams.breakers.breaker import EXPIRED, NOTHING, UNASKED, breaker_init
from streams.breakers.inputs import INPUTS
from streams.config import MethodConfig
from streams.evidence import OPS
from streams.state import params
from tests.reference.breakers.conditions import (
    NAN,
    Seen,
    SlowAbsorption,
    SlowBreaker,
    SlowRegime,
    SlowReset,
)
from tests.truth import Truth

CONFIG = MethodConfig()
#: Times in minutes instead of hours: a look each ten seconds, a few dozen to the end.
QUICK = msgspec.structs.replace(
    CONFIG, breaker_grace_s=30.0, margin_half_life_s=100.0,
    reset_candidate_s=60.0, reset_hold_s=120.0, reset_expiry_s=600.0,
    absorption_candidate_s=60.0, absorption_hold_s=120.0, absorption_expiry_s=600.0,
    regime_candidate_s=60.0, regime_hold_s=120.0, regime_expiry_s=600.0,
)  # fmt: skip
P = params(QUICK)
KINDS: dict[str, tuple[Any, type[SlowBreaker]]] = {
    leverage_reset.NAME: (leverage_reset, SlowReset),
    spot_absorption.NAME: (spot_absorption, SlowAbsorption),
    vol_regime.NAME: (vol_regime, SlowRegime),
}
START_S = 1_700_000_000
#: Values at which each breaker enters.
GOOD = {
    leverage_reset.NAME: Seen(
        oi_drawdown=-0.15, oi_z=-0.5, stress=0.4, excess=0.01, shrinkage=0.2, relative=0.1, n_fast=0.2,
        releverage=0.1,
    ),
    spot_absorption.NAME: Seen(
        bursts=2.0, forced_share=0.001, absorbed_flow=0.05, absorbed_flow_2=0.5, absorbed_price=0.1,
        absorbed_price_2=0.6, retracement=0.7, premium=3.0, spot_usd=-1e6, perp_usd=1e6, spot_z=0.5,
    ),
    vol_regime.NAME: Seen(vol_switch=0.0, vol_change=0.0, vol_ratio=2.5),
}  # fmt: skip


def inputs(seen: Seen) -> Any:
    """Return what is seen as the kernels get it."""
    i = np.zeros(1, INPUTS)[0]
    for name in INPUTS.names or ():
        given_ = getattr(seen, name, NAN)  # a standard error is not seen
        if INPUTS[name].names:
            i[name]["value"], i[name]["coverage"] = given_, 0.9
            i[name]["quality"] = 32 if name in seen.warming else 0
        else:
            i[name] = given_
    return i


class Run:
    """A breaker on a clock of looks, beside its twin."""

    def __init__(self, name: str) -> None:
        self.module, twin = KINDS[name]
        self.slow, self.looks = twin(QUICK), 0
        self.b = np.zeros(1, self.module.BREAKER)[0]
        breaker_init(self.b)
        self.said: list[str] = []
        self.unlike = 0  # looks that said or left something else than the twin's

    @property
    def now_ns(self) -> int:
        """Return the time of the last look."""
        return (START_S + 10 * self.looks) * 10**9

    @property
    def status(self) -> str:
        """Return where the breaker is."""
        return ("INACTIVE", "CANDIDATE", "ACTIVE")[int(self.b["status"])]

    def look(self, seen: Seen, times: int = 1) -> str:
        """Look so many times; return the status, which is the twin's."""
        for _ in range(times):
            self.looks += 1
            self.b["said"] = NOTHING
            self.module.step(self.b, inputs(seen), self.now_ns, P)
            word = None
            if self.b["said"] != NOTHING:
                word = "EXPIRED" if self.b["said"] == EXPIRED else self.status
                self.said.append(word)
            twin = self.slow.step(seen, self.now_ns), self.slow.life.status
            self.unlike += twin != (word, self.status)
            assert self.unlike == 0
            self.check_evidence()
        return self.status

    def check_evidence(self) -> None:
        """A line says what its own numbers say."""
        for c in self.b["conditions"]:
            value, threshold, passed = float(c["value"]), float(c["threshold"]), int(c["passed"])
            if passed in (-1, UNASKED):
                continue
            op = OPS[int(c["op"])]
            words = {">=": value >= threshold, ">": value > threshold,
                     "<=": value <= threshold, "<": value < threshold}  # fmt: skip
            assert passed == int(words[op])
            if math.isfinite(c["margin"]) and c["margin"] != 0.0:
                assert (c["margin"] > 0.0) == bool(passed)


@pytest.mark.parametrize("name", KINDS)
def test_everything_right_for_long_enough_is_a_candidate_then_active_then_expired(
    truth: Truth, name: str
) -> None:
    r = Run(name)
    extra = (
        1 if name == vol_regime.NAME else 0
    )  # the look that finds the direction counts for nothing
    lived = [r.look(GOOD[name], times) for times in (6 + extra, 1, 5, 1, 59, 1)]
    life = ["INACTIVE", "CANDIDATE", "CANDIDATE", "ACTIVE", "ACTIVE", "INACTIVE"]
    wrong = sum(a != b for a, b in zip(lived, life, strict=True))
    truth(23, "stages of a breaker's life, by hand, that it misses", wrong, 0)
    assert r.said == ["CANDIDATE", "ACTIVE", "EXPIRED"]


#: What makes each condition of entry fail, one at a time: what else has to give, to make it the one.
DECISIVE: tuple[tuple[str, dict[str, float], dict[str, float]], ...] = (
    (leverage_reset.NAME, {"oi_drawdown": -0.09}, {}),
    (leverage_reset.NAME, {"oi_z": -0.9}, {"oi_drawdown": -0.05, "oi_z": -1.1}),
    (leverage_reset.NAME, {"stress": 0.24}, {}),
    (leverage_reset.NAME, {"stress": 0.61}, {}),
    (leverage_reset.NAME, {"excess": 0.051}, {}),
    (leverage_reset.NAME, {"excess": -0.051}, {}),
    (leverage_reset.NAME, {"shrinkage": 0.36}, {}),
    (leverage_reset.NAME, {"n_fast": 0.51}, {}),
    (leverage_reset.NAME, {"releverage": 0.26}, {}),
    (spot_absorption.NAME, {"bursts": 1.0}, {"absorbed_flow": 0.5, "absorbed_price": 0.6}),
    (spot_absorption.NAME, {"forced_share": 0.0029},
     {"bursts": 1.0, "forced_share": 0.0031, "absorbed_flow": 0.5, "absorbed_price": 0.6}),
    (spot_absorption.NAME, {"absorbed_flow_2": 0.29}, {}),
    (spot_absorption.NAME, {"absorbed_price_2": 0.39}, {}),
    (spot_absorption.NAME, {"retracement": 0.49}, {}),
    (spot_absorption.NAME, {"premium": -0.1}, {}),
    (spot_absorption.NAME, {"spot_usd": -1.0}, {"premium": -0.1, "spot_usd": 1.0, "perp_usd": -1.0}),
    (spot_absorption.NAME, {"perp_usd": 1.0}, {"premium": -0.1, "spot_usd": 1.0, "perp_usd": 0.0}),
    (spot_absorption.NAME, {"spot_z": -1.1}, {}),
    (vol_regime.NAME, {"vol_ratio": 1.79}, {}),
    (vol_regime.NAME, {"vol_ratio": 0.61}, {"vol_ratio": 0.59}),
    (vol_regime.NAME, {"vol_switch": 0.0}, {"vol_switch": 1.0, "vol_change": 1.0, "vol_ratio": 1.0}),
    (vol_regime.NAME, {"vol_change": 0.0}, {"vol_switch": -1.0, "vol_change": -1.0, "vol_ratio": 1.0}),
)  # fmt: skip


@pytest.mark.parametrize(("name", "wrong", "right"), DECISIVE)
def test_each_condition_is_decisive_once(
    name: str, wrong: dict[str, float], right: dict[str, float]
) -> None:
    good = GOOD[name]._replace(**right)
    assert Run(name).look(good, 20) == "ACTIVE"
    assert Run(name).look(good._replace(**wrong), 20) == "INACTIVE"
    r = Run(name)
    r.look(good, 10)
    assert r.status == "CANDIDATE"
    assert r.look(good._replace(**wrong)) == "INACTIVE"
    [field] = wrong
    for gone in ({field: NAN}, {"warming": frozenset({field})}):  # not known, or not to be believed
        assert Run(name).look(good._replace(**gone), 20) == "INACTIVE"


@pytest.mark.parametrize(("name", "ending"), [
    (leverage_reset.NAME, {"releverage": 0.5}),
    (leverage_reset.NAME, {"stress": 0.8}),
    (leverage_reset.NAME, {"relative": 0.6, "burst_ns": 2**62}),
    (spot_absorption.NAME, {"absorbed_flow": 0.09, "burst_end_ns": 2**62}),
    (spot_absorption.NAME, {"spot_z": -1.01}),
    (vol_regime.NAME, {"vol_ratio": 1.4}),
])  # fmt: skip
def test_each_exit_ends_it_and_not_knowing_does_not(name: str, ending: dict[str, float]) -> None:
    r = Run(name)
    assert r.look(GOOD[name], 20) == "ACTIVE"
    assert r.look(GOOD[name]._replace(**ending)) == "INACTIVE"
    assert r.said[-1] == "INACTIVE"
    r = Run(name)
    r.look(GOOD[name], 20)
    nothing = Seen(burst_ns=2**62, burst_end_ns=2**62)
    assert r.look(nothing, 50) == "ACTIVE"  # it was made ACTIVE a few looks before the twentieth
    assert r.look(nothing, 60) == "INACTIVE"
    assert r.said == ["CANDIDATE", "ACTIVE", "EXPIRED"]


def test_between_entry_and_exit_a_breaker_holds() -> None:
    for name, between in (
        (
            leverage_reset.NAME,
            {"releverage": 0.4, "stress": 0.7, "shrinkage": 0.9, "oi_drawdown": 0.0},
        ),
        (spot_absorption.NAME, {"absorbed_flow_2": 0.1, "premium": -5.0, "bursts": 0.0}),
        (vol_regime.NAME, {"vol_ratio": 1.5}),
    ):
        r = Run(name)
        r.look(GOOD[name], 20)
        assert r.look(GOOD[name]._replace(**between), 30) == "ACTIVE"


def test_an_old_burst_ends_nothing() -> None:
    r = Run(leverage_reset.NAME)
    r.look(GOOD[leverage_reset.NAME], 20)
    before_ns = int(r.b["since_ns"])
    assert r.look(GOOD[leverage_reset.NAME]._replace(relative=5.0, burst_ns=before_ns)) == "ACTIVE"
    r = Run(spot_absorption.NAME)
    r.look(GOOD[spot_absorption.NAME], 20)
    assert (
        r.look(GOOD[spot_absorption.NAME]._replace(absorbed_flow=0.0, burst_end_ns=1)) == "ACTIVE"
    )


def test_a_regime_by_its_alarm_ends_only_once_its_ratio_was_outside() -> None:
    r = Run(vol_regime.NAME)
    alarm = Seen(vol_switch=1.0, vol_change=1.0, vol_ratio=1.1)
    assert r.look(alarm, 20) == "ACTIVE"
    assert int(r.b["direction"]) == 1
    calm = Seen(vol_switch=0.0, vol_change=0.0, vol_ratio=1.2)
    assert r.look(calm, 10) == "ACTIVE"
    assert r.look(calm._replace(vol_ratio=1.5), 2) == "ACTIVE"
    assert r.look(calm) == "INACTIVE"


def test_a_regime_that_turns_starts_again_the_other_way() -> None:
    r = Run(vol_regime.NAME)
    r.look(Seen(vol_ratio=2.0), 10)
    assert (r.status, int(r.b["direction"])) == ("CANDIDATE", 1)
    assert r.look(Seen(vol_ratio=0.5)) == "INACTIVE"
    assert r.look(Seen(vol_ratio=0.5), 13) == "ACTIVE"
    assert int(r.b["direction"]) == -1
    assert r.look(Seen(vol_ratio=2.0)) == "INACTIVE"


def _values(*some: float) -> st.SearchStrategy[float]:
    return st.sampled_from([*some, NAN])


def look(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Seen]:
    """Draw these fields; what is not named is unknown."""
    return st.fixed_dictionaries(fields).map(lambda drawn: Seen(**drawn))


seen = {
    leverage_reset.NAME: look(
        oi_drawdown=_values(-0.2, -0.1, -0.05), oi_z=_values(-2.0, -1.0, 0.0),
        stress=_values(0.1, 0.25, 0.5, 0.7, 0.8), excess=_values(-0.06, 0.05, 0.0),
        shrinkage=_values(0.35, 0.5), relative=_values(0.1, 0.6), n_fast=_values(0.5, 0.9),
        releverage=_values(0.1, 0.25, 0.4, 0.5), burst_ns=st.sampled_from([0, 2**62]),
        warming=st.sampled_from([frozenset(), frozenset(), frozenset({"oi_z", "stress"})]),
    ),
    spot_absorption.NAME: look(
        bursts=_values(0.0, 1.0, 2.0, 3.0), forced_share=_values(0.001, 0.003),
        absorbed_flow=_values(0.05, 0.1, 0.3), absorbed_flow_2=_values(0.1, 0.3),
        absorbed_price=_values(0.4, 0.1), absorbed_price_2=_values(0.4, 0.3),
        retracement=_values(0.5, 0.2), premium=_values(-1.0, 0.0, 1.0), spot_usd=_values(-5.0, 0.0, 5.0),
        perp_usd=_values(-5.0, 0.0, 5.0), spot_z=_values(-1.5, -1.0, 0.0),
        burst_end_ns=st.sampled_from([0, 2**62]), mirror=st.sampled_from([1.0, -1.0]),
    ),
    vol_regime.NAME: look(
        vol_switch=_values(-1.0, 0.0, 1.0), vol_change=_values(-1.0, 0.0, 1.0, 2.0),
        vol_ratio=_values(0.5, 0.6, 0.7, 0.75, 1.0, 1.4, 1.5, 1.8, 2.0),
    ),
}  # fmt: skip


def sequence(data: st.DataObject, name: str) -> Iterator[Seen]:
    """Draw what is seen: mostly right, now and then anything, each for a while."""
    for _ in range(data.draw(st.integers(2, 8))):
        one = data.draw(st.one_of(st.just(GOOD[name]), st.just(GOOD[name]), seen[name]))
        for _ in range(data.draw(st.sampled_from([1, 2, 3, 4, 8, 20, 70]))):
            yield one


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_sequence_is_the_twins(truth: Truth, name: str, data: st.DataObject) -> None:
    r = Run(name)
    for one in sequence(data, name):
        r.look(one)
    truth(23, "looks at conditions and life that differ from the twin's", r.unlike, 0)


SIGNED = ("premium", "spot_usd", "perp_usd", "spot_z")


@pytest.mark.parametrize("name", [leverage_reset.NAME, spot_absorption.NAME])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_shorts_in_a_mirrored_market_are_longs(name: str, data: st.DataObject) -> None:
    longs, shorts = Run(name), Run(name)
    for drawn in sequence(data, name):
        one = drawn._replace(mirror=1.0)
        turned = one._replace(mirror=-1.0, **{k: -getattr(one, k) for k in SIGNED})
        if name == leverage_reset.NAME:
            turned = turned._replace(excess=-one.excess)
        assert longs.look(one) == shorts.look(turned)
        for a, b in zip(longs.b["conditions"], shorts.b["conditions"], strict=True):
            if name == spot_absorption.NAME:
                assert a["passed"] == b["passed"]
                assert a["margin"] == pytest.approx(b["margin"], nan_ok=True)
    assert longs.said == shorts.said
