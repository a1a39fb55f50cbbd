import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.config import MethodConfig
from streams.indicators import heatmap, heatmap_level, heatmap_outputs, heatmap_score
from streams.kernels.heat import bin_price, ladder_init, ladder_move, ladder_open
from streams.state import UNDERLYING, params
from tests.reference.indicators.heatmap_score import Scorer, crps, log_score, ratio

P = params(MethodConfig())
WIDTH, SHARE = MethodConfig().heat_bin, MethodConfig().heat_forecast_share
S, HOUR, DAY = 1_000_000_000, 3600, 86_400
START_S = 19_676 * DAY


class Play:
    """A map that somebody else fills, scored by the kernel and by the twin."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.maps = np.zeros(1, heatmap.UNDERLYING)[0]
        self.score = np.zeros(1, heatmap_score.SCORE)[0]
        heatmap.underlying_init(self.maps)
        heatmap_score.score_init(self.score)
        self.twin, self.x = Scorer(SHARE), 8000

    def book(self, side: int) -> dict[int, float]:
        """Return the map's USD by bin."""
        s, out = self.maps["map"][side], {}
        for k in range(int(s["front"]), int(s["front"]) + heatmap.BINS):
            coin = float(s["mass"][k % heatmap.BINS] * s["scale"])
            if coin > 0.0:
                out[k] = coin * bin_price(k, WIDTH, heatmap.sign_of(side))
        return out

    def step(self, time_s: int, *, known: bool = True) -> None:
        """Move, force, open and score."""
        rng, before = self.rng, self.x
        self.x += rng.choice((-4, -2, -1, 0, 1, 2, 4))
        for side, sign in ((0, -1), (1, 1)):
            here = sign * self.x if side == 1 else sign * self.x - 1
            reached = max(here, sign * before - (1 - side)) + rng.choice((0, 0, 1, 3))
            self.maps["here"][side] = (here + 0.5) * WIDTH
            self.maps["reached"][side] = (reached + 0.5) * WIDTH
            s = self.maps["map"][side]
            ladder_move(s, reached, here)
            ladder_open(s, here + rng.randint(1, 90), rng.lognormvariate(0.0, 1.5))
            for _ in range(rng.choice((0, 0, 1, 2))):
                place, usd = here + rng.randint(-3, 5), rng.lognormvariate(10.0, 2.0)
                price = math.exp(heatmap.sign_of(side) * (place + 0.5) * WIDTH)
                heatmap_score.forced(self.score, side, price, usd, WIDTH)
                self.twin.forced(side, place, usd)
        heatmap_score.score_step(self.score, self.maps, known, time_s * S, P)
        reached_bins = [math.floor(float(x) / WIDTH) for x in self.maps["reached"]]
        fronts = [int(self.maps["map"][side]["front"]) for side in range(2)]
        self.twin.step(
            time_s, (reached_bins[0], reached_bins[1]), (self.book(0), self.book(1)),
            (fronts[0], fronts[1]), known=known,
        )  # fmt: skip


def mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def compare(play: Play, time_s: int) -> None:
    cases, skill, error, placebo, over, gain, lift = heatmap_score.weekly(play.score, time_s * S)
    week = play.twin.week(time_s)
    assert cases == len(week)
    if not week:
        assert math.isnan(skill)
        return
    same = {"rel": 1e-9, "abs": 1e-11, "nan_ok": True}
    assert skill == pytest.approx(mean([c.skill for c in week]), **same)
    assert error == pytest.approx(play.twin.error(time_s), **same)
    assert placebo == pytest.approx(
        mean([c.placebo for c in week if c.placebo is not None]), **same
    )
    assert over == pytest.approx(mean([c.over_distance for c in week]), **same)
    assert gain == pytest.approx(mean([c.crps for c in week]), **same)
    assert lift == pytest.approx(sum(c.hit for c in week) / sum(c.chance for c in week), **same)


@pytest.mark.parametrize("seed", [1, 2])
def test_scores_are_those_of_keeping_every_forecast(seed: int) -> None:
    play = Play(seed)
    for i in range(10 * 24 * 6):  # ten days in steps of ten minutes
        time_s = START_S + 600 * i + 7
        play.step(time_s, known=not 300 < i < 320)
        if i % 6 == 0:
            compare(play, time_s)
    assert len(play.twin.cases) > 100
    assert sum(c.placebo is not None for c in play.twin.cases) > 30
    pit = np.sum([c.pit for c in play.twin.cases], axis=0)
    assert play.score["pit"].sum() == pytest.approx(len(play.twin.cases), rel=1e-12)
    assert play.score["pit"] == pytest.approx(
        pit, abs=0.2
    )  # what lies on an edge may fall either way
    slope = heatmap_score.usd_slope(play.score)
    assert slope == pytest.approx(play.twin.slope(28.0 * DAY), rel=1e-9)


AMOUNT = st.just(0.0) | st.floats(1e-3, 1e6)


@settings(max_examples=80, deadline=None)
@given(
    cells=st.lists(st.tuples(AMOUNT, AMOUNT), min_size=2, max_size=40),
    factor=st.floats(1e-3, 1e3),
)
def test_a_score_knows_shares_only_and_no_forecast_beats_the_truth(
    cells: list[tuple[float, float]], factor: float
) -> None:
    usd, forced = (np.array(column) for column in zip(*cells, strict=True))
    if not forced.sum() > 0.0:
        return
    n = len(cells)
    ours = heatmap_score.log_score(usd, forced, n, SHARE)
    assert ours == pytest.approx(log_score(usd, forced, SHARE), rel=1e-9, abs=1e-12)
    assert heatmap_score.log_score(usd * factor, forced * factor, n, SHARE) == pytest.approx(
        ours, abs=1e-9
    )
    assert heatmap_score.log_score(forced, forced, n, 1.0) >= ours - 1e-12
    assert heatmap_score.crps(usd, forced, n, SHARE) == pytest.approx(
        crps(usd, forced, SHARE), abs=1e-12
    )
    assert heatmap_score.top_hit(usd, forced, n, n) == pytest.approx(1.0)


def test_phi_is_the_ratio_over_all_episodes() -> None:
    rng, p = random.Random(4), params(MethodConfig(heat_phi_half_life_s=5000.0))
    s = np.zeros(1, heatmap_level.LEVEL)[0]
    heatmap_level.level_init(s)
    episodes: list[tuple[float, float, float]] = []
    now, between = START_S, 0.0
    for number in range(1, 60):
        consumed, realised = 0.0, between
        for _ in range(rng.randint(1, 20)):
            now += rng.randint(1, 50)
            x, y = rng.lognormvariate(8.0, 1.0), rng.lognormvariate(8.5, 1.0)
            heatmap_level.level_step(s, 0, x, y, now * S, p)
            consumed, realised = consumed + x, realised + y
        now += 60
        heatmap_level.level_step(s, 0, 0.0, 3.0, now * S, p)  # the minute without ends it
        episodes.append((now, consumed, realised + 3.0))
        between = rng.lognormvariate(8.0, 1.0)  # counts with the next
        heatmap_level.level_step(s, 0, 0.0, between, (now + 1) * S, p)
        now += rng.randint(1, 4000)
        phi, error = ratio(episodes, 5000.0)
        assert heatmap_level.phi(s) == pytest.approx(phi, rel=1e-9)
        if number > 1:
            assert heatmap_level.phi_error(s) == pytest.approx(error, rel=1e-6, abs=1e-9 * phi)
        assert heatmap_level.calibrated(s, p) == (number >= 30)


def test_feeds_that_fail_end_an_episode_without_counting_it() -> None:
    s = np.zeros(1, heatmap_level.LEVEL)[0]
    heatmap_level.level_init(s)
    heatmap_level.level_step(s, 1, 5.0, 5.0, 1 * S, P)
    heatmap_level.level_step(s, 1, 5.0, math.nan, 2 * S, P)
    heatmap_level.level_step(s, 1, 0.0, 5.0, 100 * S, P)
    assert s["episodes"] == 0
    assert math.isnan(heatmap_level.phi(s))
    heatmap_level.level_step(s, 1, 10.0, 5.0, 200 * S, P)
    heatmap_level.level_step(s, 1, 0.0, 0.0, 260 * S, P)
    assert heatmap_level.phi(s) == 1.0


def test_r0_and_fuel_by_hand() -> None:
    """One bin of a known size: fuel fades with the day's sigma, r0 is impact times calibrated density."""
    h = np.zeros(1, heatmap.UNDERLYING)[0]
    level = np.zeros(1, heatmap_level.LEVEL)[0]
    score = np.zeros(1, heatmap_score.SCORE)[0]
    heatmap.underlying_init(h)
    heatmap_level.level_init(level)
    heatmap_score.score_init(score)
    r = np.zeros(1, UNDERLYING)[0]["readings"]
    for side in range(2):
        ladder_init(h["map"][side])
        ladder_move(h["map"][side], -1, -1)
        ladder_open(h["map"][side], 2, 900.0)  # 100, 200, 300, 200, 100 coin in bins 0 to 4
        h["here"][side] = 0.0
    for i in range(30):
        heatmap_level.level_step(level, 0, 100.0, 40.0, (1000 * i + 1) * S, P)
        heatmap_level.level_step(level, 0, 0.0, 0.0, (1000 * i + 61) * S, P)
    heatmap_outputs.publish(h, level, score, r, 1.0, 0.01, 0.5, 2.0, 40_000 * S, P)
    coin, d0 = (100.0, 200.0, 300.0, 200.0, 100.0), 0.01 * math.sqrt(6.0)
    for side, sign, kappa in (("long", -1.0, 0.5), ("short", 1.0, 2.0)):
        usd = [c * math.exp(sign * (k + 0.5) * WIDTH) for k, c in enumerate(coin)]
        fuel = sum(u * math.exp(-(k + 0.5) * WIDTH / d0) for k, u in enumerate(usd))
        assert float(r[f"fuel_{side}"]["value"]) == pytest.approx(fuel, rel=1e-12)
        density = (usd[0] + usd[1]) / 25.0  # two bins of 12.5 bp
        wanted = kappa * 1e-6 * 0.4 * density
        assert float(r[f"r0_{side}"]["value"]) == pytest.approx(wanted, rel=1e-9)
    assert float(r["heatmap_phi"]["value"]) == pytest.approx(0.4, rel=1e-12)
    assert float(r["heatmap_phi_se"]["value"]) == pytest.approx(0.0, abs=1e-7)
