"""The same market in other units, on another day, in a mirror, its venues in another order."""

from typing import Any

import numpy as np

from streams.events import Kind, block_rows
from tests.reference.log import S
from tests.reference.whole_market import FUTURE, INVERSE

Rows = Any
TRADED = (int(Kind.TRADE), int(Kind.LIQUIDATION))


def copied(block: bytes) -> Rows:
    """Return rows that may be written to."""
    return block_rows(bytearray(block)).copy()


def scaled(block: bytes, factor: float) -> bytes:
    """Multiply every price and every USD."""
    rows = copied(block)
    traded, mark = np.isin(rows["kind"], TRADED), rows["kind"] == Kind.MARK
    level = rows["kind"] == Kind.OPEN_INTEREST
    for name, which in (("a", traded | mark), ("b", mark | level), ("c", traded | mark | level)):
        rows[name][which] *= factor
    return bytes(rows.tobytes())


def later(block: bytes, days: int) -> bytes:
    """Move every time by whole days."""
    rows = copied(block)
    for name in ("exchange_ns", "received_ns"):
        rows[name] += days * 86_400 * S
    return bytes(rows.tobytes())


def mirrored(block: bytes, price: float) -> bytes:
    """Reflect the logarithm of every price at that of `price`, swap sides, negate funding rates.

    USD of trades and forced orders stay as they are, and what an open interest is measured in does: coin
    of linear contracts, USD of inverse ones.
    """
    rows, square = copied(block), price * price
    kind = rows["kind"]
    traded, mark, level = np.isin(kind, TRADED), kind == Kind.MARK, kind == Kind.OPEN_INTEREST
    rows["side"][traded] *= -1
    for name, which in (("a", traded | mark), ("b", mark), ("c", mark | level)):
        rows[name][which] = square / rows[name][which]
    rows["b"][traded] = rows["c"][traded] / rows["a"][traded]
    inverse = level & np.isin(rows["instrument"], (INVERSE.id, FUTURE.id))
    rows["a"][inverse] = rows["b"][inverse] / rows["c"][inverse]
    rows["b"][level & ~inverse] = rows["a"][level & ~inverse] * rows["c"][level & ~inverse]
    rows["a"][kind == Kind.FUNDING] *= -1.0
    return bytes(rows.tobytes())


def reordered(block: bytes, order: list[int]) -> bytes:
    """Announce the venues in another order; everything else stays."""
    rows = copied(block)
    head = rows["kind"] == Kind.INSTRUMENT
    rows[: head.sum()] = rows[head][order]
    return bytes(rows.tobytes())
