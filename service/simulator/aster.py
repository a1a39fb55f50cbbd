"""Aster over a simulated market: Binance's futures protocol without routes, as it was before 2026."""

from service.simulator.binance import Ways
from service.simulator.binance_futures import BinanceFutures
from service.simulator.wire import SECOND_NS


class Aster(BinanceFutures):
    """The face of Aster."""

    name = "aster"
    ways = Ways(routes=("",), ping_every_ns=300 * SECOND_NS, pong_within_ns=900 * SECOND_NS)
    api = "/fapi/v1"
