"""The benchmarks run and print every line. What they measure is for people: no number is looked at."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.bench_decode import SHAPES
from tests.benchmarks.fold import LOADS
from tests.benchmarks.latency import COINS
from tests.benchmarks.many import UNDERLYINGS
from tests.benchmarks.profile import PARTS
from tests.kafka.broker import KafkaUnavailableError, libraries

ROOT = Path(__file__).resolve().parents[2]
WITHOUT_KAFKA = ["4a. "]
WITH_KAFKA = [
    "KafkaSink.put and flush", "aiokafka's consumer + Engine.fold", "Faust worker",
    "all of `treadmill process`", "4b. ",
]  # fmt: skip


def run(*arguments: str) -> list[str]:
    """Return the printed lines of a run that succeeded."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout.splitlines()


def missing(lines: list[str], wanted: list[str]) -> list[str]:
    """Return which beginnings of rows no line has."""
    cells = [line.strip("│ ") for line in lines]
    return [one for one in wanted if not any(cell.startswith(one) for cell in cells)]


def test_every_line_is_printed_and_every_liquidation_became_a_signal() -> None:
    lines = run("--quick")
    wanted = [f"{venue} {name}" for venue, name, _, _ in SHAPES]
    wanted += [f"{underlyings}, {rows_per_s:,.0f}" for underlyings, rows_per_s, _ in LOADS]
    wanted += [f"{underlyings} underlyings" for underlyings in UNDERLYINGS]
    wanted += WITHOUT_KAFKA
    try:
        libraries()
    except KafkaUnavailableError as error:
        if os.environ.get("CI"):
            pytest.fail(f"NO APACHE KAFKA ({error}): in CI it must be measured")
        wanted.append("NO APACHE KAFKA")
        runs = 2
    else:
        wanted += WITH_KAFKA
        runs = 3
    assert missing(lines, wanted) == []
    assert sum(f" {COINS} of {COINS} " in line for line in lines) == runs, "\n".join(lines)


def test_the_profile_names_every_part_and_kind() -> None:
    kinds = ["trade", "mark", "open_interest", "liquidation", "heartbeat"]
    assert missing(run("--profile", "--quick"), [*PARTS, "the whole evaluation", *kinds]) == []
