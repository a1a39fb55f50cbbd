"""Cross-products of two series from all their returns."""

import math

LAGS = (1, 2, 5, 10)


class SlowCross:
    """Every step with both returns (NaN where missing), whether it counts, and the weight left of it."""

    def __init__(self) -> None:
        self.steps: list[tuple[float, float, bool]] = []
        self.left: list[float] = []

    def step(self, first: float, second: float, g: float, *, counts: bool = True) -> None:
        """Take a step before which the share `g` of everything was left."""
        self.left = [x * g for x in self.left]
        self.steps.append((first, second, counts))
        self.left.append(1.0)

    def _products(self, lag: int, *, ahead: bool) -> list[tuple[float, float]]:
        found = []
        for t in range(lag, len(self.steps)):
            before, now = self.steps[t - lag], self.steps[t]
            product = before[0] * now[1] if ahead else before[1] * now[0]
            both = math.isfinite(now[0]) and math.isfinite(now[1])
            if now[2] and both and math.isfinite(product):
                found.append((product, self.left[t]))
        return found

    def ratio(self) -> float:
        """Return the lead-lag ratio."""
        strength = []
        for ahead in (True, False):
            total = 0.0
            for lag in LAGS:
                found = self._products(lag, ahead=ahead)
                if not found:
                    return math.nan
                weight = math.fsum(w for _, w in found)
                total += (math.fsum(x * w for x, w in found) / weight) ** 2
            strength.append(total)
        return strength[0] / strength[1] if strength[1] > 0.0 else math.nan

    def evidence(self) -> float:
        """Return the sum of squared standard scores."""
        total = 0.0
        for ahead in (True, False):
            for lag in LAGS:
                found = self._products(lag, ahead=ahead)
                squares = math.fsum((x * w) ** 2 for x, w in found)
                if squares > 0.0:
                    total += math.fsum(x * w for x, w in found) ** 2 / squares
        return total
