"""What a venue gives by REST only, asked for again and again within its budget."""

import asyncio
from collections.abc import Container
from typing import Final

import msgspec

from service.intake import Intake
from service.rest import Getter, RestFailed, VenueBanned
from service.venue import Poll
from streams.events import Channel, DownReason

NS: Final = 1_000_000_000
#: So many intervals without an answer, and the feed is down.
MISSES: Final = 3
#: Wall seconds: however fast log time runs, less than this is scheduling and not silence.
SILENCE_FLOOR_S: Final = 1.0


class _Health(msgspec.Struct):
    source: str
    good_ns: int
    misses: int = 0


def _source(poll: Poll) -> str:
    return f"poll:{poll.instrument.symbol}:{poll.channel.value}"


class Poller:
    """Repeats a venue's polls, each at its own place in the interval so that they never come in a bunch.

    A poll's channel is live while its last success is younger than three intervals.
    """

    def __init__(self, polls: list[Poll], client: Getter, intake: Intake) -> None:
        self._polls = {_source(poll): poll for poll in polls}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._client = client
        self._intake = intake
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Poll until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(asyncio.Event().wait())  # outlives having nothing to poll
            self._start()

    def replace(self, polls: list[Poll], delisted: Container[int]) -> None:
        """Poll these from now on. What was polled already keeps its place and takes the new interval."""
        self._polls = {_source(poll): poll for poll in polls}
        now_ns = self._intake.clock.now_ns()
        for source in [name for name in self._tasks if name not in self._polls]:
            self._intake.feeds.remove(source, now_ns, delisted=delisted)
            self._tasks.pop(source).cancel()
        self._start()

    def _start(self) -> None:
        if self._group is None:
            return  # `run` starts them
        fresh = [source for source in self._polls if source not in self._tasks]
        for place, source in enumerate(fresh):
            self._tasks[source] = self._group.create_task(self._repeat(source, place / len(fresh)))

    async def _repeat(self, source: str, place: float) -> None:
        clock, feeds, poll = self._intake.clock, self._intake.feeds, self._polls[source]
        due_ns = clock.now_ns() + int(place * poll.every_s * NS)
        health = _Health(source, clock.now_ns())
        feeds.add(source, (poll.instrument,), poll.channel)
        feeds.expect(source, due_ns + self._patience_ns(poll))
        try:
            while True:
                await clock.sleep(max(0, due_ns - clock.now_ns()) / NS)
                poll = self._polls[source]
                await self._once(poll, health)
                every_ns = int(poll.every_s * NS)
                missed = max(0, clock.now_ns() - due_ns) // every_ns
                due_ns += (1 + missed) * every_ns  # what was missed is not made up for in a bunch
        finally:
            now_ns = clock.now_ns()
            feeds.report(
                source, Channel(0), now_ns, reason=DownReason.STOPPED, since_ns=health.good_ns
            )  # fmt: skip

    def _patience_ns(self, poll: Poll) -> int:
        return int(max(MISSES * poll.every_s, SILENCE_FLOOR_S * self._intake.clock.speed) * NS)

    async def _once(self, poll: Poll, health: _Health) -> None:
        clock, feeds = self._intake.clock, self._intake.feeds
        reason = DownReason.SILENT
        try:
            good = self._intake.body(poll, await self._client.get(poll.request))
        except VenueBanned:
            good, reason = False, DownReason.BANNED
        except RestFailed:
            good, reason = False, DownReason.REFUSED
        now_ns = clock.now_ns()
        if good:
            health.misses, health.good_ns = 0, now_ns
            feeds.expect(health.source, now_ns + self._patience_ns(poll))
            feeds.report(health.source, poll.channel, now_ns)
            self._intake.publisher.note("poll")
            return
        health.misses += 1
        if health.misses == MISSES:
            feeds.report(
                health.source, Channel(0), now_ns, reason=reason, since_ns=health.good_ns
            )  # fmt: skip
