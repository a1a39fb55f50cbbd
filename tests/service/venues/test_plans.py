"""What is said on which connection, within each venue's limits."""

import json
from typing import Any

import pytest

from service.session import Session
from service.venue import ConnectionPlan, Venue
from service.venues import binance_usdm
from service.venues.registry import VENUES
from streams.events import Channel
from streams.instruments import NAME_BYTES, Instrument, instrument


def many(venue: str, form: str, count: int, **rest: Any) -> list[Instrument]:
    """Return instruments whose symbols are `form` with a number."""
    return [
        instrument(venue=venue, symbol=form.format(n), underlying=f"C{n}", quote="USDT", **rest)
        for n in range(count)
    ]


def said(plan: ConnectionPlan) -> list[Any]:
    """Return a plan's subscriptions as objects."""
    return [json.loads(frame) for frame in plan.subscribe]


def test_binance_keeps_to_200_streams_and_the_market_route() -> None:
    plans = binance_usdm.plan(many("binance_usdm", "C{}USDT", 150))
    assert [len(plan.instruments) for plan in plans] == [66, 66, 18]
    assert {plan.path for plan in plans} == {"/market/stream"}
    for plan in plans:
        frames = said(plan)
        streams = [stream for frame in frames for stream in frame["params"]]
        assert len(streams) == len(set(streams)) == 3 * len(plan.instruments) <= 200
        assert all(stream.partition("@")[0].islower() for stream in streams)
        assert {stream.partition("@")[2] for stream in streams} == {
            "aggTrade", "markPrice@1s", "forceOrder",
        }  # fmt: skip
        assert [frame["id"] for frame in frames] == list(range(1, len(frames) + 1))
        assert max(map(len, plan.subscribe)) < 4096
        assert plan.control == Channel.TRADE | Channel.MARK
        assert plan.channels == Channel.ALL & ~Channel.OPEN_INTEREST, "open interest is polled"


@pytest.mark.parametrize("venue", list(VENUES.values()), ids=list(VENUES))
def test_nothing_to_follow_needs_no_connection(venue: Venue) -> None:
    assert venue.plan([]) == []
    assert venue.polls([]) == []


@pytest.mark.parametrize("name", list(VENUES))
def test_names_fit_rows_and_plans_fit_sessions(name: str) -> None:
    venue = VENUES[name]
    assert venue.SPEC.name == name
    assert len(name) <= NAME_BYTES
    for plan in venue.plan(many(name, "C{}", 2)):
        Session(plan, venue.SPEC, now_ns=0)
    assert venue.SPEC.websocket_url.startswith("wss://")
    assert venue.SPEC.rest_url.startswith("https://")
