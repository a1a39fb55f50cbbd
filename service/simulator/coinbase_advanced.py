"""Coinbase Advanced Trade as the venue documents it, over a simulated market: spot, and regulated futures.

Trades come in batches of a quarter of a second, newest first, the side the maker's; a subscription begins
with a snapshot of old ones. Every message of a connection has its number. Futures are whole contracts, and
what they have beside trades is in the product that REST gives.
"""

from collections import deque
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from service.simulator.coinbase import iso
from service.simulator.funding import INTERVAL_NS
from service.simulator.listing import Listed, Listing, RateLimit
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
    decimals,
    encode,
    integer,
    json_reply,
)

PATHS = ("", "/")
DEADLINE_NS = 5 * SECOND_NS
IDLE_NS = 90 * SECOND_NS  # subscriptions without heartbeats are closed
BATCH_NS = 250 * MS_NS
HOUR_NS = 3600 * SECOND_NS
FIRST_ID = 900_000_000
SNAPSHOT_TRADES = 50
CHANNELS = ("heartbeats", "market_trades")
PRODUCTS = "/api/v3/brokerage/market/products"
REQUESTS_PER_S = 10
#: What a connection's number takes the place of.
UNNUMBERED = b'"sequence_num":0,'

Said = dict[str, Any]


def shortened(at_ns: int) -> str:
    """Write a time with as many digits as it needs.

    >>> shortened(1_790_000_000_120_000_000), shortened(1_790_000_000_000_000_000)
    ('2026-09-21T14:13:20.12Z', '2026-09-21T14:13:20Z')
    """
    return iso(at_ns)[:-1].rstrip("0").removesuffix(".") + "Z"


class AdvancedPeer(Peer):
    """One connection: it numbers what it is told."""

    def __init__(self, face: "_Advanced", now_ns: int) -> None:
        super().__init__(now_ns)
        self._face = face
        self._subscribed: dict[str, set[str]] = {}
        self._number = 0

    def pack(self, frame: Frame) -> bytes:
        """Return the frame with this connection's next number."""
        if UNNUMBERED not in frame.payload:
            return frame.payload
        numbered = frame.payload.replace(UNNUMBERED, b'"sequence_num":%d,' % self._number, 1)
        self._number += 1
        return numbered

    def hear(self, message: bytes, now_ns: int) -> Heard:
        """Answer subscribe and unsubscribe, one channel each."""
        try:
            request = msgspec.json.decode(message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _error("failed to parse message")
        if not isinstance(request, dict) or request.get("type") not in {"subscribe", "unsubscribe"}:
            return _error("unrecognized message type")
        channel, products = request.get("channel"), request.get("product_ids", [])
        if not isinstance(channel, str) or channel not in CHANNELS:
            return _error("channel field is required and must be one channel")
        if not isinstance(products, list) or not all(map(self._face.has, products)):
            return _error("invalid product id")
        if channel != "heartbeats" and not products:
            return _error("product_ids are required")
        streams = [f"{channel}:{product}" for product in products] or [channel]
        if request["type"] == "unsubscribe":
            self._subscribed.get(channel, set()).difference_update(products)
            return Heard(say=[self._ack(now_ns)], leave=streams)
        self._subscribed.setdefault(channel, set()).update(products)
        say = [self._ack(now_ns)]
        if channel == "market_trades":
            say.append(self._face.snapshot(products, now_ns))
        return Heard(say=say, join=streams)

    def _ack(self, now_ns: int) -> Frame:
        held = {name: sorted(products) for name, products in self._subscribed.items()}
        body = _message("subscriptions", now_ns, [{"subscriptions": held}])
        return Frame("", "ack", body)

    def care(self, now_ns: int) -> Care:
        """End what never subscribed, and what is quiet without heartbeats."""
        if not self._subscribed and now_ns - self.opened_ns > DEADLINE_NS:
            return Care(cut=(1000, "no subscription"))
        if "heartbeats" not in self._subscribed and now_ns - self.told_ns > IDLE_NS:
            return Care(cut=(1000, "idle"))
        return Care()


def _error(text: str) -> Heard:
    return Heard(say=[Frame("", "error", encode({"type": "error", "message": text}))])


def _message(channel: str, now_ns: int, events: list[Said]) -> bytes:
    return encode(
        {
            "channel": channel,
            "client_id": "",
            "timestamp": shortened(now_ns),
            "sequence_num": 0,
            "events": events,
        }
    )


class _Advanced:
    """What both faces have in common."""

    name = ""
    product_type = ""

    def __init__(self, market: Market) -> None:
        self.listing = Listing(market, self.name)
        self._market = market
        self._tapes: dict[int, deque[Trade]] = {
            index: deque(maxlen=SNAPSHOT_TRADES) for index in self.listing.by_index
        }
        self._batches: dict[int, list[Trade]] = {}
        self._batch = self._second = self._beats = 0
        self._limit = RateLimit(REQUESTS_PER_S, SECOND_NS)

    def connect(
        self,
        path: str,
        query: Mapping[str, str],  # noqa: ARG002 - the face's contract; this venue has none
        now_ns: int,
    ) -> AdvancedPeer | None:
        """Accept connections to the market data feed."""
        return AdvancedPeer(self, now_ns) if path in PATHS else None

    def has(self, product: object) -> bool:
        """Say whether a product has a stream."""
        return isinstance(product, str) and product in self.listing.by_symbol

    def snapshot(self, products: Sequence[str], now_ns: int) -> Frame:
        """Write the old trades that a subscription begins with."""
        events = []
        for product in products:
            listed = self.listing.by_symbol[product]
            old = reversed(self._tapes[listed.index])
            events.append({"type": "snapshot", "trades": [self._trade(listed, t) for t in old]})
        return Frame("", "replay", _message("market_trades", now_ns, events))

    def frames(
        self, events: Sequence[MarketEvent], now_ns: int, wanted: Container[str]
    ) -> Iterator[Frame]:
        """Write market events as this venue does."""
        for event in events:
            listed = self.listing.by_index.get(event.contract)
            if listed is None or not isinstance(event, Trade):
                continue
            self._tapes[listed.index].append(event)
            if event.time_ns // BATCH_NS != self._batch:
                yield from self._due(event.time_ns)
            if f"market_trades:{listed.symbol}" in wanted:
                self._batches.setdefault(listed.index, []).append(event)
        if now_ns // BATCH_NS != self._batch:
            yield from self._due(now_ns)
        if now_ns // SECOND_NS > self._second:
            self._second = now_ns // SECOND_NS
            self._beats += 1
            beat = {"current_time": shortened(now_ns), "heartbeat_counter": self._beats}
            yield Frame("heartbeats", "beat", _message("heartbeats", now_ns, [beat]))

    def _due(self, now_ns: int) -> Iterator[Frame]:
        """Write the batches of the quarter second that has ended."""
        self._batch = now_ns // BATCH_NS
        batches, self._batches = self._batches, {}
        for index, batch in batches.items():
            listed = self.listing.by_index[index]
            trades = [self._trade(listed, trade) for trade in reversed(batch)]
            body = _message("market_trades", now_ns, [{"type": "update", "trades": trades}])
            yield Frame(f"market_trades:{listed.symbol}", "trade", body, len(batch))

    def _trade(self, listed: Listed, trade: Trade) -> Said:
        return {
            "product_id": listed.symbol,
            "trade_id": str(FIRST_ID + trade.number),
            "price": listed.price(trade.price),
            "size": self.size(listed, trade.quantity),
            "time": shortened(trade.time_ns),
            "side": "SELL" if trade.taker > 0 else "BUY",
        }

    def size(self, listed: Listed, coin: float) -> str:
        """Write a quantity of coin."""
        return listed.size(coin)

    def products(self, now_ns: int) -> list[Said]:
        """List everything, with what a careless reader would take for a market of its own."""
        raise NotImplementedError

    def rest(self, path: str, query: Mapping[str, str], now_ns: int) -> Reply:
        """Answer a GET."""
        if not self._limit.take(1, now_ns):
            return json_reply({"error": "rate limit exceeded"}, 429)
        listed = {item["product_id"]: item for item in self.products(now_ns)}
        if path != PRODUCTS:
            found = listed.get(path.removeprefix(PRODUCTS + "/"))
            return json_reply({"error": "NOT_FOUND"}, 404) if found is None else json_reply(found)
        try:
            first, limit = integer(query, "offset", 0), integer(query, "limit", len(listed))
        except ValueError:
            return json_reply({"error": "INVALID_ARGUMENT"}, 400)
        kind = query.get("product_type", self.product_type)
        chosen = [item for item in listed.values() if item["product_type"] == kind]
        page = chosen[first : first + limit]
        return json_reply({"products": page, "num_products": len(page), "pagination": None})


def _product(symbol: str, price: str, **more: Any) -> Said:
    return {
        "product_id": symbol,
        "price": price,
        "volume_24h": "1000",
        "base_increment": "0.00000001",
        "quote_increment": "0.01",
        "is_disabled": False,
        "status": "online",
        "cancel_only": False,
        "trading_disabled": False,
        "alias": "",
        "alias_to": [],
        "mid_market_price": "",
        "view_only": False,
        **more,
    }


class CoinbaseAdv(_Advanced):
    """The face of Advanced Trade's spot markets."""

    name = "coinbase_adv"
    product_type = "SPOT"

    def products(self, now_ns: int) -> list[Said]:
        """List each market in USD, and its other name in USDC that has no stream."""
        found = []
        for listed in self.listing.by_symbol.values():
            price = listed.price(self._market.tick(listed.index, now_ns).last)
            other = f"{listed.coin}-USDC"
            common = {"product_type": "SPOT", "base_currency_id": listed.coin}
            found += [
                _product(listed.symbol, price, quote_currency_id="USD", alias_to=[other], **common),
                _product(other, price, quote_currency_id="USDC", alias=listed.symbol, **common),
            ]
        return found


class CoinbaseCde(_Advanced):
    """The face of Coinbase Derivatives' perpetual-style futures."""

    name = "coinbase_cde"
    product_type = "FUTURE"

    def size(self, listed: Listed, coin: float) -> str:
        """Write a quantity of coin in whole contracts."""
        return f"{max(1.0, round(coin / listed.per_contract)):.0f}"

    def products(self, now_ns: int) -> list[Said]:
        """List each future, and a dated one on the same coin."""
        found = []
        for listed in self.listing.by_symbol.values():
            tick = self._market.tick(listed.index, now_ns)
            hour_ns = now_ns // HOUR_NS * HOUR_NS
            held = decimals(tick.open_interest / listed.per_contract, 0)
            hourly = tick.funding_rate * HOUR_NS / INTERVAL_NS
            perpetual = {
                "contract_expiry": "2030-12-20T16:00:00Z",
                "funding_interval": "3600s",
                "funding_rate": decimals(hourly, 9),
                "funding_time": shortened(hour_ns),
                "index_price": decimals(tick.index, 6),
                "open_interest": held,
            }
            dated = {
                "contract_expiry": "2026-12-25T15:00:00Z",
                "funding_interval": None,
                "funding_rate": "",
                "funding_time": None,
                "index_price": "",
                "open_interest": "35445",
            }
            for symbol, details in (
                (listed.symbol, perpetual),
                (f"{listed.coin}-25DEC26-CDE", dated),
            ):
                found.append(_future(listed, symbol, decimals(tick.mid, 2), details))
        return found


def _future(listed: Listed, symbol: str, mid: str, details: Said) -> Said:
    return _product(
        symbol, mid, product_type="FUTURE", base_currency_id="", quote_currency_id="USD",
        status="", mid_market_price=mid, product_venue="FCM",
        future_product_details={
            "venue": "cde",
            "contract_code": symbol.partition("-")[0],
            "contract_size": listed.contract.contract_size,
            "contract_root_unit": listed.coin,
            "contract_expiry_type": "EXPIRING",
            "non_crypto": False,
            "perpetual_details": {"open_interest": details["open_interest"], "funding_rate": "",
                                  "funding_time": None},
            **details,
        },
    )  # fmt: skip
