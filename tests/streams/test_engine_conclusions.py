"""What is concluded, end to end: warm-up says nothing, breakers live, signals replace each other."""

import math
import random
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.config import MethodConfig
from streams.engine import Engine
from streams.events import ROW_BYTES, Side
from streams.signals import Signal, fact, signal_id
from tests.reference.log import START_NS, Contract, Log, S, market
from tests.streams.test_engine import FAST

A = Contract("alpha", "BTC")
#: A month's variance is one of minutes here, so that a breaker lives and dies within a quarter of an hour.
REGIME = msgspec.structs.replace(
    FAST, vol_return_s=1.0, vol_gap_s=5.0, vol_half_lives_s=(10.0, 15.0, 20.0, 200.0, 300.0),
    breaker_step_s=1.0, breaker_grace_s=5.0, regime_candidate_s=4.0, regime_hold_s=10.0,
    regime_expiry_s=40.0, margin_half_life_s=20.0,
)  # fmt: skip


def quiet_second(log: Log, t: int, price: float) -> None:
    log.at(t).heartbeat(A)
    log.mark(A, price, price)
    if t % 5 == 1:
        log.open_interest(A, 1000.0)
        log.funding(A, 1e-4)


def stormy(seconds: int = 760, storm: tuple[int, int] = (640, 665), seed: int = 4) -> bytes:
    """Return a market whose price moves four times as much for a while."""
    rng, log, price = random.Random(seed), Log(), 100.0
    log.announce(A)
    for t in range(1, seconds):
        wild = 4.0 if storm[0] <= t < storm[1] else 1.0
        price *= math.exp(rng.choice([-1.0, 1.0]) * 1e-4 * wild)
        quiet_second(log, t, price)
    return log.take()


def run(
    rows: bytes, config: MethodConfig, cuts: list[int] | None = None
) -> tuple[Engine, list[Signal]]:
    """Fold rows, at each cut through a snapshot."""
    engine, said = Engine(config), []
    edges = [0, *sorted(min(c * ROW_BYTES, len(rows)) for c in cuts or []), len(rows)]
    for number, (a, b) in enumerate(pairwise(edges)):
        said += engine.fold(rows[a:b], number)
        engine = Engine.restore(engine.snapshot(), config)
    return engine, said


@pytest.fixture(scope="module")
def storm() -> tuple[Engine, list[Signal]]:
    """Return what a storm makes an engine say."""
    return run(stormy(), REGIME)


def breakers_of(said: list[Signal]) -> list[Signal]:
    return [s for s in said if s.kind == "breaker"]


def test_a_storm_is_a_breaker_with_a_direction_and_its_evidence(
    storm: tuple[Engine, list[Signal]],
) -> None:
    said = breakers_of(storm[1])
    assert [(s.name, s.side, s.status, s.previous) for s in said][:2] == [
        ("VOL_REGIME", "both", "CANDIDATE", "INACTIVE"), ("VOL_REGIME", "both", "ACTIVE", "CANDIDATE"),
    ]  # fmt: skip
    assert said[2].status in {"INACTIVE", "EXPIRED"}
    for s in said[:2]:
        assert s.context["direction"] == 1.0
        assert s.valid_until is not None
        assert s.valid_until > s.asof
        assert s.p_calibrated is None
        assert s.eval_ref is None
        [line] = [e for e in s.evidence if e.metric == "vol_expansion" and e.op == ">="]
        assert line.passed
        assert line.value is not None
        assert line.value >= 1.8
        assert (line.margin_sd is None) == (s.confidence is None)
        if s.confidence is not None:
            assert 0.0 < s.confidence <= 1.0
    assert said[2].valid_until is None
    assert [s.supersedes for s in said[:3]] == [None, said[0].id, said[1].id]


def test_states_and_heartbeats_say_what_is_at_work(storm: tuple[Engine, list[Signal]]) -> None:
    begun, active, ended = breakers_of(storm[1])[:3]
    for s in storm[1]:
        if s.kind not in {"state", "heartbeat"}:
            assert s.breakers == []
        elif active.asof < s.asof < ended.asof:
            [note] = s.breakers
            assert (note.name, note.side, note.status, note.direction) == (
                "VOL_REGIME", "both", "ACTIVE", "up",
            )  # fmt: skip
            assert (note.since, note.valid_until) == (active.asof, active.valid_until)
        elif not begun.asof <= s.asof <= ended.asof:
            assert s.breakers == []
    assert any(s.breakers for s in storm[1])
    state = storm[0].state("BTC")["breakers"]
    assert [(b["name"], b["side"]) for b in state] == [
        ("LEVERAGE_RESET", "long"), ("SPOT_ABSORPTION", "long"),
        ("LEVERAGE_RESET", "short"), ("SPOT_ABSORPTION", "short"), ("VOL_REGIME", "both"),
    ]  # fmt: skip


def test_a_breaker_that_outlives_its_conditions_expires_by_its_name() -> None:
    config = msgspec.structs.replace(REGIME, regime_exit_high=1.0, regime_expiry_s=8.0)
    _, said = run(stormy(), config)
    statuses = [s.status for s in breakers_of(said)]
    assert statuses[:3] == ["CANDIDATE", "ACTIVE", "EXPIRED"]
    active, expired = breakers_of(said)[1:3]
    assert expired.since == active.valid_until


@settings(max_examples=5, deadline=None)
@given(cuts=st.lists(st.integers(0, 2400), min_size=1, max_size=6))
def test_breakers_do_not_depend_on_cuts_and_come_back_from_snapshots(cuts: list[int]) -> None:
    rows = stormy()
    engine, said = run(rows, REGIME)
    other, same = run(rows, REGIME, cuts)
    assert [fact(s) for s in same] == [fact(s) for s in said]
    assert other.state_hash() == engine.state_hash()
    assert len(breakers_of(said)) >= 3
    for s in breakers_of(said):
        assert s.id == signal_id(
            "BTC", s.side, "breaker", s.seq, origin_ns=START_NS + S, config_hash=REGIME.hash()
        )


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 1000))
def test_nothing_is_concluded_from_memories_that_warm_up(seed: int) -> None:
    """Two days, months and half-lives are far away: a burst that closes positions is all there is to see."""
    said = Engine(MethodConfig()).fold(market(seed, 150), 0)
    assert breakers_of(said) == []
    for s in said:
        if s.kind not in {"state", "heartbeat"}:
            continue
        assert s.status in {"UNKNOWN", "CASCADE"}
        for line in s.evidence:
            assert line.passed is None or "WARMUP" not in line.quality
        assert s.context["crowding_long"] is None
        assert s.context["oi_z"] is None
    calm = Engine(MethodConfig()).fold(stormy(200, (100, 120), seed), 0)
    assert {s.status for s in calm if s.kind in {"state", "heartbeat"}} == {"UNKNOWN"}


def test_each_signal_says_which_it_replaces() -> None:
    said = Engine(FAST).fold(market(7, 320), 0)
    last: dict[tuple[str, str, str], str] = {}
    replaced = 0
    for s in said:
        key = (s.symbol, s.side, s.name)
        fresh = s.kind == "burst" and s.status == "STARTED"  # another burst stands beside the last
        assert s.supersedes == (None if fresh else last.get(key))
        replaced += s.supersedes is not None
        last[key] = s.id
    assert replaced > 100


def test_a_state_that_nothing_renewed_has_expired() -> None:
    log, engine = Log(), Engine(FAST)
    log.announce(A)
    for t in range(1, 40):
        quiet_second(log, t, 100.0)
    for t in range(240, 260):  # the log was silent for longer than a state holds
        quiet_second(log, t, 100.0)
    said = engine.fold(log.take(), 0)
    expired = [s for s in said if s.status == "EXPIRED"]
    assert [(s.kind, s.side, s.name) for s in expired] == [
        ("state", "long", "STATE"), ("state", "short", "STATE"),
    ]  # fmt: skip
    for s in expired:
        before = next(one for one in said if one.id == s.supersedes)
        after = next(one for one in said if one.supersedes == s.id)
        assert s.since == before.valid_until
        assert s.previous == before.status
        assert before.valid_until is not None
        assert before.valid_until < s.asof == after.asof
        assert s.evidence == []


def burst_of(side: Side, log: Log, start: int, price: float) -> None:
    for t in range(start, start + 30):
        log.at(t).heartbeat(A)
        log.mark(A, price, price - 0.1 * (t - start))
        log.open_interest(A, 1000.0 - 2.0 * (t - start), mark=price)
        for k in range(3):
            log.at(t + 0.2 + 0.2 * k).liquidation(A, side, price, 0.05)


@pytest.mark.parametrize("side", [Side.LONG, Side.SHORT])
def test_a_bursts_record_is_whole(side: Side) -> None:
    log, engine = Log(), Engine(FAST)
    log.announce(A)
    for t in range(1, 40):
        quiet_second(log, t, 100.0)
    burst_of(side, log, 40, 100.0)
    for t in range(70, 320):
        log.at(t).heartbeat(A)
        log.mark(A, 97.1, 97.1)
        log.open_interest(A, 942.0)
    said = [s for s in engine.fold(log.take(), 0) if s.kind == "burst"]
    final: Any = next(s for s in said if s.status == "FINAL")
    c, word = final.context, final.side
    assert final.venues == ["alpha"]
    assert word == ("long" if side is Side.LONG else "short")
    assert c["contracts"] == 1.0
    assert c["liquidated_coin"] == pytest.approx(0.05 * (c["orders"]))
    assert c[f"usd_{word}"] == c["usd_raw"]
    assert c["usd_short" if word == "long" else "usd_long"] == 0.0
    assert c["flush_ratio"] == pytest.approx(1.0 - c["oi_end_coin"] / c["oi_start_coin"])
    assert c["liquidated_over_oi_drop"] == pytest.approx(
        c["liquidated_coin"] / (c["oi_start_coin"] - c["oi_end_coin"])
    )
    assert c["price_low"] < c["price_high"]
    assert c["n_fast_start"] is None  # its fit still warms up
    assert c["loop_gain_peak"] is None
