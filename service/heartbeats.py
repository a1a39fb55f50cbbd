"""Which channels of which instruments are live, as rows.

Silence, loss and recovery become facts of the log here. Every row is an instrument's own, so that a
partition's order stays the whole truth, and carries the venue's estimated time: now minus the usual delay.
"""

import math
from bisect import insort
from collections.abc import Container
from typing import Final

import msgspec

from streams.events import Channel, DownReason, Kind, RowBuffer
from streams.instruments import Instrument

NS: Final = 1_000_000_000


class SignMedian:
    """A running median by steps against the sign of the error. NaN before the first value.

    It starts as the exact median of the first nine values. The step is a share of the mean absolute error,
    so it shrinks as the estimate settles, and an outlier moves it no further than any other value does.
    """

    __slots__ = ("_first", "_spread", "value")

    def __init__(self) -> None:
        self.value = math.nan
        self._first: list[float] = []
        self._spread = 0.0

    def update(self, x: float) -> None:
        """Take in one value."""
        if len(self._first) < 9:
            insort(self._first, x)
            self.value = self._first[len(self._first) // 2]
            self._spread = (self._first[-1] - self._first[0]) / 4.0
            return
        error = x - self.value
        limit = 8.0 * self._spread + 1e-6
        self._spread += 0.02 * (min(abs(error), max(limit, 1e-3)) - self._spread)
        self.value += math.copysign(min(abs(error), 0.05 * self._spread), error)


class _Source(msgspec.Struct):
    """One connection plan or poll: what it is to deliver, what it does, and since when it does not."""

    instruments: tuple[Instrument, ...]
    channels: Channel
    live: Channel = Channel(0)
    down_since: dict[Channel, int] = {}
    expires_ns: int | None = None  # polls: when the last success stops counting


class _Beat(msgspec.Struct):
    channels: Channel
    since_ns: int


class Feeds:
    """The feed health of one venue. Writes its rows to `out`; the caller tells it the time."""

    def __init__(self, out: RowBuffer) -> None:
        self._out = out
        self._sources: dict[str, _Source] = {}
        self._beats: dict[int, _Beat] = {}
        self._instruments: dict[int, Instrument] = {}
        self._median = SignMedian()
        self._latest_ns = 0  # delay of the latest row

    @property
    def lag_s(self) -> float:
        """The venue's usual delay, received minus exchange time, in seconds; NaN before any data."""
        return self._median.value

    def observe(self, lag_ns: int) -> None:
        """Take in the delay of one live row."""
        self._median.update(lag_ns / NS)
        self._latest_ns = lag_ns

    def venue_ns(self, now_ns: int) -> int:
        """Return what the venue's clock shows when ours shows `now_ns`, delay included."""
        return now_ns if math.isnan(self.lag_s) else now_ns - int(self.lag_s * NS)

    def _behind_ns(self) -> int:
        """Return by how much what came last was later than usual: a loss began that much earlier."""
        return 0 if math.isnan(self.lag_s) else max(0, self._latest_ns - int(self.lag_s * NS))

    @property
    def live(self) -> Channel:
        """The channels that some source delivers now."""
        live = Channel(0)
        for state in self._sources.values():
            live |= state.live
        return live

    def add(self, source: str, instruments: tuple[Instrument, ...], channels: Channel) -> None:
        """Announce a source. Its channels are neither up nor down until `report` says so."""
        self._sources[source] = _Source(instruments, channels)
        self._instruments.update({instrument.id: instrument for instrument in instruments})

    def remove(self, source: str, now_ns: int, *, delisted: Container[int] = ()) -> None:
        """Forget a source: FEED_DOWN for what no other delivers, with the reason for what is `delisted`."""
        state = self._sources.pop(source, None)
        for instrument in () if state is None else state.instruments:
            others = [s for s in self._sources.values() if instrument in s.instruments]
            lost = state.live if state is not None else Channel(0)
            for other in others:
                lost &= ~other.live
            if lost:
                reason = DownReason.DELISTED if instrument.id in delisted else DownReason.STOPPED
                self._write(
                    Kind.FEED_DOWN, (instrument,), now_ns, lost, reason, self.venue_ns(now_ns)
                )
            if not others:
                self._instruments.pop(instrument.id, None)
                self._beats.pop(instrument.id, None)

    def expect(self, source: str, until_ns: int) -> None:
        """Let a polled source go down by itself at `until_ns` if nothing is reported before."""
        if source in self._sources:
            self._sources[source].expires_ns = until_ns

    def report(
        self,
        source: str,
        live: Channel,
        now_ns: int,
        *,
        reason: DownReason | None = None,
        since_ns: int | None = None,
    ) -> None:
        """Write the rows of what has changed: FEED_DOWN, or GAP (if it was down) and FEED_UP.

        With a `reason` everything not in `live` is down, even what was never up; without one, what has not
        been up yet stays undecided. `since_ns` is the last evidence of life.
        """
        state = self._sources.get(source)
        if state is None:
            return  # it was removed while it was ending
        since = now_ns if since_ns is None else min(since_ns, now_ns)
        since -= self._behind_ns()
        lost = state.live & ~live
        if reason is not None:
            lost |= state.channels & ~live & ~self._down(state)
        if lost:
            self._went_down(state, lost, reason or DownReason.SILENT, since, now_ns)
        gained = live & ~state.live
        if gained:
            self._came_up(state, gained, now_ns)
        state.live = live

    @staticmethod
    def _down(state: _Source) -> Channel:
        down = Channel(0)
        for channels in state.down_since:
            down |= channels
        return down

    def _went_down(
        self, state: _Source, lost: Channel, reason: DownReason, since_ns: int, now_ns: int
    ) -> None:
        for bit in lost:
            state.down_since[bit] = since_ns
        self._write(
            Kind.FEED_DOWN, state.instruments, now_ns, lost, reason, self.venue_ns(since_ns)
        )

    def _came_up(self, state: _Source, gained: Channel, now_ns: int) -> None:
        gaps: dict[int, Channel] = {}
        for bit in gained:
            since_ns = state.down_since.pop(bit, None)
            if since_ns is not None:
                gaps[since_ns] = gaps.get(since_ns, Channel(0)) | bit
        to_ns = self.venue_ns(now_ns)
        for from_ns, channels in sorted(gaps.items()):
            self._write(
                Kind.GAP, state.instruments, now_ns, channels, self.venue_ns(from_ns), to_ns
            )
        self._write(Kind.FEED_UP, state.instruments, now_ns, gained, 0, to_ns)

    def _write(
        self,
        kind: Kind,
        instruments: tuple[Instrument, ...],
        now_ns: int,
        channels: Channel,
        second: int,
        third: int,
    ) -> None:
        exchange_ns = self.venue_ns(now_ns)
        for instrument in instruments:
            self._out.integers(
                kind, 0, instrument.id, exchange_ns, now_ns, channels, second, third
            )  # fmt: skip

    def beat(self, now_ns: int) -> None:
        """Write a HEARTBEAT for every instrument: what is live now and since when that is so."""
        for name, state in self._sources.items():
            if state.expires_ns is not None and now_ns > state.expires_ns:
                since_ns = state.expires_ns
                state.expires_ns = None
                self.report(name, Channel(0), now_ns, reason=DownReason.SILENT, since_ns=since_ns)
        live = dict.fromkeys(self._instruments, Channel(0))
        for state in self._sources.values():
            for instrument in state.instruments:
                live[instrument.id] |= state.live
        for key, channels in live.items():
            beat = self._beats.get(key)
            if beat is None or beat.channels != channels:
                beat = self._beats[key] = _Beat(channels, now_ns)
            since_ns = self.venue_ns(beat.since_ns)
            self._write(Kind.HEARTBEAT, (self._instruments[key],), now_ns, channels, 0, since_ns)
