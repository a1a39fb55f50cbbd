"""A gate with hysteresis, dwell times and a minimum stay: how a noisy condition becomes a state.

The caller compares its signal with a high and a low threshold and passes two conditions. The gate
switches on once `enter` has held at every step for `dwell_in`, and off once `leave` has held at
every step for `dwell_out` and the gate has been on for `min_ns`. The wait to leave may run during
the minimum stay; being off has no minimum. Between two steps a condition is taken to last.

Unknown input is the caller's to decide. It passes (False, False), which breaks a running wait and
changes nothing else: missing data never switches a gate.

Times are int64 nanoseconds, not negative and not decreasing; -1 marks "not waiting". Zero bytes
are not a valid state, call `gate_init`.
"""

import numpy as np

from streams.kernels.jit import Record, kernel

GATE = np.dtype([("on", "i8"), ("since_ns", "i8"), ("enter_ns", "i8"), ("exit_ns", "i8")])
_NOT_WAITING = -1


@kernel
def gate_init(g: Record) -> None:
    """Set a GATE record to off and not waiting.

    >>> g = np.zeros(1, GATE)[0]
    >>> gate_init(g)
    >>> g.tolist()
    (0, 0, -1, -1)
    """
    g.on = 0
    g.since_ns = 0
    g.enter_ns = _NOT_WAITING
    g.exit_ns = _NOT_WAITING


@kernel
def _switch(g: Record, on: int, now_ns: int) -> None:
    g.on = on
    g.since_ns = now_ns
    g.enter_ns = _NOT_WAITING
    g.exit_ns = _NOT_WAITING


@kernel
def _step_off(g: Record, now_ns: int, enter: bool, dwell_in_ns: int) -> int:
    if not enter:
        g.enter_ns = _NOT_WAITING
        return 0
    if g.enter_ns == _NOT_WAITING:
        g.enter_ns = now_ns
    if now_ns - g.enter_ns < dwell_in_ns:
        return 0
    _switch(g, 1, now_ns)
    return 1


@kernel
def _step_on(g: Record, now_ns: int, leave: bool, dwell_out_ns: int, min_ns: int) -> int:
    if not leave:
        g.exit_ns = _NOT_WAITING
        return 0
    if g.exit_ns == _NOT_WAITING:
        g.exit_ns = now_ns
    if now_ns - g.exit_ns < dwell_out_ns or now_ns - g.since_ns < min_ns:
        return 0
    _switch(g, 0, now_ns)
    return -1


@kernel
def gate_step(
    g: Record,
    now_ns: int,
    enter: bool,
    leave: bool,
    dwell_in_ns: int,
    dwell_out_ns: int,
    min_ns: int,
) -> int:
    """Return 1 if the gate switched on at this step, -1 if it switched off, else 0.

    A gate switches at most once a step.

    >>> g = np.zeros(1, GATE)[0]
    >>> gate_init(g)
    >>> [gate_step(g, now, True, False, 10, 5, 0) for now in (100, 109, 110, 111)]
    [0, 0, 1, 0]
    >>> [gate_step(g, now, False, True, 10, 5, 0) for now in (120, 125)]
    [0, -1]
    """
    if g.on == 0:
        return _step_off(g, now_ns, enter, dwell_in_ns)
    return _step_on(g, now_ns, leave, dwell_out_ns, min_ns)
