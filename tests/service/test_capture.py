import gzip
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.capture import CaptureCounts, CaptureWriter, guess_venue, parse_line, read_capture


def read(path: Path) -> tuple[list[tuple[int, bytes]], CaptureCounts]:
    counts = CaptureCounts()
    return list(read_capture(path, counts)), counts


@settings(max_examples=50, deadline=None)
@given(
    frames=st.lists(
        st.tuples(
            st.integers(10**18, 2 * 10**18),
            st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=4),
        ),
        max_size=20,
    ),
    indent=st.sampled_from([None, 2]),
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, frames: Any, indent: int | None
) -> None:
    path = tmp_path_factory.mktemp("capture") / "deep" / "toy.gz"
    with CaptureWriter(path) as writer:
        for received_ns, said in frames:
            writer.write(received_ns, json.dumps(said, indent=indent).encode())
    got, counts = read(path)
    assert [(ns, json.loads(frame)) for ns, frame in got] == frames
    assert counts.frames == len(frames)
    assert counts.skipped == counts.torn == 0
    times = [ns for ns, _ in frames]
    assert counts.clock_steps_back == sum(b < a for a, b in itertools.pairwise(times))


@pytest.mark.parametrize(
    ("line", "parsed"),
    [
        (b'1723161255030314667 {"a":1}', (1723161255030314667, b'{"a":1}')),
        (b'1626916403.8469708: {"a":1}\r\n', (1626916403846970800, b'{"a":1}')),
        (b"1626916403.5: [1,2]", (1626916403500000000, b"[1,2]")),
        (b"1626916403: [1,2]", (1626916403000000000, b"[1,2]")),
        (b"wss://x.example/ws <-> 1626916403.3", None),
        (b'wss://x.example/ws <- 1626916403.3: {"op":"subscribe"}', None),
        (b"1723161255030314667 pong", (1723161255030314667, b"pong")),
        (b"1723161255030314667", None),
        (b"", None),
        (b"\xff\xfe", None),
        (b"99999999999999999999999 {}", None),
    ],
)
def test_lines(line: bytes, parsed: tuple[int, bytes] | None) -> None:
    assert parse_line(line) == parsed


def test_plain_text_files_and_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b"wss://x.example <-> 1626916403.3\n\n1626916403.4: {}\n1626916403.3: {}")
    got, counts = read(path)
    assert got == [(1626916403400000000, b"{}"), (1626916403300000000, b"{}")]
    assert (counts.skipped, counts.clock_steps_back) == (2, 1)


@pytest.mark.parametrize("closed", [True, False])
def test_a_recorder_that_was_killed_loses_only_its_tail(tmp_path: Path, closed: bool) -> None:
    path = tmp_path / "toy.gz"
    writer = CaptureWriter(path)
    for i in range(1000):
        writer.write(10**18 + i, b'{"i":%d}' % i)
    if closed:
        writer.close()
        path.write_bytes(path.read_bytes()[:-20])
        got, counts = read(path)
    else:
        got, counts = read(path)
        writer.close()
    assert counts.torn == 1
    assert 768 <= len(got) <= 1000
    assert got == [(10**18 + i, b'{"i":%d}' % i) for i in range(len(got))]


def test_damaged_compression_ends_the_reading(tmp_path: Path) -> None:
    path = tmp_path / "toy.gz"
    data = bytearray(gzip.compress(b"\n".join(b'%d {"i":1}' % (10**18 + i) for i in range(5000))))
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    _, counts = read(path)
    assert counts.torn == 1


def test_guess_venue(tmp_path: Path) -> None:
    known = ["binance", "okx", "bybit"]
    assert guess_venue(tmp_path / "okx_2026.gz", known) == "okx"
    assert guess_venue(tmp_path / "binance_usdm" / "btc.gz", known) == "binance"
    assert guess_venue(tmp_path / "okxish" / "x.gz", known) is None


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "frames", "skipped", "steps_back"),
    [
        ("okx/cryptofeed_20220513.txt.gz", 410, 4, 0),
        ("bitmex/cryptofeed_20210722.txt.gz", 2120, 4, 0),
        ("binance_usdm/cryptofeed_20210722.txt.gz", 1535, 1, 0),
        ("hyperliquid/btc_l2Book_trades_20250126.txt.gz", 55, 0, 0),
    ],
)
def test_recordings_of_others(
    shared_data: Path, name: str, frames: Any, skipped: int, steps_back: int
) -> None:
    path = shared_data / "raw" / name
    got, counts = read(path)
    assert (counts.frames, counts.skipped, counts.torn) == (frames, skipped, 0)
    assert counts.clock_steps_back == steps_back
    for _, frame in got:
        json.loads(frame)
