"""Funding payments written out: every settlement with the rate and the open interest of its moment."""

from dataclasses import dataclass, field


@dataclass
class Payments:
    """What one contract's longs have paid, in whole cents, by the second of the settlement."""

    paid: dict[float, int] = field(default_factory=dict)

    def settle(self, at_s: float, rate: float, usd: float) -> None:
        """Settle, or correct what was settled at this moment."""
        self.paid[at_s] = round(rate * usd * 100.0)

    def within(self, now_s: float, hours: int) -> float:
        """Return USD paid in the window of full hours that ends now."""
        first = (now_s // 3600 - hours + 1) * 3600
        return sum(cents for at, cents in self.paid.items() if first <= at <= now_s) / 100.0


def accrued(rate_per_s: float, usd: float, since_s: float, now_s: float) -> float:
    """Return what has run up since the last settlement at a constant rate."""
    return rate_per_s * usd * (now_s - since_s)
