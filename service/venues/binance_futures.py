"""What only the futures among Binance's products and clones have: marks with funding, and forced orders.

Facts as of 2026-10, from the pages of developers.binance.com named in the modules of the products:

- ``forceOrder``: at most one a symbol a second, so a sample. `S` is the side of the forced order: SELL
  closes a long. `ap` and `z` are what was filled; `p` is the limit of the liquidation order.
- ``markPriceUpdate``: `r` is the running estimate of the rate paid at `T`. The interval is REST only.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from service.venue import FrameName, MalformedFrame
from service.venues.binance import LEAST, Decoder, Events, Product, events
from service.venues.decode import (
    MAX_MS,
    MIN_MS,
    NAN,
    NS_PER_MS,
    Blank,
    Millis,
    NotNegative,
    Positive,
    Rate,
)
from streams.events import Channel, Flag, Kind, RowBuffer, Side
from streams.instruments import Instrument

POSITION_OF_ORDER_SIDE: Final = {"SELL": int(Side.LONG), "BUY": int(Side.SHORT)}

_MARK: Final = int(Kind.MARK)
_LIQUIDATION: Final = int(Kind.LIQUIDATION)


class _MarkPrice(
    msgspec.Struct,
    gc=False,
    tag_field="e",
    tag="markPriceUpdate",
    rename={
        "event_ms": "E",
        "symbol": "s",
        "mark_price": "p",
        "index_price": "i",
        "rate": "r",
        "next_funding_ms": "T",
    },
):
    event_ms: Millis
    symbol: str
    mark_price: Positive
    index_price: Positive | Blank = ""  # frames of 2019 have none
    rate: Rate | Blank = ""
    next_funding_ms: Annotated[int, msgspec.Meta(ge=0, lt=MAX_MS)] = 0


class _Order(
    msgspec.Struct,
    gc=False,
    rename={
        "symbol": "s",
        "side": "S",
        "limit_price": "p",
        "average_price": "ap",
        "status": "X",
        "filled": "z",
        "traded_ms": "T",
        "market": "st",
    },
):
    symbol: str
    side: Literal["BUY", "SELL"]
    limit_price: Positive
    status: str
    filled: NotNegative
    traded_ms: Millis
    average_price: NotNegative = 0.0
    market: int = 0


class _ForceOrder(
    msgspec.Struct, gc=False, tag_field="e", tag="forceOrder", rename={"order": "o", "market": "st"}
):
    order: _Order
    market: int = 0


FUTURES: Final = events(_MarkPrice, _ForceOrder)


class FuturesProduct(Product, frozen=True, kw_only=True):
    """A futures product. Where contracts may be without trades for long, only marks prove life."""

    events: Events = FUTURES
    streams: tuple[str, ...] = ("aggTrade", "markPrice@1s", "forceOrder")
    channels: Channel = Channel.TRADE | Channel.MARK | Channel.FUNDING | Channel.LIQUIDATION
    control: Channel = Channel.MARK


class FuturesDecoder(Decoder):
    """Reads marks, funding and forced orders besides. Remembers nothing."""

    __slots__ = ("_filled_price", "_limit_price", "_predicted")

    def __init__(self, product: Product, instruments: Mapping[str, Instrument]) -> None:
        super().__init__(product, instruments)
        self._predicted = product.semantics.funding_flags
        self._filled_price = product.semantics.liquidation_flags
        # `p` is the limit of the order that closes the position, which is about where it is bankrupt.
        self._limit_price = self._filled_price & ~int(Flag.PRICE_FILL) | int(
            Flag.PRICE_BANKRUPTCY | Flag.UNIT_ASSUMED
        )

    def other(self, event: Any, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        """Read what is no aggregate trade."""
        if type(event) is _MarkPrice:
            return self._mark_price(event, frame, received_ns, out)
        if type(event) is _ForceOrder:
            return self._force_order(event, frame, received_ns, out)
        return super().other(event, frame, received_ns, out)

    def _mark_price(
        self, event: _MarkPrice, frame: bytes, received_ns: int, out: RowBuffer
    ) -> FrameName:
        c = self.contracts.get(event.symbol)
        if c is None:
            return self.stray(event.symbol, frame)
        next_ms = event.next_funding_ms
        if next_ms and next_ms < MIN_MS:
            raise MalformedFrame("range", f"next funding at {next_ms} ms")
        event_ns = event.event_ms * NS_PER_MS
        index = NAN if event.index_price == "" else event.index_price / c.unit
        out.floats(
            _MARK, 0, 0, c.id, event_ns, received_ns, 0, event.mark_price / c.unit, index, NAN
        )
        if next_ms and event.rate != "":
            out.funding(
                self._predicted | c.interval_flags, c.id, event_ns, received_ns,
                event.rate, c.interval_ns, next_ms * NS_PER_MS,
            )  # fmt: skip
        return "mark"

    def _force_order(
        self, event: _ForceOrder, frame: bytes, received_ns: int, out: RowBuffer
    ) -> FrameName:
        order = event.order
        if self.foreign in (order.market, event.market):  # `None` is in none
            return "ignored"
        c = self.contracts.get(order.symbol)
        if c is None:
            return self.stray(order.symbol, frame)
        if order.status != "FILLED":
            return "ignored"
        if order.filled < LEAST or 0.0 < order.average_price < LEAST:
            raise MalformedFrame("range", "a filled order without quantity or price")
        flags = self._filled_price if order.average_price else self._limit_price
        price = (order.average_price or order.limit_price) / c.unit
        coin, usd = c.amounts(order.filled, price)
        out.floats(
            _LIQUIDATION, POSITION_OF_ORDER_SIDE[order.side], flags | c.assumed, c.id,
            order.traded_ms * NS_PER_MS, received_ns, 0, price, coin, usd,
        )  # fmt: skip
        return "liquidation"
