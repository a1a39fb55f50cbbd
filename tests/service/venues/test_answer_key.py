"""Recorded frames of the venues against numbers that others computed."""

from collections import Counter
from pathlib import Path

import pytest

from service.venues.registry import VENUES
from streams.events import VIEWS, Kind, RowBuffer, block_rows
from tests.service.venues.answer_key import KEYS, Line, lines
from tests.service.venues.cases import RECEIVED_NS
from tests.service.venues.every import INSTRUMENTS
from tests.service.venues.recordings import frames_of

pytestmark = pytest.mark.shared_data


@pytest.fixture(scope="module")
def found(shared_data: Path) -> list[Line]:
    """Return what became of every message, once for all tests."""
    return list(lines(shared_data))


def test_every_message_is_matched_or_listed(found: list[Line]) -> None:
    assert [line for line in found if line.outcome == "wrong"] == []


@pytest.mark.parametrize("venue", KEYS)
def test_entries_of_a_key_speak_of_messages(venue: str, found: list[Line]) -> None:
    seen = {line.message for line in found if line.venue == venue}
    assert KEYS[venue].uncovered.keys() | KEYS[venue].by_hand.keys() <= seen
    assert not KEYS[venue].uncovered.keys() & KEYS[venue].by_hand.keys()


def test_every_file_of_messages_is_spoken_of(shared_data: Path, found: list[Line]) -> None:
    spoken = {line.where for line in found}
    files = {
        path.relative_to(shared_data / "raw").as_posix() for path in shared_data.glob("raw/*/*")
    }
    assert files == spoken
    assert len(files) > 40


def test_every_kind_of_row_is_matched_somewhere(found: list[Line]) -> None:
    kinds = Counter(
        (line.venue, kind)
        for line in found
        if line.outcome == "matched" and line.message != "recording"
        for kind in line.detail.split(", ")
    )
    common = {"trade", "mark", "funding", "liquidation"}
    assert {kind for venue, kind in kinds if venue == "binance_usdm"} == common
    assert {kind for venue, kind in kinds if venue == "bybit"} == common | {"open_interest"}
    assert {kind for venue, kind in kinds if venue == "okx"} == common | {"open_interest"}


@pytest.mark.parametrize(("symbol", "trades"), [("BTCUSDT", 21313), ("ETHUSDT", 14076)])
def test_a_recorded_minute_of_binance_has_contiguous_ids(
    shared_data: Path, symbol: str, trades: int
) -> None:
    name = f"{symbol.lower()}_trade_depth_bookTicker_20240808.txt.gz"
    decoder, out = VENUES["binance_usdm"].decoder(INSTRUMENTS["binance_usdm"]), RowBuffer()
    for frame in frames_of(shared_data / "raw" / "binance_usdm" / name):
        decoder.decode(frame, RECEIVED_NS, out)
    rows = block_rows(bytes(out.view())).view(VIEWS[Kind.TRADE])
    assert len(rows) == trades
    assert (rows["sequence"][1:] - rows["sequence"][:-1] == 1).all()
