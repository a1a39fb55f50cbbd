"""The readings of taker flow: windows, CVD, volumes and how unusual they are. What they rest on: `flows`."""

import math

from streams.indicators.flows import (
    CLASSES,
    DAY_NS,
    FIRST,
    PAST,
    PERP,
    REGULATED,
    SPOT,
    WARMUP,
    class_weight,
    coverage,
    group_gross,
    net_cents,
    quality,
    window_gross,
    window_net,
)
from streams.kernels.decay import held_advance, held_set, held_std, held_warm
from streams.kernels.jit import NS_PER_S, Record, kernel

SIGMA_WARM_S = 86_400.0  # two of these must have been seen, as of the other usual sizes
READINGS = (
    *((f"taker_net_usd_{name}_{window}", "USD", f"bought minus sold by takers, {name}, {window}")
      for name in CLASSES for window in ("1m", "5m", "1h", "4h", "24h")),
    *((f"cvd_usd_{name}", "USD", f"the same since UTC midnight, {name}") for name in CLASSES),
    *((f"taker_net_z_{name}_4h", "sd", f"4 h net of {name} takers over its usual size")
      for name in CLASSES[:2]),
    *((f"taker_imbalance_{name}_{window}", "-1..1", f"(bought - sold) / both by {name} takers, {window}")
      for name in CLASSES[:2] for window in ("15m", "1h", "4h")),
    *((f"volume_usd_24h_{name}", "USD", f"traded in 24 hours, {name}, covered venues")
      for name in CLASSES),
    ("perp_share_24h", "0..1", "perpetuals' part of 24 h volume with spot, covered venues"),
)  # fmt: skip


@kernel
def _about(out: Record, f: Record, k: int, time_ns: int, window_s: int, p: Record) -> bool:
    """Write how far a class's window can be trusted; return whether its number is known."""
    out.coverage = coverage(f, k, time_ns, window_s)
    out.quality = quality(f, k, time_ns - window_s * NS_PER_S)
    return out.coverage >= p.flow_observed


@kernel
def _net(out: Record, f: Record, k: int, time_ns: int, window_s: int, p: Record) -> None:
    known = _about(out, f, k, time_ns, window_s, p)
    out.value = window_net(f, k, time_ns, window_s) / 100.0 if known else math.nan


@kernel
def _imbalance(out: Record, f: Record, k: int, time_ns: int, window_s: int, p: Record) -> None:
    known = _about(out, f, k, time_ns, window_s, p)
    gross = window_gross(f, k, time_ns, window_s)
    out.value = window_net(f, k, time_ns, window_s) / gross if known and gross > 0 else math.nan


@kernel
def _volume(out: Record, f: Record, k: int, time_ns: int, p: Record) -> None:
    known = _about(out, f, k, time_ns, 86_400, p)
    gross = 0
    for group in range(FIRST[k], PAST[k]):
        gross += group_gross(f, group, time_ns)
    out.value = gross / 100.0 if known else math.nan


@kernel
def _cvd(out: Record, f: Record, k: int, time_ns: int) -> None:
    """Write the net since midnight, of what was watched of the day so far."""
    midnight_ns = f.day * DAY_NS
    seen_ns = weight = 0.0
    watched = 0
    for group in range(FIRST[k], PAST[k]):
        w = class_weight(f, k, group)
        weight += w
        seen_ns += w * (f.watched_ns[group] - f.midnight_watched_ns[group])
        watched += f.watched[group]
    elapsed_ns = max(NS_PER_S, time_ns - midnight_ns)
    out.coverage = min(1.0, seen_ns / weight / elapsed_ns) if watched > 0 else 0.0
    out.quality = quality(f, k, midnight_ns)
    out.value = (net_cents(f, k) - f.midnight_cents[k]) / 100.0 if watched > 0 else math.nan


@kernel
def _unusual(out: Record, net: Record, usual: Record, dt_s: float, half_life_s: float) -> None:
    """Hold a net against its EW standard deviation, and let that learn."""
    held_advance(usual, dt_s, half_life_s)
    held_set(usual, net.value)
    sigma = held_std(usual) if held_warm(usual, SIGMA_WARM_S) else math.nan
    out.value = net.value / sigma if sigma > 0.0 else math.nan
    out.coverage = net.coverage
    out.quality = net.quality | (0 if sigma > 0.0 else WARMUP)


@kernel
def _nets(f: Record, r: Record, time_ns: int, p: Record) -> None:
    _net(r.taker_net_usd_perp_1m, f, PERP, time_ns, 60, p)
    _net(r.taker_net_usd_perp_5m, f, PERP, time_ns, 300, p)
    _net(r.taker_net_usd_perp_1h, f, PERP, time_ns, 3600, p)
    _net(r.taker_net_usd_perp_4h, f, PERP, time_ns, 14_400, p)
    _net(r.taker_net_usd_perp_24h, f, PERP, time_ns, 86_400, p)
    _net(r.taker_net_usd_spot_1m, f, SPOT, time_ns, 60, p)
    _net(r.taker_net_usd_spot_5m, f, SPOT, time_ns, 300, p)
    _net(r.taker_net_usd_spot_1h, f, SPOT, time_ns, 3600, p)
    _net(r.taker_net_usd_spot_4h, f, SPOT, time_ns, 14_400, p)
    _net(r.taker_net_usd_spot_24h, f, SPOT, time_ns, 86_400, p)
    _net(r.taker_net_usd_regulated_1m, f, REGULATED, time_ns, 60, p)
    _net(r.taker_net_usd_regulated_5m, f, REGULATED, time_ns, 300, p)
    _net(r.taker_net_usd_regulated_1h, f, REGULATED, time_ns, 3600, p)
    _net(r.taker_net_usd_regulated_4h, f, REGULATED, time_ns, 14_400, p)
    _net(r.taker_net_usd_regulated_24h, f, REGULATED, time_ns, 86_400, p)


@kernel
def _imbalances(f: Record, r: Record, time_ns: int, p: Record) -> None:
    _imbalance(r.taker_imbalance_perp_15m, f, PERP, time_ns, 900, p)
    _imbalance(r.taker_imbalance_perp_1h, f, PERP, time_ns, 3600, p)
    _imbalance(r.taker_imbalance_perp_4h, f, PERP, time_ns, 14_400, p)
    _imbalance(r.taker_imbalance_spot_15m, f, SPOT, time_ns, 900, p)
    _imbalance(r.taker_imbalance_spot_1h, f, SPOT, time_ns, 3600, p)
    _imbalance(r.taker_imbalance_spot_4h, f, SPOT, time_ns, 14_400, p)


@kernel
def publish(f: Record, r: Record, time_ns: int, dt_s: float, p: Record) -> None:
    """Write all readings as of this tick."""
    _nets(f, r, time_ns, p)
    _imbalances(f, r, time_ns, p)
    _cvd(r.cvd_usd_perp, f, PERP, time_ns)
    _cvd(r.cvd_usd_spot, f, SPOT, time_ns)
    _cvd(r.cvd_usd_regulated, f, REGULATED, time_ns)
    half_life_s = p.sigma_half_life_s
    _unusual(r.taker_net_z_perp_4h, r.taker_net_usd_perp_4h, f.usual_net[0], dt_s, half_life_s)
    _unusual(r.taker_net_z_spot_4h, r.taker_net_usd_spot_4h, f.usual_net[1], dt_s, half_life_s)
    perp, spot = r.volume_usd_24h_perp, r.volume_usd_24h_spot
    _volume(perp, f, PERP, time_ns, p)
    _volume(spot, f, SPOT, time_ns, p)
    _volume(r.volume_usd_24h_regulated, f, REGULATED, time_ns, p)
    traded = perp.value + spot.value
    r.perp_share_24h.value = perp.value / traded if traded > 0.0 else math.nan
    r.perp_share_24h.coverage = min(perp.coverage, spot.coverage)
    r.perp_share_24h.quality = perp.quality | spot.quality
