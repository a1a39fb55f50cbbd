"""Gross opens and closes against a tape on which every side is known."""

import math
import random

import pytest

from streams.config import MethodConfig
from streams.engine import Engine
from streams.events import Channel, Kind
from streams.indicators import turnover
from tests.reference.indicators.turnover import Tape
from tests.reference.log import Contract, Log, play, reading
from tests.truth import Truth

A, B, INVERSE = (
    Contract("alpha", "BTC"),
    Contract("beta", "BTC"),
    Contract("gamma", "BTC", inverse=True),
)
CONFIG = MethodConfig(oi_hold_s=2000.0, oi_fresh_floor_s=2000.0)
PRICE = 64.0  # a power of two: inverse contracts' USD are whole coins times it


class Market:
    """Contracts with a tape each; every second some trades, open interest at the contract's own cadence."""

    def __init__(self, contracts: dict[Contract, int], seed: int = 1) -> None:
        self.engine, self.log = Engine(CONFIG), Log()
        self.tapes = {c: Tape(random.Random(seed + i)) for i, c in enumerate(contracts)}
        self.cadence = contracts
        self.rng = random.Random(seed)
        self.history: list[tuple[float, float, float]] = []  # time, opening and closing, at each OI
        self.volume = dict.fromkeys(contracts, 0.0)
        for c, tape in self.tapes.items():
            for _ in range(2000):
                tape.trade()
            tape.opening = tape.closing = 0.0
            self.log.announce(c)

    def second(self, t: int, trades: int = 3, price: float = PRICE, *, dead: bool = False) -> None:
        """Trade, then publish open interest where it is time, then tick."""
        for c, tape in self.tapes.items():
            self.log.at(t - 0.9).heartbeat(c, Channel.ALL & ~Channel.TRADE if dead else Channel.ALL)
            for _ in range(trades):
                coin = tape.trade()
                self.volume[c] += coin
                if not dead:
                    quantity = coin * PRICE / price if c.inverse else coin
                    self.log.at(t - 0.5).trade(c, price, quantity)
            if t % self.cadence[c] == 0:
                oi = tape.open_interest
                quantity = oi * PRICE / price if c.inverse else oi
                self.log.at(t - 0.4).open_interest(c, quantity, quantity * price, price)
        self.log.at(t).heartbeat(next(iter(self.tapes)))
        play(self.engine, self.log)

    def counted(self) -> tuple[float, float]:
        """Return all sides counted so far."""
        return (
            sum(t.opening for t in self.tapes.values()),
            sum(t.closing for t in self.tapes.values()),
        )


def test_the_identity_is_exact_on_a_tape(truth: Truth) -> None:
    tape = Tape(random.Random(7))
    for _ in range(500):
        before, opening, closing = tape.open_interest, tape.opening, tape.closing
        traded = sum(tape.trade() for _ in range(5))
        opened, closed = turnover.sides(traded, tape.open_interest - before)
        off = max(abs(opened - tape.opening + opening), abs(closed - tape.closing + closing))
        truth(6, "sides of five trades by the identity, less those counted, coin", off, 0)


@pytest.mark.parametrize("contracts", [{A: 10}, {A: 20, B: 60}, {A: 10, INVERSE: 20}])
@pytest.mark.parametrize(("name", "bucket_s", "buckets"), [("1h", 120, 30), ("24h", 1800, 48)])
def test_windows_count_every_side_exactly(
    truth: Truth, contracts: dict[Contract, int], name: str, bucket_s: int, buckets: int
) -> None:
    """A tick on a bucket's edge: the window then holds all buckets but the one just begun."""
    step = bucket_s // 12
    m, counted = Market({c: every * step // 10 for c, every in contracts.items()}), {}
    window = (buckets - 1) * bucket_s
    for t in range(step, window + 4 * bucket_s + 1, step):
        m.second(t, trades=2)
        opened, closed = (reading(m.engine, f"{x}_coin_{name}") for x in ("opening", "closing"))
        assert math.isnan(opened) == (t < window)
        if t % bucket_s:
            continue
        counted[t] = m.counted()
        if t - window in counted:
            before, now = counted[t - window], counted[t]
            off = max(abs(opened - now[0] + before[0]), abs(closed - now[1] + before[1]))
            truth(6, "sides of the engine's windows less those counted on the tape, coin", off, 0)
    assert t - window in counted
    assert opened != closed


def test_churn_is_volume_over_moves_of_ten_seconds_however_often_a_venue_publishes() -> None:
    m, levels, volumes = Market({A: 1}), {}, {}
    for t in range(1, 3700):
        m.second(t, trades=1)
        levels[t], volumes[t] = m.tapes[A].open_interest, m.volume[A]
    first = 3699 // 120 * 120 - 29 * 120  # where the window's first bucket begins
    ends = [t for t in levels if t % 10 == 1 and t - 0.4 >= first]
    moved = sum(abs(levels[t] - levels[t - 10]) for t in ends)
    traded = volumes[ends[-1]] - volumes[ends[0] - 10]
    assert reading(m.engine, "churn_1h") == traded / moved
    assert reading(m.engine, "churn_1h") > 1.0
    every_second = sum(abs(levels[t] - levels[t - 1]) for t in range(ends[0] - 9, ends[-1] + 1))
    assert every_second > 1.5 * moved  # the trap: the sum of moves grows with sampling


def test_price_alone_opens_and_closes_nothing_of_an_inverse_contract() -> None:
    m, price = Market({INVERSE: 20}), PRICE
    start = None
    for t in range(20, 3600, 20):
        price *= 2.0 if t % 40 else 0.5
        m.second(t, trades=1, price=price)
        start = start or m.counted()
    opened, closed = reading(m.engine, "opening_coin_1h"), reading(m.engine, "closing_coin_1h")
    now = m.counted()
    counted = now[0] - start[0], now[1] - start[1]
    # the anchor is the first mark, twice the tape's price: coins are halved, sides are not mixed
    assert (2.0 * opened, 2.0 * closed) == counted


@pytest.mark.parametrize("how", ["gap", "down", "no channel"])
def test_a_step_with_missed_trades_is_left_out_and_said(how: str) -> None:
    m = Market({A: 10})
    lost = (0.0, 0.0)
    for t in range(10, 3601, 10):
        before = m.counted()
        if t == 1000 and how != "no channel":
            kind = Kind.GAP if how == "gap" else Kind.FEED_DOWN
            m.log.at(t - 0.95).feed(kind, A, Channel.TRADE)
        m.second(t, trades=2, dead=how == "no channel" and t == 1000)
        if t == 10:
            origin = m.counted()
        after = m.counted()
        missed = t == 1000 or (t == 1010 and how == "no channel")
        if missed:
            lost = (lost[0] + after[0] - before[0], lost[1] + after[1] - before[1])
        quality = m.engine.state("BTC")["readings"]["opening_coin_1h"]["quality"]
        assert ("GAP_IN_WINDOW" in quality) == (t >= 1000 + 10 * (how == "no channel"))
        if t == 3480:
            whole = after[0] - origin[0] - lost[0], after[1] - origin[1] - lost[1]
            opened, closed = (reading(m.engine, f"{x}_coin_1h") for x in ("opening", "closing"))
            assert (opened, closed) == whole


def test_sides_are_unknown_where_open_interest_or_trades_are() -> None:
    m = Market({A: 10, B: 10})
    names = ("opening_coin_1h", "closing_coin_1h", "churn_1h")
    for t in range(10, 3600, 10):
        m.second(t, trades=1)
    assert all(reading(m.engine, name) > 0.0 for name in names)
    for t in range(3600, 6000, 10):  # nobody publishes open interest any more
        m.log.at(t).heartbeat(A)
        m.log.heartbeat(B)
        play(m.engine, m.log)
        known = not math.isnan(reading(m.engine, "opening_coin_1h"))
        assert known == (t <= 3589.6 + 2000.0)


def test_amounts_that_cannot_be_are_not_published() -> None:
    """Open interest in contracts of a hundredth, trades in coin."""
    engine, log, quantity = Engine(), Log(), 1e6
    log.announce(A)
    for t in range(10, 3600, 10):
        quantity += 100.0
        log.at(t - 0.5).heartbeat(A)
        log.trade(A, 1.0, 1.0)
        log.open_interest(A, quantity, quantity, 1.0)
        log.at(t).heartbeat(A)
        play(engine, log)
    assert math.isnan(reading(engine, "opening_coin_1h"))
    assert math.isnan(reading(engine, "closing_coin_1h"))
    assert reading(engine, "churn_1h") == 0.01
