"""Kraken spot, the websocket's version 2: trades against USD, USDT and USDC.

Facts as of 2026-07, from https://docs.kraken.com/exchange/api-reference/spot-websocket-v2:

- ``trade``: `side` is the taker, `qty` is coin, times have microseconds. We ask for no snapshot.
- `trade_id` grows with each trade of a pair, but about a sixth of the numbers never come (issue 36 of
  krakenfx/api-go, 2025-11), so a hole says nothing.
- ``heartbeat`` comes each second in which nothing else does, once anything is subscribed.
- Names are today's: BTC and DOGE. Over REST the pair is still XBT/USD, of the asset XXBT.
- After a minute without traffic the venue may close; a ping of ours counts as traffic.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

import msgspec

from service.semantics import Evidence, Semantics, TradeFeed
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
    implied,
    no_fill,
)
from service.venues.decode import (
    FAULTS,
    MAX_FRAME_BYTES,
    Positive,
    SequenceId,
    blame,
    contracts,
    read_body,
)
from service.venues.rfc3339 import nanoseconds
from streams.events import Channel, Kind, RowBuffer, Side
from streams.instruments import Instrument

__all__ = ["SPEC", "Decoder", "assume", "decoder", "discover", "fill", "history", "plan", "polls"]

NAME: Final = "kraken_spot"

#: What each channel means.
SEMANTICS: Final = Semantics(
    market="spot",
    title="Kraken spot",
    trade=TradeFeed(
        unit="coin", gaps="monotonic", note="ids have holes in which nothing was lost",
        evidence=Evidence("2026-07-31", "docs.kraken.com, Spot WebSocket v2, Trade"),
    ),
)  # fmt: skip

SPEC: Final = VenueSpec(
    name=NAME,
    semantics=SEMANTICS,
    websocket_url="wss://ws.kraken.com",
    rest_url="https://api.kraken.com",
    ping=b'{"method":"ping"}',
    ping_every_s=30.0,
    sends_per_s=5.0,
    rest_weight_per_minute=60,
    silence_s=10.0,  # there is a heartbeat each second
)

PAIRS_PER_FRAME: Final = 100
PAIRS_PER_CONNECTION: Final = 400
QUOTES: Final = frozenset({"USD", "USDT", "USDC"})
#: Money that is listed beside the coins; the listing does not tell them apart.
FIAT: Final = frozenset({"AUD", "CAD", "CHF", "EUR", "GBP", "JPY", "USD"})
#: What the socket calls coins that the listing has under older names.
TODAY: Final = {"XBT": "BTC", "XDG": "DOGE"}
#: Names that mean another coin here than elsewhere: the venue kept LUNA for the old chain.
MEANT: Final = {"LUNA": "LUNC"}
TAKER: Final = {"buy": int(Side.BUY), "sell": int(Side.SELL)}
#: Known channels that carry nothing we want.
IGNORED: Final = frozenset({"book", "level3", "ticker", "ohlc", "instrument"})

_TRADE: Final = int(Kind.TRADE)


class _Trade(msgspec.Struct, gc=False):
    symbol: str
    side: Literal["buy", "sell"]
    price: Positive
    qty: Positive
    timestamp: str
    trade_id: SequenceId = 0


class _Trades(msgspec.Struct, gc=False):
    type: Literal["snapshot", "update"]
    data: list[_Trade]


class _Envelope(msgspec.Struct, gc=False):
    channel: str | None = None
    method: str | None = None
    success: bool | None = None
    error: str = ""


class _Pair(msgspec.Struct, gc=False):
    wsname: str = ""
    status: str = ""
    aclass_base: str = ""


class _Pairs(msgspec.Struct):
    error: list[str] = []
    result: dict[str, _Pair] = {}


_read_trades: Final = msgspec.json.Decoder(_Trades, strict=False).decode
_read_envelope: Final = msgspec.json.Decoder(_Envelope, strict=False).decode
_PAIRS: Final = msgspec.json.Decoder(_Pairs, strict=False)


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
            if frame.startswith(b'{"channel":"trade",'):
                return self._trades(frame, received_ns, out)
            return self._other(frame, received_ns, out)
        except FAULTS as fault:
            out.truncate(rows)
            raise blame(fault) from None
        except MalformedFrame:
            out.truncate(rows)
            raise

    def _other(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        envelope = _read_envelope(frame)
        if envelope.method is not None or envelope.error:
            return _answer(envelope)
        channel = envelope.channel or ""
        if channel == "heartbeat":
            return "beat"
        if channel == "trade":
            return self._trades(frame, received_ns, out)
        if channel == "status":
            return "notice"
        if channel in IGNORED:
            return "ignored"
        raise MalformedFrame("unknown", f"channel {channel[:40]!r}")

    def _trades(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        read = _read_trades(frame)
        if read.type == "snapshot":
            return "notice"
        for trade in read.data:
            c = self._contracts.get(trade.symbol)
            if c is None:
                raise MalformedFrame("symbol", trade.symbol[:40])
            price = trade.price / c.unit
            coin, usd = c.amounts(trade.qty, price)
            out.floats(
                _TRADE, TAKER[trade.side], c.assumed, c.id, nanoseconds(trade.timestamp),
                received_ns, trade.trade_id, price, coin, usd,
            )  # fmt: skip
        return "trade"


def _answer(envelope: _Envelope) -> FrameName:
    if envelope.error or envelope.success is False:
        raise VenueRefused(f"{envelope.method}: {envelope.error[:200]}")
    if envelope.method == "pong":
        return "pong"
    if envelope.method in {"subscribe", "unsubscribe"}:
        return "ack"
    raise MalformedFrame("unknown", f"method {str(envelope.method)[:40]!r}")


fill: Final = no_fill


def decoder(instruments: Mapping[str, Instrument]) -> Decoder:
    """Return a new connection's decoder."""
    return Decoder(instruments)


def plan(instruments: Sequence[Instrument]) -> list[ConnectionPlan]:
    """Return connections that share the pairs."""
    step = PAIRS_PER_CONNECTION
    return [_connection(instruments[at : at + step]) for at in range(0, len(instruments), step)]


def _connection(instruments: Sequence[Instrument]) -> ConnectionPlan:
    return ConnectionPlan(
        path="/v2",
        subscribe=tuple(_subscriptions([spec.symbol for spec in instruments])),
        channels=Channel.TRADE,
        control=Channel.TRADE,
        instruments=tuple(instruments),
    )


def _subscriptions(pairs: Sequence[str]) -> Iterator[bytes]:
    for number, at in enumerate(range(0, len(pairs), PAIRS_PER_FRAME), start=1):
        params = {"channel": "trade", "symbol": pairs[at : at + PAIRS_PER_FRAME], "snapshot": False}
        yield msgspec.json.encode({"method": "subscribe", "params": params, "req_id": number})


def polls(_instruments: Sequence[Instrument]) -> list[Poll]:
    """Return none: a spot market has nothing but trades."""
    return []


def assume(symbol: str) -> Instrument | None:
    """Return the pair of a symbol: quantities are in coin, so its name says it all."""
    base, _, quote = symbol.partition("/")
    if not base or quote not in QUOTES:
        return None
    return implied(
        venue=NAME, symbol=symbol, base=MEANT.get(base, base), quote=quote, market="spot"
    )


def discover() -> Conversation[Universe]:
    """Ask for the pairs of coins that trade against a dollar or a dollar's coin."""
    read = read_body(_PAIRS, (yield RestRequest(path="/0/public/AssetPairs")))
    if read.error:
        raise VenueRefused(read.error[0][:200])
    universe = Universe()
    for pair in read.result.values():
        name, _, quote = pair.wsname.partition("/")
        base = TODAY.get(name, name)
        coin = pair.aclass_base in {"", "currency"} and base not in FIAT
        if pair.status == "online" and coin and quote in QUOTES:
            universe.add(
                venue=NAME,
                symbol=f"{base}/{quote}",
                base=MEANT.get(base, base),
                quote=quote,
                market="spot",
            )
    return universe


def history(
    _instrument: Instrument, _from_ns: int, _to_ns: int, _out: RowBuffer
) -> Conversation[None]:
    """Ask for nothing: a spot market has neither open interest nor funding nor a mark."""
    yield from ()
