"""What a venue must not send, sent into a running service: counted once each, and nothing else happens."""

import asyncio
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.simulator.scenario import BTC, Phase, Scenario
from service.venues.decode import REASONS
from tests.e2e.world import Watched, embedded

VENUES = ("binance_usdm", "bybit", "okx")
#: Engine counters that hostile frames must not move: what they would if a row got through.
UNTOUCHED = ("unknown_instrument", "unknown_kind", "out_of_range", "oi_without_mark", "old_news")
MARKET = Scenario(
    seed=3,
    underlyings=(BTC,),
    phases=(Phase(kind="CALM", duration_s=1e6, long_rate=0.0, short_rate=0.0, trade_rate=5.0),),
)
_numbers = itertools.count(10**12)  # of trades, above all that the simulator numbers


def trade(venue: str, ms: int, price: Any = "60000.0", symbol: str | None = None) -> Any:
    """Return a good trade as `venue` writes it, or one with another price or symbol."""
    number = next(_numbers)
    if venue == "binance_usdm":
        one = {"e": "aggTrade", "E": ms, "a": number, "s": symbol or "BTCUSDT", "p": price,
               "q": "0.25", "T": ms, "m": True}  # fmt: skip
        return {"stream": "btcusdt@aggTrade", "data": one}
    if venue == "bybit":
        one = {"T": ms, "s": symbol or "BTCUSDT", "S": "Buy", "v": "0.25", "p": price,
               "i": str(number), "seq": number}  # fmt: skip
        return {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": ms, "data": [one]}
    one = {"instId": symbol or "BTC-USDT-SWAP", "tradeId": str(number), "px": price, "sz": "25",
           "side": "buy", "ts": str(ms)}  # fmt: skip
    return {"arg": {"channel": "trades", "instId": "BTC-USDT-SWAP"}, "data": [one]}


def text(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def priced(token: bytes) -> Callable[[str, int], bytes]:
    """Return a maker of trades whose price is these bytes of JSON."""
    return lambda venue, ms: text(trade(venue, ms, "PRICE")).replace(b'"PRICE"', token)


HOSTILE: dict[str, Callable[[str, int], bytes]] = {
    "truncated": lambda venue, ms: text(trade(venue, ms))[:-9],
    "price is an object": priced(b'{"a":1}'),
    "price is a list": priced(b"[60000]"),
    "price is true": priced(b"true"),
    "price is null": priced(b"null"),
    "no data": lambda venue, ms: text(trade(venue, ms) | {"data": 5}),
    "bare NaN": priced(b"NaN"),
    "bare Infinity": priced(b"Infinity"),
    "NaN": priced(b'"NaN"'),
    "Infinity": priced(b'"Infinity"'),
    "-Infinity": priced(b'"-Infinity"'),
    "bare 1e400": priced(b"1e400"),
    "1e400": priced(b'"1e400"'),
    "beyond any price": priced(b'"1e18"'),
    "zero": priced(b'"0"'),
    "negative": priced(b'"-60000.0"'),
    "time before there was a market": lambda venue, _: text(trade(venue, 1000)),
    "time out of the far future": lambda venue, ms: text(trade(venue, ms + 86_400_000)),
    "100,000 deep": lambda _, __: b"[" * 100_000 + b"]" * 100_000,
    "100,000 deep inside": priced(b"[" * 100_000 + b"]" * 100_000),
    "50 MB": lambda venue, ms: text(trade(venue, ms)) + b" " * 50_000_000,
    "invalid UTF-8": lambda venue, ms: text(trade(venue, ms, symbol="XXXX")).replace(b"XXXX", b"\xff\xfe"),
    "unknown symbol": lambda venue, ms: text(trade(venue, ms, symbol="NOSUCHUSDT")),
    "nothing": lambda _, __: b"",
    "null": lambda _, __: b"null",
    "not JSON": lambda _, __: b"\x00\x01<html>502 Bad Gateway</html>",
}  # fmt: skip


def rejects(watched: Watched, venue: str) -> dict[str, float]:
    """Return a venue's refusals by reason."""
    reasons = (*sorted(REASONS), "oversized", "unexpected", "future", "no_time", "refused")
    counts = {r: watched.metric("malformed_frames_total", venue=venue, reason=r) for r in reasons}
    return {reason: count for reason, count in counts.items() if count}


def trades(watched: Watched, venue: str) -> float:
    return watched.metric("events_total", venue=venue, kind="trade")


def untouched(watched: Watched) -> dict[str, int]:
    return {name: watched.run.engine.counters[name] for name in UNTOUCHED}


async def inject(watched: Watched, make: Callable[[str, int], bytes]) -> None:
    now_ms = watched.run.clock.now_ns() // 10**6
    for venue, exchange in watched.exchanges.exchanges.items():
        assert exchange.inject(make(venue, now_ms)) == 1
    for exchange in watched.exchanges.exchanges.values():
        await asyncio.wait_for(exchange.drained(), 20.0)


async def test_every_hostile_frame_is_one_counted_reject(tmp_path: Path) -> None:
    async with embedded(tmp_path, MARKET, speed=2.0) as watched:
        await watched.until(
            lambda: all(trades(watched, venue) > 20 for venue in VENUES), 25.0, "trades"
        )
        accepted = {n: e.accepted for n, e in watched.exchanges.exchanges.items()}
        before = untouched(watched)
        await inject(watched, lambda venue, ms: text(trade(venue, ms)))
        for number, make in enumerate(HOSTILE.values(), 1):
            seen = {venue: trades(watched, venue) for venue in VENUES}
            await inject(watched, make)
            await watched.until(
                lambda n=number: all(sum(rejects(watched, v).values()) >= n for v in VENUES),
                15.0, f"{list(HOSTILE)[number - 1]}: {[rejects(watched, v) for v in VENUES]}",
            )  # fmt: skip
            for venue in VENUES:
                assert sum(rejects(watched, venue).values()) == number, list(HOSTILE)[number - 1]
            await watched.until(
                lambda s=seen: all(trades(watched, v) > s[v] for v in VENUES), 15.0, "rows go on"
            )
        watched.exchanges.pause()
        for exchange in watched.exchanges.exchanges.values():
            await exchange.drained()
        await asyncio.sleep(0.5)
        sent = watched.exchanges.rows()
        for venue in VENUES:
            assert trades(watched, venue) == sent[venue]["trade"] + 1, "all, and the good one"
            reasons = rejects(watched, venue)
            assert sum(reasons.values()) == len(HOSTILE)
            assert "unexpected" not in reasons, "every case was thought of"
            assert reasons["oversized"] == reasons["symbol"] == reasons["future"] == 1
            assert watched.metric("connection_events_total", venue=venue, event="connect") == 1
            assert watched.metric("connection_events_total", venue=venue, event="live") == 1
        assert {n: e.accepted for n, e in watched.exchanges.exchanges.items()} == accepted
        assert untouched(watched) == before
        assert sum(before.values()) == before["oi_without_mark"], "history older than its candles"
        assert watched.run.engine.counters["rows"] > sum(each["trade"] for each in sent.values())
        price = watched.run.engine.state("BTC")["readings"]["price"]["value"]
        assert price == pytest.approx(60_000.0, rel=0.01)
    dead = [reason for _, reason, _ in watched.dead]
    assert len(dead) == len(VENUES) * (len(HOSTILE) - 1), "the future row's frame was readable"
    assert max(len(frame) for *_, frame in watched.dead) <= 65_536
