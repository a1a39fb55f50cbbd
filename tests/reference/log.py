"""Synthetic market logs: a small writer of rows, and a seeded random market over several venues."""

import random
from dataclasses import dataclass

import numpy as np

from streams.engine import Engine
from streams.events import Channel, Flag, Kind, RowBuffer, Side, block_rows
from streams.instruments import stable_id
from streams.signals import fact

S = 1_000_000_000
START_NS = 19_676 * 86_400 * S  # midnight, so that every ring's buckets start with the log
NAN = float("nan")


@dataclass(frozen=True)
class Contract:
    """One invented contract."""

    venue: str
    underlying: str
    inverse: bool = False
    sampled: bool = False
    interval_s: int = 8 * 3600

    @property
    def id(self) -> int:
        """Return its stable id."""
        return stable_id(self.venue, f"{self.underlying}-{'USD' if self.inverse else 'USDT'}")


class Log:
    """Writes rows at a moment that the test moves; `take` returns what was written since last time."""

    def __init__(self, start_ns: int = START_NS) -> None:
        self.start_ns = self.now_ns = start_ns
        self.received_ns: int | None = None  # None: with the exchange time
        self._buffer = RowBuffer()

    def at(self, seconds: float) -> "Log":
        """Move to `seconds` after the start."""
        self.now_ns = self.start_ns + round(seconds * S)
        return self

    @property
    def _received(self) -> int:
        return self.now_ns if self.received_ns is None else self.received_ns

    def take(self) -> bytes:
        """Return the rows written since the last call."""
        rows = bytes(self._buffer.view())
        self._buffer.clear()
        return rows

    def announce(self, c: Contract, flags: int = 0, quote: str = "") -> None:
        """Write the contract's facts."""
        flags |= Flag.INVERSE if c.inverse else 0
        flags |= Flag.SAMPLED if c.sampled else Flag.COMPLETE
        self._buffer.contract(
            flags, c.id, self.now_ns, self._received, c.interval_s * S, c.underlying, c.venue, quote
        )

    def floats(
        self, kind: int, c: Contract, a: float, b: float, c_: float, side: int = 0, flags: int = 0
    ) -> None:
        """Write any row with three floats."""
        self._buffer.floats(kind, side, flags, c.id, self.now_ns, self._received, 0, a, b, c_)

    def trade(self, c: Contract, price: float, quantity: float, side: Side = Side.BUY) -> None:
        """Write a trade."""
        self.floats(Kind.TRADE, c, price, quantity, price * quantity, side)

    def mark(
        self, c: Contract, mark: float, index: float = NAN, mid: float = NAN, flags: int = 0
    ) -> None:
        """Write a mark, index and mid price."""
        self.floats(Kind.MARK, c, mark, index, mid, 0, flags)

    def open_interest(
        self, c: Contract, quantity: float, usd: float = NAN, mark: float = NAN, flags: int = 0
    ) -> None:
        """Write an open interest."""
        self.floats(Kind.OPEN_INTEREST, c, quantity, usd, mark, 0, flags)

    def liquidation(
        self, c: Contract, side: Side, price: float, quantity: float, flags: int | None = None
    ) -> None:
        """Write a liquidation of positions on `side`."""
        if flags is None:
            flags = Flag.SAMPLED | Flag.PRICE_FILL if c.sampled else Flag.COMPLETE
        self.floats(Kind.LIQUIDATION, c, price, quantity, price * quantity, side, flags)

    def funding(
        self, c: Contract, rate: float, interval_s: int | None = None, flags: int = 0
    ) -> None:
        """Write a funding rate per its interval."""
        every = (c.interval_s if interval_s is None else interval_s) * S
        self._buffer.funding(flags, c.id, self.now_ns, self._received, rate, every, 0)

    def heartbeat(self, c: Contract, channels: int = Channel.ALL) -> None:
        """Say which channels are live."""
        self.feed(Kind.HEARTBEAT, c, channels)

    def feed(self, kind: int, c: Contract, channels: int = Channel.ALL, flags: int = 0) -> None:
        """Write any row with three integers."""
        self._buffer.integers(kind, flags, c.id, self.now_ns, self._received, channels, 0, 0)


def play(engine: Engine, log: Log) -> list[bytes]:
    """Fold what was written; return the signals' ids and facts as bytes."""
    return [fact(signal) for signal in engine.fold(log.take(), engine.offset + 1)]


def reading(engine: Engine, name: str, underlying: str = "BTC") -> float:
    """Return a reading's value, NaN if unknown."""
    k = engine._index[underlying]
    return float(engine._underlyings[k]["readings"][name]["value"])


VENUES = (("alpha", False, False), ("beta", True, False), ("gamma", False, True))


class _Book:
    """What one contract's rows are drawn from."""

    def __init__(self, contract: Contract, rng: random.Random) -> None:
        self.contract = contract
        self.quantity = rng.uniform(800.0, 3000.0)
        self.premium = rng.uniform(-3e-4, 5e-4)
        self.rate = rng.uniform(-2e-4, 6e-4)


def market(
    seed: int,
    seconds: int = 90,
    underlyings: tuple[str, ...] = ("BTC", "ETH"),
    *,
    hostile: bool = True,
) -> bytes:
    """Return a random market's rows in log order: crashes, late rows, dying feeds and, if asked, nonsense."""
    rng = random.Random(seed)
    log = Log()
    books = [_Book(Contract(v, u, i, s), rng) for u in underlyings for v, i, s in VENUES]
    prices = {u: rng.uniform(100.0, 90_000.0) for u in underlyings}
    for book in books:
        log.announce(book.contract)
    for second in range(1, seconds):
        log.at(second)
        for u in underlyings:
            prices[u] *= 1.0 + rng.gauss(0.0, 5e-4) - (0.002 if second % 60 > 48 else 0.0)
        for book in rng.sample(books, len(books)):
            _second(log, book, prices[book.contract.underlying], second, rng)
            if hostile and rng.random() < 0.1:
                _nonsense(log, book.contract, rng)
    rows = block_rows(log.take())
    return rows[np.argsort(rows["received_ns"], kind="stable")].tobytes()


def _second(log: Log, book: _Book, price: float, second: int, rng: random.Random) -> None:
    c = book.contract
    moments = sorted(rng.uniform(0.0, 0.999) for _ in range(6))
    log.at(second + moments[0])
    if not 30 <= second % 75 < 55 or c.venue != "alpha":  # alpha's heart stops now and then
        log.heartbeat(c)
    log.at(second + moments[1])
    log.received_ns = log.now_ns
    if rng.random() < 0.05:  # it comes when others of later times have come
        log.now_ns -= rng.randrange(3 * S)
    mid = price * (1.0 + book.premium) if rng.random() < 0.5 else NAN
    log.mark(c, price * (1.0 + 0.3 * book.premium), price, mid)
    log.received_ns = None
    log.at(second + moments[2])
    if rng.random() < 0.5:
        side = Side.BUY if rng.random() < 0.5 else Side.SELL
        log.trade(c, price * (1.0 + book.premium), rng.lognormvariate(0.0, 1.0), side)
    log.at(second + moments[3])
    if rng.random() < 0.25:
        book.quantity *= 1.0 + rng.gauss(0.0, 0.002) - (0.004 if second % 60 > 48 else 0.0)
        log.open_interest(c, book.quantity, book.quantity * price if c.inverse else NAN)
    if rng.random() < 0.1:
        book.rate += rng.gauss(0.0, 2e-5)
        log.funding(c, book.rate)
    busy = 0.9 if second % 60 > 48 else 0.05
    for moment in moments[4:]:
        log.at(second + moment)
        if rng.random() < busy:
            side = Side.LONG if rng.random() < 0.9 else Side.SHORT
            log.liquidation(c, side, price, rng.lognormvariate(1.0, 1.0))


def _nonsense(log: Log, c: Contract, rng: random.Random) -> None:
    """Write a row that must change nothing but a counter."""
    stranger = Contract("nowhere", c.underlying)
    bad = rng.choice([NAN, float("inf"), -1.0, 0.0, 1e300, 1e-320])
    choice = rng.randrange(8)
    if choice == 0:
        log.trade(stranger, 1.0, 1.0)
    elif choice == 1:
        log.floats(rng.choice([0, 6, 15, 20, 31, 40, 255]), c, 1.0, 1.0, 1.0)
    elif choice == 2:
        log.floats(Kind.TRADE, c, bad, 1.0, 1.0, Side.BUY)
    elif choice == 3:
        log.floats(Kind.LIQUIDATION, c, 1.0, 1.0, float("inf"), Side.LONG, Flag.COMPLETE)
    elif choice == 4:
        log.open_interest(c, -5.0, bad)
    elif choice == 5:
        log.open_interest(c, float("inf"), NAN, bad)
    elif choice == 6:
        log.funding(c, rng.choice([NAN, 5.0, float("-inf")]))
    else:
        log.mark(c, float("inf"), bad, 1.0)
