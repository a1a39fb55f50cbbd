"""What every venue gives and what it means, as tables for people: printed, and written to `VENUES.md`.

Nothing is known here: all of it is the venues' `Semantics`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from service import daily
from service.semantics import (
    Evidence,
    FundingFeed,
    LiquidationFeed,
    MarkFeed,
    OpenInterestFeed,
    Semantics,
    TradeFeed,
)
from service.settings import SettingsError
from service.venues.registry import VENUES

Table = list[list[str]]
NOTHING: Final = "-"

GAPS: Final = {
    "contiguous": "ids count up by one",
    "connection": "messages are numbered",
    "monotonic": "ids only grow",
    "none": "not detectable",
}
FIRST: Final = {
    "nothing": "nothing old",
    "dropped": "old events, dropped",
    "marked": "old events, flagged SNAPSHOT",
    "levels": "present levels",
}


def _seconds(value: float) -> str:
    return f"{value:g} s"


def _trades(feed: TradeFeed) -> list[str]:
    return [
        feed.source, feed.side, feed.unit, GAPS[feed.gaps], "REST" if feed.fill else NOTHING,
        FIRST[feed.first],
    ]  # fmt: skip


def _marks(feed: MarkFeed) -> list[str]:
    return [feed.source, "yes" if feed.index else "no", _seconds(feed.cadence_s)]


def _funding(feed: FundingFeed) -> list[str]:
    hours = f", {feed.interval_h:g} h" if feed.interval_h else ""
    return [feed.source, feed.kind, feed.interval + hours, feed.positive]


def _open_interest(feed: OpenInterestFeed) -> list[str]:
    return [feed.source, feed.unit, str(feed.sides), _seconds(feed.cadence_s)]


def _liquidations(feed: LiquidationFeed) -> list[str]:
    return [
        feed.source, feed.completeness, feed.rule or NOTHING, feed.side or NOTHING,
        feed.price or NOTHING, feed.unit, FIRST[feed.first],
    ]  # fmt: skip


#: Channel, heading of its table, columns, and how a feed fills them. A feed's note and evidence follow.
CHANNELS: Final[tuple[tuple[str, str, tuple[str, ...], Callable[[Any], list[str]]], ...]] = (
    ("trade", "Trades",
     ("source", "side of", "size in", "losses show by", "filled by", "first comes"), _trades),
    ("mark", "Mark and index prices", ("source", "index", "at least each"), _marks),
    ("funding", "Funding", ("source", "rate is", "interval from", "positive means"), _funding),
    ("open_interest", "Open interest", ("source", "written in", "sides counted", "each"), _open_interest),
    ("liquidation", "Liquidations",
     ("source", "completeness", "which", "side of", "price is", "size in", "first comes"), _liquidations),
)  # fmt: skip


def _feed(semantics: Semantics, channel: str) -> Any:
    return getattr(semantics, channel)


def channel_table(channel: str, venues: Mapping[str, Semantics]) -> tuple[list[str], Table]:
    """Return the columns and rows of one channel: a row a venue that has it."""
    _, _, columns, cells = next(entry for entry in CHANNELS if entry[0] == channel)
    rows = []
    for name, semantics in venues.items():
        feed = _feed(semantics, channel)
        if feed is not None:
            evidence: Evidence = feed.evidence
            seen = f"{evidence.source}, {evidence.date}"
            rows.append([name, *cells(feed), feed.note or NOTHING, seen])
    return ["venue", *columns, "note", "evidence"], rows


def overview(venues: Mapping[str, Semantics]) -> tuple[list[str], Table]:
    """Return the columns and rows of the table of everything at a glance."""
    rows = []
    for name, one in venues.items():
        interest, forced, funding, trade = (
            one.open_interest, one.liquidation, one.funding, one.trade,
        )  # fmt: skip
        rows.append([
            name, one.title, one.market,
            NOTHING if trade is None else f"{trade.side}, {trade.unit}, {trade.gaps}",
            NOTHING if one.mark is None else ("mark, index" if one.mark.index else "mark"),
            NOTHING if funding is None else f"{funding.kind}, by {funding.interval}",
            NOTHING if interest is None
            else f"{interest.source}, {interest.unit}, {_seconds(interest.cadence_s)}",
            NOTHING if forced is None or forced.completeness == "none"
            else f"{forced.completeness}, {forced.side} side, {forced.price or 'unsaid'} price",
        ])  # fmt: skip
    columns = [
        "venue",
        "title",
        "market",
        "trades",
        "prices",
        "funding",
        "open interest",
        "liquidations",
    ]
    return columns, rows


def tables(
    venues: Mapping[str, Semantics], *, in_full: bool
) -> Iterator[tuple[str | None, list[str], Table]]:
    """Yield heading, columns and rows: everything at a glance, or `in_full` a table a channel."""
    if not in_full:
        yield (None, *overview(venues))
        return
    for channel, heading, _, _ in CHANNELS:
        columns, rows = channel_table(channel, venues)
        if rows:
            yield heading, columns, rows


def declared(names: Iterable[str] | None = None) -> dict[str, Semantics]:
    """Return what venues declare, all or those of `names`, in the order of their names.

    Raises:
        SettingsError: a name is of no venue.
    """
    known = {name: venue.SPEC.semantics for name, venue in VENUES.items()}
    known[daily.NAME] = daily.SEMANTICS
    for name in names or ():
        if name not in known:
            raise SettingsError(f"no venue {name!r}: there are {', '.join(sorted(known))}")
    return {name: known[name] for name in sorted(names or known)}


def details(name: str, semantics: Semantics) -> dict[str, object]:
    """Return everything declared of a venue as plain JSON values."""
    return {"venue": name, **msgspec.to_builtins(semantics)}


def _markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


_PREFACE: Final = """\
Generated from the venues' own declarations (`SEMANTICS` in `service/venues/<name>.py`); `treadmill venues`
prints the same. Rows always carry the taker of a trade, the position that a liquidation closed, one side of
open interest, coin and USD, whatever the venue writes; the tables say what it writes.
"""


def page(venues: Mapping[str, Semantics]) -> str:
    """Return the page of venues as Markdown."""
    parts = [
        "# What each venue gives, and what it means\n",
        _PREFACE,
        "## At a glance\n",
        _markdown(*overview(venues)),
    ]
    for channel, heading, _, _ in CHANNELS:
        parts += [f"## {heading}\n", _markdown(*channel_table(channel, venues))]
    return "\n".join(parts)
