"""What each simulated venue calls a coin's contract, and what one contract is of. One line a venue."""

from typing import Final

import msgspec


class Lists(msgspec.Struct, frozen=True, kw_only=True):
    """How a venue lists a coin: `symbol` with ``{coin}`` in it.

    `size` is coin a contract (USD if `inverse`), or "okx": as OKX lists each coin. `names` are coins that the
    venue calls otherwise.
    """

    symbol: str
    size: str = "1"
    inverse: bool = False
    spot: bool = False
    names: dict[str, str] = {}

    def name(self, coin: str) -> str:
        """Return the symbol of a coin's contract.

        >>> Lists(symbol="PF_{coin}USD", names={"BTC": "XBT"}).name("BTC")
        'PF_XBTUSD'
        """
        return self.symbol.format(coin=self.names.get(coin, coin))


LISTINGS: Final[dict[str, Lists]] = {
    "binance_usdm": Lists(symbol="{coin}USDT"),
    "bybit": Lists(symbol="{coin}USDT"),
    "okx": Lists(symbol="{coin}-USDT-SWAP", size="okx"),
}
