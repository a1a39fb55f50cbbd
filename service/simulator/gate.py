"""Gate's futures websocket v4 as the venue documents it, over a simulated market.

A payload with one unknown contract fails as a whole. Liquidations are complete: those of a contract and
second come together, earlier where they are twenty. Sizes are signed decimal strings of contracts.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from service.simulator.gate_rest import GateRest, ticker_fields
from service.simulator.listing import Listed, Listing
from service.simulator.market import Market
from service.simulator.market_events import Liquidation, MarketEvent, Tick, Trade
from service.simulator.wire import MS_NS, SECOND_NS, Care, Frame, Heard, Peer, Reply, encode

PATHS = ("/v4/ws/usdt",)
CHANNELS = ("futures.trades", "futures.tickers", "futures.public_liquidates")
FORCED = "futures.public_liquidates"
MOST_IN_BATCH = 20
PING_EVERY_NS = 20 * SECOND_NS
SILENCE_NS = 60 * SECOND_NS
FIRST_ID = 27_753_479


class GatePeer(Peer):
    """One connection. It is pinged by the protocol, and cut when it does not answer."""

    def __init__(self, face: "Gate", now_ns: int) -> None:
        super().__init__(now_ns)
        self._face = face

    def hear(self, message: bytes, now_ns: int) -> Heard:
        """Answer ping, subscribe and unsubscribe."""
        try:
            request = msgspec.json.decode(message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            request = None
        if not isinstance(request, dict):
            return _answer({}, now_ns, error=(1, "invalid request body"))
        if request.get("channel") == "futures.ping":
            body = {"time": now_ns // SECOND_NS, "time_ms": now_ns // MS_NS,
                    "channel": "futures.pong", "event": "", "result": None}  # fmt: skip
            return Heard(say=[Frame("", "pong", encode(body))])
        if request.get("event") not in {"subscribe", "unsubscribe"}:
            return _answer(request, now_ns, error=(1, "invalid event"))
        if type(request.get("time")) is not int or request.get("channel") not in CHANNELS:
            return _answer(request, now_ns, error=(2, "invalid argument"))
        return self._obey(request, now_ns)

    def _obey(self, request: dict[str, Any], now_ns: int) -> Heard:
        payload = request.get("payload")
        if not isinstance(payload, list) or not payload:
            return _answer(request, now_ns, error=(2, "invalid payload"))
        for name in payload:
            if not self._face.has(request["channel"], name):
                return _answer(request, now_ns, error=(2, f"unknown contract {name}"))
        heard = _answer(request, now_ns)
        streams = [f"{request['channel']}:{name}" for name in payload]
        if request["event"] == "subscribe":
            heard.join = streams
        else:
            heard.leave = streams
        return heard

    def care(self, now_ns: int) -> Care:
        """Ping now and then, and end a connection that does not answer."""
        if now_ns - max(self.heard_ns, self.ponged_ns) > SILENCE_NS:
            return Care(cut=(1000, "no pong"))
        return Care(ping=now_ns - self.pinged_ns > PING_EVERY_NS)


class _Batch(msgspec.Struct):
    """Liquidations of one contract that wait for their second to end."""

    second: int
    rows: list[dict[str, Any]] = []


class Gate:
    """The face of Gate's USDT settled futures."""

    name = "gate"

    def __init__(self, market: Market) -> None:
        self._listing = Listing(market, "gate")
        self._rest = GateRest(self._listing)
        self._batches: dict[str, _Batch] = {}

    def connect(
        self,
        path: str,
        query: Mapping[str, str],  # noqa: ARG002 - the face's contract; this venue has none
        now_ns: int,
    ) -> GatePeer | None:
        """Accept connections to contracts settled in USDT."""
        return GatePeer(self, now_ns) if path in PATHS else None

    def has(self, channel: str, name: Any) -> bool:
        """Say whether a channel has such a contract."""
        return name in self._listing.by_symbol or (channel == FORCED and name == "!all")

    def frames(
        self, events: Sequence[MarketEvent], now_ns: int, wanted: Container[str]
    ) -> Iterator[Frame]:
        """Write market events as this venue does."""
        for event in events:
            listed = self._listing.by_index.get(event.contract)
            if listed is None:
                continue
            if isinstance(event, Trade):
                yield from _trade(event, listed, wanted)
            elif isinstance(event, Tick):
                yield from _ticker(event, listed, wanted)
            elif isinstance(event, Liquidation):
                yield from self._gather(event, listed, wanted)
        for symbol, batch in list(self._batches.items()):
            if batch.second < now_ns // SECOND_NS:
                yield from self._flush(symbol, (batch.second + 1) * SECOND_NS, wanted)

    def rest(self, path: str, query: Mapping[str, str], now_ns: int) -> Reply:
        """Answer a GET."""
        return self._rest.answer(path, query, now_ns)

    def _gather(
        self, event: Liquidation, listed: Listed, wanted: Container[str]
    ) -> Iterator[Frame]:
        second = event.time_ns // SECOND_NS
        batch = self._batches.get(listed.symbol)
        if batch is not None and batch.second != second:
            yield from self._flush(listed.symbol, (batch.second + 1) * SECOND_NS, wanted)
        batch = self._batches.setdefault(listed.symbol, _Batch(second))
        # the sign is that of the order which closes the position
        batch.rows.append({
            "price": listed.price(event.bankruptcy_price),
            "size": _signed(listed, event.quantity, event.fill_price, -event.position),
            "time": event.time_ns // MS_NS,
            "contract": listed.symbol,
        })  # fmt: skip
        if len(batch.rows) == MOST_IN_BATCH:
            yield from self._flush(listed.symbol, event.time_ns, wanted)

    def _flush(self, symbol: str, at_ns: int, wanted: Container[str]) -> Iterator[Frame]:
        rows = self._batches.pop(symbol).rows
        for stream in (f"{FORCED}:!all", f"{FORCED}:{symbol}"):
            if stream in wanted:
                yield Frame(stream, "liquidation", _update(FORCED, rows, at_ns), len(rows))


def _answer(request: Mapping[str, Any], now_ns: int, error: tuple[int, str] | None = None) -> Heard:
    body: dict[str, Any] = {
        "time": now_ns // SECOND_NS,
        "time_ms": now_ns // MS_NS,
        "channel": str(request.get("channel", "")),
        "event": str(request.get("event", "")),
        "payload": request.get("payload"),
        "result": {"status": "fail" if error else "success"},
    }
    if error is not None:
        body["error"] = {"code": error[0], "message": error[1]}
    return Heard(say=[Frame("", "error" if error else "ack", encode(body))])


def _signed(listed: Listed, coin: float, price: float, sign: int) -> str:
    return f"{sign * listed.contracts(coin, price):.2f}"


def _trade(trade: Trade, listed: Listed, wanted: Container[str]) -> Iterator[Frame]:
    stream = f"futures.trades:{listed.symbol}"
    if stream in wanted:
        row = {
            "contract": listed.symbol,
            "create_time": trade.time_ns // SECOND_NS,
            "create_time_ms": trade.time_ns // MS_NS,
            "id": FIRST_ID + trade.number,
            "price": listed.price(trade.price),
            "size": _signed(listed, trade.quantity, trade.price, trade.taker),
        }
        yield Frame(stream, "trade", _update("futures.trades", [row], trade.time_ns), 1)


def _ticker(tick: Tick, listed: Listed, wanted: Container[str]) -> Iterator[Frame]:
    stream = f"futures.tickers:{listed.symbol}"
    if stream in wanted:
        rows = [ticker_fields(listed, tick)]
        yield Frame(stream, "ticker", _update("futures.tickers", rows, tick.time_ns))


def _update(channel: str, rows: Sequence[Any], at_ns: int) -> bytes:
    return encode({
        "time": at_ns // SECOND_NS,
        "time_ms": at_ns // MS_NS,
        "channel": channel,
        "event": "update",
        "result": rows,
    })  # fmt: skip
