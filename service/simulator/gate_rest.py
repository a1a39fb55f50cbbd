"""Gate's futures REST v4 as documented and seen, over a simulated market. Times are in seconds."""

from collections.abc import Callable, Mapping
from typing import Any

from service.simulator.funding import INTERVAL_NS
from service.simulator.history import BarKind
from service.simulator.listing import Listed, Listing, RateLimit
from service.simulator.market_events import Tick
from service.simulator.wire import MS_NS, SECOND_NS, Reply, decimals, integer, json_reply

BASE = "/api/v4/futures/usdt"
REQUESTS_PER_10S = 200  # of each path
STEPS_S = {"5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "4h": 14_400, "1d": 86_400}
MOST_STATS = 2000
MOST_CANDLES = 2000
BARS: dict[str, BarKind] = {"mark_": "mark", "index_": "index"}

_Query = Mapping[str, str]


class Refused(Exception):  # noqa: N818 - the venue's answer, not a failure of ours
    """A request the venue answers with status 400."""


def ticker_fields(listed: Listed, tick: Tick) -> dict[str, Any]:
    """Write a contract's levels as the ticker does."""
    return {
        "contract": listed.symbol,
        "last": listed.price(tick.last),
        "mark_price": decimals(tick.mark, 4),
        "index_price": decimals(tick.index, 4),
        "funding_rate": decimals(tick.funding_rate, 8),
        "funding_rate_indicative": decimals(tick.funding_rate, 8),
        "funding_interval": INTERVAL_NS // SECOND_NS,
        "funding_offset": 0,
        "funding_next_apply": tick.next_funding_ns // SECOND_NS,
        "total_size": decimals(listed.contracts(tick.open_interest, tick.mark), 2),
        "quanto_base_rate": "",
        "t": tick.time_ns // MS_NS,
    }


class GateRest:
    """Answers GETs of contracts settled in USDT; of those settled in BTC there are none."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._routes: dict[str, Callable[[_Query, int], Any]] = {
            f"{BASE}/contracts": self._contracts,
            "/api/v4/futures/btc/contracts": lambda _query, _now_ns: [],
            f"{BASE}/contract_stats": self._stats,
            f"{BASE}/funding_rate": self._funding,
            f"{BASE}/candlesticks": self._candles,
        }
        self._limits = {path: RateLimit(REQUESTS_PER_10S, 10 * SECOND_NS) for path in self._routes}

    def answer(self, path: str, query: _Query, now_ns: int) -> Reply:
        """Answer one GET."""
        route = self._routes.get(path)
        if route is None:
            return json_reply({"label": "NOT_FOUND", "message": "no such path"}, 404)
        if not self._limits[path].take(1, now_ns):
            return json_reply({"label": "TOO_MANY_REQUESTS", "message": "slow down"}, 429)
        try:
            return json_reply(route(query, now_ns))
        except Refused as refused:
            return json_reply({"label": "INVALID_PARAM_VALUE", "message": str(refused)}, 400)
        except ValueError:
            return json_reply({"label": "INVALID_PARAM_VALUE", "message": "not a number"}, 400)

    def _listed(self, name: str) -> Listed:
        listed = self._listing.by_symbol.get(name)
        if listed is None:
            raise Refused(f"unknown contract {name}")
        return listed

    def _contracts(self, query: _Query, now_ns: int) -> Any:
        limit, offset = integer(query, "limit", 1000), integer(query, "offset", 0)
        chosen = list(self._listing.by_symbol.values())[offset : offset + limit]
        return [self._contract(listed, now_ns) for listed in chosen]

    def _contract(self, listed: Listed, now_ns: int) -> dict[str, Any]:
        tick = self._listing.market.tick(listed.index, now_ns)
        return {
            "name": listed.symbol,
            "type": "direct",
            "quanto_multiplier": listed.contract.contract_size,
            "mark_type": "index",
            "mark_price": decimals(tick.mark, 4),
            "index_price": decimals(tick.index, 4),
            "last_price": listed.price(tick.last),
            "order_price_round": decimals(10.0**-listed.contract.price_decimals, 4),
            "funding_rate": decimals(tick.funding_rate, 8),
            "funding_interval": INTERVAL_NS // SECOND_NS,
            "funding_next_apply": tick.next_funding_ns // SECOND_NS,
            "leverage_max": "100",
            "enable_decimal": True,
            "in_delisting": False,
            "is_pre_market": False,
            "status": "trading",
            "contract_type": "",
        }

    def _stats(self, query: _Query, now_ns: int) -> Any:
        listed = self._listed(query.get("contract", ""))
        step_s = _step_s(query)
        limit = integer(query, "limit", 100)
        if not 1 <= limit <= MOST_STATS:
            raise Refused("limit")
        now_s = now_ns // SECOND_NS
        first_s = integer(query, "from", now_s - limit * step_s)
        # a row is stamped at its start and holds the levels of its end
        most_s = min(now_s, first_s + (limit + 2) * step_s)
        levels = self._listing.market.history.levels(
            listed.index, step_s * 1000, (first_s + step_s) * 1000, most_s * 1000
        )
        return [
            {
                "time": level.time_ms // 1000 - step_s,
                "open_interest": decimals(listed.contracts(level.coin, level.usd / level.coin), 4),
                "open_interest_usd": level.usd,
                "mark_price": level.usd / level.coin,
                "long_liq_size": 0,
                "short_liq_size": 0,
                "long_liq_usd": 0,
                "short_liq_usd": 0,
            }
            for level in levels
        ]

    def _funding(self, query: _Query, now_ns: int) -> Any:
        listed = self._listed(query.get("contract", ""))
        limit = integer(query, "limit", 100)
        if not 1 <= limit <= 1000:
            raise Refused("limit")
        last_s = min(integer(query, "to", now_ns // SECOND_NS), now_ns // SECOND_NS)
        found = self._listing.market.history.payments(
            listed.index, integer(query, "from", 0) * 1000, last_s * 1000
        )
        return [
            {"t": payment.time_ms // 1000, "r": decimals(payment.rate, 8)}
            for payment in found[::-1][:limit]
        ]

    def _candles(self, query: _Query, now_ns: int) -> Any:
        name, step_s = query.get("contract", ""), _step_s(query)
        kind = next((kind for prefix, kind in BARS.items() if name.startswith(prefix)), None)
        if kind is None:
            raise Refused("only the candles of mark and index are simulated")
        listed = self._listed(name.partition("_")[2])
        last_s = min(integer(query, "to", now_ns // SECOND_NS), now_ns // SECOND_NS)
        first_s = integer(query, "from", last_s - 100 * step_s)
        if (last_s - first_s) // step_s > MOST_CANDLES:
            raise Refused("too many points")
        bars = self._listing.market.history.bars(
            listed.index, kind, step_s * 1000, first_s * 1000, last_s * 1000
        )
        names = ("o", "h", "l", "c")
        return [
            {"t": bar.start_ms // 1000, "v": 0, "sum": "0"}
            | {name: decimals(value, 8) for name, value in zip(names, bar[1:], strict=True)}
            for bar in bars
        ]


def _step_s(query: _Query) -> int:
    step_s = STEPS_S.get(query.get("interval", "5m"))
    if step_s is None:
        raise Refused("interval")
    return step_s
