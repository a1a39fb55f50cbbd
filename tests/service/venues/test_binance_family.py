"""Products and clones of Binance: discovery, history, polls, trades by id, plans."""

import json
import math
from types import ModuleType
from typing import Any

import pytest

from service.venue import (
    ConnectionPlan,
    Gap,
    MalformedFrame,
    RestRequest,
    Universe,
    Venue,
    VenueRefused,
)
from service.venues import aster, binance_coin, binance_spot, binance_usdm
from service.venues.registry import VENUES
from streams.events import Channel, RowBuffer
from streams.instruments import Instrument, instrument
from tests.service.venues.cases import HOUR_NS, RECEIVED_NS, rows_of
from tests.service.venues.conversations import HOUR, T0, converse
from tests.service.venues.every import INSTRUMENTS

FUTURES: tuple[tuple[str, ModuleType, str], ...] = (
    ("aster", aster, "/fapi/v1"),
    ("binance_coin", binance_coin, "/dapi/v1"),
    ("binance_usdm", binance_usdm, "/fapi/v1"),
)
TRADES = {"binance_spot": ("/api/v3/aggTrades", 4)} | {
    name: (f"{api}/aggTrades", 20) for name, _, api in FUTURES
}
SPAN = (T0 * 1_000_000, (T0 + 12 * HOUR) * 1_000_000)


def found(universe: Universe) -> dict[str, tuple[str, str, str, str, int, int]]:
    """Return what matters of instruments by symbol."""
    return {
        spec.symbol: (
            spec.underlying, spec.quote, spec.contract_type, spec.contract_size, spec.coins_per_unit,
            spec.funding_interval_ns // HOUR_NS,
        )
        for spec in universe.instruments
    }  # fmt: skip


# Discovery


def coin_listing(base: str, size: Any = 10, **other: Any) -> dict[str, Any]:
    """Return one contract of COIN-M's exchangeInfo, abridged."""
    return {
        "symbol": f"{base}USD_PERP", "pair": f"{base}USD", "contractType": "PERPETUAL",
        "contractStatus": "TRADING", "contractSize": size, "baseAsset": base, "quoteAsset": "USD",
        "marginAsset": base, "underlyingType": "COIN", "filters": [], **other,
    }  # fmt: skip


def test_coin_margined_contracts_have_sizes_in_usd() -> None:
    def answer(request: RestRequest) -> Any:
        if request.path == "/dapi/v1/fundingInfo":
            return [{"symbol": "ETHUSD_PERP", "fundingIntervalHours": 4}]
        assert (request.path, request.params) == ("/dapi/v1/exchangeInfo", {})
        return {
            "symbols": [
                coin_listing("BTC", 100),
                coin_listing("ETH"),
                coin_listing("BTC", 100, symbol="BTCUSD_261225", contractType="CURRENT_QUARTER"),
                coin_listing("OLD", contractStatus="SETTLING"),
                coin_listing("ADA", "10"),
                coin_listing("DOT", 0),
                coin_listing("UNI", "1e999999999"),
                coin_listing("SOL", "NaN"),
                coin_listing("XRP", None),
                coin_listing("LTC", [10]),
                coin_listing("EOS", -10),
                coin_listing("BNB", 2_000_000),
            ]
        }

    universe, _ = converse(binance_coin.discover(), answer)
    assert found(universe) == {
        "BTCUSD_PERP": ("BTC", "USD", "inverse", "100", 1, 8),
        "ETHUSD_PERP": ("ETH", "USD", "inverse", "10", 1, 4),
        "ADAUSD_PERP": ("ADA", "USD", "inverse", "10", 1, 8),
    }
    assert universe.unmapped.keys() == {
        f"{coin}USD_PERP" for coin in ("DOT", "UNI", "SOL", "XRP", "LTC", "EOS", "BNB")
    }
    assert universe.instruments[0].usd(12, math.nan) == 1200.0


def test_aster_lists_intervals_and_what_it_leaves_out_is_unknown() -> None:
    def listing(symbol: str, base: str, **other: str) -> dict[str, Any]:
        listed = {
            "symbol": symbol, "pair": symbol, "contractType": "PERPETUAL", "status": "TRADING",
            "baseAsset": base, "quoteAsset": "USDT", "underlyingType": "COIN",
        }  # fmt: skip
        return {**listed, **other}

    def answer(request: RestRequest) -> Any:
        if request.path == "/fapi/v1/fundingInfo":
            return [
                {"symbol": "BTCUSDT", "fundingIntervalHours": 8, "fundingFeeCap": 0.03},
                {"symbol": "ASTERUSDT", "fundingIntervalHours": 4},
            ]
        return {
            "symbols": [
                listing("BTCUSDT", "BTC"),
                listing("ASTERUSDT", "ASTER"),
                listing("1000SHIBUSDT", "1000SHIB"),
                listing("NVDAUSDT", "NVDA", underlyingType="EQUITY"),
                listing("BTCUSD1", "BTC", quoteAsset="USD1"),
                listing("GONEUSDT", "GONE", status="SETTLING"),
            ]
        }

    universe, _ = converse(aster.discover(), answer)
    assert found(universe) == {
        "BTCUSDT": ("BTC", "USDT", "linear", "1", 1, 8),
        "ASTERUSDT": ("ASTER", "USDT", "linear", "1", 1, 4),
        "1000SHIBUSDT": ("SHIB", "USDT", "linear", "1", 1000, 0),
    }


def test_spot_pairs_that_trade() -> None:
    def listing(symbol: str, base: str, quote: str = "USDT", **other: Any) -> dict[str, Any]:
        return {
            "symbol": symbol, "status": "TRADING", "baseAsset": base, "quoteAsset": quote,
            "isSpotTradingAllowed": True, **other,
        }  # fmt: skip

    listings = [
        listing("BTCUSDT", "BTC"),
        listing("ETHUSDC", "ETH", "USDC"),
        listing("1000SATSUSDT", "1000SATS"),
        listing("ETHBTC", "ETH", "BTC"),
        listing("LUNAUSDT", "LUNA", status="BREAK"),
        listing("UPUSDT", "UP", isSpotTradingAllowed=False),
        listing("1000NEWUSDT", "1000NEW"),
    ]
    universe, (asked,) = converse(binance_spot.discover(), lambda _: {"symbols": listings})
    assert found(universe) == {
        "BTCUSDT": ("BTC", "USDT", "linear", "1", 1, 0),
        "ETHUSDC": ("ETH", "USDC", "linear", "1", 1, 0),
        "1000SATSUSDT": ("SATS", "USDT", "linear", "1", 1000, 0),
    }
    assert {spec.market for spec in universe.instruments} == {"spot"}
    assert universe.unmapped.keys() == {"1000NEWUSDT"}
    assert (asked.path, asked.weight) == ("/api/v3/exchangeInfo", 20)


@pytest.mark.parametrize("venue", [aster, binance_coin, binance_spot])
def test_refusals_and_rubbish(venue: Any) -> None:
    with pytest.raises(VenueRefused, match="Too many"):
        converse(venue.discover(), lambda _: b'{"code":-1003,"msg":"Too many requests"}')
    for body in (b"", b"[", b"<html>", b"[]", b"\xff", b'{"symbols":{}}'):
        with pytest.raises(MalformedFrame):
            converse(venue.discover(), lambda _, body=body: body)


@pytest.mark.parametrize(
    ("venue", "symbol", "expected"),
    [
        (aster, "1000SHIBUSDT", ("SHIB", "USDT", "linear", "1", 1000, 0)),
        (binance_coin, "BTCUSD_PERP", ("BTC", "USD", "inverse", "100", 1, 0)),
        (binance_coin, "LINKUSD_PERP", ("LINK", "USD", "inverse", "10", 1, 0)),
        (binance_spot, "ETHUSDC", ("ETH", "USDC", "linear", "1", 1, 0)),
        (binance_coin, "BTCUSD_261225", None),
        (binance_coin, "USD_PERP", None),
        (binance_coin, "BTCUSDT", None),
        (binance_spot, "ETHBTC", None),
        (binance_spot, "USDT", None),
        (aster, "BTCUSD_PERP", None),
    ],
)
def test_symbols_that_say_their_contract(venue: Any, symbol: str, expected: Any) -> None:
    spec = venue.assume(symbol)
    assert (spec and found(Universe(instruments=[spec]))) == (expected and {symbol: expected})
    assert spec is None or spec.market == venue.SPEC.semantics.market


# History


def candle(hour: int, close: str) -> list[Any]:
    return [T0 + hour * HOUR, "1", "2", "0.5", close, "0", 1, "0", 60, "0", "0", "0"]


def test_history_of_inverse_contracts_goes_by_pair_and_has_coin_as_value() -> None:
    def answer(request: RestRequest) -> Any:
        params = request.params
        if request.path == "/futures/data/openInterestHist":
            assert (params["pair"], params["contractType"], params["period"]) == (
                "ETHUSD", "PERPETUAL", "5m",
            )  # fmt: skip
            assert "symbol" not in params
            return [
                {"pair": "ETHUSD", "sumOpenInterest": "5000", "sumOpenInterestValue": "20.00",
                 "timestamp": T0 + 6 * HOUR},
                {"pair": "ETHUSD", "sumOpenInterest": "0", "sumOpenInterestValue": "0",
                 "timestamp": T0 + 7 * HOUR},
            ]  # fmt: skip
        if request.path == "/dapi/v1/fundingRate":
            return [
                {"symbol": "ETHUSD_PERP", "fundingTime": T0 + 8 * HOUR, "fundingRate": "-0.0002"}
            ]
        key, close = {
            "/dapi/v1/markPriceKlines": (("symbol", "ETHUSD_PERP"), "2500"),
            "/dapi/v1/indexPriceKlines": (("pair", "ETHUSD"), "2501"),
        }[request.path]
        assert key in params.items()
        return [candle(5, close)]

    out, instruments = RowBuffer(), INSTRUMENTS["binance_coin"]
    converse(binance_coin.history(instruments["ETHUSD_PERP"], *SPAN, out), answer)
    rows = rows_of(out, instruments)
    assert [row["kind"] for row in rows] == ["mark", "open_interest", "open_interest", "funding"]
    assert (rows[0]["mark_price"], rows[0]["index_price"]) == (2500.0, 2501.0)
    level = rows[1]
    assert (level["quantity"], level["notional_usd"], level["mark_price"]) == (
        20.0,
        50_000.0,
        2500.0,
    )
    assert (rows[2]["quantity"], rows[2]["notional_usd"]) == (0.0, 0.0)
    assert math.isnan(rows[2]["mark_price"])
    assert (rows[3]["rate"], rows[3]["interval_ns"]) == (-0.0002, 4 * HOUR_NS)
    assert {"backfill"} <= set(level["flags"])


def test_aster_has_no_open_interest_of_the_past_and_spot_no_past_at_all() -> None:
    def answer(request: RestRequest) -> Any:
        assert request.path in {
            "/fapi/v1/fundingRate", "/fapi/v1/markPriceKlines", "/fapi/v1/indexPriceKlines",
        }  # fmt: skip
        return [candle(5, "1.5")] if "Klines" in request.path else []

    out = RowBuffer()
    _, asked = converse(aster.history(INSTRUMENTS["aster"]["BTCUSDT"], *SPAN, out), answer)
    assert (len(asked), out.rows) == (3, 1)
    spot = INSTRUMENTS["binance_spot"]["BTCUSDT"]
    _, asked = converse(binance_spot.history(spot, *SPAN, out), answer)
    assert (len(asked), out.rows) == (0, 1)


# Polls


@pytest.mark.parametrize(("name", "venue", "api"), FUTURES)
def test_polls_keep_to_their_share_of_the_budget(name: str, venue: Any, api: str) -> None:
    spec = next(iter(INSTRUMENTS[name].values()))
    for count in (1, 30, 400):
        polls = venue.polls([spec] * count)
        assert {poll.request.path for poll in polls} == {f"{api}/openInterest"}
        per_minute = sum(poll.request.weight * 60 / poll.every_s for poll in polls)
        assert per_minute <= venue.SPEC.rest_weight_per_minute * 0.6 + 1e-9
    assert polls[0].channel is Channel.OPEN_INTEREST
    assert binance_spot.polls([spec]) == []


def test_usd_and_coin_margined_share_one_budget() -> None:
    both = (binance_usdm.SPEC, binance_coin.SPEC)
    assert sum(spec.rest_weight_per_minute for spec in both) <= 2400


def test_a_poll_of_another_contract_is_refused() -> None:
    (poll,) = binance_coin.polls([INSTRUMENTS["binance_coin"]["BTCUSD_PERP"]])
    out = RowBuffer()
    body = b'{"symbol":"ETHUSD_PERP","pair":"ETHUSD","openInterest":"15004","time":1791261042378}'
    with pytest.raises(MalformedFrame, match="symbol"):
        poll.decode(body, RECEIVED_NS, out)
    with pytest.raises(VenueRefused):
        poll.decode(b'{"code":-1121,"msg":"Invalid symbol."}', RECEIVED_NS, out)
    assert out.rows == 0


# Trades by id


def aggregate(number: int) -> dict[str, Any]:
    return {
        "a": number, "p": "2500.5", "q": "4", "f": number, "l": number, "T": T0 + number,
        "m": number % 2 == 0,
    }  # fmt: skip


def gap(first: int, last: int) -> Gap:
    return Gap(first=first, last=last, from_ns=T0 * 1_000_000, to_ns=(T0 + 10**6) * 1_000_000)


def frame_of(symbol: str, number: int) -> bytes:
    event = {"e": "aggTrade", "E": T0 + number, "s": symbol, **aggregate(number)}
    return json.dumps(event, separators=(",", ":")).encode()


@pytest.mark.parametrize("name", TRADES)
def test_trades_asked_for_are_those_of_the_stream(name: str) -> None:
    """2500 missing trades are three pages; what lies outside the gap is not written."""
    venue: Venue = VENUES[name]
    symbol, spec = next(iter(INSTRUMENTS[name].items()))
    pages = []

    def answer(request: RestRequest) -> Any:
        assert (request.path, request.weight) == TRADES[name]
        assert request.params["symbol"] == symbol
        assert request.params["limit"] == "1000"
        first = int(request.params["fromId"])
        pages.append(first)
        return [aggregate(number) for number in range(max(first, 100), first + 1000)]

    filled, streamed = RowBuffer(), RowBuffer()
    conversation = venue.fill(spec, gap(101, 2600), filled)
    assert conversation is not None
    converse(conversation, answer)
    assert pages == [101, 1101, 2101]
    decoder = venue.decoder(INSTRUMENTS[name])
    for number in range(101, 2601):
        decoder.decode(frame_of(symbol, number), gap(1, 1).to_ns, streamed)
    assert filled.rows == 2500
    assert bytes(filled.view()) == bytes(streamed.view())


@pytest.mark.parametrize(
    ("pages", "rows", "asked"),
    [
        ([[]], 0, 1),  # too old, or never there
        ([[101, 102], []], 2, 2),
        ([[99, 100, 101], [102, 103]], 3, 2),
        ([[104, 105]], 0, 1),  # the venue has only newer ones
    ],
)
def test_trades_that_the_venue_no_longer_has_end_the_asking(
    pages: list[list[int]], rows: int, asked: int
) -> None:
    left = iter(pages)
    out = RowBuffer()
    conversation = binance_usdm.fill(INSTRUMENTS["binance_usdm"]["BTCUSDT"], gap(101, 103), out)
    assert conversation is not None
    _, requests = converse(conversation, lambda _: [aggregate(n) for n in next(left)])
    assert (out.rows, len(requests)) == (rows, asked)


def test_a_gap_without_ids_cannot_be_asked_for() -> None:
    for name in TRADES:
        spec = next(iter(INSTRUMENTS[name].values()))
        assert VENUES[name].fill(spec, gap(0, 0), RowBuffer()) is None
        assert VENUES[name].SPEC.semantics.trade is not None


def test_hostile_trades_are_refused() -> None:
    spec = INSTRUMENTS["binance_spot"]["BTCUSDT"]
    for change in ({"p": "0"}, {"q": "-1"}, {"T": 1}, {"a": -1}, {"m": "yes"}):
        out = RowBuffer()
        conversation = binance_spot.fill(spec, gap(101, 103), out)
        assert conversation is not None
        with pytest.raises(MalformedFrame):
            converse(
                conversation, lambda _, change=change: [aggregate(101), aggregate(102) | change]
            )
        assert out.rows == 0


# Plans


def many(name: str, pattern: str, count: int, **rest: Any) -> list[Instrument]:
    return [
        instrument(venue=name, symbol=pattern.format(n), underlying="BTC", quote="USDT", **rest)
        for n in range(count)
    ]


def streams_of(plan: ConnectionPlan) -> list[str]:
    return [stream for frame in plan.subscribe for stream in json.loads(frame)["params"]]


@pytest.mark.parametrize(("venue", "pattern"), [(aster, "C{}USDT"), (binance_coin, "C{}USD_PERP")])
def test_marks_prove_life_of_unrouted_futures(venue: Any, pattern: str) -> None:
    plans = venue.plan(many(venue.SPEC.name, pattern, 100))
    assert [len(plan.instruments) for plan in plans] == [66, 34]
    for plan in plans:
        assert plan.path == "/stream"
        assert (
            len(streams_of(plan)) == len(set(streams_of(plan))) == 3 * len(plan.instruments) <= 200
        )
        assert plan.control == Channel.MARK
        assert plan.channels == Channel.ALL & ~Channel.OPEN_INTEREST
    assert f"{pattern.format(0).lower()}@markPrice@1s" in streams_of(plans[0])


def test_every_spot_connection_has_its_own_heartbeat() -> None:
    plans = binance_spot.plan(many("binance_spot", "C{}USDT", 400, market="spot"))
    assert [len(plan.instruments) for plan in plans] == [199, 199, 2]
    for plan in plans:
        streams = streams_of(plan)
        assert streams[0] == "btcusdt@kline_1s"
        assert len(streams) == len(set(streams)) == len(plan.instruments) + 1 <= 200
        assert (plan.path, plan.channels, plan.control) == (
            "/stream", Channel.TRADE, Channel.TRADE,
        )  # fmt: skip
    assert binance_spot.SPEC.sends_per_s < 5.0
