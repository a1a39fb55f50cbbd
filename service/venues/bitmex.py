"""BitMEX perpetuals, inverse and linear.

Facts as of 2026-08, from https://www.bitmex.com/app/wsAPI and recordings of others:

- Everything is a table: a `partial` with what there is, then ``insert``, ``update`` and ``delete``. Updates
  have the fields that changed. An update of what has no partial has nothing to build on and is dropped.
- ``trade``: `side` is the taker. `homeNotional` is coin and `foreignNotional` the quote, so no multiplier is
  needed. Ids are no numbers. The partial repeats an old trade. Only the regular ones are the tape.
- ``instrument``: `indicativeSettlePrice` is the index; `openInterest` is contracts, one side.
- `fundingRate` is what will be paid at `fundingTimestamp`; it is fixed when the interval before it ends.
  The table of paid funding says nothing more, and later, so it is not subscribed.
- ``liquidation``: orders, each inserted once; updates and deletions are its progress. `side` is the ORDER'S:
  Sell closes a long. `price` is where the position is bankrupt. There is no time: ours is taken, so what the
  partial lists, being older, makes no rows.
- Keep-alive is the text ``ping``, answered by the text ``pong``: neither is JSON.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import astuple

from service.semantics import (
    Evidence,
    FundingFeed,
    LiquidationFeed,
    MarkFeed,
    OpenInterestFeed,
    Semantics,
    TradeFeed,
)
from service.venue import (
    ConnectionPlan,
    FrameName,
    MalformedFrame,
    VenueRefused,
    VenueSpec,
    no_fill,
)
from service.venues.bitmex_rest import (
    NAME,
    Moment,
    assume,
    discover,
    history,
    interval_ns,
    nanoseconds,
    polls,
)
from service.venues.decode import (
    FAULTS,
    MAX_FRAME_BYTES,
    NAN,
    Contract,
    NotNegative,
    Positive,
    Rate,
    blame,
    contracts,
)
from streams.events import Channel, Kind, RowBuffer, Side
from streams.instruments import Instrument

__all__ = ["SPEC", "Decoder", "assume", "decoder", "discover", "fill", "history", "plan", "polls"]

#: What each channel means.
SEMANTICS: Final = Semantics(
    market="perpetual",
    title="BitMEX perpetuals",
    trade=TradeFeed(
        unit="coin", gaps="none", first="dropped", note="each message has coin and quote beside contracts",
        evidence=Evidence("2026-07", "bitmex.com/app/wsAPI, trade"),
    ),
    mark=MarkFeed(
        index=True, cadence_s=5.0, note="updates: a field that is missing has not changed",
        evidence=Evidence("2026-07", "bitmex.com/app/wsAPI, instrument"),
    ),
    funding=FundingFeed(
        kind="predicted", interval="message", interval_h=8.0,
        note="fixed for the whole interval at whose end it is paid",
        evidence=Evidence("2026-07", "bitmex.com/app/wsAPI, instrument; perpetualContractsGuide"),
    ),
    open_interest=OpenInterestFeed(
        unit="contracts", cadence_s=5.0,
        evidence=Evidence("2026-07", "bitmex.com/app/wsAPI, instrument"),
    ),
    liquidation=LiquidationFeed(
        completeness="complete", side="order", price="bankruptcy", unit="contracts", first="dropped",
        note="without a time: it is when we heard of it",
        evidence=Evidence("2026-08", "bitmex.com/app/wsAPI, liquidation; BitMEX/api-connectors issue 241"),
    ),
)  # fmt: skip

SPEC: Final = VenueSpec(
    name=NAME,
    semantics=SEMANTICS,
    websocket_url="wss://ws.bitmex.com",
    rest_url="https://www.bitmex.com",
    ping=b"ping",
    ping_every_s=5.0,
    sends_per_s=2.0,
    rest_weight_per_minute=30,
    silence_s=20.0,
)

TOPICS: Final = ("trade", "instrument")
#: One subscription for all contracts: forced orders are rare.
LIQUIDATIONS: Final = "liquidation"
#: What a message and a connection may have is not documented; these are known to work.
ARGS_PER_FRAME: Final = 20
INSTRUMENTS_PER_CONNECTION: Final = 100
CHANNELS: Final = Channel.ALL
CONTROL: Final = Channel.TRADE | Channel.MARK

TAKER: Final = {"Buy": int(Side.BUY), "Sell": int(Side.SELL)}
POSITION_OF_ORDER_SIDE: Final = {"Sell": int(Side.LONG), "Buy": int(Side.SHORT)}

_TRADE: Final = int(Kind.TRADE)
_MARK: Final = int(Kind.MARK)
_OPEN_INTEREST: Final = int(Kind.OPEN_INTEREST)
_LIQUIDATION: Final = int(Kind.LIQUIDATION)
_PREDICTED: Final = SEMANTICS.funding_flags
_LIQUIDATION_FLAGS: Final = SEMANTICS.liquidation_flags

#: Known tables that carry nothing we want.
IGNORED: Final = frozenset({
    "announcement", "chat", "connected", "funding", "insurance", "orderBook10", "orderBookL2",
    "orderBookL2_25", "publicNotifications", "quote", "quoteBin1d", "quoteBin1h", "quoteBin1m",
    "quoteBin5m", "settlement", "tradeBin1d", "tradeBin1h", "tradeBin1m", "tradeBin5m",
})  # fmt: skip
_INSERTED_TRADES: Final = b'{"table":"trade","action":"insert",'


class _Trade(msgspec.Struct, gc=False, rename="camel"):
    timestamp: Moment
    symbol: str
    price: Positive
    home_notional: Positive
    foreign_notional: Positive
    side: Literal["Buy", "Sell", ""] | None = None
    trd_type: str = "Regular"


class _Trades(msgspec.Struct, gc=False):
    data: list[_Trade]


class _Order(msgspec.Struct, gc=False, rename="camel"):
    symbol: str
    side: Literal["Buy", "Sell"]
    price: Positive
    leaves_qty: Positive


class _Orders(msgspec.Struct, gc=False):
    data: list[_Order]


class _Levels(
    msgspec.Struct,
    gc=False,
    rename={
        "mark_price": "markPrice",
        "index_price": "indicativeSettlePrice",
        "mid_price": "midPrice",
        "rate": "fundingRate",
        "next_funding": "fundingTimestamp",
        "interval": "fundingInterval",
        "open_interest": "openInterest",
    },
):
    """What an update says, and merged updates. UNSET is not said, None is said to be nothing."""

    symbol: str
    timestamp: Moment | UnsetType | None = UNSET
    mark_price: Positive | UnsetType | None = UNSET
    index_price: Positive | UnsetType | None = UNSET
    mid_price: Positive | UnsetType | None = UNSET
    rate: Rate | UnsetType | None = UNSET
    next_funding: Moment | UnsetType | None = UNSET
    interval: Moment | UnsetType | None = UNSET
    open_interest: NotNegative | UnsetType | None = UNSET


class _Instruments(msgspec.Struct, gc=False):
    data: list[_Levels]


class _Envelope(msgspec.Struct, gc=False):
    """What tells frames apart."""

    table: str | None = None
    action: Literal["partial", "insert", "update", "delete"] = "update"
    info: str | None = None
    success: bool | None = None
    error: str | None = None
    status: int = 0


_read_trades: Final = msgspec.json.Decoder(_Trades).decode
_read_orders: Final = msgspec.json.Decoder(_Orders).decode
_read_instruments: Final = msgspec.json.Decoder(_Instruments).decode
_read_envelope: Final = msgspec.json.Decoder(_Envelope).decode

#: Which row a field of the instrument is part of, as bits.
_MARK_ROW, _FUNDING_ROW, _OPEN_INTEREST_ROW = 1, 2, 4
_ROW_OF: Final = {
    "timestamp": 0,
    "mark_price": _MARK_ROW,
    "index_price": _MARK_ROW,
    "mid_price": _MARK_ROW,
    "rate": _FUNDING_ROW,
    "next_funding": _FUNDING_ROW,
    "interval": _FUNDING_ROW,
    "open_interest": _OPEN_INTEREST_ROW,
}
_FIELDS: Final = _Levels.__struct_fields__


class Decoder:
    """Reads one connection's frames. Remembers each contract's merged levels."""

    __slots__ = ("_contracts", "_levels")

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._contracts = contracts(instruments)
        self._levels: dict[str, _Levels] = {}

    def decode(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        """Write the frame's rows and say what it was.

        Raises:
            MalformedFrame: the frame cannot be read; no row of it remains in `out`.
            VenueRefused: it is an error answer to a subscription.
        """
        if frame == b"pong":
            return "pong"
        if len(frame) > MAX_FRAME_BYTES:
            raise MalformedFrame("size", f"{len(frame)} bytes")
        rows = out.rows
        try:
            if frame.startswith(_INSERTED_TRADES):
                return self._trades(frame, received_ns, out)
            return self._other(frame, received_ns, out)
        except FAULTS as fault:
            out.truncate(rows)
            raise blame(fault) from None
        except MalformedFrame:
            out.truncate(rows)
            raise

    def _other(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        envelope = _read_envelope(frame)
        if envelope.table is None:
            return _answer(envelope)
        if envelope.table == "instrument":
            return self._instruments(frame, envelope.action, received_ns, out)
        if envelope.table == "trade":
            inserted = envelope.action == "insert"
            return self._trades(frame, received_ns, out) if inserted else "notice"
        if envelope.table == LIQUIDATIONS:
            if envelope.action == "insert":
                return self._liquidations(frame, received_ns, out)
            return "notice"
        if envelope.table in IGNORED:
            return "ignored"
        raise MalformedFrame("unknown", f"table {envelope.table[:40]}")

    def _contract(self, symbol: str) -> Contract:
        found = self._contracts.get(symbol)
        if found is None:
            raise MalformedFrame("symbol", symbol[:40])
        return found

    def _trades(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        for trade in _read_trades(frame).data:
            c = self._contract(trade.symbol)
            if not trade.side or trade.trd_type != "Regular":
                continue
            out.floats(
                _TRADE, TAKER[trade.side], c.assumed, c.id, nanoseconds(trade.timestamp), received_ns, 0,
                trade.price / c.unit, trade.home_notional * c.unit, trade.foreign_notional,
            )  # fmt: skip
        return "trade"

    def _liquidations(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        for order in _read_orders(frame).data:
            c = self._contracts.get(order.symbol)
            if c is None:
                continue
            price = order.price / c.unit
            coin, usd = c.amounts(order.leaves_qty, price)
            out.floats(
                _LIQUIDATION, POSITION_OF_ORDER_SIDE[order.side], _LIQUIDATION_FLAGS | c.assumed, c.id,
                received_ns, received_ns, 0, price, coin, usd,
            )  # fmt: skip
        return "liquidation"

    def _instruments(
        self, frame: bytes, action: str, received_ns: int, out: RowBuffer
    ) -> FrameName:
        # All of it is checked before any of it is remembered.
        read = [(said, self._contract(said.symbol)) for said in _read_instruments(frame).data]
        times = [_event_ns(said, received_ns) for said, _ in read]
        if action == "delete":
            for said, _ in read:
                self._levels.pop(said.symbol, None)
            return "notice"
        found = not read
        for (said, c), event_ns in zip(read, times, strict=True):
            if action != "update":
                # A partial replaces all that is known, so all that it says is news.
                self._levels[said.symbol] = _Levels(said.symbol)
            known = self._levels.get(said.symbol)
            if known is not None:
                found = True
                _write_levels(known, _merge(known, said), c, event_ns, received_ns, out)
        return "ticker" if found else "ignored"


def _event_ns(said: _Levels, received_ns: int) -> int:
    """Return the time of what is said, ours if it has none. Times that cannot be are refused here."""
    if said.next_funding:
        nanoseconds(said.next_funding)
    if said.interval:
        interval_ns(said.interval)
    return nanoseconds(said.timestamp) if said.timestamp else received_ns


def _merge(known: _Levels, said: _Levels) -> int:
    """Put what a frame says into what is known; return the bits of the rows that changed by it."""
    news = 0
    for name, value, before in zip(_FIELDS, astuple(said), astuple(known), strict=True):
        if value is not UNSET and value != before:
            setattr(known, name, value)
            news |= _ROW_OF[name]
    return news


def _write_levels(
    known: _Levels, news: int, c: Contract, event_ns: int, received_ns: int, out: RowBuffer
) -> None:
    mark = known.mark_price / c.unit if known.mark_price else NAN
    if news & _MARK_ROW and known.mark_price:
        index = known.index_price / c.unit if known.index_price else NAN
        mid = known.mid_price / c.unit if known.mid_price else NAN
        out.floats(_MARK, 0, 0, c.id, event_ns, received_ns, 0, mark, index, mid)
    if news & _FUNDING_ROW and isinstance(known.rate, float) and known.next_funding:
        every_ns, flags = c.interval_ns, c.interval_flags
        if known.interval:
            every_ns, flags = interval_ns(known.interval), 0
        out.funding(
            _PREDICTED | flags, c.id, event_ns, received_ns,
            known.rate, every_ns, nanoseconds(known.next_funding),
        )  # fmt: skip
    if news & _OPEN_INTEREST_ROW and isinstance(known.open_interest, float):
        coin, usd = c.amounts(known.open_interest, mark)
        out.floats(
            _OPEN_INTEREST, 0, c.assumed, c.id, event_ns, received_ns, 0, coin, usd, mark
        )  # fmt: skip


def _answer(envelope: _Envelope) -> FrameName:
    if envelope.error is not None:
        raise VenueRefused(f"{envelope.status}: {envelope.error[:200]}")
    if envelope.success:
        return "ack"
    if envelope.info is not None:
        return "notice"
    raise MalformedFrame("unknown", "neither a table nor an answer")


fill: Final = no_fill


def decoder(instruments: Mapping[str, Instrument]) -> Decoder:
    """Return a new connection's decoder."""
    return Decoder(instruments)


def plan(instruments: Sequence[Instrument]) -> list[ConnectionPlan]:
    """Return connections of at most `INSTRUMENTS_PER_CONNECTION` contracts, all tables of each on one."""
    size = INSTRUMENTS_PER_CONNECTION
    return [_connection(instruments[at : at + size]) for at in range(0, len(instruments), size)]


def _connection(instruments: Sequence[Instrument]) -> ConnectionPlan:
    args = [LIQUIDATIONS, *(f"{topic}:{spec.symbol}" for spec in instruments for topic in TOPICS)]
    chunks = [args[at : at + ARGS_PER_FRAME] for at in range(0, len(args), ARGS_PER_FRAME)]
    return ConnectionPlan(
        path="/realtime",
        subscribe=tuple(
            msgspec.json.encode({"op": "subscribe", "args": chunk}) for chunk in chunks
        ),
        channels=CHANNELS,
        control=CONTROL,
        instruments=tuple(instruments),
    )
