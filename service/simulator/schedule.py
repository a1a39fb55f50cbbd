"""Where in its laps a market is: phases one after another, no two laps quite alike."""

import math
import random

import msgspec

from service.simulator.scenario import Phase, Scenario


class Regime(msgspec.Struct, frozen=True):
    """One phase as it will really be: varied, mirrored, with its place in time (seconds)."""

    phase: Phase
    lap: int
    start_s: int
    end_s: int
    level_from: float  # ln of open interest over its base
    level_to: float

    @property
    def drift(self) -> float:
        """Planned log return of the index a second."""
        return self.phase.price_return / (self.end_s - self.start_s)

    def level(self, second: int) -> float:
        """Return the planned ln(open interest / base) at `second`."""
        done = (second - self.start_s) / (self.end_s - self.start_s)
        return self.level_from + (self.level_to - self.level_from) * done


def mirrored(phase: Phase) -> Phase:
    """Return the phase as a short squeeze has it: price, premium and sides turned round.

    >>> mirrored(
    ...     Phase(kind="CASCADE", duration_s=1.0, price_return=-0.06, long_rate=1.0)
    ... ).short_rate
    1.0
    """
    return msgspec.structs.replace(
        phase,
        price_return=-phase.price_return,
        premium_bp=-phase.premium_bp,
        buy_share=1.0 - phase.buy_share,
        long_rate=phase.short_rate,
        short_rate=phase.long_rate,
    )


class Schedule:
    """The endless sequence of regimes of a scenario. Each lap is drawn from the seed and its number."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._pending: list[Regime] = []
        self._lap = 0
        self._end_s = 0
        self._level = 0.0
        self.regime = self._next()

    def at(self, second: int) -> Regime:
        """Return the regime of `second`, which must never be less than asked for before."""
        while second >= self.regime.end_s:
            self.regime = self._next()
        return self.regime

    def _next(self) -> Regime:
        if not self._pending:
            self._draw_lap()
        return self._pending.pop(0)

    def _draw_lap(self) -> None:
        scenario = self._scenario
        rng = random.Random(f"{scenario.seed}:lap:{self._lap}")
        move = 1.0 + 2.0 * scenario.variation * rng.uniform(-1.0, 1.0)
        for phase in scenario.phases:
            varied = _vary(phase, rng.uniform(-1.0, 1.0) * scenario.variation, move)
            regime = Regime(
                mirrored(varied) if scenario.short_squeeze else varied,
                self._lap,
                self._end_s,
                self._end_s + max(1, round(varied.duration_s)),
                self._level,
                math.log(varied.oi_level),
            )
            self._pending.append(regime)
            self._end_s = regime.end_s
            self._level = regime.level_to
        self._lap += 1


def _vary(phase: Phase, longer: float, move: float) -> Phase:
    return msgspec.structs.replace(
        phase,
        duration_s=phase.duration_s * (1.0 + longer),
        price_return=phase.price_return * move,
        oi_level=math.exp(math.log(phase.oi_level) * move),
    )
