"""Two processes share the first compilation: what the helper compiles is what the engine asks for."""

import os
import subprocess
import sys
from pathlib import Path

from service.kernels import compiled, load_kernels
from tests.conftest import ROOT

#: With an empty cache of its own: helps, then lets the engine start; prints hits and misses of each part.
SHARED = """
import sys
import numba
from streams.kernels import jit
numba.config.CACHE_DIR = sys.argv[1]
from streams import evaluate
from streams.kernels.jit import compile_ahead
from streams.ahead import examples
part = evaluate.step_machine
compile_ahead(part, examples())
print(len(part.stats.cache_misses))
"""
AGAIN = """
import sys
import numba
from streams.kernels import jit
numba.config.CACHE_DIR = sys.argv[1]
import numpy as np
from streams import evaluate
from streams.state import UNDERLYING, params
from streams.config import MethodConfig
u = np.zeros(1, UNDERLYING)
evaluate.step_machine(u[0], 0, 1, params(MethodConfig()))
print(sum(evaluate.step_machine.stats.cache_hits.values()))
"""


def run(code: str, folder: Path) -> str:
    return subprocess.run(
        [sys.executable, "-c", code, str(folder)], cwd=ROOT, check=True, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ).stdout.strip()  # fmt: skip


def test_what_the_helper_compiles_the_engine_loads(tmp_path: Path) -> None:
    assert run(SHARED, tmp_path) == "1"
    assert run(AGAIN, tmp_path) == "1"


def test_a_second_start_compiles_nothing() -> None:
    load_kernels()
    assert compiled()
    load_kernels()
