"""Every input of the breakers and scores is the reading of its name, as soon as there is one."""

from typing import Any

import numpy as np
import pytest

from streams.breakers.inputs import INPUTS, NAMES, gather
from streams.state import READINGS, UNDERLYING

#: Which reading each input is; `{side}` is filled in.
OF = {
    "oi_drawdown": "oi_drawdown_14d", "oi_z": "oi_z", "stress": "funding_stress_{side}",
    "excess": "funding_excess_apr", "shrinkage": "burst_shrinkage_{side}",
    "relative": "burst_relative_{side}", "n_fast": "branching_fast_{side}",
    "n_fast_se": "branching_fast_se_{side}", "releverage": "oi_releverage_14d",
    "bursts": "recent_bursts_{side}", "forced_share": "forced_share_24h_{side}",
    "absorbed_flow": "absorbed_flow_{side}", "absorbed_flow_2": "absorbed_flow_2_{side}",
    "absorbed_price": "absorbed_price_{side}", "absorbed_price_2": "absorbed_price_2_{side}",
    "retracement": "retracement_120m_{side}", "premium": "coinbase_premium_bp",
    "spot_usd": "taker_net_usd_spot_4h", "perp_usd": "taker_net_usd_perp_4h",
    "spot_z": "taker_net_z_spot_4h", "vol_switch": "vol_switch", "vol_change": "vol_regime_change",
    "vol_ratio": "vol_expansion",
}  # fmt: skip


@pytest.fixture
def market() -> Any:
    """Return a record in which every reading is its own number."""
    u = np.zeros(1, UNDERLYING)[0]
    for k, (name, _, _) in enumerate(READINGS):
        u["readings"][name] = (float(k + 1), 0.001 * k, k % 512)
    return u


def expected(u: Any, name: str) -> tuple[float, float, int]:
    """Return a reading as it stands."""
    one = u["readings"][name]
    return float(one["value"]), float(one["coverage"]), int(one["quality"])


def same(a: Any, b: tuple[float, float, int]) -> bool:
    return np.array_equal([float(x) for x in a.tolist()], [float(x) for x in b], equal_nan=True)


@pytest.mark.parametrize(("side", "word"), [(0, "long"), (1, "short")])
def test_each_input_is_its_reading(market: Any, side: int, word: str) -> None:
    assert set(OF) == set(NAMES)
    market["burst"]["start_ns"] = [11, 12]
    market["burst_sizes"]["ends_ns"][:, 0] = [21, 22]
    i = np.zeros(1, INPUTS)[0]
    gather(i, market, side)
    for name, reading in OF.items():
        assert same(i[name], expected(market, reading.format(side=word))), name
    assert float(i["mirror"]) == (1.0, -1.0)[side]
    assert (int(i["burst_ns"]), int(i["burst_end_ns"])) == ((11, 21), (12, 22))[side]
