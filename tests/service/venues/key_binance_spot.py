"""Binance spot: how the answer key and recordings are read. The key's pair is quoted in bitcoin."""

from typing import Any

from tests.service.venues.cases import listed

FILE = "binance"
INSTRUMENTS = listed(
    "binance_spot",
    ("BNBBTC", "BNB", "BTC", {"market": "spot"}),
    ("BTCUSDT", "BTC", "USDT", {"market": "spot"}),
)

_BOOK = "order books are no input"
_STATISTICS = "24 h statistics are no input"
_SNAPSHOT = "made by tardis, not by the venue: a REST order book"
UNCOVERED = {
    "messages/3": _BOOK,
    "messages/4": _STATISTICS,
    "messages/5": _BOOK,
    "messages/6": _BOOK,
    "messages/7": _BOOK,
    "messages/8": _BOOK,
    "messages/9": _SNAPSHOT,
    "messages/10": _BOOK,
}

NUMBERED = True

RECORDED = ("binance_spot/btcusdt_trade_depth_bookTicker_20240808.txt.gz",)


def tally(frame: Any) -> list[tuple[str, float, float, int]]:
    """Return the trades of a frame."""
    event = frame.get("data", frame)
    if event.get("e") not in {"trade", "aggTrade"}:
        return []
    return [(event["s"], float(event["p"]), float(event["q"]), -1 if event["m"] else 1)]
