"""Topics, writing and reading, against a real Apache Kafka."""

import asyncio
import time

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from service.kafka import (
    BrokerUnreachable,
    KafkaSink,
    LogReader,
    Producer,
    Undelivered,
    read_partition,
)
from service.records import Outgoing, json_record
from service.topic_admin import TopicMismatch, ensure_topics
from streams.topics import MARKET, SIGNALS, SNAPSHOTS, STATE, TOPICS
from tests.kafka.broker import KafkaCluster, free_ports
from tests.reference.counting_fold import trade_block

pytestmark = pytest.mark.kafka


async def test_topics_are_created_once_with_their_contract(no_topics: str) -> None:
    created = await ensure_topics(no_topics, partitions=3)
    assert sorted(created) == sorted(topic.name for topic in TOPICS)
    assert await ensure_topics(no_topics, partitions=3) == []

    admin = AIOKafkaAdminClient(bootstrap_servers=no_topics)
    await admin.start()
    try:
        described = {each["topic"]: each for each in await admin.describe_topics(created)}
        resources = [ConfigResource(ConfigResourceType.TOPIC, topic.name) for topic in TOPICS]
        answers = await admin.describe_configs(resources)
    finally:
        await admin.close()
    configs = {
        resource[3]: {entry[0]: entry[1] for entry in resource[4]}
        for answer in answers
        for resource in answer.resources
    }
    for topic in TOPICS:
        want = 3 if topic.partitions == "market" else 1
        assert len(described[topic.name]["partitions"]) == want
        assert set(configs[topic.name]["cleanup.policy"].split(",")) == set(
            topic.cleanup.split(",")
        )
        assert configs[topic.name]["retention.ms"] == str(topic.retention_ms)


async def test_a_different_partition_count_is_refused_with_its_cure(topics: str) -> None:
    with pytest.raises(
        TopicMismatch, match=r"has 4 partitions, the setting says 8: set partitions"
    ):
        await ensure_topics(topics, partitions=8)


async def test_a_snapshots_topic_that_forgets_is_refused(no_topics: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=no_topics)
    await admin.start()
    await admin.create_topics(
        [NewTopic(SNAPSHOTS.name, 4, 1, topic_configs={"cleanup.policy": "delete"})]
    )
    await admin.close()
    with pytest.raises(TopicMismatch, match=r"cleanup.policy=delete and needs compact"):
        await ensure_topics(no_topics, partitions=4)


async def test_more_replicas_than_brokers_is_the_operators_to_mend(no_topics: str) -> None:
    with pytest.raises(TopicMismatch, match=r"replication of 3 more than there are brokers"):
        await ensure_topics(no_topics, partitions=1, replication=3)


async def test_nobody_at_the_address() -> None:
    nowhere = f"127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(BrokerUnreachable, match=nowhere):
        await ensure_topics(nowhere, partitions=1)
    with pytest.raises(BrokerUnreachable, match=nowhere):
        await Producer(nowhere).start()
    with pytest.raises(BrokerUnreachable, match=nowhere):
        await LogReader(nowhere).start()


async def test_blocks_come_back_byte_for_byte_in_order(topics: str) -> None:
    blocks = [trade_block(number, 1 + number % 7) for number in range(300)]
    async with Producer(topics, max_in_flight=16) as producer:
        sink = KafkaSink(producer, producer_id="test-1")
        for block in blocks:
            await sink.put(2, block)
            assert producer.in_flight <= 16
        await sink.flush()
        assert producer.in_flight == 0
        assert producer.acknowledged == 300
        assert producer.acked_end(MARKET.name, 2) == 300
        assert producer.acked_end(MARKET.name, 1) is None
    records = await read_partition(topics, MARKET.name, 2)
    assert [record.value for record in records] == blocks
    assert [record.offset for record in records] == list(range(300))
    assert dict(records[0].headers) == {"schema": b"1", "producer": b"test-1"}
    assert await read_partition(topics, MARKET.name, 1) == []
    assert [r.offset for r in await read_partition(topics, MARKET.name, 2, 297)] == [297, 298, 299]


async def test_json_records_carry_cloudevents(topics: str) -> None:
    record = json_record(
        STATE, key="BTC", value=b'{"a":1}', ce_id="7", ce_type="treadmill.state.v1",
        ce_time="2024-01-01T00:00:00.000000000Z", source="test", partition=1,
    )  # fmt: skip
    async with Producer(topics) as producer:
        await producer.put(record)
    (found,) = await read_partition(topics, STATE.name, 1)
    assert (found.key, found.value) == (b"BTC", b'{"a":1}')
    assert dict(found.headers) == {
        "ce_specversion": b"1.0", "ce_id": b"7", "ce_type": b"treadmill.state.v1",
        "ce_source": b"test", "ce_time": b"2024-01-01T00:00:00.000000000Z",
        "content-type": b"application/json",
    }  # fmt: skip


async def test_one_reader_reads_many_partitions_to_their_ends(topics: str) -> None:
    async with Producer(topics) as producer, LogReader(topics) as reader:
        for partition in range(4):
            for number in range(50 * partition):
                record = Outgoing(SIGNALS.name, partition, None, b"%d" % number, ())
                await producer.put(record)
        await producer.flush()
        counts = []
        for partition in range(4):
            values = [record async for record in reader.read(SIGNALS.name, partition, 10)]
            counts.append(len(values))
        assert counts == [0, 40, 90, 140]
        assert await reader.bounds(SIGNALS.name, 3) == (0, 150)


async def test_a_record_no_broker_takes_stops_everything_after_it(topics: str) -> None:
    async with Producer(topics) as producer:
        await producer.put(Outgoing(MARKET.name, 0, None, b"x" * 64, ()))
        with pytest.raises(Undelivered):
            await producer.put(Outgoing(MARKET.name, 0, None, b"x" * 2_000_000, ()))
        with pytest.raises(Undelivered):
            await producer.put(Outgoing(MARKET.name, 0, None, b"y" * 64, ()))
        with pytest.raises(Undelivered):
            await producer.flush()
        with pytest.raises(Undelivered):
            await producer.close()
    assert [r.value for r in await read_partition(topics, MARKET.name, 0)] == [b"x" * 64]


async def _put_numbers(sink: KafkaSink, first: int, count: int, pause_s: float) -> None:
    for number in range(first, first + count):
        await sink.put(0, number.to_bytes(64, "little"))
        await asyncio.sleep(pause_s)


async def test_a_broker_that_crashes_costs_time_but_no_block(
    kafka: KafkaCluster,
) -> None:
    """SIGKILL of the only broker mid-stream: all blocks are there once, in order; then it stays away."""
    assert kafka.nodes  # the jars are there, or the fixture has said so
    cluster = await asyncio.to_thread(KafkaCluster)
    try:
        await asyncio.to_thread(cluster.start)
        await ensure_topics(cluster.bootstrap, partitions=1)
        producer = Producer(cluster.bootstrap, max_in_flight=64, delivery_timeout_s=40)
        await producer.start()
        sink = KafkaSink(producer, producer_id="test")
        writing = asyncio.create_task(_put_numbers(sink, 0, 600, 0.002))
        await asyncio.sleep(0.4)
        await asyncio.to_thread(cluster.nodes[0].kill)
        cluster.nodes[0].start()
        await writing
        await sink.close()
        values = [r.value for r in await read_partition(cluster.bootstrap, MARKET.name, 0)]
        assert [int.from_bytes(value or b"", "little") for value in values] == list(range(600))

        impatient = Producer(cluster.bootstrap, delivery_timeout_s=2)
        await impatient.start()
        await asyncio.to_thread(cluster.nodes[0].kill)
        begin = time.monotonic()
        with pytest.raises(Undelivered):
            await _put_numbers(KafkaSink(impatient, producer_id="test"), 600, 10_000, 0.01)
        assert time.monotonic() - begin < 20
        with pytest.raises(Undelivered):
            await asyncio.wait_for(impatient.close(), 20)
    finally:
        await asyncio.to_thread(cluster.close)
