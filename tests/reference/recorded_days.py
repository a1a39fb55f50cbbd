"""Recorded days of others as rows at their own resolution: what a candle does not say is not made up.

Contracts: "binance" has open interest each 5 minutes, funding as settled and the hourly forced USD of
three exchanges; "hyperliquid" and "lighter" have open interest and funding each hour; "bybit" only
funding. The mark of all is Bybit's 5-minute close, the index Binance's hourly spot close. Nobody traded,
nobody estimated funding. A row is written when its bar is over, and a second later every contract's heart
beats, so that a tick sees it.
"""

import csv
import gzip
import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from streams.events import Channel, Flag, Kind, Side
from tests.reference.log import Contract, Log

NAN = math.nan
BAR_S, HOUR_S = 300, 3600
VENUES = {"binance": 8 * HOUR_S, "hyperliquid": HOUR_S, "lighter": HOUR_S, "bybit": 8 * HOUR_S}
PAYMENT_CHANNELS = Channel.ALL & ~Channel.TRADE


@dataclass
class Day:
    """What the files of a folder say of one coin, by second since 1970."""

    close: dict[int, float] = field(default_factory=dict)  # at the bar's end
    index: dict[int, float] = field(default_factory=dict)
    coin: dict[str, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    funding: dict[str, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    forced: dict[int, tuple[float, float]] = field(default_factory=dict)  # USD of longs and shorts

    @property
    def seconds(self) -> list[int]:
        """Return the ends of all bars."""
        return sorted(self.close)


def table(folder: Path, name: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a file, none if the folder lacks it."""
    path = folder / f"{name}.csv.gz"
    if path.is_file():
        with gzip.open(path, "rt") as lines:
            yield from csv.DictReader(lines)


def _second(row: dict[str, str]) -> int:
    """Return the row's time: a few are milliseconds to two seconds off their grid."""
    return round(int(row["ts_ms"]) / 1000.0 / BAR_S) * BAR_S


def read(folder: Path, coin: str) -> Day:
    """Read one coin of a folder; see the README beside the data for its units."""
    day = Day()
    for row in table(folder, "bybit_linear_5m"):
        if row["symbol"] == f"{coin}USDT":
            day.close[_second(row) + BAR_S] = float(row["close"])
    for row in table(folder, "binance_um_open_interest_5m"):
        if row["symbol"] == f"{coin}USDT":
            day.coin["binance"][_second(row)] = float(row["sum_open_interest"])
    for row in table(folder, "binance_um_funding_per_hour"):  # the source had divided by 8
        if row["symbol"] == f"{coin}USDT":
            day.funding["binance"][_second(row)] = 8.0 * float(row["funding_rate_per_hour"])
    for row in table(folder, "multi_venue_funding"):
        if row["coin"] == coin and row["venue"] in ("hyperliquid", "lighter", "bybit"):
            day.funding[row["venue"]][_second(row)] = float(row["funding_rate"])
    for row in table(folder, "hyperliquid_lighter_oi_1h"):
        at = _second(row)
        if row["coin"] == coin and at in day.close:
            day.coin[row["venue"]][at] = float(row["oi_usd"]) / day.close[at]
    for row in table(folder, "coinglass_btc_1h_liq_oi_funding") if coin == "BTC" else ():
        end = _second(row) + HOUR_S
        day.index[end] = float(row["binance_spot_price_close"])
        day.forced[end] = float(row["liquidation_long_usd"]), float(row["liquidation_short_usd"])
    return day


def blocks(
    day: Day, coin: str, price_of: Callable[[int, float], float] = lambda _, price: price
) -> Iterator[tuple[int, bytes]]:
    """Yield each bar's end and its rows; `price_of` may bend the prices but no amount of coin."""
    contracts = {v: Contract(v, coin, interval_s=every) for v, every in VENUES.items()}
    log = Log(0)
    log.at(day.seconds[0] - BAR_S)
    for c in contracts.values():
        log.announce(c)
    for at in day.seconds:
        log.at(at)
        price = price_of(at, day.close[at])
        for venue, c in contracts.items():
            index = day.index.get(at, NAN) * price / day.close[at]
            log.mark(c, price, index if venue == "binance" else NAN)
            if at in day.coin[venue]:
                quantity = day.coin[venue][at]
                log.open_interest(c, quantity, quantity * price, price)
            if at in day.funding[venue]:
                log.funding(c, day.funding[venue][at], flags=Flag.SETTLED)
        for side, usd in zip((Side.LONG, Side.SHORT), day.forced.get(at, ()), strict=False):
            if usd > 0.0:
                log.floats(
                    Kind.LIQUIDATION, contracts["binance"], price, usd / day.close[at],
                    usd / day.close[at] * price, side, Flag.COMPLETE,
                )  # fmt: skip
        log.at(at + 1)
        for c in contracts.values():
            log.heartbeat(c, PAYMENT_CHANNELS)
        yield at, log.take()
