"""Number strings are parsed by the JSON library; it must give what `float` gives."""

import math

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from service.venues.registry import VENUES
from streams.events import RowBuffer, block_rows
from tests.service.venues.cases import RECEIVED_NS
from tests.service.venues.every import INSTRUMENTS

_LAX = msgspec.json.Decoder(float, strict=False)
_DECIMAL = st.from_regex(
    r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,12})?([eE][+-]?[0-9]{1,2})?", fullmatch=True
)


@settings(max_examples=500, deadline=None)
@given(text=st.one_of(_DECIMAL, st.floats(allow_nan=False, allow_infinity=False).map(repr)))
def test_lax_floats_are_floats(text: str) -> None:
    for form in (f'"{text}"', text):
        parsed = _LAX.decode(form)
        assert parsed == float(text)
        assert math.copysign(1, parsed) == math.copysign(1, float(text)) or parsed == 0


@settings(max_examples=200, deadline=None)
@given(
    price=st.decimals("0.0000001", 999_999, places=7), size=st.decimals("0.001", 999_999, places=3)
)
def test_a_trade_carries_the_floats_of_its_strings(price: object, size: object) -> None:
    event = {"e": "aggTrade", "a": 1, "s": "BTCUSDT", "T": 1_791_269_849_651, "m": True}
    frame = msgspec.json.encode({**event, "p": f"{price:f}", "q": f"{size:f}"})
    out = RowBuffer()
    VENUES["binance_usdm"].decoder(INSTRUMENTS["binance_usdm"]).decode(frame, RECEIVED_NS, out)
    row = block_rows(bytes(out.view()))[0]
    assert (row["a"], row["b"]) == (float(f"{price:f}"), float(f"{size:f}"))
    assert row["c"] == row["a"] * row["b"]
