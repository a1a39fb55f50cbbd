"""Open interest that cannot be true."""

import random

import pytest

from streams.engine import Engine
from streams.events import Channel, Kind
from tests.reference.indicators.gates import usd_trips, volume_trips
from tests.reference.log import Contract, Log, play
from tests.truth import Truth

PRICE = 100.0


def contract(*, inverse: bool = False) -> Contract:
    return Contract("alpha", "BTC", inverse=inverse)


def begin(c: Contract) -> tuple[Engine, Log]:
    engine, log = Engine(), Log()
    log.announce(c)
    log.at(0.5).heartbeat(c)
    log.mark(c, PRICE, PRICE)
    return engine, log


@pytest.mark.parametrize("seed", range(6))
def test_both_gates_are_their_definitions(truth: Truth, seed: int) -> None:
    rng = random.Random(seed)
    c = contract(inverse=seed % 2 == 1)
    engine, log = begin(c)
    levels, usd_levels, trades, breaks = [], [], [], []
    quantity, t = 1000.0, 1.0
    for _ in range(400):
        t += rng.choice([0.5, 3.0, 20.0])
        log.at(t).heartbeat(c)
        log.mark(c, PRICE, PRICE)
        amount = rng.expovariate(1.0)
        log.trade(c, PRICE, amount)
        trades.append((t, amount * (PRICE if c.inverse else 1.0)))
        if rng.random() < 0.02:
            breaks.append(t + 0.1)
            log.at(t + 0.1).feed(Kind.GAP, c, Channel.TRADE)
        if rng.random() < 0.5:
            quantity += rng.gauss(0.0, 4.0)
            ratio = rng.choice([1.0, 1.019, 0.981, 1.021, 0.979, 100.0])
            usd = quantity * PRICE * (1.0 if c.inverse else ratio)
            log.at(t + 0.2).open_interest(c, quantity, usd, PRICE)
            levels.append((t + 0.2, usd if c.inverse else quantity))
            usd_levels.append((quantity, usd, PRICE))
        play(engine, log)
        counts = engine.counters
        more = counts["oi_volume_violation"] - volume_trips(levels, trades, breaks)
        truth(4, "levels caught moving by more than was traded, less those that did", more, 0)
        more = counts["oi_usd_mismatch"] - usd_trips(usd_levels)
        truth(4, "levels caught 2 % off the venue's USD, less those that were", more, 0)
    assert counts["oi_volume_violation"] > 0
    assert engine.state("BTC")["gates"][0]["volume_trips"] == counts["oi_volume_violation"]


@pytest.mark.parametrize(("scale", "trips"), [(1.0, 0), (10.0, 1), (0.1, 1), (100.0, 1), (1.03, 1)])
def test_a_wrong_contract_size_trips_the_usd_gate(scale: float, trips: int) -> None:
    c = contract()
    engine, log = begin(c)
    log.at(1.0).open_interest(c, 50.0 * scale, 50.0 * PRICE, PRICE)
    log.at(2.0).heartbeat(c)
    play(engine, log)
    assert engine.counters["oi_usd_mismatch"] == trips
    quality = engine.state("BTC")["readings"]["oi_usd"]["quality"]
    assert ("unit_assumed" in [word.lower() for word in quality]) == bool(trips)


@pytest.mark.parametrize(("scale", "tripped"), [(1.0, False), (20.0, True)])
def test_a_wrong_contract_size_trips_the_volume_gate(scale: float, tripped: bool) -> None:
    """Levels in contracts and trades in coins, or the reverse: a fifth of what is traded stays open."""
    rng = random.Random(3)
    c = contract()
    engine, log = begin(c)
    quantity = 5000.0
    for minute in range(1, 30):
        for step in range(20):
            log.at(60.0 * minute + step * 3.0).heartbeat(c)
            amount = rng.expovariate(1.0)
            log.trade(c, PRICE, amount)
            quantity += rng.uniform(-0.2, 0.4) * amount
        log.open_interest(c, quantity * scale)
    play(engine, log)
    assert (engine.counters["oi_volume_violation"] > 0) == tripped


def test_trades_that_may_have_been_missed_accuse_nobody() -> None:
    c = contract()
    engine, log = begin(c)
    for minute in range(1, 20):
        log.at(60.0 * minute).heartbeat(c, Channel.ALL & ~Channel.TRADE)
        log.trade(c, PRICE, 1.0)
        log.open_interest(c, 1000.0 * minute)
    play(engine, log)
    assert engine.counters["oi_volume_violation"] == 0
