"""Bitfinex derivatives over REST: contracts and history.

Facts as of 2026-08, from https://docs.bitfinex.com/reference (configs, derivatives status history):

- ``pub:list:pair:futures`` lists pairs, and ``pub:map:currency:sym`` what the coins among them are called
  elsewhere. Indices, metals and currencies are listed as coins are.
- The history of a contract is one row each minute, as the stream's status is, 5000 rows at most. It has mark,
  spot price, open interest and funding, so one pass gives all.
- The rate that a row gives is paid at the time that it gives.
- Refusals are arrays that begin with "error".
"""

import re
from collections.abc import Generator, Sequence
from typing import Any, Final

import msgspec

from service.venue import (
    Conversation,
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
    MAX_PAGES,
    NAN,
    Millis,
    NotNegative,
    Positive,
    Rate,
    read_body,
)
from streams.events import RowBuffer
from streams.instruments import Instrument

NAME: Final = "bitfinex"

#: What pairs end with, and what that quote is called elsewhere.
ENDING, QUOTE = "F0:USTF0", "USDT"
INTERVAL_MS: Final = 8 * HOUR_MS
#: What is listed among the coins and is none: currencies, metals, indices.
NO_COINS: Final = frozenset({"EUR", "GBP", "JPY", "XAG", "XAU", "XPD", "XPT", "BTCDOM"})
_INDEX: Final = re.compile(r"[A-Z]+[0-9]+IX")
_PER_PAGE: Final = 5000
_STEP_MS: Final = 300_000
#: A month, as of the other venues.
HISTORY_DAYS: Final = 30


class Status(msgspec.Struct, array_like=True, gc=False):
    """A contract's levels, of the stream as of the history. None is what the venue leaves empty."""

    at_ms: Millis
    _1: Any = None
    middle: NotNegative | None = None  # of the contract's book
    spot_price: NotNegative | None = None
    _4: Any = None
    _insurance: Any = None
    _6: Any = None
    next_ms: Millis | None = None
    _accrued: Any = None
    _step: Any = None
    _10: Any = None
    rate: Rate | None = None
    _12: Any = None
    _13: Any = None
    mark_price: Positive | None = None
    _15: Any = None
    _16: Any = None
    open_interest: NotNegative | None = None


_NAMES: Final = msgspec.json.Decoder(tuple[list[str], list[tuple[str, str]]])
_STATUSES: Final = msgspec.json.Decoder(list[Status], strict=False)


def _accepted(body: bytes) -> bytes:
    """Return a body that is no refusal."""
    if body.lstrip().startswith(b'["error"'):
        raise VenueRefused(body[:200].decode(errors="replace"))
    return body


def polls(_instruments: Sequence[Instrument]) -> list[Poll]:
    """Return none: the stream has everything."""
    return []


def _base(pair: str) -> str:
    """Return the venue's name of a pair's coin, blank if it is no perpetual of one.

    >>> (
    ...     _base("BTCF0:USTF0"),
    ...     _base("ETHF0:BTCF0"),
    ...     _base("EUROPE50IXF0:USTF0"),
    ...     _base("XAGF0:USTF0"),
    ... )
    ('BTC', '', '', '')
    """
    base = pair.removesuffix(ENDING)
    if base == pair or base in NO_COINS or _INDEX.fullmatch(base):
        return ""
    return base


def assume(symbol: str) -> Instrument | None:
    """Return the perpetual of a symbol: quantities are in coin, so its name says it all."""
    base = _base(symbol.removeprefix("t")) if symbol.startswith("t") else ""
    if not base:
        return None
    return implied(venue=NAME, symbol=symbol, base=base, quote=QUOTE, interval_ns=8 * HOUR_NS)


def discover() -> Conversation[Universe]:
    """Ask for the perpetuals of coins against Tether, and what their coins are called elsewhere."""
    body = yield RestRequest(path="/v2/conf/pub:list:pair:futures,pub:map:currency:sym")
    pairs, names = read_body(_NAMES, _accepted(body))
    known = dict(names)
    universe = Universe()
    for pair in pairs:
        base = _base(pair)
        if base:
            universe.add(
                venue=NAME,
                symbol=f"t{pair}",
                base=known.get(base, base),
                quote=QUOTE,
                interval_ns=8 * HOUR_NS,
            )
    return universe


def history(instrument: Instrument, from_ns: int, to_ns: int, out: RowBuffer) -> Conversation[None]:
    """Ask for the minutes of a span; write 5-minute open interest, funding, and hourly mark and index."""
    fill = Backfill(instrument, from_ns, to_ns)
    rates: dict[int, float] = {}
    marks: dict[int, float] = {}
    indices: dict[int, float] = {}
    sampled_ms = 0
    for status in (yield from _minutes(fill, instrument.symbol)):
        hour_ms = status.at_ms // HOUR_MS * HOUR_MS
        if status.mark_price is not None:
            marks[hour_ms] = status.mark_price
        if status.spot_price:
            indices[hour_ms] = status.spot_price
        if (
            status.rate is not None
            and status.next_ms is not None
            and (0 < status.next_ms - status.at_ms <= INTERVAL_MS)
        ):
            rates[status.next_ms] = status.rate
        if status.open_interest is not None and status.at_ms // _STEP_MS > sampled_ms // _STEP_MS:
            sampled_ms = status.at_ms
            _sample(fill, status, status.open_interest)
    fill.settlements(rates, every_ns=8 * HOUR_NS)
    fill.hourly_closes(marks, indices)
    fill.write(out)


def _sample(fill: Backfill, status: Status, size: float) -> None:
    c = fill.contract
    mark = status.mark_price / c.unit if status.mark_price else NAN
    coin, usd = c.amounts(size, mark)
    fill.open_interest(status.at_ms, coin=coin, notional_usd=usd, mark_price=mark)


def _minutes(fill: Backfill, symbol: str) -> Generator[RestRequest, bytes, list[Status]]:
    """Page forward from the span's beginning, or a month before its end; return rows by time."""
    found: list[Status] = []
    start_ms = max(fill.from_ms, fill.to_ms - HISTORY_DAYS * DAY_MS)
    for _ in range(MAX_PAGES):
        body = yield RestRequest(
            path=f"/v2/status/deriv/{symbol}/hist",
            params={
                "start": str(start_ms),
                "end": str(fill.to_ms - 1),
                "sort": "1",
                "limit": str(_PER_PAGE),
            },
        )
        page = read_body(_STATUSES, _accepted(body))
        found += page
        newest_ms = max((status.at_ms for status in page), default=0)
        if len(page) < _PER_PAGE or newest_ms < start_ms:
            break
        start_ms = newest_ms + 1
    return sorted(found, key=lambda status: status.at_ms)
