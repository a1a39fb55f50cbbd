"""OKX spot: how the answer key and recordings are read."""

from tests.service.venues.cases import listed
from tests.service.venues.key_okx import tally

__all__ = [
    "FILE", "INSTRUMENTS", "NUMBERED", "RECORDED", "RECORDED_REJECTS", "UNCOVERED", "tally",
]  # fmt: skip

FILE = "okx-spot"
INSTRUMENTS = listed(
    "okx_spot",
    ("BTC-USDT", "BTC", "USDT", {"market": "spot"}),
    ("CRV-USDT", "CRV", "USDT", {"market": "spot"}),
)

_BOOK = "order books are no input"
_OLD = "format of before v5, retired"
UNCOVERED = {
    **{f"messages/{n}": _OLD for n in range(1, 8)},
    "okexV5Messages/1": "an ack",
    "okexV5Messages/3": _BOOK,
    "okexV5Messages/4": _BOOK,
    "okexV5Messages/5": "last price and best quotes are no input",
    "okexV5Messages/6": "channel `trades-all` repeats fill by fill what `trades` says; not subscribed",
}

NUMBERED = True

RECORDED = ("okx/cryptofeed_20220513.txt.gz",)
RECORDED_REJECTS = {"symbol": "swaps and dated futures are no pairs"}
