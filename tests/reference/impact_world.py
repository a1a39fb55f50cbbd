"""A market with a planted impact in which falling prices force orders at once: what the estimator is held to.

Steps of a fifth of a second. An order of `usd` moves the index by ``kappa * usd``, spread evenly over the
steps between `first_s` and `last_s` after it. Orders come at a background rate, and `gain` more of them for
each bp that the price has moved against the side in the last second, the present step's move included: flow
and return of the same moment cause each other. Free takers trade with the price too and have an impact of
their own; forced orders are among the taker orders, as they are in a venue's tape.
"""

import math
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from streams.config import MethodConfig
from streams.groups import GROUPS
from streams.indicators import impact
from streams.state import params

Floats = npt.NDArray[np.float64]
STEPS_PER_S = 5
RING = 64  # steps an effect may lie ahead
START_NS = 19_676 * 86_400 * 1_000_000_000
PERP, SPOT = 0, 4  # groups


@dataclass(frozen=True)
class World:
    """What is planted; kappas are bp per million USD."""

    kappa_long: float = 40.0
    kappa_short: float = 25.0
    taker_perp: float = 2.0
    taker_spot: float = 4.0
    first_s: float = 2.0
    last_s: float = 3.0
    rate: float = 0.03  # forced orders a second and side without any move
    gain: float = 0.02  # forced orders a second for each bp in the last second
    sigma_bp: float = 1.0  # a second
    volatile: float = 0.5  # spread of ln volatility


@numba.njit(cache=True)
def _run(
    u: Any, p: Any, noise: Floats, volatility: Floats, chance: Floats, sizes: Floats, free: Floats,
    kappas: Floats, takers: Floats, first: int, last: int, rate: float, gain: float, whole: Floats,
) -> None:  # fmt: skip
    """Play the market into the estimator. `whole` gets sums of the naive regression on whole bins."""
    taker_usd = np.zeros((GROUPS, 2))
    ahead = np.zeros(RING)
    moves = np.zeros(STEPS_PER_S)
    log_price, bin_log = 0.0, 0.0
    bin_flow = np.zeros(2)
    for i in range(noise.size):
        move = noise[i] * volatility[i] + ahead[i % RING]  # bp
        ahead[i % RING] = 0.0
        moves[i % STEPS_PER_S] = move
        log_price += move * 1e-4
        second_move = moves.sum()
        for side in range(2):
            sign = 1.0 if side == 0 else -1.0
            pressure = max(0.0, -sign * second_move)
            if chance[side, i] < (rate + gain * pressure) / STEPS_PER_S:
                usd = sizes[side, i]
                impact.apply(u, side, 0, usd)
                taker_usd[PERP, 1 if side == 0 else 0] += usd
                bin_flow[side] += usd / 1e6
                for k in range(first, last):
                    ahead[(i + k) % RING] -= sign * kappas[side] * usd / 1e6 / (last - first)
        for market in range(2):
            usd = free[market, i] + 2e4 * move
            taker_usd[PERP if market == 0 else SPOT, 0 if usd > 0.0 else 1] += abs(usd)
            for k in range(first, last):
                ahead[(i + k) % RING] += takers[market] * usd / 1e6 / (last - first)
        if (i + 1) % STEPS_PER_S == 0:
            second = (i + 1) // STEPS_PER_S
            now_ns = START_NS + second * 1_000_000_000
            impact.tick(u, taker_usd, log_price, 300.0, 1.0, True, now_ns, 1.0, p)
            if second % 5 == 0:
                whole[0] += bin_flow[0] * bin_flow[0]
                whole[1] -= bin_flow[0] * (log_price - bin_log) * 1e4
                bin_flow[:] = 0.0
                bin_log = log_price


def played(
    world: World, seed: int, seconds: int = 14_400, config: MethodConfig | None = None
) -> tuple[Any, float]:
    """Return the estimator's record after a market, and the naive kappa of longs from whole bins."""
    rng = np.random.default_rng(seed)
    n = seconds * STEPS_PER_S
    u = np.zeros(1, impact.UNDERLYING)[0]
    impact.underlying_init(u)
    wave = np.cumsum(rng.normal(0.0, 0.01, n)) if world.volatile else np.zeros(n)
    wave -= wave.mean()
    level = np.exp(world.volatile * wave / max(float(wave.std()), 1e-9))
    scale = world.sigma_bp / math.sqrt(STEPS_PER_S)
    whole = np.zeros(2)
    _run(
        u, params(config or MethodConfig()), rng.normal(0.0, scale, n), level,
        rng.random((2, n)), 4e4 * rng.lognormal(-0.5, 1.0, (2, n)), rng.normal(0.0, 5e4, (2, n)),
        np.array([world.kappa_long, world.kappa_short]),
        np.array([world.taker_perp, world.taker_spot]),
        round(world.first_s * STEPS_PER_S), round(world.last_s * STEPS_PER_S),
        world.rate, world.gain, whole,
    )  # fmt: skip
    return u, float(whole[1] / whole[0])
