"""Times as several venues write them, ``2026-04-07T14:30:02.789012345Z``, to whole nanoseconds.

`datetime` stops at microseconds and a float at less, so the digits are read as what they are.
"""

import datetime as dt
import re
from functools import lru_cache
from typing import Final

from service.venue import MalformedFrame
from service.venues.decode import MAX_MS, MIN_MS, NS_PER_MS

_FORM: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])"
    r"(?:\.([0-9]{1,9}))?(?:Z|\+00:00)"
)
_NS: Final = 10**9
_DAY_S: Final = 86_400
_EPOCH: Final = dt.date(1970, 1, 1).toordinal()
_MIN_NS: Final = MIN_MS * NS_PER_MS
_MAX_NS: Final = MAX_MS * NS_PER_MS


@lru_cache(maxsize=64)
def _day_start_s(date: str) -> int:
    return (dt.date.fromisoformat(date).toordinal() - _EPOCH) * _DAY_S


def nanoseconds(text: str) -> int:
    """Return a UTC time as nanoseconds since the epoch.

    Raises:
        MalformedFrame: it has another form, or is not of 2015 to 2100.

    >>> nanoseconds("2015-01-01T00:00:00Z"), nanoseconds("2026-04-07T14:30:02.7890123Z")
    (1420070400000000000, 1775572202789012300)
    """
    parts = _FORM.fullmatch(text)
    if parts is None:
        raise MalformedFrame("type", f"{text[:40]!r} is no time")
    date, hours, minutes, seconds, fraction = parts.groups(default="")
    try:
        start_s = _day_start_s(date)
    except ValueError:
        raise MalformedFrame("range", f"{text[:40]!r} is no day") from None
    whole_s = start_s + int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    at_ns = whole_s * _NS + int(fraction.ljust(9, "0"))
    if not _MIN_NS <= at_ns < _MAX_NS:
        raise MalformedFrame("range", f"{text[:40]!r}")
    return at_ns
