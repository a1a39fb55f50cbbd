"""What changed in a venue's list of contracts between two looks at it."""

from collections.abc import Sequence

import msgspec

from streams.instruments import Instrument


class Change(msgspec.Struct, frozen=True):
    """Contracts by what became of them; `respecified` are the new specifications."""

    listed: tuple[Instrument, ...] = ()
    delisted: tuple[Instrument, ...] = ()
    respecified: tuple[Instrument, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.listed or self.delisted or self.respecified)


class Universe:
    """The contracts followed, in an order that a change disturbs as little as possible.

    A contract is delisted when two looks in a row do not show it: one bad answer takes nothing away.
    """

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self.instruments = tuple(instruments)
        self._missed: set[int] = set()

    def look(self, seen: Sequence[Instrument]) -> Change:
        """Take in what the venue lists now; return what is different."""
        now = {one.id: one for one in seen}
        gone = {one.id for one in self.instruments if one.id not in now}
        delisted, self._missed = gone & self._missed, gone - self._missed
        had = {one.id for one in self.instruments}
        change = Change(
            listed=tuple(one for one in seen if one.id not in had),
            delisted=tuple(one for one in self.instruments if one.id in delisted),
            respecified=tuple(
                now[one.id] for one in self.instruments if now.get(one.id, one) != one
            ),
        )
        stay = (now.get(one.id, one) for one in self.instruments if one.id not in delisted)
        self.instruments = (*stay, *change.listed)
        return change
