"""Binance COIN-M futures over a simulated market: inverse contracts, whole ones.

Its streams are documented without a route; ``/market`` is served as well, as clients of 2026 use it.
"""

from service.simulator.binance import Ways
from service.simulator.binance_futures import BinanceFutures


class BinanceCoin(BinanceFutures):
    """The face of Binance COIN-M."""

    name = "binance_coin"
    ways = Ways(routes=("", "market"))
    api = "/dapi/v1"
    market = 2
