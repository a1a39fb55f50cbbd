"""Maintenance margins by venue: what decides how far from its entry a position is closed by force.

As venues publish them, read on the date below from their documentation and public copies of it. A bracket is
(position value up to, in USD; maintenance rate; most leverage). The fixed amount that makes brackets join
follows from them. Venues change brackets without notice and most offer lower rates to market makers, so
everything built on this is MODELLED. Unconfirmed: all but the first bracket of each venue outside Binance.

BTC and ETH have tables of their own; all other coins share that of a mid-sized one. A venue without a table
is taken for Binance.
"""

import math
from typing import Final

Brackets = tuple[tuple[float, float, float], ...]

#: Changed with every change below; it is a field of the configuration and so part of its hash.
DATE: Final = 20261122

LEVERAGES: Final = (2.0, 3.0, 5.0, 10.0, 20.0, 25.0, 50.0, 75.0, 100.0, 125.0)

#: A typical position in USD at each leverage: the more leverage, the smaller. A design choice.
TYPICAL_USD: Final = (1e5, 1e5, 5e4, 3e4, 1.5e4, 1e4, 5e3, 3e3, 2e3, 2e3)

MAJORS: Final = frozenset({"BTC", "ETH"})

_BINANCE: Final[Brackets] = (
    (3e5, 0.004, 125), (8e5, 0.005, 100), (3e6, 0.0065, 75), (1.2e7, 0.01, 50), (7e7, 0.02, 25),
    (1e8, 0.025, 20), (2.3e8, 0.05, 10), (4.8e8, 0.1, 5), (6e8, 0.125, 4), (8e8, 0.15, 3),
    (1.2e9, 0.25, 2), (1.8e9, 0.5, 1),
)  # fmt: skip
_OTHERS: Final[Brackets] = (
    (5e3, 0.015, 50), (5e4, 0.02, 25), (1e5, 0.025, 20), (1e6, 0.05, 10), (2e6, 0.1, 5),
    (2.5e6, 0.125, 4), (5e6, 0.25, 2), (1e7, 0.5, 1),
)  # fmt: skip

#: The majors' tables where they differ from Binance's.
VENUES: Final[dict[str, Brackets]] = {
    "bybit": ((2e6, 0.005, 100), (1e7, 0.01, 50)),
    "okx": ((1e6, 0.004, 100), (5e6, 0.01, 50)),
    "hyperliquid": ((1.5e8, 0.0125, 40),),  # half the margin of the most leverage, at any size
    "dydx": ((1e7, 0.012, 50),),
    "deribit": ((1e6, 0.01, 50),),
    "bitmex": ((1e7, 0.005, 100),),
    "kraken": ((5e5, 0.01, 50),),
    "bitfinex": ((1e6, 0.005, 100),),
}


def brackets(venue: str, underlying: str) -> Brackets:
    """Return the brackets of a venue's perpetuals on `underlying`.

    >>> brackets("okx", "BTC")[0]
    (1000000.0, 0.004, 100)
    """
    if underlying not in MAJORS:
        return _OTHERS
    return VENUES.get(venue, _BINANCE)


def fixed_amounts(table: Brackets) -> tuple[float, ...]:
    """Return each bracket's fixed amount in USD: what keeps the maintenance margin from jumping between them.

    >>> [round(amount) for amount in fixed_amounts(brackets("binance", "BTC"))[:6]]
    [0, 300, 1500, 12000, 132000, 482000]
    """
    amounts, amount, floor, before = [], 0.0, 0.0, 0.0
    for cap, maintenance, _ in table:
        amount += floor * (maintenance - before)
        amounts.append(amount)
        floor, before = cap, maintenance
    return tuple(amounts)


def terms(table: Brackets) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the maintenance rate and fixed amount (a share of the value) at each of `LEVERAGES`.

    Both are NaN at leverages the venue does not offer. Where a typical position is too large for its leverage
    it is as large as it may be.

    >>> rates, amounts = terms(((1e4, 0.01, 50), (1e6, 0.02, 25)))
    >>> rates[0], amounts[0], rates[6], rates[7]
    (0.02, 0.001, 0.01, nan)
    """
    rates, amounts = [], []
    for leverage, typical in zip(LEVERAGES, TYPICAL_USD, strict=True):
        rate = amount = math.nan
        for (cap, maintenance, most), owed in zip(table, fixed_amounts(table), strict=True):
            if most < leverage:
                break
            rate, amount = maintenance, owed / min(typical, cap)
            if typical <= cap:
                break
        rates.append(rate)
        amounts.append(amount)
    return tuple(rates), tuple(amounts)
