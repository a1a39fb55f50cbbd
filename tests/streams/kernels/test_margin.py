"""Row 17: liquidation prices are those of the table, and equity there is the maintenance margin."""

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.kernels.margin import liquidation_price
from tests.truth import Truth

E = 100_000.0
TABLE = [
    # leverage, m, linear long, linear short, inverse long, inverse short
    (2, 0.004, 50_200.80, 149_402.39, 66_933.33, 199_200.00),
    (5, 0.004, 80_321.29, 119_521.91, 83_666.67, 124_500.00),
    (10, 0.004, 90_361.45, 109_561.75, 91_272.73, 110_666.67),
    (25, 0.005, 96_482.41, 103_482.59, 96_634.62, 103_645.83),
    (50, 0.005, 98_492.46, 101_492.54, 98_529.41, 101_530.61),
    (100, 0.005, 99_497.49, 100_497.51, 99_504.95, 100_505.05),
    (125, 0.004, 99_598.39, 100_398.41, 99_603.17, 100_403.23),
]


def exact(leverage: float, m: Fraction, amount: Fraction, long: bool, inverse: bool) -> Fraction:
    """Return where equity is the maintenance margin, in fractions, solved for the price by hand."""
    entry, paid, sign = Fraction(E), 1 / Fraction(leverage), 1 if long else -1
    if inverse:  # paid/entry + sign (1/entry - 1/price) = m/price
        return (sign + m) / ((paid + sign) / entry)
    return (
        entry * (paid - sign + amount) / (m - sign)
    )  # paid + sign (price - entry)/entry = m price - amount


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0]}x")
def test_the_table_to_the_cent(truth: Truth, row: tuple[float, ...]) -> None:
    leverage, m, *wanted = row
    cases = ((True, False), (False, False), (True, True), (False, True))
    for (long, inverse), price in zip(cases, wanted, strict=True):
        known = exact(leverage, Fraction(str(m)), Fraction(0), long, inverse)
        assert abs(float(known) - price) <= 0.005  # the table is printed in cents
        got = liquidation_price(E, leverage, m, 0.0, long, inverse)
        truth(17, "the table, in fractions", got / float(known) - 1.0, 1e-9)


def test_the_row_with_a_maintenance_amount(truth: Truth) -> None:
    price = liquidation_price(E, 20.0, 0.01, 1300.0 / (30.0 * E), True, False)
    known = exact(20.0, Fraction(1, 100), Fraction(1300, 3_000_000), True, False)
    assert abs(float(known) - 95_915.82) <= 0.005
    truth(17, "the row with a maintenance amount", price / float(known) - 1.0, 1e-9)


@settings(max_examples=300, deadline=None)
@given(
    entry=st.floats(1e-6, 1e6),
    leverage=st.floats(1.01, 150.0),
    m=st.floats(0.0, 0.02),
    amount=st.floats(0.0, 0.003),
    quantity=st.floats(0.01, 1e6),
    long=st.booleans(),
)
def test_equity_at_the_price_is_the_maintenance_margin(
    truth: Truth,
    entry: float,
    leverage: float,
    m: float,
    amount: float,
    quantity: float,
    long: bool,
) -> None:
    sign = 1.0 if long else -1.0
    price = liquidation_price(entry, leverage, m, amount, long, False)
    if math.isnan(price):
        return
    value = quantity * entry
    equity = value / leverage + sign * quantity * (price - entry)
    needed = m * quantity * price - amount * value
    truth(17, "equity less maintenance margin, linear", (equity - needed) / value, 1e-9)
    inverse = liquidation_price(entry, leverage, m, 0.0, long, True)
    usd = quantity  # contracts of one USD
    equity_coin = usd / entry / leverage + sign * usd * (1.0 / entry - 1.0 / inverse)
    off = (equity_coin - m * usd / inverse) / (usd / entry)
    truth(17, "equity less maintenance margin, inverse", off, 1e-9)


def test_where_there_is_no_liquidation_there_is_no_price() -> None:
    assert math.isnan(liquidation_price(E, 1.0, 0.004, 0.0, True, False))
    assert math.isnan(liquidation_price(E, 1.0, 0.004, 0.0, False, True))
    assert liquidation_price(E, 1.0, 0.0, 0.0, True, True) == E / 2.0


@settings(max_examples=100, deadline=None)
@given(
    entry=st.floats(1e-3, 1e6), factor=st.floats(1e-3, 1e3), leverage=st.floats(1.5, 125.0),
    long=st.booleans(), inverse=st.booleans(),
)  # fmt: skip
def test_scaling_all_prices_scales_it(
    entry: float, factor: float, leverage: float, long: bool, inverse: bool
) -> None:
    a = liquidation_price(entry, leverage, 0.004, 0.0, long, inverse)
    b = liquidation_price(entry * factor, leverage, 0.004, 0.0, long, inverse)
    assert b == pytest.approx(a * factor, rel=1e-12)
