"""The benchmark world itself: pure, seeded, and its truth is what its rows say."""

import math

import msgspec
import numpy as np
import pytest

from service.simulator.traders import true_fuel
from service.simulator.world import HOUR_S, START_NS, Plan, Stage, World
from service.simulator.world_step import CROSS, OWN, PRICE, TOUCHED
from streams.brackets import LEVERAGES, brackets, terms
from streams.events import Kind, block_rows
from streams.kernels.margin import liquidation_price

STEADY = Stage(name="steady", duration_s=2 * HOUR_S, mu=(0.05, 0.02))
EXCITED = Plan(stages=(STEADY,), own=(0.2, 0.2, 0.1), cross=(0.0, 0.05, 0.0), gain=(0.05, 0.0, 0.0))
BOOK = Plan(
    stages=(Stage(name="hold", duration_s=2 * HOUR_S, mu=(0.02, 0.0), close=2.0),),
    booked=True, open_interest=2000.0, volatility_bp=4.0,
    venues=(("bybit", 0.7, False), ("binance_usdm", 0.3, True)),
)  # fmt: skip


@pytest.mark.parametrize("plan", [EXCITED, BOOK])
def test_a_seed_is_one_world_however_it_is_cut(plan: Plan) -> None:
    whole, cut, other = World(plan, 7), World(plan, 7), World(plan, 8)
    rows = whole.until(whole.seconds)
    parts = [cut.until(at) for at in (10.0, 33.0, 1234.5, 1234.5, 5000.0, cut.seconds)]
    assert b"".join(parts) == rows
    assert other.until(other.seconds) != rows


@pytest.mark.parametrize("plan", [EXCITED, BOOK])
def test_rows_are_in_order_and_finite_where_they_must_be(plan: Plan) -> None:
    rows = block_rows(World(plan, 3).until(2 * HOUR_S))
    assert (np.diff(rows["exchange_ns"]) >= 0).all()
    for kind in (Kind.TRADE, Kind.LIQUIDATION):
        of = rows[rows["kind"] == kind]
        assert of.size > 100
        assert (of["a"] > 0.0).all()
        assert (of["b"] > 0.0).all()
        assert of["c"] == pytest.approx(of["a"] * of["b"], rel=1e-12)


def test_causes_come_in_the_planted_shares() -> None:
    plan = msgspec.structs.replace(
        EXCITED, stages=(Stage(name="long", duration_s=60 * HOUR_S, mu=(0.05, 0.05)),)
    )
    world = World(plan, 11)
    world.until(world.seconds)
    orders = world.state[0]["orders"]
    total = orders.sum()
    assert orders[:, OWN].sum() / total == pytest.approx(plan.branching(), abs=0.03)
    assert orders[:, CROSS].sum() / total == pytest.approx(0.05, abs=0.02)
    against = 60 * HOUR_S * plan.volatility_bp * math.sqrt(2.0 / math.pi)  # bp, both sides
    assert orders[:, PRICE].sum() == pytest.approx(0.05 * against, rel=0.1)
    assert orders[:, TOUCHED].sum() == 0.0
    mean = world.state[0]["usd"].sum() / total
    assert mean == pytest.approx(plan.order_usd, rel=0.05)
    assert plan.loop_gain(0) == plan.branching()


def test_the_index_takes_in_what_was_forced_after_the_lag() -> None:
    still = msgspec.structs.replace(
        EXCITED,
        volatility_bp=0.0,
        gain=(0.0, 0.0, 0.0),
        kappa_bp=(10.0, 10.0),
        perp_usd=0.0,
        spot_usd=0.0,
    )
    world = World(still, 5)
    rows = block_rows(world.until(HOUR_S))
    marks = rows[(rows["kind"] == Kind.MARK)][:: len(still.venues)]
    moves = np.diff(np.log(marks["b"])) * 1e4
    forced = rows[rows["kind"] == Kind.LIQUIDATION]
    second = ((forced["exchange_ns"] - START_NS) // 10**9).astype(int)
    signed = np.where(forced["side"] > 0, -1.0, 1.0) * forced["c"] / 1e6
    flow = np.bincount(second, signed, minlength=moves.size + 1)
    lag = int(still.lag_s)
    assert moves[lag:] == pytest.approx(10.0 * flow[1 : moves.size + 1 - lag], abs=1e-6)


def test_open_interest_is_the_book_and_touched_positions_leave_it() -> None:
    world = World(BOOK, 9)
    rows = block_rows(world.until(HOUR_S))
    s, b = world.state[0], world.book[0]
    for side in range(2):
        count = int(b["count"][side])
        prices = b["price"][side, :count]
        assert b["coin"][side, :count].sum() == pytest.approx(b["total"][side], rel=1e-9)
        ahead = prices < s["mark"] if side == 0 else prices > s["mark"]
        assert ahead.all()
        nearest = prices.max() if side == 0 else prices.min()
        assert nearest == b["nearest"][side]
    assert s["orders"][:, TOUCHED].sum() > 10
    last = rows[rows["kind"] == Kind.OPEN_INTEREST][-2:]
    assert last["a"].sum() == pytest.approx(float(s["oi"]), rel=1e-9)
    sampled = rows[(rows["kind"] == Kind.LIQUIDATION) & (rows["flags"] & 32 > 0)]
    assert (np.diff(sampled["exchange_ns"]) >= 10**9).all()


def test_positions_are_liquidated_where_their_margin_says() -> None:
    plan = msgspec.structs.replace(BOOK, volatility_bp=0.0, premium_sd=0.0)
    world = World(plan, 2)
    rates, amounts = terms(brackets("bybit", "BTC"))
    b = world.book[0]
    price = b["price"][0, : int(b["count"][0])]
    entries = np.array([
        price / liquidation_price(1.0, leverage, m, a, True, False)
        for leverage, m, a in zip(LEVERAGES, rates, amounts, strict=True) if m == m
    ])  # fmt: skip
    low, high = world.past.price.min(), world.past.price.max()
    assert ((entries >= low * (1 - 1e-9)) & (entries <= high * (1 + 1e-9))).any(axis=0).all()


def test_true_fuel_is_what_a_fall_would_force() -> None:
    world = World(BOOK, 4)
    world.until(600.0)
    b, mark = world.book[0], float(world.state[0]["mark"])
    price, coin = (b[name][0, : int(b["count"][0])] for name in ("price", "coin"))
    reached = price >= mark * math.exp(-0.03)
    assert true_fuel(b, 0, mark, 0.03) == pytest.approx((price * coin)[reached].sum(), rel=1e-12)


def test_a_dead_feed_prints_nothing_and_says_so() -> None:
    dead = Stage(name="dead", duration_s=600.0, mu=(0.5, 0.5), dead=True)
    rows = block_rows(World(Plan(stages=(STEADY, dead)), 1).until(3 * HOUR_S))
    after = rows[rows["exchange_ns"] > START_NS + (2 * HOUR_S + 25) * 10**9]
    assert (after["kind"] == Kind.TRADE).any()
    assert not (after["kind"] == Kind.LIQUIDATION).any()
    words = after[after["kind"] == Kind.HEARTBEAT].copy().view(np.int64).reshape(-1, 8)
    assert (words[:, 5] & 16 == 0).all()
