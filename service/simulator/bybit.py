"""Bybit v5's websockets of contracts as the venue documents them, over a simulated market.

One bad topic rejects a whole request. Tickers are a snapshot, then the fields that changed. Liquidations
are complete, gathered for half a second. Clients have to ping.
"""

import uuid
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from service.simulator.bybit_rest import BybitRest, Category, ticker_fields
from service.simulator.listing import Listed, Listing
from service.simulator.market import Market
from service.simulator.market_events import Liquidation, MarketEvent, Tick, Trade
from service.simulator.wire import (
    MS_NS,
    SECOND_NS,
    Care,
    Frame,
    Heard,
    Peer,
    Reply,
    decimals,
    encode,
)

SILENCE_NS = 30 * SECOND_NS
BATCH_NS = 500 * MS_NS
MOST_ARGS_CHARACTERS = 21_000
FIRST_SEQUENCE = 800_000_000_000


class _Trade(msgspec.Struct, gc=False):
    T: int
    s: str
    S: str
    v: str
    p: str
    L: str
    i: str
    BT: bool
    RPI: bool
    seq: int


class _Trades(msgspec.Struct, gc=False):
    topic: str
    type: str
    ts: int
    data: list[_Trade]


class _Forced(msgspec.Struct, gc=False):
    T: int
    s: str
    S: str
    v: str
    p: str


class _ForcedBatch(msgspec.Struct, gc=False):
    topic: str
    type: str
    ts: int
    data: list[_Forced]


class BybitPeer(Peer):
    """One connection. It is cut when it has not pinged for longer than the venue allows."""

    def __init__(self, face: "BybitFace", now_ns: int) -> None:
        super().__init__(now_ns)
        self._face = face
        self._id = str(uuid.UUID(int=face.next_connection()))
        self._topics: set[str] = set()
        self._pinged_ns = now_ns

    def hear(self, message: bytes, now_ns: int) -> Heard:
        """Answer ping, subscribe and unsubscribe."""
        try:
            request = msgspec.json.decode(message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self._answer("", "", error="error:invalid json")
        if not isinstance(request, dict):
            return self._answer("", "", error="error:invalid request")
        operation, number = request.get("op"), str(request.get("req_id", ""))
        if operation == "ping":
            self._pinged_ns = now_ns
            body = {"success": True, "ret_msg": "pong", "conn_id": self._id, "req_id": number,
                    "op": "ping"}  # fmt: skip
            return Heard(say=[Frame("", "pong", encode(body))])
        if operation not in {"subscribe", "unsubscribe"}:
            return self._answer(str(operation), number, error="error:unknown operation")
        topics = request.get("args")
        if not isinstance(topics, list) or not topics or any(type(t) is not str for t in topics):
            return self._answer(operation, number, error="error:request args are empty")
        if operation == "unsubscribe":
            self._topics.difference_update(topics)
            heard = self._answer(operation, number)
            heard.leave = topics
            return heard
        return self._subscribe(topics, number, now_ns)

    def _subscribe(self, topics: list[str], number: str, now_ns: int) -> Heard:
        if sum(map(len, topics)) > MOST_ARGS_CHARACTERS:
            return self._answer("subscribe", number, error="error:args too long")
        if len(topics) > self._face.most_args:
            return self._answer("subscribe", number, error="error:args size >10")
        for topic in topics:
            if topic in self._topics:
                message = f"error:already subscribed,topic:{topic}"
                return self._answer("subscribe", number, error=message)
            if not self._face.has(topic):
                message = f"error:handler not found,topic:{topic}"
                return self._answer("subscribe", number, error=message)
        self._topics.update(topics)
        heard = self._answer("subscribe", number)
        heard.join = topics
        heard.say.extend(self._face.snapshots(topics, now_ns))
        return heard

    def _answer(self, operation: str, number: str, error: str = "") -> Heard:
        body = {"success": not error, "ret_msg": error, "conn_id": self._id, "req_id": number,
                "op": operation}  # fmt: skip
        return Heard(say=[Frame("", "error" if error else "ack", encode(body))])

    def care(self, now_ns: int) -> Care:
        """End a connection whose client does not ping."""
        if now_ns - self._pinged_ns > SILENCE_NS:
            return Care(cut=(1000, "no ping"))
        return Care()


class _Batch(msgspec.Struct):
    """Liquidations of one topic that wait for their half second to end."""

    end_ns: int
    data: list[_Forced]


class BybitFace:
    """What the faces of all categories do: topics, trades, who may connect. A subclass is a category."""

    name: ClassVar[str]
    category: ClassVar[Category]
    kinds: ClassVar[tuple[str, ...]]
    most_args = 10_000

    def __init__(self, market: Market) -> None:
        self._listing = Listing(market, self.name)
        self._rest = BybitRest(self._listing, self.category)
        self._connections = 0
        self._last: dict[int, tuple[float, str]] = {}

    def next_connection(self) -> int:
        """Count connections, for their ids."""
        self._connections += 1
        return self._connections

    def connect(
        self,
        path: str,
        query: Mapping[str, str],  # noqa: ARG002 - the face's contract; this venue has none
        now_ns: int,
    ) -> BybitPeer | None:
        """Accept connections to the category."""
        return BybitPeer(self, now_ns) if path == f"/v5/public/{self.category}" else None

    def has(self, topic: str) -> bool:
        """Say whether a topic exists."""
        kind, _, symbol = topic.rpartition(".")
        return kind in self.kinds and symbol in self._listing.by_symbol

    def snapshots(
        self,
        topics: Sequence[str],  # noqa: ARG002 - for those that have something to begin with
        now_ns: int,  # noqa: ARG002
    ) -> Iterator[Frame]:
        """Write what a new subscription begins with: nothing."""
        return iter(())

    def rest(self, path: str, query: Mapping[str, str], now_ns: int) -> Reply:
        """Answer a GET."""
        return self._rest.answer(path, query, now_ns)

    def trade(self, trade: Trade, listed: Listed, wanted: Container[str]) -> Iterator[Frame]:
        """Write a trade, if anybody wants it."""
        topic = f"publicTrade.{listed.symbol}"
        if topic not in wanted:
            return
        ms = trade.time_ns // MS_NS
        number = (trade.contract << 48) | trade.number
        one = _Trade(
            ms, listed.symbol, "Buy" if trade.taker > 0 else "Sell",
            size(listed, trade.quantity, trade.price), listed.price(trade.price),
            self._direction(trade), _uuid(number), False, False, FIRST_SEQUENCE + 3 * trade.number,
        )  # fmt: skip
        yield Frame(topic, "trade", encode(_Trades(topic, "snapshot", ms, [one])), 1)

    def _direction(self, trade: Trade) -> str:
        last, word = self._last.get(trade.contract, (trade.price, "ZeroPlusTick"))
        if trade.price > last:
            word = "PlusTick"
        elif trade.price < last:
            word = "MinusTick"
        elif not word.startswith("Zero"):
            word = "Zero" + word
        self._last[trade.contract] = (trade.price, word)
        return word


def size(listed: Listed, coin: float, price: float) -> str:
    """Write a quantity of coin: as such, or of an inverse contract in dollars."""
    if listed.inverse:
        return decimals(listed.contracts(coin, price), 0)
    return listed.size(coin)


class Bybit(BybitFace):
    """The face of Bybit's linear category, and in other hands of the inverse one."""

    name: ClassVar[str] = "bybit"
    category: ClassVar[Category] = "linear"
    kinds = ("publicTrade", "tickers", "allLiquidation")

    def __init__(self, market: Market) -> None:
        super().__init__(market)
        self._told: dict[int, dict[str, str]] = {}  # ticker fields as last published
        self._batches: dict[str, _Batch] = {}

    def snapshots(self, topics: Sequence[str], now_ns: int) -> Iterator[Frame]:
        """Write the ticker snapshots that a new subscription begins with."""
        for topic in topics:
            kind, _, symbol = topic.partition(".")
            if kind == "tickers":
                listed = self._listing.by_symbol[symbol]
                fields = self._told.get(listed.index) or self._now(listed, now_ns)
                self._told[listed.index] = fields
                yield Frame(topic, "ticker", _ticker(topic, "snapshot", fields, now_ns))

    def _now(self, listed: Listed, now_ns: int) -> dict[str, str]:
        return ticker_fields(listed, self._listing.market.tick(listed.index, now_ns))

    def frames(
        self, events: Sequence[MarketEvent], now_ns: int, wanted: Container[str]
    ) -> Iterator[Frame]:
        """Write market events as this venue does."""
        for event in events:
            listed = self._listing.by_index.get(event.contract)
            if listed is None:
                continue
            if isinstance(event, Trade):
                yield from self.trade(event, listed, wanted)
            elif isinstance(event, Tick):
                yield from self._delta(event, listed, wanted)
            elif isinstance(event, Liquidation):
                yield from self._gather(event, listed, wanted)
        yield from self._due(now_ns)

    def _delta(self, tick: Tick, listed: Listed, wanted: Container[str]) -> Iterator[Frame]:
        topic = f"tickers.{listed.symbol}"
        if topic not in wanted:
            self._told.pop(listed.index, None)
            return
        fields, told = ticker_fields(listed, tick), self._told.get(listed.index, {})
        changed = {name: value for name, value in fields.items() if told.get(name) != value}
        self._told[listed.index] = fields
        if changed:
            changed["symbol"] = listed.symbol
            yield Frame(topic, "ticker", _ticker(topic, "delta", changed, tick.time_ns))

    def _gather(
        self, event: Liquidation, listed: Listed, wanted: Container[str]
    ) -> Iterator[Frame]:
        topic = f"allLiquidation.{listed.symbol}"
        if topic not in wanted:
            return
        end_ns = (event.time_ns // BATCH_NS + 1) * BATCH_NS
        batch = self._batches.get(topic)
        if batch is not None and batch.end_ns != end_ns:
            yield _forced(topic, self._batches.pop(topic))
        self._batches.setdefault(topic, _Batch(end_ns, [])).data.append(
            _Forced(
                event.time_ns // MS_NS, listed.symbol, "Buy" if event.position > 0 else "Sell",
                size(listed, event.quantity, event.bankruptcy_price),
                listed.price(event.bankruptcy_price),
            )
        )  # fmt: skip

    def _due(self, now_ns: int) -> Iterator[Frame]:
        for topic, batch in list(self._batches.items()):
            if batch.end_ns <= now_ns:
                yield _forced(topic, self._batches.pop(topic))


def _ticker(topic: str, kind: str, fields: dict[str, str], at_ns: int) -> bytes:
    body: dict[str, Any] = {
        "topic": topic,
        "type": kind,
        "data": fields,
        "cs": FIRST_SEQUENCE + at_ns // MS_NS,
        "ts": at_ns // MS_NS,
    }
    return encode(body)


def _forced(topic: str, batch: _Batch) -> Frame:
    message = _ForcedBatch(topic, "snapshot", batch.end_ns // MS_NS, batch.data)
    return Frame(topic, "liquidation", encode(message), len(batch.data))


def _uuid(number: int) -> str:
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
