import math
from collections import Counter

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.simulator.funding import funding_rate
from service.simulator.hawkes import ExcitedProcess
from service.simulator.market import Market
from service.simulator.market_events import Liquidation, MarketEvent, Settlement, Tick, Trade
from service.simulator.scenario import (
    BTC,
    Excitation,
    Phase,
    Scenario,
    contracts_of,
    demo_scenario,
    firehose_scenario,
)
from service.simulator.schedule import Schedule
from service.simulator.throttle import Throttle

START_NS = 1_790_000_000 * 10**9
SECOND = 10**9
ONE_COIN = Scenario(seed=3, underlyings=(BTC,))


def lived(scenario: Scenario, seconds: int) -> list[MarketEvent]:
    return Market(scenario, START_NS).advance(START_NS + seconds * SECOND)


@pytest.fixture(scope="module")
def lap() -> list[MarketEvent]:
    """All of BTC's events in a little more than one lap."""
    return lived(ONE_COIN, 9000)


def test_same_seed_same_market_other_seed_another() -> None:
    assert lived(ONE_COIN, 120) == lived(ONE_COIN, 120)
    assert lived(ONE_COIN, 120) != lived(msgspec.structs.replace(ONE_COIN, seed=4), 120)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 7_000_000_000), min_size=1, max_size=30))
def test_the_steps_of_time_do_not_matter(steps: list[int]) -> None:
    market, now, seen = Market(ONE_COIN, START_NS), START_NS, list[MarketEvent]()
    for step in steps:
        now += step
        due = market.advance(now)
        assert all(event.time_ns <= now for event in due)
        seen += due
    assert seen == Market(ONE_COIN, START_NS).advance(now)


def test_events_come_in_order_and_trades_are_numbered_without_gaps(lap: list[MarketEvent]) -> None:
    times = [event.time_ns for event in lap]
    assert times == sorted(times)
    for contract in range(3):
        numbers = [e.number for e in lap if isinstance(e, Trade) and e.contract == contract]
        assert numbers == list(range(1, len(numbers) + 1))


def test_a_lap_goes_through_its_phases_as_told(lap: list[MarketEvent]) -> None:
    schedule = Schedule(ONE_COIN)
    regimes = [schedule.at(0)]
    while len(regimes) < 4:
        regimes.append(schedule.at(regimes[-1].end_s))
    assert [r.phase.kind for r in regimes] == ["CALM", "BUILD_UP", "CASCADE", "AFTER"]
    ticks = {
        (e.time_ns - START_NS) // SECOND: e for e in lap if isinstance(e, Tick) and e.contract == 0
    }
    calm, built, fallen, after = (ticks[r.end_s] for r in regimes)
    assert built.open_interest / calm.open_interest == pytest.approx(1.10, abs=0.03)
    assert fallen.open_interest / built.open_interest == pytest.approx(0.92, abs=0.03)
    assert math.log(fallen.index / built.index) == pytest.approx(-0.06, abs=0.025)
    assert calm.funding_rate == pytest.approx(1e-4, abs=2e-5)
    assert built.funding_rate > 5e-4
    assert after.funding_rate < 1e-5, "well below neutral"
    reacted = ticks[regimes[1].start_s + 1800]
    assert reacted.funding_rate > 2e-4, "the predicted rate moves within half an hour"


def test_forced_sells_cluster_in_the_cascade(lap: list[MarketEvent]) -> None:
    schedule = Schedule(ONE_COIN)
    per_phase: Counter[tuple[str, int]] = Counter()
    seconds: Counter[str] = Counter()
    for event in lap:
        regime = schedule.at((event.time_ns - START_NS) // SECOND)
        if isinstance(event, Liquidation):
            per_phase[regime.phase.kind, event.position] += 1
        elif isinstance(event, Tick):
            seconds[regime.phase.kind] += 1
    forced = per_phase["CASCADE", 1] / (seconds["CASCADE"] / 3)
    assert forced > 3.0, "several a second over the three venues"
    assert per_phase["CASCADE", 1] > 20 * per_phase["CASCADE", -1]
    assert per_phase["BUILD_UP", -1] > per_phase["BUILD_UP", 1]


def test_a_short_squeeze_is_the_mirror_image() -> None:
    events = lived(msgspec.structs.replace(ONE_COIN, short_squeeze=True), 5400)
    forced = Counter(e.position for e in events if isinstance(e, Liquidation))
    index = [e.index for e in events if isinstance(e, Tick) and e.contract == 0]
    assert forced[-1] > 10 * forced[1]
    assert max(index[4000:]) / min(index) > 1.04
    assert min(e.funding_rate for e in events if isinstance(e, Tick)) < -5e-4


def test_every_liquidation_is_also_a_trade_against_the_position(lap: list[MarketEvent]) -> None:
    trades = {
        (e.contract, e.time_ns, e.price, e.quantity, e.taker) for e in lap if isinstance(e, Trade)
    }
    forced = [e for e in lap if isinstance(e, Liquidation)]
    assert len(forced) > 500
    for e in forced:
        assert (e.contract, e.time_ns, e.fill_price, e.quantity, -e.position) in trades
        assert e.position * (e.fill_price - e.bankruptcy_price) > 0.0


def test_open_interest_moves_by_no_more_than_what_was_traded(lap: list[MarketEvent]) -> None:
    traded, last = 0.0, None
    for event in lap:
        if event.contract != 1:
            continue
        if isinstance(event, Trade):
            traded += event.quantity
        elif isinstance(event, Tick):
            if last is not None:
                # a forced close is taken from the level once, and so is its trade
                assert abs(event.open_interest - last) <= traded + 1e-6
            traded, last = 0.0, event.open_interest


def test_quantities_are_whole_lots_and_prices_on_the_tick(lap: list[MarketEvent]) -> None:
    lots = {c.index: c.lot for c in contracts_of(ONE_COIN)}
    for event in lap[:20_000]:
        if isinstance(event, Trade):
            assert event.quantity / lots[event.contract] == pytest.approx(
                round(event.quantity / lots[event.contract]), abs=1e-6
            )
            assert event.quantity > 0.0
            assert round(event.price, 1) == event.price


@pytest.mark.parametrize(
    ("premium_bp", "rate_bp"), [(-10, -5), (-4, 1), (0, 1), (3, 1), (6, 1), (10, 5), (900, 200)]
)
def test_funding_is_flat_inside_the_dead_zone_and_capped(premium_bp: float, rate_bp: float) -> None:
    assert funding_rate(premium_bp * 1e-4) == pytest.approx(rate_bp * 1e-4, abs=1e-12)


@given(st.floats(-0.02, 0.02), st.floats(0, 0.01))
def test_funding_never_falls_as_the_premium_rises(premium: float, more: float) -> None:
    assert funding_rate(premium + more) >= funding_rate(premium)


def test_funding_is_settled_each_eight_hours_at_the_predicted_rate() -> None:
    quiet = msgspec.structs.replace(
        ONE_COIN, phases=(Phase(kind="CALM", duration_s=1e6),), trade_rate=0.01
    )
    events = lived(quiet, 9 * 3600)
    paid = [e for e in events if isinstance(e, Settlement) and e.contract == 0]
    assert [p.time_ns % (8 * 3600 * SECOND) for p in paid] == [0]
    at = next(
        e
        for e in events
        if isinstance(e, Tick) and e.contract == 0 and e.time_ns == paid[0].time_ns
    )
    assert paid[0].rate == at.funding_rate
    assert at.next_funding_ns == paid[0].time_ns + 8 * 3600 * SECOND


def events_of(excitation: Excitation, mu: float, seconds: int, seed: int) -> np.ndarray:
    import random

    process = ExcitedProcess(excitation, random.Random(seed))
    return np.array([t + offset for t in range(seconds) for offset, _ in process.second(mu)])


@pytest.mark.parametrize("total", [0.0, 0.5, 0.8])
def test_planted_branching_is_found_again(total: float) -> None:
    """Two ways: events per background event, and the dispersion of counts in long windows."""
    planted = Excitation(
        branching=tuple(total * share for share in (0.3, 0.4, 0.3)), size_sigma=0.5
    )
    seconds, mu = 150_000, 0.1
    times = events_of(planted, mu, seconds, seed=5)
    assert 1.0 - mu * seconds / len(times) == pytest.approx(total, abs=0.05)
    counts = np.histogram(times, bins=np.arange(0, seconds + 1, 3000))[0]
    dispersion = 1.0 - math.sqrt(counts.mean() / counts.var(ddof=1))
    assert dispersion == pytest.approx(total, abs=0.2)


def test_sizes_have_mean_one_and_are_log_normal() -> None:
    import random

    process = ExcitedProcess(Excitation(branching=(0.0, 0.0, 0.0)), random.Random(2))
    sizes = np.array([size for _ in range(40_000) for _, size in process.second(1.0)])
    assert sizes.mean() == pytest.approx(1.0, abs=0.05)
    assert np.log(sizes).std() == pytest.approx(1.0, abs=0.02)


def test_a_firehose_has_the_rate_it_was_asked_for() -> None:
    trades = sum(isinstance(e, Trade) for e in lived(firehose_scenario(3000.0), 3))
    assert trades == pytest.approx(9000, rel=0.06)


def test_laps_differ_and_go_on() -> None:
    schedule = Schedule(demo_scenario(1))
    ends = []
    for _ in range(12):
        ends.append(schedule.regime.end_s)
        schedule.at(schedule.regime.end_s)
    assert schedule.regime.lap == 3
    lengths = [ends[3], ends[7] - ends[3], ends[11] - ends[7]]
    assert len(set(lengths)) == 3


def forced(ms: int, contract: int = 0) -> Liquidation:
    return Liquidation(contract, START_NS + ms * 10**6, 1, 1.0, 100.0, 99.0)


def test_latest_throttle_publishes_the_last_of_each_second() -> None:
    throttle = Throttle("latest")
    out = [p for ms in (100, 300, 900, 2500) for p in throttle.push(forced(ms))]
    out += throttle.due(START_NS + 3000 * 10**6)
    assert [(at - START_NS, e.time_ns - START_NS) for at, e in out] == [
        (1000 * 10**6, 900 * 10**6),
        (3000 * 10**6, 2500 * 10**6),
    ]


def test_dead_time_throttle_is_blind_for_a_second_and_only_for_its_symbol() -> None:
    throttle = Throttle("dead_time")
    asked = [forced(100), forced(900), forced(950, 1), forced(1099), forced(1100)]
    out = [e for event in asked for _, e in throttle.push(event)]
    assert out == [asked[0], asked[2], asked[4]]
