"""The websocket that Binance's products and clones have in common: routes, subscriptions, keep-alive.

A subscription to what does not exist, or on a route that does not carry it, is acknowledged and stays silent.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from service.simulator.wire import SECOND_NS, Care, Frame, Heard, Peer, encode

_PATH = re.compile(r"^(?:/(public|market|private))?/(ws|stream)(?:/(.*))?$")
_PUBLIC = re.compile(r"(@trade|@bookTicker|@depth\S*|@rpiDepth\S*)$|^!bookTicker$")


class Ways(msgspec.Struct, frozen=True, kw_only=True):
    """How one product serves streams. `split`: market streams are on ``/market`` only, public ones elsewhere.

    `routes` are those it knows, "" being none.
    """

    routes: tuple[str, ...]
    split: bool = False
    streams: int = 200
    messages_per_s: int = 10
    ping_every_ns: int = 180 * SECOND_NS
    pong_within_ns: int = 600 * SECOND_NS

    def delivers(self, route: str, stream: str) -> bool:
        """Say whether a stream speaks on a route.

        >>> usdm = Ways(routes=("", "public", "market"), split=True)
        >>> usdm.delivers("market", "btcusdt@aggTrade"), usdm.delivers("", "btcusdt@aggTrade")
        (True, False)
        """
        if not self.split:
            return True
        return (route in {"public", ""}) if _PUBLIC.search(stream) else route == "market"


class BinancePeer(Peer):
    """One connection: its route, its form (raw or combined), its subscriptions."""

    def __init__(
        self, ways: Ways, route: str, streams: list[str], lifetime_s: float, now_ns: int
    ) -> None:
        super().__init__(now_ns)
        self.route = route
        self._ways = ways
        self.combined = False
        self._lifetime_ns = int(lifetime_s * SECOND_NS)
        self._subscribed = dict.fromkeys(streams)
        self._sends: list[int] = []
        self.initial = self._speaking(streams)

    def hear(self, message: bytes, now_ns: int) -> Heard:
        """Answer SUBSCRIBE, UNSUBSCRIBE, LIST_SUBSCRIPTIONS and the properties."""
        self._sends = [t for t in self._sends if now_ns - t < SECOND_NS] + [now_ns]
        if len(self._sends) > self._ways.messages_per_s:
            return Heard(cut=(1008, "Too many requests"))
        try:
            request = msgspec.json.decode(message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _error(3, "Invalid JSON: expected value at line 1 column 1")
        if not isinstance(request, dict):
            return _error(2, "Invalid request: request must be an object")
        number = request.get("id")
        if number is not None and (not isinstance(number, int) or isinstance(number, bool)):
            return _error(2, "Invalid request: request ID must be an unsigned integer")
        return self._obey(request, number)

    def _obey(self, request: dict[str, Any], number: int | None) -> Heard:
        method, params = request.get("method"), request.get("params", [])
        if method == "LIST_SUBSCRIPTIONS":
            return _result(list(self._subscribed), number)
        if method in {"SET_PROPERTY", "GET_PROPERTY"}:
            return self._property(method, params, number)
        if method not in {"SUBSCRIBE", "UNSUBSCRIBE"}:
            return _error(2, f"Invalid request: unknown variant `{method}`")
        if not isinstance(params, list) or not params or any(type(p) is not str for p in params):
            return _error(2, "Invalid request: params must be a list of stream names")
        heard = _result(None, number)
        if method == "UNSUBSCRIBE":
            for stream in params:
                self._subscribed.pop(stream, None)
            heard.leave = params
            return heard
        if len(self._subscribed.keys() | set(params)) > self._ways.streams:
            return _error(2, f"Invalid request: at most {self._ways.streams} streams a connection")
        self._subscribed.update(dict.fromkeys(params))
        heard.join = self._speaking(params)
        return heard

    def _property(self, method: str, params: Any, number: int | None) -> Heard:
        if not isinstance(params, list) or not params or params[0] != "combined":
            return _error(0, "Unknown property")
        if method == "GET_PROPERTY":
            return _result(self.combined, number)
        if len(params) != 2 or not isinstance(params[1], bool):
            return _error(1, "Invalid value type: expected Boolean")
        self.combined = params[1]
        return _result(None, number)

    def _speaking(self, streams: Sequence[str]) -> list[str]:
        return [s for s in streams if self._ways.delivers(self.route, s)]

    def care(self, now_ns: int) -> Care:
        """Ping now and then; end at the lifetime or when pongs stay out."""
        if now_ns - self.opened_ns >= self._lifetime_ns:
            return Care(cut=(1001, "24 hours are over"))
        late = now_ns - self.ponged_ns >= self._ways.pong_within_ns
        return Care(
            ping=now_ns - self.pinged_ns >= self._ways.ping_every_ns,
            cut=(1008, "Pong timeout") if late else None,
        )

    def pack(self, frame: Frame) -> bytes:
        """Wrap market frames on combined connections."""
        if not self.combined or not frame.stream:
            return frame.payload
        if not frame.wrapped:
            frame.wrapped = b'{"stream":"%b","data":%b}' % (frame.stream.encode(), frame.payload)
        return frame.wrapped


def _result(value: object, number: int | None) -> Heard:
    return Heard(say=[Frame("", "ack", encode({"result": value, "id": number}))])


def _error(code: int, message: str) -> Heard:
    return Heard(say=[Frame("", "error", encode({"code": code, "msg": message}))])


def connect(
    ways: Ways, lifetime_s: float, path: str, query: Mapping[str, str], now_ns: int
) -> BinancePeer | None:
    """Return the peer of a raw (/ws) or combined (/stream) connection, None where nothing is served."""
    match = _PATH.match(path)
    if match is None or (match[1] or "") not in ways.routes:
        return None
    route, form, named = match.groups()
    wanted = query.get("streams", "") if form == "stream" else named or ""
    streams = [s for s in wanted.split("/") if s]
    if len(streams) > ways.streams:
        return None
    peer = BinancePeer(ways, route or "", streams, lifetime_s, now_ns)
    peer.combined = form == "stream"
    return peer
