"""Bybit v5 linear perpetuals, quoted in USDT or USDC: sizes are coin. Facts: `bybit_contracts`."""

from collections.abc import Mapping, Sequence
from typing import Final

from service.venue import ConnectionPlan, Conversation, Universe, implied, no_fill
from service.venues import bybit_contracts
from service.venues.bybit_contracts import Decoder
from service.venues.bybit_rest import history, no_polls, perpetuals
from service.venues.bybit_stream import spec
from streams.instruments import Instrument

__all__ = ["SPEC", "Decoder", "assume", "decoder", "discover", "fill", "history", "plan", "polls"]

NAME: Final = "bybit"
#: What each channel means.
SEMANTICS: Final = bybit_contracts.semantics("Bybit v5 linear", "coin")
SPEC: Final = spec(NAME, SEMANTICS, silence_s=bybit_contracts.SILENCE_S)

fill: Final = no_fill
polls: Final = no_polls


def decoder(instruments: Mapping[str, Instrument]) -> Decoder:
    """Return a new connection's decoder."""
    return Decoder(instruments, SEMANTICS)


def plan(instruments: Sequence[Instrument]) -> list[ConnectionPlan]:
    """Return connections, each within the limit of its topics."""
    return bybit_contracts.plan("linear", instruments)


def discover() -> Conversation[Universe]:
    """Ask for trading linear perpetuals quoted in USDT or USDC."""
    return (yield from perpetuals(NAME, "linear"))


def assume(symbol: str) -> Instrument | None:
    """Return the linear perpetual of a symbol: quantities are in coin, so its name says it all."""
    for ending, quote in (("USDT", "USDT"), ("PERP", "USDC")):
        if symbol.endswith(ending) and symbol != ending:
            return implied(venue=NAME, symbol=symbol, base=symbol.removesuffix(ending), quote=quote)
    return None
