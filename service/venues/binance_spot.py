"""Binance spot: trades of coins for USDT or USDC.

Facts as of 2026-10, from https://developers.binance.com/docs/binance-spot-api-docs; the protocol is that of
`binance`, from the hosts that serve market data only:

- ``aggTrade`` comes at once, one for each taker order and price; `a` is contiguous for each symbol.
- A pair without trades says nothing. Candles of one second come each second whatever happens, so every
  connection follows those of one busy pair as proof that it lives.
- Of each connection 5 messages a second are heard, pongs included, and 1024 streams. It lives for 24 h.
"""

from collections.abc import Generator, Mapping, Sequence
from typing import Final

import msgspec

from service.semantics import Evidence, Semantics, TradeFeed
from service.venue import (
    ConnectionPlan,
    Conversation,
    Gap,
    Poll,
    RestRequest,
    Universe,
    VenueSpec,
    implied,
)
from service.venues.binance import Decoder, Product, connections, events
from service.venues.binance_rest import read, trades_by_id
from streams.events import Channel, RowBuffer
from streams.instruments import Instrument

__all__ = ["SPEC", "assume", "decoder", "discover", "fill", "history", "plan", "polls"]

NAME: Final = "binance_spot"
QUOTES: Final = ("USDT", "USDC")

#: What the one channel means.
SEMANTICS: Final = Semantics(
    market="spot",
    title="Binance spot",
    trade=TradeFeed(
        unit="coin", gaps="contiguous", fill=True, note="fills of one taker order and price are one",
        evidence=Evidence("2026-07-21", "binance-spot-api-docs, Aggregate Trade Streams"),
    ),
)  # fmt: skip

#: REST weight is 6000 a minute and address.
SPEC: Final = VenueSpec(
    name=NAME,
    semantics=SEMANTICS,
    websocket_url="wss://data-stream.binance.vision",
    rest_url="https://data-api.binance.vision",
    lifetime_s=86_400.0,
    silence_s=8.0,  # marks, or candles, come each second; a dead route is told within 10 s
    sends_per_s=2.0,  # 5 are allowed
    rest_weight_per_minute=2000,
    used_weight_header="X-MBX-USED-WEIGHT-1M",
)

PRODUCT: Final = Product(
    semantics=SEMANTICS,
    events=events(),
    streams=("aggTrade",),
    channels=Channel.TRADE,
    control=Channel.TRADE,
    beats=("btcusdt@kline_1s",),
)


class _Listing(msgspec.Struct, gc=False, rename="camel"):
    symbol: str
    status: str = ""
    base_asset: str = ""
    quote_asset: str = ""
    is_spot_trading_allowed: bool = False


class _ExchangeInfo(msgspec.Struct):
    symbols: list[_Listing]


_EXCHANGE_INFO: Final = msgspec.json.Decoder(_ExchangeInfo)


def assume(symbol: str) -> Instrument | None:
    """Return the market of a symbol: quantities are in coin, so its name says it all."""
    for quote in QUOTES:
        base = symbol.removesuffix(quote)
        if base not in {symbol, ""}:
            return implied(venue=NAME, symbol=symbol, base=base, quote=quote, market="spot")
    return None


def discover() -> Conversation[Universe]:
    """Ask for the pairs that trade."""
    body = yield RestRequest(
        path="/api/v3/exchangeInfo",
        params={"permissions": "SPOT", "symbolStatus": "TRADING", "showPermissionSets": "false"},
        weight=20,
    )
    universe = Universe()
    for item in read(_EXCHANGE_INFO, body).symbols:
        trades = item.status == "TRADING" and item.is_spot_trading_allowed
        if trades and item.quote_asset in QUOTES:
            universe.add(
                venue=NAME,
                symbol=item.symbol,
                base=item.base_asset,
                quote=item.quote_asset,
                market="spot",
            )
    return universe


def history(
    _instrument: Instrument, _from_ns: int, _to_ns: int, _out: RowBuffer
) -> Generator[RestRequest, bytes, None]:
    """Ask for nothing: a spot market has neither open interest, nor funding, nor a mark."""
    yield from ()


def fill(instrument: Instrument, gap: Gap, out: RowBuffer) -> Conversation[None] | None:
    """Ask for aggregate trades by id."""
    return trades_by_id("/api/v3/aggTrades", 4, instrument, gap, out)


def polls(_instruments: Sequence[Instrument]) -> list[Poll]:
    """Return no polls: everything is in the stream."""
    return []


def decoder(instruments: Mapping[str, Instrument]) -> Decoder:
    """Return a new connection's decoder."""
    return Decoder(PRODUCT, instruments)


def plan(instruments: Sequence[Instrument]) -> list[ConnectionPlan]:
    """Return connections of at most 200 streams."""
    return connections(PRODUCT, instruments)
