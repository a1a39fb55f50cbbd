"""OKX swaps: how the answer key and recordings are read."""

from typing import Any

from tests.service.venues.cases import listed

FILE = "okx-swap"
INSTRUMENTS = listed(
    "okx",
    ("BTC-USDT-SWAP", "BTC", "USDT", {"contract_size": "0.01"}),
    ("WNCG-USDT-SWAP", "WNCG", "USDT", {}),
    ("SOS-USDT-SWAP", "SOS", "USDT", {"contract_size": "1000"}),
    ("MINA-USDT-SWAP", "MINA", "USDT", {}),
)

_BOOK = "order books are no input"
_FUTURE = "a dated future, not a perpetual"
_OLD = "format of before v5, retired"
UNCOVERED = {
    "okexSwapV5Messages/1": _BOOK,
    "okexSwapV5Messages/4": "last price and best quotes are no input",
    "okexSwapV5Messages/5": "an index before any mark: it is in the row of message 6",
    "okexSwapV5Messages/8": "funding without a rate",
    "okexSwapV5Messages/9": _BOOK,
    "okexV5WithBookTickerMessages/1": _BOOK,
    "okexV5WithBookTickerMessages/2": "last price and best quotes are no input",
    **{f"messages/{n}": _OLD for n in range(1, 10)},
}

#: Messages of which the key says nothing, or not what we read: computed by hand.
BY_HAND: dict[str, tuple[dict[str, Any], ...]] = {
    "live/14": (
        {"position": "short", "quantity": 10975.0, "price": 0.09859, "notional_usd": 1082.02525},
    ),
}

NUMBERED = True

RECORDED = ("okx/cryptofeed_20220513.txt.gz",)
RECORDED_REJECTS = {"symbol": "dated futures are not read"}


def tally(frame: Any) -> list[tuple[str, float, float, int]]:
    """Return the trades of a frame."""
    if frame.get("arg", {}).get("channel") != "trades":
        return []
    return [
        (one["instId"], float(one["px"]), float(one["sz"]), {"buy": 1, "sell": -1}[one["side"]])
        for one in frame.get("data", ())
    ]
