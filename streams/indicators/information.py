"""Information share: on which market is the price made, by who gives way (method 8.5).

Perpetual and spot price keep together. With e their log distance less its one-hour mean, of one second ago,

    d perp = alpha_f * e + five lags of both returns,      d spot = alpha_s * e + the same

by exponentially forgotten least squares with a memory of an hour, on the paths of `trade_paths`. The market
that does not give way makes the price: Gonzalo and Granger's share of spot is
``alpha_f / (alpha_f - alpha_s)``. A third regression, of the distance's own change, has the coefficient
``alpha_f - alpha_s``: with it the standard error follows from the three sandwiches, correlation between the
two markets' noise included. Where that coefficient is not two errors below zero the prices do not pull each
other, and there is no share.

Trades bounce between bid and ask, which looks like giving way at once: a market of wide spreads seems to
follow. The mean over several venues and the lags take most of it. Two minutes on either side of whole hours
are left out.

Reference: J. Gonzalo, C. Granger, Estimation of common long-memory components in cointegrated systems, J.
Business & Economic Statistics 13 (1995).
"""

import math

import numpy as np

from streams.indicators import trade_paths
from streams.indicators.impact import settling
from streams.kernels.average import AVERAGE, average, average_init, average_step
from streams.kernels.decay import decay
from streams.kernels.jit import LN2, NS_PER_S, Record, kernel
from streams.kernels.wls import wls_add, wls_fade, wls_init, wls_record, wls_solve
from streams.readings import Quality

MODELLED, WARMUP = int(Quality.MODELLED), int(Quality.WARMUP)
PERP, SPOT = trade_paths.PERP, trade_paths.SPOT
LAGS = 5
TERMS = 1 + 2 * LAGS
RIDGE = 1e-6
FEW_SECONDS = 50.0  # fewer are not worth a solution
WARM = 0.75  # share of the memory that is data
ERRORS = 2.0  # below zero, or the prices do not pull each other

WLS = wls_record(TERMS)
UNDERLYING = np.dtype([
    ("fits", WLS, (3,)),  # of the perpetuals' return, of spot's, of their difference
    ("mean", AVERAGE), ("distance", "f8"),  # of the paths, bp; last tick's less its mean
    ("told_ns", "i8"), ("faded_ns", "i8"), ("solved_ns", "i8"),
    ("share", "f8"), ("error", "f8"),
])  # fmt: skip
READINGS = (
    ("spot_information_share", "ratio", "how far spot makes the price and perpetuals follow, 1 h memory"),
    ("spot_information_share_se", "ratio", "its standard error"),
)  # fmt: skip


@kernel
def underlying_init(u: Record) -> None:
    """Nothing is known yet."""
    for i in range(3):
        wls_init(u.fits[i])
    average_init(u.mean)
    u.distance = u.share = u.error = math.nan
    u.told_ns = u.faded_ns = u.solved_ns = 0


@kernel
def _add(u: Record, paths: Record, time_ns: int) -> None:
    perp, spot = paths.move[PERP], paths.move[SPOT]
    x = np.empty(TERMS)
    x[0] = u.distance
    known = perp == perp and spot == spot and u.distance == u.distance
    for k in range(LAGS):
        x[1 + k], x[1 + LAGS + k] = paths.recent[PERP, k], paths.recent[SPOT, k]
        known = known and x[1 + k] == x[1 + k] and x[1 + LAGS + k] == x[1 + LAGS + k]
    if not known:
        return
    wls_add(u.fits[0], x, perp, 1.0)
    wls_add(u.fits[1], x, spot, 1.0)
    wls_add(u.fits[2], x, perp - spot, 1.0)
    u.told_ns = time_ns


@kernel
def share_of(a: float, d: float, var_a: float, var_b: float, var_d: float) -> tuple[float, float]:
    """Return the share ``a / d`` and its error; NaN where d is not clearly below zero.

    `a` and `d` are the coefficients of the perpetuals and of the difference, `var_b` is spot's variance.

    >>> share, error = share_of(-0.08, -0.10, 1e-4, 1e-4, 2e-4)
    >>> round(share, 6), round(error, 6)
    (0.8, 0.082462)
    """
    if not d < -ERRORS * math.sqrt(var_d):
        return math.nan, math.nan
    share = a / d
    both = 0.5 * (var_a + var_d - var_b)  # covariance of a and d, as b = a - d
    variance = var_a - 2.0 * share * both + share * share * var_d
    return share, math.sqrt(max(variance, 0.0)) / abs(d)


@kernel
def _solve(u: Record) -> None:
    theta, covariance = np.empty(TERMS), np.empty((TERMS, TERMS))
    alpha, variance = np.empty(3), np.empty(3)
    for i in range(3):
        wls_solve(u.fits[i], RIDGE, theta, covariance)
        alpha[i], variance[i] = theta[0], covariance[0, 0]
    u.share, u.error = share_of(alpha[0], alpha[2], variance[0], variance[1], variance[2])


@kernel
def tick(u: Record, paths: Record, time_ns: int, p: Record) -> None:
    """Take the second's returns, then the distance they lead to."""
    dt_s = (time_ns - u.faded_ns) / NS_PER_S if u.faded_ns > 0 else 0.0
    u.faded_ns = time_ns
    g = decay(dt_s, p.information_memory_s)
    for i in range(3):
        wls_fade(u.fits[i], g)
    if not settling(time_ns, p.settlement_mask_s):
        _add(u, paths, time_ns)
    if paths.broken == 1:
        average_init(u.mean)
    known = paths.known[PERP] == 1 and paths.known[SPOT] == 1
    distance = paths.level[PERP] - paths.level[SPOT] if known else math.nan
    average_step(u.mean, distance, dt_s, p.information_memory_s)
    u.distance = distance - average(u.mean)
    if u.told_ns == time_ns and time_ns - u.solved_ns >= p.information_solve_s * NS_PER_S:
        u.solved_ns = time_ns
        if u.fits[0].weight >= FEW_SECONDS:
            _solve(u)


@kernel
def publish(u: Record, r: Record, coverage: float, time_ns: int, p: Record) -> None:
    """Write the readings; unknown when nothing was told for a memory."""
    memory_s = p.information_memory_s
    known = u.told_ns > 0 and time_ns - u.told_ns <= memory_s * NS_PER_S
    share, error = r.spot_information_share, r.spot_information_share_se
    share.value, error.value = (u.share, u.error) if known else (math.nan, math.nan)
    full = u.fits[0].weight * LN2 / memory_s >= WARM
    share.quality = error.quality = MODELLED if full else MODELLED | WARMUP
    share.coverage = error.coverage = coverage
