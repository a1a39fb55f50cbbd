"""One contract living through its seconds: trades, open interest, forced closes, premium, funding."""

import math
import random
from operator import itemgetter

import msgspec

from service.simulator.funding import INTERVAL_NS, funding_rate, next_funding_ns
from service.simulator.hawkes import ExcitedProcess
from service.simulator.market_events import Liquidation, MarketEvent, Settlement, Tick, Trade
from service.simulator.scenario import Contract, Phase, Scenario

SECOND_NS = 10**9
MS_NS = 10**6
OFFSET_SD = 0.2e-4  # of a venue's own premium
OFFSET_HALF_LIFE_S = 1800.0
OI_PULL_S = 10.0  # trades bring open interest to its plan in about this time
OI_NOISE = 0.15  # share of a trade that opens or closes by chance
TRADE_SIGMA = 1.2  # of ln(size)

_Deal = tuple[int, float, float, int]  # time in ns, price, coin, taker: a trade not yet numbered
_at = itemgetter(0)


def decay(half_life_s: float, seconds: float = 1.0) -> float:
    """Return what is left after `seconds`.

    >>> decay(10.0, 20.0)
    0.25
    """
    return float(0.5 ** (seconds / half_life_s))


class Second(msgspec.Struct, frozen=True, gc=False):
    """What an underlying's contracts share in one second: index at both ends, premium, plan."""

    start_ns: int
    index_from: float
    index_to: float
    premium: float
    phase: Phase
    oi_factor: float  # planned open interest at the end, of the contract's base


class ContractMarket:
    """State of one contract and the events of its next second."""

    def __init__(
        self, contract: Contract, scenario: Scenario, index: float, premium: float
    ) -> None:
        seed = f"{scenario.seed}:{contract.venue}:{contract.symbol}"
        self.contract = contract
        self.open_interest = self._base = contract.open_interest
        self.last = self.index = index
        self.premium = self.mark_premium = self.funding_premium = premium
        self._scenario = scenario
        self._activity = contract.activity
        self._offset = 0.0
        self._number = 0
        self._half_spread = scenario.spread_bp / 2e4
        self._flow = random.Random(f"{seed}:flow")
        self._noise = random.Random(f"{seed}:premium")
        self._fills = random.Random(f"{seed}:fills")
        self._longs = ExcitedProcess(scenario.excitation, random.Random(f"{seed}:longs"))
        self._shorts = ExcitedProcess(scenario.excitation, random.Random(f"{seed}:shorts"))
        self._keep_offset = decay(OFFSET_HALF_LIFE_S)
        self._offset_kick = OFFSET_SD * math.sqrt(1.0 - self._keep_offset**2)
        self._keep_mark = decay(scenario.mark_half_life_s)
        self._keep_funding = decay(scenario.funding_half_life_s)

    @property
    def mark(self) -> float:
        """The mark price, USD: index with a smoothed premium."""
        return self.index * (1.0 + self.mark_premium)

    @property
    def rate(self) -> float:
        """The predicted funding rate, decimal per eight hours."""
        return funding_rate(self.funding_premium)

    def tick(self, now_ns: int) -> Tick:
        """Return the contract's levels as they are, stamped `now_ns`."""
        return Tick(
            self.contract.index, now_ns, self.mark, self.index, self.index * (1.0 + self.premium),
            self.last, self.premium, self.rate, next_funding_ns(now_ns), self.open_interest,
        )  # fmt: skip

    def second(self, now: Second) -> list[MarketEvent]:
        """Live through one second and return its events, settlement and tick first."""
        events: list[MarketEvent] = []
        if not self.contract.spot:
            if now.start_ns % INTERVAL_NS == 0:
                events.append(Settlement(self.contract.index, now.start_ns, self.rate, self.mark))
            events.append(self.tick(now.start_ns))
        mid_from = now.index_from * (1.0 + self.premium)
        self._premia(now)
        mid_to = now.index_to * (1.0 + self.premium)
        pending = [] if self.contract.spot else self._forced(now, mid_from, mid_to, events)
        pending += self._voluntary(now, mid_from, mid_to)
        pending.sort(key=_at)
        events.extend(self._trade(*one) for one in pending)
        return events

    def _premia(self, now: Second) -> None:
        self._offset = self._offset * self._keep_offset + self._noise.gauss(0.0, self._offset_kick)
        self.premium = now.premium + self._offset
        self.mark_premium += (1.0 - self._keep_mark) * (self.premium - self.mark_premium)
        self.funding_premium += (1.0 - self._keep_funding) * (self.premium - self.funding_premium)
        self.index = now.index_to

    def _forced(
        self, now: Second, mid_from: float, mid_to: float, events: list[MarketEvent]
    ) -> list[_Deal]:
        phase, deals = now.phase, list[_Deal]()
        mean = self._base * self._scenario.liquidation_size * phase.liquidation_size
        for position, process, rate in (
            (1, self._longs, phase.long_rate),
            (-1, self._shorts, phase.short_rate),
        ):
            for offset, size in process.second(rate * self._activity):
                at = now.start_ns + int(offset * 1000.0) * MS_NS
                mid = mid_from + (mid_to - mid_from) * offset
                close = self._close(at, position, mean * size, mid)
                events.append(close)
                deals.append((at, close.fill_price, close.quantity, -position))
        return deals

    def _close(self, at: int, position: int, coin: float, mid: float) -> Liquidation:
        quantity = self._lots(min(coin, self.open_interest / 100.0))
        # a long is sold below the middle, and its margin would have been gone further below
        slip = self._fills.uniform(0.0002, 0.002)
        lost = slip + self._fills.uniform(0.001, 0.004)
        self.open_interest -= quantity
        return Liquidation(
            self.contract.index,
            at,
            position,
            quantity,
            self._price(mid * (1.0 - position * slip)),
            self._price(mid * (1.0 - position * lost)),
        )

    def _voluntary(self, now: Second, mid_from: float, mid_to: float) -> list[_Deal]:
        rng, deals = self._flow, list[_Deal]()
        rate = self._scenario.trade_rate * now.phase.trade_rate * self._activity
        mean = self._base * self._scenario.trade_size
        wanted = (self._base * now.oi_factor - self.open_interest) / OI_PULL_S
        opening = min(max(wanted / (rate * mean), -0.8), 0.8)
        scale = math.log(mean) - TRADE_SIGMA**2 / 2.0
        offset = rng.expovariate(rate)
        while offset < 1.0:
            quantity = self._lots(rng.lognormvariate(scale, TRADE_SIGMA))
            taker = 1 if rng.random() < now.phase.buy_share else -1
            mid = mid_from + (mid_to - mid_from) * offset
            price = self._price(mid * (1.0 + taker * self._half_spread))
            self.open_interest += quantity * min(max(rng.gauss(opening, OI_NOISE), -1.0), 1.0)
            deals.append((now.start_ns + int(offset * 1000.0) * MS_NS, price, quantity, taker))
            offset += rng.expovariate(rate)
        return deals

    def _lots(self, coin: float) -> float:
        lot = self.contract.lot
        return round(max(1.0, round(coin / lot)) * lot, 8)

    def _price(self, price: float) -> float:
        return round(price, self.contract.price_decimals)

    def _trade(self, at: int, price: float, quantity: float, taker: int) -> Trade:
        self._number += 1
        self.last = price
        return Trade(self.contract.index, at, self._number, price, quantity, taker)
