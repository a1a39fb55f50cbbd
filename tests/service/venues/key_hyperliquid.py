"""Hyperliquid: how the answer key and recordings are read."""

from typing import Any

from tests.service.venues.cases import HOUR_NS, listed

FILE = "hyperliquid"
_HOURLY = {"funding_interval_ns": HOUR_NS}
INSTRUMENTS = listed(
    "hyperliquid",
    ("FXS", "FXS", "USDC", _HOURLY),
    ("BTC", "BTC", "USDC", _HOURLY),
    ("MOODENG", "MOODENG", "USDC", _HOURLY),
)

_REPEATED = "the first message of a coin repeats old trades; the key has none either"
_BOOK = "order books are no input"
UNCOVERED = {
    "messages/1": _REPEATED,
    "messages/3": _REPEATED,
    "messages/5": _BOOK,
    "messages/6": _BOOK,
    "messages/8": "a spot coin's levels; the key has none either",
    "messages/9": _BOOK,
    "messages/10": _BOOK,
}

#: `tid` is unique but not ordered, so rows carry none.
NUMBERED = False

RECORDED = ("hyperliquid/btc_l2Book_trades_20250126.txt.gz",)
RECORDED_REJECTS: dict[str, str] = {}

#: When the recording began: its first message of trades repeats what is older.
_BEGUN_MS = 1_737_918_843_893


def tally(frame: Any) -> list[tuple[str, float, float, int]]:
    """Return the trades of a frame, without those of before the recording."""
    if frame.get("channel") != "trades":
        return []
    return [
        (one["coin"], float(one["px"]), float(one["sz"]), {"B": 1, "A": -1}[one["side"]])
        for one in frame["data"]
        if one["time"] >= _BEGUN_MS
    ]
