"""The venues there are. A new one is a module with `service.venue.Venue`'s names, and a line here."""

from typing import Final

from service.venue import Venue
from service.venues import (
    aster,
    binance_coin,
    binance_spot,
    binance_usdm,
    bitfinex,
    bitget,
    bitmex,
    bybit,
    bybit_coin,
    bybit_spot,
    coinbase,
    coinbase_adv,
    coinbase_cde,
    deribit,
    dydx,
    gate,
    hyperliquid,
    kraken_perp,
    kraken_spot,
    lighter,
    okx,
    okx_spot,
)

VENUES: Final[dict[str, Venue]] = {
    "aster": aster,
    "binance_coin": binance_coin,
    "binance_spot": binance_spot,
    "binance_usdm": binance_usdm,
    "bitfinex": bitfinex,
    "bitget": bitget,
    "bitmex": bitmex,
    "bybit": bybit,
    "bybit_coin": bybit_coin,
    "bybit_spot": bybit_spot,
    "coinbase": coinbase,
    "coinbase_adv": coinbase_adv,
    "coinbase_cde": coinbase_cde,
    "deribit": deribit,
    "dydx": dydx,
    "gate": gate,
    "hyperliquid": hyperliquid,
    "kraken_perp": kraken_perp,
    "kraken_spot": kraken_spot,
    "lighter": lighter,
    "okx": okx,
    "okx_spot": okx_spot,
}
