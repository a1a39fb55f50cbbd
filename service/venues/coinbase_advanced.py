"""The protocol of Coinbase Advanced Trade, which carries spot markets and the regulated futures venue.

Facts as of 2026-09, from docs.cdp.coinbase.com, Advanced Trade WebSocket (overview, channels, rate limits):

- ``market_trades`` comes four times a second at most, its trades newest first; rows are written oldest
  first. After subscribing there is a ``snapshot`` of old trades, which is dropped.
- What `side` means is not documented. It is read as the MAKER's, as in the Exchange feed, whose trade ids
  these are: recorded frames of 2025-12-31 (ccxt issue 27606) have SELL on the upper of two neighbouring
  prices and BUY on the lower, again and again, which only resting orders do; bbgo (pull request 2509) and
  others turn it round too. nautilus_trader and cryptofeed do not.
- `sequence_num` counts the messages of a connection, whatever their channel. A number left out is a message
  lost, whosever it was, so every product gets a GAP row. What cannot be read counts as lost.
- ``heartbeats`` comes each second and keeps quiet subscriptions open, which otherwise end in 60 to 90 s. One
  channel a subscribe message, 8 messages a second, the first one within 5 s.
- Times have as many digits as they need, up to nine.
"""

from collections.abc import Generator, Mapping, Sequence
from operator import itemgetter
from typing import Final, Literal

import msgspec

from service.semantics import Evidence, TradeFeed, Unit
from service.venue import (
    ConnectionPlan,
    FrameName,
    MalformedFrame,
    RestRequest,
    VenueRefused,
)
from service.venues.decode import (
    FAULTS,
    MAX_FRAME_BYTES,
    MAX_PAGES,
    Contract,
    Positive,
    SequenceId,
    blame,
    contracts,
    read_body,
)
from service.venues.rfc3339 import nanoseconds
from streams.events import Channel, Kind, RowBuffer, Side
from streams.instruments import Instrument

WEBSOCKET_URL: Final = "wss://advanced-trade-ws.coinbase.com"
REST_URL: Final = "https://api.coinbase.com"
#: 10 public requests a second are allowed.
WEIGHT_PER_MINUTE: Final = 300
SENDS_PER_S: Final = 4.0

#: Whose side the venue writes.
SIDE: Final = "maker"
_SIGN: Final = -1 if SIDE == "maker" else 1
TAKER: Final = {"BUY": _SIGN * int(Side.BUY), "SELL": _SIGN * int(Side.SELL)}

PRODUCTS_PER_CONNECTION: Final = 100
PRODUCTS_PER_FRAME: Final = 50
PRODUCTS_PER_PAGE: Final = 500

_TRADE: Final = int(Kind.TRADE)
_GAP: Final = int(Kind.GAP)
_TRADE_CHANNEL: Final = int(Channel.TRADE)

#: Known channels that carry nothing we want.
IGNORED: Final = frozenset({
    "ticker", "ticker_batch", "candles", "status", "l2_data", "level2", "user", "futures_balance_summary",
})  # fmt: skip


def trade_feed(unit: Unit) -> TradeFeed:
    """Return what trades of this protocol mean, with sizes in `unit`."""
    return TradeFeed(
        side=SIDE, unit=unit, gaps="connection", first="dropped",
        note="the side is UNCONFIRMED: undocumented, the maker's by recorded prices",
        evidence=Evidence("2026-09", "docs.cdp.coinbase.com, Advanced Trade WebSocket Channels"),
    )  # fmt: skip


class _Trade(msgspec.Struct, gc=False):
    product_id: str
    price: Positive
    size: Positive
    side: Literal["BUY", "SELL"]
    time: str
    trade_id: str = ""


class _Event(msgspec.Struct, gc=False):
    type: Literal["snapshot", "update"]
    trades: list[_Trade]


class _Trades(msgspec.Struct, gc=False):
    events: list[_Event]


class _Envelope(msgspec.Struct, gc=False):
    """What every message has, or an error in its place."""

    channel: str | None = None
    sequence_num: SequenceId | None = None
    type: str | None = None
    message: str = ""


_read_trades: Final = msgspec.json.Decoder(_Trades, strict=False).decode
_read_envelope: Final = msgspec.json.Decoder(_Envelope, strict=False).decode


def number_of(trade_id: str) -> int:
    """Return a trade's id as a row's sequence, 0 where it is no number that fits.

    >>> number_of("929248657"), number_of("a5b1"), number_of("")
    (929248657, 0, 0)
    """
    return int(trade_id) if trade_id.isascii() and trade_id.isdigit() and len(trade_id) < 19 else 0


class Decoder:
    """Reads one connection's frames. Remembers the number of the last one that could be read."""

    __slots__ = ("_contracts", "_heard_ns", "_sequence")

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._contracts = contracts(instruments)
        self._sequence: int | None = None
        self._heard_ns = 0

    def decode(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        """Write the frame's rows and say what it was.

        Raises:
            MalformedFrame: the frame cannot be read; no row of it remains in `out`.
            VenueRefused: it is an error answer to a subscription.
        """
        if len(frame) > MAX_FRAME_BYTES:
            raise MalformedFrame("size", f"{len(frame)} bytes")
        rows = out.rows
        try:
            envelope = _read_envelope(frame)
            self._missed(envelope.sequence_num, received_ns, out)
            name = self._read(envelope, frame, received_ns, out)
        except FAULTS as fault:
            out.truncate(rows)
            raise blame(fault) from None
        except (MalformedFrame, VenueRefused):
            out.truncate(rows)
            raise
        if envelope.sequence_num is not None:
            self._sequence = max(envelope.sequence_num, self._sequence or 0)
            self._heard_ns = received_ns
        return name

    def _missed(self, number: int | None, received_ns: int, out: RowBuffer) -> None:
        """Write a GAP row for each product if messages before this one are missing."""
        if number is None or self._sequence is None or number <= self._sequence + 1:
            return
        for c in self._contracts.values():
            out.integers(
                _GAP, 0, c.id, received_ns, received_ns, _TRADE_CHANNEL, self._heard_ns, received_ns
            )  # fmt: skip

    def _read(
        self, envelope: _Envelope, frame: bytes, received_ns: int, out: RowBuffer
    ) -> FrameName:
        match envelope.channel:
            case "market_trades":
                return self._trades(frame, received_ns, out)
            case "heartbeats":
                return "beat"
            case "subscriptions":
                return "ack"
            case str(channel) if channel in IGNORED:
                return "ignored"
        if envelope.type == "error":
            raise VenueRefused(envelope.message[:200])
        raise MalformedFrame("unknown", f"channel {str(envelope.channel)[:40]}")

    def _trades(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        found: list[tuple[int, int, _Trade, Contract]] = []
        replayed = False
        for event in _read_trades(frame).events:
            for trade in event.trades:
                c = self._contracts.get(trade.product_id)
                if c is None:
                    raise MalformedFrame("symbol", trade.product_id[:40])
                if event.type == "update":
                    found.append((nanoseconds(trade.time), number_of(trade.trade_id), trade, c))
            replayed |= event.type == "snapshot"
        found.sort(key=itemgetter(0, 1))
        for traded_ns, number, trade, c in found:
            price = trade.price / c.unit
            coin, usd = c.amounts(trade.size, price)
            out.floats(
                _TRADE, TAKER[trade.side], c.assumed, c.id, traded_ns, received_ns, number,
                price, coin, usd,
            )  # fmt: skip
        return "notice" if replayed and not found else "trade"


def plan(instruments: Sequence[Instrument]) -> list[ConnectionPlan]:
    """Return connections with heartbeats first: they keep the rest open."""
    return [
        _connection(instruments[at : at + PRODUCTS_PER_CONNECTION])
        for at in range(0, len(instruments), PRODUCTS_PER_CONNECTION)
    ]


def _connection(instruments: Sequence[Instrument]) -> ConnectionPlan:
    symbols = [spec.symbol for spec in instruments]
    says: list[dict[str, object]] = [{"type": "subscribe", "channel": "heartbeats"}]
    says += [
        {
            "type": "subscribe",
            "channel": "market_trades",
            "product_ids": symbols[at : at + PRODUCTS_PER_FRAME],
        }
        for at in range(0, len(symbols), PRODUCTS_PER_FRAME)
    ]
    return ConnectionPlan(
        path="/",
        subscribe=tuple(msgspec.json.encode(said) for said in says),
        channels=Channel.TRADE,
        control=Channel.TRADE,
        instruments=tuple(instruments),
    )


# REST


class Futures(msgspec.Struct, gc=False):
    """What the listing says of a product as a future."""

    venue: str = ""
    contract_size: str = ""
    contract_root_unit: str = ""
    non_crypto: bool = False
    funding_interval: str | None = None


class Product(msgspec.Struct, gc=False):
    """One product of the listing, what moves left out: a bad price there must not take the rest with it."""

    product_id: str
    product_type: str = ""
    base_currency_id: str = ""
    quote_currency_id: str = ""
    status: str = ""
    alias: str = ""
    is_disabled: bool = False
    trading_disabled: bool = False
    future_product_details: Futures | None = None


class _Page(msgspec.Struct):
    products: list[Product]


_PAGE: Final = msgspec.json.Decoder(_Page, strict=False)


def products(product_type: str) -> Generator[RestRequest, bytes, list[Product]]:
    """Ask for all products of a type that trade, page by page until one brings nothing new."""
    found: dict[str, Product] = {}
    for _ in range(MAX_PAGES):
        params = {
            "product_type": product_type,
            "limit": str(PRODUCTS_PER_PAGE),
            "offset": str(len(found)),
        }
        body = yield RestRequest(path="/api/v3/brokerage/market/products", params=params)
        page = read_body(_PAGE, body).products
        known = len(found)
        found |= {item.product_id: item for item in page}
        if len(page) < PRODUCTS_PER_PAGE or len(found) == known:
            break
    return [
        item
        for item in found.values()
        if item.product_type == product_type and not (item.is_disabled or item.trading_disabled)
    ]
