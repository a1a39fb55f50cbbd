"""dYdX v4 perpetuals, through the indexer.

Facts as of 2026-09, from https://docs.dydx.xyz, Indexer WebSockets, and of limits and the numbering of
messages from the indexer's source, github.com/dydxprotocol/v4-chain:

- ``v4_trades``, one subscription a market: `side` is the taker, size is coin, ids are no numbers. A trade
  of type LIQUIDATED is the order that closes a position; sold, it closes a long. DELEVERAGED is no order
  on the market: two positions are netted, so it is neither a trade nor a liquidation here.
- What comes with ``subscribed`` are old trades, forced ones among them: dropped.
- ``v4_markets``, one subscription for all: all levels with ``subscribed``, then what has changed. There is
  an oracle price only; margin is reckoned at it, so it stands for both mark and index. Only it has a time.
- `nextFundingRate` is the running estimate for the next full hour.
- `message_id` counts the messages of a connection. The answer to a subscription bears the number of when
  it was asked for and may be overtaken: until all answers are in, that many may be outstanding.
- A connection may have 32 subscriptions of a channel, and ask for two a second.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

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
    NAN,
    Contract,
    NotNegative,
    Positive,
    Rate,
    SequenceId,
    blame,
    contracts,
)
from service.venues.dydx_rest import (
    INTERVAL_NS,
    NAME,
    Moment,
    assume,
    discover,
    history,
    moment_ns,
    polls,
)
from streams.events import Channel, Kind, RowBuffer, Side
from streams.instruments import Instrument

__all__ = ["SPEC", "Decoder", "assume", "decoder", "discover", "fill", "history", "plan", "polls"]

#: What each channel means.
SEMANTICS: Final = Semantics(
    market="perpetual",
    title="dYdX v4",
    trade=TradeFeed(
        unit="coin", gaps="connection", first="dropped",
        note="message_id, which answers to subscriptions may bear late; ids of trades are no numbers",
        evidence=Evidence("2026-09-18", "docs.dydx.xyz, Indexer WebSockets; v4-chain, indexer socks"),
    ),
    mark=MarkFeed(
        index=True, cadence_s=5.0,
        note="oracle only: one price is both mark and index, and there is no mid",
        evidence=Evidence("2026-09-18", "docs.dydx.xyz, Indexer WebSockets, v4_markets"),
    ),
    funding=FundingFeed(
        kind="predicted", interval="fixed", interval_h=1.0, note="stamped when received",
        evidence=Evidence("2026-09-18", "docs.dydx.xyz, Indexer WebSockets, v4_markets"),
    ),
    open_interest=OpenInterestFeed(
        unit="coin", sides=1, cadence_s=30.0, note="stamped when received",
        evidence=Evidence("2026-09-18", "docs.dydx.xyz, Indexer WebSockets, v4_markets"),
    ),
    liquidation=LiquidationFeed(
        completeness="complete", side="taker", price="fill", first="dropped",
        note="trades of type LIQUIDATED, which are trades as well; DELEVERAGED ones are neither",
        evidence=Evidence("2026-09-18", "docs.dydx.xyz, Indexer WebSockets, v4_trades"),
    ),
)  # fmt: skip

SPEC: Final = VenueSpec(
    name=NAME,
    semantics=SEMANTICS,
    websocket_url="wss://indexer.dydx.trade",
    rest_url="https://indexer.dydx.trade",
    sends_per_s=2.0,
    rest_weight_per_minute=400,  # 100 in 10 s are allowed
    silence_s=15.0,  # a block is about a second, and prices of all markets are told together
)

#: Subscriptions of one channel that a connection may have.
MARKETS_PER_CONNECTION: Final = 32
CHANNELS: Final = Channel.ALL
CONTROL: Final = Channel.MARK | Channel.FUNDING | Channel.OPEN_INTEREST

TAKER: Final = {"BUY": int(Side.BUY), "SELL": int(Side.SELL)}
#: Position closed, by the side of the order that closes it.
POSITION: Final = {"SELL": int(Side.LONG), "BUY": int(Side.SHORT)}

_TRADE: Final = int(Kind.TRADE)
_MARK: Final = int(Kind.MARK)
_OPEN_INTEREST: Final = int(Kind.OPEN_INTEREST)
_LIQUIDATION: Final = int(Kind.LIQUIDATION)
_GAP: Final = int(Kind.GAP)
_PREDICTED: Final = SEMANTICS.funding_flags
_LIQUIDATION_FLAGS: Final = SEMANTICS.liquidation_flags

#: Known channels that carry nothing we want.
IGNORED: Final = frozenset({
    "v4_orderbook", "v4_candles", "v4_subaccounts", "v4_parent_subaccounts", "v4_block_height",
})  # fmt: skip


class _Message(msgspec.Struct, gc=False, rename={"market": "id"}):
    type: str = ""
    connection_id: str = ""
    message_id: SequenceId | None = None
    channel: str = ""
    market: str = ""
    message: str = ""
    contents: msgspec.Raw = msgspec.Raw()


class _Trade(msgspec.Struct, gc=False, rename={"traded_at": "createdAt"}):
    side: Literal["BUY", "SELL"]
    size: Positive
    price: Positive
    traded_at: Moment
    type: Literal["LIMIT", "LIQUIDATED", "DELEVERAGED", "TWAP_SUBORDER"] = "LIMIT"


class _Trades(msgspec.Struct, gc=False):
    trades: list[_Trade]


class _Levels(
    msgspec.Struct,
    gc=False,
    rename={"price": "oraclePrice", "rate": "nextFundingRate", "open_interest": "openInterest"},
):
    price: Positive | None = None
    rate: Rate | None = None
    open_interest: NotNegative | None = None


class _Oracle(msgspec.Struct, gc=False, rename={"price": "oraclePrice", "at": "effectiveAt"}):
    price: Positive
    at: Moment


class _Markets(msgspec.Struct, gc=False, rename={"oracles": "oraclePrices"}):
    """Levels by market. Those of others stay unread: there are hundreds in a message."""

    markets: dict[str, msgspec.Raw] = {}
    trading: dict[str, msgspec.Raw] = {}
    oracles: dict[str, msgspec.Raw] = {}


_read_message: Final = msgspec.json.Decoder(_Message, strict=False).decode
_read_trades: Final = msgspec.json.Decoder(_Trades, strict=False).decode
_read_markets: Final = msgspec.json.Decoder(_Markets, strict=False).decode
_read_levels: Final = msgspec.json.Decoder(_Levels, strict=False).decode
_read_oracle: Final = msgspec.json.Decoder(_Oracle, strict=False).decode


class _Numbers:
    """Watches the numbers of one connection's messages, from its first one on.

    `lost_ns` is when the last message before a hole came, until somebody has told of it. A number that is
    missing may still come with an answer to one of `subscriptions`; more holes than answers are losses.
    """

    __slots__ = ("_awaited", "_connection", "_hole_ns", "_last_ns", "_missing", "_next", "lost_ns")

    def __init__(self) -> None:
        self.lost_ns = 0
        self._connection = ""
        self._awaited = self._next = self._hole_ns = self._last_ns = 0
        self._missing: set[int] = set()

    def begin(self, connection: str, subscriptions: int, received_ns: int) -> None:
        """Watch a connection that begins now, with number 0."""
        self._connection, self._awaited, self._last_ns = connection, subscriptions, received_ns
        self._next, self._missing = 1, set()

    def saw(self, number: int, connection: str, received_ns: int, *, answer: bool) -> None:
        """Take note of a message."""
        if not self._connection or connection != self._connection:
            return
        before_ns, self._last_ns = self._last_ns, received_ns
        if answer and self._awaited:
            self._awaited -= 1
        first, hole = self._next, number - self._next
        if hole < 0:
            self._missing.discard(number)
        else:
            self._next = number + 1
        if hole > 0 and not self._missing:
            self._hole_ns = before_ns
        if len(self._missing) + max(hole, 0) > self._awaited:
            self._missing.clear()
            self.lost_ns = self.lost_ns or self._hole_ns
        elif hole > 0:
            self._missing.update(range(first, number))


class Decoder:
    """Reads one connection's frames. Remembers prices, to value deltas with, and counts messages."""

    __slots__ = ("_contracts", "_numbers", "_prices")

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._contracts = contracts(instruments)
        self._numbers = _Numbers()
        self._prices: dict[str, float] = {}

    def decode(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        """Write the frame's rows and say what it was. A hole before it becomes GAP rows first.

        Raises:
            MalformedFrame: the frame cannot be read; no row of it remains in `out`.
            VenueRefused: it is an error answer to a subscription.
        """
        if len(frame) > MAX_FRAME_BYTES:
            raise MalformedFrame("size", f"{len(frame)} bytes")
        rows = out.rows
        try:
            message = _read_message(frame)
            self._count(message, received_ns)
            if self._numbers.lost_ns:
                self._gap(received_ns, out)
            said = self._message(message, received_ns, out)
        except FAULTS as fault:
            out.truncate(rows)
            raise blame(fault) from None
        except (MalformedFrame, VenueRefused):
            out.truncate(rows)
            raise
        self._numbers.lost_ns = 0
        return said

    def _count(self, message: _Message, received_ns: int) -> None:
        if message.type == "connected":
            self._numbers.begin(message.connection_id, len(self._contracts) + 1, received_ns)
        elif message.message_id is not None:
            self._numbers.saw(
                message.message_id, message.connection_id, received_ns,
                answer=message.type in {"subscribed", "error"},
            )  # fmt: skip

    def _gap(self, received_ns: int, out: RowBuffer) -> None:
        """Say that something is missing: nobody knows of which market or channel."""
        for c in self._contracts.values():
            out.integers(
                _GAP, 0, c.id, received_ns, received_ns, CHANNELS, self._numbers.lost_ns, received_ns
            )  # fmt: skip

    def _message(self, message: _Message, received_ns: int, out: RowBuffer) -> FrameName:
        match message.type, message.channel:
            case "channel_data", "v4_trades":
                return self._trades(message, received_ns, out)
            case (("channel_data" | "subscribed"), "v4_markets"):
                return self._markets(message, received_ns, out)
            case (("subscribed" | "unsubscribed"), _):
                return "ack"
            case "connected", _:
                return "notice"
            case "error", _:
                raise VenueRefused(message.message[:200])
            case "channel_data", channel if channel in IGNORED:
                return "ignored"
            case kind, channel:
                raise MalformedFrame("unknown", f"{kind[:40]} {channel[:40]}")

    def _contract(self, symbol: str) -> Contract:
        found = self._contracts.get(symbol)
        if found is None:
            raise MalformedFrame("symbol", symbol[:40])
        return found

    def _trades(self, message: _Message, received_ns: int, out: RowBuffer) -> FrameName:
        c = self._contract(message.market)
        says: FrameName = "ignored"
        for trade in _read_trades(message.contents).trades:
            traded_ns = moment_ns(trade.traded_at)
            if trade.type == "DELEVERAGED":
                continue
            says = "trade"
            price = trade.price / c.unit
            coin, usd = c.amounts(trade.size, price)
            out.floats(
                _TRADE, TAKER[trade.side], c.assumed, c.id, traded_ns, received_ns, 0, price, coin, usd
            )  # fmt: skip
            if trade.type == "LIQUIDATED":
                out.floats(
                    _LIQUIDATION, POSITION[trade.side], _LIQUIDATION_FLAGS | c.assumed, c.id,
                    traded_ns, received_ns, 0, price, coin, usd,
                )  # fmt: skip
        return says

    def _markets(self, message: _Message, received_ns: int, out: RowBuffer) -> FrameName:
        said = _read_markets(message.contents)
        for levels_of in (said.markets, said.trading):
            for symbol, raw in levels_of.items():
                if symbol in self._contracts:
                    self._levels(symbol, _read_levels(raw), received_ns, out)
        for symbol, raw in said.oracles.items():
            if symbol in self._contracts:
                oracle = _read_oracle(raw)
                self._price(symbol, oracle.price, moment_ns(oracle.at), received_ns, out)
        return "ticker"

    def _levels(self, symbol: str, said: _Levels, received_ns: int, out: RowBuffer) -> None:
        c = self._contracts[symbol]
        if said.price is not None:
            self._price(symbol, said.price, received_ns, received_ns, out)
        if said.rate is not None:
            next_ns = (received_ns // INTERVAL_NS + 1) * INTERVAL_NS
            out.funding(
                _PREDICTED, c.id, received_ns, received_ns, said.rate, INTERVAL_NS, next_ns
            )  # fmt: skip
        if said.open_interest is not None:
            mark = self._prices.get(symbol, NAN)
            coin, usd = c.amounts(said.open_interest, mark)
            out.floats(
                _OPEN_INTEREST, 0, c.assumed, c.id, received_ns, received_ns, 0, coin, usd, mark
            )  # fmt: skip

    def _price(
        self, symbol: str, quoted: float, at_ns: int, received_ns: int, out: RowBuffer
    ) -> None:
        c = self._contracts[symbol]
        price = self._prices[symbol] = quoted / c.unit
        mark = index = price  # margin is reckoned at the oracle's price
        out.floats(_MARK, 0, 0, c.id, at_ns, received_ns, 0, mark, index, NAN)


fill: Final = no_fill


def decoder(instruments: Mapping[str, Instrument]) -> Decoder:
    """Return a new connection's decoder."""
    return Decoder(instruments)


def plan(instruments: Sequence[Instrument]) -> list[ConnectionPlan]:
    """Return connections of as many markets as one may have; each is told the levels of all."""
    starts = range(0, len(instruments), MARKETS_PER_CONNECTION)
    return [_connection(instruments[at : at + MARKETS_PER_CONNECTION]) for at in starts]


def _connection(instruments: Sequence[Instrument]) -> ConnectionPlan:
    asked: list[dict[str, str | bool]] = [{"type": "subscribe", "channel": "v4_markets"}]
    asked += [
        {"type": "subscribe", "channel": "v4_trades", "id": spec.symbol, "batched": False}
        for spec in instruments
    ]
    return ConnectionPlan(
        path="/v4/ws",
        subscribe=tuple(msgspec.json.encode(one) for one in asked),
        channels=CHANNELS,
        control=CONTROL,
        instruments=tuple(instruments),
    )
