"""All connections of one venue: a keeper for each plan, and how one set of plans follows another."""

import asyncio
import random
from collections.abc import Container, Sequence
from itertools import count
from pathlib import Path

import msgspec

from service.bans import Ban
from service.connection import Keeper, handover_ns
from service.intake import Intake
from service.session import ConnectPacer
from service.venue import ConnectionPlan, Venue
from streams.events import Channel, DownReason


class _Kept(msgspec.Struct):
    keeper: Keeper
    task: asyncio.Task[None]


class Links:
    """Keeps the plans of one venue connected."""

    def __init__(
        self,
        venue: Venue,
        intake: Intake,
        *,
        url: str,
        seed: int | None,
        overlap_s: float,
        silence_s: float | None,
        data_dir: Path | None = None,
    ) -> None:
        self._venue = venue
        self._intake = intake
        self._url = url
        self._overlap_s = overlap_s
        self._silence_s = silence_s
        self._pacer = ConnectPacer()
        file = None if data_dir is None else data_dir / f"ban-{intake.venue}-websocket.json"
        self._ban = Ban(file, intake.clock.now_ns())  # a venue bans an address, not one connection
        self._rng = random.Random(seed)  # noqa: S311 - jitter, no secret
        self._numbers = count()
        self._kept: dict[ConnectionPlan, _Kept] = {}
        self._group: asyncio.TaskGroup | None = None

    @property
    def serving(self) -> int:
        """How many connections deliver data."""
        return sum(kept.keeper.serving for kept in self._kept.values())

    def refresh(self, now_ns: int) -> None:
        """Bring the feeds' rows up to what the connections deliver."""
        for kept in self._kept.values():
            kept.keeper.refresh(now_ns)

    async def run(self, plans: Sequence[ConnectionPlan]) -> None:
        """Keep these plans, and those that replace them, connected until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(asyncio.Event().wait())  # outlives having nothing to connect to
            for plan in plans:
                self._start(plan)

    async def replace(
        self, plans: Sequence[ConnectionPlan], *, delisted: Container[int], make_first: bool
    ) -> None:
        """Go over to these plans; connections of plans that stay are not touched.

        With `make_first` the old ones leave when the new ones deliver. Without it they leave at once: a
        contract that means something else from now on must not be read by both.
        """
        stale = [plan for plan in self._kept if plan not in plans]
        fresh = [plan for plan in plans if plan not in self._kept]
        if not make_first:
            self._stop(stale, delisted)
        for plan in fresh:
            keeper = self._start(plan)
            if not make_first:
                now_ns = self._intake.clock.now_ns()
                self._intake.feeds.report(
                    keeper.source, Channel(0), now_ns, reason=DownReason.STOPPED
                )
        if make_first:
            self._intake.screen.overlaps += 1
            await self._served(fresh, stale)
            self.refresh(self._intake.clock.now_ns())
            self._stop(stale, delisted)
            self._intake.screen.overlaps -= 1

    async def _served(
        self, fresh: Sequence[ConnectionPlan], stale: Sequence[ConnectionPlan]
    ) -> None:
        """Wait until the new connections deliver what the old ones do."""
        clock = self._intake.clock
        until_ns = clock.now_ns() + handover_ns(clock)
        while (now_ns := clock.now_ns()) < until_ns:
            had = Channel(0)
            for plan in stale:
                had |= self._kept[plan].keeper.delivers(now_ns)
            if all(self._takes_over(plan, had, now_ns) for plan in fresh):
                await clock.sleep(self._overlap_s)
                return
            await clock.sleep(0.5)

    def _takes_over(self, plan: ConnectionPlan, had: Channel, now_ns: int) -> bool:
        keeper = self._kept[plan].keeper
        return keeper.serving and not had & plan.channels & ~keeper.delivers(now_ns)

    def _start(self, plan: ConnectionPlan) -> Keeper:
        if self._group is None:
            raise RuntimeError("Links is used before its `run`")
        keeper = Keeper(
            f"socket:{next(self._numbers)}", plan, self._venue, self._intake,
            url=self._url, pacer=self._pacer, ban=self._ban, rng=self._rng,
            overlap_s=self._overlap_s, silence_s=self._silence_s,
        )  # fmt: skip
        self._kept[plan] = _Kept(keeper, self._group.create_task(keeper.run()))
        return keeper

    def _stop(self, plans: Sequence[ConnectionPlan], delisted: Container[int]) -> None:
        for plan in plans:
            kept = self._kept.pop(plan)
            now_ns = self._intake.clock.now_ns()
            self._intake.feeds.remove(kept.keeper.source, now_ns, delisted=delisted)
            kept.task.cancel()
