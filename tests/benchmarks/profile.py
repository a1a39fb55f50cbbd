"""Where the fold's time goes: by kind of row, and by part of an evaluation.

A part's loop is compiled for itself, so the parts' sum is near the whole but not equal to it: the compiler
sees less at a time, and the caches hold more.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from rich.table import Table

from streams import conclude, evaluate
from streams.engine import Engine
from streams.events import Kind
from streams.indicators import cascade, funding, liquidations, open_interest, price
from streams.kernels.jit import NS_PER_S, kernel
from tests.benchmarks.fold import ROWS_PER_S, fold, warm
from tests.benchmarks.market import S, market
from tests.benchmarks.timing import Measure, Plan, best_ns, interleave, table

UNDERLYINGS = 20
Loop = Callable[..., None]


class World(NamedTuple):
    """What kernels work on. numba knows named tuples; a lone record would cost more than the work."""

    underlyings: Any
    k: int
    contracts: Any
    members: Any
    venues: int
    settings: Any
    excitation: Any
    work: Any
    up: Any


@kernel
def _price(w: World, start_ns: int, n: int) -> None:
    u = w.underlyings[w.k]
    p = w.settings[0]
    for step in range(n):
        now = start_ns + step * NS_PER_S
        price.tick(u.price, w.contracts, w.members, w.venues, now, True)
        price.publish(u.price, u.readings, now, 1.0, p.sigma_half_life_s, True)


@kernel
def _open_interest(w: World, start_ns: int, n: int) -> None:
    u = w.underlyings[w.k]
    c, m, count, p = w.contracts, w.members, w.venues, w.settings[0]
    for step in range(n):
        now = start_ns + step * NS_PER_S
        now_s = (now - u.origin_ns) / NS_PER_S
        open_interest.tick(u.open_interest, c, m, count, now, 1.0, p)
        open_interest.publish(u.open_interest, c, m, count, u.readings, now, 1.0, now_s, p)
        open_interest.learn_sizes(u.open_interest, c, m, count, now, 1.0, p)


@kernel
def _funding(w: World, start_ns: int, n: int) -> None:
    u = w.underlyings[w.k]
    c, m, count, p = w.contracts, w.members, w.venues, w.settings[0]
    for step in range(n):
        now = start_ns + step * NS_PER_S
        funding.tick(c, m, count, u.readings, now, 1.0, True, p, w.work)
        funding.publish(u.funding, u.readings, 1.0, (now - u.origin_ns) / NS_PER_S, p)


@kernel
def _liquidations(w: World, start_ns: int, n: int) -> None:
    u = w.underlyings[w.k]
    c, m, count, p = w.contracts, w.members, w.venues, w.settings[0]
    for step in range(n):
        now = start_ns + step * NS_PER_S
        now_s = (now - u.origin_ns) / NS_PER_S
        liquidations.tick(u.liquidations, c, m, count, w.up, now, now_s, 1.0, p)
        liquidations.publish(u.liquidations, u.readings, now)


@kernel
def _cascade(w: World, start_ns: int, n: int) -> None:
    u = w.underlyings[w.k]
    p = w.settings[0]
    for step in range(n):
        now = start_ns + step * NS_PER_S
        cascade.tick(u.cascade, 1e-4, 1, now, (now - u.origin_ns) / NS_PER_S, 1.0, p)
        cascade.publish(u.cascade, u.readings, w.excitation, 1, now, p)


@kernel
def _bursts(w: World, start_ns: int, n: int) -> None:
    u = w.underlyings[w.k]
    p = w.settings[0]
    for step in range(n):
        now = start_ns + step * NS_PER_S
        now_s = (now - u.origin_ns) / NS_PER_S
        evaluate.step_bursts(u, 1.0, now, now_s, p)
        evaluate._publish_bursts(u, 1.0, now_s, p)


@kernel
def _machines(w: World, start_ns: int, n: int) -> None:
    u = w.underlyings[w.k]
    p = w.settings[0]
    for step in range(n):
        now = start_ns + step * NS_PER_S
        conclude.score(u, now, (now - u.origin_ns) / NS_PER_S, p)
        conclude.compare_bursts(u, now, p)
        evaluate._step_quadrants(u, now, p)
        conclude.step_breakers(u, now, p)
        conclude.step_machine(u, 0, now, p)
        conclude.step_machine(u, 1, now, p)
        conclude.publish(u, now)
        evaluate._watch_feeds(u, now, p)


@kernel
def _whole(w: World, start_ns: int, n: int) -> None:
    u = w.underlyings[w.k]
    c, m, p = w.contracts, w.members, w.settings[0]
    for step in range(n):
        now = start_ns + step * NS_PER_S
        evaluate.tick(u, c, m, w.venues, m, 0, now, True, p, w.excitation, w.work, w.up)


PARTS: dict[str, Loop] = {
    "price path": _price,
    "open interest": _open_interest,
    "funding": _funding,
    "liquidations": _liquidations,
    "cascade intensity": _cascade,
    "bursts": _bursts,
    "quadrants and machines": _machines,
}


def _engine() -> Engine:
    """Return an engine all of whose inputs are known."""
    made = market(UNDERLYINGS, ROWS_PER_S, 5.0)
    engine = Engine()
    engine.fold(made.announced, 0)
    engine.fold(made.rows.tobytes(), 1)
    return engine


def _us(engine: Engine, loop: Loop, seconds: int) -> float:
    """Return microseconds an underlying and second, on the engine's records, which it uses up."""
    settings, excitation, work, up = engine._tools

    def over(k: int, start_ns: int, n: int) -> None:
        count = int(engine._sizes[k])
        loop(
            World(
                engine._underlyings, k, engine._contracts, engine._members[k], count,
                settings, excitation, work, up,
            ), start_ns, n,
        )  # fmt: skip

    tick_ns = int(engine._underlyings[0]["tick_ns"])
    over(0, tick_ns + S, 1)  # compiles, or loads
    took = 0.0
    for k in range(UNDERLYINGS):
        begin = time.perf_counter()
        over(k, tick_ns + 2 * S, seconds)
        took += time.perf_counter() - begin
    return took / UNDERLYINGS / seconds * 1e6


def parts(plan: Plan) -> Table:
    """Return what an evaluation's parts cost."""
    seconds = 25  # open interest is stale after thirty
    names = {**PARTS, "the whole evaluation": _whole}
    us = {
        name: [_us(_engine(), loop, seconds) for _ in range(plan.rounds)]
        for name, loop in names.items()
    }
    best = {name: min(values) for name, values in us.items()}
    total = sum(best[name] for name in PARTS)
    made = table(
        "5a. One evaluation of one underlying (three venues)", "part", "us", "share of the parts"
    )
    for name, cost in best.items():
        made.add_row(name, f"{cost:.2f}", f"{cost / total:.0%}" if name in PARTS else "")
    return made


def kinds(plan: Plan) -> Table:
    """Return what a row costs by its kind, evaluations and the call left out."""
    made = market(UNDERLYINGS, ROWS_PER_S, 5.0)
    snapshot = warm(Engine(), made)
    last = made.rows[-1:]
    blocks: dict[str, list[bytes]] = {}
    for kind in (
        Kind.TRADE, Kind.MARK, Kind.FUNDING, Kind.OPEN_INTEREST, Kind.LIQUIDATION, Kind.HEARTBEAT,
    ):  # fmt: skip
        mine = made.rows[made.rows["kind"] == kind]
        rows = np.resize(mine, plan.count(100_000, least=20_000))
        rows["exchange_ns"] = last["exchange_ns"]  # all in one second: nothing is evaluated
        blocks[kind.name.lower()] = [rows.tobytes()]

    def way(blocks: list[bytes]) -> Measure:
        return lambda: fold(snapshot, blocks)[0]

    took = interleave(plan, {name: way(cut) for name, cut in blocks.items()})
    out = table("5b. One row by its kind", "kind", "ns")
    for name, results in took.items():
        out.add_row(name, f"{best_ns(results):.1f}")
    return out
