"""What a venue module provides. A venue is a module, not a class: this protocol is the whole contract.

Decoders and REST conversations are sans-I/O. A decoder turns one frame into rows. A conversation is a
generator that yields requests and is sent the bodies, so paging reads like a loop and nothing here
opens a socket.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeVar

import msgspec

from service.semantics import Semantics
from service.venues.symbols import underlying_of
from streams.events import Channel, Flag, RowBuffer
from streams.instruments import BadInstrument, Instrument, instrument

T = TypeVar("T")

#: What a decoder says a frame was. Market channels carry their own name.
FrameName = Literal[
    "trade", "mark", "funding", "open_interest", "liquidation", "ticker",  # rows may have been written
    "beat",  # the venue says in the stream itself that trades are being served: proof of life without rows
    "ack", "pong", "notice", "ignored",  # understood, no rows wanted
    "leave",  # the venue will soon close this connection: open the next one, then go
]  # fmt: skip


class VenueError(Exception):
    """The venue's fault: counted, kept as evidence, survived."""


class MalformedFrame(VenueError):  # noqa: N818
    """A frame or body that cannot be read. `reason` is a short word for a metric label."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class VenueRefused(VenueError):  # noqa: N818
    """The venue answered our subscription or request with an error."""


class RestRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A GET, or a POST of `body` where there is one. `weight` is what it costs of the venue's budget."""

    path: str
    params: dict[str, str] = {}
    weight: int = 1
    body: bytes | None = None  # JSON


def contract_flags(spec: "VenueSpec", instrument: Instrument) -> Flag:
    """Return the flags of the INSTRUMENT row that announces a contract."""
    liquidation = spec.semantics.liquidation
    flags = Flag(0) if liquidation is None else liquidation.completeness_flag
    if instrument.contract_type == "inverse":
        flags |= Flag.INVERSE
    return flags | _MARKETS[instrument.market]


_MARKETS = {"perpetual": Flag(0), "spot": Flag.SPOT, "regulated": Flag.REGULATED}


#: A REST conversation: yields requests, is sent response bodies, returns its result.
Conversation = Generator[RestRequest, bytes, T]


class Universe(msgspec.Struct):
    """What a venue lists: contracts we can convert, and those of ours that we cannot, with the reason.

    Listings of another sort altogether (options, dated futures, what is not trading) are in neither.
    """

    instruments: list[Instrument] = []
    unmapped: dict[str, str] = {}

    def add(
        self, *, venue: str, symbol: str, base: str, quote: str, interval_ns: int = 0, **rest: Any
    ) -> None:
        """List a contract of `base`, in the venue's own name for it. `rest` is as for `instrument`."""
        name = underlying_of(base)
        if name is None:
            self.unmapped[symbol] = f"the table of names does not say what {base!r} is"
            return
        try:
            self.instruments.append(
                instrument(
                    venue=venue, symbol=symbol, underlying=name[0], quote=quote,
                    coins_per_unit=name[1], funding_interval_ns=interval_ns, **rest,
                )
            )  # fmt: skip
        except BadInstrument as bad:
            self.unmapped[symbol] = str(bad)


def implied(*, venue: str, symbol: str, base: str, quote: str, **rest: Any) -> Instrument | None:
    """Return the contract that a symbol alone implies, None if its name is not in the table."""
    universe = Universe()
    universe.add(venue=venue, symbol=symbol, base=base, quote=quote, **rest)
    return universe.instruments[0] if universe.instruments else None


def no_fill(
    _instrument: Instrument, _gap: "Gap", _out: RowBuffer
) -> Conversation[int | None] | None:
    """Serve as `fill` of a venue that cannot be asked for the trades of a gap."""
    return None


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Trades of one instrument that did not come: sequences `first` to `last`, or 0 where ids say nothing.

    Times are the venue's: of the last trade before the gap and of the first one after it.
    """

    first: int
    last: int
    from_ns: int
    to_ns: int


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """A request repeated every `every_s` seconds; `decode(body, received_ns, out)` writes its rows."""

    request: RestRequest
    every_s: float
    channel: Channel
    instrument: Instrument
    decode: Callable[[bytes, int, RowBuffer], None]


class ConnectionPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One websocket: where to, what to say, what to expect.

    `control` are the channels that are never quiet while the market is open: their silence means that
    the connection is dead even if acks and pongs arrive. Channels outside it may be silent for hours.
    """

    path: str
    subscribe: tuple[bytes, ...]
    channels: Channel
    control: Channel
    instruments: tuple[Instrument, ...]


class VenueSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of a venue's transport, with where they come from in its module."""

    name: str
    semantics: Semantics
    websocket_url: str
    rest_url: str
    headers: dict[str, str] = {}  # said in the handshake and with every request
    ping: bytes | None = None  # what the client must say to stay connected; None: protocol pings do
    ping_every_s: float = 20.0
    lifetime_s: float | None = None  # the venue cuts older connections; we rotate before
    sends_per_s: float = 5.0
    rest_weight_per_minute: int = 600
    used_weight_header: str | None = None
    silence_s: float = 10.0  # control channels quieter than this are dead


class Decoder(Protocol):
    """Reads one connection's frames. May remember what a venue's deltas build on, nothing else."""

    def decode(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        """Write the frame's rows and say what it was.

        Raises:
            MalformedFrame: the frame cannot be read; no row of it remains in `out`.
        """
        ...


class Venue(Protocol):
    """A venue module."""

    @property
    def SPEC(self) -> VenueSpec:  # noqa: N802 - a module's constant
        """Its transport facts."""
        ...

    def decoder(self, instruments: Mapping[str, Instrument]) -> Decoder:
        """Return a new connection's decoder. `instruments` is by the venue's symbol."""
        ...

    def assume(self, symbol: str) -> Instrument | None:
        """Return the contract that the venue's rules imply from its symbol, None if they do not.

        For recordings only: a live ingester asks.
        """
        ...

    def plan(self, instruments: Sequence[Instrument]) -> list[ConnectionPlan]:
        """Return the connections that carry all channels of `instruments`."""
        ...

    def discover(self) -> Conversation[Universe]:
        """Ask the venue for its contracts."""
        ...

    def history(
        self, instrument: Instrument, from_ns: int, to_ns: int, out: RowBuffer
    ) -> Conversation[None]:
        """Ask for open interest, funding and candles of a span; write them as BACKFILL rows."""
        ...

    def fill(
        self, instrument: Instrument, gap: "Gap", out: RowBuffer
    ) -> Conversation[int | None] | None:
        """Ask for the trades of a gap and write them as the stream would have; None if nobody can be asked.

        Rows keep their own exchange time and sequence. What the gap does not include may be written as well:
        it is dropped by sequence. Returns how many of the gap's ids are no trades of ours (block trades).
        """
        ...

    def polls(self, instruments: Sequence[Instrument]) -> list[Poll]:
        """Return what the venue gives by REST only."""
        ...
