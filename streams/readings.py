"""A published number and how far to trust it.

A value never travels alone: it carries when it was true (`asof_ns`), how much data stands behind it
(`n_eff`), whether that is enough (`warm`), what is wrong with it (`quality`) and how much of the market
it covers (`coverage`). Unknown is NaN here and ``null`` in JSON, never 0.
"""

import math
from enum import IntFlag

import msgspec
import numpy as np

#: A reading in an underlying's record; `quality` are bits of `Quality`.
VALUE = np.dtype([("value", "f8"), ("coverage", "f8"), ("quality", "i8")])


class Quality(IntFlag):
    """What a consumer may want to know before it acts on a number."""

    STALE_INPUT = 1
    PARTIAL_COVERAGE = 2
    THROTTLED_SOURCE = 4
    CORRECTED = 8
    MODELLED = 16
    WARMUP = 32
    GAP_IN_WINDOW = 64
    UNIT_ASSUMED = 128
    MODEL_REJECTED = 256
    VENUE_OUTAGE = 512


_NAMED = tuple((int(flag), str(flag.name)) for flag in Quality)


def quality_names(bits: int) -> list[str]:
    """Return the names of the bits that are set, in their order.

    >>> quality_names(9)
    ['STALE_INPUT', 'CORRECTED']
    """
    return [name for bit, name in _NAMED if bits & bit]


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One indicator's value. `value` is None where the number is unknown."""

    value: float | None
    asof_ns: int
    warm: bool
    quality: list[str]
    coverage: float | None
    n_eff: float | None = None


def number(x: float) -> float | None:
    """Return `x` for JSON: NaN and infinities become None.

    >>> number(float("nan")) is None, number(1.5)
    (True, 1.5)
    """
    return float(x) if math.isfinite(x) else None
