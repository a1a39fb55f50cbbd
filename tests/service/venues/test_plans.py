"""What is said on which connection, within each venue's limits."""

import json
from typing import Any

import pytest

from service.session import Session
from service.venue import ConnectionPlan, Venue
from service.venues import binance_usdm, bybit, okx
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


def test_bybit_keeps_to_its_characters_and_separates_categories() -> None:
    linear = many("bybit", "LONGNAME{:04}USDT", 600)
    inverse = many("bybit", "C{}USD", 3, contract_type="inverse")
    plans = bybit.plan([*linear, *inverse])
    assert [plan.path for plan in plans] == ["/v5/public/linear"] * 3 + ["/v5/public/inverse"]
    assert sum(len(plan.instruments) for plan in plans) == 603
    for plan in plans:
        frames = said(plan)
        topics = [topic for frame in frames for topic in frame["args"]]
        assert sum(map(len, topics)) <= 20_000
        assert len(topics) == len(set(topics)) == 3 * len(plan.instruments)
        assert all(len(frame["args"]) <= 200 and frame["op"] == "subscribe" for frame in frames)
        assert plan.control == Channel.TRADE | Channel.MARK
        assert plan.channels == Channel.ALL


def test_okx_has_one_connection_as_liquidations_come_for_all() -> None:
    specs = many("okx", "C{}-USDT-SWAP", 299) + many("okx", "C{}-USD-SWAP", 1)
    (plan,) = okx.plan(specs)
    args = [arg for frame in said(plan) for arg in frame["args"]]
    assert args[0] == {"channel": "liquidation-orders", "instType": "SWAP"}
    assert sum(arg["channel"] == "liquidation-orders" for arg in args) == 1
    assert sum(arg["channel"] == "index-tickers" for arg in args) == 300
    assert len(args) == 1 + 5 * 300
    assert max(map(len, plan.subscribe)) < 64 * 1024
    assert {"channel": "index-tickers", "instId": "C0-USD"} in args


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
