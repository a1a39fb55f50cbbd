"""All measured costs, one table a topic: ``make bench``. ``make bench ARGS=all-venues`` is a part of its own.

Compare ratios, and rows of one run: other work on the machine moves the absolute numbers. Nothing here
fails because something was slow; the smoke test checks that every line is printed.
"""

import argparse
import logging
import os
import platform
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from service import logs
from streams.engine import Engine
from tests.benchmarks import all_venues, decode, fold, kafka_path, latency, many, profile
from tests.benchmarks.market import market
from tests.benchmarks.timing import FULL, QUICK, Plan
from tests.kafka.broker import KafkaUnavailableError, libraries

#: Widest line of any table, for pipes and files.
WIDTH = 170
LIBRARIES = ("numpy", "numba", "orjson", "msgspec", "websockets", "aiokafka", "faust-streaming")


def _about() -> str:
    found = " ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {found}"
    )


def _compile() -> None:
    """Have every kernel compiled before anything is measured; other processes then load it."""
    made = market(1, 100.0, 5.0)
    engine = Engine()
    engine.fold(made.announced, 0)
    engine.fold(made.rows.tobytes(), 1)


def _profile(plan: Plan) -> Iterator[Table]:
    yield profile.parts(plan)
    yield profile.kinds(plan)


def _all_venues(frames: float, seconds: float | None, *, quick: bool) -> Iterator[Table]:
    if seconds is None:
        seconds = all_venues.QUICK_SECONDS if quick else all_venues.SECONDS
    return all_venues.measure(frames, seconds)


def _tables(plan: Plan, libs: Path | None) -> Iterator[Table]:
    yield decode.measure(plan)
    yield fold.measure(plan)
    yield many.measure(plan)
    if libs is not None:
        yield kafka_path.measure(plan, libs)
    yield latency.measure_embedded(plan)
    if libs is not None:
        yield latency.measure_distributed(plan, libs)


def _kafka(console: Console) -> Path | None:
    try:
        return libraries()
    except KafkaUnavailableError as error:
        console.print(
            f"[bold red]NO APACHE KAFKA ({error}): nothing was measured against a real broker[/]\n"
        )
        return None


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "part", nargs="?", choices=["all-venues"],
        help="all venues at once, for ten minutes each with a counting sink and embedded, instead",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="less of everything, some 40 s")
    parser.add_argument("--seconds", type=float, help="of all-venues, 600 if not given")
    parser.add_argument(
        "--frames", type=float, default=all_venues.FRAMES, help="of all-venues, a second"
    )
    parser.add_argument(
        "--profile", action="store_true", help="where the fold's time goes, instead"
    )
    given = parser.parse_args()
    plan = QUICK if given.quick else FULL
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    logs.configure(level="error", form="console", stream=sys.stderr)
    logging.getLogger("aiokafka").setLevel(
        logging.CRITICAL
    )  # it is told that a new broker is not ready
    begin = time.monotonic()
    console.print(_about(), highlight=False)
    _compile()
    console.print(f"kernels ready after {time.monotonic() - begin:.1f} s\n", highlight=False)
    if given.part == "all-venues":
        made = _all_venues(given.frames, given.seconds, quick=given.quick)
    elif given.profile:
        made = _profile(plan)
    else:
        made = _tables(plan, _kafka(console))
    for one in made:
        console.print(one, "", highlight=False)
    console.print(f"done in {time.monotonic() - begin:.0f} s", highlight=False)


if __name__ == "__main__":
    main()
