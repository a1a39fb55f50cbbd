"""The terminal view: every underlying's two machines, what they rest on, and what was said last.

Pure from readings to renderables; `service.demo` and `treadmill run --view` refresh it.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from service.configuration import describe
from streams.signals import Signal

STYLES = {
    "UNKNOWN": "dim",
    "CALM": "green",
    "CROWDED": "yellow",
    "FRAGILE": "bold dark_orange",
    "CASCADE": "bold white on red",
    "FLUSHED": "bold cyan",
    "RESET": "bold blue",
}
BLOCKS = " ▁▂▃▄▅▆▇█"
DIALS = "○◔◑◕●"  # how much of its wait a breaker has behind it; full is ACTIVE
HISTORY = 48  # points of the small charts


def sparkline(values: Sequence[float | None]) -> str:
    """Return values as a line of bars between their own least and most; gaps stay empty.

    >>> sparkline([1.0, 2.0, None, 3.0])
    '▁▄ █'
    """
    known = [v for v in values if v is not None]
    if not known:
        return ""
    low, span = min(known), max(known) - min(known)
    out = []
    for v in values:
        level = 0.5 if span <= 0 else ((v or 0.0) - low) / span
        out.append(" " if v is None else BLOCKS[1 + int(level * 7)])
    return "".join(out)


def money(usd: float | None) -> str:
    """Return USD for people.

    >>> money(1_234_567.0), money(None), money(950.0)
    ('$1.2M', '?', '$950')
    """
    if usd is None:
        return "?"
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(usd) >= size:
            return f"${usd / size:.1f}{unit}"
    return f"${usd:.0f}"


def _figure(value: float | None, form: str, scale: float = 1.0, unit: str = "") -> str:
    return "?" if value is None else format(value * scale, form) + unit


class History:
    """The last readings of each underlying, for the small charts."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str], deque[float | None]] = {}

    def note(self, symbol: str, readings: dict[str, Any], names: Sequence[str]) -> None:
        """Remember a point of each named reading."""
        for name in names:
            series = self._series.setdefault((symbol, name), deque(maxlen=HISTORY))
            series.append(readings[name]["value"])

    def line(self, symbol: str, name: str, points: int = HISTORY) -> str:
        """Return the chart of one reading's last `points`."""
        return sparkline(list(self._series.get((symbol, name), ()))[-points:])


def _state(name: str) -> Text:
    return Text(f" {name} ", style=STYLES.get(name, "dim"))


#: Title, least width, smallest terminal it is shown on.
COLUMNS = (
    ("", 4, 0), ("price", 9, 0), ("longs", 9, 0), ("shorts", 9, 0), ("OI", 6, 0), ("OI 5m", 7, 0),
    ("funding", 8, 0), ("premium", 7, 110), ("crowding", 8, 0), ("forced/min", 10, 0),
    ("intensity", 9, 120),
)  # fmt: skip
CHARTS_FROM = 140  # columns
ONE_LINE_FROM = 180


def market_table(states: Sequence[dict[str, Any]], history: History, width: int) -> Table:
    """Return one line an underlying: price, machines, and the three variables that drive them."""
    table = Table(expand=True, header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    shown = [width >= least for _, _, least in COLUMNS]
    for (title, columns, _), show in zip(COLUMNS, shown, strict=True):
        if show:
            words = title in {"", "longs", "shorts"}
            table.add_column(
                title, no_wrap=True, min_width=columns, justify="left" if words else "right"
            )
    if width >= CHARTS_FROM:
        table.add_column("price path", no_wrap=True, ratio=1, overflow="crop")
        table.add_column("forced sales of longs", no_wrap=True, ratio=1, overflow="crop")
    for state in states:
        cells = [cell for cell, show in zip(_cells(state), shown, strict=True) if show]
        if width >= CHARTS_FROM:
            points = min(HISTORY, max(8, (width - 115) // 2))
            cells.append(Text(history.line(state["symbol"], "price", points), style="cyan"))
            name = "liquidated_usd_per_s_60s_long"
            cells.append(Text(history.line(state["symbol"], name, points), style="red"))
        table.add_row(*cells)
    return table


def _cells(state: dict[str, Any]) -> list[RenderableType]:
    r = {name: reading["value"] for name, reading in state["readings"].items()}
    rate = r["liquidated_usd_per_s_60s_long"]
    return [
        Text(state["symbol"], style="bold"),
        _figure(r["price"], ",.2f"),
        _state(state["long"]["state"]),
        _state(state["short"]["state"]),
        money(r["oi_usd"]),
        _figure(r["oi_change_5m"], "+.2f", 100.0, "%"),
        _figure(r["funding_apr"], "+.1f", 100.0, "%"),
        _figure(r["premium_bp"], "+.1f", unit="bp"),
        _figure(r["crowding_long"], ".2f"),
        money(None if rate is None else rate * 60.0),
        _figure(r["cascade_intensity_long"], "+.1f"),
    ]


def _dial(breaker: dict[str, Any]) -> str:
    """Return how far a breaker is.

    >>> [_dial({"status": "CANDIDATE", "held_s": h, "hold_s": 8.0}) for h in (0.0, 2.0, 7.9)]
    ['○', '◔', '◕']
    """
    if breaker["status"] == "ACTIVE":
        return DIALS[-1]
    return DIALS[min(int(4.0 * breaker["held_s"] / breaker["hold_s"]), 3)]


def _breaker(breaker: dict[str, Any]) -> Text:
    """Return a breaker in a few words: loud if it is ACTIVE, plain on its way, faint else."""
    arrow = {"up": " ↑", "down": " ↓", None: ""}[breaker["direction"]]
    name = breaker["name"].replace("_", " ").lower() + arrow
    text = Text(f"{_dial(breaker)} ")
    if breaker["status"] == "INACTIVE":
        text.append(f"{name} {breaker['passed']}/{breaker['asked']}")
        if breaker["unknown"]:
            text.append(f" ?{breaker['unknown']}")
        text.stylize("dim")
        return text
    sure = _figure(breaker["confidence"], ".2f")
    if breaker["status"] == "ACTIVE":
        text.append(f"{name.upper()} {sure} to {breaker['valid_until'][5:16].replace('T', ' ')}")
        text.stylize("bold blue")
    else:
        left_h = (breaker["hold_s"] - breaker["held_s"]) / 3600.0
        text.append(f"{name} {sure}, {left_h:.1f} h left")
        text.stylize("blue")
    return text


def breaker_lines(states: Sequence[dict[str, Any]], width: int) -> Table:
    """Return one line an underlying: how far what would break the treadmill is, of each side and of both.

    Where that is too narrow for a line each breaker has its own.
    """
    between = Text("   " if width >= ONE_LINE_FROM else "\n")
    table = Table(expand=True, header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("breakers", no_wrap=True, min_width=8)
    for side in ("longs", "shorts", "both"):
        table.add_column(side, ratio=2 if side != "both" else 1)
    for state in states:
        cells = [
            between.join([_breaker(b) for b in state["breakers"] if b["side"] == side])
            for side in ("long", "short", "both")
        ]
        table.add_row(Text(state["symbol"], style="bold"), *cells)
    return table


def _breaker_headline(signal: Signal) -> Text:
    text = Text(signal.name.replace("_", " ").lower(), style="bold blue")
    text.append(f" {(signal.previous or 'inactive').lower()} → ", style="")
    text.append(signal.status.lower(), style="bold" if signal.status == "ACTIVE" else "")
    direction = signal.context.get("direction")
    if direction:
        text.append(" up" if direction > 0.0 else " down")
    if signal.confidence is not None:
        text.append(f"  confidence {signal.confidence:.2f}")
    return text


def _headline(signal: Signal) -> Text:
    when = signal.asof[11:19]
    text = Text(f"{when} {signal.symbol:<5} {signal.side:<5} ")
    if signal.kind == "breaker":
        text.append_text(_breaker_headline(signal))
    elif signal.kind == "state":
        text.append_text(_state(signal.previous or "UNKNOWN"))
        text.append(" → ")
        text.append_text(_state(signal.status))
    elif signal.kind == "burst":
        c = signal.context
        text.append(f"burst {signal.status.lower()}", style="red")
        if signal.status == "STARTED":
            rate = c["peak_usd_per_s"]
            text.append(f"  {money(None if rate is None else rate * 60.0)} a minute")
            return text
        text.append(
            f"  {money(c['usd_raw'])} printed, {money(c['usd_estimated'])} estimated, "
            f"{_figure(c['orders'], '.0f')} orders, OI {_figure(c['flush_ratio'], '+.2f', -100.0, '%')}"
        )
    else:
        text.append(f"{signal.name.lower()} {signal.status.lower()}", style="magenta")
    return text


def _grounds(signal: Signal) -> Text:
    marks = {True: "✓", False: "✗", None: "?"}
    parts = [
        f"{marks[e.passed]} {e.metric} {_figure(e.value, '.4g')} {e.op} {_figure(e.threshold, '.4g')}"
        for e in signal.evidence
    ]
    return Text("         " + "   ".join(parts), style="dim")


def signal_lines(signals: Sequence[Signal]) -> Group:
    """Return the last signals with their evidence, newest first."""
    lines: list[RenderableType] = []
    for signal in reversed(signals):
        lines.append(_headline(signal))
        if signal.evidence:
            lines.append(_grounds(signal))
    return Group(*lines) if lines else Group(Text("nothing yet", style="dim"))


def screen(
    title: str,
    status: str,
    states: Sequence[dict[str, Any]],
    history: History,
    signals: Sequence[Signal],
    *,
    width: int,
) -> RenderableType:
    """Return the whole view for a terminal of `width` columns."""
    return Group(
        Panel(Text(status), title=title, title_align="left", border_style="blue"),
        market_table(states, history, width),
        breaker_lines(states, width),
        Panel(signal_lines(signals), title="signals", title_align="left", border_style="dim"),
    )


def clock_text(ns: int) -> str:
    """Return log time for people, to the second."""
    return f"{datetime.fromtimestamp(ns / 1e9, UTC):%Y-%m-%d %H:%M:%S} UTC"


def option_table(values: Mapping[str, Any], console: Console) -> Table:
    """Return every option with its value in force, folded rather than cut where it is narrow."""
    width = console.width if console.is_terminal else 240  # a pipe has room
    table = Table("option", "value", "range", "environment", "what it does", width=width)
    for column in table.columns:
        column.overflow = "fold"
        column.no_wrap = width >= 200 and column.header in {"option", "environment"}
    for option in describe():
        value = values.get(option.name, option.default)
        limits = f"{option.range} ({option.unit})" if option.unit else option.range
        table.add_row(option.name, str(value), limits, option.env, option.sentence)
    return table
