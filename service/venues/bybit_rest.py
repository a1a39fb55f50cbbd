"""Bybit v5 over REST: what is listed in each category, and the history of contracts.

Facts as of 2026-10, from https://bybit-exchange.github.io/docs/v5/market:

- Lists come newest first. Times and numbers are strings. Spot comes on one page.
- `symbolType` tells listings apart that are no coins: those named in `NO_COINS` are passed over, ones that
  nobody here has heard of are reported.
- Open interest of history counts both sides, as that of the stream does, and the venue has not said since
  when. `singleOpenInterest` counts one; rows without it are halved and say so with UNIT_ASSUMED. Linear
  samples are coin without a USD value: the engine values them at its own mark. Inverse ones are USD; their
  coin is taken at the last hourly mark before, and they say so with UNIT_ASSUMED as well.
- ``funding/history`` refuses a start without an end.
- Everything else is in the stream, so there are no polls.
"""

import math
from collections.abc import Generator, Mapping, Sequence
from typing import Annotated, Final, Generic, TypeVar

import msgspec

from service.venue import Conversation, Poll, RestRequest, Universe, VenueRefused
from service.venues.backfill import Backfill
from service.venues.decode import (
    DAY_MS,
    HOUR_MS,
    HOUR_NS,
    MAX_PAGES,
    NAN,
    Blank,
    Millis,
    NotNegative,
    Positive,
    Rate,
    read_body,
)
from streams.events import Flag, RowBuffer
from streams.instruments import ContractType, Instrument

T = TypeVar("T")

Minutes = Annotated[int, msgspec.Meta(ge=0, le=1440)]


class _Page(msgspec.Struct, Generic[T], rename={"rows": "list", "next_cursor": "nextPageCursor"}):
    rows: list[T] = []
    next_cursor: str | None = None


class _Answer(msgspec.Struct, Generic[T], rename={"code": "retCode", "message": "retMsg"}):
    code: int
    result: _Page[T]
    message: str = ""


class _Refusal(msgspec.Struct, rename={"code": "retCode", "message": "retMsg"}):
    code: int = 0
    message: str = ""


class _Listing(msgspec.Struct, gc=False, rename="camel"):
    symbol: str
    contract_type: str = ""
    status: str = ""
    base_coin: str = ""
    quote_coin: str = ""
    settle_coin: str = ""
    symbol_type: str = ""
    funding_interval: Minutes | Blank | None = None


class _OpenInterestSample(msgspec.Struct, gc=False, rename="camel"):
    timestamp: Millis
    open_interest: NotNegative
    single_open_interest: NotNegative | Blank | None = None


class _Settlement(msgspec.Struct, gc=False, rename="camel"):
    funding_rate: Rate
    funding_rate_timestamp: Millis


class _Candle(msgspec.Struct, array_like=True, gc=False):
    open_ms: Millis
    open: Positive
    high: Positive
    low: Positive
    close: Positive


_REFUSAL: Final = msgspec.json.Decoder(_Refusal, strict=False)
_LISTINGS: Final = msgspec.json.Decoder(_Answer[_Listing], strict=False)
_SAMPLES: Final = msgspec.json.Decoder(_Answer[_OpenInterestSample], strict=False)
_SETTLEMENTS: Final = msgspec.json.Decoder(_Answer[_Settlement], strict=False)
_CANDLES: Final = msgspec.json.Decoder(_Answer[_Candle], strict=False)

_CANDLES_PER_PAGE: Final = 1000
_SETTLEMENTS_PER_PAGE: Final = 200
#: `openInterest` is long plus short.
SIDES_COUNTED: Final = 2


def _page(decoder: msgspec.json.Decoder[_Answer[T]], body: bytes) -> _Page[T]:
    """Return the page of an answer. Refusals come with an empty result, so their code is read first."""
    refusal = read_body(_REFUSAL, body)
    if refusal.code:
        raise VenueRefused(f"{refusal.code}: {refusal.message[:200]}")
    return read_body(decoder, body).result


def _all_pages(
    decoder: msgspec.json.Decoder[_Answer[T]], path: str, params: dict[str, str]
) -> Generator[RestRequest, bytes, list[T]]:
    """Follow cursors until there is none, or the venue repeats one."""
    found: list[T] = []
    seen = {""}
    cursor = ""
    for _ in range(MAX_PAGES):
        asked = {**params, "cursor": cursor} if cursor else params
        page = _page(decoder, (yield RestRequest(path=path, params=asked)))
        found += page.rows
        cursor = page.next_cursor or ""
        if cursor in seen or not page.rows:
            break
        seen.add(cursor)
    return found


def no_polls(_instruments: Sequence[Instrument]) -> list[Poll]:
    """Return none: the stream has everything."""
    return []


#: Open interest is kept since listing; a month is what the others give, and 44 pages a contract.
OPEN_INTEREST_DAYS: Final = 30

#: What we follow is quoted in.
QUOTES: Final = {"linear": ("USDT", "USDC"), "inverse": ("USD",), "spot": ("USDT", "USDC", "USD")}
_PERPETUALS: Final = {"linear": "LinearPerpetual", "inverse": "InversePerpetual"}
#: Values of `symbolType` that mark coins, and ones that mark shares; most coins have none.
COINS: Final = frozenset({"", "innovation", "adventure"})
NO_COINS: Final = frozenset({"stock", "xstocks"})


def perpetuals(venue: str, category: ContractType) -> Conversation[Universe]:
    """Ask for the trading perpetuals of a category."""
    universe = Universe()
    for item in (yield from _listings(category)):
        if item.contract_type != _PERPETUALS[category] or not _is_ours(item, category, universe):
            continue
        if category == "inverse" and item.settle_coin != item.base_coin:
            universe.unmapped[item.symbol] = f"inverse, and settled in {item.settle_coin!r}"
            continue
        universe.add(
            venue=venue,
            symbol=item.symbol,
            base=item.base_coin,
            quote=item.quote_coin,
            interval_ns=(item.funding_interval or 0) * HOUR_NS // 60,
            contract_type=category,
        )
    return universe


def pairs(venue: str) -> Conversation[Universe]:
    """Ask for the trading pairs of the spot market."""
    universe = Universe()
    for item in (yield from _listings("spot")):
        if _is_ours(item, "spot", universe):
            universe.add(
                venue=venue, symbol=item.symbol, base=item.base_coin, quote=item.quote_coin,
                market="spot",
            )  # fmt: skip
    return universe


def _listings(category: str) -> Generator[RestRequest, bytes, list[_Listing]]:
    return _all_pages(
        _LISTINGS, "/v5/market/instruments-info", {"category": category, "limit": "1000"}
    )


def _is_ours(item: _Listing, category: str, universe: Universe) -> bool:
    """Say whether a listing trades, against dollars, and is of a coin. What it is of may be unknown."""
    if item.status != "Trading" or item.quote_coin not in QUOTES[category]:
        return False
    if item.symbol_type in COINS | NO_COINS:
        return item.symbol_type in COINS
    universe.unmapped[item.symbol] = f"is it a coin? The venue calls it {item.symbol_type!r}"
    return False


def history(instrument: Instrument, from_ns: int, to_ns: int, out: RowBuffer) -> Conversation[None]:
    """Ask for 5-minute open interest, settled funding and hourly mark and index of a span."""
    fill = Backfill(instrument, from_ns, to_ns)
    what = {"category": instrument.contract_type, "symbol": instrument.symbol}
    samples = yield from _open_interest(fill, what)
    fill.settlements((yield from _settlements(fill, what)))
    marks = yield from _closes(fill, "/v5/market/mark-price-kline", what)
    indices = yield from _closes(fill, "/v5/market/index-price-kline", what)
    for sample in samples:
        _add_open_interest(fill, sample, marks)
    fill.hourly_closes(marks, indices)
    fill.write(out)


def _open_interest(
    fill: Backfill, what: dict[str, str]
) -> Generator[RestRequest, bytes, list[_OpenInterestSample]]:
    since_ms = max(fill.from_ms, fill.to_ms - OPEN_INTEREST_DAYS * DAY_MS)
    span = {"startTime": str(since_ms), "endTime": str(fill.to_ms - 1)}
    return _all_pages(
        _SAMPLES,
        "/v5/market/open-interest",
        {**what, "intervalTime": "5min", "limit": "200", **span},
    )


def _add_open_interest(
    fill: Backfill, sample: _OpenInterestSample, marks: Mapping[int, float]
) -> None:
    """Add a sample: coin, or of an inverse contract USD, whose coin needs a mark and is left out without."""
    c = fill.contract
    size, flags, mark = sample.single_open_interest, 0, NAN
    if size is None or size == "":
        size, flags = sample.open_interest / SIDES_COUNTED, int(Flag.UNIT_ASSUMED)
    if c.inverse:
        flags = int(Flag.UNIT_ASSUMED)
        mark = marks.get(sample.timestamp // HOUR_MS * HOUR_MS - HOUR_MS, NAN) / c.unit
    coin, usd = c.amounts(size, mark)
    if not math.isnan(coin):
        fill.open_interest(
            sample.timestamp, coin=coin, notional_usd=usd, mark_price=mark, flags=flags
        )


def _settlements(
    fill: Backfill, what: dict[str, str]
) -> Generator[RestRequest, bytes, dict[int, float]]:
    """Ask from a day earlier, so that the first settlement of the span has one before it."""
    rates: dict[int, float] = {}
    since_ms, until_ms = fill.from_ms - DAY_MS, fill.to_ms - 1
    for _ in range(MAX_PAGES):
        body = yield RestRequest(
            path="/v5/market/funding/history",
            params={
                **what,
                "startTime": str(since_ms),
                "endTime": str(until_ms),
                "limit": str(_SETTLEMENTS_PER_PAGE),
            },
        )
        page = _page(_SETTLEMENTS, body).rows
        rates.update((item.funding_rate_timestamp, item.funding_rate) for item in page)
        oldest_ms = min((item.funding_rate_timestamp for item in page), default=0)
        if len(page) < _SETTLEMENTS_PER_PAGE or not since_ms < oldest_ms <= until_ms:
            break
        until_ms = oldest_ms - 1
    return rates


def _closes(
    fill: Backfill, path: str, what: dict[str, str]
) -> Generator[RestRequest, bytes, dict[int, float]]:
    """Ask for the hourly candles that end within the span or an hour before; return closes by start."""
    closes: dict[int, float] = {}
    page_ms = _CANDLES_PER_PAGE * HOUR_MS
    for start_ms in range(fill.from_ms - 2 * HOUR_MS, fill.to_ms, page_ms):
        params = {
            **what,
            "interval": "60",
            "start": str(start_ms),
            "end": str(min(start_ms + page_ms, fill.to_ms) - 1),
            "limit": str(_CANDLES_PER_PAGE),
        }
        body = yield RestRequest(path=path, params=params)
        page = _page(_CANDLES, body)
        closes.update((candle.open_ms, candle.close) for candle in page.rows)
    return closes
