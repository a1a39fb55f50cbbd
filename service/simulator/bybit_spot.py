"""Bybit v5's spot websocket as the venue documents it, over a simulated market: trades and minute candles.

A request may name ten topics. A candle is told with the first trade of each second and when its minute ends.
"""

from collections.abc import Container, Iterator, Sequence
from typing import Any, ClassVar

import msgspec

from service.simulator.bybit import BybitFace
from service.simulator.bybit_rest import Category
from service.simulator.listing import Listed
from service.simulator.market import Market
from service.simulator.market_events import MarketEvent, Trade
from service.simulator.wire import MS_NS, SECOND_NS, Frame, encode

MINUTE_NS = 60 * SECOND_NS


class _Candle(msgspec.Struct):
    """A minute of one pair: prices USD, volume coin, turnover USD."""

    start_ns: int
    open: float
    high: float
    low: float
    close: float
    told_s: int = 0
    traded_ns: int = 0
    volume: float = 0.0
    turnover: float = 0.0


class BybitSpot(BybitFace):
    """The face of Bybit's spot category."""

    name: ClassVar[str] = "bybit_spot"
    category: ClassVar[Category] = "spot"
    kinds = ("publicTrade", "kline.1")
    most_args = 10

    def __init__(self, market: Market) -> None:
        super().__init__(market)
        self._candles: dict[int, _Candle] = {}

    def frames(
        self,
        events: Sequence[MarketEvent],
        now_ns: int,  # noqa: ARG002 - the face's contract; nothing here waits
        wanted: Container[str],
    ) -> Iterator[Frame]:
        """Write market events as this venue does."""
        for event in events:
            listed = self._listing.by_index.get(event.contract)
            if listed is not None and isinstance(event, Trade):
                yield from self.trade(event, listed, wanted)
                yield from self._candle(event, listed, wanted)

    def _candle(self, trade: Trade, listed: Listed, wanted: Container[str]) -> Iterator[Frame]:
        topic, start_ns = f"kline.1.{listed.symbol}", trade.time_ns // MINUTE_NS * MINUTE_NS
        candle = self._candles.get(listed.index)
        if candle is None or candle.start_ns != start_ns:
            if candle is not None and topic in wanted:
                yield _frame(topic, listed, candle, start_ns, confirm=True)
            candle = _Candle(start_ns, trade.price, trade.price, trade.price, trade.price)
            self._candles[listed.index] = candle
        candle.high, candle.low = max(candle.high, trade.price), min(candle.low, trade.price)
        candle.close, candle.traded_ns = trade.price, trade.time_ns
        candle.volume += trade.quantity
        candle.turnover += trade.quantity * trade.price
        second = trade.time_ns // SECOND_NS
        if second != candle.told_s and topic in wanted:
            candle.told_s = second
            yield _frame(topic, listed, candle, trade.time_ns, confirm=False)


def _frame(topic: str, listed: Listed, candle: _Candle, at_ns: int, *, confirm: bool) -> Frame:
    row: dict[str, Any] = {
        "start": candle.start_ns // MS_NS,
        "end": (candle.start_ns + MINUTE_NS) // MS_NS - 1,
        "interval": "1",
        "open": listed.price(candle.open),
        "close": listed.price(candle.close),
        "high": listed.price(candle.high),
        "low": listed.price(candle.low),
        "volume": listed.size(candle.volume),
        "turnover": f"{candle.turnover:.4f}",
        "confirm": confirm,
        "timestamp": candle.traded_ns // MS_NS,
    }
    body = {"topic": topic, "data": [row], "ts": at_ns // MS_NS, "type": "snapshot"}
    return Frame(topic, "candle", encode(body))
