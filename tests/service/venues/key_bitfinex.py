"""Bitfinex derivatives: how the answer key and recordings are read."""

from typing import Any

from tests.service.venues.cases import listed
from tests.service.venues.recordings import Taken

FILE = "bitfinex-derivatives"
INSTRUMENTS = listed(
    "bitfinex",
    ("tBTCF0:USTF0", "BTC", "USDT", {}),
    ("tETHF0:USTF0", "ETH", "USDT", {}),
    # what the recording asked for; no contracts of ours, and read as if they were
    ("tBFTUSD", "BFT", "USD", {}),
    ("tIOTETH", "IOT", "USD", {}),
    ("tDOGUSD", "DOG", "USD", {}),
    ("tMNABTC", "MNA", "USD", {}),
    ("tODEUSD", "ODE", "USD", {}),
    ("tTESTBTC:TESTUSD", "TESTBTC", "USD", {}),
    ("tSNGUSD", "SNG", "USD", {}),
)

_UNSUBSCRIBED = "the answer that gave its channel a number is not in the file; see test_bitfinex"
UNCOVERED = {
    "messages/1": "an ack",
    "messages/2": "neither a mark, nor a rate, nor open interest",
    "messages/7": "a channel of nobody's: the key has nothing of it either",
    "messages/8": "order books are no input",
    "messages/9": "order books are no input",
    "messages/15": "a heartbeat",
    "messages/17": "an ack",
    "messages/18": "half a day older than its message: replayed on subscribing, and dropped",
    **{f"messages/{n}": _UNSUBSCRIBED for n in (10, 12, 13, 14, 16, 19, 20)},
}
_HOLE = {"kind": "gap", "symbol": "tBTCF0:USTF0", "channels": 14}
#: Heartbeats. The file is pieces of a stream, so their numbers leave some out; of the one channel that is
#: known by then, mark, funding and open interest may be lost.
BY_HAND: dict[str, tuple[dict[str, Any], ...]] = {"messages/3": (_HOLE,), "messages/11": (_HOLE,)}

NUMBERED = True


def adjust(kind: str, record: dict[str, Any], raw: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - as all
    """Give the symbol as the venue writes it."""
    record["symbol"] = f"t{record['symbol']}"
    return record


RECORDED = ("bitfinex/cryptofeed_20210417.txt.gz",)
RECORDED_REJECTS: dict[str, str] = {}


def tally(frame: Any) -> list[Taken]:
    """Return none: in its half minute nothing was traded, and what came before is dropped."""
    if isinstance(frame, list) and frame[1] == "te":
        raise AssertionError("there is a trade after all")
    return []
