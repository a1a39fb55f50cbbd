"""Kraken Futures' REST as documented, over a simulated market: contracts, funding, charts."""

import datetime as dt
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from service.simulator.history import BarKind
from service.simulator.listing import Listed, Listing
from service.simulator.wire import MS_NS, Reply, decimals, integer, json_reply

API = "/derivatives/api/v3/"
CHARTS = "/api/charts/v1/"
HOUR_MS = 3_600_000
HOURS_A_SETTLEMENT = 8  # the simulated market's; this venue's rates are of one
FUNDING_DAYS = 365
PER_PAGE = 2000
STEPS_MS = {"5m": 300_000, "15m": 900_000, "1h": HOUR_MS, "4h": 4 * HOUR_MS, "1d": 24 * HOUR_MS}
TICK_TYPES: dict[str, BarKind] = {"mark": "mark", "spot": "index"}

_Query = Mapping[str, str]


class KrakenPerpRest:
    """Answers GETs. Public ones cost nothing."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing

    def answer(self, path: str, query: _Query, now_ns: int) -> Reply:
        """Answer one GET."""
        now_ms = now_ns // MS_NS
        if path == f"{API}instruments":
            every = [instrument(listed) for listed in self._listing.by_symbol.values()]
            return _success(now_ms, instruments=every)
        if path == f"{API}historical-funding-rates":
            listed = self._listing.by_symbol.get(query.get("symbol", ""))
            if listed is None:
                body = {"result": "error", "error": "contractNotFound", "serverTime": _iso(now_ms)}
                return json_reply(body)
            return _success(now_ms, rates=self._rates(listed, now_ms))
        if path.startswith(CHARTS):
            return self._charts(path.removeprefix(CHARTS).split("/"), query, now_ms)
        return Reply(b"", 404)

    def _rates(self, listed: Listed, now_ms: int) -> list[dict[str, Any]]:
        """Cut settlements of eight hours into hours of an eighth."""
        history = self._listing.market.history
        span_ms = HOURS_A_SETTLEMENT * HOUR_MS
        paid = history.payments(listed.index, now_ms - FUNDING_DAYS * 24 * HOUR_MS, now_ms)
        found = {
            payment.time_ms - span_ms + hour * HOUR_MS: (payment.rate, payment.mark)
            for payment in paid
            for hour in range(HOURS_A_SETTLEMENT)
        }
        tick = self._listing.market.tick(listed.index, now_ms * MS_NS)
        running = now_ms // span_ms * span_ms
        for start_ms in range(running, now_ms, HOUR_MS):
            found[start_ms] = (tick.funding_rate, tick.mark)
        return [
            {
                "timestamp": _iso(start_ms),
                "fundingRate": rate / HOURS_A_SETTLEMENT * mark,
                "relativeFundingRate": rate / HOURS_A_SETTLEMENT,
            }
            for start_ms, (rate, mark) in sorted(found.items())
        ]

    def _charts(self, parts: list[str], query: _Query, now_ms: int) -> Reply:
        try:
            match parts:
                case ["analytics", symbol, "open-interest"]:
                    return self._open_interest(self._listing.by_symbol[symbol], query, now_ms)
                case [tick_type, symbol, resolution]:
                    listed = self._listing.by_symbol[symbol]
                    kind, step_ms = TICK_TYPES[tick_type], STEPS_MS[resolution]
                    return self._candles(listed, kind, step_ms, query, now_ms)
        except KeyError:
            pass
        except ValueError:
            return _complaint(400, "InvalidArguments")
        return _complaint(404, "NotFound")

    def _open_interest(self, listed: Listed, query: _Query, now_ms: int) -> Reply:
        step_ms = integer(query, "interval", 0) * 1000
        if "since" not in query or step_ms not in STEPS_MS.values():
            raise ValueError
        since_ms = integer(query, "since", 0) * 1000
        to_ms = min(integer(query, "to", now_ms // 1000) * 1000, now_ms)
        levels = self._listing.market.history.levels(listed.index, step_ms, since_ms, to_ms)
        pairs = list(pairwise(levels))
        page = pairs[:PER_PAGE]
        result = {
            "timestamp": [begin.time_ms // 1000 for begin, _ in page],
            "data": [
                _candle(
                    listed.contracts(begin.coin, begin.usd / begin.coin),
                    listed.contracts(end.coin, end.usd / end.coin),
                )
                for begin, end in page
            ],
            "more": len(pairs) > PER_PAGE,
        }
        return json_reply({"result": result, "errors": []})

    def _candles(
        self, listed: Listed, kind: BarKind, step_ms: int, query: _Query, now_ms: int
    ) -> Reply:
        first_ms = integer(query, "from", 0) * 1000
        last_ms = min(integer(query, "to", now_ms // 1000) * 1000, now_ms)
        bars = self._listing.market.history.bars(listed.index, kind, step_ms, first_ms, last_ms)
        page = [
            {
                "time": bar.start_ms,
                "open": decimals(bar.open, 8),
                "high": decimals(bar.high, 8),
                "low": decimals(bar.low, 8),
                "close": decimals(bar.close, 8),
                "volume": 0,
            }
            for bar in bars[:PER_PAGE]
        ]
        return json_reply({"candles": page, "more_candles": len(bars) > PER_PAGE})


def _candle(begin: float, end: float) -> list[str]:
    return [decimals(v, 4) for v in (begin, max(begin, end), min(begin, end), end)]


def _iso(ms: int) -> str:
    moment = dt.datetime.fromtimestamp(ms / 1000, dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _success(now_ms: int, **content: object) -> Reply:
    return json_reply({"result": "success", **content, "serverTime": _iso(now_ms)})


def _complaint(status: int, what: str) -> Reply:
    error = {"severity": "E", "error_class": "General", "type": what}
    return json_reply({"result": None, "errors": [error]}, status)


def instrument(listed: Listed) -> dict[str, Any]:
    """Write a contract as the listing does."""
    return {
        "symbol": listed.symbol,
        "type": "futures_inverse" if listed.inverse else "flexible_futures",
        "tickSize": 10.0**-listed.contract.price_decimals,
        "contractSize": int(listed.per_contract),
        "tradeable": True,
        "impactMidSize": 1.0,
        "maxPositionSize": 1_000_000.0,
        "openingDate": "2022-03-22T13:15:36Z",
        "marginLevels": [],
        "fundingRateCoefficient": 8,
        "maxRelativeFundingRate": 0.005,
        "contractValueTradePrecision": 4,
        "postOnly": False,
        "base": listed.coin,
        "quote": "USD",
        "pair": f"{listed.coin}:USD",
        "category": "",
        "tags": [],
        "tradfi": False,
        "isExpired": False,
    }
