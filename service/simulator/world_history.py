"""The benchmark world's past: months of levels, as exchanges' REST history gives them.

Hourly index, premium and funding, open interest every ten minutes, which is as old as a level may be. All of
them wander; in the last days they come home to where they usually are, so that the live world begins with
nothing out of the ordinary.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from streams.events import ROW, ROW_BYTES, Flag, Kind
from streams.kernels.jit import NS_PER_S

HOUR_NS = 3600 * NS_PER_S
LEVELS_AN_HOUR = 6
LEVEL_DAYS = 60  # venues keep less of open interest
NEUTRAL_APR, YEAR_HOURS, FUNDING_HOURS = 0.1095, 8760.0, 8.0
BACKFILL = int(Flag.BACKFILL)

Floats = npt.NDArray[np.float64]


class Past(NamedTuple):
    """Levels up to the live world's start: USD, coin (ten-minutely), decimal, APR over neutral."""

    price: Floats
    open_interest: Floats
    premium: Floats
    excess: Floats

    def usual_excess(self, quantile: float) -> float:
        """Return a quantile of the last 45 days' excess."""
        return float(np.quantile(self.excess[-45 * 24 :], quantile))


def wandering(n: int, sd: float, half_life: float, rng: np.random.Generator) -> Floats:
    """Return a stationary walk around zero that comes home at its end; `half_life` is in steps."""
    keep = 0.5 ** (1.0 / half_life)
    shocks = rng.normal(0.0, sd * np.sqrt(1.0 - keep * keep), n)
    out = np.empty(n)
    value = rng.normal(0.0, sd)
    for k in range(n):
        value = keep * value + shocks[k]
        out[k] = value
    fade = np.clip((n - 1.0 - np.arange(n)) / (4.0 * half_life), 0.0, 1.0)
    return out * fade


def make_past(
    days: int, price: float, coin: float, volatility: float, rng: np.random.Generator
) -> Past:
    """Draw a past that ends at `price` and `coin`; `volatility` is ln per square root of a second."""
    n = days * 24
    steps = rng.normal(0.0, volatility * 60.0, n)
    path = price * np.exp(np.cumsum(steps) - steps.sum())
    return Past(
        path,
        coin * np.exp(wandering(n * LEVELS_AN_HOUR, 0.02, 24.0 * LEVELS_AN_HOUR, rng)),
        2e-4 + wandering(n, 3e-4, 24.0, rng),
        0.02 + wandering(n, 0.04, 48.0, rng),
    )


def _rows(kind: Kind, instrument: int, times_ns: npt.NDArray[np.int64]) -> Any:
    rows = np.zeros(times_ns.size, ROW)
    rows["kind"], rows["flags"], rows["instrument"] = int(kind), BACKFILL, instrument
    rows["exchange_ns"] = times_ns
    return rows


def past_rows(past: Past, instrument: int, share: float, start_ns: int) -> bytes:
    """Return a contract's history rows; `received_ns` is the live world's start."""
    n = past.price.size
    times = start_ns - HOUR_NS * np.arange(n, 0, -1, dtype=np.int64)
    marks = _rows(Kind.MARK, instrument, times)
    marks["a"], marks["b"], marks["c"] = past.price * (1.0 + past.premium), past.price, np.nan
    every_ns = HOUR_NS // LEVELS_AN_HOUR
    back = every_ns * np.arange(past.open_interest.size, 0, -1, dtype=np.int64)
    levels = _rows(Kind.OPEN_INTEREST, instrument, start_ns - back)
    levels["a"], levels["b"] = past.open_interest * share, np.nan
    levels["c"] = np.repeat(marks["a"], LEVELS_AN_HOUR)
    funding = _rows(Kind.FUNDING, instrument, times)
    funding["flags"] |= int(Flag.SETTLED)
    funding["a"] = (past.excess + NEUTRAL_APR) * FUNDING_HOURS / YEAR_HOURS
    words = funding.view(np.int64).reshape(-1, ROW_BYTES // 8)
    words[:, 6], words[:, 7] = int(FUNDING_HOURS) * HOUR_NS, 0
    out = np.concatenate([marks, levels[-LEVEL_DAYS * 24 * LEVELS_AN_HOUR :], funding])
    out["received_ns"] = start_ns
    return out.tobytes()
