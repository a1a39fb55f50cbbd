"""The rest of a burst's record: who, how far, how much forced orders fed on each other (method 6).

Beside `streams.indicators.bursts`, which decides when a burst is: coin that was printed, contracts that
printed, the lowest and highest price, panel-chained open interest at begin and end, and branching within
15 s and loop gain at the begin and at the peak. The last two are unknown while their fit warms up.
"""

import math

import numpy as np

from streams.indicators import bursts
from streams.kernels.jit import Record, kernel
from streams.told import TOLD, told_init

RECORD = np.dtype([
    ("number", "i8"), ("contracts", "i8"), ("coin", "f8"), ("interest", "f8"),  # USD of OI at the begin
    ("log_oi_start", "f8"), ("log_oi_end", "f8"), ("price_low", "f8"), ("price_high", "f8"),
    ("n_fast_start", "f8"), ("n_fast_peak", "f8"), ("loop_start", "f8"), ("loop_peak", "f8"),
    ("told", TOLD),
])  # fmt: skip


@kernel
def record_init(s: Record) -> None:
    """No burst yet."""
    s.number = s.contracts = 0
    s.coin = 0.0
    told_init(s.told)
    _begin(s, math.nan, math.nan, math.nan, math.nan, math.nan)


@kernel
def _begin(
    s: Record, oi_usd: float, log_oi: float, price: float, n_fast: float, loop: float
) -> None:
    s.coin, s.contracts, s.interest = 0.0, 0, oi_usd
    s.log_oi_start = s.log_oi_end = log_oi
    s.price_low = s.price_high = price
    s.n_fast_start = s.n_fast_peak = n_fast
    s.loop_start = s.loop_peak = loop


@kernel
def order(s: Record, b: Record, contract: Record, side: int, coin: float) -> None:
    """Note a print of this side, before the burst looks at it; outside of bursts it is nobody's."""
    if b.phase == bursts.IDLE:
        return
    s.coin += coin
    if contract.burst[side] != b.number:
        contract.burst[side] = b.number
        s.contracts += 1


@kernel
def step(
    s: Record, b: Record, oi_usd: float, log_oi: float, price: float, n_fast: float, loop: float,
    time_ns: int,
) -> None:  # fmt: skip
    """Follow a burst that has just been stepped; NaN is unknown and changes nothing."""
    if b.number != s.number:
        s.number = b.number
        _begin(s, oi_usd, log_oi, price, n_fast, loop)
    if b.phase == bursts.IDLE and b.said != bursts.ENDED:
        return
    if b.peak_ns == time_ns:
        s.n_fast_peak, s.loop_peak = n_fast, loop
    if log_oi == log_oi:
        s.log_oi_end = log_oi
    if price == price:
        s.price_low = price if s.price_low != s.price_low else min(s.price_low, price)
        s.price_high = price if s.price_high != s.price_high else max(s.price_high, price)


@kernel
def flush_ratio(s: Record) -> float:
    """Return which share of coin open interest the burst has cut.

    >>> s = np.zeros(1, RECORD)[0]
    >>> s["log_oi_end"] = math.log(0.9)
    >>> round(flush_ratio(s), 12)
    0.1
    """
    return -math.expm1(s.log_oi_end - s.log_oi_start)


@kernel
def size(s: Record, b: Record) -> float:
    """Return a burst's estimated USD over the open interest it began at; NaN where that is unknown."""
    return b.usd_estimated / s.interest if s.interest > 0.0 else math.nan
