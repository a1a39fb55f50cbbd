"""Bybit v5 inverse perpetuals, settled in coin: a contract is one USD. Facts: `bybit_contracts`."""

from collections.abc import Mapping, Sequence
from typing import Final

from service.venue import ConnectionPlan, Conversation, Universe, implied, no_fill
from service.venues import bybit_contracts
from service.venues.bybit_contracts import Decoder
from service.venues.bybit_rest import history, no_polls, perpetuals
from service.venues.bybit_stream import spec
from streams.instruments import Instrument

__all__ = ["SPEC", "Decoder", "assume", "decoder", "discover", "fill", "history", "plan", "polls"]

NAME: Final = "bybit_coin"
#: What each channel means.
SEMANTICS: Final = bybit_contracts.semantics("Bybit v5 inverse", "usd")
SPEC: Final = spec(NAME, SEMANTICS, silence_s=bybit_contracts.SILENCE_S)

fill: Final = no_fill
polls: Final = no_polls


def decoder(instruments: Mapping[str, Instrument]) -> Decoder:
    """Return a new connection's decoder."""
    return Decoder(instruments, SEMANTICS)


def plan(instruments: Sequence[Instrument]) -> list[ConnectionPlan]:
    """Return connections, each within the limit of its topics."""
    return bybit_contracts.plan("inverse", instruments)


def discover() -> Conversation[Universe]:
    """Ask for trading inverse perpetuals."""
    return (yield from perpetuals(NAME, "inverse"))


def assume(symbol: str) -> Instrument | None:
    """Return the inverse perpetual of a symbol: each contract is one USD, so its name says it all."""
    base = symbol.removesuffix("USD")
    if base in {"", symbol}:
        return None
    return implied(venue=NAME, symbol=symbol, base=base, quote="USD", contract_type="inverse")
