"""dYdX v4's indexer websocket as documented, over a simulated market.

Messages are numbered for each connection. A market's trades begin with old ones; forced ones are marked by
their type. All markets' levels are one channel: everything first, then oracle prices with each block and
the rest every ten seconds. The indexer pings.
"""

import uuid
from collections import Counter, deque
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from service.simulator.dydx_rest import DydxRest, levels_of, market_of, moment
from service.simulator.listing import Listed, Listing
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
)

PATH: Final = "/v4/ws"
PING_EVERY_NS: Final = 30 * SECOND_NS
PONG_WITHIN_NS: Final = 10 * SECOND_NS
MOST_OF_A_CHANNEL: Final = 32
KEPT_TRADES: Final = 100
LEVELS_EVERY_S: Final = 10
FIRST_HEIGHT: Final = 23_455_000
MARKETS: Final = "v4_markets"
TRADES: Final = "v4_trades"

_Forced = tuple[int, int, float, float]  # contract, time, price, quantity


class DydxPeer(Peer):
    """One connection, which numbers what it says."""

    def __init__(self, face: "Dydx", now_ns: int) -> None:
        super().__init__(now_ns)
        self._face = face
        self._id = str(uuid.UUID(int=face.next_connection()))
        self._number = -1
        self._streams: set[str] = set()
        self.greeting = [Frame("", "connected", _body("connected"))]

    def pack(self, frame: Frame) -> bytes:
        """Number a message: what was put into the channel otherwise goes as it is."""
        if frame.channel == "injected":
            return frame.payload
        self._number += 1
        kind, rest = frame.payload.split(b",", 1)
        return b'%b,"connection_id":"%b","message_id":%d,%b' % (
            kind, self._id.encode(), self._number, rest,
        )  # fmt: skip

    def hear(self, message: bytes, now_ns: int) -> Heard:
        """Answer subscribe and unsubscribe."""
        try:
            request = msgspec.json.decode(message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _error("Invalid message: could not parse")
        if not isinstance(request, dict) or not request.get("type"):
            return _error("Invalid message: type is required")
        kind, channel = request["type"], request.get("channel", "")
        if kind == "ping":
            return Heard()
        if kind not in {"subscribe", "unsubscribe"}:
            return _error(f"Invalid message type: {kind}")
        if channel not in {MARKETS, TRADES}:
            return _error(f"Invalid channel: {channel}")
        market = "" if channel == MARKETS else str(request.get("id", ""))
        stream = f"{channel}:{market}"
        if kind == "unsubscribe":
            self._streams.discard(stream)
            return Heard(
                say=[Frame("", "ack", _body("unsubscribed", channel, market))], leave=[stream]
            )
        return self._subscribe(channel, market, now_ns)

    def _subscribe(self, channel: str, market: str, now_ns: int) -> Heard:
        stream = f"{channel}:{market}"
        if channel == TRADES and not self._face.has(market):
            return _error(f"Invalid subscription id for channel: ({channel}-{market})")
        if sum(one.startswith(channel) for one in self._streams) == MOST_OF_A_CHANNEL:
            return _error(
                f"Per-connection subscription limit reached for {channel} (limit={MOST_OF_A_CHANNEL})."
            )
        if stream in self._streams:
            return _error(f"Invalid subscribe message: already subscribed ({channel}-{market})")
        self._streams.add(stream)
        contents = self._face.first(channel, market, now_ns)
        answer = Frame("", "ack", _body("subscribed", channel, market, contents))
        return Heard(say=[answer], join=[stream])

    def care(self, now_ns: int) -> Care:
        """Ping each half minute; end a connection that does not answer."""
        if self.ponged_ns < self.pinged_ns < now_ns - PONG_WITHIN_NS:
            return Care(cut=(4002, "Heartbeat timeout"))
        return Care(ping=now_ns - self.pinged_ns >= PING_EVERY_NS)


def _error(text: str) -> Heard:
    return Heard(say=[Frame("", "error", encode({"type": "error", "message": text}))])


def _body(kind: str, channel: str = "", market: str = "", contents: Any = None) -> bytes:
    """Write a message without its number, which is put behind its type."""
    body: dict[str, Any] = {"type": kind, "channel": channel}
    if market:
        body["id"] = market
    if kind == "channel_data":
        body["version"] = "2.1.0"
    if contents is not None:
        body["contents"] = contents
    return encode(body)


class Dydx:
    """The face of dYdX."""

    name = "dydx"

    def __init__(self, market: Market) -> None:
        self._listing = Listing(market, self.name)
        self._rest = DydxRest(self._listing)
        self._connections = 0
        self._height = FIRST_HEIGHT
        self._recent = {
            symbol: deque[dict[str, Any]](maxlen=KEPT_TRADES) for symbol in self._listing.by_symbol
        }
        self._forced: Counter[_Forced] = Counter()

    def next_connection(self) -> int:
        """Count connections, for their ids."""
        self._connections += 1
        return self._connections

    def connect(
        self,
        path: str,
        query: Mapping[str, str],  # noqa: ARG002 - the face's contract; this venue has none
        now_ns: int,
    ) -> DydxPeer | None:
        """Accept connections."""
        return DydxPeer(self, now_ns) if path == PATH else None

    def has(self, symbol: str) -> bool:
        """Say whether a market exists."""
        return symbol in self._listing.by_symbol

    def first(self, channel: str, market: str, now_ns: int) -> Any:
        """Return the contents that a new subscription begins with."""
        if channel == TRADES:
            return {"trades": list(self._recent[market])[::-1]}
        live = self._listing.market
        return {
            "markets": {
                symbol: market_of(listed, live.tick(listed.index, now_ns))
                for symbol, listed in self._listing.by_symbol.items()
            }
        }

    def rest(self, path: str, query: Mapping[str, str], now_ns: int) -> Reply:
        """Answer a GET."""
        return self._rest.answer(path, query, now_ns)

    def frames(
        self,
        events: Sequence[MarketEvent],
        now_ns: int,  # noqa: ARG002 - the face's contract; nothing is held back here
        wanted: Container[str],
    ) -> Iterator[Frame]:
        """Write market events as this venue does; what belongs to one block goes together."""
        block: list[tuple[Listed, Tick]] = []
        for event in events:
            listed = self._listing.by_index.get(event.contract)
            if block and event.time_ns > block[0][1].time_ns:
                yield from self._block(block, wanted)
                block = []
            if listed is None:
                continue
            if isinstance(event, Tick):
                block.append((listed, event))
            elif isinstance(event, Liquidation):
                # the trade that closes the position comes right behind
                self._forced[
                    _key(event.contract, event.time_ns, event.fill_price, event.quantity)
                ] += 1
            elif isinstance(event, Trade):
                yield from self._trade(event, listed, wanted)
        if block:
            yield from self._block(block, wanted)

    def _block(
        self, block: Sequence[tuple[Listed, Tick]], wanted: Container[str]
    ) -> Iterator[Frame]:
        """Write the oracle prices of a block, and every ten seconds the other levels."""
        self._height += 1
        if f"{MARKETS}:" not in wanted:
            return
        at = moment(block[0][1].time_ns // MS_NS)
        prices = {
            listed.symbol: {
                "oraclePrice": decimals(tick.index, 6),
                "effectiveAt": at,
                "effectiveAtHeight": str(self._height),
                "marketId": listed.index,
            }
            for listed, tick in block
        }
        yield self._levels({"oraclePrices": prices})
        if block[0][1].time_ns // SECOND_NS % LEVELS_EVERY_S == 0:
            yield self._levels(
                {"trading": {listed.symbol: levels_of(listed, tick) for listed, tick in block}}
            )

    def _levels(self, contents: Any) -> Frame:
        return Frame(f"{MARKETS}:", "ticker", _body("channel_data", MARKETS, "", contents))

    def _trade(self, trade: Trade, listed: Listed, wanted: Container[str]) -> Iterator[Frame]:
        key = _key(trade.contract, trade.time_ns, trade.price, trade.quantity)
        forced = self._forced.pop(key, 0)
        if forced > 1:
            self._forced[key] = forced - 1
        one = {
            "id": f"{self._height:08x}{2:08x}{trade.number % 2**32:08x}",
            "side": "BUY" if trade.taker > 0 else "SELL",
            "size": listed.size(trade.quantity),
            "price": listed.price(trade.price),
            "type": "LIQUIDATED" if forced else "LIMIT",
            "createdAt": moment(trade.time_ns // MS_NS),
            "createdAtHeight": str(self._height),
        }
        self._recent[listed.symbol].append(one)
        stream = f"{TRADES}:{listed.symbol}"
        if stream in wanted:
            body = _body("channel_data", TRADES, listed.symbol, {"trades": [one]})
            yield Frame(stream, "trade", body, 1, forced=int(bool(forced)))


def _key(contract: int, time_ns: int, price: float, quantity: float) -> _Forced:
    return contract, time_ns, price, quantity
