"""Every documented frame becomes the rows computed by hand."""

import pytest

from service.venue import VenueRefused
from service.venues.registry import VENUES
from streams.events import RowBuffer
from tests.service.venues import cases_okx
from tests.service.venues.cases import RECEIVED_NS, AnyCase, problems
from tests.service.venues.every import ALL, GOOD, INSTRUMENTS, MISSING, REFUSALS, opened
from tests.truth import Truth


def test_every_venue_has_cases() -> None:
    assert MISSING == {}
    assert set(ALL) == set(VENUES)


@pytest.mark.parametrize(
    ("name", "case"), [pytest.param(v, c, id=f"{v}: {c.name}") for v in ALL for c in ALL[v]]
)
def test_frame(name: str, case: AnyCase) -> None:
    assert problems(VENUES[name], INSTRUMENTS[name], case) == []


def wrong(name: str, kind: str) -> list[str]:
    """Return what is wrong with a venue's documented frames that write rows of a kind."""
    cases = [case for case in ALL[name] if any(row.get("kind") == kind for row in case.rows)]
    assert cases, "nothing to look at"
    return [line for case in cases for line in problems(VENUES[name], INSTRUMENTS[name], case)]


def venues_with(kind: str) -> list[str]:
    """Return the venues whose documented frames write rows of a kind."""
    return [v for v in ALL if any(r.get("kind") == kind for case in ALL[v] for r in case.rows)]


@pytest.mark.parametrize("name", venues_with("open_interest"))
def test_open_interest_has_the_unit_computed_by_hand(truth: Truth, name: str) -> None:
    found = wrong(name, "open_interest")
    assert found == []
    truth(4, "documented frames of open interest: fields that differ", len(found), 0)


@pytest.mark.parametrize("name", venues_with("liquidation"))
def test_liquidations_have_the_side_and_size_computed_by_hand(truth: Truth, name: str) -> None:
    found = wrong(name, "liquidation")
    assert found == []
    truth(10, "documented frames of forced orders: fields that differ", len(found), 0)


@pytest.mark.parametrize("name", ALL)
def test_cases_are_told_apart_by_their_names(name: str) -> None:
    names = [case.name for case in ALL[name]]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("name", "frame"), [pytest.param(v, f, id=f"{v}: {f!r}") for v in ALL for f in REFUSALS[v]]
)
def test_a_refusal_is_the_venues_no(name: str, frame: bytes) -> None:
    out = RowBuffer()
    decoder = opened(name)
    with pytest.raises(VenueRefused):
        decoder.decode(frame, RECEIVED_NS, out)
    assert out.rows == 0
    decoder.decode(GOOD[name]["trade"][0], RECEIVED_NS, out)
    assert out.rows > 0, "what comes after it is read"


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
