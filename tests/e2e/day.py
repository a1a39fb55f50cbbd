"""A day of everything that goes wrong at exchanges, in minutes: ``python -m tests.e2e.day``.

The whole service runs over simulated exchanges in a calm market while connections are cut, fall silent and
are refused, while REST bans, contracts come and go, and the process itself is stopped. Then the log is held
against what the market truly did.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from service.connection import PING_EVERY_S
from service.simulator.scenario import Scenario
from service.venues.rfc3339 import nanoseconds
from streams.events import Channel, Flag, Kind
from tests.e2e import day_facts
from tests.e2e.day_events import live_through, silences
from tests.e2e.day_facts import LogRows, Truth
from tests.e2e.day_world import BEHIND_S, NS, QUIET, VENUES_OF_THE_DAY, Day, scenario, service


class Close(msgspec.Struct, kw_only=True):
    """What can only be measured at the wall's speed. Seconds."""

    half_open_s: dict[str, float]  # from the last byte to FEED_DOWN, by venue
    muted_s: float
    words: dict[str, int]  # why connections ended
    offsets: dict[str, float]
    refused_rows: dict[str, int]
    quiet: dict[str, day_facts.Quiet]


CLOSE_VENUES: Final = ("binance_usdm", "bybit", "okx", "coinbase")


async def closely(folder: Path, *, seed: int) -> Close:
    """Watch a half-open socket of each venue and a silent route, at the wall's speed."""
    async with service(folder, scenario(seed, *CLOSE_VENUES), speed=1.0, hours=2.5) as day:
        for venue in CLOSE_VENUES:
            await day.connected(venue, 0)
        connected_at = time.monotonic()
        for venue in CLOSE_VENUES:
            await day.until(
                lambda v=venue: _vouched(day, v), 0.5, f"{venue} vouches for all it has"
            )
        day.planned.extend((venue, 0, day.ours.now_ns()) for venue in CLOSE_VENUES)
        await asyncio.sleep(2.0)
        # Just after a ping: half-open sockets take longest then.
        await asyncio.sleep(PING_EVERY_S - (time.monotonic() - connected_at - 0.4) % PING_EVERY_S)
        stalled_ns = day.ours.now_ns()
        lives = {venue: day.event(venue, "live") for venue in CLOSE_VENUES}
        for venue in CLOSE_VENUES:
            day.exchange(venue).faults.stalled = True
        for venue in CLOSE_VENUES:
            await day.until(lambda v=venue: silences(day, v) > 0, 0.25, f"{venue} is half open")
        for venue in CLOSE_VENUES:
            day.exchange(venue).faults.stalled = False
        for venue in CLOSE_VENUES:
            await day.connected(venue, lives[venue], 0.5)
        await asyncio.sleep(1.1)  # what is vouched for is told once a second
        for venue in CLOSE_VENUES:
            await day.until(lambda v=venue: _vouched(day, v), 0.5, f"{venue} vouches again")
        day.planned.extend((venue, stalled_ns, day.ours.now_ns()) for venue in CLOSE_VENUES)
        silent, muted_ns = day.event("binance_usdm", "silent"), day.ours.now_ns()
        day.exchange("binance_usdm").faults.muted = {"route:/market"}
        await day.until(
            lambda: day.event("binance_usdm", "silent") > silent, 0.25, "the mute is noticed"
        )
        await asyncio.sleep(0.3)
        day.planned.extend((venue, muted_ns, 2**63 - 1) for venue in CLOSE_VENUES)
    log = LogRows(folder)
    one = {i.venue: i for i in day.instruments.values() if i.underlying == "BTC"}
    return Close(
        half_open_s={
            venue: day_facts.seconds_to_down(log, one[venue], Channel.TRADE, stalled_ns)
            for venue in CLOSE_VENUES
        },
        muted_s=day_facts.seconds_to_down(log, one["binance_usdm"], Channel.MARK, muted_ns),
        words=day.totals("reconnects"), offsets=day.offsets,
        refused_rows=day.totals("malformed_frames"), quiet=_quiets(day, log),
    )  # fmt: skip


def _vouched(day: Day, venue: str) -> bool:
    spot = "binance_spot", "coinbase"
    channel = "trade" if venue in spot else "liquidation"
    return day.metric("feed_up", venue=venue, channel=channel) == 1


def _quiets(day: Day, log: LogRows) -> dict[str, day_facts.Quiet]:
    found = {}
    for one in day.instruments.values():
        if one.underlying == QUIET.name:
            planned = [(a, b) for venue, a, b in day.planned if venue == one.venue]
            carries = Channel.TRADE if one.market == "spot" else Channel.TRADE | Channel.LIQUIDATION
            found[f"{one.venue} {one.symbol}"] = day_facts.quiet(log, one, planned, carries)
    return found


class Verdict(msgspec.Struct, kw_only=True):
    """All figures of a day, as a table and for asserts."""

    events: dict[str, dict[str, Any]]
    tapes: dict[str, day_facts.Tape]
    tickers: dict[str, day_facts.Ticker]
    quiet: dict[str, day_facts.Quiet]
    forced: dict[str, tuple[int, int]]  # liquidations in the log, liquidations sent
    states: dict[str, int]
    unknown_unplanned: int
    bursts: int
    offsets: dict[str, float]
    refused_rows: dict[str, int]
    changed: dict[str, int]
    rotated: dict[str, int]
    missing: dict[str, int]
    rows: int
    wall_s: float


async def whole_day(folder: Path, *, speed: float, hours: float, seed: int) -> Verdict:
    """Live through a day and return what became of it."""
    began = time.monotonic()
    market = scenario(seed)
    async with service(folder, market, speed=speed, hours=hours) as day:
        day.exchanges.market.delist("binance_usdm", "SOLUSDT")
        for venue in VENUES_OF_THE_DAY:
            await day.connected(venue, 0)
        day.planned_since(day.start_ns)
        await live_through(day)
        day.planned_since(day.clock.now_ns())
    return judge(day, market, time.monotonic() - began)


def judge(day: Day, market: Scenario, wall_s: float) -> Verdict:
    """Hold the log against the market."""
    truth = Truth(market, day.exchanges.market.start_ns, day.stopped_ns)
    log, slack_ns = LogRows(day.folder), int((2.0 + 0.05 * day.clock.speed) * NS)
    slack_ms = int(max(2.0, 2.0 * day.clock.speed) * 1000)  # the simulator may be two seconds late
    ours = sorted(day.instruments.values(), key=lambda one: (one.venue, one.symbol))
    names = {one.id: f"{one.venue} {one.symbol}" for one in ours}
    tapes, tickers, forced = {}, {}, {}
    for one in ours:
        key = (one.venue, one.symbol)
        tapes[names[one.id]] = day_facts.tape(
            log, truth, one, unlisted=day.unlisted.get(key, ()), stopped=day.stopped,
            slack_ns=slack_ns, end_ns=day.end_ns,
        )  # fmt: skip
        if one.venue == "bybit":
            tickers[names[one.id]] = day_facts.ticker(log, truth, one, slack_ms)
        rows = log.of(Kind.LIQUIDATION, one)
        news = rows[(rows["flags"] & int(Flag.SNAPSHOT | Flag.BACKFILL)) == 0]
        forced[names[one.id]] = (len(news), truth.forced[key])
    states = Counter(one.status for one in day.signals if one.kind == "state")
    return Verdict(
        events=day.figures, tapes=tapes, tickers=tickers, quiet=_quiets(day, log), forced=forced,
        states=dict(states), unknown_unplanned=_outside(day, slack_ns),
        bursts=sum(one.kind == "burst" for one in day.signals),
        offsets=day.offsets,
        refused_rows=day.totals("malformed_frames"), changed=day.totals("contracts_changed"),
        rotated=day.totals("reconnects"), missing=day.totals("trades_missing"),
        rows=log.count, wall_s=wall_s,
    )  # fmt: skip


def _outside(day: Day, slack_ns: int) -> int:
    """Count losses of a state at times when nothing was wrong anywhere, which are false alarms."""
    behind_ns, found = int(BEHIND_S * NS), 0
    for one in day.signals:
        if one.kind == "state" and one.status == "UNKNOWN":
            at_ns = nanoseconds(one.asof) - behind_ns
            found += not any(a - slack_ns <= at_ns <= b for _, a, b in day.planned)
    return found


def report_close(close: Close) -> Iterator[str]:
    """Write the figures of the part at the wall's speed as lines."""
    yield f"half-open to FEED_DOWN, s   {_rounded(close.half_open_s)}"
    yield f"muted route to FEED_DOWN, s {close.muted_s:.2f}"
    yield f"connections ended           {close.words}"
    yield f"clock offset, s             {_rounded(close.offsets)}"
    yield f"frames and rows refused     {close.refused_rows}"
    yield f"quiet                       {close.quiet}"


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in values.items()}


def report(verdict: Verdict) -> Iterator[str]:
    """Write a day's figures as lines."""
    for name, figures in verdict.events.items():
        said = ", ".join(f"{what} {value}" for what, value in figures.items())
        yield f"{name:<24} {said}"
    for title, table in (
        ("trades", verdict.tapes), ("ticker deltas", verdict.tickers), ("quiet", verdict.quiet),
    ):  # fmt: skip
        for name, row in table.items():
            yield f"{title + ': ' + name:<40} {row}"
    yield f"liquidations had, made   {verdict.forced}"
    yield (
        f"states {verdict.states}, UNKNOWN without a cause {verdict.unknown_unplanned}, "
        f"bursts {verdict.bursts}"
    )
    yield f"clock offset, s          {verdict.offsets}"
    yield f"frames and rows refused  {verdict.refused_rows}"
    yield f"contracts changed        {verdict.changed}"
    yield f"connections replaced     {verdict.rotated}"
    yield f"trades missing           {verdict.missing}"
    yield f"{verdict.rows} rows in {verdict.wall_s:.0f} s"


def main() -> None:
    """Run from the command line: figures, and an AssertionError if something does not hold."""
    from tests.e2e import day_checks  # it judges what is made here

    parser = argparse.ArgumentParser(prog="python -m tests.e2e.day", description=__doc__)
    parser.add_argument("--speed", type=float, default=180.0)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="treadmill-day-") as folder:
        verdict = asyncio.run(
            whole_day(
                Path(folder) / "day", speed=chosen.speed, hours=chosen.hours, seed=chosen.seed
            )
        )
        close = asyncio.run(closely(Path(folder) / "close", seed=chosen.seed))
    for line in (*report(verdict), "", "at the wall's speed", *report_close(close)):
        sys.stdout.write(line + "\n")
    day_checks.check(verdict)
    day_checks.check_close(close)
    sys.stdout.write("everything holds\n")


if __name__ == "__main__":
    main()
