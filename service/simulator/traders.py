"""Traders with leverage: every position, its size and the price at which it is closed by force.

The true book that a heatmap can only guess at. Liquidation prices are those of `streams.brackets`. A position
on cross margin has one too far away to matter: it stands in open interest, but price never touches it. Sides
are 0 for longs, whom falling prices hurt, and 1 for shorts. Coin and USD a coin throughout.
"""

import math

import numpy as np

from streams.brackets import LEVERAGES
from streams.kernels.jit import Record, kernel
from streams.kernels.margin import liquidation_price

CAPACITY = 1 << 17  # positions of one side
FORCED_AT_ONCE = 1024  # of one side, in one step; more come in the next
TIERS = len(LEVERAGES)

BOOK = np.dtype([
    ("price", "f8", (2, CAPACITY)),  # where it is closed by force; cross margin: never
    ("coin", "f8", (2, CAPACITY)),
    ("count", "i8", (2,)), ("total", "f8", (2,)),
    ("nearest", "f8", (2,)),  # liquidation price
    ("shares", "f8", (TIERS,)),  # cumulative: of positions by leverage
    ("maintenance", "f8", (TIERS,)), ("amount", "f8", (TIERS,)),  # see streams.brackets
    ("isolated", "f8"),  # share of positions
])  # fmt: skip
NEVER = (0.0, math.inf)


@kernel
def book_init(b: Record) -> None:
    """Nobody holds anything; `shares`, `maintenance`, `amount` and `isolated` are the caller's."""
    for side in range(2):
        b.count[side] = 0
        b.total[side] = 0.0
        b.nearest[side] = NEVER[side]


@kernel
def nearer(side: int, price: float, other: float) -> bool:
    """Return whether a liquidation price is met before another.

    >>> nearer(0, 95.0, 90.0), nearer(1, 95.0, 90.0)
    (True, False)
    """
    return price > other if side == 0 else price < other


@kernel
def draw_leverage(b: Record, rng: Record) -> int:
    """Return a tier of `LEVERAGES`, of those that the venue offers."""
    while True:
        u = rng.random()
        for k in range(TIERS):
            if u <= b.shares[k]:
                if b.maintenance[k] == b.maintenance[k]:
                    return k
                break


@kernel
def open_position(b: Record, side: int, coin: float, entry: float, rng: Record) -> None:
    """Let somebody open `coin` at `entry` with a leverage drawn from the shares.

    >>> book = np.zeros(1, BOOK)[0]
    >>> book["maintenance"], book["isolated"] = 0.004, 1.0
    >>> book["shares"][3:] = 1.0
    >>> book_init(book)
    >>> open_position(book, 0, 2.0, 100_000.0, np.random.default_rng(1))
    >>> round(float(book["nearest"][0]), 2), book["total"].tolist()
    (90361.45, [2.0, 0.0])
    """
    k = b.count[side]
    if k == CAPACITY:
        return
    price = NEVER[side]
    if rng.random() < b.isolated:
        tier = draw_leverage(b, rng)
        price = liquidation_price(
            entry, LEVERAGES[tier], b.maintenance[tier], b.amount[tier], side == 0, False
        )
    b.price[side, k] = price
    b.coin[side, k] = coin
    b.count[side] = k + 1
    b.total[side] += coin
    if nearer(side, price, b.nearest[side]):
        b.nearest[side] = price


@kernel
def _remove(b: Record, side: int, k: int) -> None:
    last = b.count[side] - 1
    b.total[side] -= b.coin[side, k]
    b.price[side, k] = b.price[side, last]
    b.coin[side, k] = b.coin[side, last]
    b.count[side] = last
    if last == 0:
        b.total[side] = 0.0


@kernel
def look_for_nearest(b: Record, side: int) -> int:
    """Bring `nearest` up to date; return the place of that position, -1 if price can touch none."""
    best, found = NEVER[side], -1
    for k in range(b.count[side]):
        if nearer(side, b.price[side, k], best):
            best, found = b.price[side, k], k
    b.nearest[side] = best
    return found


@kernel
def fill_book(
    b: Record, coin: float, mean_coin: float, sigma: float, hours: float, index: Record, lowest: Record,
    highest: Record, rng: Record,
) -> None:  # fmt: skip
    """Let the book hold `coin`, opened in the past and not touched since.

    Args:
        b: the book.
        coin: of both sides together.
        mean_coin: of a position.
        sigma: of its ln.
        hours: mean age.
        index: hourly, up to now.
        lowest: of the index from each hour's end on.
        highest: the same.
        rng: the dice.
    """
    while b.total[0] + b.total[1] < coin:
        age = rng.standard_exponential() * hours
        hour = index.size - 2 - int(age)
        if hour < 0:
            continue
        entry = index[hour] + (index[hour + 1] - index[hour]) * rng.random()
        side = 0 if rng.random() < 0.5 else 1
        size = mean_coin * math.exp(sigma * rng.standard_normal() - 0.5 * sigma * sigma)
        open_position(b, side, size, entry, rng)
        place = b.count[side] - 1
        met = lowest[hour] if side == 0 else highest[hour]
        if not nearer(side, met, b.price[side, place]):
            _remove(b, side, place)
    look_for_nearest(b, 0)
    look_for_nearest(b, 1)


@kernel
def close_some(b: Record, side: int, share: float, rng: Record) -> float:
    """Let about this `share` of the positions be closed by their owners; return the coin."""
    before, met = b.total[side], False
    for _ in range(min(rng.poisson(share * b.count[side]), b.count[side])):
        k = int(rng.random() * b.count[side])
        met = met or b.price[side, k] == b.nearest[side]
        _remove(b, side, k)
    if met:
        look_for_nearest(b, side)
    return before - b.total[side]


@kernel
def take_touched(b: Record, side: int, mark: float, prices: Record, coins: Record) -> int:
    """Take out whom the mark has touched: their prices and coin, nearest first; return how many."""
    if nearer(side, mark, b.nearest[side]) or b.nearest[side] == NEVER[side]:
        return 0
    n = 0
    for k in range(b.count[side] - 1, -1, -1):
        if n < FORCED_AT_ONCE and not nearer(side, mark, b.price[side, k]):
            prices[n], coins[n] = b.price[side, k], b.coin[side, k]
            n += 1
            _remove(b, side, k)
    look_for_nearest(b, side)
    order = np.argsort(-prices[:n] if side == 0 else prices[:n])
    prices[:n], coins[:n] = prices[:n][order], coins[:n][order]
    return n


@kernel
def take_nearest(b: Record, side: int) -> float:
    """Take out the position that is nearest to its liquidation price; return its coin, 0 without one."""
    k = look_for_nearest(b, side)
    if k < 0:
        return 0.0
    coin = b.coin[side, k]
    _remove(b, side, k)
    look_for_nearest(b, side)
    return coin


@kernel
def true_fuel(b: Record, side: int, mark: float, reach: float) -> float:
    """Return the USD that would be forced on the way to a mark that is `reach` (ln) away."""
    end = mark * math.exp(-reach if side == 0 else reach)
    usd = 0.0
    for k in range(b.count[side]):
        price = b.price[side, k]
        if price != NEVER[side] and not nearer(side, end, price):
            usd += price * b.coin[side, k]
    return usd
