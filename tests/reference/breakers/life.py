"""A breaker's life from its definition: all looks are kept, and each decision searches them backwards."""

import math
from typing import NamedTuple

UNKNOWN, NO, YES = -1, 0, 1


class Look(NamedTuple):
    """What was seen at one moment."""

    now: int
    enter: int
    stay: int

    @property
    def holds(self) -> int:
        """Return whether everything that must hold does."""
        if NO in (self.enter, self.stay):
            return NO
        return UNKNOWN if UNKNOWN in (self.enter, self.stay) else YES


class SlowLife:
    """Status, since when and until when, of a breaker with these times."""

    def __init__(self, *, candidate: int, hold: int, expiry: int, grace: int) -> None:
        self.candidate, self.hold, self.expiry, self.grace = candidate, hold, expiry, grace
        self.status, self.since, self.until = "INACTIVE", 0, 0
        self.looks: list[Look] = []
        self.first = 0  # the look after the last end: what was before does not count again

    def held(self) -> int:
        """Return for how long everything has held, as of the last look."""
        total, looks = 0, self.looks[self.first :]
        for k in range(len(looks) - 1, -1, -1):
            look = looks[k]
            if look.holds == NO or self._blind(looks, k) > self.grace:
                break
            if k == 0:
                break
            gap = look.now - looks[k - 1].now
            if gap > self.grace:
                break
            if look.holds == YES and looks[k - 1].holds == YES:
                total += gap
        return total

    @staticmethod
    def _blind(looks: list[Look], k: int) -> int:
        """Return for how long nothing was known at look `k`, 0 if something was."""
        start = looks[k].now
        for look in reversed(looks[: k + 1]):
            if look.holds != UNKNOWN:
                break
            start = look.now
        return looks[k].now - start

    def step(self, now: int, enter: int, stay: int) -> str | None:
        """Take a look; return what is to be said: a status, EXPIRED, or nothing."""
        self.looks.append(Look(now, enter, stay))
        holds, held = self.looks[-1].holds, self.held()
        if self.status != "INACTIVE" and now >= self.until:
            return self._end(now, "EXPIRED")
        if self.status == "ACTIVE":
            return self._end(now, "INACTIVE") if stay == NO else None
        if self.status == "CANDIDATE" and (holds == NO or held == 0):
            return self._end(now, "INACTIVE")
        if holds == YES and held >= self.hold:
            return self._begin(now, "ACTIVE")
        if self.status == "INACTIVE" and holds == YES and held >= self.candidate:
            return self._begin(now, "CANDIDATE")
        return None

    def _begin(self, now: int, status: str) -> str:
        self.status, self.since, self.until = status, now, now + self.expiry
        return status

    def _end(self, now: int, word: str) -> str:
        self.status, self.since, self.until = "INACTIVE", now, 0
        self.first = len(self.looks) - 1
        return word


def passes(value: float, op: str, threshold: float, *, warming: bool = False) -> bool | None:
    """Return whether a value passes, None if that is unknown."""
    if warming or math.isnan(value) or math.isnan(threshold):
        return None
    return {
        ">=": value >= threshold, ">": value > threshold,
        "<=": value <= threshold, "<": value < threshold,
    }[op]  # fmt: skip


def all_of(*parts: bool | None) -> bool | None:
    """Return whether all hold: one that fails decides, then one that is unknown."""
    if any(part is False for part in parts):
        return False
    return None if any(part is None for part in parts) else True


def any_of(*parts: bool | None) -> bool | None:
    """Return whether one holds: one that does decides, then one that is unknown."""
    if any(part is True for part in parts):
        return True
    return None if any(part is None for part in parts) else False


def code(truth: bool | None) -> int:
    """Return a truth as the kernels number it."""
    return UNKNOWN if truth is None else int(truth)
