"""The engine alone: rows a second by how many underlyings and how long the blocks, and what a tick costs."""

import numpy as np
from rich.table import Table

from streams.engine import Engine
from streams.events import Kind
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


def quiet(made: Market, start_ns: int, seconds: int) -> bytes:
    """Return each underlying's quietest seconds: twelve rows that renew all inputs, and one evaluation."""
    ids = np.array([one.id for one in made.instruments], np.uint64).repeat(len(RENEWED))
    sample = market(1, 100.0, 60.0).rows
    each = np.concatenate([sample[sample["kind"] == kind][:1] for kind in RENEWED])
    rows = np.tile(each, len(made.instruments) * seconds)
    rows["instrument"] = np.tile(ids, seconds)
    rows["exchange_ns"] = start_ns // S * S + S * (1 + np.arange(len(rows)) // len(ids))
    return rows.tobytes()


def evaluations(plan: Plan, underlyings: int) -> list[Took]:
    """Measure quiet seconds, an evaluation each."""
    made = market(underlyings, ROWS_PER_S, 2.0)
    snapshot = warm(Engine(), made)
    seconds = plan.count(4000, least=400) // underlyings
    block = quiet(made, int(made.rows["exchange_ns"][-1]), seconds)

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
