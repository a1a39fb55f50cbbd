"""Have the engine's kernels in memory before any clock or socket: a machine's first start compiles them.

That takes some minutes of one core. A second process works through the same list from its end, and both
share what is done through numba's cache, which about halves the wait. Later starts load it in a second.
"""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

from streams.config import MethodConfig
from streams.engine import Engine
from streams.events import RowBuffer
from streams.kernels.jit import CACHE

_DONE = "complete"  # a file beside the machine code: everything has been compiled


def compiled() -> bool:
    """Say whether a start would only load what an earlier one has compiled."""
    return CACHE is not None and (CACHE / _DONE).exists()


@contextlib.contextmanager
def _second_process() -> Iterator[None]:
    if CACHE is None or compiled():
        yield
        return
    helper = subprocess.Popen(
        [sys.executable, "-c", "from streams.ahead import compile_backwards as go; go()"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        helper.kill()
        helper.wait()
    (CACHE / _DONE).touch()


def load_kernels(method: MethodConfig | None = None) -> None:
    """Fold two rows, which compiles or loads every kernel."""
    rows = RowBuffer(2)
    rows.contract(0, 1, 1, 1, 0, "NONE", "none")
    rows.integers(16, 0, 1, 1, 1, 0, 0, 0)
    with _second_process():
        Engine(method).fold(bytes(rows.view()), 0)


if __name__ == "__main__":
    load_kernels()
