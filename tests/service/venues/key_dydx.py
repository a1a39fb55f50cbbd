"""dYdX v4: how the answer key is read."""

from typing import Any

from tests.service.venues.cases import HOUR_NS, listed

FILE = "dydx-v4"
_HOURLY = {"funding_interval_ns": HOUR_NS}
INSTRUMENTS = listed(
    "dydx",
    ("AVAX-USD", "AVAX", "USDC", _HOURLY),
    ("BTC-USD", "BTC", "USDC", _HOURLY),
    ("ETH-USD", "ETH", "USDC", _HOURLY),
)

_BOOK = "order books are no input"
UNCOVERED = {
    "messages/3": _BOOK,
    "messages/4": _BOOK,
    "messages/5": _BOOK,
}

#: Ids of trades are no numbers.
NUMBERED = False


def adjust(kind: str, record: dict[str, Any], _raw: dict[str, Any]) -> dict[str, Any]:
    """Return the key's record as our row of a kind should have it.

    The only price is the oracle's. The key has it as mark, and no index; for us it is both.
    """
    if kind == "mark":
        record["indexPrice"] = record["markPrice"]
    return record
