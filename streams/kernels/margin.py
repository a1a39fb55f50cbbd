"""Where an isolated position is closed by force (method 7.2).

A position of leverage L put up 1/L of its value. It is closed where its equity falls to the maintenance
margin: the rate m of its value there, less the venue's fixed amount for its bracket (`amount`, a share of the
value at entry). Linear contracts earn and owe USD, inverse ones coin.
"""

import math

from streams.kernels.jit import kernel


@kernel
def liquidation_price(
    entry: float, leverage: float, maintenance: float, amount: float, long: bool, inverse: bool
) -> float:
    """Return the price, in the unit of `entry`; NaN where there is none, as for a long without leverage.

    >>> round(liquidation_price(100_000.0, 10.0, 0.004, 0.0, True, False), 2)
    90361.45
    >>> liquidation_price(100_000.0, 1.0, 0.004, 0.0, False, True)
    nan
    """
    paid = 1.0 / leverage + amount
    if inverse and long:
        price = entry * (1.0 + maintenance) / (1.0 + paid)
    elif inverse:
        price = entry * (1.0 - maintenance) / (1.0 - paid)  # infinite or negative without leverage
    elif long:
        price = entry * (1.0 - paid) / (1.0 - maintenance)
    else:
        price = entry * (1.0 + paid) / (1.0 + maintenance)
    return price if 0.0 < price < math.inf else math.nan
