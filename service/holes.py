"""Trades that did not come, where a venue numbers them: what is missing of each contract, and since when.

Ids that count up by one make every loss visible, across connections too. A hole stays open for what comes
late, over the connection that is being replaced or by REST; whatever fits no hole has come before.
"""

from pathlib import Path
from typing import Final

import msgspec

from service.venue import Gap

NS: Final = 1_000_000_000
#: An older connection may still bring what is missing within this time.
GRACE_NS: Final = 2 * NS
#: A larger jump of ids is a venue that counts anew, not a loss.
HOLE_MAX: Final = 200_000
#: Holes kept of one contract.
HOLES_MAX: Final = 64
#: A process that was away for longer begins anew: what it missed is history by then.
RESUME_NS: Final = 3600 * NS
#: A hole that is being asked for is due again only when somebody says so.
_ASKING: Final = 2**63 - 1
#: Ids that begin again lower, this much later in the venue's time, are a new count.
RESTART_NS: Final = 60 * NS


class Hole(msgspec.Struct):
    """Ids `first` to `last`. Times are the venue's, of the trades around; `found_ns`, `ask_ns` are ours."""

    first: int
    last: int
    from_ns: int
    to_ns: int
    found_ns: int
    ask_ns: int  # when to ask for it
    asked: bool = False  # at least once

    @property
    def gap(self) -> Gap:
        """What to ask the venue for."""
        return Gap(first=self.first, last=self.last, from_ns=self.from_ns, to_ns=self.to_ns)


class _Tape(msgspec.Struct):
    last: int
    last_ns: int
    holes: list[Hole] = []
    leapt_from: int = 0  # the id before a leap that no other has confirmed yet


class _Left(msgspec.Struct):
    at_ns: int
    tapes: dict[int, _Tape]


class Holes:
    """The tapes of one venue's contracts. `overflowed` counts trades of holes that were too many to keep."""

    def __init__(self) -> None:
        self.overflowed = 0
        self._tapes: dict[int, _Tape] = {}

    def is_new(self, instrument: int, number: int, exchange_ns: int, received_ns: int) -> bool:
        """Take note of a trade's id; False if it has come before."""
        tape = self._tapes.get(instrument)
        if tape is None:
            self._tapes[instrument] = _Tape(number, exchange_ns)
            return True
        if tape.leapt_from:
            if 0 < number - tape.leapt_from <= HOLE_MAX:
                tape.last = tape.leapt_from  # the old count goes on: the leap was one stray id
            tape.leapt_from = 0
        ahead = number - tape.last
        if ahead > 0:
            if 1 < ahead <= HOLE_MAX:
                self._open(tape, number, exchange_ns, received_ns)
            elif ahead > HOLE_MAX:
                tape.leapt_from = tape.last
            tape.last, tape.last_ns = number, exchange_ns
            return True
        if tape.holes and _fits(tape.holes, number):
            return True
        if exchange_ns > tape.last_ns + RESTART_NS:
            self._tapes[instrument] = _Tape(number, exchange_ns)
            return True
        return False

    def _open(self, tape: _Tape, number: int, exchange_ns: int, received_ns: int) -> None:
        if len(tape.holes) == HOLES_MAX:
            oldest = tape.holes.pop(0)
            self.overflowed += oldest.last - oldest.first + 1
        before, due_ns = tape.last_ns, received_ns + GRACE_NS
        hole = Hole(tape.last + 1, number - 1, before, exchange_ns, received_ns, due_ns)
        tape.holes.append(hole)

    def due(self, now_ns: int) -> list[tuple[int, Hole]]:
        """Return (instrument, hole) of holes to ask for now; said again only after `ask_again`."""
        found = []
        for instrument, tape in self._tapes.items():
            for hole in tape.holes:
                if now_ns >= hole.ask_ns:
                    hole.ask_ns = _ASKING
                    found.append((instrument, hole))
        return found

    def ask_again(self, instrument: int, first: int, last: int, at_ns: int) -> int:
        """Let what is left of the holes between two ids be due at `at_ns`; return how many trades that is."""
        left = self._between(instrument, first, last)
        for hole in left:
            hole.asked, hole.ask_ns = True, at_ns
        return sum(hole.last - hole.first + 1 for hole in left)

    def give_up(self, instrument: int, first: int, last: int) -> int:
        """Close what is left of the holes between two ids; return how many trades never came."""
        left = self._between(instrument, first, last)
        if left:
            tape = self._tapes[instrument]
            tape.holes = [hole for hole in tape.holes if hole not in left]
        return sum(hole.last - hole.first + 1 for hole in left)

    def _between(self, instrument: int, first: int, last: int) -> list[Hole]:
        tape = self._tapes.get(instrument)
        holes = [] if tape is None else tape.holes
        return [hole for hole in holes if first <= hole.first and hole.last <= last]

    def leave(self, file: Path, now_ns: int) -> None:
        """Write down where every tape ends, for the process that comes after this one."""
        left = _Left(now_ns, self._tapes)
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(".new")
        draft.write_bytes(msgspec.json.encode(left))
        draft.replace(file)

    def resume(self, file: Path, now_ns: int) -> None:
        """Go on where another process ended, so that the next trade tells what came meanwhile.

        What was written down is used once: after a crash nobody knows any more what the log has.
        """
        try:
            left = msgspec.json.decode(file.read_bytes(), type=_Left)
        except (FileNotFoundError, msgspec.MsgspecError):
            return
        finally:
            file.unlink(missing_ok=True)
        if now_ns - left.at_ns > RESUME_NS:
            return
        self._tapes = left.tapes
        for tape in self._tapes.values():
            for hole in tape.holes:
                hole.found_ns = hole.ask_ns = now_ns


def _fits(holes: list[Hole], number: int) -> bool:
    """Take an id out of the hole it fits, if any. Holes are few: newest first finds late ones at once."""
    for place in range(len(holes) - 1, -1, -1):
        hole = holes[place]
        if hole.first <= number <= hole.last:
            rest = msgspec.structs.replace(hole, first=number + 1)
            hole.last = number - 1
            parts = [part for part in (hole, rest) if part.first <= part.last]
            holes[place : place + 1] = parts
            return True
    return False
