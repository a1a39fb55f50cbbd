"""The door to aiokafka: records written and acknowledged, partitions read. Topics: `topic_admin`.

Security is the caller's: every function takes `client`, the keyword arguments that aiokafka's
clients share (`security_protocol`, `sasl_mechanism`, `ssl_context` and so on), passed through.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from types import MappingProxyType
from typing import Any, Final, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError

from service.records import Headers, LogRecord, Outgoing
from streams.events import SCHEMA_VERSION
from streams.topics import MARKET

#: Records handed over and not yet acknowledged. Past it, `put` waits: that is the back-pressure.
MAX_IN_FLIGHT: Final = 256
#: How long brokers may be away before the process gives up. Until then idempotence retries safely.
DELIVERY_TIMEOUT_S: Final = 120.0
_REQUEST_TIMEOUT_MS: Final = 15_000  # a broker that hangs is asked again after this
NO_CLIENT: Final[Mapping[str, Any]] = MappingProxyType({})


class Undelivered(Exception):  # noqa: N818 - names what happened
    """A record that no broker acknowledged. Never ignored: the process must end and start again."""


class BrokerUnreachable(Exception):  # noqa: N818
    """No broker answered at the addresses given."""


class Producer:
    """An idempotent producer whose every record is accounted for.

    `put` hands a record over and returns at once while fewer than `max_in_flight` wait for their
    acknowledgement; `flush` returns when all handed over before it have theirs. The first failure
    makes every later call raise, so that nothing is written past a hole.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        client: Mapping[str, Any] = NO_CLIENT,
        max_in_flight: int = MAX_IN_FLIGHT,
        delivery_timeout_s: float = DELIVERY_TIMEOUT_S,
    ) -> None:
        self._bootstrap = bootstrap
        self._options: dict[str, Any] = {
            "acks": "all",
            "enable_idempotence": True,
            "linger_ms": 0,
            "request_timeout_ms": _REQUEST_TIMEOUT_MS,
            **client,
        }
        self._patience_s = delivery_timeout_s
        self._producer: AIOKafkaProducer | None = None
        self._room = asyncio.Semaphore(max_in_flight)
        self._in_flight: set[asyncio.Future[Any]] = set()
        self._failure: BaseException | None = None
        self._acked_end: dict[tuple[str, int], int] = {}
        self.acknowledged = 0

    @property
    def in_flight(self) -> int:
        """Return how many records wait for their acknowledgement."""
        return len(self._in_flight)

    async def start(self) -> None:
        """Connect.

        Raises:
            BrokerUnreachable: nobody answers at the bootstrap addresses.
        """
        producer = AIOKafkaProducer(bootstrap_servers=self._bootstrap, **self._options)
        try:
            await producer.start()
        except KafkaError as error:
            await producer.stop()
            raise unreachable(self._bootstrap) from error
        self._producer = producer

    async def put(self, record: Outgoing) -> None:
        """Hand `record` over; waits only while too many are in flight.

        Raises:
            Undelivered: this or an earlier record was given up.
        """
        self._check()
        try:
            async with asyncio.timeout(self._patience_s):
                future = await self._hand_over(record)
        except (KafkaError, TimeoutError) as error:
            self._failure = self._failure or error
            self._check()
        else:
            self._in_flight.add(future)
            future.add_done_callback(self._done)

    async def _hand_over(self, record: Outgoing) -> "asyncio.Future[Any]":
        """Give `record` to aiokafka, as often as its buffer is full for too long for its taste."""
        await self._room.acquire()
        try:
            while True:
                with contextlib.suppress(KafkaTimeoutError):
                    return await self._connected().send(
                        record.topic,
                        value=record.value,
                        key=record.key,
                        partition=record.partition,
                        headers=list(record.headers),
                    )
                self._check()
        except BaseException:
            self._room.release()
            raise

    async def flush(self) -> None:
        """Wait for the acknowledgement of every record handed over so far.

        Raises:
            Undelivered: one was given up.
        """
        if waiting := list(self._in_flight):
            _, late = await asyncio.wait(waiting, timeout=self._patience_s)
            await asyncio.sleep(0)  # the futures' own callbacks run before we look at the failure
            if late and self._failure is None:
                self._failure = TimeoutError(f"no acknowledgement in {self._patience_s:g} s")
        self._check()

    async def close(self) -> None:
        """Flush and disconnect; disconnects even if the flush fails."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            await self.flush()
        finally:
            if self._in_flight:  # given up by us, but `stop` would wait for them without end
                producer._sender.sender_task.cancel()  # noqa: SLF001
            await producer.stop()

    def acked_end(self, topic: str, partition: int) -> int | None:
        """Return the offset after our last acknowledged record there; None if we wrote none."""
        return self._acked_end.get((topic, partition))

    def _connected(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise Undelivered("the producer is not started")
        return self._producer

    def _check(self) -> None:
        if self._failure is not None:
            raise Undelivered(
                f"a record was not acknowledged: {self._failure!r}; are all brokers up, and is "
                "min.insync.replicas met?"
            ) from self._failure

    def _done(self, future: "asyncio.Future[Any]") -> None:
        self._in_flight.discard(future)
        self._room.release()
        if future.cancelled():
            self._failure = self._failure or asyncio.CancelledError("given up by the client")
            return
        error = future.exception()
        if error is not None:
            self._failure = self._failure or error
            return
        written = future.result()
        self.acknowledged += 1
        where = (written.topic, written.partition)
        self._acked_end[where] = max(self._acked_end.get(where, 0), written.offset + 1)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class KafkaSink:
    """The market log as a place to put blocks: the publisher's sink in distributed runs."""

    def __init__(self, producer: Producer, *, producer_id: str) -> None:
        self._producer = producer
        self._headers: Headers = (
            ("schema", str(SCHEMA_VERSION).encode()),
            ("producer", producer_id.encode()),
        )

    async def put(self, partition: int, block: bytes) -> None:
        """Hand a block of one partition over, in order; its acknowledgement is awaited by `flush`.

        Raises:
            Undelivered: this or an earlier block was given up.
        """
        await self._producer.put(Outgoing(MARKET.name, partition, None, block, self._headers))

    async def flush(self) -> None:
        """Wait until every block put so far is acknowledged."""
        await self._producer.flush()

    async def close(self) -> None:
        """Flush and disconnect."""
        await self._producer.close()


class LogReader:
    """Reads partitions from an offset to where they end now. Takes no part in any group."""

    def __init__(self, bootstrap: str, *, client: Mapping[str, Any] = NO_CLIENT) -> None:
        self._bootstrap = bootstrap
        self._options = dict(client)
        self._consumer: AIOKafkaConsumer | None = None
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Connect.

        Raises:
            BrokerUnreachable: nobody answers at the bootstrap addresses.
        """
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_wait_ms=10,  # a fetch at the end of one partition delays the next one's
            **self._options,
        )
        try:
            await consumer.start()
        except KafkaError as error:
            await consumer.stop()
            raise unreachable(self._bootstrap) from error
        self._consumer = consumer

    async def close(self) -> None:
        """Disconnect."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """Return the first offset that still exists and the one after the last."""
        consumer, where = self._connected(), TopicPartition(topic, partition)
        first = await consumer.beginning_offsets([where])
        end = await consumer.end_offsets([where])
        return int(first[where]), int(end[where])

    async def read(
        self, topic: str, partition: int, from_offset: int = 0
    ) -> AsyncGenerator[LogRecord, None]:
        """Yield the records from `from_offset` to the partition's end as of this call.

        Offsets that retention or compaction has removed are passed over.
        """
        async with self._turn:
            consumer, where = self._connected(), TopicPartition(topic, partition)
            consumer.assign([where])
            first, end = await self.bounds(topic, partition)
            position = max(first, from_offset)
            consumer.seek(where, position)
            try:
                while position < end:
                    batch = await consumer.getmany(where, timeout_ms=500)
                    for raw in batch.get(where, ()):
                        if raw.offset < end:
                            yield _record(raw)
                    position = await consumer.position(where)
            finally:
                consumer.unsubscribe()  # or it would go on fetching until the next read

    def _connected(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise RuntimeError("the reader is not started")
        return self._consumer

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


async def read_partition(
    bootstrap: str, topic: str, partition: int, from_offset: int = 0, **client: Any
) -> list[LogRecord]:
    """Return a partition's records from `from_offset` to its end: for tools and tests."""
    async with LogReader(bootstrap, client=client) as reader:
        return [record async for record in reader.read(topic, partition, from_offset)]


def _record(raw: Any) -> LogRecord:
    return LogRecord(raw.offset, raw.timestamp, raw.key, raw.value, tuple(raw.headers))


def unreachable(bootstrap: str) -> BrokerUnreachable:
    """Return the error that says where nobody answered."""
    return BrokerUnreachable(f"no Kafka broker answers at {bootstrap}: check the bootstrap setting")
