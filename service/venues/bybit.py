"""Bybit v5 perpetuals, linear and inverse.

Facts as of 2026-10, from https://bybit-exchange.github.io/docs/v5/websocket/public:

- ``publicTrade``: `S` is the taker. `v` is base coin for linear contracts and USD for inverse ones. `seq`
  rises but is not contiguous, and fills of one match share it. Block trades (`BT`) are part of the tape.
- ``tickers``: a snapshot, then deltas; a field missing from a delta is unchanged. A delta that comes
  before its snapshot has nothing to build on and is dropped.
- `openInterest` counts both sides. `singleOpenInterest`, since 2026-06-11, counts one; without it the
  other is halved and the row says so with UNIT_ASSUMED.
- `fundingRate` is the running estimate of what is paid at `nextFundingTime`. `fundingIntervalHour` is in
  the stream since 2025-10; before that the interval is the contract's.
- ``allLiquidation``: every liquidation, each 500 ms. `S` is the side of the POSITION: Buy was a long.
  `p` is the bankruptcy price, not a fill; the engine revalues at its mark.
- The connection is kept by our own ping.
"""

from collections.abc import Iterator, Mapping, Sequence
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
from service.venues.bybit_rest import NAME, assume, discover, history, polls
from service.venues.decode import (
    FAULTS,
    HOUR_NS,
    MAX_FRAME_BYTES,
    NAN,
    NS_PER_MS,
    Blank,
    Contract,
    Hours,
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
    title="Bybit v5 linear",
    trade=TradeFeed(
        unit="coin", gaps="monotonic", note="of inverse contracts the size is USD",
        evidence=Evidence("2026-07-24", "bybit-exchange.github.io, Trade"),
    ),
    mark=MarkFeed(
        index=True, cadence_s=0.1, note="deltas: a field that is missing has not changed",
        evidence=Evidence("2026-07-24", "bybit-exchange.github.io, Ticker"),
    ),
    funding=FundingFeed(
        kind="predicted", interval="message",
        evidence=Evidence("2026-07-24", "bybit-exchange.github.io, Ticker"),
    ),
    open_interest=OpenInterestFeed(
        unit="coin", sides=2, cadence_s=0.1,
        note="one side since 2026-06-11 in singleOpenInterest; where it is missing the sum is halved",
        evidence=Evidence("2026-07-24", "bybit-exchange.github.io, Ticker and changelog"),
    ),
    liquidation=LiquidationFeed(
        completeness="complete", side="position", price="bankruptcy",
        evidence=Evidence("2026-07-24", "bybit-exchange.github.io, All Liquidation"),
    ),
)  # fmt: skip

SPEC: Final = VenueSpec(
    name=NAME,
    semantics=SEMANTICS,
    websocket_url="wss://stream.bybit.com",
    rest_url="https://api.bybit.com",
    ping=b'{"op":"ping"}',
    ping_every_s=20.0,
    sends_per_s=5.0,
    rest_weight_per_minute=1200,  # 600 in 5 s are allowed, a breach costs ten minutes
)

TOPICS: Final = ("publicTrade", "tickers", "allLiquidation")
#: One bad topic can make the venue reject the whole request.
TOPICS_PER_FRAME: Final = 200
#: All topics of one connection may have 21,000 characters.
TOPIC_CHARACTERS: Final = 20_000
CHANNELS: Final = Channel.ALL
CONTROL: Final = Channel.TRADE | Channel.MARK

TAKER: Final = {"Buy": int(Side.BUY), "Sell": int(Side.SELL)}
POSITION: Final = {"Buy": int(Side.LONG), "Sell": int(Side.SHORT)}
#: `openInterest` and `openInterestValue` are long plus short.
SIDES_COUNTED: Final = 2

_TRADE: Final = int(Kind.TRADE)
_MARK: Final = int(Kind.MARK)
_OPEN_INTEREST: Final = int(Kind.OPEN_INTEREST)
_LIQUIDATION: Final = int(Kind.LIQUIDATION)
_PREDICTED: Final = SEMANTICS.funding_flags
_HALVED: Final = int(Flag.UNIT_ASSUMED)
_LIQUIDATION_FLAGS: Final = SEMANTICS.liquidation_flags

#: Known topics that carry nothing we want, the retired ones of before v5 included.
IGNORED: Final = (
    "orderbook.", "kline.", "kline_lt.", "adlAlert.", "insurance.", "priceLimit.", "rpi.",
    "liquidation.", "trade.", "instrument_info.", "orderBookL2_25.", "orderBook_200.",
)  # fmt: skip


class _Trade(
    msgspec.Struct,
    gc=False,
    rename={
        "traded_ms": "T", "symbol": "s", "side": "S", "size": "v", "price": "p", "sequence": "seq",
    },
):  # fmt: skip
    traded_ms: Millis
    symbol: str
    side: Literal["Buy", "Sell"]
    size: Positive
    price: Positive
    sequence: SequenceId = 0  # since 2025-08


class _Trades(msgspec.Struct, gc=False):
    data: list[_Trade]


class _Liquidations(msgspec.Struct, gc=False):
    data: list[_Trade]


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


class _Envelope(msgspec.Struct, gc=False):
    """What tells frames apart whose topic does not come first."""

    topic: str | None = None
    success: bool | None = None
    ret_msg: str = ""
    op: str | None = None


_read_trades: Final = msgspec.json.Decoder(_Trades, strict=False).decode
_read_liquidations: Final = msgspec.json.Decoder(_Liquidations, strict=False).decode
_read_ticker: Final = msgspec.json.Decoder(_TickerFrame, strict=False).decode
_read_envelope: Final = msgspec.json.Decoder(_Envelope, strict=False).decode

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


class Decoder:
    """Reads one connection's frames. Remembers each contract's merged ticker."""

    __slots__ = ("_contracts", "_tickers")

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._contracts = contracts(instruments)
        self._tickers: dict[str, _Ticker] = {}

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
            if frame.startswith(b'{"topic":"publicTrade.'):
                return self._trades(frame, received_ns, out)
            if frame.startswith(b'{"topic":"tickers.'):
                return self._ticker(frame, received_ns, out)
            return self._other(frame, received_ns, out)
        except FAULTS as fault:
            out.truncate(rows)
            raise blame(fault) from None
        except MalformedFrame:
            out.truncate(rows)
            raise

    def _other(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        envelope = _read_envelope(frame)
        topic = envelope.topic
        if topic is None:
            return _answer(envelope)
        if topic.startswith("allLiquidation."):
            return self._liquidations(frame, received_ns, out)
        if topic.startswith("publicTrade."):
            return self._trades(frame, received_ns, out)
        if topic.startswith("tickers."):
            return self._ticker(frame, received_ns, out)
        if topic.startswith(IGNORED):
            return "ignored"
        raise MalformedFrame("unknown", f"topic {topic[:40]}")

    def _contract(self, symbol: str) -> Contract:
        found = self._contracts.get(symbol)
        if found is None:
            raise MalformedFrame("symbol", symbol[:40])
        return found

    def _trades(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        for trade in _read_trades(frame).data:
            c = self._contract(trade.symbol)
            price = trade.price / c.unit
            coin, usd = c.amounts(trade.size, price)
            out.floats(
                _TRADE, TAKER[trade.side], c.assumed, c.id, trade.traded_ms * NS_PER_MS,
                received_ns, trade.sequence, price, coin, usd,
            )  # fmt: skip
        return "trade"

    def _liquidations(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        for event in _read_liquidations(frame).data:
            c = self._contract(event.symbol)
            price = event.price / c.unit
            coin, usd = c.amounts(event.size, price)
            out.floats(
                _LIQUIDATION, POSITION[event.side], _LIQUIDATION_FLAGS | c.assumed, c.id,
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
            _write_funding(known, c, event_ns, received_ns, out)
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
    t: _Ticker, c: Contract, event_ns: int, received_ns: int, out: RowBuffer
) -> None:
    if t.rate is None or t.rate == "" or not t.next_funding_ms:
        return
    interval_ns, flags = c.interval_ns, c.interval_flags
    if t.interval_hours:
        interval_ns, flags = t.interval_hours * HOUR_NS, 0
    out.funding(
        _PREDICTED | flags, c.id, event_ns, received_ns,
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
    out.floats(_OPEN_INTEREST, 0, flags, c.id, event_ns, received_ns, 0, coin, usd, mark)


def _answer(envelope: _Envelope) -> FrameName:
    if envelope.ret_msg == "pong" or envelope.op == "pong":
        return "pong"
    if envelope.success is None:
        raise MalformedFrame("unknown", "neither a topic nor an answer")
    if not envelope.success:
        raise VenueRefused(envelope.ret_msg[:200])
    return "ack"


fill: Final = no_fill


def decoder(instruments: Mapping[str, Instrument]) -> Decoder:
    """Return a new connection's decoder."""
    return Decoder(instruments)


def plan(instruments: Sequence[Instrument]) -> list[ConnectionPlan]:
    """Return connections for linear and for inverse contracts, each within the limit of its topics."""
    plans = []
    for category in ("linear", "inverse"):
        chosen = [spec for spec in instruments if spec.contract_type == category]
        plans += [_connection(category, part) for part in _parts(chosen)]
    return plans


def _topics(spec: Instrument) -> list[str]:
    return [f"{topic}.{spec.symbol}" for topic in TOPICS]


def _parts(instruments: Sequence[Instrument]) -> Iterator[list[Instrument]]:
    """Cut so that the topics of each part fit one connection."""
    part: list[Instrument] = []
    room = TOPIC_CHARACTERS
    for spec in instruments:
        need = sum(map(len, _topics(spec)))
        if need > room and part:
            yield part
            part, room = [], TOPIC_CHARACTERS
        part.append(spec)
        room -= need
    if part:
        yield part


def _connection(category: str, instruments: Sequence[Instrument]) -> ConnectionPlan:
    topics = [topic for spec in instruments for topic in _topics(spec)]
    chunks = [topics[at : at + TOPICS_PER_FRAME] for at in range(0, len(topics), TOPICS_PER_FRAME)]
    return ConnectionPlan(
        path=f"/v5/public/{category}",
        subscribe=tuple(
            msgspec.json.encode({"req_id": str(number), "op": "subscribe", "args": chunk})
            for number, chunk in enumerate(chunks, start=1)
        ),
        channels=CHANNELS,
        control=CONTROL,
        instruments=tuple(instruments),
    )
