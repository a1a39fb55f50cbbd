"""Gate futures: how the answer key and recordings are read."""

from typing import Any

from tests.service.venues.cases import listed

FILE = "gate-io-futures"
INSTRUMENTS = listed(
    "gate",
    ("BTC_USDT", "BTC", "USDT", {"contract_size": "0.0001"}),
    ("ETH_USDT", "ETH", "USDT", {"contract_size": "0.01"}),
    ("COMP_USDT", "COMP", "USDT", {"contract_size": "0.01"}),
)

_BOOK = "order books are no input"
_QUANTO = "settled in BTC, so its size is no number of its coins: not ours"
UNCOVERED = {
    **{f"messages/{n}": _BOOK for n in (1, 2, 3, 4, 11, 12, 13, 14, 17, 18, 20, 22)},
    **{f"messages/{n}": "an ack" for n in (8, 9, 10)},
    "messages/5": _QUANTO,
    "messages/15": "a list in a list, of one day of 2021; the key has nothing for it either",
    "messages/16": _QUANTO,
}

NUMBERED = True

RECORDED = ("gate_futures/cryptofeed_20230524.txt.gz",)


def tally(frame: Any) -> list[tuple[str, float, float, int]]:
    """Return the trades of a frame."""
    if (frame.get("channel"), frame.get("event")) != ("futures.trades", "update"):
        return []
    return [
        (one["contract"], float(one["price"]), abs(size), 1 if size > 0 else -1)
        for one in frame["result"]
        for size in [float(one["size"])]
    ]
