"""The table of properties speaks of every module, and of tests that exist."""

import ast
from functools import cache

import pytest

from tests.streams.properties.audit import TABLE, Held
from tests.truth import ROOT

MODULES = {
    f"{folder}/{path.stem}"
    for folder in ("kernels", "indicators", "breakers")
    for path in (ROOT / "streams" / folder).glob("*.py")
    if path.stem not in {"__init__", "jit"}
}


@cache
def names_in(file: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / "streams" / file).read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_module_is_spoken_of() -> None:
    missing = MODULES - TABLE.keys()
    assert not missing, "say in tests/streams/properties/audit.py which tests hold their properties"
    assert TABLE.keys() <= MODULES


@pytest.mark.parametrize("module", TABLE)
def test_every_property_is_held_by_a_test_or_has_a_reason(module: str) -> None:
    held: Held = TABLE[module]
    for name in (x for x in held if not x.startswith("- ")):
        file, _, test = name.partition("::")
        assert test in names_in(file), name
    assert not held.twin.startswith("- "), "everything has a slow twin"
