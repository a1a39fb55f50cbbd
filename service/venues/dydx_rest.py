"""dYdX v4's indexer over REST: contracts and history.

Facts as of 2026-09, from https://docs.dydx.xyz, Indexer HTTP:

- Times are ISO 8601 in UTC, numbers are strings, lists come newest first. An address has 100 requests in
  ten seconds.
- ``historicalFunding``: each hour's settled rate, with the oracle price it was paid on. As margin is
  reckoned at that price as well, it is the past of both mark and index.
- ``candles`` are of trades, and say how much was open when each began: coin, one side.
- Many markets are named after a pool of a decentralised exchange, ``NAME,POOL,ADDRESS-USD``; of those
  nobody here says which coin they are.
"""

from collections.abc import Generator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import msgspec

from service.venue import Conversation, MalformedFrame, Poll, RestRequest, Universe, implied
from service.venues.backfill import Backfill
from service.venues.decode import (
    HOUR_MS,
    HOUR_NS,
    MAX_MS,
    MAX_PAGES,
    MIN_MS,
    NAN,
    NS_PER_MS,
    NotNegative,
    Positive,
    Rate,
    read_body,
)
from streams.events import RowBuffer
from streams.instruments import Instrument

NAME: Final = "dydx"
QUOTE: Final = "USDC"  # prices are USD, margin and profit USDC
#: All markets pay at every full hour.
INTERVAL_NS: Final = HOUR_NS

_ENDING: Final = "-USD"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NS_PER_MICROSECOND: Final = 1000
_PER_PAGE: Final = 1000

#: A moment as the indexer writes it.
Moment = Annotated[str, msgspec.Meta(min_length=20, max_length=40)]


class _Market(msgspec.Struct, gc=False):
    status: str = ""


class _Markets(msgspec.Struct):
    markets: dict[str, _Market]


class _Candle(msgspec.Struct, gc=False, rename="camel"):
    started_at: Moment
    starting_open_interest: NotNegative


class _Candles(msgspec.Struct):
    candles: list[_Candle]


class _Settlement(msgspec.Struct, gc=False, rename="camel"):
    effective_at: Moment
    rate: Rate
    price: Positive | None = None


class _Settlements(msgspec.Struct, rename="camel"):
    historical_funding: list[_Settlement]


_MARKETS: Final = msgspec.json.Decoder(_Markets, strict=False)
_CANDLES: Final = msgspec.json.Decoder(_Candles, strict=False)
_SETTLEMENTS: Final = msgspec.json.Decoder(_Settlements, strict=False)


def moment_ns(text: str) -> int:
    """Return an ISO 8601 moment as nanoseconds, exact to the microsecond.

    Raises:
        MalformedFrame: it is none, says no zone, or is not of 2015 to 2100.

    >>> moment_ns("2024-08-22T23:59:58.855Z")
    1724371198855000000
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise MalformedFrame("type", f"no moment: {text[:40]}") from None
    if moment.tzinfo is None:
        raise MalformedFrame("type", f"no zone: {text[:40]}")
    at_ns = (moment - _EPOCH) // _MICROSECOND * _NS_PER_MICROSECOND
    if not MIN_MS * NS_PER_MS <= at_ns < MAX_MS * NS_PER_MS:
        raise MalformedFrame("range", text[:40])
    return at_ns


def _moment(at_ms: int) -> str:
    moment = _EPOCH + timedelta(milliseconds=at_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def polls(_instruments: Sequence[Instrument]) -> list[Poll]:
    """Return none: the stream has everything."""
    return []


def assume(symbol: str) -> Instrument | None:
    """Return the perpetual of a ticker: sizes are in coin, so its name says it all."""
    base = symbol.removesuffix(_ENDING)
    if base == symbol:
        return None
    return implied(venue=NAME, symbol=symbol, base=base, quote=QUOTE, interval_ns=INTERVAL_NS)


def discover() -> Conversation[Universe]:
    """Ask for active perpetuals. Sizes are in coin, whatever the size of an order's step."""
    body = yield RestRequest(path="/v4/perpetualMarkets")
    universe = Universe()
    for ticker, market in read_body(_MARKETS, body).markets.items():
        if market.status == "ACTIVE" and ticker.endswith(_ENDING):
            universe.add(
                venue=NAME, symbol=ticker, base=ticker.removesuffix(_ENDING), quote=QUOTE,
                interval_ns=INTERVAL_NS,
            )  # fmt: skip
    return universe


def history(instrument: Instrument, from_ns: int, to_ns: int, out: RowBuffer) -> Conversation[None]:
    """Ask for hourly open interest, settled funding and the oracle prices it was paid on."""
    fill = Backfill(instrument, from_ns, to_ns)
    yield from _open_interest(fill, instrument.symbol)
    settled = yield from _settlements(fill, instrument.symbol)
    rates = {at_ms: item.rate for at_ms, item in settled.items()}
    fill.settlements(rates, every_ns=INTERVAL_NS)
    # Closes are keyed by the start of their hour, and these are known at its end.
    prices = {at_ms - HOUR_MS: item.price for at_ms, item in settled.items() if item.price}
    fill.hourly_closes(prices, prices)
    fill.write(out)


def _open_interest(fill: Backfill, symbol: str) -> Generator[RestRequest, bytes, None]:
    until_ms = fill.to_ms
    for _ in range(MAX_PAGES):
        body = yield RestRequest(
            path=f"/v4/candles/perpetualMarkets/{symbol}",
            params={
                "resolution": "1HOUR",
                "fromISO": _moment(fill.from_ms),
                "toISO": _moment(until_ms),
                "limit": str(_PER_PAGE),
            },
        )
        samples = {
            moment_ns(candle.started_at) // NS_PER_MS: candle.starting_open_interest
            for candle in read_body(_CANDLES, body).candles
        }
        oldest_ms = min(samples, default=until_ms)
        for at_ms, size in samples.items():
            if at_ms < until_ms:
                coin, usd = fill.contract.amounts(size, NAN)
                fill.open_interest(at_ms, coin=coin, notional_usd=usd)
        if not fill.from_ms < oldest_ms < until_ms:
            break
        until_ms = oldest_ms


def _settlements(
    fill: Backfill, symbol: str
) -> Generator[RestRequest, bytes, dict[int, _Settlement]]:
    """Follow pages backward; settlements by their time in ms."""
    found: dict[int, _Settlement] = {}
    until_ms = fill.to_ms - 1
    for _ in range(MAX_PAGES):
        body = yield RestRequest(
            path=f"/v4/historicalFunding/{symbol}",
            params={"effectiveBeforeOrAt": _moment(until_ms), "limit": str(_PER_PAGE)},
        )
        page = {
            moment_ns(item.effective_at) // NS_PER_MS: item
            for item in read_body(_SETTLEMENTS, body).historical_funding
        }
        found.update(page)
        oldest_ms = min(page, default=0)
        if not fill.from_ms < oldest_ms <= until_ms:
            break
        until_ms = oldest_ms - 1
    return found
