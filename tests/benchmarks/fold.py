"""The engine alone: rows a second by how many underlyings and how long the blocks, and what a tick costs."""

from itertools import accumulate
from typing import Any

import numpy as np
from rich.table import Table

from streams.engine import Engine
from streams.events import ROW, Kind
from streams.state import CONTRACT, UNDERLYING
from tests.benchmarks.market import Market, S, market
from tests.benchmarks.timing import (
    Measure,
    Plan,
    Took,
    Watch,
    best_ns,
    interleave,
    median_ns,
    rate,
    table,
)

BLOCKS = (1, 20, 200, 1000)
ROWS_PER_S = 20_000.0
#: Underlyings, rows a second of log time in all, seconds of it. The fewer rows, the more evaluations a row.
LOADS = (
    (1, ROWS_PER_S, 10.0),
    (20, ROWS_PER_S, 10.0),
    (200, ROWS_PER_S, 10.0),
    (20, 1_000.0, 60.0),
)
#: How many underlyings have how many rows a second of log time each, in the table of many.
MANY, EACH_ROWS_PER_S = (20, 200, 2000), 100.0
MANY_BLOCKS = (200, 1000)
SEGMENT_ROWS = 200_000
TICK_OF = 200  # underlyings evaluated at one second's turn, the yardstick
RENEWED = (Kind.HEARTBEAT, Kind.MARK, Kind.OPEN_INTEREST, Kind.FUNDING)


def warm(engine: Engine, made: Market) -> bytes:
    """Announce the market's contracts, fold its first rows, and return the engine's snapshot."""
    engine.fold(made.announced, 0)
    engine.fold(made.rows[: len(made.rows) // 10].tobytes(), 1)
    return engine.snapshot()


def fold(snapshot: bytes, blocks: list[bytes]) -> tuple[Took, Engine]:
    """Fold blocks on an engine as it was at the snapshot."""
    engine = Engine.restore(snapshot)
    before = engine.counters["rows"]
    take = engine.fold
    with Watch() as watch:
        for offset, block in enumerate(blocks):
            take(block, offset)
    return watch.took(engine.counters["rows"] - before), engine


def _check(hashes: dict[str, str]) -> None:
    if len(set(hashes.values())) != 1:
        raise AssertionError(f"the state depends on how rows are cut into blocks: {hashes}")


def _cuts(plan: Plan, made: Market) -> dict[str, list[Took]]:
    """Fold the same rows cut into blocks of each size; all must end in the same state."""
    rest = made._replace(rows=made.rows[len(made.rows) // 10 :])
    snapshot, hashes = warm(Engine(), made), dict[str, str]()

    def way(size: int) -> Measure:
        count = min(len(rest.rows), max(5_000, 20_000 * size))
        blocks = rest._replace(rows=rest.rows[:count]).blocks(size)

        def one() -> Took:
            took, engine = fold(snapshot, blocks)
            if count == len(rest.rows):
                hashes[str(size)] = engine.state_hash()
            return took

        return one

    took = interleave(plan, {str(size): way(size) for size in BLOCKS})
    _check(hashes)
    return took


def state_kb() -> float:
    """Return what an underlying with three perpetuals weighs."""
    return (UNDERLYING.itemsize + 3 * CONTRACT.itemsize) / 1e3


def evaluations(plan: Plan, underlyings: int) -> list[Took]:
    """Measure an underlying's quietest second: twelve rows that renew all inputs, and one evaluation."""
    made = market(underlyings, ROWS_PER_S, 2.0)
    snapshot = warm(Engine(), made)
    seconds = plan.count(4000, least=400) // underlyings
    ids = np.array([one.id for one in made.instruments], np.uint64).repeat(len(RENEWED))
    sample = market(1, 100.0, 60.0).rows
    each = np.concatenate([sample[sample["kind"] == kind][:1] for kind in RENEWED])
    rows = np.tile(each, underlyings * 3 * seconds)
    rows["instrument"] = np.tile(ids, seconds)
    start_ns = int(made.rows["exchange_ns"][-1]) // S * S
    rows["exchange_ns"] = start_ns + S * (1 + np.arange(len(rows)) // len(ids))
    block = rows.tobytes()

    def one() -> Took:
        engine = Engine.restore(snapshot)
        before = engine.counters["ticks"]
        with Watch() as watch:
            engine.fold(block, 0)
        return watch.took(engine.counters["ticks"] - before)

    return interleave(plan, {"evaluation": one})["evaluation"]


def measure(plan: Plan) -> Table:
    """Return the table of rows a second through `Engine.fold`, announcements and restores not counted."""
    made = table(
        "2. Engine.fold, one core: rows a second (ns a row), best of the rounds; three venues",
        "underlyings, rows a second of log time",
        *(f"block of {size}" for size in BLOCKS), "median, 200", "evaluation", "state",
    )  # fmt: skip
    for underlyings, rows_per_s, seconds in LOADS:
        log = market(underlyings, rows_per_s, plan.seconds(seconds) + 1.0)
        took = _cuts(plan, log)
        cells = [f"{rate(best_ns(took[str(n)]))} ({best_ns(took[str(n)]):.0f})" for n in BLOCKS]
        tick_us = best_ns(evaluations(plan, underlyings)) / 1e3
        made.add_row(
            f"{underlyings}, {rows_per_s:,.0f}", *cells, rate(median_ns(took["200"])),
            f"{tick_us:.1f} us", f"{state_kb() * underlyings / 1e3:.2f} MB",
        )  # fmt: skip
    return made


def _segments(plan: Plan, underlyings: int) -> tuple[Engine, list[Any]]:
    """Return an engine that knows its market, and stretches of log time that follow, to fold in order."""
    rows_per_s = underlyings * EACH_ROWS_PER_S
    seconds = max(1, plan.count(SEGMENT_ROWS) // int(rows_per_s))
    count = plan.rounds * len(MANY_BLOCKS) + 1
    made = market(underlyings, rows_per_s, seconds * count + 2.0)
    times = made.rows["exchange_ns"]
    edges = times[0] // S * S + S * np.array([*accumulate([2] + [seconds] * count)])
    cuts = np.searchsorted(times, edges)
    engine = Engine()
    engine.fold(made.announced, 0)
    engine.fold(made.rows[: cuts[0]].tobytes(), 1)
    return engine, np.split(made.rows[: cuts[-1]], cuts[:-1])[1:]


def _many(plan: Plan, underlyings: int) -> dict[str, list[Took]]:
    """Fold stretches of log time in turn: in blocks of each size, and without any evaluation in them."""
    engine, (*segments, spare) = _segments(plan, underlyings)
    rest = iter(segments)

    def way(size: int, *, still: bool) -> Measure:
        def one() -> Took:
            rows = spare if still else next(rest)
            if still:  # all in the second that has been evaluated
                rows["exchange_ns"] = engine.tick_ns(engine.underlyings()[0])
            step = size * ROW.itemsize
            whole = rows.tobytes()
            blocks = [whole[at : at + step] for at in range(0, len(whole), step)]
            with Watch() as watch:
                for block in blocks:
                    engine.fold(block, 0)
            return watch.took(len(rows))

        return one

    ways = {str(size): way(size, still=False) for size in MANY_BLOCKS}
    return interleave(plan, {**ways, "still": way(MANY_BLOCKS[-1], still=True)})


def measure_many(plan: Plan) -> Table:
    """Return how the cost of a row and of an evaluation grows with the number of underlyings."""
    made = table(
        f"2b. Engine.fold, {EACH_ROWS_PER_S:.0f} rows a second and underlying, all indicators and both"
        " machines: rows a second (ns a row)",
        "underlyings", *(f"block of {size}" for size in MANY_BLOCKS), "ns a row without evaluations",
        "evaluation", f"a tick of {TICK_OF}", "state an underlying",
    )  # fmt: skip
    for underlyings in MANY:
        took = _many(plan, underlyings)
        cells = [
            f"{rate(best_ns(took[str(n)]))} ({best_ns(took[str(n)]):.0f})" for n in MANY_BLOCKS
        ]
        tick_us = best_ns(evaluations(plan, underlyings)) / 1e3
        made.add_row(
            f"{underlyings} underlyings", *cells, f"{best_ns(took['still']):.0f}",
            f"{tick_us:.1f} us", f"{tick_us * TICK_OF / 1e3:.2f} ms", f"{state_kb():.1f} KB",
        )  # fmt: skip
    return made
