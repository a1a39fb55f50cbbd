import hashlib
import math
from itertools import pairwise

import pytest

from streams.brackets import (
    _OTHERS,
    DATE,
    LEVERAGES,
    TYPICAL_USD,
    VENUES,
    brackets,
    fixed_amounts,
    terms,
)
from streams.config import MethodConfig

ALL = {**VENUES, "binance": brackets("binance", "BTC"), "others": _OTHERS}


def test_a_changed_table_has_a_new_date() -> None:
    """The date is in the configuration's hash: whoever changes a number changes both lines here."""
    text = repr((sorted(ALL.items()), LEVERAGES, TYPICAL_USD))
    assert (DATE, hashlib.sha256(text.encode()).hexdigest()[:12]) == (20261122, "b1cc899f4908")
    assert MethodConfig().heat_brackets == DATE


@pytest.mark.parametrize("name", sorted(ALL))
def test_brackets_rise_and_maintenance_stays_below_the_margin_put_up(name: str) -> None:
    table = ALL[name]
    for (cap, rate, most), (next_cap, next_rate, next_most) in pairwise(table):
        assert cap < next_cap
        assert rate < next_rate
        assert most > next_most
    for leverage, rate, amount in zip(LEVERAGES, *terms(table), strict=True):
        if leverage > table[0][2]:
            assert math.isnan(rate)
            assert math.isnan(amount)
        else:
            assert 0.0 <= amount < rate < 1.0 / leverage + amount


@pytest.mark.parametrize("name", sorted(ALL))
def test_what_a_position_owes_does_not_jump_between_brackets(name: str) -> None:
    table, amounts = ALL[name], fixed_amounts(ALL[name])
    for k in range(1, len(table)):
        at = table[k - 1][0]
        below = at * table[k - 1][1] - amounts[k - 1]
        assert at * table[k][1] - amounts[k] == pytest.approx(below, rel=1e-12)
