"""A simulated market seen backwards: what a venue's REST history says, joining the live market.

The past is drawn from the seed when first asked for, on a grid of five minutes that ends in the live
market's first values; the live market's own bars are kept as they happen.
"""

import random
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from service.simulator.funding import INTERVAL_NS, funding_rate
from service.simulator.market_events import MarketEvent, Settlement, Tick
from service.simulator.scenario import Contract, Scenario

GRID_MS = 300_000
DAY_MS = 86_400_000
KEPT_BARS = 12_000  # about 40 days of live bars a contract
PRICE_HALF_LIFE_S = 10 * 86_400.0
PREMIUM_HALF_LIFE_S = 3600.0
FUNDING_STEPS = 6  # grid steps whose mean premium made a past settlement
WICK = 0.3  # how far a bar reaches beyond open and close, of one step's typical move

BarKind = Literal["mark", "index", "premium"]
Floats = npt.NDArray[np.float64]


class Bar(NamedTuple):
    """A candle: start in ms; prices USD, or premium decimal."""

    start_ms: int
    open: float
    high: float
    low: float
    close: float


class Level(NamedTuple):
    """Open interest at a moment: ms, coin (one side), USD."""

    time_ms: int
    coin: float
    usd: float


class Payment(NamedTuple):
    """A funding settlement: ms, decimal rate per eight hours, mark price USD."""

    time_ms: int
    rate: float
    mark: float


def wandering(
    start: float, half_life_s: float, kick: float, rng: np.random.Generator, n: int
) -> Floats:
    """Return `n` grid steps of a mean-reverting walk that starts at `start` (not included)."""
    keep = 0.5 ** (GRID_MS / 1000.0 / half_life_s)
    out = np.empty(n)
    value = start
    for first in range(0, n, 128):  # in pieces, so that the powers stay within range
        shocks = rng.normal(0.0, kick, min(128, n - first))
        powers = keep ** np.arange(1, len(shocks) + 1)
        piece = powers * (value + np.cumsum(shocks / powers))
        out[first : first + len(shocks)] = piece
        value = float(piece[-1])
    return out


class _Past:
    """Five-minute grid of one contract before the live market, ascending; drawn once."""

    def __init__(self, scenario: Scenario, contract: Contract, anchor_ms: int) -> None:
        n = scenario.history_days * DAY_MS // GRID_MS
        step_s = GRID_MS / 1000.0
        coin = next(c for c in scenario.underlyings if c.name == contract.underlying)
        shared = np.random.default_rng(_seed(scenario, contract.underlying))
        own = np.random.default_rng(_seed(scenario, f"{contract.venue}:{contract.symbol}"))
        sigma = coin.volatility_bp * 1e-4 * np.sqrt(step_s)
        premium_sd = scenario.premium_sd_bp * 1e-4
        premium_kick = premium_sd * np.sqrt(1 - 0.25 ** (step_s / PREMIUM_HALF_LIFE_S))
        oi_kick = scenario.oi_sd * np.sqrt(1 - 0.25 ** (step_s / scenario.oi_half_life_s))
        deviation = wandering(0.0, PRICE_HALF_LIFE_S, sigma, shared, n)
        premium = wandering(0.0, PREMIUM_HALF_LIFE_S, premium_kick, shared, n)
        level = wandering(0.0, scenario.oi_half_life_s, oi_kick, shared, n)
        middle = scenario.phases[0].premium_bp * 1e-4
        offset = own.normal(0.0, 0.2e-4, n)
        self.times = anchor_ms - GRID_MS * np.arange(n, -1, -1, dtype=np.int64)
        self.index = coin.price * np.exp(np.append(deviation[::-1], 0.0))
        self.premium = middle + np.append((premium + offset)[::-1], 0.0)
        self.mark = self.index * (1.0 + self.premium)
        jitter = own.normal(0.0, scenario.oi_sd / 10.0, n)
        self.coin = contract.open_interest * np.exp(np.append((level + jitter)[::-1], 0.0))
        self.reach_up, self.reach_down = own.random((2, n)) * WICK
        self.scale = {"mark": sigma, "index": sigma, "premium": premium_kick}


def _seed(scenario: Scenario, name: str) -> int:
    return random.Random(f"{scenario.seed}:{name}:past").getrandbits(63)


class _Tape:
    """Bars and levels of one contract since the live market began."""

    __slots__ = ("bars", "levels", "open_ms", "payments")

    def __init__(self) -> None:
        self.bars: dict[BarKind, deque[list[float]]] = {
            "mark": deque(maxlen=KEPT_BARS),
            "index": deque(maxlen=KEPT_BARS),
            "premium": deque(maxlen=KEPT_BARS),
        }
        self.levels: deque[Level] = deque(maxlen=KEPT_BARS)
        self.payments: deque[Payment] = deque(maxlen=1000)
        self.open_ms = -1

    def tick(self, tick: Tick) -> None:
        """Take a second's levels into the open bar, or begin the next."""
        time_ms = tick.time_ns // 1_000_000
        start = time_ms // GRID_MS * GRID_MS
        values: tuple[tuple[BarKind, float], ...] = (
            ("mark", tick.mark), ("index", tick.index), ("premium", tick.premium),
        )  # fmt: skip
        if start == self.open_ms:
            for kind, value in values:
                _stretch(self.bars[kind][-1], value)
            return
        self.open_ms = start
        self.levels.append(Level(start, tick.open_interest, tick.open_interest * tick.mark))
        for kind, value in values:
            if self.bars[kind]:
                _stretch(self.bars[kind][-1], value)  # a bar closes where the next one opens
            self.bars[kind].append([start, value, value, value, value])


def _stretch(bar: list[float], value: float) -> None:
    bar[2] = max(bar[2], value)
    bar[3] = min(bar[3], value)
    bar[4] = value


class History:
    """The past of every contract, drawn, and its present, kept."""

    def __init__(self, scenario: Scenario, contracts: Sequence[Contract], start_ns: int) -> None:
        self._scenario = scenario
        self._contracts = contracts
        self.anchor_ms = start_ns // 1_000_000 // GRID_MS * GRID_MS
        self._tapes = [_Tape() for _ in contracts]
        self._pasts: dict[int, _Past] = {}

    def keep(self, events: Iterable[MarketEvent]) -> None:
        """Take what has just happened into the present's bars."""
        for event in events:
            if isinstance(event, Tick):
                self._tapes[event.contract].tick(event)
            elif isinstance(event, Settlement):
                payment = Payment(event.time_ns // 1_000_000, event.rate, event.mark)
                self._tapes[event.contract].payments.append(payment)

    def bars(
        self, contract: int, kind: BarKind, step_ms: int, from_ms: int, to_ms: int
    ) -> list[Bar]:
        """Return candles that start in [from, to], ascending, the last one perhaps still open.

        `step_ms` must be a multiple of five minutes.
        """
        first = -(-from_ms // step_ms) * step_ms
        last = to_ms // step_ms * step_ms
        fine = self._past_bars(contract, kind, first, last + step_ms)
        fine += [
            Bar(int(b[0]), b[1], b[2], b[3], b[4])
            for b in self._tapes[contract].bars[kind]
            if first <= b[0] < last + step_ms
        ]
        return fine if step_ms == GRID_MS else _coarser(fine, step_ms)

    def levels(self, contract: int, step_ms: int, from_ms: int, to_ms: int) -> list[Level]:
        """Return open interest at multiples of `step_ms` in [from, to], ascending."""
        past = self._past(contract)
        inside = (past.times >= from_ms) & (past.times <= to_ms) & (past.times < self.anchor_ms)
        inside &= past.times % step_ms == 0
        found = [
            Level(int(t), float(c), float(c * m))
            for t, c, m in zip(
                past.times[inside], past.coin[inside], past.mark[inside], strict=True
            )
        ]
        kept = self._tapes[contract].levels
        found += [v for v in kept if from_ms <= v.time_ms <= to_ms and v.time_ms % step_ms == 0]
        return found

    def payments(self, contract: int, from_ms: int, to_ms: int) -> list[Payment]:
        """Return funding settlements in [from, to], ascending."""
        past, step_ms = self._past(contract), INTERVAL_NS // 1_000_000
        oldest = int(past.times[FUNDING_STEPS])
        first = -(-max(from_ms, oldest) // step_ms) * step_ms
        found: list[Payment] = []
        for time_ms in range(first, min(to_ms, self.anchor_ms) + 1, step_ms):
            at = int((time_ms - int(past.times[0])) // GRID_MS)
            premium = float(past.premium[at - FUNDING_STEPS + 1 : at + 1].mean())
            found.append(Payment(time_ms, funding_rate(premium), float(past.mark[at])))
        known = {p.time_ms for p in found}
        kept = self._tapes[contract].payments
        found += [p for p in kept if from_ms <= p.time_ms <= to_ms and p.time_ms not in known]
        return found

    def _past(self, contract: int) -> _Past:
        if contract not in self._pasts:
            one = self._contracts[contract]
            self._pasts[contract] = _Past(self._scenario, one, self.anchor_ms)
        return self._pasts[contract]

    def _past_bars(self, contract: int, kind: BarKind, from_ms: int, to_ms: int) -> list[Bar]:
        past = self._past(contract)
        values: Floats = {"mark": past.mark, "index": past.index, "premium": past.premium}[kind]
        begin, end = np.searchsorted(past.times[:-1], [from_ms, to_ms])
        opens, closes = values[begin:end], values[begin + 1 : end + 1]
        reach = past.scale[kind] if kind == "premium" else past.scale[kind] * opens
        high = np.maximum(opens, closes) + reach * past.reach_up[begin:end]
        low = np.minimum(opens, closes) - reach * past.reach_down[begin:end]
        columns = (past.times[begin:end], opens, high, low, closes)
        return [Bar(*row) for row in zip(*(c.tolist() for c in columns), strict=True)]


def _coarser(fine: list[Bar], step_ms: int) -> list[Bar]:
    out: list[Bar] = []
    for bar in fine:
        start = bar.start_ms // step_ms * step_ms
        if out and out[-1].start_ms == start:
            old = out[-1]
            out[-1] = Bar(
                start, old.open, max(old.high, bar.high), min(old.low, bar.low), bar.close
            )
        else:
            out.append(Bar(start, *bar[1:]))
    return out
