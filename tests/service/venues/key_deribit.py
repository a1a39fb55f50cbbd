"""Deribit: how the answer key and recordings are read."""

from typing import Any

from tests.service.venues.cases import listed

FILE = "deribit"
INSTRUMENTS = listed("deribit", ("BTC-PERPETUAL", "BTC", "USD", {"contract_type": "inverse"}))

_BOOK = "order books are no input"
_OPTION = "an option, not a perpetual"
_COMBINATION = "a combination, not a perpetual"
UNCOVERED = {
    "messages/2": "best quotes are no input",
    "messages/3": _BOOK,
    "messages/4": _BOOK,
    **{f"messages/{n}": _OPTION for n in range(7, 11)},
    "messages/13": _BOOK,
    "messages/14": _BOOK,
    "messages/15": _COMBINATION,
    "messages/16": _COMBINATION,
    "messages/17": _COMBINATION,
    "messages/18": _OPTION,
}
#: The key's ids are of all contracts together; our numbers are those that count up by one.
NUMBERED = False

RECORDED = ("deribit/cryptofeed_20210722.txt.gz",)
RECORDED_REJECTS = {
    "symbol": "only options were recorded, and we did not ask for them",
}


def adjust(kind: str, record: dict[str, Any], raw: dict[str, Any]) -> dict[str, Any]:
    """Take the funding of the last eight hours: the key has that of the moment."""
    if kind == "funding":
        return {**record, "fundingRate": raw["params"]["data"]["funding_8h"]}
    return record


def tally(frame: Any) -> list[tuple[str, float, float, int]]:
    """Return the trades of a frame."""
    params = frame.get("params", {})
    if not params.get("channel", "").startswith("trades."):
        return []
    return [
        (
            one["instrument_name"],
            float(one["price"]),
            float(one["amount"]),
            {"buy": 1, "sell": -1}[one["direction"]],
        )
        for one in params["data"]
    ]
