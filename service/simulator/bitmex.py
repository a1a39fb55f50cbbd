"""BitMEX's websocket as the venue documents it, over a simulated market.

It greets. Each topic is answered on its own, then comes its table's ``partial``: the instrument as it is, the
last trade, forced orders in the book. A forced order is inserted and, filled, deleted again.
"""

import uuid
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from service.simulator.bitmex_rest import BitmexRest, instrument_row, iso, trade_row
from service.simulator.listing import Listing
from service.simulator.market import Market
from service.simulator.market_events import Liquidation, MarketEvent, Tick, Trade
from service.simulator.wire import Care, Frame, Heard, Peer, Reply, encode

PATHS = ("/realtime",)
TABLES = ("trade", "instrument", "liquidation")


class BitmexPeer(Peer):
    """One connection. The venue does not cut quiet ones."""

    def __init__(self, face: "Bitmex", now_ns: int) -> None:
        super().__init__(now_ns)
        self._face = face
        self._topics: set[str] = set()
        welcome = {
            "info": "Welcome to the BitMEX Realtime API.",
            "version": "2.0.0",
            "timestamp": iso(now_ns),
            "docs": "https://www.bitmex.com/app/wsAPI",
            "limit": {"remaining": 39},
        }
        self.greeting = [Frame("", "notice", encode(welcome))]

    def hear(self, message: bytes, now_ns: int) -> Heard:
        """Answer ping, subscribe and unsubscribe, one message for each topic."""
        if message == b"ping":
            return Heard(say=[Frame("", "pong", b"pong")])
        try:
            request = msgspec.json.decode(message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _refuse('Unrecognized request. Send "help" for usage.', None)
        if not isinstance(request, dict):
            return _refuse('Unrecognized request. Send "help" for usage.', None)
        args = request.get("args")
        topics = [args] if isinstance(args, str) else args
        if request.get("op") not in {"subscribe", "unsubscribe"} or not isinstance(topics, list):
            return _refuse("Unknown or missing op.", request)
        heard = Heard()
        for topic in topics:
            self._obey(str(topic), request, now_ns, heard)
        return heard

    def _obey(self, topic: str, request: dict[str, Any], now_ns: int, heard: Heard) -> None:
        operation = request["op"]
        if operation == "subscribe":
            wrong = self._face.objection(topic)
            if topic in self._topics:
                wrong = f"You are already subscribed to this topic: {topic}"
            if wrong:
                heard.say += _refuse(wrong, request).say
                return
            self._topics.add(topic)
            heard.join.append(topic)
        else:
            self._topics.discard(topic)
            heard.leave.append(topic)
        body = {"success": True, operation: topic, "request": request}
        heard.say.append(Frame("", "ack", encode(body)))
        if operation == "subscribe":
            heard.say.append(self._face.partial(topic, now_ns))

    def care(self, now_ns: int) -> Care:  # noqa: ARG002 - this venue waits for ever
        """Leave it alone."""
        return Care()


class Bitmex:
    """The face of BitMEX's perpetuals."""

    name = "bitmex"

    def __init__(self, market: Market) -> None:
        self._listing = Listing(market, "bitmex")
        self._rest = BitmexRest(self._listing)
        self._told: dict[int, dict[str, Any]] = {}  # instruments as last published
        self._last: dict[str, dict[str, Any]] = {}  # trades
        self._orders = 0

    def connect(
        self,
        path: str,
        query: Mapping[str, str],  # noqa: ARG002 - topics in the address are not simulated
        now_ns: int,
    ) -> BitmexPeer | None:
        """Accept connections."""
        return BitmexPeer(self, now_ns) if path in PATHS else None

    def objection(self, topic: str) -> str:
        """Return what the venue has against a topic, blank if nothing."""
        table, _, symbol = topic.partition(":")
        if table not in TABLES:
            return f"Unknown table: {table}"
        if symbol and symbol not in self._listing.by_symbol:
            return "Unknown or expired symbol."
        return ""

    def partial(self, topic: str, now_ns: int) -> Frame:
        """Write what a subscription begins with."""
        table, _, symbol = topic.partition(":")
        chosen = [one for one in self._listing.by_symbol.values() if symbol in {"", one.symbol}]
        rows: list[dict[str, Any]] = []
        if table == "instrument":
            for listed in chosen:
                tick = self._listing.market.tick(listed.index, now_ns)
                row = self._told.setdefault(listed.index, instrument_row(listed, tick))
                rows.append(row)
        elif table == "trade":
            rows = [self._last[one.symbol] for one in chosen if one.symbol in self._last]
        body = {
            "table": table, "action": "partial", "keys": ["symbol"], "types": {"symbol": "symbol"},
            "filter": {"symbol": symbol} if symbol else {}, "data": rows,
        }  # fmt: skip
        return Frame(topic, f"{table}_partial", encode(body))

    def frames(
        self,
        events: Sequence[MarketEvent],
        now_ns: int,  # noqa: ARG002 - nothing is held back
        wanted: Container[str],
    ) -> Iterator[Frame]:
        """Write market events as this venue does."""
        for event in events:
            listed = self._listing.by_index.get(event.contract)
            if listed is None:
                continue
            if isinstance(event, Trade):
                row = self._last[listed.symbol] = trade_row(listed, event)
                yield from _tell("trade", "insert", row, wanted, rows=1)
            elif isinstance(event, Tick):
                now, told = instrument_row(listed, event), self._told.get(event.contract, {})
                self._told[event.contract] = now
                changed = {name: value for name, value in now.items() if told.get(name) != value}
                row = {"symbol": listed.symbol, **changed}
                yield from _tell("instrument", "update", row, wanted)
            elif isinstance(event, Liquidation):
                self._orders += 1
                key = {"orderID": str(uuid.UUID(int=self._orders)), "symbol": listed.symbol}
                order = {
                    **key,
                    "side": "Sell" if event.position > 0 else "Buy",
                    "price": event.bankruptcy_price,
                    "leavesQty": max(1, round(listed.contracts(event.quantity, event.fill_price))),
                }
                yield from _tell("liquidation", "insert", order, wanted, rows=1)
                yield from _tell("liquidation", "delete", key, wanted)

    def rest(self, path: str, query: Mapping[str, str], now_ns: int) -> Reply:
        """Answer a GET."""
        return self._rest.answer(path, query, now_ns)


def _tell(
    table: str, action: str, row: dict[str, Any], wanted: Container[str], rows: int = 0
) -> Iterator[Frame]:
    """Write a change of a table for those who follow the symbol, and for those who follow the table."""
    payload = b""
    for topic in (f"{table}:{row['symbol']}", table):
        if topic in wanted:
            payload = payload or encode({"table": table, "action": action, "data": [row]})
            yield Frame(topic, table, payload, rows)


def _refuse(error: str, request: dict[str, Any] | None) -> Heard:
    body = {"status": 400, "error": error, "meta": {}, "request": request}
    return Heard(say=[Frame("", "error", encode(body))])
