"""OKX swaps and spot: what is asked for and listed, which liquidations are news. Frames are in the cases."""

from typing import Any

import pytest

from service.venue import Decoder, RestRequest
from service.venues import okx, okx_spot
from streams.events import Channel, RowBuffer
from tests.service.venues import cases_okx, cases_okx_spot
from tests.service.venues.cases import rows_of
from tests.service.venues.conversations import T0, converse, okx_answer
from tests.service.venues.frames_okx import SUBSCRIBED, SWAP, liquidations, mark, order
from tests.service.venues.test_plans import many, said

NS_PER_MS = 1_000_000
UNSUBSCRIBED = SUBSCRIBED.replace(b"subscribe", b"unsubscribe")
OTHER = b'{"event":"subscribe","arg":{"channel":"trades","instId":"BTC-USDT-SWAP"}}'


def test_swaps_have_one_connection_as_liquidations_come_for_all() -> None:
    specs = many("okx", "C{}-USDT-SWAP", 299) + many("okx", "C{}-USD-SWAP", 1)
    (plan,) = okx.plan(specs)
    args = [arg for frame in said(plan) for arg in frame["args"]]
    assert args[0] == {"channel": "liquidation-orders", "instType": "SWAP"}
    assert sum(arg["channel"] == "liquidation-orders" for arg in args) == 1
    assert sum(arg["channel"] == "index-tickers" for arg in args) == 300
    assert len(args) == 1 + 5 * 300
    assert max(map(len, plan.subscribe)) < 64 * 1024
    assert {"channel": "index-tickers", "instId": "C0-USD"} in args


def test_spot_has_a_heartbeat_beside_its_trades() -> None:
    (plan,) = okx_spot.plan(many("okx_spot", "C{}-USDT", 700, market="spot"))
    args = [arg for frame in said(plan) for arg in frame["args"]]
    assert args[0] == {"channel": "tickers", "instId": "BTC-USDT"}
    assert args[1:] == [{"channel": "trades", "instId": f"C{n}-USDT"} for n in range(700)]
    assert max(map(len, plan.subscribe)) < 64 * 1024
    assert (plan.path, plan.channels, plan.control) == (
        "/ws/v5/public", Channel.TRADE, Channel.TRADE,
    )  # fmt: skip


# Which liquidations are news


def old_news(decoder: Decoder, received_ms: int, *ages_ms: int) -> list[bool]:
    """Feed orders of these ages at a time, all different; say of each whether it came as old news."""
    out = RowBuffer()
    orders = [
        order(b"sell", b"long", b"%d" % (received_ms % 10_000 + n + 1), b"5", received_ms - age)
        for n, age in enumerate(ages_ms)
    ]
    decoder.decode(liquidations(SWAP, *orders), received_ms * NS_PER_MS, out)
    rows = rows_of(out, cases_okx.INSTRUMENTS)
    assert len(rows) == len(ages_ms)
    return ["snapshot" in row["flags"] for row in rows]


def hear(decoder: Decoder, frame: bytes, received_ms: int) -> None:
    """Feed an event."""
    out = RowBuffer()
    assert decoder.decode(frame, received_ms * NS_PER_MS, out) == "ack"
    assert out.rows == 0


def test_an_order_is_as_old_as_the_ack_says_in_whichever_frame() -> None:
    decoder = okx.decoder(cases_okx.INSTRUMENTS)
    hear(decoder, SUBSCRIBED, T0)
    assert old_news(decoder, T0 + 100, 60_000, 2101, 2100, 50, -1500) == [True, True] + [False] * 3
    assert old_news(decoder, T0 + 30_000, 29_000, 32_001, 32_000) == [False, True, False]
    assert old_news(decoder, T0 + 3_600_000, 3_590_000, 3_610_000) == [False, True]


def test_a_first_frame_long_after_the_ack_may_be_news() -> None:
    decoder = okx.decoder(cases_okx.INSTRUMENTS)
    hear(decoder, SUBSCRIBED, T0)
    assert old_news(decoder, T0 + 600_000, 500_000) == [False]


def test_only_the_ack_of_liquidations_counts_and_a_second_one_counts_anew() -> None:
    decoder = okx.decoder(cases_okx.INSTRUMENTS)
    hear(decoder, SUBSCRIBED, T0)
    hear(decoder, OTHER, T0 + 50_000)
    hear(decoder, UNSUBSCRIBED, T0 + 50_000)
    assert old_news(decoder, T0 + 60_000, 30_000) == [False]
    hear(decoder, SUBSCRIBED, T0 + 70_000)
    assert old_news(decoder, T0 + 70_001, 30_000, 100) == [True, False]


@pytest.mark.parametrize("behind_ms", [0, 1000, 30_000])
def test_a_clock_behind_loses_nothing_after_the_first_mark(behind_ms: int) -> None:
    decoder = okx.decoder(cases_okx.INSTRUMENTS)
    hear(decoder, SUBSCRIBED, T0)
    first = mark(SWAP, b"60000", T0 + 100 - behind_ms)
    assert decoder.decode(first, (T0 + 100) * NS_PER_MS, RowBuffer()) == "mark"
    assert old_news(decoder, T0 + 900, behind_ms + 700, behind_ms + 60_000) == [False, True]


def test_a_recording_without_an_ack_begins_with_its_first_liquidations() -> None:
    decoder = okx.decoder(cases_okx.INSTRUMENTS)
    assert old_news(decoder, T0, 10_000, 1000) == [True, False]
    assert old_news(decoder, T0 + 9000, 10_000, 11_001) == [False, True]


# Discovery


def listing(symbol: str, kind: str, **other: str) -> dict[str, str]:
    """Return one listing of public/instruments, abridged."""
    base, quote = symbol.split("-")[:2]
    swap = {"instFamily": f"{base}-{quote}", "settleCcy": quote, "ctType": "linear", "ctVal": "1",
            "ctMult": "1", "ctValCcy": base, "baseCcy": "", "quoteCcy": ""}  # fmt: skip
    spot = {"baseCcy": base, "quoteCcy": quote, "ctVal": "", "ctMult": "", "ctType": ""}
    some = swap if kind == "SWAP" else spot
    return {
        "instId": symbol,
        "instType": kind,
        "state": "live",
        "instCategory": "1",
        **some,
        **other,
    }


def discovered(venue: Any, listings: list[dict[str, str]]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what a venue takes of its listings, and what it cannot."""

    def answer(request: RestRequest) -> Any:
        assert request.path == "/api/v5/public/instruments"
        assert request.params == {"instType": listings[0]["instType"]}
        return okx_answer(listings)

    universe, _ = converse(venue.discover(), answer)
    assert {one.venue for one in universe.instruments} <= {venue.SPEC.name}
    return {
        one.symbol: (one.underlying, one.quote, one.market, one.coins_per_unit)
        for one in universe.instruments
    }, universe.unmapped


def test_swaps_of_shares_are_passed_over() -> None:
    found, unmapped = discovered(okx, [
        listing("BTC-USDT-SWAP", "SWAP"),
        listing("OLD-USDT-SWAP", "SWAP", instCategory=""),
        listing("TSLA-USDT-SWAP", "SWAP", instCategory="3"),
    ])  # fmt: skip
    assert set(found) == {"BTC-USDT-SWAP", "OLD-USDT-SWAP"}
    assert unmapped == {}


def test_spot_pairs_are_of_coins_and_quoted_in_dollars() -> None:
    found, unmapped = discovered(okx_spot, [
        listing("BTC-USDT", "SPOT"),
        listing("BTC-USD", "SPOT"),
        listing("ETH-USDC", "SPOT"),
        listing("1INCH-USDT", "SPOT"),
        listing("ETH-BTC", "SPOT"),
        listing("BTC-EUR", "SPOT"),
        listing("XAAPL-USDT", "SPOT", instCategory="3"),
        listing("OLD-USDT", "SPOT", state="suspend"),
        listing("1000NEW-USDT", "SPOT"),
    ])  # fmt: skip
    assert found == {
        "BTC-USDT": ("BTC", "USDT", "spot", 1),
        "BTC-USD": ("BTC", "USD", "spot", 1),
        "ETH-USDC": ("ETH", "USDC", "spot", 1),
        "1INCH-USDT": ("1INCH", "USDT", "spot", 1),
    }
    assert set(unmapped) == {"1000NEW-USDT"}


def test_spot_has_no_history() -> None:
    spec, out = cases_okx_spot.INSTRUMENTS["BTC-USDT"], RowBuffer()
    _, asked = converse(okx_spot.history(spec, 0, T0 * NS_PER_MS, out), lambda _: b"")
    assert (asked, out.rows) == ([], 0)


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("BTC-USDT", ("BTC", "USDT", "spot")),
        ("ETH-USD", ("ETH", "USD", "spot")),
        ("BTC-USDT-SWAP", None),
        ("ETH-BTC", None),
        ("BTC", None),
        ("-USDT", None),
    ],
)
def test_pairs_that_say_what_they_are(symbol: str, expected: Any) -> None:
    one = okx_spot.assume(symbol)
    assert (one and (one.underlying, one.quote, one.market)) == expected
