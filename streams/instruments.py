"""What one contract is: its stable id, its underlying, and contracts → coin → USD.

Sizes are kept as exact ratios (OKX's ``0.01`` is 1/100), so that a conversion rounds once, at the end.
Prices are normalised to one coin: ``1000PEPEUSDT`` quotes a thousand coins, its `coins_per_unit` is 1000.
"""

from decimal import Decimal, InvalidOperation
from hashlib import blake2b
from typing import Literal

import msgspec

ContractType = Literal["linear", "inverse"]
Market = Literal["perpetual", "spot", "regulated"]

#: Longest underlying and venue names that fit an INSTRUMENT row.
NAME_BYTES = 12


class UnknownInstrument(Exception):  # noqa: N818 - named as the field names it
    """A symbol that no specification describes. Reported, never guessed."""


class BadInstrument(Exception):  # noqa: N818
    """A specification that cannot be used: no size, a name too long, a price unit out of range."""


def stable_id(venue: str, symbol: str) -> int:
    """Return the 64-bit id of a contract; the same in every process and for ever.

    >>> stable_id("okx", "BTC-USDT-SWAP")
    8487953164398443558
    """
    digest = blake2b(f"{venue}:{symbol}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def partition_of(underlying: str, partitions: int) -> int:
    """Return the market-log partition that holds every venue's rows of `underlying`."""
    digest = blake2b(underlying.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % partitions


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One contract on one venue.

    `contract_size` is coins a contract for linear contracts and USD a contract for inverse ones, as the
    venue writes it (a decimal string). `quote` is what prices are in; USDT and USDC count as one dollar
    and every row converted that way carries `Flag.STABLE_ASSUMED`.
    """

    venue: str
    symbol: str
    underlying: str
    quote: str
    contract_type: ContractType = "linear"
    contract_size: str = "1"
    coins_per_unit: int = 1
    market: Market = "perpetual"  # offshore perpetual, spot, or a regulated futures venue's
    funding_interval_ns: int = 0  # 0: the venue has not said
    size_numerator: int = 0  # filled by `instrument`
    size_denominator: int = 1
    id: int = 0

    def coin(self, contracts: float, price: float) -> float:
        """Convert `contracts` to coin; `price` is USD a coin and matters for inverse contracts only."""
        if self.contract_type == "linear":
            return contracts * self.size_numerator / self.size_denominator
        return contracts * self.size_numerator / self.size_denominator / price

    def usd(self, contracts: float, price: float) -> float:
        """Convert `contracts` to USD; `price` is USD a coin and matters for linear contracts only."""
        if self.contract_type == "linear":
            return contracts * self.size_numerator / self.size_denominator * price
        return contracts * self.size_numerator / self.size_denominator

    def coin_price(self, quoted: float) -> float:
        """Return the price of one coin from the venue's quote of `coins_per_unit` coins."""
        return quoted / self.coins_per_unit


def instrument(
    *,
    venue: str,
    symbol: str,
    underlying: str,
    quote: str,
    contract_type: ContractType = "linear",
    contract_size: str = "1",
    coins_per_unit: int = 1,
    market: Market = "perpetual",
    funding_interval_ns: int = 0,
) -> Instrument:
    """Build an `Instrument` with its id and exact size.

    A linear contract of a thousand-coin unit holds `contract_size * coins_per_unit` coins.

    Raises:
        BadInstrument: the size is no positive decimal, or a name does not fit a row.

    >>> okx = instrument(
    ...     venue="okx",
    ...     symbol="BTC-USDT-SWAP",
    ...     underlying="BTC",
    ...     quote="USDT",
    ...     contract_size="0.01",
    ... )
    >>> okx.coin(565474, 0.0), okx.usd(100, 60000.0)
    (5654.74, 60000.0)
    >>> inverse = instrument(
    ...     venue="okx",
    ...     symbol="BTC-USD-SWAP",
    ...     underlying="BTC",
    ...     quote="USD",
    ...     contract_type="inverse",
    ...     contract_size="100",
    ... )
    >>> inverse.coin(5, 50000.0), inverse.usd(5, 50000.0)
    (0.01, 500.0)
    """
    for name in (underlying, venue):
        if not name or len(name.encode()) > NAME_BYTES:
            raise BadInstrument(
                f"{venue}:{symbol}: name {name!r} must have 1 to {NAME_BYTES} bytes"
            )
    if not symbol or not quote:
        raise BadInstrument(f"{venue}: a contract without a symbol or a quote")
    try:
        size = Decimal(contract_size)
    except InvalidOperation:
        raise BadInstrument(
            f"{venue}:{symbol}: contract size {contract_size!r} is no number"
        ) from None
    if not size.is_finite() or size <= 0 or coins_per_unit < 1:
        raise BadInstrument(f"{venue}:{symbol}: contract size {contract_size!r} is not positive")
    numerator, denominator = size.as_integer_ratio()
    if contract_type == "linear":
        numerator *= coins_per_unit
    return Instrument(
        venue=venue,
        symbol=symbol,
        underlying=underlying,
        quote=quote,
        contract_type=contract_type,
        contract_size=contract_size,
        coins_per_unit=coins_per_unit,
        market=market,
        funding_interval_ns=funding_interval_ns,
        size_numerator=numerator,
        size_denominator=denominator,
        id=stable_id(venue, symbol),
    )
