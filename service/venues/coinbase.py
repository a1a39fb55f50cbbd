"""Coinbase Exchange, spot: the matching engine's own feed of trades.

Facts as of 2026-08, from docs.cdp.coinbase.com/exchange/websocket-feed:

- ``match``: `side` is the MAKER's order; the taker is the other side. `trade_id` counts up by one for each
  product. Fills of one taker order are matches of their own.
- ``last_match`` comes first after subscribing: the newest trade of before. It is dropped, and says where the
  tape stands.
- ``heartbeat`` comes each second and product. It is the life of a quiet market, and its `last_trade_id`
  knows of trades whose match was lost: what has not come by the next heartbeat makes a GAP row, and that
  heartbeat is no proof of life. Some years it has been 0 throughout (go-coinbasepro issue 89), which says
  nothing.
- A connection that has not subscribed within 5 s is closed. One address may say 8 things a second.
- ``/products/{id}/trades`` gives any trades by id, newest first, with the maker's side as well: `after` N
  are those below N, at most 1000. There is no other history of a spot market that we want.
"""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Final, Literal

import msgspec

from service.semantics import Evidence, Semantics, TradeFeed
from service.venue import (
    ConnectionPlan,
    Conversation,
    FrameName,
    Gap,
    MalformedFrame,
    Poll,
    RestRequest,
    Universe,
    VenueRefused,
    VenueSpec,
    implied,
)
from service.venues.decode import (
    FAULTS,
    MAX_FRAME_BYTES,
    MAX_PAGES,
    Contract,
    Positive,
    SequenceId,
    blame,
    contract,
    contracts,
    read_body,
)
from service.venues.rfc3339 import nanoseconds
from streams.events import Channel, Kind, RowBuffer, Side
from streams.instruments import Instrument

__all__ = ["SPEC", "Decoder", "assume", "decoder", "discover", "fill", "history", "plan", "polls"]

NAME: Final = "coinbase"

TRADES: Final = TradeFeed(
    side="maker", unit="coin", gaps="contiguous", fill=True, first="dropped",
    note="heartbeats say which trade was the last, so a tape that stops is noticed as well",
    evidence=Evidence("2026-08", "docs.cdp.coinbase.com, Exchange WebSocket Channels; tardis-node"),
)  # fmt: skip
#: What each channel means.
SEMANTICS: Final = Semantics(market="spot", title="Coinbase Exchange", trade=TRADES)

SPEC: Final = VenueSpec(
    name=NAME,
    semantics=SEMANTICS,
    websocket_url="wss://ws-feed.exchange.coinbase.com",
    rest_url="https://api.exchange.coinbase.com",
    sends_per_s=4.0,
    rest_weight_per_minute=300,  # 10 a second are allowed
)

CHANNELS: Final = ("matches", "heartbeat")
#: Each product's heartbeat comes every second, so many products are many frames.
PRODUCTS_PER_CONNECTION: Final = 100
PRODUCTS_PER_FRAME: Final = 50

QUOTES: Final = frozenset({"USD", "USDT", "USDC"})
#: The venue's most for one page of trades.
TRADES_PER_PAGE: Final = 1000

_SIGN: Final = -1 if TRADES.side == "maker" else 1
TAKER: Final = {"buy": _SIGN * int(Side.BUY), "sell": _SIGN * int(Side.SELL)}

_TRADE: Final = int(Kind.TRADE)
_GAP: Final = int(Kind.GAP)
_TRADE_CHANNEL: Final = int(Channel.TRADE)

#: Known messages that carry nothing we want.
IGNORED: Final = frozenset({
    "ticker", "snapshot", "l2update", "status", "auction", "received", "open", "done", "change", "activate",
    "rfq_match",
})  # fmt: skip


class _Match(msgspec.Struct, gc=False):
    trade_id: SequenceId
    time: str
    size: Positive
    price: Positive
    side: Literal["buy", "sell"]
    product_id: str = ""  # not in REST answers


class _Heartbeat(msgspec.Struct, gc=False):
    product_id: str
    time: str
    last_trade_id: SequenceId = 0


class _Envelope(msgspec.Struct, gc=False):
    """What tells frames apart whose type does not come first."""

    type: str | None = None
    message: str = ""
    reason: str = ""


_read_match: Final = msgspec.json.Decoder(_Match, strict=False).decode
_read_heartbeat: Final = msgspec.json.Decoder(_Heartbeat, strict=False).decode
_read_envelope: Final = msgspec.json.Decoder(_Envelope, strict=False).decode


def _write(match: _Match, c: Contract, traded_ns: int, received_ns: int, out: RowBuffer) -> None:
    price = match.price / c.unit
    coin, usd = c.amounts(match.size, price)
    out.floats(
        _TRADE, TAKER[match.side], c.assumed, c.id, traded_ns, received_ns, match.trade_id,
        price, coin, usd,
    )  # fmt: skip


class _Tape(msgspec.Struct, gc=False):
    """How far a product's trades have come, and how far the last heartbeat says that they are."""

    seen: int
    complete_ns: int  # until when nothing is missing
    told: int = 0


class Decoder:
    """Reads one connection's frames. Remembers where each product's tape stands."""

    __slots__ = ("_contracts", "_tapes")

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._contracts = contracts(instruments)
        self._tapes: dict[str, _Tape] = {}

    def decode(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        """Write the frame's rows and say what it was.

        Raises:
            MalformedFrame: the frame cannot be read; no row of it remains in `out`.
            VenueRefused: it is an error answer to a subscription.
        """
        if len(frame) > MAX_FRAME_BYTES:
            raise MalformedFrame("size", f"{len(frame)} bytes")
        rows = out.rows
        try:
            if frame.startswith(b'{"type":"match"'):
                return self._match(frame, received_ns, out)
            return self._other(frame, received_ns, out)
        except FAULTS as fault:
            out.truncate(rows)
            raise blame(fault) from None
        except MalformedFrame:
            out.truncate(rows)
            raise

    def _other(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        envelope = _read_envelope(frame)
        match envelope.type:
            case "match":
                return self._match(frame, received_ns, out)
            case "last_match":
                return self._last_match(frame)
            case "heartbeat":
                return self._heartbeat(frame, received_ns, out)
            case "subscriptions":
                return "ack"
            case "error":
                raise VenueRefused(f"{envelope.message}: {envelope.reason}"[:200])
            case str(kind) if kind in IGNORED:
                return "ignored"
        raise MalformedFrame("unknown", f"type {str(envelope.type)[:40]}")

    def _contract(self, product: str) -> Contract:
        found = self._contracts.get(product)
        if found is None:
            raise MalformedFrame("symbol", product[:40])
        return found

    def _match(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        match = _read_match(frame)
        traded_ns = nanoseconds(match.time)
        _write(match, self._contract(match.product_id), traded_ns, received_ns, out)
        self._came(match.product_id, match.trade_id, traded_ns)
        return "trade"

    def _last_match(self, frame: bytes) -> FrameName:
        match = _read_match(frame)
        self._contract(match.product_id)
        self._came(match.product_id, match.trade_id, nanoseconds(match.time))
        return "notice"

    def _came(self, product: str, trade_id: int, traded_ns: int) -> None:
        tape = self._tapes.get(product)
        if tape is None:
            self._tapes[product] = _Tape(trade_id, traded_ns)
        elif trade_id > tape.seen:
            tape.seen, tape.complete_ns = trade_id, traded_ns

    def _heartbeat(self, frame: bytes, received_ns: int, out: RowBuffer) -> FrameName:
        """Compare with what came. A match may overtake its heartbeat, so each has a second to come."""
        beat = _read_heartbeat(frame)
        c, now_ns = self._contract(beat.product_id), nanoseconds(beat.time)
        tape = self._tapes.setdefault(beat.product_id, _Tape(beat.last_trade_id, now_ns))
        missed = tape.told > tape.seen
        if missed:
            out.integers(
                _GAP, 0, c.id, now_ns, received_ns, _TRADE_CHANNEL, tape.complete_ns, now_ns
            )  # fmt: skip
            tape.seen, tape.complete_ns = tape.told, now_ns
        elif beat.last_trade_id <= tape.seen:
            tape.complete_ns = now_ns
        tape.told = beat.last_trade_id
        return "notice" if missed else "beat"


def decoder(instruments: Mapping[str, Instrument]) -> Decoder:
    """Return a new connection's decoder."""
    return Decoder(instruments)


def plan(instruments: Sequence[Instrument]) -> list[ConnectionPlan]:
    """Return connections of so many products that their heartbeats stay few."""
    return [
        _connection(instruments[at : at + PRODUCTS_PER_CONNECTION])
        for at in range(0, len(instruments), PRODUCTS_PER_CONNECTION)
    ]


def _connection(instruments: Sequence[Instrument]) -> ConnectionPlan:
    products = [spec.symbol for spec in instruments]
    return ConnectionPlan(
        path="/",
        subscribe=tuple(
            msgspec.json.encode({
                "type": "subscribe",
                "product_ids": products[at : at + PRODUCTS_PER_FRAME],
                "channels": CHANNELS,
            })
            for at in range(0, len(products), PRODUCTS_PER_FRAME)
        ),
        channels=Channel.TRADE,
        control=Channel.TRADE,
        instruments=tuple(instruments),
    )  # fmt: skip


# REST


class _Product(msgspec.Struct, gc=False):
    id: str
    base_currency: str = ""
    quote_currency: str = ""
    status: str = ""
    trading_disabled: bool = False
    fx_stablecoin: bool = False


class _Refusal(msgspec.Struct):
    message: str


_PRODUCTS: Final = msgspec.json.Decoder(list[_Product] | _Refusal, strict=False)
_PAGE: Final = msgspec.json.Decoder(list[_Match] | _Refusal, strict=False)


def assume(symbol: str) -> Instrument | None:
    """Return the market of a symbol: it is its two currencies."""
    base, _, quote = symbol.partition("-")
    if quote not in QUOTES:
        return None
    return implied(venue=NAME, symbol=symbol, base=base, quote=quote, market="spot")


def discover() -> Conversation[Universe]:
    """Ask for trading markets quoted in dollars. Pairs of stablecoins are no coins' markets."""
    listed = read_body(_PRODUCTS, (yield RestRequest(path="/products")))
    if isinstance(listed, _Refusal):
        raise VenueRefused(listed.message[:200])
    universe = Universe()
    for item in listed:
        if item.fx_stablecoin or item.trading_disabled or item.quote_currency not in QUOTES:
            continue
        if item.status == "online":
            universe.add(
                venue=NAME,
                symbol=item.id,
                base=item.base_currency,
                quote=item.quote_currency,
                market="spot",
            )
    return universe


def history(
    _instrument: Instrument, _from_ns: int, _to_ns: int, _out: RowBuffer
) -> Conversation[None]:
    """Ask for nothing: a spot market has neither funding nor open interest."""
    return
    yield


def polls(_instruments: Sequence[Instrument]) -> list[Poll]:
    """Return none: the stream has everything."""
    return []


def fill(instrument: Instrument, gap: Gap, out: RowBuffer) -> Conversation[int | None]:
    """Ask for the trades of a gap, oldest first: ids are contiguous, so pages follow from them."""
    c = contract(instrument)
    path = f"/products/{instrument.symbol}/trades"
    done = gap.first - 1
    for _ in range(MAX_PAGES):
        if done >= gap.last:
            break
        after = min(done + TRADES_PER_PAGE, gap.last) + 1
        params = {"limit": str(TRADES_PER_PAGE), "after": str(after)}
        page = read_body(_PAGE, (yield RestRequest(path=path, params=params)))
        if isinstance(page, _Refusal):
            raise VenueRefused(page.message[:200])
        for match in sorted(page, key=attrgetter("trade_id")):
            if done < match.trade_id < after:
                _write(match, c, nanoseconds(match.time), gap.to_ns, out)
        done = after - 1
    return None
