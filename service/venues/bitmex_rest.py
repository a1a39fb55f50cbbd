"""BitMEX over REST: contracts and settled funding; and its times, which are text.

Facts as of 2026-07, from https://www.bitmex.com/api/explorer and https://www.bitmex.com/app/perpetualContractsGuide:

- ``instrument/active`` lists everything that trades. ``FFWCSX`` are perpetuals of coins.
- A linear contract is one `underlyingToPositionMultiplier`-th of a coin, and `multiplier` over
  `quoteToSettleMultiplier` says the same. An inverse one is `multiplier` over `underlyingToSettleMultiplier`
  USD. The value of a quanto contract depends on the price of bitcoin: it is no number of coins.
- ``fundingInterval`` is a time of day on 2000-01-01: 08:00 means each eight hours.
- Without a key thirty requests a minute are allowed.
- There is no history of open interest, and candles are of trades, so neither of them is asked for.
"""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Final, TypeVar

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
    HOUR_NS,
    MAX_MS,
    MAX_PAGES,
    MIN_MS,
    NS_PER_MS,
    Rate,
    read_body,
)
from streams.events import RowBuffer
from streams.instruments import Instrument

NAME: Final = "bitmex"

T = TypeVar("T")

#: A time with its zone; one without would be somebody's local time.
Moment = Annotated[dt.datetime, msgspec.Meta(tz=True)]

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_INTERVALS_FROM: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)
_NS_PER_MICROSECOND: Final = 1000
_SETTLEMENTS_PER_PAGE: Final = 500
#: Coins or USD a contract. Exact ratios are made of it: 1e999999999 would take all memory.
_SMALLEST_SIZE: Final = Decimal("1e-12")
_LARGEST_SIZE: Final = Decimal("1e12")
#: What a base may begin with if it is quoted by the hundred or so.
_DIGITS: Final = "0123456789"


class _Error(msgspec.Struct):
    message: str = ""
    name: str = ""


class _Refusal(msgspec.Struct):
    error: _Error


class _Listing(msgspec.Struct, gc=False, rename="camel"):
    symbol: str
    state: str = ""
    typ: str = ""
    underlying: str = ""
    quote_currency: str = ""
    is_quanto: bool = False
    is_inverse: bool = False
    multiplier: Decimal | None = None
    underlying_to_position_multiplier: Decimal | None = None
    underlying_to_settle_multiplier: Decimal | None = None
    quote_to_settle_multiplier: Decimal | None = None
    funding_interval: Moment | None = None


class _Settlement(msgspec.Struct, gc=False, rename="camel"):
    timestamp: Moment
    funding_rate: Rate


_REFUSAL: Final = msgspec.json.Decoder(_Refusal)
_LISTINGS: Final = msgspec.json.Decoder(list[_Listing])
_SETTLEMENTS: Final = msgspec.json.Decoder(list[_Settlement])


def nanoseconds(moment: dt.datetime) -> int:
    """Return a time as ns since 1970, exactly.

    Raises:
        MalformedFrame: it is not within what times may be.
    """
    ns = (moment - _EPOCH) // _MICROSECOND * _NS_PER_MICROSECOND
    if not MIN_MS * NS_PER_MS <= ns < MAX_MS * NS_PER_MS:
        raise MalformedFrame("range", f"time {moment}")
    return ns


def interval_ns(moment: dt.datetime) -> int:
    """Return the interval that a time of 2000-01-01 stands for.

    Raises:
        MalformedFrame: it is none of up to a day.
    """
    ns = (moment - _INTERVALS_FROM) // _MICROSECOND * _NS_PER_MICROSECOND
    if not 0 < ns <= 24 * HOUR_NS:
        raise MalformedFrame("range", f"interval {moment}")
    return ns


def _read(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Return a body. Answers have no envelope here, so a refusal shows in what cannot be read."""
    try:
        return read_body(decoder, body)
    except MalformedFrame as malformed:
        try:
            refusal = read_body(_REFUSAL, body)
        except MalformedFrame:
            raise malformed from None
        raise VenueRefused(f"{refusal.error.name}: {refusal.error.message[:200]}") from None


def polls(_instruments: Sequence[Instrument]) -> list[Poll]:
    """Return none: the stream has everything."""
    return []


def assume(symbol: str) -> Instrument | None:
    """Return the one contract whose size everybody knows; those of others are in no symbol."""
    if symbol != "XBTUSD":
        return None
    return implied(venue=NAME, symbol=symbol, base="XBT", quote="USD", contract_type="inverse")


def discover() -> Conversation[Universe]:
    """Ask for open perpetuals of coins: inverse ones against USD, linear ones against USDT or USDC."""
    body = yield RestRequest(path="/api/v1/instrument/active")
    universe = Universe()
    for item in _read(_LISTINGS, body):
        if (item.typ, item.state) == ("FFWCSX", "Open") and (
            item.quote_currency in {"USD", "USDT", "USDC"}
        ):
            _list(item, universe)
    return universe


def _list(item: _Listing, universe: Universe) -> None:
    """Add a perpetual, or the reason why it cannot be converted."""
    size = _contract_size(item)
    if item.is_quanto:
        reason = "a quanto contract: what it is worth in its coin depends on the price of bitcoin"
    elif size is None:
        reason = "its multipliers are no size, or contradict each other"
    elif item.symbol != item.underlying + item.quote_currency or _is_scaled(item.underlying):
        reason = f"a unit of {item.underlying!r} may be more than one coin"
    else:
        universe.add(
            venue=NAME,
            symbol=item.symbol,
            base=item.underlying,
            quote=item.quote_currency,
            interval_ns=0 if item.funding_interval is None else interval_ns(item.funding_interval),
            contract_type="inverse" if item.is_inverse else "linear",
            contract_size=str(size),
        )
        return
    universe.unmapped[item.symbol] = reason


def _is_scaled(base: str) -> bool:
    """Say whether a base is by the hundred, as 100BONK is: no other venue writes that, so no table has it."""
    return base.startswith("100") and base[3:4] not in _DIGITS


def _contract_size(item: _Listing) -> Decimal | None:
    """Return coins a contract, USD of inverse ones; None if the listing does not say, or nothing sensible."""
    try:
        if item.is_inverse:
            size = _ratio(item.multiplier, item.underlying_to_settle_multiplier)
        else:
            size = _ratio(Decimal(1), item.underlying_to_position_multiplier)
            if size != _ratio(item.multiplier, item.quote_to_settle_multiplier):
                return None
        sensible = size is not None and _SMALLEST_SIZE <= size <= _LARGEST_SIZE
    except ArithmeticError:  # a comparison with a NaN is one
        return None
    return size if sensible else None


def _ratio(over: Decimal | None, under: Decimal | None) -> Decimal | None:
    return None if over is None or under is None else over / under


def history(instrument: Instrument, from_ns: int, to_ns: int, out: RowBuffer) -> Conversation[None]:
    """Ask for settled funding of a span; the venue keeps nothing else of ours."""
    fill = Backfill(instrument, from_ns, to_ns)
    rates: dict[int, float] = {}
    # From a day earlier, so that the first settlement of the span has one before it.
    since_ms = fill.from_ms - DAY_MS
    for _ in range(MAX_PAGES):
        body = yield RestRequest(
            path="/api/v1/funding",
            params={
                "symbol": instrument.symbol,
                "startTime": _text(since_ms),
                "endTime": _text(fill.to_ms - 1),
                "count": str(_SETTLEMENTS_PER_PAGE),
                "reverse": "false",
            },
        )
        page = {
            nanoseconds(item.timestamp) // NS_PER_MS: item.funding_rate
            for item in _read(_SETTLEMENTS, body)
        }
        rates |= page
        newest_ms = max(page, default=0)
        if len(page) < _SETTLEMENTS_PER_PAGE or newest_ms < since_ms:
            break
        since_ms = newest_ms + 1
    fill.settlements(rates)
    fill.write(out)


def _text(at_ms: int) -> str:
    moment = _EPOCH + dt.timedelta(milliseconds=at_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
