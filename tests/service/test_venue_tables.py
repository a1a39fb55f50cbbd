"""The tables of venues; `TREADMILL_WRITE_DOCS=1 pytest` rewrites the page."""

import datetime as dt
import json
import os
import re

import pytest
from typer.testing import CliRunner

from service.__main__ import app
from service.venue_tables import CHANNELS, channel_table, declared, overview, page
from tests.conftest import ROOT


def test_the_page_is_current() -> None:
    path = ROOT / "service" / "VENUES.md"
    wanted = page(declared())
    if os.environ.get("TREADMILL_WRITE_DOCS"):
        path.write_text(wanted)
    assert path.read_text() == wanted


@pytest.mark.parametrize("channel", [entry[0] for entry in CHANNELS])
def test_every_row_fills_every_column(channel: str) -> None:
    columns, rows = channel_table(channel, declared())
    assert len(rows) > 2
    assert {len(row) for row in rows} == {len(columns)}
    for row in rows:
        assert re.fullmatch(r".+, 20\d\d(-\d\d){1,2}", row[-1]), row
        year, month = map(int, row[-1].rpartition(", ")[2].split("-")[:2])
        assert dt.date(2020, 1, 1) <= dt.date(year, month, 1) <= dt.datetime.now(dt.UTC).date()


def test_what_is_incomplete_says_by_which_rule() -> None:
    for name, one in declared().items():
        if one.liquidation is not None and one.liquidation.completeness in {"sampled", "partial"}:
            assert one.liquidation.rule, name


def test_the_command_prints_all_one_and_json() -> None:
    runner = CliRunner(env={"COLUMNS": "240"})
    shown = runner.invoke(app, ["venues"])
    assert shown.exit_code == 0
    _, rows = overview(declared())
    for row in rows:
        assert row[0] in shown.stdout
    one = runner.invoke(app, ["venues", "okx"])
    assert "okx.com" in one.stdout
    assert "bybit" not in one.stdout
    said = json.loads(runner.invoke(app, ["venues", "--json"]).stdout)
    assert {entry["venue"] for entry in said} == set(declared())
    assert next(e for e in said if e["venue"] == "bybit")["open_interest"]["sides"] == 2


def test_an_unknown_venue_is_the_operators_mistake() -> None:
    wrong = CliRunner().invoke(app, ["venues", "nasdaq"])
    assert wrong.exit_code != 0
    assert "nasdaq" in str(wrong.exception)
