"""Bybit v5's market REST as documented, over a simulated market: cursors, newest first."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from service.simulator.funding import CAP, INTERVAL_NS
from service.simulator.history import BarKind
from service.simulator.listing import Listed, Listing, RateLimit
from service.simulator.market_events import Tick
from service.simulator.wire import MS_NS, SECOND_NS, Reply, decimals, integer, json_reply

REQUESTS_PER_5S = 600
MINUTE_MS = 60_000
OI_STEPS_MS = {
    "5min": 5 * MINUTE_MS, "15min": 15 * MINUTE_MS, "30min": 30 * MINUTE_MS,
    "1h": 60 * MINUTE_MS, "4h": 240 * MINUTE_MS, "1d": 1440 * MINUTE_MS,
}  # fmt: skip
BAR_STEPS_MS = {
    **{str(m): m * MINUTE_MS for m in (5, 15, 30, 60, 120, 240, 360, 720)},
    "D": 1440 * MINUTE_MS,
}

_Query = Mapping[str, str]
Category = Literal["linear", "inverse", "spot"]


class Refused(Exception):  # noqa: N818 - the venue's answer, not a failure of ours
    """A request the venue answers with a retCode."""


def ticker_fields(listed: Listed, tick: Tick) -> dict[str, str]:
    """Write a contract's levels as the ticker does: `openInterest` counts both sides, in coin or dollars."""
    one, value, places = tick.open_interest, tick.open_interest * tick.mark, 3
    if listed.inverse:  # counted in dollars, and its value is coin
        one, value, places = value, one, 0
    half = 0.5 * 10.0**-listed.contract.price_decimals
    return {
        "symbol": listed.symbol,
        "lastPrice": listed.price(tick.last),
        "markPrice": decimals(tick.mark, 2),
        "indexPrice": decimals(tick.index, 2),
        "openInterest": decimals(2.0 * one, places),
        "openInterestValue": decimals(2.0 * value, 2),
        "singleOpenInterest": decimals(one, places),
        "singleOpenInterestValue": decimals(value, 2),
        "nextFundingTime": str(tick.next_funding_ns // MS_NS),
        "fundingRate": decimals(tick.funding_rate, 8),
        "fundingIntervalHour": str(INTERVAL_NS // (3600 * SECOND_NS)),
        "fundingCap": decimals(CAP, 4),
        "bid1Price": listed.price(tick.mid - half),
        "bid1Size": "5.000",
        "ask1Price": listed.price(tick.mid + half),
        "ask1Size": "5.000",
    }


class BybitRest:
    """Answers GETs of one category. Of the spot market only what is listed."""

    def __init__(self, listing: Listing, category: Category) -> None:
        self._listing = listing
        self._category = category
        self._limit = RateLimit(REQUESTS_PER_5S, 5 * SECOND_NS)
        self._routes: dict[str, Callable[[_Query, int], Any]] = {
            "/v5/market/time": _time,
            "/v5/market/instruments-info": self._instruments,
        }
        if category != "spot":
            self._routes |= self._of_contracts()

    def _of_contracts(self) -> dict[str, Callable[[_Query, int], Any]]:
        return {
            "/v5/market/tickers": self._tickers,
            "/v5/market/open-interest": self._open_interest,
            "/v5/market/funding/history": self._funding,
            "/v5/market/mark-price-kline": lambda q, now: self._klines("mark", q, now),
            "/v5/market/index-price-kline": lambda q, now: self._klines("index", q, now),
            "/v5/market/premium-index-price-kline": lambda q, n: self._klines("premium", q, n),
        }

    def answer(self, path: str, query: _Query, now_ns: int) -> Reply:
        """Answer one GET; errors of a request are a retCode within HTTP 200."""
        if not self._limit.take(1, now_ns):
            return json_reply({"retCode": 10006, "retMsg": "access too frequent."}, 403)
        route = self._routes.get(path)
        if route is None:
            return Reply(b"", 404)
        try:
            code, message, result = 0, "OK", route(query, now_ns)
        except Refused as refused:
            code, message, result = 10001, str(refused), {}
        except ValueError:
            code, message, result = 10001, "params error", {}
        return json_reply(
            {
                "retCode": code,
                "retMsg": message,
                "result": result,
                "retExtInfo": {},
                "time": now_ns // MS_NS,
            }
        )

    def _check(self, query: _Query) -> None:
        if query.get("category") != self._category:
            raise Refused("params error: Category is invalid")

    def _listed(self, query: _Query) -> Listed:
        self._check(query)
        listed = self._listing.by_symbol.get(query.get("symbol", ""))
        if listed is None:
            raise Refused("params error: symbol invalid")
        return listed

    def _instruments(self, query: _Query, _now_ns: int) -> Any:
        self._check(query)
        limit = _limit(query, 500, 1000)
        every = list(self._listing.by_symbol.values())
        if query.get("symbol"):
            every = [self._listed(query)]
        if query.get("baseCoin"):
            every = [listed for listed in every if listed.coin == query["baseCoin"]]
        if self._category == "spot":
            return {"category": "spot", "list": [_pair(listed) for listed in every]}
        at = _cursor(query, "first")
        return {
            "category": self._category,
            "list": [_instrument(listed) for listed in every[at : at + limit]],
            "nextPageCursor": f"first%3D{at + limit}" if at + limit < len(every) else "",
        }

    def _tickers(self, query: _Query, now_ns: int) -> Any:
        self._check(query)
        chosen: Sequence[Listed] = list(self._listing.by_symbol.values())
        if query.get("symbol"):
            chosen = [self._listed(query)]
        ticks = [(c, self._listing.market.tick(c.index, now_ns)) for c in chosen]
        return {"category": self._category, "list": [ticker_fields(c, tick) for c, tick in ticks]}

    def _open_interest(self, query: _Query, now_ns: int) -> Any:
        listed = self._listed(query)
        step = OI_STEPS_MS.get(query.get("intervalTime", ""))
        if step is None:
            raise Refused("params error: intervalTime invalid")
        limit, end = _limit(query, 50, 200), _end(query, "endTime", now_ns)
        end = min(end, _cursor(query, "before", end + 1) - 1)
        first = max(integer(query, "startTime", 0), end - (limit + 1) * step)
        found = self._listing.market.history.levels(listed.index, step, first, end)[::-1]
        more = len(found) > limit
        found = found[:limit]
        return {
            "category": self._category,
            "symbol": listed.symbol,
            "list": [
                {
                    "openInterest": decimals(2.0 * one, 8),
                    "singleOpenInterest": decimals(one, 8),
                    "timestamp": str(level.time_ms),
                }
                for level in found
                for one in (level.usd if listed.inverse else level.coin,)
            ],
            "nextPageCursor": f"before%3D{found[-1].time_ms}" if more else "",
        }

    def _funding(self, query: _Query, now_ns: int) -> Any:
        listed = self._listed(query)
        if "startTime" in query and "endTime" not in query:
            raise Refused("params error: endTime is required with startTime")
        limit, end = _limit(query, 200, 200), _end(query, "endTime", now_ns)
        start = integer(query, "startTime", 0)
        found = self._listing.market.history.payments(listed.index, start, end)
        return {
            "category": self._category,
            "list": [
                {
                    "symbol": listed.symbol,
                    "fundingRate": decimals(payment.rate, 8),
                    "fundingRateTimestamp": str(payment.time_ms),
                }
                for payment in found[::-1][:limit]
            ],
        }

    def _klines(self, kind: BarKind, query: _Query, now_ns: int) -> Any:
        listed = self._listed(query)
        step = BAR_STEPS_MS.get(query.get("interval", ""))
        if step is None:
            raise Refused("params error: interval invalid")
        limit, end = _limit(query, 200, 1000), _end(query, "end", now_ns)
        first = max(integer(query, "start", 0), end - limit * step)
        found = self._listing.market.history.bars(listed.index, kind, step, first, end)
        places = 8 if kind == "premium" else 2
        return {
            "category": self._category,
            "symbol": listed.symbol,
            "list": [
                [str(bar.start_ms), *(decimals(value, places) for value in bar[1:])]
                for bar in found[::-1][:limit]
            ],
        }


def _time(_query: _Query, now_ns: int) -> Any:
    return {"timeSecond": str(now_ns // SECOND_NS), "timeNano": str(now_ns)}


def _limit(query: _Query, default: int, most: int) -> int:
    return min(max(integer(query, "limit", default), 1), most)


def _end(query: _Query, name: str, now_ns: int) -> int:
    return min(integer(query, name, now_ns // MS_NS), now_ns // MS_NS)


def _cursor(query: _Query, name: str, default: int = 0) -> int:
    """Read a cursor written by us; whatever else is in it is the client's mistake."""
    cursor = query.get("cursor", "")
    if not cursor:
        return default
    kind, _, value = cursor.partition("%3D")
    if kind != name:
        raise Refused("params error: cursor invalid")
    return int(value)


def _pair(listed: Listed) -> dict[str, Any]:
    tick = 10.0**-listed.contract.price_decimals
    return {
        "symbol": listed.symbol,
        "baseCoin": listed.coin,
        "quoteCoin": "USDT",
        "innovation": "0",
        "symbolType": "",
        "status": "Trading",
        "marginTrading": "utaOnly",
        "stTag": "0",
        "lotSizeFilter": {"basePrecision": "0.000001", "quotePrecision": "0.0000001",
                          "minOrderAmt": "5", "maxLimitOrderQty": "83"},
        "priceFilter": {"tickSize": decimals(tick, 4)},
    }  # fmt: skip


def _instrument(listed: Listed) -> dict[str, Any]:
    tick = 10.0**-listed.contract.price_decimals
    return {
        "symbol": listed.symbol,
        "contractType": "InversePerpetual" if listed.inverse else "LinearPerpetual",
        "status": "Trading",
        "baseCoin": listed.coin,
        "quoteCoin": "USD" if listed.inverse else "USDT",
        "symbolType": "",
        "launchTime": "1585526400000",
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(listed.contract.price_decimals),
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": decimals(tick, 4), "maxPrice": "1999999.80",
                        "tickSize": decimals(tick, 4)},
        "lotSizeFilter": {"minOrderQty": "0.001", "qtyStep": "0.001", "maxOrderQty": "1190.000"},
        "unifiedMarginTrade": True,
        "fundingInterval": INTERVAL_NS // (60 * SECOND_NS),
        "settleCoin": listed.coin if listed.inverse else "USDT",
        "copyTrading": "both",
        "upperFundingRate": decimals(CAP, 4),
        "lowerFundingRate": decimals(-CAP, 4),
        "isPreListing": False,
        "preListingInfo": None,
    }  # fmt: skip
