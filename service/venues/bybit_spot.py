"""Bybit v5 spot: trades only. Facts of streams and trades: `bybit_stream`.

A quiet pair says nothing, so each connection also follows the minute candle of a pair that is never quiet:
https://bybit-exchange.github.io/docs/v5/websocket/public/kline says that it comes each 1 to 60 s.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from service.semantics import Semantics
from service.venue import (
    ConnectionPlan,
    Conversation,
    FrameName,
    RestRequest,
    Universe,
    implied,
    no_fill,
)
from service.venues import bybit_stream
from service.venues.bybit_rest import QUOTES, no_polls, pairs
from service.venues.bybit_stream import plans, read_envelope, spec, trade_feed
from streams.events import Channel, RowBuffer
from streams.instruments import Instrument

__all__ = ["SPEC", "Decoder", "assume", "decoder", "discover", "fill", "history", "plan", "polls"]

NAME: Final = "bybit_spot"
#: What each channel means.
SEMANTICS: Final = Semantics(market="spot", title="Bybit v5 spot", trade=trade_feed("coin"))
#: Of a pair that trades all the time the candle comes about each second; 60 s is the documented longest.
SPEC: Final = spec(NAME, SEMANTICS, silence_s=30.0)

#: A request about spot with more is refused.
TOPICS_PER_FRAME: Final = 10
BEAT: Final = "kline.1.BTCUSDT"

fill: Final = no_fill
polls: Final = no_polls


class Decoder(bybit_stream.Decoder):
    """Reads one connection's frames. Remembers nothing."""

    __slots__ = ()

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        super().__init__(instruments)
        self._writers[b"kline"] = _beat


def _beat(frame: bytes, _received_ns: int, _out: RowBuffer) -> FrameName:
    """Read a candle: the one of `BEAT` is proof of life, others were not asked for."""
    return "beat" if read_envelope(frame).topic == BEAT else "ignored"


def decoder(instruments: Mapping[str, Instrument]) -> Decoder:
    """Return a new connection's decoder."""
    return Decoder(instruments)


def plan(instruments: Sequence[Instrument]) -> list[ConnectionPlan]:
    """Return connections, each within the limit of its topics and with a heartbeat of its own."""
    return plans(
        "spot",
        instruments,
        kinds=("publicTrade",),
        per_frame=TOPICS_PER_FRAME,
        channels=Channel.TRADE,
        control=Channel.TRADE,
        besides=(BEAT,),
    )


def discover() -> Conversation[Universe]:
    """Ask for trading pairs quoted in USD, USDT or USDC."""
    return (yield from pairs(NAME))


def history(
    _instrument: Instrument, _from_ns: int, _to_ns: int, _out: RowBuffer
) -> Conversation[None]:
    """Ask for nothing: spot has neither open interest, nor funding, nor a mark."""
    yield from tuple[RestRequest]()


def assume(symbol: str) -> Instrument | None:
    """Return the pair of a symbol: quantities are in coin, so its name says it all."""
    for quote in QUOTES["spot"]:
        if symbol.endswith(quote) and symbol != quote:
            return implied(
                venue=NAME, symbol=symbol, base=symbol.removesuffix(quote), quote=quote,
                market="spot",
            )  # fmt: skip
    return None
