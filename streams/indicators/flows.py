"""Taker flow: for how much takers bought and sold, and where (method 8.1).

Every trade has a taker, who crosses the spread; its USD counts as bought or sold by takers. Sums are kept in
whole cents by group (`streams.groups`), so they are exact for ever, and read by class: *perp* is offshore and
on-chain perpetuals, *spot* both kinds of spot market, *regulated* the regulated futures. Net is bought minus
sold. `cvd` is the net since UTC midnight of log time.

What was not watched is not zero. A contract is watched while heartbeats say that its trades come; a regulated
one must have traded within the last hour as well, else its market is closed. A group's part that is watched
is weighed by what each contract usually trades (EW, a day). From this comes the coverage of a window, the
part of it that was watched:

* no contract of the class is watched now, or coverage is below `flow_observed`: NaN. A class that nobody
  subscribed to is never watched;
* something that usually trades was missing in the window: GAP_IN_WINDOW;
* some contract is not watched now: PARTIAL_COVERAGE;
* the class has not been watched for as long as the window: WARMUP.

Windows begin on whole buckets (method 1, P3): 3 s for 1m and 5m, 3 min for 15m, 1h and 4h, half an hour for
24h. History has no trades and says nothing here.
"""

import numpy as np

from streams.events import Channel
from streams.groups import GROUPS, Group
from streams.kernels.decay import HELD, decay, held_init
from streams.kernels.jit import NS_PER_S, Record, kernel
from streams.kernels.ledger import ledger, ledger_at, ledger_init, ledger_turn
from streams.readings import Quality

WARMUP, PARTIAL, GAP = (
    int(Quality.WARMUP),
    int(Quality.PARTIAL_COVERAGE),
    int(Quality.GAP_IN_WINDOW),
)
TRADE_CHANNEL = int(Channel.TRADE)
REGULATED_GROUP = int(Group.REGULATED_FUTURES)
DAY_NS = 86_400 * NS_PER_S
WHOLE = 0.999

CLASSES = ("perp", "spot", "regulated")
PERP, SPOT, REGULATED = 0, 1, 2
FIRST = (int(Group.OFFSHORE_PERP), int(Group.SPOT_US), int(Group.REGULATED_FUTURES))
PAST = (int(Group.ONCHAIN_PERP) + 1, int(Group.SPOT_OFFSHORE) + 1, int(Group.REGULATED_FUTURES) + 1)

FINE_S, MIDDLE_S, COARSE_S = 3, 180, 1800  # buckets
LONGEST_FINE_S, LONGEST_MIDDLE_S = 300, 14_400
#: Columns of the middle ledger: net and watched by group, then gross of perp and spot; of the coarse one:
#: net by class, gross and watched by group.
MIDDLE_WATCHED, MIDDLE_GROSS = GROUPS, 2 * GROUPS
COARSE_GROSS, COARSE_WATCHED = len(CLASSES), len(CLASSES) + GROUPS

CONTRACT = np.dtype([("usual_usd", "f8")])  # traded, EW sum
UNDERLYING = np.dtype([
    ("cents", "i8", (GROUPS, 2)),  # bought, sold by takers
    ("watched_ns", "i8", (GROUPS,)),
    ("usual_usd", "f8", (GROUPS,)), ("watched_usd", "f8", (GROUPS,)),  # what a tick finds
    ("listed", "i8", (GROUPS,)), ("watched", "i8", (GROUPS,)),  # contracts
    ("since_ns", "i8", (GROUPS,)), ("gap_ns", "i8", (GROUPS,)), ("dark_ns", "i8", (GROUPS,)),
    ("time_ns", "i8"), ("day", "i8"),
    ("midnight_cents", "i8", (len(CLASSES),)), ("midnight_watched_ns", "i8", (GROUPS,)),
    ("fine", ledger(LONGEST_FINE_S // FINE_S + 1, len(CLASSES))),  # net by class
    ("middle", ledger(LONGEST_MIDDLE_S // MIDDLE_S + 1, 2 * GROUPS + 2)),
    ("coarse", ledger(86_400 // COARSE_S + 1, len(CLASSES) + 2 * GROUPS)),
    ("usual_net", HELD, (2,)),  # of the 4 h net of perp and spot
])  # fmt: skip


@kernel
def contract_init(c: Record) -> None:
    """It has not traded yet."""
    c.usual_usd = 0.0


@kernel
def underlying_init(f: Record) -> None:
    """Nothing was traded and nothing watched."""
    f.cents[:, :] = 0
    f.watched_ns[:] = 0
    f.usual_usd[:] = 0.0
    f.watched_usd[:] = 0.0
    f.listed[:] = 0
    f.watched[:] = 0
    f.since_ns[:] = 0
    f.gap_ns[:] = 0
    f.dark_ns[:] = 0
    f.time_ns = f.day = 0
    f.midnight_cents[:] = 0
    f.midnight_watched_ns[:] = 0
    ledger_init(f.fine)
    ledger_init(f.middle)
    ledger_init(f.coarse)
    held_init(f.usual_net[0])
    held_init(f.usual_net[1])


@kernel
def trade(f: Record, c: Record, group: int, side: int, usd: float) -> None:
    """Take a trade of a contract of `group`; `side` is its taker's."""
    f.cents[group, 0 if side > 0 else 1] += int(np.rint(usd * 100.0))
    c.usual_usd += usd


@kernel
def gap(f: Record, group: int, until_ns: int, time_ns: int) -> None:
    """Take note that trades of `group` are missing, the last of them at `until_ns`."""
    f.gap_ns[group] = max(f.gap_ns[group], min(until_ns, time_ns))


@kernel
def watches(contract: Record, time_ns: int, p: Record) -> bool:
    """Return whether a contract's trades are being told, and its market is open."""
    feed = contract.feed
    if feed.heartbeat_ns == 0 or feed.channels & TRADE_CHANNEL == 0:
        return False
    if time_ns - feed.heartbeat_ns > p.heartbeat_stale_s * NS_PER_S:
        return False
    traded_ns = contract.price.trade_ns
    open_ns = p.regulated_open_s * NS_PER_S
    return feed.group != REGULATED_GROUP or (traded_ns > 0 and time_ns - traded_ns <= open_ns)


@kernel
def _weigh(
    f: Record, contracts: Record, slots: Record, count: int, time_ns: int, g: float, p: Record
) -> None:
    for k in range(count):
        contract = contracts[slots[k]]
        group = contract.feed.group
        contract.flows.usual_usd *= g
        f.listed[group] += 1
        f.usual_usd[group] += contract.flows.usual_usd
        if watches(contract, time_ns, p):
            f.watched[group] += 1
            f.watched_usd[group] += contract.flows.usual_usd


@kernel
def _watch(f: Record, group: int, time_ns: int, dt_ns: int, p: Record) -> None:
    """Add the time since the last tick to what was watched of a group, by the part that is."""
    traded = f.usual_usd[group] > 0.0
    share = 0.0
    if traded:
        share = f.watched_usd[group] / f.usual_usd[group]
    elif f.listed[group] > 0:
        share = f.watched[group] / f.listed[group]
    f.watched_ns[group] += int(share * dt_ns)
    if f.watched[group] > 0 and f.since_ns[group] == 0:
        f.since_ns[group] = time_ns
    if traded and share < WHOLE:
        f.gap_ns[group] = time_ns
    if share < p.flow_observed:
        f.dark_ns[group] = time_ns


@kernel
def net_cents(f: Record, k: int) -> int:
    """Return all that takers of class `k` bought minus what they sold since the start."""
    net = 0
    for group in range(FIRST[k], PAST[k]):
        net += f.cents[group, 0] - f.cents[group, 1]
    return net


@kernel
def _gross_cents(f: Record, k: int) -> int:
    gross = 0
    for group in range(FIRST[k], PAST[k]):
        gross += f.cents[group, 0] + f.cents[group, 1]
    return gross


@kernel
def _write_down(f: Record, time_ns: int) -> None:
    """Let the ledgers know all sums as they stand."""
    second = time_ns // NS_PER_S
    fine = ledger_turn(f.fine, second // FINE_S)
    middle = ledger_turn(f.middle, second // MIDDLE_S)
    coarse = ledger_turn(f.coarse, second // COARSE_S)
    for k in range(3):
        net = net_cents(f, k)
        f.fine.rows[fine, k] = net
        f.coarse.rows[coarse, k] = net
    f.middle.rows[middle, MIDDLE_GROSS + PERP] = _gross_cents(f, PERP)
    f.middle.rows[middle, MIDDLE_GROSS + SPOT] = _gross_cents(f, SPOT)
    for group in range(GROUPS):
        bought, sold = f.cents[group, 0], f.cents[group, 1]
        f.middle.rows[middle, group] = bought - sold
        f.middle.rows[middle, MIDDLE_WATCHED + group] = f.watched_ns[group]
        f.coarse.rows[coarse, COARSE_GROSS + group] = bought + sold
        f.coarse.rows[coarse, COARSE_WATCHED + group] = f.watched_ns[group]


@kernel
def tick(
    f: Record, contracts: Record, members: Record, count: int, beside: Record, beside_count: int,
    time_ns: int, live: bool, p: Record,
) -> None:  # fmt: skip
    """Find what is watched, and write down all sums of up to `time_ns`."""
    dt_ns = time_ns - f.time_ns if f.time_ns > 0 else 0
    f.time_ns = time_ns
    if not live:
        return
    f.listed[:] = 0
    f.watched[:] = 0
    f.usual_usd[:] = 0.0
    f.watched_usd[:] = 0.0
    g = decay(dt_ns / NS_PER_S, p.flow_usual_half_life_s)
    _weigh(f, contracts, members, count, time_ns, g, p)
    _weigh(f, contracts, beside, beside_count, time_ns, g, p)
    for group in range(GROUPS):
        _watch(f, group, time_ns, dt_ns, p)
    if time_ns // DAY_NS != f.day:
        f.day = time_ns // DAY_NS
        for k in range(3):
            f.midnight_cents[k] = net_cents(f, k)
        f.midnight_watched_ns[:] = f.watched_ns
    _write_down(f, time_ns)


@kernel
def _ago(time_ns: int, window_s: int) -> int:
    """Return the bucket that holds the start of a window, of the ledger that serves it."""
    bucket_s = COARSE_S
    if window_s <= LONGEST_FINE_S:
        bucket_s = FINE_S
    elif window_s <= LONGEST_MIDDLE_S:
        bucket_s = MIDDLE_S
    return (time_ns // NS_PER_S - window_s) // bucket_s


@kernel
def group_net(f: Record, group: int, time_ns: int, window_s: int) -> int:
    """Return a group's net cents over a window of more than five minutes and at most four hours."""
    now = f.cents[group, 0] - f.cents[group, 1]
    return int(now - ledger_at(f.middle, _ago(time_ns, window_s), group))


@kernel
def group_gross(f: Record, group: int, time_ns: int) -> int:
    """Return the cents a group traded in 24 hours."""
    now = f.cents[group, 0] + f.cents[group, 1]
    return int(now - ledger_at(f.coarse, _ago(time_ns, 86_400), COARSE_GROSS + group))


@kernel
def window_net(f: Record, k: int, time_ns: int, window_s: int) -> int:
    """Return the net cents of class `k` over a window that ends at this tick."""
    ago = _ago(time_ns, window_s)
    if window_s <= LONGEST_FINE_S:
        return net_cents(f, k) - ledger_at(f.fine, ago, k)
    if window_s > LONGEST_MIDDLE_S:
        return net_cents(f, k) - ledger_at(f.coarse, ago, k)
    net = 0
    for group in range(FIRST[k], PAST[k]):
        net += group_net(f, group, time_ns, window_s)
    return net


@kernel
def window_gross(f: Record, k: int, time_ns: int, window_s: int) -> int:
    """Return the cents that perp or spot (`k`) traded over more than 5 minutes and at most 4 hours."""
    return _gross_cents(f, k) - ledger_at(f.middle, _ago(time_ns, window_s), MIDDLE_GROSS + k)


@kernel
def group_coverage(f: Record, group: int, time_ns: int, window_s: int) -> float:
    """Return the part of a window in which a group was watched.

    Of the short windows it is the part since something last was missing.
    """
    if f.since_ns[group] == 0:
        return 0.0
    if window_s <= LONGEST_FINE_S:
        whole_ns = time_ns - max(f.since_ns[group], f.dark_ns[group])
        return min(1.0, whole_ns / (window_s * NS_PER_S))
    ago = _ago(time_ns, window_s)
    if window_s <= LONGEST_MIDDLE_S:
        before_ns = ledger_at(f.middle, ago, MIDDLE_WATCHED + group)
        length_ns = time_ns - (ago + 1) * MIDDLE_S * NS_PER_S
    else:
        before_ns = ledger_at(f.coarse, ago, COARSE_WATCHED + group)
        length_ns = time_ns - (ago + 1) * COARSE_S * NS_PER_S
    return min(1.0, (f.watched_ns[group] - before_ns) / length_ns)


@kernel
def class_weight(f: Record, k: int, group: int) -> float:
    """Return what a group counts in its class: what it usually trades, or all the same before any traded."""
    total = 0.0
    for other in range(FIRST[k], PAST[k]):
        total += f.usual_usd[other]
    if total > 0.0:
        return float(f.usual_usd[group] / total)
    return 1.0 if f.listed[group] > 0 else 0.0


@kernel
def coverage(f: Record, k: int, time_ns: int, window_s: int) -> float:
    """Return the part of a window in which a class was watched, 0 where it is not watched now."""
    seen = weight = 0.0
    watched = 0
    for group in range(FIRST[k], PAST[k]):
        w = class_weight(f, k, group)
        weight += w
        seen += w * group_coverage(f, group, time_ns, window_s)
        watched += f.watched[group]
    return seen / weight if watched > 0 and weight > 0.0 else 0.0


@kernel
def group_quality(f: Record, group: int, start_ns: int) -> int:
    """Return what is wrong with a group's numbers about the time since `start_ns`; 0 without contracts."""
    if f.listed[group] == 0:
        return 0
    flags = PARTIAL if f.watched[group] < f.listed[group] else 0
    if f.gap_ns[group] > start_ns:
        flags |= GAP
    if f.since_ns[group] == 0 or f.since_ns[group] > start_ns:
        flags |= WARMUP
    return flags


@kernel
def quality(f: Record, k: int, start_ns: int) -> int:
    """Return the same of a class, which is warm when one of its groups is."""
    flags, cold = 0, WARMUP
    for group in range(FIRST[k], PAST[k]):
        of_group = group_quality(f, group, start_ns)
        if f.listed[group] > 0 and not of_group & WARMUP:
            cold = 0
        flags |= of_group
    return flags & ~WARMUP | (flags & cold)
