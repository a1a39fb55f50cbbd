"""Hyperliquid's websocket and ``/info`` as the venue documents them, over a simulated market.

It greets with plain text. A coin's trades begin with old ones that bear no mark. Liquidations are told to
nobody but those who watch an address: every second forced close is taken over by one of three vaults, and
is seen in its fills, among trades of its own.
"""

from collections import deque
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from service.simulator.history import GRID_MS
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

PATH: Final = "/ws"
GREETING: Final = b"Websocket connection established."
SILENCE_NS: Final = 60 * SECOND_NS
MOST_SUBSCRIPTIONS: Final = 1000
MOST_USERS: Final = 10
VAULTS: Final = (
    "0xb0a55f13d22f66e6d495ac98113841b2326e9540",
    "0x2e3d94f0562703b25c83308a05046ddaf9a8dd14",
    "0x5e177e5e39c0f4e421f5865a6d8beed8d921cb70",
)
TRADER: Final = "0x" + "a1" * 20
OLD_TRADES: Final = 6  # repeated to who subscribes
KEPT_FILLS: Final = 50
WEIGHT_A_MINUTE: Final = 1200
ROWS_A_PAGE: Final = 500
SETTLED_AFTER_MS: Final = 41  # the full hour


class HyperliquidPeer(Peer):
    """One connection. It is closed when it has been told nothing for a minute."""

    def __init__(self, face: "Hyperliquid", now_ns: int) -> None:
        super().__init__(now_ns)
        self.greeting = [Frame("", "greeting", GREETING)]
        self._face = face
        self._streams: set[str] = set()

    def hear(self, message: bytes, now_ns: int) -> Heard:
        """Answer ping, subscribe and unsubscribe."""
        try:
            request = msgspec.json.decode(message)
            method, what = request["method"], request.get("subscription")
        except (msgspec.DecodeError, UnicodeDecodeError, TypeError, KeyError, AttributeError):
            return _error(f"Error parsing JSON into valid websocket request: {message!r}")
        if method == "ping":
            return Heard(say=[Frame("", "pong", encode({"channel": "pong"}))])
        stream = self._face.stream(what)
        if method not in {"subscribe", "unsubscribe"} or stream is None:
            return _error(f"Invalid subscription {encode(what).decode()}")
        answer = Frame("", "ack", encode({
            "channel": "subscriptionResponse", "data": {"method": method, "subscription": what},
        }))  # fmt: skip
        if method == "unsubscribe":
            self._streams.discard(stream)
            return Heard(say=[answer], leave=[stream])
        return self._subscribe(stream, answer, now_ns)

    def _subscribe(self, stream: str, answer: Frame, now_ns: int) -> Heard:
        if stream in self._streams:
            return _error(f"Already subscribed: {stream}")
        if len(self._streams) == MOST_SUBSCRIPTIONS:
            return _error(f"Cannot track more than {MOST_SUBSCRIPTIONS} subscriptions.")
        users = sum(one.startswith("userFills:") for one in self._streams)
        if users == MOST_USERS and stream.startswith("userFills:"):
            return _error(f"Cannot track more than {MOST_USERS} total users.")
        self._streams.add(stream)
        first = self._face.first(stream, self.opened_ns, now_ns)
        return Heard(say=[answer, first], join=[stream])

    def care(self, now_ns: int) -> Care:
        """End a connection that nothing was said to."""
        if now_ns - self.told_ns > SILENCE_NS:
            return Care(cut=(1000, "Inactive"))
        return Care()


def _error(text: str) -> Heard:
    return Heard(say=[Frame("", "error", encode({"channel": "error", "data": text}))])


def _context(listed: Listed, tick: Tick) -> dict[str, Any]:
    """Write a contract's levels as the venue does."""
    return {
        "funding": decimals(hourly_rate(tick.funding_rate), 10),
        "openInterest": decimals(tick.open_interest, 5),
        "prevDayPx": listed.price(tick.index),
        "dayNtlVlm": "1000000.0",
        "premium": decimals(tick.premium, 8),
        "oraclePx": decimals(tick.index, 4),
        "markPx": decimals(tick.mark, 4),
        "midPx": decimals(tick.mid, 4),
        "impactPxs": [listed.price(tick.mid), listed.price(tick.mid)],
        "dayBaseVlm": "1000.0",
    }


class Hyperliquid:
    """The face of Hyperliquid."""

    name = "hyperliquid"

    def __init__(self, market: Market) -> None:
        self._listing = Listing(market, self.name)
        self._limit = RateLimit(WEIGHT_A_MINUTE, 60 * SECOND_NS)
        self._fills = {user: deque[dict[str, Any]](maxlen=KEPT_FILLS) for user in VAULTS}
        self._forced = 0

    def connect(
        self,
        path: str,
        query: Mapping[str, str],  # noqa: ARG002 - the face's contract; this venue has none
        now_ns: int,
    ) -> HyperliquidPeer | None:
        """Accept connections."""
        return HyperliquidPeer(self, now_ns) if path == PATH else None

    def stream(self, what: object) -> str | None:
        """Name the stream of a subscription, None if there is none."""
        match what:
            case {"type": "trades" | "activeAssetCtx" as kind, "coin": str(coin)}:
                return f"{kind}:{coin}" if coin in self._listing.by_symbol else None
            case {"type": "userFills", "user": str(user)} if len(user) == len(TRADER):
                return f"userFills:{user.lower()}"
        return None

    def first(self, stream: str, opened_ns: int, now_ns: int) -> Frame:
        """Write what a new subscription begins with: old trades, old fills or the present levels."""
        kind, _, name = stream.partition(":")
        if kind == "userFills":
            return _fills(name, list(self._fills.get(name, ()))[::-1], snapshot=True)
        listed = self._listing.by_symbol[name]
        if kind == "activeAssetCtx":
            return self._levels(listed, self._listing.market.tick(listed.index, now_ns))
        closes = self._listing.market.history.bars(
            listed.index, "mark", GRID_MS,
            opened_ns // MS_NS - OLD_TRADES * GRID_MS, opened_ns // MS_NS - GRID_MS,
        )  # fmt: skip
        old = [
            Trade(listed.index, (bar.start_ms + GRID_MS) * MS_NS - MS_NS, number, bar.close, 1.0, 1)
            for number, bar in enumerate(closes)
        ]
        return _trades(stream, listed, old, rows=0)

    def frames(
        self,
        events: Sequence[MarketEvent],
        now_ns: int,  # noqa: ARG002 - the face's contract; nothing is held back here
        wanted: Container[str],
    ) -> Iterator[Frame]:
        """Write market events as this venue does."""
        for event in events:
            listed = self._listing.by_index.get(event.contract)
            if listed is None:
                continue
            if isinstance(event, Trade):
                stream = f"trades:{listed.symbol}"
                if stream in wanted:
                    yield _trades(stream, listed, [event], rows=1)
            elif isinstance(event, Tick):
                if f"activeAssetCtx:{listed.symbol}" in wanted:
                    yield self._levels(listed, event)
            elif isinstance(event, Liquidation):
                yield from self._taken_over(event, listed)

    def _levels(self, listed: Listed, tick: Tick) -> Frame:
        data = {"coin": listed.symbol, "ctx": _context(listed, tick)}
        body = encode({"channel": "activeAssetCtx", "data": data})
        return Frame(f"activeAssetCtx:{listed.symbol}", "ticker", body)

    def _taken_over(self, event: Liquidation, listed: Listed) -> Iterator[Frame]:
        """Give every second forced close to a vault, which sells some of it on: that is no liquidation."""
        self._forced += 1
        if self._forced % 2:
            return
        vault = VAULTS[self._forced // 2 % len(VAULTS)]
        taken = _fill(listed, event, self._forced)
        taken["liquidation"] = {
            "liquidatedUser": TRADER, "markPx": listed.price(event.fill_price), "method": "backstop",
        }  # fmt: skip
        sold = _fill(listed, event, self._forced + 1) | {
            "side": "A" if taken["side"] == "B" else "B",
            "dir": "Close Long" if taken["side"] == "B" else "Close Short",
        }
        for one in (taken, sold):
            self._fills[vault].append(one)
            yield _fills(vault, [one], snapshot=False)

    def rest(self, path: str, query: Mapping[str, str], now_ns: int) -> Reply:
        """Answer a question posted to ``/info``."""
        if path != "/info":
            return Reply(b"", 404)
        if not self._limit.take(20, now_ns):
            return Reply(b"null", 429)
        try:
            match query.get("type"):
                case "metaAndAssetCtxs":
                    return json_reply(self._meta(now_ns))
                case "fundingHistory":
                    return json_reply(self._settled(query, now_ns))
        except (KeyError, ValueError):
            pass
        return Reply(b"Failed to deserialize the JSON body into the target type", 422)

    def _meta(self, now_ns: int) -> Any:
        every = list(self._listing.by_symbol.values())
        universe: list[dict[str, Any]] = [
            {"szDecimals": 5, "name": one.symbol, "maxLeverage": 40, "marginTableId": 56}
            for one in every
        ]
        gone = {"szDecimals": 1, "name": "GONE", "maxLeverage": 3, "isDelisted": True}
        levels = [_context(c, self._listing.market.tick(c.index, now_ns)) for c in every]
        return [{"universe": [*universe, gone], "marginTables": []}, [*levels, levels[0]]]

    def _settled(self, query: Mapping[str, str], now_ns: int) -> Any:
        listed = self._listing.by_symbol[query["coin"]]
        until = min(integer(query, "endTime", now_ns // MS_NS), now_ns // MS_NS)
        since = integer(query, "startTime", 0)
        oldest = max(since - SETTLED_AFTER_MS, until - 100 * 24 * HOUR_MS)
        payments = hourly_payments(
            self._listing.market.history, listed.index, oldest, until - SETTLED_AFTER_MS
        )
        return [
            {
                "coin": listed.symbol,
                "fundingRate": decimals(payment.rate, 10),
                "premium": decimals(payment.rate * 8, 10),
                "time": payment.time_ms + SETTLED_AFTER_MS,
            }
            for payment in payments[:ROWS_A_PAGE]
        ]


def _trades(stream: str, listed: Listed, trades: Sequence[Trade], rows: int) -> Frame:
    data = [
        {
            "coin": listed.symbol,
            "side": "B" if one.taker > 0 else "A",
            "px": listed.price(one.price),
            "sz": listed.size(one.quantity),
            "time": one.time_ns // MS_NS,
            "hash": "0x" + "0" * 64,
            # ids say nothing about an order
            "tid": (one.number * 2_654_435_761 + one.contract) % 2**50,
            "users": [TRADER, TRADER],
        }
        for one in trades
    ]
    return Frame(stream, "trade", encode({"channel": "trades", "data": data}), rows)


def _fill(listed: Listed, event: Liquidation, number: int) -> dict[str, Any]:
    """Write a vault's side of a forced close: it buys what a long loses."""
    long = event.position > 0
    return {
        "coin": listed.symbol,
        "px": listed.price(event.fill_price),
        "sz": listed.size(event.quantity),
        "side": "B" if long else "A",
        "time": event.time_ns // MS_NS,
        "startPosition": "0.0",
        "dir": "Open Long" if long else "Open Short",
        "closedPnl": "0.0",
        "hash": "0x" + "0" * 64,
        "oid": number,
        "crossed": False,
        "fee": "0.0",
        "tid": number,
        "feeToken": "USDC",
    }


def _fills(user: str, fills: list[dict[str, Any]], *, snapshot: bool) -> Frame:
    data: dict[str, Any] = {"user": user, "fills": fills}
    rows = 0
    if snapshot:
        data["isSnapshot"] = True
    else:
        rows = sum("liquidation" in one for one in fills)
    body = encode({"channel": "userFills", "data": data})
    return Frame(f"userFills:{user}", "liquidation", body, rows)
