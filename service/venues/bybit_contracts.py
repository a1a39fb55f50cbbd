"""Bybit v5's perpetuals, whatever they are settled in: what their channels mean and how they are read.

Facts as of 2026-10, from https://bybit-exchange.github.io/docs/v5/websocket/public, beside those of
`bybit_stream`:

- ``tickers``: a snapshot, then deltas; a field missing from a delta is unchanged. A delta that comes
  before its snapshot has nothing to build on and is dropped.
- `openInterest` counts both sides. `singleOpenInterest`, since 2026-06-11, counts one; without it the
  other is halved and the row says so with UNIT_ASSUMED. Both are coin, of inverse contracts USD.
- `fundingRate` is the running estimate of what is paid at `nextFundingTime`. `fundingIntervalHour` is in
  the stream since 2025-10; before that the interval is the contract's.
- ``allLiquidation``: every liquidation, each 500 ms. `S` is the side of the POSITION: Buy was a long.
  `p` is the bankruptcy price, not a fill; the engine revalues at its mark. `v` is coin, of inverse
  contracts USD.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec
from msgspec.structs import astuple

from service.semantics import (
    Evidence,
    FundingFeed,
    LiquidationFeed,
    MarkFeed,
    OpenInterestFeed,
    Semantics,
    Unit,
)
from service.venue import ConnectionPlan, FrameName
from service.venues import bybit_stream
from service.venues.decode import (
    HOUR_NS,
    NAN,
    NS_PER_MS,
    Blank,
    Contract,
    Hours,
    Millis,
    NotNegative,
    Positive,
    Rate,
)
from streams.events import Channel, Flag, Kind, RowBuffer, Side
from streams.instruments import ContractType, Instrument

#: One bad topic can make the venue reject the whole request.
TOPICS_PER_FRAME: Final = 200
TOPICS: Final = ("publicTrade", "tickers", "allLiquidation")
SILENCE_S: Final = 10.0

POSITION: Final = {"Buy": int(Side.LONG), "Sell": int(Side.SHORT)}
#: `openInterest` and `openInterestValue` are long plus short.
SIDES_COUNTED: Final = 2

_MARK: Final = int(Kind.MARK)
_OPEN_INTEREST: Final = int(Kind.OPEN_INTEREST)
_LIQUIDATION: Final = int(Kind.LIQUIDATION)
_HALVED: Final = int(Flag.UNIT_ASSUMED)


def semantics(title: str, unit: Unit) -> Semantics:
    """Return what the channels of a category of contracts mean."""
    return Semantics(
        market="perpetual",
        title=title,
        trade=bybit_stream.trade_feed(unit),
        mark=MarkFeed(
            index=True, cadence_s=0.1, note="deltas: a field that is missing has not changed",
            evidence=Evidence("2026-07-24", "bybit-exchange.github.io, Ticker"),
        ),
        funding=FundingFeed(
            kind="predicted", interval="message",
            evidence=Evidence("2026-07-24", "bybit-exchange.github.io, Ticker"),
        ),
        open_interest=OpenInterestFeed(
            unit=unit, sides=2, cadence_s=0.1,
            note="one side since 2026-06-11 in singleOpenInterest; where it is missing the sum is halved",
            evidence=Evidence("2026-07-24", "bybit-exchange.github.io, Ticker and changelog"),
        ),
        liquidation=LiquidationFeed(
            completeness="complete", side="position", price="bankruptcy", unit=unit,
            evidence=Evidence("2026-07-24", "bybit-exchange.github.io, All Liquidation"),
        ),
    )  # fmt: skip


class _Ticker(
    msgspec.Struct,
    gc=False,
    rename={
        "mark_price": "markPrice",
        "index_price": "indexPrice",
        "bid_price": "bid1Price",
        "ask_price": "ask1Price",
        "rate": "fundingRate",
        "next_funding_ms": "nextFundingTime",
        "interval_hours": "fundingIntervalHour",
        "both_sides": "openInterest",
        "one_side": "singleOpenInterest",
    },
):
    """What a delta says, and merged deltas. None is not said, blank is said to be nothing."""

    symbol: str
    mark_price: Positive | Blank | None = None
    index_price: Positive | Blank | None = None
    bid_price: Positive | Blank | None = None
    ask_price: Positive | Blank | None = None
    rate: Rate | Blank | None = None
    next_funding_ms: Millis | Blank | None = None
    interval_hours: Hours | Blank | None = None
    both_sides: NotNegative | Blank | None = None
    one_side: NotNegative | Blank | None = None


class _TickerFrame(msgspec.Struct, gc=False, rename={"event_ms": "ts"}):
    type: Literal["snapshot", "delta"]
    data: _Ticker
    event_ms: Millis


_read_ticker: Final = msgspec.json.Decoder(_TickerFrame, strict=False).decode

#: Which row a field of the ticker is part of, as bits.
_MARK_ROW, _FUNDING_ROW, _OPEN_INTEREST_ROW = 1, 2, 4
_ROW_OF: Final = {
    "mark_price": _MARK_ROW,
    "index_price": _MARK_ROW,
    "bid_price": _MARK_ROW,
    "ask_price": _MARK_ROW,
    "rate": _FUNDING_ROW,
    "next_funding_ms": _FUNDING_ROW,
    "interval_hours": _FUNDING_ROW,
    "both_sides": _OPEN_INTEREST_ROW,
    "one_side": _OPEN_INTEREST_ROW,
}
_FIELDS: Final = _Ticker.__struct_fields__


class Decoder(bybit_stream.Decoder):
    """Reads one connection's frames. Remembers each contract's merged ticker."""

    __slots__ = ("_funding_flags", "_liquidation_flags", "_tickers")

    def __init__(self, instruments: Mapping[str, Instrument], said: Semantics) -> None:
        super().__init__(instruments)
        self._tickers: dict[str, _Ticker] = {}
        self._funding_flags = said.funding_flags
        self._liquidation_flags = said.liquidation_flags
        self._writers |= {b"tickers": self._ticker, b"allLiquidation": self._liquidations}

    def _liquidations(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        for event in bybit_stream.events_of(frame):
            c = self._contract(event.symbol)
            price = event.price / c.unit
            coin, usd = c.amounts(event.size, price)
            out.floats(
                _LIQUIDATION, POSITION[event.side], self._liquidation_flags | c.assumed, c.id,
                event.traded_ms * NS_PER_MS, received_ns, 0, price, coin, usd,
            )  # fmt: skip
        return "liquidation"

    def _ticker(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        read = _read_ticker(frame)
        said = read.data
        c = self._contract(said.symbol)
        if read.type == "snapshot":
            # A snapshot replaces all that is known, so all that it says is news.
            known = self._tickers[said.symbol] = _Ticker(said.symbol)
        elif said.symbol in self._tickers:
            known = self._tickers[said.symbol]
        else:
            return "ignored"
        news = _merge(known, said)
        event_ns = read.event_ms * NS_PER_MS
        if news & _MARK_ROW:
            _write_mark(known, c, event_ns, received_ns, out)
        if news & _FUNDING_ROW:
            _write_funding(known, c, self._funding_flags, event_ns, received_ns, out)
        if news & _OPEN_INTEREST_ROW:
            _write_open_interest(known, c, event_ns, received_ns, out)
        return "ticker"


def _merge(known: _Ticker, said: _Ticker) -> int:
    """Put what a frame says into what is known; return the bits of the rows that changed by it."""
    news = 0
    for name, value, before in zip(_FIELDS, astuple(said), astuple(known), strict=True):
        if value is not None and value != before:
            setattr(known, name, value)
            news |= _ROW_OF[name]
    return news


def _write_mark(t: _Ticker, c: Contract, event_ns: int, received_ns: int, out: RowBuffer) -> None:
    if not t.mark_price:
        return
    mid = (t.bid_price + t.ask_price) / 2 / c.unit if t.bid_price and t.ask_price else NAN
    index = t.index_price / c.unit if t.index_price else NAN
    out.floats(_MARK, 0, 0, c.id, event_ns, received_ns, 0, t.mark_price / c.unit, index, mid)


def _write_funding(
    t: _Ticker, c: Contract, flags: int, event_ns: int, received_ns: int, out: RowBuffer
) -> None:
    if t.rate is None or t.rate == "" or not t.next_funding_ms:
        return
    interval_ns, doubt = c.interval_ns, c.interval_flags
    if t.interval_hours:
        interval_ns, doubt = t.interval_hours * HOUR_NS, 0
    out.funding(
        flags | doubt, c.id, event_ns, received_ns,
        t.rate, interval_ns, t.next_funding_ms * NS_PER_MS,
    )  # fmt: skip


def _write_open_interest(
    t: _Ticker, c: Contract, event_ns: int, received_ns: int, out: RowBuffer
) -> None:
    flags = c.assumed
    if t.one_side is not None and t.one_side != "":
        size = t.one_side
    elif t.both_sides is not None and t.both_sides != "":
        size = t.both_sides / SIDES_COUNTED
        flags |= _HALVED
    else:
        return
    mark = t.mark_price / c.unit if t.mark_price else NAN
    coin, usd = c.amounts(size, mark)
    if math.isnan(coin):
        return  # of an inverse contract, before its mark
    out.floats(_OPEN_INTEREST, 0, flags, c.id, event_ns, received_ns, 0, coin, usd, mark)


def plan(category: ContractType, instruments: Sequence[Instrument]) -> list[ConnectionPlan]:
    """Return connections that carry all channels of contracts of a category."""
    return bybit_stream.plans(
        category,
        instruments,
        kinds=TOPICS,
        per_frame=TOPICS_PER_FRAME,
        channels=Channel.ALL,
        control=Channel.TRADE | Channel.MARK,
    )
