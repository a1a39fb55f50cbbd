"""The public contract: a signal, its evidence, its deterministic id, its JSON.

A signal is a fact about the log, so everything in it but `emitted` and `latency_ms` follows from the log
alone, and a signal made twice is the same record. Delivery is at least once; consumers drop ids they know.
"""

from datetime import UTC, datetime
from typing import Literal
from uuid import UUID, uuid5

import msgspec

SCHEMA = "treadmill.signal.v1"
_NAMESPACE = UUID("5f0c3c7e-6d0f-5b52-9f4f-7472656164ff")

SignalKind = Literal["state", "breaker", "burst", "data_quality", "heartbeat"]
MachineSide = Literal["long", "short", "both"]
Op = Literal["<=", ">=", "<", ">", "=="]
KINDS: tuple[SignalKind, ...] = ("state", "breaker", "burst", "data_quality", "heartbeat")


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One condition behind a signal: what was measured, against what, and by how much it passed."""

    metric: str
    value: float | None
    op: Op
    threshold: float | None  # None: the usual level it is measured against is unknown
    passed: bool | None  # None: the value is unknown, or still warming up
    quality: list[str]
    coverage: float | None
    margin_sd: float | None = (
        None  # distance to the threshold in standard deviations, positive if passed
    )


class BreakerNote(msgspec.Struct, frozen=True, kw_only=True):
    """A breaker that is not INACTIVE, in a few words: what its own signals say at length."""

    name: str
    side: MachineSide
    status: str
    direction: Literal["up", "down"] | None
    since: str
    valid_until: str
    confidence: float | None


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """What Treadmill says. Times are RFC 3339 with nanoseconds, in the log's clock."""

    schema: str = SCHEMA
    id: str
    seq: int
    kind: SignalKind
    symbol: str
    side: MachineSide
    name: str
    status: str
    previous: str | None
    asof: str
    since: str
    valid_until: str | None
    trigger_event_ts: str | None
    evidence: list[Evidence]
    context: dict[str, float | None]
    breakers: list[BreakerNote] = []  # of states and heartbeats: what is at work on this side
    venues: list[str] = []  # of bursts: who has printed
    confidence: float | None = (
        None  # of breakers: how clearly conditions hold, not how likely it is right
    )
    p_calibrated: float | None = None  # None until an evaluation is loaded
    eval_ref: str | None = None  # that evaluation
    coverage: float | None
    quality: list[str]
    config_hash: str
    code_version: str
    replay: bool
    supersedes: str | None = (
        None  # id of the last signal of this symbol, side and name, if it is replaced
    )
    emitted: str | None = None  # set at the process edge, not part of the fact
    latency_ms: dict[str, float] | None = None  # as above


def signal_id(
    symbol: str, side: str, kind: str, seq: int, *, origin_ns: int = 0, config_hash: str = ""
) -> str:
    """Return the id of the `seq`-th signal of a symbol: the same whoever computes it.

    A symbol is counted from its first tick, `origin_ns`, under one configuration: a log that begins
    elsewhere, or other thresholds, say other things and so have other ids.

    >>> signal_id("BTC", "long", "state", 1) == signal_id("BTC", "long", "state", 1)
    True
    """
    return str(uuid5(_NAMESPACE, f"{symbol}|{side}|{kind}|{seq}|{origin_ns}|{config_hash}"))


def rfc3339(ns: int) -> str:
    """Return nanoseconds since the epoch as UTC text.

    >>> rfc3339(1_700_000_000_123_456_789)
    '2023-11-14T22:13:20.123456789Z'
    """
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Signal)


def encode(signal: Signal) -> bytes:
    """Return the signal as one line of JSON."""
    return _encoder.encode(signal)


def decode(line: bytes) -> Signal:
    """Read a signal back.

    Raises:
        msgspec.ValidationError: the bytes are no signal of this schema.
    """
    return _decoder.decode(line)


def fact(signal: Signal) -> bytes:
    """Return the signal's bytes without emit time and latency: equal facts have equal bytes."""
    return _encoder.encode(msgspec.structs.replace(signal, emitted=None, latency_ms=None))
