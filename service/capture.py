"""Raw frames to a file and back.

A line is ``<received_ns> <frame>``; files are gzip. Recordings of others are read as well: the same line by
another recorder, and cryptofeed's ``<seconds>: <frame>``. Whatever is no frame is skipped and counted.
"""

import gzip
import re
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from zlib import error as zlib_error

import msgspec

from streams.instruments import Instrument

_OURS: Final = re.compile(rb"(\d{16,19}) (.*)", re.DOTALL)
_CRYPTOFEED: Final = re.compile(rb"(\d{9,11})(?:\.(\d{1,9})\d*)?: (.*)", re.DOTALL)
_SPECIFICATION: Final = b"#instrument "
#: A longer line is no frame.
LINE_MAX: Final = 64 << 20
#: Frames between flushes to disk: what a killed recorder loses at most.
FLUSH_FRAMES: Final = 256


class CaptureCounts(msgspec.Struct):
    """What reading a capture met. `clock_steps_back` are frames older than the one before them."""

    frames: int = 0
    skipped: int = 0
    clock_steps_back: int = 0
    torn: int = 0  # 1: the file ends in the middle of its compression


class CaptureWriter:
    """Writes frames to a gzip file. Use it in a ``with``."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = gzip.open(path, "wb", compresslevel=5)  # noqa: SIM115 - closed by `close`
        self.frames = 0

    def write(self, received_ns: int, frame: bytes) -> None:
        """Add a frame. Line breaks in it can only be white space of its JSON and become spaces."""
        flat = frame.replace(b"\n", b" ").replace(b"\r", b" ")
        self._file.write(b"%d %b\n" % (received_ns, flat))
        self.frames += 1
        if self.frames % FLUSH_FRAMES == 0:
            self._file.flush()

    def instruments(self, instruments: Iterable[Instrument]) -> None:
        """Write contract specifications, so that the file can be replayed without asking anybody."""
        for one in instruments:
            self._file.write(_SPECIFICATION + msgspec.json.encode(one) + b"\n")

    def close(self) -> None:
        """Finish the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def parse_line(line: bytes) -> tuple[int, bytes] | None:
    """Return (received_ns, frame), or None if the line holds no frame.

    >>> parse_line(b'1723161255030314667 {"e":1}')
    (1723161255030314667, b'{"e":1}')
    >>> parse_line(b"1626916403.8469708: [1]")
    (1626916403846970800, b'[1]')
    >>> parse_line(b"wss://example.com/ws <-> 1626916403.8") is None
    True
    """
    line = line.strip()
    if match := _OURS.fullmatch(line):
        # a frame of ours is whatever came: keep-alives of some venues are bare words
        return (int(match[1]), match[2]) if match[2] else None
    if match := _CRYPTOFEED.fullmatch(line):
        received_ns = int(match[1]) * 1_000_000_000 + int((match[2] or b"").ljust(9, b"0"))
        return (received_ns, match[3]) if match[3][:1] in {b"{", b"["} else None
    return None


def _lines(file: gzip.GzipFile | BufferedReader, counts: CaptureCounts) -> Iterator[bytes]:
    while True:
        try:
            line = file.readline(LINE_MAX)
        except (EOFError, zlib_error, gzip.BadGzipFile):
            counts.torn = 1
            return
        if not line:
            return
        yield line


def read_capture(path: Path, counts: CaptureCounts) -> Iterator[tuple[int, bytes]]:
    """Yield (received_ns, frame) in the file's order; received times are used as they are.

    Raises:
        OSError: the file cannot be opened.
    """
    last_ns = 0
    with path.open("rb") as raw:
        gzipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        with gzip.GzipFile(fileobj=raw) if gzipped else raw as file:
            for line in _lines(file, counts):
                parsed = parse_line(line)
                if parsed is None:
                    counts.skipped += 1
                    continue
                counts.frames += 1
                counts.clock_steps_back += parsed[0] < last_ns
                last_ns = parsed[0]
                yield parsed


def read_instruments(path: Path) -> list[Instrument]:
    """Return the contract specifications a capture carries, in the order of their symbols."""
    found: dict[str, Instrument] = {}
    with path.open("rb") as raw:
        gzipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        with gzip.GzipFile(fileobj=raw) if gzipped else raw as file:
            for line in _lines(file, CaptureCounts()):
                if line.startswith(_SPECIFICATION):
                    one = msgspec.json.decode(line[len(_SPECIFICATION) :], type=Instrument)
                    found[one.symbol] = one
    return [found[symbol] for symbol in sorted(found)]


def guess_venue(path: Path, known: Iterable[str]) -> str | None:
    """Return the known venue that the file's or a folder's name begins with, nearest and longest first.

    >>> guess_venue(Path("raw/binance_usdm/btcusdt_20240808.txt.gz"), ["binance_usdm", "okx"])
    'binance_usdm'
    """
    names = sorted(known, key=len, reverse=True)
    for part in reversed(path.parts):
        for name in names:
            rest = part.lower().removeprefix(name)
            if rest != part.lower() and not rest[:1].isalnum():
                return name
    return None
