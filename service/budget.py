"""What a venue's REST interface may be asked for, and how long it wants to be left alone."""

import math
from collections import deque
from email.utils import parsedate_to_datetime
from typing import Final

NS: Final = 1_000_000_000
MINUTE_NS: Final = 60 * NS
BAN_MAX_S: Final = 3 * 86_400.0


class Budget:
    """Weight spent in the last minute of log time. Exact: no sixty seconds ever hold more.

    What the venue says is used counts whole minutes of its clock and includes what others behind our address
    spend: it closes the budget until the next minute, whatever we spent ourselves.
    """

    def __init__(self, weight_per_minute: int) -> None:
        self.limit = weight_per_minute
        self._spent: deque[tuple[int, int]] = deque()
        self._total = 0
        self._told = 0  # what the venue said of the present minute, and what we have spent since
        self._told_minute = -1

    def _expire(self, now_ns: int) -> None:
        while self._spent and now_ns - self._spent[0][0] >= 60 * NS:
            self._total -= self._spent.popleft()[1]
        if now_ns // MINUTE_NS != self._told_minute:
            self._told, self._told_minute = 0, now_ns // MINUTE_NS

    def used(self, now_ns: int) -> int:
        """Return the weight of the last minute, or what the venue says of this one if that is more."""
        self._expire(now_ns)
        return max(self._total, self._told)

    def wait_ns(self, weight: int, now_ns: int) -> int:
        """Return how long to wait before `weight` more fits. More than all is asked for as all."""
        self._expire(now_ns)
        asked = min(weight, self.limit)
        if self._told + asked > self.limit:
            return MINUTE_NS - now_ns % MINUTE_NS
        excess = self._total + asked - self.limit
        for spent_ns, spent in self._spent:
            if excess <= 0:
                break
            excess -= spent
            if excess <= 0:
                return spent_ns + MINUTE_NS - now_ns
        return 0

    def spend(self, weight: int, now_ns: int) -> None:
        """Take note of a request."""
        self._expire(now_ns)
        self._spent.append((now_ns, weight))
        self._total += weight
        self._told += weight if self._told else 0

    def learn(self, used: int, now_ns: int) -> None:
        """Take note of what the venue says is used in its present minute. Answers may come out of order."""
        self._expire(now_ns)
        self._told = max(self._told, min(used, 2 * self.limit))


def retry_after_s(header: str | None, default_s: float, now_ns: int) -> float:
    """Return the seconds a Retry-After header asks for, bounded to 1 s ... 3 days.

    >>> retry_after_s("7", 30.0, 0), retry_after_s("soon", 30.0, 0)
    (7.0, 30.0)
    >>> retry_after_s("Thu, 01 Jan 1970 00:01:00 GMT", 30.0, 10_000_000_000)
    50.0
    """
    try:
        wait_s = float(header) if header else default_s
    except ValueError:
        try:
            wait_s = parsedate_to_datetime(header or "").timestamp() - now_ns / NS
        except (ValueError, OverflowError):
            wait_s = default_s
    return default_s if math.isnan(wait_s) else min(BAN_MAX_S, max(1.0, wait_s))
