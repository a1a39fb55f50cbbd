"""A living market with known parameters: a pure function of scenario, start and time asked for.

The market lives in whole seconds of log time; `advance` cuts them anywhere. Same scenario and start give
the same events whatever the steps, so a market at 120 times the speed is the same market.
"""

import math
import random
from operator import attrgetter
from typing import Protocol

from service.simulator.contract_market import SECOND_NS, ContractMarket, Second, decay
from service.simulator.history import History
from service.simulator.market_events import MarketEvent, Tick
from service.simulator.scenario import Contract, Scenario, Underlying, contracts_of
from service.simulator.schedule import Regime, Schedule


class Listable(Protocol):
    """What can take a contract off a venue and put it back."""

    def delist(self, symbol: str) -> None:
        """Take it off."""
        ...

    def relist(self, symbol: str) -> None:
        """Put it back."""
        ...


RECOVERY_S = 6 * 3600.0  # the price is pulled back to where it started, so that laps can go on
_time = attrgetter("time_ns")


class _Coin:
    """What the contracts of one underlying share: index, premium, where open interest wanders."""

    def __init__(self, coin: Underlying, scenario: Scenario) -> None:
        self._coin = coin
        self._rng = random.Random(f"{scenario.seed}:{coin.name}")
        self._scenario = scenario
        self._deviation = 0.0  # ln of the index over its start
        self._wander = 0.0
        self._keep_wander = decay(scenario.oi_half_life_s)
        self._wander_kick = scenario.oi_sd * math.sqrt(1.0 - self._keep_wander**2)
        self.index = coin.price
        self.premium = start_premium(scenario)

    def second(self, start_ns: int, second: int, regime: Regime, common: float) -> Second:
        """Move by one second."""
        index_from, scenario, phase = self.index, self._scenario, regime.phase
        own = self._rng.gauss(0.0, 1.0)
        rho = scenario.correlation
        shock = rho * common + math.sqrt(1.0 - rho * rho) * own
        sigma = self._coin.volatility_bp * 1e-4 * phase.volatility
        self._deviation += regime.drift - self._deviation / RECOVERY_S + sigma * shock
        self.index = self._coin.price * math.exp(self._deviation)
        keep = decay(phase.premium_half_life_s)
        target = phase.premium_bp * 1e-4
        kick = scenario.premium_sd_bp * 1e-4 * math.sqrt(1.0 - keep * keep)
        self.premium = target + keep * (self.premium - target) + self._rng.gauss(0.0, kick)
        self._wander = self._wander * self._keep_wander + self._rng.gauss(0.0, self._wander_kick)
        factor = math.exp(regime.level(second + 1) + self._wander)
        return Second(start_ns, index_from, self.index, self.premium, phase, factor)


def start_premium(scenario: Scenario) -> float:
    """Return the premium at which history ends and the live market begins, decimal."""
    return scenario.phases[0].premium_bp * 1e-4


class Market:
    """All contracts of a scenario, alive from `start_ns` on, with a past before it."""

    def __init__(self, scenario: Scenario, start_ns: int) -> None:
        self.scenario = scenario
        self.start_ns = start_ns // SECOND_NS * SECOND_NS
        self.contracts: tuple[Contract, ...] = contracts_of(scenario)
        self.listings: dict[str, list[Listable]] = {}  # by venue; they list themselves
        self.history = History(scenario, self.contracts, self.start_ns)
        self._schedule = Schedule(scenario)
        self._common = random.Random(f"{scenario.seed}:common")
        self._coins = [_Coin(coin, scenario) for coin in scenario.underlyings]
        premium = start_premium(scenario)
        per_coin = len(scenario.shares)
        self._lives = [
            ContractMarket(c, scenario, self._coins[c.index // per_coin].index, premium)
            for c in self.contracts
        ]
        self._second = 0
        self._ahead: list[MarketEvent] = []  # of the second being lived through, in time order

    @property
    def regime(self) -> Regime:
        """The phase the market is truly in: what a watcher is asked to find out."""
        return self._schedule.regime

    def delist(self, venue: str, symbol: str) -> None:
        """Take a contract off a venue: it is neither listed nor traded there any more."""
        for listing in self.listings[venue]:
            listing.delist(symbol)

    def relist(self, venue: str, symbol: str) -> None:
        """List a contract that is off its venue."""
        for listing in self.listings[venue]:
            listing.relist(symbol)

    def tick(self, contract: int, now_ns: int) -> Tick:
        """Return a contract's present levels."""
        return self._lives[contract].tick(now_ns)

    def advance(self, to_ns: int) -> list[MarketEvent]:
        """Return the events up to and including `to_ns` that were not returned before, in order."""
        out: list[MarketEvent] = []
        while self._next_ns() <= to_ns:
            out.extend(self._ahead)
            self._ahead = self._live_one_second()
        if self._ahead and self._ahead[0].time_ns <= to_ns:
            due = sum(event.time_ns <= to_ns for event in self._ahead)
            out.extend(self._ahead[:due])
            del self._ahead[:due]
        return out

    def _next_ns(self) -> int:
        return self.start_ns + self._second * SECOND_NS

    def _live_one_second(self) -> list[MarketEvent]:
        start_ns, regime = self._next_ns(), self._schedule.at(self._second)
        common = self._common.gauss(0.0, 1.0)
        events: list[MarketEvent] = []
        per_coin = len(self.scenario.shares)
        for place, coin in enumerate(self._coins):
            now = coin.second(start_ns, self._second, regime, common)
            for life in self._lives[place * per_coin : (place + 1) * per_coin]:
                lived = life.second(now)
                self.history.keep(lived)
                events.extend(lived)
        self._second += 1
        events.sort(key=_time)
        return events
