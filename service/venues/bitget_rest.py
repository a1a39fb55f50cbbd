"""Bitget's unified account v3 over REST: contracts, settled funding and hourly mark and index.

Facts as of 2026-08-08, from https://www.bitget.com/api-doc/uta/public:

- Errors are a code within HTTP 200; ``00000`` is none. Numbers and times are strings.
- ``instruments`` lists equities, metals and commodities as well; `symbolType` and `isRwa` tell. The interval
  of funding is `fundInterval`, in hours.
- ``history-fund-rate`` has numbered pages, newest first, at most 100 of 100 rows.
- ``candles`` gives up to 1,000 of the time before `endTime`; one place of its page still says 100, so a
  short page is no proof of an end.
- Open interest has no history, and all that is live is in the stream, so there are no polls.
"""

from collections.abc import Generator, Sequence
from typing import Annotated, Final, Generic, TypeVar

import msgspec

from service.venue import Conversation, Poll, RestRequest, Universe, VenueRefused, implied
from service.venues.backfill import Backfill
from service.venues.decode import (
    DAY_MS,
    HOUR_MS,
    HOUR_NS,
    MAX_PAGES,
    Blank,
    Millis,
    Positive,
    Rate,
    read_body,
)
from streams.events import RowBuffer
from streams.instruments import Instrument

NAME: Final = "bitget"

T = TypeVar("T")

#: Settlement coin and the category that REST calls its contracts.
CATEGORIES: Final = {"USDT": "USDT-FUTURES", "USDC": "USDC-FUTURES"}
#: A contract that trades; orders of some are not taken over the API, which is nothing to us.
TRADING: Final = frozenset({"online", "restrictedAPI"})
CANDLES_PER_PAGE: Final = 1000
SETTLEMENTS_PER_PAGE: Final = 100
SETTLEMENT_PAGES: Final = 100

_Interval = Annotated[int, msgspec.Meta(ge=0, le=24)]


class _Answer(msgspec.Struct, Generic[T]):
    data: T


class _Refusal(msgspec.Struct):
    code: str
    msg: str | None = None


class _Listing(msgspec.Struct, gc=False, rename="camel"):
    symbol: str
    base_coin: str = ""
    quote_coin: str = ""
    type: str = ""
    status: str = ""
    symbol_type: str = "crypto"
    is_rwa: str = "NO"
    fund_interval: _Interval | Blank | None = None


class _Settlement(msgspec.Struct, gc=False, rename="camel"):
    funding_rate: Rate
    funding_rate_timestamp: Millis


class _Settlements(msgspec.Struct, rename="camel"):
    result_list: list[_Settlement] | None = None


class _Candle(msgspec.Struct, array_like=True, gc=False):
    open_ms: Millis
    open: Positive
    high: Positive
    low: Positive
    close: Positive


_REFUSAL: Final = msgspec.json.Decoder(_Refusal, strict=False)
_LISTINGS: Final = msgspec.json.Decoder(_Answer[list[_Listing]], strict=False)
_SETTLEMENTS: Final = msgspec.json.Decoder(_Answer[_Settlements], strict=False)
_CANDLES: Final = msgspec.json.Decoder(_Answer[list[_Candle]], strict=False)


def _data(decoder: msgspec.json.Decoder[_Answer[T]], body: bytes) -> T:
    refusal = read_body(_REFUSAL, body)
    if refusal.code != "00000":
        raise VenueRefused(f"{refusal.code}: {(refusal.msg or '')[:200]}")
    return read_body(decoder, body).data


def polls(_instruments: Sequence[Instrument]) -> list[Poll]:
    """Return none: the stream has everything."""
    return []


def assume(symbol: str) -> Instrument | None:
    """Return the linear perpetual of a symbol: quantities are in coin, so its name says it all."""
    for ending, quote in (("USDT", "USDT"), ("PERP", "USDC")):
        if symbol.endswith(ending) and symbol != ending:
            return implied(venue=NAME, symbol=symbol, base=symbol.removesuffix(ending), quote=quote)
    return None


def discover() -> Conversation[Universe]:
    """Ask for trading perpetuals of coins, settled in USDT and in USDC."""
    universe = Universe()
    for quote, category in CATEGORIES.items():
        body = yield RestRequest(path="/api/v3/market/instruments", params={"category": category})
        for item in _data(_LISTINGS, body):
            if item.quote_coin == quote and _is_ours(item):
                universe.add(
                    venue=NAME,
                    symbol=item.symbol,
                    base=item.base_coin,
                    quote=quote,
                    interval_ns=(item.fund_interval or 0) * HOUR_NS,
                )
    return universe


def _is_ours(item: _Listing) -> bool:
    coin = item.symbol_type == "crypto" and item.is_rwa != "YES"
    return coin and item.type == "perpetual" and item.status in TRADING


def history(instrument: Instrument, from_ns: int, to_ns: int, out: RowBuffer) -> Conversation[None]:
    """Ask for settled funding and hourly mark and index of a span."""
    fill = Backfill(instrument, from_ns, to_ns)
    what = {"category": CATEGORIES[instrument.quote], "symbol": instrument.symbol}
    fill.settlements((yield from _settlements(fill, what)))
    marks = yield from _closes(fill, what, "mark")
    indices = yield from _closes(fill, what, "index")
    fill.hourly_closes(marks, indices)
    fill.write(out)


def _settlements(
    fill: Backfill, what: dict[str, str]
) -> Generator[RestRequest, bytes, dict[int, float]]:
    """Turn pages until a day before the span, so that its first settlement has one before it."""
    rates: dict[int, float] = {}
    for number in range(1, SETTLEMENT_PAGES + 1):
        body = yield RestRequest(
            path="/api/v3/market/history-fund-rate",
            params={**what, "limit": str(SETTLEMENTS_PER_PAGE), "cursor": str(number)},
        )
        page = _data(_SETTLEMENTS, body).result_list or []
        known = len(rates)
        rates.update((item.funding_rate_timestamp, item.funding_rate) for item in page)
        if len(rates) == known or min(rates) < fill.from_ms - DAY_MS:
            break
    return rates


def _closes(
    fill: Backfill, what: dict[str, str], kind: str
) -> Generator[RestRequest, bytes, dict[int, float]]:
    """Page back through hourly candles until one begins before the span; return closes by start."""
    closes: dict[int, float] = {}
    before_ms = fill.to_ms
    for _ in range(MAX_PAGES):
        hours = -(-(before_ms - fill.from_ms) // HOUR_MS) + 1
        body = yield RestRequest(
            path="/api/v3/market/candles",
            params={
                **what,
                "type": kind,
                "interval": "1H",
                "endTime": str(before_ms),
                "limit": str(min(hours, CANDLES_PER_PAGE)),
            },
        )
        page = _data(_CANDLES, body)
        closes.update((candle.open_ms, candle.close) for candle in page)
        oldest_ms = min((candle.open_ms for candle in page), default=before_ms)
        if oldest_ms >= before_ms or oldest_ms + HOUR_MS <= fill.from_ms:
            break
        before_ms = oldest_ms
    return closes
