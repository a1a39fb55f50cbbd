"""Cumulative sums at the end of a bucket, from the list of all that was written."""


class Ledger:
    """Every writing is kept, as (bucket, sums)."""

    def __init__(self) -> None:
        self.written: list[tuple[int, tuple[int, ...]]] = []

    def write(self, bucket: int, sums: tuple[int, ...]) -> None:
        """Record the sums as they stand in `bucket`, or in the newest one if that is later."""
        newest = self.written[-1][0] if self.written else bucket
        self.written.append((max(bucket, newest), sums))

    def at(self, bucket: int, column: int) -> int:
        """Return what a sum was at the end of `bucket`."""
        known = [sums for at, sums in self.written if at <= bucket]
        return known[-1][column] if known else 0
