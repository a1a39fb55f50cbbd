"""Bitget's v3 market REST as documented, over a simulated market: pages, newest first."""

from collections.abc import Callable, Mapping
from typing import Any

from service.simulator.funding import INTERVAL_NS
from service.simulator.history import BarKind
from service.simulator.listing import Listed, Listing, RateLimit
from service.simulator.market_events import Tick
from service.simulator.wire import MS_NS, SECOND_NS, Reply, decimals, integer, json_reply

CATEGORY = "USDT-FUTURES"
CATEGORIES = (CATEGORY, "USDC-FUTURES")
REQUESTS_PER_S = 20  # of each path
MOST_PAGES = 100
HOUR_MS = 3_600_000
STEPS_MS = {"5m": 300_000, "15m": 900_000, "30m": 1_800_000, "1H": HOUR_MS, "4H": 4 * HOUR_MS,
            "6H": 6 * HOUR_MS, "12H": 12 * HOUR_MS, "1D": 24 * HOUR_MS}  # fmt: skip
BARS: dict[str, BarKind] = {"mark": "mark", "index": "index", "premium": "premium"}

_Query = Mapping[str, str]


class Refused(Exception):  # noqa: N818 - the venue's answer, not a failure of ours
    """A request the venue answers with a code."""


def ticker_fields(listed: Listed, tick: Tick) -> dict[str, str]:
    """Write a contract's levels as the ticker does."""
    half = 0.5 * 10.0**-listed.contract.price_decimals
    return {
        "lastPrice": listed.price(tick.last),
        "bid1Price": listed.price(tick.mid - half),
        "ask1Price": listed.price(tick.mid + half),
        "bid1Size": "5.000",
        "ask1Size": "5.000",
        "indexPrice": decimals(tick.index, 10),
        "markPrice": decimals(tick.mark, 4),
        "fundingRate": decimals(tick.funding_rate, 8),
        "openInterest": decimals(tick.open_interest, 4),
        "deliveryTime": "",
        "deliveryStartTime": "",
        "deliveryStatus": "",
        "nextFundingTime": str(tick.next_funding_ns // MS_NS),
    }


class BitgetRest:
    """Answers GETs of the USDT futures; of the USDC futures there are none."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._routes: dict[str, Callable[[_Query, int], Any]] = {
            "/api/v3/market/instruments": self._instruments,
            "/api/v3/market/history-fund-rate": self._funding,
            "/api/v3/market/candles": self._candles,
        }
        self._limits = {path: RateLimit(REQUESTS_PER_S, SECOND_NS) for path in self._routes}

    def answer(self, path: str, query: _Query, now_ns: int) -> Reply:
        """Answer one GET; errors of a request are a code."""
        route = self._routes.get(path)
        if route is None:
            return json_reply({"code": "40404", "msg": "Request URL NOT FOUND"}, 404)
        if not self._limits[path].take(1, now_ns):
            return json_reply({"code": "429", "msg": "Too Many Requests"}, 429)
        try:
            code, message, data = "00000", "success", route(query, now_ns)
        except Refused as refused:
            code, message, data = "40020", str(refused), None
        except ValueError:
            code, message, data = "40020", "Parameter error", None
        return json_reply(
            {"code": code, "msg": message, "requestTime": now_ns // MS_NS, "data": data}
        )

    def _listed(self, query: _Query) -> Listed:
        listed = self._listing.by_symbol.get(query.get("symbol", ""))
        if listed is None or query.get("category") != CATEGORY:
            raise Refused("Parameter symbol error")
        return listed

    def _instruments(self, query: _Query, _now_ns: int) -> Any:
        if query.get("category") not in CATEGORIES:
            raise Refused("Parameter category error")
        if query["category"] != CATEGORY:
            return []
        return [_instrument(listed) for listed in self._listing.by_symbol.values()]

    def _funding(self, query: _Query, now_ns: int) -> Any:
        listed = self._listed(query)
        limit, number = integer(query, "limit", 20), integer(query, "cursor", 1)
        if not (1 <= limit <= 100 and 1 <= number <= MOST_PAGES):
            raise Refused("Parameter limit error")
        history = self._listing.market.history
        found = history.payments(listed.index, 0, now_ns // MS_NS)[::-1]
        return {
            "resultList": [
                {
                    "symbol": listed.symbol,
                    "fundingRate": decimals(payment.rate, 8),
                    "fundingRateTimestamp": str(payment.time_ms),
                }
                for payment in found[(number - 1) * limit : number * limit]
            ]
        }

    def _candles(self, query: _Query, now_ns: int) -> Any:
        listed = self._listed(query)
        kind, step = BARS.get(query.get("type", "")), STEPS_MS.get(query.get("interval", ""))
        if kind is None or step is None:
            raise Refused("Parameter type error")
        limit = integer(query, "limit", 100)
        if not 1 <= limit <= 1000:
            raise Refused("Parameter limit error")
        end = min(integer(query, "endTime", now_ns // MS_NS), now_ns // MS_NS)
        first = max(integer(query, "startTime", 0), end - limit * step)
        bars = self._listing.market.history.bars(listed.index, kind, step, first, end)
        return [
            [str(bar.start_ms), *(decimals(value, 8) for value in bar[1:]), "0", "0"]
            for bar in bars[-limit:]
        ]


def _instrument(listed: Listed) -> dict[str, Any]:
    places = listed.contract.price_decimals
    return {
        "symbol": listed.symbol,
        "category": CATEGORY,
        "baseCoin": listed.coin,
        "quoteCoin": "USDT",
        "isRwa": "NO",
        "isReality": "no",
        "minOrderQty": "0.001",
        "pricePrecision": str(places),
        "quantityPrecision": "3",
        "priceMultiplier": decimals(10.0**-places, places),
        "quantityMultiplier": "0.001",
        "type": "perpetual",
        "status": "online",
        "offTime": "",
        "deliveryTime": "",
        "launchTime": "",
        "fundInterval": str(INTERVAL_NS // (3600 * SECOND_NS)),
        "minLeverage": "1",
        "maxLeverage": "125",
        "symbolType": "crypto",
    }
