"""What each channel of a venue means, as data: the one place where a side, a unit or a gap is declared.

A venue module fills in a `Semantics`. Decoders take the quality bits of their rows from it, so that what the
table says and what the rows say cannot part; `treadmill venues` and the page of venues are printed from it.
Every feed says where its facts are from and of when.
"""

from typing import Literal

import msgspec

from streams.events import Channel, Flag
from streams.instruments import Market

#: Where a channel's messages come from; "file" is given by the user.
Source = Literal["websocket", "rest", "file"]
#: What a quantity is written in.
Unit = Literal["coin", "contracts", "usd", "quote"]
#: `contiguous`: ids of a symbol count up by one. `connection`: messages of a connection do. `monotonic`: ids
#: only grow. `none`: a lost message leaves no trace.
Gaps = Literal["contiguous", "connection", "monotonic", "none"]
#: What comes first after subscribing: nothing old; old events, which are dropped; old events, passed
#: on as SNAPSHOT rows; or the present levels, which are news at any time.
First = Literal["nothing", "dropped", "marked", "levels"]
Completeness = Literal["complete", "sampled", "partial", "none"]


class Evidence(msgspec.Struct, frozen=True):
    """Where a fact was read, and of when it is: ``2026-07`` or ``2026-07-31``."""

    date: str
    source: str


class TradeFeed(msgspec.Struct, frozen=True, kw_only=True):
    """`side` is whose side the venue writes; rows always carry the taker's."""

    source: Source = "websocket"
    side: Literal["taker", "maker"] = "taker"
    unit: Unit
    gaps: Gaps
    fill: bool = False  # missing trades can be asked for by REST
    first: First = "nothing"
    note: str = ""
    evidence: Evidence


class MarkFeed(msgspec.Struct, frozen=True, kw_only=True):
    """Mark and index price. `cadence_s` is the longest usual time between two messages."""

    source: Source = "websocket"
    index: bool
    cadence_s: float
    note: str = ""
    evidence: Evidence


class FundingFeed(msgspec.Struct, frozen=True, kw_only=True):
    """A positive rate means that longs pay shorts, at every venue here.

    `interval` is where the time that a rate is for comes from: the message, the listed contract, or a rule of
    the venue's that holds for all contracts.
    """

    source: Source = "websocket"
    kind: Literal["predicted", "settled", "continuous"]
    interval: Literal["message", "listing", "fixed"]
    interval_h: float | None = None  # of the fixed rule, or usual
    positive: Literal["longs pay"] = "longs pay"
    note: str = ""
    evidence: Evidence


class OpenInterestFeed(msgspec.Struct, frozen=True, kw_only=True):
    """`sides` is how many sides of each contract the venue counts; rows always count one."""

    source: Source = "websocket"
    unit: Unit
    sides: Literal[1, 2] = 1
    cadence_s: float
    note: str = ""
    evidence: Evidence


class LiquidationFeed(msgspec.Struct, frozen=True, kw_only=True):
    """Forced closes. `side` is whose side the venue writes; rows always carry the position that was closed.

    `rule` says, where the feed is not complete, which forced closes it tells of.
    """

    source: Source = "websocket"
    completeness: Completeness
    rule: str = ""
    side: Literal["order", "position", "taker", "counterparty", ""] = ""
    price: Literal["fill", "bankruptcy", "order", "mark", ""] = ""
    unit: Unit = "coin"
    first: First = "nothing"
    note: str = ""
    evidence: Evidence

    @property
    def completeness_flag(self) -> Flag:
        """The contract fact, and the quality bit of every row, that the completeness makes."""
        return _COMPLETENESS[self.completeness]

    @property
    def flags(self) -> Flag:
        """The quality bits of a LIQUIDATION row: completeness and what kind of price it has.

        A price that is no fill makes the USD an assumption. Of an order's limit, which is about where the
        position is bankrupt, the same is said; a mark is neither.
        """
        return self.completeness_flag | _PRICES[self.price]


_COMPLETENESS = {
    "complete": Flag.COMPLETE,
    "sampled": Flag.SAMPLED,
    "partial": Flag.PARTIAL,
    "none": Flag(0),
}
_PRICES = {
    "fill": Flag.PRICE_FILL,
    "bankruptcy": Flag.PRICE_BANKRUPTCY | Flag.UNIT_ASSUMED,
    "order": Flag.PRICE_BANKRUPTCY | Flag.UNIT_ASSUMED,
    "mark": Flag.UNIT_ASSUMED,
    "": Flag(0),
}


class Semantics(msgspec.Struct, frozen=True, kw_only=True):
    """All channels of a venue. A channel that the venue does not have is None."""

    market: Market
    title: str  # as people call it
    trade: TradeFeed | None = None
    mark: MarkFeed | None = None
    funding: FundingFeed | None = None
    open_interest: OpenInterestFeed | None = None
    liquidation: LiquidationFeed | None = None

    @property
    def channels(self) -> Channel:
        """The channels that the venue has."""
        found = Channel(0)
        for channel in Channel.ALL:
            feed = getattr(self, str(channel.name).lower())
            if feed is not None and getattr(feed, "completeness", "") != "none":
                found |= channel
        return found

    @property
    def liquidation_flags(self) -> int:
        """The quality bits of LIQUIDATION rows, 0 where there are none."""
        return 0 if self.liquidation is None else int(self.liquidation.flags)

    @property
    def funding_flags(self) -> int:
        """The quality bits of live FUNDING rows. What accrues continuously is a running estimate as well."""
        if self.funding is None:
            return 0
        return int(Flag.SETTLED if self.funding.kind == "settled" else Flag.PREDICTED)
