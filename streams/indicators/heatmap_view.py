"""The whole map as plain JSON values, for `Engine.heatmap` and the topic ``treadmill.heatmap.v1``."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from streams.config import MethodConfig
from streams.indicators import heatmap, heatmap_level, heatmap_outputs, heatmap_score
from streams.kernels.heat import dense_level, next_zone
from streams.readings import Quality, number, quality_names


def _usd(side: int, ladder: Any, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the bins from the price on and the USD in each, rounded to float32."""
    bins = int(ladder["front"]) + np.arange(heatmap.BINS)
    coin = ladder["mass"][bins & (heatmap.BINS - 1)] * ladder["scale"]
    usd = coin * np.exp(heatmap.sign_of(side) * (bins + 0.5) * width)
    return bins, usd.astype(np.float32)


def _runs(usd: np.ndarray) -> list[dict[str, Any]]:
    """Return the stretches that hold anything: where each begins, counted from the price, and its USD."""
    held = np.flatnonzero(np.diff(np.concatenate([[0], usd > 0.0, [0]])))
    return [
        {"at": int(start), "usd": [round(float(x), 2) for x in usd[start:stop]]}
        for start, stop in held.reshape(-1, 2)
    ]


def _zones(h: Any, side: int, config: MethodConfig, p: Any) -> Iterator[dict[str, Any]]:
    ladder, width, sign = h["map"][side], config.heat_bin, heatmap.sign_of(side)
    here = float(h["here"][side])
    stop = heatmap_outputs.zone_stop(here, side, p)
    level = dense_level(ladder, stop, config.heat_zone_quantile)
    at = int(ladder["front"])
    _, usd = _usd(side, ladder, width)
    while True:
        first, beyond = next_zone(ladder, at, stop, level)
        if first >= stop:
            return
        ends = sorted((math.exp(sign * first * width), math.exp(sign * beyond * width)))
        start = first - int(ladder["front"])
        yield {
            "low": ends[0],
            "high": ends[1],
            "distance_pct": abs(math.expm1(sign * (first * width - here))) * 100.0,
            "usd": float(usd[start : start + beyond - first].sum(dtype=np.float64)),
            "share": float(usd[start : start + beyond - first].sum(dtype=np.float64) / usd.sum()),
        }
        at = beyond


def _side(h: Any, side: int, config: MethodConfig, p: Any) -> dict[str, Any]:
    ladder, width = h["map"][side], config.heat_bin
    if not ladder["started"]:
        return {"edge": None, "mass_coin": 0.0, "mean_age_s": None, "runs": [], "zones": []}
    bins, usd = _usd(side, ladder, width)
    known = math.isfinite(h["here"][side])
    return {
        "edge": math.exp(heatmap.sign_of(side) * int(bins[0]) * width),
        "mass_coin": float(ladder["total"] * ladder["scale"]),
        "mean_age_s": float(ladder["age_s"]),
        "runs": _runs(usd),
        "zones": list(_zones(h, side, config, p)) if known else [],
    }


def view(h: Any, level: Any, score: Any, config: MethodConfig, p: Any) -> dict[str, Any]:
    """Return both sides' bins and zones, the calibration of the level and what scores do not fit a reading.

    Side ``long`` lies below the price and its bin k covers prices from ``edge * exp(-k*width)`` down, side
    ``short`` from ``edge * exp(k*width)`` up. USD are the model's, not multiplied by phi.
    """
    warm = float(h["observed_s"]) >= 2.0 * config.heat_half_life_s
    pit = score["pit"] / max(float(score["pit"].sum()), 1e-300)
    return {
        "quality": quality_names(Quality.MODELLED | (0 if warm else Quality.WARMUP)),
        "bin_log_width": config.heat_bin,
        "long": _side(h, heatmap.LONG, config, p),
        "short": _side(h, heatmap.SHORT, config, p),
        "calibration": {
            "phi": number(heatmap_level.phi(level)),
            "standard_error": number(heatmap_level.phi_error(level)),
            "episodes": int(level["episodes"]),
            "calibrated": bool(heatmap_level.calibrated(level, p)),
        },
        "score": {
            "usd_slope": number(heatmap_score.usd_slope(score)),
            "pit_histogram": [float(x) for x in pit],
        },
    }
