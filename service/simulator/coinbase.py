"""Coinbase Exchange's spot feed and REST as the venue documents them, over a simulated market.

Sides are the maker's. A subscription to matches begins with the trade before; heartbeats come each second
and product and know the last trade's id. Whoever has not subscribed within five seconds is cut.
"""

import time
from collections import deque
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from service.simulator.listing import Listed, Listing, RateLimit
from service.simulator.market import Market
from service.simulator.market_events import MarketEvent, Trade
from service.simulator.wire import (
    SECOND_NS,
    Care,
    Frame,
    Heard,
    Peer,
    Reply,
    encode,
    integer,
    json_reply,
)

PATHS = ("", "/")
DEADLINE_NS = 5 * SECOND_NS
CHANNELS = ("matches", "heartbeat")
FIRST_ID = 900_000_000
KEPT_TRADES = 50_000  # of each product, for REST
TRADES_PER_PAGE = 1000
REQUESTS_PER_S = 15

Said = dict[str, Any]


def iso(at_ns: int) -> str:
    """Write a time with six digits of its second.

    >>> iso(1_790_000_000_123_456_789)
    '2026-09-21T14:13:20.123456Z'
    """
    seconds, rest = divmod(at_ns, SECOND_NS)
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{moment}.{rest // 1000:06d}Z"


class _Match(msgspec.Struct, gc=False):
    type: str
    trade_id: int
    maker_order_id: str
    taker_order_id: str
    side: str
    size: str
    price: str
    product_id: str
    sequence: int
    time: str


class CoinbasePeer(Peer):
    """One connection and what it has subscribed to."""

    def __init__(self, face: "Coinbase", now_ns: int) -> None:
        super().__init__(now_ns)
        self._face = face
        self._topics: dict[str, list[str]] = {}

    def hear(self, message: bytes, now_ns: int) -> Heard:
        """Answer subscribe and unsubscribe; everything else is an error."""
        try:
            request = msgspec.json.decode(message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _error("Failed to parse", "not JSON")
        if not isinstance(request, dict) or request.get("type") not in {"subscribe", "unsubscribe"}:
            return _error("Failed to subscribe", "type must be subscribe or unsubscribe")
        wanted = _wanted(request)
        for name, products in wanted.items():
            if name not in CHANNELS:
                return _error("Failed to subscribe", f"{name} is not a valid channel")
            for product in products:
                if product not in self._face.listing.by_symbol:
                    return _error("Failed to subscribe", f"{product} is not a valid product")
        if not wanted or not all(wanted.values()):
            return _error("Failed to subscribe", "no channels or product_ids provided")
        streams = [f"{name}:{product}" for name in wanted for product in wanted[name]]
        if request["type"] == "unsubscribe":
            for name, products in wanted.items():
                kept = [p for p in self._topics.get(name, []) if p not in products]
                self._topics[name] = kept
            return Heard(say=[self._ack()], leave=streams)
        for name, products in wanted.items():
            held = self._topics.setdefault(name, [])
            held += [p for p in products if p not in held]
        replay = list(self._face.replay(wanted.get("matches", []), now_ns))
        return Heard(say=[self._ack(), *replay], join=streams)

    def _ack(self) -> Frame:
        channels = [
            {"name": name, "product_ids": held} for name, held in self._topics.items() if held
        ]
        return Frame("", "ack", encode({"type": "subscriptions", "channels": channels}))

    def care(self, now_ns: int) -> Care:
        """End a connection that never subscribed."""
        if not self._topics and now_ns - self.opened_ns > DEADLINE_NS:
            return Care(cut=(1000, "no subscription"))
        return Care()


def _wanted(request: Said) -> dict[str, list[str]]:
    """Return the products of each channel that a message names, in either of its forms."""
    common = _texts(request.get("product_ids"))
    channels = request.get("channels")
    wanted: dict[str, list[str]] = {}
    for item in channels if isinstance(channels, list) else []:
        if isinstance(item, dict):
            wanted[str(item.get("name"))] = _texts(item.get("product_ids")) or common
        else:
            wanted[str(item)] = common
    return wanted


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _error(message: str, reason: str) -> Heard:
    body = {"type": "error", "message": message, "reason": reason}
    return Heard(say=[Frame("", "error", encode(body))])


class Coinbase:
    """The face of Coinbase Exchange."""

    name = "coinbase"

    def __init__(self, market: Market) -> None:
        self.listing = Listing(market, "coinbase")
        self._tapes: dict[int, deque[Trade]] = {
            index: deque(maxlen=KEPT_TRADES) for index in self.listing.by_index
        }
        self._limit = RateLimit(REQUESTS_PER_S, SECOND_NS)
        self._second = 0

    def connect(
        self,
        path: str,
        query: Mapping[str, str],  # noqa: ARG002 - the face's contract; this venue has none
        now_ns: int,
    ) -> CoinbasePeer | None:
        """Accept connections to the feed."""
        return CoinbasePeer(self, now_ns) if path in PATHS else None

    def replay(self, products: Sequence[str], now_ns: int) -> Iterator[Frame]:
        """Write the trade before, for each product of a new subscription."""
        for product in products:
            listed = self.listing.by_symbol[product]
            tape = [t for t in self._tapes[listed.index] if t.time_ns <= now_ns]
            if tape:
                yield Frame("", "replay", encode(_match("last_match", tape[-1], listed)))

    def frames(
        self, events: Sequence[MarketEvent], now_ns: int, wanted: Container[str]
    ) -> Iterator[Frame]:
        """Write market events as this venue does."""
        for event in events:
            listed = self.listing.by_index.get(event.contract)
            if listed is not None and isinstance(event, Trade):
                self._tapes[listed.index].append(event)
                stream = f"matches:{listed.symbol}"
                if stream in wanted:
                    yield Frame(stream, "trade", encode(_match("match", event, listed)), 1)
        if now_ns // SECOND_NS > self._second:
            self._second = now_ns // SECOND_NS
            yield from self._heartbeats(now_ns, wanted)

    def _heartbeats(self, now_ns: int, wanted: Container[str]) -> Iterator[Frame]:
        for listed in self.listing.by_index.values():
            stream, tape = f"heartbeat:{listed.symbol}", self._tapes[listed.index]
            if stream in wanted:
                number = tape[-1].number if tape else 0
                body = {
                    "type": "heartbeat",
                    "last_trade_id": FIRST_ID + number if number else 0,
                    "product_id": listed.symbol,
                    "sequence": _sequence(number),
                    "time": iso(now_ns),
                }
                yield Frame(stream, "beat", encode(body))

    def rest(self, path: str, query: Mapping[str, str], now_ns: int) -> Reply:
        """Answer a GET."""
        if not self._limit.take(1, now_ns):
            return json_reply({"message": "Public rate limit exceeded"}, 429)
        if path == "/products":
            return json_reply([_product(listed) for listed in self.listing.by_symbol.values()])
        _, _, rest = path.partition("/products/")
        product, _, what = rest.partition("/")
        listed = self.listing.by_symbol.get(product)
        if listed is None or what not in {"", "trades"}:
            return json_reply({"message": "NotFound"}, 404)
        if not what:
            return json_reply(_product(listed))
        try:
            return json_reply(self._trades(listed, query))
        except ValueError:
            return json_reply({"message": "Invalid cursor"}, 400)

    def _trades(self, listed: Listed, query: Mapping[str, str]) -> list[Said]:
        limit = min(max(integer(query, "limit", TRADES_PER_PAGE), 1), TRADES_PER_PAGE)
        after = integer(query, "after", 2**63)
        before = integer(query, "before", 0)
        fields = ("trade_id", "side", "size", "price", "time")
        found: list[Said] = []
        for trade in reversed(self._tapes[listed.index]):
            if len(found) == limit:
                break
            if before < FIRST_ID + trade.number < after:
                match = _match("match", trade, listed)
                found.append({name: getattr(match, name) for name in fields})
        return found


def _match(kind: str, trade: Trade, listed: Listed) -> _Match:
    return _Match(
        kind, FIRST_ID + trade.number, _order(listed, 2 * trade.number),
        _order(listed, 2 * trade.number + 1), "sell" if trade.taker > 0 else "buy",
        listed.size(trade.quantity), listed.price(trade.price), listed.symbol,
        _sequence(trade.number), iso(trade.time_ns),
    )  # fmt: skip


def _sequence(number: int) -> int:
    """Orders that come and go count in the sequence as well."""
    return 10**10 + 3 * number


def _order(listed: Listed, number: int) -> str:
    text = f"{(listed.index << 64) | number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _product(listed: Listed) -> Said:
    return {
        "id": listed.symbol,
        "base_currency": listed.coin,
        "quote_currency": "USD",
        "quote_increment": f"{10.0**-listed.contract.price_decimals:g}",
        "base_increment": "0.00000001",
        "display_name": listed.symbol,
        "min_market_funds": "1",
        "margin_enabled": False,
        "post_only": False,
        "limit_only": False,
        "cancel_only": False,
        "status": "online",
        "status_message": "",
        "trading_disabled": False,
        "fx_stablecoin": False,
        "max_slippage_percentage": "0.02000000",
        "auction_mode": False,
    }
