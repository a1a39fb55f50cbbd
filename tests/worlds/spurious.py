"""Four worlds that only look like a treadmill: whoever calls one of them an alarm is fooled.

`diurnal`: forced orders without any excitation, busier by day than by night. `switching`: the same, ten
times as busy every other half hour. `price`: falls force orders, orders force none. `dead feed`: a truly
branching market whose liquidation feeds die at its busiest. Switching every few minutes is left out: rates
that change as fast as kernels decay are branching to any estimator, unless price changes with them.

An alarm is a machine in CROWDED, FRAGILE or CASCADE, or fast branching above the configured alarm by two of
its standard errors; of the dead feed also a branching or a calm that is still said an hour later.
"""

import math

from service.simulator.world import HOUR_S, Plan, Stage
from streams.config import MethodConfig
from tests.worlds.run import Outcome, Run

ALARMS = {"CROWDED", "FRAGILE", "CASCADE"}
WARM_HOURS, HOURS = 12, 24
STEP_S = 2.0
CONFIG = MethodConfig()
COMMON = {"history_days": 92, "volatility_bp": 2.0, "order_usd": 20_000.0}
SPURIOUS = ("diurnal", "switching", "price", "dead feed")


def _hourly(rates: list[float], seconds: float, *, dead: bool = False) -> tuple[Stage, ...]:
    return tuple(
        Stage(name=f"{k}", duration_s=seconds, step_s=STEP_S, mu=(rate, rate), dead=dead)
        for k, rate in enumerate(rates)
    )


def plan(name: str) -> Plan:
    """Return the plan of one of `SPURIOUS`."""
    if name == "diurnal":
        day = [0.08 * (1.0 + 0.6 * math.sin(math.tau * k / 96)) for k in range(4 * HOURS)]
        return Plan(stages=_hourly(day, 900.0), **COMMON)
    if name == "switching":
        return Plan(stages=_hourly([0.01, 0.1] * HOURS, 1800.0), **COMMON)
    if name == "price":
        falls = (Stage(name="falls", duration_s=HOURS * HOUR_S, step_s=STEP_S, mu=(0.02, 0.02)),)
        return Plan(stages=falls, gain=(0.0, 0.05, 0.0), vol_of_vol=0.01, **COMMON)
    alive = (
        Stage(name="alive", duration_s=(WARM_HOURS + 2) * HOUR_S, step_s=STEP_S, mu=(0.03, 0.03)),
    )
    busy = (Stage(name="busy", duration_s=600.0, step_s=STEP_S, mu=(0.3, 0.1)),)
    dead = (Stage(name="dead", duration_s=6 * HOUR_S, step_s=STEP_S, mu=(0.3, 0.1), dead=True),)
    own = (0.15, 0.20, 0.15)
    return Plan(stages=alive + busy + dead, own=own, kappa_bp=(5.0, 5.0), **COMMON)


def run(name: str, seed: int) -> Outcome:
    """Live through one of them; look every quarter of an hour."""
    one = Run(plan(name), seed)
    outcome = Outcome(name, seed)
    fast: list[float] = []
    died_s = (WARM_HOURS + 2) * HOUR_S + 600.0 if name == "dead feed" else math.inf
    for at in one.every(900.0):
        if at < WARM_HOURS * HOUR_S:
            continue
        for side in ("long", "short"):
            value, error = (one.reading(f"branching_fast{k}_{side}") for k in ("", "_se"))
            if value - 2.0 * error > CONFIG.branching_alarm:
                outcome.alarms.append(f"branching_fast_{side}")
            if at > died_s + HOUR_S and not math.isnan(one.reading(f"branching_{side}")):
                outcome.alarms.append(f"branching_{side} of a dead feed")
            fast.append(value)
    for side in ("long", "short"):
        path = one.states(side)
        outcome.alarms += [f"{side} {state}" for state in path if state in ALARMS]
        if name == "dead feed" and path[-1] != "UNKNOWN":
            outcome.alarms.append(f"{side} {path[-1]} of a dead feed")
        outcome.path += path if side == "long" else []
    known = [x for x in fast if not math.isnan(x)]
    outcome.notes.append(("fast branching", sum(known) / len(known)))
    return outcome
