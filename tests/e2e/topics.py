"""What is on a broker, read with plain aiokafka, and the fold it must agree with."""

from collections import defaultdict

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.config import MethodConfig
from streams.engine import Engine
from streams.signals import Signal, decode, fact
from streams.topics import MARKET, SIGNALS

PARTITIONS = 4


async def read_all(bootstrap: str, topic: str, partitions: int = PARTITIONS) -> list[list[bytes]]:
    """Return a topic's values, partition by partition, from offset 0 to where they end now."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        found: list[list[bytes]] = []
        for partition in range(partitions):
            where = TopicPartition(topic, partition)
            consumer.assign([where])
            end = (await consumer.end_offsets([where]))[where]
            values: list[bytes] = []
            while len(values) < end:
                batch = await consumer.getmany(where, timeout_ms=1000)
                for record in batch.get(where, ()):
                    assert record.offset == len(values), "nothing retained has gone"
                    values.append(record.value)
            found.append(values)
        return found
    finally:
        await consumer.stop()


class Folded:
    """The market log folded here, in one piece: what any group of workers must have said."""

    def __init__(self, log: list[list[bytes]], method: MethodConfig) -> None:
        self.engines = [Engine(method) for _ in log]
        self.signals: dict[str, list[Signal]] = defaultdict(list)
        for engine, blocks in zip(self.engines, log, strict=True):
            for offset, block in enumerate(blocks):
                for signal in engine.fold(block, offset):
                    self.signals[signal.symbol].append(signal)

    def facts(self) -> dict[str, list[bytes]]:
        """Return the signals' bytes, emit times aside, by underlying."""
        return {symbol: [fact(one) for one in said] for symbol, said in self.signals.items()}

    def counted(self, name: str) -> int:
        """Return a counter over all engines."""
        return sum(engine.counters[name] for engine in self.engines)

    def hashes(self) -> dict[str, str]:
        """Return the digest of every underlying's state."""
        return {k: v for engine in self.engines for k, v in engine.underlying_hashes().items()}


async def signals_on_topic(bootstrap: str) -> dict[str, list[Signal]]:
    """Return every record of the signals topic, by underlying, in order."""
    found: dict[str, list[Signal]] = defaultdict(list)
    for values in await read_all(bootstrap, SIGNALS.name):
        for value in values:
            signal = decode(value)
            found[signal.symbol].append(signal)
    return found


async def market_log(bootstrap: str) -> list[list[bytes]]:
    """Return the blocks of the market log by partition."""
    return await read_all(bootstrap, MARKET.name)
