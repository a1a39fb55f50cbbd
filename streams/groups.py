"""Which market a contract belongs to: offshore, on chain, regulated, or spot here and there (method 10).

Who trades where differs: perpetuals on offshore venues and on chain carry the leverage, regulated futures and
spot in the United States another kind of buyer. The split is by venue, in one table.
"""

from enum import IntEnum
from hashlib import blake2b
from typing import Final

from streams.events import Flag


class Group(IntEnum):
    """Markets that are told apart; the number is the place in arrays."""

    OFFSHORE_PERP = 0
    ONCHAIN_PERP = 1
    REGULATED_FUTURES = 2
    SPOT_US = 3
    SPOT_OFFSHORE = 4


GROUPS: Final = len(Group)

ONCHAIN: Final = frozenset({"aster", "dydx", "hyperliquid", "lighter"})
SPOT_OF_US: Final = frozenset({"coinbase", "coinbase_adv", "kraken_spot"})


def group_of(venue: str, flags: int) -> Group:
    """Return the group of a contract of `venue` announced with `flags`.

    >>> group_of("bybit", 0).name, group_of("coinbase", Flag.SPOT).name
    ('OFFSHORE_PERP', 'SPOT_US')
    """
    if flags & Flag.REGULATED:
        return Group.REGULATED_FUTURES
    if flags & Flag.SPOT:
        return Group.SPOT_US if venue in SPOT_OF_US else Group.SPOT_OFFSHORE
    return Group.ONCHAIN_PERP if venue in ONCHAIN else Group.OFFSHORE_PERP


def venue_code(venue: str) -> int:
    """Return the number that stands for a venue's name where only numbers may be: in kernels.

    >>> (
    ...     venue_code("coinbase") == venue_code("coinbase"),
    ...     venue_code("coinbase") == venue_code("okx"),
    ... )
    (True, False)
    """
    return int.from_bytes(blake2b(venue.encode(), digest_size=7).digest(), "little")
