"""A day of faults: nothing is lost that can be had, nothing is made up, and nobody cries wolf.

This is the short day; ``python -m tests.e2e.day`` lives through a whole one and checks the same.
"""

from pathlib import Path

from tests.e2e.day import closely, report, report_close, whole_day
from tests.e2e.day_checks import check, check_close


async def test_a_short_day_of_everything_that_goes_wrong(tmp_path: Path) -> None:
    verdict = await whole_day(tmp_path, speed=240.0, hours=2.5, seed=1)
    for line in report(verdict):
        print(line)
    check(verdict)


async def test_dead_sockets_and_routes_are_told_within_ten_seconds_of_the_wall(
    tmp_path: Path,
) -> None:
    close = await closely(tmp_path, seed=1)
    for line in report_close(close):
        print(line)
    check_close(close)
