"""Binance USD-M futures over a simulated market.

Three routes; a subscription on the wrong one, or on the retired unrouted URLs, is acknowledged and stays
silent. Only the public group is delivered on unrouted URLs.
"""

from service.simulator.binance import Ways
from service.simulator.binance_futures import BinanceFutures


class BinanceUsdm(BinanceFutures):
    """The face of Binance USD-M."""

    name = "binance_usdm"
    ways = Ways(routes=("", "public", "market", "private"), split=True, streams=1024)
    api = "/fapi/v1"
    market = 1
