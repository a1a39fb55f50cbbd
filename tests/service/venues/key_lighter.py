"""Lighter: how the answer key is read."""

from typing import Any

from tests.service.venues.cases import HOUR_NS, listed

FILE = "lighter"
_HOURLY = {"funding_interval_ns": HOUR_NS}
INSTRUMENTS = listed("lighter", ("0", "ETH", "USDC", _HOURLY), ("1", "BTC", "USDC", _HOURLY))

UNCOVERED = {"messages/4": "no trades at all; the key has nothing for it either"}

_FORCED: dict[str, Any] = {
    "kind": "liquidation", "symbol": "1", "position": "short", "price": 75602.8, "quantity": 0.01664,
    "notional_usd": 1258.030592, "exchange_ns": 1_776_687_656_653_000_000,
}  # fmt: skip

#: Messages of which the key says nothing, or not what we read: computed by hand.
BY_HAND: dict[str, tuple[dict[str, Any], ...]] = {
    # What a subscription begins with; the key leaves it out, we pass on what was forced.
    "messages/1": (
        {**_FORCED, "flags": ["snapshot", "stable_assumed", "price_fill", "partial"]},
    ),
    # The key has a forced close alone; it is a trade as well. The taker bought, and had been short.
    "messages/3": (
        {"kind": "trade", "symbol": "1", "taker": "buy", "sequence": 18_237_797_923, "price": 75602.8},
        {**_FORCED, "flags": ["stable_assumed", "price_fill", "partial"]},
    ),
    # The levels on subscribing; the key leaves them out. 70,209,112.921092 USDC of open interest.
    "messages#2/1": (
        {"kind": "mark", "symbol": "0", "mark_price": 2308.86, "index_price": 2309.89, "mid_price": 2308.52},
        {"kind": "funding", "rate": 0.000011, "next_funding_ns": 1_776_697_200_000_000_000},
        {"kind": "open_interest", "symbol": "0", "notional_usd": 70_209_112.921092},
        {"kind": "mark", "symbol": "1", "mark_price": 75241.1, "index_price": 75281.9},
        {"kind": "funding", "rate": 0.000012},
        {"kind": "open_interest", "symbol": "1", "notional_usd": 124_496_091.756091},
    ),
}  # fmt: skip

NUMBERED = True


def adjust(kind: str, record: dict[str, Any], _raw: dict[str, Any]) -> dict[str, Any]:
    """Take a rate in percent and open interest in USDC for what they are; the key passes both on."""
    if kind == "funding":
        record["fundingRate"] /= 100.0
    elif kind == "open_interest":
        record["openInterest"] /= record["markPrice"]
    return record
