"""A seeded fuzzer of everything that a venue's module reads: frames, polls, REST conversations.

``python -m tests.service.venues.fuzz --seconds 600 --venue okx --seed 3`` runs one venue, without ``--venue``
each of them for that long. Inputs are the frames of the cases and the answers of the simulated venue, changed
in their bytes, in their JSON structure, or spliced with one another. A run must end in sane rows, in none, or
in a `VenueError`. Every failure is printed with the number that repeats it: ``--only``.
"""

import argparse
import copy
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple, get_args

from service.simulator.faces import FACES
from service.simulator.listings import LISTINGS
from service.simulator.market import Market
from service.simulator.scenario import Scenario
from service.venue import (
    Conversation,
    FrameName,
    Gap,
    MalformedFrame,
    RestRequest,
    Universe,
    Venue,
    VenueError,
)
from service.venues.decode import MAX_PAGES, REASONS
from service.venues.registry import VENUES
from streams.events import Kind, RowBuffer, block_rows
from streams.instruments import Instrument
from tests.service.venues.cases import RECEIVED_NS, Case, Polled
from tests.service.venues.every import ALL, FILES, GOOD, INSTRUMENTS, OPENING, REFUSALS
from tests.service.venues.sanity import insane

SILENT = {"ack", "pong", "notice", "ignored", "leave", "beat"}
HOUR_NS = 3_600 * 10**9
#: Requests of one conversation after which it is taken for endless.
MOST_REQUESTS = 4 * MAX_PAGES

TOKENS = (
    b"", b'"', b"0", b"-", b"1e999", b"null", b"[", b"]", b"{", b"}", b",", b":", b'""', b"\xff", b"\\u0000",
    b"NaN", b"9" * 40, b"\\ud800", b"\x00", b" ", b".", b"e", b"-0", b"1e-320", b"true", b"\n", b"pong",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, "", "x", "0", "-1", "NaN", "Infinity", "1e400", "1e15", "1e-320", "1e-17", " 1",
    0, -1, 1, 0.0, -0.5, 1e14, 1e300, 5e-324, float("nan"), float("inf"), 2**63 - 1, 2**63, 2**64, -(2**63),
    10**40, "9" * 40, "99999999999999999", 1_420_070_399_999, 4_102_444_800_000, 1_790_000_000, "1790000000",
    1_790_000_000_000, 1_790_000_000_000_000, "2026-10-01T00:00:00Z", "2026-10-01T00:00:00.123456789Z",
    "1970-01-01T00:00:00Z", "9999-12-31T23:59:60Z", "2026-13-45", [], {}, [[]], [None], [0], {"": None},
    "\ud800", "\u0000", "NOSUCHCOIN", "buy", "SELL", "S", "1_000", "0x10", "+1", "\u0661", "1,5",
)  # fmt: skip


class Failure(NamedTuple):
    """What went wrong, and how to see it again."""

    venue: str
    seed: int
    number: int
    what: str

    def __str__(self) -> str:
        """Return a line for people, with the command's arguments."""
        again = f"--venue {self.venue} --seed {self.seed} --only {self.number}"
        return f"FAILED {again}: {self.what}"


class Report(NamedTuple):
    """Executions by what they ran, outcomes of single inputs, and failures."""

    ran: Counter[str]
    ended: Counter[str]
    failures: list[Failure]


class Corpus:
    """What a venue is known to say."""

    def __init__(self, venue: str) -> None:
        cases = ALL[venue]
        self.talks: list[tuple[bytes, ...]] = [c.frames for c in cases if isinstance(c, Case)]
        self.talks += [(frame,) for frame in REFUSALS[venue]]
        self.talks += [(*OPENING[venue], frame) for frame, _, _ in GOOD[venue].values()]
        self.frames = [frame for talk in self.talks for frame in talk]
        self.polled = [c.body for c in cases if isinstance(c, Polled)]
        self.instruments = INSTRUMENTS[venue]
        self.specs = dict(self.instruments)
        self.bodies: list[bytes] = [*self.polled, *getattr(FILES[venue], "BODIES", ())]
        self._answers: dict[str, bytes] = {}
        if venue in FACES and venue in LISTINGS:
            self._learn(VENUES[venue], _Simulated(venue))

    def _learn(self, venue: Venue, simulated: "_Simulated") -> None:
        """Hold every conversation once with the simulated venue, and keep what it answers."""
        universe = simulated.converse(venue.discover())
        self.specs |= {spec.symbol: spec for spec in universe.instruments}
        for spec in self.specs.values():
            span = RECEIVED_NS - 5 * HOUR_NS, RECEIVED_NS
            simulated.converse(venue.history(spec, *span, RowBuffer()))
            asked = venue.fill(spec, _gap(1000), RowBuffer())
            if asked is not None:
                simulated.converse(asked)
        for poll in venue.polls(list(self.specs.values())):
            simulated.answer(poll.request)
        self._answers = simulated.answers
        self.bodies += self._answers.values()

    def answer(self, request: RestRequest, rng: random.Random) -> bytes:
        """Return what the simulated venue answered, or any body where this was not asked."""
        known = self._answers.get(repr(request))
        return known or (rng.choice(self.bodies) if self.bodies else b"{}")


class _Simulated:
    """A simulated venue without sockets. Every request comes a minute later, so that no limit is met."""

    def __init__(self, venue: str) -> None:
        market = Market(Scenario(seed=1, shares=((venue, 1.0),), history_days=2), RECEIVED_NS)
        self._face = FACES[venue](market)
        self._now_ns = RECEIVED_NS
        self.answers: dict[str, bytes] = {}

    def answer(self, request: RestRequest) -> bytes:
        """Return a body and keep it."""
        query = dict(request.params)
        if request.body is not None:
            query |= {name: str(value) for name, value in json.loads(request.body).items()}
        self._now_ns += 60 * 10**9
        body = self._face.rest(request.path, query, self._now_ns).body
        self.answers[repr(request)] = body
        return body

    def converse(self, asked: Conversation[Any]) -> Any:
        """Return a conversation's result, None if the venue refused."""
        try:
            request = next(asked)
            while True:
                request = asked.send(self.answer(request))
        except StopIteration as stop:
            return stop.value
        except VenueError:
            return None


def _gap(first: int, more: int = 20) -> Gap:
    return Gap(first=first, last=first + more, from_ns=RECEIVED_NS - 10**9, to_ns=RECEIVED_NS)


@cache
def corpus(venue: str) -> Corpus:
    """Return a venue's corpus, made once."""
    return Corpus(venue)


def _nodes(tree: Any) -> list[tuple[Any, Any]]:
    """Return (container, key) of everything inside a JSON value, a bounded number of them."""
    found: list[tuple[Any, Any]] = []
    ahead = [tree]
    while ahead and len(found) < 400:
        node = ahead.pop()
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in items:
            found.append((node, key))
            if isinstance(value, dict | list):
                ahead.append(value)
    return found


def _value(tree: Any, known: Corpus, rng: random.Random) -> Any:
    """Return a value to put somewhere: hostile, from the same tree, or a symbol."""
    pick = rng.random()
    if pick < 0.7:
        return copy.deepcopy(rng.choice(VALUES))
    if pick < 0.8:
        return rng.choice(list(known.instruments))
    node, key = rng.choice(_nodes(tree))
    return copy.deepcopy(node[key])


def _restructured(tree: Any, known: Corpus, rng: random.Random) -> Any:
    """Change one place of a JSON value."""
    nodes = _nodes(tree)
    if not nodes:
        return copy.deepcopy(rng.choice(VALUES))
    node, key = rng.choice(nodes)
    match rng.randrange(5):
        case 0:
            del node[key]
        case 1 if isinstance(node, list):
            node.insert(key, copy.deepcopy(rng.choice(node)))
        case 1:
            other = rng.choice(list(node))
            node[key], node[other] = node[other], node[key]
        case 2 if isinstance(node, dict):
            node[rng.choice([*node, "x", "", "id", "type"])] = node.pop(key)
        case _:
            node[key] = _value(tree, known, rng)
    return tree


def _bytes_changed(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    match rng.randrange(5):
        case 0:
            return data[:at] + rng.choice(TOKENS) + data[at + rng.randrange(7) :]
        case 1:
            return data[:at] + rng.randbytes(rng.randrange(1, 4)) + data[at + rng.randrange(4) :]
        case 2:
            return data[:at]
        case 3:
            end = min(len(data), at + rng.randrange(1, 40))
            return data[:end] + data[at:]
        case _:
            return data[:at] + data[at + rng.randrange(1, 20) :]


def mutated(data: bytes, others: Sequence[bytes], known: Corpus, rng: random.Random) -> bytes:
    """Return a changed message: its structure, its bytes, or a splice with another."""
    pick = rng.random()
    if pick < 0.6:
        try:
            tree = json.loads(data)
        except (ValueError, UnicodeDecodeError):
            tree = None
        if isinstance(tree, dict | list):
            for _ in range(rng.choice((1, 1, 1, 2, 3))):
                tree = _restructured(tree, known, rng)
                if not isinstance(tree, dict | list):
                    break
            return json.dumps(tree, separators=(",", ":")).encode()
    if pick < 0.9:
        for _ in range(rng.choice((1, 1, 2, 3))):
            data = _bytes_changed(data, rng)
        return data
    other = rng.choice(others)
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


class Wrong(Exception):  # noqa: N818 - a finding, not an error
    """A result that must not be."""


def _check(out: RowBuffer, before: int, known: Corpus) -> None:
    found = insane(bytes(out.view(before)), known.specs)
    if found:
        raise Wrong("; ".join(found[:3]))


def _tried(error: VenueError, out: RowBuffer, before: int) -> str:
    """Return an error's reason. What cannot be read leaves no row; of a refusal the intake undoes them."""
    if not isinstance(error, MalformedFrame):
        out.truncate(before)
        return "refused"
    if out.rows != before:
        raise Wrong(f"{error!r} left {out.rows - before} rows")
    if error.reason not in REASONS:
        raise Wrong(f"reason {error.reason!r}")
    return error.reason


def run_frames(venue: Venue, known: Corpus, rng: random.Random) -> Iterator[str]:
    """Feed a talk of changed frames to a new decoder; yield what each became."""
    decoder, out = venue.decoder(known.instruments), RowBuffer()
    talk = list(rng.choice(known.talks))
    while rng.random() < 0.3:
        talk.insert(rng.randrange(len(talk) + 1), rng.choice(known.frames))
    for frame in talk:
        sent = mutated(frame, known.frames, known, rng) if rng.random() < 0.7 else frame
        before = out.rows
        try:
            says = decoder.decode(sent, RECEIVED_NS, out)
        except VenueError as error:
            yield _tried(error, out, before)
        else:
            _check(out, before, known)
            yield _named(says, out, before)


def _named(says: str, out: RowBuffer, before: int) -> str:
    if says not in get_args(FrameName):
        raise Wrong(f"says {says!r}")
    kinds = set(block_rows(bytes(out.view(before)))["kind"].tolist()) - {int(Kind.GAP)}
    if says in SILENT and kinds:
        raise Wrong(f"says {says!r} and writes rows")
    return "rows" if kinds else "nothing"


def run_polls(venue: Venue, known: Corpus, rng: random.Random) -> Iterator[str]:
    """Answer one poll with a changed body."""
    out, polls = RowBuffer(), venue.polls(list(known.specs.values()))
    if not polls:
        return
    poll = rng.choice(polls)
    good = known.answer(poll.request, rng)
    if known.polled and rng.random() < 0.5:
        good = rng.choice(known.polled)
    body = mutated(good, known.bodies or [good], known, rng)
    try:
        poll.decode(body, RECEIVED_NS, out)
    except VenueError as error:
        yield _tried(error, out, 0)
    else:
        _check(out, 0, known)
        yield "rows" if out.rows else "nothing"


def run_rest(venue: Venue, known: Corpus, rng: random.Random) -> Iterator[str]:
    """Hold a conversation in which some bodies are changed."""
    out, spec = RowBuffer(), rng.choice(list(known.specs.values()))
    asked: Conversation[Any] | None
    pick = rng.random()
    if pick < 0.4:
        asked = venue.discover()
    elif pick < 0.8:
        asked = venue.history(spec, RECEIVED_NS - 5 * HOUR_NS, RECEIVED_NS, out)
    else:
        first = rng.choice((1, 1000, 2**62))
        gap = Gap(
            first=first,
            last=first + rng.randrange(50),
            from_ns=RECEIVED_NS - 10**9,
            to_ns=RECEIVED_NS,
        )
        asked = venue.fill(spec, gap, out)
    if asked is None:
        return
    try:
        result = _converse(asked, known, rng)
    except VenueError as error:
        yield "refused" if not isinstance(error, MalformedFrame) else error.reason
        return
    if isinstance(result, Universe):
        _check_universe(result)
        yield "universe"
    else:
        _check(out, 0, known)
        yield "rows" if out.rows else "nothing"


def _converse(asked: Conversation[Any], known: Corpus, rng: random.Random) -> Any:
    harm, count = rng.choice((0.2, 0.5, 1.0)), 0
    try:
        request = next(asked)
        while True:
            count += 1
            if count > MOST_REQUESTS:
                raise Wrong(f"no end after {count} requests")
            body = known.answer(request, rng)
            if rng.random() < harm:
                body = mutated(body, known.bodies or [body], known, rng)
            request = asked.send(body)
    except StopIteration as stop:
        return stop.value


def _check_universe(universe: Universe) -> None:
    for spec in universe.instruments:
        sane = 0 < spec.size_numerator / spec.size_denominator < 1e15
        if not (sane and isinstance(spec, Instrument) and spec.symbol and spec.quote):
            raise Wrong(f"listed {spec}")


RUNS = {"frames": run_frames, "polls": run_polls, "rest": run_rest}


def execute(name: str, seed: int, number: int, report: Report, venue: Venue | None = None) -> None:
    """Run one input by its number, the same for the same seed."""
    rng = random.Random(f"{name}:{seed}:{number}")
    known = corpus(name)
    run = "rest" if number % 50 == 49 else "polls" if number % 10 == 9 else "frames"
    report.ran[run] += 1
    try:
        for ended in RUNS[run](venue or VENUES[name], known, rng):
            report.ended[ended] += 1
    except Exception as fault:  # noqa: BLE001 - any exception is what the fuzzer looks for
        what = f"{run}: {type(fault).__name__}: {fault}"
        report.failures.append(Failure(name, seed, number, what[:600]))


def fuzz(
    name: str,
    seed: int,
    *,
    executions: int | None = None,
    seconds: float = 0.0,
    venue: Venue | None = None,
) -> Report:
    """Run a number of inputs, or as many as fit some seconds, against a venue (or a changed module of it)."""
    report = Report(Counter(), Counter(), [])
    until, number = time.monotonic() + seconds, 0
    while number < executions if executions is not None else time.monotonic() < until:
        execute(name, seed, number, report, venue)
        number += 1
    return report


def _print(name: str, report: Report) -> None:
    ran = ", ".join(f"{count} {run}" for run, count in sorted(report.ran.items()))
    ended = ", ".join(f"{end} {count}" for end, count in report.ended.most_common())
    print(f"{name:13} {sum(report.ran.values())} executions ({ran}); {ended}")
    different: dict[str, Failure] = {}
    for failure in report.failures:
        different.setdefault(failure.what[:60], failure)
    for failure in different.values():
        print(f"  {failure}")
    if report.failures:
        print(f"  {len(report.failures)} failures, one of each sort above")


def main() -> int:
    """Fuzz as the command line says; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.service.venues.fuzz", description=__doc__
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="for each venue")
    parser.add_argument("--venue", choices=sorted(FILES), action="append")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only", type=int, help="repeat one input; what it raises is shown in full"
    )
    asked = parser.parse_args()
    failed = False
    for name in asked.venue or sorted(FILES):
        if asked.only is not None:
            run = "rest" if asked.only % 50 == 49 else "polls" if asked.only % 10 == 9 else "frames"
            rng = random.Random(f"{name}:{asked.seed}:{asked.only}")
            print(name, list(RUNS[run](VENUES[name], corpus(name), rng)))
            continue
        report = fuzz(name, asked.seed, seconds=asked.seconds)
        _print(name, report)
        failed |= bool(report.failures)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
