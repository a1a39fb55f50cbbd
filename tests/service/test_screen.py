from hypothesis import given, settings
from hypothesis import strategies as st

from service.screen import REMEMBERED, Screen
from streams.events import Flag, Kind, RowBuffer, Side, block_rows
from tests.reference.toy_venue import BTC

NS = 1_000_000_000
T0 = 1_700_000_000 * NS


def put(
    out: RowBuffer,
    *,
    kind: int = Kind.TRADE,
    at: int = 0,
    sequence: int = 0,
    quantity: float = 1.0,
    flags: int = 0,
    received: int = T0,
) -> None:
    out.floats(
        kind,
        Side.LONG,
        flags,
        BTC.id,
        T0 + at,
        received,
        sequence,
        100.0,
        quantity,
        100.0 * quantity,
    )


def test_rows_from_the_future_or_without_time_go_and_the_others_stay_in_order() -> None:
    out = RowBuffer(2)
    put(out, sequence=90, at=6 * NS)  # before `start`: not looked at
    for sequence, at in [(1, -5), (2, 6 * NS), (3, 0), (4, 5 * NS), (5, 5 * NS + 1), (6, -T0)]:
        put(out, sequence=sequence, at=at)
    reasons = Screen(5 * NS).sift(out, 1, 1)
    assert reasons == ["future", "future", "no_time"]
    assert block_rows(bytes(out.view()))["sequence"].tolist() == [90, 1, 3, 4]


def test_lag_is_of_the_first_live_price() -> None:
    screen, out = Screen(5 * NS), RowBuffer()
    put(out, kind=Kind.OPEN_INTEREST, at=-NS)
    put(out, at=-50, flags=Flag.SNAPSHOT)
    put(out, at=-7)
    put(out, at=-9)
    screen.sift(out, 0, 1)
    assert screen.lag_ns == 7
    out.clear()
    screen.sift(out, 0, 1)
    assert screen.lag_ns is None


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_two_connections_in_any_interleaving_leave_each_trade_once(data: st.DataObject) -> None:
    """Both deliver the same trades in order; whoever is first wins, nothing is lost."""
    total = data.draw(st.integers(0, 30))
    joined = data.draw(st.integers(0, total))  # the second connection starts here
    schedule = data.draw(st.permutations([1] * total + [2] * (total - joined)))
    screen, out, at = Screen(5 * NS), RowBuffer(), {1: 0, 2: joined}
    for connection in schedule:
        sequence = at[connection]
        if connection == 2 and at[1] < joined:
            continue  # not yet subscribed
        put(out, sequence=1000 + sequence, at=sequence)
        screen.sift(out, out.rows - 1, connection)
        at[connection] += 1
    while at[1] < total:
        put(out, sequence=1000 + at[1], at=at[1])
        screen.sift(out, out.rows - 1, 1)
        at[1] += 1
    got = block_rows(bytes(out.view()))["sequence"].tolist()
    assert sorted(got) == [1000 + i for i in range(total)]


def test_trades_sharing_a_sequence_on_one_connection_all_stay() -> None:
    screen, out = Screen(5 * NS), RowBuffer()
    for _ in range(3):
        put(out, sequence=5)
    assert screen.sift(out, 0, 1) == []
    start = out.rows
    put(out, sequence=5)
    assert screen.sift(out, start, 2) == ["duplicate"]


def test_a_sequence_that_restarts_is_taken_as_it_is() -> None:
    screen, out = Screen(5 * NS), RowBuffer()
    put(out, sequence=1_000_000, at=0)
    screen.sift(out, 0, 1)
    for i in range(1, 4):
        put(out, sequence=i, at=i)
        assert screen.sift(out, out.rows - 1, 2) == []


def test_liquidations_replayed_on_a_new_connection_are_dropped_real_twins_are_not() -> None:
    screen, out = Screen(5 * NS), RowBuffer()
    put(out, kind=Kind.LIQUIDATION)
    put(out, kind=Kind.LIQUIDATION)  # two positions of one size in one millisecond
    assert screen.sift(out, 0, 1) == []
    for expected in (["duplicate"], ["duplicate"], []):
        start = out.rows
        put(out, kind=Kind.LIQUIDATION, flags=Flag.SNAPSHOT, received=T0 + 9)
        assert screen.sift(out, start, 2) == expected
    start = out.rows
    put(out, kind=Kind.LIQUIDATION, quantity=2.0)
    assert screen.sift(out, start, 2) == []


def test_trades_without_sequence_are_compared_only_while_connections_overlap() -> None:
    screen, out = Screen(5 * NS), RowBuffer()
    screen.overlaps = 1
    for connection, expected in ((1, []), (2, ["duplicate"])):
        start = out.rows
        put(out, at=3)
        assert screen.sift(out, start, connection) == expected
    screen.overlaps = 0
    start = out.rows
    put(out, at=3)
    assert screen.sift(out, start, 3) == []


def test_history_is_never_a_duplicate() -> None:
    screen, out = Screen(5 * NS), RowBuffer()
    for connection in (1, 2):
        put(out, sequence=5, flags=Flag.BACKFILL)
        assert screen.sift(out, out.rows - 1, connection) == []


def test_memory_is_bounded() -> None:
    screen, out = Screen(5 * NS), RowBuffer()
    for i in range(3 * REMEMBERED):
        put(out, kind=Kind.LIQUIDATION, at=i)
        screen.sift(out, 0, 1)
        out.clear()
    copies = screen._copies
    assert len(copies._order) == len(copies._seen) == len(copies._passed) == REMEMBERED
