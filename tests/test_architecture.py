"""The rooms, their doors and the one arrow between them, read from the sources."""

import ast
from collections.abc import Iterator
from fnmatch import fnmatchcase
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("service", "streams")

#: All that `streams` may import: no clock, no environment, no socket, no loop.
STREAMS_MAY = {
    "bisect", "collections", "collections.abc", "datetime", "decimal", "enum", "fractions", "functools",
    "hashlib", "heapq", "itertools", "math", "operator", "re", "statistics", "struct", "types", "typing",
    "uuid", "zlib",
    "msgspec", "numpy", "numpy.typing", "streams",
}  # fmt: skip
#: Names that read a clock or dice even though their module is harmless.
STREAMS_NEVER = {"now", "utcnow", "today", "uuid1", "uuid4", "urandom", "environ", "getenv"}
#: One library, one door. Everything not listed is free in `service`.
DOORS = {
    "aiohttp": ("service/rest.py", "service/health.py", "service/simulator/*.py"),
    "aiokafka": ("service/kafka.py", "service/topic_admin.py"),
    "faust": ("service/faust_app.py", "service/worker.py"),
    "mode": ("service/faust_app.py",),
    "numba": ("streams/kernels/jit.py",),
    "prometheus_client": ("service/telemetry.py",),
    "websockets": ("service/connection.py",),
}
#: What reads objects back by running code.
FORBIDDEN = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}

Sources = dict[str, str]


def sources() -> Sources:
    """Return every source file of the rooms by its path."""
    files = (path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")))
    return {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in files}


def imports(text: str) -> Iterator[str]:
    """Yield what a file imports, type-only and late imports included, as full dotted names."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{a.name}" for a in node.names)


def within(name: str, package: str) -> bool:
    """Say whether a dotted name is the package or inside it."""
    return name == package or name.startswith(package + ".")


def wrong_in_streams(text: str) -> set[str]:
    """Return imports and names that a file of `streams` must not have."""
    found = {
        name
        for name in imports(text)
        if not any(within(name, may) for may in STREAMS_MAY)
        or name.rpartition(".")[2] in STREAMS_NEVER
    }
    for node in ast.walk(ast.parse(text)):
        found |= {getattr(node, "attr", "")} & STREAMS_NEVER
    return found


def wrong_doors(path: str, text: str) -> set[str]:
    """Return the libraries that a file imports although it is not their door."""
    return {
        library
        for library, doors in DOORS.items()
        if any(within(name, library) for name in imports(text))
        and not any(fnmatchcase(path, door) for door in doors)
    }


def graph(files: Sources) -> dict[str, set[str]]:
    """Return which of our modules each of our modules imports."""
    modules = {
        path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in files
    }
    return {
        module: {
            target
            for name in imports(files[path])
            for target in (name, name.rpartition(".")[0])
            if target in modules and target != module
        }
        for module, path in modules.items()
    }


def cycle(files: Sources) -> list[str]:
    """Return the modules of one import cycle, empty if there is none."""
    try:
        TopologicalSorter(graph(files)).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def only_docstring(text: str) -> bool:
    """Say whether a file is a docstring and nothing else."""
    tree = ast.parse(text)
    return len(tree.body) == 1 and ast.get_docstring(tree) is not None


FILES = sources()


def test_both_rooms_were_read() -> None:
    assert {path.split("/")[0] for path in FILES} == set(ROOMS)
    assert "streams.events" in graph(FILES)["service.publisher"]


@pytest.mark.parametrize("path", [path for path in FILES if path.startswith("streams/")])
def test_streams_knows_no_clock_environment_or_socket(path: str) -> None:
    allowed = (
        {"numba", "pathlib.Path", "inspect"} if path in DOORS["numba"] else set()
    )  # its compiler
    assert wrong_in_streams(FILES[path]) - allowed == set()


@pytest.mark.parametrize("path", FILES)
def test_one_library_one_door(path: str) -> None:
    assert wrong_doors(path, FILES[path]) == set()


@pytest.mark.parametrize("path", FILES)
def test_nothing_is_read_back_by_running_it(path: str) -> None:
    assert {name.partition(".")[0] for name in imports(FILES[path])} & FORBIDDEN == set()


@pytest.mark.parametrize("path", FILES)
def test_imports_are_absolute(path: str) -> None:
    assert [name for name in imports(FILES[path]) if name.startswith(".")] == []


@pytest.mark.parametrize("path", [path for path in FILES if path.startswith("service/")])
def test_only_the_command_line_reads_the_environment(path: str) -> None:
    names = {getattr(node, "attr", "") for node in ast.walk(ast.parse(FILES[path]))}
    taken = {name.rpartition(".")[2] for name in imports(FILES[path])}
    if path != "service/__main__.py":
        assert (names | taken) & {"environ", "getenv"} == set()


def test_no_module_imports_itself_by_a_detour() -> None:
    assert cycle(FILES) == []


@pytest.mark.parametrize("path", [path for path in FILES if path.endswith("/__init__.py")])
def test_packages_are_a_docstring(path: str) -> None:
    assert only_docstring(FILES[path])


def test_every_door_exists_and_is_used() -> None:
    for library, doors in DOORS.items():
        for door in doors:
            users = [path for path in FILES if fnmatchcase(path, door)]
            names = {name for path in users for name in imports(FILES[path])}
            assert any(within(name, library) for name in names), f"{library}: {door}"


# the checks themselves


@pytest.mark.parametrize(("text", "found"), [
    ("import time", {"time"}),
    ("import asyncio.events", {"asyncio.events"}),
    ("from service.clock import Clock", {"service.clock.Clock"}),
    ("from os import environ", {"os.environ"}),
    ("def f():\n    import aiokafka", {"aiokafka"}),
    ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import faust", {"faust"}),
    ("from datetime import datetime\ndatetime.now()", {"now"}),
    ("from uuid import uuid4", {"uuid.uuid4"}),
    ("from numpy import random", set()),
    ("import numpy as np\nfrom collections.abc import Mapping\nfrom streams.events import ROW", set()),
])  # fmt: skip
def test_what_streams_may_not(text: str, found: set[str]) -> None:
    assert wrong_in_streams(text) == found


def test_a_library_by_another_door_is_seen() -> None:
    assert wrong_doors("service/poll.py", "from aiohttp.web import Request") == {"aiohttp"}
    assert wrong_doors("service/simulator/exchange.py", "from aiohttp import web") == set()
    assert wrong_doors("streams/x.py", "import modelling") == set()


def test_a_cycle_is_seen_even_if_only_types_make_it() -> None:
    late = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from service.b import B"
    files = {"service/a.py": late, "service/b.py": "import service.c", "service/c.py": ""}
    assert cycle(files) == []
    files["service/c.py"] = "def f():\n    from service import a"
    assert set(cycle(files)) == {"service.a", "service.b", "service.c"}


def test_code_in_a_package_file_is_seen() -> None:
    assert only_docstring('"""Words."""\n')
    assert not only_docstring('"""Words."""\nfrom service.a import A\n')
    assert not only_docstring("")
