"""Rows 19 and 20: in a world whose true book is known the score orders maps rightly, and phi is about one."""

from collections.abc import Callable

import numpy as np
import pytest

from streams.config import MethodConfig
from streams.indicators import heatmap_level
from tests.reference.indicators.heat_trial import Scores, Trial, bootstrap
from tests.truth import Truth, profile

SEEDS, DAYS = profile((1, 2, 3), (1, 2, 3, 4, 5)), profile(12, 20)


@pytest.fixture(scope="module")
def trials() -> list[Trial]:
    """Worlds with the shipped configuration."""
    done = []
    for seed in SEEDS:
        trial = Trial(seed, MethodConfig())
        trial.run(DAYS)
        done.append(trial)
    return done


def interval(
    trials: list[Trial], what: Callable[[Scores, Scores], float], count: Callable[[Scores], float]
) -> tuple[float, float, float]:
    """Return mean and 95 % interval of a sum over cases, days of all worlds drawn as blocks."""
    pairs = [p for t in trials for p in zip(t.model_days, t.oracle_days, strict=True)]
    sums = np.array([what(model, oracle) for model, oracle in pairs])
    return bootstrap(sums, np.array([count(model) for model, _ in pairs]))


def test_the_score_orders_oracle_model_nothing_and_a_stale_map(
    truth: Truth, trials: list[Trial]
) -> None:
    skill = interval(trials, lambda m, _: m.skill, lambda m: m.cases)
    ahead = interval(trials, lambda m, o: o.skill - m.skill, lambda m: m.cases)
    placebo = interval(trials, lambda m, _: m.placebo, lambda m: m.placebos)
    usual = interval(trials, lambda m, _: m.over_distance, lambda m: m.cases)
    print(f"skill {skill}, oracle ahead by {ahead}, placebo {placebo}, over distance {usual}")
    truth.above(19, "oracle over model, nats, lower end", ahead[1])
    truth.above(19, "model over nothing, nats, lower end", skill[1])
    truth.above(19, "nothing over the stale map, nats, lower end", -placebo[2])
    assert placebo[2] < skill[1]
    assert usual[1] > 0.0


def test_the_fullest_bins_are_hit_more_often_than_random_ones(trials: list[Trial]) -> None:
    hit, chance = (
        sum(getattr(d, name) for t in trials for d in t.model_days) for name in ("hit", "chance")
    )
    assert hit / chance > 1.1


def test_phi_of_the_true_book_is_about_one_and_the_net_model_needs_more(
    truth: Truth, trials: list[Trial]
) -> None:
    for trial in trials:
        model, oracle = (heatmap_level.phi(level) for level in trial.levels)
        print(
            f"phi true {oracle:.3f}, model {model:.3f} ± {heatmap_level.phi_error(trial.levels[0]):.3f}"
        )
        truth.between(20, "phi of the true book", oracle, 0.9, 1.2)
        truth.between(20, "phi of the model on net open interest", model, 1.3, 3.2)
        assert trial.levels[0]["episodes"] >= 30
