"""Taker flow from the list of all trades and of all ticks with what was watched at each."""

import math
from dataclasses import dataclass

from streams.groups import Group

NS = 10**9
DAY_S = 86_400
CLASSES: dict[str, tuple[Group, ...]] = {
    "perp": (Group.OFFSHORE_PERP, Group.ONCHAIN_PERP),
    "spot": (Group.SPOT_US, Group.SPOT_OFFSHORE),
    "regulated": (Group.REGULATED_FUTURES,),
}
BUCKETS = ((300, 3), (14_400, 180), (86_400, 1800))  # longest window, bucket
USUAL_S = 86_400.0
NEEDED = 0.9


def bucket_of(window_s: int) -> int:
    """Return the bucket length that serves a window."""
    return next(bucket for longest, bucket in BUCKETS if window_s <= longest)


@dataclass(frozen=True)
class Trade:
    """One trade; `after` is how many ticks had been before it."""

    after: int
    contract: int
    side: int
    cents: int
    usd: float


@dataclass(frozen=True)
class Tick:
    """A tick's second, and which contracts were watched."""

    second: int
    watched: tuple[bool, ...]


class Flows:
    """All that was traded and watched, of contracts that belong to `groups`."""

    def __init__(self, groups: list[Group]) -> None:
        self.groups = groups
        self.trades: list[Trade] = []
        self.ticks: list[Tick] = []
        self.usual: list[list[float]] = []  # EW sum of USD at each tick, by contract
        self.shares: list[dict[Group, float]] = []  # watched, at each tick

    def trade(self, contract: int, side: int, usd: float) -> None:
        """Record a trade."""
        self.trades.append(Trade(len(self.ticks), contract, side, round(usd * 100.0), usd))

    def tick(self, second: int, watched: tuple[bool, ...]) -> None:
        """Record a tick."""
        self.ticks.append(Tick(second, watched))
        self.usual.append([self._usual(c) for c in range(len(self.groups))])
        self.shares.append({group: self._share(group, len(self.ticks) - 1) for group in Group})

    # -- sums -----------------------------------------------------------------------------------------

    def _before(self, window_s: int) -> int:
        """Return how many ticks there had been by the end of the bucket that holds a window's start."""
        bucket = bucket_of(window_s)
        end = ((self.ticks[-1].second - window_s) // bucket + 1) * bucket
        return sum(tick.second < end for tick in self.ticks)

    def _sum(self, groups: tuple[Group, ...], ticks: int, *, gross: bool) -> int:
        """Add up what was traded after the `ticks`-th tick that saw it, up to the last."""
        return sum(
            trade.cents * (1 if gross else trade.side)
            for trade in self.trades
            if self.groups[trade.contract] in groups and ticks <= trade.after < len(self.ticks)
        )

    def net(self, groups: tuple[Group, ...], window_s: int) -> int:
        """Return bought minus sold in cents."""
        return self._sum(groups, self._before(window_s), gross=False)

    def gross(self, groups: tuple[Group, ...], window_s: int) -> int:
        """Return bought plus sold in cents."""
        return self._sum(groups, self._before(window_s), gross=True)

    def cvd(self, groups: tuple[Group, ...]) -> int:
        """Return bought minus sold since midnight, in cents."""
        day = self.ticks[-1].second // DAY_S
        midnight = next(i for i, tick in enumerate(self.ticks) if tick.second // DAY_S == day)
        return self._sum(groups, midnight + 1, gross=False)

    # -- what was watched -----------------------------------------------------------------------------

    def _usual(self, contract: int) -> float:
        """Return a contract's EW sum of USD as of the last tick."""
        now = self.ticks[-1].second
        return math.fsum(
            trade.usd * 2.0 ** (-(now - self.ticks[trade.after - 1].second) / USUAL_S)
            for trade in self.trades
            if trade.contract == contract and trade.after < len(self.ticks)
        )

    def _share(self, group: Group, at: int) -> float:
        """Return which part of a group is watched at a tick."""
        mine = [c for c, g in enumerate(self.groups) if g is group]
        usual = {c: self.usual[at][c] for c in mine}
        watched = [c for c in mine if self.ticks[at].watched[c]]
        if not mine:
            return 0.0
        if math.fsum(usual.values()) > 0.0:
            return math.fsum(usual[c] for c in watched) / math.fsum(usual.values())
        return len(watched) / len(mine)

    def _watched_s(self, group: Group, first: int) -> float:
        """Return for how long a group was watched in the ticks from the `first` on."""
        return math.fsum(
            (self.ticks[i].second - self.ticks[i - 1].second) * self.shares[i][group]
            for i in range(max(1, first), len(self.ticks))
        )

    def since(self, group: Group) -> int | None:
        """Return the second at which something of a group was watched for the first time."""
        mine = [c for c, g in enumerate(self.groups) if g is group]
        return next((t.second for t in self.ticks if any(t.watched[c] for c in mine)), None)

    def coverage(self, group: Group, window_s: int) -> float:
        """Return the part of a window in which a group was watched."""
        since, now = self.since(group), self.ticks[-1].second
        if since is None:
            return 0.0
        if window_s <= BUCKETS[0][0]:
            dark = [
                t.second for t, s in zip(self.ticks, self.shares, strict=True) if s[group] < NEEDED
            ]
            return min(1.0, (now - max([since, *dark])) / window_s)
        bucket = bucket_of(window_s)
        length = now - ((now - window_s) // bucket + 1) * bucket
        return min(1.0, self._watched_s(group, self._before(window_s)) / length)

    def _weights(self, groups: tuple[Group, ...]) -> dict[Group, float]:
        usual = {
            group: math.fsum(self.usual[-1][c] for c, g in enumerate(self.groups) if g is group)
            for group in groups
        }
        if math.fsum(usual.values()) > 0.0:
            return usual
        return {group: float(group in self.groups) for group in groups}

    def class_coverage(self, groups: tuple[Group, ...], window_s: int) -> float:
        """Return the same of a class, its groups weighed by what they usually trade; 0: not watched now."""
        weights = self._weights(groups)
        watched = [
            g for c, g in enumerate(self.groups) if self.ticks[-1].watched[c] and g in groups
        ]
        if not watched:
            return 0.0
        seen = math.fsum(w * self.coverage(group, window_s) for group, w in weights.items())
        return seen / math.fsum(weights.values())

    def quality(self, groups: tuple[Group, ...], window_s: int) -> set[str]:
        """Return what is wrong with a class's numbers over a window."""
        mine = [(c, g) for c, g in enumerate(self.groups) if g in groups]
        start, flags = self.ticks[-1].second - window_s, set()
        if not mine:
            return flags
        if not all(self.ticks[-1].watched[c] for c, _ in mine):
            flags.add("PARTIAL_COVERAGE")
        since = [s for s in map(self.since, groups) if s is not None]
        if not since or min(since) > start:
            flags.add("WARMUP")
        for i, tick in enumerate(self.ticks):
            for group in {g for _, g in mine}:
                traded = any(self.usual[i][c] > 0.0 for c, g in mine if g is group)
                if tick.second > start and traded and self.shares[i][group] < 0.999:
                    flags.add("GAP_IN_WINDOW")
        return flags
