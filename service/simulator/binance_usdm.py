"""Binance USD-M futures' websocket as the venue documents it, over a simulated market.

Three routes; a subscription on the wrong one, or on the retired unrouted URLs, is acknowledged and stays
silent. Only the public group is delivered on unrouted URLs.
"""

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from service.simulator.binance_rest import BinanceRest
from service.simulator.listing import Listed, Listing
from service.simulator.market import Market
from service.simulator.market_events import Liquidation, MarketEvent, Tick, Trade
from service.simulator.throttle import Throttle
from service.simulator.wire import (
    MS_NS,
    SECOND_NS,
    Care,
    Frame,
    Heard,
    Peer,
    Reply,
    decimals,
    encode,
)

FIRST_ID = 3_000_000_000
MOST_STREAMS = 1024
MOST_MESSAGES_PER_S = 10
PING_EVERY_NS = 180 * SECOND_NS
PONG_WITHIN_NS = 600 * SECOND_NS

_PATH = re.compile(r"^(?:/(public|market|private))?/(ws|stream)(?:/(.*))?$")
_PUBLIC = re.compile(r"(@trade|@bookTicker|@depth\S*|@rpiDepth\S*)$|^!bookTicker$")


class _AggTrade(msgspec.Struct, gc=False):
    e: str
    E: int
    a: int
    s: str
    p: str
    q: str
    nq: str
    f: int
    l: int
    T: int
    m: bool
    st: int = 1


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
    st: int = 1


class _MarkPrice(msgspec.Struct, gc=False):
    e: str
    E: int
    s: str
    p: str
    ap: str
    P: str
    i: str
    r: str
    T: int
    st: int = 1


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
    st: int = 1


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
    ps: str
    st: int = 1


class _ForceOrder(msgspec.Struct, gc=False):
    e: str
    E: int
    o: _ForcedOrder


def delivers(route: str, stream: str) -> bool:
    """Say whether a stream speaks on a route ("" is the retired URL).

    >>> delivers("market", "btcusdt@aggTrade"), delivers("", "btcusdt@aggTrade")
    (True, False)
    """
    return (route in {"public", ""}) if _PUBLIC.search(stream) else route == "market"


class BinancePeer(Peer):
    """One connection: its route, its form (raw or combined), its subscriptions."""

    def __init__(self, route: str, streams: list[str], lifetime_s: float, now_ns: int) -> None:
        super().__init__(now_ns)
        self.route = route
        self.combined = False
        self._lifetime_ns = int(lifetime_s * SECOND_NS)
        self._subscribed = dict.fromkeys(streams)
        self._sends: list[int] = []
        self.initial = self._speaking(streams)

    def hear(self, message: bytes, now_ns: int) -> Heard:
        """Answer SUBSCRIBE, UNSUBSCRIBE, LIST_SUBSCRIPTIONS and the properties."""
        self._sends = [t for t in self._sends if now_ns - t < SECOND_NS] + [now_ns]
        if len(self._sends) > MOST_MESSAGES_PER_S:
            return Heard(cut=(1008, "Too many requests"))
        try:
            request = msgspec.json.decode(message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _error(3, "Invalid JSON: expected value at line 1 column 1")
        if not isinstance(request, dict):
            return _error(2, "Invalid request: request must be an object")
        number = request.get("id")
        if number is not None and (not isinstance(number, int) or isinstance(number, bool)):
            return _error(2, "Invalid request: request ID must be an unsigned integer")
        return self._obey(request, number)

    def _obey(self, request: dict[str, Any], number: int | None) -> Heard:
        method, params = request.get("method"), request.get("params", [])
        if method == "LIST_SUBSCRIPTIONS":
            return _result(list(self._subscribed), number)
        if method in {"SET_PROPERTY", "GET_PROPERTY"}:
            return self._property(method, params, number)
        if method not in {"SUBSCRIBE", "UNSUBSCRIBE"}:
            return _error(2, f"Invalid request: unknown variant `{method}`")
        if not isinstance(params, list) or not params or any(type(p) is not str for p in params):
            return _error(2, "Invalid request: params must be a list of stream names")
        heard = _result(None, number)
        if method == "UNSUBSCRIBE":
            for stream in params:
                self._subscribed.pop(stream, None)
            heard.leave = params
            return heard
        if len(self._subscribed.keys() | set(params)) > MOST_STREAMS:
            return _error(2, f"Invalid request: at most {MOST_STREAMS} streams a connection")
        self._subscribed.update(dict.fromkeys(params))
        heard.join = self._speaking(params)
        return heard

    def _property(self, method: str, params: Any, number: int | None) -> Heard:
        if not isinstance(params, list) or not params or params[0] != "combined":
            return _error(0, "Unknown property")
        if method == "GET_PROPERTY":
            return _result(self.combined, number)
        if len(params) != 2 or not isinstance(params[1], bool):
            return _error(1, "Invalid value type: expected Boolean")
        self.combined = params[1]
        return _result(None, number)

    def _speaking(self, streams: Sequence[str]) -> list[str]:
        return [s for s in streams if delivers(self.route, s)]

    def care(self, now_ns: int) -> Care:
        """Ping each three minutes; end at the lifetime or when pongs stay out."""
        if now_ns - self.opened_ns >= self._lifetime_ns:
            return Care(cut=(1001, "24 hours are over"))
        if now_ns - self.ponged_ns >= PONG_WITHIN_NS:
            return Care(cut=(1008, "Pong timeout"))
        return Care(ping=now_ns - self.pinged_ns >= PING_EVERY_NS)

    def pack(self, frame: Frame) -> bytes:
        """Wrap market frames on combined connections."""
        if not self.combined or not frame.stream:
            return frame.payload
        if not frame.wrapped:
            frame.wrapped = b'{"stream":"%b","data":%b}' % (frame.stream.encode(), frame.payload)
        return frame.wrapped


def _result(value: object, number: int | None) -> Heard:
    return Heard(say=[Frame("", "ack", encode({"result": value, "id": number}))])


def _error(code: int, message: str) -> Heard:
    return Heard(say=[Frame("", "error", encode({"code": code, "msg": message}))])


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


class BinanceUsdm:
    """The face of Binance USD-M. `lifetime_s` and `throttle` may be changed while it runs."""

    name = "binance_usdm"

    def __init__(self, market: Market) -> None:
        self.lifetime_s = 86_400.0
        self.throttle = Throttle("latest")
        self._listing = Listing(market, "binance_usdm")
        self._rest = BinanceRest(self._listing)
        self._streams = {i: _Streams(c.symbol) for i, c in self._listing.by_index.items()}
        self._marks: list[_MarkPrice] = []

    def connect(self, path: str, query: Mapping[str, str], now_ns: int) -> BinancePeer | None:
        """Accept raw (/ws) and combined (/stream) connections, with or without a route."""
        match = _PATH.match(path)
        if match is None:
            return None
        route, form, named = match.groups()
        listed = query.get("streams", "") if form == "stream" else named or ""
        streams = [s for s in listed.split("/") if s]
        if len(streams) > MOST_STREAMS:
            return None
        peer = BinancePeer(route or "", streams, self.lifetime_s, now_ns)
        peer.combined = form == "stream"
        return peer

    def frames(
        self, events: Sequence[MarketEvent], now_ns: int, wanted: Container[str]
    ) -> Iterator[Frame]:
        """Write market events as this venue does."""
        for event in events:
            listed = self._listing.by_index.get(event.contract)
            if listed is None:
                continue
            if isinstance(event, Trade):
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

    def _trade(self, trade: Trade, listed: Listed, wanted: Container[str]) -> Iterator[Frame]:
        streams = self._streams[trade.contract]
        if streams.aggregate not in wanted and streams.raw not in wanted:
            return
        ms, number = trade.time_ns // MS_NS, FIRST_ID + trade.number
        price, size = listed.price(trade.price), listed.size(trade.quantity)
        maker_bought = trade.taker < 0
        if streams.aggregate in wanted:
            message: Any = _AggTrade(
                "aggTrade", ms, number, listed.symbol, price, size, size,
                number, number, ms, maker_bought,
            )  # fmt: skip
            yield Frame(streams.aggregate, "trade", encode(message), 1)
        if streams.raw in wanted:
            message = _RawTrade(
                "trade", ms, ms, listed.symbol, number, price, size, "MARKET", maker_bought
            )
            yield Frame(streams.raw, "raw_trade", encode(message), 1)

    def _tick(self, tick: Tick, listed: Listed, wanted: Container[str]) -> Iterator[Frame]:
        streams, second = self._streams[tick.contract], tick.time_ns // SECOND_NS
        message = _mark_price(tick, listed)
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
            yield Frame(streams.book, "book", encode(_book_ticker(tick, listed)))

    def _forced(self, at_ns: int, event: Liquidation, wanted: Container[str]) -> Iterator[Frame]:
        stream = self._streams[event.contract].forced
        if stream not in wanted and "!forceOrder@arr" not in wanted:
            return
        listed = self._listing.by_index[event.contract]
        size = listed.size(event.quantity)
        order = _ForcedOrder(
            listed.symbol, "SELL" if event.position > 0 else "BUY", "LIMIT", "IOC", size,
            listed.price(event.bankruptcy_price), listed.price(event.fill_price), "FILLED",
            size, size, event.time_ns // MS_NS, listed.symbol,
        )  # fmt: skip
        payload = encode(_ForceOrder("forceOrder", at_ns // MS_NS, order))
        for name in (stream, "!forceOrder@arr"):
            if name in wanted:
                yield Frame(name, "liquidation", payload, 1)


def _mark_price(tick: Tick, listed: Listed) -> _MarkPrice:
    mark, index = decimals(tick.mark, 8), decimals(tick.index, 8)
    return _MarkPrice(
        "markPriceUpdate", tick.time_ns // MS_NS, listed.symbol, mark, mark, index, index,
        decimals(tick.funding_rate, 8), tick.next_funding_ns // MS_NS,
    )  # fmt: skip


def _book_ticker(tick: Tick, listed: Listed) -> _BookTicker:
    ms = tick.time_ns // MS_NS
    half = 0.5 * 10.0**-listed.contract.price_decimals
    bid, ask = listed.price(tick.mid - half), listed.price(tick.mid + half)
    return _BookTicker(
        "bookTicker", ms, listed.symbol, listed.symbol, bid, "5.000", ask, "5.000", ms, ms
    )
