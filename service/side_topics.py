"""What blocks of the market log say beside signals, as JSON for people: feed health, forced orders.

Both are derived from rows, at least once and with ids that repeat, and neither feeds anything of ours.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID, uuid5

import msgspec

from service.records import Outgoing, json_record
from streams.engine import Engine
from streams.events import Channel, DownReason, Flag, Kind, Rows, block_rows, row_to_dict
from streams.instruments import Instrument
from streams.signals import rfc3339
from streams.topics import FEEDS, LIQUIDATIONS

_NAMESPACE = UUID("9a1f8a52-3b39-5d3e-8f53-7472656164ff")
_UP_TO_GAP = (Kind.FEED_UP, Kind.GAP)


def _between(block: bytes, first: Kind, last: Kind) -> Rows:
    rows = block_rows(block)
    return rows[(rows["kind"] >= first) & (rows["kind"] <= last)]


def _record_id(row: Any) -> str:
    return str(uuid5(_NAMESPACE, row.tobytes().hex()))


def feed_records(block: bytes, instruments: Mapping[int, Instrument]) -> Iterator[Outgoing]:
    """Yield what a block says of feeds that went up, went down or had a gap."""
    for row in _between(block, *_UP_TO_GAP):
        facts = row_to_dict(row)
        one = instruments.get(facts["instrument"])
        if one is None:
            continue
        channels = [c.name.lower() for c in Channel.ALL if facts["channels"] & c and c.name]
        value: dict[str, Any] = {
            "schema": "treadmill.feed.v1",
            "venue": one.venue,
            "symbol": one.symbol,
            "event": facts["kind"],
            "channels": channels,
            "at": rfc3339(facts["exchange_ns"]),
        }
        if facts["kind"] == "gap":
            value |= {"from": rfc3339(facts["from_ns"]), "to": rfc3339(facts["to_ns"])}
        elif facts["kind"] == "feed_down":
            value |= {"reason": DownReason(facts["reason"]).name.lower()}
        yield json_record(
            FEEDS, key=f"{one.venue}:{one.symbol}", value=msgspec.json.encode(value),
            ce_id=_record_id(row), ce_type="treadmill.feed.v1", ce_time=value["at"],
            source=f"treadmill/ingest/{one.venue}", partition=0,
        )  # fmt: skip


def liquidation_records(block: bytes, partition: int, engine: Engine) -> Iterator[Outgoing]:
    """Yield a block's liquidations, one record a print, old news on subscribing left out."""
    for row in _between(block, Kind.LIQUIDATION, Kind.LIQUIDATION):
        flags = int(row["flags"])
        contract = engine.contract(int(row["instrument"]))
        if contract is None or flags & (Flag.SNAPSHOT | Flag.BACKFILL):
            continue
        venue, underlying = contract
        facts = row_to_dict(row)
        value = {
            "schema": "treadmill.liquidation.v1",
            "symbol": underlying,
            "venue": venue,
            "position": facts["position"],
            "quantity": facts["quantity"],
            "price": facts["price"],
            "price_kind": "fill" if flags & Flag.PRICE_FILL else "bankruptcy",
            "notional_usd": facts["notional_usd"],
            "completeness": "complete" if flags & Flag.COMPLETE else "sampled",
            "at": rfc3339(facts["exchange_ns"]),
            "received": rfc3339(facts["received_ns"]),
        }
        yield json_record(
            LIQUIDATIONS, key=underlying, value=msgspec.json.encode(value), ce_id=_record_id(row),
            ce_type="treadmill.liquidation.v1", ce_time=rfc3339(facts["exchange_ns"]),
            source="treadmill/process", partition=partition,
        )  # fmt: skip
