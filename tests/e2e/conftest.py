"""Kernels are compiled before processes are started that would all compile them at once."""

import pytest

from service.kernels import load_kernels


@pytest.fixture(scope="session", autouse=True)
def _kernels() -> None:
    load_kernels()
