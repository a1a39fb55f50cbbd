"""Kraken spot: how the answer key and recordings are read."""

from typing import Any

from tests.service.venues.cases import listed

FILE = "kraken"
INSTRUMENTS = listed("kraken_spot", ("BTC/USD", "BTC", "USD", {"market": "spot"}))

_BOOK = "order books are no input"
_QUOTES = "best quotes are no input"
UNCOVERED = {
    "messages/1": "old trades that come on subscribing: dropped, and the key has none of them",
    "messages/3": _BOOK,
    "messages/4": _BOOK,
    "messages/5": _QUOTES,
    "messages/6": _QUOTES,
}
BY_HAND: dict[str, tuple[dict[str, Any], ...]] = {}

NUMBERED = True

#: Both are of the socket's version 1, which we do not speak: its arrays and events must be refused.
RECORDED = (
    "kraken_spot/cryptofeed_trades_20210417.txt.gz",
    "kraken_spot/cryptofeed_book_20210417.txt.gz",
)
RECORDED_REJECTS = {
    "type": "arrays of the socket's version 1, retired here",
    "unknown": "events of the socket's version 1, retired here",
}
