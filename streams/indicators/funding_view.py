"""Who pays most and who least: the two ends of the funding spread by name, for people."""

from typing import Any

from streams.kernels.jit import NS_PER_S
from streams.readings import number
from streams.signals import rfc3339

HOUR_NS = 3600 * NS_PER_S


def view(contracts: Any, venues: list[str], asof_ns: int) -> dict[str, Any] | None:
    """Return the contracts with the highest and the lowest yearly rate, None if none is known.

    Args:
        contracts: records of an underlying's contracts.
        venues: their venues in the same order.
        asof_ns: when; rates older than two of their intervals do not count.
    """
    rates = []
    for contract, venue in zip(contracts, venues, strict=True):
        c = contract["funding"]
        interval_ns, time_ns, rate = int(c["interval_ns"]), int(c["time_ns"]), float(c["rate"])
        if interval_ns > 0 and rate == rate and asof_ns - time_ns <= 2 * interval_ns:
            kind = "inverse" if contract["feed"]["inverse"] else "linear"
            rates.append((rate * 8760 * HOUR_NS / interval_ns, venue, kind, interval_ns, time_ns))
    if not rates:
        return None
    return {"highest": _end(max(rates)), "lowest": _end(min(rates))}


def _end(found: tuple[float, str, str, int, int]) -> dict[str, Any]:
    yearly, venue, kind, interval_ns, time_ns = found
    return {
        "venue": venue,
        "kind": kind,
        "apr": number(yearly),
        "interval_h": interval_ns / HOUR_NS,
        "time": rfc3339(time_ns),
    }
