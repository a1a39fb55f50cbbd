"""From what a kernel noticed to a signal a person can check: evidence, context, ids."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from streams.breakers.breaker import EXPIRED, Status
from streams.breakers.machine import CHANGED, NOTHING, State
from streams.config import MethodConfig
from streams.evidence import (
    SIDES,
    BreakerView,
    breaker_evidence,
    breakers,
    confidence,
    notes,
    state_evidence,
)
from streams.indicators import burst_record, bursts
from streams.kernels.jit import NS_PER_S
from streams.readings import Quality, number, quality_names
from streams.signals import (
    KINDS,
    BreakerNote,
    Evidence,
    MachineSide,
    Signal,
    SignalKind,
    rfc3339,
    signal_id,
)

CODE_VERSION = "0.1.0"
WARMUP = int(Quality.WARMUP)
#: What every state, heartbeat and breaker shows of the market; what this build does not measure is left out.
CONTEXT = (
    "price", "oi_coin", "oi_usd", "oi_change_5m", "oi_z", "funding_excess_apr", "premium_bp",
    "crowding_long", "crowding_short", "cascade_intensity_long", "cascade_intensity_short", "perp_share_24h",
)  # fmt: skip
#: The same of its own side.
SIDE_CONTEXT = (
    "branching_fast", "branching_fast_se", "laps_30d", "lap_rebuild_h", "lap_rebuild_fraction",
    "lap_depth", "lap_depth_ratio",
)  # fmt: skip
FLOW_READINGS = ("oi_usd", "liquidated_usd_per_s_60s_long")
MARKET_READINGS = (*FLOW_READINGS, "funding_apr")

#: Names the venues that have printed in the burst of a side.
Printed = Callable[[int], list[str]]


class _Draft(NamedTuple):
    """What is to be said, before it gets its number."""

    kind: SignalKind
    side: MachineSide
    name: str
    status: str
    previous: str | None
    since_ns: int
    until_ns: int  # 0: until another replaces it
    told: Any  # what was said last under this name
    quality: int
    evidence: list[Evidence]
    context: dict[str, float | None]
    breakers: tuple[BreakerNote, ...] = ()
    venues: tuple[str, ...] = ()
    confidence: float | None = None
    coverage: float | None = None
    replaces: bool = True


def machine_state(m: Any) -> dict[str, Any]:
    """Return a machine as plain JSON values."""
    return {
        "state": State(int(m["state"])).name,
        "previous": State(int(m["previous"])).name,
        "since": rfc3339(int(m["since_ns"])),
    }


def _signal(u: Any, symbol: str, draft: _Draft, config_hash: str, *, replay: bool) -> Signal:
    """Number a draft, add what all signals carry, and remember that it was said."""

    def named(kind: SignalKind, number: int) -> str:
        origin_ns = int(u["origin_ns"])
        return signal_id(
            symbol, draft.side, kind, number, origin_ns=origin_ns, config_hash=config_hash
        )

    u["sequence"] += 1
    seq, told = int(u["sequence"]), draft.told
    before = int(told["seq"]) if draft.replaces else 0
    signal = Signal(
        id=named(draft.kind, seq),
        seq=seq,
        kind=draft.kind,
        symbol=symbol,
        side=draft.side,
        name=draft.name,
        status=draft.status,
        previous=draft.previous,
        asof=rfc3339(int(u["time_ns"])),
        since=rfc3339(draft.since_ns),
        valid_until=rfc3339(draft.until_ns) if draft.until_ns else None,
        trigger_event_ts=rfc3339(int(u["trigger_ns"])),
        evidence=draft.evidence,
        context=draft.context,
        breakers=list(draft.breakers),
        venues=list(draft.venues),
        confidence=draft.confidence,
        coverage=draft.coverage,
        quality=quality_names(draft.quality & ~WARMUP),
        config_hash=config_hash,
        code_version=CODE_VERSION,
        replay=replay,
        supersedes=named(KINDS[int(told["kind"])], before) if before else None,
    )
    told["seq"], told["kind"], told["until_ns"] = seq, KINDS.index(draft.kind), draft.until_ns
    return signal


def _bits(u: Any, names: tuple[str, ...]) -> int:
    out = 0
    for name in names:
        out |= int(u["readings"][name]["quality"])
    return out


def _market_context(u: Any, side: MachineSide) -> dict[str, float | None]:
    """Return the market at this moment; what still warms up is as good as unknown."""
    r = u["readings"]
    names = CONTEXT if side == "both" else (*CONTEXT, *(f"{name}_{side}" for name in SIDE_CONTEXT))
    return {
        name: None if int(r[name]["quality"]) & WARMUP else number(r[name]["value"])
        for name in names
        if name in r.dtype.names
    }


def _feeds(u: Any) -> Iterator[_Draft]:
    if not u["feeds_said"]:
        return
    status = {1: "OK", 2: "DEGRADED"}[int(u["feeds"])]
    context = {
        "liquidation_coverage": number(u["liquidations"]["coverage"]),
        "open_interest_coverage": number(u["open_interest"]["coverage"]),
        "funding_coverage": number(u["readings"]["funding_apr"]["coverage"]),
    }
    yield _Draft(
        "data_quality", "both", "FEEDS", status, None, int(u["feeds_ns"]), 0, u["feeds_told"],
        _bits(u, MARKET_READINGS), [], context, coverage=number(u["liquidations"]["coverage"]),
    )  # fmt: skip
    u["feeds_said"] = 0


# Bursts


def _absorbed(u: Any, k: int) -> float:
    """Return the share of the side's present burst that spot takers took so far."""
    window = u["absorption"]["sides"][k]["window"]
    same = window["number"] == u["burst"][k]["number"]
    return float(window["share"]) if same else float("nan")


def _burst_context(b: Any, record: Any, side: str, absorbed: float) -> dict[str, float | None]:
    own, other = float(b["usd_raw"]), float(b["usd_other"])
    cut = float(b["oi_start"]) - float(b["oi_end"])
    return {
        "burst": float(b["number"]),
        "start_s": int(b["start_ns"]) / NS_PER_S,
        "peak_s": int(b["peak_ns"]) / NS_PER_S,
        "end_s": int(b["end_ns"]) / NS_PER_S if b["end_ns"] else None,
        "orders": float(b["orders"]),
        "contracts": float(record["contracts"]),
        "usd_raw": number(own),
        "usd_estimated": number(b["usd_estimated"]),
        "usd_long": number(own if side == "long" else other),
        "usd_short": number(other if side == "long" else own),
        "peak_usd_per_s": number(b["peak_usd_per_s"]),
        "max_order_usd": number(b["max_order_usd"]),
        "share_dominant": number(own / (own + other)) if own + other > 0 else None,
        "price_start": number(b["price_start"]),
        "price_low": number(record["price_low"]),
        "price_high": number(record["price_high"]),
        "price_extreme": number(b["price_extreme"]),
        "price_end": number(b["price_end"]),
        "oi_start_coin": number(b["oi_start"]),
        "oi_end_coin": number(b["oi_end"]),
        "flush_ratio": number(burst_record.flush_ratio(record)),
        "liquidated_coin": number(record["coin"]),
        "liquidated_over_oi_drop": number(float(record["coin"]) / cut) if cut > 0 else None,
        "n_fast_start": number(record["n_fast_start"]),
        "n_fast_peak": number(record["n_fast_peak"]),
        "loop_gain_start": number(record["loop_start"]),
        "loop_gain_peak": number(record["loop_peak"]),
        "spot_absorbed_share": number(absorbed),
    }


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


def _bursts(u: Any, config: MethodConfig, printed: Printed) -> Iterator[_Draft]:
    for k in (0, 1):
        side, b, record = SIDES[k], u["burst"][k], u["burst_record"][k]
        if b["said"]:
            status = {1: "STARTED", 2: "PROVISIONAL", 3: "FINAL"}[int(b["said"])]
            lines = _burst_evidence(u, b, side, config) if status == "STARTED" else []
            context = _burst_context(b, record, side, _absorbed(u, k))
            yield _Draft(
                "burst", side, "BURST", status, None, int(b["start_ns"]), 0, record["told"],
                _bits(u, FLOW_READINGS), lines, context, venues=tuple(printed(k)),
                coverage=number(u["liquidations"]["coverage"]), replaces=status != "STARTED",
            )  # fmt: skip
            b["said"] = bursts.NONE


# Breakers and machines


def _breaker(u: Any, one: BreakerView) -> _Draft:
    b = one.record
    expired = int(b["said"]) == EXPIRED
    quality = 0
    for passed, bits in zip(b["conditions"]["passed"], b["conditions"]["quality"], strict=True):
        quality |= int(bits) if passed in (0, 1) else 0
    context = _market_context(u, one.side)
    if b["direction"]:
        context["direction"] = float(b["direction"])
    return _Draft(
        "breaker", one.side, one.name, "EXPIRED" if expired else Status(int(b["status"])).name,
        Status(int(b["previous"])).name, int(b["since_ns"]), int(b["until_ns"]), b["told"],
        quality, breaker_evidence(one), context, confidence=confidence(b),
        coverage=number(b["coverage"]),
    )  # fmt: skip


def _breakers(u: Any, config: MethodConfig) -> Iterator[_Draft]:
    for one in breakers(u, config):
        if one.record["said"]:
            yield _breaker(u, one)
            one.record["said"] = NOTHING


def _lapsed(u: Any, m: Any, side: MachineSide) -> Iterator[_Draft]:
    """Yield that the last word on a machine had expired before this one came: the log was silent."""
    until_ns = int(m["told"]["until_ns"])
    if 0 < until_ns < int(u["time_ns"]):
        said = State(int(m["previous" if int(m["said"]) == CHANGED else "state"])).name
        yield _Draft(
            "state", side, "STATE", "EXPIRED", said, until_ns, 0, m["told"], 0, [], {}
        )  # fmt: skip


def _machines(u: Any, config: MethodConfig) -> Iterator[_Draft]:
    for k in (0, 1):
        side, m = SIDES[k], u["machine"][k]
        if m["said"]:
            yield from _lapsed(u, m, side)
            state, before = State(int(m["state"])), State(int(m["previous"])).name
            kind: SignalKind = "state" if int(m["said"]) == CHANGED else "heartbeat"
            until_ns = int(u["time_ns"]) + int(3 * config.heartbeat_s * NS_PER_S)
            yield _Draft(
                kind, side, "STATE", state.name, before, int(m["since_ns"]), until_ns, m["told"],
                _bits(u, MARKET_READINGS), state_evidence(u, state, side, config),
                _market_context(u, side), breakers=tuple(notes(u, side, config)),
                coverage=number(u["liquidations"]["coverage"]),
            )  # fmt: skip
            m["said"] = NOTHING


def speak(
    u: Any, symbol: str, config: MethodConfig, config_hash: str, printed: Printed, *, replay: bool
) -> list[Signal]:
    """Return the signals that are due and mark them said: feeds, bursts, breakers, machines."""
    drafts = (
        *_feeds(u), *_bursts(u, config, printed), *_breakers(u, config), *_machines(u, config),
    )  # fmt: skip
    return [_signal(u, symbol, draft, config_hash, replay=replay) for draft in drafts]
