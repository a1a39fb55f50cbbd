"""Coinbase Exchange: how the answer key and recordings are read."""

from typing import Any

from tests.service.venues.cases import listed

FILE = "coinbase"
SPOT = {"market": "spot"}
#: The key and the recording name markets that we would not follow; they are read all the same.
INSTRUMENTS = listed(
    "coinbase",
    ("ETC-GBP", "ETC", "GBP", SPOT),
    ("SKL-USD", "SKL", "USD", SPOT),
    ("SKL-BTC", "SKL", "BTC", SPOT),
    ("SKL-GBP", "SKL", "GBP", SPOT),
    ("BAND-GBP", "BAND", "GBP", SPOT),
    ("BAND-BTC", "BAND", "BTC", SPOT),
    ("NMR-EUR", "NMR", "EUR", SPOT),
    ("YFI-BTC", "YFI", "BTC", SPOT),
    ("DASH-BTC", "DASH", "BTC", SPOT),
    ("NU-GBP", "NU", "GBP", SPOT),
    ("CRV-EUR", "CRV", "EUR", SPOT),
)

_BOOK = "order books are no input"
_TICKER = "last price and best quotes are no input"
UNCOVERED = {
    **{f"messages/{n}": _BOOK for n in (2, 3, 4, 5, 6)},
    **{f"messages/{n}": _TICKER for n in (7, 8, 9)},
}

NUMBERED = True

RECORDED = ("coinbase/cryptofeed_20210417.txt.gz",)


def tally(frame: Any) -> list[tuple[str, float, float, int]]:
    """Return the trade of a frame: the maker's side turned round. The trade of before is none."""
    if frame["type"] != "match":
        return []
    taker = {"sell": 1, "buy": -1}[frame["side"]]
    return [(frame["product_id"], float(frame["price"]), float(frame["size"]), taker)]
