"""Gate's perpetual futures over REST v4: contracts and history.

Facts as of 2026-09, from https://www.gate.com/docs/developers/apiv4/en/#futures, and where it is silent as
answers of the venue showed in 2026-08 and 2026-09:

- Times are in seconds. Errors come with an HTTP status of their own.
- ``contracts``: a linear contract is `quanto_multiplier` coins. ``BTC_USD`` is inverse, its multiplier 0 and
  a contract one USD. The others settled in BTC are quantos: what they are worth in their own coin moves with
  BTC, so they are not converted. A `contract_type` names what is no coin. `funding_interval` is in seconds.
- ``contract_stats``: rows oldest first, `from` inclusive, at most 2,000 and a few more. A row is stamped at
  its start and holds the levels of its end. It is written early, and again when its time is over.
- ``funding_rate`` and ``candlesticks`` have `from` and `to`; the latter has the mark's and the index's
  candles under ``mark_`` and ``index_`` before the contract's name. Settlements are stamped up to a second
  late.
- All that is live is in the stream, so there are no polls.
"""

from collections.abc import Generator, Sequence
from decimal import Decimal
from typing import Annotated, Final

import msgspec

from service.venue import Conversation, Poll, RestRequest, Universe
from service.venues.backfill import Backfill
from service.venues.decode import (
    DAY_MS,
    HOUR_MS,
    MAX_MS,
    MAX_PAGES,
    MIN_MS,
    NAN,
    NotNegative,
    Positive,
    Rate,
    read_body,
)
from streams.events import RowBuffer
from streams.instruments import Instrument

NAME: Final = "gate"
NS_PER_S: Final = 1_000_000_000

#: Times that a frame or body may carry in seconds, 2015 to 2100.
Seconds = Annotated[int, msgspec.Meta(ge=MIN_MS // 1000, lt=MAX_MS // 1000)]
#: Time between two payments of funding in seconds; 0 is not said.
IntervalSeconds = Annotated[int, msgspec.Meta(ge=0, le=86_400)]

STATS_PER_PAGE: Final = 2000
STATS_STEP_S: Final = 300
SETTLEMENTS_PER_PAGE: Final = 1000
CANDLES_PER_PAGE: Final = 1000
LISTINGS_PER_PAGE: Final = 1000
#: Open interest goes back at least 60 days; a month is what the other venues give.
OPEN_INTEREST_DAYS: Final = 30
#: Coins a contract. Exact ratios are made of it: 1e999999999 would take all memory.
_SMALLEST_SIZE: Final = Decimal("1e-12")
_LARGEST_SIZE: Final = Decimal("1e12")


class _Listing(msgspec.Struct, gc=False):
    name: str
    type: str = ""
    quanto_multiplier: str = ""
    contract_type: str = ""
    status: str = "trading"
    funding_interval: IntervalSeconds = 0
    in_delisting: bool = False
    is_pre_market: bool = False


class _Stat(msgspec.Struct, gc=False):
    time: Seconds
    open_interest: NotNegative
    mark_price: NotNegative = 0.0


class _Settlement(msgspec.Struct, gc=False):
    t: Seconds
    r: Rate


class _Candle(msgspec.Struct, gc=False):
    t: Seconds
    c: Positive


_LISTINGS: Final = msgspec.json.Decoder(list[_Listing], strict=False)
_STATS: Final = msgspec.json.Decoder(list[_Stat], strict=False)
_SETTLEMENTS: Final = msgspec.json.Decoder(list[_Settlement], strict=False)
_CANDLES: Final = msgspec.json.Decoder(list[_Candle], strict=False)


def settle_of(instrument: Instrument) -> str:
    """Return the settlement coin as paths have it."""
    return "usdt" if instrument.contract_type == "linear" else "btc"


def polls(_instruments: Sequence[Instrument]) -> list[Poll]:
    """Return none: the stream has everything."""
    return []


def assume(symbol: str) -> Instrument | None:
    """Return None: quantities are in contracts, and their size is in no symbol."""
    del symbol
    return None


def discover() -> Conversation[Universe]:
    """Ask for trading perpetuals of coins: linear ones settled in USDT, and the inverse one of BTC."""
    universe = Universe()
    for settle in ("usdt", "btc"):
        for item in (yield from _listings(settle)).values():
            if item.status == "trading" and not (
                item.contract_type or item.in_delisting or item.is_pre_market
            ):
                _list(item, settle, universe)
    return universe


def _listings(settle: str) -> Generator[RestRequest, bytes, dict[str, _Listing]]:
    """Follow pages until one is not full, or brings nothing new."""
    found: dict[str, _Listing] = {}
    for number in range(MAX_PAGES):
        params = {"limit": str(LISTINGS_PER_PAGE), "offset": str(number * LISTINGS_PER_PAGE)}
        body = yield RestRequest(path=f"/api/v4/futures/{settle}/contracts", params=params)
        page, known = read_body(_LISTINGS, body), len(found)
        found.update((item.name, item) for item in page)
        if len(page) < LISTINGS_PER_PAGE or len(found) == known:
            break
    return found


def _list(item: _Listing, settle: str, universe: Universe) -> None:
    """Add a listing, unless its contract is of no kind we convert."""
    base, _, quote = item.name.partition("_")
    interval_ns = item.funding_interval * NS_PER_S
    if settle == "usdt" and quote == "USDT" and item.type == "direct":
        universe.add(
            venue=NAME, symbol=item.name, base=base, quote=quote, interval_ns=interval_ns,
            contract_size=_contract_size(item.quanto_multiplier),
        )  # fmt: skip
    elif settle == "btc" and item.name == "BTC_USD" and item.type == "inverse":
        universe.add(
            venue=NAME, symbol=item.name, base=base, quote="USD", interval_ns=interval_ns,
            contract_type="inverse", contract_size="1",
        )  # fmt: skip
    else:
        universe.unmapped[item.name] = (
            f"a {item.type or 'nameless'} contract against {quote or 'nothing'} settled in {settle}"
        )


def _contract_size(multiplier: str) -> str:
    """Return the multiplier, blank if it is no number or makes no sense."""
    try:
        size = Decimal(multiplier)
        return str(size) if _SMALLEST_SIZE <= size <= _LARGEST_SIZE else ""
    except ArithmeticError:
        return ""


def history(instrument: Instrument, from_ns: int, to_ns: int, out: RowBuffer) -> Conversation[None]:
    """Ask for 5-minute open interest, settled funding and hourly mark and index of a span."""
    fill = Backfill(instrument, from_ns, to_ns)
    path = f"/api/v4/futures/{settle_of(instrument)}"
    yield from _open_interest_history(fill, path, instrument.symbol)
    fill.settlements((yield from _settlements(fill, path, instrument.symbol)))
    marks = yield from _closes(fill, path, f"mark_{instrument.symbol}")
    indices = yield from _closes(fill, path, f"index_{instrument.symbol}")
    fill.hourly_closes(marks, indices)
    fill.write(out)


def _open_interest_history(
    fill: Backfill, path: str, symbol: str
) -> Generator[RestRequest, bytes, None]:
    c = fill.contract
    since_s = max(fill.from_ms, fill.to_ms - OPEN_INTEREST_DAYS * DAY_MS) // 1000 - STATS_STEP_S
    for _ in range(MAX_PAGES):
        params = {"contract": symbol, "interval": "5m", "from": str(since_s)}
        body = yield RestRequest(
            path=f"{path}/contract_stats", params={**params, "limit": str(STATS_PER_PAGE)}
        )
        page = read_body(_STATS, body)
        for stat in page:
            if stat.time >= since_s:
                mark = stat.mark_price / c.unit if stat.mark_price else NAN
                coin, usd = c.amounts(stat.open_interest, mark)
                end_ms = (stat.time + STATS_STEP_S) * 1000
                fill.open_interest(end_ms, coin=coin, notional_usd=usd, mark_price=mark)
        newest_s = max((stat.time for stat in page), default=0)
        if len(page) < STATS_PER_PAGE or newest_s < since_s or newest_s * 1000 >= fill.to_ms:
            break
        since_s = newest_s + 1


def _settlements(
    fill: Backfill, path: str, symbol: str
) -> Generator[RestRequest, bytes, dict[int, float]]:
    """Page back to a day before the span, so that its first settlement has one before it."""
    rates: dict[int, float] = {}
    since_s, until_s = (fill.from_ms - DAY_MS) // 1000, fill.to_ms // 1000
    for _ in range(MAX_PAGES):
        params = {"contract": symbol, "from": str(since_s), "to": str(until_s)}
        body = yield RestRequest(
            path=f"{path}/funding_rate", params={**params, "limit": str(SETTLEMENTS_PER_PAGE)}
        )
        page = read_body(_SETTLEMENTS, body)
        rates.update((item.t * 1000, item.r) for item in page)
        oldest_s = min((item.t for item in page), default=0)
        if len(page) < SETTLEMENTS_PER_PAGE or not since_s < oldest_s <= until_s:
            break
        until_s = oldest_s - 1
    return rates


def _closes(
    fill: Backfill, path: str, name: str
) -> Generator[RestRequest, bytes, dict[int, float]]:
    """Ask for the hourly candles that end within the span; return closes by the candle's start in ms."""
    closes: dict[int, float] = {}
    page_ms = CANDLES_PER_PAGE * HOUR_MS
    for start_ms in range(fill.from_ms - HOUR_MS, fill.to_ms, page_ms):
        end_ms = min(start_ms + page_ms, fill.to_ms) - 1
        params = {"contract": name, "interval": "1h", "from": str(-(-start_ms // 1000))}
        body = yield RestRequest(
            path=f"{path}/candlesticks", params={**params, "to": str(end_ms // 1000)}
        )
        closes.update((candle.t * 1000, candle.c) for candle in read_body(_CANDLES, body))
    return closes
