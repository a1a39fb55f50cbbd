"""Hyperliquid perpetuals of the exchange itself.

Facts as of 2026, from https://hyperliquid.gitbook.io/hyperliquid-docs, WebSocket, and of its liquidators
from a third party's study of 2026-07:

- ``trades``: `side` is the taker, B buys and A sells. `tid` is unique but neither ordered nor contiguous.
  The first message of a coin repeats recent trades and does not say so: what is older than the connection
  is dropped from it.
- ``activeAssetCtx``: all levels of a coin, without a time; they are taken to be of when they came.
  `funding` is the running estimate of what is paid at the next full hour.
- There is no stream of liquidations and trades bear no mark. A fill of a watched address does, if it was
  the other side of a forced close, so the three vaults that liquidate for the exchange are watched. They
  tell of the backstop path, and of the book only where they happened to trade. What such a vault buys was
  a long; if the vault itself is what was liquidated, what it buys was its short. Fills without the mark
  are the vault's own trading.
- The venue closes what it had nothing to say to for a minute, so the client pings. It greets with plain
  text.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

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
    NS_PER_MS,
    Contract,
    Millis,
    NotNegative,
    Positive,
    Rate,
    blame,
    contracts,
)
from service.venues.hyperliquid_rest import INTERVAL_NS, NAME, assume, discover, history, polls
from streams.events import Channel, Flag, Kind, RowBuffer, Side
from streams.instruments import Instrument

__all__ = ["SPEC", "Decoder", "assume", "decoder", "discover", "fill", "history", "plan", "polls"]

#: What each channel means.
SEMANTICS: Final = Semantics(
    market="perpetual",
    title="Hyperliquid",
    trade=TradeFeed(
        unit="coin", gaps="none", first="dropped",
        note="the repetition is not marked: of a coin's first message, trades older than the connection",
        evidence=Evidence("2026-09-18", "hyperliquid.gitbook.io, WebSocket subscriptions"),
    ),
    mark=MarkFeed(
        index=True, cadence_s=3.0, note="messages have no time: they are of when they came",
        evidence=Evidence("2026-09-18", "hyperliquid.gitbook.io, WebSocket subscriptions"),
    ),
    funding=FundingFeed(
        kind="predicted", interval="fixed", interval_h=1.0,
        evidence=Evidence("2026-09-18", "hyperliquid.gitbook.io, Funding"),
    ),
    open_interest=OpenInterestFeed(
        unit="coin", sides=1, cadence_s=3.0,
        evidence=Evidence("2026-09-18", "hyperliquid.gitbook.io, Perpetuals asset contexts"),
    ),
    liquidation=LiquidationFeed(
        completeness="partial",
        rule=(
            "fills of the three HLP liquidator vaults that bear a liquidation: the backstop path, "
            "and of the book what the vaults happened to trade"
        ),
        side="counterparty", price="fill", first="marked",
        note="no public feed; of 2025-10-10 about a quarter of the reported USD went this way",
        evidence=Evidence("2026-07-21", "hyperliquid.gitbook.io, WsUserFills; census of userFillsByTime"),
    ),
)  # fmt: skip

SPEC: Final = VenueSpec(
    name=NAME,
    semantics=SEMANTICS,
    websocket_url="wss://api.hyperliquid.xyz",
    rest_url="https://api.hyperliquid.xyz",
    ping=b'{"method":"ping"}',
    ping_every_s=30.0,
    sends_per_s=20.0,  # 2,000 a minute over all connections are allowed
    rest_weight_per_minute=1200,
    silence_s=15.0,  # the cadence of contexts is not promised
)

#: The HLP vaults that take over what is liquidated. An address may watch any other; ten at most.
LIQUIDATORS: Final = (
    "0xb0a55f13d22f66e6d495ac98113841b2326e9540",
    "0x2e3d94f0562703b25c83308a05046ddaf9a8dd14",
    "0x5e177e5e39c0f4e421f5865a6d8beed8d921cb70",
)
#: An address may have so many over all its connections.
MOST_SUBSCRIPTIONS: Final = 1000
TOPICS: Final = ("activeAssetCtx", "trades")
CHANNELS: Final = Channel.ALL
CONTROL: Final = Channel.MARK | Channel.FUNDING | Channel.OPEN_INTEREST

GREETING: Final = b"Websocket connection"

TAKER: Final = {"B": int(Side.BUY), "A": int(Side.SELL)}
#: Position closed, by the side of the fill of who took it over, and of who lost it.
TAKEN_OVER: Final = {"B": int(Side.LONG), "A": int(Side.SHORT)}
LOST: Final = {"B": int(Side.SHORT), "A": int(Side.LONG)}

_TRADE: Final = int(Kind.TRADE)
_MARK: Final = int(Kind.MARK)
_OPEN_INTEREST: Final = int(Kind.OPEN_INTEREST)
_LIQUIDATION: Final = int(Kind.LIQUIDATION)
_SNAPSHOT: Final = int(Flag.SNAPSHOT)
_PREDICTED: Final = SEMANTICS.funding_flags
_LIQUIDATION_FLAGS: Final = SEMANTICS.liquidation_flags

#: Known channels that carry nothing we want.
IGNORED: Final = frozenset({
    "l2Book", "bbo", "candle", "allMids", "activeSpotAssetCtx", "activeAssetData", "allDexsAssetCtxs",
    "notification", "webData2", "webData3", "orderUpdates", "user", "userEvents", "userFundings",
    "userNonFundingLedgerUpdates", "userTwapSliceFills", "userTwapHistory", "post",
})  # fmt: skip


class _Trade(
    msgspec.Struct,
    gc=False,
    rename={"price": "px", "size": "sz", "traded_ms": "time"},
):
    coin: str
    side: Literal["A", "B"]
    price: Positive
    size: Positive
    traded_ms: Millis


class _Trades(msgspec.Struct, gc=False):
    data: list[_Trade]


class _Levels(
    msgspec.Struct,
    gc=False,
    rename={
        "mark_price": "markPx",
        "index_price": "oraclePx",
        "mid_price": "midPx",
        "rate": "funding",
        "open_interest": "openInterest",
    },
):
    mark_price: Positive
    index_price: Positive
    rate: Rate
    open_interest: NotNegative
    mid_price: Positive | None = None  # of an empty book there is none


class _Context(msgspec.Struct, gc=False):
    coin: str
    ctx: _Levels


class _ContextFrame(msgspec.Struct, gc=False):
    data: _Context


class _Forced(msgspec.Struct, gc=False, rename={"liquidated": "liquidatedUser"}):
    liquidated: str


class _Fill(_Trade, gc=False, rename={"price": "px", "size": "sz", "traded_ms": "time"}):
    liquidation: _Forced | None = None


class _Fills(msgspec.Struct, gc=False, rename={"snapshot": "isSnapshot"}):
    user: str
    fills: list[_Fill]
    snapshot: bool = False


class _FillsFrame(msgspec.Struct, gc=False):
    data: _Fills


class _Envelope(msgspec.Struct, gc=False):
    """What tells frames apart whose channel does not come first."""

    channel: str = ""


class _Error(msgspec.Struct, gc=False):
    data: str = ""


_read_trades: Final = msgspec.json.Decoder(_Trades, strict=False).decode
_read_context: Final = msgspec.json.Decoder(_ContextFrame, strict=False).decode
_read_fills: Final = msgspec.json.Decoder(_FillsFrame, strict=False).decode
_read_envelope: Final = msgspec.json.Decoder(_Envelope, strict=False).decode
_read_error: Final = msgspec.json.Decoder(_Error, strict=False).decode


class Decoder:
    """Reads one connection's frames. Remembers when it began, and which coins' trades have come."""

    __slots__ = ("_begun_ns", "_contracts", "_heard")

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._contracts = contracts(instruments)
        self._begun_ns = 0
        self._heard: set[str] = set()

    def decode(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        """Write the frame's rows and say what it was.

        Raises:
            MalformedFrame: the frame cannot be read; no row of it remains in `out`.
            VenueRefused: it is an error answer to a subscription.
        """
        if len(frame) > MAX_FRAME_BYTES:
            raise MalformedFrame("size", f"{len(frame)} bytes")
        self._begun_ns = self._begun_ns or received_ns
        rows = out.rows
        try:
            if frame.startswith(b'{"channel":"trades"'):
                return self._trades(frame, received_ns, out)
            if frame.startswith(b'{"channel":"activeAssetCtx"'):
                return self._context(frame, received_ns, out)
            return self._other(frame, received_ns, out)
        except FAULTS as fault:
            out.truncate(rows)
            raise blame(fault) from None
        except MalformedFrame:
            out.truncate(rows)
            raise

    def _other(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        if frame.startswith(GREETING):
            return "notice"
        match _read_envelope(frame).channel:
            case "trades":
                return self._trades(frame, received_ns, out)
            case "activeAssetCtx":
                return self._context(frame, received_ns, out)
            case "userFills":
                return self._fills(frame, received_ns, out)
            case "subscriptionResponse":
                return "ack"
            case "pong":
                return "pong"
            case "error":
                raise VenueRefused(_read_error(frame).data[:200])
            case channel if channel in IGNORED:
                return "ignored"
            case channel:
                raise MalformedFrame("unknown", f"channel {channel[:40]}")

    def _contract(self, coin: str) -> Contract:
        found = self._contracts.get(coin)
        if found is None:
            raise MalformedFrame("symbol", coin[:40])
        return found

    def _trades(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        trades = _read_trades(frame).data
        for trade in trades:
            c = self._contract(trade.coin)
            traded_ns = trade.traded_ms * NS_PER_MS
            if traded_ns < self._begun_ns and trade.coin not in self._heard:
                continue
            price = trade.price / c.unit
            coin, usd = c.amounts(trade.size, price)
            out.floats(
                _TRADE, TAKER[trade.side], c.assumed, c.id, traded_ns, received_ns, 0, price, coin, usd
            )  # fmt: skip
        self._heard.update(trade.coin for trade in trades)
        return "trade"

    def _context(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        said = _read_context(frame).data
        c, levels = self._contract(said.coin), said.ctx
        mark, index = levels.mark_price / c.unit, levels.index_price / c.unit
        mid = NAN if levels.mid_price is None else levels.mid_price / c.unit
        next_ns = (received_ns // INTERVAL_NS + 1) * INTERVAL_NS
        coin, usd = c.amounts(levels.open_interest, mark)
        out.floats(_MARK, 0, 0, c.id, received_ns, received_ns, 0, mark, index, mid)
        out.funding(
            _PREDICTED, c.id, received_ns, received_ns, levels.rate, INTERVAL_NS, next_ns
        )  # fmt: skip
        out.floats(
            _OPEN_INTEREST, 0, c.assumed, c.id, received_ns, received_ns, 0, coin, usd, mark
        )  # fmt: skip
        return "ticker"

    def _fills(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        said = _read_fills(frame).data
        flags = _LIQUIDATION_FLAGS | (_SNAPSHOT if said.snapshot else 0)
        for event in said.fills:
            c = self._contracts.get(event.coin)  # a vault trades what it likes, spot included
            if event.liquidation is None or c is None:
                continue
            own = event.liquidation.liquidated.lower() == said.user.lower()
            side = LOST[event.side] if own else TAKEN_OVER[event.side]
            price = event.price / c.unit
            coin, usd = c.amounts(event.size, price)
            out.floats(
                _LIQUIDATION, side, flags | c.assumed, c.id, event.traded_ms * NS_PER_MS,
                received_ns, 0, price, coin, usd,
            )  # fmt: skip
        return "liquidation"


fill: Final = no_fill


def decoder(instruments: Mapping[str, Instrument]) -> Decoder:
    """Return a new connection's decoder."""
    return Decoder(instruments)


def plan(instruments: Sequence[Instrument]) -> list[ConnectionPlan]:
    """Return one connection: what the vaults do is about all coins, and is asked for once.

    Coins beyond the venue's limit of subscriptions are left out; it lists less than half of that.
    """
    room = (MOST_SUBSCRIPTIONS - len(LIQUIDATORS)) // len(TOPICS)
    chosen = tuple(instruments[:room])
    if not chosen:
        return []
    asked = [_subscribe(type="userFills", user=user) for user in LIQUIDATORS]
    asked += [_subscribe(type=topic, coin=spec.symbol) for spec in chosen for topic in TOPICS]
    return [
        ConnectionPlan(
            path="/ws",
            subscribe=tuple(asked),
            channels=CHANNELS,
            control=CONTROL,
            instruments=chosen,
        )
    ]


def _subscribe(**what: Any) -> bytes:
    return msgspec.json.encode({"method": "subscribe", "subscription": what})
