"""dYdX v4's indexer REST as documented, over a simulated market: newest first, moments as text."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from service.simulator.hourly import HOUR_MS, hourly_payments, hourly_rate
from service.simulator.listing import Listed, Listing, RateLimit
from service.simulator.market_events import Tick
from service.simulator.wire import MS_NS, SECOND_NS, Reply, decimals, integer, json_reply

REQUESTS_PER_10S: Final = 100
MOST_ROWS: Final = 1000

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_Query = Mapping[str, str]


def moment(at_ms: int) -> str:
    """Write a time as the indexer does.

    >>> moment(1_724_371_198_855)
    '2024-08-22T23:59:58.855Z'
    """
    text = (_EPOCH + timedelta(milliseconds=at_ms)).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _ms(text: str) -> int:
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)


def levels_of(listed: Listed, tick: Tick) -> dict[str, Any]:
    """Write what changes of a market beside its price."""
    return {
        "clobPairId": str(listed.index),
        "nextFundingRate": decimals(hourly_rate(tick.funding_rate), 12),
        "openInterest": decimals(tick.open_interest, 4),
        "volume24H": "1000000.0",
        "trades24H": 1000,
        "priceChange24H": "0.0",
    }


def market_of(listed: Listed, tick: Tick) -> dict[str, Any]:
    """Write a market in full."""
    return {
        "ticker": listed.symbol,
        "status": "ACTIVE",
        "oraclePrice": decimals(tick.index, 6),
        "initialMarginFraction": "0.05",
        "maintenanceMarginFraction": "0.03",
        "atomicResolution": -10,
        "quantumConversionExponent": -9,
        "tickSize": decimals(10.0**-listed.contract.price_decimals, 6),
        "stepSize": "0.0001",
        "stepBaseQuantums": 1_000_000,
        "subticksPerTick": 100_000,
        "marketType": "CROSS",
        **levels_of(listed, tick),
    }


class DydxRest:
    """Answers GETs."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._limit = RateLimit(REQUESTS_PER_10S, 10 * SECOND_NS)

    def answer(self, path: str, query: _Query, now_ns: int) -> Reply:
        """Answer one GET."""
        if not self._limit.take(1, now_ns):
            return _refused("Too many requests", 429)
        parts = path.strip("/").split("/")
        try:
            match parts:
                case ["v4", "perpetualMarkets"]:
                    return json_reply(self._markets(now_ns))
                case ["v4", "historicalFunding", ticker]:
                    return json_reply(self._settled(self._listing.by_symbol[ticker], query, now_ns))
                case ["v4", "candles", "perpetualMarkets", ticker]:
                    return json_reply(self._candles(self._listing.by_symbol[ticker], query, now_ns))
        except KeyError:
            return _refused("not found in markets of type PERPETUAL", 404)
        except ValueError:
            return _refused("Invalid value", 400)
        return _refused("Not Found", 404)

    def _markets(self, now_ns: int) -> Any:
        live = self._listing.market
        markets = {
            symbol: market_of(listed, live.tick(listed.index, now_ns))
            for symbol, listed in self._listing.by_symbol.items()
        }
        settled = next(iter(markets.values())) | {
            "ticker": "GONE-USD",
            "status": "FINAL_SETTLEMENT",
        }
        return {"markets": {**markets, "GONE-USD": settled}}

    def _settled(self, listed: Listed, query: _Query, now_ns: int) -> Any:
        until = min(_ms(query.get("effectiveBeforeOrAt", moment(now_ns // MS_NS))), now_ns // MS_NS)
        limit = _limit(query)
        payments = hourly_payments(
            self._listing.market.history, listed.index, until - (limit + 1) * HOUR_MS, until
        )
        return {
            "historicalFunding": [
                {
                    "ticker": listed.symbol,
                    "rate": decimals(payment.rate, 12),
                    "price": decimals(payment.mark, 6),
                    "effectiveAtHeight": str(payment.time_ms // 1000),
                    "effectiveAt": moment(payment.time_ms),
                }
                for payment in payments[::-1][:limit]
            ]
        }

    def _candles(self, listed: Listed, query: _Query, now_ns: int) -> Any:
        if query.get("resolution") != "1HOUR":
            raise ValueError("resolution")
        limit, now_ms = _limit(query), now_ns // MS_NS
        until = min(_ms(query["toISO"]) if "toISO" in query else now_ms, now_ms) - 1
        since = max(_ms(query["fromISO"]) if "fromISO" in query else 0, until - limit * HOUR_MS)
        history = self._listing.market.history
        bars = {b.start_ms: b for b in history.bars(listed.index, "mark", HOUR_MS, since, until)}
        levels = history.levels(listed.index, HOUR_MS, since, until)
        return {
            "candles": [
                {
                    "startedAt": moment(level.time_ms),
                    "ticker": listed.symbol,
                    "resolution": "1HOUR",
                    "low": decimals(bars[level.time_ms].low, 6),
                    "high": decimals(bars[level.time_ms].high, 6),
                    "open": decimals(bars[level.time_ms].open, 6),
                    "close": decimals(bars[level.time_ms].close, 6),
                    "baseTokenVolume": "100",
                    "usdVolume": "1000000",
                    "trades": 1000,
                    "startingOpenInterest": decimals(level.coin, 4),
                }
                for level in levels[::-1][:limit]
                if level.time_ms in bars
            ]
        }


def _limit(query: _Query) -> int:
    limit = integer(query, "limit", MOST_ROWS)
    if not 1 <= limit <= MOST_ROWS:
        raise ValueError("limit")
    return limit


def _refused(text: str, status: int) -> Reply:
    return json_reply({"errors": [{"msg": text}]}, status)
