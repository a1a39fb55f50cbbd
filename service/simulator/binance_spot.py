"""Binance spot over a simulated market: trades, and candles of one second that come whatever happens."""

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from service.simulator.binance import BinancePeer, Ways, connect
from service.simulator.binance_rest import BinanceRest
from service.simulator.listing import Listed, Listing
from service.simulator.market import Market
from service.simulator.market_events import MarketEvent, Trade
from service.simulator.wire import MS_NS, SECOND_NS, Frame, Reply, encode

FIRST_ID = 3_000_000_000
WEIGHT_PER_MINUTE = 6000
TRADES_WEIGHT = 4
INFO_WEIGHT = 20


class _AggTrade(msgspec.Struct, gc=False):
    e: str
    E: int
    s: str
    a: int
    p: str
    q: str
    f: int
    l: int
    T: int
    m: bool
    M: bool = True


class _Trade(msgspec.Struct, gc=False):
    e: str
    E: int
    s: str
    t: int
    p: str
    q: str
    T: int
    m: bool
    M: bool = True


class _Second(msgspec.Struct):
    """What was traded of a pair in the running second, by trade numbers and prices."""

    prices: list[float]
    quantities: list[float]
    last: float = 0.0


class SpotRest(BinanceRest):
    """Pairs, and trades by id."""

    def __init__(self, listing: Listing) -> None:
        super().__init__(listing, "/api/v3", FIRST_ID, WEIGHT_PER_MINUTE, TRADES_WEIGHT)

    def _cost(self, path: str, query: Mapping[str, str]) -> int:
        return INFO_WEIGHT if path.endswith("/exchangeInfo") else super()._cost(path, query)

    def _symbol(self, listed: Listed) -> dict[str, Any]:
        return {
            "symbol": listed.symbol,
            "status": "TRADING",
            "baseAsset": listed.coin,
            "baseAssetPrecision": 8,
            "quoteAsset": "USDT",
            "quotePrecision": 8,
            "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": True,
            "filters": [],
            "permissions": [],
        }


class BinanceSpot:
    """The face of Binance spot. `lifetime_s` may be changed while it runs."""

    name = "binance_spot"
    ways = Ways(
        routes=("",), streams=1024, messages_per_s=5,
        ping_every_ns=20 * SECOND_NS, pong_within_ns=60 * SECOND_NS,
    )  # fmt: skip

    def __init__(self, market: Market) -> None:
        self.lifetime_s = 86_400.0
        self._listing = Listing(market, self.name)
        self._rest = SpotRest(self._listing)
        self._seconds = {i: _Second([], []) for i in self._listing.by_index}
        self._told_s = market.start_ns // SECOND_NS

    def connect(self, path: str, query: Mapping[str, str], now_ns: int) -> BinancePeer | None:
        """Accept raw (/ws) and combined (/stream) connections."""
        return connect(self.ways, self.lifetime_s, path, query, now_ns)

    def frames(
        self, events: Sequence[MarketEvent], now_ns: int, wanted: Container[str]
    ) -> Iterator[Frame]:
        """Write trades as this venue does, and a candle for each second that has ended."""
        for event in events:
            listed = self._listing.by_index.get(event.contract)
            if listed is not None and isinstance(event, Trade):
                yield from self._candles(event.time_ns, wanted)
                yield from self._trade(event, listed, wanted)
        yield from self._candles(now_ns, wanted)

    def rest(self, path: str, query: Mapping[str, str], now_ns: int) -> Reply:
        """Answer a GET within the weight budget."""
        return self._rest.answer(path, query, now_ns)

    def _trade(self, trade: Trade, listed: Listed, wanted: Container[str]) -> Iterator[Frame]:
        self._rest.remember(trade)
        second = self._seconds[trade.contract]
        second.prices.append(trade.price)
        second.quantities.append(trade.quantity)
        ms, number, low = trade.time_ns // MS_NS, FIRST_ID + trade.number, listed.symbol.lower()
        price, size, maker_bought = (
            listed.price(trade.price),
            listed.size(trade.quantity),
            trade.taker < 0,
        )
        if f"{low}@aggTrade" in wanted:
            message: Any = _AggTrade(
                "aggTrade", ms, listed.symbol, number, price, size, number, number, ms, maker_bought
            )
            yield Frame(f"{low}@aggTrade", "trade", encode(message), 1)
        if f"{low}@trade" in wanted:
            message = _Trade("trade", ms, listed.symbol, number, price, size, ms, maker_bought)
            yield Frame(f"{low}@trade", "raw_trade", encode(message), 1)

    def _candles(self, now_ns: int, wanted: Container[str]) -> Iterator[Frame]:
        """Close every second before `now_ns`, also those without a trade."""
        while self._told_s < now_ns // SECOND_NS:
            for index, second in self._seconds.items():
                listed = self._listing.by_index[index]
                stream = f"{listed.symbol.lower()}@kline_1s"
                if stream in wanted:
                    yield Frame(stream, "kline", _candle(listed, second, self._told_s * 1000))
                last = second.prices[-1] if second.prices else second.last
                self._seconds[index] = _Second([], [], last)
            self._told_s += 1


def _candle(listed: Listed, second: _Second, start_ms: int) -> bytes:
    prices = second.prices or [second.last]
    volume = listed.size(sum(second.quantities))
    candle = {
        "t": start_ms, "T": start_ms + 999, "s": listed.symbol, "i": "1s", "f": -1, "L": -1,
        "o": listed.price(prices[0]), "c": listed.price(prices[-1]),
        "h": listed.price(max(prices)), "l": listed.price(min(prices)),
        "v": volume, "n": len(second.prices), "x": True, "q": "0", "V": "0", "Q": "0", "B": "0",
    }  # fmt: skip
    return encode({"e": "kline", "E": start_ms + 1000, "s": listed.symbol, "k": candle})
