from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.instruments import BadInstrument, Instrument, instrument, partition_of, stable_id

sizes = st.decimals("0.00000001", "100000", places=8)


def make(**kw: object) -> Instrument:
    return instrument(**{"venue": "okx", "symbol": "X", "underlying": "BTC", "quote": "USDT", **kw})  # type: ignore[arg-type]  # a shorthand


@given(size=sizes, contracts=st.floats(1e-3, 1e9), units=st.sampled_from([1, 1000, 1_000_000]))
def test_linear_contracts_hold_coin_exactly(size: Decimal, contracts: float, units: int) -> None:
    one = make(contract_size=str(size), coins_per_unit=units)
    exact = Fraction(contracts) * Fraction(size) * units
    assert one.coin(contracts, 123.0) == pytest.approx(float(exact), rel=1e-15)
    assert one.usd(contracts, 50.0) == pytest.approx(float(exact * 50), rel=1e-15)


@given(size=sizes, contracts=st.floats(1e-3, 1e9), price=st.floats(1e-6, 1e6))
def test_inverse_contracts_hold_dollars(size: Decimal, contracts: float, price: float) -> None:
    one = make(contract_type="inverse", contract_size=str(size))
    assert one.usd(contracts, price) == one.usd(contracts, 2 * price)
    assert one.coin(contracts, price) * price == pytest.approx(one.usd(contracts, price), rel=1e-12)


@given(size=sizes, k=st.integers(2, 100))
def test_a_contract_k_times_as_large_is_k_times_the_coin(size: Decimal, k: int) -> None:
    small, large = make(contract_size=str(size)), make(contract_size=str(size * k))
    assert large.coin(7.0, 1.0) == pytest.approx(k * small.coin(7.0, 1.0), rel=1e-14)


def test_hand_computed_sizes() -> None:
    assert make(contract_size="0.01").coin(565_474, 0.0) == 5654.74
    pepe = make(underlying="PEPE", contract_size="1", coins_per_unit=1000)
    assert pepe.coin(3, 0.0) == 3000.0
    assert pepe.coin_price(0.0123) * pepe.coin(3, 0.0) == pytest.approx(3 * 0.0123)
    assert make(contract_type="inverse", contract_size="100").coin(5, 50_000.0) == 0.01


@pytest.mark.parametrize(
    "bad",
    [
        {"contract_size": "0"}, {"contract_size": "-1"}, {"contract_size": "NaN"},
        {"contract_size": "Infinity"},
        {"contract_size": "much"}, {"contract_size": ""}, {"coins_per_unit": 0}, {"underlying": ""},
        {"underlying": "THIRTEENBYTES"}, {"underlying": "币安人生币"}, {"venue": "a_long_venue_name"},
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_by_name(bad: dict[str, object]) -> None:
    with pytest.raises(BadInstrument, match=r":X: "):
        make(**bad)


def test_ids_are_the_same_for_ever() -> None:
    assert stable_id("okx", "BTC-USDT-SWAP") == 8487953164398443558
    names = [(v, f"{c}USDT") for v in ("binance", "bybit", "okx") for c in range(2000)]
    assert len({stable_id(*n) for n in names}) == len(names)
    assert make(symbol="Y").id == stable_id("okx", "Y") != make(symbol="Z").id


@given(st.text(min_size=1, max_size=12), st.integers(1, 256))
def test_an_underlying_has_one_partition(name: str, partitions: int) -> None:
    assert 0 <= partition_of(name, partitions) < partitions
    assert partition_of(name, partitions) == partition_of(name, partitions)


def test_partitions_are_used_evenly_and_for_ever() -> None:
    counts = [0] * 12
    for i in range(2400):
        counts[partition_of(f"COIN{i}", 12)] += 1
    assert min(counts) > 150
    assert [partition_of(n, 12) for n in ("BTC", "ETH", "SOL")] == [1, 4, 7]
