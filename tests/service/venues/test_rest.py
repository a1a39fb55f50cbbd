"""Discovery, history and polls, driven with bodies as the venues document them."""

import json
import math
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from service.venue import Conversation, MalformedFrame, RestRequest, VenueRefused
from service.venues import binance_usdm, bybit, okx
from service.venues.decode import underlying_of
from streams.events import Channel, RowBuffer
from streams.instruments import Instrument, instrument
from tests.service.venues.cases import HOUR_NS, INSTRUMENTS, RECEIVED_NS, rows_of, same

T = TypeVar("T")

HOUR = 3_600_000
#: 2026-10-01 00:00 UTC, in ms.
T0 = 1_790_812_800_000
assert T0 % (24 * HOUR) == 0

Answer = Callable[[RestRequest], Any]


def converse(conversation: Conversation[T], answer: Answer) -> tuple[T, list[RestRequest]]:
    """Drive a conversation with `answer`'s bodies; return its result and what it asked."""
    asked: list[RestRequest] = []
    try:
        request = next(conversation)
        while True:
            asked.append(request)
            assert len(asked) < 2000, "a conversation must end"
            body = answer(request)
            request = conversation.send(
                body if isinstance(body, bytes) else json.dumps(body).encode()
            )
    except StopIteration as stop:
        return stop.value, asked


def found(specs: list[Instrument]) -> dict[str, tuple[str, str, str, str, int, int]]:
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
        for spec in specs
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

    specs, asked = converse(binance_usdm.discover(), answer)
    assert found(specs) == {
        "BTCUSDT": ("BTC", "USDT", "linear", "1", 1, 8),
        "BTCUSDC": ("BTC", "USDC", "linear", "1", 1, 8),
        "XRPUSDT": ("XRP", "USDT", "linear", "1", 1, 4),
        "1000PEPEUSDT": ("PEPE", "USDT", "linear", "1", 1000, 8),
        "1MBABYDOGEUSDT": ("BABYDOGE", "USDT", "linear", "1", 1_000_000, 8),
    }
    assert {spec.venue for spec in specs} == {"binance_usdm"}
    assert len(asked) == 2


def bybit_answer(result: dict[str, Any]) -> dict[str, Any]:
    """Return a body as Bybit wraps it."""
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": T0}


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

    specs, asked = converse(bybit.discover(), answer)
    assert found(specs) == {
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


def okx_answer(data: list[Any]) -> dict[str, Any]:
    """Return a body as OKX wraps it."""
    return {"code": "0", "msg": "", "data": data}


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
    specs, asked = converse(okx.discover(), lambda _: okx_answer(listings))
    assert found(specs) == {
        "BTC-USDT-SWAP": ("BTC", "USDT", "linear", "0.01", 1, 0),
        "BTC-USDC-SWAP": ("BTC", "USDC", "linear", "0.0001", 1, 0),
        "BTC-USD-SWAP": ("BTC", "USD", "inverse", "100", 1, 0),
    }
    assert asked[0].params == {"instType": "SWAP"}
    assert specs[0].coin(565474, 0.0) == 5654.74


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("BTC", ("BTC", 1)),
        ("XBT", ("BTC", 1)),
        ("1000XBT", ("BTC", 1000)),
        ("1INCH", ("1INCH", 1)),
        ("1MIL", ("1MIL", 1)),
        ("1000PEPE", ("PEPE", 1000)),
        ("10000SATS", ("SATS", 10_000)),
        ("1000000MOG", ("MOG", 1_000_000)),
        ("1MBABYDOGE", ("BABYDOGE", 1_000_000)),
        ("SHIB1000", ("SHIB", 1000)),
        ("1000", ("1000", 1)),
        ("SPX6900", ("SPX6900", 1)),
        ("C98", ("C98", 1)),
        ("10001X", ("10001X", 1)),
        ("", ("", 1)),
    ],
)
def test_scales_in_names(base: str, expected: tuple[str, int]) -> None:
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
def test_refusals(conversation: Callable[[], Conversation[list[Instrument]]], body: bytes) -> None:
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


# History: five hours, with a settlement in the middle


FROM_MS, TO_MS = T0 + 6 * HOUR, T0 + 11 * HOUR
SPAN = FROM_MS * 1_000_000, TO_MS * 1_000_000


def history_of(
    venue: Any, name: str, symbol: str, answer: Answer
) -> tuple[list[dict[str, Any]], list[Any]]:
    """Return the rows and requests of a history of `SPAN`."""
    out = RowBuffer()
    _, asked = converse(venue.history(INSTRUMENTS[name][symbol], *SPAN, out), answer)
    return rows_of(out, INSTRUMENTS[name]), asked


def check(rows: list[dict[str, Any]], expected: list[tuple[str, int, tuple[float, ...]]]) -> None:
    """Compare kinds, times (hours after T0) and payloads."""
    payload = {
        "mark": ("mark_price", "index_price", "mid_price"),
        "open_interest": ("quantity", "notional_usd", "mark_price"),
        "funding": ("rate", "interval_ns", "next_funding_ns"),
    }
    got = [(row["kind"], row["exchange_ns"]) for row in rows]
    assert got == [(kind, (T0 + int(at * HOUR)) * 1_000_000) for kind, at, _ in expected]
    for row, (kind, _, numbers) in zip(rows, expected, strict=True):
        values = [row[name] for name in payload[kind]]
        assert all(same(float(want), value) for want, value in zip(numbers, values, strict=True)), (
            row
        )
        assert "backfill" in row["flags"]
        assert row["received_ns"] == SPAN[1]
        assert ("settled" in row["flags"]) == (kind == "funding")


NAN = float("nan")


def test_binance_history() -> None:
    def answer(request: RestRequest) -> Any:
        params = request.params
        if request.path == "/futures/data/openInterestHist":
            assert (params["symbol"], params["period"], params["limit"]) == (
                "1000PEPEUSDT",
                "5m",
                "500",
            )
            assert int(params["startTime"]) == FROM_MS
            assert int(params["endTime"]) == TO_MS - 1
            return [
                {"symbol": "1000PEPEUSDT", "sumOpenInterest": "2000.5", "sumOpenInterestValue": "20.005",
                 "CMCCirculatingSupply": "1", "timestamp": FROM_MS},
                {"symbol": "1000PEPEUSDT", "sumOpenInterest": "0", "sumOpenInterestValue": "0",
                 "timestamp": str(TO_MS - HOUR // 2)},
            ]  # fmt: skip
        if request.path == "/fapi/v1/fundingRate":
            return [
                {
                    "symbol": "x",
                    "fundingTime": T0 - 4 * HOUR + 3,
                    "fundingRate": "0.5",
                    "markPrice": "",
                },
                {"symbol": "x", "fundingTime": T0 + 3, "fundingRate": "0.0001", "markPrice": "1"},
                {
                    "symbol": "x",
                    "fundingTime": T0 + 8 * HOUR,
                    "fundingRate": "-0.0002",
                    "rateType": "x",
                },
                {"symbol": "x", "fundingTime": T0 + 9 * HOUR + 600_000, "fundingRate": "0.9"},
            ]
        price = {"/fapi/v1/markPriceKlines": "0.01", "/fapi/v1/indexPriceKlines": "0.02"}[
            request.path
        ]
        name = "pair" if "index" in request.path else "symbol"
        assert (params[name], params["interval"]) == ("1000PEPEUSDT", "1h")
        tail = ["0", 1, "0", 60, "0", "0", "0"]
        return [
            [T0 + hour * HOUR, "1", "2", "0.5", price, *tail]
            for hour in range(5, 10 if name == "pair" else 11)
        ]

    rows, asked = history_of(binance_usdm, "binance_usdm", "1000PEPEUSDT", answer)
    check(
        rows,
        [
            ("mark", 6, (0.00001, 0.00002, NAN)),
            ("open_interest", 6, (2_000_500.0, 20.005, 0.00001)),
            ("mark", 7, (0.00001, 0.00002, NAN)),
            ("mark", 8, (0.00001, 0.00002, NAN)),
            ("funding", 8, (-0.0002, 8 * HOUR_NS, (T0 + 16 * HOUR) * 1_000_000)),
            ("mark", 9, (0.00001, 0.00002, NAN)),
            ("mark", 10, (0.00001, 0.00002, NAN)),
            ("open_interest", 10.5, (0.0, 0.0, NAN)),
        ],
    )
    assert len(asked) == 4
    assert "interval_assumed" not in rows[4]["flags"]


def test_binance_history_pages_through_a_month() -> None:
    """8640 samples are 18 pages, 721 candles 2, and settlements follow until a page is short."""
    to_ms = T0 + 40 * 24 * HOUR
    calls: dict[str, int] = {}

    def answer(request: RestRequest) -> Any:
        calls[request.path] = calls.get(request.path, 0) + 1
        if request.path != "/fapi/v1/fundingRate":
            start, end = int(request.params["startTime"]), int(request.params["endTime"])
            step = 300_000 if "Hist" in request.path else HOUR
            assert (end + 1 - start) / step <= int(request.params["limit"])
            return []
        start = int(request.params["startTime"])
        first = -(-start // HOUR)
        hours = range(first, min(first + 1000, to_ms // HOUR))
        return [{"fundingTime": hour * HOUR, "fundingRate": "0.0001"} for hour in hours]

    out = RowBuffer()
    spec = INSTRUMENTS["binance_usdm"]["BTCUSDT"]
    converse(binance_usdm.history(spec, T0 * 1_000_000, to_ms * 1_000_000, out), answer)
    assert calls == {
        "/futures/data/openInterestHist": 17,  # the last 29 days only
        "/fapi/v1/fundingRate": 1,
        "/fapi/v1/markPriceKlines": 2,
        "/fapi/v1/indexPriceKlines": 2,
    }
    rows = rows_of(out, INSTRUMENTS["binance_usdm"])
    assert len(rows) == 40 * 24
    assert {row["interval_ns"] for row in rows} == {HOUR_NS}


def test_bybit_history() -> None:
    def answer(request: RestRequest) -> Any:
        params = request.params
        assert (params["category"], params["symbol"]) == ("linear", "BTCUSDT")
        if request.path == "/v5/market/open-interest":
            assert (params["intervalTime"], params["limit"]) == ("5min", "200")
            if "cursor" not in params:
                rows = [
                    {"openInterest": "52664.642", "singleOpenInterest": "26332.321",
                     "timestamp": str(T0 + 9 * HOUR)},
                ]  # fmt: skip
                return bybit_answer({"list": rows, "nextPageCursor": "older"})
            rows = [{"openInterest": "50000", "timestamp": str(T0 + 7 * HOUR)}]
            return bybit_answer({"list": rows, "nextPageCursor": ""})
        if request.path == "/v5/market/funding/history":
            assert int(params["startTime"]) == FROM_MS - 24 * HOUR
            rows = [
                {
                    "symbol": "BTCUSDT",
                    "fundingRate": rate,
                    "fundingRateTimestamp": str(T0 + hour * HOUR),
                }
                for hour, rate in [(8, "-0.0001"), (4, "0.0001")]
            ]
            return bybit_answer({"category": "linear", "list": rows})
        price = {"/v5/market/mark-price-kline": "60000", "/v5/market/index-price-kline": "59990"}
        close = price[request.path]
        assert params["interval"] == "60"
        hours = [10, 6] if "mark" in request.path else [6]
        rows = [[str(T0 + hour * HOUR), "1", "2", "0.5", close] for hour in hours]
        return bybit_answer({"symbol": "BTCUSDT", "category": "linear", "list": rows})

    rows, asked = history_of(bybit, "bybit", "BTCUSDT", answer)
    check(
        rows,
        [
            ("mark", 7, (60000.0, 59990.0, NAN)),
            ("open_interest", 7, (25_000.0, NAN, NAN)),
            ("funding", 8, (-0.0001, 4 * HOUR_NS, (T0 + 12 * HOUR) * 1_000_000)),
            ("open_interest", 9, (26_332.321, NAN, NAN)),
        ],
    )
    assert "unit_assumed" in rows[1]["flags"]
    assert "unit_assumed" not in rows[3]["flags"]
    assert len(asked) == 5


def test_bybit_history_of_funding_pages_backwards() -> None:
    """Ten days of hourly settlements, 200 a page; the last page ends before the span."""
    to_ms = T0 + 10 * 24 * HOUR
    ends = []

    def answer(request: RestRequest) -> Any:
        if request.path != "/v5/market/funding/history":
            return bybit_answer({"list": []})
        end, start = int(request.params["endTime"]), int(request.params["startTime"])
        ends.append(end)
        hours = range(end // HOUR, max(end // HOUR - 200, -(-start // HOUR) - 1), -1)
        rows = [
            {"fundingRate": "0.0001", "fundingRateTimestamp": str(hour * HOUR)} for hour in hours
        ]
        return bybit_answer({"list": rows})

    out = RowBuffer()
    spec = INSTRUMENTS["bybit"]["BTCUSDT"]
    converse(bybit.history(spec, T0 * 1_000_000, to_ms * 1_000_000, out), answer)
    assert out.rows == 240
    assert len(ends) == 2


def test_okx_history() -> None:
    def answer(request: RestRequest) -> Any:
        params = request.params
        assert params["limit"] == "100"
        if request.path == "/api/v5/rubik/stat/contracts/open-interest-history":
            assert (params["instId"], params["period"]) == ("BTC-USD-SWAP", "5m")
            pages = {
                str(TO_MS): [[str(T0 + 9 * HOUR), "5000", "10", "499999.9"]],
                str(T0 + 9 * HOUR): [[str(T0 + 7 * HOUR), "6000", "12", "600000"]],
            }
            return okx_answer(pages.get(params["end"], []))
        if request.path == "/api/v5/public/funding-rate-history":
            page = [
                {"instId": "x", "fundingRate": "0.9", "realizedRate": "-0.0001",
                 "fundingTime": str(T0 + 8 * HOUR), "method": "current_period"},
                {"instId": "x", "fundingRate": "0.0003", "realizedRate": "", "fundingTime": str(T0)},
            ]  # fmt: skip
            return okx_answer(page if params["after"] == str(TO_MS) else [])
        mark = request.path == "/api/v5/market/history-mark-price-candles"
        assert mark or request.path == "/api/v5/market/history-index-candles"
        assert params["instId"] == ("BTC-USD-SWAP" if mark else "BTC-USD")
        assert params["bar"] == "1H"
        close = "50000" if mark else "49990"
        page = [
            [str(T0 + 9 * HOUR), "1", "2", "0.5", close, "0"],
            [str(T0 + 8 * HOUR), "1", "2", "0.5", close, "1"],
        ]
        return okx_answer(page if params["after"] == str(TO_MS) else [])

    rows, _ = history_of(okx, "okx", "BTC-USD-SWAP", answer)
    check(
        rows,
        [
            ("open_interest", 7, (12.0, 600_000.0, 50_000.0)),
            ("funding", 8, (-0.0001, 8 * HOUR_NS, (T0 + 16 * HOUR) * 1_000_000)),
            ("mark", 9, (50_000.0, 49_990.0, NAN)),
            ("open_interest", 9, (10.0, 500_000.0, 50_000.0)),
        ],
    )
    assert "stable_assumed" not in rows[0]["flags"]


def test_okx_pages_that_lead_nowhere_end() -> None:
    def answer(request: RestRequest) -> Any:
        if "rubik" in request.path:
            return okx_answer([[str(T0 + 9 * HOUR), "5000", "10", "500000"]])
        return okx_answer([])

    rows, asked = history_of(okx, "okx", "BTC-USD-SWAP", answer)
    assert len(asked) == 5
    assert len(rows) == 2


def test_a_history_that_fails_writes_nothing() -> None:
    out = RowBuffer()

    def answer(request: RestRequest) -> Any:
        if "openInterestHist" in request.path:
            return [{"sumOpenInterest": "1", "sumOpenInterestValue": "1", "timestamp": FROM_MS}]
        return b"<html>"

    with pytest.raises(MalformedFrame):
        converse(binance_usdm.history(INSTRUMENTS["binance_usdm"]["BTCUSDT"], *SPAN, out), answer)
    assert out.rows == 0


def test_an_unknown_interval_is_assumed_and_said() -> None:
    spec = instrument(venue="okx", symbol="NEW-USDT-SWAP", underlying="NEW", quote="USDT")
    out = RowBuffer()

    def answer(request: RestRequest) -> Any:
        if "funding" not in request.path or request.params["after"] != str(TO_MS):
            return okx_answer([])
        return okx_answer([{"fundingRate": "0.0003", "fundingTime": str(T0 + 8 * HOUR)}])

    converse(okx.history(spec, *SPAN, out), answer)
    (row,) = rows_of(out, {spec.symbol: spec})
    assert row["interval_ns"] == 8 * HOUR_NS
    assert row["flags"] == ["backfill", "settled", "interval_assumed"]


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
    assert found([venue.assume(symbol)]) == {symbol: expected}


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
