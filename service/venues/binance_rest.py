"""What Binance's products and its clones have in common over REST: contracts, open interest, history, trades.

Facts as of 2026-10, from the pages of developers.binance.com named in the modules of the products:

- Open interest is one side, without a price: coin for linear contracts, contracts for inverse ones. Polled
  rows therefore have NaN for what a price would give; the engine values them at its own mark.
- The statistics give both contracts and value (USD, for inverse contracts coin), so their ratio is a mark.
  They reach back a month. Klines of the index are asked for by `pair`.
- ``aggTrades`` from an id upwards are the trades of the stream. Futures keep them for two days.
"""

from collections.abc import Generator, Iterator, Sequence
from decimal import Decimal
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
from streams.instruments import ContractType, Instrument

T = TypeVar("T")

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
    contract_status: str = ""  # what COIN-M calls it
    contract_size: msgspec.Raw = msgspec.Raw(b"1")  # COIN-M: USD
    underlying_type: str = ""


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

#: `underlyingType` of what is a coin; others are indices, shares, metals.
_COINS: Final = frozenset({"", "COIN", "PREMARKET"})
_SIZE_MAX: Final = 1_000_000

_FIVE_MINUTES_MS: Final = 300_000
#: The venue keeps a month; one day less is asked for, as a month may be short.
_STATISTICS_MS: Final = 29 * DAY_MS
_SAMPLES_PER_PAGE: Final = 500
_CANDLES_PER_PAGE: Final = 499  # weight 2; more cost 5
_SETTLEMENTS_PER_PAGE: Final = 1000
_TRADES_PER_PAGE: Final = 1000
#: How far after the hour a regular settlement may be stamped.
_SETTLEMENT_LATE_MS: Final = 60_000


def read(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Return a body. Answers have no envelope here, so a refusal shows in what cannot be read.

    Raises:
        MalformedFrame: it cannot be read.
        VenueRefused: it is an error answer.
    """
    try:
        return read_body(decoder, body)
    except MalformedFrame as malformed:
        try:
            refusal = read_body(_REFUSAL, body)
        except MalformedFrame:
            raise malformed from None
        raise VenueRefused(f"{refusal.code}: {refusal.msg[:200]}") from None


def trades_by_id(
    path: str, weight: int, instrument: Instrument, gap: Gap, out: RowBuffer
) -> Conversation[None] | None:
    """Ask for aggregate trades upwards from the first that is missing; None where ids say nothing."""
    return _trades_by_id(path, weight, instrument, gap, out) if gap.first else None


def _trades_by_id(
    path: str, weight: int, instrument: Instrument, gap: Gap, out: RowBuffer
) -> Conversation[None]:
    first = gap.first
    for _ in range(MAX_PAGES):
        body = yield RestRequest(
            path=path,
            params={
                "symbol": instrument.symbol, "fromId": str(first), "limit": str(_TRADES_PER_PAGE),
            },
            weight=weight,
        )  # fmt: skip
        page = [trade for trade in read(_TRADES, body) if first <= trade.number <= gap.last]
        for trade in page:
            _write_trade(trade, contract(instrument), gap.to_ns, out)
        if not page or page[-1].number >= gap.last:
            return
        first = page[-1].number + 1


def _write_trade(trade: _Trade, c: Contract, received_ns: int, out: RowBuffer) -> None:
    price = trade.price / c.unit
    coin, usd = c.amounts(trade.quantity, price)
    side = Side.SELL if trade.buyer_is_maker else Side.BUY
    out.floats(
        Kind.TRADE, side, c.assumed, c.id, trade.traded_ms * NS_PER_MS, received_ns,
        trade.number, price, coin, usd,
    )  # fmt: skip


class FuturesRest(msgspec.Struct, frozen=True, kw_only=True):
    """The REST side of a futures product.

    `api` comes before every path. `hours` is the funding interval of contracts that ``fundingInfo`` does not
    list, 0 if that says nothing. `polled_weight` is what polling open interest may cost a minute.
    """

    name: str
    api: str
    quotes: frozenset[str]
    contract_type: ContractType = "linear"
    hours: int
    statistics: bool = True  # `openInterestHist` is there
    polled_weight: int

    def polls(self, instruments: Sequence[Instrument]) -> list[Poll]:
        """Return the polls of open interest: every 5 s, or as often as the budget allows."""
        every_s = max(OPEN_INTEREST_EVERY_S, 60.0 * len(instruments) / self.polled_weight)
        return [
            Poll(
                request=RestRequest(
                    path=f"{self.api}/openInterest", params={"symbol": spec.symbol}, weight=1
                ),
                every_s=every_s,
                channel=Channel.OPEN_INTEREST,
                instrument=spec,
                decode=partial(_decode_open_interest, spec.symbol, contract(spec)),
            )
            for spec in instruments
        ]

    def fill(self, instrument: Instrument, gap: Gap, out: RowBuffer) -> Conversation[None] | None:
        """Ask for aggregate trades by id; the venue keeps two days of them."""
        return trades_by_id(f"{self.api}/aggTrades", _TRADES_WEIGHT, instrument, gap, out)

    def discover(self) -> Conversation[Universe]:
        """Ask for trading perpetuals of coins, and for the funding intervals that are listed."""
        body = yield RestRequest(path=f"{self.api}/exchangeInfo", weight=1)
        listings = read(_EXCHANGE_INFO, body).symbols
        body = yield RestRequest(path=f"{self.api}/fundingInfo", weight=_FUNDING_WEIGHT)
        hours = {info.symbol: info.funding_interval_hours for info in read(_FUNDING_INFO, body)}
        universe = Universe()
        for item in listings:
            if self._wants(item):
                universe.add(
                    venue=self.name,
                    symbol=item.symbol,
                    base=item.base_asset,
                    quote=item.quote_asset,
                    interval_ns=hours.get(item.symbol, self.hours) * HOUR_NS,
                    contract_type=self.contract_type,
                    contract_size=_contract_size(item.contract_size),
                )
        return universe

    def _wants(self, item: _Listing) -> bool:
        return (
            (item.status or item.contract_status) == "TRADING"
            and item.contract_type == "PERPETUAL"
            and item.underlying_type in _COINS
            and item.quote_asset in self.quotes
        )

    def history(
        self, instrument: Instrument, from_ns: int, to_ns: int, out: RowBuffer
    ) -> Conversation[None]:
        """Ask for 5-minute open interest, settled funding and hourly mark and index of a span."""
        fill = Backfill(instrument, from_ns, to_ns)
        symbol, pair = {"symbol": instrument.symbol}, {"pair": pair_of(instrument)}
        if self.statistics:
            inverse = {**pair, "contractType": "PERPETUAL"}
            yield from _open_interest_history(fill, inverse if fill.contract.inverse else symbol)
        fill.settlements((yield from _settlements(fill, f"{self.api}/fundingRate", symbol)))
        marks = yield from _closes(fill, f"{self.api}/markPriceKlines", symbol)
        indices = yield from _closes(fill, f"{self.api}/indexPriceKlines", pair)
        fill.hourly_closes(marks, indices)
        fill.write(out)


def pair_of(instrument: Instrument) -> str:
    """Return the pair of a perpetual: its symbol, of inverse ones without its ending.

    Index prices are of pairs.
    """
    return instrument.symbol.removesuffix("_PERP")


def _contract_size(raw: msgspec.Raw) -> str:
    """Return what a contract is of, blank if that makes no sense."""
    try:
        size = Decimal(bytes(raw).strip(b'"').decode())
        return str(size) if 0 < size <= _SIZE_MAX else ""
    except (ArithmeticError, UnicodeDecodeError):
        return ""


def _decode_open_interest(
    symbol: str, c: Contract, body: bytes, received_ns: int, out: RowBuffer
) -> None:
    answer = read(_OPEN_INTEREST, body)
    if answer.symbol != symbol:
        raise MalformedFrame("symbol", answer.symbol[:40])
    coin, usd = c.amounts(answer.open_interest, NAN)
    out.floats(
        Kind.OPEN_INTEREST, 0, c.assumed, c.id, answer.time * NS_PER_MS, received_ns, 0, coin, usd, NAN
    )  # fmt: skip


def _windows(from_ms: int, to_ms: int, step_ms: int, limit: int) -> Iterator[dict[str, str]]:
    """Yield the paging parameters of spans that fit one page each."""
    for start in range(from_ms, to_ms, step_ms * limit):
        end = min(start + step_ms * limit, to_ms) - 1
        yield {"startTime": str(start), "endTime": str(end), "limit": str(limit)}


def _open_interest_history(
    fill: Backfill, what: dict[str, str]
) -> Generator[RestRequest, bytes, None]:
    c = fill.contract
    since_ms = max(fill.from_ms, fill.to_ms - _STATISTICS_MS)
    for window in _windows(since_ms, fill.to_ms, _FIVE_MINUTES_MS, _SAMPLES_PER_PAGE):
        body = yield RestRequest(
            path="/futures/data/openInterestHist",
            params={**what, "period": "5m", **window},
            weight=_STATISTICS_WEIGHT,
        )
        for sample in read(_SAMPLES, body):
            amount = sample.sum_open_interest * c.numerator / c.denominator
            value = sample.sum_open_interest_value
            coin, usd = (value, amount) if c.inverse else (amount, value)
            fill.open_interest(
                sample.timestamp,
                coin=coin,
                notional_usd=usd,
                mark_price=usd / coin if coin else NAN,
            )


def _settlements(
    fill: Backfill, path: str, what: dict[str, str]
) -> Generator[RestRequest, bytes, dict[int, float]]:
    """Ask from a day earlier, so that the first settlement of the span has one before it."""
    rates: dict[int, float] = {}
    since_ms = fill.from_ms - DAY_MS
    for _ in range(MAX_PAGES):
        body = yield RestRequest(
            path=path,
            params={
                **what,
                "startTime": str(since_ms),
                "endTime": str(fill.to_ms - 1),
                "limit": str(_SETTLEMENTS_PER_PAGE),
            },
            weight=_FUNDING_WEIGHT,
        )
        page = read(_SETTLEMENTS, body)
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
        closes.update((candle.open_ms, candle.close) for candle in read(_CANDLES, body))
    return closes
