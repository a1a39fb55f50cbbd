"""OKX v5 over REST: what is listed, and the history of swaps.

Facts as of 2026-09, from https://www.okx.com/docs-v5/en/#public-data-rest-api and
https://www.okx.com/docs-v5/en/#trading-statistics-rest-api:

- Lists come newest first; the next page is asked for with the time of the oldest row so far.
- Open interest history holds the latest 1,440 samples, which is five days of 5 minutes.
- `realizedRate` is what was paid; older rows may lack it.
- `instCategory` is what sort of thing the base is; 1 are coins. Older listings have none.
- Everything else is in the stream, so there are no polls.
"""

from collections.abc import Callable, Generator, Sequence
from decimal import Decimal
from typing import Final, Generic, TypeVar

import msgspec

from service.venue import Conversation, Poll, RestRequest, Universe, VenueRefused
from service.venues.backfill import Backfill
from service.venues.decode import (
    DAY_MS,
    HOUR_MS,
    MAX_PAGES,
    NAN,
    Blank,
    Millis,
    NotNegative,
    Positive,
    Rate,
    read_body,
)
from streams.events import RowBuffer
from streams.instruments import Instrument

T = TypeVar("T")

#: Each path has its own limit, the smallest 10 requests in 2 s. Of 600 a minute that is a weight of 2.
_WEIGHT: Final = 2
_PER_PAGE: Final = 100
#: Coins or USD a contract. Exact ratios are made of it: 1e999999999 would take all memory.
_SMALLEST_SIZE: Final = Decimal("1e-12")
_LARGEST_SIZE: Final = Decimal("1e12")


class _Answer(msgspec.Struct, Generic[T]):
    code: str
    data: list[T]
    msg: str = ""


class _Refusal(msgspec.Struct):
    code: str = "0"
    msg: str = ""


class _Listing(msgspec.Struct, gc=False, rename="camel"):
    inst_id: str
    inst_family: str = ""
    state: str = ""
    ct_type: str = ""
    ct_val: str = ""
    ct_mult: str = "1"
    ct_val_ccy: str = ""
    settle_ccy: str = ""
    base_ccy: str = ""
    quote_ccy: str = ""
    inst_category: str = ""


class _OpenInterestSample(msgspec.Struct, array_like=True, gc=False):
    ts: Millis
    oi: NotNegative
    oi_ccy: NotNegative
    oi_usd: NotNegative


class _Settlement(msgspec.Struct, gc=False, rename="camel"):
    funding_time: Millis
    funding_rate: Rate | Blank = ""
    realized_rate: Rate | Blank = ""


class _Candle(msgspec.Struct, array_like=True, gc=False):
    ts: Millis
    open: Positive
    high: Positive
    low: Positive
    close: Positive
    confirm: str = "1"


_REFUSAL: Final = msgspec.json.Decoder(_Refusal, strict=False)
_LISTINGS: Final = msgspec.json.Decoder(_Answer[_Listing], strict=False)
_SAMPLES: Final = msgspec.json.Decoder(_Answer[_OpenInterestSample], strict=False)
_SETTLEMENTS: Final = msgspec.json.Decoder(_Answer[_Settlement], strict=False)
_CANDLES: Final = msgspec.json.Decoder(_Answer[_Candle], strict=False)


def _data(decoder: msgspec.json.Decoder[_Answer[T]], body: bytes) -> list[T]:
    refusal = read_body(_REFUSAL, body)
    if refusal.code != "0":
        raise VenueRefused(f"{refusal.code}: {refusal.msg[:200]}")
    return read_body(decoder, body).data


def index_of(symbol: str) -> str:
    """Return the index of a swap.

    >>> index_of("BTC-USDT-SWAP")
    'BTC-USDT'
    """
    return symbol.removesuffix("-SWAP")


def no_polls(_instruments: Sequence[Instrument]) -> list[Poll]:
    """Return none: the stream has everything."""
    return []


#: What spot pairs we follow are quoted in.
SPOT_QUOTES: Final = frozenset({"USD", "USDT", "USDC"})
#: Values of `instCategory` that mark coins.
COINS: Final = frozenset({"", "1"})


def swaps(venue: str) -> Conversation[Universe]:
    """Ask for live swaps: linear ones settled in USDT or USDC, and inverse ones against USD."""
    universe = Universe()
    for item in (yield from _listings("SWAP")):
        _list(venue, item, universe)
    return universe


def pairs(venue: str) -> Conversation[Universe]:
    """Ask for live spot pairs quoted in `SPOT_QUOTES`."""
    universe = Universe()
    for item in (yield from _listings("SPOT")):
        if item.quote_ccy in SPOT_QUOTES:
            universe.add(
                venue=venue, symbol=item.inst_id, base=item.base_ccy, quote=item.quote_ccy,
                market="spot",
            )  # fmt: skip
    return universe


def _listings(kind: str) -> Generator[RestRequest, bytes, list[_Listing]]:
    """Ask for what is live of a kind and of coins."""
    body = yield RestRequest(
        path="/api/v5/public/instruments", params={"instType": kind}, weight=_WEIGHT
    )
    return [
        item
        for item in _data(_LISTINGS, body)
        if item.state == "live" and item.inst_category in COINS
    ]


def _list(venue: str, item: _Listing, universe: Universe) -> None:
    """Add a listing, unless its contract is of no kind we convert."""
    base = item.inst_family.partition("-")[0]
    linear = item.ct_type == "linear" and item.settle_ccy in {"USDT", "USDC"}
    quote = item.settle_ccy if linear else "USD"
    inverse = item.ct_type == "inverse" and item.settle_ccy == base
    if not (linear or inverse) or item.inst_id != f"{base}-{quote}-SWAP":
        return
    if item.ct_val_ccy != (base if linear else "USD"):
        universe.unmapped[item.inst_id] = (
            f"a contract of {item.ct_val_ccy!r} is of neither its coin nor USD"
        )
        return
    universe.add(
        venue=venue,
        symbol=item.inst_id,
        base=base,
        quote=quote,
        contract_type="linear" if linear else "inverse",
        contract_size=_contract_size(item.ct_val, item.ct_mult),
    )


def _contract_size(value: str, multiplier: str) -> str:
    """Return the exact product, blank if one is no number or the product makes no sense."""
    try:
        size = Decimal(value) * Decimal(multiplier)
        return str(size) if _SMALLEST_SIZE <= size <= _LARGEST_SIZE else ""
    except ArithmeticError:
        return ""


def history(instrument: Instrument, from_ns: int, to_ns: int, out: RowBuffer) -> Conversation[None]:
    """Ask for 5-minute open interest, settled funding and hourly mark and index of a span."""
    fill = Backfill(instrument, from_ns, to_ns)
    symbol = instrument.symbol
    yield from _open_interest_history(fill, symbol)
    fill.settlements((yield from _settlements(fill, symbol)))
    marks = yield from _closes(fill, "/api/v5/market/history-mark-price-candles", symbol)
    indices = yield from _closes(fill, "/api/v5/market/history-index-candles", index_of(symbol))
    fill.hourly_closes(marks, indices)
    fill.write(out)


def _back(
    decoder: msgspec.json.Decoder[_Answer[T]],
    request: Callable[[str], RestRequest],
    time_of: Callable[[T], int],
    *,
    from_ms: int,
    to_ms: int,
) -> Generator[RestRequest, bytes, list[T]]:
    """Page from `to_ms` back to `from_ms`: until a page is empty or does not lead further back."""
    found: list[T] = []
    before_ms = to_ms
    for _ in range(MAX_PAGES):
        page = _data(decoder, (yield request(str(before_ms))))
        found += page
        oldest_ms = min(map(time_of, page), default=before_ms)
        if oldest_ms >= before_ms or oldest_ms <= from_ms:
            break
        before_ms = oldest_ms
    return found


def _request(path: str, cursor: str, **params: str) -> Callable[[str], RestRequest]:
    """Return how to ask for the page before a time."""
    return lambda before: RestRequest(
        path=path, params={**params, cursor: before, "limit": str(_PER_PAGE)}, weight=_WEIGHT
    )


def _open_interest_history(fill: Backfill, symbol: str) -> Generator[RestRequest, bytes, None]:
    samples = yield from _back(
        _SAMPLES,
        _request(
            "/api/v5/rubik/stat/contracts/open-interest-history", "end", instId=symbol, period="5m"
        ),
        lambda sample: sample.ts,
        from_ms=fill.from_ms,
        to_ms=fill.to_ms,
    )
    c = fill.contract
    for sample in samples:
        coin, usd = sample.oi_ccy * c.unit, sample.oi_usd
        if c.inverse:
            usd = c.amounts(sample.oi, NAN)[1]
        mark = usd / coin if coin else NAN
        fill.open_interest(sample.ts, coin=coin, notional_usd=usd, mark_price=mark)


def _settlements(fill: Backfill, symbol: str) -> Generator[RestRequest, bytes, dict[int, float]]:
    """Ask from a day earlier, so that the first settlement of the span has one before it."""
    found = yield from _back(
        _SETTLEMENTS,
        _request("/api/v5/public/funding-rate-history", "after", instId=symbol),
        lambda item: item.funding_time,
        from_ms=fill.from_ms - DAY_MS,
        to_ms=fill.to_ms,
    )
    rates: dict[int, float] = {}
    for item in found:
        rate = item.funding_rate if item.realized_rate == "" else item.realized_rate
        if rate != "":
            rates[item.funding_time] = rate
    return rates


def _closes(
    fill: Backfill, path: str, inst_id: str
) -> Generator[RestRequest, bytes, dict[int, float]]:
    """Ask for the finished hourly candles that end within the span; return closes by start."""
    candles = yield from _back(
        _CANDLES,
        _request(path, "after", instId=inst_id, bar="1H"),
        lambda candle: candle.ts,
        from_ms=fill.from_ms - HOUR_MS,
        to_ms=fill.to_ms,
    )
    return {candle.ts: candle.close for candle in candles if candle.confirm == "1"}
