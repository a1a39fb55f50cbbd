"""Compile what an evaluation calls, last part first, for a process that helps another's first start.

The engine compiles its kernels as it comes by them, from the front. A helper that starts from the back meets
it in the middle: what one has compiled, the other loads from the cache.
"""

from typing import Any

import numpy as np

from streams import evaluate
from streams.config import MethodConfig
from streams.kernels.jit import compile_ahead
from streams.state import CONTRACT, MAX_CONTRACTS, UNDERLYING, excitation, params


def examples() -> dict[str, Any]:
    """Return something of the type that each argument of an evaluation has."""
    config = MethodConfig()
    return {
        "u": np.zeros(1, UNDERLYING)[0],
        "contracts": np.zeros(1, CONTRACT),
        "members": np.zeros(1, np.int64),
        "beside": np.zeros(1, np.int64),
        "p": params(config),
        "n": excitation(config),
        "work": np.zeros((3, MAX_CONTRACTS)),
        "up": np.zeros(MAX_CONTRACTS, np.bool_),
    }


def compile_backwards() -> None:
    """Compile the parts; nothing is called."""
    for part in reversed(evaluate.PARTS):
        compile_ahead(part, examples())
