"""The one place where compile options are chosen.

`fastmath` stays off: it removes NaN checks, and NaN is how Treadmill says "unknown". `cache` keeps the
machine code, so that only the first start on a machine compiles. numba notices a change in a kernel's own
file but not in the kernels it calls, so the cache folder is named after the content of all our sources.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeAlias, TypeVar

import numba

P = ParamSpec("P")
R = TypeVar("R")

#: A record of a structured array: numpy gives it no static type.
Record: TypeAlias = Any

NS_PER_S = 1_000_000_000
LN2 = 0.6931471805599453


def _name_cache() -> None:
    """Point numba's cache at a folder for exactly these sources; leave it alone if we cannot write."""
    package = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for source in sorted(package.rglob("*.py")):
        digest.update(source.read_bytes())
    folder = package / "__pycache__" / f"numba-{digest.hexdigest()[:16]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:  # a read-only installation: numba finds a place of its own
        return
    settings: Any = numba.config
    settings.CACHE_DIR = str(folder)


_name_cache()


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile `function` for plain numbers, arrays and structured records.

    Kernels neither raise nor assert; what calls them from Python checks arguments.
    """
    compiled: Any = numba.njit(cache=True, fastmath=False, error_model="numpy", nogil=True)(
        function
    )
    return compiled
