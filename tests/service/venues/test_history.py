"""History of a span, driven with bodies as the venues document them."""

from typing import Any

import pytest

from service.venue import MalformedFrame, RestRequest
from service.venues import binance_usdm, bybit, okx
from streams.events import RowBuffer
from streams.instruments import instrument
from tests.service.venues.cases import HOUR_NS, rows_of, same
from tests.service.venues.conversations import HOUR, T0, Answer, bybit_answer, converse, okx_answer
from tests.service.venues.every import INSTRUMENTS

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
