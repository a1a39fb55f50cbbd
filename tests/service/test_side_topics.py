"""Feed health and liquidations as JSON, from the same rows the engine folds."""

import msgspec

from service.side_topics import feed_records, liquidation_records
from streams.engine import Engine
from streams.events import Channel, DownReason, Flag, Kind, RowBuffer, Side
from streams.instruments import instrument
from streams.topics import FEEDS, LIQUIDATIONS

BTC = instrument(venue="bybit", symbol="BTCUSDT", underlying="BTC", quote="USDT")
NOW = 1_790_000_000_000_000_000


def block() -> bytes:
    out = RowBuffer()
    out.contract(Flag.COMPLETE, BTC.id, NOW, NOW, 0, "BTC", "bybit")
    out.integers(Kind.FEED_UP, 0, BTC.id, NOW, NOW, Channel.TRADE | Channel.LIQUIDATION, 0, NOW)
    flags = Flag.COMPLETE | Flag.PRICE_BANKRUPTCY
    out.floats(Kind.LIQUIDATION, Side.LONG, flags, BTC.id, NOW, NOW + 5, 0, 100.0, 2.0, 200.0)
    old = flags | Flag.SNAPSHOT
    out.floats(Kind.LIQUIDATION, Side.SHORT, old, BTC.id, NOW, NOW + 5, 0, 100.0, 2.0, 200.0)
    out.floats(Kind.LIQUIDATION, Side.SHORT, flags, 99, NOW, NOW + 5, 0, 100.0, 2.0, 200.0)
    down = (Channel.LIQUIDATION, DownReason.SILENT, NOW)
    out.integers(Kind.FEED_DOWN, 0, BTC.id, NOW + 9, NOW + 9, *down)
    out.integers(Kind.GAP, 0, BTC.id, NOW + 9, NOW + 9, Channel.LIQUIDATION, NOW, NOW + 9)
    return bytes(out.view())


def test_feed_rows_become_readable_records() -> None:
    records = list(feed_records(block(), {BTC.id: BTC}))
    values = [msgspec.json.decode(record.value or b"") for record in records]
    assert [record.topic for record in records] == [FEEDS.name] * 3
    assert {record.key for record in records} == {b"bybit:BTCUSDT"}
    assert [v["event"] for v in values] == ["feed_up", "feed_down", "gap"]
    assert values[0]["channels"] == ["trade", "liquidation"]
    assert values[1]["reason"] == "silent"
    assert values[2]["to"] > values[2]["from"]


def test_live_liquidations_of_known_contracts_become_records() -> None:
    engine = Engine()
    engine.fold(block(), 0)
    records = list(liquidation_records(block(), 3, engine))
    assert len(records) == 1  # neither the snapshot's nor the stranger's
    value = msgspec.json.decode(records[0].value or b"")
    assert (records[0].topic, records[0].partition, records[0].key) == (
        LIQUIDATIONS.name,
        3,
        b"BTC",
    )
    assert value["position"] == "long"
    assert (value["quantity"], value["notional_usd"]) == (2.0, 200.0)
    assert (value["price_kind"], value["completeness"]) == ("bankruptcy", "complete")


def test_the_same_row_has_the_same_id() -> None:
    engine = Engine()
    engine.fold(block(), 0)
    once, again = (list(liquidation_records(block(), 3, engine)) for _ in range(2))
    assert once == again
