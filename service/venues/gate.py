"""Gate's perpetual futures, websocket v4: settled in USDT, and the inverse ``BTC_USD`` settled in BTC.

Facts as of 2026-08-20, from https://www.gate.com/docs/developers/futures/ws, where nothing else is said:

- Sizes are contracts. They are whole unless the handshake asks for decimals with ``X-Gate-Size-Decimal``:
  what is cut off then is not told, so we ask.
- ``futures.trades``: the sign of `size` is the taker's. Ids grow; that they count up by one nobody says. A
  trade with `is_internal` hands a position to the insurance fund or to deleveraging: not of the market.
- ``futures.tickers``: `funding_rate` is what the running interval will pay. The interval and the next payment
  are in the frames of 2026-08-01; where they are missing the interval is the listing's, and payments are at
  its multiples, UTC. `total_size` is open interest in contracts.
- ``futures.public_liquidates``, ``!all`` for every contract: the sign of `size` is that of the ORDER, below
  zero a long was closed. (REST has the position's sign: not to be mixed.) `price` is the order's. Until
  2026-08-20 one a contract and second came, with `time` in seconds, sometimes `time_ms` beside it. Since then
  all of a second come as one list, `time` in ms.
- A payload with one unknown contract fails as a whole. Times in requests are not checked on public channels:
  the documentation's own examples send the same number always.
- ``futures.system`` of type upgrade says that the connection will end.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

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
from service.venue import (
    ConnectionPlan,
    FrameName,
    MalformedFrame,
    VenueRefused,
    VenueSpec,
    no_fill,
)
from service.venues.decode import (
    FAULTS,
    MAX_FRAME_BYTES,
    MAX_MS,
    MIN_MS,
    NAN,
    NS_PER_MS,
    Blank,
    Contract,
    Millis,
    NotNegative,
    Positive,
    Rate,
    SequenceId,
    blame,
    contracts,
)
from service.venues.gate_rest import (
    NAME,
    NS_PER_S,
    IntervalSeconds,
    Seconds,
    assume,
    discover,
    history,
    polls,
    settle_of,
)
from streams.events import Channel, Kind, RowBuffer, Side
from streams.instruments import Instrument

__all__ = ["SPEC", "Decoder", "assume", "decoder", "discover", "fill", "history", "plan", "polls"]

#: What each channel means.
SEMANTICS: Final = Semantics(
    market="perpetual",
    title="Gate futures",
    trade=TradeFeed(
        unit="contracts", gaps="monotonic",
        note="trades with the insurance fund and of deleveraging are left out",
        evidence=Evidence("2026-08-20", "gate.com futures websocket v4, Trades"),
    ),
    mark=MarkFeed(
        index=True, cadence_s=2.0,
        evidence=Evidence("2026-08-20", "gate.com futures websocket v4, Tickers"),
    ),
    funding=FundingFeed(
        kind="predicted", interval="message",
        note="8, 4 or 1 hours; of the listing where the message has none",
        evidence=Evidence("2026-08-01", "frames of gate.com futures websocket v4, Tickers"),
    ),
    open_interest=OpenInterestFeed(
        unit="contracts", cadence_s=2.0,
        evidence=Evidence("2026-08-20", "gate.com futures websocket v4, Tickers"),
    ),
    liquidation=LiquidationFeed(
        completeness="complete", side="order", price="order", unit="contracts",
        note="since 2026-08-20; one a contract and second before",
        evidence=Evidence("2026-08-20", "gate.com futures websocket v4, Public Liquidates, changed then"),
    ),
)  # fmt: skip
#: The first moment of 2026-08-20, UTC, in ms: from then on all liquidations are told.
COMPLETE_FROM_MS: Final = 1_787_184_000_000
#: What the liquidation channel told before.
LIQUIDATION_BEFORE: Final = LiquidationFeed(
    completeness="sampled", side="order", price="order", unit="contracts",
    rule="at most one of a contract each second",
    evidence=Evidence("2026-07-25", "gate.com futures websocket v4, Public Liquidates"),
)  # fmt: skip

#: Sent where a request wants a time.
REQUEST_TIME: Final = 123456

SPEC: Final = VenueSpec(
    name=NAME,
    semantics=SEMANTICS,
    websocket_url="wss://fx-ws.gateio.ws",
    rest_url="https://api.gateio.ws",
    headers={"X-Gate-Size-Decimal": "1"},
    ping=b'{"time":%d,"channel":"futures.ping"}' % REQUEST_TIME,
    ping_every_s=20.0,
    sends_per_s=5.0,
    rest_weight_per_minute=600,  # 200 in 10 s of each path are allowed
)

#: No limit is documented; a payload of 200 contracts was served in 2026-08.
CONTRACTS_PER_CONNECTION: Final = 200
CONTRACTS_PER_FRAME: Final = 100
#: Tickers come each second or two. Of the one inverse contract trades may be minutes apart.
CONTROL: Final = {"usdt": Channel.TRADE | Channel.MARK, "btc": Channel.MARK}
#: Below any size that is traded, in contracts.
SMALLEST: Final = 1e-12
#: Known channels that carry nothing we want.
IGNORED: Final = (
    "futures.order_book", "futures.book_ticker", "futures.obu", "futures.candlesticks",
    "futures.contract_stats", "futures.contract_info",
)  # fmt: skip

_TRADE: Final = int(Kind.TRADE)
_MARK: Final = int(Kind.MARK)
_OPEN_INTEREST: Final = int(Kind.OPEN_INTEREST)
_LIQUIDATION: Final = int(Kind.LIQUIDATION)
_FUNDING_FLAGS: Final = SEMANTICS.funding_flags
_COMPLETE_FLAGS: Final = SEMANTICS.liquidation_flags
_FLAGS_BEFORE: Final = int(LIQUIDATION_BEFORE.flags)
_BUY, _SELL = int(Side.BUY), int(Side.SELL)
_LONG, _SHORT = int(Side.LONG), int(Side.SHORT)

_Size = Annotated[float, msgspec.Meta(gt=-1e15, lt=1e15)]
_AnyTime = Annotated[int, msgspec.Meta(ge=MIN_MS // 1000, lt=MAX_MS)]


class _Error(msgspec.Struct):
    code: int | str = ""
    message: str = ""


class _Frame(msgspec.Struct, gc=False):
    channel: str = ""
    event: str = ""
    time: Annotated[int, msgspec.Meta(ge=0, lt=MAX_MS // 1000)] = 0  # answers may have ours
    time_ms: Annotated[int, msgspec.Meta(ge=0, lt=MAX_MS)] = 0
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: _Error | None = None


class _Trade(msgspec.Struct, gc=False):
    contract: str
    size: _Size
    price: Positive
    id: SequenceId = 0
    create_time: Seconds | None = None
    create_time_ms: Millis | None = None
    is_internal: bool = False


class _Liquidation(msgspec.Struct, gc=False):
    contract: str
    size: _Size
    price: Positive
    time: _AnyTime | None = None
    time_ms: Millis | None = None


class _Ticker(msgspec.Struct, gc=False):
    contract: str
    mark_price: Positive | Blank = ""
    index_price: Positive | Blank = ""
    funding_rate: Rate | Blank = ""
    funding_interval: IntervalSeconds = 0
    funding_next_apply: Seconds | None = None
    total_size: NotNegative | Blank = ""
    t: Millis | None = None


class _System(msgspec.Struct):
    type: str = ""


class _Status(msgspec.Struct):
    status: str = ""


_read_frame: Final = msgspec.json.Decoder(_Frame, strict=False).decode
_read_trades: Final = msgspec.json.Decoder(list[_Trade], strict=False).decode
_read_tickers: Final = msgspec.json.Decoder(list[_Ticker], strict=False).decode
_read_liquidations: Final = msgspec.json.Decoder(list[_Liquidation], strict=False).decode
_read_system: Final = msgspec.json.Decoder(_System).decode
_read_status: Final = msgspec.json.Decoder(_Status | None).decode


class Decoder:
    """Reads one connection's frames. Remembers nothing."""

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
            return self._read(_read_frame(frame), received_ns, out)
        except FAULTS as fault:
            out.truncate(rows)
            raise blame(fault) from None
        except MalformedFrame:
            out.truncate(rows)
            raise

    def _read(self, frame: _Frame, received_ns: int, out: RowBuffer) -> FrameName:
        if frame.error is not None:
            raise VenueRefused(f"{frame.error.code}: {frame.error.message[:200]}")
        channel = frame.channel
        if channel == "futures.pong":
            return "pong"
        if frame.event in {"subscribe", "unsubscribe"}:
            return _answer(frame)
        if channel == "futures.trades":
            return self._trades(frame, received_ns, out)
        if channel == "futures.tickers":
            return self._tickers(frame, received_ns, out)
        if channel == "futures.public_liquidates":
            return self._liquidations(frame, received_ns, out)
        if channel == "futures.system":
            return "leave" if _read_system(frame.result).type == "upgrade" else "notice"
        if channel.startswith(IGNORED):
            return "ignored"
        raise MalformedFrame("unknown", f"channel {channel[:40]}")

    def _contract(self, symbol: str) -> Contract:
        found = self._contracts.get(symbol)
        if found is None:
            raise MalformedFrame("symbol", symbol[:40])
        return found

    def _trades(self, frame: _Frame, received_ns: int, out: RowBuffer) -> FrameName:
        for trade in _read_trades(frame.result):
            c = self._contract(trade.contract)
            if trade.is_internal:
                continue
            size, taker = _signed(trade.size, _BUY, _SELL)
            price = trade.price / c.unit
            coin, usd = c.amounts(size, price)
            out.floats(
                _TRADE, taker, c.assumed, c.id, _traded_ns(trade), received_ns, trade.id,
                price, coin, usd,
            )  # fmt: skip
        return "trade"

    def _liquidations(self, frame: _Frame, received_ns: int, out: RowBuffer) -> FrameName:
        for event in _read_liquidations(frame.result):
            c = self._contracts.get(event.contract)
            if c is None:  # one subscription covers all contracts, wanted or not
                continue
            at_ms = _closed_ms(event)
            rule = _COMPLETE_FLAGS if at_ms >= COMPLETE_FROM_MS else _FLAGS_BEFORE
            # the order that closes: bought back is a short
            size, position = _signed(event.size, _SHORT, _LONG)
            price = event.price / c.unit
            coin, usd = c.amounts(size, price)
            out.floats(
                _LIQUIDATION, position, rule | c.assumed, c.id, at_ms * NS_PER_MS, received_ns, 0,
                price, coin, usd,
            )  # fmt: skip
        return "liquidation"

    def _tickers(self, frame: _Frame, received_ns: int, out: RowBuffer) -> FrameName:
        said_ns = _said_ns(frame)
        for ticker in _read_tickers(frame.result):
            c = self._contract(ticker.contract)
            event_ns = said_ns if ticker.t is None else ticker.t * NS_PER_MS
            if not event_ns:
                raise MalformedFrame("type", "a ticker without time")
            _write_levels(ticker, c, event_ns, received_ns, out)
            if ticker.funding_rate != "":
                _write_funding(ticker, ticker.funding_rate, c, event_ns, received_ns, out)
        return "ticker"


def _answer(frame: _Frame) -> FrameName:
    answer = _read_status(frame.result)
    if answer is not None and answer.status == "fail":
        raise VenueRefused(f"{frame.event} to {frame.channel[:40]} failed")
    return "ack"


def _signed(size: float, above: int, below: int) -> tuple[float, int]:
    """Return a size without its sign, and what the sign says."""
    if abs(size) < SMALLEST:
        raise MalformedFrame("range", f"a size of {size}")
    return (size, above) if size > 0 else (-size, below)


def _said_ns(frame: _Frame) -> int:
    """Return when a frame was said; 0 where it does not tell. Some have a `time_ms` of 0."""
    if frame.time_ms >= MIN_MS:
        return frame.time_ms * NS_PER_MS
    return frame.time * NS_PER_S if frame.time >= MIN_MS // 1000 else 0


def _traded_ns(trade: _Trade) -> int:
    """Return when a trade was made. Before 2021 only seconds were told."""
    if trade.create_time_ms is not None:
        return trade.create_time_ms * NS_PER_MS
    if trade.create_time is None:
        raise MalformedFrame("type", "a trade without time")
    return trade.create_time * NS_PER_S


def _closed_ms(event: _Liquidation) -> int:
    """Return when a position was closed, in ms: `time` is in seconds in what came before 2026-08-20."""
    if event.time_ms is not None:
        return event.time_ms
    if event.time is None:
        raise MalformedFrame("type", "a liquidation without time")
    if event.time >= MIN_MS:
        return event.time
    if event.time >= MAX_MS // 1000:
        raise MalformedFrame("range", f"time {event.time}")
    return event.time * 1000


def _write_levels(t: _Ticker, c: Contract, event_ns: int, received_ns: int, out: RowBuffer) -> None:
    mark = t.mark_price / c.unit if t.mark_price else NAN
    if t.mark_price:
        index = t.index_price / c.unit if t.index_price else NAN
        out.floats(_MARK, 0, 0, c.id, event_ns, received_ns, 0, mark, index, NAN)
    if t.total_size != "":
        coin, usd = c.amounts(t.total_size, mark)
        out.floats(
            _OPEN_INTEREST, 0, c.assumed, c.id, event_ns, received_ns, 0, coin, usd, mark,
        )  # fmt: skip


def _write_funding(
    t: _Ticker, rate: float, c: Contract, event_ns: int, received_ns: int, out: RowBuffer
) -> None:
    interval_ns, flags = c.interval_ns, c.interval_flags
    if t.funding_interval:
        interval_ns, flags = t.funding_interval * NS_PER_S, 0
    if t.funding_next_apply is not None:
        next_ns = t.funding_next_apply * NS_PER_S
    else:
        next_ns = (event_ns // interval_ns + 1) * interval_ns
    out.funding(_FUNDING_FLAGS | flags, c.id, event_ns, received_ns, rate, interval_ns, next_ns)


fill: Final = no_fill


def decoder(instruments: Mapping[str, Instrument]) -> Decoder:
    """Return a new connection's decoder."""
    return Decoder(instruments)


def plan(instruments: Sequence[Instrument]) -> list[ConnectionPlan]:
    """Return connections of one settlement coin each."""
    most = CONTRACTS_PER_CONNECTION
    plans = []
    for settle, control in CONTROL.items():
        chosen = [spec for spec in instruments if settle_of(spec) == settle]
        plans += [
            _connection(settle, control, chosen[at : at + most])
            for at in range(0, len(chosen), most)
        ]
    return plans


def _connection(settle: str, control: Channel, instruments: Sequence[Instrument]) -> ConnectionPlan:
    symbols = [spec.symbol for spec in instruments]
    chunks = [
        symbols[at : at + CONTRACTS_PER_FRAME] for at in range(0, len(symbols), CONTRACTS_PER_FRAME)
    ]
    wanted = [("futures.public_liquidates", ["!all"])]
    wanted += [
        (channel, part) for channel in ("futures.tickers", "futures.trades") for part in chunks
    ]
    return ConnectionPlan(
        path=f"/v4/ws/{settle}",
        subscribe=tuple(
            msgspec.json.encode(
                {"time": REQUEST_TIME, "channel": channel, "event": "subscribe", "payload": payload}
            )
            for channel, payload in wanted
        ),
        channels=Channel.ALL,
        control=control,
        instruments=tuple(instruments),
    )
