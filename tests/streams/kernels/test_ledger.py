import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.kernels.ledger import ledger, ledger_at, ledger_init, ledger_turn
from tests.reference.kernels.ledger import Ledger

COLUMNS = 3
JUMPS = st.one_of(st.integers(0, 2), st.integers(-3, 40))
SUMS = st.tuples(*[st.integers(-(2**60), 2**60)] * COLUMNS)


def write(book: np.void, bucket: int, sums: tuple[int, ...]) -> None:
    row = ledger_turn(book, bucket)
    for column, total in enumerate(sums):
        book["rows"][row, column] = total


@settings(max_examples=80, deadline=None)
@given(
    buckets=st.sampled_from([2, 5, 60]), start=st.sampled_from([0, -7, 1_780_000_000]),
    steps=st.lists(st.tuples(JUMPS, SUMS), max_size=25),
)  # fmt: skip
def test_sums_equal_brute_force_after_every_writing(
    buckets: int, start: int, steps: list[tuple[int, tuple[int, ...]]]
) -> None:
    book, slow, bucket = np.zeros(1, ledger(buckets, COLUMNS))[0], Ledger(), start
    for jump, sums in steps:
        bucket += jump
        write(book, bucket, sums)
        slow.write(bucket, sums)
        newest = int(book["last_bucket"])
        for asked in range(newest - buckets + 1, newest + 3):
            for column in range(COLUMNS):
                assert ledger_at(book, asked, column) == slow.at(asked, column)


def test_differences_are_exact_however_large_the_sums_have_grown() -> None:
    rng = np.random.default_rng(5)
    book = np.zeros(1, ledger(61, 1))[0]
    amounts = rng.integers(-(10**15), 10**15, 5000)
    total = 2**62
    for bucket, amount in enumerate(amounts):
        total += int(amount)
        write(book, bucket, (total,))
        if bucket >= 60:
            happened = total - ledger_at(book, bucket - 60, 0)
            assert happened == sum(int(a) for a in amounts[bucket - 59 : bucket + 1])


def test_a_skip_longer_than_the_ledger_leaves_what_stood_before() -> None:
    book = np.zeros(1, ledger(4, 2))[0]
    for bucket in range(4):
        write(book, bucket, (bucket, -bucket))
    write(book, 1_000_000, (9, -9))
    seen = [
        (ledger_at(book, 1_000_000 - b, 0), ledger_at(book, 1_000_000 - b, 1)) for b in range(4)
    ]
    assert seen == [(9, -9), (3, -3), (3, -3), (3, -3)]


def test_emptied_it_is_as_new() -> None:
    book = np.zeros(1, ledger(4, 2))[0]
    write(book, 7, (1, 2))
    ledger_init(book)
    assert book.tobytes() == np.zeros(1, ledger(4, 2))[0].tobytes()
