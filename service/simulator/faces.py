"""The faces there are: one line a venue."""

from collections.abc import Callable
from typing import Final

from service.simulator.aster import Aster
from service.simulator.binance_coin import BinanceCoin
from service.simulator.binance_spot import BinanceSpot
from service.simulator.binance_usdm import BinanceUsdm
from service.simulator.bitfinex import Bitfinex
from service.simulator.bitget import Bitget
from service.simulator.bitmex import Bitmex
from service.simulator.bybit import Bybit
from service.simulator.bybit_coin import BybitCoin
from service.simulator.bybit_spot import BybitSpot
from service.simulator.coinbase import Coinbase
from service.simulator.coinbase_advanced import CoinbaseAdv, CoinbaseCde
from service.simulator.deribit import Deribit
from service.simulator.dydx import Dydx
from service.simulator.gate import Gate
from service.simulator.hyperliquid import Hyperliquid
from service.simulator.kraken_perp import KrakenPerp
from service.simulator.kraken_spot import KrakenSpot
from service.simulator.lighter import Lighter
from service.simulator.market import Market
from service.simulator.okx import Okx
from service.simulator.okx_spot import OkxSpot
from service.simulator.wire import Face

FACES: Final[dict[str, Callable[[Market], Face]]] = {
    "aster": Aster,
    "binance_coin": BinanceCoin,
    "binance_spot": BinanceSpot,
    "binance_usdm": BinanceUsdm,
    "bitfinex": Bitfinex,
    "bitget": Bitget,
    "bitmex": Bitmex,
    "bybit": Bybit,
    "bybit_coin": BybitCoin,
    "bybit_spot": BybitSpot,
    "coinbase": Coinbase,
    "coinbase_adv": CoinbaseAdv,
    "coinbase_cde": CoinbaseCde,
    "deribit": Deribit,
    "dydx": Dydx,
    "gate": Gate,
    "hyperliquid": Hyperliquid,
    "kraken_perp": KrakenPerp,
    "kraken_spot": KrakenSpot,
    "lighter": Lighter,
    "okx": Okx,
    "okx_spot": OkxSpot,
}
