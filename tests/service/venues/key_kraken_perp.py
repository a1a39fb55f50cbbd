"""Kraken Futures: how the answer key and recordings are read."""

from typing import Any

from tests.service.venues.cases import listed
from tests.service.venues.recordings import Taken

FILE = "kraken-futures"
INVERSE: dict[str, Any] = {"contract_type": "inverse"}
INSTRUMENTS = listed(
    "kraken_perp",
    ("PI_LTCUSD", "LTC", "USD", INVERSE),
    ("PI_XRPUSD", "XRP", "USD", INVERSE),
    ("PI_ETHUSD", "ETH", "USD", INVERSE),
    ("PI_BCHUSD", "BCH", "USD", INVERSE),
    ("PF_SUIUSD", "SUI", "USD", {}),
)

_BOOK = "order books are no input"
_FUTURE = "a dated future, not a perpetual"
UNCOVERED = {
    "messages/1": _BOOK,
    "messages/2": _FUTURE,
    "messages/4": _FUTURE,
    "messages/5": _FUTURE,
    "messages/7": _BOOK,
    "messages/8": _BOOK,
    "messages/9": _BOOK,
    "messages/12": _FUTURE,
}

#: Messages of which the key says nothing, or not what we read: computed by hand.
BY_HAND: dict[str, tuple[dict[str, Any], ...]] = {
    # The key leaves out levels of a contract that has not begun.
    "messages/14": (
        {"kind": "mark", "symbol": "PF_SUIUSD", "mark_price": 1.3336, "index_price": 1.3336},
        {"kind": "open_interest", "quantity": 0.0, "notional_usd": 0.0, "flags": []},
    ),
}

NUMBERED = False


def adjust(kind: str, record: dict[str, Any], raw: dict[str, Any]) -> dict[str, Any]:
    """Take the rate of an hour: until 2022-09 the key took the amount of quote currency for it."""
    if kind == "funding":
        record["fundingRate"] = raw["relative_funding_rate"]
    return record


RECORDED = ("kraken_futures/cryptofeed_20210722.txt.gz",)
RECORDED_REJECTS = {"symbol": "dated futures, which the recorder asked for as well"}


def tally(frame: Any) -> list[Taken]:
    """Return the trades of a frame."""
    if frame.get("feed") != "trade" or frame.get("type", "block") == "block":
        return []
    taker = 1 if frame["side"] == "buy" else -1
    return [(frame["product_id"], float(frame["price"]), float(frame["qty"]), taker)]
