import json
import uuid
from datetime import datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.config import MethodConfig
from streams.engine import Engine
from streams.signals import Evidence, Signal, decode, encode, fact, rfc3339, signal_id
from tests.reference.log import market

SAID = Engine(MethodConfig(), replay=True).fold(market(3, 200), 0)
finite = st.none() | st.floats(allow_nan=False, allow_infinity=False)
evidences = st.builds(
    Evidence,
    metric=st.text(max_size=10), value=finite, op=st.sampled_from(["<=", ">=", "<", ">", "=="]),
    threshold=finite, passed=st.none() | st.booleans(), quality=st.lists(st.text(max_size=5), max_size=3),
    coverage=finite,
)  # fmt: skip
signals = st.builds(
    Signal,
    id=st.uuids().map(str), seq=st.integers(0, 2**60),
    kind=st.sampled_from(["state", "burst", "data_quality", "heartbeat"]),
    symbol=st.text(max_size=12), side=st.sampled_from(["long", "short", "both"]), name=st.text(max_size=9),
    status=st.text(max_size=9), previous=st.none() | st.text(max_size=9), asof=st.text(max_size=9),
    since=st.text(max_size=9), valid_until=st.none() | st.text(max_size=9),
    trigger_event_ts=st.none() | st.text(max_size=9), evidence=st.lists(evidences, max_size=3),
    context=st.dictionaries(st.text(max_size=9), finite, max_size=4), coverage=finite,
    quality=st.lists(st.text(max_size=9), max_size=2), config_hash=st.text(max_size=9),
    code_version=st.text(max_size=9), replay=st.booleans(), emitted=st.none() | st.text(max_size=9),
    latency_ms=st.none() | st.dictionaries(st.text(max_size=9), st.floats(0, 1e6), max_size=2),
)  # fmt: skip


@given(signals)
def test_json_and_back(signal: Signal) -> None:
    line = encode(signal)
    assert decode(line) == signal
    assert b"\n" not in line
    assert json.loads(line)["schema"] == "treadmill.signal.v1"


@given(signals, st.text(max_size=5), st.floats(0, 1e3))
def test_a_fact_does_not_know_when_it_was_said(signal: Signal, when: str, ms: float) -> None:
    again = msgspec.structs.replace(signal, emitted=when, latency_ms={"recv_to_emit": ms})
    assert fact(again) == fact(signal)
    assert decode(fact(again)).emitted is None


@pytest.mark.parametrize("line", [b"{}", b"[]", b'{"schema":1}', b"not json", b""])
def test_other_bytes_are_refused(line: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode(line)


@given(st.integers(0, 2**62))
def test_times_are_read_back_to_the_nanosecond(ns: int) -> None:
    text = rfc3339(ns)
    whole, fraction = text.removesuffix("Z").split(".")
    seconds = int(datetime.fromisoformat(whole + "+00:00").timestamp())
    assert seconds * 10**9 + int(fraction) == ns


def test_ids_are_deterministic_and_distinct() -> None:
    parts = [
        (c, s, k, n)
        for c in ("BTC", "ETH")
        for s in ("long", "both")
        for k in ("state", "burst")
        for n in range(9)
    ]
    ids = {signal_id(*p) for p in parts}
    assert len(ids) == len(parts)
    # pinned: a consumer remembers ids across our versions
    expected = uuid.uuid5(uuid.UUID("5f0c3c7e-6d0f-5b52-9f4f-7472656164ff"), "BTC|long|state|7|5|c")
    assert signal_id("BTC", "long", "state", 7, origin_ns=5, config_hash="c") == str(expected)


def test_an_engine_numbers_its_signals_without_holes_and_puts_the_log_in_them() -> None:
    assert len(SAID) > 50
    for symbol in ("BTC", "ETH"):
        own = [s for s in SAID if s.symbol == symbol]
        assert [s.seq for s in own] == list(range(1, len(own) + 1))
        assert [s.asof for s in own] == sorted(s.asof for s in own)
    for s in SAID:
        start = min(t.asof for t in SAID if t.symbol == s.symbol)  # the first tick says UNKNOWN
        origin_ns = int(datetime.fromisoformat(start).timestamp()) * 10**9
        assert s.id == signal_id(
            s.symbol, s.side, s.kind, s.seq, origin_ns=origin_ns, config_hash=s.config_hash
        )
        assert decode(encode(s)) == s
        assert s.emitted is None
        assert s.replay
        assert s.config_hash == MethodConfig().hash()
        assert s.since <= s.asof
        assert s.trigger_event_ts == s.asof
    assert len({s.id for s in SAID}) == len(SAID)
