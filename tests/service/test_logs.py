"""Log lines: readable by machines, quiet under storms, silent about secrets."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from service.logs import Form, Level, RateLimited, configure
from service.settings import Secret


class HandClock:
    """A clock that a test moves."""

    speed = 1.0

    def __init__(self) -> None:
        self.ns = 10**18

    def now_ns(self) -> int:
        """Return what it was set to."""
        return self.ns

    async def sleep(self, seconds: float) -> None:
        """Move on by that much."""
        self.ns += int(seconds * 1e9)


class Lines:
    """Configures logging into memory and reads it back."""

    def __init__(self) -> None:
        self.out = io.StringIO()
        self.undo: Any = None

    def start(self, level: Level = "debug", form: Form = "json") -> Any:
        """Return a logger whose lines can be read."""
        self.undo = configure(level=level, form=form, stream=self.out)
        return structlog.get_logger("here")

    def read(self) -> list[dict[str, Any]]:
        """Return the lines so far."""
        return [json.loads(line) for line in self.out.getvalue().splitlines()]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Yield lines to configure; what was global before is global again."""
    made = Lines()
    yield made
    if made.undo is not None:
        made.undo()


def test_a_line_is_one_json_object(lines: Lines) -> None:
    lines.start().warning("feed_down", venue="okx", silence_s=12.5)
    (line,) = lines.read()
    assert line.pop("ts").endswith("Z")
    assert line == {"event": "feed_down", "level": "warning", "venue": "okx", "silence_s": 12.5}


def test_less_severe_lines_are_left_out(lines: Lines) -> None:
    log = lines.start(level="warning")
    log.info("quiet")
    log.error("loud")
    assert [line["event"] for line in lines.read()] == ["loud"]


def test_a_traceback_stays_in_its_line(lines: Lines) -> None:
    log = lines.start()
    try:
        int("broken")
    except ValueError:
        log.exception("crash")
    (line,) = lines.read()
    assert "ValueError: invalid literal" in line["exception"]


def test_console_lines_are_for_people(lines: Lines) -> None:
    lines.start(form="console").info("started", port=9464)
    text = lines.out.getvalue()
    assert "started" in text
    assert "port" in text
    assert "\x1b" not in text  # no terminal, no colours


def test_secrets_never_reach_a_line(lines: Lines) -> None:
    for form in ("json", "console"):
        log = lines.start(form=form)
        log.info("settings", password=Secret("hunter2"), nested={"password": Secret("hunter2")})
        lines.undo()
    assert "hunter2" not in lines.out.getvalue()
    assert "***" in lines.out.getvalue()


def test_libraries_speak_through_the_same_lines(lines: Lines) -> None:
    lines.start()
    logging.getLogger("some.library").info("chatter")
    logging.getLogger("some.library").warning("odd %s", "thing")
    logging.getLogger("some.library").error("bad")
    assert [(line["level"], line["message"]) for line in lines.read()] == [
        ("warning", "odd thing"),
        ("error", "bad"),
    ]


def test_undoing_leaves_nothing_global(lines: Lines) -> None:
    handlers, config = list(logging.getLogger().handlers), structlog.get_config()
    lines.start()
    lines.undo()
    assert logging.getLogger().handlers == handlers
    assert structlog.get_config() == config


def test_a_storm_is_one_line_and_a_count(lines: Lines) -> None:
    clock = HandClock()
    say = RateLimited(lines.start(), clock, every_s=10.0)
    for second in range(25):
        clock.ns = 10**18 + second * 10**9
        say("warning", "malformed", venue="okx")
        say("info", "other")
    told = [line for line in lines.read() if line["event"] == "malformed"]
    assert [line.get("suppressed") for line in told] == [None, 9, 9]
    assert all(line["level"] == "warning" and line["venue"] == "okx" for line in told)
    assert sum(line["event"] == "other" for line in lines.read()) == 3
