"""History: held back until it is whole, folded in time order, never mixed with what is live."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.config import MethodConfig
from streams.engine import Engine
from streams.events import ROW_BYTES, Flag, Kind, Side
from tests.reference.log import START_NS, Contract, Log, S, play, reading

A, B, LATECOMER = (
    Contract("alpha", "BTC"),
    Contract("beta", "BTC", inverse=True),
    Contract("gamma", "BTC"),
)
CONFIG = MethodConfig(warmup_hold_s=90.0, warmup_gather_s=10.0)
DAY_S = 86_400


def history(log: Log, c: Contract, hours: int = 48) -> list[bytes]:
    """Return a contract's history rows, one by one, distinct in time."""
    rng = random.Random(c.id)
    quantity, now = rng.uniform(500.0, 900.0), log.now_ns
    for k in range(hours * 12):
        log.now_ns = now - (hours * 3600 - 300 * k) * S + c.id % 1000
        price = 100.0 + rng.random()
        quantity *= 1.0 + rng.gauss(0.0, 1e-3)
        log.open_interest(c, quantity, quantity * price, price, Flag.BACKFILL)
        if k % 12 == 0:
            log.now_ns += 1
            log.mark(c, price, price, flags=Flag.BACKFILL)
        if k % 96 == 0:
            log.now_ns += 1
            log.funding(c, rng.gauss(1e-4, 1e-4), flags=Flag.BACKFILL | Flag.SETTLED)
    log.now_ns = now
    taken = log.take()
    return [taken[i : i + ROW_BYTES] for i in range(0, len(taken), ROW_BYTES)]


def ended(log: Log, c: Contract) -> bytes:
    log.feed(Kind.BACKFILL_END, c, flags=Flag.BACKFILL)
    return log.take()


def live(log: Log, t: float) -> bytes:
    """Return a live second of both contracts."""
    log.at(t)
    for c in (A, B):
        log.heartbeat(c)
        log.mark(c, 101.0, 101.0, 101.1)
        log.open_interest(c, 700.0, 70_700.0, 101.0)
        log.liquidation(c, Side.LONG, 101.0, 1.0)
    return log.take()


def announced(log: Log) -> bytes:
    log.at(0).announce(A, Flag.HAS_BACKFILL)
    log.announce(B, Flag.HAS_BACKFILL)
    return log.take()


class Story:
    """Announcements at 0, histories and live rows mixed in an order of choice, then more live rows."""

    def __init__(self, seed: int | None) -> None:
        log, self.engine = Log(), Engine(CONFIG)
        self.said: list[str] = []
        self.fold(announced(log))
        pieces = [*history(log, A), *history(log, B)]
        if seed is not None:
            random.Random(seed).shuffle(pieces)
        seconds = [live(log, t) for t in range(1, 12)]
        self.spread(pieces, seconds[:8])
        log.at(9)
        self.fold(ended(log, B if seed else A) + ended(log, A if seed else B))
        for second in seconds[8:]:
            self.fold(second)
        for t in range(12, 40):
            self.fold(live(log, t))

    def fold(self, rows: bytes) -> None:
        """Fold a block."""
        self.said += [s.id for s in self.engine.fold(rows, self.engine.offset + 1)]

    def spread(self, pieces: list[bytes], seconds: list[bytes]) -> None:
        """Put the live seconds between equal parts of the history."""
        part = len(pieces) // len(seconds) + 1
        for i, second in enumerate(seconds):
            self.fold(b"".join(pieces[i * part : (i + 1) * part]) + second)


@pytest.fixture(scope="module")
def in_order() -> Story:
    """Return the story with histories in time order."""
    return Story(None)


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(1, 10**6))
def test_any_order_of_arrival_gives_the_same_state(seed: int) -> None:
    sorted_story, shuffled = Story(None), Story(seed)
    assert shuffled.engine.state_hash() == sorted_story.engine.state_hash()
    assert shuffled.said == sorted_story.said
    assert shuffled.engine.counters == sorted_story.engine.counters


def test_history_counts_and_fills_the_windows(in_order: Story) -> None:
    engine = in_order.engine
    assert engine.counters["backfill_rows"] == 2 * (48 * 12 + 48 + 6)
    assert engine.counters["backfill_ignored"] == 0
    assert engine.counters["late"] == 0
    for name in ("oi_change_24h", "oi_flow_usd_24h", "return_4h", "funding_excess_apr", "oi_z"):
        assert reading(engine, name) == reading(engine, name), name
    assert engine.tick_ns("BTC") == START_NS + 39 * S


def test_history_makes_no_signal(in_order: Story) -> None:
    silent = Engine(CONFIG)
    log = Log()
    said = silent.fold(announced(log) + b"".join(history(log, A)), 0)
    said += silent.fold(b"".join(history(log, B)), 1)
    log.at(11)
    said += silent.fold(ended(log, A) + ended(log, B), 2)
    assert said == []
    assert silent.underlyings() == ["BTC"]
    assert silent.counters["backfill_rows"] > 0
    assert in_order.said


def test_while_it_waits_nothing_is_evaluated_and_a_snapshot_keeps_what_is_held() -> None:
    log, engine = Log(), Engine(CONFIG)
    blocks = [announced(log), b"".join(history(log, A)[::-1]), live(log, 1), live(log, 2)]
    for i, block in enumerate(blocks):
        assert engine.fold(block, i) == []
        assert engine.underlyings() == []
        assert engine.tick_ns("BTC") == 0
    twin = Engine.restore(engine.snapshot(), CONFIG)
    assert twin.state_hash() == engine.state_hash()
    rest = [b"".join(history(log.at(2), B)), ended(log, A), ended(log, B)]
    rest += [live(log, t) for t in range(3, 20)]
    ids = []
    for e in (engine, twin):
        ids.append([s.id for i, block in enumerate(rest) for s in e.fold(block, 4 + i)])
        assert e.underlyings() == ["BTC"]
    assert ids[0] == ids[1]
    assert twin.state_hash() == engine.state_hash()


def test_the_gathering_time_lets_other_venues_announce() -> None:
    log, engine = Log(), Engine(CONFIG)
    log.announce(A, Flag.HAS_BACKFILL)
    rows = history(log, A)
    log.at(0).announce(A, Flag.HAS_BACKFILL)
    engine.fold(log.take() + b"".join(rows) + ended(log, A), 0)
    engine.fold(live(log, 5), 1)
    assert engine.underlyings() == []  # ended, but others have until ten seconds
    log.at(6).announce(B, Flag.HAS_BACKFILL)
    engine.fold(log.take() + live(log, 12), 2)
    assert engine.underlyings() == []  # now B is waited for
    log.at(13)
    engine.fold(b"".join(history(log, B)) + ended(log, B), 3)
    assert engine.underlyings() == ["BTC"]
    assert engine.counters["backfill_rows"] == 2 * (48 * 12 + 48 + 6)


def test_a_history_that_never_ends_is_not_waited_for_for_ever() -> None:
    log, engine = Log(), Engine(CONFIG)
    engine.fold(announced(log) + b"".join(history(log, A, 4)), 0)
    for t in range(1, 90):
        engine.fold(live(log, t), t)
    assert engine.underlyings() == []
    engine.fold(live(log, 90), 90)
    assert engine.underlyings() == ["BTC"]
    assert engine.counters["backfill_rows"] == 4 * 12 + 4 + 1
    # 89 seconds of a beat, a mark, open interest and a liquidation of each were kept and folded
    k = engine._index["BTC"]
    usd = engine._underlyings[k]["liquidations"]["cents"][0] / 100.0
    assert usd == pytest.approx(90 * 2 * 101.0)


def test_what_comes_after_the_wait_is_counted_and_ignored() -> None:
    log, engine = Log(), Engine(CONFIG)
    log.announce(A)
    engine.fold(log.take() + live(log, 1) + live(log, 2), 0)
    before = engine.state_hash()
    log.at(2).announce(LATECOMER, Flag.HAS_BACKFILL)
    engine.fold(log.take(), 1)
    joined = engine.state_hash()
    rows = history(log, LATECOMER, 2)
    engine.fold(b"".join(rows) + ended(log, LATECOMER), 2)
    assert engine.counters["backfill_ignored"] == len(rows) + 1
    assert engine.counters["backfill_rows"] == 0
    assert before != joined == engine.state_hash()


def test_other_underlyings_do_not_wait() -> None:
    log, engine = Log(), Engine(CONFIG)
    other = Contract("alpha", "ETH")
    log.announce(other)
    engine.fold(announced(log) + log.take(), 0)
    for t in range(1, 5):
        log.at(t).mark(other, 5.0)
        play(engine, log)
    assert engine.underlyings() == ["ETH"]
    assert reading(engine, "price", "ETH") == 5.0
