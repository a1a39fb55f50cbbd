"""JSON Schemas of what we say: signals, states, heatmaps. The files in `schemas/` are these, written out.

A signal's is that of its struct. A state's names every reading with its unit and meaning, from the table that
the readings are made of, so a new reading is in the schema as soon as it is anywhere.
"""

from typing import Any, Literal

import msgspec

from streams.signals import Evidence, MachineSide, Signal
from streams.state import READINGS

DRAFT = "https://json-schema.org/draft/2020-12/schema"
StateName = Literal["UNKNOWN", "CALM", "CROWDED", "FRAGILE", "CASCADE", "FLUSHED", "RESET"]


class MachineState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the machine of one side is, where it was before, and since when."""

    state: StateName
    previous: StateName
    since: str


class BreakerState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A breaker: at length while it is CANDIDATE or ACTIVE, else how many of its conditions hold."""

    name: Literal["LEVERAGE_RESET", "SPOT_ABSORPTION", "VOL_REGIME"]
    side: MachineSide
    status: Literal["INACTIVE", "CANDIDATE", "ACTIVE"]
    direction: Literal["up", "down"] | None
    since: str | None
    valid_until: str | None
    held_s: float
    hold_s: float
    passed: int
    unknown: int
    asked: int
    confidence: float | None
    coverage: float | None
    evidence: list[Evidence]


class Gate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A contract whose open interest was implausible, and how often."""

    venue: str
    instrument: str
    usd_trips: int
    volume_trips: int
    last: str


class Rate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The funding rate of one contract, simple yearly."""

    venue: str
    kind: Literal["linear", "inverse"]
    apr: float | None
    interval_h: float
    time: str


class FundingEnds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who pays most and who least."""

    highest: Rate
    lowest: Rate


class ReadingValue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reading; null is unknown."""

    value: float | None
    unit: str
    coverage: float | None
    quality: list[str]


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All readings, breakers and both machines of an underlying, each second."""

    schema: Literal["treadmill.state.v1"]
    symbol: str
    asof: str
    long: MachineState
    short: MachineState
    breakers: list[BreakerState]
    venues: list[str]
    gates: list[Gate]
    funding: FundingEnds | None
    readings: dict[str, ReadingValue]
    config_hash: str
    code_version: str


class Zone(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Neighbouring bins of the map that hold much."""

    low: float
    high: float
    distance_pct: float
    usd: float
    share: float


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A stretch of bins that hold anything: where it begins, counted from the edge, and each one's USD."""

    at: int
    usd: list[float]


class Ladder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One side of the map, from its edge outwards."""

    edge: float | None
    mass_coin: float
    mean_age_s: float | None
    runs: list[Run]
    zones: list[Zone]


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much of the map is real."""

    phi: float | None
    standard_error: float | None
    episodes: int
    calibrated: bool


class Score(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What scores do not fit a reading."""

    usd_slope: float | None
    pit_histogram: list[float]


class Heatmap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The liquidation heatmap of an underlying, all of it modelled."""

    schema: Literal["treadmill.heatmap.v1"]
    symbol: str
    asof: str
    price: float | None
    quality: list[str]
    bin_log_width: float
    long: Ladder
    short: Ladder
    calibration: Calibration
    score: Score
    config_hash: str
    code_version: str


def _document(kind: type[msgspec.Struct], name: str) -> dict[str, Any]:
    """Return the schema of a struct as a document of its own."""
    schema = msgspec.json.schema(kind)
    return {"$schema": DRAFT, "$id": f"urn:{name}", **schema}


def signal_schema() -> dict[str, Any]:
    """Return the schema of a signal."""
    return _document(Signal, "treadmill.signal.v1")


def heatmap_schema() -> dict[str, Any]:
    """Return the schema of a heatmap."""
    return _document(Heatmap, "treadmill.heatmap.v1")


def state_schema() -> dict[str, Any]:
    """Return the schema of a state with every reading by its name."""
    document = _document(State, "treadmill.state.v1")
    value = document["$defs"]["ReadingValue"]
    document["$defs"]["State"]["properties"]["readings"] = {
        "type": "object",
        "properties": {
            name: {
                "allOf": [{"$ref": "#/$defs/ReadingValue"}],
                "properties": {"unit": {"const": unit}},
                "description": meaning,
            }
            for name, unit, meaning in READINGS
        },
        "required": [name for name, _, _ in READINGS],
        "additionalProperties": False,
    }
    value["description"] = ReadingValue.__doc__
    return document


def schemas() -> dict[str, dict[str, Any]]:
    """Return every schema under the name of its file."""
    return {
        "treadmill.signal.v1.json": signal_schema(),
        "treadmill.state.v1.json": state_schema(),
        "treadmill.heatmap.v1.json": heatmap_schema(),
    }
