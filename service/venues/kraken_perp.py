"""Kraken Futures perpetuals: linear ones (PF_) and inverse ones (PI_).

Facts as of 2026-07, from https://docs.kraken.com/exchange/api-reference/futures-websocket and recordings:

- ``trade``: `side` is the taker. `type` tells fills of the book from forced closes: of a liquidation, and of
  a termination, where the position is unwound past the book. Blocks are agreed elsewhere and are no tape.
- `qty` is coin for linear contracts and USD for inverse ones, and so is `openInterest`.
- `seq` counts the trades of a product, blocks included. Recordings show it contiguous over the snapshot that
  a subscription begins with; the venue does not promise it, so a hole is reported and nobody is asked.
- ``ticker``, each second: `funding_rate` is an amount of quote currency a contract and hour, never a rate.
  `relative_funding_rate` is the rate of an hour. Fields that are zero may be left out.
- The server says ``info`` first. Protocol pings keep the connection.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal

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
    HOUR_NS,
    MAX_FRAME_BYTES,
    MAX_MS,
    MIN_MS,
    NAN,
    NS_PER_MS,
    Contract,
    Millis,
    NotNegative,
    Positive,
    Rate,
    SequenceId,
    blame,
    contracts,
)
from service.venues.kraken_perp_rest import NAME, assume, discover, history, polls
from streams.events import Channel, Kind, RowBuffer, Side
from streams.instruments import Instrument

__all__ = ["SPEC", "Decoder", "assume", "decoder", "discover", "fill", "history", "plan", "polls"]

#: What each channel means.
SEMANTICS: Final = Semantics(
    market="perpetual",
    title="Kraken Futures",
    trade=TradeFeed(
        unit="coin", gaps="connection", first="dropped",
        note="of inverse contracts the size is USD; blocks are left out",
        evidence=Evidence("2026-07-31", "docs.kraken.com, Futures WebSocket, Trade"),
    ),
    mark=MarkFeed(
        index=True, cadence_s=1.0,
        evidence=Evidence("2026-07-31", "docs.kraken.com, Futures WebSocket, Ticker"),
    ),
    funding=FundingFeed(
        kind="continuous", interval="fixed", interval_h=1.0,
        note="relative_funding_rate, left out when zero; funding_rate is an amount and not read",
        evidence=Evidence("2026-07-31", "docs.kraken.com, Futures WebSocket, Ticker"),
    ),
    open_interest=OpenInterestFeed(
        unit="coin", cadence_s=1.0, note="of inverse contracts USD",
        evidence=Evidence("2026-07-31", "docs.kraken.com, Futures WebSocket, Ticker"),
    ),
    liquidation=LiquidationFeed(
        completeness="complete", side="taker", price="fill", first="dropped",
        note="trades of type liquidation and termination; of inverse contracts the size is USD",
        evidence=Evidence("2026-07-31", "docs.kraken.com, Futures WebSocket, Trade"),
    ),
)  # fmt: skip

SPEC: Final = VenueSpec(
    name=NAME,
    semantics=SEMANTICS,
    websocket_url="wss://futures.kraken.com",
    rest_url="https://futures.kraken.com",
    sends_per_s=5.0,  # 100 requests, one more each second, are allowed
    rest_weight_per_minute=600,  # public requests are free of the budget of 500 in 10 s
    silence_s=15.0,
)

FEEDS: Final = ("ticker", "trade")
PRODUCTS_PER_FRAME: Final = 50
#: 100 connections are allowed; what one carries is not limited. Two of them share all that is listed.
PRODUCTS_PER_CONNECTION: Final = 150
CHANNELS: Final = Channel.ALL
CONTROL: Final = Channel.MARK
#: What a hole in the numbers of trades may have swallowed.
_FLAGGED: Final = Channel.TRADE | Channel.LIQUIDATION

TAKER: Final = {"buy": int(Side.BUY), "sell": int(Side.SELL)}
#: Whose position a forced trade closes: the seller was long.
POSITION: Final = {"sell": int(Side.LONG), "buy": int(Side.SHORT)}
FORCED: Final = frozenset({"liquidation", "termination"})
BLOCK: Final = "block"
#: Anything up to this is no price.
NO_PRICE: Final = 1e-18
#: Rates are of an hour, whatever the time between payments was.
FUNDING_INTERVAL_NS: Final = HOUR_NS

_TRADE: Final = int(Kind.TRADE)
_MARK: Final = int(Kind.MARK)
_OPEN_INTEREST: Final = int(Kind.OPEN_INTEREST)
_LIQUIDATION: Final = int(Kind.LIQUIDATION)
_GAP: Final = int(Kind.GAP)
_FUNDING_FLAGS: Final = SEMANTICS.funding_flags
_LIQUIDATION_FLAGS: Final = SEMANTICS.liquidation_flags

#: Known feeds that carry nothing we want.
IGNORED: Final = frozenset({"book", "book_snapshot", "ticker_lite"})

#: A time in ms; zero is none.
_Later = Annotated[int, msgspec.Meta(ge=0, lt=MAX_MS)]


class _Trade(msgspec.Struct, gc=False, rename={"traded_ms": "time"}):
    product_id: str
    side: Literal["buy", "sell"]
    type: Literal["fill", "liquidation", "termination", "block"]
    traded_ms: Millis
    qty: Positive
    price: Positive
    seq: SequenceId = 0


class _Past(msgspec.Struct, gc=False):
    seq: SequenceId = 0


class _Snapshot(msgspec.Struct, gc=False):
    product_id: str
    trades: list[_Past] = []


class _Ticker(
    msgspec.Struct,
    gc=False,
    rename={
        "told_ms": "time",
        "mark_price": "markPrice",
        "index_price": "index",
        "open_interest": "openInterest",
        "rate": "relative_funding_rate",
        "amount": "funding_rate",
        "next_ms": "next_funding_rate_time",
    },
):
    product_id: str
    told_ms: Millis
    mark_price: Positive
    index_price: NotNegative | None = None
    bid: NotNegative | None = None
    ask: NotNegative | None = None
    open_interest: NotNegative | None = None
    rate: Rate | None = None
    amount: float | None = None
    next_ms: _Later | None = None


class _Envelope(msgspec.Struct, gc=False):
    """What tells frames apart whose feed does not come first."""

    feed: str | None = None
    event: str | None = None
    message: str = ""


_read_trade: Final = msgspec.json.Decoder(_Trade, strict=False).decode
_read_snapshot: Final = msgspec.json.Decoder(_Snapshot, strict=False).decode
_read_ticker: Final = msgspec.json.Decoder(_Ticker, strict=False).decode
_read_envelope: Final = msgspec.json.Decoder(_Envelope, strict=False).decode


class Decoder:
    """Reads one connection's frames. Remembers the number of each product's last trade."""

    __slots__ = ("_contracts", "_last")

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._contracts = contracts(instruments)
        self._last: dict[str, tuple[int, int]] = {}  # product: seq, received_ns

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
            if frame.startswith(b'{"feed":"trade",'):
                return self._trade(frame, received_ns, out)
            return self._other(frame, received_ns, out)
        except FAULTS as fault:
            out.truncate(rows)
            raise blame(fault) from None
        except MalformedFrame:
            out.truncate(rows)
            raise

    def _other(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        envelope = _read_envelope(frame)
        if envelope.event is not None:
            return _answer(envelope)
        feed = envelope.feed or ""
        if feed == "ticker":
            return self._ticker(frame, received_ns, out)
        if feed == "trade":
            return self._trade(frame, received_ns, out)
        if feed == "trade_snapshot":
            return self._snapshot(frame, received_ns)
        if feed == "heartbeat":
            return "notice"
        if feed in IGNORED:
            return "ignored"
        raise MalformedFrame("unknown", f"feed {feed[:40]!r}")

    def _contract(self, product: str) -> Contract:
        found = self._contracts.get(product)
        if found is None:
            raise MalformedFrame("symbol", product[:40])
        return found

    def _trade(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        trade = _read_trade(frame)
        c = self._contract(trade.product_id)
        self._count(trade, c, received_ns, out)
        if trade.type == BLOCK:
            return "trade"
        price = trade.price / c.unit
        coin, usd = c.amounts(trade.qty, price)
        at_ns = trade.traded_ms * NS_PER_MS
        # `seq` is not promised to be the same on the connection that takes over, so it is no identity.
        out.floats(
            _TRADE, TAKER[trade.side], c.assumed, c.id, at_ns, received_ns, 0, price, coin, usd
        )
        if trade.type in FORCED:
            out.floats(
                _LIQUIDATION, POSITION[trade.side], _LIQUIDATION_FLAGS | c.assumed, c.id,
                at_ns, received_ns, 0, price, coin, usd,
            )  # fmt: skip
        return "trade"

    def _count(self, trade: _Trade, c: Contract, received_ns: int, out: RowBuffer) -> None:
        """Write a GAP row where the number of a product's trade leaves some out."""
        if not trade.seq:
            return
        last = self._last.get(trade.product_id)
        self._last[trade.product_id] = (trade.seq, received_ns)
        if last is not None and trade.seq > last[0] + 1:
            out.integers(
                _GAP, 0, c.id, received_ns, received_ns, int(_FLAGGED), last[1], received_ns
            )

    def _snapshot(self, frame: bytes, received_ns: int) -> FrameName:
        """Take the newest number of the trades before ours; they are old news otherwise."""
        snapshot = _read_snapshot(frame)
        self._contract(snapshot.product_id)
        newest = max((trade.seq for trade in snapshot.trades), default=0)
        if newest:
            self._last[snapshot.product_id] = (newest, received_ns)
        return "notice"

    def _ticker(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        t = _read_ticker(frame)
        c = self._contract(t.product_id)
        at_ns = t.told_ms * NS_PER_MS
        mark = t.mark_price / c.unit
        index, bid, ask = (_price(quoted, c) for quoted in (t.index_price, t.bid, t.ask))
        mid = (bid + ask) / 2
        out.floats(_MARK, 0, 0, c.id, at_ns, received_ns, 0, mark, index, mid)
        rate = _rate(t)
        if rate is not None and t.next_ms is not None and t.next_ms >= MIN_MS:
            out.funding(
                _FUNDING_FLAGS, c.id, at_ns, received_ns,
                rate, FUNDING_INTERVAL_NS, t.next_ms * NS_PER_MS,
            )  # fmt: skip
        if t.open_interest is not None:
            coin, usd = c.amounts(t.open_interest, mark)
            out.floats(_OPEN_INTEREST, 0, c.assumed, c.id, at_ns, received_ns, 0, coin, usd, mark)
        return "ticker"


def _price(quoted: float | None, c: Contract) -> float:
    """Return a price of one coin, NaN for what is left out or zero: nobody quotes, or there is no index."""
    return quoted / c.unit if quoted is not None and quoted > NO_PRICE else NAN


def _rate(ticker: _Ticker) -> float | None:
    """Return the rate of an hour. What is left out is zero, unless the amount says that it is not."""
    if ticker.rate is None and not ticker.amount:
        return 0.0
    return ticker.rate


def _answer(envelope: _Envelope) -> FrameName:
    event = envelope.event or ""
    if event in {"error", "alert"} or event.endswith("_failed"):
        raise VenueRefused(f"{event}: {envelope.message[:200]}")
    if event in {"subscribed", "unsubscribed"}:
        return "ack"
    if event == "info":
        return "notice"
    if event == "pong":
        return "pong"
    raise MalformedFrame("unknown", f"event {event[:40]!r}")


fill: Final = no_fill


def decoder(instruments: Mapping[str, Instrument]) -> Decoder:
    """Return a new connection's decoder."""
    return Decoder(instruments)


def plan(instruments: Sequence[Instrument]) -> list[ConnectionPlan]:
    """Return connections that share the contracts, each with tickers and trades of its own."""
    step = PRODUCTS_PER_CONNECTION
    return [_connection(instruments[at : at + step]) for at in range(0, len(instruments), step)]


def _connection(instruments: Sequence[Instrument]) -> ConnectionPlan:
    products = [spec.symbol for spec in instruments]
    step = PRODUCTS_PER_FRAME
    return ConnectionPlan(
        path="/ws/v1",
        subscribe=tuple(
            msgspec.json.encode(
                {"event": "subscribe", "feed": feed, "product_ids": products[at : at + step]}
            )
            for feed in FEEDS
            for at in range(0, len(products), step)
        ),
        channels=CHANNELS,
        control=CONTROL,
        instruments=tuple(instruments),
    )
