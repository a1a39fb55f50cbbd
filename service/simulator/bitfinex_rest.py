"""Bitfinex's REST as documented, over a simulated market: pairs, names, and status of the past."""

from collections.abc import Mapping
from typing import Any

from service.simulator.listing import Listing, RateLimit
from service.simulator.market_events import Tick
from service.simulator.wire import MS_NS, SECOND_NS, Reply, integer, json_reply

REQUESTS_PER_MINUTE = 90
STEP_MS = 300_000
MOST_ROWS = 5000
SPAN_MS = 8 * 3_600_000

_Query = Mapping[str, str]


def status(tick: Tick) -> list[Any]:
    """Write a contract's levels as the status channel does."""
    return _row(
        tick.time_ns // MS_NS, tick.mid, tick.index, tick.next_funding_ns // MS_NS,
        tick.funding_rate, tick.mark, tick.open_interest,
    )  # fmt: skip


def _row(
    at_ms: int, middle: float, spot: float, next_ms: int, rate: float, mark: float, size: float
) -> list[Any]:
    step = (at_ms - next_ms + SPAN_MS) // 60_000
    accrued = round(0.5 * rate, 8)
    return [
        at_ms, None, middle, spot, None, 65_000_000.0, None, next_ms, accrued, step, None, rate,
        None, None, mark, None, None, size, None, None, None, 0.0005, 0.0025,
    ]  # fmt: skip


class BitfinexRest:
    """Answers GETs."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._limit = RateLimit(REQUESTS_PER_MINUTE, 60 * SECOND_NS)

    def answer(self, path: str, query: _Query, now_ns: int) -> Reply:
        """Answer one GET; the past is sampled each five minutes."""
        if not self._limit.take(1, now_ns):
            return json_reply(["error", 11010, "ratelimit: error"], 429)
        match path.split("/"):
            case ["", "v2", "conf", "pub:list:pair:futures,pub:map:currency:sym"]:
                return json_reply([self._pairs(), self._names()])
            case ["", "v2", "status", "deriv", symbol, "hist"]:
                return self._history(symbol, query, now_ns // MS_NS)
        return json_reply(["error", 10020, "path: invalid"], 404)

    def _pairs(self) -> list[str]:
        """List what there is, and some that are no coins against Tether."""
        ours = [symbol.removeprefix("t") for symbol in self._listing.by_symbol]
        return [*ours, "ETHF0:BTCF0", "EUROPE50IXF0:USTF0", "XAGF0:USTF0"]

    def _names(self) -> list[list[str]]:
        return [["ALG", "ALGO"], ["UST", "USDt"], ["BTCF0", "BTC-PERP"]]

    def _history(self, symbol: str, query: _Query, now_ms: int) -> Reply:
        listed = self._listing.by_symbol.get(symbol)
        try:
            limit = min(max(integer(query, "limit", 25), 1), MOST_ROWS)
            end_ms = min(integer(query, "end", now_ms), now_ms)
            ascending = integer(query, "sort", -1) == 1
            start_ms = integer(query, "start", end_ms - limit * STEP_MS)
        except ValueError:
            return json_reply(["error", 10020, "params: invalid"], 500)
        if listed is None:
            return json_reply(["error", 10020, "symbol: invalid"], 500)
        rows = self._rows(listed.index, start_ms, end_ms)
        return json_reply(rows[:limit] if ascending else rows[::-1][:limit])

    def _rows(self, contract: int, start_ms: int, end_ms: int) -> list[list[Any]]:
        history = self._listing.market.history
        levels = history.levels(contract, STEP_MS, start_ms, end_ms)
        index = {
            bar.start_ms: bar.open
            for bar in history.bars(contract, "index", STEP_MS, start_ms, end_ms)
        }
        paid = {
            payment.time_ms: payment.rate
            for payment in history.payments(contract, start_ms, end_ms + SPAN_MS)
        }
        rows = []
        for level in levels:
            next_ms = (level.time_ms // SPAN_MS + 1) * SPAN_MS
            mark = level.usd / level.coin
            spot = index.get(level.time_ms, mark)
            rate = paid.get(next_ms, 0.0001)
            rows.append(_row(level.time_ms, mark, spot, next_ms, rate, mark, level.coin))
        return rows
