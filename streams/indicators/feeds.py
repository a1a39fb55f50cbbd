"""Which share of the trade feeds is up: of perpetuals by open interest, of spot markets by number.

A feed is up while heartbeats say so of its channel. Flow of a market whose feed is down is unknown, and a
sum over markets is worth what its coverage says.
"""

import math

from streams.events import Channel
from streams.groups import Group
from streams.kernels.jit import NS_PER_S, Record, kernel

TRADE = int(Channel.TRADE)
SPOT_US, SPOT_OFFSHORE = int(Group.SPOT_US), int(Group.SPOT_OFFSHORE)


@kernel
def trades_live(feed: Record, time_ns: int, stale_s: float) -> bool:
    """Return whether heartbeats say that a contract's trades are coming."""
    beats = feed.heartbeat_ns > 0 and time_ns - feed.heartbeat_ns <= stale_s * NS_PER_S
    return bool(beats and feed.channels & TRADE != 0)


@kernel
def is_spot(feed: Record) -> bool:
    """Return whether a contract is a spot market."""
    return bool(feed.group in (SPOT_US, SPOT_OFFSHORE))


@kernel
def perp_coverage(
    contracts: Record, members: Record, count: int, time_ns: int, stale_s: float
) -> float:
    """Return the share of open interest whose trades are coming; equal shares while none is known."""
    market = live = 0.0
    for k in range(count):
        c = contracts[members[k]]
        weight = c.open_interest.weight
        usd = 1e-9 + (weight.mean if weight.observed_s > 0.0 else 0.0)
        market += usd
        if trades_live(c.feed, time_ns, stale_s):
            live += usd
    return live / market if market > 0.0 else math.nan


@kernel
def spot_coverage(
    contracts: Record, beside: Record, count: int, time_ns: int, stale_s: float
) -> float:
    """Return the share of spot markets whose trades are coming; NaN where there is no spot market."""
    markets = live = 0
    for k in range(count):
        feed = contracts[beside[k]].feed
        if is_spot(feed):
            markets += 1
            live += 1 if trades_live(feed, time_ns, stale_s) else 0
    return live / markets if markets > 0 else math.nan
