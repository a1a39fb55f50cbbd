"""Hyperliquid over REST: contracts and settled funding.

Facts as of 2026, from https://hyperliquid.gitbook.io/hyperliquid-docs, Info endpoint and Rate limits:

- Everything is a POST to ``/info`` whose body says what is asked. Most questions weigh 20 of 1,200 a
  minute, those that answer with rows one more for each 20.
- A contract is one coin, or a thousand of it where the name begins with ``k``. Coins of builder-deployed
  exchanges have a colon in their names, and another collateral perhaps.
- Funding is paid every full hour. ``fundingHistory`` comes oldest first and is cut at 500.
- There is no history of open interest, nor candles of mark and index; what has candles are trades.
"""

from collections.abc import Generator, Sequence
from typing import Any, Final

import msgspec

from service.venue import Conversation, Poll, RestRequest, Universe, implied
from service.venues.backfill import Backfill
from service.venues.decode import HOUR_MS, HOUR_NS, MAX_PAGES, Millis, Rate, read_body
from streams.events import RowBuffer
from streams.instruments import Instrument

NAME: Final = "hyperliquid"
QUOTE: Final = "USDC"  # prices are USD, margin and profit USDC
#: All contracts pay at every full hour.
INTERVAL_NS: Final = HOUR_NS

_QUESTION_WEIGHT: Final = 20
_HISTORY_WEIGHT: Final = 45  # with 500 rows


class _Asset(msgspec.Struct, gc=False, rename="camel"):
    name: str
    is_delisted: bool = False


class _Meta(msgspec.Struct):
    universe: list[_Asset]


class _Settlement(msgspec.Struct, gc=False, rename="camel"):
    time: Millis
    funding_rate: Rate


_META: Final = msgspec.json.Decoder(tuple[_Meta, msgspec.Raw], strict=False)
_SETTLEMENTS: Final = msgspec.json.Decoder(list[_Settlement], strict=False)


def _ask(weight: int, **question: Any) -> RestRequest:
    return RestRequest(path="/info", body=msgspec.json.encode(question), weight=weight)


def polls(_instruments: Sequence[Instrument]) -> list[Poll]:
    """Return none: the stream has everything."""
    return []


def assume(symbol: str) -> Instrument | None:
    """Return the perpetual of a coin's name; spot pairs and builders' coins imply none."""
    return implied(venue=NAME, symbol=symbol, base=symbol, quote=QUOTE, interval_ns=INTERVAL_NS)


def discover() -> Conversation[Universe]:
    """Ask for the perpetuals of the exchange itself that are not delisted."""
    body = yield _ask(_QUESTION_WEIGHT, type="metaAndAssetCtxs")
    universe = Universe()
    for asset in read_body(_META, body)[0].universe:
        if not asset.is_delisted and ":" not in asset.name:
            universe.add(
                venue=NAME, symbol=asset.name, base=asset.name, quote=QUOTE, interval_ns=INTERVAL_NS
            )
    return universe


def history(instrument: Instrument, from_ns: int, to_ns: int, out: RowBuffer) -> Conversation[None]:
    """Ask for settled funding of a span: the venue has no other history that we keep."""
    fill = Backfill(instrument, from_ns, to_ns)
    rates = yield from _settlements(fill, instrument.symbol)
    fill.settlements(rates, every_ns=INTERVAL_NS)
    fill.write(out)


def _settlements(fill: Backfill, coin: str) -> Generator[RestRequest, bytes, dict[int, float]]:
    """Follow pages forward; what settled at what time in ms."""
    rates: dict[int, float] = {}
    since_ms = fill.from_ms
    for _ in range(MAX_PAGES):
        body = yield _ask(
            _HISTORY_WEIGHT, type="fundingHistory", coin=coin,
            startTime=since_ms, endTime=fill.to_ms - 1,
        )  # fmt: skip
        page = read_body(_SETTLEMENTS, body)
        rates.update((item.time, item.funding_rate) for item in page)
        newest_ms = max((item.time for item in page), default=0)
        if newest_ms < since_ms or newest_ms + HOUR_MS >= fill.to_ms:
            break
        since_ms = newest_ms + 1
    return rates
