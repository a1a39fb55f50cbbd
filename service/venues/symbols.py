"""Which coin a venue's name for it is, and how many coins one unit of it holds: an explicit table.

Venues quote cheap coins by the thousand or million and write that into the name. What looks like such a name
and is not in the table is not guessed: `underlying_of` returns None and discovery reports the symbol.
"""

import re
from typing import Final

_K, _10K, _M = 1000, 10_000, 1_000_000

#: Coins that some venue lists in units of many, with every spelling seen, and the coins a unit holds.
SCALED: Final[dict[str, dict[str, int]]] = {
    "AIDOGE": {"1000000AIDOGE": _M},
    "APU": {"1000APU": _K},
    "BABYDOGE": {"1MBABYDOGE": _M, "1000000BABYDOGE": _M},
    "BOB": {"1000000BOB": _M},
    "BONK": {"1000BONK": _K, "kBONK": _K},
    "BTT": {"1000BTT": _K, "1000BTTC": _K},
    "CAT": {"1000CAT": _K},
    "CATS": {"1000CATS": _K},
    "CHEEMS": {"1000CHEEMS": _K, "1000000CHEEMS": _M},
    "COQ": {"10000COQ": _10K},
    "DOGS": {"kDOGS": _K},
    "ELON": {"10000ELON": _10K},
    "FLOKI": {"1000FLOKI": _K, "kFLOKI": _K},
    "LADYS": {"10000LADYS": _10K, "1000000LADYS": _M},
    "LUNC": {"1000LUNC": _K, "kLUNC": _K},
    "MOG": {"1000000MOG": _M},
    "MUMU": {"1000MUMU": _K},
    "NEIRO": {"kNEIRO": _K},
    "NEIROCTO": {"1000NEIROCTO": _K},
    "PEIPEI": {"1000000PEIPEI": _M},
    "PEPE": {"1000PEPE": _K, "kPEPE": _K},
    "QUBIC": {"10000QUBIC": _10K},
    "RATS": {"1000RATS": _K},
    "SATS": {"1000SATS": _K, "10000SATS": _10K},
    "SHIB": {"1000SHIB": _K, "kSHIB": _K, "SHIB1000": _K},
    "TOSHI": {"1000TOSHI": _K},
    "TURBO": {"1000TURBO": _K},
    "WEN": {"10000WEN": _10K},
    "WHY": {"1000WHY": _K, "10000WHY": _10K},
    "X": {"1000X": _K},
    "XEC": {"1000XEC": _K},
}
#: Other names of one coin.
ALIASES: Final = {"XBT": "BTC", "XDG": "DOGE", "LUNA2": "LUNA"}
#: Real names that look as if they began or ended with a scale.
NOT_SCALED: Final = frozenset({"1INCH", "1MIL"})

_UNITS: Final = {
    spelling: (coin, coins)
    for coin, spellings in SCALED.items()
    for spelling, coins in spellings.items()
}
_LOOKS_SCALED: Final = re.compile(r"k[A-Z].*|1(000)+.*|10{4,}.*|1M[A-Z].*|.*[A-Z]1(000)+")
_NAME: Final = re.compile(r"[A-Z0-9]{1,12}")


def underlying_of(base: str) -> tuple[str, int] | None:
    """Return the coin behind a venue's base name and how many of it one unit holds; None if nobody knows.

    >>> underlying_of("1000PEPE"), underlying_of("kPEPE"), underlying_of("SHIB1000")
    (('PEPE', 1000), ('PEPE', 1000), ('SHIB', 1000))
    >>> underlying_of("1INCH"), underlying_of("XBT"), underlying_of("ETH")
    (('1INCH', 1), ('BTC', 1), ('ETH', 1))
    >>> underlying_of("1000NEWCOIN"), underlying_of("kNEW"), underlying_of("A-B")
    (None, None, None)
    """
    if base in _UNITS:
        return _UNITS[base]
    if base not in NOT_SCALED and (_LOOKS_SCALED.fullmatch(base) or not _NAME.fullmatch(base)):
        return None
    return ALIASES.get(base, base), 1
