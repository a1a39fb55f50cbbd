"""Kraken Futures' websocket as the venue documents it, over a simulated market.

The server says ``info`` first. Each product of a subscription is answered alone; trades begin with a snapshot
of the last ones. A forced close is a trade of type liquidation. Clients have to be heard each minute.
"""

import uuid
from collections import Counter, deque
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from service.simulator.kraken_perp_rest import HOURS_A_SETTLEMENT, KrakenPerpRest
from service.simulator.listing import Listed, Listing
from service.simulator.market import Market
from service.simulator.market_events import Liquidation, MarketEvent, Tick, Trade
from service.simulator.wire import MS_NS, SECOND_NS, Care, Frame, Heard, Peer, Reply, encode

PATH = "/ws/v1"
SILENCE_NS = 60 * SECOND_NS
HOUR_NS = 3600 * SECOND_NS
FEEDS = ("ticker", "trade", "heartbeat")
RECENT_TRADES = 100  # in the snapshot that a subscription begins with
FIRST_NUMBER = 650_000


class _Trade(msgspec.Struct, gc=False):
    feed: str
    product_id: str
    uid: str
    side: str
    type: str
    seq: int
    time: int
    qty: float
    price: float


class KrakenPerpPeer(Peer):
    """One connection."""

    def __init__(self, face: "KrakenPerp", now_ns: int) -> None:
        super().__init__(now_ns)
        self._face = face
        self.greeting = [Frame("", "info", encode({"event": "info", "version": 1}))]

    def hear(self, message: bytes, now_ns: int) -> Heard:
        """Answer subscribe and unsubscribe, one event for each product."""
        try:
            request = msgspec.json.decode(message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self._error("Json Error")
        event = request.get("event") if isinstance(request, dict) else None
        if event not in {"subscribe", "unsubscribe"}:
            return self._error("Bad request")
        feed, products = request.get("feed"), request.get("product_ids", [])
        if feed not in FEEDS:
            return self._error("Invalid feed")
        if not isinstance(products, list) or not all(self._face.has(one) for one in products):
            return self._error("Invalid product id")
        heard = Heard()
        for product in products:
            body = {"event": f"{event}d", "feed": feed, "product_ids": [product]}
            heard.say.append(Frame("", "ack", encode(body)))
            streams = heard.join if event == "subscribe" else heard.leave
            streams.append(f"{feed}:{product}")
            if event == "subscribe":
                heard.say += self._face.greeting(feed, product, now_ns)
        return heard

    def _error(self, message: str) -> Heard:
        return Heard(say=[Frame("", "error", encode({"event": "error", "message": message}))])

    def care(self, now_ns: int) -> Care:
        """End a connection whose client is not heard; protocol pings and pongs are hearing."""
        if now_ns - max(self.heard_ns, self.ponged_ns) > SILENCE_NS:
            return Care(cut=(1000, "no ping"))
        return Care(ping=now_ns - self.pinged_ns > SILENCE_NS // 4)


class KrakenPerp:
    """The face of Kraken Futures."""

    name = "kraken_perp"

    def __init__(self, market: Market) -> None:
        self._listing = Listing(market, self.name)
        self._rest = KrakenPerpRest(self._listing)
        self._recent: dict[int, deque[_Trade]] = {
            index: deque(maxlen=RECENT_TRADES) for index in self._listing.by_index
        }
        #: Forced closes whose trade, which comes next, is not told yet.
        self._forced: Counter[tuple[int, int, float, float]] = Counter()

    def connect(
        self,
        path: str,
        query: Mapping[str, str],  # noqa: ARG002 - the face's contract; this venue has none
        now_ns: int,
    ) -> KrakenPerpPeer | None:
        """Accept connections to the one path there is."""
        return KrakenPerpPeer(self, now_ns) if path == PATH else None

    def has(self, product: object) -> bool:
        """Say whether a product exists. Names are taken in any case, as the venue does."""
        return isinstance(product, str) and product.upper() in self._listing.by_symbol

    def greeting(self, feed: str, product: str, now_ns: int) -> Iterator[Frame]:
        """Write what a new subscription begins with: old trades, or the present levels."""
        listed = self._listing.by_symbol[product.upper()]
        stream = f"{feed}:{listed.symbol}"
        if feed == "ticker":
            tick = self._listing.market.tick(listed.index, now_ns)
            yield Frame(stream, "ticker", encode(ticker(listed, tick)))
        elif feed == "trade":
            newest_first = list(self._recent[listed.index])[::-1]
            body = {"feed": "trade_snapshot", "product_id": listed.symbol, "trades": newest_first}
            yield Frame(stream, "trade_snapshot", encode(body))

    def frames(
        self, events: Sequence[MarketEvent], now_ns: int, wanted: Container[str]
    ) -> Iterator[Frame]:
        """Write market events as this venue does."""
        del now_ns
        for event in events:
            listed = self._listing.by_index.get(event.contract)
            if listed is None:
                continue
            if isinstance(event, Liquidation):
                self._forced[event.contract, event.time_ns, event.fill_price, event.quantity] += 1
            elif isinstance(event, Trade):
                yield from self._trade(event, listed, wanted)
            elif isinstance(event, Tick) and f"ticker:{listed.symbol}" in wanted:
                yield Frame(f"ticker:{listed.symbol}", "ticker", encode(ticker(listed, event)))

    def rest(self, path: str, query: Mapping[str, str], now_ns: int) -> Reply:
        """Answer a GET."""
        return self._rest.answer(path, query, now_ns)

    def _trade(self, trade: Trade, listed: Listed, wanted: Container[str]) -> Iterator[Frame]:
        key = (trade.contract, trade.time_ns, trade.price, trade.quantity)
        forced = self._forced.pop(key, 0)
        if forced > 1:
            self._forced[key] = forced - 1
        one = _Trade(
            "trade",
            listed.symbol,
            str(uuid.UUID(int=(trade.contract << 48) | trade.number)),
            "buy" if trade.taker > 0 else "sell",
            "liquidation" if forced else "fill",
            FIRST_NUMBER + trade.number,
            trade.time_ns // MS_NS,
            listed.contracts(trade.quantity, trade.price),
            trade.price,
        )
        self._recent[listed.index].append(one)
        stream = f"trade:{listed.symbol}"
        if stream in wanted:
            yield Frame(stream, "trade", encode(one), 1, 1 if forced else 0)


def ticker(listed: Listed, tick: Tick) -> dict[str, Any]:
    """Write a contract's levels. A rate of zero is left out, as the venue does."""
    half = 0.5 * 10.0**-listed.contract.price_decimals
    hourly = tick.funding_rate / HOURS_A_SETTLEMENT
    rates = {
        "funding_rate": hourly * tick.index,
        "funding_rate_prediction": hourly * tick.index,
        "relative_funding_rate": hourly,
        "relative_funding_rate_prediction": hourly,
    }
    return {
        "time": tick.time_ns // MS_NS,
        "product_id": listed.symbol,
        **(rates if hourly else {}),
        "next_funding_rate_time": (tick.time_ns // HOUR_NS + 1) * HOUR_NS // MS_NS,
        "feed": "ticker",
        "bid": round(tick.mid - half, 8),
        "ask": round(tick.mid + half, 8),
        "bid_size": 5.0,
        "ask_size": 5.0,
        "volume": 4000.0,
        "dtm": 0,
        "leverage": "50x",
        "index": tick.index,
        "premium": 100.0 * tick.premium,
        "last": tick.last,
        "change": 0.0,
        "suspended": False,
        "tag": "perpetual",
        "pair": f"{listed.symbol[3:-3]}:USD",
        "openInterest": listed.contracts(tick.open_interest, tick.mark),
        "markPrice": tick.mark,
        "maturityTime": 0,
        "post_only": False,
    }
