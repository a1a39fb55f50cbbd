"""Binance USD-M futures' REST as documented, over a simulated market: weights, bans, ascending pages."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from service.simulator.funding import CAP, INTEREST, next_funding_ns
from service.simulator.history import BarKind
from service.simulator.listing import Listed, Listing, RateLimit
from service.simulator.wire import MS_NS, SECOND_NS, Reply, decimals, integer, json_reply

WEIGHT_PER_MINUTE = 2400
PATIENCE = 10  # requests after the first 429 in a minute until the address is banned
BAN_S = 120
OI_HISTORY_MS = 30 * 86_400_000
SLACK_MS = 3_600_000
STEPS_MS = {
    "5m": 300_000, "15m": 900_000, "30m": 1_800_000, "1h": 3_600_000, "2h": 7_200_000,
    "4h": 14_400_000, "6h": 21_600_000, "8h": 28_800_000, "12h": 43_200_000, "1d": 86_400_000,
}  # fmt: skip

_Query = Mapping[str, str]
T = TypeVar("T")


class Refused(Exception):  # noqa: N818 - the venue's answer, not a failure of ours
    """A request the venue answers with an error body."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class BinanceRest:
    """Answers GETs and keeps the weight account of the one address it knows."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._weight = RateLimit(WEIGHT_PER_MINUTE, 60 * SECOND_NS)
        self._banned_until_ns = 0
        self._routes: dict[str, Callable[[_Query, int], Any]] = {
            "/fapi/v1/ping": lambda _query, _now: {},
            "/fapi/v1/time": lambda _query, now: {"serverTime": now // MS_NS},
            "/fapi/v1/exchangeInfo": self._exchange_info,
            "/fapi/v1/fundingInfo": self._funding_info,
            "/fapi/v1/openInterest": self._open_interest,
            "/fapi/v1/premiumIndex": self._premium_index,
            "/fapi/v1/fundingRate": self._funding_rate,
            "/fapi/v1/markPriceKlines": lambda q, now: self._klines("mark", q, now),
            "/fapi/v1/indexPriceKlines": lambda q, now: self._klines("index", q, now),
            "/fapi/v1/premiumIndexKlines": lambda q, now: self._klines("premium", q, now),
            "/futures/data/openInterestHist": self._open_interest_history,
        }

    def answer(self, path: str, query: _Query, now_ns: int) -> Reply:
        """Answer one GET, or refuse it: 400, 404, 429, 418."""
        if now_ns < self._banned_until_ns:
            return self._limited(418, (self._banned_until_ns - now_ns) // SECOND_NS + 1)
        fits = self._weight.take(_weight(path, query), now_ns)
        if self._weight.over > PATIENCE:
            self._banned_until_ns = now_ns + BAN_S * SECOND_NS
            return self._limited(418, BAN_S)
        if not fits:
            return self._limited(429, self._weight.seconds_left(now_ns))
        route = self._routes.get(path)
        if route is None:
            return json_reply({"code": -5000, "msg": f"Path {path} is invalid"}, 404)
        try:
            reply = json_reply(route(query, now_ns))
        except Refused as refused:
            reply = json_reply({"code": refused.code, "msg": str(refused)}, 400)
        except ValueError:
            reply = json_reply({"code": -1100, "msg": "Illegal characters found."}, 400)
        reply.headers["X-MBX-USED-WEIGHT-1M"] = str(self._weight.used)
        return reply

    def _limited(self, status: int, seconds: int) -> Reply:
        body = {"code": -1003, "msg": "Way too many requests; IP banned or over its limit."}
        reply = json_reply(body, status)
        reply.headers["Retry-After"] = str(seconds)
        reply.headers["X-MBX-USED-WEIGHT-1M"] = str(self._weight.used)
        return reply

    def _listed(self, query: _Query, name: str = "symbol") -> Listed:
        symbol = query.get(name, "")
        if not symbol:
            raise Refused(-1102, f"Mandatory parameter '{name}' was not sent.")
        if symbol not in self._listing.by_symbol:
            raise Refused(-1121, "Invalid symbol.")
        return self._listing.by_symbol[symbol]

    def _exchange_info(self, _query: _Query, now_ns: int) -> Any:
        limit = {
            "rateLimitType": "REQUEST_WEIGHT",
            "interval": "MINUTE",
            "intervalNum": 1,
            "limit": WEIGHT_PER_MINUTE,
        }
        return {
            "timezone": "UTC",
            "serverTime": now_ns // MS_NS,
            "rateLimits": [limit],
            "exchangeFilters": [],
            "symbols": [_symbol(listed) for listed in self._listing.by_symbol.values()],
        }

    def _funding_info(self, _query: _Query, _now_ns: int) -> Any:
        """List only symbols with settings of their own, as the venue does: here the last one."""
        last = list(self._listing.by_symbol)[-1]
        return [
            {
                "symbol": last,
                "adjustedFundingRateCap": decimals(CAP, 8),
                "adjustedFundingRateFloor": decimals(-CAP, 8),
                "fundingIntervalHours": 8,
                "disclaimer": False,
            }
        ]

    def _open_interest(self, query: _Query, now_ns: int) -> Any:
        listed = self._listed(query)
        tick = self._listing.market.tick(listed.index, now_ns)
        coin = listed.size(tick.open_interest)
        return {"symbol": listed.symbol, "openInterest": coin, "time": now_ns // MS_NS}

    def _premium_index(self, query: _Query, now_ns: int) -> Any:
        if "symbol" in query:
            return self._premium(self._listed(query), now_ns)
        return [self._premium(listed, now_ns) for listed in self._listing.by_symbol.values()]

    def _premium(self, listed: Listed, now_ns: int) -> Any:
        tick = self._listing.market.tick(listed.index, now_ns)
        return {
            "symbol": listed.symbol,
            "markPrice": decimals(tick.mark, 8),
            "indexPrice": decimals(tick.index, 8),
            "estimatedSettlePrice": decimals(tick.index, 8),
            "lastFundingRate": decimals(tick.funding_rate, 8),
            "interestRate": decimals(INTEREST, 8),
            "nextFundingTime": next_funding_ns(now_ns) // MS_NS,
            "time": now_ns // MS_NS,
        }

    def _funding_rate(self, query: _Query, now_ns: int) -> Any:
        listed = self._listed(query)
        start, end, limit = _page(query, now_ns, 100, 1000)
        found = self._listing.market.history.payments(listed.index, start or 0, end)
        return [
            {
                "symbol": listed.symbol,
                "fundingTime": payment.time_ms,
                "fundingRate": decimals(payment.rate, 8),
                "markPrice": decimals(payment.mark, 8),
                "rateType": "REGULAR",
            }
            for payment in _cut(found, start, limit)
        ]

    def _klines(self, kind: BarKind, query: _Query, now_ns: int) -> Any:
        listed = self._listed(query, "pair" if kind == "index" else "symbol")
        step = _step(query, "interval", -1120)
        start, end, limit = _page(query, now_ns, 500, 1500)
        first = end - limit * step if start is None else start
        found = self._listing.market.history.bars(listed.index, kind, step, first, end)
        return [
            [bar.start_ms, *(decimals(value, 8) for value in bar[1:]), "0",
             bar.start_ms + step - 1, "0", step // 1000, "0", "0", "0"]
            for bar in _cut(found, start, limit)
        ]  # fmt: skip

    def _open_interest_history(self, query: _Query, now_ns: int) -> Any:
        listed = self._listed(query)
        step = _step(query, "period", -1130)
        start, end, limit = _page(query, now_ns, 30, 500)
        if start is not None and start < now_ns // MS_NS - OI_HISTORY_MS - SLACK_MS:
            raise Refused(-1130, "parameter 'startTime' is invalid.")
        first = end - limit * step if start is None else start
        found = self._listing.market.history.levels(listed.index, step, first, end)
        return [
            {
                "symbol": listed.symbol,
                "sumOpenInterest": decimals(level.coin, 8),
                "sumOpenInterestValue": decimals(level.usd, 8),
                "timestamp": level.time_ms,
            }
            for level in _cut(found, start, limit)
        ]


def _symbol(listed: Listed) -> dict[str, Any]:
    return {
        "symbol": listed.symbol,
        "pair": listed.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": 4_133_404_800_000,
        "onboardDate": 1_569_398_400_000,
        "status": "TRADING",
        "baseAsset": listed.coin,
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": listed.contract.price_decimals,
        "quantityPrecision": 3,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "filters": [],
    }


def _weight(path: str, query: _Query) -> int:
    if path.startswith("/futures/data/"):
        return 0
    if path.endswith("Klines"):
        limit = integer(query, "limit", 500) if query.get("limit", "").isdigit() else 500
        return 1 if limit < 100 else 2 if limit < 500 else 5 if limit <= 1000 else 10
    return 10 if path == "/fapi/v1/premiumIndex" and "symbol" not in query else 1


def _step(query: _Query, name: str, code: int) -> int:
    step = STEPS_MS.get(query.get(name, ""))
    if step is None:
        raise Refused(code, f"Invalid {name}.")
    return step


def _page(query: _Query, now_ns: int, default: int, most: int) -> tuple[int | None, int, int]:
    limit = integer(query, "limit", default)
    if not 1 <= limit <= most:
        raise Refused(-1130, "Data sent for parameter 'limit' is not valid.")
    start = integer(query, "startTime", 0) if "startTime" in query else None
    end = min(integer(query, "endTime", now_ns // MS_NS), now_ns // MS_NS)
    return start, end, limit


def _cut(rows: list[T], start: int | None, limit: int) -> list[T]:
    """Keep the first rows after a given start, else the newest."""
    return rows[:limit] if start is not None else rows[-limit:]
