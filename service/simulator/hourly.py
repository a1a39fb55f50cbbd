"""Funding paid every full hour: an eighth of what the eight-hour formula asks for, at each hour's end."""

from typing import Final

from service.simulator.funding import INTERVAL_NS, funding_rate
from service.simulator.history import History, Payment

HOUR_MS: Final = 3_600_000
PARTS: Final = INTERVAL_NS // (HOUR_MS * 10**6)


def hourly_rate(rate: float) -> float:
    """Return the rate of an hour from that of eight, both decimal.

    >>> hourly_rate(0.0008)
    0.0001
    """
    return rate / PARTS


def hourly_payments(history: History, contract: int, from_ms: int, to_ms: int) -> list[Payment]:
    """Return settlements in [from, to], ascending; their `rate` is decimal per hour, `mark` the index's."""
    span = from_ms - HOUR_MS, to_ms - HOUR_MS
    premia = history.bars(contract, "premium", HOUR_MS, *span)
    prices = {bar.start_ms: bar.close for bar in history.bars(contract, "index", HOUR_MS, *span)}
    return [
        Payment(bar.start_ms + HOUR_MS, hourly_rate(funding_rate(bar.close)), prices[bar.start_ms])
        for bar in premia
    ]
