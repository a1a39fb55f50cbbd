"""Coinbase Derivatives, perpetual-style futures through Advanced Trade: a regulated venue.

Facts as of 2026-08, beside those of the protocol in `coinbase_advanced`, from docs.cdp.coinbase.com, Get
Public Product, and a recorded answer of 2026-04-07 (test data of nautilus_trader):

- They are listed as futures of 2030 (``BIP-20DEC30-CDE``). What tells them from dated futures is that they
  have a `funding_interval`. `contract_size` is coin a contract (0.01 for nano bitcoin), sizes are contracts.
- The stream has trades only. Open interest (contracts, one side), the index and funding are in the product,
  which is polled and says no time of its own: rows have the time of asking. The fields of the same names
  under `perpetual_details` are empty or old.
- There is no mark price; the index and the middle of the book are what there is. Open interest is valued at
  the index, else the middle, and says so with UNIT_ASSUMED.
- `funding_rate` is for `funding_interval` ("3600s"). The recorded `funding_time` was half an hour past, so a
  rate is taken as settled then and told once; were it ahead, the rate would be an estimate for it.
- No liquidations are published.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from service.semantics import Evidence, FundingFeed, MarkFeed, OpenInterestFeed, Semantics
from service.venue import (
    Conversation,
    MalformedFrame,
    Poll,
    RestRequest,
    Universe,
    VenueSpec,
    no_fill,
)
from service.venues import coinbase_advanced
from service.venues.coinbase_advanced import Decoder, plan
from service.venues.decode import (
    NAN,
    Blank,
    NotNegative,
    Positive,
    Rate,
    contract,
    read_body,
)
from service.venues.rfc3339 import nanoseconds
from streams.events import Channel, Flag, Kind, RowBuffer
from streams.instruments import Instrument

__all__ = ["SPEC", "Decoder", "assume", "decoder", "discover", "fill", "history", "plan", "polls"]

NAME: Final = "coinbase_cde"

POLL_EVERY_S: Final = 10.0
_PAGE: Final = Evidence("2026-08", "docs.cdp.coinbase.com, Get Public Product; recorded answers")

#: What each channel means.
SEMANTICS: Final = Semantics(
    market="regulated",
    title="Coinbase Derivatives",
    trade=coinbase_advanced.trade_feed("contracts"),
    mark=MarkFeed(
        source="rest", index=True, cadence_s=POLL_EVERY_S, evidence=_PAGE,
        note="no mark price: the index, and the middle of the book",
    ),
    funding=FundingFeed(
        source="rest", kind="settled", interval="message", interval_h=1.0, evidence=_PAGE,
        note="that funding_time is past is UNCONFIRMED; a time ahead makes an estimate",
    ),
    open_interest=OpenInterestFeed(
        source="rest", unit="contracts", cadence_s=POLL_EVERY_S, evidence=_PAGE,
        note="valued at the index",
    ),
)  # fmt: skip

SPEC: Final = VenueSpec(
    name=NAME,
    semantics=SEMANTICS,
    websocket_url=coinbase_advanced.WEBSOCKET_URL,
    rest_url=coinbase_advanced.REST_URL,
    sends_per_s=coinbase_advanced.SENDS_PER_S,
    rest_weight_per_minute=coinbase_advanced.WEIGHT_PER_MINUTE,
)

#: Of the budget, what polls may take; the rest is for looking at the listing.
POLLS_PER_MINUTE: Final = 200

_NS: Final = 10**9
_SECONDS: Final = re.compile(r"([1-9][0-9]{2,4})s")
_SIZE: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_SETTLED: Final = SEMANTICS.funding_flags
_PREDICTED: Final = int(Flag.PREDICTED)
_ASSUMED: Final = int(Flag.UNIT_ASSUMED)

fill: Final = no_fill


class _Details(msgspec.Struct, gc=False):
    funding_interval: str | None = None
    funding_rate: Rate | Blank | None = None
    funding_time: str | None = None
    open_interest: NotNegative | Blank | None = None
    index_price: Positive | Blank | None = None


class _Product(msgspec.Struct, gc=False):
    product_id: str
    future_product_details: _Details
    mid_market_price: Positive | Blank | None = None


_PRODUCT: Final = msgspec.json.Decoder(_Product, strict=False)


def decoder(instruments: Mapping[str, Instrument]) -> Decoder:
    """Return a new connection's decoder."""
    return Decoder(instruments)


def assume(_symbol: str) -> Instrument | None:
    """Return nothing: neither coin nor size of a contract follow from its symbol."""
    return None


def interval_ns(text: str | None) -> int:
    """Return a funding interval in ns, 0 where the product has none.

    >>> interval_ns("3600s"), interval_ns(None), interval_ns("1h")
    (3600000000000, 0, 0)
    """
    found = _SECONDS.fullmatch(text or "")
    return int(found[1]) * _NS if found else 0


def discover() -> Conversation[Universe]:
    """Ask for perpetual-style futures on coins, settled in USD."""
    universe = Universe()
    for item in (yield from coinbase_advanced.products("FUTURE")):
        details = item.future_product_details
        if details is None or details.venue != "cde" or details.non_crypto:
            continue
        every_ns = interval_ns(details.funding_interval)
        if every_ns == 0 or item.quote_currency_id != "USD":
            continue
        if not _SIZE.fullmatch(details.contract_size):
            universe.unmapped[item.product_id] = f"contract size {details.contract_size[:40]!r}"
            continue
        universe.add(
            venue=NAME, symbol=item.product_id, base=details.contract_root_unit, quote="USD",
            interval_ns=every_ns, contract_size=details.contract_size, market="regulated",
        )  # fmt: skip
    return universe


def history(
    _instrument: Instrument, _from_ns: int, _to_ns: int, _out: RowBuffer
) -> Conversation[None]:
    """Ask for nothing: open interest and funding are told as they are now, and candles are of trades."""
    return
    yield


def polls(instruments: Sequence[Instrument]) -> list[Poll]:
    """Return one poll a product, every 10 s or as often as the budget allows."""
    every_s = max(POLL_EVERY_S, 60.0 * len(instruments) / POLLS_PER_MINUTE)
    return [
        Poll(
            request=RestRequest(path=f"/api/v3/brokerage/market/products/{spec.symbol}"),
            every_s=every_s,
            channel=Channel.MARK | Channel.FUNDING | Channel.OPEN_INTEREST,
            instrument=spec,
            decode=_Answers(spec).decode,
        )
        for spec in instruments
    ]


class _Answers:
    """Reads one product's answers. Remembers the settlement it has told of."""

    def __init__(self, spec: Instrument) -> None:
        self._symbol = spec.symbol
        self._contract = contract(spec)
        self._settled: tuple[int, float] | None = None

    def decode(self, body: bytes, received_ns: int, out: RowBuffer) -> None:
        """Write what the product says as rows: mark, funding, open interest.

        Raises:
            MalformedFrame: it cannot be read, or is of another product.
        """
        product = read_body(_PRODUCT, body)
        if product.product_id != self._symbol:
            raise MalformedFrame("symbol", product.product_id[:40])
        self._funding(product.future_product_details, received_ns, out)
        self._prices(product, received_ns, out)

    def _prices(self, product: _Product, received_ns: int, out: RowBuffer) -> None:
        c, details = self._contract, product.future_product_details
        index = details.index_price / c.unit if details.index_price else NAN
        mid = product.mid_market_price / c.unit if product.mid_market_price else NAN
        if details.index_price or product.mid_market_price:
            out.floats(Kind.MARK, 0, 0, c.id, received_ns, received_ns, 0, NAN, index, mid)
        if details.open_interest is not None and details.open_interest != "":
            coin, usd = c.amounts(details.open_interest, index if index == index else mid)
            out.floats(
                Kind.OPEN_INTEREST, 0, _ASSUMED | c.assumed, c.id, received_ns, received_ns, 0,
                coin, usd, NAN,
            )  # fmt: skip

    def _funding(self, details: _Details, received_ns: int, out: RowBuffer) -> None:
        rate, every_ns = details.funding_rate, interval_ns(details.funding_interval)
        if rate is None or rate == "" or not details.funding_time:
            return
        c, at_ns, flags = self._contract, nanoseconds(details.funding_time), 0
        if every_ns == 0:
            every_ns, flags = c.interval_ns, c.interval_flags
        if at_ns > received_ns:
            out.funding(
                _PREDICTED | flags, c.id, received_ns, received_ns, rate, every_ns, at_ns
            )  # fmt: skip
        elif self._settled != (at_ns, rate):
            self._settled = at_ns, rate
            out.funding(
                _SETTLED | flags, c.id, at_ns, received_ns, rate, every_ns, at_ns + every_ns
            )  # fmt: skip
