"""OKX v5's public websocket of spot pairs as the venue documents it, over a simulated market.

Sizes are coin. A ticker is told after trades, each 100 ms at most.
"""

from collections.abc import Container, Iterator, Sequence
from typing import Any, ClassVar

from service.simulator.listing import Listed, Listing
from service.simulator.market import Market
from service.simulator.market_events import MarketEvent, Trade
from service.simulator.okx import Arg, OkxFace, frame, trade_frames
from service.simulator.okx_rest import OkxRest
from service.simulator.wire import MS_NS, Frame

TICKER_EVERY_NS = 100 * MS_NS
CHANNELS = ("trades", "tickers")


class OkxSpot(OkxFace):
    """The face of OKX's spot pairs."""

    name: ClassVar[str] = "okx_spot"

    def __init__(self, market: Market) -> None:
        listing = Listing(market, self.name)
        super().__init__(listing, OkxRest(listing, (), kind="SPOT"))
        self._told_ns: dict[int, int] = {}

    def stream(self, arg: Any) -> str | None:
        """Return the name of a subscription's stream, None where there is no such channel."""
        if not isinstance(arg, dict):
            return None
        channel, name = arg.get("channel"), arg.get("instId")
        known = channel in CHANNELS and name in self._listing.by_symbol
        return f"{channel}:{name}" if known else None

    def greeting(self, stream: str, arg: Arg, now_ns: int) -> Iterator[Frame]:
        """Write what a subscription begins with: the ticker as it is, of trades nothing."""
        if arg["channel"] == "tickers":
            listed = self._listing.by_symbol[arg["instId"]]
            tick = self._listing.market.tick(listed.index, now_ns)
            yield _ticker(stream, listed, tick.last, listed.contract.lot, now_ns)

    def frames(
        self,
        events: Sequence[MarketEvent],
        now_ns: int,  # noqa: ARG002 - the face's contract; nothing here waits
        wanted: Container[str],
    ) -> Iterator[Frame]:
        """Write market events as this venue does."""
        for event in events:
            listed = self._listing.by_index.get(event.contract)
            if listed is None or not isinstance(event, Trade):
                continue
            yield from trade_frames(event, listed, wanted)
            stream = f"tickers:{listed.symbol}"
            if stream in wanted and self._is_due(event):
                yield _ticker(stream, listed, event.price, event.quantity, event.time_ns)

    def _is_due(self, trade: Trade) -> bool:
        """Say whether a ticker may be told again, and take note that it is."""
        due = trade.time_ns - self._told_ns.get(trade.contract, 0) >= TICKER_EVERY_NS
        if due:
            self._told_ns[trade.contract] = trade.time_ns
        return due


def _ticker(stream: str, listed: Listed, price: float, coin: float, at_ns: int) -> Frame:
    tick = 10.0**-listed.contract.price_decimals
    row = {
        "instType": "SPOT",
        "instId": listed.symbol,
        "last": listed.price(price),
        "lastSz": listed.size(coin),
        "askPx": listed.price(price + tick),
        "askSz": "1",
        "bidPx": listed.price(price - tick),
        "bidSz": "1",
        "ts": str(at_ns // MS_NS),
    }
    return frame(stream, "ticker", {"channel": "tickers", "instId": listed.symbol}, [row])
