"""What reading a frame costs, beside parsers that only parse.

    python -m tests.benchmarks.bench_decode

`rows` is the whole path: frame in, rows packed. `typed` is our JSON decoder alone, `orjson` and `json` turn
the same frame into a dict and do nothing with it. All run interleaved over the same 500 distinct frames;
the best round counts, as noise only adds.
"""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson

from service.venues import binance_usdm, bybit_contracts, bybit_stream, okx, okx_stream
from service.venues.registry import VENUES
from streams.events import RowBuffer
from tests.service.venues import cases_bybit, cases_okx
from tests.service.venues.cases import RECEIVED_NS
from tests.service.venues.every import INSTRUMENTS

FRAMES: Final = 500
ROUNDS: Final = 15

Frame = Callable[[int], bytes]


def _agg_trade(n: int) -> bytes:
    return (
        b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1790526539033,"a":%d,"s":"BTCUSDT",'
        b'"p":"%d.10","q":"0.%03d","nq":"0.030","f":8123344783,"l":8123344783,"T":%d,"m":false,"st":1}}'
    ) % (3_466_782_974 + n, 84_551 + n, 1 + n, 1_790_526_538_883 + n)


def _mark_price(n: int) -> bytes:
    return (
        b'{"stream":"btcusdt@markPrice@1s","data":{"e":"markPriceUpdate","E":%d,"s":"BTCUSDT",'
        b'"p":"%d.10762319","ap":"84551.10762319","P":"84559.09090930","i":"%d.87304348",'
        b'"r":"0.00000801","T":1790553600000,"st":1}}'
    ) % (1_790_526_539_000 + n, 84_551 + n, 84_590 + n)


def _force_order(n: int) -> bytes:
    return (
        b'{"stream":"xrpusdt@forceOrder","data":{"e":"forceOrder","E":1791091175227,"o":{"s":"XRPUSDT",'
        b'"S":"BUY","o":"LIMIT","f":"IOC","q":"127.2","p":"1.4984","ap":"1.4%03d","X":"FILLED",'
        b'"l":"108.1","z":"%d.2","T":%d,"ps":"XRPUSDT","st":1}}}'
    ) % (n, 1 + n, 1_791_091_174_219 + n)


def _bybit_trades(count: int) -> Frame:
    def frame(n: int) -> bytes:
        one = cases_bybit.trade(
            b"BTCUSDT",
            b"Buy",
            b"0.%03d" % (1 + n),
            b"%d.50" % (16_578 + n),
            b',"RPI":false,"seq":1783284617',
        )
        return cases_bybit.trades(b"BTCUSDT", *[one] * count)

    return frame


def _bybit_delta(n: int) -> bytes:
    return cases_bybit.delta(
        b'"bid1Price":"%d.5","bid1Size":"1.302","ask1Price":"%d.5"' % (60_000 + n, 60_001 + n),
        1_790_526_540_000 + n,
    )


def _bybit_snapshot(n: int) -> bytes:
    return cases_bybit.SNAPSHOT.replace(b'"60000"', b'"%d"' % (60_000 + n))


def _okx_mark(n: int) -> bytes:
    return cases_okx.mark(cases_okx.SWAP, b"60000.5", cases_okx.T0 + n)


def _okx_liquidation(n: int) -> bytes:
    order = cases_okx.order(b"sell", b"long", b"250", b"58000", cases_okx.T0 + n)
    return cases_okx.liquidations(cases_okx.SWAP, order)


SHAPES: Final[tuple[tuple[str, str, Frame, Callable[[bytes], Any]], ...]] = (
    ("binance_usdm", "aggTrade", _agg_trade, binance_usdm.PRODUCT.events.combined.decode),
    ("binance_usdm", "markPrice (2 rows)", _mark_price, binance_usdm.PRODUCT.events.combined.decode),
    ("binance_usdm", "forceOrder", _force_order, binance_usdm.PRODUCT.events.combined.decode),
    ("bybit", "publicTrade x1", _bybit_trades(1), bybit_stream._read_events),
    ("bybit", "publicTrade x5", _bybit_trades(5), bybit_stream._read_events),
    ("bybit", "tickers snapshot (3 rows)", _bybit_snapshot, bybit_contracts._read_ticker),
    ("bybit", "tickers delta", _bybit_delta, bybit_contracts._read_ticker),
    (
        "bybit",
        "allLiquidation",
        lambda n: cases_bybit.liquidations(b"ADAUSDT", b"Sell", b"%d" % (1 + n), b"0.1915"),
        bybit_stream._read_events,
    ),
    (
        "okx",
        "trades",
        lambda n: cases_okx.trade(cases_okx.SWAP, b"buy", b"%d" % (1 + n), b"42219.9"),
        okx_stream._read_trades,
    ),
    ("okx", "mark-price", _okx_mark, okx._read_marks),
    ("okx", "liquidation-orders", _okx_liquidation, okx._read_liquidations),
)  # fmt: skip


def _parsed(parse: Callable[[bytes], Any], frames: Sequence[bytes]) -> float:
    started = time.perf_counter_ns()
    for frame in frames:
        parse(frame)
    return (time.perf_counter_ns() - started) / len(frames)


def _decoded(venue: str, frames: Sequence[bytes]) -> float:
    decode, out = VENUES[venue].decoder(INSTRUMENTS[venue]).decode, RowBuffer(4 * len(frames))
    decode(cases_bybit.SNAPSHOT if venue == "bybit" else frames[0], RECEIVED_NS, out)
    out.clear()
    started = time.perf_counter_ns()
    for frame in frames:
        decode(frame, RECEIVED_NS, out)
    return (time.perf_counter_ns() - started) / len(frames)


def measure(venue: str, frame: Frame, typed: Callable[[bytes], Any]) -> dict[str, float]:
    """Return nanoseconds a frame of each way, and `bytes` of a frame."""
    frames = [frame(n) for n in range(FRAMES)]
    parsers = {"typed": typed, "orjson": orjson.loads, "json": json.loads}
    best = dict.fromkeys(("rows", *parsers), float("inf"))
    for _ in range(ROUNDS):
        best["rows"] = min(best["rows"], _decoded(venue, frames))
        for name, parse in parsers.items():
            best[name] = min(best[name], _parsed(parse, frames))
    return {**best, "bytes": len(frames[0])}


def main() -> None:
    """Print the table."""
    heads = ("bytes", "rows", "typed", "orjson", "json", "orjson/rows", "orjson/typed", "json/rows")
    print(f"{'ns a frame':41}" + "".join(f"{head:>13}" for head in heads))
    for venue, name, frame, typed in SHAPES:
        ns = measure(venue, frame, typed)
        costs = [ns[name] for name in heads[:5]]
        ratios = [ns["orjson"] / ns["rows"], ns["orjson"] / ns["typed"], ns["json"] / ns["rows"]]
        print(f"{venue:14}{name:27}", end="")
        print(
            "".join(f"{cost:13.0f}" for cost in costs)
            + "".join(f"{ratio:13.2f}" for ratio in ratios)
        )


if __name__ == "__main__":
    main()
