"""Bitfinex derivatives: perpetuals against Tether (UST).

Facts as of 2026-08, from https://docs.bitfinex.com (ws-general, ws-public-trades, ws-public-status) and
recordings:

- Frames are arrays; the first element is a channel's number, said in the answer to its subscription, so
  nothing can be read before that answer. The flags of ``conf`` add two elements at the end: a number that
  counts every array of the connection, and the time of sending. A hole in the numbers is a lost frame.
- Each trade comes as ``te`` at once and again as ``tu``; the first is taken. A positive amount bought.
- ``status`` of a contract: middle of its book, middle of its spot book, mark, open interest in coin, and the
  rate of this eight hours' funding, paid at the time given. What has accrued for the next is not read.
- ``liq:global`` tells of every position being liquidated, also of margin trading. Its sign is the POSITION.
  The price is the one at which it was opened, which values nothing: rows carry the contract's last mark, and
  a liquidation before the first mark is left out. Rows with IS_MATCH repeat one that was told of.
- A silent channel says ``hb`` each 15 s, now and then before its subscription is answered.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final

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
from service.venues.bitfinex_rest import NAME, Status, assume, discover, history, polls
from service.venues.decode import (
    FAULTS,
    HOUR_NS,
    MAX_FRAME_BYTES,
    NAN,
    NS_PER_MS,
    Contract,
    Millis,
    Positive,
    SequenceId,
    blame,
    contracts,
)
from streams.events import Channel, Kind, RowBuffer, Side
from streams.instruments import Instrument

__all__ = ["SPEC", "Decoder", "assume", "decoder", "discover", "fill", "history", "plan", "polls"]

#: What each channel means.
SEMANTICS: Final = Semantics(
    market="perpetual",
    title="Bitfinex derivatives",
    trade=TradeFeed(
        unit="coin", gaps="connection", first="dropped",
        note="te is taken, tu repeats it; numbers of the connection by conf flag 65536",
        evidence=Evidence("2026-08", "docs.bitfinex.com, Trades and General; tardis-node 18.2"),
    ),
    mark=MarkFeed(
        index=True, cadence_s=5.0, note="the index is the middle of the venue's own spot book",
        evidence=Evidence("2026-08", "docs.bitfinex.com, Status"),
    ),
    funding=FundingFeed(
        kind="predicted", interval="fixed", interval_h=8.0,
        note="CURRENT_FUNDING, fixed for the period that ends at the time given",
        evidence=Evidence("2026-08", "docs.bitfinex.com, Status; tardis-node 18.2"),
    ),
    open_interest=OpenInterestFeed(
        unit="coin", cadence_s=5.0,
        evidence=Evidence("2026-08", "docs.bitfinex.com, Status"),
    ),
    liquidation=LiquidationFeed(
        completeness="partial", rule="what the venue reports; it promises no completeness",
        side="position", price="mark", first="dropped",
        note="triggers only (IS_MATCH 0); valued at the last mark, left out before there is one",
        evidence=Evidence("2026-08", "docs.bitfinex.com, Status; tardis-node 18.2"),
    ),
)  # fmt: skip

SPEC: Final = VenueSpec(
    name=NAME,
    semantics=SEMANTICS,
    websocket_url="wss://api-pub.bitfinex.com",
    rest_url="https://api-pub.bitfinex.com",
    sends_per_s=5.0,
    rest_weight_per_minute=60,  # 90 are allowed
    silence_s=45.0,  # a silent channel still says so each 15 s
)

#: Sequence numbers and times of sending.
FLAGS: Final = 65536 + 32768
#: A connection takes about 25 to 30 channels; one of them is the liquidations'.
CHANNELS_PER_CONNECTION: Final = 25
CONTRACTS_PER_CONNECTION: Final = (CHANNELS_PER_CONNECTION - 1) // 2
LIQUIDATIONS: Final = "liq:global"
CHANNELS: Final = Channel.ALL
CONTROL: Final = Channel.TRADE | Channel.MARK
#: Older than this when it is sent, a liquidation is one that the venue replays.
REPLAYED_NS: Final = 60_000_000_000
FUNDING_INTERVAL_NS: Final = 8 * HOUR_NS
#: Anything up to this is neither a price nor a size.
NOTHING: Final = 1e-18
#: Info: the server stops or begins its maintenance.
GOING: Final = frozenset({20051, 20060})

_TRADES, _STATUS, _FORCED, _OTHER = "trades", "status", "liquidation", ""
#: What a channel of each sort carries.
_CARRIES: Final = {
    _TRADES: Channel.TRADE,
    _STATUS: Channel.MARK | Channel.FUNDING | Channel.OPEN_INTEREST,
    _FORCED: Channel.LIQUIDATION,
    _OTHER: Channel(0),
}

_TRADE: Final = int(Kind.TRADE)
_MARK: Final = int(Kind.MARK)
_OPEN_INTEREST: Final = int(Kind.OPEN_INTEREST)
_LIQUIDATION: Final = int(Kind.LIQUIDATION)
_GAP: Final = int(Kind.GAP)
_FUNDING_FLAGS: Final = SEMANTICS.funding_flags
_LIQUIDATION_FLAGS: Final = SEMANTICS.liquidation_flags

_Amount = Annotated[float, msgspec.Meta(gt=-1e15, lt=1e15)]


class _Trade(msgspec.Struct, array_like=True, gc=False):
    number: SequenceId
    traded_ms: Millis
    amount: _Amount
    price: Positive


class _Forced(msgspec.Struct, array_like=True, gc=False):
    what: str
    position: int
    at_ms: Millis
    _3: Any
    symbol: str
    amount: _Amount
    base_price: Any = None
    _7: Any = None
    is_match: int = 0


class _Event(msgspec.Struct, gc=False, rename={"number": "chanId"}):
    event: str
    channel: str = ""
    number: int = 0
    symbol: str = ""
    key: str = ""
    status: str = ""
    code: int | None = None
    msg: str = ""


_read_parts: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_read_number: Final = msgspec.json.Decoder(SequenceId).decode
_read_channel: Final = msgspec.json.Decoder(int).decode
_read_sent: Final = msgspec.json.Decoder(Millis).decode
_read_trade: Final = msgspec.json.Decoder(_Trade, strict=False).decode
_read_status: Final = msgspec.json.Decoder(Status, strict=False).decode
_read_forced: Final = msgspec.json.Decoder(list[_Forced], strict=False).decode
_read_event: Final = msgspec.json.Decoder(_Event, strict=False).decode


class _Subscription(msgspec.Struct, frozen=True, gc=False):
    """What a channel's number stands for. The channel of all liquidations is of no contract."""

    sort: str
    contract: Contract | None = None


_UNANSWERED: Final = _Subscription(_OTHER)
_BEAT: Final = b'"hb"'


class Decoder:
    """Reads one connection's frames. Remembers its channels, its count and each contract's mark."""

    __slots__ = ("_channels", "_contracts", "_last", "_last_ns", "_marks")

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._contracts = contracts(instruments)
        self._channels: dict[int, _Subscription] = {}
        self._marks: dict[int, float] = {}
        self._last: int | None = None  # number of the last frame that was read
        self._last_ns = 0

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
            if frame.startswith(b"{"):
                return self._event(_read_event(frame))
            return self._array(_read_parts(frame), received_ns, out)
        except FAULTS as fault:
            out.truncate(rows)
            raise blame(fault) from None
        except MalformedFrame:
            out.truncate(rows)
            raise

    def _event(self, event: _Event) -> FrameName:
        match event.event:
            case "error":
                raise VenueRefused(f"{event.code}: {event.msg[:200]}")
            case "conf" if event.status != "OK":
                raise VenueRefused(f"conf: {event.status[:80]}")
            case "subscribed":
                self._channels[event.number] = self._subscription(event)
                return "ack"
            case "unsubscribed":
                self._channels.pop(event.number, None)
                return "ack"
            case "conf":
                return "ack"
            case "pong":
                return "pong"
            case "info":
                return "leave" if event.code in GOING else "notice"
        raise MalformedFrame("unknown", f"event {event.event[:40]!r}")

    def _subscription(self, event: _Event) -> _Subscription:
        if event.key == LIQUIDATIONS:
            return _Subscription(_FORCED)
        status = event.channel == "status"
        if not status and event.channel != "trades":
            return _Subscription(_OTHER)
        symbol = event.key.removeprefix("deriv:") if status else event.symbol
        c = self._contracts.get(symbol)
        if c is None:
            raise MalformedFrame("symbol", symbol[:40])
        return _Subscription(_STATUS if status else _TRADES, c)

    def _array(self, parts: list[msgspec.Raw], received_ns: int, out: RowBuffer) -> FrameName:
        if len(parts) < 2:
            raise MalformedFrame("type", "an array of no channel")
        number, word = _read_channel(parts[0]), bytes(parts[1])
        end = 3 if word.startswith(b'"') and word != _BEAT else 2
        if len(parts) < end:
            raise MalformedFrame("type", "a word without what it is about")
        # Recordings have heartbeats of channels whose subscription is answered only later.
        channel = self._channels.get(number, _UNANSWERED if word == _BEAT else None)
        if channel is None:
            raise MalformedFrame("unknown", f"channel {number}")
        counted = _read_number(parts[end]) if len(parts) > end else None
        if counted is not None and self._last is not None and counted > self._last + 1:
            self._gap(received_ns, out)
        sent_ns = _read_sent(parts[end + 1]) * NS_PER_MS if len(parts) > end + 1 else received_ns
        says = self._read(channel, parts, sent_ns, received_ns, out)
        if counted is not None:
            self._last, self._last_ns = counted, received_ns
        return says

    def _gap(self, received_ns: int, out: RowBuffer) -> None:
        """Write a GAP row for every contract of the connection: nobody knows whose frame was lost."""
        lost = dict.fromkeys((c.id for c in self._contracts.values()), Channel(0))
        for channel in self._channels.values():
            of = lost if channel.contract is None else (channel.contract.id,)
            for contract in of:
                lost[contract] |= _CARRIES[channel.sort]
        for contract, channels in lost.items():
            if channels:
                out.integers(
                    _GAP, 0, contract, received_ns, received_ns,
                    int(channels), self._last_ns, received_ns,
                )  # fmt: skip

    def _read(
        self,
        channel: _Subscription,
        parts: list[msgspec.Raw],
        sent_ns: int,
        received_ns: int,
        out: RowBuffer,
    ) -> FrameName:
        word, sort, c = bytes(parts[1]), channel.sort, channel.contract
        if word == _BEAT:
            return "beat" if sort == _TRADES else "notice"
        if sort == _OTHER:
            return "ignored"
        if c is None:
            return self._forced(parts[1], sent_ns, received_ns, out)
        if sort == _STATUS:
            return self._status(parts[1], c, received_ns, out)
        if word == b'"te"':
            return _write_trade(parts[2], c, received_ns, out)
        if word == b'"tu"':
            return "trade"
        if word.startswith(b"["):
            return "notice"  # trades of before we came
        raise MalformedFrame("unknown", f"{word[:40]!r} of trades")

    def _status(
        self, part: msgspec.Raw, c: Contract, received_ns: int, out: RowBuffer
    ) -> FrameName:
        s = _read_status(part)
        at_ns = s.at_ms * NS_PER_MS
        mark = NAN
        if s.mark_price is not None:
            mark = self._marks[c.id] = s.mark_price / c.unit
            index, mid = _price(s.spot_price, c), _price(s.middle, c)
            out.floats(_MARK, 0, 0, c.id, at_ns, received_ns, 0, mark, index, mid)
        if s.rate is not None and s.next_ms is not None:
            out.funding(
                _FUNDING_FLAGS, c.id, at_ns, received_ns,
                s.rate, FUNDING_INTERVAL_NS, s.next_ms * NS_PER_MS,
            )  # fmt: skip
        if s.open_interest is not None:
            coin, usd = c.amounts(s.open_interest, mark)
            out.floats(_OPEN_INTEREST, 0, c.assumed, c.id, at_ns, received_ns, 0, coin, usd, mark)
        return "ticker"

    def _forced(
        self, part: msgspec.Raw, sent_ns: int, received_ns: int, out: RowBuffer
    ) -> FrameName:
        for event in _read_forced(part):
            c = self._contracts.get(event.symbol)
            at_ns = event.at_ms * NS_PER_MS
            if c is None or event.is_match or sent_ns - at_ns > REPLAYED_NS:
                continue
            price = self._marks.get(c.id)
            if price is None:
                continue
            coin, usd = c.amounts(_size(event.amount), price)
            side = Side.LONG if event.amount > 0 else Side.SHORT
            out.floats(
                _LIQUIDATION, int(side), _LIQUIDATION_FLAGS | c.assumed, c.id,
                at_ns, received_ns, 0, price, coin, usd,
            )  # fmt: skip
        return "liquidation"


def _write_trade(part: msgspec.Raw, c: Contract, received_ns: int, out: RowBuffer) -> FrameName:
    trade = _read_trade(part)
    price = trade.price / c.unit
    coin, usd = c.amounts(_size(trade.amount), price)
    out.floats(
        _TRADE, int(Side.BUY if trade.amount > 0 else Side.SELL), c.assumed, c.id,
        trade.traded_ms * NS_PER_MS, received_ns, trade.number, price, coin, usd,
    )  # fmt: skip
    return "trade"


def _price(quoted: float | None, c: Contract) -> float:
    """Return a price of one coin, NaN for what is empty or zero."""
    return quoted / c.unit if quoted is not None and quoted > NOTHING else NAN


def _size(amount: float) -> float:
    """Return an amount without its sign.

    Raises:
        MalformedFrame: it is zero, so there is no sign.
    """
    if abs(amount) <= NOTHING:
        raise MalformedFrame("range", f"an amount of {amount}")
    return abs(amount)


fill: Final = no_fill


def decoder(instruments: Mapping[str, Instrument]) -> Decoder:
    """Return a new connection's decoder."""
    return Decoder(instruments)


def plan(instruments: Sequence[Instrument]) -> list[ConnectionPlan]:
    """Return connections of few contracts each, all of which hear of all liquidations.

    Liquidations are valued at marks of the same connection, so each carries its own contracts' only.
    """
    step = CONTRACTS_PER_CONNECTION
    return [_connection(instruments[at : at + step]) for at in range(0, len(instruments), step)]


def _connection(instruments: Sequence[Instrument]) -> ConnectionPlan:
    return ConnectionPlan(
        path="/ws/2",
        subscribe=tuple(map(msgspec.json.encode, _messages(instruments))),
        channels=CHANNELS,
        control=CONTROL,
        instruments=tuple(instruments),
    )


def _messages(instruments: Sequence[Instrument]) -> Iterator[dict[str, Any]]:
    yield {"event": "conf", "flags": FLAGS}
    for spec in instruments:
        yield {"event": "subscribe", "channel": "status", "key": f"deriv:{spec.symbol}"}
    for spec in instruments:
        yield {"event": "subscribe", "channel": "trades", "symbol": spec.symbol}
    yield {"event": "subscribe", "channel": "status", "key": LIQUIDATIONS}
