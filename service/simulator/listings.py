"""What each simulated venue calls a coin's contract, and what one contract is of. One line a venue."""

from typing import Final

import msgspec


class Lists(msgspec.Struct, frozen=True, kw_only=True):
    """How a venue lists a coin: `symbol` with ``{coin}`` in it, or ``{number}`` where a market is a number.

    `size` is coin a contract (USD if `inverse`), or "okx": as OKX lists each coin; `sizes` are coins whose
    contracts differ. `names` are coins that the venue calls otherwise, and numbers that are known; of another
    coin the number is its name, read to the base of 36.
    """

    symbol: str
    size: str = "1"
    sizes: dict[str, str] = {}
    inverse: bool = False
    spot: bool = False
    names: dict[str, str] = {}

    def name(self, coin: str) -> str:
        """Return the symbol of a coin's contract.

        >>> Lists(symbol="PF_{coin}USD", names={"BTC": "XBT"}).name("BTC")
        'PF_XBTUSD'
        >>> numbered = Lists(symbol="{number}", names={"BTC": "1"})
        >>> numbered.name("BTC"), numbered.name("Z0")
        ('1', '1260')
        """
        called = self.names.get(coin, coin)
        if "{number}" in self.symbol:
            return self.symbol.format(number=int(called, 36))
        return self.symbol.format(coin=called)


LISTINGS: Final[dict[str, Lists]] = {
    "aster": Lists(symbol="{coin}USDT"),
    "binance_coin": Lists(symbol="{coin}USD_PERP", size="10", sizes={"BTC": "100"}, inverse=True),
    "binance_spot": Lists(symbol="{coin}USDT", spot=True),
    "binance_usdm": Lists(symbol="{coin}USDT"),
    "bitfinex": Lists(symbol="t{coin}F0:USTF0"),
    "bitget": Lists(symbol="{coin}USDT"),
    "bitmex": Lists(symbol="{coin}USDT", size="0.000001", names={"BTC": "XBT"}),
    "bybit": Lists(symbol="{coin}USDT"),
    "bybit_coin": Lists(symbol="{coin}USD", inverse=True),
    "bybit_spot": Lists(symbol="{coin}USDT", spot=True),
    "coinbase": Lists(symbol="{coin}-USD", spot=True),
    "coinbase_adv": Lists(symbol="{coin}-USD", spot=True),
    "coinbase_cde": Lists(
        symbol="{coin}-20DEC30-CDE",
        size="0.01",
        sizes={"ETH": "0.1", "SOL": "5"},
        names={"BTC": "BIP", "ETH": "ETP", "SOL": "SLP"},
    ),
    "deribit": Lists(symbol="{coin}-PERPETUAL", inverse=True),
    "dydx": Lists(symbol="{coin}-USD"),
    "gate": Lists(symbol="{coin}_USDT", size="0.0001"),
    "hyperliquid": Lists(symbol="{coin}"),
    "kraken_perp": Lists(symbol="PF_{coin}USD", names={"BTC": "XBT"}),
    "kraken_spot": Lists(symbol="{coin}/USD", spot=True),
    "lighter": Lists(symbol="{number}", names={"ETH": "0", "BTC": "1", "SOL": "2"}),
    "okx": Lists(symbol="{coin}-USDT-SWAP", size="okx"),
    "okx_spot": Lists(symbol="{coin}-USDT", spot=True),
}
