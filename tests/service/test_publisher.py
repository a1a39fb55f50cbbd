import asyncio
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.publisher import BLOCK_ROWS_MAX, FULL_ROWS, Publisher
from streams.events import ROW_BYTES, Kind, block_rows
from streams.instruments import UnknownInstrument, instrument, partition_of
from tests.reference.toy_venue import ListSink

COINS = [
    instrument(venue="toy", symbol=name, underlying=name, quote="USD")
    for name in ("BTC", "ETH", "SOL", "XRP", "DOGE", "ADA", "TRX")
]


def write(publisher: Publisher, coin: int, sequence: int) -> None:
    publisher.buffer.floats(
        Kind.TRADE, 1, 0, COINS[coin].id, sequence, sequence, sequence, 1.0, 1.0, 1.0
    )


def make(sink: ListSink, partitions: int = 4, **options: Any) -> Publisher:
    publisher = Publisher(sink, partitions, **options)
    for coin in COINS:
        publisher.register(coin)
    return publisher


@settings(max_examples=40, deadline=None)
@given(
    coins=st.lists(st.integers(0, len(COINS) - 1), max_size=60),
    cuts=st.sets(st.integers(0, 60)),
    partitions=st.integers(1, 6),
)
def test_every_row_arrives_once_in_its_partition_in_order(
    coins: list[int], cuts: set[int], partitions: int
) -> None:
    async def scenario() -> ListSink:
        sink = ListSink()
        publisher = make(sink, partitions)
        for sequence, coin in enumerate(coins):
            write(publisher, coin, sequence)
            if sequence in cuts:
                await publisher.flush()
        await publisher.close()
        assert publisher.stats.rows == len(coins)
        assert publisher.stats.blocks == len(sink.blocks)
        return sink

    sink = asyncio.run(scenario())
    assert sink.closed
    assert sink.flushed == 1
    for partition in range(partitions):
        blocks = [block for at, block in sink.blocks if at == partition]
        got = [int(s) for block in blocks for s in block_rows(block)["sequence"]]
        want = [
            sequence
            for sequence, coin in enumerate(coins)
            if partition_of(COINS[coin].underlying, partitions) == partition
        ]
        assert got == want


async def run_for(publisher: Publisher, work: Any) -> None:
    task = asyncio.create_task(publisher.run())
    try:
        await work
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_rows_linger_and_then_leave_by_themselves() -> None:
    sink = ListSink()
    publisher = make(sink, 1, linger_s=0.05)

    async def work() -> None:
        for sequence in range(10):
            write(publisher, 0, sequence)
            publisher.note("trade")
            await asyncio.sleep(0)
        assert sink.blocks == []
        await asyncio.sleep(0.12)

    await run_for(publisher, work())
    assert [len(block) // ROW_BYTES for _, block in sink.blocks] == [10]


@pytest.mark.parametrize(("name", "rows"), [("liquidation", 1), ("trade", 256)])
async def test_liquidations_and_full_blocks_do_not_linger(name: str, rows: int) -> None:
    sink = ListSink()
    publisher = make(sink, 1, linger_s=30.0)

    async def work() -> None:
        for sequence in range(rows):
            write(publisher, 0, sequence)
            publisher.note(name)
        await asyncio.sleep(0.05)

    await run_for(publisher, work())
    assert publisher.stats.rows == rows


async def test_a_frame_without_rows_wakes_nobody() -> None:
    sink = ListSink()
    publisher = make(sink, 1, linger_s=0.0)

    async def work() -> None:
        publisher.note("ack")
        await asyncio.sleep(0.02)

    await run_for(publisher, work())
    assert sink.blocks == []


async def test_a_failing_sink_loses_nothing_and_keeps_order() -> None:
    class Flaky(ListSink):
        broken = True

        async def put(self, partition: int, block: bytes) -> None:
            if self.broken and len(self.blocks) == 1:
                raise ConnectionError("broker away")
            await super().put(partition, block)

    sink = Flaky()
    publisher = make(sink, 1)
    for sequence in range(3):
        write(publisher, 0, sequence)
        if sequence == 0:
            await publisher.flush()
    with pytest.raises(ConnectionError):
        await publisher.flush()
    write(publisher, 0, 3)
    with pytest.raises(ConnectionError):
        await publisher.flush()
    sink.broken = False
    await publisher.flush()
    got = np.concatenate([block_rows(block)["sequence"] for _, block in sink.blocks]).tolist()
    assert got == [0, 1, 2, 3]


async def test_cancelling_a_flush_sends_nothing_twice() -> None:
    sink = ListSink()
    sink.gate.clear()
    publisher = make(sink, 1)
    write(publisher, 0, 7)
    caller = asyncio.create_task(publisher.flush())
    await asyncio.sleep(0.01)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    closing = asyncio.create_task(publisher.close())
    await asyncio.sleep(0.01)
    sink.gate.set()
    await closing
    assert len(sink.blocks) == 1
    assert publisher.stats.rows == 1


async def test_a_slow_sink_makes_writers_wait_and_blocks_stay_bounded() -> None:
    sink = ListSink()
    sink.gate.clear()
    publisher = make(sink, 1)
    for sequence in range(FULL_ROWS):
        assert not publisher.full
        write(publisher, 0, sequence)
    assert publisher.full
    waiter = asyncio.create_task(publisher.drained())
    await asyncio.sleep(0.01)
    assert not waiter.done()
    sink.gate.set()
    await waiter
    assert not publisher.full
    assert max(len(block) for _, block in sink.blocks) == BLOCK_ROWS_MAX * ROW_BYTES
    assert publisher.stats.rows == FULL_ROWS


async def test_linger_stretches_while_records_come_too_fast_and_relaxes_after() -> None:
    sink = ListSink()
    publisher = make(sink, 2, records_per_s=20.0)
    for sequence in range(60):
        write(publisher, 0, sequence)
        await publisher.flush()
    assert publisher.stats.stretch == pytest.approx(10.0)
    busy = publisher.stats.stretch
    await asyncio.sleep(1.5)
    for sequence in range(5):
        write(publisher, 0, sequence)
        await publisher.flush()
    assert publisher.stats.stretch < busy


async def test_an_unregistered_instrument_is_our_bug_and_stops_the_run() -> None:
    publisher = Publisher(ListSink(), 2)
    write(publisher, 0, 1)
    with pytest.raises(UnknownInstrument):
        await publisher.flush()
    publisher.register(COINS[1])
    with pytest.raises(UnknownInstrument):
        await publisher.flush()
    publisher.register(COINS[0])
    await publisher.flush()
    assert publisher.stats.rows == 1
