"""The table of readings in streams/README.md is generated; `TREADMILL_WRITE_DOCS=1 pytest` rewrites it."""

import os

from streams.state import READINGS
from tests.conftest import ROOT

BEGIN = "<!-- readings: generated from streams/state.py, see tests/streams/test_readme.py -->\n"
END = "<!-- end of readings -->\n"


def table() -> str:
    lines = ["| reading | unit | meaning |", "|---|---|---|"]
    lines += [f"| `{name}` | {unit} | {meaning} |" for name, unit, meaning in READINGS]
    return "\n".join(lines) + "\n"


def test_readings_table_is_current() -> None:
    page = ROOT / "streams" / "README.md"
    text = page.read_text()
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    wanted = head + BEGIN + table() + END + tail
    if os.environ.get("TREADMILL_WRITE_DOCS"):
        page.write_text(wanted)
    assert page.read_text() == wanted


def test_readings_have_unique_names_and_meanings() -> None:
    names = [name for name, _, _ in READINGS]
    assert len(set(names)) == len(names)
    assert all(unit and meaning for _, unit, meaning in READINGS)
