"""Cascade intensity: the recursion of a marked Hawkes process with exponential kernels.

    lambda_i(t) = mu_i + sum_jk n_ijk * beta_k * A_jk(t),      beta_k = ln2 / half_life_k
    A_jk(t)     = sum over events e of source j before t of mark_e * exp(-beta_k * (t - t_e))

Sources: liquidated longs, liquidated shorts, down-moves and up-moves of the price. Targets: longs
and shorts. With marks of mean one, n_ijk is the number of events of target i that one event of
source j triggers through component k. Price moves are sources because a price-blind fit takes
"falls cause liquidations" for "liquidations cause liquidations".

The intensity is a left limit: advance, evaluate, and only then add the event. Nothing is estimated
here.

Reference: T. Ozaki, Maximum likelihood estimation of Hawkes' self-exciting point processes, AISM
31 (1979), for the recursion.
"""

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from streams.kernels.jit import LN2, Record, kernel

Floats: TypeAlias = npt.NDArray[np.float64]

SOURCES = 4
COMPONENTS = 3
LIQUIDATED_LONG, LIQUIDATED_SHORT, PRICE_DOWN, PRICE_UP = range(SOURCES)
EXCITATION = np.dtype([("a", "f8", (SOURCES, COMPONENTS)), ("time_s", "f8")])


@kernel
def excitation_init(s: Record) -> None:
    """Set an EXCITATION record to "no events", before all time.

    >>> s = np.zeros(1, EXCITATION)[0]
    >>> excitation_init(s)
    >>> float(s["time_s"]), float(s["a"].sum())
    (-inf, 0.0)
    """
    s.a[:, :] = 0.0
    s.time_s = -math.inf


@kernel
def excitation_advance(s: Record, t_s: float, half_lives: Floats) -> None:
    """Fade all sources to time `t_s`; never back in time. `half_lives` are seconds, float64[3].

    >>> s = np.zeros(1, EXCITATION)[0]
    >>> half_lives = np.array([2.0, 15.0, 120.0])
    >>> excitation_add(s, PRICE_DOWN, 8.0)
    >>> excitation_advance(s, 30.0, half_lives)
    >>> s["a"][PRICE_DOWN].round(6).tolist()
    [0.000244, 2.0, 6.727171]
    """
    if not t_s > s.time_s:
        return
    dt_s = t_s - s.time_s
    for k in range(COMPONENTS):
        share = math.exp(-LN2 * dt_s / half_lives[k])
        for j in range(SOURCES):
            s.a[j, k] *= share
    s.time_s = t_s


@kernel
def excitation_add(s: Record, source: int, mark: float) -> None:
    """Add an event of `source` at the record's time; a mark of NaN adds nothing.

    >>> s = np.zeros(1, EXCITATION)[0]
    >>> excitation_add(s, LIQUIDATED_LONG, 1.5)
    >>> s["a"][LIQUIDATED_LONG].tolist()
    [1.5, 1.5, 1.5]
    """
    if math.isnan(mark):
        return
    for k in range(COMPONENTS):
        s.a[source, k] += mark


@kernel
def excitation_part(s: Record, target: int, source: int, n: Floats, half_lives: Floats) -> float:
    """Return what one source adds to the intensity of `target`, events per second.

    `n` is float64[2, 4, 3]: target, source, component.

    >>> s = np.zeros(1, EXCITATION)[0]
    >>> excitation_add(s, LIQUIDATED_LONG, 2.0)
    >>> n = np.full((2, SOURCES, COMPONENTS), 0.1)
    >>> half_lives = np.array([2.0, 15.0, 120.0])
    >>> round(excitation_part(s, 0, LIQUIDATED_LONG, n, half_lives), 6)
    0.079712
    >>> excitation_part(s, 0, PRICE_UP, n, half_lives)
    0.0
    """
    part = 0.0
    for k in range(COMPONENTS):
        part += n[target, source, k] * (LN2 / half_lives[k]) * s.a[source, k]
    return part


@kernel
def excitation_intensity(s: Record, target: int, mu: float, n: Floats, half_lives: Floats) -> float:
    """Return the intensity of `target` (0 longs, 1 shorts) at the record's time, events per second.

    >>> s = np.zeros(1, EXCITATION)[0]
    >>> n = np.full((2, SOURCES, COMPONENTS), 0.1)
    >>> half_lives = np.array([2.0, 15.0, 120.0])
    >>> excitation_intensity(s, 0, 0.01, n, half_lives)
    0.01
    """
    intensity = mu
    for j in range(SOURCES):
        intensity += excitation_part(s, target, j, n, half_lives)
    return intensity
