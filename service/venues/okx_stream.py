"""What OKX v5's public streams have in common: subscriptions, events, trades and the end of a connection.

Facts as of 2026-09, from https://www.okx.com/docs-v5/en/#order-book-trading-market-data and
https://www.okx.com/docs-v5/en/#overview-websocket:

- ``trades``: `side` is the taker. Fills of one taker order and price are one message, whose `tradeId` is that
  of the last of them and `count` how many they are. Whether ids minus counts join without holes is nowhere
  promised, so a lost message is not seen from them. Sizes are contracts, of spot coin.
- Keep-alive is the text ``ping``, answered by the text ``pong``: neither is JSON.
- An event ``notice`` of code 64008 announces that the service is upgraded and will close the connection in
  about a minute; a new connection will be served.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

import msgspec

from service.semantics import Evidence, Semantics, TradeFeed, Unit
from service.venue import FrameName, MalformedFrame, VenueRefused, VenueSpec
from service.venues.decode import (
    FAULTS,
    MAX_FRAME_BYTES,
    NS_PER_MS,
    Contract,
    Millis,
    Positive,
    SequenceId,
    blame,
    contracts,
)
from streams.events import Kind, RowBuffer, Side
from streams.instruments import Instrument

PATH: Final = "/ws/v5/public"
#: A request may have 64 KB; an argument is about 60 bytes.
ARGS_PER_FRAME: Final = 200
#: The code of the notice that the connection will be closed.
CLOSING: Final = "64008"

TAKER: Final = {"buy": int(Side.BUY), "sell": int(Side.SELL)}

_TRADE: Final = int(Kind.TRADE)
#: Known channels that carry nothing we want.
IGNORED: Final = (
    "tickers", "books", "bbo-tbt", "candle", "mark-price", "index-tickers", "index-candle", "price-limit",
    "estimated-price", "instruments", "adl-warning", "status", "option-", "opt-summary",
)  # fmt: skip


def trade_feed(unit: Unit) -> TradeFeed:
    """Return what the tape of a kind of instruments means."""
    return TradeFeed(
        unit=unit, gaps="monotonic", note="fills of one taker order and price are one",
        evidence=Evidence("2026-03-10", "okx.com/docs-v5, Trades channel"),
    )  # fmt: skip


def spec(name: str, semantics: Semantics) -> VenueSpec:
    """Return the transport facts of a kind of instruments."""
    return VenueSpec(
        name=name,
        semantics=semantics,
        websocket_url="wss://ws.okx.com:8443",
        rest_url="https://www.okx.com",
        ping=b"ping",
        ping_every_s=20.0,  # it closes after 30 s without a push
        sends_per_s=3.0,
        rest_weight_per_minute=600,  # `okx_rest` charges each path by its own limit
        silence_s=20.0,  # a mark may take 10 s
    )


class _Trade(msgspec.Struct, gc=False, rename="camel"):
    inst_id: str
    trade_id: SequenceId
    px: Positive
    sz: Positive
    side: Literal["buy", "sell"]
    ts: Millis


class _Trades(msgspec.Struct, gc=False):
    data: list[_Trade]


class Arg(msgspec.Struct, gc=False, rename="camel"):
    """What a frame is about."""

    channel: str = ""
    inst_id: str = ""


class Envelope(msgspec.Struct, gc=False):
    """What tells frames apart."""

    arg: Arg | None = None
    event: str | None = None
    code: str = ""
    msg: str = ""


_read_trades: Final = msgspec.json.Decoder(_Trades, strict=False).decode
read_envelope: Final = msgspec.json.Decoder(Envelope, strict=False).decode

Write = Callable[[bytes, int, RowBuffer], FrameName]


class Decoder:
    """Reads one connection's frames. `_writers` says who reads a channel."""

    __slots__ = ("_contracts", "_writers")

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._contracts = contracts(instruments)
        self._writers: dict[str, Write] = {"trades": self._trades}

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
            if frame.startswith(b'{"arg":{"channel":"trades",'):
                return self._trades(frame, received_ns, out)
            return self._other(frame, received_ns, out)
        except FAULTS as fault:
            out.truncate(rows)
            raise blame(fault) from None
        except MalformedFrame:
            out.truncate(rows)
            raise

    def _other(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        if frame == b"pong":
            return "pong"
        if frame == b"ping":
            return "notice"
        envelope = read_envelope(frame)
        channel = envelope.arg.channel if envelope.arg else ""
        if envelope.event is not None:
            return self._event(envelope, channel, received_ns)
        write = self._writers.get(channel)
        if write is not None:
            return write(frame, received_ns, out)
        if channel.startswith(IGNORED):
            return "ignored"
        raise MalformedFrame("unknown", f"channel {channel[:40]!r}")

    def _event(self, envelope: Envelope, channel: str, received_ns: int) -> FrameName:
        event = envelope.event or ""
        if event.endswith("error"):
            raise VenueRefused(f"{envelope.code}: {envelope.msg[:200]}")
        if event in {"subscribe", "unsubscribe"}:
            if event == "subscribe":
                self._subscribed(channel, received_ns)
            return "ack"
        if event == "notice" and envelope.code == CLOSING:
            return "leave"
        if event in {"notice", "channel-conn-count"}:
            return "notice"
        raise MalformedFrame("unknown", f"event {event[:40]!r}")

    def _subscribed(self, channel: str, received_ns: int) -> None:
        """Take note that the venue has accepted a subscription."""

    def _contract(self, symbol: str) -> Contract:
        found = self._contracts.get(symbol)
        if found is None:
            raise MalformedFrame("symbol", symbol[:40])
        return found

    def _trades(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        for trade in _read_trades(frame).data:
            c = self._contract(trade.inst_id)
            price = trade.px / c.unit
            coin, usd = c.amounts(trade.sz, price)
            out.floats(
                _TRADE, TAKER[trade.side], c.assumed, c.id, trade.ts * NS_PER_MS,
                received_ns, trade.trade_id, price, coin, usd,
            )  # fmt: skip
        return "trade"


def requests(args: Sequence[Mapping[str, str]]) -> tuple[bytes, ...]:
    """Return the subscriptions of `args`, each within the limit of a request."""
    chunks = [args[at : at + ARGS_PER_FRAME] for at in range(0, len(args), ARGS_PER_FRAME)]
    return tuple(
        msgspec.json.encode({"id": str(number), "op": "subscribe", "args": chunk})
        for number, chunk in enumerate(chunks, start=1)
    )
