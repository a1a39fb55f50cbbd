"""Bitget: how the answer key is read."""

from typing import Any

from tests.service.venues.cases import listed

FILE = "bitget-futures"
INSTRUMENTS = listed(
    "bitget",
    ("BTCUSDT", "BTC", "USDT", {}),
    ("APEUSDT", "APE", "USDT", {}),
    ("IPUSDT", "IP", "USDT", {}),
)

_V2 = "format of version 2, another address"
_BOOK = "order books are no input"
UNCOVERED = {
    **{f"messages/{n}": _V2 for n in range(1, 12)},
    "messages#2/2": "old trades that a subscription begins with are dropped",
    "messages#2/3": _BOOK,
    "messages#2/4": _BOOK,
    "messages#2/5": _BOOK,
}

#: Nobody says that the venue's ids are in order, so rows carry none.
NUMBERED = False


def adjust(kind: str, record: dict[str, Any], _raw: dict[str, Any]) -> dict[str, Any]:
    """Divide a liquidation's amount by its price: the key copies it, and it is in quote coin."""
    if kind == "liquidation":
        record["amount"] = float(record["amount"]) / float(record["price"])
    return record
