"""The one place where compile options are chosen.

`fastmath` stays off: it removes NaN checks, and NaN is how Treadmill says "unknown". `cache` keeps the
machine code, so that only the first start on a machine compiles. numba notices a change in a kernel's own
file but not in the kernels it calls, so the cache folder is named after the content of all our sources.

The first compilation of all kernels takes a minute or two, most of it a constant cost of each function. So a
kernel is compiled once and not again for each constant that a caller passes, and two processes may share the
work through the cache: one calls from the front, the other uses `compile_ahead` from the back.
"""

import hashlib
import inspect
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


def _name_cache() -> Path | None:
    """Point numba's cache at a folder for exactly these sources and return it; None if we cannot write."""
    package = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for source in sorted(package.rglob("*.py")):
        digest.update(source.read_bytes())
    folder = package / "__pycache__" / f"numba-{digest.hexdigest()[:16]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:  # a read-only installation: numba finds a place of its own
        return None
    settings: Any = numba.config
    settings.CACHE_DIR = str(folder)
    return folder


#: Where the machine code of these sources is kept; None: where numba likes.
CACHE = _name_cache()
_njit: Any = numba.njit  # its types leave out the options about wrappers
_unliteral: Callable[[Any], Any] = numba.types.unliteral
_typeof: Callable[[Any], Any] = numba.typeof
_TYPES = {int: numba.int64, float: numba.float64, bool: numba.boolean}


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile `function` for plain numbers, arrays and structured records.

    Kernels neither raise nor assert; what calls them from Python checks arguments.
    """
    compiled: Any = _njit(
        cache=True, fastmath=False, error_model="numpy", nogil=True, no_cfunc_wrapper=True
    )(function)
    resolve = compiled.get_call_template

    def one_for_all(args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
        """Call the same machine code whatever constants a caller writes: numba compiles one for each."""
        types = {name: _unliteral(kind) for name, kind in kws.items()}
        return resolve(tuple(map(_unliteral, args)), types)

    compiled.get_call_template = one_for_all
    return compiled


def compile_ahead(function: Callable[..., Any], examples: dict[str, Any]) -> None:
    """Compile a kernel without calling it; records and arrays are typed by the example of their name."""
    dispatcher: Any = function
    dispatcher.compile(
        tuple(
            _typeof(examples[name]) if name in examples else _TYPES[one.annotation]
            for name, one in inspect.signature(dispatcher.py_func).parameters.items()
        )
    )
