"""How many coins there are: what open interest is compared with (method 2.6).

Bitcoin's supply follows from time, see `streams.kernels.bitcoin`. Of other coins it is what trackers
showed as circulating on the date below. It changes by a few per cent a year, so levels are off by that and
ranks by next to nothing. A coin without an entry has no ratio.
"""

import math
from typing import Final

#: Changed with every change below; it is a field of the configuration and so part of its hash.
DATE: Final = 20251201

BITCOIN: Final = -1.0  # stands for the closed form where a number of coins is expected
CIRCULATING: Final[dict[str, float]] = {
    "ETH": 120.69e6,
    "XRP": 60.33e9,
    "BNB": 137.73e6,
    "SOL": 559.77e6,
    "ADA": 35.89e9,
}


def supply_of(underlying: str) -> float:
    """Return how many coins there are, `BITCOIN` where it depends on time, NaN where it is not known.

    >>> supply_of("ETH"), supply_of("PEPE")
    (120690000.0, nan)
    """
    return BITCOIN if underlying == "BTC" else CIRCULATING.get(underlying, math.nan)
