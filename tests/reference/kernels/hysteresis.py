"""A gate from its definition: the conditions of all steps are kept and searched backwards."""


class SlowGate:
    """Decides at each step by looking at the whole run of conditions since the last switch."""

    def __init__(self) -> None:
        self.on = False
        self.since_ns = 0
        self.steps: list[tuple[int, bool, bool]] = []

    def _lasted_ns(self, column: int) -> int:
        """Return for how long the condition held at every step up to now; -1 if it does not."""
        start = -1
        for step in reversed(self.steps):
            if not step[column]:
                break
            start = step[0]
        return self.steps[-1][0] - start if start >= 0 else -1

    def step(
        self, now_ns: int, *, enter: bool, leave: bool, dwell_in: int, dwell_out: int, least: int
    ) -> int:
        """Return 1 when switched on, -1 when switched off, else 0."""
        self.steps.append((now_ns, enter, leave))
        lasted = self._lasted_ns(2 if self.on else 1)
        wanted = dwell_out if self.on else dwell_in
        stayed = not self.on or now_ns - self.since_ns >= least
        if lasted < 0 or lasted < wanted or not stayed:
            return 0
        self.on = not self.on
        self.since_ns = now_ns
        self.steps = []
        return 1 if self.on else -1
