"""Rings of many cumulative sums that share one clock: what happened in a window, for all of them at once.

A row holds what every sum was at the end of a bucket; a bucket is a whole number, normally time // w, and its
row is `bucket % B`. Sums only ever grow by what happens, in whole units (cents, nanoseconds), so the
difference of two rows is exactly what happened between, whatever came before. A window's start is found to
within one bucket: the window is at most that much too short.

Buckets skipped are given the sums of the bucket before. Before the first bucket nothing had happened: what is
asked of then is 0, so callers ask for no more than the B - 1 buckets before the newest. Zero bytes are a
valid empty ledger.
"""

import numpy as np

from streams.kernels.jit import Record, kernel


def ledger(buckets: int, columns: int) -> np.dtype[np.void]:
    """Return the record type of a ledger of `columns` sums over `buckets` buckets.

    >>> ledger(10, 3).itemsize
    256
    """
    return np.dtype([("rows", "i8", (buckets, columns)), ("last_bucket", "i8"), ("count", "i8")])


@kernel
def ledger_init(book: Record) -> None:
    """Empty a ledger.

    >>> book = np.zeros(1, ledger(3, 1))[0]
    >>> book["rows"][ledger_turn(book, 7), 0] = 5
    >>> ledger_init(book)
    >>> ledger_at(book, 7, 0)
    0
    """
    book.rows[:, :] = 0
    book.last_bucket = 0
    book.count = 0


@kernel
def ledger_turn(book: Record, bucket: int) -> int:
    """Move on to `bucket` and return the row to be written; an older bucket gets the newest row.

    >>> book = np.zeros(1, ledger(4, 1))[0]
    >>> for bucket, total in ((10, 3), (12, 8), (11, 9)):
    ...     book["rows"][ledger_turn(book, bucket), 0] = total
    >>> [ledger_at(book, bucket, 0) for bucket in (9, 10, 11, 12, 99)]
    [0, 3, 3, 9, 9]
    """
    size, columns = book.rows.shape
    if book.count == 0:
        book.last_bucket = bucket
        book.count = 1
    elif bucket > book.last_bucket:
        carried = book.last_bucket % size
        steps = min(bucket - book.last_bucket, size)
        for back in range(steps):
            row = (bucket - back) % size
            for column in range(columns):
                book.rows[row, column] = book.rows[carried, column]
        book.count = min(book.count + steps, size)
        book.last_bucket = bucket
    return int(book.last_bucket % size)


@kernel
def ledger_at(book: Record, bucket: int, column: int) -> int:
    """Return a sum at the end of `bucket`, 0 before the first one.

    >>> ledger_at(np.zeros(1, ledger(4, 2))[0], 10, 1)
    0
    """
    if bucket <= book.last_bucket - book.count or book.count == 0:
        return 0
    return int(book.rows[min(bucket, book.last_bucket) % book.rows.shape[0], column])
