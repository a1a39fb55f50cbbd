"""REST of Binance's products and clones, over a simulated market: weights, bans, ascending pages.

Each product keeps an account of its own, though USD-M and COIN-M share one at the venue.
"""

from collections import deque
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, TypeVar

from service.simulator.funding import CAP, INTEREST, next_funding_ns
from service.simulator.history import BarKind, Level
from service.simulator.listing import Listed, Listing, RateLimit
from service.simulator.market_events import Trade
from service.simulator.wire import MS_NS, SECOND_NS, Reply, decimals, integer, json_reply

WEIGHT_PER_MINUTE = 2400
TRADES_KEPT = 50_000  # of each contract
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


def size_of(listed: Listed, coin: float, price: float) -> str:
    """Write a quantity of coin as this venue does: of inverse contracts in whole contracts."""
    return f"{listed.contracts(coin, price):.0f}" if listed.inverse else listed.size(coin)


def pair_of(symbol: str) -> str:
    """Return the pair of a perpetual."""
    return symbol.removesuffix("_PERP")


class BinanceRest:
    """Answers GETs, keeps the weight account of the one address it knows, and remembers trades."""

    def __init__(
        self, listing: Listing, api: str, first_id: int, most: int, trades_weight: int
    ) -> None:
        self._listing = listing
        self._api = api
        self._first_id = first_id
        self._trades_weight = trades_weight
        self._weight = RateLimit(most, 60 * SECOND_NS)
        self._banned_until_ns = 0
        pairs = {pair_of(symbol): listed for symbol, listed in listing.by_symbol.items()}
        self._by = {"symbol": listing.by_symbol, "pair": pairs}
        self._tapes = {i: deque[Trade](maxlen=TRADES_KEPT) for i in listing.by_index}
        self._routes: dict[str, Callable[[_Query, int], Any]] = {
            f"{api}/ping": lambda _query, _now: {},
            f"{api}/time": lambda _query, now: {"serverTime": now // MS_NS},
            f"{api}/exchangeInfo": self._exchange_info,
            f"{api}/aggTrades": self._aggregate_trades,
        }

    def remember(self, trade: Trade) -> None:
        """Keep a trade for those who ask for it later."""
        self._tapes[trade.contract].append(trade)

    def answer(self, path: str, query: _Query, now_ns: int) -> Reply:
        """Answer one GET, or refuse it: 400, 404, 429, 418."""
        if now_ns < self._banned_until_ns:
            return self._limited(418, (self._banned_until_ns - now_ns) // SECOND_NS + 1)
        fits = self._weight.take(self._cost(path, query), now_ns)
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
        listed = self._by[name].get(symbol)
        if listed is None:
            raise Refused(-1121, "Invalid symbol.")
        return listed

    def _cost(self, path: str, query: _Query) -> int:
        """Return the weight of a request."""
        return self._trades_weight if path.endswith("/aggTrades") else _weight(path, query)

    def _aggregate_trades(self, query: _Query, now_ns: int) -> Any:
        """List trades upwards from an id or a time, else the newest; each is an aggregate of its own."""
        listed = self._listed(query)
        start, end, limit = _page(query, now_ns, 500, 1000)
        tape = self._tapes[listed.index]
        first = tape[0].number if tape else 0
        skip = len(tape) - limit
        if "fromId" in query:
            skip = integer(query, "fromId", 0) - self._first_id - first
        elif start is not None:
            skip = sum(trade.time_ns // MS_NS < start for trade in tape)
        found = islice(tape, max(0, skip), max(0, skip) + limit)
        return [self._aggregate(listed, trade) for trade in found if trade.time_ns // MS_NS <= end]

    def _aggregate(self, listed: Listed, trade: Trade) -> dict[str, Any]:
        number = self._first_id + trade.number
        return {
            "a": number,
            "p": listed.price(trade.price),
            "q": size_of(listed, trade.quantity, trade.price),
            "f": number,
            "l": number,
            "T": trade.time_ns // MS_NS,
            "m": trade.taker < 0,
        }

    def _exchange_info(self, _query: _Query, now_ns: int) -> Any:
        limit = {
            "rateLimitType": "REQUEST_WEIGHT",
            "interval": "MINUTE",
            "intervalNum": 1,
            "limit": self._weight.most,
        }
        return {
            "timezone": "UTC",
            "serverTime": now_ns // MS_NS,
            "rateLimits": [limit],
            "exchangeFilters": [],
            "symbols": [self._symbol(listed) for listed in self._listing.by_symbol.values()],
        }

    def _symbol(self, listed: Listed) -> dict[str, Any]:
        """Describe a contract or pair."""
        raise NotImplementedError


class FuturesRest(BinanceRest):
    """The futures' side of it. `statistics`: open interest of the past is told, and only odd intervals."""

    def __init__(self, listing: Listing, api: str, first_id: int, *, statistics: bool) -> None:
        super().__init__(listing, api, first_id, WEIGHT_PER_MINUTE, 20)
        self._statistics = statistics
        self._routes |= {
            f"{api}/fundingInfo": self._funding_info,
            f"{api}/openInterest": self._open_interest,
            f"{api}/premiumIndex": self._premium_index,
            f"{api}/fundingRate": self._funding_rate,
            f"{api}/markPriceKlines": lambda q, now: self._klines("mark", q, now),
            f"{api}/indexPriceKlines": lambda q, now: self._klines("index", q, now),
            f"{api}/premiumIndexKlines": lambda q, now: self._klines("premium", q, now),
        }
        if statistics:
            self._routes["/futures/data/openInterestHist"] = self._open_interest_history

    def _funding_info(self, _query: _Query, _now_ns: int) -> Any:
        """List symbols with settings of their own, as Binance does: here the last one. Aster lists all."""
        symbols = list(self._listing.by_symbol)
        return [
            {
                "symbol": symbol,
                "adjustedFundingRateCap": decimals(CAP, 8),
                "adjustedFundingRateFloor": decimals(-CAP, 8),
                "fundingIntervalHours": 8,
                "disclaimer": False,
            }
            for symbol in (symbols[-1:] if self._statistics else symbols)
        ]

    def _open_interest(self, query: _Query, now_ns: int) -> Any:
        listed = self._listed(query)
        tick = self._listing.market.tick(listed.index, now_ns)
        size = size_of(listed, tick.open_interest, tick.mark)
        return {"symbol": listed.symbol, "openInterest": size, "time": now_ns // MS_NS}

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
        listed = self._listed(query, "pair" if self._api == "/dapi/v1" else "symbol")
        step = _step(query, "period", -1130)
        start, end, limit = _page(query, now_ns, 30, 500)
        if start is not None and start < now_ns // MS_NS - OI_HISTORY_MS - SLACK_MS:
            raise Refused(-1130, "parameter 'startTime' is invalid.")
        first = end - limit * step if start is None else start
        found = self._listing.market.history.levels(listed.index, step, first, end)
        return [
            {
                "symbol": listed.symbol,
                "sumOpenInterest": size,
                "sumOpenInterestValue": value,
                "timestamp": level.time_ms,
            }
            for level in _cut(found, start, limit)
            for size, value in [_level(listed, level)]
        ]

    def _symbol(self, listed: Listed) -> dict[str, Any]:
        inverse = listed.inverse
        return {
            "symbol": listed.symbol,
            "pair": pair_of(listed.symbol),
            "contractType": "PERPETUAL",
            "deliveryDate": 4_133_404_800_000,
            "onboardDate": 1_569_398_400_000,
            "contractStatus" if inverse else "status": "TRADING",
            "baseAsset": listed.coin,
            "quoteAsset": "USD" if inverse else "USDT",
            "marginAsset": listed.coin if inverse else "USDT",
            "pricePrecision": listed.contract.price_decimals,
            "quantityPrecision": 0 if inverse else 3,
            "baseAssetPrecision": 8,
            "quotePrecision": 8,
            "underlyingType": "COIN",
            "underlyingSubType": [],
            "filters": [],
        } | ({"contractSize": int(listed.per_contract)} if inverse else {})


def _level(listed: Listed, level: Level) -> tuple[str, str]:
    """Write open interest and its value: coin and USD, of inverse contracts contracts and coin."""
    if listed.inverse:
        return decimals(level.usd / listed.per_contract, 8), decimals(level.coin, 8)
    return decimals(level.coin, 8), decimals(level.usd, 8)


def _weight(path: str, query: _Query) -> int:
    if path.startswith("/futures/data/"):
        return 0
    if path.endswith("Klines"):
        limit = integer(query, "limit", 500) if query.get("limit", "").isdigit() else 500
        return 1 if limit < 100 else 2 if limit < 500 else 5 if limit <= 1000 else 10
    return 10 if path.endswith("/premiumIndex") and "symbol" not in query else 1


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
