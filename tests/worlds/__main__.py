"""The benchmark worlds' report: ``python -m tests.worlds``, or ``make worlds``.

Each world has a truth by construction, see its module: `excitation` for branching, impact and loop gain,
`book` for the heatmap's places and level, `regimes` for the order of states and absorption, and four spurious
ones. The engine hears of a world what exchanges would say. Printed is how well each number recovers its truth
over the seeds; the exit code is 1 if something that must hold does not.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from rich.console import Console

from tests.worlds import book, excitation, judge, regimes, spurious
from tests.worlds.run import Outcome

WORLDS = ("excitation", "book", "regimes", "spurious")
WIDTH = 140


def tasks(world: str, seed: int) -> list[tuple[str, int]]:
    """Return the runs that a world takes for a seed."""
    names = spurious.SPURIOUS if world == "spurious" else (world,)
    return [(name, seed) for name in names]


def run(name: str, seed: int) -> Outcome:
    """Live through one world."""
    if name in spurious.SPURIOUS:
        return spurious.run(name, seed)
    return {"excitation": excitation.run, "book": book.run, "regimes": regimes.run}[name](seed)


def outcomes(todo: list[tuple[str, int]], jobs: int) -> Iterator[Outcome]:
    """Yield each run's outcome as it comes."""
    if jobs == 1:
        yield from (run(*task) for task in todo)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for done in as_completed([pool.submit(run, *task) for task in todo]):
            yield done.result()


def report(found: list[Outcome], console: Console) -> int:
    """Print the tables; return the exit code."""
    found.sort(key=lambda o: (o.world, o.seed))
    console.print(judge.number_table([o for o in found if o.estimates]))
    if any(o.world == "regimes" for o in found):
        console.print(judge.path_table([o for o in found if o.world == "regimes"]))
    if any(o.world == "book" for o in found):
        console.print(judge.skill_table([o for o in found if o.world == "book"]))
    verdict = judge.checks(found, spurious.SPURIOUS)
    console.print(judge.check_table(verdict))
    return 0 if all(check.holds for check in verdict) else 1


def main() -> int:
    """Run what was asked for; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.worlds", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--world", choices=WORLDS, help="this one only")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    given = parser.parse_args()
    begin = time.monotonic()
    worlds = (given.world,) if given.world else WORLDS
    seeds = range(given.first, given.first + given.seeds)
    todo = [task for world in worlds for seed in seeds for task in tasks(world, seed)]
    found = []
    for outcome in outcomes(todo, given.jobs):
        found.append(outcome)
        print(f"{time.monotonic() - begin:6.0f} s  {outcome.world} {outcome.seed}", file=sys.stderr)
    return report(found, Console(width=None if sys.stdout.isatty() else WIDTH))


if __name__ == "__main__":
    sys.exit(main())
