"""BitMEX: how the answer key and recordings are read."""

from typing import Any

from tests.service.venues.cases import listed

FILE = "bitmex"
INSTRUMENTS = listed("bitmex", ("XBTUSD", "BTC", "USD", {"contract_type": "inverse"}))

_BOOK = "order books are no input"
_FUTURE = "a dated future, not a perpetual"
_QUOTE = "best quotes are no input"
UNCOVERED = {
    "messages/2": "an update without its partial",
    "messages/3": _BOOK,
    "messages/4": _FUTURE,
    "messages/5": _FUTURE,
    "messages/6": _QUOTE,
    **{f"messages/{n}": _BOOK for n in range(7, 11)},
    "messages/11": "an update without its partial, of a quanto contract",
    "messages/13": "progress of an order that is counted already",
    "messages/14": _QUOTE,
    **{f"messages/{n}": _BOOK for n in range(15, 19)},
}
#: Ids of trades are no numbers.
NUMBERED = False

RECORDED = ("bitmex/cryptofeed_20210722.txt.gz",)
RECORDED_REJECTS = {"symbol": "quanto contracts and dated futures are not read"}


def adjust(kind: str, record: dict[str, Any], raw: dict[str, Any]) -> dict[str, Any]:
    """Take out when the key's recorder heard of a liquidation: the venue does not say when it was."""
    del raw
    if kind == "liquidation":
        return {name: value for name, value in record.items() if name != "timestamp"}
    return record


def tally(frame: Any) -> list[tuple[str, float, float, int]]:
    """Return the trades of a frame; those of a partial are old."""
    if (frame.get("table"), frame.get("action")) != ("trade", "insert"):
        return []
    return [
        (
            one["symbol"],
            float(one["price"]),
            float(one["size"]),
            {"Buy": 1, "Sell": -1}[one["side"]],
        )
        for one in frame["data"]
    ]
