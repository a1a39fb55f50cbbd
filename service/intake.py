"""One venue's door: bytes in, screened rows in the publisher's buffer, everything counted."""

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Final

from service.clock import Clock
from service.heartbeats import Feeds
from service.publisher import Outlet
from service.screen import HOSTILE, Screen
from service.stats import IngestStats
from service.venue import Decoder, FrameName, MalformedFrame, Poll, VenueRefused

#: A callback for what could not be read: venue, reason, the frame's beginning.
DeadLetter = Callable[[str, str, bytes], None]
#: A callback for every frame as it came: venue, received_ns, frame. What `record` listens to.
Tap = Callable[[str, int, bytes], None]

DEAD_LETTER_BYTES: Final = 64 << 10
#: Reasons that speak of a broken connection, not of a message that we do not know.
GARBLED: Final = frozenset({"truncated", "json", "utf8"})


class Intake:
    """Reads frames and bodies of one venue into `publisher.buffer`. Survives whatever the venue sends."""

    def __init__(
        self,
        venue: str,
        publisher: Outlet,
        clock: Clock,
        stats: IngestStats,
        *,
        future_s: float = 5.0,
        contiguous: bool = False,
        frame_max: int = 4 << 20,
        dead_letter: DeadLetter | None = None,
        tap: Tap | None = None,
    ) -> None:
        self.venue = venue
        self.publisher = publisher
        self.out = publisher.buffer
        self.clock = clock
        self.stats = stats
        self.feeds = Feeds(publisher.buffer)
        self.screen = Screen(int(future_s * 1e9), contiguous=contiguous)
        self.numbers = count(1)  # of connections; 0 is REST
        self.refused = asyncio.Event()  # the venue said no to something we asked for
        self.received_ns = clock.now_ns()  # of the last frame
        self.garbled = False  # the last rejected frame was no message at all
        self._frame_max = frame_max
        self._dead_letter = dead_letter
        self._tap = tap

    def frame(self, decoder: Decoder, frame: bytes, connection: int) -> FrameName | None:
        """Read a frame of a connection; None if it was rejected.

        Raises:
            VenueRefused: the frame says that the venue refused something. Counted already.
        """
        received_ns = self.received_ns = self.clock.now_ns()
        if self._tap is not None:
            self._tap(self.venue, received_ns, frame)
        if len(frame) > self._frame_max:
            self.reject("oversized", frame)
            return None
        start = self.out.rows
        try:
            name = decoder.decode(frame, received_ns, self.out)
        except VenueRefused:
            self._undo(start, "refused", frame)
            self.refused.set()
            raise
        except MalformedFrame as malformed:
            self._undo(start, malformed.reason, frame)
            return None
        except HOSTILE:
            self._undo(start, "unexpected", frame)
            return None
        self.admit(name, start, connection)
        return name

    def body(self, poll: Poll, body: bytes) -> bool:
        """Read the answer to a poll; False if it was rejected."""
        start = self.out.rows
        try:
            poll.decode(body, self.clock.now_ns(), self.out)
        except MalformedFrame as malformed:
            self._undo(start, malformed.reason, body)
            return False
        except VenueRefused:
            self._undo(start, "refused", body)
            return False
        except HOSTILE:
            self._undo(start, "unexpected", body)
            return False
        self.admit("poll", start, 0)
        return True

    def admit(self, name: str, start: int, connection: int) -> None:
        """Screen the rows written since `start`, count them and tell the publisher."""
        if self.out.rows > start:
            for reason in self.screen.sift(self.out, start, connection):
                if reason == "duplicate":
                    self.stats.duplicate(self.venue)
                else:
                    self.stats.reject(self.venue, reason)
            if self.screen.lag_ns is not None and connection:
                self.feeds.observe(self.screen.lag_ns)
        self.stats.frame(self.venue, name, self.out.rows - start)
        if self.out.rows > start:
            self.publisher.note(name)

    def reject(self, reason: str, frame: bytes) -> None:
        """Count what could not be read and keep its beginning as evidence."""
        self.garbled = reason in GARBLED
        self.stats.reject(self.venue, reason)
        if self._dead_letter is not None:
            self._dead_letter(self.venue, reason, frame[:DEAD_LETTER_BYTES])

    def _undo(self, start: int, reason: str, frame: bytes) -> None:
        self.out.truncate(start)
        self.reject(reason, frame)
