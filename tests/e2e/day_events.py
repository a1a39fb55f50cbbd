"""Everything that goes wrong in a simulated day, one function each, and when."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec

from tests.e2e.day_world import MINUTE_NS, NS, VENUES_OF_THE_DAY, Day

#: Until here the schedule is in minutes whatever the day's length; what comes later is spread over it.
FIXED_MINUTES: Final = 36.0
SHORT_DAY_MINUTES: Final = 150.0


async def cut(day: Day, *venues: str) -> None:
    """Connections end without a word (1006)."""
    since_ns = day.clock.now_ns()
    lives = {venue: day.event(venue, "live") for venue in venues}
    for venue in venues:
        day.exchange(venue).abort()
    figures = day.figures.setdefault("1006", {"cuts": 0, "back after, s": []})
    for venue in venues:
        figures["back after, s"].append(round(await day.connected(venue, lives[venue]), 1))
        figures["cuts"] += 1
    day.planned_since(since_ns, *venues)


async def half_open(day: Day, venue: str) -> None:
    """Nothing comes and nothing is answered, and the socket stays."""
    since_ns, silent = day.clock.now_ns(), silences(day, venue)
    lives = day.event(venue, "live")
    day.exchange(venue).faults.stalled = True
    took = await day.until(lambda: silences(day, venue) > silent, 10.0, "half open is noticed")
    day.exchange(venue).faults.stalled = False
    back = await day.connected(venue, lives)
    day.figures["half-open"] = {"noticed after, s": round(took, 1), "back after, s": round(back, 1)}
    day.planned_since(since_ns, venue)


def silences(day: Day, venue: str) -> int:
    """Return how often a venue's connections were given up because nothing came."""
    return day.event(venue, "silent") + day.event(venue, "ping_timeout")


async def muted(day: Day, venue: str, route: str) -> None:
    """A route acknowledges and answers pings, and carries nothing."""
    since_ns, silent = day.clock.now_ns(), day.event(venue, "silent")
    acks, lives = day.exchange(venue).sent["ack"], day.event(venue, "live")
    day.exchange(venue).faults.muted = {f"route:{route}"}
    took = await day.until(lambda: day.event(venue, "silent") > silent, 10.0, "a mute is noticed")
    await day.until(lambda: day.event(venue, "silent") > silent + 1, 15.0, "an ack is no proof")
    day.exchange(venue).faults.muted = set()
    back = await day.connected(venue, lives)
    day.figures["silent but acked"] = {
        "noticed after, s": round(took, 1),
        "acks meanwhile": day.exchange(venue).sent["ack"] - acks,
        "back after, s": round(back, 1),
    }
    day.planned_since(since_ns, venue)


async def refused(day: Day, venue: str) -> None:
    """Ten minutes of handshakes answered with 503."""
    since_ns, exchange = day.clock.now_ns(), day.exchange(venue)
    attempts, lives = exchange.attempts, day.event(venue, "live")
    exchange.faults.refuse_status = 503
    exchange.abort()
    await day.minutes(10.0)
    tried = exchange.attempts - attempts
    exchange.faults.refuse_status = None
    back = await day.connected(venue, lives)
    day.figures["refused for ten minutes"] = {"attempts": tried, "back after, s": round(back, 1)}
    day.planned_since(since_ns, venue)


async def too_many(day: Day, venue: str) -> None:
    """REST says 429 with Retry-After while a connection is lost whose trades can be had by REST only."""
    exchange = day.exchange(venue)
    until_ns = await _ban(day, venue, 429, 240, websockets=False)
    since_ns = day.clock.now_ns()
    lives = day.event(venue, "live")
    exchange.faults.refuse_status = 503  # long enough for trades to be missed
    exchange.abort()
    await day.minutes(1.0)
    exchange.faults.refuse_status = None
    await day.connected(venue, lives)
    await day.minutes((until_ns - day.ours.now_ns()) / MINUTE_NS)
    inside = day.knocks(venue, since_ns, until_ns, websockets=False)

    def had() -> bool:
        """Say whether nothing is missing any more."""
        found, filled, lost = (
            day.metric("trades_missing_total", venue=venue, outcome=outcome)
            for outcome in ("found", "filled", "lost")
        )
        return found == filled + lost

    took = await day.until(had, 10.0, "what the ban kept back is had")
    day.figures["429"] = {
        "retry after, s": 240, "requests inside": inside, "filled after it, s": round(took, 1),
    }  # fmt: skip
    day.planned_since(since_ns, venue)


async def banned_over_a_restart(day: Day, venue: str) -> None:
    """Both doors say 418; the process is stopped and started again inside the ban."""
    since_ns = day.clock.now_ns()
    until_ns = await _ban(day, venue, 418, 1200, websockets=True)
    banned_ns = day.clock.now_ns()
    await day.minutes(3.0)
    stopped_ns = day.clock.now_ns()
    await day.stop()
    await day.minutes(2.0)
    day.start()
    others = [name for name in VENUES_OF_THE_DAY if name != venue]
    for other in others:
        await day.connected(other, 0)
    day.stopped = (stopped_ns - 2 * NS, day.clock.now_ns())
    day.planned_since(stopped_ns, *others)
    await day.minutes(max(0, until_ns - day.ours.now_ns()) / MINUTE_NS)
    inside = day.knocks(venue, banned_ns, until_ns, websockets=True)
    back = await day.connected(venue, 0)
    day.figures["418 over a restart"] = {
        "retry after, s": 1200, "stopped for, s": round((day.stopped[1] - stopped_ns) / NS),
        "requests and handshakes inside": inside, "back after it, s": round(back, 1),
    }  # fmt: skip
    day.planned_since(since_ns, venue)


async def _ban(day: Day, venue: str, status: int, seconds: int, *, websockets: bool) -> int:
    """Have a venue ban us; return when the ban ends by our clock, once it has been understood."""
    faults, headers = day.exchange(venue).faults, {"Retry-After": str(seconds)}
    now_ns = day.ours.now_ns()
    faults.rest_status, faults.rest_headers = status, headers
    names = [f"ban-{venue}.json"]
    if websockets:
        faults.refuse_status, faults.refuse_headers = status, headers
        day.exchange(venue).abort()
        names.append(f"ban-{venue}-websocket.json")

    def ends_ns() -> int:
        found = [day.folder / name for name in names]
        ends = [_until_ns(file) for file in found if file.exists()]
        return min(ends) if len(ends) == len(names) else 0

    await day.until(lambda: ends_ns() > now_ns, 10.0, f"{status} is heard")
    await asyncio.sleep(0.1)  # what was under way when it came is answered, too
    faults.rest_status = faults.refuse_status = None
    faults.rest_headers, faults.refuse_headers = {}, {}
    return ends_ns()


def _until_ns(file: Path) -> int:
    return int(msgspec.json.decode(file.read_bytes())["until_ns"])


async def listing(day: Day, venue: str, symbol: str) -> None:
    """A contract is listed that was not there."""
    day.exchanges.market.relist(venue, symbol)
    since_ns = day.clock.now_ns()
    day.unlisted[venue, symbol] = [(0, since_ns)]
    one = await _changed(day, venue, "listed")
    day.figures["listing"] = {"noticed after, s": round(one)}


async def delisting(day: Day, venue: str, symbol: str) -> None:
    """A contract goes, and while it is still subscribed to, the connection is lost."""
    since_ns = day.clock.now_ns()
    day.exchanges.market.delist(venue, symbol)
    day.unlisted[venue, symbol] = [(since_ns, 2**63 - 1)]
    await day.minutes(1.0)
    lives = day.event(venue, "live")
    day.exchange(venue).abort()
    back = await day.connected(venue, lives, 30.0)
    took = await _changed(day, venue, "delisted")
    day.figures[f"delisting {venue}"] = {
        "connection back after, s": round(back, 1), "noticed after, s": round(took),
    }  # fmt: skip
    day.planned_since(since_ns, venue)


async def _changed(day: Day, venue: str, event: str) -> float:
    def seen() -> bool:
        return day.metric("contracts_changed_total", venue=venue, event=event) > 0

    return await day.until(seen, 40.0, f"{event} at {venue}")


async def venue_cut(day: Day, venue: str) -> None:
    """The venue ends its connections' lives earlier than it says."""
    since_ns, lives = day.clock.now_ns(), day.event(venue, "live")
    closed = day.event(venue, "closed_1001")
    for connection in day.exchange(venue).connections:
        connection.cut(1001, "24 hours are over")
    back = await day.connected(venue, lives)
    day.figures["cut at the lifetime"] = {
        "by the venue": day.event(venue, "closed_1001") - closed, "back after, s": round(back, 1),
    }  # fmt: skip
    day.planned_since(since_ns, venue)


Step = tuple[float, Callable[[Day], Awaitable[None]]]

#: When what happens, in minutes of the short day.
SCHEDULE: Final[tuple[Step, ...]] = (
    (4.0, lambda day: cut(day, *VENUES_OF_THE_DAY)),
    (10.0, lambda day: banned_over_a_restart(day, "binance_usdm")),
    (38.0, lambda day: cut(day, "binance_usdm", "bybit")),
    (41.0, lambda day: cut(day, "binance_usdm", "coinbase")),
    (44.0, lambda day: cut(day, "binance_usdm", "okx")),
    (47.0, lambda day: half_open(day, "okx")),
    (60.0, lambda day: muted(day, "binance_usdm", "/market")),
    (76.0, lambda day: refused(day, "binance_usdm")),
    (92.0, lambda day: too_many(day, "binance_usdm")),
    (102.0, lambda day: listing(day, "binance_usdm", "SOLUSDT")),
    (114.0, lambda day: delisting(day, "bybit", "SOLUSDT")),
    (140.0, lambda day: venue_cut(day, "binance_usdm")),
    (143.0, lambda day: cut(day, "bybit", "okx", "coinbase")),
)


async def live_through(day: Day) -> None:
    """Let everything happen, each at its time of a day of that many hours."""
    minutes = day.hours * 60.0
    stretch = (minutes - FIXED_MINUTES) / (SHORT_DAY_MINUTES - FIXED_MINUTES)
    for at, step in SCHEDULE:
        due = at if at < FIXED_MINUTES else FIXED_MINUTES + (at - FIXED_MINUTES) * stretch
        await day.minutes(max(0.0, due - (day.clock.now_ns() - day.start_ns) / MINUTE_NS))
        await step(day)
    await day.minutes(max(0.0, minutes - (day.clock.now_ns() - day.start_ns) / MINUTE_NS))
