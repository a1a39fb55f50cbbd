"""What one venue lists of a market, and how it writes prices and quantities."""

from service.simulator.market import Market
from service.simulator.scenario import Contract, VenueName

SIZE_DECIMALS = 3


class Listed:
    """A contract with its venue's ways of writing numbers."""

    __slots__ = (
        "_price",
        "_size",
        "coin",
        "contract",
        "index",
        "inverse",
        "per_contract",
        "symbol",
    )

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.index = contract.index
        self.symbol = contract.symbol
        self.coin = contract.underlying
        self.inverse = contract.inverse
        self.per_contract = float(contract.contract_size)
        self._price = f"{{:.{contract.price_decimals}f}}".format
        self._size = f"{{:.{SIZE_DECIMALS}f}}".format

    def price(self, value: float) -> str:
        """Write a traded price, on the tick."""
        return self._price(value)

    def contracts(self, coin: float, price: float) -> float:
        """Return how many contracts a quantity of coin is; `price` matters for inverse contracts only.

        Inverse contracts come whole, one at least.
        """
        if self.inverse:
            return max(1.0, round(coin * price / self.per_contract))
        return coin / self.per_contract

    def size(self, coin: float) -> str:
        """Write a quantity of coin in contracts, of a linear contract."""
        return self._size(coin / self.per_contract)


class Listing:
    """A venue's contracts by their index in the market and by symbol."""

    def __init__(self, market: Market, venue: VenueName) -> None:
        self.market = market
        self.by_index = {c.index: Listed(c) for c in market.contracts if c.venue == venue}
        self.by_symbol = {listed.symbol: listed for listed in self.by_index.values()}
        self._all = dict(self.by_symbol)
        market.listings.setdefault(venue, []).append(self)

    def delist(self, symbol: str) -> None:
        """Take a contract off the venue: it is neither listed nor traded there any more."""
        listed = self.by_symbol.pop(symbol)
        del self.by_index[listed.index]

    def relist(self, symbol: str) -> None:
        """List a contract of the market that is off the venue."""
        listed = self._all[symbol]
        self.by_symbol[symbol] = listed
        self.by_index[listed.index] = listed


class RateLimit:
    """A budget per window of the clock. `take` says whether a cost still fits."""

    def __init__(self, most: int, window_ns: int) -> None:
        self.most = most
        self.used = 0
        self.over = 0  # refusals in this window
        self._window_ns = window_ns
        self._window = -1

    def take(self, cost: int, now_ns: int) -> bool:
        """Spend `cost`; False if the window's budget is gone (it stays spent)."""
        window = now_ns // self._window_ns
        if window != self._window:
            self._window, self.used, self.over = window, 0, 0
        self.used += cost
        self.over += self.used > self.most
        return self.used <= self.most

    def seconds_left(self, now_ns: int) -> int:
        """Return whole seconds until the next window, at least one."""
        return int((self._window_ns - now_ns % self._window_ns) // 10**9) + 1
