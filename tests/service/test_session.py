import random
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.session import (
    NS,
    TRANSITIONS,
    Backoff,
    Cause,
    ConnectPacer,
    Phase,
    Reconnect,
    Send,
    Session,
    Step,
    retry_delay_s,
)
from service.venue import ConnectionPlan
from streams.events import Channel
from tests.reference.toy_venue import BTC
from tests.reference.toy_venue import SPEC as TOY

T0 = 1_700_000_000 * NS


def make(
    *, subscribe: tuple[bytes, ...] = (b"a",), control: Channel = Channel.MARK, **spec: Any
) -> Session:
    plan = ConnectionPlan(
        path="/ws",
        subscribe=subscribe,
        channels=Channel.TRADE | Channel.MARK | Channel.LIQUIDATION,
        control=control,
        instruments=(BTC,),
    )
    facts = {"sends_per_s": 1.0, "silence_s": 10.0, **spec}
    return Session(plan, msgspec.structs.replace(TOY, **facts), now_ns=T0)


def at(seconds: float) -> int:
    return T0 + int(seconds * NS)


SILENT = [Reconnect(Cause.SILENT)]

# Each row: seconds, verb or frame name, what `due` returns then, phase after it.
STORIES = {
    "subscribe, ack, data": (
        {},
        [
            (0, "opened", [Send(b"a")], Phase.SUBSCRIBED),
            (1, "ack", [], Phase.SUBSCRIBED),
            (2, "mark", [], Phase.LIVE),
            (12, "due", [], Phase.LIVE),
            (12.1, "due", SILENT, Phase.CLOSED),
            (30, "due", [], Phase.CLOSED),
        ],
    ),
    "acks and pongs do not keep a silent connection": (
        {},
        [
            (0, "opened", [Send(b"a")], Phase.SUBSCRIBED),
            (4, "ack", [], Phase.SUBSCRIBED),
            (8, "pong", [], Phase.SUBSCRIBED),
            (10.1, "notice", SILENT, Phase.CLOSED),
        ],
    ),
    "channels outside the control set prove nothing": (
        {},
        [
            (0, "opened", [Send(b"a")], Phase.SUBSCRIBED),
            (5, "trade", [], Phase.SUBSCRIBED),
            (6, "ticker", [], Phase.LIVE),
            (16, "trade", [], Phase.LIVE),
            (16.1, "liquidation", SILENT, Phase.CLOSED),
        ],
    ),
    "subscriptions are paced, silence counts from the last": (
        {"subscribe": (b"a", b"b", b"c"), "silence_s": 1.5},
        [
            (0, "opened", [Send(b"a")], Phase.OPEN),
            (0.5, "mark", [], Phase.OPEN),
            (1, "due", [Send(b"b")], Phase.OPEN),
            (1.9, "due", [], Phase.OPEN),
            (2, "due", [Send(b"c")], Phase.SUBSCRIBED),
            (3.4, "due", [], Phase.SUBSCRIBED),
            (3.5, "mark", [], Phase.LIVE),
        ],
    ),
    "pings": (
        {"ping": b"ping", "ping_every_s": 4.0, "subscribe": ()},
        [
            (0, "opened", [], Phase.SUBSCRIBED),
            (4, "mark", [Send(b"ping")], Phase.LIVE),
            (4.5, "pong", [], Phase.LIVE),
            (8, "mark", [Send(b"ping")], Phase.LIVE),
        ],
    ),
    "rotation is asked for once and does not end the session": (
        {"lifetime_s": 100.0, "silence_s": 60.0},
        [
            (0, "opened", [Send(b"a")], Phase.SUBSCRIBED),
            (50, "mark", [], Phase.LIVE),
            (95, "mark", [Reconnect(Cause.ROTATE)], Phase.LIVE),
            (96, "mark", [], Phase.LIVE),
            (99, "closed", [], Phase.CLOSED),
            (100, "mark", [], Phase.CLOSED),
        ],
    ),
    "a refusal is the cause when data then fails to come": (
        {},
        [
            (0, "opened", [Send(b"a")], Phase.SUBSCRIBED),
            (1, "refused", [], Phase.SUBSCRIBED),
            (10.1, "due", [Reconnect(Cause.REFUSED)], Phase.CLOSED),
        ],
    ),
    "one refused symbol among good ones does no harm": (
        {},
        [
            (0, "opened", [Send(b"a")], Phase.SUBSCRIBED),
            (1, "refused", [], Phase.SUBSCRIBED),
            (2, "mark", [], Phase.LIVE),
            (11, "mark", [], Phase.LIVE),
        ],
    ),
    "nothing is due before the socket opens": (
        {},
        [(60, "due", [], Phase.CONNECTING), (61, "mark", [], Phase.CONNECTING)],
    ),
}


def tell(session: Session, verb: str, now_ns: int) -> None:
    if verb == "opened":
        session.opened(now_ns)
    elif verb == "refused":
        session.refused(now_ns)
    elif verb == "closed":
        session.closed()
    elif verb != "due":
        session.received(verb, now_ns)  # type: ignore[arg-type]  # names in the table


@pytest.mark.parametrize("story", STORIES)
def test_story(story: Any) -> None:
    options, rows = STORIES[story]
    session = make(**options)
    for seconds, verb, actions, phase in rows:
        tell(session, verb, at(seconds))
        assert session.due(at(seconds)) == actions, (seconds, verb)
        assert session.phase is phase, (seconds, verb)


def test_received_says_live_exactly_once() -> None:
    session = make()
    session.opened(at(0))
    session.due(at(0))
    said = [session.received(name, at(1)) for name in ("ack", "trade", "mark", "mark")]
    assert said == [False, False, True, False]


def test_two_clocks() -> None:
    session = make()
    session.opened(at(0))
    session.due(at(0))
    session.received("mark", at(1))
    session.received("pong", at(5))
    assert session.transport_ns == at(5)
    assert session.data_ns == at(1)


def test_live_channels_leave_out_a_control_channel_that_is_not_heard() -> None:
    session = make(control=Channel.MARK | Channel.TRADE)
    session.opened(at(0))
    session.due(at(0))
    assert session.live_channels(at(0)) == 0
    session.received("mark", at(1))
    assert session.live_channels(at(1)) == Channel.MARK, "a greeting proves no other channel"
    session.received("trade", at(2))
    assert session.live_channels(at(2)) == Channel.MARK | Channel.TRADE | Channel.LIQUIDATION
    for second in range(3, 34):
        session.received("mark", at(second))
    assert session.live_channels(at(33)) & Channel.TRADE, "one trade is no pace"
    assert session.oldest_ns == at(2)
    session.received("trade", at(34))
    assert session.live_channels(at(65)) & Channel.MARK == 0, "marks are never quiet for so long"


def test_a_plan_without_control_channel_is_refused() -> None:
    with pytest.raises(ValueError, match="no control channel"):
        make(control=Channel(0))


def test_transitions_lead_everywhere_and_end() -> None:
    assert {after for _, after in TRANSITIONS.items()} == set(Phase) - {Phase.CONNECTING}
    assert not [phase for phase, _ in TRANSITIONS if phase is Phase.CLOSED]
    assert {step for _, step in TRANSITIONS} == set(Step)


VERBS = st.sampled_from(["ack", "pong", "mark", "trade", "refused", "due", "opened"])


@settings(max_examples=80, deadline=None)
@given(
    story=st.lists(st.tuples(st.integers(0, 30 * NS), VERBS), max_size=40),
    frames=st.integers(0, 5),
)
def test_next_wake_never_misses_and_sends_are_paced(story: Any, frames: Any) -> None:
    session = make(
        subscribe=(b"a",) * frames, ping=b"p", ping_every_s=3.0, lifetime_s=200.0, sends_per_s=2.0
    )
    now = T0
    sends = []
    for wait, verb in story:
        wake = session.next_wake_ns(now)
        if session.phase not in {Phase.CONNECTING, Phase.CLOSED} and wake > now:
            # nothing may be due strictly before the wake-up
            assert session.due(wake - 1) == []
        now += wait
        tell(session, verb, now)
        sends.extend(now for action in session.due(now) if isinstance(action, Send))
    assert all(later - earlier >= NS // 2 for earlier, later in pairwise(sends))


def test_retry_delays() -> None:
    rng = random.Random(3)
    first = [retry_delay_s(0, rng) for _ in range(500)]
    assert 0.0 <= min(first) < 0.05
    assert 0.45 < max(first) <= 0.5
    late = [retry_delay_s(30, rng) for _ in range(2000)]
    assert min(late) >= 1.0
    assert 115.0 < max(late) <= 120.0
    assert 55.0 < sum(late) / len(late) < 65.0


@pytest.mark.parametrize("seed", range(200))
def test_a_venue_that_refuses_for_ten_minutes_is_asked_at_most_twenty_times(seed: int) -> None:
    backoff, now, tries = Backoff(random.Random(seed)), T0, []
    while now < at(600):
        backoff.tried(now)
        tries.append(now)
        now += backoff.delay_ns(now)
    assert len(tries) <= 20
    assert all(later - earlier >= NS for earlier, later in pairwise(tries[1:]))


def test_only_data_resets_the_backoff_and_the_venue_may_ask_for_more() -> None:
    backoff = Backoff(random.Random(1))
    for _ in range(10):
        backoff.tried(T0)
        backoff.delay_ns(T0)
    assert backoff.delay_ns(T0) >= NS
    backoff.reset()
    assert backoff.delay_ns(T0) <= NS // 2
    assert backoff.delay_ns(T0, at_least_s=300.0) >= 300 * NS


def test_pacer_spaces_all_plans_of_a_venue() -> None:
    pacer = ConnectPacer()
    waits = [pacer.reserve(T0) for _ in range(4)]
    assert waits == [0, NS, 2 * NS, 3 * NS]
    assert pacer.reserve(at(60)) == 0


def test_a_venue_that_says_it_will_close_is_left_in_time() -> None:
    session = make(silence_s=60.0)
    session.opened(at(0))
    session.due(at(0))
    session.received("mark", at(1))
    assert session.due(at(2)) == []
    session.received("leave", at(3))
    assert session.next_wake_ns(at(3)) <= at(3)
    assert session.due(at(3)) == [Reconnect(Cause.ROTATE)]
    assert session.due(at(4)) == [], "said once"
    assert session.phase is Phase.LIVE, "it serves on"


@pytest.mark.parametrize(
    ("good", "bad", "seconds", "wanted"),
    [
        (1900, 20, 50.0, True),
        (2100, 20, 50.0, False),  # less than a hundredth
        (0, 19, 50.0, False),  # too few to say
        (0, 40, 600.0, False),  # never so many in one minute
    ],
)
def test_a_connection_that_brings_rubbish_is_replaced(
    good: int, bad: int, seconds: float, wanted: bool
) -> None:
    session = make(silence_s=1e6)
    session.opened(at(0))
    session.due(at(0))
    names = ["mark"] * good + ["rubbish"] * bad
    random.Random(1).shuffle(names)
    actions = []
    for i, name in enumerate(names):
        now = at(1 + seconds * i / len(names))
        session.garbled(now) if name == "rubbish" else session.received("mark", now)
        if i > len(names) - 2:
            actions += session.due(now)
    assert actions == ([Reconnect(Cause.GARBLED)] if wanted else [])
    assert session.due(at(2 + seconds)) == [], "said once, and counted anew"


def test_trades_beside_marks_are_judged_by_their_own_pace() -> None:
    both = Channel.TRADE | Channel.MARK
    session = make(control=both)
    session.opened(at(0))
    session.due(at(0))
    session.received("mark", at(1))
    quiet = Channel.MARK | Channel.LIQUIDATION
    assert session.live_channels(at(1)) == Channel.MARK, "a greeting proves nothing"
    session.received("mark", at(2))
    assert session.live_channels(at(2)) == quiet, "no trade yet, and nothing else waits for one"
    session.received("trade", at(2))
    for hour in (1, 2, 3):
        session.received("mark", at(3600 * hour))
        assert session.live_channels(at(3600 * hour)) == quiet | Channel.TRADE, "a quiet contract"
    for i in range(100):
        session.received("trade", at(20_000 + i))
    session.received("mark", at(20_100))
    limit = 50 * (20_099 - 2) / 100
    assert session.live_channels(at(20_099 + limit - 1)) & Channel.TRADE
    session.received("mark", at(20_099 + limit + 1))
    assert session.live_channels(at(20_099 + limit + 1)) == quiet, "this one was not quiet"


def test_trades_alone_must_come() -> None:
    session = make(control=Channel.TRADE)
    session.opened(at(0))
    session.due(at(0))
    session.received("trade", at(1))
    assert session.live_channels(at(30)) & Channel.TRADE
    assert not session.live_channels(at(32)) & Channel.TRADE
