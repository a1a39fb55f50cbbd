"""Binance COIN-M futures: inverse perpetuals, of USD 100 a contract for BTC and USD 10 for other coins.

Facts as of 2026-10, from https://developers.binance.com/docs/derivatives/coin-margined-futures; the protocol
is that of `binance`:

- Sizes of trades, forced orders and open interest are contracts of `contractSize` USD.
- The documented streams have no route ("Connect", "Market Data Streams"). Clients of 2026 connect to
  ``/market`` on this host as well, as USD-M demands: UNCONFIRMED which of the two will last. If marks stay
  away, set the venue's websocket URL to ``wss://dstream.binance.com/market``.
- Open interest is REST only, in contracts without a price. The row has USD and no coin; the engine divides
  by its own mark. The statistics are asked for by `pair`, and their value is coin.
- Merged streams carry USD-M contracts too (`st` 1).
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

NAME: Final = "binance_coin"

#: What each channel means.
SEMANTICS: Final = Semantics(
    market="perpetual",
    title="Binance COIN-M futures",
    trade=TradeFeed(
        unit="contracts", gaps="contiguous", fill=True,
        note="fills of one taker and price within 100 ms are one; insurance fund and ADL are left out",
        evidence=Evidence("2026-07-31", "developers.binance.com, COIN-M Aggregate Trade Streams"),
    ),
    mark=MarkFeed(
        index=True, cadence_s=1.0,
        evidence=Evidence("2026-07-31", "developers.binance.com, COIN-M Mark Price Stream"),
    ),
    funding=FundingFeed(
        kind="predicted", interval="listing", interval_h=8.0,
        note="fundingInfo lists the contracts whose interval is not 8 h",
        evidence=Evidence("2026-07-31", "developers.binance.com, COIN-M Get Funding Rate Info"),
    ),
    open_interest=OpenInterestFeed(
        source="rest", unit="contracts", cadence_s=10.0,
        note="polled within a share of USD-M's weight budget; coin is USD at the engine's mark",
        evidence=Evidence("2026-07-31", "developers.binance.com, COIN-M Open Interest"),
    ),
    liquidation=LiquidationFeed(
        completeness="sampled", rule="the latest of each symbol and second",
        side="order", price="fill", unit="contracts",
        note="an order without average price: its limit, as bankruptcy price",
        evidence=Evidence("2026-07-31", "developers.binance.com, COIN-M Liquidation Order Streams"),
    ),
)  # fmt: skip

#: REST weight is that of USD-M: since 2026-06-30 both together have 2400 a minute and address.
SPEC: Final = VenueSpec(
    name=NAME,
    semantics=SEMANTICS,
    websocket_url="wss://dstream.binance.com",
    rest_url="https://dapi.binance.com",
    lifetime_s=86_400.0,
    silence_s=8.0,  # marks, or candles, come each second; a dead route is told within 10 s
    sends_per_s=5.0,  # 10 are allowed
    rest_weight_per_minute=400,
    used_weight_header="X-MBX-USED-WEIGHT-1M",
)

#: 200 streams are allowed. Trades of small contracts pause for minutes, so only marks prove life.
PRODUCT: Final = FuturesProduct(semantics=SEMANTICS, foreign=1)
REST: Final = FuturesRest(
    name=NAME, api="/dapi/v1", quotes=frozenset({"USD"}), contract_type="inverse", hours=8, polled_weight=180
)  # fmt: skip

discover: Final = REST.discover
history: Final = REST.history
fill: Final = REST.fill
polls: Final = REST.polls

_PERPETUAL: Final = "USD_PERP"


def assume(symbol: str) -> Instrument | None:
    """Return the perpetual of a symbol, of the size that the contract specifications give."""
    base = symbol.removesuffix(_PERPETUAL)
    if base in {symbol, ""}:
        return None
    size = "100" if base == "BTC" else "10"
    return implied(
        venue=NAME, symbol=symbol, base=base, quote="USD", contract_type="inverse", contract_size=size
    )  # fmt: skip


def decoder(instruments: Mapping[str, Instrument]) -> FuturesDecoder:
    """Return a new connection's decoder."""
    return FuturesDecoder(PRODUCT, instruments)


def plan(instruments: Sequence[Instrument]) -> list[ConnectionPlan]:
    """Return connections of at most 200 streams, all streams of a contract on one."""
    return connections(PRODUCT, instruments)
