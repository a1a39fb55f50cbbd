"""OKX v5 spot: trades only. Facts of streams and trades: `okx_stream`.

A quiet pair says nothing, so the connection also follows the ticker of a pair that is never quiet: it comes
each 100 ms at most, with every trade and every move of the best quotes.
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
from service.venues import okx_stream
from service.venues.okx_rest import SPOT_QUOTES, no_polls, pairs
from service.venues.okx_stream import PATH, read_envelope, requests, spec, trade_feed
from streams.events import Channel, RowBuffer
from streams.instruments import Instrument

__all__ = ["SPEC", "Decoder", "assume", "decoder", "discover", "fill", "history", "plan", "polls"]

NAME: Final = "okx_spot"
#: What each channel means.
SEMANTICS: Final = Semantics(market="spot", title="OKX v5 spot", trade=trade_feed("coin"))
SPEC: Final = spec(NAME, SEMANTICS)

BEAT: Final = "BTC-USDT"

fill: Final = no_fill
polls: Final = no_polls


class Decoder(okx_stream.Decoder):
    """Reads one connection's frames. Remembers nothing."""

    __slots__ = ()

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        super().__init__(instruments)
        self._writers["tickers"] = _beat


def _beat(frame: bytes, _received_ns: int, _out: RowBuffer) -> FrameName:
    """Read a ticker: the one of `BEAT` is proof of life, others were not asked for."""
    arg = read_envelope(frame).arg
    return "beat" if arg is not None and arg.inst_id == BEAT else "ignored"


def decoder(instruments: Mapping[str, Instrument]) -> Decoder:
    """Return a new connection's decoder."""
    return Decoder(instruments)


def plan(instruments: Sequence[Instrument]) -> list[ConnectionPlan]:
    """Return one connection for all, as 480 subscriptions an hour need few requests."""
    if not instruments:
        return []
    args = [{"channel": "tickers", "instId": BEAT}]
    args += [{"channel": "trades", "instId": one.symbol} for one in instruments]
    return [
        ConnectionPlan(
            path=PATH,
            subscribe=requests(args),
            channels=Channel.TRADE,
            control=Channel.TRADE,
            instruments=tuple(instruments),
        )
    ]


def discover() -> Conversation[Universe]:
    """Ask for live pairs quoted in USD, USDT or USDC."""
    return (yield from pairs(NAME))


def history(
    _instrument: Instrument, _from_ns: int, _to_ns: int, _out: RowBuffer
) -> Conversation[None]:
    """Ask for nothing: spot has neither open interest, nor funding, nor a mark."""
    yield from tuple[RestRequest]()


def assume(symbol: str) -> Instrument | None:
    """Return the pair of a symbol: quantities are in coin, so its name says it all."""
    base, _, quote = symbol.partition("-")
    if quote not in SPOT_QUOTES:
        return None
    return implied(venue=NAME, symbol=symbol, base=base, quote=quote, market="spot")
