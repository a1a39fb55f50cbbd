"""Deribit over REST: contracts, funding that was paid, and trades by number.

Facts as of 2026-07, from https://docs.deribit.com/api-reference/market-data:

- Answers are JSON-RPC: `result`, or `error` with a code.
- Quantities are USD for inverse (``reversed``) contracts and coin for linear ones, whatever the listing calls
  the size of a contract. So a unit here is one USD, or one coin.
- ``get_funding_rate_history``: one row an hour. `interest_1h` is what that hour cost; `interest_8h` is the
  sum of the last eight of them. There is no history of open interest, and candles are of the last price, so
  neither of them is asked for.
- ``get_last_trades_by_instrument`` takes the numbers of the first and the last trade.
"""

from collections.abc import Sequence
from typing import Final, Generic, Literal, TypeVar

import msgspec

from service.venue import Conversation, Poll, RestRequest, Universe, VenueRefused, implied
from service.venues.backfill import Backfill
from service.venues.decode import (
    HOUR_MS,
    HOUR_NS,
    Millis,
    Positive,
    Rate,
    SequenceId,
    read_body,
)
from streams.events import RowBuffer
from streams.instruments import Instrument

NAME: Final = "deribit"

T = TypeVar("T")

#: What a live rate is for.
INTERVAL_NS: Final = 8 * HOUR_NS
#: The listing has a limit of its own, about one request a second.
_LISTING_WEIGHT: Final = 10
#: Rows of an answer end somewhere above a month of hours.
_HOURS_PER_PAGE: Final = 700
_TRADES_PER_PAGE: Final = 1000
_ENDING: Final = "-PERPETUAL"


class _Error(msgspec.Struct):
    code: int = 0
    message: str = ""


class _Refusal(msgspec.Struct):
    error: _Error | None = None


class _Answer(msgspec.Struct, Generic[T]):
    result: T


class _Listing(msgspec.Struct, gc=False):
    instrument_name: str
    kind: str = ""
    instrument_type: str = ""
    settlement_period: str = ""
    base_currency: str = ""
    quote_currency: str = ""
    settlement_currency: str = ""
    is_active: bool = False


class _Hour(msgspec.Struct, gc=False):
    timestamp: Millis
    interest_1h: Rate


class Trade(msgspec.Struct, gc=False):
    """A trade, as the stream and REST write it. `liquidation` says whose order was forced."""

    instrument_name: str
    trade_seq: SequenceId
    timestamp: Millis
    price: Positive
    amount: Positive
    direction: Literal["buy", "sell"]
    liquidation: Literal["T", "M", "MT"] | None = None
    block_trade_id: str | int | None = None
    combo_id: str | int | None = None

    @property
    def negotiated(self) -> bool:
        """Whether nobody took this price from the book: a block trade, or a leg of a combination."""
        return self.block_trade_id is not None or self.combo_id is not None


class TradePage(msgspec.Struct):
    """Trades in the order that was asked for."""

    trades: list[Trade]
    has_more: bool = False


_REFUSAL: Final = msgspec.json.Decoder(_Refusal)
_LISTINGS: Final = msgspec.json.Decoder(_Answer[list[_Listing]])
_HOURS: Final = msgspec.json.Decoder(_Answer[list[_Hour]])
_TRADES: Final = msgspec.json.Decoder(_Answer[TradePage])


def _result(decoder: msgspec.json.Decoder[_Answer[T]], body: bytes) -> T:
    refused = read_body(_REFUSAL, body).error
    if refused is not None:
        raise VenueRefused(f"{refused.code}: {refused.message[:200]}")
    return read_body(decoder, body).result


def polls(_instruments: Sequence[Instrument]) -> list[Poll]:
    """Return none: the stream has everything."""
    return []


def assume(symbol: str) -> Instrument | None:
    """Return the perpetual that a symbol names: its quantities are USD or coin, never contracts."""
    pair, ending, rest = symbol.partition(_ENDING)
    base, _, quote = pair.partition("_")
    if not ending or rest or quote not in {"", "USDC", "USDT"}:
        return None
    return implied(
        venue=NAME,
        symbol=symbol,
        base=base,
        quote=quote or "USD",
        interval_ns=INTERVAL_NS,
        contract_type="linear" if quote else "inverse",
    )


def discover() -> Conversation[Universe]:
    """Ask for perpetuals: inverse ones against USD, linear ones against USDC or USDT."""
    body = yield RestRequest(
        path="/api/v2/public/get_instruments",
        params={"currency": "any", "kind": "future"},
        weight=_LISTING_WEIGHT,
    )
    universe = Universe()
    for item in _result(_LISTINGS, body):
        if (item.kind, item.settlement_period, item.is_active) == ("future", "perpetual", True):
            _list(item, universe)
    return universe


def _list(item: _Listing, universe: Universe) -> None:
    """Add a perpetual, unless it is of no kind we convert."""
    base, quote = item.base_currency, item.quote_currency
    inverse = item.instrument_type == "reversed" and quote == "USD"
    linear = item.instrument_type == "linear" and quote in {"USDC", "USDT"}
    if not (inverse or linear):
        return
    if item.settlement_currency != (base if inverse else quote):
        universe.unmapped[item.instrument_name] = (
            f"settled in {item.settlement_currency!r}, neither its coin nor its quote"
        )
        return
    universe.add(
        venue=NAME,
        symbol=item.instrument_name,
        base=base,
        quote=quote,
        interval_ns=INTERVAL_NS,
        contract_type="inverse" if inverse else "linear",
    )


def history(instrument: Instrument, from_ns: int, to_ns: int, out: RowBuffer) -> Conversation[None]:
    """Ask for the funding that each hour of a span cost; the venue keeps nothing else of ours."""
    fill = Backfill(instrument, from_ns, to_ns)
    rates: dict[int, float] = {}
    page_ms = _HOURS_PER_PAGE * HOUR_MS
    for start_ms in range(fill.from_ms, fill.to_ms, page_ms):
        body = yield RestRequest(
            path="/api/v2/public/get_funding_rate_history",
            params={
                "instrument_name": instrument.symbol,
                "start_timestamp": str(start_ms),
                "end_timestamp": str(min(start_ms + page_ms, fill.to_ms) - 1),
            },
        )
        rates.update((hour.timestamp, hour.interest_1h) for hour in _result(_HOURS, body))
    fill.settlements(rates, every_ns=HOUR_NS)
    fill.write(out)


def trades_between(symbol: str, first: int, last: int) -> RestRequest:
    """Return the request for the oldest trades of a span of numbers."""
    return RestRequest(
        path="/api/v2/public/get_last_trades_by_instrument",
        params={
            "instrument_name": symbol,
            "start_seq": str(first),
            "end_seq": str(last),
            "count": str(_TRADES_PER_PAGE),
            "sorting": "asc",
        },
    )


def read_trades(body: bytes) -> TradePage:
    """Return the trades of an answer.

    Raises:
        VenueRefused: the venue answered with an error.
        MalformedFrame: it cannot be read.
    """
    return _result(_TRADES, body)
