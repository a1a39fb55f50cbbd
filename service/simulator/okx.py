"""OKX v5's public websocket of swaps as the venue documents it, over a simulated market.

Sizes are contracts. A liquidation subscription begins with a snapshot of recent orders; the feed is a
sample. Text "ping" is answered with text "pong", and a connection silent both ways for 30 s is closed.
"""

from collections import deque
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from service.simulator.listing import Listed, Listing
from service.simulator.market import Market
from service.simulator.market_events import Liquidation, MarketEvent, Settlement, Tick, Trade
from service.simulator.okx_rest import (
    OkxRest,
    funding_row,
    index_name,
    index_row,
    liquidation_row,
    mark_row,
    open_interest_row,
)
from service.simulator.throttle import Throttle
from service.simulator.wire import MS_NS, SECOND_NS, Care, Frame, Heard, Peer, Reply, encode

PATHS = ("/ws/v5/public", "/ws/v5/business")
SILENCE_NS = 30 * SECOND_NS
OPEN_INTEREST_EVERY_S = 3
FUNDING_EVERY_S = 60
RECENT_ORDERS = 40  # remembered for the snapshot that a liquidation subscription begins with
#: The snapshot keeps its distance from the present, so that it can be counted what is news and what is not.
SNAPSHOT_AGE_NS = 5 * SECOND_NS
FIRST_ID = 1_700_000_000
BY_CONTRACT = ("trades", "mark-price", "funding-rate", "open-interest")

Arg = dict[str, str]


class _Trade(msgspec.Struct, gc=False, rename="camel"):
    inst_id: str
    trade_id: str
    px: str
    sz: str
    side: str
    ts: str
    count: str
    source: str
    seq_id: int


class _TradeArg(msgspec.Struct, gc=False, rename="camel"):
    channel: str
    inst_id: str


class _Trades(msgspec.Struct, gc=False):
    arg: _TradeArg
    data: list[_Trade]


class OkxPeer(Peer):
    """One connection."""

    def __init__(self, face: "OkxFace", now_ns: int) -> None:
        super().__init__(now_ns)
        self._face = face
        self._id = f"{face.next_connection():08x}"
        self._streams: set[str] = set()

    def hear(self, message: bytes, now_ns: int) -> Heard:
        """Answer ping, subscribe and unsubscribe, one event for each argument."""
        if message == b"ping":
            return Heard(say=[Frame("", "pong", b"pong")])
        try:
            request = msgspec.json.decode(message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self._error("60012", "Illegal request: not JSON")
        if not isinstance(request, dict) or request.get("op") not in {"subscribe", "unsubscribe"}:
            return self._error(
                "60012", f"Illegal request: {message[:200].decode(errors='replace')}"
            )
        args = request.get("args")
        if not isinstance(args, list) or not args:
            return self._error("60012", "Illegal request: args")
        heard = Heard()
        for arg in args:
            self._obey(request["op"], arg, now_ns, heard)
        return heard

    def _obey(self, operation: str, arg: Any, now_ns: int, heard: Heard) -> None:
        stream = self._face.stream(arg)
        if stream is None:
            heard.say += self._error("60018", f"Wrong URL or {arg} doesn't exist").say
            return
        body = {"event": operation, "arg": arg, "connId": self._id}
        heard.say.append(Frame("", "ack", encode(body)))
        if operation == "unsubscribe":
            self._streams.discard(stream)
            heard.leave.append(stream)
        elif stream not in self._streams:
            self._streams.add(stream)
            heard.join.append(stream)
            heard.say.extend(self._face.greeting(stream, arg, now_ns))

    def _error(self, code: str, message: str) -> Heard:
        body = {"event": "error", "code": code, "msg": message, "connId": self._id}
        return Heard(say=[Frame("", "error", encode(body))])

    def care(self, now_ns: int) -> Care:
        """End a connection on which nothing was said by either side."""
        if now_ns - max(self.heard_ns, self.told_ns) > SILENCE_NS:
            return Care(cut=(4004, "No data received in 30s."))
        return Care()


class OkxFace:
    """What the faces of all kinds of instruments do: who may connect, streams, trades, REST."""

    name: ClassVar[str]

    def __init__(self, listing: Listing, rest: OkxRest) -> None:
        self._listing = listing
        self._rest = rest
        self._connections = 0

    def next_connection(self) -> int:
        """Count connections, for their ids."""
        self._connections += 1
        return self._connections

    def connect(
        self,
        path: str,
        query: Mapping[str, str],  # noqa: ARG002 - the face's contract; this venue has none
        now_ns: int,
    ) -> OkxPeer | None:
        """Accept public connections."""
        return OkxPeer(self, now_ns) if path in PATHS else None

    def stream(self, arg: Any) -> str | None:
        """Return the name of a subscription's stream, None where there is no such channel."""
        raise NotImplementedError

    def greeting(self, stream: str, arg: Arg, now_ns: int) -> Iterator[Frame]:
        """Write what a subscription begins with."""
        raise NotImplementedError

    def rest(self, path: str, query: Mapping[str, str], now_ns: int) -> Reply:
        """Answer a GET."""
        return self._rest.answer(path, query, now_ns)


class Okx(OkxFace):
    """The face of OKX's swaps. `throttle` may be changed while it runs."""

    name: ClassVar[str] = "okx"

    def __init__(self, market: Market) -> None:
        self.throttle = Throttle("dead_time")
        self.recent: deque[tuple[int, Liquidation]] = deque(maxlen=RECENT_ORDERS)
        self._settled: dict[int, float] = {}
        listing = Listing(market, self.name)
        super().__init__(listing, OkxRest(listing, self.recent))

    def stream(self, arg: Any) -> str | None:
        """Return the name of a subscription's stream, None where there is no such channel."""
        if not isinstance(arg, dict):
            return None
        channel, name = arg.get("channel"), arg.get("instId")
        if channel == "liquidation-orders":
            return "liquidation-orders:SWAP" if arg.get("instType") == "SWAP" else None
        if channel == "index-tickers":
            known = any(index_name(listed) == name for listed in self._listing.by_index.values())
            return f"{channel}:{name}" if known else None
        if channel in BY_CONTRACT and name in self._listing.by_symbol:
            return f"{channel}:{name}"
        return None

    def greeting(self, stream: str, arg: Arg, now_ns: int) -> Iterator[Frame]:
        """Write what a subscription begins with: levels as they are, recent liquidations."""
        channel = arg["channel"]
        if channel == "liquidation-orders":
            rows = [
                liquidation_row(self._listing, at, event)
                for at, event in self.recent
                if at < now_ns - SNAPSHOT_AGE_NS
            ]
            if rows:
                yield frame(stream, "liquidation_snapshot", arg, rows)
            return
        if channel == "trades":
            return
        for listed in self._listing.by_index.values():
            if arg["instId"] in {listed.symbol, index_name(listed)}:
                tick = self._listing.market.tick(listed.index, now_ns)
                yield self._level(stream, channel, listed, tick)

    def frames(
        self, events: Sequence[MarketEvent], now_ns: int, wanted: Container[str]
    ) -> Iterator[Frame]:
        """Write market events as this venue does."""
        for event in events:
            listed = self._listing.by_index.get(event.contract)
            if listed is None:
                continue
            if isinstance(event, Trade):
                yield from trade_frames(event, listed, wanted)
            elif isinstance(event, Tick):
                yield from self._tick(event, listed, wanted)
            elif isinstance(event, Liquidation):
                for at_ns, chosen in self.throttle.push(event):
                    yield from self._forced(at_ns, chosen, wanted)
            elif isinstance(event, Settlement):
                self._settled[event.contract] = event.rate
        for at_ns, chosen in self.throttle.due(now_ns):
            yield from self._forced(at_ns, chosen, wanted)

    def _tick(self, tick: Tick, listed: Listed, wanted: Container[str]) -> Iterator[Frame]:
        second, symbol = tick.time_ns // SECOND_NS, listed.symbol
        streams = {
            "mark-price": f"mark-price:{symbol}",
            "index-tickers": f"index-tickers:{index_name(listed)}",
        }
        if second % OPEN_INTEREST_EVERY_S == 0:
            streams["open-interest"] = f"open-interest:{symbol}"
        if second % FUNDING_EVERY_S == 0:
            streams["funding-rate"] = f"funding-rate:{symbol}"
        for channel, stream in streams.items():
            if stream in wanted:
                yield self._level(stream, channel, listed, tick)

    def _level(self, stream: str, channel: str, listed: Listed, tick: Tick) -> Frame:
        if channel == "mark-price":
            name, row = "mark", mark_row(listed, tick)
        elif channel == "index-tickers":
            name, row = "index", index_row(listed, tick)
        elif channel == "open-interest":
            name, row = "open_interest", open_interest_row(listed, tick)
        else:
            name, row = "funding", funding_row(listed, tick, self._settled.get(listed.index))
        arg = {"channel": channel, "instId": stream.partition(":")[2]}
        return frame(stream, name, arg, [row])

    def _forced(self, at_ns: int, event: Liquidation, wanted: Container[str]) -> Iterator[Frame]:
        self.recent.append((at_ns, event))
        stream = "liquidation-orders:SWAP"
        if stream in wanted:
            arg = {"channel": "liquidation-orders", "instType": "SWAP"}
            row = liquidation_row(self._listing, at_ns, event)
            yield frame(stream, "liquidation", arg, [row], 1)


def trade_frames(trade: Trade, listed: Listed, wanted: Container[str]) -> Iterator[Frame]:
    """Write a trade, if anybody wants it."""
    stream = f"trades:{listed.symbol}"
    if stream not in wanted:
        return
    number = FIRST_ID + trade.number
    row = _Trade(
        listed.symbol, str(number), listed.price(trade.price), listed.size(trade.quantity),
        "buy" if trade.taker > 0 else "sell", str(trade.time_ns // MS_NS), "1", "0", number,
    )  # fmt: skip
    yield Frame(stream, "trade", encode(_Trades(_TradeArg("trades", listed.symbol), [row])), 1)


def frame(stream: str, channel: str, arg: Arg, rows: list[Any], count: int = 0) -> Frame:
    """Write rows of a channel."""
    return Frame(stream, channel, encode({"arg": arg, "data": rows}), count)
