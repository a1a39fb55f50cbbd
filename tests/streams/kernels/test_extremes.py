"""The highest of a window against looking at all values."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.kernels.extremes import highest, highest_init, highest_put, highest_ring
from tests.reference.kernels.extremes import SlowHighest
from tests.truth import Truth

RING = highest_ring(5)
MOVES = st.lists(
    st.tuples(
        st.integers(-2, 4),
        st.one_of(st.integers(-3, 3).map(float), st.just(math.nan)),
        st.booleans(),
    ),
    min_size=1,
    max_size=120,
)


@settings(max_examples=200, deadline=None)
@given(MOVES)
def test_every_answer_equals_the_maximum_of_the_window(
    truth: Truth,
    moves: list[tuple[int, float, bool]],
) -> None:
    ring, slow, now, wrong = np.zeros(1, RING)[0], SlowHighest(5), 10, 0
    highest_init(ring)
    for step, x, ask in moves:
        if step >= 0:
            now += step
        highest_put(ring, now + min(step, 0), x)
        slow.put(now + min(step, 0), x)
        if ask:
            now = max(now, slow.newest)
            got, wanted = highest(ring, now), slow.highest(now)
            wrong += not (got == wanted or (math.isnan(got) and math.isnan(wanted)))
    truth(2, "maxima that differ from brute force", wrong, 0)


def test_work_is_constant_on_average_and_the_queue_never_overflows() -> None:
    ring = np.zeros(1, RING)[0]
    for bucket, x in enumerate(
        np.linspace(1.0, 0.0, 1000)
    ):  # falling: nothing is ever removed early
        highest_put(ring, bucket, float(x))
        assert ring["count"] == min(bucket + 1, 5)
