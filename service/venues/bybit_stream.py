"""What Bybit v5's public streams have in common: topics, answers, trades and how a connection is asked for.

Facts as of 2026-10, from https://bybit-exchange.github.io/docs/v5/ws/connect and
https://bybit-exchange.github.io/docs/v5/websocket/public/trade:

- Linear, inverse and spot are three addresses of one protocol; a connection serves one of them.
- All topics of a connection may have 21,000 characters. A bad topic can make the venue reject the whole
  request it is in. A request about spot may name ten topics.
- The connection is kept by our own ping.
- ``publicTrade``: `S` is the taker. `v` is base coin, of inverse contracts USD. `seq` rises but is not
  contiguous, and fills of one match share it. Block trades (`BT`) are part of the tape.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Literal

import msgspec

from service.semantics import Evidence, Semantics, TradeFeed, Unit
from service.venue import ConnectionPlan, FrameName, MalformedFrame, VenueRefused, VenueSpec
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
from streams.events import Channel, Kind, RowBuffer, Side
from streams.instruments import Instrument

#: All topics of one connection may have 21,000 characters.
TOPIC_CHARACTERS: Final = 20_000
TAKER: Final = {"Buy": int(Side.BUY), "Sell": int(Side.SELL)}

#: Known topics that carry nothing we want, the retired ones of before v5 included.
IGNORED: Final = (
    "orderbook.", "kline.", "kline_lt.", "adlAlert.", "insurance.", "priceLimit.", "rpi.",
    "tickers.", "liquidation.", "trade.", "instrument_info.", "orderBookL2_25.", "orderBook_200.",
)  # fmt: skip

_TRADE: Final = int(Kind.TRADE)
_TOPIC: Final = b'{"topic":"'


def trade_feed(unit: Unit) -> TradeFeed:
    """Return what the tape of a category means."""
    return TradeFeed(
        unit=unit, gaps="monotonic", note="block trades included",
        evidence=Evidence("2026-07-24", "bybit-exchange.github.io, Trade"),
    )  # fmt: skip


def spec(name: str, semantics: Semantics, *, silence_s: float) -> VenueSpec:
    """Return the transport facts of a category."""
    return VenueSpec(
        name=name,
        semantics=semantics,
        websocket_url="wss://stream.bybit.com",
        rest_url="https://api.bybit.com",
        ping=b'{"op":"ping"}',
        ping_every_s=20.0,
        sends_per_s=5.0,
        rest_weight_per_minute=1200,  # 600 in 5 s are allowed, a breach costs ten minutes
        silence_s=silence_s,
    )


class Event(
    msgspec.Struct,
    gc=False,
    rename={
        "traded_ms": "T", "symbol": "s", "side": "S", "size": "v", "price": "p", "sequence": "seq",
    },
):  # fmt: skip
    """A trade, or a liquidation, which is written in the same words."""

    traded_ms: Millis
    symbol: str
    side: Literal["Buy", "Sell"]
    size: Positive
    price: Positive
    sequence: SequenceId = 0  # of trades, since 2025-08


class _Events(msgspec.Struct, gc=False):
    data: list[Event]


class Envelope(msgspec.Struct, gc=False):
    """What tells frames apart whose topic does not come first."""

    topic: str | None = None
    success: bool | None = None
    ret_msg: str = ""
    op: str | None = None


read_envelope: Final = msgspec.json.Decoder(Envelope, strict=False).decode
_read_events: Final = msgspec.json.Decoder(_Events, strict=False).decode

Write = Callable[[bytes, int, RowBuffer], FrameName]


def events_of(frame: bytes) -> list[Event]:
    """Return the trades or liquidations of a frame."""
    return _read_events(frame).data


class Decoder:
    """Reads one connection's frames. `_writers` are by what stands before a topic's first dot."""

    __slots__ = ("_contracts", "_writers")

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._contracts = contracts(instruments)
        self._writers: dict[bytes, Write] = {b"publicTrade": self._trades}

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
            if frame.startswith(_TOPIC):
                write = self._writers.get(frame[len(_TOPIC) : frame.find(b".", len(_TOPIC))])
                if write is not None:
                    return write(frame, received_ns, out)
            return self._other(frame, received_ns, out)
        except FAULTS as fault:
            out.truncate(rows)
            raise blame(fault) from None
        except MalformedFrame:
            out.truncate(rows)
            raise

    def _other(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        envelope = read_envelope(frame)
        topic = envelope.topic
        if topic is None:
            return _answer(envelope)
        kind, dot, _ = topic.partition(".")
        write = self._writers.get(kind.encode()) if dot else None
        if write is not None:
            return write(frame, received_ns, out)
        if topic.startswith(IGNORED):
            return "ignored"
        raise MalformedFrame("unknown", f"topic {topic[:40]}")

    def _contract(self, symbol: str) -> Contract:
        found = self._contracts.get(symbol)
        if found is None:
            raise MalformedFrame("symbol", symbol[:40])
        return found

    def _trades(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        for trade in _read_events(frame).data:
            c = self._contract(trade.symbol)
            price = trade.price / c.unit
            coin, usd = c.amounts(trade.size, price)
            out.floats(
                _TRADE, TAKER[trade.side], c.assumed, c.id, trade.traded_ms * NS_PER_MS,
                received_ns, trade.sequence, price, coin, usd,
            )  # fmt: skip
        return "trade"


def _answer(envelope: Envelope) -> FrameName:
    if envelope.ret_msg == "pong" or envelope.op == "pong":
        return "pong"
    if envelope.success is None:
        raise MalformedFrame("unknown", "neither a topic nor an answer")
    if not envelope.success:
        raise VenueRefused(envelope.ret_msg[:200])
    return "ack"


def plans(
    category: str,
    instruments: Sequence[Instrument],
    *,
    kinds: Sequence[str],
    per_frame: int,
    channels: Channel,
    control: Channel,
    besides: Sequence[str] = (),
) -> list[ConnectionPlan]:
    """Return connections that carry `kinds` of topics of all instruments, and `besides` once each."""
    return [
        ConnectionPlan(
            path=f"/v5/public/{category}",
            subscribe=_requests([*besides, *_topics(part, kinds)], per_frame),
            channels=channels,
            control=control,
            instruments=tuple(part),
        )
        for part in _parts(instruments, kinds, TOPIC_CHARACTERS - sum(map(len, besides)))
    ]


def _requests(topics: Sequence[str], per_frame: int) -> tuple[bytes, ...]:
    chunks = [topics[at : at + per_frame] for at in range(0, len(topics), per_frame)]
    return tuple(
        msgspec.json.encode({"req_id": str(number), "op": "subscribe", "args": chunk})
        for number, chunk in enumerate(chunks, start=1)
    )


def _topics(instruments: Sequence[Instrument], kinds: Sequence[str]) -> list[str]:
    return [f"{kind}.{one.symbol}" for one in instruments for kind in kinds]


def _parts(
    instruments: Sequence[Instrument], kinds: Sequence[str], characters: int
) -> Iterator[list[Instrument]]:
    """Cut so that the topics of each part fit one connection."""
    part: list[Instrument] = []
    room = characters
    for one in instruments:
        need = sum(map(len, _topics([one], kinds)))
        if need > room and part:
            yield part
            part, room = [], characters
        part.append(one)
        room -= need
    if part:
        yield part
