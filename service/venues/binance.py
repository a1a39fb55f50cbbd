"""The stream protocol that Binance's products and its clones have in common, and its trades.

Facts as of 2026-10, from the pages of developers.binance.com named in the modules of the products:

- ``aggTrade``: fills of one price and one taker in 100 ms (of spot: of one order). `m` true means the buyer
  was the maker, so the taker sold. `a` is contiguous for each symbol.
- ``trade``: of futures undocumented; read so that recordings replay. Only `X` MARKET is a trade of the tape;
  frames before 2020-07 have no `X` and are all of it.
- Since 2026-06-30 events say with `st` whose they are (1 USD-M, 2 COIN-M), and streams of all symbols carry
  both. Sizes are coin for USD-M and spot, contracts of COIN-M.
- ``serverShutdown``: the connection will be closed; a new one should be opened at once.

What differs is a `Product`: its semantics, its route, its limits. What only futures have is in
`binance_futures`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Union

import msgspec

from service.semantics import Semantics
from service.venue import ConnectionPlan, FrameName, MalformedFrame, VenueRefused
from service.venues.decode import (
    FAULTS,
    MAX_FRAME_BYTES,
    NS_PER_MS,
    Millis,
    NotNegative,
    Positive,
    SequenceId,
    blame,
    contracts,
)
from streams.events import Channel, Kind, RowBuffer, Side
from streams.instruments import Instrument

STREAMS_PER_FRAME: Final = 50
#: What may be zero for a reason must otherwise be at least this, as `Positive` demands.
LEAST: Final = 1e-18
#: Best quotes of spot have no name of an event in them.
_QUOTES: Final = re.compile(rb'\{"stream":"[^"]*@bookTicker"')

TAKER_OF_BUYER_IS_MAKER: Final = {True: int(Side.SELL), False: int(Side.BUY)}

_TRADE: Final = int(Kind.TRADE)

#: Known streams that carry nothing we want. Anything else is reported as unknown.
IGNORED: Final = (
    "depthUpdate", "bookTicker", "24hrTicker", "24hrMiniTicker", "continuous_kline",
    "compositeIndex", "contractInfo", "assetIndexUpdate", "indexPriceUpdate",
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


class _Kline(msgspec.Struct, gc=False, tag_field="e", tag="kline"):
    """Comes each second where `Product.beats` asks for it, whether there was a trade or not."""


class _Shutdown(msgspec.Struct, gc=False, tag_field="e", tag="serverShutdown"):
    pass


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
    st: int = 0


class Events(NamedTuple):
    """Readers of the events that a kind of market has, bare and in the envelope of combined streams."""

    raw: msgspec.json.Decoder[Any]
    combined: msgspec.json.Decoder[Any]


def events(*kinds: type[msgspec.Struct]) -> Events:
    """Return the readers of `kinds` and of what every market has."""
    ignored = (msgspec.defstruct(f"Ignored_{e}", [], tag_field="e", tag=e) for e in IGNORED)
    event: Any = Union[(_AggTrade, _Trade, *kinds, _Kline, _Shutdown, *ignored)]
    combined: Any = msgspec.defstruct("Combined", [("data", event)], gc=False)
    return Events(
        msgspec.json.Decoder(event, strict=False), msgspec.json.Decoder(combined, strict=False)
    )


_read_envelope: Final = msgspec.json.Decoder(_Envelope, strict=False).decode
_read_market: Final = msgspec.json.Decoder(_Market, strict=False).decode


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """What a product or clone of Binance has of its own.

    `foreign` is the `st` of another product whose events merged streams carry as well. `beats` are streams
    that every connection has besides its contracts': proof that trades are served where none may happen.
    """

    semantics: Semantics
    events: Events
    streams: tuple[str, ...]
    channels: Channel
    control: Channel
    path: str = "/stream"
    beats: tuple[str, ...] = ()
    foreign: int | None = None
    streams_per_connection: int = 200


class Decoder:
    """Reads raw and combined frames of a product. Remembers nothing."""

    __slots__ = ("_read_combined", "_read_raw", "beat", "contracts", "foreign")

    def __init__(self, product: Product, instruments: Mapping[str, Instrument]) -> None:
        self.contracts = contracts(instruments)
        self._read_raw = product.events.raw.decode
        self._read_combined = product.events.combined.decode
        self.foreign = product.foreign
        self.beat: FrameName = "beat" if product.beats else "ignored"

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
                event = self._read_combined(frame).data
            elif frame.startswith(b'{"e":'):
                event = self._read_raw(frame)
            else:
                event = self._read_other(frame)
            if type(event) is _AggTrade:
                return self._tape(event, frame, received_ns, out)
            return self.other(event, frame, received_ns, out)
        except FAULTS as fault:
            out.truncate(rows)
            if _QUOTES.match(frame):
                return "ignored"
            raise blame(fault) from None

    def _tape(
        self, event: _AggTrade | _Trade, frame: bytes, received_ns: int, out: RowBuffer
    ) -> FrameName:
        c = self.contracts.get(event.symbol)
        if c is None:
            return self.stray(event.symbol, frame)
        # Written out instead of `Contract.amounts`: here a call is a tenth of the work.
        price = event.price / c.unit
        amount = event.quantity * c.numerator / c.denominator
        if c.inverse:
            coin, usd = amount / price, amount
        else:
            coin, usd = amount, amount * price
        out.floats(
            _TRADE, TAKER_OF_BUYER_IS_MAKER[event.buyer_is_maker], c.assumed, c.id,
            event.traded_ms * NS_PER_MS, received_ns, event.sequence, price, coin, usd,
        )  # fmt: skip
        return "trade"

    def other(self, event: Any, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        """Read what is no aggregate trade, and so not in a hurry."""
        if type(event) is _Trade:
            if event.origin != "MARKET":
                return "ignored"
            if min(event.price, event.quantity) < LEAST:
                raise MalformedFrame("range", "a trade without price or quantity")
            return self._tape(event, frame, received_ns, out)
        if type(event) is _Kline:
            return self.beat
        if type(event) is _Shutdown:
            return "leave"
        return "ack" if event is None else "ignored"

    def _read_other(self, frame: bytes) -> Any:
        """Return the event of a frame whose keys are in another order, or None for an ack."""
        envelope = _read_envelope(frame)
        if envelope.e is not None:
            return self._read_raw(frame)
        if envelope.data is not msgspec.UNSET:
            return self._read_combined(frame).data
        refusal = envelope.error or envelope
        if refusal.code is not None:
            raise VenueRefused(f"{refusal.code}: {refusal.msg[:200]}")
        if envelope.id is None:
            raise MalformedFrame("unknown", "neither an event nor an answer")
        return None

    def stray(self, symbol: str, frame: bytes) -> FrameName:
        """Say what to make of a symbol we do not follow: expected in merged streams, wrong in our own."""
        envelope = _read_envelope(frame)
        market = _read_market(bytes(envelope.data) if envelope.data else frame).st
        if envelope.stream.startswith("!") or market == self.foreign:
            return "ignored"
        raise MalformedFrame("symbol", symbol[:40])


def connections(product: Product, instruments: Sequence[Instrument]) -> list[ConnectionPlan]:
    """Return connections within the product's limit of streams, all streams of a contract on one."""
    room = product.streams_per_connection - len(product.beats)
    size = room // len(product.streams)
    return [
        _connection(product, instruments[at : at + size]) for at in range(0, len(instruments), size)
    ]


def _connection(product: Product, instruments: Sequence[Instrument]) -> ConnectionPlan:
    streams = [
        *product.beats,
        *(f"{spec.symbol.lower()}@{stream}" for spec in instruments for stream in product.streams),
    ]
    chunks = [
        streams[at : at + STREAMS_PER_FRAME] for at in range(0, len(streams), STREAMS_PER_FRAME)
    ]
    return ConnectionPlan(
        path=product.path,
        subscribe=tuple(
            msgspec.json.encode({"method": "SUBSCRIBE", "params": chunk, "id": number})
            for number, chunk in enumerate(chunks, start=1)
        ),
        channels=product.channels,
        control=product.control,
        instruments=tuple(instruments),
    )
