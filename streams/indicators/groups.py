"""Offshore perpetuals, chains, regulated futures and spot beside one another (method 10).

* Shares: a group's part of open interest, or of 24 h volume, over the groups that are fresh; they sum to 1.
  With fewer than two fresh groups there is nothing to compare: all are NaN, rather than 1 for the one.
* Regulated venues keep a slower clock: polled open interest is fresh as long as the perpetuals' is, or for
  three of its usual intervals, and a daily settlement for `regulated_hold_s` after its own time. It stays out
  of the panel of perpetuals. Their flows are unknown while their market is closed, see `flows`.
* Basis: regulated perpetual-style futures over their index, EW mean of five minutes, and what holding one
  costs a year by its funding. `basis_gap_apr` is that less what the perpetuals' funding costs, both as paid.
  Dated futures have no basis here: their daily settlements come without an expiry.
* `reflexivity`: share of the price moves (absolute returns over five minutes, EW by time) during which
  perpetuals led spot. Where it is unknown who leads, time passes and nothing is added.
"""

import math

import numpy as np

from streams.groups import GROUPS, Group
from streams.indicators import flows, funding, open_interest
from streams.kernels.average import WARM
from streams.kernels.decay import decay, held_weight
from streams.kernels.jit import NS_PER_S, Record, kernel
from streams.kernels.median import median_update
from streams.readings import Quality

WARMUP, PARTIAL = int(Quality.WARMUP), int(Quality.PARTIAL_COVERAGE)
OFFSHORE, ONCHAIN, REGULATED, SPOT_US, SPOT_OFFSHORE = (int(group) for group in Group)
FEWEST = 2  # groups to compare
MOVE_S = 300

UNDERLYING = np.dtype([
    ("oi_usd", "f8", (GROUPS,)), ("volume_usd", "f8", (GROUPS,)),  # as a tick finds it, NaN: not fresh
    ("usual_usd", "f8", (GROUPS,)), ("known_usd", "f8", (GROUPS,)),  # usual open interest, and its fresh part
    ("moved", "f8"), ("led", "f8"), ("weight", "f8"),
])  # fmt: skip
READINGS = (
    *((f"oi_share_{name}", "0..1", f"part of open interest of fresh groups, {name}")
      for name in ("offshore_perp", "onchain_perp", "regulated_futures")),
    *((f"volume_share_{group.name.lower()}", "0..1", f"part of 24 h volume, {group.name.lower()}")
      for group in Group),
    *((f"taker_net_usd_1h_{group.name.lower()}", "USD",
       f"bought minus sold by takers, 1h, {group.name.lower()}")
      for group in Group if group is not Group.REGULATED_FUTURES),  # that is a class of `flows`
    ("basis_regulated_bp", "bp", "regulated perpetual-style futures over index, 5-minute EW mean"),
    ("basis_regulated_apr", "per year", "what they cost to hold by their funding, OI-weighted, simple APR"),
    ("basis_gap_apr", "per year", "the same less the perpetuals' funding_apr"),
    ("reflexivity", "0..1", "share of price moves during which perpetuals led spot, a day's memory"),
)  # fmt: skip


@kernel
def underlying_init(u: Record) -> None:
    """Nothing is known yet."""
    u.oi_usd[:] = math.nan
    u.volume_usd[:] = math.nan
    u.usual_usd[:] = 0.0
    u.known_usd[:] = 0.0
    u.moved = u.led = u.weight = 0.0


@kernel
def take_open_interest(
    contract: Record, asof_ns: int, quantity: float, usd: float, mark: float
) -> bool:
    """Take a regulated contract's open interest as of its own time; False if it has no value in USD."""
    c = contract.open_interest
    if contract.feed.group != REGULATED:
        return True  # a spot market has none
    if usd != usd:
        usd = quantity * mark
    if usd != usd:
        return False
    if asof_ns < c.time_ns:
        return True
    if c.time_ns > 0 and asof_ns > c.time_ns:
        median_update(c.interval, (asof_ns - c.time_ns) / NS_PER_S)
    c.quantity, c.usd, c.mark, c.time_ns = quantity, usd, mark, asof_ns
    return True


@kernel
def regulated_fresh(c: Record, time_ns: int, p: Record) -> bool:
    """Return whether a regulated contract's open interest still stands."""
    if c.time_ns == 0:
        return False
    limit = p.regulated_hold_s
    if c.interval.count >= 3.0:
        limit = min(limit, max(open_interest.MEDIAN_UPDATES * c.interval.value, p.oi_hold_s))
    return (time_ns - c.time_ns) / NS_PER_S <= limit


@kernel
def _add_open_interest(u: Record, contract: Record, usual_usd: float, fresh: bool) -> None:
    group = contract.feed.group
    u.usual_usd[group] += usual_usd
    if fresh:
        u.known_usd[group] += usual_usd
        u.oi_usd[group] += contract.open_interest.usd


@kernel
def _find_open_interest(
    u: Record, contracts: Record, members: Record, count: int, beside: Record, beside_count: int,
    time_ns: int, p: Record,
) -> None:  # fmt: skip
    """Add up each group's fresh USD; a group of which too little is fresh is not."""
    u.oi_usd[:] = 0.0
    u.usual_usd[:] = 0.0
    u.known_usd[:] = 0.0
    for k in range(count):
        contract = contracts[members[k]]
        c = contract.open_interest
        if c.weight.observed_s > 0.0:
            fresh = (time_ns - c.time_ns) / NS_PER_S <= p.oi_hold_s
            _add_open_interest(u, contract, c.weight.mean, fresh)
    for k in range(beside_count):
        contract = contracts[beside[k]]
        c = contract.open_interest
        if c.time_ns > 0:
            _add_open_interest(u, contract, c.usd, regulated_fresh(c, time_ns, p))
    for group in range(GROUPS):
        if not u.known_usd[group] >= p.oi_panel_coverage * u.usual_usd[group] > 0.0:
            u.oi_usd[group] = math.nan


@kernel
def _find_volume(u: Record, f: Record, time_ns: int, p: Record) -> None:
    for group in range(GROUPS):
        seen = flows.group_coverage(f, group, time_ns, 86_400)
        fresh = f.watched[group] > 0 and seen >= p.flow_observed
        u.volume_usd[group] = flows.group_gross(f, group, time_ns) / 100.0 if fresh else math.nan


@kernel
def share(usd: Record, group: int) -> float:
    """Return a group's part of what is known, NaN where it is not, or nothing else is, or all is 0.

    >>> usd = np.array([3.0, 1.0, math.nan, math.nan, math.nan])
    >>> [round(share(usd, group), 6) for group in range(3)]
    [0.75, 0.25, nan]
    >>> share(np.array([3.0, math.nan]), 0)
    nan
    """
    total = 0.0
    known = 0
    for other in range(usd.size):
        if usd[other] == usd[other]:
            total += usd[other]
            known += 1
    return float(usd[group] / total) if known >= FEWEST and total > 0.0 else math.nan


@kernel
def _oi_share(out: Record, u: Record, group: int) -> None:
    fresh = listed = 0
    for other in range(GROUPS):
        fresh += 1 if u.oi_usd[other] == u.oi_usd[other] else 0
        listed += 1 if u.usual_usd[other] > 0.0 else 0
    out.value = share(u.oi_usd, group)
    out.coverage = fresh / listed if listed > 0 else 0.0
    out.quality = PARTIAL if fresh < listed else 0


@kernel
def _volume_share(out: Record, u: Record, f: Record, group: int, time_ns: int) -> None:
    fresh = listed = 0
    for other in range(GROUPS):
        fresh += 1 if u.volume_usd[other] == u.volume_usd[other] else 0
        listed += 1 if f.listed[other] > 0 else 0
    out.value = share(u.volume_usd, group)
    out.coverage = fresh / listed if listed > 0 else 0.0
    out.quality = flows.group_quality(f, group, time_ns - 86_400 * NS_PER_S)
    if fresh < listed:
        out.quality |= PARTIAL


@kernel
def _net(out: Record, f: Record, group: int, time_ns: int, p: Record) -> None:
    seen = flows.group_coverage(f, group, time_ns, 3600) if f.watched[group] > 0 else 0.0
    known = seen >= p.flow_observed
    out.value = flows.group_net(f, group, time_ns, 3600) / 100.0 if known else math.nan
    out.coverage = seen
    out.quality = flows.group_quality(f, group, time_ns - 3600 * NS_PER_S)


@kernel
def _basis(
    r: Record, contracts: Record, beside: Record, count: int, time_ns: int, dt_s: float, p: Record
) -> None:
    """Write what regulated futures trade at and cost, weighted by their open interest."""
    total = premia = rated = premium = yearly = 0.0
    fast_weight = held_weight(dt_s, p.premium_fast_half_life_s)
    slow_weight = held_weight(dt_s, p.premium_half_life_s)
    for k in range(count):
        contract = contracts[beside[k]]
        if contract.feed.group != REGULATED:
            continue
        funding.advance_premium(contract, time_ns, dt_s, True, fast_weight, slow_weight)
        c = contract.funding
        fresh = regulated_fresh(contract.open_interest, time_ns, p)
        w = contract.open_interest.usd if fresh else 0.0
        total += w
        if c.premium_fast.held == c.premium_fast.held:
            premia += w
            premium += w * c.premium_fast.mean
        if funding.known(c, time_ns):
            rated += w
            yearly += w * funding.apr(c.rate, c.interval_ns)
    r.basis_regulated_bp.value = premium / premia if premia > 0.0 else math.nan
    r.basis_regulated_apr.value = yearly / rated if rated > 0.0 else math.nan
    r.basis_gap_apr.value = r.basis_regulated_apr.value - r.funding_apr.value
    r.basis_regulated_bp.coverage = premia / total if total > 0.0 else 0.0
    r.basis_regulated_apr.coverage = rated / total if total > 0.0 else 0.0
    r.basis_gap_apr.coverage = min(r.basis_regulated_apr.coverage, r.funding_apr.coverage)
    r.basis_regulated_bp.quality = 0 if premia >= total else PARTIAL
    r.basis_regulated_apr.quality = 0 if rated >= total else PARTIAL
    r.basis_gap_apr.quality = r.basis_regulated_apr.quality | r.funding_apr.quality


@kernel
def reflex(u: Record, move: float, lead: float, dt_s: float, half_life_s: float) -> None:
    """Let `dt_s` seconds pass in which price had moved by `move` and `lead` (1 or 0) says who led.

    >>> u = np.zeros(1, UNDERLYING)[0]
    >>> underlying_init(u)
    >>> reflex(u, -0.02, 1.0, 10.0, 1e9)
    >>> reflex(u, 0.01, 0.0, 20.0, 1e9)
    >>> round(reflexivity(u), 6)
    0.5
    """
    kept = decay(dt_s, half_life_s)
    u.moved *= kept
    u.led *= kept
    u.weight *= kept
    if move == move and lead == lead:
        u.moved += (1.0 - kept) * abs(move)
        u.led += (1.0 - kept) * abs(move) * lead
        u.weight += 1.0 - kept


@kernel
def reflexivity(u: Record) -> float:
    """Return the part of moves during which perpetuals led, NaN before any was judged."""
    return float(u.led / u.moved) if u.moved > 0.0 else math.nan


@kernel
def tick(
    u: Record, f: Record, r: Record, contracts: Record, members: Record, count: int, beside: Record,
    beside_count: int, move: float, lead: float, time_ns: int, dt_s: float, p: Record,
) -> None:  # fmt: skip
    """Compare the groups as of this tick and publish.

    `f` are the flows of this tick, `move` is the return over `MOVE_S` and `lead` whether perpetuals lead.
    """
    _find_open_interest(u, contracts, members, count, beside, beside_count, time_ns, p)
    _oi_share(r.oi_share_offshore_perp, u, OFFSHORE)
    _oi_share(r.oi_share_onchain_perp, u, ONCHAIN)
    _oi_share(r.oi_share_regulated_futures, u, REGULATED)
    _find_volume(u, f, time_ns, p)
    _volume_share(r.volume_share_offshore_perp, u, f, OFFSHORE, time_ns)
    _volume_share(r.volume_share_onchain_perp, u, f, ONCHAIN, time_ns)
    _volume_share(r.volume_share_regulated_futures, u, f, REGULATED, time_ns)
    _volume_share(r.volume_share_spot_us, u, f, SPOT_US, time_ns)
    _volume_share(r.volume_share_spot_offshore, u, f, SPOT_OFFSHORE, time_ns)
    _net(r.taker_net_usd_1h_offshore_perp, f, OFFSHORE, time_ns, p)
    _net(r.taker_net_usd_1h_onchain_perp, f, ONCHAIN, time_ns, p)
    _net(r.taker_net_usd_1h_spot_us, f, SPOT_US, time_ns, p)
    _net(r.taker_net_usd_1h_spot_offshore, f, SPOT_OFFSHORE, time_ns, p)
    _basis(r, contracts, beside, beside_count, time_ns, dt_s, p)
    reflex(u, move, lead, dt_s, p.reflexivity_half_life_s)
    r.reflexivity.value = reflexivity(u)
    r.reflexivity.coverage = u.weight
    r.reflexivity.quality = 0 if u.weight >= WARM else WARMUP
