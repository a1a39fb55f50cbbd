"""What longs pay, settlement by settlement, against the payments written out."""

import math
import random

import pytest

from streams.config import MethodConfig
from streams.engine import Engine
from streams.events import Flag
from streams.indicators import carry
from tests.reference.indicators.carry import Payments, accrued
from tests.reference.log import Contract, Log, S, play, reading
from tests.truth import Truth

A, B = Contract("alpha", "BTC"), Contract("beta", "BTC")
HOURLY = Contract("gamma", "BTC", interval_s=3600)
H8, DAY, WEEK = 8 * 3600, 86_400, 7 * 86_400
PREDICTED, SETTLED = Flag.PREDICTED, Flag.SETTLED
CONFIG = MethodConfig(oi_fresh_floor_s=600.0)


class Market:
    """Contracts with constant open interest that is repeated every `step` seconds."""

    def __init__(self, usd: dict[Contract, float], config: MethodConfig = CONFIG) -> None:
        self.engine, self.log, self.usd = Engine(config), Log(), usd
        for c in usd:
            self.log.announce(c)

    def fund(
        self, c: Contract, t: float, rate: float, *, next_s: float = 0.0, flags: int = PREDICTED
    ) -> None:
        """Write a funding row of second `t` for a settlement at `next_s`, 0 where the venue does not say."""
        self.log.at(t)
        next_ns = self.log.start_ns + round(next_s * S) if next_s else 0
        self.log._buffer.funding(
            flags, c.id, self.log.now_ns, self.log.now_ns, rate, c.interval_s * S, next_ns
        )

    def tick(self, t: float) -> None:
        """Repeat the open interest a moment before `t`, and tick."""
        self.log.at(t - 0.5)
        for c, usd in self.usd.items():
            self.log.open_interest(c, usd / 100.0, usd, 100.0)
        self.log.at(t).heartbeat(next(iter(self.usd)))
        play(self.engine, self.log)

    def quality(self, name: str) -> list[str]:
        """Return a reading's flags."""
        return list(self.engine.state("BTC")["readings"][name]["quality"])


def test_ten_billion_at_the_neutral_rate_pay_21_million_a_week(truth: Truth) -> None:
    m = Market({A: 10e9})
    for t in range(300, WEEK + DAY + 301, 300):
        m.fund(A, t - 200, 1e-4, next_s=((t - 200) // H8 + 1) * H8)
        m.tick(t)
        if t % H8 == 300:
            settled = reading(m.engine, "carry_settled_usd_24h")
            assert math.isnan(settled) if t < DAY else settled == 3e6
    week = reading(m.engine, "carry_settled_usd_7d")
    truth(
        9,
        "a week of 10 billion at 0.01 % per 8 hours, over $21.0 million, less one",
        week / 21.0e6 - 1.0,
        1e-9,
    )
    assert reading(m.engine, "carry_drag_10x") == pytest.approx(1.095, rel=1e-12)
    assert m.quality("carry_settled_usd_7d") == ["MODELLED"]  # nobody has confirmed the rates


def test_windows_equal_all_settlements_written_out() -> None:
    rng, m = random.Random(4), Market({A: 5e8, B: 3e8, HOURLY: 2e8})
    paid = {c: Payments() for c in m.usd}
    rates = dict.fromkeys(m.usd, 0.0)
    for t in range(300, WEEK + 2 * DAY, 300):
        for c in m.usd:
            m.usd[c] *= 1.0 + rng.gauss(0.0, 1e-3)
            rates[c] = rng.gauss(1e-4, 3e-4) * c.interval_s / H8
            m.fund(c, t - 100, rates[c], next_s=((t - 100) // c.interval_s + 1) * c.interval_s)
        m.tick(t)
        for c in (
            m.usd
        ):  # the tick is at the settlement itself: what is settled is known a moment before
            if t % c.interval_s == 0:
                paid[c].settle(t, rates[c], m.usd[c])
        for name, hours in (("24h", 24), ("7d", 168)):
            got = reading(m.engine, f"carry_settled_usd_{name}")
            if t > hours * 3600 + 3600:
                assert got == pytest.approx(
                    sum(p.within(t, hours) for p in paid.values()), abs=0.02
                )
            elif t < hours * 3600:
                assert math.isnan(got)


def test_what_runs_up_starts_anew_at_each_settlement() -> None:
    m = Market({A: 1e9})
    settled_s = 59.0  # the tick before the first that knows both rate and open interest
    for t in range(60, DAY, 60):
        m.fund(A, t - 30, 2e-4, next_s=((t - 30) // H8 + 1) * H8)
        m.tick(t)
        if t % H8 == 0:
            settled_s = float(t)
        if t > 120:
            expected = accrued(2e-4 / H8, 1e9, settled_s, t)
            assert reading(m.engine, "carry_running_usd") == pytest.approx(
                expected, rel=1e-9, abs=1e-6
            )
    assert reading(m.engine, "carry_running_usd") < 2e5


def test_shorts_pay_at_negative_rates() -> None:
    a, b = Market({A: 1e9}), Market({A: 1e9})
    for t in range(300, DAY + H8, 300):
        for m, sign in ((a, 1.0), (b, -1.0)):
            m.fund(A, t - 200, sign * 3e-4, next_s=((t - 200) // H8 + 1) * H8)
            m.tick(t)
    for name in ("carry_settled_usd_24h", "carry_running_usd", "carry_drag_10x"):
        assert reading(a.engine, name) == -reading(b.engine, name) > 0.0


def test_a_settled_rate_replaces_the_estimate_and_is_the_surprise() -> None:
    m = Market({A: 1e9, B: 1e9})
    for t in range(60, H8 + 600, 60):
        for c in m.usd:
            early = 1e-4 if t < H8 else 1.5e-4  # the estimate rises in the last minute
            m.fund(c, t - 20, early, next_s=((t - 20) // H8 + 1) * H8)
        if t == H8 + 300:
            m.fund(A, t - 10, 1.8e-4, flags=SETTLED)
            before = reading(m.engine, "carry_settled_usd_since_flush")
            assert math.isnan(before)
        m.tick(t)
        cents = m.engine._underlyings[0]["carry"]["cents"]
        surprise = reading(m.engine, "funding_surprise_bp")
        if t < H8:
            assert math.isnan(surprise)
        elif t < H8 + 300:
            assert cents == 2 * 150_000 * 100
            assert surprise == pytest.approx(0.5, rel=1e-9)
            assert m.quality("funding_surprise_bp") == ["MODELLED"]
        else:
            assert cents == (150_000 + 180_000) * 100
            assert surprise == pytest.approx((0.5 + 0.8) / 2, rel=1e-6)
    assert reading(m.engine, "funding_apr") == pytest.approx(1.5e-4 * 1095.0)  # no level of its own


def test_settled_history_pays_once_whatever_ticks_were_between() -> None:
    m, paid = Market({A: 2e9}), Payments()
    rng = random.Random(5)
    for t in range(600, 3 * DAY + 1200, 600):
        m.tick(t - 300)
        if t % H8 == 0:
            rate = rng.gauss(1e-4, 1e-4)
            paid.settle(t, rate, 2e9)
            m.fund(
                A, t + 0.041, rate, next_s=t + H8, flags=SETTLED
            )  # venues settle a moment after the hour
            m.fund(A, t + 0.041, rate, next_s=t + H8, flags=SETTLED)
        m.tick(t + 1)
    assert reading(m.engine, "carry_settled_usd_24h") == pytest.approx(
        paid.within(t + 1, 24), abs=0.011
    )
    assert m.quality("carry_settled_usd_24h") == []
    assert math.isnan(reading(m.engine, "funding_surprise_bp"))  # nobody estimated anything
    assert reading(m.engine, "funding_apr") == pytest.approx(rate * 1095.0)


def test_continuous_funding_pays_what_accrued() -> None:
    m, expected, last = Market({A: 1e9}), 0.0, 59
    for t in range(60, 2 * H8 + 61, 60):
        rate = 1e-4 * math.sin(t / 5000.0)
        m.fund(A, t - 30, rate, next_s=t - 30)  # "next" is now
        m.tick(t)
    for t in range(60, 2 * H8 + 1, 60):
        now = 1e-4 * math.sin(t / 5000.0)
        before = 1e-4 * math.sin((t - 60) / 5000.0)
        # ticks are at the row, a second before the minute and at it; the first sees the rate before
        expected += now * 30.0 + (before * 30.0 if t > 60 else 0.0)
        last = t
    assert last == 2 * H8
    cents = m.engine._underlyings[0]["carry"]["cents"]
    assert cents / 100.0 == pytest.approx(expected * 1e9 / H8, rel=2e-3)
    running = reading(m.engine, "carry_running_usd")
    assert abs(running) < 1e9 * 1e-4 * 61 / H8


def test_an_outage_pays_nothing_that_is_not_known() -> None:
    m = Market({HOURLY: 1e9})
    for t in range(60, 6 * 3600, 60):
        if not 5000 < t < 16_000:
            m.fund(HOURLY, t - 30, 1e-5, next_s=((t - 30) // 3600 + 1) * 3600)
        m.tick(t)
        running = reading(m.engine, "carry_running_usd")
        assert math.isnan(running) == (4950 + 2 * 3600 < t < 16_000 or t <= 60)
    # 1 h, 2 h and 3 h at the last rate, 4 h not known, 5 h again
    assert m.engine._underlyings[0]["carry"]["cents"] == 4 * 1_000_000


def test_no_open_interest_is_no_payment_of_zero() -> None:
    m = Market({A: 1e9})
    for t in range(60, 9 * 3600, 60):
        m.fund(A, t - 30, 1e-4, next_s=((t - 30) // H8 + 1) * H8)
        if t < 1800:
            m.tick(t)
        else:
            m.log.at(t).heartbeat(A)
            play(m.engine, m.log)
    assert m.engine._underlyings[0]["carry"]["cents"] == 0.0
    assert math.isnan(m.engine._contracts[0]["carry"]["paid_oi"])
    assert math.isnan(reading(m.engine, "carry_settled_usd_24h"))
    assert math.isnan(reading(m.engine, "carry_running_usd"))


def test_since_the_flush_only_what_came_after_counts() -> None:
    m = Market({A: 1e9})
    for t in range(300, DAY, 300):
        m.fund(A, t - 200, 1e-4, next_s=((t - 200) // H8 + 1) * H8)
        m.tick(t)
        if t == 2 * H8 + 300:
            assert math.isnan(reading(m.engine, "carry_settled_usd_since_flush"))
            m.engine._underlyings[0]["machine"][1]["flush_ns"] = m.log.now_ns
        if t == 2 * H8 + 600:
            assert reading(m.engine, "carry_settled_usd_since_flush") == 0.0
    m.tick(DAY)
    assert reading(m.engine, "carry_settled_usd_since_flush") == 1e5


def test_the_same_surprise_in_another_interval_is_the_same() -> None:
    told = []
    for c in (A, HOURLY):
        m, every = Market({c: 1e9}), c.interval_s
        for t in range(60, every + 60, 60):
            rate = (1e-4 if t < every else 2e-4) * every / H8
            m.fund(c, t - 20, rate, next_s=every)
            m.tick(t)
        told.append(reading(m.engine, "funding_surprise_bp"))
    assert told == pytest.approx([1.0, 1.0], rel=1e-9)


@pytest.mark.parametrize(
    ("leverage", "apr", "drag"), [(1.0, 0.1095, 0.1095), (10.0, 0.1095, 1.095), (20.0, -0.05, -1.0)]
)
def test_drag_is_the_rate_on_margin(leverage: float, apr: float, drag: float) -> None:
    assert carry.drag(leverage, apr) == pytest.approx(drag, rel=1e-15)


@pytest.mark.parametrize("early_s", [0.5, 30.0, 3000.0])
def test_a_venue_that_looks_ahead_too_early_has_settled_and_one_that_reschedules_has_not(
    early_s: float,
) -> None:
    m = Market({A: 1e9})
    for t in range(60, H8 - round(early_s) - 59, 60):
        m.fund(A, t - 30, 1e-4, next_s=H8)
        m.tick(t)
    m.fund(A, H8 - early_s, 2e-4, next_s=2 * H8)
    m.tick(H8 + 1)
    m.tick(H8 + 2)
    cents = m.engine._underlyings[0]["carry"]["cents"]
    assert cents == (0 if early_s > 60.0 else 10_000_000)
