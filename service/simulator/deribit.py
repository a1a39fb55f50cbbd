"""Deribit's websocket as the venue documents it, over a simulated market.

JSON-RPC. Channels that do not exist are left out of an answer without a word. Trades of 100 ms come together,
forced ones with a flag; a leg of a combination comes now and then and is numbered with the rest.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from service.simulator.deribit_rest import DeribitRest, Tape, ticker_data
from service.simulator.listing import Listed, Listing
from service.simulator.market import Market
from service.simulator.market_events import Liquidation, MarketEvent, Tick, Trade
from service.simulator.wire import MS_NS, Care, Frame, Heard, Peer, Reply, encode

PATHS = ("/ws/api/v2",)
BATCH_NS = 100 * MS_NS
INTERVALS = ("100ms", "agg2")
PARSE_ERROR, NO_METHOD, BAD_PARAMS, RAW_NEEDS_LOGIN = -32700, -32601, -32602, 13778


class DeribitPeer(Peer):
    """One connection. The venue does not cut quiet ones that asked for no heartbeat."""

    def __init__(self, face: "Deribit", now_ns: int) -> None:
        super().__init__(now_ns)
        self._face = face
        self._channels: set[str] = set()

    def hear(self, message: bytes, now_ns: int) -> Heard:
        """Answer a request."""
        try:
            request = msgspec.json.decode(message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _error(None, PARSE_ERROR, "Parse error")
        if not isinstance(request, dict):
            return _error(None, PARSE_ERROR, "Parse error")
        number, method = request.get("id"), request.get("method")
        if method == "public/test":
            return _said(number, {"version": "1.2.26"}, "pong")
        if method not in {"public/subscribe", "public/unsubscribe"}:
            return _error(number, NO_METHOD, "Method not found")
        params = request.get("params")
        channels = params.get("channels") if isinstance(params, dict) else None
        if not isinstance(channels, list) or any(type(one) is not str for one in channels):
            return _error(number, BAD_PARAMS, "Invalid params")
        if method == "public/unsubscribe":
            self._channels.difference_update(channels)
            heard = _said(number, channels, "ack")
            heard.leave = channels
            return heard
        return self._subscribe(number, channels, now_ns)

    def _subscribe(self, number: Any, channels: list[str], now_ns: int) -> Heard:
        if any(channel.endswith(".raw") for channel in channels):
            message = "raw_subscriptions_not_available_for_unauthorized"
            return _error(number, RAW_NEEDS_LOGIN, message)
        served = [channel for channel in channels if self._face.has(channel)]
        heard = _said(number, served, "ack")
        heard.join = [channel for channel in served if channel not in self._channels]
        heard.say.extend(self._face.greeting(heard.join, now_ns))
        self._channels.update(served)
        return heard

    def care(self, now_ns: int) -> Care:  # noqa: ARG002 - this venue waits for ever
        """Leave it alone."""
        return Care()


class _Batch(msgspec.Struct):
    """Trades of one contract that wait for their interval to end."""

    end_ns: int
    rows: list[dict[str, Any]]
    tape: int = 0  # how many of them are trades of the tape
    forced: int = 0


class Deribit:
    """The face of Deribit's perpetuals."""

    name = "deribit"

    def __init__(self, market: Market) -> None:
        self._listing = Listing(market, "deribit")
        self._tape = Tape()
        self._rest = DeribitRest(self._listing, self._tape)
        self._forced: dict[int, list[Liquidation]] = {}  # whose trades are about to come
        self._batches: dict[int, _Batch] = {}

    def connect(
        self,
        path: str,
        query: Mapping[str, str],  # noqa: ARG002 - the face's contract; this venue has none
        now_ns: int,
    ) -> DeribitPeer | None:
        """Accept connections."""
        return DeribitPeer(self, now_ns) if path in PATHS else None

    def has(self, channel: str) -> bool:
        """Say whether a channel exists."""
        topic, _, rest = channel.partition(".")
        symbol, _, interval = rest.partition(".")
        return (
            topic in {"trades", "ticker"}
            and symbol in self._listing.by_symbol
            and interval in INTERVALS
        )

    def greeting(self, channels: Sequence[str], now_ns: int) -> Iterator[Frame]:
        """Write the levels that a subscription of a ticker begins with."""
        for channel in channels:
            topic, symbol, _ = channel.split(".")
            if topic == "ticker":
                listed = self._listing.by_symbol[symbol]
                tick = self._listing.market.tick(listed.index, now_ns)
                yield _notify(channel, "ticker", ticker_data(listed, tick))

    def frames(
        self, events: Sequence[MarketEvent], now_ns: int, wanted: Container[str]
    ) -> Iterator[Frame]:
        """Write market events as this venue does."""
        for event in events:
            listed = self._listing.by_index.get(event.contract)
            if listed is None:
                continue
            if isinstance(event, Liquidation):
                self._forced.setdefault(event.contract, []).append(event)
            elif isinstance(event, Trade):
                yield from self._trade(event, listed, wanted)
            elif isinstance(event, Tick):
                channel = f"ticker.{listed.symbol}.100ms"
                if channel in wanted:
                    yield _notify(channel, "ticker", ticker_data(listed, event))
        for index, batch in list(self._batches.items()):
            if batch.end_ns <= now_ns:
                yield from self._flush(index, wanted)

    def rest(self, path: str, query: Mapping[str, str], now_ns: int) -> Reply:
        """Answer a GET."""
        return self._rest.answer(path, query, now_ns)

    def _trade(self, trade: Trade, listed: Listed, wanted: Container[str]) -> Iterator[Frame]:
        end_ns = (trade.time_ns // BATCH_NS + 1) * BATCH_NS
        batch = self._batches.get(trade.contract)
        if batch is not None and batch.end_ns != end_ns:
            yield from self._flush(trade.contract, wanted)
        batch = self._batches.setdefault(trade.contract, _Batch(end_ns, []))
        forced = self._is_forced(trade)
        batch.rows += self._tape.add(trade, listed, forced=forced)
        batch.tape += 1
        batch.forced += forced

    def _is_forced(self, trade: Trade) -> bool:
        """Say whether a trade is a forced close that was announced: same time, price and quantity."""
        waiting = self._forced.get(trade.contract, [])
        for place, one in enumerate(waiting):
            if (one.time_ns, one.fill_price, one.quantity, -one.position) == (
                trade.time_ns, trade.price, trade.quantity, trade.taker,
            ):  # fmt: skip
                del waiting[place]
                return True
        return False

    def _flush(self, index: int, wanted: Container[str]) -> Iterator[Frame]:
        batch = self._batches.pop(index)
        channel = f"trades.{self._listing.by_index[index].symbol}.100ms"
        if channel in wanted:
            frame = _notify(channel, "trade", batch.rows)
            frame.rows, frame.forced = batch.tape, batch.forced
            yield frame


def _notify(channel: str, name: str, data: Any) -> Frame:
    body = {
        "jsonrpc": "2.0",
        "method": "subscription",
        "params": {"channel": channel, "data": data},
    }
    return Frame(channel, name, encode(body))


def _said(number: Any, result: Any, name: str) -> Heard:
    return Heard(say=[Frame("", name, encode({"jsonrpc": "2.0", "id": number, "result": result}))])


def _error(number: Any, code: int, message: str) -> Heard:
    body = {"jsonrpc": "2.0", "id": number, "error": {"message": message, "code": code}}
    return Heard(say=[Frame("", "error", encode(body))])
