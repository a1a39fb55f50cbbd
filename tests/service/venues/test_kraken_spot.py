"""Kraken spot: pairs and what is said on which connection."""

import json
from typing import Any

import pytest

from service.session import Phase, Session
from service.venue import MalformedFrame, RestRequest, VenueRefused
from service.venues import kraken_spot
from streams.events import Channel, RowBuffer
from tests.service.venues.cases_kraken_spot import INSTRUMENTS, trade, trades
from tests.service.venues.conversations import T0, converse

NS = 10**9


def pair(wsname: str, **fields: Any) -> dict[str, Any]:
    """Return a pair as the listing writes it."""
    return {
        "altname": wsname.replace("/", ""),
        "wsname": wsname,
        "aclass_base": "currency",
        "status": "online",
        "lot_multiplier": 1,
        "fees": [[0, 0.4]],
        **fields,
    }


def test_discovery_lists_coins_under_todays_names() -> None:
    body = {
        "error": [],
        "result": {
            "XXBTZUSD": pair("XBT/USD"),
            "XBTUSDT": pair("XBT/USDT"),
            "XDGUSD": pair("XDG/USD"),
            "ETHUSDC": pair("ETH/USDC"),
            "LUNAUSD": pair("LUNA/USD"),
            "LUNA2USD": pair("LUNA2/USD"),
            "XXBTZEUR": pair("XBT/EUR"),
            "ZEURZUSD": pair("EUR/USD"),
            "AAPLxUSD": pair("AAPLx/USD", aclass_base="tokenized_asset"),
            "XMRUSD": pair("XMR/USD", status="cancel_only"),
            "OLD": pair(""),
        },
    }
    universe, asked = converse(kraken_spot.discover(), lambda _: body)
    assert asked == [RestRequest(path="/0/public/AssetPairs")]
    assert universe.unmapped == {}
    assert [(i.symbol, i.underlying, i.quote, i.market) for i in universe.instruments] == [
        ("BTC/USD", "BTC", "USD", "spot"),
        ("BTC/USDT", "BTC", "USDT", "spot"),
        ("DOGE/USD", "DOGE", "USD", "spot"),
        ("ETH/USDC", "ETH", "USDC", "spot"),
        ("LUNA/USD", "LUNC", "USD", "spot"),  # the old chain kept its name here
        ("LUNA2/USD", "LUNA", "USD", "spot"),
    ]
    for spec in universe.instruments:
        assert kraken_spot.assume(spec.symbol) == spec


def test_names_that_nobody_knows_are_reported() -> None:
    body = {"error": [], "result": {"A": pair("1000NEW/USD"), "B": pair("TOOLONGANAMEFORAROW/USD")}}
    universe, _ = converse(kraken_spot.discover(), lambda _: body)
    assert universe.instruments == []
    assert list(universe.unmapped) == ["1000NEW/USD", "TOOLONGANAMEFORAROW/USD"]
    for symbol in ("BTC/EUR", "/USD", "BTC", "", "1000NEW/USD"):
        assert kraken_spot.assume(symbol) is None


def test_a_refusal_is_the_venues_no() -> None:
    with pytest.raises(VenueRefused, match="EGeneral"):
        converse(kraken_spot.discover(), lambda _: {"error": ["EGeneral:Temporary lockout"]})


def test_connections_share_the_pairs() -> None:
    specs = [spec for n in range(900) if (spec := kraken_spot.assume(f"C{n}/USD"))]
    plans = kraken_spot.plan(specs)
    assert [len(plan.instruments) for plan in plans] == [400, 400, 100]
    for plan in plans:
        frames = [json.loads(frame) for frame in plan.subscribe]
        assert max(len(frame["params"]["symbol"]) for frame in frames) <= 100
        asked = [symbol for frame in frames for symbol in frame["params"]["symbol"]]
        assert asked == [spec.symbol for spec in plan.instruments]
        assert all(frame["params"]["snapshot"] is False for frame in frames)
        assert plan.channels == plan.control == Channel.TRADE


def test_a_spot_market_has_no_history_and_no_polls() -> None:
    out = RowBuffer()
    spec = INSTRUMENTS["BTC/USD"]
    assert converse(kraken_spot.history(spec, 0, T0 * 10**6, out), lambda _: {}) == (None, [])
    assert out.rows == 0
    assert kraken_spot.polls([spec]) == []


def test_heartbeats_keep_a_market_alive_in_which_nobody_trades() -> None:
    (plan,) = kraken_spot.plan(list(INSTRUMENTS.values()))
    session = Session(plan, kraken_spot.SPEC, now_ns=0)
    session.opened(0)
    decoder, out = kraken_spot.decoder(INSTRUMENTS), RowBuffer()
    session.due(0)
    for second in range(1, 100):
        says = decoder.decode(b'{"channel":"heartbeat"}', second * NS, out)
        session.received(says, second * NS)
        session.due(second * NS)
    assert session.phase is Phase.LIVE
    assert session.live_channels(99 * NS) == Channel.TRADE
    session.due(111 * NS)
    assert session.phase is Phase.CLOSED, "without them it is dead"


@pytest.mark.parametrize(
    ("time", "reason"),
    [
        (b"2026-09-25T07:49:37.708706", "type"),  # of no time zone
        (b"2026-09-25 7:49", "type"),
        (b"2026-02-30T07:49:37.7Z", "range"),
        (b"1970-01-01T00:00:00.000000Z", "range"),
        (b"", "type"),
    ],
)
def test_times_that_are_none(time: bytes, reason: str) -> None:
    good = trades(trade(b"BTC/USD", b"buy", b"1", b"5"))
    out = RowBuffer()
    with pytest.raises(MalformedFrame) as caught:
        kraken_spot.decoder(INSTRUMENTS).decode(
            good.replace(b"2026-09-25T07:49:37.708706Z", time), T0, out
        )
    assert caught.value.reason == reason
    assert out.rows == 0
