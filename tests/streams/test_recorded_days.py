"""Recorded days folded at their own resolution.

Readings are finite where there is something to read and NaN where not, of the right sign, equal to a plain
computation from the files, and no amount of coin ever inherits the price.
"""

import itertools
import math
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from streams.config import MethodConfig
from streams.engine import Engine
from streams.signals import Signal
from streams.state import READINGS
from tests.reference.log import reading
from tests.reference.recorded_days import HOUR_S, NAN, VENUES, Day, blocks, read

#: Hourly venues are held for more than an hour, and a heart that beats each bar is alive.
CONFIG = MethodConfig(oi_hold_s=4000.0, oi_fresh_floor_s=4000.0, heartbeat_stale_s=400.0)
CALM, SQUEEZE, CASCADE, CRASH, OLD = (
    "2025-12-20_calm", "2026-01-13_short_squeeze", "2026-02-05_cascade", "2025-10-10_crash",
    "2022-06-13_deleveraging",
)  # fmt: skip
WITH_OPEN_INTEREST = (CALM, SQUEEZE, CASCADE)
DAY_S = 86_400
NAMES = tuple(name for name, _, _ in READINGS)
#: What is measured in coin. Funding is not: venues weigh by their USD.
COIN = tuple(
    name for name in NAMES if name.startswith(("oi_change_", "oi_drawdown", "oi_z", "oi_coin"))
)
#: What nobody recorded: trades, estimates of funding, mid prices, throttled feeds.
ABSENT = (
    "opening_coin_1h", "closing_coin_24h", "churn_1h", "oi_to_adv", "funding_surprise_bp",
    "premium_bp", "throttle_model", "throttle_ratio", "funding_excess_apr_inverse",
)  # fmt: skip

Path_ = dict[str, np.ndarray]  # type: ignore[type-arg]
Bend = Callable[[int, float], float]


def fold(day: Day, coin: str, bend: Bend | None = None) -> tuple[Path_, list[Signal]]:
    """Return every reading after every bar, and all signals."""
    engine, rows, said = Engine(CONFIG), [], []
    for at, block in blocks(day, coin, bend) if bend else blocks(day, coin):
        said += engine.fold(block, at)
        rows.append([float(engine._underlyings[0]["readings"][name]["value"]) for name in NAMES])
    columns = np.array(rows).T
    return {name: columns[i] for i, name in enumerate(NAMES)}, said


@cache
def folded(folder: Path, coin: str = "BTC") -> tuple[Day, Path_, list[Signal]]:
    day = read(folder, coin)
    path, said = fold(day, coin)
    return day, path, said


def held(series: dict[int, float], seconds: list[int], hold_s: float = math.inf) -> np.ndarray:  # type: ignore[type-arg]
    """Return the last value at each second, NaN before the first and when it is too old."""
    out, last, last_at = [], NAN, -math.inf
    for at in seconds:
        if at in series:
            last, last_at = series[at], at
        out.append(last if at - last_at <= hold_s else NAN)
    return np.array(out)


@pytest.mark.parametrize("name", WITH_OPEN_INTEREST)
@pytest.mark.parametrize("coin", ["BTC", "ETH", "SOL"])
def test_readings_are_finite_where_there_is_something_to_read_and_nan_where_not(
    shared_data: Path, name: str, coin: str
) -> None:
    _, path, _ = folded(shared_data / "history" / name, coin)
    day_and_more = slice(300, None)
    for reading_name in (
        "price", "return_4h", "oi_coin", "oi_usd", "oi_z", "oi_change_1h", "oi_change_24h",
        "oi_flow_usd_24h", "oi_price_effect_usd_24h", "oi_drawdown_14d", "oi_to_mcap",
        "oi_to_mcap_rank_180d", "funding_apr", "funding_excess_apr", "funding_rank", "funding_spread_apr",
        "funding_hours_long", "funding_hours_short", "carry_settled_usd_24h", "carry_running_usd",
        "carry_drag_10x", "funding_stress_long",
    ):  # fmt: skip
        assert np.isfinite(path[reading_name][day_and_more]).all(), reading_name
    for reading_name in ABSENT:
        assert np.isnan(path[reading_name]).all(), reading_name
    week = path["oi_change_7d"]
    assert np.isnan(week[: 6 * 288]).all()
    assert np.isfinite(week[7 * 288 + 40 :]).all()
    for share in ("funding_rank", "oi_to_mcap_rank_180d", "funding_stress_long"):
        known = path[share][~np.isnan(path[share])]
        assert ((known >= 0.0) & (known <= 1.0)).all(), share
    assert (path["oi_drawdown_14d"][day_and_more] <= 1e-12).all()


@pytest.mark.parametrize("name", [CRASH, OLD])
def test_without_open_interest_nothing_is_made_of_it(shared_data: Path, name: str) -> None:
    day = read(shared_data / "history" / name, "BTC")
    if not day.close:  # an OKX-only folder
        assert name == OLD
        return
    path, said = fold(day, "BTC")
    for reading_name in NAMES:
        if reading_name.startswith(("oi_", "carry_settled", "carry_running", "opening", "closing")):
            assert np.isnan(path[reading_name]).all(), reading_name
    fall = path["return_4h"][300:].min()
    assert fall < -0.08  # 2025-10-10, 21:20 UTC
    assert path["price"][300:].min() == min(day.close[s] for s in day.seconds[300:])
    assert not [s for s in said if s.name in ("BURST", "CASCADE") or s.status == "CASCADE"]


@pytest.mark.parametrize("name", WITH_OPEN_INTEREST)
def test_open_interest_equals_the_files(shared_data: Path, name: str) -> None:
    day, path, _ = folded(shared_data / "history" / name)
    own = {v: held(day.coin[v], day.seconds, 4000.0) for v in VENUES if day.coin[v]}
    total = sum(np.nan_to_num(q) for q in own.values())
    assert path["oi_coin"][1:] == pytest.approx(total[1:], rel=1e-12)
    for window, bars in (("1h", 12), ("4h", 48), ("24h", 288)):
        then = {v: np.concatenate([np.full(bars, NAN), q[:-bars]]) for v, q in own.items()}
        both = {v: ~np.isnan(own[v]) & ~np.isnan(then[v]) for v in own}
        old = sum(np.where(both[v], then[v], 0.0) for v in own)
        gained = sum(np.where(both[v], own[v] - then[v], 0.0) for v in own)
        expected = gained[bars + 20 :] / old[bars + 20 :]
        assert path[f"oi_change_{window}"][bars + 20 :] == pytest.approx(
            expected, rel=1e-6, abs=1e-9
        )
    change = path["oi_flow_usd_24h"] + path["oi_price_effect_usd_24h"]
    total = np.zeros(len(day.seconds))
    place = {t: i for i, t in enumerate(day.seconds)}
    for (
        venue
    ) in own:  # over a gap nothing is known to have flowed, and a venue that begins brings nothing
        samples = sorted(t for t in day.coin[venue] if t in place)
        for before, t in itertools.pairwise(samples):
            if t - before <= CONFIG.oi_hold_s:
                usd = [day.coin[venue][x] * day.close[x] for x in (before, t)]
                total[place[t] :] += usd[1] - usd[0]
    expected = total[288:] - total[:-288]
    assert change[320:] == pytest.approx(expected[32:], rel=1e-6, abs=50.0)


@pytest.mark.parametrize("name", WITH_OPEN_INTEREST)
def test_funding_equals_a_plain_computation(shared_data: Path, name: str) -> None:
    day, path, _ = folded(shared_data / "history" / name)
    rates = {v: held(day.funding[v], day.seconds, 2 * every - 1) for v, every in VENUES.items()}
    aprs = {v: rates[v] * 8760 * HOUR_S / VENUES[v] for v in VENUES}
    known = np.array([np.where(np.isnan(x), math.inf, x) for x in aprs.values()])
    low = known.min(axis=0)
    high = np.where(np.isinf(known), -math.inf, known).max(axis=0)
    got = path["funding_apr"]
    rated = ~np.isnan(got)
    assert rated[100:].all()  # Binance, most of the weight, first settles at 08:00
    assert (got[rated] >= low[rated] - 1e-12).all()
    assert (got[rated] <= high[rated] + 1e-12).all()
    assert np.corrcoef(got[300:], aprs["binance"][300:])[0, 1] > 0.5
    assert path["funding_spread_apr"][100:] == pytest.approx((high - low)[100:], rel=1e-9)
    assert path["funding_excess_apr"][100:] == pytest.approx(got[100:] - 0.1095, abs=1e-12)
    assert path["carry_drag_10x"][100:] == pytest.approx(10.0 * got[100:])


@pytest.mark.parametrize("name", WITH_OPEN_INTEREST)
def test_carry_is_the_sum_of_all_settlements(shared_data: Path, name: str) -> None:
    day, path, _ = folded(shared_data / "history" / name)
    coin = {v: held(day.coin[v], day.seconds, 4000.0) for v in VENUES if day.coin[v]}
    place = {at: i for i, at in enumerate(day.seconds)}
    for at in range(day.seconds[0] + 2 * DAY_S, day.seconds[-1], 7 * HOUR_S):
        expected = 0.0
        for venue, quantities in coin.items():
            for t, rate in day.funding[venue].items():
                if (at // HOUR_S - 23) * HOUR_S <= t <= at and t in place:
                    expected += rate * quantities[place[t]] * day.close[t]
        got = path["carry_settled_usd_24h"][place[at // 300 * 300]]
        assert got == pytest.approx(expected, rel=0.02, abs=5e3)


@pytest.mark.parametrize("name", WITH_OPEN_INTEREST)
def test_no_coin_amount_inherits_the_price(shared_data: Path, name: str) -> None:
    """Prices bent by a factor that changes at every bar leave all that is measured in coin as it was."""
    day, path, _ = folded(shared_data / "history" / name)
    rng, factor = random.Random(5), 1.0
    factors = {}
    for at in day.seconds:
        factor *= math.exp(rng.gauss(0.0, 0.01))
        factors[at] = factor
    bent, _ = fold(day, "BTC", lambda at, price: price * factors[at])
    assert not np.allclose(bent["oi_usd"][300:], path["oi_usd"][300:], rtol=0.01)
    for reading_name in COIN:
        a, b = path[reading_name], bent[reading_name]
        np.testing.assert_allclose(b[1:], a[1:], rtol=1e-6, atol=1e-9, err_msg=reading_name)


@pytest.mark.parametrize("name", WITH_OPEN_INTEREST)
def test_one_factor_on_all_prices_changes_no_share_and_scales_all_usd(
    shared_data: Path, name: str
) -> None:
    day, path, said = folded(shared_data / "history" / name)
    scaled, also_said = fold(day, "BTC", lambda _, price: 4.0 * price)
    for reading_name in NAMES:
        a, b = path[reading_name], scaled[reading_name]
        unit = next(u for n, u, _ in READINGS if n == reading_name)
        if reading_name.startswith(
            ("oi_", "funding_", "carry_", "persist_", "return_", "crowding", "quadrant")
        ):
            times, cents = (4.0, 20.0) if unit == "USD" else (1.0, 1e-9)
            np.testing.assert_allclose(b, times * a, rtol=1e-6, atol=cents, err_msg=reading_name)
    assert [(s.kind, s.status) for s in said] == [(s.kind, s.status) for s in also_said]


def test_the_cascade_of_february_closes_positions_and_forces_longs(shared_data: Path) -> None:
    day, path, _ = folded(shared_data / "history" / CASCADE)
    place = {at: i for i, at in enumerate(day.seconds)}
    at = place[1_770_337_200]  # 2026-02-06 00:20 UTC, the low, in one of the two worst hours
    assert path["return_4h"][at] < -0.05
    assert path["oi_change_4h"][at] < -0.02
    assert path["liquidated_usd_raw_24h_long"][at] > 2.0 * path["liquidated_usd_raw_24h_short"][at]
    at = place[1_770_361_200]  # 07:00
    assert path["oi_change_24h"][at] < -0.05
    assert path["oi_drawdown_14d"][at] < -0.07
    assert path["oi_flow_usd_24h"][at] < -4e8
    assert path["oi_price_effect_usd_24h"][at] < -4e8


def test_the_squeeze_of_january_forces_shorts_and_closes_positions(shared_data: Path) -> None:
    day, path, _ = folded(shared_data / "history" / SQUEEZE)
    place = {at: i for i, at in enumerate(day.seconds)}
    at = place[1_768_345_200]  # 2026-01-13 23:00 UTC, an hour after
    assert path["return_4h"][at] > 0.01
    assert path["oi_change_1h"][at] < -0.02
    assert path["liquidated_usd_raw_24h_short"][at] > 3.0 * path["liquidated_usd_raw_24h_long"][at]


def test_calm_days_raise_no_alarm(shared_data: Path) -> None:
    _, path, said = folded(shared_data / "history" / CALM)
    assert not [s for s in said if s.kind == "burst"]
    assert not {s.status for s in said} & {"CASCADE", "FLUSHED"}
    assert path["burst_long"][300:].max() == 0.0
    assert path["oi_drawdown_14d"][300:].min() > -0.15


def test_the_last_state_is_readable(shared_data: Path) -> None:
    day = read(shared_data / "history" / CALM, "BTC")
    engine = Engine(CONFIG)
    for at, block in blocks(day, "BTC"):
        engine.fold(block, at)
    state = engine.state("BTC")
    assert set(state["venues"]) == set(VENUES)
    assert state["funding"]["highest"]["apr"] >= state["funding"]["lowest"]["apr"]
    assert reading(engine, "oi_to_mcap") == pytest.approx(
        reading(engine, "oi_coin") / 19.97e6, rel=0.01
    )
