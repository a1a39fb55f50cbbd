"""A market in which nearly every reading is known: two slow days, then a busy hour.

Five venues: linear, inverse and sampled perpetuals, spot and a regulated future beside them. Every row that
has a price says it, which `tests.streams.properties.changed` relies on.
"""

import math
import random
from functools import cache

from streams.events import Flag, Side
from tests.reference.log import Contract, Log

LINEAR = Contract("alpha", "BTC")
INVERSE = Contract("beta", "BTC", inverse=True)
SAMPLED = Contract("gamma", "BTC", sampled=True)
SPOT = Contract("coinbase", "BTC")
FUTURE = Contract("coinbase_cde", "BTC", inverse=True)  # the id alone
PERPETUALS = (LINEAR, INVERSE, SAMPLED)
FLAGS = {SPOT: Flag.SPOT, FUTURE: Flag.REGULATED}
PRICE = 100.0
SLOW_S, STEP_S = 2 * 86_400 + 6 * 3_600, 45
BUSY_S = 3_600
FLUSH, SQUEEZE = range(900, 930), range(2_400, 2_430)  # seconds of the busy hour
OUTAGE = range(3_000, 3_030)  # steps of the slow days


class _Walk:
    """The state that rows are drawn from."""

    def __init__(self, seed: int, loudness: float) -> None:
        self.rng = random.Random(seed)
        self.loudness = loudness
        self.log_price = self.funding = self.crowd = 0.0
        self.coin = {LINEAR: 2.6e6, INVERSE: 2e6, SAMPLED: 1.4e6}
        self.premium = {c: self.rng.uniform(-2e-4, 4e-4) for c in (*PERPETUALS, FUTURE)}

    def move(self, seconds: float, drift: float = 0.0) -> None:
        """Move the price, and how much more the perpetuals cost."""
        self.log_price += self.rng.gauss(drift, 1e-4 * math.sqrt(seconds)) * self.loudness
        self.crowd += self.rng.gauss(-2e-5 * seconds * self.crowd, 3e-6 * math.sqrt(seconds))

    @property
    def price(self) -> float:
        """Return the index."""
        return PRICE * math.exp(self.log_price)


def _quote(log: Log, w: _Walk, c: Contract) -> None:
    """Write a heartbeat, prices and a trade; three of five takers buy."""
    rng = w.rng
    log.heartbeat(c)
    excess = w.premium[c] + w.crowd + rng.gauss(0.0, 5e-5) if c in w.premium else 0.0
    log.mark(c, w.price * math.exp(0.3 * excess), w.price, w.price * math.exp(excess))
    side = Side.BUY if rng.random() < 0.6 else Side.SELL
    log.trade(c, w.price * math.exp(excess), rng.lognormvariate(9.0, 1.0), side)


def _stand(log: Log, w: _Walk, c: Contract, growth: float) -> None:
    """Write an open interest."""
    w.coin[c] *= math.exp(w.rng.gauss(growth, 3e-4))
    log.open_interest(c, w.coin[c], w.coin[c] * w.price, w.price)


def _fund(log: Log, w: _Walk) -> None:
    """Write every rate; crowding comes and goes."""
    w.funding = 0.97 * w.funding + w.rng.gauss(0.0, 6e-5)
    for c in PERPETUALS:
        log.funding(c, w.funding + 0.1 * w.premium[c] + w.rng.gauss(0.0, 1e-5))


def _force(log: Log, w: _Walk, second: float, rate: float, longs: float) -> None:
    """Write a second's forced orders."""
    for at in sorted(w.rng.random() for _ in range(min(int(w.rng.expovariate(1.0 / rate)), 12))):
        log.at(second + 0.2 + 0.7 * at)
        side = Side.LONG if w.rng.random() < longs else Side.SHORT
        c = w.rng.choice(PERPETUALS)
        log.liquidation(c, side, w.price, w.rng.lognormvariate(2.0, 1.0))


def _slow(log: Log, w: _Walk) -> None:
    for k in range(1, SLOW_S // STEP_S):
        second = k * STEP_S
        w.move(STEP_S, 2e-4 * math.sin(k / 400.0))
        for n, c in enumerate((*PERPETUALS, SPOT, FUTURE)):
            log.at(second + 0.01 * n)
            if c is LINEAR and k in OUTAGE:
                continue
            _quote(log, w, c)
            if c in PERPETUALS:
                _stand(log, w, c, 2e-6)
        if k % 20 == 0:
            _fund(log, w)
        if w.rng.random() < 0.1:
            _force(log, w, second, 1.0, 0.5)


def _busy(log: Log, w: _Walk) -> None:
    for k in range(BUSY_S):
        second = SLOW_S + k
        down, up = k in FLUSH, k in SQUEEZE
        w.move(1.0, 2e-4 * (up - down))
        for n, c in enumerate((*PERPETUALS, SPOT, FUTURE)):
            log.at(second + 0.01 * n)
            if (k + n) % 2 == 0:
                _quote(log, w, c)
            if c in PERPETUALS and (k + n) % 3 == 0:
                _stand(log, w, c, -6e-3 if down or up else 1e-5)
        if k % 60 == 0:
            _fund(log, w)
        _force(log, w, second, 6.0 if down or up else 0.6, 0.9 if down else 0.1 if up else 0.5)


@cache
def whole_market(seed: int, loudness: float = 1.0) -> bytes:
    """Return the rows; `loudness` 0.003 hardly moves the price, so that USD and coin go together."""
    log, w = Log(), _Walk(seed, loudness)
    for c in (*PERPETUALS, SPOT, FUTURE):
        log.announce(c, FLAGS.get(c, 0))
    _slow(log, w)
    _busy(log, w)
    return log.take()
