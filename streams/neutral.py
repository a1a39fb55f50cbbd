"""The funding rate that says nothing, by venue: what longs pay while perpetual and index agree (method 3.2).

Most exchanges add an interest component of 0.01 % per 8 hours (0.03 % a day) to the premium and clamp the
sum, so that their rate rests there: `neutral_rate_8h` in the configuration. These venues add none, and their
rate rests at zero; held against 0.01 % it would always look too low, by 10.95 points a year.

* deribit: the premium less a dead zone of 0.025 %, nothing added (support.deribit.com, Funding
  Specifications).
* dydx: the premium, and an interest of 0 unless governance sets one. Of the rates settled from October 2025
  to February 2026 17 % are exactly 0, and so is the median.
* kraken_perp: the premium of the hour (support.kraken.com, Contract Specifications); its settled rates rest
  nowhere.

In the same months Binance, Bybit, Hyperliquid and OKX rested at 0.01 % per 8 h, and Lighter at 0.0012 % an
hour, which is the same cut to four digits. Of Bitfinex, whose interest follows its lending market, no
constant is known: it gets the configured one.
"""

from typing import Final

#: Decimal per 8 hours, of venues whose neutral rate is not the configured one.
NEUTRAL_8H: Final = {"deribit": 0.0, "dydx": 0.0, "kraken_perp": 0.0}


def neutral_8h(venue: str, usual: float) -> float:
    """Return a venue's neutral rate per 8 hours; `usual` where it has none of its own.

    >>> neutral_8h("deribit", 1e-4), neutral_8h("bybit", 1e-4)
    (0.0, 0.0001)
    """
    return NEUTRAL_8H.get(venue, usual)
