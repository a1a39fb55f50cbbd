"""What the engine remembers: one record a contract, one an underlying, composed from the indicators.

A new indicator adds its part here and its kernels' calls in `streams.evaluate`: nothing else knows of it.
All fields are 8 bytes wide, but for rows of an even number of float32: records have no padding and their
bytes are their state. What a row of the log touches stands at a contract's beginning, within four cache
lines; the long rings are at ends, see `make bench`.
"""

from typing import Any

import numpy as np

from streams import conclude
from streams.breakers import inputs, laps, leverage_reset, machine, spot_absorption, vol_regime
from streams.config import MethodConfig
from streams.groups import GROUPS
from streams.indicators import (
    absorption,
    branching,
    branching_fit,
    burst_record,
    burst_sizes,
    bursts,
    carry,
    cascade,
    crowding,
    deleveraging,
    flow_outputs,
    flows,
    fragility,
    funding,
    funding_split,
    gates,
    groups,
    heatmap,
    heatmap_level,
    heatmap_outputs,
    heatmap_score,
    impact,
    information,
    lead_lag,
    leverage,
    liquidations,
    open_interest,
    premia,
    price,
    quadrant,
    releverage,
    throttling,
    trade_paths,
    turnover,
    volatility,
    volatility_regime,
)
from streams.readings import VALUE
from streams.told import TOLD

MAX_CONTRACTS = funding.MAX_VENUES  # of one underlying
MAX_ASIDE = 24  # spot markets and regulated futures of one underlying

#: Every published reading: name, unit, what it is.
READINGS: tuple[tuple[str, str, str], ...] = (
    *price.READINGS,
    *open_interest.READINGS,
    *deleveraging.READINGS,
    *turnover.READINGS,
    *leverage.READINGS,
    *funding.READINGS,
    *funding_split.READINGS,
    *carry.READINGS,
    *liquidations.READINGS,
    *throttling.READINGS,
    *cascade.READINGS,
    *branching.READINGS,
    *bursts.READINGS,
    *quadrant.READINGS,
    *flow_outputs.READINGS,
    *premia.READINGS,
    *groups.READINGS,
    *volatility.READINGS,
    *volatility_regime.READINGS,
    *impact.READINGS,
    *absorption.READINGS,
    *trade_paths.READINGS,
    *lead_lag.READINGS,
    *information.READINGS,
    *heatmap_outputs.READINGS,
    *releverage.READINGS,
    *burst_sizes.READINGS,
    *crowding.READINGS,
    *fragility.READINGS,
    *machine.READINGS,
    *laps.READINGS,
    *conclude.READINGS,
)

FEED = np.dtype([
    ("channels", "i8"), ("heartbeat_ns", "i8"), ("inverse", "i8"),
    ("aside", "i8"), ("group", "i8"), ("venue", "i8"),  # see streams.groups
    ("quote", "i8"),  # see streams.events
])  # fmt: skip
CONTRACT = np.dtype([
    ("feed", FEED),
    ("price", price.CONTRACT),
    ("gates", gates.CONTRACT),
    ("heat", heatmap.CONTRACT),
    ("funding", funding.CONTRACT),
    ("liquidations", liquidations.CONTRACT),
    ("throttling", throttling.CONTRACT),
    ("flows", flows.CONTRACT),
    ("path", trade_paths.CONTRACT),
    ("carry", carry.CONTRACT),
    ("turnover", turnover.CONTRACT),
    ("deleveraging", deleveraging.CONTRACT),
    ("open_interest", open_interest.CONTRACT),  # its path at the end
])  # fmt: skip
UNDERLYING = np.dtype([
    ("origin_ns", "i8"), ("time_ns", "i8"), ("tick_ns", "i8"), ("live", "i8"), ("sequence", "i8"),
    ("feeds", "i8"), ("feeds_said", "i8"), ("feeds_ns", "i8"), ("trigger_ns", "i8"),
    ("feeds_told", TOLD),
    ("taker_usd", "f8", (GROUPS, 2)),  # cumulative; by group, then bought and sold by takers
    ("price", price.UNDERLYING),
    ("open_interest", open_interest.UNDERLYING),
    ("deleveraging", deleveraging.UNDERLYING),
    ("turnover", turnover.UNDERLYING),
    ("leverage", leverage.UNDERLYING),
    ("funding", funding.UNDERLYING),
    ("funding_split", funding_split.UNDERLYING),
    ("carry", carry.UNDERLYING),
    ("liquidations", liquidations.UNDERLYING),
    ("cascade", cascade.UNDERLYING),
    ("branching", branching_fit.UNDERLYING),
    ("burst", bursts.BURST, (2,)),
    ("quadrant", quadrant.UNDERLYING),
    ("flows", flows.UNDERLYING),
    ("premia", premia.UNDERLYING),
    ("groups", groups.UNDERLYING),
    ("volatility", volatility.UNDERLYING),
    ("volatility_regime", volatility_regime.UNDERLYING),
    ("impact", impact.UNDERLYING),
    ("absorption", absorption.UNDERLYING),
    ("paths", trade_paths.UNDERLYING),
    ("lead_lag", lead_lag.UNDERLYING),
    ("information", information.UNDERLYING),
    ("heat", heatmap.UNDERLYING),
    ("heat_level", heatmap_level.LEVEL),
    ("heat_score", heatmap_score.SCORE),
    ("levels", releverage.LEVELS),
    ("burst_record", burst_record.RECORD, (2,)),
    ("burst_sizes", burst_sizes.SIZES, (2,)),
    ("fragility", fragility.RANKS, (2,)),
    ("inputs", inputs.INPUTS), ("looked_ns", "i8"),  # of the breakers
    ("leverage_reset", leverage_reset.BREAKER, (2,)),
    ("spot_absorption", spot_absorption.BREAKER, (2,)),
    ("vol_regime_breaker", vol_regime.BREAKER),
    ("machine", machine.MACHINE, (2,)),
    ("laps", laps.LAPS, (2,)),
    ("readings", np.dtype([(name, VALUE) for name, _, _ in READINGS])),
])  # fmt: skip
COUNTS = np.dtype([
    ("rows", "i8"), ("late", "i8"), ("unknown_instrument", "i8"), ("unknown_kind", "i8"),
    ("out_of_range", "i8"), ("oi_without_mark", "i8"), ("old_news", "i8"),
    ("backfill_ignored", "i8"), ("backfill_rows", "i8"), ("ticks", "i8"),
    ("oi_usd_mismatch", "i8"), ("oi_volume_violation", "i8"),
])  # fmt: skip


def _param_fields(config: MethodConfig) -> list[tuple[str, str] | tuple[str, str, tuple[int]]]:
    values = {name: getattr(config, name) for name in config.__struct_fields__}
    return [
        (name, "f8", (len(value),)) if isinstance(value, tuple) else (name, "f8")
        for name, value in values.items()
    ]


#: One object for all engines: numba knows a type again at once only if it is the same object.
PARAMS = np.dtype(_param_fields(MethodConfig()))


def params(config: MethodConfig) -> Any:
    """Return the configuration as a record that kernels read under the same names."""
    record = np.zeros(1, PARAMS)
    for name in config.__struct_fields__:
        record[name] = getattr(config, name)
    return record[0]


def excitation(config: MethodConfig) -> Any:
    """Return the configured branching array ``n[target, source, component]``, events per event."""
    n = np.zeros((2, 4, 3))
    cascade.fill_excitation(n, params(config))
    return n
