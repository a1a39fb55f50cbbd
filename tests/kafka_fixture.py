"""The `kafka` fixture, one real broker for the whole test run, and `topics`, fresh ones for a test."""

import asyncio
import os
from collections.abc import Iterator

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from service.topic_admin import ensure_topics
from tests.kafka.broker import KafkaCluster, KafkaUnavailableError, libraries

#: Partitions of the market log in `topics`.
PARTITIONS = 4


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaCluster]:
    """Yield a running single-node Apache Kafka."""
    try:
        libs = libraries()
    except KafkaUnavailableError as error:
        message = f"NO APACHE KAFKA ({error}): nothing was tested against a real broker"
        if os.environ.get("CI"):
            pytest.fail(message + ", and it must be in CI")
        pytest.skip(message)
    with KafkaCluster(libs=libs) as cluster:
        print(f"Apache Kafka at {cluster.bootstrap} took {cluster.start_seconds:.1f} s")
        yield cluster


@pytest.fixture
def no_topics(kafka: KafkaCluster) -> str:
    """Return the bootstrap address of a broker without any of our topics."""
    asyncio.run(_delete_topics(kafka.bootstrap))
    return kafka.bootstrap


@pytest.fixture
def topics(no_topics: str) -> str:
    """Return the bootstrap address of a broker whose topics are ours, new and empty."""
    asyncio.run(ensure_topics(no_topics, partitions=PARTITIONS))
    return no_topics


async def _delete_topics(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        while ours := [name for name in await admin.list_topics() if name.startswith("treadmill.")]:
            await admin.delete_topics(ours)
            await asyncio.sleep(0.1)
    finally:
        await admin.close()
