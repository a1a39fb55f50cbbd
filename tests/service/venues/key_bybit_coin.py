"""Bybit inverse: how the answer key is read. It is in the file of the linear contracts."""

from tests.service.venues.cases import listed
from tests.service.venues.key_bybit import adjust

__all__ = ["FILE", "INSTRUMENTS", "NUMBERED", "UNCOVERED", "adjust"]

FILE = "bybit"
INSTRUMENTS = listed("bybit_coin", ("BTCUSD", "BTC", "USD", {"contract_type": "inverse"}))

_BOOK = "order books are no input"
_FUTURE = "a dated future, not a perpetual"
_LINEAR = "a linear contract: it is another venue"
_OLD = "format of before v5, retired"
UNCOVERED = {
    **{f"messages/{n}": _OLD for n in range(2, 23)},
    **{f"messagesIncludingOrderBook200/{n}": _OLD for n in range(1, 17)},
    **{f"messagesV5/{n}": _BOOK for n in (3, 4, 5, 6, 14)},
    **{f"messagesV5/{n}": _LINEAR for n in (2, 11, 15)},
    "messages/1": "an ack",
    "messagesV5/9": _FUTURE,
    "messagesV5/10": _FUTURE,
    "messagesV5/12": "topic `liquidation`, replaced by `allLiquidation` in 2025-02",
    "messagesV5/13": "topic `liquidation`, replaced by `allLiquidation` in 2025-02",
    "messagesAllLiquidation/1": _LINEAR,
}

NUMBERED = False
