"""Bitcoin's supply against adding up every era, and its height against known blocks."""

import itertools
from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.kernels.bitcoin import ERA_STARTS_S, bitcoin_at, bitcoin_height

NS = 1_000_000_000


def supply(height: int) -> Fraction:
    """Return the coins of all blocks, era by era, as a fraction."""
    total, era = Fraction(0), 0
    while height > 0:
        blocks = min(height, 210_000)
        total += Fraction(50 * blocks, 2**era)
        height -= blocks
        era += 1
    return total


@pytest.mark.parametrize(
    ("height", "coins"),
    [
        (0, 0.0),
        (1, 50.0),
        (210_000, 10_500_000.0),
        (840_000, 19_687_500.0),
        (930_000, 19_968_750.0),
    ],
)
def test_known_heights_have_exactly_their_coins(height: int, coins: float) -> None:
    assert bitcoin_at(float(height)) == coins


@given(st.integers(0, 6_930_000))
def test_every_height_is_the_sum_of_its_eras(height: int) -> None:
    assert bitcoin_at(float(height)) == pytest.approx(float(supply(height)), rel=1e-15)
    assert bitcoin_at(float(height)) < 21e6


@pytest.mark.parametrize(
    ("day", "height"),
    [
        ("2012-11-28", 210_000),
        ("2016-07-09", 420_000),
        ("2020-05-11", 630_000),
        ("2024-04-20", 840_000),
    ],
)
def test_halvings_are_on_their_days(day: str, height: int) -> None:
    noon_s = datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() + 43_200.0
    assert abs(bitcoin_height(int(noon_s * NS)) - height) <= 144.0


def test_height_and_supply_only_rise() -> None:
    days = [bitcoin_height((1_230_000_000 + 86_400 * day) * NS) for day in range(8_000)]
    assert days[0] == 0.0
    assert all(b >= a for a, b in itertools.pairwise(days))
    coins = [bitcoin_at(height) for height in days]
    assert all(b >= a for a, b in itertools.pairwise(coins))


def test_blocks_after_the_last_halving_come_every_ten_minutes() -> None:
    start_ns = int(ERA_STARTS_S[-1]) * NS
    assert bitcoin_height(start_ns + 90_000 * 600 * NS) == 930_000.0
    assert bitcoin_height(start_ns - NS) < 840_000.0


def test_a_known_block_between_halvings() -> None:
    """Block 800,000 was mined on 2023-07-24: interpolation within an era is off by days at most."""
    found = bitcoin_height(int(datetime(2023, 7, 24, tzinfo=UTC).timestamp()) * NS)
    assert abs(bitcoin_at(found) / bitcoin_at(800_000.0) - 1.0) < 0.0007
