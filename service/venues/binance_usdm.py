"""Binance USD-M futures: perpetuals quoted in USDT or USDC.

Facts as of 2026-10, from https://developers.binance.com/docs/derivatives/usds-margined-futures:

- Market streams live under the route ``/market``. On the old unrouted path subscriptions are acked and
  nothing comes, so an ack proves nothing.
- ``aggTrade``: fills of one price and one taker in 100 ms. `m` true means the buyer was the maker, so the
  taker sold. `a` is contiguous for each symbol.
- ``trade`` (undocumented, route ``/public``): read so that recordings replay. Only `X` MARKET is a trade
  of the tape; frames before 2020-07 have no `X` and are all of it.
- ``forceOrder``: at most one a symbol a second, so a sample. `S` is the side of the forced order: SELL
  closes a long. `ap` and `z` are what was filled; `p` is the limit of the liquidation order.
- ``markPriceUpdate``: `r` is the running estimate of the rate paid at `T`. The interval is REST only.
- Merged streams carry COIN-M contracts too (`st` 2), whose sizes are contracts, not coins.
- Open interest is REST only, see `binance_usdm_rest`.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, Union

import msgspec

from service.semantics import (
    Evidence,
    FundingFeed,
    LiquidationFeed,
    MarkFeed,
    OpenInterestFeed,
    Semantics,
    TradeFeed,
)
from service.venue import ConnectionPlan, FrameName, MalformedFrame, VenueRefused, VenueSpec
from service.venues.binance_usdm_rest import NAME, assume, discover, fill, history, polls
from service.venues.decode import (
    FAULTS,
    MAX_FRAME_BYTES,
    MAX_MS,
    MIN_MS,
    NAN,
    NS_PER_MS,
    Blank,
    Millis,
    NotNegative,
    Positive,
    Rate,
    SequenceId,
    blame,
    contracts,
)
from streams.events import Channel, Flag, Kind, RowBuffer, Side
from streams.instruments import Instrument

__all__ = ["SPEC", "Decoder", "assume", "decoder", "discover", "fill", "history", "plan", "polls"]

#: What each channel means.
SEMANTICS: Final = Semantics(
    market="perpetual",
    title="Binance USD-M futures",
    trade=TradeFeed(
        unit="coin", gaps="contiguous", fill=True,
        note="fills of one taker and price within 100 ms are one; insurance fund and ADL are left out",
        evidence=Evidence("2026-07-31", "developers.binance.com, Aggregate Trade Streams"),
    ),
    mark=MarkFeed(
        index=True, cadence_s=1.0,
        evidence=Evidence("2026-07-31", "developers.binance.com, Mark Price Stream"),
    ),
    funding=FundingFeed(
        kind="predicted", interval="listing", interval_h=8.0,
        note="fundingInfo lists the contracts whose interval is not 8 h",
        evidence=Evidence("2026-07-31", "developers.binance.com, Get Funding Rate Info"),
    ),
    open_interest=OpenInterestFeed(
        source="rest", unit="coin", cadence_s=5.0, note="polled within the shared weight budget",
        evidence=Evidence("2026-07-31", "developers.binance.com, Open Interest"),
    ),
    liquidation=LiquidationFeed(
        completeness="sampled", rule="the latest of each symbol and second",
        side="order", price="fill", note="an order without average price: its limit, as bankruptcy price",
        evidence=Evidence("2026-07-31", "developers.binance.com, Liquidation Order Streams"),
    ),
)  # fmt: skip

#: REST weight is 2400 a minute and address, shared with COIN-M; some is left to others.
SPEC: Final = VenueSpec(
    name=NAME,
    semantics=SEMANTICS,
    websocket_url="wss://fstream.binance.com",
    rest_url="https://fapi.binance.com",
    lifetime_s=86_400.0,
    sends_per_s=5.0,  # 10 are allowed
    rest_weight_per_minute=2000,
    used_weight_header="X-MBX-USED-WEIGHT-1M",
)

#: 1024 are allowed; a connection is lost less dearly with fewer.
STREAMS_PER_CONNECTION: Final = 200
STREAMS_PER_FRAME: Final = 50
STREAMS: Final = ("aggTrade", "markPrice@1s", "forceOrder")
CHANNELS: Final = Channel.TRADE | Channel.MARK | Channel.FUNDING | Channel.LIQUIDATION
CONTROL: Final = Channel.TRADE | Channel.MARK

TAKER_OF_BUYER_IS_MAKER: Final = {True: int(Side.SELL), False: int(Side.BUY)}
POSITION_OF_ORDER_SIDE: Final = {"SELL": int(Side.LONG), "BUY": int(Side.SHORT)}

_TRADE: Final = int(Kind.TRADE)
_MARK: Final = int(Kind.MARK)
_LIQUIDATION: Final = int(Kind.LIQUIDATION)
_PREDICTED: Final = SEMANTICS.funding_flags
_FILLED_PRICE: Final = SEMANTICS.liquidation_flags
#: `p` is the limit of the order that closes the position, which is about where it is bankrupt.
_LIMIT_PRICE: Final = _FILLED_PRICE & ~int(Flag.PRICE_FILL) | int(
    Flag.PRICE_BANKRUPTCY | Flag.UNIT_ASSUMED
)

#: Known streams that carry nothing we want. Anything else is reported as unknown.
IGNORED: Final = (
    "depthUpdate", "bookTicker", "24hrTicker", "24hrMiniTicker", "kline", "continuous_kline",
    "compositeIndex", "contractInfo", "assetIndexUpdate", "serverShutdown",
)  # fmt: skip


class _AggTrade(
    msgspec.Struct,
    gc=False,
    tag_field="e",
    tag="aggTrade",
    rename={
        "sequence": "a",
        "symbol": "s",
        "price": "p",
        "quantity": "q",
        "traded_ms": "T",
        "buyer_is_maker": "m",
    },
):
    symbol: str
    price: Positive
    quantity: Positive
    traded_ms: Millis
    buyer_is_maker: bool
    sequence: SequenceId = 0  # recordings of 2019 have none


class _Trade(
    msgspec.Struct,
    gc=False,
    tag_field="e",
    tag="trade",
    rename={
        "traded_ms": "T",
        "symbol": "s",
        "sequence": "t",
        "price": "p",
        "quantity": "q",
        "origin": "X",
        "buyer_is_maker": "m",
    },
):
    traded_ms: Millis
    symbol: str
    sequence: SequenceId
    price: NotNegative  # `X` NA comes with zeros
    quantity: NotNegative
    buyer_is_maker: bool
    origin: str = "MARKET"


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
    market: int = 1  # 1 USD-M, 2 COIN-M; frames before 2026-06-30 have none


class _ForceOrder(
    msgspec.Struct, gc=False, tag_field="e", tag="forceOrder", rename={"order": "o", "market": "st"}
):
    order: _Order
    market: int = 1


_IGNORED: Final = tuple(
    msgspec.defstruct(f"Ignored_{e}", [], tag_field="e", tag=e) for e in IGNORED
)
_Event: Any = Union[(_AggTrade, _Trade, _MarkPrice, _ForceOrder, *_IGNORED)]


class _Combined(msgspec.Struct, gc=False):
    data: _Event


class _Refusal(msgspec.Struct, gc=False):
    code: int = 0
    msg: str = ""


class _Envelope(msgspec.Struct, gc=False):
    """Whatever does not begin like an event: answers, refusals, events in another order of keys."""

    e: str | None = None
    stream: str = ""
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    id: int | None = None
    code: int | None = None
    msg: str = ""
    error: _Refusal | None = None


class _Market(msgspec.Struct, gc=False):
    st: int = 1


_read_raw: Final = msgspec.json.Decoder(_Event, strict=False).decode
_read_combined: Final = msgspec.json.Decoder(_Combined, strict=False).decode
_read_envelope: Final = msgspec.json.Decoder(_Envelope, strict=False).decode
_read_market: Final = msgspec.json.Decoder(_Market, strict=False).decode


class Decoder:
    """Reads raw and combined frames. Remembers nothing."""

    __slots__ = ("_contracts",)

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._contracts = contracts(instruments)

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
            if frame.startswith(b'{"stream":'):
                event = _read_combined(frame).data
            elif frame.startswith(b'{"e":'):
                event = _read_raw(frame)
            else:
                event = _read_other(frame)
            if type(event) is _AggTrade:
                return self._tape(event, frame, received_ns, out)
            return self._other(event, frame, received_ns, out)
        except FAULTS as fault:
            out.truncate(rows)
            raise blame(fault) from None

    def _tape(
        self, event: _AggTrade | _Trade, frame: bytes, received_ns: int, out: RowBuffer
    ) -> FrameName:
        c = self._contracts.get(event.symbol)
        if c is None:
            return _stray(event.symbol, frame)
        # Written out instead of `Contract.amounts`: here a call is a tenth of the work.
        price = event.price / c.unit
        coin = event.quantity * c.numerator / c.denominator
        out.floats(
            _TRADE, TAKER_OF_BUYER_IS_MAKER[event.buyer_is_maker], c.assumed, c.id,
            event.traded_ms * NS_PER_MS, received_ns, event.sequence, price, coin, coin * price,
        )  # fmt: skip
        return "trade"

    def _other(self, event: Any, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        if type(event) is _MarkPrice:
            return self._mark_price(event, frame, received_ns, out)
        if type(event) is _ForceOrder:
            return self._force_order(event, frame, received_ns, out)
        if type(event) is _Trade:
            if event.origin != "MARKET":
                return "ignored"
            if not (event.price and event.quantity):
                raise MalformedFrame("range", "a trade without price or quantity")
            return self._tape(event, frame, received_ns, out)
        return "ack" if event is None else "ignored"

    def _mark_price(
        self, event: _MarkPrice, frame: bytes, received_ns: int, out: RowBuffer
    ) -> FrameName:
        c = self._contracts.get(event.symbol)
        if c is None:
            return _stray(event.symbol, frame)
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
                _PREDICTED | c.interval_flags, c.id, event_ns, received_ns,
                event.rate, c.interval_ns, next_ms * NS_PER_MS,
            )  # fmt: skip
        return "mark"

    def _force_order(
        self, event: _ForceOrder, frame: bytes, received_ns: int, out: RowBuffer
    ) -> FrameName:
        order = event.order
        if order.market == 2 or event.market == 2:
            return "ignored"
        c = self._contracts.get(order.symbol)
        if c is None:
            return _stray(order.symbol, frame)
        if order.status != "FILLED":
            return "ignored"
        if not order.filled:
            raise MalformedFrame("range", "a filled order without quantity")
        flags = _FILLED_PRICE if order.average_price else _LIMIT_PRICE
        price = (order.average_price or order.limit_price) / c.unit
        coin, usd = c.amounts(order.filled, price)
        out.floats(
            _LIQUIDATION, POSITION_OF_ORDER_SIDE[order.side], flags | c.assumed, c.id,
            order.traded_ms * NS_PER_MS, received_ns, 0, price, coin, usd,
        )  # fmt: skip
        return "liquidation"


def _read_other(frame: bytes) -> Any:
    """Return the event of a frame whose keys are in another order, or None for an ack."""
    envelope = _read_envelope(frame)
    if envelope.e is not None:
        return _read_raw(frame)
    if envelope.data is not msgspec.UNSET:
        return _read_combined(frame).data
    refusal = envelope.error or envelope
    if refusal.code is not None:
        raise VenueRefused(f"{refusal.code}: {refusal.msg[:200]}")
    if envelope.id is None:
        raise MalformedFrame("unknown", "neither an event nor an answer")
    return None


def _stray(symbol: str, frame: bytes) -> FrameName:
    """Say what to make of a symbol we do not follow: expected in merged streams, wrong in our own."""
    envelope = _read_envelope(frame)
    market = _read_market(bytes(envelope.data) if envelope.data else frame).st
    if envelope.stream.startswith("!") or market == 2:
        return "ignored"
    raise MalformedFrame("symbol", symbol[:40])


def decoder(instruments: Mapping[str, Instrument]) -> Decoder:
    """Return a new connection's decoder."""
    return Decoder(instruments)


def plan(instruments: Sequence[Instrument]) -> list[ConnectionPlan]:
    """Return connections of at most `STREAMS_PER_CONNECTION` streams, all streams of a contract on one."""
    size = STREAMS_PER_CONNECTION // len(STREAMS)
    return [_connection(instruments[at : at + size]) for at in range(0, len(instruments), size)]


def _connection(instruments: Sequence[Instrument]) -> ConnectionPlan:
    streams = [f"{spec.symbol.lower()}@{stream}" for spec in instruments for stream in STREAMS]
    chunks = [
        streams[at : at + STREAMS_PER_FRAME] for at in range(0, len(streams), STREAMS_PER_FRAME)
    ]
    return ConnectionPlan(
        path="/market/stream",
        subscribe=tuple(
            msgspec.json.encode({"method": "SUBSCRIBE", "params": chunk, "id": number})
            for number, chunk in enumerate(chunks, start=1)
        ),
        channels=CHANNELS,
        control=CONTROL,
        instruments=tuple(instruments),
    )
