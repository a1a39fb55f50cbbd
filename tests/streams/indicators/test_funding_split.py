"""Funding apart: by margin, by contract, and for how long."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.engine import Engine
from streams.events import Flag
from streams.indicators.funding_split import UNDERLYING, hours
from tests.reference.log import Contract, Log, play, reading

LINEAR, SMALL = Contract("alpha", "BTC"), Contract("beta", "BTC")
INVERSE = Contract("gamma", "BTC", inverse=True)
NEUTRAL = 0.1095


class Market:
    """Contracts with fixed open interest."""

    def __init__(self, usd: dict[Contract, float]) -> None:
        self.engine, self.log, self.usd = Engine(), Log(), usd
        for c in usd:
            self.log.announce(c)

    def second(self, t: int, rates: dict[Contract, float], flags: int = 0) -> None:
        """Write rates and open interest, then tick."""
        self.log.at(t - 0.5)
        for c, rate in rates.items():
            self.log.funding(c, rate, flags=flags)
        for c, usd in self.usd.items():
            self.log.open_interest(c, usd / 100.0, usd, 100.0)
        self.log.at(t).heartbeat(next(iter(self.usd)))
        play(self.engine, self.log)


def test_classes_and_spread_are_their_definitions() -> None:
    m = Market({LINEAR: 6e8, SMALL: 2e8, INVERSE: 1e8})
    rates = {LINEAR: 1e-4, SMALL: 3e-4, INVERSE: -2e-4}
    m.second(1, rates)
    m.second(2, rates)
    linear = (6 * 0.1095 + 2 * 0.3285) / 8 - NEUTRAL
    assert reading(m.engine, "funding_excess_apr_linear") == pytest.approx(linear, rel=1e-12)
    assert reading(m.engine, "funding_excess_apr_inverse") == pytest.approx(
        -0.219 - NEUTRAL, rel=1e-12
    )
    assert reading(m.engine, "funding_spread_apr") == pytest.approx(0.3285 + 0.219, rel=1e-12)
    both = reading(m.engine, "funding_excess_apr")
    assert both == pytest.approx((8 * linear + (-0.219 - NEUTRAL)) / 9, rel=1e-12)
    ends = m.engine.state("BTC")["funding"]
    assert (ends["highest"]["venue"], ends["lowest"]["venue"]) == ("beta", "gamma")
    assert (ends["highest"]["kind"], ends["lowest"]["kind"]) == ("linear", "inverse")
    assert ends["highest"]["apr"] - ends["lowest"]["apr"] == reading(m.engine, "funding_spread_apr")


def test_what_is_not_there_is_unknown() -> None:
    m = Market({LINEAR: 6e8, SMALL: 2e8})
    m.second(1, {})
    m.second(2, {})
    for name in (
        "funding_excess_apr_linear",
        "funding_excess_apr_inverse",
        "funding_spread_apr",
        "funding_hours_long",
    ):
        assert math.isnan(reading(m.engine, name))
    assert m.engine.state("BTC")["funding"] is None
    m.second(3, {LINEAR: 1e-4})
    m.second(4, {})
    assert math.isnan(reading(m.engine, "funding_excess_apr_inverse"))
    assert reading(m.engine, "funding_spread_apr") == 0.0
    quality = m.engine.state("BTC")["readings"]["funding_excess_apr_linear"]["quality"]
    assert quality == ["PARTIAL_COVERAGE"]


def test_what_was_settled_is_no_level_where_estimates_come() -> None:
    m = Market({LINEAR: 1e9})
    m.second(1, {LINEAR: 5e-4}, Flag.SETTLED)
    m.second(2, {})
    assert reading(m.engine, "funding_apr") == pytest.approx(5e-4 * 1095)
    m.second(3, {LINEAR: 1e-4}, Flag.PREDICTED)
    m.second(4, {LINEAR: 7e-4}, Flag.SETTLED)
    m.second(5, {})
    assert reading(m.engine, "funding_apr") == pytest.approx(1e-4 * 1095)
    m.second(17 * 3600, {LINEAR: 7e-4}, Flag.SETTLED)  # no estimate for more than two intervals
    m.second(17 * 3600 + 1, {})
    assert reading(m.engine, "funding_apr") == pytest.approx(7e-4 * 1095)


class SlowHours:
    """Keeps all of the past and counts from its start each time."""

    def __init__(self) -> None:
        self.steps: list[tuple[float, float]] = []  # seconds until this value, value

    def hours(self, sign: float, enter: float, leave: float) -> float:
        """Return the hours in a row above the limit, of one side."""
        on, seconds, before = False, 0.0, math.nan
        for dt, x in self.steps:
            if on and before == before:
                seconds += dt
            if sign * x > enter:
                on = True
            elif sign * x <= leave:
                on, seconds = False, 0.0
            before = x
        return seconds / 3600.0


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(1.0, 1e5),
            st.one_of(
                st.just(math.nan),
                st.sampled_from([-0.2, -0.1, -0.08, -0.07, 0.0, 0.05, 0.07, 0.09, 0.11]),
            ),
        ),
        max_size=40,
    )
)
def test_hours_equal_counting_from_the_start_and_sides_are_mirrored(
    steps: list[tuple[float, float]],
) -> None:
    (u, v), slow = (np.zeros(1, UNDERLYING)[0] for _ in range(2)), SlowHours()
    for dt, x in steps:
        hours(u, x, dt, 0.10, 0.07)
        hours(v, -x, dt, 0.10, 0.07)
        slow.steps.append((dt, x))
        expected = [slow.hours(sign, 0.10, 0.07) for sign in (1.0, -1.0)]
        assert [float(s) / 3600.0 for s in u["seconds"]] == pytest.approx(expected, rel=1e-12)
        assert u["seconds"].tolist() == v["seconds"].tolist()[::-1]


def test_hours_run_from_ten_points_to_seven() -> None:
    m, told = Market({LINEAR: 1e9}), []
    for t, excess in enumerate([0.05, 0.11, 0.08, 0.071, 0.069, 0.09, -0.11, -0.06], 1):
        m.second(t * 3600, {LINEAR: (excess + NEUTRAL) / 1095.0})
        m.second(t * 3600 + 1, {})
        told.append(
            (reading(m.engine, "funding_hours_long"), reading(m.engine, "funding_hours_short"))
        )
    long = [0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 0.0]
    assert [x for x, _ in told] == pytest.approx(long, abs=1e-3)
    assert [x for _, x in told] == pytest.approx([0.0] * 8, abs=1e-3)
