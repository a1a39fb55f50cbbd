"""Binance USD-M: how the answer key and recordings are read."""

from typing import Any

from tests.service.venues.cases import listed

FILE = "binance-futures"
INSTRUMENTS = listed(
    "binance_usdm",
    ("BTCUSDT", "BTC", "USDT", {}),
    ("ETHUSDT", "ETH", "USDT", {}),
    ("XRPUSDT", "XRP", "USDT", {}),
    ("MANTAUSDT", "MANTA", "USDT", {}),
)

_BOOK = "order books are no input"
_FUTURE = "a dated future, not a perpetual"
_OLD = "format of before v5, retired"
UNCOVERED = {
    "messages/2": "24 h statistics are no input",
    "messages/4": "24 h statistics are no input",
    "messages/6": _BOOK,
    "messages/7": "made by tardis, not by the venue: a REST order book",
    "messages/8": _BOOK,
    "messages/9": "made by tardis, not by the venue: its REST poll of open interest",
    "messages/11": "a fill of the insurance fund is not the tape",
    "messages/14": _FUTURE,
    "messages/15": _BOOK,
    "live/4": _BOOK,
}

#: Messages of which the key says nothing, or not what we read: computed by hand.
BY_HAND: dict[str, tuple[dict[str, Any], ...]] = {
    "messages/1": (
        {"taker": "buy", "price": 10223.74, "quantity": 0.236, "notional_usd": 2412.80264},
    ),
    "live/2": (
        {"position": "short", "quantity": 127.2, "price": 1.4912, "notional_usd": 189.68064},
    ),
    "live/3": (
        {"position": "long", "quantity": 2049.1, "price": 0.0722187, "notional_usd": 147.98333817},
    ),
    "live/8": (
        {"position": "short", "quantity": 0.001, "price": 83598.5, "notional_usd": 83.5985},
    ),
    "live/9": (
        {"taker": "sell", "quantity": 0.004, "notional_usd": 341.1996, "sequence": 3476312671},
    ),
    "live/10": (
        {"mark_price": 85296.6026087, "index_price": 85345.93826087},
        {"rate": 5.23e-06, "next_funding_ns": 1791273600000000000},
    ),
    "live/11": (
        {"mark_price": 84551.10762319, "index_price": 84590.87304348},
        {"rate": 8.01e-06, "next_funding_ns": 1790553600000000000},
    ),
    "live/12": (
        {"taker": "buy", "quantity": 0.03, "notional_usd": 2536.533, "sequence": 3466782974},
    ),
}

NUMBERED = True

RECORDED = (
    "binance_usdm/btcusdt_trade_depth_bookTicker_20240808.txt.gz",
    "binance_usdm/ethusdt_trade_depth_bookTicker_20240808.txt.gz",
    "binance_usdm/cryptofeed_20210722.txt.gz",
)


def adjust(kind: str, record: dict[str, Any], raw: dict[str, Any]) -> dict[str, Any]:
    """Take a liquidation's average fill: the key gives the order's limit."""
    if kind == "liquidation":
        record["price"] = raw["data"]["o"]["ap"]
    return record


def tally(frame: Any) -> list[tuple[str, float, float, int]]:
    """Return the trades of a frame, single ones and aggregates."""
    event = frame.get("data", frame)
    if event.get("e") not in {"trade", "aggTrade"} or event.get("X", "MARKET") != "MARKET":
        return []
    return [(event["s"], float(event["p"]), float(event["q"]), -1 if event["m"] else 1)]
