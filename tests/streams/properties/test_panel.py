"""Open interest: flow and price effect add up, and venues that come and go change nothing (rows 5, 7)."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.config import MethodConfig
from streams.engine import Engine
from streams.indicators.open_interest import coin_flow_usd
from tests.reference.log import Contract, Log, play, reading
from tests.truth import Truth

POSITIVE = st.floats(1e-3, 1e6)
LINEAR, INVERSE, THIRD = (
    Contract("alpha", "BTC"),
    Contract("beta", "BTC", inverse=True),
    Contract("gamma", "BTC"),
)


@given(q0=POSITIVE, q1=POSITIVE, p0=POSITIVE, p1=POSITIVE)
def test_flow_is_the_change_less_the_midpoint_price_effect(
    truth: Truth, q0: float, q1: float, p0: float, p1: float
) -> None:
    u0, u1 = q0 * p0, q1 * p1
    flow, effect = coin_flow_usd(q0, u0, p0, q1, u1, p1, False), 0.5 * (q0 + q1) * (p1 - p0)
    size = max(abs(flow), abs(effect), u0, u1)
    off = (flow + effect - (u1 - u0)) / size
    truth(5, "flow and price effect less the change of USD", off, 1e-12)


@settings(max_examples=25, deadline=None)
@given(
    up=st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=80, max_size=80),
    powers=st.lists(st.integers(-3, 3), min_size=80, max_size=80),
)
def test_venues_that_come_and_go_change_nothing_at_all(
    truth: Truth, up: list[tuple[bool, bool, bool]], powers: list[int]
) -> None:
    """Prices are powers of two, so that nothing is rounded."""
    engine, log = Engine(MethodConfig(oi_fresh_floor_s=4.0, oi_panel_coverage=0.0)), Log()
    for c in (LINEAR, INVERSE, THIRD):
        log.announce(c)
    worst = 0.0
    for t, (alive, power) in enumerate(zip(up, powers, strict=True), 1):
        price = 1024.0 * 2.0**power
        log.at(t - 0.5)
        for c, is_up in zip((LINEAR, INVERSE, THIRD), alive, strict=True):
            coin = 2.0**22 / price if c.inverse else 70.0
            if is_up:
                log.open_interest(c, coin, coin * price, price)
        log.at(t).heartbeat(LINEAR)
        play(engine, log)
        change = reading(engine, "oi_change_1m")
        worst = max(worst, 0.0 if math.isnan(change) else abs(change))
    truth(7, "change of a flat market whose venues come and go", worst, 0)
    chained = engine._underlyings[0]["open_interest"]["log_oi"]
    truth(7, "its chained ln(OI)", chained, 0)
