"""Lighter's websocket and REST as documented and seen, over a simulated market.

Markets are numbers. A subscription is answered with what is there: the last trades, newest first, and the
last forced closes apart from them, or the levels of all markets. Forced closes are in no list of trades.
Each tenth of them is taken over past the book, which is no trade for anybody.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from service.simulator.hourly import HOUR_MS, hourly_payments, hourly_rate
from service.simulator.listing import Listed, Listing, RateLimit
from service.simulator.market import Market
from service.simulator.market_events import Liquidation, MarketEvent, Tick, Trade
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
    integer,
    json_reply,
)

PATH: Final = "/stream"
SILENCE_NS: Final = 120 * SECOND_NS
MOST_SUBSCRIPTIONS: Final = 100
KEPT: Final = 50  # of each list, repeated to who subscribes
TAKEN_OVER_EVERY: Final = 10
REQUESTS_A_MINUTE: Final = 60
ROWS_A_PAGE: Final = 750
FIRST_ID: Final = 18_240_999_145
EVERYBODY: Final = "market_stats:all"


class LighterPeer(Peer):
    """One connection. It is closed when it has said nothing for two minutes."""

    def __init__(self, face: "Lighter", now_ns: int) -> None:
        super().__init__(now_ns)
        body = {"session_id": "6b27e9ee-3ec0-4321-8832-993fde229187", "type": "connected"}
        self.greeting = [Frame("", "connected", encode(body))]
        self._face = face
        self._streams: set[str] = set()

    def hear(self, message: bytes, now_ns: int) -> Heard:
        """Answer ping, subscribe and unsubscribe."""
        try:
            request = msgspec.json.decode(message)
            said, channel = request["type"], str(request.get("channel", ""))
        except (msgspec.DecodeError, UnicodeDecodeError, TypeError, KeyError, AttributeError):
            return _error(30001, "Invalid Message")
        if said == "ping":
            return Heard(say=[Frame("", "pong", encode({"type": "pong"}))])
        if said == "pong":
            return Heard()
        stream = channel.replace("/", ":", 1)
        if said not in {"subscribe", "unsubscribe"} or not self._face.has(stream):
            return _error(30005, "Invalid Channel")
        if said == "unsubscribe":
            self._streams.discard(stream)
            body = {"type": "unsubscribed", "channel": stream}
            return Heard(say=[Frame("", "ack", encode(body))], leave=[stream])
        if stream in self._streams:
            return _error(30003, "Already Subscribed")
        if len(self._streams) == MOST_SUBSCRIPTIONS:
            return _error(30009, "Too Many Subscriptions")
        self._streams.add(stream)
        return Heard(say=[self._face.first(stream, now_ns)], join=[stream])

    def care(self, now_ns: int) -> Care:
        """End a connection whose client is not heard."""
        if now_ns - self.heard_ns > SILENCE_NS:
            return Care(cut=(1008, "no pong"))
        return Care()


def _error(code: int, message: str) -> Heard:
    body = {"error": {"code": code, "message": message}}
    return Heard(say=[Frame("", "error", encode(body))])


class _Lists(msgspec.Struct):
    """A market's trades and forced closes, as they stand in frames."""

    trades: Any
    forced: Any


class Lighter:
    """The face of Lighter."""

    name = "lighter"

    def __init__(self, market: Market) -> None:
        self._listing = Listing(market, self.name)
        self._limit = RateLimit(REQUESTS_A_MINUTE, 60 * SECOND_NS)
        self._number = FIRST_ID  # of the last trade of any market
        self._closes = 0
        self._last = {
            listed.symbol: _Lists(deque(maxlen=KEPT), deque(maxlen=KEPT))
            for listed in self._listing.by_index.values()
        }
        #: Forced closes whose trade, which comes next, is not told yet.
        self._forced: Counter[tuple[int, int, float, float]] = Counter()

    def connect(
        self,
        path: str,
        query: Mapping[str, str],  # noqa: ARG002 - who only reads is served like anybody
        now_ns: int,
    ) -> LighterPeer | None:
        """Accept connections to the one path there is."""
        return LighterPeer(self, now_ns) if path == PATH else None

    def has(self, stream: str) -> bool:
        """Say whether there is such a channel."""
        channel, _, number = stream.partition(":")
        known = number in self._listing.by_symbol
        return stream == EVERYBODY or (channel in {"trade", "market_stats"} and known)

    def first(self, stream: str, now_ns: int) -> Frame:
        """Write what a new subscription begins with: old trades or the present levels."""
        channel, _, number = stream.partition(":")
        if channel == "trade":
            last = self._last[number]
            told = _Lists(list(last.trades)[::-1], list(last.forced)[::-1])
            return Frame(stream, "trade", _trades("subscribed", stream, told))
        chosen = self._listing.by_symbol if stream == EVERYBODY else [number]
        every = {
            one: _levels(listed, self._listing.market.tick(listed.index, now_ns))
            for one in chosen
            for listed in [self._listing.by_symbol[one]]
        }
        body = every if stream == EVERYBODY else every[number]
        return Frame(stream, "ticker", _statistics("subscribed", stream, body, now_ns))

    def frames(
        self, events: Sequence[MarketEvent], now_ns: int, wanted: Container[str]
    ) -> Iterator[Frame]:
        """Write market events as this venue does: what has happened since, a frame a market."""
        happened: dict[str, _Lists] = defaultdict(lambda: _Lists([], []))
        moved: dict[str, Tick] = {}
        for event in events:
            listed = self._listing.by_index.get(event.contract)
            if listed is None:
                continue
            if isinstance(event, Liquidation):
                self._forced[event.contract, event.time_ns, event.fill_price, event.quantity] += 1
            elif isinstance(event, Trade):
                self._take(event, listed, happened[listed.symbol])
            elif isinstance(event, Tick):
                moved[listed.symbol] = event
        for symbol, told in happened.items():
            yield from self._told(f"trade:{symbol}", told, wanted)
        if moved:
            yield from self._moved(moved, now_ns, wanted)

    def _take(self, trade: Trade, listed: Listed, told: _Lists) -> None:
        """Put a trade where it belongs, and what is told of a takeover besides."""
        key = (trade.contract, trade.time_ns, trade.price, trade.quantity)
        forced = self._forced.pop(key, 0)
        if forced > 1:
            self._forced[key] = forced - 1
        self._number += 1
        one = _trade(listed, trade, self._number, "liquidation" if forced else "trade")
        last = self._last[listed.symbol]
        (told.forced if forced else told.trades).append(one)
        (last.forced if forced else last.trades).append(one)
        if forced:
            self._closes += 1
            if self._closes % TAKEN_OVER_EVERY == 0:
                self._number += 1
                told.forced.append(_trade(listed, trade, self._number, "deleverage"))

    def _told(self, stream: str, told: _Lists, wanted: Container[str]) -> Iterator[Frame]:
        if stream in wanted:
            forced = sum(one["type"] == "liquidation" for one in told.forced)
            newest_first = _Lists(told.trades[::-1], told.forced[::-1])
            body = _trades("update", stream, newest_first)
            yield Frame(stream, "trade", body, len(told.trades) + forced, forced)

    def _moved(
        self, moved: Mapping[str, Tick], now_ns: int, wanted: Container[str]
    ) -> Iterator[Frame]:
        levels = {
            symbol: _levels(self._listing.by_symbol[symbol], tick) for symbol, tick in moved.items()
        }
        if EVERYBODY in wanted:
            body = _statistics("update", EVERYBODY, levels, now_ns)
            yield Frame(EVERYBODY, "ticker", body)
        for symbol, one in levels.items():
            stream = f"market_stats:{symbol}"
            if stream in wanted:
                yield Frame(stream, "ticker", _statistics("update", stream, one, now_ns))

    def rest(self, path: str, query: Mapping[str, str], now_ns: int) -> Reply:
        """Answer a GET."""
        if not self._limit.take(1, now_ns):
            return json_reply({"code": 23000, "message": "Too Many Requests!"}, 429)
        try:
            match path:
                case "/api/v1/orderBookDetails":
                    return json_reply(self._details(now_ns))
                case "/api/v1/fundings":
                    return json_reply(self._fundings(query, now_ns))
        except (KeyError, ValueError):
            return json_reply({"code": 20001, "message": "invalid param"}, 400)
        return json_reply({"code": 404, "message": "not found"}, 404)

    def _details(self, now_ns: int) -> Any:
        def market(number: int, coin: str, status: str) -> dict[str, Any]:
            return {
                "symbol": coin, "market_id": number, "market_type": "perp", "base_asset_id": 0,
                "quote_asset_id": 0, "status": status, "taker_fee": "0.0000", "maker_fee": "0.0000",
                "liquidation_fee": "1.0000", "size_decimals": 4, "price_decimals": 2,
            }  # fmt: skip

        active = [
            market(int(symbol), listed.coin, "active")
            | {"open_interest": self._listing.market.tick(listed.index, now_ns).open_interest}
            for symbol, listed in self._listing.by_symbol.items()
        ]
        return {
            "code": 200,
            "order_book_details": [*active, market(999, "GONE", "inactive")],
            "spot_order_book_details": [],
        }

    def _fundings(self, query: Mapping[str, str], now_ns: int) -> Any:
        """Write settlements of the hours asked for, the last ones where there are too many."""
        listed = self._listing.by_symbol[query["market_id"]]
        if query["resolution"] != "1h":
            raise ValueError(query["resolution"])
        since_ms = 1000 * integer(query, "start_timestamp", 0)
        until_ms = min(1000 * integer(query, "end_timestamp", 0), now_ns // MS_NS)
        most = min(integer(query, "count_back", 0), ROWS_A_PAGE)
        oldest_ms = max(since_ms, until_ms - 100 * 24 * HOUR_MS)
        history = self._listing.market.history
        found = hourly_payments(history, listed.index, oldest_ms, until_ms)[-most:]
        fundings = [
            {
                "timestamp": payment.time_ms // 1000,
                "value": decimals(abs(payment.rate * payment.mark), 8),
                "rate": decimals(100.0 * abs(payment.rate), 8),
                "direction": "long" if payment.rate >= 0 else "short",
            }
            for payment in found
        ]
        return {"code": 200, "resolution": "1h", "fundings": fundings}


def _trade(listed: Listed, trade: Trade, number: int, kind: str) -> dict[str, Any]:
    return {
        "trade_id": number,
        "trade_id_str": str(number),
        "tx_hash": "0" * 80,
        "type": kind,
        "market_id": int(listed.symbol),
        "size": listed.size(trade.quantity),
        "price": listed.price(trade.price),
        "usd_amount": decimals(trade.quantity * trade.price, 6),
        "ask_id": 562_952_080_517_578,
        "bid_id": 844_422_774_647_641,
        "ask_account_id": 72_056,
        "bid_account_id": 27_927,
        "is_maker_ask": trade.taker > 0,
        "block_height": 218_856_170,
        "timestamp": trade.time_ns // MS_NS,
        "transaction_time": trade.time_ns // 1000,
    }


def _trades(stage: str, stream: str, told: _Lists) -> bytes:
    return encode({
        "type": f"{stage}/trade", "channel": stream, "nonce": 10_380_969_080,
        "trades": told.trades, "liquidation_trades": told.forced,
    })  # fmt: skip


def _levels(listed: Listed, tick: Tick) -> dict[str, Any]:
    """Write a market's levels. Open interest is USDC, rates are in percent."""
    rate = decimals(100.0 * hourly_rate(tick.funding_rate), 8)
    return {
        "symbol": listed.coin,
        "market_id": int(listed.symbol),
        "index_price": decimals(tick.index, 4),
        "mark_price": decimals(tick.mark, 4),
        "mid_price": decimals(tick.mid, 4),
        "open_interest": decimals(tick.open_interest * tick.mark, 6),
        "open_interest_limit": "72057594037927936.000000",
        "funding_clamp_small": "0.0500",
        "funding_clamp_big": "4.0000",
        "last_trade_price": listed.price(tick.last),
        "current_funding_rate": rate,
        "funding_rate": rate,
        "funding_timestamp": tick.time_ns // MS_NS // HOUR_MS * HOUR_MS,
        "daily_price_change": 0.0,
    }


def _statistics(stage: str, stream: str, levels: Any, now_ns: int) -> bytes:
    return encode({
        "type": f"{stage}/market_stats", "channel": stream, "timestamp": now_ns // MS_NS,
        "market_stats": levels,
    })  # fmt: skip
