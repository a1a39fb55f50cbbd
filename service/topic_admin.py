"""Topics: created where missing, verified where present. The other door to aiokafka is `kafka`."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from service.kafka import NO_CLIENT, unreachable
from streams.topics import TOPICS, Topic

POLICY_TURNS: Final = 20
POLICY_WAIT_S: Final = 0.25


class TopicMismatch(Exception):  # noqa: N818
    """A topic exists with another shape than ours. The operator's to mend; the message says how."""


async def ensure_topics(
    bootstrap: str,
    *,
    partitions: int,
    replication: int = 1,
    min_in_sync: int = 1,
    client: Mapping[str, Any] = NO_CLIENT,
    topics: Iterable[Topic] = TOPICS,
) -> list[str]:
    """Create the topics that are missing, verify the others, return the names created.

    Raises:
        TopicMismatch: a topic exists with another partition count or cleanup policy.
        BrokerUnreachable: nobody answers at the bootstrap addresses.
    """
    wanted = {topic.name: topic for topic in topics}
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **client)
    try:
        await admin.start()
        existing = set(await admin.list_topics())
        missing = [wanted[name] for name in sorted(set(wanted) - existing)]
        shape = (partitions, replication, min_in_sync)
        created = [topic.name for topic in missing if await _create(admin, topic, shape)]
        await _verify(admin, [wanted[name] for name in wanted if name not in created], partitions)
    except KafkaError as error:
        raise unreachable(bootstrap) from error
    finally:
        await admin.close()
    return created


def topic_partitions(topic: Topic, partitions: int) -> int:
    """Return how many partitions `topic` must have when the market log has `partitions`."""
    return partitions if topic.partitions == "market" else 1


def _topic_config(topic: Topic, min_in_sync: int) -> dict[str, str]:
    config = {
        "cleanup.policy": topic.cleanup,
        "retention.ms": str(topic.retention_ms),
        "max.message.bytes": str(topic.max_message_bytes),
        "min.insync.replicas": str(min_in_sync),
    }
    if "compact" in topic.cleanup:
        # Only closed segments are compacted: at Kafka's 1 GiB a few live keys would grow to that.
        config |= {"segment.bytes": str(64 << 20), "min.cleanable.dirty.ratio": "0.2"}
    return config


async def _create(admin: Any, topic: Topic, shape: tuple[int, int, int]) -> bool:
    """Create one topic; False if another process was first."""
    partitions, replication, min_in_sync = shape
    new = NewTopic(
        name=topic.name,
        num_partitions=topic_partitions(topic, partitions),
        replication_factor=replication,
        topic_configs=_topic_config(topic, min_in_sync),
    )
    answer = await admin.create_topics([new])
    for name, code, *message in answer.topic_errors:
        error = for_code(code)
        if error is TopicAlreadyExistsError:
            return False
        if code:
            raise TopicMismatch(
                f"the broker refuses to create {name}: {error.__name__} {message}; is the "
                f"replication of {replication} more than there are brokers?"
            )
    return True


async def _verify(admin: Any, topics: list[Topic], partitions: int) -> None:
    """Compare existing topics with what we need."""
    if not topics:
        return
    described = await admin.describe_topics([topic.name for topic in topics])
    counts = {each["topic"]: len(each["partitions"]) for each in described}
    policies = await _cleanup_policies(admin, topics)
    for topic in topics:
        want = topic_partitions(topic, partitions)
        if counts[topic.name] != want:
            raise TopicMismatch(
                f"topic {topic.name} has {counts[topic.name]} partitions, the setting says {want}: "
                f"set partitions to {counts[topic.name]}, or delete the topic (keyed state cannot "
                "be repartitioned in place)"
            )
        if set(policies[topic.name].split(",")) != set(topic.cleanup.split(",")):
            raise TopicMismatch(
                f"topic {topic.name} has cleanup.policy={policies[topic.name]} and needs "
                f"{topic.cleanup}: alter the topic's cleanup.policy"
            )


async def _cleanup_policies(admin: Any, topics: list[Topic]) -> dict[str, str]:
    """Ask until all are told: a broker may not have heard yet of a topic that another has just made."""
    found: dict[str, str] = {}
    for turn in range(POLICY_TURNS):
        await asyncio.sleep(POLICY_WAIT_S if turn else 0.0)
        resources = [
            ConfigResource(ConfigResourceType.TOPIC, topic.name, configs={"cleanup.policy": None})
            for topic in topics
            if topic.name not in found
        ]
        for response in await admin.describe_configs(resources):
            for _code, _message, _kind, name, entries, *_ in response.resources:
                policy = [entry[1] for entry in entries if entry[0] == "cleanup.policy"]
                if policy:
                    found[name] = policy[0]
        if len(found) == len(topics):
            return found
    missing = sorted({topic.name for topic in topics} - found.keys())
    raise TopicMismatch(
        f"the broker does not tell the cleanup.policy of {', '.join(missing)}: may we describe "
        "their configurations, and is it well?"
    )
