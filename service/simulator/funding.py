"""The exchanges' funding formula: premium plus a clamped pull to the interest rate."""

from typing import Final

INTERVAL_NS: Final = 8 * 3600 * 10**9
INTEREST: Final = 0.0001  # per eight hours
DEAD_ZONE: Final = 0.0005
CAP: Final = 0.02


def funding_rate(premium: float) -> float:
    """Return the rate per eight hours for an average premium, both decimal.

    >>> [round(funding_rate(p / 1e4) * 1e4, 6) for p in (-10, -4, 0, 3, 6, 10)]
    [-5.0, 1.0, 1.0, 1.0, 1.0, 5.0]
    """
    # premium + clamp(interest - premium, -zone, zone), written so that the dead zone is exact
    rate = min(max(INTEREST, premium - DEAD_ZONE), premium + DEAD_ZONE)
    return min(max(rate, -CAP), CAP)


def next_funding_ns(now_ns: int) -> int:
    """Return the next settlement after `now_ns`: whole multiples of eight hours, UTC."""
    return (now_ns // INTERVAL_NS + 1) * INTERVAL_NS
