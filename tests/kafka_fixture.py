"""The `kafka` fixture: one real broker for the whole test run."""

import os
from collections.abc import Iterator

import pytest

from tests.kafka.broker import KafkaCluster, KafkaUnavailableError, libraries


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaCluster]:
    """Yield a running single-node Apache Kafka; tests make their own topics in it."""
    try:
        libs = libraries()
    except KafkaUnavailableError as error:
        message = f"NO APACHE KAFKA ({error}): nothing was tested against a real broker"
        if os.environ.get("CI"):
            pytest.fail(message + ", and it must be in CI")
        pytest.skip(message)
    with KafkaCluster(libs=libs) as cluster:
        yield cluster
