"""BitMEX beyond single frames: contracts and their sizes, paid funding, what the decoder remembers, plans."""

import datetime as dt
from typing import Any

import msgspec
import pytest

from service.venue import MalformedFrame, RestRequest, VenueRefused
from service.venues import bitmex
from streams.events import RowBuffer
from streams.instruments import instrument
from tests.service.venues.cases import HOUR_NS, RECEIVED_NS, rows_of
from tests.service.venues.cases_bitmex import INSTRUMENTS, PARTIAL, levels, table, update
from tests.service.venues.conversations import HOUR, T0, converse


def listing(symbol: str, underlying: str, quote: str = "USDT", **other: Any) -> dict[str, Any]:
    """Return one contract of instrument/active, abridged: linear, a millionth of a coin."""
    return {
        "symbol": symbol, "rootSymbol": underlying, "state": "Open", "typ": "FFWCSX",
        "underlying": underlying, "quoteCurrency": quote, "settlCurrency": "USDt", "isQuanto": False,
        "isInverse": False, "multiplier": 1, "underlyingToPositionMultiplier": 1_000_000,
        "underlyingToSettleMultiplier": None, "quoteToSettleMultiplier": 1_000_000,
        "fundingInterval": "2000-01-01T08:00:00.000Z", "expiry": None, "markPrice": 1.5,
    } | other  # fmt: skip


XBTUSD: dict[str, Any] = {
    "quote": "USD", "isInverse": True, "settlCurrency": "XBt", "multiplier": -100_000_000,
    "underlyingToPositionMultiplier": None, "underlyingToSettleMultiplier": -100_000_000,
    "quoteToSettleMultiplier": None,
}  # fmt: skip


def discovered(*listings: dict[str, Any]) -> tuple[dict[str, tuple[Any, ...]], dict[str, str]]:
    """Return what matters of the instruments found, and the reasons of the others."""
    universe, _ = converse(bitmex.discover(), lambda _: list(listings))
    found = {
        i.symbol: (
            i.underlying, i.quote, i.contract_type, i.size_numerator / i.size_denominator,
            i.coins_per_unit, i.funding_interval_ns // HOUR_NS,
        )
        for i in universe.instruments
    }  # fmt: skip
    return found, universe.unmapped


def test_discovers_perpetuals_of_coins_with_their_sizes() -> None:
    found, unmapped = discovered(
        listing("XBTUSD", "XBT", **XBTUSD),
        listing("XBTUSDT", "XBT"),
        listing("JTOUSDT", "JTO", multiplier=1_000_000, underlyingToPositionMultiplier=1),
        listing("1000PEPEUSDT", "1000PEPE", multiplier=10_000_000, underlyingToPositionMultiplier=0.1),
        listing("FOURUSDT", "FOUR", fundingInterval="2000-01-01T04:00:00.000Z"),
        listing("NOUSDT", "NO", fundingInterval=None),
        listing("XBTZ26", "XBT", typ="FFCCSX"),
        listing("XBT_USDT", "XBT", typ="IFXXXP"),
        listing("OLDUSDT", "OLD", state="Settled"),
        listing("XBTEUR", "XBT", "EUR"),
    )  # fmt: skip
    assert found == {
        "XBTUSD": ("BTC", "USD", "inverse", 1.0, 1, 8),
        "XBTUSDT": ("BTC", "USDT", "linear", 1e-6, 1, 8),
        "JTOUSDT": ("JTO", "USDT", "linear", 1.0, 1, 8),
        "1000PEPEUSDT": ("PEPE", "USDT", "linear", 10_000.0, 1000, 8),
        "FOURUSDT": ("FOUR", "USDT", "linear", 1e-6, 1, 4),
        "NOUSDT": ("NO", "USDT", "linear", 1e-6, 1, 0),
    }
    assert unmapped == {}


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (listing("ETHUSD", "ETH", "USD", isQuanto=True, multiplier=100), "quanto"),
        (listing("100BONKUSDT", "100BONK"), "more than one coin"),
        (listing("100BONKUSDT", "BONK"), "more than one coin"),
        (listing("AUSDT", "A", multiplier=None), "no size"),
        (listing("AUSDT", "A", underlyingToPositionMultiplier=None), "no size"),
        (listing("AUSDT", "A", underlyingToPositionMultiplier=0), "no size"),
        (listing("AUSDT", "A", quoteToSettleMultiplier=0), "no size"),
        (listing("AUSDT", "A", multiplier=2), "contradict"),
        (listing("AUSDT", "A", underlyingToPositionMultiplier=-1_000_000, multiplier=-1), "no size"),
        (
            listing("AUSDT", "A", underlyingToPositionMultiplier="1e-999999", multiplier="1e999999"),
            "no size",
        ),
        (listing("XBTUSD", "XBT", **(XBTUSD | {"multiplier": 100_000_000})), "no size"),
        (listing("XBTUSD", "XBT", **(XBTUSD | {"underlyingToSettleMultiplier": "NaN"})), "no size"),
        (listing("kNEWUSDT", "kNEW"), "table of names"),
    ],
)  # fmt: skip
def test_what_cannot_be_converted_is_reported(one: dict[str, Any], reason: str) -> None:
    found, unmapped = discovered(one, listing("XBTUSDT", "XBT"))
    assert found.keys() == {"XBTUSDT"}
    assert reason in unmapped[one["symbol"]]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b'{"error":{"message":"Rate limit exceeded","name":"RateLimitError"}}', VenueRefused),
        (b"{}", MalformedFrame),
        (msgspec.json.encode([listing("A", "A", fundingInterval="2000-01-01T08:00:00")]), MalformedFrame),
        (msgspec.json.encode([listing("AUSDT", "A", fundingInterval="2001-01-01T08:00:00Z")]),
         MalformedFrame),
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_read_is_the_venues_fault(
    answer: bytes, error: type[Exception]
) -> None:
    with pytest.raises(error):
        converse(bitmex.discover(), lambda _: answer)


def iso(at_ms: int) -> str:
    """Return a time as the venue writes it."""
    moment = dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_history_is_paid_funding_page_by_page() -> None:
    """600 settlements each 8 h, then each 4 h: the interval is the time since the one before."""
    times = [T0 - 8 * HOUR * n for n in range(600, 0, -1)] + [T0 + 4 * HOUR * n for n in range(3)]
    rates = {at: place * 1e-7 for place, at in enumerate(times)}

    def answer(request: RestRequest) -> Any:
        start, end = (
            dt.datetime.fromisoformat(request.params[name]) for name in ("startTime", "endTime")
        )
        assert (request.params["symbol"], request.params["reverse"]) == ("XBTUSD", "false")
        page = [
            {"timestamp": iso(at), "symbol": "XBTUSD", "fundingInterval": "2000-01-01T08:00:00.000Z",
             "fundingRate": rate, "fundingRateDaily": 3 * rate}
            for at, rate in rates.items()
            if start <= dt.datetime.fromisoformat(iso(at)) <= end
        ]  # fmt: skip
        return page[: int(request.params["count"])]

    out = RowBuffer()
    from_ms, to_ms = times[0] + 1, T0 + 12 * HOUR
    _, asked = converse(
        bitmex.history(INSTRUMENTS["XBTUSD"], from_ms * 10**6, to_ms * 10**6, out), answer
    )
    rows = rows_of(out, INSTRUMENTS)
    assert len(asked) == 2
    assert {row["exchange_ns"] // 10**6: row["rate"] for row in rows} == {
        at: rate for at, rate in rates.items() if at >= from_ms
    }
    assert [row["interval_ns"] // HOUR_NS for row in rows] == [8] * 600 + [4] * 2
    assert {tuple(row["flags"]) for row in rows} == {("backfill", "settled")}


def test_a_venue_that_repeats_a_page_is_not_asked_for_ever() -> None:
    page = [{"timestamp": iso(T0), "fundingRate": 0.0001}] * 500
    out = RowBuffer()
    converse(bitmex.history(INSTRUMENTS["XBTUSD"], 0, (T0 + 1) * 10**6, out), lambda _: page)
    assert out.rows == 1


@pytest.mark.parametrize(
    "bad",
    [
        update('"markPrice":1,"fundingTimestamp":"1999-01-01T00:00:00Z"'),
        update('"markPrice":1,"fundingInterval":"2000-01-03T00:00:00Z"'),
        update('"markPrice":1,"fundingInterval":"2000-01-01T00:00:00Z"'),
        update('"markPrice":1,"fundingTimestamp":"2026-09-27T20:00:00"'),
        table("instrument", "update", levels("XBTUSD", '"markPrice":1', "2101-01-01T00:00:00Z")),
        table("instrument", "update", levels("XBTUSD", '"markPrice":1'), levels("XBTEUR", '"a":1')),
        table("instrument", "partial", levels("XBTUSD", '"markPrice":-1')),
    ],
)
def test_nothing_of_a_malformed_update_is_remembered(bad: bytes) -> None:
    """The mark of a bad frame must not be the one that the next open interest is valued at."""
    decoder, out = bitmex.decoder(INSTRUMENTS), RowBuffer()
    decoder.decode(PARTIAL, RECEIVED_NS, out)
    out.clear()
    with pytest.raises(MalformedFrame):
        decoder.decode(bad, RECEIVED_NS, out)
    assert out.rows == 0
    decoder.decode(update('"openInterest":600000000'), RECEIVED_NS, out)
    (row,) = rows_of(out, INSTRUMENTS)
    assert (row["mark_price"], row["quantity"]) == (60000.0, 10_000.0)
    out.clear()
    decoder.decode(update('"fundingRate":0.0005'), RECEIVED_NS, out)
    (row,) = rows_of(out, INSTRUMENTS)
    assert row["interval_ns"] == 8 * HOUR_NS


def test_each_connection_builds_on_its_own_partials() -> None:
    first, second, out = bitmex.decoder(INSTRUMENTS), bitmex.decoder(INSTRUMENTS), RowBuffer()
    first.decode(PARTIAL, RECEIVED_NS, out)
    assert second.decode(update('"markPrice":60010'), RECEIVED_NS, out) == "ignored"


def test_one_symbol_implies_its_contract() -> None:
    spec = bitmex.assume("XBTUSD")
    assert spec is not None
    assert (spec.underlying, spec.contract_type, spec.contract_size) == ("BTC", "inverse", "1")
    assert bitmex.assume("XBTUSDT") is None


def test_plans_ask_for_each_table_once_and_for_liquidations_of_all() -> None:
    many = [
        instrument(venue="bitmex", symbol=f"C{n}USDT", underlying=f"C{n}", quote="USDT")
        for n in range(130)
    ]
    plans = bitmex.plan(many)
    assert [len(plan.instruments) for plan in plans] == [100, 30]
    for plan in plans:
        asked = [msgspec.json.decode(frame) for frame in plan.subscribe]
        args = [arg for request in asked for arg in request["args"]]
        assert max(len(request["args"]) for request in asked) <= 20
        assert sorted(args) == sorted([
            "liquidation",
            *(f"{name}:{spec.symbol}" for spec in plan.instruments for name in ("trade", "instrument")),
        ])  # fmt: skip
