"""Kraken spot's websocket, version 2, as the venue documents it, over a simulated market.

A status comes first. Each pair of a subscription is answered alone. From then on there is a heartbeat each
second, and a connection on which the client says nothing for long is closed.
"""

import datetime as dt
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from service.simulator.listing import Listed, Listing
from service.simulator.market import Market
from service.simulator.market_events import MarketEvent, Trade
from service.simulator.wire import (
    MS_NS,
    SECOND_NS,
    Care,
    Frame,
    Heard,
    Peer,
    Reply,
    encode,
    json_reply,
)

PATH = "/v2"
SILENCE_NS = 60 * SECOND_NS
FIRST_NUMBER = 88_000_000
HOLE_EVERY = 6  # numbers of trades have holes in which there was no trade
REST_NAMES = {"BTC": "XBT", "DOGE": "XDG"}


class _Trade(msgspec.Struct, gc=False):
    symbol: str
    side: str
    price: float
    qty: float
    ord_type: str
    trade_id: int
    timestamp: str


class _Trades(msgspec.Struct, gc=False):
    channel: str
    type: str
    data: list[_Trade]


class KrakenSpotPeer(Peer):
    """One connection."""

    def __init__(self, face: "KrakenSpot", now_ns: int) -> None:
        super().__init__(now_ns)
        self._face = face
        data = {
            "api_version": "v2",
            "connection_id": now_ns,
            "system": "online",
            "version": "2.0.9",
        }
        body = {"channel": "status", "type": "update", "data": [data]}
        self.greeting = [Frame("", "status", encode(body))]

    def hear(self, message: bytes, now_ns: int) -> Heard:
        """Answer ping, subscribe and unsubscribe."""
        try:
            request = msgspec.json.decode(message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _error("", "Malformed request", now_ns)
        method = request.get("method") if isinstance(request, dict) else None
        if method == "ping":
            body = {"method": "pong", "time_in": iso(now_ns), "time_out": iso(now_ns)}
            return Heard(say=[Frame("", "pong", encode(body))])
        if method not in {"subscribe", "unsubscribe"}:
            return _error(str(method), "Unsupported method", now_ns)
        params = request.get("params")
        if not isinstance(params, dict) or params.get("channel") != "trade":
            return _error(method, "Channel is missing or not supported", now_ns)
        pairs = params.get("symbol")
        if not isinstance(pairs, list) or not pairs:
            return _error(method, "Symbol(s) missing", now_ns)
        return self._obey(method, pairs, now_ns)

    def _obey(self, method: str, pairs: list[Any], now_ns: int) -> Heard:
        heard = Heard()
        for pair in pairs:
            if not self._face.has(pair):
                heard.say += _error(method, f"Currency pair not supported {pair}", now_ns).say
                continue
            streams = heard.join if method == "subscribe" else heard.leave
            streams.append(f"trade:{pair}")
            result = {"channel": "trade", "snapshot": False, "symbol": pair}
            heard.say.append(Frame("", "ack", encode(_answer(method, now_ns, result=result))))
        if heard.join:
            heard.join.append("heartbeat")
        return heard

    def care(self, now_ns: int) -> Care:
        """End a connection whose client says nothing."""
        if now_ns - self.heard_ns > SILENCE_NS:
            return Care(cut=(1000, "no traffic"))
        return Care()


class KrakenSpot:
    """The face of Kraken's spot market."""

    name = "kraken_spot"

    def __init__(self, market: Market) -> None:
        self._listing = Listing(market, self.name)
        self._beat = -1

    def connect(
        self,
        path: str,
        query: Mapping[str, str],  # noqa: ARG002 - the face's contract; this venue has none
        now_ns: int,
    ) -> KrakenSpotPeer | None:
        """Accept connections to version 2."""
        return KrakenSpotPeer(self, now_ns) if path == PATH else None

    def has(self, pair: object) -> bool:
        """Say whether a pair exists."""
        return pair in self._listing.by_symbol

    def frames(
        self, events: Sequence[MarketEvent], now_ns: int, wanted: Container[str]
    ) -> Iterator[Frame]:
        """Write trades as this venue does, and a heartbeat each second."""
        for event in events:
            listed = self._listing.by_index.get(event.contract)
            if listed is not None and isinstance(event, Trade):
                stream = f"trade:{listed.symbol}"
                if stream in wanted:
                    yield Frame(stream, "trade", encode(_trade(event, listed)), 1)
        if now_ns // SECOND_NS > self._beat:
            self._beat = now_ns // SECOND_NS
            yield Frame("heartbeat", "heartbeat", encode({"channel": "heartbeat"}))

    def rest(self, path: str, query: Mapping[str, str], now_ns: int) -> Reply:
        """Answer a GET."""
        del now_ns
        if path != "/0/public/AssetPairs":
            return json_reply({"error": ["EGeneral:Unknown method"]}, 404)
        pairs = dict(_pair(listed) for listed in self._listing.by_symbol.values())
        if "pair" in query:
            pairs = {name: pair for name, pair in pairs.items() if name == query["pair"]}
        if not pairs:
            return json_reply({"error": ["EQuery:Unknown asset pair"]})
        return json_reply({"error": [], "result": pairs})


def iso(ns: int) -> str:
    """Write a time as this venue does, to the microsecond.

    >>> iso(1_790_000_000_123_456_000)
    '2026-09-21T14:13:20.123456Z'
    """
    moment = dt.datetime.fromtimestamp(ns // SECOND_NS, dt.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ns % SECOND_NS // 1000:06d}Z"


def _answer(method: str, now_ns: int, **rest: object) -> dict[str, object]:
    success = "error" not in rest
    times = {"time_in": iso(now_ns), "time_out": iso(now_ns + MS_NS // 10)}
    return {"method": method, **rest, "success": success, **times}


def _error(method: str, message: str, now_ns: int) -> Heard:
    return Heard(say=[Frame("", "error", encode(_answer(method, now_ns, error=message)))])


def _trade(trade: Trade, listed: Listed) -> _Trades:
    one = _Trade(
        listed.symbol,
        "buy" if trade.taker > 0 else "sell",
        trade.price,
        trade.quantity,
        "market",
        FIRST_NUMBER + trade.number + trade.number // HOLE_EVERY,
        iso(trade.time_ns),
    )
    return _Trades("trade", "update", [one])


def _pair(listed: Listed) -> tuple[str, dict[str, Any]]:
    """Write a pair as the listing does, under the coin's older name."""
    name = REST_NAMES.get(listed.coin, listed.coin)
    return f"X{name}ZUSD", {
        "altname": f"{name}USD",
        "wsname": f"{name}/USD",
        "aclass_base": "currency",
        "base": f"X{name}",
        "aclass_quote": "currency",
        "quote": "ZUSD",
        "lot": "unit",
        "pair_decimals": listed.contract.price_decimals,
        "lot_decimals": 8,
        "lot_multiplier": 1,
        "ordermin": "0.00005",
        "costmin": "0.5",
        "status": "online",
    }
