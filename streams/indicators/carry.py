"""Carry: what longs have paid shorts, settlement by settlement, and what is running up (method 3.1, 3.5).

Positive means longs pay. At each settlement T a contract pays ``settled rate * U(T)``; between two the
cost accrues at the present rate, and starts from nothing at T. Example: 10 billion of open interest at
0.01 % per 8 hours pay 21 million in 7 days.

A settlement is taken for paid at the last estimate before T, because venues announce T beforehand and few
say afterwards what was settled: readings that rest on this are MODELLED. A SETTLED row for the same T
replaces the estimate. A venue that announces no T (continuous funding) pays what accrued, at UTC multiples
of its interval. ``funding_surprise_bp = settled - estimate a minute before T`` (or the last before that),
in bp per 8 hours whatever the interval.

Windows end now and begin within an hour of their nominal start, on full hours, so each holds whole
settlements.
"""

import math

import numpy as np

from streams.events import Flag
from streams.indicators.funding import EIGHT_HOURS_NS, known
from streams.kernels.jit import NS_PER_S, Record, kernel
from streams.kernels.windows import level_at, level_init, level_put, level_ring
from streams.readings import Quality

PARTIAL, MODELLED = int(Quality.PARTIAL_COVERAGE), int(Quality.MODELLED)
SETTLED = int(Flag.SETTLED)
MINUTE_NS = 60 * NS_PER_S
HOUR_S, DAY_HOURS, WEEK_HOURS = 3600, 24, 168

CONTRACT = np.dtype([
    ("next_ns", "i8"), ("announced", "i8"),  # the next settlement, 0 unknown; 1: the venue said so
    ("running", "f8"),  # the latest estimate of it
    ("early", "f8"),  # the latest of a minute or more before it
    ("accrued", "f8"),  # USD since the last settlement
    ("paid", "f8"), ("paid_ns", "i8"), ("paid_oi", "f8"),  # the last settlement's rate, time and OI
    ("paid_early", "f8"), ("guessed", "i8"),  # its estimate a minute before; 1: no venue has confirmed it
])  # fmt: skip
UNDERLYING = np.dtype([
    ("cents", "f8"),  # all that was ever paid
    ("hours", level_ring(WEEK_HOURS + 2)),
    ("begun", "i8"),
    ("flush_ns", "i8"), ("paid_by_flush", "f8"),  # the last flush, and what had been paid by then
])  # fmt: skip
READINGS = (
    ("funding_surprise_bp", "bp per 8 h", "settled funding over its estimate a minute before, OI-weighted"),
    ("carry_settled_usd_24h", "USD", "funding that longs paid shorts in 24 hours; negative: shorts paid"),
    ("carry_settled_usd_7d", "USD", "the same in 7 days"),
    ("carry_settled_usd_since_flush", "USD", "the same since the last burst that cut open interest by 1 %"),
    ("carry_running_usd", "USD", "funding accrued since each contract's last settlement"),
    ("carry_drag_10x", "per year", "share of margin that a long of leverage 10 pays a year"),
)  # fmt: skip


@kernel
def contract_init(c: Record) -> None:
    """No settlement is known."""
    c.next_ns = c.announced = c.paid_ns = c.guessed = 0
    c.running = c.early = c.paid = c.paid_oi = c.paid_early = math.nan
    c.accrued = 0.0


@kernel
def underlying_init(u: Record) -> None:
    """Nothing was paid."""
    u.cents = 0.0
    u.paid_by_flush = math.nan
    u.begun = u.flush_ns = 0
    level_init(u.hours)


@kernel
def drag(leverage: float, apr: float) -> float:
    """Return the share of margin that funding takes in a year.

    >>> round(drag(10.0, 0.1095), 12)
    1.095
    """
    return leverage * apr


@kernel
def _usd(oi: Record, time_ns: int, hold_ns: int) -> float:
    return oi.usd if oi.time_ns > 0 and time_ns - oi.time_ns <= hold_ns else math.nan


@kernel
def _cents(rate: float, usd: float) -> float:
    amount = rate * usd * 100.0
    return np.rint(amount) if amount == amount else 0.0


@kernel
def _pay(u: Record, c: Record, at_ns: int, rate: float, usd: float, guessed: int) -> None:
    """Settle at `rate`. Where it or the open interest is unknown nothing is paid."""
    u.cents += _cents(rate, usd)
    c.paid, c.paid_ns, c.paid_oi, c.guessed = rate, at_ns, usd, guessed
    c.paid_early, c.early = c.early, math.nan
    c.accrued = 0.0


@kernel
def settle_due(u: Record, contract: Record, time_ns: int, hold_ns: int) -> None:
    """Settle what is due by `time_ns` at the latest estimate, and look forward to the next time."""
    c, f = contract.carry, contract.funding
    if c.next_ns == 0 or time_ns < c.next_ns or f.interval_ns <= 0:
        return
    usd = _usd(contract.open_interest, time_ns, hold_ns)
    rate = math.nan
    if known(f, time_ns):
        if c.announced == 1:
            rate = c.running if c.running == c.running else f.rate
        elif usd > 0.0:
            rate = c.accrued / usd
    missed = (
        time_ns - c.next_ns
    ) // f.interval_ns  # an outage: what was settled in it is not known
    _pay(u, c, c.next_ns + missed * f.interval_ns, rate, usd, 1)
    c.next_ns += (missed + 1) * f.interval_ns
    c.running = math.nan


@kernel
def _confirm(u: Record, c: Record, at_ns: int, rate: float, usd: float, interval_ns: int) -> None:
    """Take what a venue says was settled at `at_ns`: it replaces the estimate, or is news."""
    if c.paid_ns > 0 and abs(at_ns - c.paid_ns) < interval_ns // 2:
        u.cents += _cents(rate, c.paid_oi) - _cents(c.paid, c.paid_oi)
        c.paid, c.guessed = rate, 0
    elif at_ns > c.paid_ns:
        _pay(u, c, at_ns, rate, usd, 0)


@kernel
def apply(
    u: Record, contract: Record, flags: int, time_ns: int, exchange_ns: int, rate: float,
    next_ns: int, hold_ns: int,
) -> None:  # fmt: skip
    """Take a FUNDING row, after `funding.apply` has."""
    c, interval_ns = contract.carry, contract.funding.interval_ns
    rolled = c.announced == 1 and next_ns - c.next_ns >= interval_ns // 2
    if rolled and c.next_ns - time_ns <= MINUTE_NS:  # a venue whose clock is ahead of ours
        time_ns = max(time_ns, c.next_ns)
    settle_due(u, contract, time_ns, hold_ns)
    if flags & SETTLED:
        usd = _usd(contract.open_interest, time_ns, hold_ns)
        _confirm(u, c, exchange_ns, rate, usd, interval_ns)
    else:
        c.running = rate
    if time_ns < next_ns <= time_ns + 2 * interval_ns and next_ns != c.next_ns:
        c.next_ns, c.announced = next_ns, 1
        c.early = math.nan
    if not flags & SETTLED and c.announced == 1 and time_ns <= c.next_ns - MINUTE_NS:
        c.early = rate


@kernel
def _advance(contract: Record, time_ns: int, dt_s: float, hold_ns: int) -> bool:
    """Let the cost accrue for `dt_s` at the present rate; False if rate or open interest is unknown."""
    c, f = contract.carry, contract.funding
    usd = _usd(contract.open_interest, time_ns, hold_ns)
    if not known(f, time_ns) or usd != usd:
        return False
    if c.next_ns == 0:
        c.next_ns = (time_ns // f.interval_ns + 1) * f.interval_ns
        c.announced = 0
    c.accrued += f.rate * usd * dt_s * NS_PER_S / f.interval_ns
    return True


@kernel
def _surprise(c: Record, interval_ns: int, time_ns: int) -> float:
    if c.paid_ns == 0 or time_ns - c.paid_ns > 2 * interval_ns:
        return math.nan
    return 1e4 * (c.paid - c.paid_early) * EIGHT_HOURS_NS / interval_ns


@kernel
def _note_flush(u: Record, flush_ns: int) -> None:
    if flush_ns > u.flush_ns:
        u.flush_ns, u.paid_by_flush = flush_ns, u.cents


@kernel
def tick(
    u: Record, contracts: Record, members: Record, count: int, flush_ns: int, r: Record, time_ns: int,
    dt_s: float, p: Record,
) -> None:  # fmt: skip
    """Accrue, settle what is due and write the readings; `flush_ns`: end of the last flush, 0 none."""
    hold_ns = int(p.oi_hold_s * NS_PER_S)
    weight = covered = surprised = surprise = running = 0.0
    guessed = guesses = 0
    for k in range(count):
        contract = contracts[members[k]]
        held, c = contract.open_interest.weight, contract.carry
        w = held.mean if held.observed_s > 0.0 else 0.0
        weight += w
        if _advance(contract, time_ns, dt_s, hold_ns):
            covered += w
            u.begun = 1
        settle_due(u, contract, time_ns, hold_ns)
        running += c.accrued
        guessed += c.guessed
        x = _surprise(c, contract.funding.interval_ns, time_ns)
        if x == x and w > 0.0:
            surprised += w
            surprise += w * x
            guesses += c.guessed
    _note_flush(u, flush_ns)
    level_put(u.hours, time_ns // NS_PER_S // HOUR_S, u.cents if u.begun == 1 else math.nan)
    share = covered / weight if weight > 0.0 else 0.0
    quality = (0 if share >= 0.999 else PARTIAL) | (MODELLED if guessed > 0 else 0)
    _publish(u, r, running, share >= p.funding_coverage, share, quality, time_ns)
    r.funding_surprise_bp.value = surprise / surprised if surprised > 0.0 else math.nan
    r.funding_surprise_bp.coverage = surprised / weight if weight > 0.0 else 0.0
    full = r.funding_surprise_bp.coverage >= 0.999
    r.funding_surprise_bp.quality = (0 if full else PARTIAL) | (MODELLED if guesses > 0 else 0)


@kernel
def _publish(
    u: Record, r: Record, running: float, enough: bool, share: float, quality: int, time_ns: int
) -> None:
    hour = time_ns // NS_PER_S // HOUR_S
    now = u.cents if enough else math.nan
    r.carry_settled_usd_24h.value = (now - level_at(u.hours, hour - DAY_HOURS)) / 100.0
    r.carry_settled_usd_7d.value = (now - level_at(u.hours, hour - WEEK_HOURS)) / 100.0
    r.carry_settled_usd_since_flush.value = (now - u.paid_by_flush) / 100.0
    r.carry_running_usd.value = running if enough else math.nan
    r.carry_drag_10x.value = drag(10.0, r.funding_apr.value)
    r.carry_settled_usd_24h.coverage = r.carry_settled_usd_7d.coverage = share
    r.carry_settled_usd_since_flush.coverage = r.carry_running_usd.coverage = share
    r.carry_settled_usd_24h.quality = r.carry_settled_usd_7d.quality = quality
    r.carry_settled_usd_since_flush.quality = r.carry_running_usd.quality = quality
    r.carry_drag_10x.coverage, r.carry_drag_10x.quality = (
        r.funding_apr.coverage, r.funding_apr.quality,
    )  # fmt: skip
