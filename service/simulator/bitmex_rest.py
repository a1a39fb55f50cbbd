"""BitMEX's public REST as documented, over a simulated market, and how it writes contracts and times."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from service.simulator.listing import Listed, Listing, RateLimit
from service.simulator.market_events import Tick, Trade
from service.simulator.wire import MS_NS, SECOND_NS, Reply, integer, json_reply

REQUESTS_PER_MINUTE = 30
MOST_ROWS = 500
#: Each eight hours.
INTERVAL = "2000-01-01T08:00:00.000Z"
SETTLE_UNITS = 1_000_000  # of a USDT

_Query = Mapping[str, str]
_Row = dict[str, Any]


def iso(at_ns: int) -> str:
    """Write a time as the venue does.

    >>> iso(1_790_000_000 * 10**9 + 5_000_000)
    '2026-09-21T14:13:20.005Z'
    """
    moment = dt.datetime.fromtimestamp(at_ns // SECOND_NS, dt.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at_ns // MS_NS % 1000:03}Z"


def contracts(listed: Listed, coin: float) -> int:
    """Return whole contracts, one at least."""
    return max(1, round(listed.contracts(coin, 0.0)))


def trade_row(listed: Listed, trade: Trade) -> _Row:
    """Write a trade. Its id is no number of use."""
    size = contracts(listed, trade.quantity)
    coin = round(size * listed.per_contract, 8)
    return {
        "timestamp": iso(trade.time_ns),
        "symbol": listed.symbol,
        "side": "Buy" if trade.taker > 0 else "Sell",
        "size": size,
        "price": trade.price,
        "tickDirection": "ZeroPlusTick",
        "trdMatchID": f"00000000-006d-1000-0000-{trade.number:012x}",
        "grossValue": round(coin * trade.price * SETTLE_UNITS),
        "homeNotional": coin,
        "foreignNotional": round(coin * trade.price, 8),
        "trdType": "Regular",
    }


def instrument_row(listed: Listed, tick: Tick) -> _Row:
    """Write a contract as its table has it."""
    held = contracts(listed, tick.open_interest)
    return {
        "symbol": listed.symbol,
        "rootSymbol": _name(listed),
        "state": "Open",
        "typ": "FFWCSX",
        "positionCurrency": _name(listed),
        "underlying": _name(listed),
        "quoteCurrency": "USDT",
        "settlCurrency": "USDt",
        "multiplier": round(listed.per_contract * SETTLE_UNITS),
        "underlyingToPositionMultiplier": round(1.0 / listed.per_contract),
        "quoteToSettleMultiplier": SETTLE_UNITS,
        "isQuanto": False,
        "isInverse": False,
        "lotSize": 1,
        "fundingTimestamp": iso(tick.next_funding_ns),
        "fundingInterval": INTERVAL,
        "fundingRate": round(tick.funding_rate, 6),
        "indicativeFundingRate": round(tick.funding_rate, 6),
        "lastPrice": tick.last,
        "midPrice": round(tick.mid, listed.contract.price_decimals + 1),
        "markPrice": round(tick.mark, 2),
        "indicativeSettlePrice": round(tick.index, 2),
        "openInterest": held,
        "openValue": round(held * listed.per_contract * tick.mark * SETTLE_UNITS),
        "timestamp": iso(tick.time_ns),
    }


def _name(listed: Listed) -> str:
    return listed.symbol.removesuffix("USDT")


class BitmexRest:
    """Answers GETs of market data."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._limit = RateLimit(REQUESTS_PER_MINUTE, 60 * SECOND_NS)
        self._routes: dict[str, Callable[[_Query, int], Any]] = {
            "/api/v1/instrument/active": self._instruments,
            "/api/v1/funding": self._funding,
        }

    def answer(self, path: str, query: _Query, now_ns: int) -> Reply:
        """Answer one GET."""
        if not self._limit.take(1, now_ns):
            wait = str(self._limit.seconds_left(now_ns))
            return _refuse("Rate limit exceeded", 429, Retry_After=wait)
        route = self._routes.get(path)
        if route is None:
            return _refuse("Not Found", 404)
        try:
            return json_reply(route(query, now_ns))
        except ValueError as wrong:
            return _refuse(str(wrong), 400)

    def _instruments(self, _query: _Query, now_ns: int) -> Any:
        market = self._listing.market
        return [
            instrument_row(listed, market.tick(listed.index, now_ns))
            for listed in self._listing.by_index.values()
        ]

    def _funding(self, query: _Query, now_ns: int) -> Any:
        listed = self._listing.by_symbol.get(query.get("symbol", ""))
        if listed is None:
            return []
        count = min(max(integer(query, "count", 100), 1), MOST_ROWS)
        first = _milliseconds(query.get("startTime", "2015-01-01T00:00:00.000Z"))
        last = min(_milliseconds(query.get("endTime", iso(now_ns))), now_ns // MS_NS)
        found = self._listing.market.history.payments(listed.index, first, last)
        if query.get("reverse") == "true":
            found = found[::-1]
        return [
            {
                "timestamp": iso(payment.time_ms * MS_NS),
                "symbol": listed.symbol,
                "fundingInterval": INTERVAL,
                "fundingRate": round(payment.rate, 6),
                "fundingRateDaily": round(3 * payment.rate, 6),
            }
            for payment in found[:count]
        ]


def _milliseconds(text: str) -> int:
    moment = dt.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("startTime and endTime want a zone")
    return round(moment.timestamp() * 1000)


def _refuse(message: str, status: int, **headers: str) -> Reply:
    return json_reply({"error": {"message": message, "name": "HTTPError"}}, status, **headers)
