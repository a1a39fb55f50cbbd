"""What a venue gives by REST only, asked for again and again within its budget."""

import asyncio
from typing import Final

import msgspec

from service.intake import Intake
from service.rest import Getter, RestFailed, VenueBanned
from service.venue import Poll
from streams.events import Channel, DownReason

NS: Final = 1_000_000_000
#: So many intervals without an answer, and the feed is down.
MISSES: Final = 3


class _Health(msgspec.Struct):
    source: str
    good_ns: int
    misses: int = 0


class Poller:
    """Repeats a venue's polls, each at its own place in the interval so that they never come in a bunch.

    A poll's channel is live while its last success is younger than three intervals.
    """

    def __init__(self, polls: list[Poll], client: Getter, intake: Intake) -> None:
        self._polls = polls
        self._client = client
        self._intake = intake

    async def run(self) -> None:
        """Poll until cancelled."""
        async with asyncio.TaskGroup() as group:
            for place, poll in enumerate(self._polls):
                group.create_task(self._repeat(poll, place / len(self._polls)))

    async def _repeat(self, poll: Poll, place: float) -> None:
        clock, feeds = self._intake.clock, self._intake.feeds
        every_ns = int(poll.every_s * NS)
        due_ns = clock.now_ns() + int(place * every_ns)
        name = f"poll:{poll.instrument.symbol}:{poll.channel.value}"
        health = _Health(name, clock.now_ns())
        feeds.add(name, (poll.instrument,), poll.channel)
        feeds.expect(name, due_ns + MISSES * every_ns)
        try:
            while True:
                await clock.sleep(max(0, due_ns - clock.now_ns()) / NS)
                await self._once(poll, health)
                missed = max(0, clock.now_ns() - due_ns) // every_ns
                due_ns += (1 + missed) * every_ns  # what was missed is not made up for in a bunch
        finally:
            now_ns = clock.now_ns()
            feeds.report(
                name, Channel(0), now_ns, reason=DownReason.STOPPED, since_ns=health.good_ns
            )  # fmt: skip

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
            feeds.expect(health.source, now_ns + int(MISSES * poll.every_s * NS))
            feeds.report(health.source, poll.channel, now_ns)
            self._intake.publisher.note("poll")
            return
        health.misses += 1
        if health.misses == MISSES:
            feeds.report(
                health.source, Channel(0), now_ns, reason=reason, since_ns=health.good_ns
            )  # fmt: skip
