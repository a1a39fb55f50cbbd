"""Recorded frames, served again by the venue's own face: the wire as it was, the market as it was.

A recording holds lines ``<received ns> <raw json>``, gzipped if the name ends in .gz. Frames keep their
bytes, times included; only the moment of sending is ours.
"""

import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from service.clock import Clock
from service.simulator.exchange import Exchange
from service.simulator.wire import Frame

BATCH_FRAMES = 512


class BadRecording(Exception):  # noqa: N818
    """A file that is no recording. Says which line."""


class _Envelope(msgspec.Struct):
    """The parts of any venue's frame that name its stream."""

    stream: str = ""
    data: msgspec.Raw = msgspec.Raw()
    topic: str = ""
    arg: dict[str, str] | None = None
    e: str = ""
    s: str = ""


_decode = msgspec.json.Decoder(_Envelope).decode
_BARE = {"aggTrade": "aggTrade", "trade": "trade", "bookTicker": "bookTicker",
         "markPriceUpdate": "markPrice@1s"}  # fmt: skip


def recorded_frame(raw: bytes) -> Frame:
    """Return a recorded message as a frame of the stream it belonged to ("" if it says none).

    >>> recorded_frame(b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade"}}').payload
    b'{"e":"aggTrade"}'
    """
    try:
        parts = _decode(raw)
    except msgspec.DecodeError:
        return Frame("", "recorded", raw, wrapped=raw)
    if parts.stream:
        return Frame(parts.stream, "recorded", bytes(parts.data), wrapped=raw)
    if parts.topic:
        return Frame(parts.topic, "recorded", raw)
    if parts.arg:
        name = parts.arg.get("instId") or parts.arg.get("instType", "")
        return Frame(f"{parts.arg.get('channel', '')}:{name}", "recorded", raw)
    if parts.e in _BARE:
        return Frame(f"{parts.s.lower()}@{_BARE[parts.e]}", "recorded", raw)
    return Frame("", "recorded", raw, wrapped=raw)


def read_recording(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield (received ns, raw message) in file order.

    Raises:
        BadRecording: a line has no time before its message.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as lines:
        for number, line in enumerate(lines, 1):
            stamp, _, raw = bytes(line).strip().partition(b" ")
            if not stamp:
                continue
            if not stamp.isdigit() or not raw:
                raise BadRecording(f"{path}:{number}: not '<ns> <raw json>'")
            yield int(stamp), raw


class RecordedFeed:
    """Plays files through an exchange.

    `speed` multiplies the recording's own pace; None plays as fast as the clients take it. With
    `everyone`, frames go to every connection whatever it asked for.
    """

    def __init__(
        self,
        exchange: Exchange,
        paths: Sequence[Path],
        *,
        speed: float | None = 1.0,
        everyone: bool = False,
    ) -> None:
        self.played = 0
        self._exchange = exchange
        self._paths = paths
        self._speed = speed
        self._everyone = everyone

    async def play(self, clock: Clock) -> int:
        """Play every file to its end and return the number of frames played."""
        for path in self._paths:
            await self._play_file(path, clock)
        await self._exchange.drained()
        return self.played

    async def _play_file(self, path: Path, clock: Clock) -> None:
        began_ns, first_ns, batch = clock.now_ns(), 0, list[Frame]()
        for at_ns, raw in read_recording(path):
            first_ns = first_ns or at_ns
            if self._speed is not None:
                due_ns = began_ns + int((at_ns - first_ns) / self._speed)
                if due_ns > clock.now_ns():
                    self._flush(batch)
                    await clock.sleep((due_ns - clock.now_ns()) / 1e9)
            batch.append(recorded_frame(raw))
            if len(batch) == BATCH_FRAMES:
                self._flush(batch)
                await self._exchange.drained(BATCH_FRAMES)
        self._flush(batch)

    def _flush(self, batch: list[Frame]) -> None:
        self.played += len(batch)
        self._exchange.broadcast(batch, everyone=self._everyone)
        batch.clear()
