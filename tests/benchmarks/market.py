"""A synthetic market as the engine gets it: mixed rows of three venues, drawn in one go. Not real data."""

from typing import Any, NamedTuple

import numpy as np

from streams.events import ROW, VIEWS, Channel, Flag, Kind, RowBuffer
from streams.instruments import Instrument, instrument, partition_of

S = 1_000_000_000
START_NS = 1_790_000_000 * S
VENUES = ("binance_usdm", "bybit", "okx")
LIQUIDATION_FLAGS = {
    "binance_usdm": Flag.SAMPLED | Flag.PRICE_FILL | Flag.STABLE_ASSUMED,
    "bybit": Flag.COMPLETE | Flag.PRICE_BANKRUPTCY | Flag.UNIT_ASSUMED | Flag.STABLE_ASSUMED,
    "okx": Flag.SAMPLED | Flag.PRICE_BANKRUPTCY | Flag.UNIT_ASSUMED | Flag.STABLE_ASSUMED,
}
#: Rows a second and contract beside trades, near what the venues' channels send of a busy contract.
MARKS, FUNDINGS, OPEN_INTERESTS, HEARTBEATS = 3.0, 0.5, 0.33, 4.0
#: Of the rows that are left; the rest are trades.
LIQUIDATED = 0.005


class Market(NamedTuple):
    """Contracts, their announcements, and rows in log order."""

    instruments: tuple[Instrument, ...]
    announced: bytes
    rows: Any

    @property
    def seconds(self) -> float:
        """Log time from the first row to the last."""
        return float(self.rows["received_ns"][-1] - self.rows["received_ns"][0]) / S

    def blocks(self, size: int) -> list[bytes]:
        """Cut the rows into blocks of `size`."""
        whole, step = self.rows.tobytes(), size * ROW.itemsize
        return [whole[at : at + step] for at in range(0, len(whole), step)]

    def partitioned(self, partitions: int, size: int) -> list[tuple[int, bytes]]:
        """Return (partition, block) in log order, announcements first, blocks of `size` rows."""
        rows = np.concatenate([np.frombuffer(self.announced, ROW), self.rows])
        ids = np.array([one.id for one in self.instruments], np.uint64)
        parts = np.array([partition_of(one.underlying, partitions) for one in self.instruments])
        order = np.argsort(ids)
        place = parts[order][np.searchsorted(ids[order], rows["instrument"])]
        cut = []
        for partition in range(partitions):
            mine = np.flatnonzero(place == partition)
            cut += [
                (int(mine[at]), partition, rows[mine[at : at + size]].tobytes())
                for at in range(0, len(mine), size)
            ]
        return [(partition, block) for _, partition, block in sorted(cut)]


def contracts(underlyings: int) -> tuple[Instrument, ...]:
    """Return a USDT perpetual of each underlying on each venue."""
    return tuple(
        instrument(venue=venue, symbol=f"U{u:03d}USDT", underlying=f"U{u:03d}", quote="USDT")
        for u in range(underlyings)
        for venue in VENUES
    )


def market(underlyings: int, rows_per_s: float, seconds: float, *, seed: int = 1) -> Market:
    """Return `rows_per_s` rows of log time in all, spread evenly over three contracts an underlying."""
    rng = np.random.default_rng(seed)
    listed = contracts(underlyings)
    buffer = RowBuffer()
    for one in listed:
        buffer.contract(0, one.id, START_NS, START_NS, 8 * 3600 * S, one.underlying, one.venue)
    rows = np.zeros(int(rows_per_s * seconds), ROW)
    steps = np.sort(rng.integers(0, int(seconds * S), len(rows)))
    rows["exchange_ns"] = START_NS + S + steps
    rows["received_ns"] = rows["exchange_ns"] + rng.integers(0, 20_000_000, len(rows))
    which = rng.integers(0, len(listed), len(rows))
    rows["instrument"] = np.array([one.id for one in listed], np.uint64)[which]
    rows["kind"] = _kinds(rng, len(rows), rows_per_s / len(listed))
    price = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 1e-6, len(rows))))
    quantity = rng.lognormal(0.0, 1.0, len(rows))
    _fill(rng, rows, price, quantity)
    flags = np.array([int(LIQUIDATION_FLAGS[one.venue]) for one in listed], np.uint16)[which]
    rows["flags"] = np.where(rows["kind"] == Kind.LIQUIDATION, flags, 0)
    return Market(listed, bytes(buffer.view()), rows)


def _kinds(rng: np.random.Generator, count: int, per_contract: float) -> Any:
    """Draw what each row is; where rows are few, the fixed channels take at most 80 % of them."""
    rates = np.array([MARKS, FUNDINGS, OPEN_INTERESTS, HEARTBEATS])
    shares = rates / max(per_contract, rates.sum() / 0.8)
    left = 1.0 - shares.sum()
    chances = [*shares, LIQUIDATED * left, (1.0 - LIQUIDATED) * left]
    kinds = [
        Kind.MARK, Kind.FUNDING, Kind.OPEN_INTEREST, Kind.HEARTBEAT, Kind.LIQUIDATION, Kind.TRADE,
    ]  # fmt: skip
    return rng.choice([int(kind) for kind in kinds], count, p=chances)


def _fill(rng: np.random.Generator, rows: Any, price: Any, quantity: Any) -> None:
    """Write the payload of every kind."""

    def of(kind: Kind) -> tuple[Any, Any]:
        return rows["kind"] == kind, rows.view(VIEWS[kind])

    rows["side"] = rng.choice([-1, 1], len(rows))
    for kind in (Kind.TRADE, Kind.LIQUIDATION):
        mine, view = of(kind)
        view["price"][mine], view["quantity"][mine] = price[mine], quantity[mine]
        view["notional_usd"][mine] = (price * quantity)[mine]
    mine, view = of(Kind.MARK)
    view["mark_price"][mine], view["index_price"][mine] = price[mine], 0.9999 * price[mine]
    view["mid_price"][mine] = 1.0001 * price[mine]
    mine, view = of(Kind.FUNDING)
    view["rate"][mine], view["interval_ns"][mine] = 1e-4, 8 * 3600 * S
    mine, view = of(Kind.OPEN_INTEREST)
    coin = 1e6 * np.exp(np.cumsum(rng.normal(0.0, 1e-6, len(rows))))
    view["quantity"][mine], view["mark_price"][mine] = coin[mine], price[mine]
    view["notional_usd"][mine] = (coin * price)[mine]
    mine, view = of(Kind.HEARTBEAT)
    view["channels"][mine], view["reason"][mine] = int(Channel.ALL), 0
