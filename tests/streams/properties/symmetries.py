"""How every reading changes when the market is scaled, or mirrored. The first line that fits a name counts.

`power`: with all prices and USD times c, the reading is c**power times what it was. `mirror`: with the
logarithm of every price reflected, sides swapped and funding negated, what it is then:

    SAME, NEGATED, COMPLEMENT (1 - x), INVERSE (1 / x), RECIPROCAL (the square of the mirror's price over x),
    LABEL (of quadrants), SWAPPED (the other side's), or SWAPPED_RECIPROCAL (both)

`near`: how exact that is, relative to the largest value the reading takes. Mirroring is exact for what is
made of log prices, rates and USD of trades. Open interest is coin for some venues and USD for others, and a
mirror cannot keep both: what weighs by USD is right to the price's own move. The heatmap's two sides are no
mirror images themselves: a long's liquidation price is further away in ln price than a short's.

A reading without a line fails the test. Add one: what does a trader see if dollars are called cents, and if
up is called down?
"""

import math
import re
from enum import Enum, auto
from typing import NamedTuple

from streams.indicators.quadrant import Quadrant
from streams.state import READINGS


class Mirror(Enum):
    """What a reading becomes in a mirrored market."""

    SAME = auto()
    NEGATED = auto()
    COMPLEMENT = auto()
    INVERSE = auto()
    RECIPROCAL = auto()
    LABEL = auto()
    SWAPPED = auto()
    SWAPPED_RECIPROCAL = auto()


SAME, NEGATED, COMPLEMENT = Mirror.SAME, Mirror.NEGATED, Mirror.COMPLEMENT
RECIPROCAL, INVERSE, LABEL = Mirror.RECIPROCAL, Mirror.INVERSE, Mirror.LABEL
SWAPPED, SWAPPED_RECIPROCAL = Mirror.SWAPPED, Mirror.SWAPPED_RECIPROCAL
EXACT, BY_WEIGHT, BY_SHAPE, NOT = 1e-6, 2e-2, 0.3, math.inf


class Line(NamedTuple):
    """How readings whose names fit change."""

    names: str
    power: int
    mirror: Mirror
    near: float = BY_WEIGHT


S, W = r"(long|short)", r"\d+[smhd]"
TABLE = (
    # price and what it did
    Line(r"price", 1, RECIPROCAL),
    Line(rf"return_{W}", 0, NEGATED, EXACT),
    Line(rf"quadrant_{W}", 0, LABEL),
    Line(rf"quadrant_p_{W}", 0, SAME),
    Line(r"realised_vol_.*|jump_share_.*|vol_.*", 0, SAME, EXACT),
    # open interest
    Line(r"oi_coin", 0, SAME),
    Line(r"oi_usd", 1, SAME),
    Line(rf"oi_flow_usd_{W}", 1, SAME),
    Line(rf"oi_price_effect_usd_{W}", 1, NEGATED),
    Line(rf"oi_change_{W}(_sigma)?|oi_z|oi_drawdown_{W}", 0, SAME),
    Line(rf"oi_drop_{S}", 0, SWAPPED, BY_SHAPE),  # since the highest of two like peaks
    Line(r"oi_releverage_\w+", 0, SAME),
    Line(r"oi_to_(mcap|adv)(_rank_\w+)?", 0, SAME),
    Line(r"(opening|closing)_coin_.*|churn_.*", 0, SAME),
    Line(r"(oi|volume)_share_.*", 0, SAME),
    # funding
    Line(r"funding_(dispersion|spread)_apr", 0, SAME),
    Line(r"funding_(apr|excess_apr(_linear|_inverse)?|median_apr|excess_median_30d|surprise_bp)", 0, NEGATED),
    Line(r"premium_(8h_)?bp", 0, NEGATED),
    Line(r"(funding|premium)_rank", 0, COMPLEMENT),
    Line(rf"(persist|funding_stress|funding_hours)_{S}", 0, SWAPPED),
    Line(r"carry_drag_10x", 0, NEGATED),
    Line(r"carry_.*", 1, NEGATED),
    # taker flows, spot and regulated markets
    Line(r"(taker_net|cvd)_usd_.*", 1, NEGATED),
    Line(r"taker_imbalance_.*", 0, NEGATED),
    Line(r"usdt_usd", 0, INVERSE),
    Line(r"trade_delay_.*", 0, SAME, EXACT),
    Line(r"taker_net_z_.*|coinbase_premium_bp|basis_.*", 0, NEGATED),
    Line(r"volume_usd_.*", 1, SAME),
    Line(r"perp_share_.*|reflexivity|spot_information_share(_se)?|lead_lag_ratio|perp_leads", 0, SAME),
    Line(rf"kappa_(base_)?(se_)?{S}", -1, SWAPPED),
    Line(rf"impact_root_(se_)?{S}", 0, SWAPPED),
    Line(r"impact_.*", -1, SAME),
    Line(rf"(absorbed|retracement)_.*_{S}", 0, SWAPPED),
    # forced orders
    Line(rf"liquidated_usd_.*_{S}", 1, SWAPPED, EXACT),
    Line(r"throttle_model", 0, SAME, EXACT),
    Line(r"throttle_ratio", 0, SAME),
    Line(rf"(liquidation|cascade|intensity)_\w*{S}", 0, SWAPPED),
    Line(rf"(branching|price_gain|p_supercritical)_\w*{S}", 0, SWAPPED, 1e-4),
    Line(rf"loop_gain_\w*{S}", 0, SWAPPED),
    Line(r"branching_radius(_se)?", 0, SAME, 1e-4),
    Line(rf"burst_(shrinkage_|relative_)?{S}|recent_bursts_{S}|forced_share_{W}_{S}", 0, SWAPPED),
    # heatmap
    Line(rf"(fuel_rank_{W}|near_dense_zone)_{S}", 0, SWAPPED, BY_SHAPE),
    Line(r"risk_usd_.*|fuel_.*|zone_usd_.*", 1, SWAPPED, BY_SHAPE),
    Line(r"zone_(low|high)_.*", 1, SWAPPED_RECIPROCAL, BY_SHAPE),
    Line(r"zone_.*", 0, SWAPPED, BY_SHAPE),
    Line(r"heatmap_asymmetry", 0, NEGATED, BY_SHAPE),
    Line(r"heatmap_(phi|phi_se|episodes)", 0, SAME, NOT),  # of what price just reached, or just not
    Line(r"heatmap_.*", 0, SAME, BY_SHAPE),
    Line(rf"r0_{S}", 0, SWAPPED, BY_SHAPE),
    # machines
    Line(rf"(crowding|fragility|fragile_underneath|absorption_rank_{W}|laps_{W}|lap_\w+)_{S}", 0, SWAPPED),
    Line(rf"breaker_\w+_{S}", 0, SWAPPED),
    Line(r"breaker_vol_regime", 0, SAME),
)  # fmt: skip

OTHERS = {
    "long": "short", "short": "long", "below": "above", "above": "below",
}  # fmt: skip
ENDS = {"low": "high", "high": "low"}
LABELS = {
    Quadrant.NEW_LONGS: Quadrant.NEW_SHORTS,
    Quadrant.SHORT_COVERING: Quadrant.LONG_CLOSING,
    Quadrant.SHORT_SQUEEZE: Quadrant.LONG_FLUSH,
    Quadrant.PRICE_UP_OI_FLAT: Quadrant.PRICE_DOWN_OI_FLAT,
    Quadrant.SPOT_LED: Quadrant.SPOT_LED_DOWN,
    Quadrant.PASSIVE_LONGS: Quadrant.PASSIVE_SHORTS,
}
LABELS |= {b: a for a, b in LABELS.items()}
#: Labels that say more of one direction only: a mirrored market knows the plain one.
PLAIN = {"FRAGILE_UNDERNEATH": "PRICE_DOWN_OI_FLAT"}
#: Ratios of sums that are kept in whole cents, or of impact per million: not the same to the last bit.
ROUNDED = re.compile(
    r"oi_to_adv.*|taker_.*|(perp|volume|forced)_share_.*|impact_root_.*|loop_gain_.*|throttle_ratio|absorbed_.*"
)


def line_of(name: str) -> Line:
    """Return how a reading changes.

    Raises:
        LookupError: nobody has said it.
    """
    for line in TABLE:
        if re.fullmatch(line.names, name):
            return line
    raise LookupError(
        f"reading {name!r} has no line in tests/streams/properties/symmetries.py: say by which power of the "
        "price it scales, and what it becomes in a mirrored market"
    )


def partner(name: str) -> str:
    """Return the reading whose value a mirrored market shows under `name`."""
    line = line_of(name)
    if line.mirror not in {SWAPPED, SWAPPED_RECIPROCAL}:
        return name
    swap = OTHERS | (ENDS if line.mirror is SWAPPED_RECIPROCAL else {})
    return "_".join(swap.get(word, word) for word in name.split("_"))


def plain(x: float) -> float:
    """Return a label without what is said of one direction only."""
    if math.isnan(x):
        return x
    name = Quadrant(int(x)).name
    return float(Quadrant[PLAIN.get(name, name)])


def reflected(mirror: Mirror, x: float, square: float) -> float:
    """Return what a value becomes; `square` is that of the price the mirror stands at."""
    if math.isnan(x):
        return x
    if mirror is NEGATED:
        return -x
    if mirror is COMPLEMENT:
        return 1.0 - x
    if mirror is INVERSE:
        return 1.0 / x
    if mirror in {RECIPROCAL, SWAPPED_RECIPROCAL}:
        return square / x
    if mirror is LABEL:
        label = Quadrant(int(plain(x)))
        return float(LABELS.get(label, label))
    return x


NAMES = tuple(name for name, _, _ in READINGS)
UNITS = {name: unit for name, unit, _ in READINGS}
