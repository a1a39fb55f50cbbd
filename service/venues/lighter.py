"""Lighter perpetuals (zk rollup on Ethereum), quoted and margined in USDC.

Facts as of 2026, from https://apidocs.lighter.xyz, Market data, WebSocket reference and Rate limits; where
they are silent, from frames of 2026-04 and from what clients and indexers of 2026 say of the venue's answers:

- A market is a number, and only the listing says of which coin, so that number is our symbol. Equities,
  metals and currencies are listed among the coins and nothing marks them: to ask for all is to get them.
- ``trade``: `is_maker_ask` tells that the taker bought. `trade_id` counts the trades of all markets, so of
  one it only grows. What comes first repeats the last trades, newest first; how updates are sorted nobody
  says, so they are sorted here. `timestamp` is in ms; `transaction_time`, which is not read, in µs.
- `liquidation_trades` stand apart from `trades` and are not repeated there. Of type liquidation is an order
  that closes a position at the book: the taker is who is liquidated. Of type deleverage is what
  another account takes over past the book. Whose side that is nobody says: it is left out.
- ``market_stats/all``: a map of the markets that moved. `open_interest` is USDC of one side, though REST has
  it in coin. Coin is taken at the mark and says so with UNIT_ASSUMED, as nobody says what the venue takes.
  `current_funding_rate` is in percent of the running hour, paid at its end; above zero longs pay.
- The venue drops who is silent for two minutes, so we ping. Its own pings want no answer then.
- ``readonly=true`` opens the stream where the venue does not serve traders.
- ``fundings``: times in seconds, `rate` in percent without a sign, `direction` is who paid. Of mark, index
  and open interest there is no history.
"""

from collections.abc import Generator, Mapping, Sequence
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
    Conversation,
    FrameName,
    MalformedFrame,
    Poll,
    RestRequest,
    Universe,
    VenueRefused,
    VenueSpec,
    no_fill,
)
from service.venues.backfill import Backfill
from service.venues.decode import (
    FAULTS,
    HOUR_MS,
    HOUR_NS,
    MAX_FRAME_BYTES,
    MAX_MS,
    MAX_PAGES,
    MIN_MS,
    NAN,
    NS_PER_MS,
    Blank,
    Contract,
    Millis,
    NotNegative,
    Positive,
    SequenceId,
    blame,
    contracts,
    read_body,
)
from streams.events import Channel, Flag, Kind, RowBuffer, Side
from streams.instruments import Instrument

__all__ = ["SPEC", "Decoder", "assume", "decoder", "discover", "fill", "history", "plan", "polls"]

NAME: Final = "lighter"
QUOTE: Final = "USDC"

#: What each channel means.
SEMANTICS: Final = Semantics(
    market="perpetual",
    title="Lighter",
    trade=TradeFeed(
        unit="coin", gaps="monotonic", first="dropped",
        note="ids count the trades of all markets; takeovers past the book are left out",
        evidence=Evidence("2026-04-20", "apidocs.lighter.xyz, WebSocket Trade; frames of that day"),
    ),
    mark=MarkFeed(
        index=True, cadence_s=3.0,
        note="of markets that moved, several messages a second for all; cadence of one UNCONFIRMED",
        evidence=Evidence("2026-04-20", "apidocs.lighter.xyz, WebSocket Market Stats; frames of that day"),
    ),
    funding=FundingFeed(
        kind="predicted", interval="fixed", interval_h=1.0, note="written in percent",
        evidence=Evidence("2026-10-25", "docs.rs df-lighter-core, funding; settlements recorded that day"),
    ),
    open_interest=OpenInterestFeed(
        unit="quote", sides=1, cadence_s=3.0,
        note="coin is taken at the mark; UNCONFIRMED that the venue does so, and that it is one side",
        evidence=Evidence("2026-04-20", "docs.allium.so, Lighter market stats; frames of that day"),
    ),
    liquidation=LiquidationFeed(
        completeness="partial",
        rule="orders that close positions at the book; what is taken over past it (deleverage) is left out",
        side="taker", price="fill", first="marked",
        note="UNCONFIRMED whether all such orders are told; the taker is who is liquidated",
        evidence=Evidence("2026-04-20", "docs.allium.so, Lighter liquidations; frames of that day"),
    ),
)  # fmt: skip

SPEC: Final = VenueSpec(
    name=NAME,
    semantics=SEMANTICS,
    websocket_url="wss://mainnet.zklighter.elliot.ai",
    rest_url="https://mainnet.zklighter.elliot.ai",
    ping=b'{"type":"ping"}',
    ping_every_s=45.0,
    sends_per_s=1.0,  # 200 messages a minute over all connections, and all markets make three
    rest_weight_per_minute=60,  # requests: those who have no account pay the same for each
    silence_s=15.0,  # the cadence of statistics is not promised
)

PATH: Final = "/stream?readonly=true"
#: A connection may have 100 subscriptions; one of them is for everybody's statistics.
MARKETS_PER_CONNECTION: Final = 99
#: All contracts pay at every full hour.
INTERVAL_NS: Final = HOUR_NS
HOURS_PER_PAGE: Final = 500
PERCENT: Final = 100.0

CHANNELS: Final = Channel.ALL
CONTROL: Final = Channel.MARK | Channel.FUNDING | Channel.OPEN_INTEREST

#: What the venue says beside its channels. Its pings are answered by ours.
PLAIN: Final[dict[str, FrameName]] = {
    "connected": "notice", "ping": "notice", "pong": "pong", "unsubscribed": "ack",
}  # fmt: skip
#: Known channels that carry nothing we want.
IGNORED: Final = frozenset({
    "order_book", "ticker", "candle", "mark_price_candle", "height", "spot_market_stats",
})  # fmt: skip

_TRADE: Final = int(Kind.TRADE)
_MARK: Final = int(Kind.MARK)
_OPEN_INTEREST: Final = int(Kind.OPEN_INTEREST)
_LIQUIDATION: Final = int(Kind.LIQUIDATION)
_SNAPSHOT: Final = int(Flag.SNAPSHOT)
_AT_MARK: Final = int(Flag.UNIT_ASSUMED)
_FUNDING_FLAGS: Final = SEMANTICS.funding_flags
_LIQUIDATION_FLAGS: Final = SEMANTICS.liquidation_flags
_BUY, _SELL = int(Side.BUY), int(Side.SELL)
_LONG, _SHORT = int(Side.LONG), int(Side.SHORT)

_Percent = Annotated[float, msgspec.Meta(gt=-PERCENT, lt=PERCENT)]
_Paid = Annotated[float, msgspec.Meta(ge=0, lt=PERCENT)]
_Seconds = Annotated[int, msgspec.Meta(ge=MIN_MS // 1000, lt=MAX_MS // 1000)]


class _Error(msgspec.Struct):
    code: int = 0
    message: str = ""


class _Frame(msgspec.Struct, gc=False):
    type: str = ""
    channel: str = ""
    timestamp: msgspec.Raw = msgspec.Raw(b"null")
    trades: msgspec.Raw = msgspec.Raw(b"null")
    liquidation_trades: msgspec.Raw = msgspec.Raw(b"null")
    market_stats: msgspec.Raw = msgspec.Raw(b"null")
    error: _Error | None = None


class _Trade(msgspec.Struct, gc=False):
    trade_id: SequenceId
    type: Literal["trade", "liquidation", "deleverage", "market-settlement"]
    size: Positive
    price: Positive
    is_maker_ask: bool
    timestamp: Millis


class _Stats(msgspec.Struct, gc=False):
    mark_price: Positive
    index_price: Positive | Blank = ""
    mid_price: Positive | Blank = ""  # of an empty book there is none
    open_interest: NotNegative | Blank = ""
    current_funding_rate: _Percent | Blank = ""


class _Market(msgspec.Struct, gc=False):
    symbol: str
    market_id: SequenceId
    market_type: str = ""
    status: str = ""


class _Markets(msgspec.Struct):
    order_book_details: list[_Market]


class _Settlement(msgspec.Struct, gc=False):
    timestamp: _Seconds
    rate: _Paid
    direction: Literal["long", "short"]


class _Settlements(msgspec.Struct):
    fundings: list[_Settlement] | None


_read_frame: Final = msgspec.json.Decoder(_Frame, strict=False).decode
_read_trades: Final = msgspec.json.Decoder(list[_Trade] | None, strict=False).decode
_read_markets: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_read_stats: Final = msgspec.json.Decoder(_Stats, strict=False).decode
_read_time: Final = msgspec.json.Decoder(Millis).decode
_MARKETS: Final = msgspec.json.Decoder(_Markets, strict=False)
_SETTLEMENTS: Final = msgspec.json.Decoder(_Settlements, strict=False)


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
        if frame.type in PLAIN:
            return PLAIN[frame.type]
        stage, _, channel = frame.type.partition("/")
        if stage not in {"subscribed", "update"}:
            raise MalformedFrame("unknown", f"type {frame.type[:40]}")
        if channel == "trade":
            return self._trades(frame, received_ns, out, old=stage == "subscribed")
        if channel == "market_stats":
            return self._statistics(frame, received_ns, out)
        if channel in IGNORED:
            return "ignored"
        raise MalformedFrame("unknown", f"channel {channel[:40]}")

    def _contract(self, channel: str) -> Contract:
        """Return the contract of a channel, which ends in the market's number."""
        found = self._contracts.get(channel.partition(":")[2])
        if found is None:
            raise MalformedFrame("symbol", channel[:40])
        return found

    def _trades(self, frame: _Frame, received_ns: int, out: RowBuffer, *, old: bool) -> FrameName:
        c = self._contract(frame.channel)
        told = [
            *(_read_trades(frame.trades) or ()),
            *(_read_trades(frame.liquidation_trades) or ()),
        ]
        told.sort(key=_number)
        for trade in told:
            if trade.type not in {"trade", "liquidation"}:
                continue
            bought = trade.is_maker_ask
            price, at_ns = trade.price / c.unit, trade.timestamp * NS_PER_MS
            coin, usd = c.amounts(trade.size, price)
            if not old:
                out.floats(
                    _TRADE, _BUY if bought else _SELL, c.assumed, c.id, at_ns, received_ns,
                    trade.trade_id, price, coin, usd,
                )  # fmt: skip
            if trade.type == "liquidation":
                # who is liquidated takes: what is bought back is a short
                flags = _LIQUIDATION_FLAGS | c.assumed | (_SNAPSHOT if old else 0)
                out.floats(
                    _LIQUIDATION, _SHORT if bought else _LONG, flags, c.id, at_ns, received_ns, 0,
                    price, coin, usd,
                )  # fmt: skip
        return "trade"

    def _statistics(self, frame: _Frame, received_ns: int, out: RowBuffer) -> FrameName:
        at_ns = _read_time(frame.timestamp) * NS_PER_MS
        if frame.channel != "market_stats:all":
            c = self._contract(frame.channel)
            _write_levels(_read_stats(frame.market_stats), c, at_ns, received_ns, out)
            return "ticker"
        for symbol, stats in _read_markets(frame.market_stats).items():
            found = self._contracts.get(symbol)
            if found is not None:  # one subscription covers all markets, wanted or not
                _write_levels(_read_stats(stats), found, at_ns, received_ns, out)
        return "ticker"


def _number(trade: _Trade) -> int:
    return trade.trade_id


def _write_levels(s: _Stats, c: Contract, at_ns: int, received_ns: int, out: RowBuffer) -> None:
    mark = s.mark_price / c.unit
    index = s.index_price / c.unit if s.index_price else NAN
    mid = s.mid_price / c.unit if s.mid_price else NAN
    out.floats(_MARK, 0, 0, c.id, at_ns, received_ns, 0, mark, index, mid)
    if s.current_funding_rate != "":
        next_ns = (at_ns // INTERVAL_NS + 1) * INTERVAL_NS
        rate = s.current_funding_rate / PERCENT
        out.funding(_FUNDING_FLAGS, c.id, at_ns, received_ns, rate, INTERVAL_NS, next_ns)
    if s.open_interest != "":
        out.floats(
            _OPEN_INTEREST, 0, _AT_MARK | c.assumed, c.id, at_ns, received_ns, 0,
            s.open_interest / mark, s.open_interest, mark,
        )  # fmt: skip


fill: Final = no_fill


def decoder(instruments: Mapping[str, Instrument]) -> Decoder:
    """Return a new connection's decoder."""
    return Decoder(instruments)


def plan(instruments: Sequence[Instrument]) -> list[ConnectionPlan]:
    """Return connections of as many markets as one may subscribe to, statistics first."""
    most = MARKETS_PER_CONNECTION
    return [
        _connection(tuple(instruments[at : at + most])) for at in range(0, len(instruments), most)
    ]


def _connection(instruments: tuple[Instrument, ...]) -> ConnectionPlan:
    wanted = ["market_stats/all", *(f"trade/{spec.symbol}" for spec in instruments)]
    return ConnectionPlan(
        path=PATH,
        subscribe=tuple(
            msgspec.json.encode({"type": "subscribe", "channel": channel}) for channel in wanted
        ),
        channels=CHANNELS,
        control=CONTROL,
        instruments=instruments,
    )


def polls(_instruments: Sequence[Instrument]) -> list[Poll]:
    """Return none: the stream has everything."""
    return []


def assume(symbol: str) -> Instrument | None:
    """Return None: a market's number does not say what it is of."""
    del symbol
    return None


def discover() -> Conversation[Universe]:
    """Ask for the perpetuals that are active."""
    body = yield RestRequest(path="/api/v1/orderBookDetails", params={"filter": "perp"})
    universe = Universe()
    for market in read_body(_MARKETS, body).order_book_details:
        if market.market_type == "perp" and market.status == "active":
            universe.add(
                venue=NAME, symbol=str(market.market_id), base=market.symbol, quote=QUOTE,
                interval_ns=INTERVAL_NS,
            )  # fmt: skip
    return universe


def history(instrument: Instrument, from_ns: int, to_ns: int, out: RowBuffer) -> Conversation[None]:
    """Ask for settled funding of a span: the venue has no other history that we keep."""
    span = Backfill(instrument, from_ns, to_ns)
    rates = yield from _settlements(span, instrument.symbol)
    span.settlements(rates, every_ns=INTERVAL_NS)
    span.write(out)


def _settlements(span: Backfill, symbol: str) -> Generator[RestRequest, bytes, dict[int, float]]:
    """Ask for a page after another, each of its own hours; what settled at what time in ms."""
    rates: dict[int, float] = {}
    page_ms = HOURS_PER_PAGE * HOUR_MS
    for start_ms in range(span.from_ms, span.to_ms, page_ms)[:MAX_PAGES]:
        end_ms = min(start_ms + page_ms, span.to_ms)
        body = yield RestRequest(
            path="/api/v1/fundings",
            params={
                "market_id": symbol, "resolution": "1h", "start_timestamp": str(start_ms // 1000),
                "end_timestamp": str(end_ms // 1000), "count_back": str(HOURS_PER_PAGE + 1),
            },
        )  # fmt: skip
        for paid in read_body(_SETTLEMENTS, body).fundings or ():
            sign = 1.0 if paid.direction == "long" else -1.0
            rates[paid.timestamp * 1000] = sign * paid.rate / PERCENT
    return rates
