"""OKX v5 perpetual swaps, linear and inverse.

Facts as of 2026-09, from https://www.okx.com/docs-v5/en/#public-data-websocket, beside those of
`okx_stream`:

- Sizes are contracts. A linear contract is `ctVal * ctMult` coins, an inverse one as many USD.
- ``mark-price`` comes at least each 10 s; ``index-tickers`` speaks of an index such as BTC-USDT, which
  several swaps share. A row needs a mark, so an index makes rows only next to a recent mark: otherwise a
  dead mark channel would look alive.
- ``funding-rate``: `fundingRate` is the running estimate of what is paid at `fundingTime`; the interval is
  the time from there to `nextFundingTime`.
- ``open-interest``: one side, in contracts, coin and (newer) USD.
- ``liquidation-orders``: all swaps in one subscription, not all liquidations. `posSide` is the position;
  in net mode `side`, that of the forced order, decides. `bkPx` is about the bankruptcy price; the engine
  revalues at its mark.
- What comes first after subscribing usually repeats old orders, and orders are repeated at other times as
  well. No frame says that it does, so time decides: an order from before the subscription was accepted is
  old news, in whichever frame it comes. The venue's clock and ours may differ, so the last 2 s before that
  count as news, and so does what is not older than the first mark that follows, which is the venue's clock
  (within a minute). What a replaced connection has delivered of them is dropped by content.
"""

import math
from collections import defaultdict
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
)
from service.venue import ConnectionPlan, Conversation, FrameName, MalformedFrame, Universe, no_fill
from service.venues import okx_stream
from service.venues.decode import (
    DAY_MS,
    NAN,
    NS_PER_MS,
    Blank,
    Contract,
    Millis,
    NotNegative,
    Positive,
    Rate,
)
from service.venues.okx_rest import history, index_of, no_polls, swaps
from service.venues.okx_stream import PATH, requests, spec, trade_feed
from streams.events import Channel, Flag, Kind, RowBuffer, Side
from streams.instruments import Instrument

__all__ = ["SPEC", "Decoder", "assume", "decoder", "discover", "fill", "history", "plan", "polls"]

NAME: Final = "okx"
#: What each channel means.
SEMANTICS: Final = Semantics(
    market="perpetual",
    title="OKX v5 swaps",
    trade=trade_feed("contracts"),
    mark=MarkFeed(
        index=True, cadence_s=10.0, note="each 200 ms while it changes; the index is a channel of its own",
        evidence=Evidence("2026-03-10", "okx.com/docs-v5, Mark price channel"),
    ),
    funding=FundingFeed(
        kind="predicted", interval="message",
        evidence=Evidence("2026-03-10", "okx.com/docs-v5, Funding rate channel"),
    ),
    open_interest=OpenInterestFeed(
        unit="contracts", cadence_s=3.0, note="also given in coin, and newly in USD",
        evidence=Evidence("2026-03-10", "okx.com/docs-v5, Open interest channel"),
    ),
    liquidation=LiquidationFeed(
        completeness="sampled", rule="not all, by an unstated rule; once one a contract and second",
        side="position", price="bankruptcy", unit="contracts", first="marked",
        note="in net mode the order's side decides; marked is what is older than the subscription",
        evidence=Evidence("2026-09-18", "okx.com/docs-v5, Liquidation orders channel; live frames of others"),
    ),
)  # fmt: skip

SPEC: Final = spec(NAME, SEMANTICS)

fill: Final = no_fill
polls: Final = no_polls

CHANNELS: Final = Channel.ALL
CONTROL: Final = Channel.TRADE | Channel.MARK

POSITION: Final = {"long": int(Side.LONG), "short": int(Side.SHORT)}
POSITION_OF_ORDER_SIDE: Final = {"sell": int(Side.LONG), "buy": int(Side.SHORT)}

#: How long the last mark and index may be repeated beside news of the other.
MARK_HOLD_MS: Final = 15_000
INDEX_HOLD_MS: Final = 120_000
#: Liquidations remembered so that repeated ones are dropped.
REMEMBERED: Final = 4096
#: How far the venue's clock may be behind ours before a mark has told its time.
CLOCKS_APART_MS: Final = 2000
#: A first mark that is older than that besides is no clock but stale.
CLOCK_TRUSTED_MS: Final = 60_000

_MARK: Final = int(Kind.MARK)
_OPEN_INTEREST: Final = int(Kind.OPEN_INTEREST)
_LIQUIDATION: Final = int(Kind.LIQUIDATION)
_PREDICTED: Final = SEMANTICS.funding_flags
_SNAPSHOT: Final = int(Flag.SNAPSHOT)
_LIQUIDATION_FLAGS: Final = SEMANTICS.liquidation_flags


class _Mark(msgspec.Struct, gc=False, rename="camel"):
    inst_id: str
    mark_px: Positive
    ts: Millis


class _Index(msgspec.Struct, gc=False, rename="camel"):
    inst_id: str
    idx_px: Positive
    ts: Millis


class _Funding(msgspec.Struct, gc=False, rename="camel"):
    inst_id: str
    funding_time: Millis
    funding_rate: Rate | Blank = ""
    next_funding_time: Millis | Blank = ""
    ts: Millis | Blank = ""  # frames before 2022 have none


class _OpenInterest(msgspec.Struct, gc=False, rename="camel"):
    inst_id: str
    oi: NotNegative
    ts: Millis
    oi_ccy: NotNegative | Blank = ""
    oi_usd: NotNegative | Blank = ""


class _Order(msgspec.Struct, gc=False, rename="camel"):
    side: Literal["buy", "sell"]
    bk_px: Positive
    sz: Positive
    ts: Millis
    pos_side: Literal["long", "short", "net", ""] = ""


class _Orders(msgspec.Struct, gc=False, rename="camel"):
    inst_id: str
    details: list[_Order]


class _Marks(msgspec.Struct, gc=False):
    data: list[_Mark]


class _Indices(msgspec.Struct, gc=False):
    data: list[_Index]


class _Fundings(msgspec.Struct, gc=False):
    data: list[_Funding]


class _OpenInterests(msgspec.Struct, gc=False):
    data: list[_OpenInterest]


class _Liquidations(msgspec.Struct, gc=False):
    data: list[_Orders]


_read_marks: Final = msgspec.json.Decoder(_Marks, strict=False).decode
_read_indices: Final = msgspec.json.Decoder(_Indices, strict=False).decode
_read_fundings: Final = msgspec.json.Decoder(_Fundings, strict=False).decode
_read_open_interests: Final = msgspec.json.Decoder(_OpenInterests, strict=False).decode
_read_liquidations: Final = msgspec.json.Decoder(_Liquidations, strict=False).decode


class _Prices:
    """The last mark and index of one swap, in USD a coin, and when they were."""

    __slots__ = ("index", "index_ms", "mark", "mark_ms")

    def __init__(self) -> None:
        self.mark = self.index = NAN
        self.mark_ms = self.index_ms = 0

    def mark_at(self, now_ms: int) -> float:
        """Return the mark, NaN if it is too old to be repeated."""
        return self.mark if now_ms - self.mark_ms <= MARK_HOLD_MS else NAN

    def index_at(self, now_ms: int) -> float:
        """Return the index, NaN if it is too old to be repeated."""
        return self.index if now_ms - self.index_ms <= INDEX_HOLD_MS else NAN


class Decoder(okx_stream.Decoder):
    """Reads one connection's frames. Remembers last prices, and liquidations it has already seen."""

    __slots__ = ("_clock_due", "_news_from_ms", "_prices", "_seen", "_swaps")

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        super().__init__(instruments)
        self._prices = {symbol: _Prices() for symbol in instruments}
        self._swaps: defaultdict[str, list[str]] = defaultdict(list)
        for symbol in instruments:
            self._swaps[index_of(symbol)].append(symbol)
        self._swaps.default_factory = None
        self._seen: dict[tuple[str, int, str, float, float], None] = {}
        self._news_from_ms = 0  # liquidations from then on are news; 0: nobody has subscribed
        self._clock_due = False
        self._writers |= {
            "mark-price": self._marks,
            "index-tickers": self._indices,
            "funding-rate": self._fundings,
            "open-interest": self._open_interests,
            "liquidation-orders": self._liquidations,
        }

    def _subscribed(self, channel: str, received_ns: int) -> None:
        if channel == "liquidation-orders":
            self._news_from_ms = received_ns // NS_PER_MS - CLOCKS_APART_MS
            self._clock_due = True

    def _marks(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        for item in _read_marks(frame).data:
            c = self._contract(item.inst_id)
            if self._clock_due:
                if self._news_from_ms - item.ts <= CLOCK_TRUSTED_MS:
                    self._news_from_ms = min(self._news_from_ms, item.ts)
                self._clock_due = False
            prices = self._prices[item.inst_id]
            prices.mark, prices.mark_ms = item.mark_px / c.unit, item.ts
            _write_mark(c, prices, item.ts, received_ns, out)
        return "mark"

    def _indices(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        rows = out.rows
        for item in _read_indices(frame).data:
            symbols = self._swaps.get(item.inst_id)
            if symbols is None:
                raise MalformedFrame("symbol", item.inst_id[:40])
            for symbol in symbols:
                c, prices = self._contracts[symbol], self._prices[symbol]
                prices.index, prices.index_ms = item.idx_px / c.unit, item.ts
                _write_mark(c, prices, item.ts, received_ns, out)
        return "mark" if out.rows > rows else "ignored"

    def _fundings(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        for item in _read_fundings(frame).data:
            c = self._contract(item.inst_id)
            if item.funding_rate == "":
                continue
            interval_ns, flags = c.interval_ns, c.interval_flags
            if item.next_funding_time and 0 < item.next_funding_time - item.funding_time <= DAY_MS:
                interval_ns, flags = (item.next_funding_time - item.funding_time) * NS_PER_MS, 0
            out.funding(
                _PREDICTED | flags, c.id,
                item.ts * NS_PER_MS if item.ts else received_ns, received_ns,
                item.funding_rate, interval_ns, item.funding_time * NS_PER_MS,
            )  # fmt: skip
        return "funding"

    def _open_interests(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        for item in _read_open_interests(frame).data:
            c = self._contract(item.inst_id)
            mark = self._prices[item.inst_id].mark_at(item.ts)
            coin, usd = c.amounts(item.oi, mark)
            if item.oi_ccy != "":
                coin = item.oi_ccy * c.unit
            if not c.inverse and item.oi_usd != "":
                usd = item.oi_usd
            out.floats(
                _OPEN_INTEREST, 0, c.assumed, c.id, item.ts * NS_PER_MS, received_ns, 0,
                coin, usd, mark,
            )  # fmt: skip
        return "open_interest"

    def _liquidations(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        orders = _read_liquidations(frame).data
        rows = out.rows
        if not self._news_from_ms:  # a recording that was begun later than the subscription
            self._subscribed("liquidation-orders", received_ns)
        for item in orders:
            c = self._contracts.get(item.inst_id)
            for order in item.details if c else ():
                if c and self._is_new(item.inst_id, order):
                    age = 0 if order.ts >= self._news_from_ms else _SNAPSHOT
                    _write_liquidation(c, order, _LIQUIDATION_FLAGS | age, received_ns, out)
        return "liquidation" if out.rows > rows else "ignored"

    def _is_new(self, symbol: str, order: _Order) -> bool:
        """Remember an order; False if it was. The oldest are forgotten."""
        key = (symbol, order.ts, order.side, order.sz, order.bk_px)
        if key in self._seen:
            return False
        self._seen[key] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return True


def _write_mark(c: Contract, prices: _Prices, at_ms: int, received_ns: int, out: RowBuffer) -> None:
    mark, index = prices.mark_at(at_ms), prices.index_at(at_ms)
    if not math.isnan(mark):
        out.floats(_MARK, 0, 0, c.id, at_ms * NS_PER_MS, received_ns, 0, mark, index, NAN)


def _write_liquidation(
    c: Contract, order: _Order, flags: int, received_ns: int, out: RowBuffer
) -> None:
    position = POSITION.get(order.pos_side) or POSITION_OF_ORDER_SIDE[order.side]
    price = order.bk_px / c.unit
    coin, usd = c.amounts(order.sz, price)
    out.floats(
        _LIQUIDATION, position, flags | c.assumed, c.id, order.ts * NS_PER_MS, received_ns, 0,
        price, coin, usd,
    )  # fmt: skip


def decoder(instruments: Mapping[str, Instrument]) -> Decoder:
    """Return a new connection's decoder."""
    return Decoder(instruments)


def plan(instruments: Sequence[Instrument]) -> list[ConnectionPlan]:
    """Return one connection for all: liquidations come for all swaps, and would come to each connection."""
    if not instruments:
        return []
    args = [{"channel": "liquidation-orders", "instType": "SWAP"}]
    args += [
        {"channel": channel, "instId": one.symbol}
        for one in instruments
        for channel in ("trades", "mark-price", "funding-rate", "open-interest")
    ]
    indices = dict.fromkeys(index_of(one.symbol) for one in instruments)
    args += [{"channel": "index-tickers", "instId": index} for index in indices]
    return [
        ConnectionPlan(
            path=PATH,
            subscribe=requests(args),
            channels=CHANNELS,
            control=CONTROL,
            instruments=tuple(instruments),
        )
    ]


def discover() -> Conversation[Universe]:
    """Ask for live swaps: linear ones settled in USDT or USDC, and inverse ones against USD."""
    return (yield from swaps(NAME))


def assume(symbol: str) -> Instrument | None:
    """Return None: quantities are in contracts, and their size is in no symbol."""
    del symbol
    return None
