"""Log lines: JSON for machines or console for people, one event name and its facts a line.

Nothing here is called for each market event. What can happen often goes through `RateLimited`.
"""

import logging
import sys
from collections.abc import Callable
from typing import Any, Final, Literal, Protocol, TextIO

import structlog

from service.clock import Clock
from service.settings import Secret

#: The severities a caller may name.
Level = Literal["debug", "info", "warning", "error"]


class Log(Protocol):
    """What this project needs of a logger: an event name and its facts."""

    def debug(self, event: str, **facts: Any) -> Any:
        """Say something for developers."""
        ...

    def info(self, event: str, **facts: Any) -> Any:
        """Say that something happened as it should."""
        ...

    def warning(self, event: str, **facts: Any) -> Any:
        """Say that something was survived."""
        ...

    def error(self, event: str, **facts: Any) -> Any:
        """Say that something was lost."""
        ...


_SEVERITY: Final[dict[Level, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def _hide_secrets(_: Any, __: str, facts: Any) -> Any:
    for key, value in facts.items():
        if isinstance(value, Secret):
            facts[key] = "***"
    return facts


def logger(*, level: Level, form: Literal["json", "console"], stream: TextIO | None = None) -> Log:
    """Return a logger that writes to `stream`, standard error if None: standard output is for results.

    It belongs to whoever asked for it; nothing global is configured.
    """
    out = sys.stderr if stream is None else stream
    render: Any = structlog.processors.JSONRenderer(default=str)
    trace: Any = structlog.processors.format_exc_info
    if form == "console":
        render = structlog.dev.ConsoleRenderer(colors=out.isatty())
        trace = None
    chain = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        _hide_secrets,
        *([trace] if trace else []),
        render,
    ]
    made: Log = structlog.wrap_logger(
        structlog.PrintLogger(out),
        processors=chain,
        wrapper_class=structlog.make_filtering_bound_logger(_SEVERITY[level]),
    )
    return made


class _Bridge(logging.Handler):
    """Hands the lines of libraries to our logger."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        say = self._log.error if record.levelno >= logging.ERROR else self._log.warning
        say("library", logger=record.name, message=record.getMessage(), exc_info=record.exc_info)


def adopt_libraries(log: Log) -> Callable[[], None]:
    """Send warnings and errors of all libraries to `log`; return what undoes it.

    To be called once, by the process: the standard library's root logger is global.
    """
    root, bridge = logging.getLogger(), _Bridge(log)
    before = root.level
    root.addHandler(bridge)
    root.setLevel(logging.WARNING)

    def undo() -> None:
        root.removeHandler(bridge)
        root.setLevel(before)

    return undo


class RateLimited:
    """At most one line of each event name in `every_s` seconds of the clock.

    The next line that gets through says under ``suppressed`` how many did not.
    """

    def __init__(self, log: Log, clock: Clock, every_s: float = 10.0) -> None:
        self._log = log
        self._clock = clock
        self._every_ns = int(every_s * 1e9)
        self._said: dict[str, int] = {}
        self._suppressed: dict[str, int] = {}

    def __call__(self, level: Level, event: str, **facts: Any) -> None:
        """Write the line, or count it. `event` is a fixed word: what varies goes into `facts`."""
        now = self._clock.now_ns()
        last = self._said.get(event)
        if last is not None and now - last < self._every_ns:
            self._suppressed[event] = self._suppressed.get(event, 0) + 1
            return
        self._said[event] = now
        if missed := self._suppressed.pop(event, 0):
            facts["suppressed"] = missed
        getattr(self._log, level)(event, **facts)
