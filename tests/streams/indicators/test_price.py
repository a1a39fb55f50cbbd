import math
import random

import pytest

from streams.engine import Engine
from tests.reference.indicators.held import held_std
from tests.reference.indicators.open_interest import Path
from tests.reference.log import NAN, START_NS, Contract, Log, S, play, reading

A, B, C = Contract("alpha", "BTC"), Contract("beta", "BTC"), Contract("gamma", "BTC")


class Quotes:
    """The last index, mark and trade of one contract, with their times."""

    def __init__(self) -> None:
        self.seen: dict[int, tuple[float, float]] = {}
        self.before: tuple[int, float] | None = None

    def now(self, t: float) -> tuple[int, float] | None:
        """Return the best source that is at most a minute old, and its price."""
        for source in (1, 2, 3):
            if source in self.seen and t - self.seen[source][0] <= 60.0:
                return source, self.seen[source][1]
        return None


def tick(quotes: dict[Contract, Quotes], t: float) -> tuple[float, list[float]]:
    """Return the mean price and the log returns since each contract's last price, if any has one."""
    current = {c: q.now(t) for c, q in quotes.items()}
    known = [x[1] for x in current.values() if x]
    returns = []
    if known:
        for c, q in quotes.items():
            now = current[c]
            if now and q.before and q.before[0] == now[0]:
                returns.append(math.log(now[1] / q.before[1]))
            q.before = now
    return (sum(known) / len(known) if known else NAN), returns


def test_every_tick_equals_the_chain_of_matched_returns() -> None:
    engine, log, rng = Engine(), Log(), random.Random(4)
    quotes = {c: Quotes() for c in (A, B, C)}
    for c in quotes:
        log.announce(c)
    log_price, level, path = 0.0, 5000.0, Path()
    ticks, hourly = [], []
    t = 0
    while t < 6000:
        t += 1 if rng.random() < 0.5 else rng.randrange(20, 90)
        level *= math.exp(rng.gauss(0.0, 0.003))
        log.at(t)
        log.heartbeat(A)  # the tick sees what came before it
        play(engine, log)
        price, returns = tick(quotes, float(t))
        log_price += sum(returns) / len(returns) if returns else 0.0
        path.put(START_NS // S + t, NAN if math.isnan(price) else log_price)
        ticks.append(float(t))
        for c, q in quotes.items():
            offset = {A: 1.0, B: 1.001, C: 0.95}[c]
            if rng.random() < 0.3:
                log.mark(c, level * offset)
                q.seen[2] = (t, level * offset)
            if rng.random() < 0.3 and c is not C:
                log.mark(c, NAN, level * offset)
                q.seen[1] = (t, level * offset)
            if rng.random() < 0.2:
                log.trade(c, level * offset, 1.0)
                q.seen[3] = (t, level * offset)
        play(engine, log)
        assert reading(engine, "price") == pytest.approx(price, rel=1e-12, nan_ok=True)
        for name, window in (("15m", 900), ("1h", 3600), ("4h", 14_400)):
            change = path.values[-1] - path.at(START_NS // S + t, window)
            got = reading(engine, f"return_{name}")
            assert got == pytest.approx(change, abs=1e-12, nan_ok=True)
            if window == 3600:
                hourly.append(change)
        typical = engine._underlyings[0]["price"]["change"][1]
        if typical["observed_s"] > 0:
            expected = held_std(ticks, hourly, 7 * 86_400.0)
            assert math.sqrt(typical["variance"]) == pytest.approx(expected, rel=1e-9, abs=1e-15)
    assert any(math.isnan(value) for value in path.values)  # there were stretches without a price


def test_a_venue_that_joins_at_another_price_does_not_move_the_path() -> None:
    engine, log = Engine(), Log()
    log.announce(A)
    log.announce(B)
    for t in range(1, 40):
        log.at(t).mark(A, 100.0, 100.0)
        if t % 2:
            log.mark(B, 50.0, 50.0 if t % 4 == 1 else NAN)
        play(engine, log)
        assert engine._underlyings[0]["price"]["log_price"] == 0.0


def test_an_outage_of_all_venues_hides_no_move_and_makes_no_second_of_it() -> None:
    engine, log = Engine(), Log()
    log.announce(A)
    for t in range(1, 2000):
        log.at(t).heartbeat(A)
        if t < 800 or t >= 1000:
            log.mark(A, 100.0, 100.0 if t < 900 else 90.0)
        play(engine, log)
        price = engine._underlyings[0]["price"]
        if 861 <= t <= 1000:
            assert math.isnan(reading(engine, "price"))
            assert math.isnan(reading(engine, "return_15m"))
        elif t == 1001:
            assert math.isnan(price["last_return"])
        if 1001 <= t <= 1690:
            assert reading(engine, "return_15m") == pytest.approx(math.log(0.9))
    assert reading(engine, "return_15m") == 0.0


def test_a_source_that_stopped_gives_way_to_the_next() -> None:
    engine, log = Engine(), Log()
    log.announce(A)
    for t in range(1, 100):
        log.at(t).mark(A, 100.0 + t, 500.0 if t == 1 else NAN)
        play(engine, log)
        if t > 1:
            assert reading(engine, "price") == (500.0 if t <= 61 else 100.0 + t - 1)
