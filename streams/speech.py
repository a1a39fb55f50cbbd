"""From what a kernel noticed to a signal a person can check: evidence, context, ids."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import msgspec

from streams.breakers.machine import CHANGED, NOTHING, State
from streams.config import MethodConfig
from streams.indicators import bursts
from streams.kernels.jit import NS_PER_S
from streams.readings import Quality, number, quality_names
from streams.signals import Evidence, MachineSide, Signal, SignalKind, rfc3339, signal_id

CODE_VERSION = "0.1.0"
SIDES: tuple[Literal["long"], Literal["short"]] = ("long", "short")
Op = Literal["<=", ">=", "<", ">", "=="]


class Condition(msgspec.Struct, frozen=True):
    """A line of evidence: reading (``{side}`` is filled in), comparison, threshold in the config."""

    metric: str
    op: Op
    threshold: str | float
    mirrored: bool = False  # a signed reading: the short side asks for the opposite


MIRROR: dict[Op, Op] = {"<=": ">=", ">=": "<=", "<": ">", ">": "<", "==": "=="}

#: What each state rests on. A passed condition supports the state; unknown is said, not hidden.
EVIDENCE: dict[State, tuple[Condition, ...]] = {
    State.CALM: (Condition("crowding_{side}", "<=", "calm_enter"),),
    State.CROWDED: (
        Condition("crowding_{side}", ">=", "crowded_enter"),
        Condition("funding_stress_{side}", ">=", 0.5),
        Condition("oi_z", ">=", 0.0),
    ),
    State.FRAGILE: (
        Condition("crowding_{side}", ">=", "crowded_exit"),
        Condition("fragility_{side}", ">=", "fragile_enter"),
        Condition("fragile_underneath_{side}", "==", 1.0),
    ),
    State.CASCADE: (
        Condition("burst_{side}", "==", 1.0),
        Condition("oi_change_5m", "<=", "cascade_oi_enter"),
        Condition("liquidated_usd_per_s_10s_{side}", ">", 0.0),
        Condition("cascade_intensity_{side}", ">", 0.0),
    ),
    State.FLUSHED: (
        Condition("oi_drop_{side}", ">=", "flushed_oi_drop"),
        Condition("burst_{side}", "==", 0.0),
        Condition("funding_excess_apr", "<", "funding_excess_median_30d", mirrored=True),
    ),
    State.RESET: (),
    State.UNKNOWN: (
        Condition("crowding_{side}", ">=", 0.0),
        Condition("burst_{side}", ">=", 0.0),
        Condition("oi_change_5m", ">=", -1.0),
    ),
}
CONTEXT = (
    "price", "oi_coin", "oi_usd", "oi_change_5m", "oi_z", "funding_excess_apr", "premium_bp",
    "crowding_long", "crowding_short", "cascade_intensity_long", "cascade_intensity_short",
)  # fmt: skip


def _passed(value: float | None, op: Op, threshold: float) -> bool | None:
    if value is None:
        return None
    return {
        "<=": value <= threshold,
        ">=": value >= threshold,
        "<": value < threshold,
        ">": value > threshold,
        "==": value == threshold,
    }[op]


def evidence(u: Any, state: State, side: str, config: MethodConfig) -> list[Evidence]:
    """Return the conditions behind `state` with their values as they stand."""
    readings = u["readings"]
    out = []
    for condition in EVIDENCE[state]:
        metric = condition.metric.format(side=side)
        threshold = condition.threshold
        if isinstance(threshold, str):
            known = getattr(config, threshold, None)
            threshold = float(readings[threshold]["value"]) if known is None else float(known)
        op = MIRROR[condition.op] if condition.mirrored and side == "short" else condition.op
        value = number(readings[metric]["value"])
        if state is State.CALM and value is not None and value > config.calm_enter:
            threshold = config.calm_exit  # the first state after the start may lie between the two
        limit = number(threshold)
        out.append(
            Evidence(
                metric=metric,
                value=value,
                op=op,
                threshold=limit,
                passed=None if limit is None else _passed(value, op, limit),
                quality=quality_names(int(readings[metric]["quality"])),
                coverage=number(readings[metric]["coverage"]),
            )
        )
    return out


def machine_state(m: Any) -> dict[str, Any]:
    """Return a machine as plain JSON values."""
    return {
        "state": State(int(m["state"])).name,
        "previous": State(int(m["previous"])).name,
        "since": rfc3339(int(m["since_ns"])),
    }


def _signal(u: Any, symbol: str, draft: "_Draft", config_hash: str, *, replay: bool) -> Signal:
    """Number a draft and add what all signals carry."""
    u["sequence"] += 1
    seq, asof_ns = int(u["sequence"]), int(u["time_ns"])
    bits = int(u["readings"]["oi_usd"]["quality"]) | int(u["readings"]["funding_apr"]["quality"])
    bits |= int(u["readings"]["liquidated_usd_per_s_60s_long"]["quality"])
    until_ns = None if draft.valid_s is None else asof_ns + int(draft.valid_s * NS_PER_S)
    return Signal(
        id=signal_id(
            symbol,
            draft.side,
            draft.kind,
            seq,
            origin_ns=int(u["origin_ns"]),
            config_hash=config_hash,
        ),
        seq=seq,
        kind=draft.kind,
        symbol=symbol,
        side=draft.side,
        name=draft.name,
        status=draft.status,
        previous=draft.previous,
        asof=rfc3339(asof_ns),
        since=rfc3339(draft.since_ns),
        valid_until=None if until_ns is None else rfc3339(until_ns),
        trigger_event_ts=rfc3339(int(u["trigger_ns"])),
        evidence=draft.evidence,
        context=draft.context,
        coverage=number(u["liquidations"]["coverage"]),
        quality=quality_names(bits & ~int(Quality.WARMUP)),
        config_hash=config_hash,
        code_version=CODE_VERSION,
        replay=replay,
    )


def _market_context(u: Any) -> dict[str, float | None]:
    return {name: number(u["readings"][name]["value"]) for name in CONTEXT}


def _absorbed(u: Any, k: int) -> float:
    """Return the share of the side's present burst that spot takers took so far."""
    window = u["absorption"]["sides"][k]["window"]
    same = window["number"] == u["burst"][k]["number"]
    return float(window["share"]) if same else float("nan")


def _burst_context(b: Any, absorbed: float) -> dict[str, float | None]:
    total = float(b["usd_raw"]) + float(b["usd_other"])
    drop = 1.0 - float(b["oi_end"]) / float(b["oi_start"]) if b["oi_start"] > 0 else float("nan")
    return {
        "burst": float(b["number"]),
        "start_s": int(b["start_ns"]) / NS_PER_S,
        "peak_s": int(b["peak_ns"]) / NS_PER_S,
        "end_s": int(b["end_ns"]) / NS_PER_S if b["end_ns"] else None,
        "orders": float(b["orders"]),
        "usd_raw": number(b["usd_raw"]),
        "usd_estimated": number(b["usd_estimated"]),
        "peak_usd_per_s": number(b["peak_usd_per_s"]),
        "max_order_usd": number(b["max_order_usd"]),
        "share_dominant": number(float(b["usd_raw"]) / total) if total > 0 else None,
        "price_start": number(b["price_start"]),
        "price_extreme": number(b["price_extreme"]),
        "price_end": number(b["price_end"]),
        "oi_start_coin": number(b["oi_start"]),
        "oi_end_coin": number(b["oi_end"]),
        "flush_ratio": number(drop),
        "spot_absorbed_share": number(absorbed),
    }


class _Draft(NamedTuple):
    """What is to be said, before it gets its number."""

    kind: SignalKind
    side: MachineSide
    name: str
    status: str
    previous: str | None
    since_ns: int
    valid_s: float | None
    evidence: list[Evidence]
    context: dict[str, float | None]


def _feeds(u: Any) -> Iterator[_Draft]:
    if not u["feeds_said"]:
        return
    status = {1: "OK", 2: "DEGRADED"}[int(u["feeds"])]
    context = {
        "liquidation_coverage": number(u["liquidations"]["coverage"]),
        "open_interest_coverage": number(u["open_interest"]["coverage"]),
        "funding_coverage": number(u["readings"]["funding_apr"]["coverage"]),
    }
    since_ns = int(u["feeds_ns"])
    yield _Draft("data_quality", "both", "FEEDS", status, None, since_ns, None, [], context)
    u["feeds_said"] = 0


def _burst_evidence(u: Any, b: Any, side: str, config: MethodConfig) -> list[Evidence]:
    """Return why a burst opened: its rate against the floor, and how many orders made it."""
    floor = config.burst_floor_oi_per_minute * float(u["readings"]["oi_usd"]["value"]) / 60.0
    recent = bursts.recent_orders(b, int(u["time_ns"]), 30 * NS_PER_S)
    quality = quality_names(int(u["readings"][f"liquidated_usd_per_s_10s_{side}"]["quality"]))
    coverage = number(u["liquidations"]["coverage"])
    rate = number(b["peak_usd_per_s"])
    above = None if rate is None or number(floor) is None else rate > floor
    return [
        Evidence(
            metric=f"liquidated_usd_per_s_10s_{side}", value=rate, op=">", threshold=number(floor),
            passed=above, quality=quality, coverage=coverage,
        ),
        Evidence(
            metric=f"orders_30s_{side}", value=float(recent), op=">=",
            threshold=float(config.burst_min_events), passed=recent >= config.burst_min_events,
            quality=quality, coverage=coverage,
        ),
    ]  # fmt: skip


def _bursts(u: Any, config: MethodConfig) -> Iterator[_Draft]:
    for k in (0, 1):
        side, b = SIDES[k], u["burst"][k]
        if b["said"]:
            status = {1: "STARTED", 2: "PROVISIONAL", 3: "FINAL"}[int(b["said"])]
            lines = _burst_evidence(u, b, side, config) if status == "STARTED" else []
            since_ns, context = int(b["start_ns"]), _burst_context(b, _absorbed(u, k))
            yield _Draft("burst", side, "BURST", status, None, since_ns, None, lines, context)
            b["said"] = bursts.NONE


def _machines(u: Any, config: MethodConfig) -> Iterator[_Draft]:
    for k in (0, 1):
        side, m = SIDES[k], u["machine"][k]
        if m["said"]:
            state, before = State(int(m["state"])), State(int(m["previous"])).name
            kind: SignalKind = "state" if int(m["said"]) == CHANGED else "heartbeat"
            yield _Draft(
                kind, side, "STATE", state.name, before, int(m["since_ns"]),
                3 * config.heartbeat_s, evidence(u, state, side, config), _market_context(u),
            )  # fmt: skip
            m["said"] = NOTHING


def speak(
    u: Any, symbol: str, config: MethodConfig, config_hash: str, *, replay: bool
) -> list[Signal]:
    """Return the signals that are due, feeds first, then bursts, then machines, and mark them said."""
    drafts = (*_feeds(u), *_bursts(u, config), *_machines(u, config))
    return [_signal(u, symbol, draft, config_hash, replay=replay) for draft in drafts]
