"""What a simulated market is told to do: known parameters, one seed, a schedule of phases."""

from typing import Literal

import msgspec

from service.simulator.listings import LISTINGS

PhaseKind = Literal["CALM", "BUILD_UP", "CASCADE", "AFTER"]
VenueName = str


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a lap, written for a long cascade; `Scenario.short_squeeze` mirrors it.

    Rates are per contract. Factors multiply the scenario's or the underlying's own value.
    """

    kind: PhaseKind
    duration_s: float
    price_return: float = 0.0  # planned log return over the phase
    oi_level: float = 1.0  # open interest at the end of the phase, of its base
    premium_bp: float = 0.5  # where the perpetual's premium over the index is pulled to
    premium_half_life_s: float = 3600.0
    volatility: float = 1.0
    trade_rate: float = 1.0
    buy_share: float = 0.5  # of takers
    long_rate: float = 0.0015  # background liquidations of longs, events a second
    short_rate: float = 0.0015
    liquidation_size: float = 1.0


class Underlying(msgspec.Struct, frozen=True, kw_only=True):
    """A coin and the facts of its contracts."""

    name: str
    price: float  # USD at the start
    open_interest: float  # coin over all venues, one side
    volatility_bp: float = 0.8  # index, per square root of a second
    price_decimals: int = 1
    size_decimals: int = 3  # of quantities in coin
    okx_contract: str = "0.01"  # coin a contract
    activity: float = 1.0  # trades and liquidations, of the scenario's rates


class Excitation(msgspec.Struct, frozen=True, kw_only=True):
    """The planted Hawkes process: events caused per event, by the half-life of the memory."""

    half_lives_s: tuple[float, ...] = (2.0, 15.0, 120.0)
    branching: tuple[float, ...] = (0.15, 0.20, 0.15)
    size_sigma: float = 1.0  # of ln(size); excitation goes with the square root of size


#: One lap of the demonstration: about two hours of the market's time.
DEMO_LAP = (
    Phase(kind="CALM", duration_s=720.0, premium_half_life_s=600.0),
    Phase(
        kind="BUILD_UP", duration_s=3600.0, price_return=0.045, oi_level=1.10, premium_bp=13.0,
        premium_half_life_s=200.0, trade_rate=2.0, buy_share=0.55, short_rate=0.006,
    ),
    Phase(
        kind="CASCADE", duration_s=450.0, price_return=-0.06, oi_level=1.0, premium_bp=-7.0,
        premium_half_life_s=90.0, volatility=3.0, trade_rate=10.0, buy_share=0.36,
        long_rate=1.2, short_rate=0.004, liquidation_size=2.0,
    ),
    Phase(
        kind="AFTER", duration_s=2400.0, price_return=0.015, oi_level=1.0, premium_bp=-11.0,
        premium_half_life_s=240.0, trade_rate=1.5, long_rate=0.001, short_rate=0.001,
    ),
)  # fmt: skip

#: A market in which nothing happens, for as long as anybody looks.
CALM_LAP = (Phase(kind="CALM", duration_s=30 * 86_400.0),)

BTC = Underlying(name="BTC", price=60_000.0, open_interest=90_000.0)
ETH = Underlying(
    name="ETH", price=2_500.0, open_interest=1_500_000.0, volatility_bp=1.0,
    price_decimals=2, okx_contract="0.1",
)  # fmt: skip
SOL = Underlying(
    name="SOL", price=150.0, open_interest=12_000_000.0, volatility_bp=1.3,
    price_decimals=3, size_decimals=2, okx_contract="1",
)  # fmt: skip


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides a simulated market. Same scenario, same market, at any speed."""

    seed: int
    underlyings: tuple[Underlying, ...] = (BTC, ETH, SOL)
    shares: tuple[tuple[VenueName, float], ...] = (
        ("binance_usdm", 0.5), ("bybit", 0.3), ("okx", 0.2),
    )  # fmt: skip
    phases: tuple[Phase, ...] = DEMO_LAP
    variation: float = 0.1  # laps differ: durations by this much, sizes of moves by twice as much
    short_squeeze: bool = False
    trade_rate: float = 1.0  # trades a second and contract in calm
    trade_size: float = 8e-5  # mean, of the contract's open interest
    liquidation_size: float = 1.2e-5  # mean, of the contract's open interest
    excitation: Excitation = Excitation()
    correlation: float = 0.8  # of each index with the common factor
    spread_bp: float = 0.2
    mark_half_life_s: float = 30.0  # smoothing of the mark's premium
    funding_half_life_s: float = (
        300.0  # of the premium in the funding rate; venues average for hours
    )
    premium_sd_bp: float = 2.0
    oi_sd: float = 0.01  # of ln(open interest) around its mean
    oi_half_life_s: float = 86_400.0
    history_days: int = 92


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """One contract on one simulated venue. `contract_size` is as written: coin, of inverse ones USD.

    Of a spot market `open_interest` only sets how large trades are.
    """

    index: int
    venue: VenueName
    symbol: str
    underlying: str
    contract_size: str
    inverse: bool
    spot: bool
    activity: float  # trades and liquidations, of the scenario's rates
    price_decimals: int
    lot: float  # smallest quantity, coin
    open_interest: float  # at the start, coin


def demo_scenario(seed: int = 1, *, short_squeeze: bool = False) -> Scenario:
    """Return BTC, ETH and SOL on three venues, going round: calm, build-up, cascade, after."""
    return Scenario(seed=seed, short_squeeze=short_squeeze)


def calm_scenario(seed: int = 1) -> Scenario:
    """Return the same venues on a day without news: what must not raise an alarm."""
    return Scenario(seed=seed, phases=CALM_LAP)


def firehose_scenario(rate: float, *, coins: int = 20, seed: int = 1) -> Scenario:
    """Return a steady load of `rate` trades a second over three contracts for each of `coins`."""
    coin = Underlying(name="F", price=100.0, open_interest=1e6, price_decimals=3, okx_contract="1")
    underlyings = tuple(msgspec.structs.replace(coin, name=f"F{n:03d}") for n in range(coins))
    return Scenario(
        seed=seed, underlyings=underlyings, phases=CALM_LAP, trade_rate=rate / (3 * coins)
    )


def contracts_of(scenario: Scenario) -> tuple[Contract, ...]:
    """Return every contract of the scenario; its place is its `index`."""
    found: list[Contract] = []
    for coin in scenario.underlyings:
        for venue, share in scenario.shares:
            lists = LISTINGS[venue]
            listed_size = lists.sizes.get(coin.name, lists.size)
            size = coin.okx_contract if listed_size == "okx" else listed_size
            in_contracts = lists.size != "1" and not lists.inverse
            lot = float(size) / 100.0 if in_contracts else 10.0**-coin.size_decimals
            found.append(
                Contract(
                    index=len(found),
                    venue=venue,
                    symbol=lists.name(coin.name),
                    underlying=coin.name,
                    contract_size=size,
                    inverse=lists.inverse,
                    spot=lists.spot,
                    activity=coin.activity,
                    price_decimals=coin.price_decimals,
                    lot=lot,
                    open_interest=coin.open_interest * share,
                )
            )
    return tuple(found)
