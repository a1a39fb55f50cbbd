"""Simulated liquidations with a known truth: a marked Hawkes process with price sources, by thinning.

A stream is (times in s, sources, marks): sources 0 and 1 are liquidated longs and shorts with marks of
mean one, sources 2 and 3 the price's moves down and up, one each second, in bp.
"""

from dataclasses import dataclass, field
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
HALF_LIVES = np.array([2.0, 15.0, 120.0])
SHARES = np.array([0.3, 0.4, 0.3])  # of the excitation, by component
DAY_S = 86_400.0


def gains(
    own: float, cross: float = 0.0, price: float = 0.0, price_share: Floats = SHARES
) -> Floats:
    """Return n[target, source, component] of a market with two like sides."""
    n = np.zeros((2, 4, 3))
    for i in range(2):
        n[i, i], n[i, 1 - i], n[i, 2 + i] = own * SHARES, cross * SHARES, price * price_share
    return n


@dataclass(frozen=True)
class World:
    """What is true in a simulation."""

    n: Floats = field(default_factory=lambda: gains(0.0))
    rate: float = 0.1  # mean events a second and side, before anything the price excites
    diurnal: float = 0.0  # amplitude of the background's day
    switch_s: float = 0.0  # seconds between changes of the background to a tenth and back
    sigma_bp: float = 0.0  # of a second's return
    burstiness: float = 0.0  # of the volatility: sd of its log
    mark_sigma: float = 1.0  # of ln(usd)


@numba.njit(cache=True)
def _background(mu: float, t: float, diurnal: float, switch_s: float) -> float:
    level = mu * (1.0 + diurnal * np.sin(2.0 * np.pi * t / 86_400.0))
    if switch_s > 0.0 and int(t / switch_s) % 2 == 1:
        level *= 0.1
    return level


@numba.njit(cache=True)
def _excited(i: int, n: Floats, betas: Floats, a: Floats) -> float:
    total = 0.0
    for j in range(4):
        for k in range(3):
            total += n[i, j, k] * betas[k] * a[j, k]
    return total


@numba.njit(cache=True)
def _simulate(
    rng: np.random.Generator, end_s: float, mu: float, n: Floats, betas: Floats, diurnal: float,
    switch_s: float, returns: Floats, mark_sigma: float, most: int,
) -> Any:  # fmt: skip
    times, marks = np.empty(most), np.empty(most)
    sources = np.empty(most, np.int64)
    a = np.zeros((4, 3))
    t, count, second = 0.0, 0, 1
    while count < most:
        bound = 2.0 * mu * (1.0 + diurnal) + _excited(0, n, betas, a) + _excited(1, n, betas, a)
        proposed = t + rng.exponential(1.0 / bound)
        tick = proposed >= second
        now = float(second) if tick else proposed
        if now >= end_s:
            break
        for k in range(3):
            a[:, k] *= np.exp(-betas[k] * (now - t))
        t = now
        if tick:
            r = returns[second]
            second += 1
            source, mark = (2 if r < 0.0 else 3), abs(r)
        else:
            u = rng.random() * bound
            background = _background(mu, t, diurnal, switch_s)
            longs = background + _excited(0, n, betas, a)
            shorts = background + _excited(1, n, betas, a)
            if u >= longs + shorts:
                continue
            source = 0 if u < longs else 1
            mark = np.exp(0.5 * mark_sigma * rng.normal() - mark_sigma**2 / 8.0)
        a[source] += mark
        times[count], sources[count], marks[count] = t, source, mark
        count += 1
    return times[:count].copy(), sources[:count].copy(), marks[:count].copy()


def simulate(world: World, seed: int, end_s: float) -> tuple[Floats, npt.NDArray[np.int64], Floats]:
    """Return a stream: times, sources, marks."""
    rng = np.random.default_rng(seed)
    seconds = int(end_s) + 2
    spread = np.ones(seconds)
    if world.burstiness > 0.0:
        spread = _wandering(rng.normal(size=seconds), 1.0 - 1.0 / 300.0)
        spread = np.exp(world.burstiness * spread - 0.5 * world.burstiness**2)
    returns = world.sigma_bp * spread * rng.normal(size=seconds)
    branching = float(world.n[0, :2].sum())
    return _simulate(
        rng, end_s, world.rate * (1.0 - branching), world.n, np.log(2.0) / HALF_LIVES, world.diurnal,
        world.switch_s, returns, world.mark_sigma, int(40 * world.rate * end_s) + seconds,
    )  # fmt: skip


@numba.njit(cache=True)
def _wandering(noise: Floats, memory: float) -> Floats:
    """Return an AR(1) path of unit variance."""
    path = np.empty(noise.size)
    x = noise[0]
    for i in range(noise.size):
        x = memory * x + np.sqrt(1.0 - memory**2) * noise[i]
        path[i] = x
    return path
