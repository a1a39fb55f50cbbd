"""Kraken Futures over REST: contracts and history.

Facts as of 2026-07, from https://docs.kraken.com/api-reference (instruments, historical funding rates,
charts) and answers recorded from them:

- Listings name the coin (`base`, of late BTC and not XBT) and whether it is one (`tradfi`). Of linear
  contracts a unit is a coin, of inverse ones a dollar.
- ``historical-funding-rates`` gives about a year of hours at once, each with the time it began.
- ``analytics/open-interest`` gives candles of coin (USD for inverse contracts) whose times, in seconds, begin
  them. A page says whether there is `more`; one of price candles `more_candles`. The index is "spot".
"""

from collections.abc import Generator, Sequence
from decimal import Decimal
from typing import Annotated, Final

import msgspec

from service.venue import (
    Conversation,
    MalformedFrame,
    Poll,
    RestRequest,
    Universe,
    VenueRefused,
    implied,
)
from service.venues.backfill import Backfill
from service.venues.decode import (
    DAY_MS,
    HOUR_MS,
    HOUR_NS,
    MAX_MS,
    MAX_PAGES,
    MIN_MS,
    NAN,
    NS_PER_MS,
    Millis,
    NotNegative,
    Positive,
    Rate,
    read_body,
)
from service.venues.rfc3339 import nanoseconds
from streams.events import RowBuffer
from streams.instruments import Instrument

NAME: Final = "kraken_perp"

#: By the beginning of the symbol: what the venue calls the contract's type, and what we do.
KINDS: Final[dict[str, tuple[str, str]]] = {
    "PF_": ("flexible_futures", "linear"),
    "PI_": ("futures_inverse", "inverse"),
}
QUOTE: Final = "USD"
#: Contract sizes that make sense; a listing with another is not believed.
_SMALLEST_SIZE, _LARGEST_SIZE = Decimal("1e-12"), Decimal("1e12")
#: A month, as of the other venues.
OPEN_INTEREST_DAYS: Final = 30
_STEP_MS: Final = 300_000

_Seconds = Annotated[int, msgspec.Meta(ge=MIN_MS // 1000, lt=MAX_MS // 1000)]


class _Listing(msgspec.Struct, gc=False, rename="camel"):
    symbol: str
    type: str = ""
    base: str = ""
    quote: str = ""
    pair: str = ""
    tradeable: bool = False
    tradfi: bool = False
    is_expired: bool = False
    last_trading_time: str | None = None
    contract_size: msgspec.Raw = msgspec.Raw(b"1")


class _Listings(msgspec.Struct):
    instruments: list[_Listing] = []


class _Paid(msgspec.Struct, gc=False, rename="camel"):
    timestamp: str
    relative_funding_rate: Rate | None = None


class _Payments(msgspec.Struct):
    rates: list[_Paid] = []


class _Series(msgspec.Struct):
    timestamp: list[_Seconds]
    data: list[tuple[NotNegative, NotNegative, NotNegative, NotNegative]]
    more: bool = False


class _Analytics(msgspec.Struct):
    result: _Series


class _Candle(msgspec.Struct, gc=False):
    time: Millis
    close: Positive


class _Candles(msgspec.Struct):
    candles: list[_Candle] = []
    more_candles: bool = False


class _Complaint(msgspec.Struct, gc=False):
    msg: str = ""
    type: str = ""


class _Refusal(msgspec.Struct):
    """How either of the venue's two interfaces says no."""

    result: object = None
    error: str = ""
    errors: list[_Complaint] = []


_REFUSAL: Final = msgspec.json.Decoder(_Refusal, strict=False)
_LISTINGS: Final = msgspec.json.Decoder(_Listings, strict=False)
_PAYMENTS: Final = msgspec.json.Decoder(_Payments, strict=False)
_ANALYTICS: Final = msgspec.json.Decoder(_Analytics, strict=False)
_CANDLES: Final = msgspec.json.Decoder(_Candles, strict=False)


def _accepted(body: bytes) -> bytes:
    """Return a body that is no refusal."""
    refusal = read_body(_REFUSAL, body)
    if refusal.result == "error" or refusal.error:
        raise VenueRefused(refusal.error[:200])
    if refusal.errors:
        raise VenueRefused(f"{refusal.errors[0].type[:80]}: {refusal.errors[0].msg[:120]}")
    return body


def polls(_instruments: Sequence[Instrument]) -> list[Poll]:
    """Return none: the stream has everything."""
    return []


def assume(symbol: str) -> Instrument | None:
    """Return the perpetual of a symbol: a unit is a coin, or a dollar where the contract is inverse."""
    _, kind = KINDS.get(symbol[:3], ("", ""))
    base = symbol[3:].removesuffix(QUOTE)
    if not kind or not base or not symbol.endswith(QUOTE):
        return None
    return implied(
        venue=NAME, symbol=symbol, base=base, quote=QUOTE, contract_type=kind,
        interval_ns=HOUR_NS,
    )  # fmt: skip


def discover() -> Conversation[Universe]:
    """Ask for trading perpetuals of coins against USD, linear and inverse."""
    body = yield RestRequest(path="/derivatives/api/v3/instruments")
    universe = Universe()
    for item in read_body(_LISTINGS, _accepted(body)).instruments:
        type_, kind = KINDS.get(item.symbol[:3], ("", ""))
        base, _, quote = item.pair.partition(":")
        ours = item.type == type_ and item.tradeable and not item.is_expired
        if not ours or item.tradfi or item.last_trading_time or (item.quote or quote) != QUOTE:
            continue
        universe.add(
            venue=NAME,
            symbol=item.symbol,
            base=item.base or base,
            quote=QUOTE,
            interval_ns=HOUR_NS,
            contract_type=kind,
            contract_size=_contract_size(bytes(item.contract_size)),
        )
    return universe


def _contract_size(written: bytes) -> str:
    """Return the size as it was written, blank if it is no number or makes no sense."""
    text = written.decode(errors="replace").strip('"')
    try:
        return text if _SMALLEST_SIZE <= Decimal(text) <= _LARGEST_SIZE else ""
    except ArithmeticError:
        return ""


def history(instrument: Instrument, from_ns: int, to_ns: int, out: RowBuffer) -> Conversation[None]:
    """Ask for 5-minute open interest, hourly funding and hourly mark and index of a span."""
    fill = Backfill(instrument, from_ns, to_ns)
    yield from _open_interest(fill, instrument.symbol)
    yield from _payments(fill, instrument.symbol)
    marks = yield from _closes(fill, f"/api/charts/v1/mark/{instrument.symbol}/1h")
    indices = yield from _closes(fill, f"/api/charts/v1/spot/{instrument.symbol}/1h")
    fill.hourly_closes(marks, indices)
    fill.write(out)


def _open_interest(fill: Backfill, symbol: str) -> Generator[RestRequest, bytes, None]:
    c = fill.contract
    since_ms = max(fill.from_ms, fill.to_ms - OPEN_INTEREST_DAYS * DAY_MS) - _STEP_MS
    for _ in range(MAX_PAGES):
        body = yield RestRequest(
            path=f"/api/charts/v1/analytics/{symbol}/open-interest",
            params={
                "since": str(since_ms // 1000),
                "to": str(fill.to_ms // 1000),
                "interval": "300",
            },
        )
        page = read_body(_ANALYTICS, _accepted(body)).result
        if len(page.timestamp) != len(page.data):
            raise MalformedFrame("type", "times and values are not as many")
        for second, candle in zip(page.timestamp, page.data, strict=True):
            coin, usd = c.amounts(candle[3], NAN)
            fill.open_interest(second * 1000 + _STEP_MS, coin=coin, notional_usd=usd)
        newest_ms = max(page.timestamp, default=0) * 1000
        if not page.more or newest_ms < since_ms:
            break
        since_ms = newest_ms + _STEP_MS


def _payments(fill: Backfill, symbol: str) -> Generator[RestRequest, bytes, None]:
    """Add hours as settled at their end. A rate is of an hour, also after hours that are missing."""
    body = yield RestRequest(
        path="/derivatives/api/v3/historical-funding-rates", params={"symbol": symbol}
    )
    rates = {
        nanoseconds(item.timestamp) // NS_PER_MS + HOUR_MS: item.relative_funding_rate
        for item in read_body(_PAYMENTS, _accepted(body)).rates
        if item.relative_funding_rate is not None
    }
    fill.settlements(rates, every_ns=HOUR_NS)


def _closes(fill: Backfill, path: str) -> Generator[RestRequest, bytes, dict[int, float]]:
    """Ask for the hourly candles that end within the span; return closes by the candle's start."""
    closes: dict[int, float] = {}
    from_ms = fill.from_ms - HOUR_MS
    for _ in range(MAX_PAGES):
        params = {"from": str(from_ms // 1000), "to": str(fill.to_ms // 1000)}
        page = read_body(_CANDLES, _accepted((yield RestRequest(path=path, params=params))))
        closes.update((candle.time, candle.close) for candle in page.candles)
        newest_ms = max((candle.time for candle in page.candles), default=0)
        if not page.more_candles or newest_ms < from_ms:
            break
        from_ms = newest_ms + HOUR_MS
    return closes
