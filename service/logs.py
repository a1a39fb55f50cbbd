"""Log lines: JSON for machines or console for people, one event name and its facts a line.

Nothing here is called for each market event. What can happen often goes through `RateLimited`.
"""

import logging
import sys
from collections.abc import Callable
from typing import Any, Final, Literal, TextIO

import structlog

from service.clock import Clock
from service.settings import Secret

#: The severities a caller may name.
Level = Literal["debug", "info", "warning", "error"]
Form = Literal["json", "console"]


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


def _processors(form: Form, out: TextIO) -> list[Any]:
    chain: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        _hide_secrets,
    ]
    if form == "console":
        return [*chain, structlog.dev.ConsoleRenderer(colors=out.isatty())]
    return [
        *chain,
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(default=str),
    ]


class _Bridge(logging.Handler):
    """Hands the lines of libraries that use the standard library's logging to ours."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger(record.name)
        say = log.error if record.levelno >= logging.ERROR else log.warning
        say("library", message=record.getMessage(), exc_info=record.exc_info)


def configure(*, level: Level, form: Form, stream: TextIO | None = None) -> Callable[[], None]:
    """Set up ``structlog.get_logger`` and take over warnings and errors of libraries; return the undoing.

    Lines go to `stream`, standard error if None: standard output is for results. To be called once, by
    the process, because both are global.
    """
    out = sys.stderr if stream is None else stream
    before = structlog.get_config()
    structlog.configure(
        processors=_processors(form, out),
        wrapper_class=structlog.make_filtering_bound_logger(_SEVERITY[level]),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    root, bridge = logging.getLogger(), _Bridge()
    root_level = root.level
    root.addHandler(bridge)
    root.setLevel(logging.WARNING)

    def undo() -> None:
        root.removeHandler(bridge)
        root.setLevel(root_level)
        structlog.configure(**before)

    return undo


def hush(library: str) -> None:
    """Let a library say nothing: for commands that answer once, whose own line says it all."""
    logging.getLogger(library).setLevel(logging.CRITICAL)


class RateLimited:
    """At most one line of each event name in `every_s` seconds of the clock.

    The next line that gets through says under ``suppressed`` how many did not.
    """

    def __init__(self, log: Any, clock: Clock, every_s: float = 10.0) -> None:
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
