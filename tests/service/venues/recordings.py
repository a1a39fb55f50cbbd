"""Recordings of whole connections through a decoder, beside sums that plain JSON gives."""

import gzip
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from service.venue import MalformedFrame, Venue, VenueError
from streams.events import VIEWS, Kind, RowBuffer, block_rows
from streams.instruments import Instrument
from tests.service.venues.cases import RECEIVED_NS

#: A trade as the venue writes it: symbol, price, size, and 1 or -1 for a taker who bought or sold.
Taken = tuple[str, float, float, int]
#: Sums are of up to some ten thousand trades, added in another order.
TOLERANCE = 1e-9


class Heard(NamedTuple):
    """What became of a recording's frames."""

    says: Counter[str]
    refused: Counter[str]
    example: dict[str, str]  # of what was refused, by reason
    trades: int
    wrong: list[str]


class Sums(NamedTuple):
    """Trades of a symbol: how many, coin, USD of buys less sells."""

    count: int = 0
    coin: float = 0.0
    usd: float = 0.0

    def plus(self, coin: float, usd: float) -> "Sums":
        """Return the sums with one trade more."""
        return Sums(self.count + 1, self.coin + coin, self.usd + usd)

    def near(self, other: "Sums") -> bool:
        """Say whether two are the same but for rounding."""
        return self.count == other.count and all(
            math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=1e-6)
            for a, b in ((self.coin, other.coin), (self.usd, other.usd))
        )


def frames_of(path: Path) -> Iterator[bytes]:
    """Yield what a venue sent, without the recorder's notes: addresses, requests, REST answers."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as lines:
        for line in lines:
            stamp, _, frame = bytes(line).strip().partition(b" ")
            noted = not stamp[:1].isdigit() or frame.startswith((b'{"lastUpdateId"', b"http"))
            if frame and not noted:
                yield frame


def _coin_and_usd(spec: Instrument, price: float, size: float) -> tuple[float, float]:
    """Return coin and USD of a size as the venue writes it, from the contract's text alone."""
    amount = size * float(spec.contract_size)
    if spec.contract_type == "inverse":
        return amount / (price / spec.coins_per_unit), amount
    return amount * spec.coins_per_unit, amount * price


def recorded(
    path: Path,
    venue: Venue,
    instruments: Mapping[str, Instrument],
    tally: Callable[[Any], list[Taken]] | None,
) -> Heard:
    """Read a recording by the decoder and by `tally`; say where the two differ."""
    heard = Heard(Counter(), Counter(), {}, 0, [])
    taken = [one for frame in frames_of(path) for one in _taken(frame, tally)]
    listed = _implied(venue, {symbol for symbol, *_ in taken}) | dict(instruments)
    decoder, out = venue.decoder(listed), RowBuffer()
    for frame in frames_of(path):
        try:
            heard.says[decoder.decode(frame, RECEIVED_NS, out)] += 1
        except VenueError as error:
            reason = error.reason if isinstance(error, MalformedFrame) else "refused"
            heard.refused[reason] += 1
            heard.example.setdefault(reason, f"{error} in {frame[:120]!r}")
    ours, theirs = _sums(out, listed), _tallied(taken, listed)
    for symbol in sorted(ours.keys() | theirs.keys()) if tally else ():
        a, b = ours.get(symbol, Sums()), theirs.get(symbol, Sums())
        if not a.near(b):
            heard.wrong.append(f"{symbol}: {a}, plain JSON {b}")
    return heard._replace(trades=sum(one.count for one in ours.values()))


def _taken(frame: bytes, tally: Callable[[Any], list[Taken]] | None) -> list[Taken]:
    try:
        return tally(json.loads(frame)) if tally else []
    except ValueError:
        return []  # keep-alives that are no JSON


def _implied(venue: Venue, symbols: Iterable[str]) -> dict[str, Instrument]:
    found = {symbol: venue.assume(symbol) for symbol in sorted(symbols)}
    return {symbol: spec for symbol, spec in found.items() if spec is not None}


def _tallied(taken: list[Taken], instruments: Mapping[str, Instrument]) -> dict[str, Sums]:
    found: dict[str, Sums] = {}
    for symbol, price, size, taker in taken:
        if symbol in instruments:
            coin, usd = _coin_and_usd(instruments[symbol], price, size)
            found[symbol] = found.get(symbol, Sums()).plus(coin, taker * usd)
    return found


def _sums(out: RowBuffer, instruments: Mapping[str, Instrument]) -> dict[str, Sums]:
    rows = block_rows(bytes(out.view()))
    trades = rows[rows["kind"] == Kind.TRADE].view(VIEWS[Kind.TRADE])
    found = {}
    for symbol, spec in instruments.items():
        own = trades[trades["instrument"] == spec.id]
        if len(own):
            usd = float((own["side"] * own["notional_usd"]).sum())
            found[symbol] = Sums(len(own), float(own["quantity"].sum()), usd)
    return found
