"""What was said last under one name, so that the next signal can say what it replaces."""

import numpy as np

from streams.kernels.jit import Record, kernel

#: Number and kind of that signal (place in `streams.signals.KINDS`), and until when it holds; 0: no end.
TOLD = np.dtype([("seq", "i8"), ("kind", "i8"), ("until_ns", "i8")])


@kernel
def told_init(t: Record) -> None:
    """Nothing was said yet."""
    t.seq = t.kind = t.until_ns = 0
