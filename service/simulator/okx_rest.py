"""OKX v5's public REST as documented, over a simulated market: newest first, before and after, contracts."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from service.simulator.funding import CAP, INTEREST, INTERVAL_NS
from service.simulator.history import BarKind
from service.simulator.listing import Listed, Listing, RateLimit
from service.simulator.market_events import Liquidation, Tick
from service.simulator.wire import MS_NS, SECOND_NS, Reply, decimals, integer, json_reply

REQUESTS_PER_2S = 20
RUBIK_ROWS = 1440  # the venue keeps this many points of each period
HOUR_MS = 3_600_000
FUNDING_HISTORY_MS = 92 * 24 * HOUR_MS
PERIODS_MS = {
    "5m": 300_000, "15m": 900_000, "30m": 1_800_000, "1H": HOUR_MS, "2H": 2 * HOUR_MS,
    "4H": 4 * HOUR_MS, "6H": 6 * HOUR_MS, "12H": 12 * HOUR_MS, "1D": 24 * HOUR_MS,
}  # fmt: skip
BARS_MS = PERIODS_MS | {f"{n}utc": PERIODS_MS[n] for n in ("6H", "12H", "1D")}

_Query = Mapping[str, str]
_Row = dict[str, Any]


class Refused(Exception):  # noqa: N818 - the venue's answer, not a failure of ours
    """A request the venue answers with an error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def index_name(listed: Listed) -> str:
    """Return the id of the index a contract follows."""
    return f"{listed.coin}-USDT"


def mark_row(listed: Listed, tick: Tick) -> _Row:
    """Write a mark price."""
    return {
        "instId": listed.symbol,
        "instType": "SWAP",
        "markPx": decimals(tick.mark, 3),
        "ts": str(tick.time_ns // MS_NS),
    }


def index_row(listed: Listed, tick: Tick) -> _Row:
    """Write an index price."""
    price = decimals(tick.index, 3)
    return {
        "instId": index_name(listed), "idxPx": price, "high24h": price, "low24h": price,
        "open24h": price, "sodUtc0": price, "sodUtc8": price, "ts": str(tick.time_ns // MS_NS),
    }  # fmt: skip


def open_interest_row(listed: Listed, tick: Tick) -> _Row:
    """Write open interest: contracts, coin, USD; one side."""
    return {
        "instId": listed.symbol,
        "instType": "SWAP",
        "oi": listed.size(tick.open_interest),
        "oiCcy": decimals(tick.open_interest, 6),
        "oiUsd": decimals(tick.open_interest * tick.mark, 4),
        "ts": str(tick.time_ns // MS_NS),
    }


def funding_row(listed: Listed, tick: Tick, settled: float | None) -> _Row:
    """Write the predicted rate and, once there was one, the last settled."""
    return {
        "instId": listed.symbol,
        "instType": "SWAP",
        "method": "current_period",
        "formulaType": "withRate",
        "fundingRate": decimals(tick.funding_rate, 10),
        "fundingTime": str(tick.next_funding_ns // MS_NS),
        "nextFundingRate": "",
        "nextFundingTime": str((tick.next_funding_ns + INTERVAL_NS) // MS_NS),
        "minFundingRate": decimals(-CAP, 5),
        "maxFundingRate": decimals(CAP, 5),
        "interestRate": decimals(INTEREST, 10),
        "impactValue": "20000",
        "settState": "settled",
        "settFundingRate": "" if settled is None else decimals(settled, 10),
        "premium": decimals(tick.premium, 10),
        "ts": str(tick.time_ns // MS_NS),
    }


def liquidation_row(listing: Listing, at_ns: int, event: Liquidation) -> _Row:
    """Write a liquidation order. `side` is the order's, `posSide` the position's."""
    listed = listing.by_index[event.contract]
    long = event.position > 0
    detail = {
        "bkLoss": "0",
        "bkPx": listed.price(event.bankruptcy_price),
        "ccy": "",
        "posSide": "long" if long else "short",
        "side": "sell" if long else "buy",
        "sz": listed.size(event.quantity),
        "ts": str(at_ns // MS_NS),
    }
    return {
        "details": [detail],
        "instFamily": index_name(listed),
        "instId": listed.symbol,
        "instType": "SWAP",
        "uly": index_name(listed),
    }


class OkxRest:
    """Answers GETs about swaps, or where they are of spot what is listed."""

    def __init__(
        self, listing: Listing, recent: Iterable[tuple[int, Liquidation]], *, kind: str = "SWAP"
    ) -> None:
        self._listing = listing
        self._recent = recent
        self._kind = kind
        self._limits: dict[str, RateLimit] = {}
        self._routes: dict[str, Callable[[_Query, int], list[Any]]] = {
            "/api/v5/public/time": lambda _query, now: [{"ts": str(now // MS_NS)}],
            "/api/v5/public/instruments": self._instruments,
        }
        if kind == "SWAP":
            self._routes |= self._of_swaps()

    def _of_swaps(self) -> dict[str, Callable[[_Query, int], list[Any]]]:
        return {
            "/api/v5/public/mark-price": lambda q, now: self._levels(q, now, mark_row),
            "/api/v5/public/open-interest": lambda q, n: self._levels(q, n, open_interest_row),
            "/api/v5/public/funding-rate": self._funding,
            "/api/v5/public/funding-rate-history": self._funding_history,
            "/api/v5/public/liquidation-orders": self._liquidations,
            "/api/v5/market/index-tickers": lambda q, now: self._levels(q, now, index_row),
            "/api/v5/rubik/stat/contracts/open-interest-history": self._open_interest_history,
            "/api/v5/market/mark-price-candles": lambda q, now: self._candles("mark", q, now),
            "/api/v5/market/history-mark-price-candles": lambda q, n: self._candles("mark", q, n),
            "/api/v5/market/index-candles": lambda q, now: self._candles("index", q, now),
            "/api/v5/market/history-index-candles": lambda q, now: self._candles("index", q, now),
        }

    def answer(self, path: str, query: _Query, now_ns: int) -> Reply:
        """Answer one GET; errors of a request are a code within HTTP 200, too many are 429."""
        route = self._routes.get(path)
        if route is None:
            return _body("404", "Not Found", [], 404)
        key = f"{path}:{query.get('instId', '')}"
        limit = self._limits.setdefault(key, RateLimit(REQUESTS_PER_2S, 2 * SECOND_NS))
        if not limit.take(1, now_ns):
            return _body("50011", "Too Many Requests", [], 429)
        try:
            return _body("0", "", route(query, now_ns))
        except Refused as refused:
            return _body(refused.code, str(refused), [])
        except ValueError:
            return _body("51000", "Parameter error", [])

    def _listed(self, query: _Query) -> Listed:
        listed = self._listing.by_symbol.get(query.get("instId", ""))
        if listed is None:
            raise Refused("51001", "Instrument ID does not exist")
        return listed

    def _chosen(self, query: _Query) -> list[Listed]:
        if query.get("instId", "ANY") != "ANY":
            wanted = query["instId"]
            found = [c for c in self._listing.by_index.values()
                     if wanted in {c.symbol, index_name(c)}]  # fmt: skip
            if not found:
                raise Refused("51001", "Instrument ID does not exist")
            return found
        return list(self._listing.by_index.values())

    def _instruments(self, query: _Query, _now_ns: int) -> list[Any]:
        if query.get("instType") != self._kind:
            raise Refused("51000", "Parameter instType error")
        write = _swap if self._kind == "SWAP" else _pair
        return [write(listed) for listed in self._chosen(query)]

    def _levels(
        self, query: _Query, now_ns: int, write: Callable[[Listed, Tick], _Row]
    ) -> list[Any]:
        tick = self._listing.market.tick
        return [write(listed, tick(listed.index, now_ns)) for listed in self._chosen(query)]

    def _funding(self, query: _Query, now_ns: int) -> list[Any]:
        if "instId" not in query:
            raise Refused("50014", "Parameter instId can not be empty.")
        history, rows = self._listing.market.history, []
        for listed in self._chosen(query):
            paid = history.payments(listed.index, (now_ns - INTERVAL_NS) // MS_NS, now_ns // MS_NS)
            tick = self._listing.market.tick(listed.index, now_ns)
            rows.append(funding_row(listed, tick, paid[-1].rate if paid else None))
        return rows

    def _funding_history(self, query: _Query, now_ns: int) -> list[Any]:
        listed = self._listed(query)
        newest, oldest = _span(query, now_ns, now_ns // MS_NS - FUNDING_HISTORY_MS)
        found = self._listing.market.history.payments(listed.index, oldest, newest)
        return [
            {
                "instId": listed.symbol,
                "instType": "SWAP",
                "method": "current_period",
                "formulaType": "withRate",
                "fundingRate": decimals(payment.rate, 10),
                "realizedRate": decimals(payment.rate, 10),
                "fundingTime": str(payment.time_ms),
            }
            for payment in found[::-1][: _limit(query, 400, 400)]
        ]

    def _liquidations(self, query: _Query, _now_ns: int) -> list[Any]:
        if query.get("instType") != "SWAP":
            raise Refused("51000", "Parameter instType error")
        rows = [liquidation_row(self._listing, at, event) for at, event in self._recent]
        family = query.get("instFamily")
        return [row for row in rows[::-1] if family in {None, row["instFamily"]}]

    def _open_interest_history(self, query: _Query, now_ns: int) -> list[Any]:
        listed = self._listed(query)
        step = _step(PERIODS_MS, query.get("period", "5m"))
        limit, now_ms = _limit(query, 100, 100), now_ns // MS_NS
        end = min(integer(query, "end", now_ms + 1) - 1, now_ms)
        kept = now_ms - RUBIK_ROWS * step
        begin = max(integer(query, "begin", 0) + 1, kept, end - limit * step)
        found = self._listing.market.history.levels(listed.index, step, begin, end)
        return [
            [str(level.time_ms), listed.size(level.coin), decimals(level.coin, 6),
             decimals(level.usd, 4)]
            for level in found[::-1][:limit]
        ]  # fmt: skip

    def _candles(self, kind: BarKind, query: _Query, now_ns: int) -> list[Any]:
        listed = self._chosen(query)[0] if kind == "index" else self._listed(query)
        if "instId" not in query:
            raise Refused("50014", "Parameter instId can not be empty.")
        step, limit = _step(BARS_MS, query.get("bar", "1m")), _limit(query, 100, 100)
        newest, oldest = _span(query, now_ns, 0)
        oldest = max(oldest, newest - limit * step)
        found = self._listing.market.history.bars(listed.index, kind, step, oldest, newest)
        return [
            [str(bar.start_ms), *(decimals(value, 3) for value in bar[1:]),
             "1" if bar.start_ms + step <= now_ns // MS_NS else "0"]
            for bar in found[::-1][:limit]
        ]  # fmt: skip


def _span(query: _Query, now_ns: int, oldest: int) -> tuple[int, int]:
    """Return (newest, oldest) ms: strictly earlier than `after`, strictly newer than `before`."""
    newest = min(integer(query, "after", now_ns // MS_NS + 1) - 1, now_ns // MS_NS)
    return newest, max(integer(query, "before", oldest - 1) + 1, oldest)


def _step(table: Mapping[str, int], name: str) -> int:
    if name not in table:
        raise Refused("51000", f"Parameter bar or period {name} error")
    return table[name]


def _limit(query: _Query, default: int, most: int) -> int:
    return min(max(integer(query, "limit", default), 1), most)


def _body(code: str, message: str, data: list[Any], status: int = 200) -> Reply:
    return json_reply({"code": code, "msg": message, "data": data}, status)


def _pair(listed: Listed) -> _Row:
    places = listed.contract.price_decimals
    return {
        "instType": "SPOT",
        "instId": listed.symbol,
        "instFamily": "",
        "baseCcy": listed.coin,
        "quoteCcy": "USDT",
        "settleCcy": "",
        "ctVal": "",
        "ctMult": "",
        "ctValCcy": "",
        "ctType": "",
        "tickSz": decimals(10.0**-places, places),
        "lotSz": "0.00000001",
        "minSz": "0.00001",
        "state": "live",
        "ruleType": "normal",
        "instCategory": "1",
    }


def _swap(listed: Listed) -> _Row:
    return {
        "instType": "SWAP",
        "instId": listed.symbol,
        "uly": index_name(listed),
        "instFamily": index_name(listed),
        "baseCcy": "",
        "quoteCcy": "",
        "settleCcy": "USDT",
        "ctVal": listed.contract.contract_size,
        "ctMult": "1",
        "ctValCcy": listed.coin,
        "ctType": "linear",
        "optType": "",
        "stk": "",
        "listTime": "1573557408000",
        "expTime": "",
        "lever": "100",
        "tickSz": decimals(10.0**-listed.contract.price_decimals, listed.contract.price_decimals),
        "lotSz": "0.01",
        "minSz": "0.01",
        "state": "live",
        "ruleType": "normal",
        "instCategory": "1",
    }
