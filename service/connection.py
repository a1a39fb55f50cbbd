"""A session's socket, and the keeper that replaces it: backed off after failure, in time before a cut.

The only client of the `websockets` library.
"""

import asyncio
import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.frames import CloseCode

from service.bans import Ban
from service.clock import Clock
from service.intake import Intake
from service.rest import error_class
from service.session import (
    NS,
    Action,
    Backoff,
    Cause,
    ConnectPacer,
    Phase,
    Send,
    Session,
)
from service.venue import ConnectionPlan, Decoder, Venue, VenueRefused
from streams.events import Channel, DownReason

#: Largest message the socket takes. Larger than what is read, so that an oversized frame is one rejected
#: frame and not the end of the connection.
MESSAGE_MAX: Final = 64 << 20
#: Wall seconds: half-open connections are noticed within the sum of the two, which is less than ten.
PING_EVERY_S: Final = 4.5
PING_TIMEOUT_S: Final = 4.5
#: Frames taken before others get their turn: about a millisecond. A read of the socket may bring thousands.
BREATH_FRAMES: Final = 64
#: Seconds before a connection is replaced because of what it delivers: it still delivers.
GARBLED_PAUSE_S: Final = 30.0
#: How long a successor may take until it brings what its predecessor does, in log time, and how often
#: that is looked at, in the wall's.
HANDOVER_S: Final = 30.0
HANDOVER_EVERY_S: Final = 0.05
#: What the library says when no pong came.
PING_TIMEOUT: Final = CloseCode.INTERNAL_ERROR
#: Wall seconds: however fast log time runs, less than this is scheduling and not silence.
SILENCE_FLOOR_S: Final = 1.0


def handover_ns(clock: Clock) -> int:
    """Return how long old and new connections may stand side by side, in log time."""
    return int(max(HANDOVER_S, SILENCE_FLOOR_S * clock.speed) * NS)


class Ending(msgspec.Struct, frozen=True):
    """Why a connection is over. `word` is for people and metric labels."""

    reason: DownReason
    word: str
    status: int = 0  # of a handshake refused because of too many
    retry_after: str | None = None


class Link:
    """One socket and its session. `on_live` and `on_end` are each called once at most."""

    def __init__(
        self,
        number: int,
        session: Session,
        decoder: Decoder,
        intake: Intake,
        *,
        on_live: Callable[["Link"], None],
        on_end: Callable[["Link", Ending], None],
    ) -> None:
        self.session = session
        self.ending: Ending | None = None
        self.cause = Cause.ROTATE  # why it wants a successor while it serves on
        self.leaving = asyncio.Event()  # wants a successor, or over
        self._number = number
        self._decoder = decoder
        self._intake = intake
        self._on_live = on_live
        self._on_end = on_end
        self._task: asyncio.Task[None] | None = None

    def start(self, group: asyncio.TaskGroup, url: str, headers: dict[str, str]) -> None:
        """Run in `group` until the connection is over or `retire` is called."""
        self._task = group.create_task(self._run(url, headers))

    def retire(self) -> None:
        """Leave: a successor is live."""
        self._end(Ending(DownReason.CLOSED, "rotated"))
        if self._task is not None:
            self._task.cancel()

    def _end(self, ending: Ending) -> None:
        if self.ending is not None:
            return
        self.ending = ending
        self.session.closed()
        self.leaving.set()
        self._on_end(self, ending)

    async def _run(self, url: str, headers: dict[str, str]) -> None:
        try:
            async with connect(
                url,
                compression=None,
                max_size=MESSAGE_MAX,
                ping_interval=PING_EVERY_S,
                ping_timeout=PING_TIMEOUT_S,
                close_timeout=1.0,
                additional_headers=headers,
            ) as socket:
                self.session.opened(self._intake.clock.now_ns())
                await self._converse(socket)
        except (OSError, WebSocketException) as error:
            self._end(self._blame(error))
        finally:
            self._end(Ending(DownReason.STOPPED, "stopped"))

    def _blame(self, error: Exception) -> Ending:
        if isinstance(error, ConnectionClosed):
            if error.rcvd is None and error.sent is not None and error.sent.code == PING_TIMEOUT:
                return Ending(DownReason.CLOSED, "ping_timeout")
            code = error.rcvd.code if error.rcvd is not None else 1006
            return Ending(DownReason.CLOSED, f"closed_{code if code < 1016 else 'other'}")
        if isinstance(error, InvalidStatus):
            status, headers = error.response.status_code, error.response.headers
            if status not in {418, 429}:
                return Ending(DownReason.REFUSED, f"http_{status}")
            return Ending(DownReason.BANNED, f"http_{status}", status, headers.get("Retry-After"))
        if self.session.phase is Phase.CONNECTING:
            return Ending(DownReason.REFUSED, error_class(error))
        return Ending(DownReason.CLOSED, error_class(error))

    async def _converse(self, socket: ClientConnection) -> None:
        clock = self._intake.clock
        while self.ending is None:
            now_ns = clock.now_ns()
            for action in self.session.due(now_ns):
                await self._act(action, socket)
            wake_ns = self.session.next_wake_ns(now_ns)
            wait_s = max(0, wake_ns - now_ns) / NS / clock.speed
            try:
                async with asyncio.timeout(wait_s):
                    await self._read(socket, wake_ns)
            except TimeoutError:
                continue

    async def _act(self, action: Action, socket: ClientConnection) -> None:
        if isinstance(action, Send):
            with suppress(ConnectionClosed):  # what had arrived before is still to be read
                await socket.send(action.data, text=True)
        elif action.cause in {Cause.ROTATE, Cause.GARBLED}:
            self.cause = action.cause
            self.leaving.set()
        else:
            refused = action.cause is Cause.REFUSED
            reason = DownReason.REFUSED if refused else DownReason.SILENT
            self._end(Ending(reason, action.cause.value))

    async def _read(self, socket: ClientConnection, wake_ns: int) -> None:
        intake, publisher = self._intake, self._intake.publisher
        now_ns, taken = intake.clock.now_ns(), 0
        while self.ending is None and now_ns < wake_ns:
            self._take(await socket.recv(decode=False))
            now_ns, taken = intake.received_ns, taken + 1
            if publisher.full:
                await publisher.drained()
            elif taken % BREATH_FRAMES == 0:  # `recv` does not yield while frames are there
                await asyncio.sleep(0)

    def _take(self, frame: bytes) -> None:
        try:
            name = self._intake.frame(self._decoder, frame, self._number)
        except VenueRefused:
            self.session.refused(self._intake.received_ns)
            return
        if name is None:
            if self._intake.garbled:
                self.session.garbled(self._intake.received_ns)
        elif self.session.received(name, self._intake.received_ns):
            self._on_live(self)


class Keeper:
    """Keeps one plan connected, and its feeds' rows true.

    On rotation the successor must be live before the predecessor leaves, and both are read for `overlap_s`
    (log time) more; the intake's screen drops what comes twice.
    """

    def __init__(
        self,
        source: str,
        plan: ConnectionPlan,
        venue: Venue,
        intake: Intake,
        *,
        url: str,
        pacer: ConnectPacer,
        ban: Ban,
        rng: random.Random,
        overlap_s: float = 2.0,
        silence_s: float | None = None,
    ) -> None:
        self.source = source
        self._plan = plan
        self._venue = venue
        self._intake = intake
        self._url = url.rstrip("/") + plan.path
        self._pacer = pacer
        self._ban = ban
        self._rng = rng
        self._backoff = Backoff(rng)
        self._overlap_s = overlap_s
        self._spec = venue.SPEC
        if silence_s is not None:
            self._spec = msgspec.structs.replace(self._spec, silence_s=silence_s)
        self._links: set[Link] = set()
        self._serving: Link | None = None
        intake.feeds.add(source, plan.instruments, plan.channels)

    @property
    def serving(self) -> bool:
        """Whether a connection of this plan delivers data."""
        return self._serving is not None

    async def run(self) -> None:
        """Stay connected until cancelled."""
        delay_ns = 0
        async with asyncio.TaskGroup() as group:
            while True:
                await self._wait(delay_ns)
                link = self._new_link()
                link.start(group, self._url, self._spec.headers)
                await link.leaving.wait()
                delay_ns = self._next_delay_ns(link)

    async def _wait(self, delay_ns: int) -> None:
        clock = self._intake.clock
        await clock.sleep(delay_ns / NS)
        await clock.sleep(self._pacer.reserve(clock.now_ns()) / NS)
        # Others of the venue's connections may have earned a ban while this one waited for its turn.
        while (left_ns := self._ban.until_ns - clock.now_ns()) > 0:
            await clock.sleep(left_ns / NS)
            await clock.sleep(self._pacer.reserve(clock.now_ns()) / NS)
        self._backoff.tried(clock.now_ns())

    def _next_delay_ns(self, link: Link) -> int:
        if link.ending is None:
            self._count(link.cause.value)
            if link.cause is Cause.GARBLED:
                return self._backoff.delay_ns(self._intake.clock.now_ns(), GARBLED_PAUSE_S)
            return 0
        now_ns = self._intake.clock.now_ns()
        if link.ending.reason is DownReason.BANNED:
            self._ban.note(link.ending.status, link.ending.retry_after, now_ns)
        return self._backoff.delay_ns(now_ns)

    def _count(self, event: str) -> None:
        self._intake.stats.connection(self._intake.venue, event)

    def _new_link(self) -> Link:
        self._count("connect")
        clock, spec = self._intake.clock, self._spec
        session = Session(
            self._plan, spec,
            now_ns=clock.now_ns(),
            rotate_at=self._rng.uniform(0.90, 0.95),  # plans opened together do not leave together
            silence_floor_s=SILENCE_FLOOR_S * clock.speed,
        )  # fmt: skip
        decoder = self._venue.decoder({one.symbol: one for one in self._plan.instruments})
        link = Link(
            next(self._intake.numbers), session, decoder, self._intake,
            on_live=self._live, on_end=self._ended,
        )  # fmt: skip
        self._links.add(link)
        self._intake.screen.overlaps += len(self._links) > 1
        return link

    def _live(self, link: Link) -> None:
        self._count("live")
        self._backoff.reset()
        before, self._serving = self._serving, link
        clock = self._intake.clock
        now_ns = clock.now_ns()
        self.refresh(now_ns)
        if before is not None:
            until_ns = now_ns + handover_ns(clock)
            asyncio.get_running_loop().call_later(
                self._overlap_s / clock.speed, self._hand_over, before, until_ns
            )

    def _hand_over(self, before: Link, until_ns: int) -> None:
        """Let a predecessor leave once it brings nothing that others do not."""
        now_ns = self._intake.clock.now_ns()
        others = self._delivered(self._links - {before}, now_ns)
        if before is self._serving:
            return  # the successor has died meanwhile; there will be another
        if before.session.live_channels(now_ns) & ~others and now_ns < until_ns:
            asyncio.get_running_loop().call_later(
                HANDOVER_EVERY_S, self._hand_over, before, until_ns
            )
            return
        before.retire()

    @staticmethod
    def _delivered(links: Iterable[Link], now_ns: int) -> Channel:
        live = Channel(0)
        for link in links:
            live |= link.session.live_channels(now_ns)
        return live

    def delivers(self, now_ns: int) -> Channel:
        """Return what this plan's connections can be trusted to deliver, one on its way out included."""
        return self._delivered(self._links, now_ns)

    def _ended(self, link: Link, ending: Ending) -> None:
        self._count(ending.word)
        self._intake.screen.overlaps -= len(self._links) > 1
        self._links.discard(link)
        if link is self._serving:
            living = (one for one in self._links if one.session.phase is Phase.LIVE)
            self._serving = next(living, None)
        if self._serving is None:
            self._intake.feeds.report(
                self.source, Channel(0), self._intake.clock.now_ns(),
                reason=ending.reason, since_ns=link.session.data_ns,
            )  # fmt: skip
            self._intake.publisher.note("feed")

    def refresh(self, now_ns: int) -> None:
        """Bring the feeds' rows up to what the serving connection delivers."""
        if self._serving is not None:
            self._intake.feeds.report(
                self.source, self.delivers(now_ns), now_ns,
                since_ns=self._serving.session.oldest_ns,
            )  # fmt: skip
            self._intake.publisher.note("feed")
