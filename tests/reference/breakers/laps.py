"""Laps read off the whole history of one side: states and ln(OI) at every step."""

THIRTY_DAYS_NS = 30 * 86_400 * 10**9


class SlowLaps:
    """Keeps everything and looks through it."""

    def __init__(self, third: float) -> None:
        self.third = third
        # time, state, ln OI, ln OI at peak crowding, the lowest since
        self.steps: list[tuple[int, str, float, float, float]] = []

    def step(self, now_ns: int, state: str, log_oi: float, peak: float, low: float) -> None:
        """Remember a step."""
        self.steps.append((now_ns, state, log_oi, peak, low))

    def laps(self) -> list[tuple[int, float, float]]:
        """Return each lap: when its cascade came, seconds to a third, and what was back by then."""
        out = []
        flush = None
        for k, (now_ns, state, log_oi, peak, _) in enumerate(self.steps):
            entered = k == 0 or self.steps[k - 1][1] != state
            if entered and state == "FLUSHED":
                flush = (k, peak)
            if entered and state == "CASCADE" and flush is not None:
                back = self._rebuilt(*flush, k)
                if back is not None:
                    rebuilt_ns, low = back
                    began_ns = self.steps[flush[0]][0]
                    fraction = (log_oi - low) / (flush[1] - low)
                    out.append((now_ns, (rebuilt_ns - began_ns) / 1e9, fraction))
                flush = None
        return out

    def _rebuilt(self, first: int, peak: float, beyond: int) -> tuple[int, float] | None:
        """Return when a third was back, and the low before."""
        low = self.steps[first][4]
        rebuilt = None
        for now_ns, state, log_oi, *_ in self.steps[first : beyond + 1]:
            if rebuilt is None or state == "FLUSHED":
                low = min(low, log_oi)
            if rebuilt is None and peak > low and (log_oi - low) / (peak - low) >= self.third:
                rebuilt = now_ns
        return None if rebuilt is None else (rebuilt, low)

    def count(self) -> int:
        """Return how many laps the last 30 days had, of the last sixteen."""
        now_ns = self.steps[-1][0]
        return sum(now_ns - when <= THIRTY_DAYS_NS for when, _, _ in self.laps()[-16:])
