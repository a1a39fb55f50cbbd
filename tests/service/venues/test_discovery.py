"""Discovery, refusals and polls, driven with bodies as the venues document them."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from service.venue import Conversation, MalformedFrame, RestRequest, Universe, VenueRefused
from service.venues import binance_usdm, bybit, okx
from service.venues.symbols import underlying_of
from streams.events import Channel, RowBuffer
from tests.service.venues.cases import HOUR_NS, RECEIVED_NS, rows_of
from tests.service.venues.conversations import bybit_answer, converse, okx_answer
from tests.service.venues.every import INSTRUMENTS


def found(universe: Universe) -> dict[str, tuple[str, str, str, str, int, int]]:
    """Return what matters of instruments by symbol."""
    return {
        spec.symbol: (
            spec.underlying,
            spec.quote,
            spec.contract_type,
            spec.contract_size,
            spec.coins_per_unit,
            spec.funding_interval_ns // HOUR_NS,
        )
        for spec in universe.instruments
    }


# Discovery


def binance_listing(symbol: str, base: str, **other: str) -> dict[str, Any]:
    """Return one contract of exchangeInfo, abridged."""
    listing = {
        "symbol": symbol, "pair": symbol, "contractType": "PERPETUAL", "status": "TRADING",
        "baseAsset": base, "quoteAsset": "USDT", "marginAsset": "USDT", "filters": [],
    }  # fmt: skip
    return {**listing, **other}


def test_binance_discovers_trading_perpetuals() -> None:
    def answer(request: RestRequest) -> Any:
        if request.path == "/fapi/v1/fundingInfo":
            return [
                {"symbol": "XRPUSDT", "adjustedFundingRateCap": "0.02", "fundingIntervalHours": 4},
                {"symbol": "GONEUSDT", "fundingIntervalHours": 1},
            ]
        assert request.path == "/fapi/v1/exchangeInfo"
        return {
            "timezone": "UTC",
            "symbols": [
                binance_listing("BTCUSDT", "BTC"),
                binance_listing("BTCUSDC", "BTC", quoteAsset="USDC"),
                binance_listing("XRPUSDT", "XRP"),
                binance_listing("1000PEPEUSDT", "1000PEPE"),
                binance_listing("1MBABYDOGEUSDT", "1MBABYDOGE"),
                binance_listing("BTCUSDT_261225", "BTC", contractType="CURRENT_QUARTER"),
                binance_listing("TSLAUSDT", "TSLA", contractType="TRADIFI_PERPETUAL"),
                binance_listing("OLDUSDT", "OLD", status="SETTLING"),
                binance_listing("ETHBTC", "ETH", quoteAsset="BTC"),
                binance_listing("AVERYLONGNAMEUSDT", "AVERYLONGNAME"),
            ],
        }

    universe, asked = converse(binance_usdm.discover(), answer)
    assert found(universe) == {
        "BTCUSDT": ("BTC", "USDT", "linear", "1", 1, 8),
        "BTCUSDC": ("BTC", "USDC", "linear", "1", 1, 8),
        "XRPUSDT": ("XRP", "USDT", "linear", "1", 1, 4),
        "1000PEPEUSDT": ("PEPE", "USDT", "linear", "1", 1000, 8),
        "1MBABYDOGEUSDT": ("BABYDOGE", "USDT", "linear", "1", 1_000_000, 8),
    }
    assert {spec.venue for spec in universe.instruments} == {"binance_usdm"}
    assert len(asked) == 2


def bybit_listing(symbol: str, base: str, **other: Any) -> dict[str, Any]:
    """Return one contract of instruments-info, abridged."""
    listing = {
        "symbol": symbol, "contractType": "LinearPerpetual", "status": "Trading", "baseCoin": base,
        "quoteCoin": "USDT", "settleCoin": "USDT", "launchTime": "1585526400000", "fundingInterval": 480,
    }  # fmt: skip
    return {**listing, **other}


def test_bybit_discovers_page_by_page() -> None:
    pages = {
        "": (
            [
                bybit_listing("BTCUSDT", "BTC"),
                bybit_listing("BTCPERP", "BTC", quoteCoin="USDC", settleCoin="USDC"),
                bybit_listing("1000PEPEUSDT", "1000PEPE", fundingInterval=240),
            ],
            "first%3Dpage",
        ),
        "first%3Dpage": (
            [
                bybit_listing("SHIB1000USDT", "SHIB1000", fundingInterval="60"),
                bybit_listing("BTC-26DEC25", "BTC", contractType="LinearFutures"),
                bybit_listing("OLDUSDT", "OLD", status="Closed"),
                bybit_listing("NEWUSDT", "NEW", fundingInterval=""),
            ],
            "",
        ),
    }

    def answer(request: RestRequest) -> Any:
        assert request.path == "/v5/market/instruments-info"
        listings, cursor = pages[request.params.get("cursor", "")]
        return bybit_answer({"category": "linear", "list": listings, "nextPageCursor": cursor})

    universe, asked = converse(bybit.discover(), answer)
    assert found(universe) == {
        "BTCUSDT": ("BTC", "USDT", "linear", "1", 1, 8),
        "BTCPERP": ("BTC", "USDC", "linear", "1", 1, 8),
        "1000PEPEUSDT": ("PEPE", "USDT", "linear", "1", 1000, 4),
        "SHIB1000USDT": ("SHIB", "USDT", "linear", "1", 1000, 1),
        "NEWUSDT": ("NEW", "USDT", "linear", "1", 1, 0),
    }
    assert [request.params.get("cursor") for request in asked] == [None, "first%3Dpage"]


@pytest.mark.parametrize("cursors", [["a", "b"], ["a"]])
def test_bybit_cursors_that_go_round_end(cursors: list[str]) -> None:
    calls = 0

    def answer(_: RestRequest) -> Any:
        nonlocal calls
        calls += 1
        cursor = cursors[calls % len(cursors)]
        return bybit_answer({"list": [bybit_listing("BTCUSDT", "BTC")], "nextPageCursor": cursor})

    converse(bybit.discover(), answer)
    assert calls <= 3


def test_bybit_cursors_without_end_end() -> None:
    calls = 0

    def answer(_: RestRequest) -> Any:
        nonlocal calls
        calls += 1
        return bybit_answer(
            {"list": [bybit_listing("BTCUSDT", "BTC")], "nextPageCursor": str(calls)}
        )

    converse(bybit.discover(), answer)
    assert calls == 400


def okx_listing(symbol: str, **other: str) -> dict[str, str]:
    """Return one swap of public/instruments, abridged."""
    base, quote, _ = symbol.split("-")
    listing = {
        "instId": symbol, "instFamily": f"{base}-{quote}", "uly": f"{base}-{quote}", "state": "live",
        "instType": "SWAP", "ctType": "linear", "ctVal": "1", "ctMult": "1", "ctValCcy": base,
        "settleCcy": quote, "baseCcy": "",
    }  # fmt: skip
    return {**listing, **other}


def test_okx_discovers_linear_and_inverse() -> None:
    inverse = {"ctType": "inverse", "ctValCcy": "USD"}
    listings = [
        okx_listing("BTC-USDT-SWAP", ctVal="0.01"),
        okx_listing("BTC-USDC-SWAP", ctVal="0.001", ctMult="0.1"),
        okx_listing("BTC-USD-SWAP", ctVal="100", settleCcy="BTC", **inverse),
        okx_listing("XRP-USDT-SWAP", state="suspend"),
        okx_listing("ETH-USDT-SWAP", ctVal=""),
        okx_listing("SOL-USDT-SWAP", ctVal="1e999999999"),
        okx_listing("ADA-USDT-SWAP", ctVal="NaN"),
        okx_listing("DOT-USDT-SWAP", ctVal="0"),
        okx_listing("UNI-USDT-SWAP", ctValCcy="USD"),
        okx_listing("LTC-USD_UM-SWAP", settleCcy="USDT"),
        okx_listing("EOS-USD-SWAP", settleCcy="BTC", **inverse),
    ]
    universe, asked = converse(okx.discover(), lambda _: okx_answer(listings))
    assert found(universe) == {
        "BTC-USDT-SWAP": ("BTC", "USDT", "linear", "0.01", 1, 0),
        "BTC-USDC-SWAP": ("BTC", "USDC", "linear", "0.0001", 1, 0),
        "BTC-USD-SWAP": ("BTC", "USD", "inverse", "100", 1, 0),
    }
    assert asked[0].params == {"instType": "SWAP"}
    assert universe.instruments[0].coin(565474, 0.0) == 5654.74


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("BTC", ("BTC", 1)),
        ("XBT", ("BTC", 1)),
        ("1000XBT", None),
        ("1INCH", ("1INCH", 1)),
        ("1MIL", ("1MIL", 1)),
        ("1000PEPE", ("PEPE", 1000)),
        ("10000SATS", ("SATS", 10_000)),
        ("1000000MOG", ("MOG", 1_000_000)),
        ("1MBABYDOGE", ("BABYDOGE", 1_000_000)),
        ("SHIB1000", ("SHIB", 1000)),
        ("SPX6900", ("SPX6900", 1)),
        ("C98", ("C98", 1)),
        ("1000", None),
        ("10001X", None),
        ("1000NEWCOIN", None),
        ("", None),
    ],
)
def test_scales_in_names(base: str, expected: tuple[str, int] | None) -> None:
    assert underlying_of(base) == expected


# Refusals and rubbish


@pytest.mark.parametrize(
    ("conversation", "body"),
    [
        (bybit.discover, b'{"retCode":10006,"retMsg":"Too many visits!","result":{},"time":1}'),
        (okx.discover, b'{"code":"50011","msg":"Too Many Requests","data":[]}'),
        (binance_usdm.discover, b'{"code":-1003,"msg":"Too many requests"}'),
    ],
)
def test_refusals(conversation: Callable[[], Conversation[Universe]], body: bytes) -> None:
    with pytest.raises(VenueRefused, match="Too"):
        converse(conversation(), lambda _: body)


@pytest.mark.parametrize(
    "body", [b"", b"[", b"<html>", b"[]", b"\xff", b'{"retCode":0}', b"[" * 100_000]
)
@pytest.mark.parametrize("venue", [binance_usdm, bybit, okx])
def test_rubbish_bodies(venue: Any, body: bytes) -> None:
    with pytest.raises(MalformedFrame):
        converse(venue.discover(), lambda _: body)


# Polls


def test_binance_polls_open_interest() -> None:
    spec = INSTRUMENTS["binance_usdm"]["1000PEPEUSDT"]
    (poll,) = binance_usdm.polls([spec])
    assert poll.request == RestRequest(
        path="/fapi/v1/openInterest", params={"symbol": "1000PEPEUSDT"}, weight=1
    )
    assert (poll.channel, poll.every_s) == (Channel.OPEN_INTEREST, 5.0)
    out = RowBuffer()
    body = b'{"symbol":"1000PEPEUSDT","openInterest":"10659.5","time":1589437530011}'
    poll.decode(body, RECEIVED_NS, out)
    (row,) = rows_of(out, INSTRUMENTS["binance_usdm"])
    assert (row["kind"], row["quantity"], row["flags"]) == (
        "open_interest",
        10_659_500.0,
        ["stable_assumed"],
    )
    assert row["exchange_ns"] == 1_589_437_530_011_000_000
    assert math.isnan(row["notional_usd"])
    assert math.isnan(row["mark_price"])
    with pytest.raises(MalformedFrame, match="symbol"):
        poll.decode(body.replace(b"1000PEPE", b"BTC"), RECEIVED_NS, out)
    with pytest.raises(MalformedFrame, match="range"):
        poll.decode(body.replace(b"10659.5", b"-1"), RECEIVED_NS, out)
    with pytest.raises(VenueRefused):
        poll.decode(b'{"code":-1121,"msg":"Invalid symbol."}', RECEIVED_NS, out)
    assert out.rows == 1


def test_binance_polls_within_their_budget() -> None:
    spec = INSTRUMENTS["binance_usdm"]["BTCUSDT"]
    for count in (1, 100, 400):
        polls = binance_usdm.polls([spec] * count)
        per_minute = sum(poll.request.weight * 60 / poll.every_s for poll in polls)
        assert per_minute <= binance_usdm.SPEC.rest_weight_per_minute * 0.6 + 1e-9
    assert bybit.polls([]) == okx.polls([]) == []


# What recordings may assume


@pytest.mark.parametrize(
    ("venue", "symbol", "expected"),
    [
        (binance_usdm, "BTCUSDT", ("BTC", "USDT", "linear", "1", 1, 0)),
        (binance_usdm, "1000PEPEUSDC", ("PEPE", "USDC", "linear", "1", 1000, 0)),
        (bybit, "SHIB1000USDT", ("SHIB", "USDT", "linear", "1", 1000, 0)),
        (bybit, "BTCPERP", ("BTC", "USDC", "linear", "1", 1, 0)),
    ],
)
def test_symbols_that_say_their_contract(venue: Any, symbol: str, expected: Any) -> None:
    spec = venue.assume(symbol)
    assert spec is not None
    assert found(Universe(instruments=[spec])) == {symbol: expected}


@pytest.mark.parametrize(
    ("venue", "symbol"),
    [
        (binance_usdm, "BTCUSD_PERP"),
        (binance_usdm, "BTCUSDT_261225"),
        (binance_usdm, "USDT"),
        (bybit, "BTCUSD"),
        (okx, "BTC-USDT-SWAP"),
    ],
)
def test_symbols_that_do_not(venue: Any, symbol: str) -> None:
    assert venue.assume(symbol) is None
