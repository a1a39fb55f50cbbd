import random
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.events import (
    ROW,
    ROW_BYTES,
    VIEWS,
    Channel,
    Flag,
    Kind,
    MalformedBlock,
    Quote,
    RowBuffer,
    Side,
    block_rows,
    row_to_dict,
)

i64, u64 = st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**64 - 1)
floats = st.floats(allow_nan=False)
HEAD = ("kind", "side", "flags", "reserved", "instrument", "exchange_ns", "received_ns", "sequence")


def test_every_view_is_the_same_sixty_four_bytes() -> None:
    assert set(VIEWS) == set(Kind)
    for view in (ROW, *VIEWS.values()):
        assert view.itemsize == ROW_BYTES
        assert [view.fields[n][1] for n in HEAD] == [0, 1, 2, 4, 8, 16, 24, 32]
        assert (view.names or ())[:8] == HEAD


@given(
    kind=st.sampled_from([Kind.TRADE, Kind.MARK, Kind.OPEN_INTEREST, Kind.LIQUIDATION]),
    side=st.sampled_from([-1, 0, 1]), flags=st.integers(0, 2**13 - 1), instrument=u64, exchange=i64,
    received=i64, sequence=u64, payload=st.tuples(floats, floats, floats),
)  # fmt: skip
def test_what_is_written_is_read_under_its_names(
    kind: Kind, side: int, flags: int, instrument: int, exchange: int, received: int, sequence: int,
    payload: tuple[float, float, float],
) -> None:  # fmt: skip
    buffer = RowBuffer(1)
    buffer.floats(kind, side, flags, instrument, exchange, received, sequence, *payload)
    row = block_rows(bytes(buffer.view())).view(VIEWS[kind])[0]
    assert row.tolist() == (
        kind,
        side,
        flags,
        0,
        instrument,
        exchange,
        received,
        sequence,
        *payload,
    )
    # and by the documented layout, without numpy
    head = struct.unpack("<BbHIQqqQddd", bytes(buffer.view()))
    assert head == row.tolist()


@given(kind=st.sampled_from([Kind.HEARTBEAT, Kind.FEED_UP, Kind.FEED_DOWN, Kind.GAP, Kind.BACKFILL_END]),
       payload=st.tuples(i64, i64, i64), rate=floats)  # fmt: skip
def test_integers_funding_and_contracts(
    kind: Kind, payload: tuple[int, int, int], rate: float
) -> None:
    buffer = RowBuffer(1)
    buffer.integers(kind, 3, 7, 8, 9, *payload)
    buffer.funding(Flag.SETTLED, 7, 8, 9, rate, payload[0], payload[1])
    buffer.contract(Flag.INVERSE, 7, 8, 9, 10, "BTC", "binance_usdm")
    a, b, c = block_rows(bytes(buffer.view()))
    assert tuple(np.array([a]).view(VIEWS[kind])[0].tolist()[8:]) == payload
    funding = np.array([b]).view(VIEWS[Kind.FUNDING])[0]
    assert (float(funding["rate"]), int(funding["interval_ns"]), int(funding["next_funding_ns"])) == (
        rate, payload[0], payload[1],
    )  # fmt: skip
    contract = np.array([c]).view(VIEWS[Kind.INSTRUMENT])[0]
    assert (contract["underlying"], contract["venue"], contract["sequence"]) == (
        b"BTC",
        b"binance_usdm",
        10,
    )


@pytest.mark.parametrize(
    ("quote", "code"), [("USD", 1), ("USDT", 2), ("USDC", 3), ("EUR", 0), ("", 0)]
)
def test_a_contract_says_what_it_is_quoted_in(quote: str, code: int) -> None:
    buffer = RowBuffer(1)
    buffer.contract(Flag.SPOT, 7, 8, 9, 0, "BTC", "kraken_spot", quote)
    row = block_rows(bytes(buffer.view()))[0]
    assert int(row["reserved"]) == code == int(Quote[quote] if code else Quote.UNKNOWN)
    assert row_to_dict(row)["quote"] == (quote.lower() if code else "unknown")


def test_a_buffer_grows_truncates_and_forgets() -> None:
    buffer, twin = RowBuffer(2), []
    rng = random.Random(1)
    for round_ in range(200):
        buffer.floats(Kind.TRADE, 1, 0, round_, 0, 0, 0, 1.0, 1.0, 1.0)
        twin.append(round_)
        if rng.random() < 0.1:
            keep = rng.randrange(len(twin) + 1)
            buffer.truncate(keep)
            del twin[keep:]
        if rng.random() < 0.02:
            buffer.clear()
            twin.clear()
        start = rng.randrange(len(twin) + 1)
        assert block_rows(bytes(buffer.view()))["instrument"].tolist() == twin
        assert block_rows(bytes(buffer.view(start)))["instrument"].tolist() == twin[start:]


@pytest.mark.parametrize("size", [1, 63, 65, 127])
def test_half_a_row_is_malformed(size: int) -> None:
    with pytest.raises(MalformedBlock, match=str(size)):
        block_rows(b"x" * size)


def test_rows_for_people() -> None:
    buffer = RowBuffer()
    buffer.floats(Kind.TRADE, Side.SELL, Flag.STABLE_ASSUMED, 7, 10, 11, 12, 100.0, 2.0, 200.0)
    buffer.floats(
        Kind.LIQUIDATION, Side.LONG, Flag.SAMPLED | Flag.PRICE_FILL, 7, 10, 11, 0, 1.0, 2.0, 2.0
    )
    buffer.integers(Kind.HEARTBEAT, 0, 7, 10, 11, Channel.ALL, 0, 0)
    buffer.contract(Flag.INVERSE | Flag.HAS_BACKFILL, 7, 10, 11, 0, "BTC", "okx")
    trade, forced, beat, contract = map(row_to_dict, block_rows(bytes(buffer.view())))
    assert trade == {
        "kind": "trade", "taker": "sell", "flags": ["stable_assumed"], "instrument": 7, "exchange_ns": 10,
        "received_ns": 11, "sequence": 12, "price": 100.0, "quantity": 2.0, "notional_usd": 200.0,
    }  # fmt: skip
    assert (forced["position"], forced["flags"]) == ("long", ["sampled", "price_fill"])
    assert (beat["channels"], "taker" in beat, "side" in beat) == (31, False, False)
    assert (contract["underlying"], contract["venue"]) == ("BTC", "okx")
    assert contract["flags"] == ["inverse", "has_backfill"]
    buffer.floats(99, 0, 0, 7, 0, 0, 0, 1.0, 1.0, 1.0)
    with pytest.raises(MalformedBlock, match="99"):
        row_to_dict(block_rows(bytes(buffer.view()))[-1])
