"""World `regimes`: the treadmill's round, scheduled, after three months of ordinary past.

Calm, until two days of flows are known; a day in which longs crowd in, pay for it and lift the price; a dip
that shakes nobody out; the fall that does; two lesser bursts that spot buyers absorb a known share of; and a
deleveraged, quiet day. Forced orders are true positions: those the mark touches, and those nearest to it that
contagion and the background take. Price, open interest, premium and funding are led; what forced orders do to
the index fades in under an hour. So the order of the states is known and the numbers of `excitation` are not
asked for here.
"""

import math

from service.simulator.world import HOUR_S, Plan, Stage, World
from tests.worlds.run import Estimate, Outcome, Run

ORDER = ["CALM", "CROWDED", "FRAGILE", "CASCADE", "FLUSHED", "RESET"]
ABSORBED = 0.6  # USD that spot buys for each USD forced in the lesser bursts
SAMPLED = 0.3  # share of the venue whose feed is sampled
CORRECTION = 0.12  # how far its correction may be off
SETTLE_S = 1200.0  # after the end of a lesser burst its absorption is read
BUSY = (0.007, 0.007)
QUIET = (0.001, 0.001)  # after the fall: the lesser bursts stay the last ones


def _lesser(number: int) -> tuple[Stage, Stage]:
    burst = Stage(
        name=f"lesser {number}", duration_s=90.0, mu=(16.0, 0.001), absorb=ABSORBED, us_premium=3e-4,
        volatility=0.05,
    )  # fmt: skip
    rest = Stage(
        name=f"rest {number}", duration_s=2.5 * HOUR_S, step_s=5.0, mu=QUIET, close=0.1,
        us_premium=3e-4, volatility=0.05,
    )  # fmt: skip
    return burst, rest


def plan(usual_excess: float) -> Plan:
    """Return the schedule; after the fall funding returns to `usual_excess`."""
    stages = (
        Stage(name="calm", duration_s=32 * HOUR_S, step_s=5.0, mu=BUSY),
        Stage(
            name="build-up", duration_s=14 * HOUR_S, step_s=5.0, mu=BUSY, price=0.06,
            open_interest=1.15, premium=14e-4, excess=0.40, longs=0.8,
        ),
        Stage(name="top", duration_s=5 * HOUR_S, step_s=5.0, mu=BUSY, longs=0.8),
        Stage(
            name="dip", duration_s=1.5 * HOUR_S, step_s=5.0, mu=BUSY, price=-0.03, longs=0.7,
            volatility=0.5,
        ),
        Stage(name="on the edge", duration_s=0.75 * HOUR_S, step_s=5.0, mu=BUSY, longs=0.7, volatility=0.5),
        Stage(name="spark", duration_s=60.0, mu=(3.0, 0.007), longs=0.7),
        Stage(
            name="fall", duration_s=0.4 * HOUR_S, mu=(0.1, 0.005), price=-0.06, open_interest=0.97,
            premium=-4e-4, excess=usual_excess, close=16.0, volatility=2.0,
        ),
        Stage(name="after", duration_s=2 * HOUR_S, mu=QUIET, premium=2e-4, close=0.1, volatility=0.3),
        *_lesser(1), *_lesser(2),
        Stage(
            name="quiet", duration_s=24 * HOUR_S, step_s=5.0, mu=QUIET, close=0.1, us_premium=3e-4,
            volatility=0.05,
        ),
    )  # fmt: skip
    return Plan(
        stages=stages,
        venues=(("bybit", 0.5, False), ("bitmex", 0.2, False), ("binance_usdm", SAMPLED, True)),
        history_days=92,
        open_interest=80_000.0,
        position_coin=0.8,
        reversion_s=2400.0,
        kappa_bp=(0.2, 0.2),
        impact_perp_bp=0.1,
        impact_spot_bp=0.2,
        spot_usd=2e4,
        premium_sd=1e-5,  # or the mark would touch positions where the index rests
        own=(0.15, 0.0, 0.0),  # no echo: a tail would be a burst of its own
        cross=(0.02, 0.0, 0.0),
        booked=True,
        isolated=0.8,
    )


def usual_excess(seed: int) -> float:
    """Return what funding usually was in the seed's past, a little below its median."""
    return World(plan(0.0), seed).past.usual_excess(0.38)


def run(seed: int) -> Outcome:
    """Live through the schedule; note the path and what spot was found to have absorbed."""
    one = Run(plan(usual_excess(seed)), seed)
    outcome = Outcome("regimes", seed)
    for name, end in one.world.stage_ends():
        if not name.startswith("lesser"):
            one.until(end)
            continue
        one.until(end + SETTLE_S)
        outcome.estimates.append(_absorbed(one))
    outcome.path = one.states("long")
    return outcome


def _absorbed(one: Run) -> Estimate:
    """Return the share found; its error is of spot's ordinary flow, and of what the sampled feed hides."""
    burst = one.engine._underlyings[0]["burst"][0]
    window_s = (int(burst["end_ns"]) - int(burst["start_ns"])) / 1e9 + 600.0
    forced = max(float(burst["usd_estimated"]), 1.0)
    flow = one.world.plan.spot_usd * math.sqrt(max(window_s, 1.0)) / forced
    error = math.hypot(flow, ABSORBED * SAMPLED * CORRECTION)
    return Estimate("absorbed flow", ABSORBED, one.reading("absorbed_flow_long"), error)
