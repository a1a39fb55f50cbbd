"""What a worker does with a partition, without Faust: real topics, real snapshots, a real fold."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from service.kafka import KafkaSink, LogReader, Producer, read_partition
from service.processor import Block, LogHole, Processor, UnknownSchema
from service.records import Outgoing
from service.snapshots import FileStore
from streams.signals import Signal, decode, fact
from streams.topics import MARKET, SIGNALS, STATE
from tests.reference.counting_fold import CountingFactory, CountingFold, trade_block

pytestmark = pytest.mark.kafka

ROWS = 20
OnFold = Callable[[Block, CountingFold, list[Signal]], list[Outgoing]]


@asynccontextmanager
async def _processor(
    bootstrap: str,
    folder: Path,
    *,
    config_hash: str = "counting",
    commits: list[tuple[int, int]] | None = None,
    on_fold: OnFold | None = None,
) -> AsyncIterator[Processor]:
    seen = [] if commits is None else commits

    async def commit(partition: int, offset: int) -> None:
        seen.append((partition, offset))

    async with Producer(bootstrap) as producer, LogReader(bootstrap) as reader:
        yield Processor(
            CountingFactory(config_hash), producer=producer, reader=reader,
            store=FileStore(folder), commit=commit, now_ns=time.time_ns, on_fold=on_fold,
        )  # fmt: skip


async def _fill(bootstrap: str, blocks: int, *, first: int = 0, partition: int = 0) -> None:
    async with Producer(bootstrap) as producer:
        sink = KafkaSink(producer, producer_id="test")
        for number in range(first, first + blocks):
            await sink.put(partition, trade_block(number * ROWS, ROWS))


async def _feed(processor: Processor, bootstrap: str, first: int, until: int) -> None:
    """Give the processor the log's blocks `first` to `until`, as Faust would."""
    for record in (await read_partition(bootstrap, MARKET.name, 0, first))[: until - first]:
        value = record.value or b""
        block = Block(0, record.offset, record.timestamp_ms, value, record.headers)
        await processor.record(block)


async def _signals(bootstrap: str) -> list[Signal]:
    records = await read_partition(bootstrap, SIGNALS.name, 0)
    return [decode(record.value or b"") for record in records]


async def _expected(bootstrap: str) -> tuple[str, list[bytes]]:
    """Fold the whole log without interruption: the answer key."""
    fold, facts = CountingFold(), []
    for record in await read_partition(bootstrap, MARKET.name, 0):
        facts += [fact(signal) for signal in fold.fold(record.value or b"", record.offset)]
    return fold.state_hash(), facts


async def test_signals_go_out_stamped_keyed_and_in_their_partition(
    topics: str, tmp_path: Path
) -> None:
    await _fill(topics, 20)
    async with _processor(topics, tmp_path) as processor:
        await processor.take([0])
        await _feed(processor, topics, 0, 20)
        await processor.release()
        assert processor.positions() == {}
    records = await read_partition(topics, SIGNALS.name, 0)
    signals = [decode(record.value or b"") for record in records]
    assert len(signals) == 20 * ROWS // 3 // 50 * 3
    assert [fact(signal) for signal in signals] == (await _expected(topics))[1]
    for record, signal in zip(records, signals, strict=True):
        headers = dict(record.headers)
        assert record.key == signal.symbol.encode()
        assert headers["ce_id"] == signal.id.encode()
        assert headers["ce_time"] == signal.asof.encode()
        assert headers["ce_type"] == b"treadmill.signal.v1"
        assert signal.emitted is not None
        assert signal.latency_ms is not None
        assert 0 <= signal.latency_ms["log"] < 60_000


async def test_a_crash_at_any_block_loses_and_repeats_nothing(topics: str, tmp_path: Path) -> None:
    """Die without a word after every few blocks: no `release`, only what was saved before."""
    await _fill(topics, 60)
    commits: list[tuple[int, int]] = []
    repeated = 0
    for crash_at in (9, 24, 31, 32, 54, 60):
        async with _processor(topics, tmp_path, commits=commits) as processor:
            await processor.take([0])
            start = processor.positions()[0]
            assert start == (commits[-1][1] if commits else 0)
            await _feed(processor, topics, start, crash_at - 3)
            await processor.save(processor.lanes[0])
            await _feed(processor, topics, max(start, crash_at - 3), crash_at)
            repeated += processor.stats.repeated_signals
            final = processor.lanes[0].engine
    state_hash, facts = await _expected(topics)
    assert isinstance(final, CountingFold)
    assert final.state_hash() == state_hash
    assert [fact(signal) for signal in await _signals(topics)] == facts
    assert repeated > 0  # the emit filter had something to do
    assert commits == sorted(commits)


async def test_without_a_snapshot_the_log_is_folded_again_and_said_once(
    topics: str, tmp_path: Path
) -> None:
    await _fill(topics, 30)
    for number in range(2):
        async with _processor(topics, tmp_path / str(number)) as processor:
            await processor.take([0])
            await _feed(processor, topics, 0, 30)
            assert processor.stats.repeated_signals == (12 if number else 0)
    assert len(await _signals(topics)) == 12


async def test_a_changed_configuration_starts_over_and_says_so(topics: str, tmp_path: Path) -> None:
    await _fill(topics, 10)
    async with _processor(topics, tmp_path) as processor:
        await processor.take([0])
        await _feed(processor, topics, 0, 10)
        await processor.release()
    async with _processor(topics, tmp_path, config_hash="other") as processor:
        await processor.take([0])
        assert processor.positions() == {0: 0}


async def test_a_signal_that_differs_from_its_twin_is_written_and_counted(
    topics: str, tmp_path: Path
) -> None:
    await _fill(topics, 10)
    fold = CountingFold()
    made = [
        signal for number in range(10) for signal in fold.fold(trade_block(number * 20, 20), number)
    ]
    forged = made[0].__class__(**{**_fields(made[0]), "status": "OTHER"})
    async with Producer(topics) as producer:
        for signal in (forged, *made[1:]):
            record = Outgoing(SIGNALS.name, 0, b"1", fact(signal), ())
            await producer.put(record)
        await producer.put(Outgoing(SIGNALS.name, 0, b"1", b"no signal at all", ()))
    async with _processor(topics, tmp_path) as processor:
        await processor.take([0])
        await _feed(processor, topics, 0, 10)
        stats = processor.stats
        assert (stats.conflicting_signals, stats.repeated_signals) == (1, len(made) - 1)
        assert stats.signals == 1


def _fields(signal: Signal) -> dict[str, object]:
    return {name: getattr(signal, name) for name in signal.__struct_fields__}


async def test_blocks_already_folded_or_not_ours_are_passed_over(
    topics: str, tmp_path: Path
) -> None:
    await _fill(topics, 5)
    async with _processor(topics, tmp_path) as processor:
        await processor.take([0])
        await _feed(processor, topics, 0, 5)
        before = processor.lanes[0].engine.snapshot()
        await _feed(processor, topics, 0, 5)
        await processor.record(Block(3, 0, 0, trade_block(0, 1)))
        assert processor.lanes[0].engine.snapshot() == before
        assert processor.stats.skipped_blocks == 6


async def test_a_missing_block_is_not_stepped_over(topics: str, tmp_path: Path) -> None:
    async with _processor(topics, tmp_path) as processor:
        await processor.take([0])
        await processor.record(Block(0, 0, 0, trade_block(0, 1)))
        with pytest.raises(LogHole, match="goes on at offset 2, the state at 1"):
            await processor.record(Block(0, 2, 0, trade_block(2, 1)))


async def test_retention_that_overtook_the_snapshot_is_a_hole(topics: str, tmp_path: Path) -> None:
    await _fill(topics, 30)
    async with _processor(topics, tmp_path) as processor:
        await processor.take([0])
        await _feed(processor, topics, 0, 10)
        await processor.release()
    admin = AIOKafkaAdminClient(bootstrap_servers=topics)
    await admin.start()
    await admin.delete_records({TopicPartition(MARKET.name, 0): RecordsToDelete(before_offset=20)})
    await admin.close()
    async with _processor(topics, tmp_path) as processor:
        with pytest.raises(LogHole, match=r"goes on at offset 20, the state at 10.*Delete"):
            await processor.take([0])
    async with _processor(topics, tmp_path / "deleted") as processor:
        await processor.take([0])
        assert processor.positions() == {0: 20}


async def test_a_snapshot_ahead_of_a_wiped_log_is_a_hole(topics: str, tmp_path: Path) -> None:
    await _fill(topics, 10)
    async with _processor(topics, tmp_path) as processor:
        await processor.take([0, 1])
        await _feed(processor, topics, 0, 10)
        await processor.release()
        for path in tmp_path.glob("partition-0.*"):  # partition 1's log is empty
            path.rename(path.with_name(path.name.replace("-0", "-1")))
        with pytest.raises(LogHole, match=f"{MARKET.name}-1 goes on at offset 0, the state at 10"):
            await processor.take([1])


async def test_rows_of_a_later_schema_are_refused(topics: str, tmp_path: Path) -> None:
    async with _processor(topics, tmp_path) as processor:
        await processor.take([0])
        headers = (("schema", b"2"),)
        with pytest.raises(UnknownSchema, match="upgrade the workers before the ingesters"):
            await processor.record(Block(0, 0, 0, trade_block(0, 1), headers))


async def test_further_records_follow_the_fold(topics: str, tmp_path: Path) -> None:
    def state(block: Block, engine: CountingFold, signals: list[Signal]) -> list[Outgoing]:
        value = f'{{"rows":{engine.rows},"signals":{len(signals)}}}'.encode()
        return [Outgoing(STATE.name, block.partition, b"BTC", value, ())]

    await _fill(topics, 3)
    async with _processor(topics, tmp_path, on_fold=state) as processor:
        await processor.take([0])
        await _feed(processor, topics, 0, 3)
    values = [record.value for record in await read_partition(topics, STATE.name, 0)]
    assert values[-1] == b'{"rows":60,"signals":0}'
    assert len(values) == 3
