"""Many underlyings at once: what a row, an evaluation and their state cost, with everything switched on.

Each has the same market, so a row ought to cost the same however many there are: what grows is how much the
caches must hold. A row costs its own work and a share of its underlying's evaluation of the second.
"""

from itertools import accumulate

import numpy as np
from rich.table import Table

from streams.engine import Engine
from streams.events import ROW, Rows
from tests.benchmarks.fold import quiet, state_kb
from tests.benchmarks.market import Market, S, market
from tests.benchmarks.timing import Measure, Plan, Took, Watch, best_ns, interleave, rate, table

UNDERLYINGS = (20, 200, 2000)
EACH_ROWS_PER_S = 100.0
BLOCKS = (200, 1000)
SEGMENT_ROWS = 200_000
TICK_OF = 200  # underlyings, evaluated at the turn of a second: the yardstick


def _segments(plan: Plan, made: Market, seconds: int) -> list[Rows]:
    """Cut the rows into two seconds to begin with and stretches of `seconds`."""
    times = made.rows["exchange_ns"]
    lengths = [2, *[seconds] * (plan.rounds * len(BLOCKS) + 1)]
    ends = times[0] // S * S + S * np.array([*accumulate(lengths)])
    return np.split(made.rows, np.searchsorted(times, ends))[:-1]


def _fold(engine: Engine, rows: Rows, size: int) -> Took:
    """Fold rows in blocks of `size`."""
    whole, step = rows.tobytes(), size * ROW.itemsize
    blocks = [whole[at : at + step] for at in range(0, len(whole), step)]
    with Watch() as watch:
        for block in blocks:
            engine.fold(block, 0)
    return watch.took(len(rows))


def _quiet(plan: Plan, engine: Engine, made: Market) -> list[Took]:
    """Measure seconds in which little but the evaluation happens."""
    seconds, out = max(2, plan.count(20_000) // (len(made.instruments) // 3)), []
    for _ in range(plan.rounds):
        block = quiet(made, int(engine._underlyings["time_ns"].max()), seconds)
        before = engine.counters["ticks"]
        with Watch() as watch:
            engine.fold(block, 0)
        out.append(watch.took(engine.counters["ticks"] - before))
    return out


def _took(plan: Plan, underlyings: int) -> dict[str, list[Took]]:
    """Fold log time in blocks of each size and rows that evaluate nothing in turn, then quiet seconds."""
    rows_per_s = underlyings * EACH_ROWS_PER_S
    seconds = max(1, plan.count(SEGMENT_ROWS) // int(rows_per_s))
    stretches = plan.rounds * len(BLOCKS) + 1
    made = market(underlyings, rows_per_s, seconds * stretches + 3.0)
    engine = Engine()
    engine.fold(made.announced, 0)
    first, *segments, still = _segments(plan, made, seconds)
    engine.fold(first.tobytes(), 0)
    rest = iter(segments)

    def way(size: int) -> Measure:
        return lambda: _fold(engine, next(rest), size)

    def stand() -> Took:
        still["exchange_ns"] = engine.tick_ns(
            engine.underlyings()[0]
        )  # in the second just evaluated
        return _fold(engine, still, BLOCKS[-1])

    took = interleave(plan, {**{str(size): way(size) for size in BLOCKS}, "still": stand})
    return {**took, "quiet": _quiet(plan, engine, made)}


def measure(plan: Plan) -> Table:
    """Return how the cost of a row and of an evaluation grows with the number of underlyings."""
    made = table(
        f"2b. Engine.fold, {EACH_ROWS_PER_S:.0f} rows a second and underlying, all indicators and both"
        " machines: rows a second (ns a row)",
        "underlyings", *(f"block of {size}" for size in BLOCKS), "ns a row without evaluations",
        "evaluation", f"a tick of {TICK_OF}", "state an underlying",
    )  # fmt: skip
    for underlyings in UNDERLYINGS:
        took = _took(plan, underlyings)
        cells = [f"{rate(best_ns(took[str(n)]))} ({best_ns(took[str(n)]):.0f})" for n in BLOCKS]
        tick_us = best_ns(took["quiet"]) / 1e3
        made.add_row(
            f"{underlyings} underlyings", *cells, f"{best_ns(took['still']):.0f}",
            f"{tick_us:.1f} us", f"{tick_us * TICK_OF / 1e3:.2f} ms", f"{state_kb():.1f} KB",
        )  # fmt: skip
    return made
