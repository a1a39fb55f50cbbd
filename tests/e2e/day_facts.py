"""What a simulated day left in the log, held against what the market truly did."""

import math
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from service.bus import read_log
from service.simulator import binance_futures, bybit, coinbase, okx
from service.simulator.bybit_rest import ticker_fields
from service.simulator.listing import Listed
from service.simulator.market import Market
from service.simulator.market_events import Liquidation, Tick, Trade
from service.simulator.scenario import Scenario
from streams.events import VIEWS, Channel, DownReason, Flag, Kind, block_rows
from streams.instruments import Instrument

NS: Final = 10**9
MS: Final = 10**6
HOUR_NS: Final = 3600 * NS

#: How each face numbers the trades of a contract: (id of number 0, step).
NUMBERED: Final = {
    "binance_usdm": (binance_futures.FIRST_ID, 1),
    "binance_spot": (binance_futures.FIRST_ID, 1),
    "coinbase": (coinbase.FIRST_ID, 1),
    "okx": (okx.FIRST_ID, 1),
    "bybit": (bybit.FIRST_SEQUENCE, 3),
}
#: Venues whose ids say what is missing, and that can be asked for it.
CONTIGUOUS: Final = ("binance_usdm", "binance_spot", "coinbase")

Key = tuple[str, str]  # venue, symbol
Span = tuple[int, int]  # nanoseconds of the venues' time
Levels = tuple[float, float, float, float]  # mark, index, rate, open interest


class Truth:
    """A market lived through once more: every trade's time, forced closes, Bybit's levels."""

    def __init__(self, scenario: Scenario, start_ns: int, end_ns: int) -> None:
        market = Market(scenario, start_ns)
        self.trades: dict[Key, array[int]] = {}
        self.forced: Counter[Key] = Counter()
        self.levels: dict[str, dict[int, Levels]] = {}
        listed = [Listed(one) for one in market.contracts]
        tapes = [array("q") for _ in listed]
        told_ns = market.start_ns
        while told_ns < end_ns:
            told_ns = min(end_ns, told_ns + 600 * NS)
            for event in market.advance(told_ns):
                one = listed[event.contract]
                if isinstance(event, Trade):
                    tapes[event.contract].append(event.time_ns)
                elif isinstance(event, Liquidation):
                    self.forced[one.contract.venue, one.symbol] += 1
                elif isinstance(event, Tick) and one.contract.venue == "bybit":
                    self.levels.setdefault(one.symbol, {})[event.time_ns // MS] = _levels(
                        one, event
                    )
        for one, tape in zip(listed, tapes, strict=True):
            self.trades[one.contract.venue, one.symbol] = tape


def _levels(listed: Listed, tick: Tick) -> Levels:
    said = ticker_fields(listed, tick)
    names = ("markPrice", "indexPrice", "fundingRate", "singleOpenInterest")
    mark, index, rate, interest = (float(said[name]) for name in names)
    return mark, index, rate, interest


class LogRows:
    """All rows of a run's log by kind and instrument, in the log's order."""

    def __init__(self, folder: Path) -> None:
        blocks = b"".join(block for _, block in read_log(folder / "log"))
        rows = block_rows(blocks)
        self.count = len(rows)
        self._by: dict[tuple[int, int], Any] = {}
        keys = np.unique(rows["kind"].astype(np.uint64))
        for kind in keys.tolist():
            mine = rows[rows["kind"] == kind]
            order = np.argsort(mine["instrument"], kind="stable")
            mine = mine[order]
            ids, starts = np.unique(mine["instrument"], return_index=True)
            ends = [*starts.tolist()[1:], len(mine)]
            for key, start, end in zip(ids.tolist(), starts.tolist(), ends, strict=True):
                self._by[kind, key] = mine[start:end].view(VIEWS[Kind(kind)])

    def of(self, kind: Kind, instrument: Instrument) -> Any:
        """Return the rows of one kind of one instrument."""
        found = self._by.get((int(kind), instrument.id))
        return np.empty(0, dtype=VIEWS[kind]) if found is None else found

    def feed(self, instrument: Instrument) -> list[Any]:
        """Return FEED_UP, FEED_DOWN and GAP rows in the order in which they were received."""
        rows = [
            row for kind in (Kind.FEED_DOWN, Kind.GAP, Kind.FEED_UP)
            for row in self.of(kind, instrument)
        ]  # fmt: skip
        return sorted(rows, key=lambda row: int(row["received_ns"]))


def outages(log: LogRows, instrument: Instrument, channel: Channel, end_ns: int) -> list[Span]:
    """Return the spans of which the log itself says that a channel may be missing something."""
    spans: list[Span] = []
    since: int | None = None
    for row in log.feed(instrument):
        if not int(row["channels"]) & channel:
            continue
        if row["kind"] == Kind.GAP:
            spans.append((int(row["from_ns"]), int(row["to_ns"])))
        elif row["kind"] == Kind.FEED_DOWN and since is None:
            since = int(row["since_ns"])
        elif row["kind"] == Kind.FEED_UP and since is not None:
            spans.append((since, int(row["since_ns"])))
            since = None
    if since is not None:
        spans.append((since, end_ns))
    return spans


class Tape(NamedTuple):
    """One contract's trades in the log against those that were made while we followed it."""

    made: int
    had: int
    late_end: int  # made after the last in the log, not just before the end, and not marked
    duplicates: int
    stopped: int  # missing, made while no process ran
    marked: int  # missing, and the log says so
    unmarked: int  # missing, and the log says nothing
    strange: int  # in the log, and never made


def tape(
    log: LogRows,
    truth: Truth,
    instrument: Instrument,
    *,
    unlisted: Iterable[Span],
    stopped: Span,
    slack_ns: int,
    end_ns: int,
) -> Tape:
    """Account for every trade between the first and the last in the log.

    Trades made while the contract was off its venue are nobody's. `slack_ns` is how far the edges of what
    the log marks may be off, because a fast clock makes milliseconds of ours seconds of the venue's.
    """
    times, gone = truth.trades[instrument.venue, instrument.symbol], list(unlisted)
    first_id, step = NUMBERED[instrument.venue]
    rows = log.of(Kind.TRADE, instrument)
    ids = (rows["sequence"].astype(np.int64) - first_id) // step
    had, copies = np.unique(ids, return_counts=True)
    off = [(bisect_left(times, from_ns) + 1, bisect_right(times, to_ns)) for from_ns, to_ns in gone]
    marks = outages(log, instrument, Channel.TRADE, end_ns)

    def ours(numbers: Iterable[int]) -> list[int]:
        return [n for n in numbers if not any(first <= n <= last for first, last in off)]

    def marked(n: int) -> bool:
        return any(a - slack_ns <= times[n - 1] <= b + slack_ns for a, b in marks)

    def leaving(n: int) -> bool:
        """Return whether the venue took the contract off before it can have told of the trade."""
        return any(from_ns - slack_ns <= times[n - 1] <= from_ns for from_ns, _ in gone)

    low, high = (int(had[0]), int(had[-1])) if len(had) else (1, 0)
    missing = ours(sorted(set(range(low, high + 1)) - set(had.tolist())))
    tail = ours(range(high + 1, bisect_right(times, end_ns - slack_ns) + 1))
    return Tape(
        made=len(ours(range(low, high + 1))),
        had=len(had),
        late_end=sum(not marked(n) and not leaving(n) for n in tail),
        duplicates=int((copies - 1).sum()),
        stopped=sum(stopped[0] <= times[n - 1] <= stopped[1] for n in missing),
        marked=sum(map(marked, missing)),
        unmarked=sum(not marked(n) for n in missing),
        strange=sum(not 1 <= n <= len(times) for n in (low, high) if len(had)),
    )


class Ticker(NamedTuple):
    """Bybit's levels in the log against the simulator's: rows compared, wrong, and worst age in s."""

    rows: int
    wrong: int
    after_reconnect: int
    stale_s: float


def ticker(log: LogRows, truth: Truth, instrument: Instrument, late_ms: int) -> Ticker:
    """Compare every level of a contract with what it was then.

    A delta carries its second's stamp and must be that second exactly. A snapshot carries the present, and
    levels as last told: of a second that `late_ms` before it at most, or of the one just lived through.
    """
    levels = truth.levels[instrument.symbol]
    stamps = sorted(levels)
    ups = [int(row["received_ns"]) for row in log.of(Kind.FEED_UP, instrument)]
    wrong = rows = fresh = stale_ms = 0
    for at_ms, received_ns, place, value in _said(log, instrument):
        rows += 1
        fresh += _near(ups, received_ns, 5 * NS)
        if at_ms in levels and levels[at_ms][place] == value:
            continue
        first = bisect_left(stamps, at_ms - late_ms)
        last = bisect_right(stamps, at_ms + 1000)
        lately = [at for at in stamps[first:last] if levels[at][place] == value]
        if lately and (at_ms not in levels or _near(ups, received_ns, late_ms * MS)):
            stale_ms = max(stale_ms, at_ms - lately[-1])
        else:
            wrong += 1
    return Ticker(rows, wrong, fresh, stale_ms / 1000.0)


def _said(log: LogRows, instrument: Instrument) -> Iterator[tuple[int, int, int, float]]:
    """Yield (venue ms, received ns, which level, value) of live rows."""
    fields = ((Kind.MARK, "mark_price", 0), (Kind.MARK, "index_price", 1),
              (Kind.FUNDING, "rate", 2), (Kind.OPEN_INTEREST, "quantity", 3))  # fmt: skip
    for kind, name, place in fields:
        rows = log.of(kind, instrument)
        rows = rows[(rows["flags"] & int(Flag.BACKFILL)) == 0]
        stamps = (rows["exchange_ns"] // MS).tolist()
        for at_ms, received, value in zip(
            stamps, rows["received_ns"].tolist(), rows[name].tolist(), strict=True
        ):
            yield at_ms, received, place, value


def _near(ups: list[int], received_ns: int, most_ns: int) -> bool:
    """Say whether this came so near to a feed's return."""
    place = bisect_left(ups, received_ns - most_ns)
    return place < len(ups) and ups[place] <= received_ns + most_ns


def seconds_to_down(log: LogRows, instrument: Instrument, channel: Channel, since_ns: int) -> float:
    """Return how long after a moment of our clock the log says that a channel is down; inf if never."""
    for row in log.of(Kind.FEED_DOWN, instrument):
        after_ns = int(row["received_ns"]) - since_ns
        if after_ns >= 0 and int(row["channels"]) & channel:
            return after_ns / NS
    return math.inf


class Quiet(NamedTuple):
    """A quiet contract: what it traded, and what was said of its feeds outside of planned windows."""

    trades: int
    longest_s: float
    downs: int
    beats: int
    mute_beats: int  # heartbeats that do not vouch for what the venue's channels carry


def quiet(log: LogRows, instrument: Instrument, planned: list[Span], channels: Channel) -> Quiet:
    """Look for false alarms on a contract that hardly trades. Times are the ingester's."""

    def inside(at_ns: int) -> bool:
        return any(a <= at_ns <= b for a, b in planned)

    times = np.sort(log.of(Kind.TRADE, instrument)["exchange_ns"])
    beats = [
        int(row["channels"]) for row in log.of(Kind.HEARTBEAT, instrument)
        if not inside(int(row["received_ns"]))
    ]  # fmt: skip
    downs = [
        DownReason(int(row["reason"])).name for row in log.of(Kind.FEED_DOWN, instrument)
        if not inside(int(row["received_ns"])) and int(row["channels"]) & channels
    ]  # fmt: skip
    return Quiet(
        trades=len(times),
        longest_s=float(np.diff(times).max() / NS) if len(times) > 1 else 0.0,
        downs=len(downs),
        beats=len(beats),
        mute_beats=sum(one & channels != channels for one in beats),
    )
