"""Topics and local logs for people's eyes: every record one line of JSON, whatever is in it."""

import asyncio
import contextlib
import json
from pathlib import Path

import pytest

from service.bus import LocalLog
from service.kafka import Producer
from service.records import LogRecord, Outgoing
from service.settings import SettingsError
from service.tail import block_lines, follow, record_lines, tail_folder, topic_named
from streams.events import Flag, Kind, RowBuffer, Side
from streams.topics import DEAD_LETTER, MARKET, SIGNALS, SNAPSHOTS, STATE, TOPICS


def block(number: int = 1) -> bytes:
    """Return an announcement, a trade, a liquidation, and a mark without mid."""
    rows, at = RowBuffer(), 1_790_000_000 * 10**9
    rows.contract(Flag.SAMPLED, 7, at, at, 8 * 3600 * 10**9, "BTC", "okx")
    rows.floats(
        Kind.TRADE, Side.SELL, Flag.STABLE_ASSUMED, 7, at, at + 5, number, 60_000.0, 0.5, 3e4
    )
    rows.floats(Kind.LIQUIDATION, Side.LONG, Flag.SAMPLED, 7, at, at + 5, 0, 59_000.0, 1.0, 59e3)
    rows.floats(Kind.MARK, 0, 0, 7, at, at + 5, 0, 60_001.0, 60_002.0, float("nan"))
    return bytes(rows.view())


def record(value: bytes | None, key: bytes | None = b"k") -> LogRecord:
    return LogRecord(3, 1000, key, value, ())


def test_rows_come_under_the_names_of_their_kind() -> None:
    contract, trade, forced, mark = map(json.loads, block_lines(block(9)))
    assert (contract["kind"], contract["underlying"], contract["venue"]) == (
        "instrument",
        "BTC",
        "okx",
    )
    assert (trade["taker"], trade["price"], trade["quantity"]) == ("sell", 60_000.0, 0.5)
    assert (trade["sequence"], trade["flags"]) == (9, ["stable_assumed"])
    assert (forced["position"], forced["notional_usd"]) == ("long", 59e3)
    assert (mark["mark_price"], mark["mid_price"]) == (60_001.0, None), "unknown is null, not 0"


def test_every_topic_has_a_short_name() -> None:
    for topic in TOPICS:
        assert topic_named(topic.name) is topic
        assert topic_named(topic.name.split(".")[1]) is topic
    with pytest.raises(SettingsError, match=r"no topic 'trades': use one of market, instruments,"):
        topic_named("trades")


def test_what_is_no_json_is_described() -> None:
    assert record_lines(STATE, record(b'{"a": 1}')) == [b'{"a": 1}']
    (line,) = record_lines(DEAD_LETTER, record(b"\xff\xfe<html>"))
    described = json.loads(line)
    assert (described["offset"], described["key"], described["bytes"]) == (3, "k", 8)
    assert described["beginning"].endswith("<html>")
    (line,) = record_lines(SNAPSHOTS, record(b"\0" * 5000, b"0:1:0"))
    assert json.loads(line) == {"offset": 3, "key": "0:1:0", "bytes": 5000}
    (line,) = record_lines(SIGNALS, record(None, None))
    assert json.loads(line)["key"] is None
    for hostile in (b"x" * 63, b"\xff" * 64):
        (line,) = record_lines(MARKET, record(hostile))
        assert "error" in json.loads(line)


def test_the_last_blocks_of_a_folder(tmp_path: Path) -> None:
    log = LocalLog(tmp_path / "log")
    for number in range(1, 31):
        log.append(block(number))
    written: list[bytes] = []
    assert tail_folder(log.folder, written.append, last=3) == 12  # while it is being written
    log.close()
    rows = [json.loads(line) for line in written]
    assert [row["sequence"] for row in rows if row["kind"] == "trade"] == [28, 29, 30]
    with pytest.raises(SettingsError, match="holds no blocks"):
        tail_folder(tmp_path, written.append, last=3)


@pytest.mark.kafka
async def test_the_last_records_of_a_topic_and_then_new_ones(topics: str) -> None:
    async with Producer(topics) as producer:
        for partition in range(4):
            for number in range(5):
                value = b'{"partition":%d,"number":%d}' % (partition, number)
                await producer.put(Outgoing(SIGNALS.name, partition, b"BTC", value, ()))
        await producer.put(Outgoing(MARKET.name, 1, None, block(77), ()))
        await producer.flush()
        found = [
            json.loads(line) async for line in follow(topics, SIGNALS, 4, last=2, forever=False)
        ]
        assert [(one["partition"], one["number"]) for one in found] == [
            (partition, number) for partition in range(4) for number in (3, 4)
        ]
        rows = [json.loads(r) async for r in follow(topics, MARKET, 4, last=1, forever=False)]
        assert [row["kind"] for row in rows] == ["instrument", "trade", "liquidation", "mark"]

        lines = follow(topics, SIGNALS, 4, last=1, forever=True)
        async with asyncio.timeout(20.0), contextlib.aclosing(lines):
            for _ in range(4):
                assert json.loads(await anext(lines))["number"] == 4
            for number in (100, 101):
                value = b'{"partition":2,"number":%d}' % number
                await producer.put(Outgoing(SIGNALS.name, 2, b"BTC", value, ()))
                assert json.loads(await anext(lines))["number"] == number
