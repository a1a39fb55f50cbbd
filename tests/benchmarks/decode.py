"""Frames to rows: the venue's decoder, and the whole intake, beside a parser that only parses."""

from collections.abc import Callable

import orjson
from rich.table import Table

from service.clock import ScaledClock
from service.intake import Intake
from service.publisher import Publisher
from service.telemetry import Telemetry
from service.venue import Decoder
from service.venues.registry import VENUES
from streams.events import RowBuffer
from tests.benchmarks.bench_decode import SHAPES
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
from tests.service.venues import cases_bybit
from tests.service.venues.cases import RECEIVED_NS
from tests.service.venues.every import INSTRUMENTS

FRAMES = 1000


class Nowhere:
    """A sink that takes blocks and keeps none."""

    async def put(self, partition: int, block: bytes) -> None:
        """Forget the block."""

    async def flush(self) -> None:
        """Nothing is ever on its way."""

    async def close(self) -> None:
        """Nothing is open."""


def _decoder(venue: str) -> Decoder:
    """Return a new connection's decoder that knows what Bybit's deltas build on."""
    made = VENUES[venue].decoder(INSTRUMENTS[venue])
    if venue == "bybit":
        made.decode(cases_bybit.SNAPSHOT, RECEIVED_NS, RowBuffer())
    return made


def _parse(parse: Callable[[bytes], object], frames: list[bytes]) -> Took:
    with Watch() as watch:
        for frame in frames:
            parse(frame)
    return watch.took(len(frames))


def _decode(venue: str, frames: list[bytes]) -> Took:
    decode, out = _decoder(venue).decode, RowBuffer(8 * len(frames))
    with Watch() as watch:
        for frame in frames:
            decode(frame, RECEIVED_NS, out)
    return watch.took(len(frames))


def _take_in(venue: str, frames: list[bytes]) -> Took:
    """Do what a live connection does with each frame after receiving it, telemetry included."""
    clock = ScaledClock(RECEIVED_NS, 1.0)
    publisher = Publisher(Nowhere(), 1, max_rows=8 * len(frames))
    stats = Telemetry(clock.now_ns)
    take, decoder = Intake(venue, publisher, clock, stats).frame, _decoder(venue)
    with Watch() as watch:
        for frame in frames:
            take(decoder, frame, 1)
    if refused := stats.value("treadmill_malformed_frames_total", venue=venue, reason="future"):
        raise AssertionError(f"{refused} rows of {venue} were refused: their cost is another")
    return watch.took(len(frames))


def measure(plan: Plan) -> Table:
    """Return the table of frames a second."""
    made = table(
        "1. Frames a second, one core (best of the rounds; `x` is against orjson.loads of the same frame)",
        "venue and frame", "bytes", "orjson", "typed JSON", "x", "decoded to rows", "x", "median x",
        "whole intake", "x",
    )  # fmt: skip
    for venue, name, frame, typed in SHAPES:
        frames = [frame(n % 500) for n in range(plan.count(FRAMES, least=200))]
        ways: dict[str, Measure] = {
            "orjson": _bind(_parse, orjson.loads, frames),
            "typed": _bind(_parse, typed, frames),
            "decode": _bind(_decode, venue, frames),
            "intake": _bind(_take_in, venue, frames),
        }
        took = interleave(plan, ways)
        parse, read, decode, intake = (best_ns(took[way]) for way in ways)
        made.add_row(
            f"{venue} {name}", str(len(frames[0])), rate(parse), rate(read),
            f"{parse / read:.2f}", rate(decode),
            f"{parse / decode:.2f}", f"{median_ns(took['orjson']) / median_ns(took['decode']):.2f}",
            rate(intake), f"{parse / intake:.2f}",
        )  # fmt: skip
    return made


def _bind(way: Callable[..., Took], *arguments: object) -> Measure:
    return lambda: way(*arguments)
