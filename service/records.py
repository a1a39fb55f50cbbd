"""What a Kafka record is here: read back, to be written, and JSON under CloudEvents headers."""

from typing import NamedTuple

from streams.signals import Signal, encode
from streams.topics import SIGNALS, Topic

Headers = tuple[tuple[str, bytes], ...]


class LogRecord(NamedTuple):
    """One record as read back. `value` None is a tombstone; `timestamp_ms` is the producer's."""

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Outgoing(NamedTuple):
    """One record to write. `partition` None leaves the choice to the key's hash."""

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes | None
    headers: Headers


def json_record(
    topic: Topic,
    *,
    key: str,
    value: bytes | None,
    ce_id: str,
    ce_type: str,
    ce_time: str,
    source: str,
    partition: int | None = None,
) -> Outgoing:
    """Return a keyed JSON record with CloudEvents 1.0 headers (binary mode: the value stays plain).

    `value` None is a tombstone of a compacted topic. `ce_time` is RFC 3339.
    """
    headers: Headers = (
        ("ce_specversion", b"1.0"),
        ("ce_id", ce_id.encode()),
        ("ce_type", ce_type.encode()),
        ("ce_source", source.encode()),
        ("ce_time", ce_time.encode()),
        ("content-type", b"application/json"),
    )
    return Outgoing(topic.name, partition, key.encode(), value, headers)


def signal_record(signal: Signal, *, partition: int, source: str) -> Outgoing:
    """Return the record that carries `signal`, in the partition its underlying has everywhere."""
    return json_record(
        SIGNALS,
        key=signal.symbol,
        value=encode(signal),
        ce_id=signal.id,
        ce_type=signal.schema,
        ce_time=signal.asof,
        source=source,
        partition=partition,
    )
