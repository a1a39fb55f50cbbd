import itertools

import numpy as np
import pytest

from service.simulator.history import GRID_MS, wandering
from service.simulator.market import Market
from service.simulator.scenario import demo_scenario

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
START_NS = (1_790_000_000 * 10**9) + 123_456_789


@pytest.fixture(scope="module")
def market() -> Market:
    """A market one hour old."""
    market = Market(demo_scenario(5), START_NS)
    market.advance(START_NS + 3600 * 10**9)
    return market


def test_the_past_is_drawn_from_the_seed(market: Market) -> None:
    again, other = Market(demo_scenario(5), START_NS), Market(demo_scenario(6), START_NS)
    span = (market.history.anchor_ms - DAY_MS, market.history.anchor_ms - 1)
    asked = [m.history.levels(4, GRID_MS, *span) for m in (market, again, other)]
    assert asked[0] == asked[1] != asked[2]
    span = (span[0], span[1] - HOUR_MS)  # the last hour's bar is partly the present's
    bars = [m.history.bars(4, "mark", HOUR_MS, *span) for m in (market, again, other)]
    assert bars[0] == bars[1] != bars[2]


def test_the_past_is_long_and_has_no_holes(market: Market) -> None:
    now_ms = START_NS // 10**6 + HOUR_MS
    for kind in ("mark", "index", "premium"):
        bars = market.history.bars(0, kind, HOUR_MS, now_ms - 60 * DAY_MS, now_ms)
        assert len(bars) == 60 * 24
        assert {b.start_ms - a.start_ms for a, b in itertools.pairwise(bars)} == {HOUR_MS}
        assert all(b.low <= min(b.open, b.close) <= max(b.open, b.close) <= b.high for b in bars)
    levels = market.history.levels(0, GRID_MS, now_ms - 30 * DAY_MS, now_ms)
    assert len(levels) == 30 * 288
    assert {b.time_ms - a.time_ms for a, b in itertools.pairwise(levels)} == {GRID_MS}
    paid = market.history.payments(0, now_ms - 90 * DAY_MS, now_ms)
    assert len(paid) == 270


@pytest.mark.parametrize("contract", [0, 1, 2, 5])
def test_the_past_joins_the_present(market: Market, contract: int) -> None:
    history, anchor = market.history, market.history.anchor_ms
    for kind in ("mark", "index"):
        before, first = history.bars(contract, kind, GRID_MS, anchor - GRID_MS, anchor)
        assert first.open == pytest.approx(before.close, rel=2e-4)
    bars = history.bars(contract, "mark", GRID_MS, anchor - DAY_MS, anchor + HOUR_MS)
    assert all(b.open == pytest.approx(a.close, rel=2e-4) for a, b in itertools.pairwise(bars))
    last, first = history.levels(contract, GRID_MS, anchor - GRID_MS, anchor)
    assert first.coin == market.contracts[contract].open_interest
    assert last.coin == pytest.approx(first.coin, rel=0.006)
    assert first.usd == pytest.approx(
        first.coin * history.bars(contract, "mark", GRID_MS, anchor, anchor)[0].open
    )


def test_the_present_bars_are_what_the_market_did(market: Market) -> None:
    now_ns = START_NS + 3600 * 10**9
    tick = market.tick(0, now_ns)
    bar = market.history.bars(0, "mark", GRID_MS, now_ns // 10**6 - GRID_MS, now_ns // 10**6)[-1]
    assert bar.low <= bar.close <= bar.high
    assert bar.close == pytest.approx(tick.mark, rel=1e-3)


def test_the_past_is_calm_beside_a_build_up(market: Market) -> None:
    now_ms = market.history.anchor_ms
    coin = np.log([v.coin for v in market.history.levels(0, GRID_MS, now_ms - 30 * DAY_MS, now_ms)])
    assert 0.005 < coin.std() < 0.016
    rates = np.array([p.rate for p in market.history.payments(0, now_ms - 90 * DAY_MS, now_ms)])
    assert np.median(rates) == pytest.approx(1e-4)
    assert np.abs(rates - 1e-4).max() < 4e-4
    assert rates.std() > 0.0


def test_coarser_bars_are_made_of_finer_ones(market: Market) -> None:
    end = market.history.anchor_ms // HOUR_MS * HOUR_MS
    fine = market.history.bars(2, "index", GRID_MS, end - HOUR_MS, end - 1)
    (hour,) = market.history.bars(2, "index", HOUR_MS, end - HOUR_MS, end - 1)
    assert hour == (
        end - HOUR_MS, fine[0].open, max(b.high for b in fine), min(b.low for b in fine), fine[-1].close,
    )  # fmt: skip


def test_only_the_past_that_is_asked_for_is_drawn_and_only_once() -> None:
    history = Market(demo_scenario(9), START_NS).history
    span = history.anchor_ms - 60 * DAY_MS, history.anchor_ms
    assert not history._pasts
    history.bars(0, "mark", HOUR_MS, *span)
    assert list(history._pasts) == [0]
    drawn = history._pasts[0]
    history.bars(0, "index", GRID_MS, *span)
    history.levels(0, GRID_MS, *span)
    assert history._pasts == {0: drawn}


def test_a_wandering_value_keeps_its_spread() -> None:
    rng = np.random.default_rng(1)
    keep = 0.5 ** (GRID_MS / 1000 / 3600.0)
    values = wandering(0.0, 3600.0, np.sqrt(1 - keep**2), rng, 40_000)
    assert values.std() == pytest.approx(1.0, abs=0.06)
    assert np.corrcoef(values[:-1], values[1:])[0, 1] == pytest.approx(keep, abs=0.01)
