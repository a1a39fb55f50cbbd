"""What lives as long as the process is taken out of the garbage collector's rounds.

A full round looks at every object that could be in a cycle. Libraries and compiled kernels are half a million
of them: a tenth of a second now and then in which no frame is read.
"""

import gc

_settled = False


def settle() -> None:
    """Collect once, and exempt what is left from every later round; done only once in a process.

    To be called when everything that stays has been loaded. Counted references are not concerned: only
    cycles of what exists now would never be found.
    """
    global _settled  # noqa: PLW0603 - a fact of the process, as the collector is
    if _settled:
        return
    _settled = True
    gc.collect()
    gc.freeze()
