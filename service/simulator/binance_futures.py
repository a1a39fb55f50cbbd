"""Futures' streams of Binance, its products and clones, as documented, over a simulated market."""

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from service.simulator.binance import BinancePeer, Ways, connect
from service.simulator.binance_rest import FuturesRest, pair_of, size_of
from service.simulator.listing import Listed, Listing
from service.simulator.market import Market
from service.simulator.market_events import Liquidation, MarketEvent, Tick, Trade
from service.simulator.throttle import Throttle
from service.simulator.wire import MS_NS, SECOND_NS, Frame, Reply, decimals, encode

FIRST_ID = 3_000_000_000


class _AggTrade(msgspec.Struct, gc=False):
    e: str
    E: int
    a: int
    s: str
    p: str
    q: str
    f: int
    l: int
    T: int
    m: bool
    nq: str | msgspec.UnsetType = msgspec.UNSET
    st: int | msgspec.UnsetType = msgspec.UNSET


class _RawTrade(msgspec.Struct, gc=False):
    e: str
    E: int
    T: int
    s: str
    t: int
    p: str
    q: str
    X: str
    m: bool
    st: int | msgspec.UnsetType = msgspec.UNSET


class _MarkPrice(msgspec.Struct, gc=False):
    e: str
    E: int
    s: str
    p: str
    P: str
    i: str
    r: str
    T: int
    ap: str | msgspec.UnsetType = msgspec.UNSET
    st: int | msgspec.UnsetType = msgspec.UNSET


class _BookTicker(msgspec.Struct, gc=False):
    e: str
    u: int
    s: str
    ps: str
    b: str
    B: str
    a: str
    A: str
    T: int
    E: int
    st: int | msgspec.UnsetType = msgspec.UNSET


class _ForcedOrder(msgspec.Struct, gc=False):
    s: str
    S: str
    o: str
    f: str
    q: str
    p: str
    ap: str
    X: str
    l: str
    z: str
    T: int
    ps: str | msgspec.UnsetType = msgspec.UNSET
    st: int | msgspec.UnsetType = msgspec.UNSET


class _ForceOrder(msgspec.Struct, gc=False):
    e: str
    E: int
    o: _ForcedOrder


class _Streams:
    """A contract's stream names, spelled once."""

    __slots__ = ("aggregate", "book", "forced", "mark", "mark_1s", "raw")

    def __init__(self, symbol: str) -> None:
        low = symbol.lower()
        self.aggregate = f"{low}@aggTrade"
        self.raw = f"{low}@trade"
        self.book = f"{low}@bookTicker"
        self.mark = f"{low}@markPrice"
        self.mark_1s = f"{low}@markPrice@1s"
        self.forced = f"{low}@forceOrder"


class BinanceFutures:
    """The face of one product. `lifetime_s` and `throttle` may be changed while it runs.

    `market` is the product's `st`, 0 where events do not say it; then they lack other fields of 2026, too.
    """

    name: ClassVar[str]
    ways: ClassVar[Ways]
    api: ClassVar[str]
    market: ClassVar[int] = 0

    def __init__(self, market: Market) -> None:
        self.lifetime_s = 86_400.0
        self.throttle = Throttle("latest")
        self._listing = Listing(market, self.name)
        self._rest = FuturesRest(self._listing, self.api, FIRST_ID, statistics=self.market != 0)
        self._streams = {i: _Streams(c.symbol) for i, c in self._listing.by_index.items()}
        self._marks: list[_MarkPrice] = []
        self._st: int | msgspec.UnsetType = self.market or msgspec.UNSET

    def connect(self, path: str, query: Mapping[str, str], now_ns: int) -> BinancePeer | None:
        """Accept raw (/ws) and combined (/stream) connections on the product's routes."""
        return connect(self.ways, self.lifetime_s, path, query, now_ns)

    def frames(
        self, events: Sequence[MarketEvent], now_ns: int, wanted: Container[str]
    ) -> Iterator[Frame]:
        """Write market events as this venue does."""
        for event in events:
            listed = self._listing.by_index.get(event.contract)
            if listed is None:
                continue
            if isinstance(event, Trade):
                self._rest.remember(event)
                yield from self._trade(event, listed, wanted)
            elif isinstance(event, Tick):
                yield from self._tick(event, listed, wanted)
            elif isinstance(event, Liquidation):
                for at_ns, chosen in self.throttle.push(event):
                    yield from self._forced(at_ns, chosen, wanted)
        for at_ns, chosen in self.throttle.due(now_ns):
            yield from self._forced(at_ns, chosen, wanted)

    def rest(self, path: str, query: Mapping[str, str], now_ns: int) -> Reply:
        """Answer a GET within the weight budget."""
        return self._rest.answer(path, query, now_ns)

    def _new(self, value: str) -> str | msgspec.UnsetType:
        """Return the value of a field that events have since 2026, where they have it."""
        return value if self.market else msgspec.UNSET

    def _trade(self, trade: Trade, listed: Listed, wanted: Container[str]) -> Iterator[Frame]:
        streams = self._streams[trade.contract]
        if streams.aggregate not in wanted and streams.raw not in wanted:
            return
        ms, number = trade.time_ns // MS_NS, FIRST_ID + trade.number
        price, size = listed.price(trade.price), size_of(listed, trade.quantity, trade.price)
        maker_bought = trade.taker < 0
        if streams.aggregate in wanted:
            message: Any = _AggTrade(
                "aggTrade", ms, number, listed.symbol, price, size,
                number, number, ms, maker_bought, self._new(size), self._st,
            )  # fmt: skip
            yield Frame(streams.aggregate, "trade", encode(message), 1)
        if streams.raw in wanted:
            message = _RawTrade(
                "trade", ms, ms, listed.symbol, number, price, size, "MARKET", maker_bought, self._st
            )  # fmt: skip
            yield Frame(streams.raw, "raw_trade", encode(message), 1)

    def _tick(self, tick: Tick, listed: Listed, wanted: Container[str]) -> Iterator[Frame]:
        streams, second = self._streams[tick.contract], tick.time_ns // SECOND_NS
        message = self._mark_price(tick, listed)
        self._marks = [m for m in self._marks if message.E == m.E]
        self._marks.append(message)
        if streams.mark_1s in wanted:
            yield Frame(streams.mark_1s, "mark", encode(message))
        if second % 3 == 0 and streams.mark in wanted:
            yield Frame(streams.mark, "mark", encode(message))
        if len(self._marks) == len(self._streams):
            if "!markPrice@arr@1s" in wanted:
                yield Frame("!markPrice@arr@1s", "mark", encode(self._marks))
            if second % 3 == 0 and "!markPrice@arr" in wanted:
                yield Frame("!markPrice@arr", "mark", encode(self._marks))
        if streams.book in wanted:
            yield Frame(streams.book, "book", encode(self._book_ticker(tick, listed)))

    def _forced(self, at_ns: int, event: Liquidation, wanted: Container[str]) -> Iterator[Frame]:
        stream = self._streams[event.contract].forced
        if stream not in wanted and "!forceOrder@arr" not in wanted:
            return
        listed = self._listing.by_index[event.contract]
        size = size_of(listed, event.quantity, event.fill_price)
        order = _ForcedOrder(
            listed.symbol, "SELL" if event.position > 0 else "BUY", "LIMIT", "IOC", size,
            listed.price(event.bankruptcy_price), listed.price(event.fill_price), "FILLED",
            size, size, event.time_ns // MS_NS, self._new(pair_of(listed.symbol)), self._st,
        )  # fmt: skip
        payload = encode(_ForceOrder("forceOrder", at_ns // MS_NS, order))
        for name in (stream, "!forceOrder@arr"):
            if name in wanted:
                yield Frame(name, "liquidation", payload, 1)

    def _mark_price(self, tick: Tick, listed: Listed) -> _MarkPrice:
        mark, index = decimals(tick.mark, 8), decimals(tick.index, 8)
        return _MarkPrice(
            "markPriceUpdate", tick.time_ns // MS_NS, listed.symbol, mark, index, index,
            decimals(tick.funding_rate, 8), tick.next_funding_ns // MS_NS, self._new(mark), self._st,
        )  # fmt: skip

    def _book_ticker(self, tick: Tick, listed: Listed) -> _BookTicker:
        ms = tick.time_ns // MS_NS
        half = 0.5 * 10.0**-listed.contract.price_decimals
        bid, ask = listed.price(tick.mid - half), listed.price(tick.mid + half)
        return _BookTicker(
            "bookTicker", ms, listed.symbol, pair_of(listed.symbol), bid, "5.000", ask, "5.000", ms, ms,
            self._st,
        )  # fmt: skip
