from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from service.holes import GRACE_NS, HOLE_MAX, HOLES_MAX, NS, RESTART_NS, RESUME_NS, Holes

T0 = 1_700_000_000 * NS
ONE = 7


class Twin:
    """Every id ever seen, in a set: what is missing is whatever is below the highest and not in it."""

    def __init__(self) -> None:
        self.seen: set[int] = set()

    def is_new(self, number: int) -> bool:
        """Return whether an id is new. What is older than the first is old."""
        new = number not in self.seen and (not self.seen or number > self.first)
        if new:
            if not self.seen:
                self.first = number
            self.seen.add(number)
        return new

    def missing(self) -> set[int]:
        """Return the ids below the highest that never came."""
        return set(range(self.first, max(self.seen))) - self.seen if self.seen else set()


def missing(holes: Holes) -> set[int]:
    tape = holes._tapes.get(ONE)
    return {n for hole in tape.holes for n in range(hole.first, hole.last + 1)} if tape else set()


@settings(max_examples=300, deadline=None)
@given(numbers=st.lists(st.integers(1, 60), max_size=80))
def test_any_order_of_ids_is_judged_as_a_set_would(numbers: list[int]) -> None:
    holes, twin = Holes(), Twin()
    for number in numbers:
        assert holes.is_new(ONE, number, T0, T0) == twin.is_new(number)
        assert missing(holes) == twin.missing()


def test_a_hole_is_due_once_after_its_grace_and_tells_the_times_around_it() -> None:
    holes = Holes()
    holes.is_new(ONE, 10, T0, T0 + 5)
    holes.is_new(ONE, 14, T0 + 100, T0 + 105)
    assert holes.due(T0 + 105 + GRACE_NS - 1) == []
    ((instrument, hole),) = holes.due(T0 + 105 + GRACE_NS)
    assert (instrument, hole.first, hole.last, hole.from_ns, hole.to_ns) == (
        ONE,
        11,
        13,
        T0,
        T0 + 100,
    )
    assert holes.due(T0 + 10 * GRACE_NS) == []
    assert holes.is_new(ONE, 12, T0 + 50, T0 + 200)
    assert holes.due(T0 + 10 * GRACE_NS) == [], "what is left of it is not asked for again"
    assert not holes.is_new(ONE, 12, T0 + 50, T0 + 200)
    assert holes.give_up(ONE, 11, 13) == 2
    assert not holes.is_new(ONE, 11, T0 + 50, T0 + 200), "given up is given up"
    assert holes.give_up(8, 1, 2) == 0


def test_what_the_older_connection_brings_within_the_grace_is_no_hole() -> None:
    holes = Holes()
    for number in (1, 2, 6, 7, 3, 4, 5, 8):
        assert holes.is_new(ONE, number, T0 + number, T0 + number)
    assert holes.due(T0 + 10 * GRACE_NS) == []


def test_ids_that_begin_again_are_a_new_count() -> None:
    holes = Holes()
    holes.is_new(ONE, 1_000_000, T0, T0)
    assert not holes.is_new(ONE, 5, T0 + RESTART_NS, T0)
    assert holes.is_new(ONE, 5, T0 + RESTART_NS + 1, T0)
    assert holes.is_new(ONE, 6, T0 + RESTART_NS + 2, T0)
    assert holes.is_new(ONE, 7 + HOLE_MAX, T0 + RESTART_NS + 3, T0), "a leap is no loss"
    assert missing(holes) == set()


def test_memory_is_bounded_and_what_it_costs_is_counted() -> None:
    holes = Holes()
    for number in range(0, 4 * (HOLES_MAX + 10), 4):
        holes.is_new(ONE, number + 1, T0, T0)
    assert len(missing(holes)) == 3 * HOLES_MAX
    assert holes.overflowed == 3 * 9


def test_what_could_not_be_had_is_due_again_when_it_was_put_off_to() -> None:
    holes = Holes()
    holes.is_new(ONE, 10, T0, T0)
    holes.is_new(ONE, 20, T0, T0)
    ((_, hole),) = holes.due(T0 + GRACE_NS)
    assert not hole.asked
    holes.is_new(ONE, 15, T0, T0)
    assert holes.ask_again(ONE, 11, 19, T0 + 60 * NS) == 8, "one has come meanwhile"
    assert holes.due(T0 + 60 * NS - 1) == []
    again = [(hole.first, hole.last, hole.asked) for _, hole in holes.due(T0 + 60 * NS)]
    assert again == [(11, 14, True), (16, 19, True)]
    assert holes.ask_again(8, 1, 2, T0) == 0


def test_another_process_goes_on_where_this_one_ended(tmp_path: Path) -> None:
    file, holes = tmp_path / "deep" / "tapes.json", Holes()
    for number in (1, 2, 5):
        holes.is_new(ONE, number, T0, T0)
    holes.leave(file, T0)
    later = T0 + 60 * NS
    after = Holes()
    after.resume(file, later)
    assert not after.is_new(ONE, 5, T0, later)
    assert after.is_new(ONE, 9, later, later)
    assert missing(after) == {3, 4, 6, 7, 8}
    assert len(after.due(later + GRACE_NS)) == 2, "old holes are asked for as well"
    third = Holes()
    third.resume(file, later)
    assert third.is_new(ONE, 5, T0, later), "what was left is used once"


def test_tapes_that_are_old_or_torn_are_no_tapes(tmp_path: Path) -> None:
    file, holes = tmp_path / "tapes.json", Holes()
    holes.is_new(ONE, 5, T0, T0)
    holes.leave(file, T0)
    whole = file.read_bytes()
    for torn, at_ns in ((whole[:-3], T0), (whole, T0 + RESUME_NS + 1)):
        file.write_bytes(torn)
        after = Holes()
        after.resume(file, at_ns)
        assert after.is_new(ONE, 9, at_ns, at_ns)
        assert missing(after) == set()
        assert not file.exists()


def test_one_stray_id_does_not_silence_a_contract() -> None:
    holes = Holes()
    assert holes.is_new(ONE, 10, T0, T0)
    assert holes.is_new(ONE, 2**62, T0 + 1, T0), "nobody can tell it from a new count"
    assert all(holes.is_new(ONE, number, T0 + number, T0) for number in (11, 12, 15))
    assert missing(holes) == {13, 14}
    assert not holes.is_new(ONE, 12, T0 + 20, T0)
    assert holes.is_new(ONE, 5_000_000, T0 + 30, T0)
    assert holes.is_new(ONE, 5_000_001, T0 + 31, T0), "two of the new count make it the count"
    assert not holes.is_new(ONE, 16, T0 + 32, T0)
