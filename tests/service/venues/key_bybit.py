"""Bybit linear: how the answer key and recordings are read."""

from typing import Any

from tests.service.venues.cases import listed

FILE = "bybit"
INSTRUMENTS = listed(
    "bybit",
    ("BTCUSDT", "BTC", "USDT", {}),
    ("LTCUSDT", "LTC", "USDT", {}),
    ("PIPPINUSDT", "PIPPIN", "USDT", {}),
    ("STRKUSDT", "STRK", "USDT", {}),
    ("ADAUSDT", "ADA", "USDT", {}),
)

_BOOK = "order books are no input"
_FUTURE = "a dated future, not a perpetual"
_INVERSE = "an inverse contract: it is another venue"
_OLD = "format of before v5, retired"
UNCOVERED = {
    "messages/1": "an ack",
    "messagesV5/1": _INVERSE,
    "messagesV5/7": _INVERSE,
    "messagesV5/8": _INVERSE,
    "messagesV5/3": _BOOK,
    "messagesV5/4": _BOOK,
    "messagesV5/5": _BOOK,
    "messagesV5/6": _BOOK,
    "messagesV5/14": _BOOK,
    "messagesV5/9": _FUTURE,
    "messagesV5/10": _FUTURE,
    "messagesV5/12": "topic `liquidation`, replaced by `allLiquidation` in 2025-02",
    "messagesV5/13": "topic `liquidation`, replaced by `allLiquidation` in 2025-02",
    "live/5": "a delta without its snapshot",
    "live/6": "a delta without its snapshot",
    "live/7": "a pong",
    **{f"messages/{n}": _OLD for n in range(2, 23)},
    **{f"messagesIncludingOrderBook200/{n}": _OLD for n in range(1, 17)},
}

#: Messages of which the key says nothing, or not what we read: computed by hand.
BY_HAND: dict[str, tuple[dict[str, Any], ...]] = {
    "messagesV5/15": (
        {"position": "short", "quantity": 2846.0, "price": 0.02456, "notional_usd": 69.89776},
    ),
    "live/1": (
        {"position": "long", "quantity": 2084.9, "price": 0.05165, "notional_usd": 107.685085},
    ),
    "live/15": (
        {"position": "short", "quantity": 13248.0, "price": 0.1915, "notional_usd": 2536.992},
    ),
}

NUMBERED = False


def adjust(kind: str, record: dict[str, Any], raw: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - as all
    """Halve open interest: the key copies the venue's, which counts both sides."""
    if kind == "open_interest":
        record["openInterest"] /= 2
    return record
