"""World `excitation`: branching, price gain, impact and loop gain are planted.

Two complete perpetual feeds print forced orders of a marked Hawkes process with the engine's half-lives:
each causes others of its side and a few of the other, a falling index causes longs, a rising one shorts. Each
forced USD moves the index by `kappa`, two seconds later, beside noise and what free takers move it. There is
no book: sizes are log-normal, so that the mean order in the loop gain is planted too.
"""

from service.simulator.world import HOUR_S, Plan, Stage
from tests.worlds.run import Estimate, Outcome, Run, interval_error

HOURS = 20.0
PLAN = Plan(
    stages=(Stage(name="steady", duration_s=HOURS * HOUR_S, mu=(0.02, 0.02)),),
    volatility_bp=2.0,
    own=(0.05, 0.30, 0.15),
    cross=(0.01, 0.02, 0.02),
    gain=(0.02, 0.02, 0.01),
    kappa_bp=(20.0, 20.0),
    impact_perp_bp=5.0,
    impact_spot_bp=5.0,
    perp_usd=2e5,
    spot_usd=2e5,
)


def run(seed: int) -> Outcome:
    """Live through one world and read the numbers at its end."""
    one = Run(PLAN, seed)
    one.until(one.world.seconds)
    outcome = Outcome("excitation", seed)
    for k, side in enumerate(("long", "short")):
        for name, truth, reading in (
            ("n", PLAN.branching(), "branching"),
            ("price gain, orders/bp", sum(PLAN.gain), "price_gain"),
            ("kappa, bp/M USD", PLAN.kappa_bp[k], "kappa"),
        ):
            value, error = one.reading(f"{reading}_{side}"), one.reading(f"{reading}_se_{side}")
            outcome.estimates.append(Estimate(name, truth, value, error))
        low, high = (one.reading(f"loop_gain_{end}_{side}") for end in ("low", "high"))
        loop = Estimate(
            "loop gain",
            PLAN.loop_gain(k),
            one.reading(f"loop_gain_{side}"),
            interval_error(low, high),
        )
        outcome.estimates.append(loop)
    for name, truth, reading in (
        ("impact of perp takers", PLAN.impact_perp_bp, "impact_taker_perp"),
        ("impact of spot takers", PLAN.impact_spot_bp, "impact_taker_spot"),
    ):
        value, error = one.reading(reading), one.reading(f"{reading}_se")
        outcome.estimates.append(Estimate(name, truth, value, error))
    return outcome
