"""Every Kafka topic, once: what it holds, how it is partitioned and how long it lives.

All topics keyed by underlying share one partition count, so that a worker that owns partition *p* of the
market log owns *p* of everything it writes.
"""

from typing import Literal

import msgspec

DAY_MS = 86_400_000


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """A topic's contract. `partitions` "market" means the configured count, "one" a single partition."""

    name: str
    key: str
    value: str
    writer: Literal["ingest", "process"]
    partitions: Literal["market", "one"]
    cleanup: str
    retention_ms: int  # -1: for ever
    max_message_bytes: int = 1_048_588


MARKET = Topic(
    name="treadmill.market.v1", key="none; partition by underlying", value="block of 64-byte rows",
    writer="ingest", partitions="market", cleanup="delete", retention_ms=DAY_MS,
)  # fmt: skip
INSTRUMENTS = Topic(
    name="treadmill.instruments.v1", key="instrument id", value="JSON: the contract",
    writer="ingest", partitions="one", cleanup="compact", retention_ms=-1,
)  # fmt: skip
FEEDS = Topic(
    name="treadmill.feeds.v1", key="venue:symbol", value="JSON: up, down, silent, gap, reason",
    writer="ingest", partitions="one", cleanup="compact,delete", retention_ms=7 * DAY_MS,
)  # fmt: skip
DEAD_LETTER = Topic(
    name="treadmill.dead-letter.v1", key="venue", value="frame that could not be read, capped",
    writer="ingest", partitions="one", cleanup="delete", retention_ms=7 * DAY_MS,
)  # fmt: skip
SIGNALS = Topic(
    name="treadmill.signals.v1", key="underlying", value="JSON: treadmill.signal.v1",
    writer="process", partitions="market", cleanup="delete", retention_ms=90 * DAY_MS,
)  # fmt: skip
STATE = Topic(
    name="treadmill.state.v1", key="underlying", value="JSON: all readings and both machines",
    writer="process", partitions="market", cleanup="compact,delete", retention_ms=DAY_MS,
)  # fmt: skip
HEATMAP = Topic(
    name="treadmill.heatmap.v1", key="underlying", value="JSON: where positions would be closed by force",
    writer="process", partitions="market", cleanup="compact,delete", retention_ms=DAY_MS,
)  # fmt: skip
LIQUIDATIONS = Topic(
    name="treadmill.liquidations.v1", key="underlying", value="JSON: one print",
    writer="process", partitions="market", cleanup="delete", retention_ms=30 * DAY_MS,
)  # fmt: skip
SNAPSHOTS = Topic(
    name="treadmill.snapshots.v1", key="partition:slot:chunk", value="engine state with its offset",
    writer="process", partitions="market", cleanup="compact", retention_ms=-1,
)  # fmt: skip

#: The table. A later topic is one more line here.
TOPICS = (MARKET, INSTRUMENTS, FEEDS, DEAD_LETTER, SIGNALS, STATE, HEATMAP, LIQUIDATIONS, SNAPSHOTS)
