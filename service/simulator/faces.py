"""The faces there are: one line a venue."""

from collections.abc import Callable
from typing import Final

from service.simulator.binance_usdm import BinanceUsdm
from service.simulator.bybit import Bybit
from service.simulator.market import Market
from service.simulator.okx import Okx
from service.simulator.wire import Face

FACES: Final[dict[str, Callable[[Market], Face]]] = {
    "binance_usdm": BinanceUsdm,
    "bybit": Bybit,
    "okx": Okx,
}
