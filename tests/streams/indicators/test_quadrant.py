import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.config import MethodConfig
from streams.indicators.quadrant import LABEL, Quadrant, classify, refine, step
from streams.state import params

TABLE = {
    (1, 1): "NEW_LONGS", (1, 0): "PRICE_UP_OI_FLAT", (1, -1): "SHORT_COVERING",
    (0, 1): "OI_UP_PRICE_FLAT", (0, 0): "FLAT", (0, -1): "OI_DOWN_PRICE_FLAT",
    (-1, 1): "NEW_SHORTS", (-1, 0): "PRICE_DOWN_OI_FLAT", (-1, -1): "LONG_CLOSING",
}  # fmt: skip
MIRROR = {
    "NEW_LONGS": "NEW_SHORTS", "SHORT_COVERING": "LONG_CLOSING", "SHORT_SQUEEZE": "LONG_FLUSH",
    "PRICE_UP_OI_FLAT": "PRICE_DOWN_OI_FLAT", "PASSIVE_LONGS": "PASSIVE_SHORTS",
    "SPOT_LED": "SPOT_LED_DOWN",
}  # fmt: skip
MIRROR |= {b: a for a, b in MIRROR.items()}
MINUTE_NS = 60 * 10**9
P = params(MethodConfig())


def fresh() -> np.void:
    q = np.zeros(1, LABEL)[0]
    q["p"] = math.nan
    return q


def advance(
    q: np.void, r: float, g: float, t_ns: int, *, sigma_r: float = 0.02, sigma_g: float = 0.01,
    perp: float = math.nan, spot: float = math.nan,
) -> None:  # fmt: skip
    step(q, r, g, sigma_r, sigma_g, 0.0, False, False, perp, spot, t_ns, P)


@pytest.mark.parametrize(("signs", "name"), TABLE.items())
def test_truth_table(signs: tuple[int, int], name: str) -> None:
    assert Quadrant(classify(*signs, 0.0, False, False)).name == name
    q = fresh()
    advance(q, signs[0] * 0.0101, signs[1] * 0.00501, 10**9)
    assert Quadrant(int(q["label"])).name == name
    at_the_edge = fresh()
    advance(at_the_edge, signs[0] * 0.01, signs[1] * 0.005, 10**9)
    assert Quadrant(int(at_the_edge["label"])) is Quadrant.FLAT


def test_refinements_need_their_own_evidence() -> None:
    assert classify(-1, 0, 0.01, False, False) == Quadrant.FRAGILE_UNDERNEATH
    assert classify(-1, 0, math.nan, False, False) == Quadrant.PRICE_DOWN_OI_FLAT
    assert classify(1, 0, 0.01, False, False) == Quadrant.PRICE_UP_OI_FLAT
    assert classify(-1, -1, 0.0, True, False) == Quadrant.LONG_FLUSH
    assert classify(-1, -1, 0.0, False, True) == Quadrant.LONG_CLOSING
    assert classify(1, -1, 0.0, False, True) == Quadrant.SHORT_SQUEEZE
    assert classify(1, -1, 0.0, True, False) == Quadrant.SHORT_COVERING


TAKERS = (-0.3, 0.0, 0.3, math.nan)
#: Price, open interest, takers of perpetuals, takers of spot; all other combinations keep their label.
REFINED = {
    (1, 1, -0.3, 0.0): "PASSIVE_LONGS", (1, 1, 0.3, 0.0): "NEW_LONGS",
    (-1, 1, 0.3, 0.0): "PASSIVE_SHORTS", (-1, 1, -0.3, 0.0): "NEW_SHORTS",
    (1, 0, -0.3, 0.3): "SPOT_LED", (1, 0, 0.0, 0.3): "SPOT_LED", (1, 0, 0.3, 0.3): "PRICE_UP_OI_FLAT",
    (1, 0, -0.3, -0.3): "PRICE_UP_OI_FLAT", (1, 0, -0.3, 0.0): "PRICE_UP_OI_FLAT",
    (-1, 0, 0.3, -0.3): "SPOT_LED_DOWN", (-1, 0, 0.0, -0.3): "SPOT_LED_DOWN",
    (-1, 0, -0.3, -0.3): "PRICE_DOWN_OI_FLAT",
}  # fmt: skip


@pytest.mark.parametrize(("takers", "name"), REFINED.items())
def test_takers_refine_the_label(takers: tuple[int, int, float, float], name: str) -> None:
    price, oi, perp, spot = takers
    q = fresh()
    advance(q, price * 0.02, oi * 0.01, 10**9, perp=perp, spot=spot)
    assert Quadrant(int(q["label"])).name == name


@pytest.mark.parametrize("signs", TABLE)
def test_unknown_takers_refine_nothing(signs: tuple[int, int]) -> None:
    base = classify(*signs, 0.0, False, False)
    for known in TAKERS:
        assert refine(base, math.nan, known) == base
        if signs[1] == 0:  # spot alone says nothing where it is unknown
            assert refine(base, known, math.nan) == base


def test_forced_orders_and_paying_crowds_keep_their_names_whatever_takers_did() -> None:
    for perp, spot in itertools.product(TAKERS, TAKERS):
        for label in (
            "FRAGILE_UNDERNEATH",
            "SHORT_SQUEEZE",
            "LONG_FLUSH",
            "SHORT_COVERING",
            "LONG_CLOSING",
        ):
            assert refine(int(Quadrant[label]), perp, spot) == Quadrant[label]


def test_numbers_of_labels_are_a_contract() -> None:
    assert [(q.name, int(q)) for q in Quadrant][-5:] == [
        ("LONG_FLUSH", 12), ("SPOT_LED", 13), ("PASSIVE_LONGS", 14), ("PASSIVE_SHORTS", 15),
        ("SPOT_LED_DOWN", 16),
    ]  # fmt: skip


def test_mirrored_takers_mirror_the_refinement() -> None:
    signs = (-1, 0, 1)
    for price, oi, perp, spot in itertools.product(signs, signs, TAKERS, TAKERS):
        name = Quadrant(refine(classify(price, oi, 0.0, False, False), perp, spot)).name
        mirrored = Quadrant(refine(classify(-price, oi, 0.0, False, False), -perp, -spot)).name
        assert mirrored == MIRROR.get(name, name)


def test_mirrored_prices_and_swapped_sides_mirror_the_label() -> None:
    signs, flags = (-1, 0, 1), (False, True)
    for price, oi, long, short in itertools.product(signs, signs, flags, flags):
        name = Quadrant(classify(price, oi, 0.0, long, short)).name
        mirrored = Quadrant(classify(-price, oi, 0.0, short, long)).name
        assert mirrored == MIRROR.get(name, name)


@given(
    r=st.floats(-0.2, 0.2), g=st.floats(-0.2, 0.2), sr=st.floats(1e-4, 0.1), sg=st.floats(1e-4, 0.1),
    factor=st.sampled_from([0.25, 2.0, 64.0]),
)  # fmt: skip
def test_labels_do_not_know_units_and_clarity_is_symmetric(
    r: float, g: float, sr: float, sg: float, factor: float
) -> None:
    q, scaled, mirrored = fresh(), fresh(), fresh()
    advance(q, r, g, 1, sigma_r=sr, sigma_g=sg)
    advance(scaled, r * factor, g * factor, 1, sigma_r=sr * factor, sigma_g=sg * factor)
    advance(mirrored, -r, -g, 1, sigma_r=sr, sigma_g=sg)
    assert q["label"] == scaled["label"]
    assert q["p"] == mirrored["p"]
    phi = [0.5 * (1.0 + math.erf(abs(x) / s / math.sqrt(2.0))) for x, s in ((r, sr), (g, sg))]
    assert q["p"] == pytest.approx(phi[0] * phi[1], rel=1e-12)
    assert 0.25 <= q["p"] <= 1.0


def test_a_label_holds_until_another_was_seen_for_two_minutes() -> None:
    q = fresh()
    advance(q, 0.1, 0.1, 0)
    seen = []
    for second in range(1, 400):
        flicker = second in {50, 51, 120}
        up = second < 200 and not flicker
        advance(q, 0.1 if up else -0.1, 0.1, second * 10**9)
        seen.append(Quadrant(int(q["label"])).name)
    assert seen[:319] == ["NEW_LONGS"] * 319
    assert seen[319:] == ["NEW_SHORTS"] * 80


@pytest.mark.parametrize(
    "bad", [{"r": math.nan}, {"g": math.nan}, {"sigma_r": math.nan}, {"sigma_g": 0.0}]
)
def test_anything_unknown_makes_the_label_unknown_at_once(bad: dict[str, float]) -> None:
    q = fresh()
    advance(q, 0.1, 0.1, MINUTE_NS)
    sigma = {k: v for k, v in bad.items() if k.startswith("sigma")}
    advance(q, bad.get("r", 0.1), bad.get("g", 0.1), 2 * MINUTE_NS, **sigma)
    assert q["label"] == Quadrant.UNKNOWN
    assert math.isnan(q["p"])
    advance(q, -0.1, 0.1, 3 * MINUTE_NS)
    assert q["label"] == Quadrant.NEW_SHORTS
