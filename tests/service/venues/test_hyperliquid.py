"""Hyperliquid over REST, what is said on its connection, and a node's own fills."""

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from service.venue import MalformedFrame, RestRequest
from service.venues import hyperliquid
from streams.events import Channel, RowBuffer
from streams.instruments import instrument
from tests.service.venues.cases import HOUR_NS, RECEIVED_NS, listed, rows_of
from tests.service.venues.cases_hyperliquid import BTC_FILL, INSTRUMENTS, NOW_MS, trade, trades
from tests.service.venues.conversations import HOUR, T0, converse

FROM_MS, TO_MS = T0 + 6 * HOUR, T0 + 11 * HOUR
SPAN = FROM_MS * 1_000_000, TO_MS * 1_000_000


def question(request: RestRequest) -> dict[str, Any]:
    """Return what a request asks: all of it is a posted body."""
    assert (request.path, request.params) == ("/info", {})
    assert request.body is not None
    asked: dict[str, Any] = json.loads(request.body)
    return asked


def universe_of(*assets: Any) -> Any:
    """Drive discovery with a universe."""
    body = [{"universe": list(assets), "marginTables": []}, [{"funding": "0"} for _ in assets]]
    universe, asked = converse(hyperliquid.discover(), lambda _: body)
    assert [question(request) for request in asked] == [{"type": "metaAndAssetCtxs"}]
    assert [request.weight for request in asked] == [20]
    return universe


def test_discovery_takes_the_exchanges_own_perpetuals() -> None:
    universe = universe_of(
        {"name": "BTC", "szDecimals": 5, "maxLeverage": 40},
        {"name": "kPEPE", "szDecimals": 0, "maxLeverage": 10, "onlyIsolated": True},
        {"name": "kNEWCOIN", "szDecimals": 0, "maxLeverage": 3},
        {"name": "FTM", "szDecimals": 0, "maxLeverage": 10, "isDelisted": True},
        {"name": "xyz:TSLA", "szDecimals": 3, "maxLeverage": 10},
    )
    found = {
        spec.symbol: (spec.underlying, spec.quote, spec.coins_per_unit, spec.contract_size)
        for spec in universe.instruments
    }
    assert found == {"BTC": ("BTC", "USDC", 1, "1"), "kPEPE": ("PEPE", "USDC", 1000, "1")}
    assert {spec.funding_interval_ns for spec in universe.instruments} == {HOUR_NS}
    assert list(universe.unmapped) == ["kNEWCOIN"], "a scaled name is never guessed"


@pytest.mark.parametrize(
    "body",
    [
        b"null", b"{}", b"[]", b'[{"universe":[]}]', b'[{"universe":[{"name":7}]},[]]',
        b'[{"universe":[{"name":"BTC","isDelisted":"maybe"}]},[]]', b"\xff", b"[[[",
    ],
)  # fmt: skip
def test_discovery_of_nonsense_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedFrame):
        converse(hyperliquid.discover(), lambda _: body)


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [("BTC", ("BTC", 1)), ("kPEPE", ("PEPE", 1000)), ("kNEW", None), ("@107", None), ("xyz:TSLA", None)],
)  # fmt: skip
def test_what_a_symbol_implies(symbol: str, expected: tuple[str, int] | None) -> None:
    spec = hyperliquid.assume(symbol)
    assert (None if spec is None else (spec.underlying, spec.coins_per_unit)) == expected


def settled(at_ms: int, rate: str = "0.0000125") -> dict[str, Any]:
    """Return one settlement."""
    return {"coin": "BTC", "fundingRate": rate, "premium": "0.0001", "time": at_ms}


def test_history_is_settled_funding_page_by_page() -> None:
    pages = {
        FROM_MS: [settled(FROM_MS - 1, "0.5"), settled(FROM_MS + 41), settled(FROM_MS + HOUR + 7)],
        FROM_MS + HOUR + 8: [settled(FROM_MS + 3 * HOUR, "-0.00002")],
        FROM_MS + 3 * HOUR + 1: [settled(TO_MS - 1), settled(TO_MS, "0.5")],
    }

    def answer(request: RestRequest) -> Any:
        asked = question(request)
        assert (asked["type"], asked["coin"], asked["endTime"]) == (
            "fundingHistory",
            "BTC",
            TO_MS - 1,
        )
        assert request.weight == 45
        return pages[asked["startTime"]]

    out = RowBuffer()
    _, asked = converse(hyperliquid.history(INSTRUMENTS["BTC"], *SPAN, out), answer)
    rows = rows_of(out, INSTRUMENTS)
    assert len(asked) == 3
    assert [(row["exchange_ns"] // 1_000_000 - FROM_MS, row["rate"]) for row in rows] == [
        (41, 0.0000125), (HOUR + 7, 0.0000125), (3 * HOUR, -0.00002), (5 * HOUR - 1, 0.0000125),
    ]  # fmt: skip
    assert {row["interval_ns"] for row in rows} == {HOUR_NS}, "a missing hour stretches no rate"
    assert {tuple(row["flags"]) for row in rows} == {("backfill", "settled")}


@pytest.mark.parametrize("page", [[], [settled(T0)], [settled(FROM_MS + 5)]])
def test_history_ends_where_pages_do_not_get_on(page: list[Any]) -> None:
    out = RowBuffer()
    _, asked = converse(hyperliquid.history(INSTRUMENTS["BTC"], *SPAN, out), lambda _: page)
    assert len(asked) <= 2


def test_nothing_is_polled_or_filled() -> None:
    assert hyperliquid.polls(list(INSTRUMENTS.values())) == []
    assert hyperliquid.SPEC.semantics.trade is not None
    assert not hyperliquid.SPEC.semantics.trade.fill


def test_one_connection_watches_the_vaults_once() -> None:
    specs = [
        instrument(venue="hyperliquid", symbol=f"C{n}", underlying=f"C{n}", quote="USDC")
        for n in range(600)
    ]
    (plan,) = hyperliquid.plan(specs)
    said = [json.loads(frame) for frame in plan.subscribe]
    assert {one["method"] for one in said} == {"subscribe"}
    topics = [one["subscription"] for one in said]
    users = [one["user"] for one in topics if one["type"] == "userFills"]
    assert len(users) == len(set(users)) == 3, "of ten that an address may watch"
    assert all(len(user) == 42 and user.startswith("0x") for user in users)
    assert len(topics) <= 1000, "what an address may subscribe to"
    assert Counter(one["type"] for one in topics) == {
        "userFills": 3,
        "trades": 498,
        "activeAssetCtx": 498,
    }
    assert [spec.symbol for spec in plan.instruments] == [f"C{n}" for n in range(498)]
    assert plan.control == Channel.MARK | Channel.FUNDING | Channel.OPEN_INTEREST
    assert plan.channels == Channel.ALL
    assert len(topics) / hyperliquid.SPEC.sends_per_s < 60, "2,000 messages a minute are allowed"


def test_the_repetition_ends_where_the_connection_begins() -> None:
    """A connection begins with the first frame of any kind, however late the trades' first message is."""
    decoder, out = hyperliquid.decoder(INSTRUMENTS), RowBuffer()
    decoder.decode(b"Websocket connection established.", RECEIVED_NS - 2_000_000_000, out)
    frame = trades(
        trade(b"BTC", b"B", b"5", b"1", NOW_MS - 2001),
        trade(b"BTC", b"B", b"6", b"1", NOW_MS - 2000),
    )
    assert decoder.decode(frame, RECEIVED_NS, out) == "trade"
    assert [row["price"] for row in rows_of(out, INSTRUMENTS)] == [6.0]


def test_a_malformed_first_message_is_not_the_first() -> None:
    decoder, out = hyperliquid.decoder(INSTRUMENTS), RowBuffer()
    old = trade(b"BTC", b"B", b"5", b"1", NOW_MS - 9000)
    with pytest.raises(MalformedFrame):
        decoder.decode(trades(old, trade(b"NOSUCH", b"B", b"5", b"1")), RECEIVED_NS, out)
    decoder.decode(trades(old), RECEIVED_NS, out)
    assert out.rows == 0


def test_fills_of_a_long_watch_come_in_one_frame() -> None:
    """The repetition has up to two thousand fills."""
    start, end = BTC_FILL.index(b"[") + 1, BTC_FILL.rindex(b"]")
    frame = BTC_FILL[:start] + b",".join([BTC_FILL[start:end]] * 2000) + BTC_FILL[end:]
    out = RowBuffer()
    assert hyperliquid.decoder(INSTRUMENTS).decode(frame, RECEIVED_NS, out) == "liquidation"
    assert out.rows == 2000


@pytest.mark.shared_data
def test_fills_of_a_node_as_if_each_of_its_users_were_watched(shared_data: Path) -> None:
    """Both sides of a forced close bear the mark; whoever is watched, the same position is closed."""
    path = shared_data / "raw" / "hyperliquid" / "node_fills_by_block_20251027.jsonl.gz"
    specs = listed("hyperliquid", ("WLFI", "WLFI", "USDC", {}))
    decoder, out, seen = hyperliquid.decoder(specs), RowBuffer(), 0
    for line in gzip.decompress(path.read_bytes()).splitlines():
        for user, fill in json.loads(line)["events"]:
            frame = {"channel": "userFills", "data": {"user": user, "fills": [fill]}}
            assert decoder.decode(json.dumps(frame).encode(), RECEIVED_NS, out) == "liquidation"
            seen += 1
    rows = rows_of(out, specs)
    assert seen == 7282
    assert [(row["position"], row["price"], row["quantity"]) for row in rows] == [
        ("short", 0.15327, 890.0)
    ] * 2
