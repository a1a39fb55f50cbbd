"""Slow twins of the two indicators that are small machines: read from the whole past at every step."""

from typing import NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.config import MethodConfig
from streams.indicators import bursts
from streams.indicators.quadrant import LABEL, classify, step
from streams.kernels.jit import NS_PER_S
from streams.state import params

CONFIG = MethodConfig(burst_floor_oi_per_minute=6e-5)  # of 1e9 USD: 1000 USD/s
P = params(CONFIG)
OI_USD, FLOOR = 1e9, 1000.0


class Seen(NamedTuple):
    """What a burst saw at a step: at rows time does not pass."""

    second: float
    tick: bool
    rate: float
    other: float
    orders: tuple[float, ...]  # times of all orders so far


def opens(past: list[Seen], since: int | None, peak: float) -> bool:
    """Return whether a burst opens at the last step; the last one ended at `since` with `peak`."""
    now = past[-1]
    recent = [t for t in now.orders if now.second - t <= 30.0]
    dominant = now.rate >= 0.6 * (now.rate + now.other)
    rested = since is None or any(s.rate <= FLOOR for s in past[since + 1 :])
    return now.rate > FLOOR and dominant and len(recent) >= 5 and (rested or now.rate >= 0.2 * peak)


def phase(past: list[Seen]) -> tuple[int, int, float]:
    """Return the phase after the last step, how many bursts have begun, and the last one's peak."""
    begun, started, ended, peak = 0, None, None, 0.0
    for i in range(len(past)):
        if started is None:
            if opens(past[: i + 1], ended, peak):
                begun, started, peak = begun + 1, i, past[i].rate
            continue
        peak = max(s.rate for s in past[started : i + 1])
        if past[i].tick and quiet_s(past[started : i + 1]) >= 180.0:
            started, ended = None, i
    if started is None:
        return bursts.IDLE, begun, peak
    own = past[started:]
    # once it has begun to fade it does so until it flares up; a row between ticks changes nothing
    return (bursts.FADING if quiet_s(own) >= 60.0 else bursts.OPEN), begun, peak


def quiet_s(own: list[Seen]) -> float:
    """Return for how long the ticks of a burst have been below a fifth of its peak so far."""
    quiet = 0.0
    first = None
    for i in range(1, len(own)):
        if not own[i].tick:
            continue
        if own[i].rate >= 0.2 * max(s.rate for s in own[: i + 1]):
            first, quiet = None, 0.0
        else:
            first = own[i].second if first is None else first
            quiet = own[i].second - first
    return quiet


STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.5, 1.0, 5.0, 20.0, 45.0]),
        st.booleans(),
        st.sampled_from([0.0, 300.0, 900.0, 1500.0, 4000.0, 9000.0, 30_000.0, np.nan]),
        st.sampled_from([0.0, 0.0, 500.0, 9000.0]),
        st.integers(0, 4),
    ),
    min_size=5,
    max_size=60,
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_bursts_are_those_read_from_the_whole_past(
    steps: list[tuple[float, bool, float, float, int]],
) -> None:
    b, other = np.zeros(2, bursts.BURST)
    bursts.burst_init(b)
    bursts.burst_init(other)
    past: list[Seen] = []
    now, orders = 1000.0, []
    for dt, tick, rate, against, count in steps:
        now += dt
        for k in range(count):
            orders.append(now - 0.1 * k)
            bursts.order(b, other, 0.0, 1e4, round((now - 0.1 * k) * NS_PER_S))
        orders.sort()
        b["said"] = bursts.NONE
        bursts.step(
            b, rate, against, OI_USD, 1e7, 100.0, True, dt if tick else 0.0, round(now * NS_PER_S), now, P
        )  # fmt: skip
        if rate == rate:
            past.append(Seen(now, tick, rate, against, tuple(orders[-bursts.EVENTS :])))
        wanted, begun, peak = phase(past) if past else (bursts.IDLE, 0, 0.0)
        assert (b["phase"], b["number"]) == (wanted, begun)
        if begun:
            assert b["peak_usd_per_s"] == peak


RAW = st.lists(
    st.tuples(
        st.sampled_from([1.0, 30.0, 61.0, 130.0]), st.integers(-1, 1), st.integers(-1, 1), st.booleans()
    ),
    min_size=1, max_size=60,
)  # fmt: skip


def label(seen: list[tuple[float, int]]) -> int:
    """Return the label after the last step: the last that stood two minutes; 0 is unknown."""
    if seen[-1][1] == 0:
        return 0
    known = seen[max((i for i, (_, raw) in enumerate(seen) if raw == 0), default=-1) + 1 :]
    for end in range(len(known) - 1, 0, -1):
        start = end
        while start > 0 and known[start - 1][1] == known[end][1]:
            start -= 1
        if known[end][0] - known[start][0] >= 120.0:
            return known[end][1]
    return known[0][1]


@settings(max_examples=150, deadline=None)
@given(RAW)
def test_labels_are_those_read_from_the_whole_past(
    steps: list[tuple[float, int, int, bool]],
) -> None:
    q, seen, now = np.zeros(1, LABEL)[0], [], 0.0
    for dt, price, oi, unknown in steps:
        now += dt
        sigma = np.nan if unknown and len(seen) % 7 == 3 else 1.0
        step(
            q, float(price), float(oi), sigma, 1.0, 0.0, False, False, np.nan, np.nan,
            round(now * NS_PER_S), P,
        )  # fmt: skip
        raw = classify(price, oi, 0.0, False, False) if sigma == sigma else 0
        seen.append((now, raw))
        assert q["label"] == label(seen)
