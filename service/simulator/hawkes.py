"""The planted truth about liquidations: a marked Hawkes process, drawn exactly."""

import math
import random

from service.simulator.scenario import Excitation

MOST_PER_SECOND = 500  # no market needs more, and a supercritical setting must not hang


class ExcitedProcess:
    """Forced closes of one side of one contract, a second at a time.

    The intensity is ``mu + sum n_k beta_k A_k`` with unit-mean excitation marks, so `n_k` is the number
    of events one event causes through memory k.
    """

    def __init__(self, excitation: Excitation, rng: random.Random) -> None:
        self._rng = rng
        self._sigma = excitation.size_sigma
        self._betas = tuple(math.log(2.0) / h for h in excitation.half_lives_s)
        self._gains = tuple(n * b for n, b in zip(excitation.branching, self._betas, strict=True))
        self._memory = [0.0] * len(self._betas)
        self._second = tuple(math.exp(-b) for b in self._betas)

    def intensity(self, mu: float) -> float:
        """Return events a second at this moment, given the background `mu`."""
        return mu + sum(g * a for g, a in zip(self._gains, self._memory, strict=True))

    def second(self, mu: float) -> list[tuple[float, float]]:
        """Return the next second's events as (offset in seconds, size with mean one)."""
        bound = self.intensity(mu)
        at = self._rng.expovariate(bound) if bound > 0.0 else 1.0
        if at >= 1.0:
            self._memory = [a * d for a, d in zip(self._memory, self._second, strict=True)]
            return []
        return self._busy_second(mu, at)

    def _busy_second(self, mu: float, first: float) -> list[tuple[float, float]]:
        found: list[tuple[float, float]] = []
        now, at = 0.0, first
        bound = self.intensity(mu)
        while at < 1.0 and len(found) < MOST_PER_SECOND:
            self._decay(at - now)
            now = at
            intensity = self.intensity(mu)
            if self._rng.random() * bound <= intensity:
                found.append((at, self._event()))
                intensity = self.intensity(mu)
            bound = intensity
            at = now + self._rng.expovariate(bound)
        self._decay(1.0 - now)
        return found

    def _decay(self, seconds: float) -> None:
        self._memory = [
            a * math.exp(-b * seconds) for a, b in zip(self._memory, self._betas, strict=True)
        ]

    def _event(self) -> float:
        z = self._rng.gauss(0.0, 1.0)
        mark = math.exp(self._sigma * z / 2.0 - self._sigma**2 / 8.0)
        self._memory = [a + mark for a in self._memory]
        return math.exp(self._sigma * z - self._sigma**2 / 2.0)
