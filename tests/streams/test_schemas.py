"""The published schemas are current (`TREADMILL_WRITE_DOCS=1` rewrites them), and what is said fits them."""

import copy
import json
import os
from typing import Any

import msgspec
import pytest

from streams.engine import Engine
from streams.schemas import schemas
from streams.signals import Signal, encode
from tests.conftest import ROOT
from tests.reference.log import market
from tests.reference.schema import Validator
from tests.streams.test_engine import FAST

FOLDER = ROOT / "streams" / "schemas"
SIGNAL, STATE, HEATMAP = (f"treadmill.{name}.v1.json" for name in ("signal", "state", "heatmap"))


@pytest.fixture(scope="module")
def said() -> tuple[Engine, list[Signal]]:
    """Return an engine that has seen a stormy market, and what it has said."""
    engine = Engine(FAST)
    return engine, engine.fold(market(7, 320), 0)


def check(name: str, value: Any) -> list[str]:
    return Validator(schemas()[name]).errors(value)


@pytest.mark.parametrize("name", sorted(schemas()))
def test_the_file_is_current(name: str) -> None:
    path, text = FOLDER / name, json.dumps(schemas()[name], indent=1) + "\n"
    if os.environ.get("TREADMILL_WRITE_DOCS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text
    assert {one.name for one in FOLDER.iterdir()} == set(schemas())


def test_every_signal_fits(said: tuple[Engine, list[Signal]]) -> None:
    kinds = set()
    for signal in said[1]:
        kinds.add(signal.kind)
        assert check(SIGNAL, json.loads(encode(signal))) == []
    assert kinds >= {"state", "burst", "data_quality", "heartbeat"}


def test_states_and_heatmaps_fit(said: tuple[Engine, list[Signal]]) -> None:
    engine = said[0]
    for symbol in engine.underlyings():
        state = json.loads(msgspec.json.encode(engine.state(symbol)))
        assert check(STATE, state) == []
        assert len(state["breakers"]) == 5
        assert check(HEATMAP, json.loads(msgspec.json.encode(engine.heatmap(symbol)))) == []


def test_what_does_not_fit_is_found(said: tuple[Engine, list[Signal]]) -> None:
    good = json.loads(encode(said[1][0]))
    for key, value in (
        ("kind", "rumour"),
        ("side", 1),
        ("seq", "1"),
        ("evidence", {}),
        ("extra", 0),
    ):
        assert check(SIGNAL, {**good, key: value}) != []
    assert check(SIGNAL, {k: v for k, v in good.items() if k != "id"}) != []
    state = json.loads(msgspec.json.encode(said[0].state("BTC")))
    for change in ({"unit": "bananas"}, {"value": "high"}, {"more": 1}):
        odd = copy.deepcopy(state)
        odd["readings"]["price"] |= change
        assert check(STATE, odd) != []
    odd = copy.deepcopy(state)
    del odd["readings"]["oi_z"]
    assert check(STATE, odd) != []
