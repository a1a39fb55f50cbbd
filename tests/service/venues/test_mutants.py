"""The documented frames must notice every way in which a venue is easily misread.

Each mutant is a module's own source with one replacement, executed anew with all that the venue builds on
it. A mutant that passes all cases survives, and a surviving mutant is a test that is missing.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from service.semantics import Semantics
from service.venues.registry import VENUES
from tests.service.venues.cases import Mutant, problems, written
from tests.service.venues.every import ALL, INSTRUMENTS, MUTANTS
from tests.service.venues.mutation import changed, fate, modules_of, source_of
from tests.truth import Truth

CHANNELS = ("trade", "mark", "funding", "open_interest", "liquidation")
EIGHT_HOURS_NS = 8 * 3_600_000_000_000


class Facts(NamedTuple):
    """What decides which of the shared mutants a venue's cases could notice at all."""

    amounts: bool  # the venue's own code converts sizes by `amounts`
    sizes: bool  # a row that has a size is of an instrument whose size is not one
    inverse: bool
    stable: bool
    units: bool
    listed_interval: bool
    millis: bool
    completeness: bool
    price: bool
    funding: bool


def facts(venue: str) -> Facts:
    """Read a venue's facts off its cases, its declarations and its source."""
    rows = [
        row for case in ALL[venue] for row in written(VENUES[venue], INSTRUMENTS[venue], case)[1]
    ]
    specs = INSTRUMENTS[venue]
    sized = [
        (row["kind"], specs[row["symbol"]])
        for row in rows
        if row["kind"] in {"trade", "liquidation", "open_interest"}
    ]
    kinds = {row["kind"] for row in rows}
    funded = [specs[row["symbol"]] for row in rows if row["kind"] == "funding"]
    live = "\n".join(_of_frames(venue))
    said = VENUES[venue].SPEC.semantics
    forced = said.liquidation if "liquidation" in kinds else None
    return Facts(
        amounts=".amounts(" in live,
        sizes=any(spec.size_numerator != spec.size_denominator for _, spec in sized),
        inverse=any(spec.contract_type == "inverse" for _, spec in sized),
        stable=any(spec.quote != "USD" for _, spec in sized),
        units=".unit" in live and any(s.coins_per_unit != 1 for _, s in sized),
        listed_interval=_by_listing(said)
        and any(spec.funding_interval_ns not in {0, EIGHT_HOURS_NS} for spec in funded),
        millis="NS_PER_MS" in live,
        completeness=forced is not None and forced.completeness != "none",
        price=forced is not None and bool(forced.price),
        funding="funding" in kinds,
    )


def _by_listing(said: Semantics) -> bool:
    return said.funding is not None and said.funding.interval == "listing"


def _of_frames(venue: str) -> Iterator[str]:
    """Yield the sources of a venue that read frames: neither what all share nor REST."""
    for name in modules_of(venue):
        leaf = name.rpartition(".")[2]
        if leaf not in {"decode", "backfill", "symbols", "semantics"} and not leaf.endswith(
            "_rest"
        ):
            yield from (
                line for line in source_of(name).splitlines() if not line.strip(" ,").isidentifier()
            )


DECODE = "decode"
SEMANTICS = "service.semantics"

#: Mutants of what all venues share, and which venues can notice them.
SHARED: tuple[tuple[Mutant, Callable[[Facts], bool]], ...] = (
    (Mutant("shared: contract size dropped", "amount = size * self.numerator / self.denominator",
            "amount = size", DECODE), lambda f: f.amounts and f.sizes),
    (Mutant("shared: contract size inverted", "size * self.numerator / self.denominator",
            "size * self.denominator / self.numerator", DECODE), lambda f: f.amounts and f.sizes),
    (Mutant("shared: inverse contracts taken as linear", "if self.inverse else", "if False else", DECODE),
     lambda f: f.amounts and f.inverse),
    (Mutant("shared: inverse coin and USD swapped", "(amount / price, amount) if",
            "(amount, amount / price) if", DECODE), lambda f: f.amounts and f.inverse),
    (Mutant("shared: stablecoin not said",
            'assumed=0 if spec.quote == "USD" else int(Flag.STABLE_ASSUMED)', "assumed=0", DECODE),
     lambda f: f.stable),
    (Mutant("shared: price of a unit taken as a coin's", "unit=spec.coins_per_unit", "unit=1", DECODE),
     lambda f: f.units),
    (Mutant("shared: listed interval dropped", "interval_ns=spec.funding_interval_ns if known else",
            "interval_ns=", DECODE), lambda f: f.listed_interval),
    (Mutant("shared: milliseconds for nanoseconds", "NS_PER_MS: Final = 1_000_000",
            "NS_PER_MS: Final = 1", DECODE), lambda f: f.millis),
    (Mutant("shared: completeness not said", "self.completeness_flag | _PRICES[self.price]",
            "_PRICES[self.price]", SEMANTICS), lambda f: f.completeness),
    (Mutant("shared: kind of price not said", "self.completeness_flag | _PRICES[self.price]",
            "self.completeness_flag", SEMANTICS), lambda f: f.price),
    (Mutant("shared: predicted and settled swapped",
            'Flag.SETTLED if self.funding.kind == "settled" else Flag.PREDICTED',
            'Flag.PREDICTED if self.funding.kind == "settled" else Flag.SETTLED', SEMANTICS),
     lambda f: f.funding),
)  # fmt: skip


@pytest.mark.parametrize("venue", MUTANTS)
def test_the_table_of_mutants(truth: Truth, venue: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every mutant is killed, at least one in each channel; the table says by what."""
    known = facts(venue)
    shared = [mutant for mutant, applies in SHARED if applies(known)]
    table = [
        (mutant.what, fate(venue, mutant, INSTRUMENTS[venue], ALL[venue]))
        for mutant in (*MUTANTS[venue], *shared)
    ]
    killed = sum(row.killer is not None for _, row in table)
    with capsys.disabled():
        print()
        for what, (killer, kinds) in table:
            print(f"{venue:13} {what:44} {killer or 'SURVIVED'} [{', '.join(sorted(kinds))}]")
        print(f"{venue:13} {len(table)} mutants, {killed} killed")
    assert [what for what, row in table if row.killer is None] == []
    truth(10, "ways to misread a venue that no documented frame notices", len(table) - killed, 0)
    own = {kind for _, row in table[: len(MUTANTS[venue])] for kind in row.kinds}
    assert set(_declared(VENUES[venue].SPEC.semantics)) - own == set(), "channels without a mutant"


def _declared(said: Semantics) -> Iterator[str]:
    """Yield the channels that a venue says it serves."""
    for channel in CHANNELS:
        feed = getattr(said, channel)
        if feed is not None and feed.source != "file":
            if channel == "liquidation" and feed.completeness == "none":
                continue
            yield channel


@pytest.mark.parametrize("venue", ALL)
def test_every_declared_channel_has_a_case(venue: str) -> None:
    rows = {
        row["kind"]
        for case in ALL[venue]
        for row in written(VENUES[venue], INSTRUMENTS[venue], case)[1]
    }
    declared = set(_declared(VENUES[venue].SPEC.semantics))
    assert declared - rows == set(), "declared, and no case writes such a row"
    assert rows - declared <= {"gap"}, "written, and not declared"


@pytest.mark.parametrize("venue", ALL)
@pytest.mark.parametrize("name", ["service.semantics", "service.venues.decode"])
def test_the_method_itself_harms_nothing(venue: str, name: str) -> None:
    """Unchanged modules, executed as mutants are, pass: so it is the change that kills."""
    with changed(venue, name) as module:
        assert module is not VENUES[venue]
        assert [problems(module, INSTRUMENTS[venue], case) for case in ALL[venue]] == [[]] * len(
            ALL[venue]
        )
