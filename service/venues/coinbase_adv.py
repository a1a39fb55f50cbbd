"""Coinbase Advanced Trade, spot: the same trades as Coinbase Exchange, in batches and for retail clients.

Facts as of 2026-09, beside those of the protocol in `coinbase_advanced`: markets quoted in USDC are other
names of those in USD (their `alias`) and have no stream of their own, so they are left out.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from service.semantics import Semantics
from service.venue import Conversation, Poll, Universe, VenueSpec, implied, no_fill
from service.venues import coinbase_advanced
from service.venues.coinbase_advanced import Decoder, plan
from streams.events import RowBuffer
from streams.instruments import Instrument

__all__ = ["SPEC", "Decoder", "assume", "decoder", "discover", "fill", "history", "plan", "polls"]

NAME: Final = "coinbase_adv"

#: What each channel means.
SEMANTICS: Final = Semantics(
    market="spot",
    title="Coinbase Advanced Trade",
    trade=coinbase_advanced.trade_feed("coin"),
)

SPEC: Final = VenueSpec(
    name=NAME,
    semantics=SEMANTICS,
    websocket_url=coinbase_advanced.WEBSOCKET_URL,
    rest_url=coinbase_advanced.REST_URL,
    sends_per_s=coinbase_advanced.SENDS_PER_S,
    rest_weight_per_minute=coinbase_advanced.WEIGHT_PER_MINUTE,
)

QUOTES: Final = frozenset({"USD", "USDT", "USDC"})
#: Dollars in another form are no coin whose market we want.
DOLLARS: Final = frozenset({"USD", "USDT", "USDC", "DAI", "PYUSD", "GUSD", "PAX", "USDS", "USD1"})

fill: Final = no_fill


def decoder(instruments: Mapping[str, Instrument]) -> Decoder:
    """Return a new connection's decoder."""
    return Decoder(instruments)


def assume(symbol: str) -> Instrument | None:
    """Return the market of a symbol: it is its two currencies."""
    base, _, quote = symbol.partition("-")
    if quote not in QUOTES:
        return None
    return implied(venue=NAME, symbol=symbol, base=base, quote=quote, market="spot")


def discover() -> Conversation[Universe]:
    """Ask for trading markets quoted in dollars that have a stream of their own."""
    universe = Universe()
    for item in (yield from coinbase_advanced.products("SPOT")):
        if item.alias or item.status != "online" or item.base_currency_id in DOLLARS:
            continue
        if item.quote_currency_id in QUOTES:
            universe.add(
                venue=NAME,
                symbol=item.product_id,
                base=item.base_currency_id,
                quote=item.quote_currency_id,
                market="spot",
            )
    return universe


def history(
    _instrument: Instrument, _from_ns: int, _to_ns: int, _out: RowBuffer
) -> Conversation[None]:
    """Ask for nothing: a spot market has neither funding nor open interest."""
    return
    yield


def polls(_instruments: Sequence[Instrument]) -> list[Poll]:
    """Return none: the stream has everything."""
    return []
