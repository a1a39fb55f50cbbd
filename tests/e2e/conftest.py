"""Kernels are compiled before processes are started that would all compile them at once."""

import pytest

from tests.e2e.world import compile_kernels


@pytest.fixture(scope="session", autouse=True)
def _kernels() -> None:
    compile_kernels()
