"""What a venue's face says to its server: frames, replies and what to do with a connection. No sockets."""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from service.simulator.market_events import MarketEvent

MS_NS = 10**6
SECOND_NS = 10**9

encode = msgspec.json.encode


class Frame(msgspec.Struct):
    """One message to whoever subscribed to `stream`; encoded once, sent to many.

    `rows` is what a perfect ingester makes of it, and `forced` the liquidations among trades of a venue that
    flags them there. `wrapped` is a second form some venues speak.
    """

    stream: str
    channel: str
    payload: bytes
    rows: int = 0
    forced: int = 0
    wrapped: bytes = b""
    counted: bool = False


class Heard(msgspec.Struct):
    """What follows from a client's message."""

    say: list[Frame] = []
    join: list[str] = []
    leave: list[str] = []
    cut: tuple[int, str] | None = None


class Care(msgspec.Struct, frozen=True):
    """What a quiet moment asks for: a protocol ping, or the end (close code, reason)."""

    ping: bool = False
    cut: tuple[int, str] | None = None


class Reply(msgspec.Struct):
    """An HTTP answer."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = {}


class Peer:
    """One client's connection as its venue sees it. Subclasses speak the protocol.

    Times are the clock's nanoseconds. The server keeps `heard_ns` (any message of the client),
    `ponged_ns` and `told_ns` (anything sent).
    """

    def __init__(self, now_ns: int) -> None:
        self.opened_ns = self.heard_ns = self.told_ns = self.ponged_ns = self.pinged_ns = now_ns
        self.initial: list[str] = []  # streams named by the URL
        self.greeting: list[Frame] = []  # said before the client has said anything

    def hear(self, message: bytes, now_ns: int) -> Heard:
        """Answer one text message."""
        raise NotImplementedError

    def care(self, now_ns: int) -> Care:
        """Say whether the connection needs a ping or has to end."""
        raise NotImplementedError

    def pack(self, frame: Frame) -> bytes:
        """Return the frame in the form this connection asked for."""
        return frame.payload


class Face(Protocol):
    """A venue's protocol over a market."""

    @property
    def name(self) -> str:
        """The venue's name."""
        ...

    def connect(self, path: str, query: Mapping[str, str], now_ns: int) -> Peer | None:
        """Return the peer of a new connection, or None where the venue has no websocket."""
        ...

    def frames(
        self, events: Sequence[MarketEvent], now_ns: int, wanted: Container[str]
    ) -> Iterable[Frame]:
        """Put market events into the venue's words, as far as anybody subscribed."""
        ...

    def rest(self, path: str, query: Mapping[str, str], now_ns: int) -> Reply:
        """Answer a GET."""
        ...


def json_reply(value: object, status: int = 200, **headers: str) -> Reply:
    """Return `value` as an HTTP answer."""
    return Reply(encode(value), status, {k.replace("_", "-"): v for k, v in headers.items()})


def decimals(value: float, places: int) -> str:
    """Return a decimal string as venues write it.

    >>> decimals(60000.0, 2), decimals(0.0001, 8)
    ('60000.00', '0.00010000')
    """
    return f"{value:.{places}f}"


def integer(query: Mapping[str, str], name: str, default: int) -> int:
    """Return a whole number of a query.

    Raises:
        ValueError: it is there and is none.
    """
    return int(query[name]) if name in query else default
