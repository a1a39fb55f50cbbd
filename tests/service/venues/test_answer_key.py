"""Recorded frames of the venues against numbers that others computed."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from service.venues.registry import VENUES
from streams.events import VIEWS, Kind, RowBuffer, block_rows
from tests.service.venues.answer_key import UNCOVERED, lines
from tests.service.venues.cases import INSTRUMENTS, RECEIVED_NS

pytestmark = pytest.mark.shared_data


def test_every_message_is_matched_or_listed(shared_data: Path) -> None:
    found = list(lines(shared_data))
    assert [line for line in found if line.outcome == "wrong"] == []
    seen = {(line.venue, line.message) for line in found}
    assert set(UNCOVERED) <= seen, "an entry of the list speaks of no message"


def test_every_kind_of_row_is_matched_somewhere(shared_data: Path) -> None:
    kinds = Counter(
        (line.venue, kind)
        for line in lines(shared_data)
        if line.outcome == "matched"
        for kind in line.detail.split(", ")
    )
    common = {"trade", "mark", "funding", "liquidation"}
    assert {kind for venue, kind in kinds if venue == "binance_usdm"} == common
    assert {kind for venue, kind in kinds if venue == "bybit"} == common | {"open_interest"}
    assert {kind for venue, kind in kinds if venue == "okx"} == common | {"open_interest"}


@pytest.mark.parametrize(("symbol", "trades"), [("BTCUSDT", 21313), ("ETHUSDT", 14076)])
def test_a_recorded_minute_of_binance(shared_data: Path, symbol: str, trades: int) -> None:
    """Every frame of the recording is understood; sums agree with plain JSON and `float`."""
    path = (
        shared_data
        / "raw"
        / "binance_usdm"
        / f"{symbol.lower()}_trade_depth_bookTicker_20240808.txt.gz"
    )
    decoder = VENUES["binance_usdm"].decoder(INSTRUMENTS["binance_usdm"])
    out = RowBuffer()
    says: Counter[str] = Counter()
    coin = signed = 0.0
    for line in gzip.decompress(path.read_bytes()).splitlines():
        frame = line.split(b" ", 1)[1].strip()
        if not frame.startswith(b'{"stream"'):
            continue  # the recorder's own REST snapshot of the book
        says[decoder.decode(frame, RECEIVED_NS, out)] += 1
        if b'"e":"trade"' in frame:
            event = json.loads(frame)["data"]
            coin += float(event["q"])
            signed += (-1 if event["m"] else 1) * float(event["q"]) * float(event["p"])
    assert set(says) == {"trade", "ignored"}
    rows = block_rows(bytes(out.view())).view(VIEWS[Kind.TRADE])
    assert len(rows) == says["trade"] == trades
    assert rows["quantity"].sum() == pytest.approx(coin, rel=1e-12)
    assert (rows["side"] * rows["notional_usd"]).sum() == pytest.approx(signed, rel=1e-9)
    assert (rows["sequence"][1:] - rows["sequence"][:-1] == 1).all(), "ids are contiguous"
