"""What states and breakers rest on, line by line: value, comparison, threshold, margin."""

import math
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

import msgspec

from streams.breakers import leverage_reset, spot_absorption, vol_regime
from streams.breakers.breaker import UNASKED, Status
from streams.breakers.machine import State
from streams.conclude import DAY_IN_WINDOWS
from streams.config import MethodConfig
from streams.indicators import open_interest, price
from streams.readings import Quality, number, quality_names
from streams.signals import BreakerNote, Evidence, MachineSide, Op, rfc3339

Side = Literal["long", "short"]
SIDES: tuple[Side, ...] = ("long", "short")
PLACES = {"long": "below", "short": "above"}
WARMUP = int(Quality.WARMUP)


class Condition(msgspec.Struct, frozen=True):
    """A line of evidence: reading, comparison, threshold, unit of its margin.

    In the reading ``{side}`` and ``{place}`` are filled in. A threshold or unit that is text is a limit of
    the list below, an option, or a reading.
    """

    metric: str
    op: Op
    threshold: str | float
    mirrored: bool = False  # a signed reading: the short side asks for the opposite
    sd: str | float | None = None  # one standard deviation of it


MIRROR: dict[Op, Op] = {"<=": ">=", ">=": "<=", "<": ">", ">": "<", "==": "=="}
OPS: tuple[Op, ...] = (">=", ">", "<=", "<")  # as streams.breakers.breaker numbers them

#: What each state rests on. A passed condition supports the state; unknown is said, not hidden.
EVIDENCE: dict[State, tuple[Condition, ...]] = {
    State.CALM: (Condition("crowding_{side}", "<=", "calm_enter"),),
    State.CROWDED: (
        Condition("crowding_{side}", ">=", "crowded_enter"),
        Condition("funding_stress_{side}", ">=", 0.5),
        Condition("oi_z", ">=", 0.0, sd=1.0),
    ),
    State.FRAGILE: (
        Condition("crowding_{side}", ">=", "crowded_exit"),
        Condition("fragility_{side}", ">=", "fragile_enter"),
        Condition("return_4h", "<=", "usual_fall", mirrored=True, sd="sigma_4h"),
        Condition("oi_change_4h", "<=", "usual_oi_4h", sd="sigma_oi_4h"),
        Condition("oi_change_4h", ">=", "usual_oi_4h_down", sd="sigma_oi_4h"),
        Condition("funding_excess_apr", ">", 0.0, mirrored=True),
        Condition("fragile_underneath_{side}", "==", 1.0),
        Condition("zone_distance_pct_{place}", "<=", "usual_day_pct"),
        Condition("zone_usd_{place}", ">=", "zone_usd"),
    ),
    State.CASCADE: (
        Condition("burst_{side}", "==", 1.0),
        Condition("oi_change_5m", "<=", "cascade_oi_enter"),
        Condition("liquidated_usd_per_s_10s_{side}", ">", 0.0),
        Condition("cascade_intensity_{side}", ">", 0.0),
    ),
    State.FLUSHED: (
        Condition("oi_drop_{side}", ">=", "flushed_oi_drop"),
        Condition("oi_drop_{side}", ">=", "flush_of_a_day", sd="sigma_24h"),
        Condition("burst_{side}", "==", 0.0),
        Condition("funding_excess_apr", "<", "funding_excess_median_30d", mirrored=True),
    ),
    State.RESET: (
        Condition("breaker_leverage_reset_{side}", ">=", 2.0),
        Condition("breaker_spot_absorption_{side}", ">=", 2.0),
        Condition("breaker_vol_regime", ">=", 2.0),
        Condition("crowding_{side}", "<", "reset_exit"),
    ),
    State.UNKNOWN: (
        Condition("crowding_{side}", ">=", 0.0),
        Condition("burst_{side}", ">=", 0.0),
        Condition("oi_change_5m", ">=", -1.0),
    ),
}


def _sigma_4h(u: Any, _k: int) -> float:
    return float(price.sigma(u["price"], 2))


def _sigma_oi_4h(u: Any, _k: int) -> float:
    return float(open_interest.sigma(u["open_interest"], 2))


def _sigma_24h(u: Any, k: int) -> float:
    return float(u["machine"][k]["sight"]["sigma_24h"])


def _zone_usd(u: Any, _k: int) -> float:
    return float(u["readings"]["oi_usd"]["value"])


#: Limits that move with the market: times which option, of what. The short side's are mirrored.
LIMITS: dict[str, tuple[str | None, float, Callable[[Any, int], float]]] = {
    "sigma_4h": (None, 1.0, _sigma_4h),
    "sigma_oi_4h": (None, 1.0, _sigma_oi_4h),
    "sigma_24h": (None, 1.0, _sigma_24h),
    "usual_fall": ("underneath_sigmas", -1.0, _sigma_4h),
    "usual_oi_4h": ("underneath_oi_sigmas", 1.0, _sigma_oi_4h),
    "usual_oi_4h_down": ("underneath_oi_sigmas", -1.0, _sigma_oi_4h),
    "usual_day_pct": ("fragile_zone_sigmas", 100.0 * math.sqrt(DAY_IN_WINDOWS), _sigma_4h),
    "flush_of_a_day": ("flushed_sigmas", 1.0, _sigma_24h),
    "zone_usd": ("fragile_zone_share", 1.0, _zone_usd),
}


def _limit(u: Any, k: int, of: str | float, config: MethodConfig) -> float:
    """Return what a threshold of text stands for."""
    if not isinstance(of, str):
        return of
    if of in LIMITS:
        option, factor, usual = LIMITS[of]
        return factor * usual(u, k) * (1.0 if option is None else float(getattr(config, option)))
    known = getattr(config, of, None)
    return float(u["readings"][of]["value"]) if known is None else float(known)


def _passes(value: float, op: Op, threshold: float) -> bool:
    return {
        "<=": value <= threshold,
        ">=": value >= threshold,
        "<": value < threshold,
        ">": value > threshold,
        "==": value == threshold,
    }[op]


def _margin(
    u: Any, k: int, c: Condition, value: float, limit: float, config: MethodConfig
) -> float | None:
    """Return by how many standard deviations a value passes; the op is the long side's."""
    if c.sd is None:
        return None
    sd = _limit(u, k, c.sd, config)
    distance = limit - value if c.op in {"<=", "<"} else value - limit
    if c.mirrored and k == 1:
        distance = -distance
    return number(distance / sd) if sd > 0.0 else None


def state_evidence(u: Any, state: State, side: Side, config: MethodConfig) -> list[Evidence]:
    """Return the conditions behind `state` with their values as they stand."""
    k = SIDES.index(side)
    out = []
    for c in EVIDENCE[state]:
        metric = c.metric.format(side=side, place=PLACES[side])
        reading = u["readings"][metric]
        op = MIRROR[c.op] if c.mirrored and k == 1 else c.op
        value, quality = number(reading["value"]), int(reading["quality"])
        threshold = c.threshold
        if state is State.CALM and value is not None and value > config.calm_enter:
            threshold = config.calm_exit  # the first state after the start may lie between the two
        limit = number(_limit(u, k, threshold, config))
        if limit is not None and c.mirrored and k == 1 and threshold in LIMITS:
            limit = -limit
        sure = value is not None and limit is not None and not quality & WARMUP
        out.append(
            Evidence(
                metric=metric,
                value=value,
                op=op,
                threshold=limit,
                passed=_passes(value, op, limit) if sure else None,  # type: ignore[arg-type]
                quality=quality_names(quality),
                coverage=number(reading["coverage"]),
                margin_sd=_margin(u, k, c, value, limit, config) if sure else None,  # type: ignore[arg-type]
            )
        )
    return out


# Breakers


class BreakerView(NamedTuple):
    """A breaker of an underlying's record, with what its file says of it."""

    name: str
    side: MachineSide
    record: Any
    metrics: tuple[str, ...]
    hold_s: float


def breakers(u: Any, config: MethodConfig) -> Iterator[BreakerView]:
    """Yield all breakers of an underlying: those of longs, of shorts, and that of both."""
    for k, side in enumerate(SIDES):
        yield BreakerView(
            leverage_reset.NAME,
            side,
            u["leverage_reset"][k],
            leverage_reset.METRICS,
            config.reset_hold_s,
        )
        yield BreakerView(
            spot_absorption.NAME, side, u["spot_absorption"][k], spot_absorption.METRICS,
            config.absorption_hold_s,
        )  # fmt: skip
    yield BreakerView(
        vol_regime.NAME, "both", u["vol_regime_breaker"], vol_regime.METRICS, config.regime_hold_s
    )


def breaker_evidence(one: BreakerView) -> list[Evidence]:
    """Return the conditions of a breaker as it last saw them; those not asked are left out."""
    two = "_2" if int(one.record["variant"]) else ""
    return [
        Evidence(
            metric=metric.format(side=one.side, two=two),
            value=number(value),
            op=OPS[op],
            threshold=number(threshold),
            passed=None if passed < 0 else bool(passed),
            quality=quality_names(quality),
            coverage=number(coverage),
            margin_sd=number(margin),
        )
        for metric, (value, threshold, op, passed, margin, _, quality, coverage, _) in zip(
            one.metrics, one.record["conditions"].tolist(), strict=True
        )
        if passed != UNASKED
    ]


def confidence(b: Any) -> float | None:
    """Return how clearly a breaker's conditions hold, no more than is covered; None where that is unknown."""
    belief, coverage = number(b["belief"]), number(b["coverage"])
    return belief if belief is None or coverage is None else min(belief, coverage)


def direction(b: Any) -> Literal["up", "down"] | None:
    """Return which way a breaker points, None if it has no direction, or points nowhere yet."""
    sign = int(b["direction"])
    if sign == 0 or int(b["status"]) == Status.INACTIVE:
        return None
    return "up" if sign > 0 else "down"


def note(one: BreakerView) -> BreakerNote:
    """Return a breaker that is not INACTIVE in a few words."""
    b = one.record
    return BreakerNote(
        name=one.name, side=one.side, status=Status(int(b["status"])).name, direction=direction(b),
        since=rfc3339(int(b["since_ns"])), valid_until=rfc3339(int(b["until_ns"])),
        confidence=confidence(b),
    )  # fmt: skip


def notes(u: Any, side: Side, config: MethodConfig) -> list[BreakerNote]:
    """Return what is at work on one side."""
    return [
        note(one)
        for one in breakers(u, config)
        if one.side in {side, "both"} and int(one.record["status"]) != Status.INACTIVE
    ]


def breaker_state(one: BreakerView) -> dict[str, Any]:
    """Return a breaker as plain JSON values: at length if it is not INACTIVE, else how near it is."""
    b = one.record
    status, until_ns = Status(int(b["status"])), int(b["until_ns"])
    passed = b["conditions"]["passed"]
    return {
        "name": one.name,
        "side": one.side,
        "status": status.name,
        "direction": direction(b),
        "since": rfc3339(int(b["since_ns"])) if b["since_ns"] else None,
        "valid_until": rfc3339(until_ns) if until_ns else None,
        "held_s": int(b["held_ns"]) / 1e9,
        "hold_s": one.hold_s,
        "passed": int((passed == 1).sum()),
        "unknown": int((passed < 0).sum()),
        "asked": int((passed != UNASKED).sum()),
        "confidence": confidence(b),
        "coverage": number(b["coverage"]),
        "evidence": []
        if status is Status.INACTIVE
        else [msgspec.to_builtins(line) for line in breaker_evidence(one)],
    }
