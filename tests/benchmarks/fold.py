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

UNDERLYINGS = (1, 20, 200)
BLOCKS = (1, 20, 200, 1000)
ROWS_PER_S = 20_000.0
QUIET_ROWS_PER_S = 1_000.0


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


def ticks(plan: Plan, underlyings: int) -> list[Took]:
    """Measure an evaluation: heartbeats a second apart, less what rows without a tick cost."""
    made = market(underlyings, ROWS_PER_S, 2.0)
    snapshot = warm(Engine(), made)
    firsts = [made.instruments[3 * u].id for u in range(underlyings)]
    beats = made.rows[made.rows["kind"] == Kind.HEARTBEAT][:1]
    seconds = plan.count(4000, least=400) // underlyings
    rows = beats.repeat(underlyings * seconds)
    rows["instrument"] = firsts * seconds
    start_ns = int(made.rows["exchange_ns"][-1]) // S * S
    rows["exchange_ns"] = start_ns + S * (1 + np.arange(len(rows)) // underlyings)
    block = rows.tobytes()

    def one() -> Took:
        engine = Engine.restore(snapshot)
        before = engine.counters["ticks"]
        with Watch() as watch:
            engine.fold(block, 0)
        return watch.took(engine.counters["ticks"] - before)

    return interleave(plan, {"tick": one})["tick"]
