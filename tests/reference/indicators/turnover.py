"""A simulated tape whose traders' positions are known: what each side of each trade did is counted."""

import random
from dataclasses import dataclass, field


@dataclass
class Tape:
    """Traders with signed positions in quarters of a coin, so that every sum is exact in floating point."""

    rng: random.Random
    traders: int = 40
    positions: list[float] = field(default_factory=list)
    opening: float = 0.0
    closing: float = 0.0

    def __post_init__(self) -> None:
        self.positions = [0.0] * self.traders

    @property
    def open_interest(self) -> float:
        """Return all longs; all shorts are as much."""
        return sum(x for x in self.positions if x > 0.0)

    def trade(self) -> float:
        """Let two traders trade; count what each side opened and closed, and return the coins traded."""
        buyer, seller = self.rng.sample(range(self.traders), 2)
        amount = 0.25 * self.rng.randint(1, 40)
        for who, signed in ((buyer, amount), (seller, -amount)):
            before = self.positions[who]
            after = before + signed
            closed = min(amount, abs(before)) if before * signed < 0.0 else 0.0
            self.closing += closed
            self.opening += amount - closed
            self.positions[who] = after
        return amount
