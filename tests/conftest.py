"""Fixtures every test may use."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.kafka_fixture import kafka, no_topics, topics
from tests.truth import pytest_collection_modifyitems, pytest_runtest_call, truth

__all__ = [
    "kafka", "no_topics", "pytest_collection_modifyitems", "pytest_runtest_call", "shared_data", "topics",
    "truth",
]  # fmt: skip

#: No example is timed: the first may have to wait for the compiler, and any for a busy machine.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of recorded exchange data, which is never part of the project."""
    folder = Path(os.environ.get("TREADMILL_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        message = f"NO RECORDED DATA at {folder}: the answer-key tests did not run"
        if os.environ.get("CI"):
            pytest.fail(message + " and they must in CI")
        pytest.skip(message)
    return folder
