import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.fold import find
from streams.slots import Slots


def signed(instrument: int) -> int:
    """Return the id as the loop reads it from a row."""
    return int(np.uint64(instrument).astype(np.int64))


def test_the_loop_finds_every_contract_and_no_stranger_while_the_table_grows() -> None:
    rng, slots, known = random.Random(3), Slots(), list[int]()
    for count in range(1, 700):
        known.append(rng.randrange(1, 2**64))
        slots.add(known[-1])
        assert 4 * count <= len(slots.table)
        for slot in {0, count // 2, count - 1}:
            assert find(slots.table, signed(known[slot])) == slots.get(known[slot]) == slot
        stranger = rng.randrange(1, 2**64)
        assert find(slots.table, signed(stranger)) == -1
        assert slots.get(stranger) is None
    found = [find(slots.table, signed(instrument)) for instrument in known]
    assert found == list(range(699))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 2**64 - 1).map(lambda x: x | 63), min_size=1, unique=True))
def test_ids_that_begin_at_the_same_place_are_told_apart(ids: list[int]) -> None:
    slots = Slots()
    for instrument in ids:
        slots.add(instrument)
    assert [find(slots.table, signed(instrument)) for instrument in ids] == list(range(len(ids)))
