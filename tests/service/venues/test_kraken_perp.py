"""Kraken Futures: contracts, history and what is said on which connection."""

import json
from typing import Any

import pytest

from service.session import Session
from service.venue import MalformedFrame, RestRequest, VenueRefused
from service.venues import kraken_perp
from streams.events import VIEWS, Channel, Flag, Kind, RowBuffer, block_rows
from streams.instruments import Instrument
from tests.service.venues.cases_kraken_perp import INSTRUMENTS, snapshot, trade
from tests.service.venues.conversations import HOUR, T0, converse

NS = 10**9
MINUTE = 60_000


def listing(symbol: str, **fields: Any) -> dict[str, Any]:
    """Return a contract as the listing writes it."""
    base = symbol[3:].removesuffix("USD")
    return {
        "symbol": symbol,
        "type": "flexible_futures" if symbol.startswith("PF_") else "futures_inverse",
        "tradeable": True,
        "contractSize": 1,
        "base": "BTC" if base == "XBT" else base,
        "quote": "USD",
        "pair": f"{base}:USD",
        "tradfi": False,
        "isExpired": False,
        "marginLevels": [{"contracts": 0, "initialMargin": 0.02}],
        **fields,
    }


def answer(*listings: dict[str, Any]) -> dict[str, Any]:
    """Return a body of listings."""
    return {
        "result": "success",
        "instruments": list(listings),
        "serverTime": "2026-10-01T00:00:00Z",
    }


def test_discovery_lists_perpetuals_of_coins_against_the_dollar() -> None:
    body = answer(
        listing("PF_XBTUSD"),
        listing("PI_XBTUSD"),
        listing("PF_ETHUSD", base="", quote=""),  # older listings have the pair alone
        listing("PF_SUIUSD", tradeable=False),
        listing("PF_OLDUSD", isExpired=True),
        listing("PF_TSLAUSD", tradfi=True),
        listing("PI_XRPUSD", lastTradingTime="2026-12-25T15:00:00Z"),
        listing("FI_XBTUSD_261225", type="futures_inverse"),
        listing("PF_XBTEUR", quote="EUR", pair="XBT:EUR"),
        listing("PV_XRPXBT", type="futures_vanilla"),
    )
    universe, asked = converse(kraken_perp.discover(), lambda _: body)
    assert asked == [RestRequest(path="/derivatives/api/v3/instruments")]
    assert universe.unmapped == {}
    assert [
        (i.symbol, i.underlying, i.quote, i.contract_type, i.contract_size, i.funding_interval_ns)
        for i in universe.instruments
    ] == [
        ("PF_XBTUSD", "BTC", "USD", "linear", "1", 3600 * NS),
        ("PI_XBTUSD", "BTC", "USD", "inverse", "1", 3600 * NS),
        ("PF_ETHUSD", "ETH", "USD", "linear", "1", 3600 * NS),
    ]


@pytest.mark.parametrize("size", [0, -1, "x", "1e999", "NaN", None, [], 1e300, 1e-300])
def test_sizes_that_make_no_sense_are_reported(size: object) -> None:
    body = answer(listing("PF_XBTUSD", contractSize=size), listing("PF_ETHUSD"))
    universe, _ = converse(kraken_perp.discover(), lambda _: body)
    assert list(universe.unmapped) == ["PF_XBTUSD"]
    assert [i.symbol for i in universe.instruments] == ["PF_ETHUSD"]


def test_a_size_is_kept_exactly_and_an_unknown_name_is_not_guessed() -> None:
    body = answer(listing("PF_XBTUSD", contractSize=0.1), listing("PF_1000NEWUSD"))
    universe, _ = converse(kraken_perp.discover(), lambda _: body)
    assert (universe.instruments[0].size_numerator, universe.instruments[0].size_denominator) == (
        1,
        10,
    )
    assert list(universe.unmapped) == ["PF_1000NEWUSD"]


@pytest.mark.parametrize(
    "body",
    [
        {"result": "error", "error": "apiLimitExceeded"},
        {
            "result": None,
            "errors": [{"severity": "E", "error_class": "General", "type": "NotFound"}],
        },
    ],
)
def test_a_refusal_is_the_venues_no(body: dict[str, Any]) -> None:
    with pytest.raises(VenueRefused):
        converse(kraken_perp.discover(), lambda _: body)


def test_a_symbol_implies_its_contract() -> None:
    linear, inverse = kraken_perp.assume("PF_XBTUSD"), kraken_perp.assume("PI_ETHUSD")
    assert linear is not None
    assert inverse is not None
    assert (linear.underlying, linear.contract_type) == ("BTC", "linear")
    assert (inverse.underlying, inverse.contract_type) == ("ETH", "inverse")
    assert linear.funding_interval_ns == inverse.funding_interval_ns == 3600 * NS
    for symbol in ("FI_XBTUSD_261225", "PF_XBTEUR", "PF_USD", "PF_", "", "PF_1000NEWUSD"):
        assert kraken_perp.assume(symbol) is None


class Past:
    """Two pages of everything: the second begins where the first ends."""

    def __init__(self, start_ms: int, hours: int) -> None:
        self.start_ms, self.hours = start_ms, hours

    def __call__(self, request: RestRequest) -> dict[str, Any]:
        """Answer a request of history."""
        if request.path.endswith("historical-funding-rates"):
            assert request.params == {"symbol": "PF_XBTUSD"}
            rates = [
                {"timestamp": f"2026-10-01T{n:02}:00:00Z", "fundingRate": 9.0,
                 "relativeFundingRate": n / 1e6}
                for n in range(self.hours)
            ]  # fmt: skip
            return {
                "result": "success",
                "rates": [*rates, {"timestamp": "2026-10-01T23:00:00.000Z"}],
            }
        if "analytics" in request.path:
            return self._open_interest(request.params)
        tick_type = request.path.split("/")[4]
        assert request.path == f"/api/charts/v1/{tick_type}/PF_XBTUSD/1h"
        return self._candles(tick_type, request.params)

    def _open_interest(self, params: dict[str, str]) -> dict[str, Any]:
        assert params["interval"] == "300"
        first, last = int(params["since"]), int(params["to"])
        times = [s for s in range(first, last + 1, 300) if s >= self.start_ms // 1000 - 300]
        page = times[:7]
        data = [["1", "2", "0.5", str(s - self.start_ms // 1000 + 1000)] for s in page]
        return {"result": {"timestamp": page, "data": data, "more": len(times) > 7}, "errors": []}

    def _candles(self, tick_type: str, params: dict[str, str]) -> dict[str, Any]:
        first, last = int(params["from"]) * 1000, int(params["to"]) * 1000
        times = list(range(-(-first // HOUR) * HOUR, last + 1, HOUR))
        base = 60000 if tick_type == "mark" else 59990
        page = [
            {"time": ms, "open": "1", "high": "2", "low": "1", "close": str(base + ms // HOUR % 24),
             "volume": 0}
            for ms in times[:2]
        ]  # fmt: skip
        return {"candles": page, "more_candles": len(times) > 2}


def of(out: RowBuffer, kind: Kind) -> Any:
    """Return the rows of a kind."""
    rows = block_rows(bytes(out.view()))
    return rows[rows["kind"] == kind].view(VIEWS[kind])


def test_history_pages_and_is_at_the_end_of_what_it_speaks_of() -> None:
    out = RowBuffer()
    start_ns, end_ns = T0 * 10**6, (T0 + 3 * HOUR) * 10**6
    spec = INSTRUMENTS["PF_XBTUSD"]
    _, asked = converse(kraken_perp.history(spec, start_ns, end_ns, out), Past(T0, 6))
    levels = of(out, Kind.OPEN_INTEREST)
    assert levels["exchange_ns"].tolist() == list(range(start_ns, end_ns, 300 * NS))
    assert levels["quantity"].tolist() == [700.0 + 300 * n for n in range(36)]
    assert [r.params["since"] for r in asked if "analytics" in r.path][:2] == [
        str(T0 // 1000 - 300),
        str(T0 // 1000 - 300 + 7 * 300),
    ]
    funding = of(out, Kind.FUNDING)
    assert funding["rate"].tolist() == [0.0, 1e-6], "an hour is paid for at its end"
    assert funding["exchange_ns"].tolist() == [start_ns + 3600 * NS, start_ns + 7200 * NS]
    assert set(funding["interval_ns"].tolist()) == {3600 * NS}
    assert set(funding["flags"].tolist()) == {int(Flag.BACKFILL | Flag.SETTLED)}
    marks = of(out, Kind.MARK)
    assert marks["mark_price"].tolist() == [60023.0, 60000.0, 60001.0]
    assert marks["index_price"].tolist() == [60013.0, 59990.0, 59991.0]
    assert marks["exchange_ns"].tolist() == [start_ns + n * 3600 * NS for n in range(3)]


def test_inverse_open_interest_is_usd_and_bad_bodies_leave_nothing() -> None:
    out = RowBuffer()
    span = T0 * 10**6, (T0 + HOUR) * 10**6

    def bare(request: RestRequest) -> dict[str, Any]:
        if "analytics" in request.path:
            result = {"timestamp": [T0 // 1000], "data": [["1", "1", "1", "5000"]], "more": False}
            return {"result": result, "errors": []}
        return {"result": "success", "rates": [], "candles": [], "more_candles": False}

    converse(kraken_perp.history(INSTRUMENTS["PI_XBTUSD"], *span, out), bare)
    (level,) = of(out, Kind.OPEN_INTEREST)
    assert level["notional_usd"] == 5000.0
    assert level["quantity"] != level["quantity"], "no mark, no coin"
    out.clear()
    broken = {"result": {"timestamp": [T0 // 1000], "data": []}, "errors": []}
    with pytest.raises(MalformedFrame):
        converse(kraken_perp.history(INSTRUMENTS["PI_XBTUSD"], *span, out), lambda _: broken)
    assert out.rows == 0


def test_a_venue_that_always_has_more_is_not_followed_for_ever() -> None:
    def stuck(request: RestRequest) -> dict[str, Any]:
        if "analytics" in request.path:
            result = {"timestamp": [1_500_000_000], "data": [["1", "1", "1", "1"]], "more": True}
            return {"result": result, "errors": []}
        candle = {"time": T0 - 100 * HOUR, "close": "1"}
        return {"result": "success", "rates": [], "candles": [candle], "more_candles": True}

    span = T0 * 10**6, (T0 + HOUR) * 10**6
    _, asked = converse(kraken_perp.history(INSTRUMENTS["PF_XBTUSD"], *span, RowBuffer()), stuck)
    assert len(asked) == 4


def many(count: int) -> list[Instrument]:
    """Return contracts."""
    found = [kraken_perp.assume(f"PF_C{n}USD") for n in range(count)]
    return [spec for spec in found if spec is not None]


def test_connections_share_the_contracts() -> None:
    plans = kraken_perp.plan(many(320))
    assert [len(plan.instruments) for plan in plans] == [150, 150, 20]
    for plan in plans:
        frames = [json.loads(frame) for frame in plan.subscribe]
        assert {frame["event"] for frame in frames} == {"subscribe"}
        assert max(len(frame["product_ids"]) for frame in frames) <= 50
        for feed in ("ticker", "trade"):
            asked = [p for f in frames if f["feed"] == feed for p in f["product_ids"]]
            assert asked == [spec.symbol for spec in plan.instruments]
        assert plan.control == Channel.MARK
        assert plan.channels == Channel.ALL
        Session(plan, kraken_perp.SPEC, now_ns=0)
    assert kraken_perp.plan([]) == kraken_perp.polls(many(2)) == []


def test_the_gap_is_from_the_last_trade_of_the_product_to_the_next() -> None:
    out = RowBuffer()
    decoder = kraken_perp.decoder(INSTRUMENTS)
    t = T0 * 10**6
    decoder.decode(snapshot(b"PF_XBTUSD", 9, 8), t, out)
    decoder.decode(trade(b"PF_XBTUSD", b"sell", b"1", b"5", seq=10), t + 1, out)
    decoder.decode(trade(b"PF_ETHUSD", b"sell", b"1", b"5", seq=50), t + 2, out)
    decoder.decode(trade(b"PF_XBTUSD", b"sell", b"1", b"5", seq=14), t + 3, out)
    (gap,) = of(out, Kind.GAP)
    assert (gap["instrument"], gap["from_ns"], gap["to_ns"]) == (
        INSTRUMENTS["PF_XBTUSD"].id,
        t + 1,
        t + 3,
    )
    out.clear()
    decoder.decode(trade(b"PF_XBTUSD", b"sell", b"1", b"5", seq=3), t + 4, out)
    decoder.decode(trade(b"PF_XBTUSD", b"sell", b"1", b"5", seq=4), t + 5, out)
    assert len(of(out, Kind.GAP)) == 0, "numbers that begin anew are no gap"


def test_a_trade_that_cannot_be_read_is_a_gap_before_the_next() -> None:
    out = RowBuffer()
    decoder = kraken_perp.decoder(INSTRUMENTS)
    decoder.decode(trade(b"PF_XBTUSD", b"sell", b"1", b"5", seq=1), T0, out)
    with pytest.raises(MalformedFrame):
        decoder.decode(trade(b"PF_XBTUSD", b"sell", b"1", b"0", seq=2), T0, out)
    decoder.decode(trade(b"PF_XBTUSD", b"sell", b"1", b"5", seq=3), T0, out)
    kinds = block_rows(bytes(out.view()))["kind"].tolist()
    assert kinds == [Kind.TRADE, Kind.GAP, Kind.TRADE]
