"""Aster perpetuals: Binance's USD-M protocol on another venue, with fewer trades and no routes.

Facts as of 2026-10, from github.com/asterdex/api-docs (futures API, v1 and v3) and, where it is silent, from
what other recorders saw in 2026-09; the protocol is that of `binance`:

- Quantities are base coin. A connection has at most 200 streams and lives for 24 h.
- Liquidations are those of Binance: the latest of each symbol and second, `S` the order's side. They are few.
- ``openInterest`` is not in the documents, but is served as Binance's is: coin, one side. There are no
  statistics of it, so history has none.
- ``fundingInfo`` lists contracts with their interval, those of 8 h among them: what it leaves out is unknown.
- Paths of v1 are asked for: they serve all that is needed, and v3 differs in signed requests only.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from service.semantics import (
    Evidence,
    FundingFeed,
    LiquidationFeed,
    MarkFeed,
    OpenInterestFeed,
    Semantics,
    TradeFeed,
)
from service.venue import ConnectionPlan, VenueSpec, implied
from service.venues.binance import connections
from service.venues.binance_futures import FuturesDecoder, FuturesProduct
from service.venues.binance_rest import FuturesRest
from streams.instruments import Instrument

__all__ = ["SPEC", "assume", "decoder", "discover", "fill", "history", "plan", "polls"]

NAME: Final = "aster"
QUOTES: Final = ("USDT", "USDC")

#: What each channel means.
SEMANTICS: Final = Semantics(
    market="perpetual",
    title="Aster",
    trade=TradeFeed(
        unit="coin", gaps="contiguous", fill=True,
        note="fills of one taker within 100 ms are one; insurance fund and ADL are left out",
        evidence=Evidence("2026-09", "github.com/asterdex/api-docs, Aggregate Trade Streams"),
    ),
    mark=MarkFeed(
        index=True, cadence_s=1.0,
        evidence=Evidence("2026-09", "github.com/asterdex/api-docs, Mark Price Stream"),
    ),
    funding=FundingFeed(
        kind="predicted", interval="listing", interval_h=8.0,
        evidence=Evidence("2026-09", "github.com/asterdex/api-docs, Get Funding Rate Config"),
    ),
    open_interest=OpenInterestFeed(
        source="rest", unit="coin", cadence_s=5.0, note="an endpoint that the documents do not name",
        evidence=Evidence("2026-09-18", "belyjelli/ai-rates and tardis-node, which poll it"),
    ),
    liquidation=LiquidationFeed(
        completeness="sampled", rule="the latest of each symbol and second",
        side="order", price="fill", note="an order without average price: its limit, as bankruptcy price",
        evidence=Evidence("2026-09", "github.com/asterdex/api-docs, Liquidation Order Streams"),
    ),
)  # fmt: skip

#: REST weight is 2400 a minute and address; some is left to others.
SPEC: Final = VenueSpec(
    name=NAME,
    semantics=SEMANTICS,
    websocket_url="wss://fstream.asterdex.com",
    rest_url="https://fapi.asterdex.com",
    lifetime_s=86_400.0,
    silence_s=8.0,  # marks, or candles, come each second; a dead route is told within 10 s
    sends_per_s=5.0,  # 10 are allowed
    rest_weight_per_minute=2000,
    used_weight_header="X-MBX-USED-WEIGHT-1M",
)

#: Trades of small contracts pause for minutes, so only marks prove life.
PRODUCT: Final = FuturesProduct(semantics=SEMANTICS)
REST: Final = FuturesRest(
    name=NAME, api="/fapi/v1", quotes=frozenset(QUOTES), hours=0, statistics=False, polled_weight=1200
)  # fmt: skip

discover: Final = REST.discover
history: Final = REST.history
fill: Final = REST.fill
polls: Final = REST.polls


def assume(symbol: str) -> Instrument | None:
    """Return the perpetual of a symbol: quantities are in coin, so its name says it all but the interval."""
    for quote in QUOTES:
        if symbol.endswith(quote) and symbol != quote:
            return implied(venue=NAME, symbol=symbol, base=symbol.removesuffix(quote), quote=quote)
    return None


def decoder(instruments: Mapping[str, Instrument]) -> FuturesDecoder:
    """Return a new connection's decoder."""
    return FuturesDecoder(PRODUCT, instruments)


def plan(instruments: Sequence[Instrument]) -> list[ConnectionPlan]:
    """Return connections of at most 200 streams, all streams of a contract on one."""
    return connections(PRODUCT, instruments)
