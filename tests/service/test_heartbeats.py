import math
import random
import statistics

import numpy as np
import pytest

from service.heartbeats import NS, Feeds, SignMedian
from streams.events import VIEWS, Channel, DownReason, Kind, RowBuffer, block_rows
from tests.reference.toy_venue import BTC, ETH

T0 = 1_700_000_000 * NS
BOTH = Channel.TRADE | Channel.MARK


def rows(out: RowBuffer) -> list[tuple[int, ...]]:
    """Return (kind, instrument, payload...) of all rows and clear the buffer."""
    got = []
    for row in block_rows(bytes(out.view())):
        typed = np.frombuffer(row.tobytes(), dtype=VIEWS[Kind(int(row["kind"]))])[0]
        payload = [int(typed[name]) for name in typed.dtype.names[8:]]
        got.append((Kind(int(row["kind"])), int(row["instrument"]), *payload))
    out.clear()
    return got


@pytest.fixture
def out() -> RowBuffer:
    """Return an empty buffer."""
    return RowBuffer()


def test_up_down_gap_for_every_instrument(out: RowBuffer) -> None:
    feeds = Feeds(out)
    feeds.add("socket", (BTC, ETH), BOTH)
    feeds.report("socket", BOTH, T0)
    assert rows(out) == [(Kind.FEED_UP, one.id, BOTH, 0, T0) for one in (BTC, ETH)]
    feeds.report("socket", BOTH, T0 + 5)
    assert rows(out) == []
    feeds.report("socket", Channel(0), T0 + 20, reason=DownReason.CLOSED, since_ns=T0 + 10)
    assert rows(out) == [
        (Kind.FEED_DOWN, one.id, BOTH, DownReason.CLOSED, T0 + 10) for one in (BTC, ETH)
    ]
    feeds.report("socket", Channel(0), T0 + 30, reason=DownReason.REFUSED)
    assert rows(out) == []  # still down, already said
    feeds.report("socket", BOTH, T0 + 50)
    assert rows(out) == [
        *[(Kind.GAP, one.id, BOTH, T0 + 10, T0 + 50) for one in (BTC, ETH)],
        *[(Kind.FEED_UP, one.id, BOTH, 0, T0 + 50) for one in (BTC, ETH)],
    ]


def test_channels_go_and_come_one_by_one_with_their_own_gaps(out: RowBuffer) -> None:
    feeds = Feeds(out)
    feeds.add("socket", (BTC,), BOTH)
    feeds.report("socket", BOTH, T0)
    feeds.report("socket", Channel.MARK, T0 + 30, since_ns=T0 + 3)
    feeds.report("socket", Channel(0), T0 + 40, reason=DownReason.CLOSED, since_ns=T0 + 35)
    rows(out)
    feeds.report("socket", BOTH, T0 + 60)
    assert rows(out) == [
        (Kind.GAP, BTC.id, Channel.TRADE, T0 + 3, T0 + 60),
        (Kind.GAP, BTC.id, Channel.MARK, T0 + 35, T0 + 60),
        (Kind.FEED_UP, BTC.id, BOTH, 0, T0 + 60),
    ]


def test_a_loss_begins_where_what_came_last_ended(out: RowBuffer) -> None:
    """What came last may have been on its way for longer than usual: what followed it is lost."""
    feeds = Feeds(out)
    feeds.add("socket", (BTC,), BOTH)
    for _ in range(20):
        feeds.observe(2 * NS)
    feeds.report("socket", BOTH, T0)
    feeds.observe(9 * NS)
    usual_ns = int(feeds.lag_s * NS)
    rows(out)
    feeds.report(
        "socket", Channel(0), T0 + 60 * NS, reason=DownReason.CLOSED, since_ns=T0 + 50 * NS
    )
    assert rows(out) == [(Kind.FEED_DOWN, BTC.id, BOTH, DownReason.CLOSED, T0 + 41 * NS)]
    feeds.observe(2 * NS)
    feeds.report("socket", BOTH, T0 + 70 * NS)
    gap = rows(out)[0]
    assert gap[:3] == (Kind.GAP, BTC.id, BOTH)
    assert abs(gap[3] - (T0 + 41 * NS)) < NS // 10, "the estimate has moved a little"
    assert abs(gap[4] - (T0 + 70 * NS - usual_ns)) < NS // 10


def test_what_was_never_up_is_down_only_with_a_reason(out: RowBuffer) -> None:
    feeds = Feeds(out)
    feeds.add("socket", (BTC,), BOTH)
    feeds.report("socket", Channel(0), T0)
    assert rows(out) == []
    feeds.report("socket", Channel(0), T0 + 9, reason=DownReason.REFUSED, since_ns=T0)
    assert rows(out) == [(Kind.FEED_DOWN, BTC.id, BOTH, DownReason.REFUSED, T0)]


def test_heartbeats_join_all_sources_of_an_instrument(out: RowBuffer) -> None:
    feeds = Feeds(out)
    feeds.add("socket", (BTC, ETH), BOTH)
    feeds.add("poll", (BTC,), Channel.OPEN_INTEREST)
    feeds.beat(T0)
    assert rows(out) == [(Kind.HEARTBEAT, one.id, 0, 0, T0) for one in (BTC, ETH)]
    feeds.report("socket", BOTH, T0 + 1)
    feeds.report("poll", Channel.OPEN_INTEREST, T0 + 1)
    rows(out)
    for now in (T0 + 2, T0 + 3):
        feeds.beat(now)
        assert rows(out) == [
            (Kind.HEARTBEAT, BTC.id, BOTH | Channel.OPEN_INTEREST, 0, T0 + 2),
            (Kind.HEARTBEAT, ETH.id, BOTH, 0, T0 + 2),
        ]


def test_a_poll_that_hangs_expires_by_itself_and_recovers_with_a_gap(out: RowBuffer) -> None:
    feeds = Feeds(out)
    feeds.add("poll", (BTC,), Channel.OPEN_INTEREST)
    feeds.expect("poll", T0 + 30)
    feeds.report("poll", Channel.OPEN_INTEREST, T0)
    rows(out)
    feeds.beat(T0 + 30)
    assert rows(out)[-1] == (Kind.HEARTBEAT, BTC.id, Channel.OPEN_INTEREST, 0, T0 + 30)
    feeds.beat(T0 + 31)
    down, beat = rows(out)
    assert down == (
        Kind.FEED_DOWN, BTC.id, Channel.OPEN_INTEREST, DownReason.SILENT, T0 + 30,
    )  # fmt: skip
    assert beat[2] == 0
    feeds.expect("poll", T0 + 90)
    feeds.report("poll", Channel.OPEN_INTEREST, T0 + 60)
    assert [row[0] for row in rows(out)] == [Kind.GAP, Kind.FEED_UP]


def test_rows_carry_the_venues_estimated_time(out: RowBuffer) -> None:
    feeds = Feeds(out)
    feeds.add("socket", (BTC,), BOTH)
    assert feeds.venue_ns(T0) == T0
    for _ in range(50):
        feeds.observe(120_000_000)
    feeds.beat(T0)
    row = block_rows(bytes(out.view()))[0]
    assert int(row["received_ns"]) == T0
    assert int(row["exchange_ns"]) == pytest.approx(T0 - 120_000_000, abs=1000)


@pytest.mark.parametrize("centre", [0.05, -1.27, 3.0])
def test_median_finds_the_middle_and_outliers_do_not_move_it(centre: float) -> None:
    rng = random.Random(4)
    median = SignMedian()
    assert math.isnan(median.value)
    values = [centre + rng.lognormvariate(-4.0, 0.6) for _ in range(4000)]
    for i, x in enumerate(values):
        median.update(3600.0 if i % 50 == 17 else x)
    assert median.value == pytest.approx(statistics.median(values), abs=0.004)


def test_median_follows_a_shift() -> None:
    median = SignMedian()
    rng = random.Random(5)
    for _ in range(500):
        median.update(0.1 + rng.gauss(0.0, 0.01))
    for _ in range(3000):
        median.update(0.5 + rng.gauss(0.0, 0.01))
    assert median.value == pytest.approx(0.5, abs=0.02)
