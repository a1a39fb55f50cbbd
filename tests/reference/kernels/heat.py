"""A ledger of single positions: each is a record with its own bin, and every event visits every one."""

import math
from dataclasses import dataclass, field

TRIANGLE = {-2: 1 / 9, -1: 2 / 9, 0: 3 / 9, 1: 2 / 9, 2: 1 / 9}


@dataclass
class Position:
    """Part of an opening: what is left of it, where it would be closed by force, and how old it is."""

    bin: int
    coin: float
    age_s: float = 0.0


@dataclass
class Ledger:
    """One side's positions. `front` is the first bin price has not reached, `bins` how far is kept."""

    bins: int
    front: int | None = None
    positions: list[Position] = field(default_factory=list)
    opened: float = 0.0
    consumed: float = 0.0
    closed: float = 0.0
    aged: float = 0.0
    dropped: float = 0.0

    def move(self, reached: int, here: int) -> float:
        """Remove what price met; return its coin."""
        if self.front is None:
            self.front = here + 1
            return 0.0
        met = [p for p in self.positions if p.bin <= reached]
        rest = [p for p in self.positions if p.bin > reached]
        self.front = here + 1
        lost = [p for p in rest if p.bin >= self.front + self.bins]
        self.positions = [p for p in rest if p.bin < self.front + self.bins]
        consumed = math.fsum(p.coin for p in met)
        self.consumed += consumed
        self.dropped += math.fsum(p.coin for p in lost)
        return consumed

    def open(self, at: int, coin: float) -> None:
        """Add five positions around bin `at`."""
        assert self.front is not None
        for step, weight in TRIANGLE.items():
            part = coin * weight
            self.opened += part
            if at + step < self.front:
                self.consumed += part
            elif at + step >= self.front + self.bins:
                self.dropped += part
            else:
                self.positions.append(Position(at + step, part))

    def close(self, share: float) -> None:
        """Take the same share of every position."""
        for p in self.positions:
            self.closed += p.coin * share
            p.coin -= p.coin * share

    def age(self, dt_s: float, half_life_s: float) -> None:
        """Let every position fade."""
        kept = 0.5 ** (dt_s / half_life_s)
        for p in self.positions:
            self.aged += p.coin * (1.0 - kept)
            p.coin *= kept
            p.age_s += dt_s

    def by_bin(self) -> dict[int, float]:
        """Return the coin of each bin that has any."""
        out: dict[int, float] = {}
        for p in self.positions:
            if p.coin > 0.0:
                out[p.bin] = out.get(p.bin, 0.0) + p.coin
        return out

    def coin(self) -> float:
        """Return all coin."""
        return math.fsum(p.coin for p in self.positions)

    def usd(self, start: float, stop: float, width: float, sign: float) -> float:
        """Return the USD between two coordinates, a bin's coin evenly over its width."""
        total = []
        for k, coin in self.by_bin().items():
            low, high = max(start, k * width), min(stop, (k + 1) * width)
            share = max(high - low, 0.0) / width
            total.append(coin * share * math.exp(sign * (k + 0.5) * width))
        return math.fsum(total)

    def fuel(self, here: float, width: float, sign: float, reach: float) -> float:
        """Return the USD weighted by nearness."""
        return math.fsum(
            coin
            * math.exp(sign * (k + 0.5) * width)
            * math.exp(-((k + 0.5) * width - here) / reach)
            for k, coin in self.by_bin().items()
        )
