"""Deribit's public REST as documented, over a simulated market: listings, funding of hours, trades by id."""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from service.simulator.funding import funding_rate
from service.simulator.listing import Listed, Listing, RateLimit
from service.simulator.market_events import Tick, Trade
from service.simulator.wire import MS_NS, SECOND_NS, Reply, integer, json_reply

#: 50,000 credits, of which 10,000 a second come back, at 500 a request.
REQUESTS_PER_5S = 100
HOUR_MS = 3_600_000
HOURS_OF_8H = 8
MOST_HOURS = 744
FIRST_SEQUENCE = 130_000_000
#: Every so many trades one leg of a combination is numbered in between.
COMBINATION_EVERY = 40
KEPT_TRADES = 20_000

_Query = Mapping[str, str]
_Row = dict[str, Any]


class Refused(Exception):  # noqa: N818 - the venue's answer, not a failure of ours
    """A request that the venue answers with an error."""


class Tape:
    """The numbered trades of each contract, the last ones kept."""

    def __init__(self) -> None:
        self._kept: dict[str, deque[_Row]] = {}

    def add(self, trade: Trade, listed: Listed, *, forced: bool) -> list[_Row]:
        """Keep a trade and return it as the venue writes it, after the leg that may come before it."""
        number = FIRST_SEQUENCE + trade.number + trade.number // COMBINATION_EVERY
        row: _Row = {
            "trade_seq": number,
            "trade_id": f"{listed.coin}-{number}",
            "timestamp": trade.time_ns // MS_NS,
            "tick_direction": 0,
            "price": trade.price,
            "instrument_name": listed.symbol,
            "direction": "buy" if trade.taker > 0 else "sell",
            "contracts": listed.contracts(trade.quantity, trade.price),
            "amount": listed.contracts(trade.quantity, trade.price) * listed.per_contract,
        }
        rows = [row]
        if trade.number % COMBINATION_EVERY == 0:
            leg = {"trade_seq": number - 1, "combo_id": f"{listed.coin}-FS-25DEC26_PERP"}
            rows.insert(0, {**row, **leg, "trade_id": f"{listed.coin}-{number - 1}"})
        if forced:
            row["liquidation"] = "T"
        self._kept.setdefault(listed.symbol, deque(maxlen=KEPT_TRADES)).extend(rows)
        return rows

    def between(self, symbol: str, first: int, last: int) -> list[_Row]:
        """Return kept trades by number, ascending."""
        return [row for row in self._kept.get(symbol, ()) if first <= row["trade_seq"] <= last]


def ticker_data(listed: Listed, tick: Tick) -> _Row:
    """Write a contract's levels. Open interest is USD, as contracts are inverse."""
    half = 0.5 * 10.0**-listed.contract.price_decimals
    zone = 0.00025
    return {
        "timestamp": tick.time_ns // MS_NS,
        "state": "open",
        "instrument_name": listed.symbol,
        "index_price": round(tick.index, 2),
        "mark_price": round(tick.mark, 2),
        "last_price": tick.last,
        "open_interest": listed.contracts(tick.open_interest, tick.mark) * listed.per_contract,
        "best_bid_price": round(tick.mid - half, listed.contract.price_decimals),
        "best_ask_price": round(tick.mid + half, listed.contract.price_decimals),
        "best_bid_amount": 100.0,
        "best_ask_amount": 100.0,
        "current_funding": max(tick.premium - zone, 0.0) + min(tick.premium + zone, 0.0),
        "funding_8h": round(tick.funding_rate, 8),
        "interest_value": tick.premium * 100.0,
    }


class DeribitRest:
    """Answers GETs of public methods."""

    def __init__(self, listing: Listing, tape: Tape) -> None:
        self._listing = listing
        self._tape = tape
        self._limit = RateLimit(REQUESTS_PER_5S, 5 * SECOND_NS)
        self._routes: dict[str, Callable[[_Query, int], Any]] = {
            "/api/v2/public/test": lambda _query, _now: {"version": "1.2.26"},
            "/api/v2/public/get_time": lambda _query, now_ns: now_ns // MS_NS,
            "/api/v2/public/get_instruments": self._instruments,
            "/api/v2/public/get_funding_rate_history": self._funding,
            "/api/v2/public/get_last_trades_by_instrument": self._trades,
        }

    def answer(self, path: str, query: _Query, now_ns: int) -> Reply:
        """Answer one GET."""
        if not self._limit.take(1, now_ns):
            return _refuse(10028, "too_many_requests", 429)
        route = self._routes.get(path)
        if route is None:
            return _refuse(-32601, "Method not found", 400)
        try:
            result = route(query, now_ns)
        except (Refused, ValueError) as refused:
            return _refuse(-32602, f"Invalid params: {refused}", 400)
        return json_reply({"jsonrpc": "2.0", "result": result, "testnet": False})

    def _listed(self, query: _Query) -> Listed:
        listed = self._listing.by_symbol.get(query.get("instrument_name", ""))
        if listed is None:
            raise Refused("instrument_name")
        return listed

    def _instruments(self, query: _Query, _now_ns: int) -> Any:
        currency, kind = query.get("currency", ""), query.get("kind", "future")
        every = list(self._listing.by_symbol.values())
        if currency != "any":
            every = [listed for listed in every if listed.coin == currency]
        return [_instrument(listed) for listed in every] if kind == "future" else []

    def _funding(self, query: _Query, now_ns: int) -> Any:
        """Funding of an hour is what the formula gives for its premium, an eighth of it each hour."""
        listed = self._listed(query)
        first = integer(query, "start_timestamp", 0)
        last = min(integer(query, "end_timestamp", 0), now_ns // MS_NS)
        bars = self._listing.market.history.bars(
            listed.index, "premium", HOUR_MS, first - (HOURS_OF_8H + 1) * HOUR_MS, last
        )
        hours = [(bar.start_ms + HOUR_MS, funding_rate(bar.close) / HOURS_OF_8H) for bar in bars]
        found = [
            {
                "timestamp": at_ms,
                "index_price": 0.0,
                "prev_index_price": 0.0,
                "interest_1h": rate,
                "interest_8h": sum(r for _, r in hours[max(0, at - HOURS_OF_8H + 1) : at + 1]),
            }
            for at, (at_ms, rate) in enumerate(hours)
            if first <= at_ms <= last
        ]
        return found[-MOST_HOURS:]

    def _trades(self, query: _Query, _now_ns: int) -> Any:
        listed = self._listed(query)
        found = self._tape.between(
            listed.symbol, integer(query, "start_seq", 0), integer(query, "end_seq", 2**62)
        )
        count = min(max(integer(query, "count", 10), 1), 1000)
        if query.get("sorting") == "asc":
            return {"trades": found[:count], "has_more": len(found) > count}
        return {"trades": found[::-1][:count], "has_more": len(found) > count}


def _refuse(code: int, message: str, status: int) -> Reply:
    return json_reply({"jsonrpc": "2.0", "error": {"message": message, "code": code}}, status)


def _instrument(listed: Listed) -> _Row:
    return {
        "kind": "future",
        "instrument_name": listed.symbol,
        "instrument_type": "reversed",
        "settlement_period": "perpetual",
        "base_currency": listed.coin,
        "counter_currency": "USD",
        "quote_currency": "USD",
        "settlement_currency": listed.coin,
        "contract_size": listed.per_contract,
        "min_trade_amount": listed.per_contract,
        "tick_size": 10.0**-listed.contract.price_decimals,
        "is_active": True,
        "state": "open",
        "creation_timestamp": 1_534_167_754_000,
        "expiration_timestamp": 32_503_708_800_000,
        "max_leverage": 50,
    }
