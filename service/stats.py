"""What ingestion counts, and the plain in-memory counter.

Everything that arrives is accounted for: a frame is understood or rejected with a reason, a row is
published, rejected or a duplicate. Telemetry implements the same protocol with Prometheus series.
"""

from collections import Counter
from typing import Protocol


class IngestStats(Protocol):
    """Where ingestion reports. Called in the hot loop: implementations only add numbers.

    `reason`, `event` and `outcome` are short words from a fixed set, fit for metric labels.
    """

    def frame(self, venue: str, name: str, rows: int) -> None:
        """A websocket frame or REST body was understood as `name` and left `rows` rows."""
        ...

    def reject(self, venue: str, reason: str) -> None:
        """A frame or a row was refused: malformed, oversized, future, unexpected ..."""
        ...

    def duplicate(self, venue: str) -> None:
        """A row had already come over another connection."""
        ...

    def missing(self, venue: str, outcome: str, trades: int) -> None:
        """Trades did not come: `found` missing, then `filled`, `lost`, or `foreign`: no trades of ours."""
        ...

    def listing(self, venue: str, event: str, contracts: int) -> None:
        """Contracts were `listed`, `delisted` or `respecified` while running, or found `unmapped`."""
        ...

    def connection(self, venue: str, event: str) -> None:
        """A connection did something: connect, live, rotate, or why it ended."""
        ...

    def request(self, venue: str, outcome: str) -> None:
        """A REST request ended: ok, or why not."""
        ...

    def lag(self, venue: str, seconds: float) -> None:
        """The venue's usual delay, received minus exchange time, was estimated."""
        ...


class MemoryStats:
    """Counts in dictionaries: for tests, and for runs that export nothing."""

    def __init__(self) -> None:
        self.frames: Counter[tuple[str, str]] = Counter()
        self.rows: Counter[tuple[str, str]] = Counter()
        self.rejects: Counter[tuple[str, str]] = Counter()
        self.duplicates: Counter[str] = Counter()
        self.missed: Counter[tuple[str, str]] = Counter()
        self.listings: Counter[tuple[str, str]] = Counter()
        self.connections: Counter[tuple[str, str]] = Counter()
        self.requests: Counter[tuple[str, str]] = Counter()
        self.lags: dict[str, float] = {}

    def frame(self, venue: str, name: str, rows: int) -> None:
        """Count a frame and its rows."""
        self.frames[venue, name] += 1
        self.rows[venue, name] += rows

    def reject(self, venue: str, reason: str) -> None:
        """Count a refusal."""
        self.rejects[venue, reason] += 1

    def duplicate(self, venue: str) -> None:
        """Count a duplicate."""
        self.duplicates[venue] += 1

    def missing(self, venue: str, outcome: str, trades: int) -> None:
        """Count trades that did not come."""
        self.missed[venue, outcome] += trades

    def listing(self, venue: str, event: str, contracts: int) -> None:
        """Count changes of what is listed."""
        self.listings[venue, event] += contracts

    def connection(self, venue: str, event: str) -> None:
        """Count what happened to a connection."""
        self.connections[venue, event] += 1

    def request(self, venue: str, outcome: str) -> None:
        """Count a request by how it ended."""
        self.requests[venue, outcome] += 1

    def lag(self, venue: str, seconds: float) -> None:
        """Remember the latest estimate."""
        self.lags[venue] = seconds
