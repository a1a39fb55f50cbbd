"""Deribit perpetuals, inverse and linear.

Facts as of 2026-08, from https://docs.deribit.com/subscriptions and recordings of others:

- JSON-RPC. A channel that cannot be served is simply missing from the `result` of a subscription.
- Without a login the finest interval is 100 ms; both channels are of what happened in it.
- ``trades``: `direction` is the taker. `amount` is USD of inverse contracts and coin of linear ones.
  `trade_seq` counts up by one for each contract, and trades can be asked for by it.
- Block trades and legs of combinations are numbered with the others, but nobody took their price from the
  book: they make no rows, and filling a gap counts them.
- A trade says whether it was forced: `T` the taker's side, `M` the maker's, `MT` both. That is complete, at
  the price of the trade.
- ``ticker``: levels, open interest in the unit of `amount`, one side. Funding is paid all the time.
  `funding_8h` is what the last eight hours cost, which is what the rates of other venues are comparable to;
  `current_funding` is the rate of the moment and is zero most of the time.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

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
    Gap,
    MalformedFrame,
    VenueRefused,
    VenueSpec,
)
from service.venues.decode import (
    FAULTS,
    MAX_FRAME_BYTES,
    MAX_PAGES,
    NAN,
    NS_PER_MS,
    Contract,
    Millis,
    NotNegative,
    Positive,
    Rate,
    blame,
    contract,
    contracts,
)
from service.venues.deribit_rest import (
    INTERVAL_NS,
    NAME,
    Trade,
    assume,
    discover,
    history,
    polls,
    read_trades,
    trades_between,
)
from streams.events import Channel, Kind, RowBuffer, Side
from streams.instruments import Instrument

__all__ = ["SPEC", "Decoder", "assume", "decoder", "discover", "fill", "history", "plan", "polls"]

#: What each channel means.
SEMANTICS: Final = Semantics(
    market="perpetual",
    title="Deribit perpetuals",
    trade=TradeFeed(
        unit="usd", gaps="contiguous", fill=True,
        note="of linear contracts the size is coin; block trades and legs of combinations are left out",
        evidence=Evidence("2026-08", "docs.deribit.com, trades.(instrument_name).(interval)"),
    ),
    mark=MarkFeed(
        index=True, cadence_s=1.0,
        evidence=Evidence("2026-07", "docs.deribit.com, ticker.(instrument_name).(interval)"),
    ),
    funding=FundingFeed(
        kind="continuous", interval="fixed", interval_h=8.0,
        note="accrues all the time; the rate is what the last eight hours cost, history is of single hours",
        evidence=Evidence("2026-07", "docs.deribit.com, ticker; get_funding_rate_history"),
    ),
    open_interest=OpenInterestFeed(
        unit="usd", cadence_s=1.0, note="of linear contracts it is coin",
        evidence=Evidence("2026-07", "docs.deribit.com, ticker.(instrument_name).(interval)"),
    ),
    liquidation=LiquidationFeed(
        completeness="complete", side="taker", price="fill", unit="usd",
        note="a flag on trades: the taker, the maker or both were forced",
        evidence=Evidence("2026-08", "docs.deribit.com, trades; recorded trades of 2020-03-13"),
    ),
)  # fmt: skip

SPEC: Final = VenueSpec(
    name=NAME,
    semantics=SEMANTICS,
    websocket_url="wss://www.deribit.com",
    rest_url="https://www.deribit.com",
    ping=b'{"jsonrpc":"2.0","id":0,"method":"public/test","params":{}}',
    ping_every_s=20.0,
    sends_per_s=2.0,  # of subscriptions about 3.3 a second are allowed
    rest_weight_per_minute=600,  # a request is 500 credits, of which 10,000 a second come back
)

TOPICS: Final = ("trades", "ticker")
CHANNELS_PER_FRAME: Final = 100
#: A session may have 500 channels.
INSTRUMENTS_PER_CONNECTION: Final = 500 // len(TOPICS)
CHANNELS: Final = Channel.ALL
CONTROL: Final = Channel.TRADE | Channel.MARK

TAKER: Final = {"buy": int(Side.BUY), "sell": int(Side.SELL)}
#: The position closed where the taker's order was forced. The maker's is the other one.
POSITION: Final = {"buy": int(Side.SHORT), "sell": int(Side.LONG)}

_TRADE: Final = int(Kind.TRADE)
_MARK: Final = int(Kind.MARK)
_OPEN_INTEREST: Final = int(Kind.OPEN_INTEREST)
_LIQUIDATION: Final = int(Kind.LIQUIDATION)
_RUNNING: Final = SEMANTICS.funding_flags
_LIQUIDATION_FLAGS: Final = SEMANTICS.liquidation_flags

#: Known channels that carry nothing we want.
IGNORED: Final = (
    "book.", "quote.", "incremental_ticker.", "perpetual.", "chart.", "deribit_", "estimated_expiration",
    "markprice.", "platform_state", "instrument.", "rfq.", "block_rfq.", "block_trade",
)  # fmt: skip
_NOTIFICATION: Final = b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":"'


class _Ticker(msgspec.Struct, gc=False):
    instrument_name: str
    timestamp: Millis
    mark_price: Positive
    open_interest: NotNegative
    index_price: Positive | None = None
    best_bid_price: NotNegative | None = None
    best_ask_price: NotNegative | None = None
    funding_8h: Rate | None = None


class _Trades(msgspec.Struct, gc=False):
    data: list[Trade]


class _TradesFrame(msgspec.Struct, gc=False):
    params: _Trades


class _Levels(msgspec.Struct, gc=False):
    data: _Ticker


class _TickerFrame(msgspec.Struct, gc=False):
    params: _Levels


class _Named(msgspec.Struct, gc=False):
    channel: str = ""


class _Error(msgspec.Struct, gc=False):
    code: int = 0
    message: str = ""


class _Envelope(msgspec.Struct, gc=False):
    """What tells frames apart whose channel is not where it usually is."""

    method: str = ""
    params: _Named | None = None
    id: int | str | None = None
    result: list[str] | dict[str, Any] | str | None = None
    error: _Error | None = None


_read_trades: Final = msgspec.json.Decoder(_TradesFrame).decode
_read_ticker: Final = msgspec.json.Decoder(_TickerFrame).decode
_read_envelope: Final = msgspec.json.Decoder(_Envelope).decode


class Decoder:
    """Reads one connection's frames. Remembers what was asked for, to notice what is not served."""

    __slots__ = ("_asked", "_contracts")

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._contracts = contracts(instruments)
        self._asked = dict(enumerate(_requests(list(instruments)), start=1))

    def decode(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        """Write the frame's rows and say what it was.

        Raises:
            MalformedFrame: the frame cannot be read; no row of it remains in `out`.
            VenueRefused: it is an error answer, or lacks channels that were asked for.
        """
        if len(frame) > MAX_FRAME_BYTES:
            raise MalformedFrame("size", f"{len(frame)} bytes")
        rows = out.rows
        try:
            if frame.startswith(_NOTIFICATION):
                at = len(_NOTIFICATION)
                if frame.startswith(b"trades.", at):
                    return self._trades(frame, received_ns, out)
                if frame.startswith(b"ticker.", at):
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
        if envelope.method == "heartbeat":
            return "notice"
        if envelope.method != "subscription" or envelope.params is None:
            return self._answer(envelope)
        channel = envelope.params.channel
        if channel.startswith("trades."):
            return self._trades(frame, received_ns, out)
        if channel.startswith("ticker."):
            return self._ticker(frame, received_ns, out)
        if channel.startswith(IGNORED):
            return "ignored"
        raise MalformedFrame("unknown", f"channel {channel[:40]}")

    def _answer(self, envelope: _Envelope) -> FrameName:
        if envelope.error is not None:
            raise VenueRefused(f"{envelope.error.code}: {envelope.error.message[:200]}")
        if envelope.result is None:
            raise MalformedFrame("unknown", "neither a notification nor an answer")
        if isinstance(envelope.result, dict):
            return "pong"
        asked = self._asked.get(envelope.id, ()) if isinstance(envelope.id, int) else ()
        missing = set(asked).difference(envelope.result)
        if missing:
            raise VenueRefused(f"{len(missing)} channels not served, such as {min(missing)[:60]}")
        return "ack"

    def _contract(self, symbol: str) -> Contract:
        found = self._contracts.get(symbol)
        if found is None:
            raise MalformedFrame("symbol", symbol[:40])
        return found

    def _trades(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        for trade in _read_trades(frame).params.data:
            _write_trade(trade, self._contract(trade.instrument_name), received_ns, out)
        return "trade"

    def _ticker(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        t = _read_ticker(frame).params.data
        c = self._contract(t.instrument_name)
        event_ns = t.timestamp * NS_PER_MS
        mark = t.mark_price / c.unit
        index = t.index_price / c.unit if t.index_price else NAN
        bid, ask = t.best_bid_price, t.best_ask_price
        mid = (bid + ask) / 2 / c.unit if bid and ask else NAN
        out.floats(_MARK, 0, 0, c.id, event_ns, received_ns, 0, mark, index, mid)
        if t.funding_8h is not None:
            # It is due at every moment, so the next one is now.
            out.funding(
                _RUNNING, c.id, event_ns, received_ns, t.funding_8h, INTERVAL_NS, received_ns
            )
        coin, usd = c.amounts(t.open_interest, mark)
        out.floats(
            _OPEN_INTEREST, 0, c.assumed, c.id, event_ns, received_ns, 0, coin, usd, mark
        )  # fmt: skip
        return "ticker"


def _write_trade(trade: Trade, c: Contract, received_ns: int, out: RowBuffer) -> None:
    """Write a trade, and the positions that it closed by force."""
    if trade.negotiated:
        return
    price = trade.price / c.unit
    coin, usd = c.amounts(trade.amount, price)
    at_ns = trade.timestamp * NS_PER_MS
    out.floats(
        _TRADE, TAKER[trade.direction], c.assumed, c.id, at_ns, received_ns, trade.trade_seq,
        price, coin, usd,
    )  # fmt: skip
    if trade.liquidation is None:
        return
    of_taker = POSITION[trade.direction]
    for role, position in (("T", of_taker), ("M", -of_taker)):
        if role in trade.liquidation:
            out.floats(
                _LIQUIDATION, position, _LIQUIDATION_FLAGS | c.assumed, c.id, at_ns, received_ns,
                trade.trade_seq, price, coin, usd,
            )  # fmt: skip


def fill(instrument: Instrument, gap: Gap, out: RowBuffer) -> Conversation[int | None] | None:
    """Ask for trades by number."""
    return _fill(instrument, gap, out) if gap.first else None


def _fill(instrument: Instrument, gap: Gap, out: RowBuffer) -> Conversation[int | None]:
    c = contract(instrument)
    first, negotiated = gap.first, 0
    for _ in range(MAX_PAGES):
        page = read_trades((yield trades_between(instrument.symbol, first, gap.last)))
        wanted = [
            trade
            for trade in page.trades
            if first <= trade.trade_seq <= gap.last and trade.instrument_name == instrument.symbol
        ]
        for trade in wanted:
            _write_trade(trade, c, gap.to_ns, out)
        negotiated += sum(trade.negotiated for trade in wanted)
        if not wanted:
            break
        first = max(trade.trade_seq for trade in wanted) + 1
        if first > gap.last:
            break
    return negotiated


def decoder(instruments: Mapping[str, Instrument]) -> Decoder:
    """Return a new connection's decoder."""
    return Decoder(instruments)


def _requests(symbols: Sequence[str]) -> list[list[str]]:
    """Return the channels that each subscription of a connection asks for."""
    channels = [f"{topic}.{symbol}.100ms" for symbol in symbols for topic in TOPICS]
    return [
        channels[at : at + CHANNELS_PER_FRAME] for at in range(0, len(channels), CHANNELS_PER_FRAME)
    ]


def plan(instruments: Sequence[Instrument]) -> list[ConnectionPlan]:
    """Return connections of at most `INSTRUMENTS_PER_CONNECTION` contracts, both channels of each on one."""
    size = INSTRUMENTS_PER_CONNECTION
    return [_connection(instruments[at : at + size]) for at in range(0, len(instruments), size)]


def _connection(instruments: Sequence[Instrument]) -> ConnectionPlan:
    return ConnectionPlan(
        path="/ws/api/v2",
        subscribe=tuple(
            msgspec.json.encode(
                {
                    "jsonrpc": "2.0",
                    "id": number,
                    "method": "public/subscribe",
                    "params": {"channels": channels},
                }
            )
            for number, channels in enumerate(
                _requests([spec.symbol for spec in instruments]), start=1
            )
        ),
        channels=CHANNELS,
        control=CONTROL,
        instruments=tuple(instruments),
    )
