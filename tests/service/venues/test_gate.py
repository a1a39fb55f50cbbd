"""Gate over REST, what is said on which connection, and what is said before anything else."""

import asyncio
import contextlib
import json
from typing import Any

import pytest
from aiohttp import web
from websockets.asyncio.server import ServerConnection

from service.clock import ScaledClock
from service.ingest import IngestOptions, rest_client
from service.stats import MemoryStats
from service.venue import MalformedFrame, RestRequest, Universe
from service.venues import gate
from streams.events import Channel, RowBuffer
from streams.instruments import instrument
from tests.reference.toy_run import T0 as NOW_NS
from tests.reference.toy_run import running, spec, steady
from tests.reference.toy_venue import ToyExchange, ToyVenue, toy_rest
from tests.service.venues.cases import HOUR_NS, rows_of
from tests.service.venues.cases_gate import INSTRUMENTS
from tests.service.venues.conversations import HOUR, T0, converse

FROM_MS, TO_MS = T0 + 6 * HOUR, T0 + 11 * HOUR
SPAN = FROM_MS * 1_000_000, TO_MS * 1_000_000
MINUTE = 60_000


def listing(name: str, size: str = "0.0001", **other: Any) -> dict[str, Any]:
    """Return one contract of the listing, abridged."""
    return {
        "name": name, "type": "direct", "quanto_multiplier": size, "funding_interval": 28800,
        "funding_next_apply": 1785571200.0, "in_delisting": False, "status": "trading",
        "is_pre_market": False, "contract_type": "", **other,
    }  # fmt: skip


def listed(usdt: list[Any], btc: list[Any]) -> Universe:
    """Drive discovery with one page of each settlement coin."""
    pages = {"/api/v4/futures/usdt/contracts": usdt, "/api/v4/futures/btc/contracts": btc}
    universe, asked = converse(gate.discover(), lambda request: pages[request.path])
    assert [request.params["offset"] for request in asked] == ["0", "0"]
    return universe


def test_discovery_takes_trading_contracts_of_coins() -> None:
    universe = listed(
        [
            listing("BTC_USDT"),
            listing("XRP_USDT", "10", funding_interval=14400),
            listing("1000CAT_USDT", "10", funding_interval=3600),
            listing("AAPLX_USDT", contract_type="stocks"),
            listing("OLD_USDT", in_delisting=True),
            listing("GONE_USDT", status="delisted"),
            listing("OPENAI_USDT", is_pre_market=True),
            listing("龙虾_USDT"),
        ],
        [listing("BTC_USD", "0", type="inverse"), listing("ETH_USD", "0.000001")],
    )
    assert {
        one.symbol: (
            one.underlying, one.quote, one.contract_type, one.contract_size, one.coins_per_unit,
            one.funding_interval_ns // HOUR_NS,
        )
        for one in universe.instruments
    } == {
        "BTC_USDT": ("BTC", "USDT", "linear", "0.0001", 1, 8),
        "XRP_USDT": ("XRP", "USDT", "linear", "10", 1, 4),
        "1000CAT_USDT": ("CAT", "USDT", "linear", "10", 1000, 1),
        "BTC_USD": ("BTC", "USD", "inverse", "1", 1, 8),
    }  # fmt: skip
    assert set(universe.unmapped) == {"龙虾_USDT", "ETH_USD"}


@pytest.mark.parametrize(
    "size", ["", "0", "-1", "NaN", "Infinity", "1e999999999", "1e-999999999", "1e13", "x"]
)
def test_sizes_that_make_no_sense_are_reported(size: str) -> None:
    universe = listed([listing("BTC_USDT", size)], [])
    assert universe.instruments == []
    assert set(universe.unmapped) == {"BTC_USDT"}


def test_an_interval_beyond_a_day_is_refused() -> None:
    with pytest.raises(MalformedFrame, match="range"):
        listed([listing("BTC_USDT", funding_interval=86_401)], [])


@pytest.mark.parametrize("pages", [1, 2])
def test_listings_that_repeat_themselves_end(pages: int) -> None:
    def body(request: RestRequest) -> Any:
        page = int(request.params["offset"]) // 1000 % pages
        return [listing(f"C{page}X{n}_USDT") for n in range(1000)]

    _, asked = converse(gate.discover(), body)
    assert len(asked) == 2 * (pages + 1)


def test_history() -> None:
    """Levels are those of a row's end; settlements come a second late; candles of mark and index."""
    stats = {
        str(FROM_MS // 1000 - 300): [
            {"time": FROM_MS // 1000 - 600, "open_interest": 1, "mark_price": 1.0},
            {"time": FROM_MS // 1000 - 300, "open_interest": 50, "mark_price": 0.012},
            {"time": TO_MS // 1000 - 1200, "open_interest": "70.5", "mark_price": 0},
            {"time": TO_MS // 1000 - 300, "open_interest": 1, "mark_price": 1.0},
        ],
    }

    def body(request: RestRequest) -> Any:
        params, path = request.params, request.path.removeprefix("/api/v4/futures/usdt/")
        if path == "contract_stats":
            assert (params["contract"], params["interval"]) == ("1000CAT_USDT", "5m")
            return stats[params["from"]]
        if path == "funding_rate":
            assert int(params["from"]) * 1000 == FROM_MS - 24 * HOUR
            return [
                {"t": (T0 + 8 * HOUR) // 1000 + 1, "r": "-0.0002"},
                {"t": (T0 + 4 * HOUR) // 1000, "r": "0.0001"},
            ]
        assert (path, params["interval"]) == ("candlesticks", "1h")
        price = {"mark_1000CAT_USDT": "0.012", "index_1000CAT_USDT": "0.024"}[params["contract"]]
        first, last = int(params["from"]), int(params["to"])
        assert (first * 1000, last * 1000) == (FROM_MS - HOUR, TO_MS - 1000)
        return [
            {"t": t, "v": 0, "o": "1", "h": "2", "l": "0.5", "c": price, "sum": "0"}
            for t in range(first, last, 3600)
        ]

    out = RowBuffer()
    converse(gate.history(INSTRUMENTS["1000CAT_USDT"], *SPAN, out), body)
    rows = rows_of(out, INSTRUMENTS)
    marks = [row for row in rows if row["kind"] == "mark"]
    assert [(row["exchange_ns"] // 10**6 - T0) / HOUR for row in marks] == [6, 7, 8, 9, 10]
    assert {(row["mark_price"], row["index_price"]) for row in marks} == {(0.000012, 0.000024)}
    (funding,) = [row for row in rows if row["kind"] == "funding"]
    assert (funding["rate"], funding["interval_ns"]) == (-0.0002, 4 * HOUR_NS)
    levels = [row for row in rows if row["kind"] == "open_interest"]
    assert [(row["exchange_ns"] // 10**6, row["quantity"]) for row in levels] == [
        (FROM_MS, 500_000.0),
        (TO_MS - 15 * MINUTE, 705_000.0),
    ]
    assert levels[0]["notional_usd"] == pytest.approx(6.0)
    assert str(levels[1]["notional_usd"]) == "nan", "without a mark there is no USD"
    assert levels[0]["flags"] == ["backfill", "stable_assumed"]


def test_open_interest_pages_forward_and_ends() -> None:
    """A full page is followed from its newest row; an inverse contract is asked for where it settles."""
    first_s = FROM_MS // 1000 - 300

    def body(request: RestRequest) -> Any:
        assert request.path.startswith("/api/v4/futures/btc/")
        if not request.path.endswith("contract_stats"):
            return []
        since = int(request.params["from"])
        rows = range(2001) if since == first_s else range(3)
        return [
            {"time": since + n, "open_interest": 1000, "mark_price": 50000} for n in rows
        ]  # more than asked for, as the venue does

    out = RowBuffer()
    _, asked = converse(gate.history(INSTRUMENTS["BTC_USD"], *SPAN, out), body)
    stats = [request for request in asked if request.path.endswith("contract_stats")]
    assert [int(request.params["from"]) - first_s for request in stats] == [0, 2001]
    rows = rows_of(out, INSTRUMENTS)
    assert len(rows) == 2004
    assert {(row["quantity"], row["notional_usd"]) for row in rows} == {(0.02, 1000.0)}


@pytest.mark.parametrize("path", ["contract_stats", "funding_rate"])
def test_pages_that_lead_nowhere_end(path: str) -> None:
    full = {
        "contract_stats": [{"time": FROM_MS // 1000, "open_interest": 1}] * 2000,
        "funding_rate": [{"t": TO_MS // 1000 + 9, "r": "0.1"}] * 1000,
    }[path]
    answer = lambda request: full if request.path.endswith(path) else []  # noqa: E731 - in one line
    _, asked = converse(gate.history(INSTRUMENTS["BTC_USDT"], *SPAN, RowBuffer()), answer)
    assert sum(request.path.endswith(path) for request in asked) <= 2


def test_connections_are_of_one_settlement_coin() -> None:
    linear = [
        instrument(venue="gate", symbol=f"C{n}_USDT", underlying=f"C{n}", quote="USDT") for n in range(250)
    ]  # fmt: skip
    plans = gate.plan([INSTRUMENTS["BTC_USD"], *linear])
    assert [(plan.path, len(plan.instruments)) for plan in plans] == [
        ("/v4/ws/usdt", 200), ("/v4/ws/usdt", 50), ("/v4/ws/btc", 1),
    ]  # fmt: skip
    assert plans[0].control == Channel.TRADE | Channel.MARK
    assert plans[2].control == Channel.MARK, "trades of it may be minutes apart"
    for plan in plans:
        frames = [json.loads(frame) for frame in plan.subscribe]
        assert all(len(frame["payload"]) <= 100 for frame in frames)
        assert all(frame["event"] == "subscribe" and type(frame["time"]) is int for frame in frames)
        symbols = [spec.symbol for spec in plan.instruments]
        for channel, wanted in (
            ("futures.trades", symbols),
            ("futures.tickers", symbols),
            ("futures.public_liquidates", ["!all"]),
        ):
            assert [s for f in frames if f["channel"] == channel for s in f["payload"]] == wanted


def test_nothing_is_in_a_symbol() -> None:
    assert gate.assume("BTC_USDT") is None


SIZES = {"X-Gate-Size-Decimal": "1"}


async def test_the_handshake_asks_for_decimal_sizes() -> None:
    """What a spec has for headers is said to the socket."""
    assert gate.SPEC.headers == SIZES
    clock, heard = ScaledClock(NOW_NS, 20.0), asyncio.Queue[str | None]()
    behave = steady(clock)

    async def note(exchange: ToyExchange, ws: ServerConnection) -> None:
        assert ws.request is not None
        heard.put_nowait(ws.request.headers.get("X-Gate-Size-Decimal"))
        await behave(exchange, ws)

    async with (
        ToyExchange(note).open() as exchange,
        running(ToyVenue(spec(headers=SIZES)), exchange.url, clock=clock),
    ):
        assert await asyncio.wait_for(heard.get(), 5.0) == "1"


async def test_requests_ask_for_decimal_sizes() -> None:
    heard = []

    async def answer(request: web.Request) -> web.Response:
        heard.append(request.headers.get("X-Gate-Size-Decimal"))
        return web.json_response([])

    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(toy_rest(answer))
        options = IngestOptions(rest_url=url)
        client = await stack.enter_async_context(
            rest_client(gate, ScaledClock(NOW_NS, 1.0), MemoryStats(), options)
        )
        await client.get(RestRequest(path="/api/v4/futures/btc/contracts"))
    assert heard == ["1"]
