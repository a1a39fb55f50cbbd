"""From what a kernel noticed to a signal a person can check: evidence, context, ids."""

from typing import Any, Literal

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


def _signal(
    u: Any, symbol: str, kind: SignalKind, side: MachineSide, name: str, status: str,
    previous: str | None, since_ns: int, valid_s: float | None, lines: list[Evidence],
    context: dict[str, float | None], config_hash: str, replay: bool,
) -> Signal:  # fmt: skip
    u["sequence"] += 1
    seq, asof_ns = int(u["sequence"]), int(u["time_ns"])
    bits = int(u["readings"]["oi_usd"]["quality"]) | int(u["readings"]["funding_apr"]["quality"])
    bits |= int(u["readings"]["liquidated_usd_per_s_60s_long"]["quality"])
    return Signal(
        id=signal_id(symbol, side, kind, seq),
        seq=seq,
        kind=kind,
        symbol=symbol,
        side=side,
        name=name,
        status=status,
        previous=previous,
        asof=rfc3339(asof_ns),
        since=rfc3339(since_ns),
        valid_until=None if valid_s is None else rfc3339(asof_ns + int(valid_s * NS_PER_S)),
        trigger_event_ts=rfc3339(int(u["trigger_ns"])),
        evidence=lines,
        context=context,
        coverage=number(u["liquidations"]["coverage"]),
        quality=quality_names(bits & ~int(Quality.WARMUP)),
        config_hash=config_hash,
        code_version=CODE_VERSION,
        replay=replay,
    )


def _market_context(u: Any) -> dict[str, float | None]:
    return {name: number(u["readings"][name]["value"]) for name in CONTEXT}


def _burst_context(b: Any) -> dict[str, float | None]:
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
    }


def speak(
    u: Any, symbol: str, config: MethodConfig, config_hash: str, *, replay: bool
) -> list[Signal]:
    """Return the signals that are due, feeds first, then bursts, then machines, and mark them said."""
    out: list[Signal] = []

    def say(
        kind: SignalKind, side: MachineSide, name: str, status: str, previous: str | None,
        since_ns: int, valid_s: float | None, lines: list[Evidence],
        context: dict[str, float | None],
    ) -> None:  # fmt: skip
        out.append(
            _signal(
                u,
                symbol,
                kind,
                side,
                name,
                status,
                previous,
                since_ns,
                valid_s,
                lines,
                context,
                config_hash,
                replay,
            )
        )

    if u["feeds_said"]:
        status = {1: "OK", 2: "DEGRADED"}[int(u["feeds"])]
        context = {
            "liquidation_coverage": number(u["liquidations"]["coverage"]),
            "open_interest_coverage": number(u["open_interest"]["coverage"]),
            "funding_coverage": number(u["readings"]["funding_apr"]["coverage"]),
        }
        say("data_quality", "both", "FEEDS", status, None, int(u["feeds_ns"]), None, [], context)
        u["feeds_said"] = 0
    for k in (0, 1):
        side = SIDES[k]
        b = u["burst"][k]
        if b["said"]:
            status = {1: "STARTED", 2: "PROVISIONAL", 3: "FINAL"}[int(b["said"])]
            say(
                "burst",
                side,
                "BURST",
                status,
                None,
                int(b["start_ns"]),
                None,
                [],
                _burst_context(b),
            )
            b["said"] = bursts.NONE
    for k in (0, 1):
        side = SIDES[k]
        m = u["machine"][k]
        if m["said"]:
            state = State(int(m["state"]))
            changed = int(m["said"]) == CHANGED
            say(
                "state" if changed else "heartbeat", side, "STATE", state.name,
                State(int(m["previous"])).name, int(m["since_ns"]), 3 * config.heartbeat_s,
                evidence(u, state, side, config), _market_context(u),
            )  # fmt: skip
            m["said"] = NOTHING
    return out
