"""What every venue's decoder shares: ranges, blame, and the bound contract.

Ranges are part of the types, so the JSON parser itself refuses what is out of them, in C, before any of
our code sees the number. A NaN fails every comparison and is refused with the rest.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeVar

import msgspec

from service.venue import MalformedFrame
from streams.events import Flag
from streams.instruments import Instrument

T = TypeVar("T")

MAX_FRAME_BYTES: Final = 2 * 1024 * 1024
MAX_BODY_BYTES: Final = 32 * 1024 * 1024
#: No conversation asks for more pages than this, whatever cursors the venue makes up.
MAX_PAGES: Final = 400

NS_PER_MS: Final = 1_000_000
HOUR_MS: Final = 3_600_000
HOUR_NS: Final = HOUR_MS * NS_PER_MS
DAY_MS: Final = 24 * HOUR_MS
#: Times that a frame may carry, 2015 to 2100.
MIN_MS: Final = 1_420_070_400_000
MAX_MS: Final = 4_102_444_800_000
NAN: Final = float("nan")

#: All reasons of `MalformedFrame` that decoders give: a closed set, for metric labels.
REASONS: Final = frozenset({
    "truncated", "json", "type", "range", "symbol", "size", "utf8", "depth", "unknown",
})  # fmt: skip

_LIMIT: Final = 1e15
#: Below any price or size that is traded. Products and quotients neither vanish nor overflow.
_LEAST: Final = 1e-18
Positive = Annotated[float, msgspec.Meta(gt=_LEAST, lt=_LIMIT)]
NotNegative = Annotated[float, msgspec.Meta(ge=0, lt=_LIMIT)]
Rate = Annotated[float, msgspec.Meta(gt=-1, lt=1)]
Millis = Annotated[int, msgspec.Meta(ge=MIN_MS, lt=MAX_MS)]
SequenceId = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Hours = Annotated[int, msgspec.Meta(ge=1, le=24)]
#: How venues write "no value" in a field of number strings.
Blank = Literal[""]

#: What parsing venue data may raise. All of it is the venue's fault.
FAULTS: Final = (msgspec.MsgspecError, UnicodeDecodeError, OverflowError, RecursionError)


def blame(fault: Exception) -> MalformedFrame:
    """Return the error to raise for something of `FAULTS`, with a reason of `REASONS`."""
    detail = str(fault)[:200]
    match fault:
        case UnicodeDecodeError():
            reason = "utf8"
        case RecursionError():
            reason = "depth"
        case OverflowError():
            reason = "range"
        case msgspec.ValidationError():
            reason = _blame_validation(detail)
        case _:
            reason = "truncated" if "truncated" in detail else "json"
    return MalformedFrame(reason, detail)


# The parser has no error codes. Its words are pinned by tests of the hostile frames.
_OUT_OF_RANGE: Final = re.compile(r"out of range|^Expected `(float|int)( \| \w+)*` [<>]")


def _blame_validation(detail: str) -> str:
    if (
        "`$.e`" in detail
        or "`$.data.e`" in detail
        or detail.startswith("Object missing required field `e`")
    ):
        return "unknown"
    return "range" if _OUT_OF_RANGE.search(detail) else "type"


def read_body(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Return a REST body as `decoder` reads it.

    Raises:
        MalformedFrame: it cannot be read.
    """
    if len(body) > MAX_BODY_BYTES:
        raise MalformedFrame("size", f"{len(body)} bytes")
    try:
        return decoder.decode(body)
    except FAULTS as fault:
        raise blame(fault) from None


class Contract(msgspec.Struct, frozen=True, gc=False):
    """What decoding needs of an `Instrument`, ready for the hot loop."""

    id: int
    unit: int  # coins that the venue's price is for
    numerator: int
    denominator: int
    inverse: bool
    assumed: int  # STABLE_ASSUMED where the quote is a stablecoin, else 0
    interval_ns: int
    interval_flags: int

    def amounts(self, size: float, price: float) -> tuple[float, float]:
        """Convert a size as the venue writes it to (coin, USD); `price` is USD a coin."""
        amount = size * self.numerator / self.denominator
        return (amount / price, amount) if self.inverse else (amount, amount * price)


#: Where neither instrument nor stream says how often funding is paid.
DEFAULT_INTERVAL_NS: Final = 8 * HOUR_NS


def contract(spec: Instrument) -> Contract:
    """Return the contract of an instrument."""
    known = spec.funding_interval_ns > 0
    return Contract(
        id=spec.id,
        unit=spec.coins_per_unit,
        numerator=spec.size_numerator,
        denominator=spec.size_denominator,
        inverse=spec.contract_type == "inverse",
        assumed=0 if spec.quote == "USD" else int(Flag.STABLE_ASSUMED),
        interval_ns=spec.funding_interval_ns if known else DEFAULT_INTERVAL_NS,
        interval_flags=0 if known else int(Flag.INTERVAL_ASSUMED),
    )


def contracts(instruments: Mapping[str, Instrument]) -> dict[str, Contract]:
    """Return contracts by the venue's symbol."""
    return {symbol: contract(spec) for symbol, spec in instruments.items()}
