"""What must hold over the seeds, and the tables that show it."""

from collections import defaultdict
from typing import NamedTuple

import numpy as np
from rich.table import Table

from tests.worlds.regimes import ORDER
from tests.worlds.run import Estimate, Outcome, bootstrap

COVERED = 0.9  # of runs must have the truth within two standard errors
REQUIRED = ("n", "kappa, bp/M USD", "loop gain", "phi")


class Check(NamedTuple):
    """One thing that must hold, whether it does, and what was found."""

    what: str
    holds: bool
    found: str


def by_name(outcomes: list[Outcome]) -> dict[tuple[str, str], list[Estimate]]:
    """Return the estimates of each world's numbers; the two sides of a run count as two."""
    found: dict[tuple[str, str], list[Estimate]] = defaultdict(list)
    for outcome in outcomes:
        for estimate in outcome.estimates:
            found[outcome.world, estimate.name].append(estimate)
    return found


def covered(of: list[Estimate]) -> float:
    """Return in which share of runs the truth is within two standard errors."""
    return float(np.mean([e.covered for e in of]))


def visited(path: list[str]) -> list[str]:
    """Return the states a path went through, the unknown ones left out."""
    return [state for state in path if state != "UNKNOWN"]


def skills(outcomes: list[Outcome]) -> dict[str, tuple[float, float, float]]:
    """Return mean and 95 % interval of each map's skill, days of all seeds drawn as blocks."""
    days = np.array([day for o in outcomes for day in o.scores])
    cases, model, placebos, placebo, _, oracle = days.T[:6]
    return {
        "oracle": bootstrap(oracle, cases),
        "model": bootstrap(model, cases),
        "oracle less model": bootstrap(oracle - model, cases),
        "stale placebo": bootstrap(placebo, placebos),
    }


def _numbers(outcomes: list[Outcome]) -> list[Check]:
    return [
        Check(f"{world}: {name} within 2 s.e. in ≥ {COVERED:.0%} of runs", covered(of) >= COVERED,
              f"{covered(of):.0%} of {len(of)}")
        for (world, name), of in by_name(outcomes).items() if name in REQUIRED
    ]  # fmt: skip


def _paths(outcomes: list[Outcome]) -> Check:
    right = [visited(o.path)[: len(ORDER)] == ORDER for o in outcomes]
    found = f"{sum(right)} of {len(right)}"
    return Check("regimes: " + " → ".join(ORDER), all(right), found)


def _skills(outcomes: list[Outcome]) -> Check:
    of = skills(outcomes)
    apart = of["oracle less model"][1] > 0.0 and of["model"][1] > 0.0 > of["stale placebo"][2]
    found = ", ".join(f"{name} {mean:+.3f}" for name, (mean, _, _) in of.items())
    return Check("book: oracle > model > 0 > stale placebo, intervals apart", apart, found)


def checks(outcomes: list[Outcome], spurious: tuple[str, ...]) -> list[Check]:
    """Return everything that must hold of the worlds that were run."""
    found = _numbers(outcomes)
    regimes = [o for o in outcomes if o.world == "regimes"]
    books = [o for o in outcomes if o.world == "book"]
    found += [_paths(regimes)] if regimes else []
    found += [_skills(books)] if books else []
    for name in spurious:
        of = [o for o in outcomes if o.world == name]
        alarms = sorted({alarm for o in of for alarm in o.alarms})
        if of:
            said = f"{sum(bool(o.alarms) for o in of)} of {len(of)} runs: {', '.join(alarms)}"
            found.append(Check(f"{name}: no alarm", not alarms, said if alarms else "none"))
    return found


def number_table(outcomes: list[Outcome]) -> Table:
    """Return how well each number recovers its truth."""
    table = Table(title="numbers: truth and what was found, each side of each seed a run")
    columns = (
        "world",
        "number",
        "truth",
        "mean",
        "bias",
        "mean s.e.",
        "sd of z",
        "±2 s.e.",
        "runs",
    )
    for column in columns:
        table.add_column(column, justify="left" if column in columns[:2] else "right")
    for (world, name), of in by_name(outcomes).items():
        truth, value, error = (np.array([e[k] for e in of]) for k in (1, 2, 3))
        z = (value - truth) / error
        table.add_row(
            world, name, f"{truth.mean():.4g}", f"{value.mean():.4g}", f"{(value - truth).mean():+.2g}",
            f"{error.mean():.2g}", f"{z.std():.2f}", f"{covered(of):.0%}", str(len(of)),
        )  # fmt: skip
    return table


def path_table(outcomes: list[Outcome]) -> Table:
    """Return the ways the machine of longs went, and how often."""
    table = Table("path", "runs", title="regimes: states of the long side")
    paths = [" → ".join(visited(o.path)) for o in outcomes]
    for path in sorted(set(paths), key=paths.count, reverse=True):
        table.add_row(path, str(paths.count(path)))
    return table


def skill_table(outcomes: list[Outcome]) -> Table:
    """Return the skill of each map with its interval."""
    table = Table(
        "map", "nats over uniform", "95 % interval", title="book: where orders are forced"
    )
    for name, (mean, low, high) in skills(outcomes).items():
        table.add_row(name, f"{mean:+.4f}", f"{low:+.4f} to {high:+.4f}")
    return table


def check_table(found: list[Check]) -> Table:
    """Return what must hold, and whether it does."""
    table = Table("must hold", "", "found", title="verdict")
    for check in found:
        table.add_row(check.what, "yes" if check.holds else "NO", check.found)
    return table
