"""The fuzzer for about a second a venue; the full profile is ``python -m tests.service.venues.fuzz``."""

import pytest

from tests.service.venues.every import FILES
from tests.service.venues.fuzz import fuzz
from tests.service.venues.mutation import changed

EXECUTIONS = 20_000


@pytest.mark.parametrize("venue", FILES)
def test_changed_messages_give_sane_rows_or_nothing_or_an_error_of_the_venue(venue: str) -> None:
    report = fuzz(venue, seed=1, executions=EXECUTIONS)
    assert [str(failure) for failure in report.failures] == []
    assert report.ended["rows"] > EXECUTIONS / 100, "it reads what is hardly changed"
    assert sum(report.ended.values()) - report.ended["rows"] > EXECUTIONS / 10, (
        "and refuses the rest"
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("FAULTS: Final = (msgspec.MsgspecError, ", "FAULTS: Final = (ZeroDivisionError, "),
        ("msgspec.Meta(gt=_LEAST, lt=_LIMIT)", "msgspec.Meta(ge=-1)"),
        ("msgspec.Meta(ge=MIN_MS, lt=MAX_MS)", "msgspec.Meta(ge=0)"),
    ],
)
def test_a_fault_is_found(old: str, new: str) -> None:
    with changed("okx", "service.venues.decode", old, new) as module:
        assert fuzz("okx", seed=1, executions=2000, venue=module).failures != []
