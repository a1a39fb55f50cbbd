"""Binance USD-M futures over REST: contracts, polled open interest, history.

Facts as of 2026-10, from https://developers.binance.com/docs/derivatives/usds-margined-futures:

- Open interest is base coin, one side, without a price. Polled rows therefore have NaN for its USD value
  and mark; the engine values them at its own mark. The statistics do give USD, so their ratio is a mark.
- ``fundingInfo`` lists only contracts that differ from the default; absence means each 8 h.
- ``openInterestHist`` reaches back a month. Klines of the index are asked for by `pair`.
"""

from collections.abc import Generator, Iterator, Sequence
from functools import partial
from typing import Final, TypeVar

import msgspec

from service.venue import (
    Conversation,
    Gap,
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
    MAX_PAGES,
    NAN,
    NS_PER_MS,
    Blank,
    Contract,
    Hours,
    Millis,
    NotNegative,
    Positive,
    Rate,
    SequenceId,
    contract,
    read_body,
)
from streams.events import Channel, Kind, RowBuffer, Side
from streams.instruments import Instrument

NAME: Final = "binance_usdm"

T = TypeVar("T")

#: Of `SPEC.rest_weight_per_minute`, what polling open interest may take.
OPEN_INTEREST_WEIGHT_PER_MINUTE: Final = 1200
OPEN_INTEREST_EVERY_S: Final = 5.0


class _OpenInterest(msgspec.Struct, gc=False, rename="camel"):
    symbol: str
    open_interest: NotNegative
    time: Millis


class _Trade(
    msgspec.Struct,
    gc=False,
    rename={
        "number": "a",
        "price": "p",
        "quantity": "q",
        "traded_ms": "T",
        "buyer_is_maker": "m",
    },
):
    number: SequenceId
    price: Positive
    quantity: Positive
    traded_ms: Millis
    buyer_is_maker: bool


class _Listing(msgspec.Struct, gc=False, rename="camel"):
    symbol: str
    status: str = ""
    contract_type: str = ""
    base_asset: str = ""
    quote_asset: str = ""


class _ExchangeInfo(msgspec.Struct):
    symbols: list[_Listing]


class _FundingInfo(msgspec.Struct, gc=False, rename="camel"):
    symbol: str
    funding_interval_hours: Hours = 8


class _Settlement(msgspec.Struct, gc=False, rename="camel"):
    funding_time: Millis
    funding_rate: Rate | Blank


class _OpenInterestSample(msgspec.Struct, gc=False, rename="camel"):
    sum_open_interest: NotNegative
    sum_open_interest_value: NotNegative
    timestamp: Millis


class _Candle(msgspec.Struct, array_like=True, gc=False):
    open_ms: Millis
    open: Positive
    high: Positive
    low: Positive
    close: Positive


class _Refusal(msgspec.Struct):
    code: int
    msg: str


_REFUSAL: Final = msgspec.json.Decoder(_Refusal)
_OPEN_INTEREST: Final = msgspec.json.Decoder(_OpenInterest, strict=False)
_EXCHANGE_INFO: Final = msgspec.json.Decoder(_ExchangeInfo, strict=False)
_FUNDING_INFO: Final = msgspec.json.Decoder(list[_FundingInfo], strict=False)
_TRADES: Final = msgspec.json.Decoder(list[_Trade], strict=False)
_SETTLEMENTS: Final = msgspec.json.Decoder(list[_Settlement], strict=False)
_SAMPLES: Final = msgspec.json.Decoder(list[_OpenInterestSample], strict=False)
_CANDLES: Final = msgspec.json.Decoder(list[_Candle], strict=False)

#: Some endpoints have budgets of their own, smaller than that of weight. They are paced by charging them
#: more weight than the venue does: 100 requests a minute for funding, 200 for statistics.
_FUNDING_WEIGHT: Final = 20
_TRADES_WEIGHT: Final = 20
_STATISTICS_WEIGHT: Final = 10

_FIVE_MINUTES_MS: Final = 300_000
#: The venue keeps a month; one day less is asked for, as a month may be short.
_STATISTICS_MS: Final = 29 * DAY_MS
_SAMPLES_PER_PAGE: Final = 500
_CANDLES_PER_PAGE: Final = 499  # weight 2; more cost 5
_SETTLEMENTS_PER_PAGE: Final = 1000
#: How far after the hour a regular settlement may be stamped.
_SETTLEMENT_LATE_MS: Final = 60_000


def _read(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Return a body. Answers have no envelope here, so a refusal shows in what cannot be read."""
    try:
        return read_body(decoder, body)
    except MalformedFrame as malformed:
        try:
            refusal = read_body(_REFUSAL, body)
        except MalformedFrame:
            raise malformed from None
        raise VenueRefused(f"{refusal.code}: {refusal.msg[:200]}") from None


def polls(instruments: Sequence[Instrument]) -> list[Poll]:
    """Return the polls of open interest: every 5 s, or as often as the budget allows."""
    every_s = max(OPEN_INTEREST_EVERY_S, 60.0 * len(instruments) / OPEN_INTEREST_WEIGHT_PER_MINUTE)
    return [
        Poll(
            request=RestRequest(
                path="/fapi/v1/openInterest", params={"symbol": spec.symbol}, weight=1
            ),
            every_s=every_s,
            channel=Channel.OPEN_INTEREST,
            instrument=spec,
            decode=partial(_decode_open_interest, spec.symbol, contract(spec)),
        )
        for spec in instruments
    ]


def _decode_open_interest(
    symbol: str, c: Contract, body: bytes, received_ns: int, out: RowBuffer
) -> None:
    answer = _read(_OPEN_INTEREST, body)
    if answer.symbol != symbol:
        raise MalformedFrame("symbol", answer.symbol[:40])
    coin = answer.open_interest * c.numerator / c.denominator
    out.floats(
        Kind.OPEN_INTEREST,
        0,
        c.assumed,
        c.id,
        answer.time * NS_PER_MS,
        received_ns,
        0,
        coin,
        NAN,
        NAN,
    )


def fill(instrument: Instrument, gap: Gap, out: RowBuffer) -> Conversation[None] | None:
    """Ask for aggregate trades by id; the venue keeps two days of them."""
    return _fill(instrument, gap, out) if gap.first else None


def _fill(instrument: Instrument, gap: Gap, out: RowBuffer) -> Conversation[None]:
    c = contract(instrument)
    first = gap.first
    for _ in range(MAX_PAGES):
        body = yield RestRequest(
            path="/fapi/v1/aggTrades",
            params={"symbol": instrument.symbol, "fromId": str(first), "limit": "1000"},
            weight=_TRADES_WEIGHT,
        )
        page = [trade for trade in _read(_TRADES, body) if first <= trade.number <= gap.last]
        for trade in page:
            price = trade.price / c.unit
            coin, usd = c.amounts(trade.quantity, price)
            side = Side.SELL if trade.buyer_is_maker else Side.BUY
            out.floats(
                Kind.TRADE, side, c.assumed, c.id, trade.traded_ms * NS_PER_MS, gap.to_ns,
                trade.number, price, coin, usd,
            )  # fmt: skip
        if not page or page[-1].number >= gap.last:
            return
        first = page[-1].number + 1


def assume(symbol: str) -> Instrument | None:
    """Return the perpetual of a symbol: quantities are in coin, so its name says it all but the interval."""
    for quote in ("USDT", "USDC"):
        if symbol.endswith(quote) and symbol != quote:
            return implied(venue=NAME, symbol=symbol, base=symbol.removesuffix(quote), quote=quote)
    return None


def discover() -> Conversation[Universe]:
    """Ask for trading perpetuals. Funding is each 8 h unless the venue lists another interval."""
    body = yield RestRequest(path="/fapi/v1/exchangeInfo", weight=1)
    listings = _read(_EXCHANGE_INFO, body).symbols
    body = yield RestRequest(path="/fapi/v1/fundingInfo", weight=_FUNDING_WEIGHT)
    hours = {info.symbol: info.funding_interval_hours for info in _read(_FUNDING_INFO, body)}
    universe = Universe()
    for item in listings:
        if (item.status, item.contract_type) == ("TRADING", "PERPETUAL") and item.quote_asset in {
            "USDT", "USDC",
        }:  # fmt: skip
            universe.add(
                venue=NAME,
                symbol=item.symbol,
                base=item.base_asset,
                quote=item.quote_asset,
                interval_ns=hours.get(item.symbol, 8) * HOUR_NS,
            )
    return universe


def history(instrument: Instrument, from_ns: int, to_ns: int, out: RowBuffer) -> Conversation[None]:
    """Ask for 5-minute open interest, settled funding and hourly mark and index of a span."""
    fill = Backfill(instrument, from_ns, to_ns)
    yield from _open_interest_history(fill, instrument.symbol)
    fill.settlements((yield from _settlements(fill, instrument.symbol)))
    marks = yield from _closes(fill, "/fapi/v1/markPriceKlines", {"symbol": instrument.symbol})
    indices = yield from _closes(fill, "/fapi/v1/indexPriceKlines", {"pair": instrument.symbol})
    fill.hourly_closes(marks, indices)
    fill.write(out)


def _windows(from_ms: int, to_ms: int, step_ms: int, limit: int) -> Iterator[dict[str, str]]:
    """Yield the paging parameters of spans that fit one page each."""
    for start in range(from_ms, to_ms, step_ms * limit):
        end = min(start + step_ms * limit, to_ms) - 1
        yield {"startTime": str(start), "endTime": str(end), "limit": str(limit)}


def _open_interest_history(fill: Backfill, symbol: str) -> Generator[RestRequest, bytes, None]:
    c = fill.contract
    since_ms = max(fill.from_ms, fill.to_ms - _STATISTICS_MS)
    for window in _windows(since_ms, fill.to_ms, _FIVE_MINUTES_MS, _SAMPLES_PER_PAGE):
        body = yield RestRequest(
            path="/futures/data/openInterestHist",
            params={"symbol": symbol, "period": "5m", **window},
            weight=_STATISTICS_WEIGHT,
        )
        for sample in _read(_SAMPLES, body):
            coin = sample.sum_open_interest * c.numerator / c.denominator
            usd = sample.sum_open_interest_value
            fill.open_interest(
                sample.timestamp,
                coin=coin,
                notional_usd=usd,
                mark_price=usd / coin if coin else NAN,
            )


def _settlements(fill: Backfill, symbol: str) -> Generator[RestRequest, bytes, dict[int, float]]:
    """Ask from a day earlier, so that the first settlement of the span has one before it."""
    rates: dict[int, float] = {}
    since_ms = fill.from_ms - DAY_MS
    for _ in range(MAX_PAGES):
        body = yield RestRequest(
            path="/fapi/v1/fundingRate",
            params={
                "symbol": symbol,
                "startTime": str(since_ms),
                "endTime": str(fill.to_ms - 1),
                "limit": str(_SETTLEMENTS_PER_PAGE),
            },
            weight=_FUNDING_WEIGHT,
        )
        page = _read(_SETTLEMENTS, body)
        for item in page:
            # Since 2026-07 rows have a type, and others than the regular one come between the hours.
            if item.funding_rate != "" and item.funding_time % HOUR_MS < _SETTLEMENT_LATE_MS:
                rates.setdefault(item.funding_time, item.funding_rate)
        newest_ms = max((item.funding_time for item in page), default=0)
        if len(page) < _SETTLEMENTS_PER_PAGE or newest_ms < since_ms:
            break
        since_ms = newest_ms + 1
    return rates


def _closes(
    fill: Backfill, path: str, what: dict[str, str]
) -> Generator[RestRequest, bytes, dict[int, float]]:
    """Ask for the hourly candles that end within the span; return closes by the candle's start."""
    closes: dict[int, float] = {}
    for window in _windows(fill.from_ms - HOUR_MS, fill.to_ms, HOUR_MS, _CANDLES_PER_PAGE):
        body = yield RestRequest(path=path, params={**what, "interval": "1h", **window}, weight=2)
        closes.update((candle.open_ms, candle.close) for candle in _read(_CANDLES, body))
    return closes
