"""Binance USD-M futures: perpetuals quoted in USDT or USDC.

Facts as of 2026-10, from https://developers.binance.com/docs/derivatives/usds-margined-futures; the protocol
is that of `binance`:

- Market streams live under the route ``/market``. On the old unrouted path subscriptions are acked and
  nothing comes, so an ack proves nothing.
- Quantities are base coin. Merged streams carry COIN-M contracts too (`st` 2), whose sizes are contracts.
- Open interest is REST only. ``fundingInfo`` lists only contracts that differ from each 8 h.
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
from streams.events import Channel
from streams.instruments import Instrument

__all__ = ["SPEC", "assume", "decoder", "discover", "fill", "history", "plan", "polls"]

NAME: Final = "binance_usdm"
QUOTES: Final = ("USDT", "USDC")

#: What each channel means.
SEMANTICS: Final = Semantics(
    market="perpetual",
    title="Binance USD-M futures",
    trade=TradeFeed(
        unit="coin", gaps="contiguous", fill=True,
        note="fills of one taker and price within 100 ms are one; insurance fund and ADL are left out",
        evidence=Evidence("2026-07-31", "developers.binance.com, Aggregate Trade Streams"),
    ),
    mark=MarkFeed(
        index=True, cadence_s=1.0,
        evidence=Evidence("2026-07-31", "developers.binance.com, Mark Price Stream"),
    ),
    funding=FundingFeed(
        kind="predicted", interval="listing", interval_h=8.0,
        note="fundingInfo lists the contracts whose interval is not 8 h",
        evidence=Evidence("2026-07-31", "developers.binance.com, Get Funding Rate Info"),
    ),
    open_interest=OpenInterestFeed(
        source="rest", unit="coin", cadence_s=5.0, note="polled within the shared weight budget",
        evidence=Evidence("2026-07-31", "developers.binance.com, Open Interest"),
    ),
    liquidation=LiquidationFeed(
        completeness="sampled", rule="the latest of each symbol and second",
        side="order", price="fill", note="an order without average price: its limit, as bankruptcy price",
        evidence=Evidence("2026-07-31", "developers.binance.com, Liquidation Order Streams"),
    ),
)  # fmt: skip

#: REST weight is 2400 a minute and address, since 2026-06-30 shared with COIN-M, which is given the rest.
SPEC: Final = VenueSpec(
    name=NAME,
    semantics=SEMANTICS,
    websocket_url="wss://fstream.binance.com",
    rest_url="https://fapi.binance.com",
    lifetime_s=86_400.0,
    silence_s=8.0,  # marks, or candles, come each second; a dead route is told within 10 s
    sends_per_s=5.0,  # 10 are allowed
    rest_weight_per_minute=2000,
    used_weight_header="X-MBX-USED-WEIGHT-1M",
)

#: 1024 streams are allowed; a connection is lost less dearly with fewer.
PRODUCT: Final = FuturesProduct(
    semantics=SEMANTICS, path="/market/stream", control=Channel.TRADE | Channel.MARK, foreign=2
)
REST: Final = FuturesRest(
    name=NAME, api="/fapi/v1", quotes=frozenset(QUOTES), hours=8, polled_weight=1200
)

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
