"""The fold: the same rows give the same state and signals, however they come."""

import functools
import json
import math
import random
from itertools import pairwise, zip_longest

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.config import MethodConfig
from streams.engine import Engine, SchemaMismatch
from streams.events import ROW_BYTES, VIEWS, Flag, Kind, MalformedBlock, Side, block_rows
from streams.signals import fact
from streams.state import MAX_CONTRACTS
from tests.reference.log import NAN, START_NS, Contract, Log, S, market, play, reading
from tests.truth import Truth

A, B = Contract("alpha", "BTC"), Contract("beta", "ETH")
#: Everything is warm within a minute or two, so that a short log visits states.
FAST = MethodConfig(
    funding_rank_half_life_s=20.0, oi_rank_half_life_s=20.0, oi_mean_half_life_s=60.0, oi_warm_s=40.0,
    calm_dwell_s=5.0, calm_min_s=5.0, calm_burst_free_s=600.0, crowded_dwell_s=3.0, crowded_min_s=5.0,
    fragile_dwell_s=2.0, fragile_min_s=2.0, cascade_quiet_s=5.0, cascade_min_s=2.0,
    flushed_dwell_s=2.0, flushed_min_s=5.0, unknown_exit_s=2.0, burst_floor_oi_per_minute=2e-5,
)  # fmt: skip
SLOWER = msgspec.structs.replace(
    FAST, funding_rank_half_life_s=90.0, oi_rank_half_life_s=90.0, oi_mean_half_life_s=300.0
)
ROWS = market(7, 320)


def run(blocks: list[bytes], config: MethodConfig = FAST) -> tuple[Engine, list[bytes]]:
    """Fold blocks in order."""
    engine, said = Engine(config), []
    for offset, block in enumerate(blocks):
        said += [fact(s) for s in engine.fold(block, offset)]
    return engine, said


@functools.cache
def whole() -> tuple[str, tuple[bytes, ...], dict[str, int]]:
    """Return the hash, signals and counters of the log folded in one piece."""
    engine, said = run([ROWS])
    return engine.state_hash(), tuple(said), engine.counters


def differing(engine: Engine, said: list[bytes]) -> int:
    """Return how many signals and underlyings are not those of the log folded in one piece."""
    same = run([ROWS])[0].underlying_hashes()
    states = sum(same[name] != value for name, value in engine.underlying_hashes().items())
    return states + sum(a != b for a, b in zip_longest(said, whole()[1]))


def cut(rows: bytes, points: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(p * ROW_BYTES, len(rows)) for p in points), len(rows)]
    return [rows[a:b] for a, b in pairwise(edges)]


def test_the_log_is_worth_folding() -> None:
    _, said, counters = whole()
    kinds = {s.decode().split('"kind":"')[1].split('"')[0] for s in said}
    assert kinds == {"state", "burst", "data_quality", "heartbeat"}
    assert b'"status":"CASCADE"' in b"".join(said)
    for name in ("late", "unknown_instrument", "unknown_kind", "out_of_range"):
        assert counters[name] > 0
    assert counters["rows"] == len(ROWS) // ROW_BYTES


@settings(max_examples=12, deadline=None)
@given(points=st.lists(st.integers(0, len(ROWS) // ROW_BYTES), max_size=40))
def test_blocks_may_be_cut_anywhere(truth: Truth, points: list[int]) -> None:
    engine, said = run(cut(ROWS, points))
    truth(24, "signals and states that cuts of the log change", differing(engine, said), 0)
    assert engine.state_hash() == whole()[0]
    assert tuple(said) == whole()[1]
    assert engine.counters == whole()[2]


def test_row_by_row_as_it_comes_live() -> None:
    rows = ROWS[: 2500 * ROW_BYTES]
    engine, said = run([rows[i : i + ROW_BYTES] for i in range(0, len(rows), ROW_BYTES)])
    other, same = run([rows])
    assert said == same
    assert engine.state_hash() == other.state_hash()


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_at_any_address_will_do(kind: type) -> None:
    rows = ROWS[: 300 * ROW_BYTES]
    crooked = memoryview(bytearray(b"x" + rows))[1:]
    expected = run([rows])[0].state_hash()
    assert run([kind(rows)])[0].state_hash() == expected
    assert run([crooked])[0].state_hash() == expected


@settings(max_examples=12, deadline=None)
@given(at=st.lists(st.integers(1, len(ROWS) // ROW_BYTES - 1), min_size=1, max_size=4))
def test_a_restored_snapshot_has_the_same_future(truth: Truth, at: list[int]) -> None:
    engine, said = Engine(FAST), []
    for offset, block in enumerate(cut(ROWS, at)):
        said += [fact(s) for s in engine.fold(block, offset)]
        data, before = engine.snapshot(), engine.state_hash()
        engine = Engine.restore(data, FAST)
        assert engine.state_hash() == before
        assert engine.offset == offset
        assert engine.snapshot() == data
    truth(24, "signals and states that restarts change", differing(engine, said), 0)
    assert tuple(said) == whole()[1]
    assert engine.state_hash() == whole()[0]
    assert engine.counters == whole()[2]
    assert engine.state("BTC") == run([ROWS])[0].state("BTC")


def test_a_snapshot_of_other_thresholds_or_another_shape_is_refused() -> None:
    data = run([ROWS[: 100 * ROW_BYTES]])[0].snapshot()
    with pytest.raises(SchemaMismatch, match="thresholds"):
        Engine.restore(data, MethodConfig())
    with pytest.raises(SchemaMismatch, match="bytes"):
        Engine.restore(data[:-8], FAST)


def test_underlyings_do_not_touch_each_other() -> None:
    names = block_rows(ROWS)
    owners = {c.id: u for u in ("BTC", "ETH") for c in _contracts(u)}
    belongs = np.array([owners.get(int(i), "none") for i in names["instrument"]])
    together, said = run([ROWS])
    apart: list[bytes] = []
    for underlying in ("BTC", "ETH"):
        engine, own = run([names[belongs == underlying].tobytes()])
        assert engine.underlyings() == [underlying]
        assert engine.underlying_hashes()[underlying] == together.underlying_hashes()[underlying]
        assert engine.state(underlying) == together.state(underlying)
        apart += own
    assert sorted(apart) == sorted(said)


def _contracts(underlying: str) -> list[Contract]:
    return [
        Contract("alpha", underlying),
        Contract("beta", underlying, inverse=True),
        Contract("gamma", underlying, sampled=True),
    ]


def _leaves(record: np.ndarray, path: str) -> list[tuple[str, np.ndarray]]:
    if record.dtype.names is None:
        return [(path, record)]
    out = []
    for name in record.dtype.names:
        if name != "readings":
            out += _leaves(record[name], f"{path}.{name}")
    return out


@pytest.mark.parametrize("seed", [11, 12])
def test_nonsense_leaves_no_infinity_and_no_nan_where_sums_are_kept(seed: int) -> None:
    engine, _ = run([market(seed, 150)])
    kept = [
        *_leaves(engine._contracts[: len(engine._ids)], "contract"),
        *_leaves(engine._underlyings[: len(engine._names)], "underlying"),
    ]
    for name, values in kept:
        if values.dtype.kind != "f":
            continue
        assert not np.isinf(values).any(), name
        sums = (".mass", ".total", "_cents", ".cents", ".mean", ".variance", ".raw", ".complete", ".a",
                "_usd", ".log_oi", ".log_price", ".events", ".live_s", ".weight", ".mark_sum")  # fmt: skip
        no_sums = (
            "max_order_usd",
            ".groups.oi_usd",
            ".groups.volume_usd",
        )  # NaN: a group is not fresh
        if name.endswith(sums) and not name.endswith(no_sums):
            assert not np.isnan(values).any(), name
    for name in engine.underlyings():
        for reading_ in engine.state(name)["readings"].values():
            assert reading_["value"] is None or math.isfinite(reading_["value"])


@pytest.mark.parametrize(
    ("kind", "payload", "counter"),
    [
        (Kind.TRADE, (0.0, 1.0, 1.0), "out_of_range"),
        (Kind.TRADE, (1.0, NAN, 1.0), "out_of_range"),
        (Kind.TRADE, (1e-320, 1.0, 1.0), "out_of_range"),
        (Kind.MARK, (1e16, NAN, NAN), "out_of_range"),
        (Kind.MARK, (1.0, -1.0, NAN), "out_of_range"),
        (Kind.OPEN_INTEREST, (NAN, 1.0, 1.0), "out_of_range"),
        (Kind.OPEN_INTEREST, (-1.0, 1.0, 1.0), "out_of_range"),
        (Kind.OPEN_INTEREST, (1.0, float("inf"), 1.0), "out_of_range"),
        (Kind.OPEN_INTEREST, (1e-300, 1e14, NAN), "oi_without_mark"),
        (Kind.OPEN_INTEREST, (5.0, 0.0, NAN), "oi_without_mark"),
        (Kind.LIQUIDATION, (1.0, 1.0, float("inf")), "out_of_range"),
        (Kind.FUNDING, (1.0, 0.0, 0.0), "out_of_range"),
        (0, (1.0, 1.0, 1.0), "unknown_kind"),
        (6, (1.0, 1.0, 1.0), "unknown_kind"),
        (20, (1.0, 1.0, 1.0), "unknown_kind"),
        (200, (1.0, 1.0, 1.0), "unknown_kind"),
    ],
)
def test_what_cannot_be_is_counted_and_changes_nothing_else(
    kind: int, payload: tuple[float, float, float], counter: str
) -> None:
    hashes = []
    for bad in (True, False):
        engine, log = Engine(FAST), Log()
        log.announce(A)
        log.at(1).mark(A, 100.0)
        log.open_interest(A, 10.0)
        log.at(1.5).heartbeat(A)
        if bad:
            log.floats(kind, A, *payload, side=1, flags=Flag.COMPLETE)
        for t in range(2, 10):
            log.at(t).heartbeat(A)
        play(engine, log)
        hashes.append(engine.state_hash())
        assert engine.counters[counter] == int(bad)
    assert hashes[0] == hashes[1]


def test_strangers_are_counted() -> None:
    engine, log = Engine(), Log()
    log.announce(A)
    for kind in (Kind.TRADE, Kind.HEARTBEAT, Kind.BACKFILL_END, 77):
        log.floats(kind, B, 1.0, 1.0, 1.0)
    log.funding(B, 0.0, flags=Flag.BACKFILL)
    play(engine, log)
    assert engine.counters["unknown_instrument"] == 5
    assert engine.counters["rows"] == 6
    with pytest.raises(KeyError):
        engine.state("ETH")


def test_names_that_are_no_text_are_counted() -> None:
    engine, log = Engine(), Log()
    log.announce(A)
    row = np.frombuffer(bytearray(log.take()), VIEWS[Kind.INSTRUMENT])
    row["underlying"] = b"\xff\xfe"
    engine.fold(row.tobytes(), 0)
    assert engine.underlyings() == []
    assert engine.counters["out_of_range"] == 1


def test_late_rows_are_applied_now_and_counted() -> None:
    engine, log = Engine(), Log()
    log.announce(A)
    log.at(10).mark(A, 100.0)
    log.at(4).mark(A, 105.0)
    log.at(9.999).mark(A, 110.0)
    log.at(11).heartbeat(A)
    play(engine, log)
    assert engine.counters["late"] == 2
    assert reading(engine, "price") == 110.0  # log order is the order
    assert engine.tick_ns("BTC") == START_NS + 11 * S
    log.at(3).heartbeat(A)
    play(engine, log)
    assert engine.tick_ns("BTC") == START_NS + 11 * S


def test_half_a_row_is_refused_and_nothing_applied() -> None:
    engine, _ = run([ROWS[: 50 * ROW_BYTES]])
    before = engine.state_hash(), engine.offset
    with pytest.raises(MalformedBlock):
        engine.fold(ROWS[: 3 * ROW_BYTES - 1], 9)
    assert (engine.state_hash(), engine.offset) == before
    assert engine.fold(b"", 10) == []
    assert engine.offset == 10


def test_many_underlyings_and_contracts_grow_into_place() -> None:
    engine, log = Engine(), Log()
    each = MAX_CONTRACTS + 4
    contracts = [Contract(f"venue{i % each}", f"COIN{i // each}") for i in range(20 * each)]
    for c in contracts:
        log.announce(c)
    log.at(1)
    for i, c in enumerate(contracts):
        log.mark(c, 1.0 + i)
        log.open_interest(c, 10.0)
    log.at(2)
    for c in contracts:
        log.heartbeat(c)
    play(engine, log)
    assert engine.underlyings() == [f"COIN{i}" for i in range(20)]
    for k in range(20):
        kept = [1.0 + each * k + i for i in range(MAX_CONTRACTS)]
        assert reading(engine, "price", f"COIN{k}") == pytest.approx(np.mean(kept))
    assert Engine.restore(engine.snapshot()).state_hash() == engine.state_hash()
    assert engine.counters["unknown_instrument"] == 20 * 4 * (1 + 3)


def mirrored(seed: int) -> tuple[list[bytes], list[bytes]]:
    """Return the signals of a market and of its mirror image."""
    out = []
    for sign in (1.0, -1.0):
        rng = random.Random(seed)
        engine, log = Engine(SLOWER), Log()
        log.announce(A)
        log_price, quantity, excess = 0.0, 1e6, 0.0
        side = Side.LONG if sign > 0 else Side.SHORT
        for t in range(1, 1000):
            crash = 400 < t < 412
            log_price += rng.gauss(0.0, 1e-5)
            growth = 1e-5 * (t - 250) if 250 < t <= 400 else 0.0
            quantity *= math.exp(rng.gauss(growth, 3e-5) - (1.5e-2 if crash else 0.0))
            excess += rng.gauss(
                0.0 if t < 250 else 4e-6 if t < 400 else -4e-6 if t < 900 else 0.0, 2e-6
            )
            price = 100.0 * math.exp(sign * log_price)
            log.at(t).heartbeat(A)
            log.mark(A, price, price, price * math.exp(sign * excess))
            log.open_interest(A, quantity, quantity * 100.0, 100.0)
            log.funding(A, 1e-4 + sign * excess)
            for k in range(6 if crash else 0):
                log.at(t + 0.1 + 0.13 * k).liquidation(A, side, 100.0, 3e4)
        out.append(play(engine, log))
    return out[0], out[1]


def test_a_mirrored_market_has_mirrored_machines(truth: Truth) -> None:
    moves: list[list[tuple[str, ...]]] = []
    for said, swap in zip(mirrored(5), ({}, {"long": "short", "short": "long"}), strict=True):
        rows = [json.loads(s) for s in said]
        moves.append(sorted(
            (r["asof"], r["kind"], swap.get(r["side"], r["side"]), r["status"])
            for r in rows if r["kind"] in ("state", "burst")
        ))  # fmt: skip
    unlike = sum(a != b for a, b in zip_longest(*moves))
    truth(23, "changes of state without a mirror image in a mirrored market", unlike, 0)
    visited = {status for _, kind, side, status in moves[0] if kind == "state" and side == "long"}
    assert {"CALM", "CROWDED", "CASCADE", "FLUSHED"} <= visited
