"""What is kept of bursts: their records, their sizes, and how they compare."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.config import MethodConfig
from streams.indicators import burst_record, burst_sizes, liquidations
from streams.indicators.bursts import BURST, ENDED, IDLE, NONE, OPEN, STARTED, burst_init
from streams.state import VALUE, params

NAN = math.nan
P = params(MethodConfig())
S = 10**9
DAY_S = 86_400
START_S = 20_000 * DAY_S


class Side:
    """One side's burst with all that is kept of it, and a list of sizes that forgets nothing."""

    def __init__(self) -> None:
        self.b = np.zeros(1, BURST)[0]
        self.record = np.zeros(1, burst_record.RECORD)[0]
        self.sizes = np.zeros(1, burst_sizes.SIZES)[0]
        burst_init(self.b)
        burst_record.record_init(self.record)
        burst_sizes.sizes_init(self.sizes)
        self.past: list[tuple[int, float]] = []  # when it ended, size

    def burst(self, start_s: int, size: float, seconds: int = 60, oi_usd: float = 1e9) -> None:
        """Live through a burst of this size of open interest."""
        b, at = self.b, (START_S + start_s) * S
        b["number"] += 1
        b["phase"], b["said"], b["start_ns"], b["peak_ns"] = OPEN, STARTED, at, at
        b["usd_estimated"] = 0.0
        self.follow(start_s, oi_usd=oi_usd)
        b["usd_estimated"], b["said"] = size * oi_usd, NONE
        self.follow(start_s + seconds // 2, oi_usd=3.0 * oi_usd)  # what it is later does not count
        b["phase"], b["said"] = IDLE, ENDED
        self.follow(start_s + seconds, oi_usd=oi_usd)
        burst_sizes.step(self.sizes, self.record, b, (START_S + start_s + seconds) * S)
        burst_sizes.step(self.sizes, self.record, b, (START_S + start_s + seconds) * S)  # once only
        b["said"] = NONE
        if size == size:
            self.past.append((start_s + seconds, size))

    def follow(
        self, at_s: int, *, oi_usd: float = 1e9, log_oi: float = 0.0, price: float = 100.0,
        n_fast: float = NAN, loop: float = NAN,
    ) -> None:  # fmt: skip
        """Let the record follow its burst."""
        burst_record.step(
            self.record, self.b, oi_usd, log_oi, price, n_fast, loop, (START_S + at_s) * S
        )


def largest(past: list[tuple[int, float]], at_s: int) -> float:
    """Return the largest size of 14 days, to within a day: buckets of whole days."""
    bucket = (START_S + at_s) // DAY_S
    known = [size for end, size in past if (START_S + end) // DAY_S > bucket - 15]
    return max(known) if known else NAN


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(600, 5 * DAY_S), st.sampled_from([0.001, 0.002, 0.004, 0.01, 0.02, NAN])),
        min_size=1, max_size=12,
    ),
    st.integers(0, 20 * DAY_S),
)  # fmt: skip
def test_shrinkage_and_relative_size_are_those_of_all_bursts(
    drawn: list[tuple[int, float]], later: int
) -> None:
    side, at = Side(), 0
    for wait, size in drawn:
        at += wait
        before = largest(side.past, at + 60)
        side.burst(at, size)
        relative = burst_sizes.relative(side.sizes, side.record, side.b, (START_S + at + 60) * S)
        if size == size:
            assert float(relative) == pytest.approx(size / before, nan_ok=True)
    now_s = at + 60 + later
    recent = [size for end, size in side.past if now_s - end <= 14 * DAY_S][-3:]
    wanted = NAN
    if len(recent) == 3:
        wanted = (4.0 * recent[2] + 2.0 * recent[1] + recent[0]) / 7.0 / largest(side.past, now_s)
    got = burst_sizes.shrinkage(side.sizes, (START_S + now_s) * S)
    assert float(got) == pytest.approx(wanted, nan_ok=True)
    last = [end for end, _ in side.past][-3:]
    within = burst_sizes.within(side.sizes, (START_S + now_s) * S, 3 * DAY_S * S)
    assert within == sum(now_s - end <= 3 * DAY_S for end in last)


def test_an_open_burst_is_compared_while_it_grows() -> None:
    side = Side()
    side.burst(1000, 0.01)
    at_ns = (START_S + 5000) * S
    side.b["number"] += 1
    side.b["phase"], side.b["start_ns"], side.b["usd_estimated"] = OPEN, at_ns, 0.0
    side.follow(5000)
    for usd, share in ((0.0, 0.0), (3e6, 0.3), (1.2e7, 1.2)):
        side.b["usd_estimated"] = usd
        got = burst_sizes.relative(side.sizes, side.record, side.b, at_ns)
        assert float(got) == pytest.approx(share)


def readings() -> list[Any]:
    return [np.zeros(1, VALUE)[0] for _ in range(6)]


@pytest.mark.parametrize("known", [True, False])
def test_what_may_have_gone_unseen_is_unknown(known: bool) -> None:
    side = Side()
    for k in range(4):
        side.burst(1000 * (k + 1), 0.01 / (k + 1))
    day, rate, *out = readings()
    day["value"], day["coverage"], day["quality"] = 3e6, 0.8, 4
    rate["quality"] = 8
    burst_sizes.publish(
        side.sizes, side.record, side.b, (START_S + 5000) * S, known, 0.8, 1e9, day, rate, *out, P
    )
    shrinks, compared, counted, share = out
    if known:
        assert float(shrinks["value"]) == pytest.approx((4 / 4 + 2 / 3 + 1 / 2) / 7)
        assert float(compared["value"]) == pytest.approx(0.25)
        assert float(counted["value"]) == 3.0
        assert float(share["value"]) == pytest.approx(0.003)
    else:
        assert all(math.isnan(x["value"]) for x in out)
    assert (int(shrinks["quality"]), int(share["quality"])) == (8, 4)


def test_a_record_says_who_printed_and_how_far_it_went() -> None:
    side, contracts = Side(), np.zeros(3, liquidations.CONTRACT)
    for c in contracts:
        liquidations.contract_init(c)
    burst_record.order(side.record, side.b, contracts[0], 0, 5.0)  # before the burst: nobody's
    side.b["number"], side.b["phase"] = 7, OPEN
    side.b["start_ns"] = side.b["peak_ns"] = (START_S + 10) * S
    side.follow(10, log_oi=2.0, price=100.0, n_fast=0.3, loop=0.9)
    for k, coin in ((0, 1.0), (2, 2.0), (0, 4.0)):
        burst_record.order(side.record, side.b, contracts[k], 0, coin)
    side.follow(11, log_oi=1.9, price=NAN, n_fast=0.4, loop=1.0)
    side.b["peak_ns"] = (START_S + 12) * S
    side.follow(12, log_oi=NAN, price=97.0, n_fast=0.6, loop=1.2)
    side.follow(13, log_oi=1.85, price=103.0, n_fast=0.1, loop=0.1)
    side.b["phase"] = IDLE
    side.follow(14, log_oi=0.0, price=1.0)
    r = side.record
    assert (float(r["coin"]), int(r["contracts"])) == (7.0, 2)
    assert [int(c["burst"][0]) for c in contracts] == [7, 0, 7]
    assert (float(r["price_low"]), float(r["price_high"])) == (97.0, 103.0)
    assert (float(r["n_fast_start"]), float(r["n_fast_peak"])) == (0.3, 0.6)
    assert (float(r["loop_start"]), float(r["loop_peak"])) == (0.9, 1.2)
    assert float(burst_record.flush_ratio(r)) == pytest.approx(1.0 - math.exp(-0.15))
