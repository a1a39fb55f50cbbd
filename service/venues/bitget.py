"""Bitget's unified account (UTA) v3 public websocket: linear perpetuals settled in USDT or USDC.

Facts as of 2026-07-31, from https://www.bitget.com/api-doc/uta/websocket/public, where nothing else is said:

- ``publicTrade``: `S` is the taker, `v` base coin. A subscription begins with a snapshot of old trades, which
  are dropped. Ids are large, and nobody promises an order of them, so no row carries one.
- ``ticker``: all levels each 0.3 to 0.4 s. `openInterest` is base coin; how many sides it counts is not said,
  and it is taken for one. The funding interval is the listing's.
- ``liquidation``: one subscription for all contracts of a kind. `side` is the POSITION's: buy was a long.
  `amount` is QUOTE coin; frames recorded on 2026-04-28 agree, as amount over price is a round number of coins
  there. What price it is, the venue does not say. From its start on 2025-11-26 the channel told of all; since
  2026-06-23 it is a sample: each second the largest long and the largest short of a contract.
- Contracts margined in coin are left out: their sizes changed unit on 2026-01-27, and of liquidations and
  open interest the documentation does not say in which they are.
- The connection lives by the text ``ping``, and is cut after 24 hours. Code 30033 says that it will be soon.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal, TypeVar

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
from service.venues.bitget_rest import NAME, assume, discover, history, polls
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
    blame,
    contracts,
)
from streams.events import Channel, Flag, Kind, RowBuffer, Side
from streams.instruments import Instrument

T = TypeVar("T")

__all__ = ["SPEC", "Decoder", "assume", "decoder", "discover", "fill", "history", "plan", "polls"]

#: What each channel means.
SEMANTICS: Final = Semantics(
    market="perpetual",
    title="Bitget",
    trade=TradeFeed(
        unit="coin", gaps="none", first="dropped",
        evidence=Evidence("2026-07-31", "bitget.com api-doc uta, Public Trades Channel"),
    ),
    mark=MarkFeed(
        index=True, cadence_s=0.4,
        evidence=Evidence("2026-07-31", "bitget.com api-doc uta, Tickers Channel"),
    ),
    funding=FundingFeed(
        kind="predicted", interval="listing", note="1, 2, 4 or 8 hours",
        evidence=Evidence("2026-07-31", "bitget.com api-doc uta, Tickers Channel and Get Instruments"),
    ),
    open_interest=OpenInterestFeed(
        unit="coin", cadence_s=0.4, note="how many sides it counts is not documented; one is taken",
        evidence=Evidence("2026-07-31", "bitget.com api-doc uta, Tickers Channel"),
    ),
    liquidation=LiquidationFeed(
        completeness="sampled", side="position", unit="quote", first="marked",
        rule="each second the largest long and the largest short of a contract, since 2026-06-23",
        note="of which kind the price is the venue does not say",
        evidence=Evidence("2026-07-31", "bitget.com api-doc uta, Liquidation Channel and changelog"),
    ),
)  # fmt: skip
#: The first moment of 2026-06-23, UTC, in ms: liquidations from then on are a sample.
SAMPLED_FROM_MS: Final = 1_782_172_800_000
#: What the liquidation channel told before.
LIQUIDATION_BEFORE: Final = LiquidationFeed(
    completeness="complete", side="position", unit="quote", first="marked",
    evidence=Evidence("2025-11-26", "bitget.com api-doc uta, changelog"),
)  # fmt: skip

SPEC: Final = VenueSpec(
    name=NAME,
    semantics=SEMANTICS,
    websocket_url="wss://ws.bitget.com",
    rest_url="https://api.bitget.com",
    ping=b"ping",
    ping_every_s=25.0,
    lifetime_s=86_400.0,
    sends_per_s=5.0,  # ten are allowed
    rest_weight_per_minute=600,  # 20 a second of each path are allowed, 6,000 a minute of all
)

PATH: Final = "/v3/ws/public"
TOPICS: Final = ("publicTrade", "ticker")
#: With the liquidations 49 channels: the venue asks for fewer than 50 on a connection, and allows 1,000.
CONTRACTS_PER_CONNECTION: Final = 24
ARGUMENTS_PER_FRAME: Final = 25
#: Few contracts share a connection, and trades of quiet ones may be minutes apart: only tickers prove it.
CONTROL: Final = Channel.MARK
#: Settlement coin and what the venue calls its contracts.
KINDS: Final = {"USDT": "usdt-futures", "USDC": "usdc-futures"}
#: The venue upgrades: this connection ends within a minute.
UPGRADE: Final = "30033"
#: Known topics that carry nothing we want.
IGNORED: Final = ("books", "kline", "rpi")

TAKER: Final = {"buy": int(Side.BUY), "sell": int(Side.SELL)}
POSITION: Final = {"buy": int(Side.LONG), "sell": int(Side.SHORT)}

_TRADE: Final = int(Kind.TRADE)
_MARK: Final = int(Kind.MARK)
_OPEN_INTEREST: Final = int(Kind.OPEN_INTEREST)
_LIQUIDATION: Final = int(Kind.LIQUIDATION)
_FUNDING_FLAGS: Final = SEMANTICS.funding_flags
_SAMPLED_FLAGS: Final = SEMANTICS.liquidation_flags
_FLAGS_BEFORE: Final = int(LIQUIDATION_BEFORE.flags)
_SNAPSHOT: Final = int(Flag.SNAPSHOT)

#: A dated contract writes 0 where others have the time of their next payment.
_Moment = Annotated[int, msgspec.Meta(ge=0, lt=MAX_MS)]


class _Argument(msgspec.Struct, gc=False):
    topic: str = ""
    symbol: str = ""


class _Frame(msgspec.Struct, gc=False):
    arg: _Argument | None = None
    event: str | None = None
    action: Literal["snapshot", "update"] = "update"
    data: msgspec.Raw = msgspec.Raw(b"[]")
    ts: Millis | None = None
    code: str | int = ""
    msg: str | None = None


class _Trade(
    msgspec.Struct, gc=False, rename={"traded_ms": "T", "side": "S", "size": "v", "price": "p"}
):
    traded_ms: Millis
    side: Literal["buy", "sell"]
    size: Positive
    price: Positive


class _Liquidation(msgspec.Struct, gc=False):
    symbol: str
    side: Literal["buy", "sell"]
    price: Positive
    amount: Positive
    ts: Millis


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
        "open_interest": "openInterest",
    },
):
    mark_price: Positive | Blank = ""
    index_price: Positive | Blank = ""
    bid_price: Positive | Blank = ""
    ask_price: Positive | Blank = ""
    rate: Rate | Blank = ""
    next_funding_ms: _Moment | Blank = ""
    open_interest: NotNegative | Blank = ""


_read_frame: Final = msgspec.json.Decoder(_Frame, strict=False).decode
_read_trades: Final = msgspec.json.Decoder(list[_Trade], strict=False).decode
_read_tickers: Final = msgspec.json.Decoder(list[_Ticker], strict=False).decode
_read_liquidations: Final = msgspec.json.Decoder(list[_Liquidation], strict=False).decode


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
        if frame == b"pong":
            return "pong"
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
        if frame.event is not None:
            return _answer(frame)
        topic = "" if frame.arg is None else frame.arg.topic
        if topic == "liquidation":
            return self._liquidations(frame, received_ns, out)
        if topic.startswith(IGNORED):
            return "ignored"
        if frame.arg is None or topic not in TOPICS:
            raise MalformedFrame("unknown", f"topic {topic[:40]}")
        c = self._contracts.get(frame.arg.symbol)
        if c is None:
            raise MalformedFrame("symbol", frame.arg.symbol[:40])
        if topic == "publicTrade":
            return _trades(frame, c, received_ns, out)
        return _tickers(frame, c, received_ns, out)

    def _liquidations(self, frame: _Frame, received_ns: int, out: RowBuffer) -> FrameName:
        old = _SNAPSHOT if frame.action == "snapshot" else 0
        for event in _read_liquidations(frame.data):
            c = self._contracts.get(event.symbol)
            if c is None:  # one subscription covers all contracts of a kind, wanted or not
                continue
            rule = _SAMPLED_FLAGS if event.ts >= SAMPLED_FROM_MS else _FLAGS_BEFORE
            price = event.price / c.unit
            out.floats(
                _LIQUIDATION, POSITION[event.side], rule | old | c.assumed, c.id,
                event.ts * NS_PER_MS, received_ns, 0, price, event.amount / price, event.amount,
            )  # fmt: skip
        return "liquidation"


def _answer(frame: _Frame) -> FrameName:
    if str(frame.code) == UPGRADE:
        return "leave"
    if frame.event == "error":
        raise VenueRefused(f"{frame.code}: {(frame.msg or '')[:200]}")
    if frame.event in {"subscribe", "unsubscribe"}:
        return "ack"
    return "notice"


def _trades(frame: _Frame, c: Contract, received_ns: int, out: RowBuffer) -> FrameName:
    traded = _read_trades(frame.data)
    if frame.action == "snapshot":
        return "trade"
    for trade in traded:
        price = trade.price / c.unit
        coin, usd = c.amounts(trade.size, price)
        out.floats(
            _TRADE, TAKER[trade.side], c.assumed, c.id, trade.traded_ms * NS_PER_MS, received_ns, 0,
            price, coin, usd,
        )  # fmt: skip
    return "trade"


def _tickers(frame: _Frame, c: Contract, received_ns: int, out: RowBuffer) -> FrameName:
    if frame.ts is None:
        raise MalformedFrame("type", "a ticker without time")
    event_ns = frame.ts * NS_PER_MS
    for ticker in _read_tickers(frame.data):
        _write_levels(ticker, c, event_ns, received_ns, out)
        if ticker.rate != "" and ticker.next_funding_ms:
            out.funding(
                _FUNDING_FLAGS | c.interval_flags, c.id, event_ns, received_ns,
                ticker.rate, c.interval_ns, _next_ns(ticker.next_funding_ms),
            )  # fmt: skip
    return "ticker"


def _next_ns(next_funding_ms: int) -> int:
    if next_funding_ms < MIN_MS:
        raise MalformedFrame("range", f"nextFundingTime {next_funding_ms}")
    return next_funding_ms * NS_PER_MS


def _write_levels(t: _Ticker, c: Contract, event_ns: int, received_ns: int, out: RowBuffer) -> None:
    mark = t.mark_price / c.unit if t.mark_price else NAN
    if t.mark_price:
        mid = (t.bid_price + t.ask_price) / 2 / c.unit if t.bid_price and t.ask_price else NAN
        index = t.index_price / c.unit if t.index_price else NAN
        out.floats(_MARK, 0, 0, c.id, event_ns, received_ns, 0, mark, index, mid)
    if t.open_interest != "":
        coin, usd = c.amounts(t.open_interest, mark)
        out.floats(
            _OPEN_INTEREST, 0, c.assumed, c.id, event_ns, received_ns, 0, coin, usd, mark,
        )  # fmt: skip


fill: Final = no_fill


def decoder(instruments: Mapping[str, Instrument]) -> Decoder:
    """Return a new connection's decoder."""
    return Decoder(instruments)


def plan(instruments: Sequence[Instrument]) -> list[ConnectionPlan]:
    """Return connections of one settlement coin each, as small as the venue recommends."""
    return [
        _connection(kind, part)
        for quote, kind in KINDS.items()
        for part in _parts(
            [spec for spec in instruments if spec.quote == quote], CONTRACTS_PER_CONNECTION
        )
    ]


def _parts(items: list[T], most: int) -> list[list[T]]:
    return [items[at : at + most] for at in range(0, len(items), most)]


def _connection(kind: str, instruments: Sequence[Instrument]) -> ConnectionPlan:
    arguments = [{"instType": kind, "topic": "liquidation"}]
    arguments += [
        {"instType": kind, "topic": topic, "symbol": spec.symbol}
        for spec in instruments
        for topic in TOPICS
    ]
    return ConnectionPlan(
        path=PATH,
        subscribe=tuple(
            msgspec.json.encode({"op": "subscribe", "args": part})
            for part in _parts(arguments, ARGUMENTS_PER_FRAME)
        ),
        channels=Channel.ALL,
        control=CONTROL,
        instruments=tuple(instruments),
    )
