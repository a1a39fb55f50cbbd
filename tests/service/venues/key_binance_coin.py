"""Binance COIN-M: how the answer key and recordings are read. The key's contract is a dated future."""

from typing import Any

from tests.service.venues.cases import listed

FILE = "binance-delivery"
INSTRUMENTS = listed(
    "binance_coin",
    ("BTCUSD_200925", "BTC", "USD", {"contract_type": "inverse", "contract_size": "100"}),
    ("BTCUSD_PERP", "BTC", "USD", {"contract_type": "inverse", "contract_size": "100"}),
)

_BOOK = "order books are no input"
UNCOVERED = {
    "messages/1": "an ack",
    "messages/2": "made by tardis, not by the venue: a REST order book",
    "messages/3": _BOOK,
    "messages/5": "an index without a mark: it is in the marks themselves since 2021",
    "messages/6": _BOOK,
    "messages/7": "24 h statistics are no input",
    "messages/8": "made by tardis, not by the venue: its REST poll of open interest",
    "messages/11": "USD-M, and a fill of the insurance fund or ADL, which is not the tape",
    "messages/12": _BOOK,
}

#: Messages of which the key says nothing, or not what we read: computed by hand.
BY_HAND: dict[str, tuple[dict[str, Any], ...]] = {
    "live/13": (
        {"mark_price": 83732.5, "index_price": 83786.17543766},
        {"rate": -5.73e-06, "next_funding_ns": 1_790_380_800_000_000_000},
    ),
}

NUMBERED = True

RECORDED = (
    "binance_coinm/btcusd_perp_trade_depth_bookTicker_20240808.txt.gz",
    "binance_coinm/cryptofeed_20210722.txt.gz",
)
#: The second recording follows dated futures as well, which we do not.
RECORDED_REJECTS = {"symbol": "a dated future, not a perpetual"}


def adjust(kind: str, record: dict[str, Any], raw: dict[str, Any]) -> dict[str, Any]:
    """Take a liquidation's average fill: the key gives the order's limit."""
    if kind == "liquidation":
        record["price"] = raw["data"]["o"]["ap"]
    return record


def tally(frame: Any) -> list[tuple[str, float, float, int]]:
    """Return the trades of a frame, single ones and aggregates, of perpetuals."""
    event = frame.get("data", frame)
    if event.get("e") not in {"trade", "aggTrade"} or event.get("X", "MARKET") != "MARKET":
        return []
    if not event["s"].endswith("_PERP"):
        return []
    return [(event["s"], float(event["p"]), float(event["q"]), -1 if event["m"] else 1)]
