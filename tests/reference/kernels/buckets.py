"""Sums over a window of whole buckets by looking at everything that was ever added."""


class SlowBuckets:
    """Keeps all additions with their bucket."""

    def __init__(self, buckets: int) -> None:
        self.buckets = buckets
        self.added: list[tuple[int, int, float]] = []
        self.first: int | None = None
        self.now = 0

    def move(self, bucket: int) -> None:
        """Let the window end in `bucket`, never earlier than before."""
        if self.first is None:
            self.first = self.now = bucket
        self.now = max(self.now, bucket)

    def add(self, flow: int, x: float) -> None:
        """Add to the newest bucket."""
        self.added.append((self.now, flow, x))

    def sum(self, flow: int) -> float:
        """Return what the window's buckets hold."""
        oldest = self.now - self.buckets + 1
        return sum(x for at, f, x in self.added if f == flow and at >= oldest)

    def full(self) -> bool:
        """Return whether the whole window was watched."""
        return self.first is not None and self.now - self.first >= self.buckets - 1
