"""The heatmap from its definition: a ledger of positions for each map and side, contract by contract."""

import math
from dataclasses import dataclass, field

from streams.brackets import LEVERAGES
from tests.reference.kernels.heat import Ledger

NAN = math.nan
SHIFTS = (
    (1.0, 1024, 1),
    (0.5, 256, 4),
    (2.0, 256, 4),
)  # leverage, bins, width in bins of the first


def price_of(
    entry: float, leverage: float, m: float, amount: float, long: bool, inverse: bool
) -> float:
    """Return where equity is down to maintenance, found by bisection on what the position is worth."""

    def spare(price: float) -> float:
        if inverse:  # in coin, a contract of one USD, long owes it
            gain = (1.0 / entry - 1.0 / price) * (1.0 if long else -1.0)
            return 1.0 / entry / leverage + gain + amount / entry - m / price
        gain = (price - entry) * (1.0 if long else -1.0)
        return entry / leverage + gain + amount * entry - m * price

    low, high = (entry * 1e-6, entry) if long else (entry, entry * 1e6)
    if (spare(low) > 0.0) == (spare(high) > 0.0):
        return NAN
    rising = spare(high) > 0.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        if (spare(middle) > 0.0) == rising:
            high = middle
        else:
            low = middle
    return 0.5 * (low + high)


def furthest_half(pairs: list[tuple[float, float]]) -> float:
    """Return the furthest coordinate that half of the weight has reached, by walking from the far end."""
    if not any(weight for _, weight in pairs):
        pairs = [(x, 1.0) for x, _ in pairs]
    total, walked = math.fsum(w for _, w in pairs), 0.0
    for x, weight in sorted(pairs, reverse=True):
        walked += weight
        if 2.0 * walked >= total:
            return x
    return NAN


@dataclass
class Book:
    """What is known of one contract."""

    inverse: bool
    rates: tuple[float, ...]
    amounts: tuple[float, ...]
    now: float = NAN
    marks: list[float] = field(default_factory=list)  # since the last tick
    trades: list[tuple[float, float, bool]] = field(default_factory=list)  # coin, USD, bought
    oi: tuple[float, float, float] | None = None  # time, coin, USD
    since: tuple[float, float, float, list[list[float]]] | None = (
        None  # time, level, mark, consumed
    )


@dataclass
class Map:
    """All three maps of an underlying."""

    width: float
    passive: float
    prior: tuple[float, ...]
    half_life_s: float
    sample_s: float
    hold_s: float
    books: list[Book]
    ledgers: list[list[Ledger]] = field(
        default_factory=lambda: [[Ledger(bins), Ledger(bins)] for _, bins, _ in SHIFTS]
    )
    here: list[float] = field(default_factory=lambda: [NAN, NAN])

    def tick(self, now_s: float, dt_s: float, weights: list[float]) -> None:
        """Advance to `now_s`; `weights` are the contracts' usual USD."""
        for side, sign in enumerate((-1.0, 1.0)):
            here, reached = [], []
            for book, weight in zip(self.books, weights, strict=True):
                if book.now == book.now:
                    seen = [sign * math.log(x) for x in [*book.marks, book.now]]
                    here.append((seen[-1], weight))
                    reached.append((max(seen), weight))
            self.here[side] = furthest_half(here)
            end = furthest_half(reached)
            for (_, _, wide), pair in zip(SHIFTS, self.ledgers, strict=True):
                w = self.width * wide
                if end == end:
                    pair[side].move(math.floor(end / w), math.floor(self.here[side] / w))
                pair[side].age(dt_s, self.half_life_s)
        if self.here[0] == self.here[0]:
            known = [b.oi for b in self.books if b.oi and now_s - b.oi[0] <= self.hold_s]
            all_coin = math.fsum(oi[1] for oi in known)
            for book in self.books:
                self._flow(book, all_coin)
        for book in self.books:
            book.marks.clear()

    def _flow(self, book: Book, all_coin: float) -> None:
        if book.oi is None:
            return
        time_s, coin, usd = book.oi
        level = usd if book.inverse else coin
        if book.since is not None:
            then, before, mark, consumed = book.since
            if time_s <= then or round((time_s - then) * 1e9) < self.sample_s * 1e9:
                return
            if time_s - then <= self.hold_s:
                self._book(
                    book, level - before, math.sqrt(mark * book.now), coin, all_coin, consumed
                )
        book.since = (
            time_s,
            level,
            book.now,
            [[s.consumed for s in pair] for pair in self.ledgers],
        )
        book.trades.clear()

    def _book(
        self, book: Book, change: float, middle: float, coin: float, all_coin: float,
        consumed: list[list[float]],
    ) -> None:  # fmt: skip
        traded = math.fsum(t[0] for t in book.trades)
        entry = math.fsum(t[1] for t in book.trades) / traded if traded else middle
        buying = math.fsum(t[0] for t in book.trades if t[2]) / traded if traded else 0.5
        dq = change / entry if book.inverse else change
        for k, (shift, _, wide) in enumerate(SHIFTS):
            for side in range(2):
                ledger = self.ledgers[k][side]
                if dq > 0.0:
                    taken = buying if side == 0 else 1.0 - buying
                    part = dq * (taken + self.passive * (1.0 - taken))
                    self._open(ledger, book, side, part, entry, shift, self.width * wide)
                elif dq < 0.0:
                    share = (coin - dq) / (all_coin - dq)
                    left = -dq - share * (ledger.consumed - consumed[k][side])
                    if left > 0.0:
                        ledger.close(left / (all_coin - dq))

    def _open(
        self, ledger: Ledger, book: Book, side: int, coin: float, entry: float, shift: float, width: float
    ) -> None:  # fmt: skip
        offered = [i for i, m in enumerate(book.rates) if m == m]
        weight = math.fsum(self.prior[i] for i in offered)
        for i in offered:
            leverage = max(min(LEVERAGES[i] * shift, LEVERAGES[offered[-1]]), 1.0)
            tier = max((j for j in offered if LEVERAGES[j] <= leverage), default=offered[0])
            price = price_of(
                entry, leverage, book.rates[tier], book.amounts[tier], side == 0, book.inverse
            )
            if price == price:
                x = math.log(price) * (-1.0 if side == 0 else 1.0)
                ledger.open(math.floor(x / width), coin * self.prior[i] / weight)
