"""Venue modules made of changed sources, with everything between the change and the venue executed anew."""

import ast
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from service.venue import Venue
from service.venues.registry import VENUES
from streams.instruments import Instrument
from tests.service.venues.cases import AnyCase, Mutant, problems, written

PACKAGE = "service.venues"
#: Modules beside the package that may be changed as well.
BESIDE = frozenset({"service.semantics"})


@cache
def source_of(name: str) -> str:
    """Return a module's source."""
    return Path(str(sys.modules[name].__file__)).read_text("utf-8")


@cache
def imports_of(name: str) -> frozenset[str]:
    """Return which changeable modules a module imports."""
    found = set()
    for node in ast.walk(ast.parse(source_of(name))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return frozenset(
        other
        for other in found & sys.modules.keys()
        if other in BESIDE or other.startswith(PACKAGE + ".")
    )


@cache
def modules_of(venue: str) -> tuple[str, ...]:
    """Return the changeable modules that a venue is made of, imported ones first."""
    graph: dict[str, frozenset[str]] = {}
    ahead = [f"{PACKAGE}.{venue}"]
    while ahead:
        name = ahead.pop()
        if name not in graph:
            graph[name] = imports_of(name)
            ahead += graph[name]
    return tuple(TopologicalSorter(graph).static_order())


def _above(venue: str, changed: str) -> list[str]:
    """Return the changed module and what of the venue builds on it, imported ones first."""
    found = {changed}
    for name in modules_of(venue):
        if imports_of(name) & found:
            found.add(name)
    return [name for name in modules_of(venue) if name in found]


def _put(name: str, module: ModuleType) -> None:
    sys.modules[name] = module
    package, _, leaf = name.rpartition(".")
    setattr(sys.modules[package], leaf, module)


@contextmanager
def changed(venue: str, name: str, old: str = "", new: str = "") -> Iterator[Venue]:
    """Give a venue's module with `old`, if any, replaced in the source of `name`, which it is made of.

    For that while the modules are found under their own names, as typing looks them up by name.
    """
    assert name in modules_of(venue), f"{venue} is not made of {name}"
    count = source_of(name).count(old)
    assert not old or count == 1, f"{name}: {count} places for {old!r}"
    above = _above(venue, name)
    before = {each: sys.modules[each] for each in above}
    try:
        for each in above:
            source = source_of(each).replace(old, new) if old and each == name else source_of(each)
            spec = importlib.util.spec_from_file_location(each, before[each].__file__)
            assert spec is not None
            _put(each, importlib.util.module_from_spec(spec))
            exec(compile(source, f"<{each}>", "exec"), sys.modules[each].__dict__)  # noqa: S102 - the point
        made: Any = sys.modules[f"{PACKAGE}.{venue}"]
        yield made
    finally:
        for each, module in before.items():
            _put(each, module)


class Fate(NamedTuple):
    """What became of a mutant: the first case that noticed, and the kinds of row that differed."""

    killer: str | None
    kinds: frozenset[str]


def fate(
    venue: str,
    mutant: Mutant,
    instruments: dict[str, Instrument],
    cases: Sequence[AnyCase],
) -> Fate:
    """Run every case against a mutant."""
    name = mutant.module or venue
    if "." not in name:
        name = f"{PACKAGE}.{name}"
    killer, kinds = None, set[str]()
    with changed(venue, name, mutant.old, mutant.new) as module:
        for case in cases:
            found, rows = _noticed(module, instruments, case)
            if found:
                killer = killer or case.name
                truth = _rows(VENUES[venue], instruments, case)
                kinds |= {row.split("'")[1] for row in truth ^ rows}
    return Fate(killer, frozenset(kinds))


def _rows(module: Venue, instruments: dict[str, Instrument], case: AnyCase) -> set[str]:
    """Return the rows of a case as text that begins with their kind."""
    return {
        repr((row["kind"], sorted(row.items()))) for row in written(module, instruments, case)[1]
    }


def _noticed(
    module: Venue, instruments: dict[str, Instrument], case: AnyCase
) -> tuple[bool, set[str]]:
    """Say whether a case notices, and the rows that were written."""
    try:
        return bool(problems(module, instruments, case)), _rows(module, instruments, case)
    except Exception:  # noqa: BLE001 - a misreading may break in any way
        return True, set()
