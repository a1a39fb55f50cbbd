"""Bitfinex's websocket as the venue documents it, over a simulated market of derivatives.

Channels have numbers of the connection, and so have arrays once ``conf`` asked for it; both are put on when a
frame is sent. Trades come twice. A liquidation is told when it begins, without a price that it was done at,
and again when it is matched. The channel of all liquidations begins with an old one.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from service.simulator.bitfinex_rest import BitfinexRest, status
from service.simulator.listing import Listed, Listing
from service.simulator.market import Market
from service.simulator.market_events import Liquidation, MarketEvent, Tick, Trade
from service.simulator.wire import MS_NS, SECOND_NS, Care, Frame, Heard, Peer, Reply, encode

PATH = "/ws/2"
STAMPED, NUMBERED = 32768, 65536
CHANNELS_MOST = 30
BEAT_NS = 15 * SECOND_NS
PING_NS = 30 * SECOND_NS
FIRST_ID = 452_000_000
FIRST_POSITION = 143_000_000
RECENT_TRADES = 30
LIQUIDATIONS = "status:liq:global"
ENTRY = 1.05  # a long was opened this much above where it is closed
OLD_NS = 12 * 3600 * SECOND_NS


class BitfinexPeer(Peer):
    """One connection: its channels, its flags and its count."""

    def __init__(self, face: "Bitfinex", now_ns: int) -> None:
        super().__init__(now_ns)
        self._face = face
        self._channels: dict[str, int] = {}
        self._next = 1000 * face.next_connection()
        self._flags = self._count = 0
        info = {"event": "info", "version": 2, "serverId": "simulated", "platform": {"status": 1}}
        self.greeting = [Frame("", "info", encode(info))]

    def hear(self, message: bytes, now_ns: int) -> Heard:
        """Answer ping, conf, subscribe and unsubscribe."""
        try:
            request = msgspec.json.decode(message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _event(event="error", msg="invalid json", code=10000)
        event = request.get("event") if isinstance(request, dict) else None
        if event == "ping":
            body = {"event": "pong", "ts": now_ns // MS_NS, "cid": request.get("cid")}
            return _event(**body)
        if event == "conf":
            self._flags = int(request.get("flags", 0))
            return _event(event="conf", status="OK", flags=self._flags)
        if event == "subscribe":
            return self._subscribe(request, now_ns)
        if event == "unsubscribe":
            return self._unsubscribe(request.get("chanId"))
        return _event(event="error", msg="unknown event", code=10001)

    def _subscribe(self, request: dict[str, Any], now_ns: int) -> Heard:
        kind = request.get("channel")
        name = request.get("key" if kind == "status" else "symbol")
        stream = f"{kind}:{name}"
        if stream in self._channels:
            return _event(event="error", msg="subscribe: dup", code=10301)
        if not self._face.has(stream):
            return _event(event="error", msg=f"{kind}: invalid", code=10300)
        if len(self._channels) >= CHANNELS_MOST:
            return _event(event="error", msg="subscribe: limit reached", code=10305)
        self._next += 1
        self._channels[stream] = self._next
        body = {"event": "subscribed", "channel": kind, "chanId": self._next}
        named = {"key": name} if kind == "status" else {"symbol": name, "pair": str(name)[1:]}
        heard = _event(**body, **named)
        heard.join = [stream]
        heard.say += self._face.greeting(stream, now_ns)
        return heard

    def _unsubscribe(self, number: object) -> Heard:
        for stream, known in self._channels.items():
            if known == number:
                heard = _event(event="unsubscribed", status="OK", chanId=number)
                heard.leave = [stream]
                del self._channels[stream]
                return heard
        return _event(event="error", msg="unsubscribe: invalid", code=10400)

    def care(self, now_ns: int) -> Care:
        """Ping now and then; nobody is cut."""
        return Care(ping=now_ns - self.pinged_ns > PING_NS)

    def pack(self, frame: Frame) -> bytes:
        """Put the channel's number before a frame, and what the flags ask for behind it."""
        if not frame.stream:
            return frame.payload
        end = b""
        if self._flags & NUMBERED:
            self._count += 1
            end += b",%d" % self._count
        if self._flags & STAMPED:
            end += b",%d" % self._face.now_ms
        # What was still queued of a channel that has been left keeps a number that nobody knows.
        return b"[%d,%b%b]" % (self._channels.get(frame.stream, 0), frame.payload, end)


class Bitfinex:
    """The face of Bitfinex's derivatives."""

    name = "bitfinex"

    def __init__(self, market: Market) -> None:
        self._listing = Listing(market, self.name)
        self._rest = BitfinexRest(self._listing)
        self._connections = 0
        self._spoke_ns: dict[str, int] = {}
        self._recent: dict[int, list[list[float]]] = {}
        self._positions = FIRST_POSITION
        self.now_ms = market.start_ns // MS_NS

    def next_connection(self) -> int:
        """Count connections, for the numbers of their channels."""
        self._connections += 1
        return self._connections

    def connect(
        self,
        path: str,
        query: Mapping[str, str],  # noqa: ARG002 - the face's contract; this venue has none
        now_ns: int,
    ) -> BitfinexPeer | None:
        """Accept connections to version 2."""
        return BitfinexPeer(self, now_ns) if path == PATH else None

    def has(self, stream: str) -> bool:
        """Say whether a channel exists."""
        kind, _, name = stream.partition(":")
        if kind == "status":
            return stream == LIQUIDATIONS or (
                name.startswith("deriv:") and name[6:] in self._listing.by_symbol
            )
        return kind == "trades" and name in self._listing.by_symbol

    def greeting(self, stream: str, now_ns: int) -> Iterator[Frame]:
        """Write what a new subscription begins with."""
        symbol = stream.rpartition("deriv:")[2] if "deriv:" in stream else stream[len("trades:") :]
        self._spoke_ns.setdefault(stream, now_ns)
        if stream == LIQUIDATIONS:
            listed = next(iter(self._listing.by_index.values()))
            old = self._market_price(listed, now_ns)
            row = self._row(listed, now_ns - OLD_NS, 0.01, old * ENTRY, None)
            yield Frame(stream, "liquidation", encode([row]))
            return
        listed = self._listing.by_symbol[symbol]
        if stream.startswith("trades:"):
            yield Frame(stream, "trade", encode(self._recent.get(listed.index, [])[::-1]))
        else:
            tick = self._listing.market.tick(listed.index, now_ns)
            yield Frame(stream, "ticker", encode(status(tick)))

    def _market_price(self, listed: Listed, now_ns: int) -> float:
        return self._listing.market.tick(listed.index, now_ns).mark

    def frames(
        self, events: Sequence[MarketEvent], now_ns: int, wanted: Container[str]
    ) -> Iterator[Frame]:
        """Write market events as this venue does; channels that are silent say so."""
        self.now_ms = now_ns // MS_NS
        for event in events:
            listed = self._listing.by_index.get(event.contract)
            if listed is None:
                continue
            for frame in self._say(event, listed):
                if frame.stream in wanted:
                    self._spoke_ns[frame.stream] = now_ns
                    yield frame
        for stream, spoke_ns in self._spoke_ns.items():
            if now_ns - spoke_ns >= BEAT_NS and stream in wanted:
                self._spoke_ns[stream] = now_ns
                yield Frame(stream, "hb", b'"hb"')

    def rest(self, path: str, query: Mapping[str, str], now_ns: int) -> Reply:
        """Answer a GET."""
        return self._rest.answer(path, query, now_ns)

    def _say(self, event: MarketEvent, listed: Listed) -> Iterator[Frame]:
        if isinstance(event, Trade):
            stream = f"trades:{listed.symbol}"
            one = [FIRST_ID + event.number, event.time_ns // MS_NS,
                   event.taker * event.quantity, event.price]  # fmt: skip
            self._recent[listed.index] = [*self._recent.get(listed.index, []), one][-RECENT_TRADES:]
            body = encode(one)
            yield Frame(stream, "trade", b'"te",' + body, 1)
            yield Frame(stream, "trade", b'"tu",' + body)
        elif isinstance(event, Tick):
            yield Frame(f"status:deriv:{listed.symbol}", "ticker", encode(status(event)))
        elif isinstance(event, Liquidation):
            self._positions += 1
            signed = event.position * event.quantity
            entry = event.fill_price * ENTRY**event.position
            begun = self._row(listed, event.time_ns, signed, entry, None)
            done = self._row(listed, event.time_ns, signed, entry, event.fill_price)
            yield Frame(LIQUIDATIONS, "liquidation", encode([begun]), 1)
            yield Frame(LIQUIDATIONS, "liquidation", encode([done]))

    def _row(
        self, listed: Listed, at_ns: int, signed: float, entry: float, acquired: float | None
    ) -> list[Any]:
        return [
            "pos", self._positions, at_ns // MS_NS, None, listed.symbol, signed, entry, None,
            0 if acquired is None else 1, 1, None, acquired,
        ]  # fmt: skip


def _event(**body: object) -> Heard:
    return Heard(say=[Frame("", str(body["event"]), encode(body))])
