"""A market whose true book of positions is known: who would be liquidated where, minute by minute.

Traders open with leverage, now and then against another levered trader, else against one netting market
maker. They close voluntarily once a day on average, or by force when price touches their liquidation price,
and forced orders push the price on. What a venue publishes of it is open interest (the larger of all longs
and all shorts), the minute's traded volume and takers' share, and the price's extremes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

LEVERAGE = np.array([3.0, 5.0, 10.0, 20.0, 50.0, 100.0])
WEIGHT = np.array([0.10, 0.15, 0.30, 0.25, 0.15, 0.05])
MAINTENANCE = np.array([0.004, 0.004, 0.004, 0.004, 0.0045, 0.005])
COUNTERPARTY_LEVERED = 0.3
DAY = 1440
KAPPA = 1e-10  # ln price per USD forced
SIZE_COIN = 2.0
CLOSE_EVERY = 10  # minutes


@dataclass
class Minute:
    """What happened in a minute: public things first, then the truth."""

    number: int
    low: float
    high: float
    price: float
    open_interest: float
    traded: float
    bought: float
    forced: tuple[np.ndarray, np.ndarray]  # by side: rows of (price, USD)
    book: tuple[np.ndarray, np.ndarray]  # by side: rows as in World.positions, after the minute


class World:
    """One market from a seed."""

    def __init__(self, seed: int, price: float = 50_000.0) -> None:
        self.rng = np.random.default_rng(seed)
        self.price = price
        self.log_vol, self.push, self.trend = 0.0, 0.0, 0.0
        #: By side: (liquidation price, coin, minute of opening, a mark for whoever looks on).
        self.positions = [np.zeros((0, 4)), np.zeros((0, 4))]

    def _move(self) -> tuple[float, float]:
        """Move the price; return the minute's low and high."""
        self.log_vol += -0.002 * self.log_vol + 0.03 * self.rng.standard_normal()
        sigma = 0.025 / np.sqrt(DAY) * np.exp(self.log_vol)
        before = self.price
        step = float(sigma * self.rng.standard_normal() + self.push)
        self.trend = 0.99 * self.trend + step
        self.price = before * float(np.exp(step))
        return min(before, self.price), max(before, self.price)

    def _force(self, side: int, low: float, high: float) -> np.ndarray:
        rows = self.positions[side]
        hit = rows[:, 0] >= low if side == 0 else rows[:, 0] <= high
        if hit.any():
            self.positions[side] = rows[~hit]
        return np.column_stack([rows[hit, 0], rows[hit, 0] * rows[hit, 1]])

    def _close(self) -> None:
        for side, rows in enumerate(self.positions):
            self.positions[side] = rows[self.rng.random(len(rows)) > CLOSE_EVERY / DAY]

    def _positions(self, longs: np.ndarray, coin: np.ndarray, number: int) -> None:
        """Open levered positions at the price."""
        tier = self.rng.choice(len(LEVERAGE), size=len(coin), p=WEIGHT)
        paid, m = 1.0 / LEVERAGE[tier], MAINTENANCE[tier]
        below = self.price * (1.0 - paid) / (1.0 - m)
        above = self.price * (1.0 + paid) / (1.0 + m)
        for side, (price, those) in enumerate(((below, longs), (above, ~longs))):
            new = np.zeros((int(those.sum()), 4))
            new[:, 0], new[:, 1], new[:, 2] = price[those], coin[those], number
            self.positions[side] = np.concatenate([self.positions[side], new])

    def _open(self, number: int) -> tuple[float, float]:
        """Let traders come; return the traded and the bought coin."""
        rate = 7.5 + 4.5 * np.sin(2.0 * np.pi * number / DAY)
        count = int(self.rng.poisson(rate))
        buys = self.rng.random(count) < 0.5 + np.clip(5.0 * self.trend, -0.2, 0.2)
        coin = SIZE_COIN * self.rng.lognormal(0.0, 1.0, count)
        self._positions(buys, coin, number)
        against = self.rng.random(count) < COUNTERPARTY_LEVERED
        self._positions(~buys[against], coin[against], number)
        return float(coin.sum()), float(coin[buys].sum())

    def run(self, days: int) -> Iterator[Minute]:
        """Yield every minute."""
        for number in range(days * DAY):
            low, high = self._move()
            forced = (self._force(0, low, high), self._force(1, low, high))
            usd = [float(f[:, 1].sum()) for f in forced]
            self.push = 0.5 * self.push + KAPPA * (usd[1] - usd[0])
            if number % CLOSE_EVERY == 0:
                self._close()
            traded, bought = self._open(number)
            sums = [float(rows[:, 1].sum()) for rows in self.positions]
            yield Minute(
                number,
                low,
                high,
                self.price,
                max(sums),
                traded,
                bought,
                forced,
                (self.positions[0], self.positions[1]),
            )
