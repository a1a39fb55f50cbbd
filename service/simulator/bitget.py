"""Bitget's v3 public websocket as the venue documents it, over a simulated market.

Trades begin with a snapshot of old ones, tickers are whole each time, and of liquidations each second has the
largest long and the largest short of a contract. Clients have to say "ping"; "pong" is answered.
"""

from collections import deque
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from service.simulator.bitget_rest import BitgetRest, ticker_fields
from service.simulator.listing import Listed, Listing
from service.simulator.market import Market
from service.simulator.market_events import Liquidation, MarketEvent, Tick, Trade
from service.simulator.wire import MS_NS, SECOND_NS, Care, Frame, Heard, Peer, Reply, encode

PATHS = ("/v3/ws/public",)
KIND = "usdt-futures"
KINDS = (KIND, "usdc-futures")
LIQUIDATIONS = f"liquidation:{KIND}"
SILENCE_NS = 120 * SECOND_NS
LIFETIME_NS = 24 * 3600 * SECOND_NS
MOST_CHANNELS = 1000
RECENT_TRADES = 20  # in the snapshot a subscription begins with
FIRST_ID = 1_432_912_492_051_054_592


class _Trade(msgspec.Struct, gc=False):
    i: str
    p: str
    v: str
    S: str
    T: str
    L: str
    isRPI: str  # noqa: N815 - the venue's name


class BitgetPeer(Peer):
    """One connection. It is cut when it has not pinged for two minutes, or after a day."""

    def __init__(self, face: "Bitget", now_ns: int) -> None:
        super().__init__(now_ns)
        self._face = face
        self._id = f"conn{face.next_connection():06d}"
        self._channels: set[str] = set()
        self._pinged_ns = now_ns

    def hear(self, message: bytes, now_ns: int) -> Heard:
        """Answer ping, subscribe and unsubscribe, one event for each argument."""
        if message == b"ping":
            self._pinged_ns = now_ns
            return Heard(say=[Frame("", "pong", b"pong")])
        try:
            request = msgspec.json.decode(message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return Heard(say=[self._error(None, "30003", "Invalid request: not JSON")])
        if not isinstance(request, dict) or request.get("op") not in {"subscribe", "unsubscribe"}:
            return Heard(say=[self._error(None, "30002", "Illegal request: op")])
        args = request.get("args")
        if not isinstance(args, list) or not args:
            return Heard(say=[self._error(None, "30003", "Illegal request: args")])
        heard = Heard()
        for arg in args:
            self._obey(request["op"], arg, heard)
        return heard

    def _obey(self, operation: str, arg: Any, heard: Heard) -> None:
        stream = self._face.stream(arg)
        if stream is None:
            heard.say.append(self._error(arg, "30016", "Param error"))
        elif operation == "unsubscribe":
            heard.say.append(self._ack(operation, arg))
            self._channels.discard(stream)
            heard.leave.append(stream)
        elif len(self._channels) >= MOST_CHANNELS:
            heard.say.append(self._error(arg, "30014", "Too many channels"))
        elif stream not in self._channels:
            heard.say.append(self._ack(operation, arg))
            self._channels.add(stream)
            heard.join.append(stream)
            heard.say.extend(self._face.greeting(stream, arg))

    def _ack(self, operation: str, arg: Any) -> Frame:
        return Frame("", "ack", encode({"event": operation, "arg": arg, "connId": self._id}))

    def _error(self, arg: Any, code: str, message: str) -> Frame:
        body = {"event": "error", "arg": arg, "code": code, "msg": message, "connId": self._id}
        return Frame("", "error", encode(body))

    def care(self, now_ns: int) -> Care:
        """End a connection whose client does not ping, or that is a day old."""
        if now_ns - self.opened_ns > LIFETIME_NS:
            return Care(cut=(1001, "24 hours"))
        if now_ns - self._pinged_ns > SILENCE_NS:
            return Care(cut=(1000, "no ping"))
        return Care()


class _Largest:
    """Keeps of each second the largest liquidation of a contract and side."""

    def __init__(self) -> None:
        self._second = -1
        self._held: dict[tuple[int, int], Liquidation] = {}

    def push(self, event: Liquidation) -> list[Liquidation]:
        """Take an event; return what a second that is over by it has kept."""
        done = self.due(event.time_ns)
        self._second = event.time_ns // SECOND_NS
        key = event.contract, event.position
        held = self._held.get(key)
        if held is None or event.quantity > held.quantity:
            self._held[key] = event
        return done

    def due(self, now_ns: int) -> list[Liquidation]:
        """Return what the second before `now_ns` has kept, once."""
        if now_ns // SECOND_NS == self._second:
            return []
        done = list(self._held.values())
        self._held.clear()
        return done


class Bitget:
    """The face of Bitget's USDT futures."""

    name = "bitget"

    def __init__(self, market: Market) -> None:
        self._listing = Listing(market, "bitget")
        self._rest = BitgetRest(self._listing)
        self._connections = 0
        self._largest = _Largest()
        self._recent: dict[str, deque[_Trade]] = {
            symbol: deque(maxlen=RECENT_TRADES) for symbol in self._listing.by_symbol
        }

    def next_connection(self) -> int:
        """Count connections, for their ids."""
        self._connections += 1
        return self._connections

    def connect(
        self,
        path: str,
        query: Mapping[str, str],  # noqa: ARG002 - the face's contract; this venue has none
        now_ns: int,
    ) -> BitgetPeer | None:
        """Accept public connections."""
        return BitgetPeer(self, now_ns) if path in PATHS else None

    def stream(self, arg: Any) -> str | None:
        """Return the name of a subscription's stream, None where there is no such channel."""
        if not isinstance(arg, dict) or arg.get("instType") not in KINDS:
            return None
        topic, symbol = arg.get("topic"), arg.get("symbol")
        if topic == "liquidation":
            return f"liquidation:{arg['instType']}"
        known = arg["instType"] == KIND and symbol in self._listing.by_symbol
        return f"{topic}:{symbol}" if known and topic in {"publicTrade", "ticker"} else None

    def greeting(self, stream: str, arg: dict[str, str]) -> Iterator[Frame]:
        """Write what a subscription begins with: old trades."""
        symbol = arg.get("symbol", "")
        if arg["topic"] == "publicTrade" and self._recent[symbol]:
            old = list(self._recent[symbol])
            at_ms = int(old[-1].T)
            yield Frame(stream, "trade_snapshot", _message("snapshot", arg, old, at_ms))

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
                yield from _ticker(event, listed, wanted)
            elif isinstance(event, Liquidation):
                yield from self._forced(self._largest.push(event), wanted)
        yield from self._forced(self._largest.due(now_ns), wanted)

    def rest(self, path: str, query: Mapping[str, str], now_ns: int) -> Reply:
        """Answer a GET."""
        return self._rest.answer(path, query, now_ns)

    def _trade(self, trade: Trade, listed: Listed, wanted: Container[str]) -> Iterator[Frame]:
        ms = trade.time_ns // MS_NS
        number = FIRST_ID + (trade.contract << 32) + 2 * trade.number
        one = _Trade(
            str(number), listed.price(trade.price), listed.size(trade.quantity),
            "buy" if trade.taker > 0 else "sell", str(ms), str(number + 1), "no",
        )  # fmt: skip
        self._recent[listed.symbol].append(one)
        stream = f"publicTrade:{listed.symbol}"
        if stream in wanted:
            arg = {"instType": KIND, "topic": "publicTrade", "symbol": listed.symbol}
            yield Frame(stream, "trade", _message("update", arg, [one], ms), 1)

    def _forced(self, events: Sequence[Liquidation], wanted: Container[str]) -> Iterator[Frame]:
        if not events or LIQUIDATIONS not in wanted:
            return
        rows = [self._liquidation(event) for event in events]
        at_ms = (events[-1].time_ns // SECOND_NS + 1) * 1000
        arg = {"instType": KIND, "topic": "liquidation"}
        yield Frame(LIQUIDATIONS, "liquidation", _message("update", arg, rows, at_ms), len(rows))

    def _liquidation(self, event: Liquidation) -> dict[str, str]:
        listed = self._listing.by_index[event.contract]
        price = event.bankruptcy_price
        return {
            "symbol": listed.symbol,
            "side": "buy" if event.position > 0 else "sell",
            "price": listed.price(price),
            "amount": f"{event.quantity * price:.12f}",
            "ts": str(event.time_ns // MS_NS),
        }


def _ticker(tick: Tick, listed: Listed, wanted: Container[str]) -> Iterator[Frame]:
    stream = f"ticker:{listed.symbol}"
    if stream in wanted:
        arg = {"instType": KIND, "topic": "ticker", "symbol": listed.symbol}
        fields = [ticker_fields(listed, tick)]
        yield Frame(stream, "ticker", _message("snapshot", arg, fields, tick.time_ns // MS_NS))


def _message(action: str, arg: dict[str, str], data: Sequence[Any], at_ms: int) -> bytes:
    return encode({"action": action, "arg": arg, "data": data, "ts": at_ms})
