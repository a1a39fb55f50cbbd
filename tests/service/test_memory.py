"""What is done once before anything is connected: kernels loaded, long-lived objects left to themselves.

Each in a process of its own: this one may have loaded everything, and what is exempt here stays so.
"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

LOADED = """
import gc
from numba.core.dispatcher import Dispatcher
from service.kernels import load_kernels
from streams.config import MethodConfig
from streams.engine import Engine
from tests.benchmarks.market import market

def compiled():
    return sum(len(one.overloads) for one in gc.get_objects() if isinstance(one, Dispatcher))

nothing = compiled()
load_kernels(MethodConfig())
loaded = compiled()
assert loaded > nothing
engine, made = Engine(), market(1, 100.0, 5.0)
engine.fold(made.announced, 0)
engine.fold(made.rows.tobytes(), 1)
assert compiled() == loaded, "the first blocks needed more"
"""

SETTLED = """
import gc, weakref
from service.memory import settle

class Ring:
    def __init__(self):
        self.me = self

old = weakref.ref(Ring())
settle()
assert old() is None, "what was garbage before is gone"
frozen = gc.get_freeze_count()
assert frozen > 1000
new = weakref.ref(Ring())
settle()
assert gc.get_freeze_count() == frozen and new() is not None, "the second time does nothing"
gc.collect()
assert new() is None, "what comes later is collected"
"""


@pytest.mark.parametrize("script", [LOADED, SETTLED], ids=["kernels", "collector"])
def test_before_anything_is_connected(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
