"""Where the fold's time goes: by kind of row, and by part of an evaluation.

Two hundred underlyings are evaluated in turn, as a market's second does: what one of them needs has left the
fast caches when its turn comes again. A part's loop is compiled for itself, so the parts' sum is near the
whole but not equal to it: the compiler sees less at a time, and what parts share is fetched by each.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from rich.table import Table

from streams import conclude, evaluate
from streams.engine import Engine
from streams.events import Kind
from streams.indicators import (
    branching,
    branching_fit,
    cascade,
    funding,
    liquidations,
    open_interest,
    price,
    throttling,
)
from streams.kernels.jit import NS_PER_S, kernel
from tests.benchmarks.fold import ROWS_PER_S, fold, warm
from tests.benchmarks.many import TICK_OF
from tests.benchmarks.market import Market, S, market
from tests.benchmarks.timing import Measure, Plan, best_ns, interleave, table

UNDERLYINGS = 20
Part = Callable[..., None]


class World(NamedTuple):
    """What kernels work on. numba knows named tuples; a lone record would cost more than the work."""

    underlyings: Any
    contracts: Any
    members: Any
    sizes: Any
    settings: Any
    excitation: Any
    work: Any
    up: Any


@kernel
def _turn(start_ns: int, step: int) -> tuple[int, int]:
    """Return whose turn it is and when, one underlying after the other in each second."""
    return step % TICK_OF, start_ns + step // TICK_OF * NS_PER_S


@kernel
def _price(w: World, start_ns: int, seconds: int) -> None:
    for step in range(seconds * TICK_OF):
        k, now = _turn(start_ns, step)
        u, p = w.underlyings[k], w.settings[0]
        price.tick(u.price, w.contracts, w.members[k], w.sizes[k], now, True)
        price.publish(u.price, u.readings, now, 1.0, p.sigma_half_life_s, True)


@kernel
def _open_interest(w: World, start_ns: int, seconds: int) -> None:
    for step in range(seconds * TICK_OF):
        k, now = _turn(start_ns, step)
        u, p = w.underlyings[k], w.settings[0]
        c, m, count, now_s = w.contracts, w.members[k], w.sizes[k], (now - u.origin_ns) / NS_PER_S
        open_interest.tick(u.open_interest, c, m, count, now, 1.0, p)
        open_interest.publish(u.open_interest, c, m, count, u.readings, now, 1.0, now_s, p)
        open_interest.learn_sizes(u.open_interest, c, m, count, u.readings, now, 1.0, p)


@kernel
def _funding(w: World, start_ns: int, seconds: int) -> None:
    for step in range(seconds * TICK_OF):
        k, now = _turn(start_ns, step)
        u, p = w.underlyings[k], w.settings[0]
        funding.tick(w.contracts, w.members[k], w.sizes[k], u.readings, now, 1.0, True, p, w.work)
        funding.publish(u.funding, u.readings, 1.0, (now - u.origin_ns) / NS_PER_S, p)


@kernel
def _leverage(w: World, start_ns: int, seconds: int) -> None:
    for step in range(seconds * TICK_OF):
        k, now = _turn(start_ns, step)
        u, p = w.underlyings[k], w.settings[0]
        now_s = (now - u.origin_ns) / NS_PER_S
        evaluate._leverage(u, w.contracts, w.members[k], w.sizes[k], now, 1.0, now_s, True, p)


@kernel
def _liquidations(w: World, start_ns: int, seconds: int) -> None:
    for step in range(seconds * TICK_OF):
        k, now = _turn(start_ns, step)
        u, p = w.underlyings[k], w.settings[0]
        c, m, count, now_s = w.contracts, w.members[k], w.sizes[k], (now - u.origin_ns) / NS_PER_S
        liquidations.tick(u.liquidations, c, m, count, w.up, now, now_s, u.origin_ns, 1.0, p)
        liquidations.publish(u.liquidations, u.readings, now)
        hidden, complete = liquidations.rates_10m(u.liquidations)
        throttling.publish(c, m, count, w.up, hidden, complete, u.readings)


@kernel
def _cascade(w: World, start_ns: int, seconds: int) -> None:
    for step in range(seconds * TICK_OF):
        k, now = _turn(start_ns, step)
        u, p = w.underlyings[k], w.settings[0]
        cascade.tick(u.cascade, 1e-4, 1, now, (now - u.origin_ns) / NS_PER_S, 1.0, p)
        cascade.publish(u.cascade, u.readings, w.excitation, 1, now, p)


@kernel
def _branching(w: World, start_ns: int, seconds: int) -> None:
    for step in range(seconds * TICK_OF):
        k, now = _turn(start_ns, step)
        u, p = w.underlyings[k], w.settings[0]
        now_s = (now - u.origin_ns) / NS_PER_S
        branching_fit.tick(
            u.branching, w.contracts, w.members[k], w.sizes[k], w.up, 1e-4, now, now_s, 1.0, p
        )
        branching.publish(u.branching, u.readings, now, p)


@kernel
def _volatility(w: World, start_ns: int, seconds: int) -> None:
    for step in range(seconds * TICK_OF):
        k, now = _turn(start_ns, step)
        u, p = w.underlyings[k], w.settings[0]
        now_s = (now - u.origin_ns) / NS_PER_S
        evaluate._volatility(u, w.contracts, w.members[k], w.sizes[k], now, now_s, True, p)


@kernel
def _heatmap(w: World, start_ns: int, seconds: int) -> None:
    for step in range(seconds * TICK_OF):
        k, now = _turn(start_ns, step)
        u, p = w.underlyings[k], w.settings[0]
        evaluate._heat(u, w.contracts, w.members[k], w.sizes[k], now, 1.0, True, p, w.work)


@kernel
def _bursts(w: World, start_ns: int, seconds: int) -> None:
    for step in range(seconds * TICK_OF):
        k, now = _turn(start_ns, step)
        u, p = w.underlyings[k], w.settings[0]
        now_s = (now - u.origin_ns) / NS_PER_S
        evaluate.step_bursts(u, 1.0, now, now_s, p)
        evaluate._publish_bursts(u, 1.0, now_s, p)


@kernel
def _flows(w: World, start_ns: int, seconds: int) -> None:
    for step in range(seconds * TICK_OF):
        k, now = _turn(start_ns, step)
        u, m = w.underlyings[k], w.members[k]
        evaluate._flows(u, w.contracts, m, w.sizes[k], m, 0, now, 1.0, True, w.settings[0])


@kernel
def _machines(w: World, start_ns: int, seconds: int) -> None:
    for step in range(seconds * TICK_OF):
        k, now = _turn(start_ns, step)
        u, p = w.underlyings[k], w.settings[0]
        conclude.score(u, now, (now - u.origin_ns) / NS_PER_S, p)
        conclude.compare_bursts(u, now, p)
        evaluate._step_quadrants(u, now, p)
        conclude.step_breakers(u, now, p)
        conclude.step_machine(u, 0, now, p)
        conclude.step_machine(u, 1, now, p)
        conclude.publish(u, now)
        evaluate._watch_feeds(u, now, p)


@kernel
def _whole(w: World, start_ns: int, seconds: int) -> None:
    for step in range(seconds * TICK_OF):
        k, now = _turn(start_ns, step)
        m = w.members[k]
        evaluate.tick(
            w.underlyings[k], w.contracts, m, w.sizes[k], m, 0, now, True,
            w.settings[0], w.excitation, w.work, w.up,
        )  # fmt: skip


PARTS: dict[str, Part] = {
    "price path": _price,
    "open interest": _open_interest,
    "funding": _funding,
    "leverage": _leverage,
    "liquidations": _liquidations,
    "cascade intensity": _cascade,
    "branching": _branching,
    "volatility and its regime": _volatility,
    "heatmap and its scores": _heatmap,
    "bursts": _bursts,
    "taker flow and groups": _flows,
    "quadrants and machines": _machines,
}


def _engine(made: Market) -> Engine:
    """Return an engine all of whose inputs are known."""
    engine = Engine()
    engine.fold(made.announced, 0)
    engine.fold(made.rows.tobytes(), 1)
    return engine


def _us(engine: Engine, part: Part, seconds: int) -> float:
    """Return microseconds an underlying and second, on the engine's records, which it uses up."""
    settings, excitation, work, up = engine._tools
    up[:] = True
    world = World(
        engine._underlyings, engine._contracts, engine._members, engine._sizes,
        settings, excitation, work, up,
    )  # fmt: skip
    start_ns = int(engine._underlyings["tick_ns"].max()) + S
    part(world, start_ns, 1)  # compiles, or loads
    begin = time.perf_counter()
    part(world, start_ns + S, seconds)
    return (time.perf_counter() - begin) / TICK_OF / seconds * 1e6


def parts(plan: Plan) -> Table:
    """Return what an evaluation's parts cost."""
    seconds = 20  # two of the longest rhythms; open interest is stale after thirty
    names = {**PARTS, "the whole evaluation": _whole}
    made_of = market(TICK_OF, 30.0 * TICK_OF, 5.0)
    best = {
        name: min(_us(_engine(made_of), part, seconds) for _ in range(plan.rounds))
        for name, part in names.items()
    }
    total = sum(best[name] for name in PARTS)
    made = table(
        f"5a. One evaluation of one of {TICK_OF} underlyings (three venues)",
        "part", "us", "share of the parts",
    )  # fmt: skip
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
