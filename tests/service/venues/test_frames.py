"""Every documented frame becomes the rows computed by hand."""

import pytest

from service.venue import VenueRefused
from service.venues.registry import VENUES
from streams.events import RowBuffer
from tests.service.venues import cases_binance_usdm, cases_bybit, cases_okx
from tests.service.venues.cases import INSTRUMENTS, RECEIVED_NS, Case, problems

ALL = {
    "binance_usdm": cases_binance_usdm.CASES,
    "bybit": cases_bybit.CASES,
    "okx": cases_okx.CASES,
}


def test_every_venue_has_cases() -> None:
    assert set(ALL) == set(VENUES)


@pytest.mark.parametrize(
    ("name", "case"), [pytest.param(v, c, id=f"{v}: {c.name}") for v in ALL for c in ALL[v]]
)
def test_frame(name: str, case: Case) -> None:
    assert problems(VENUES[name], name, case) == []


REFUSALS = [
    ("binance_usdm", b'{"code":2,"msg":"Invalid request: property name must be a string"}'),
    ("binance_usdm", b'{"error":{"code":2,"msg":"Invalid request"},"id":1}'),
    ("bybit", b'{"success":false,"ret_msg":"error:handler not found","op":"subscribe"}'),
    ("okx", b'{"event":"error","code":"60012","msg":"Invalid request","connId":"a4d3ae55"}'),
    ("okx", b'{"event":"channel-conn-count-error","channel":"trades","connCount":"31"}'),
]


@pytest.mark.parametrize(("name", "frame"), REFUSALS)
def test_a_refusal_is_the_venues_no(name: str, frame: bytes) -> None:
    out = RowBuffer()
    with pytest.raises(VenueRefused):
        VENUES[name].decoder(INSTRUMENTS[name]).decode(frame, RECEIVED_NS, out)
    assert out.rows == 0


def test_what_was_written_before_stays() -> None:
    out = RowBuffer()
    decoder = VENUES["okx"].decoder(INSTRUMENTS["okx"])
    for _ in range(3):
        decoder.decode(cases_okx.trade(cases_okx.SWAP, b"buy", b"1", b"2"), RECEIVED_NS, out)
    assert out.rows == 3


def test_liquidations_are_remembered_in_bounded_memory() -> None:
    out = RowBuffer()
    decoder = VENUES["okx"].decoder(INSTRUMENTS["okx"])

    def send(ts: int) -> int:
        before = out.rows
        order = cases_okx.order(b"sell", b"long", b"1", b"1", ts)
        decoder.decode(cases_okx.liquidations(cases_okx.SWAP, order), RECEIVED_NS, out)
        return out.rows - before

    assert [send(cases_okx.T0 + i) for i in range(4097)] == [1] * 4097
    assert send(cases_okx.T0 + 1) == 0, "still remembered"
    assert send(cases_okx.T0) == 1, "the oldest is forgotten"
