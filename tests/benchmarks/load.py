"""A load generator in its own process: a simulated Bybit with a firehose of trades.

Each coin is liquidated once a second, and the moment of sending is remembered.

    python -m tests.benchmarks.load RATE SECONDS COINS LEAD_SECONDS

It prints where it listens as a line of JSON, serves whoever subscribes, and when the load is over prints
what it did as another. Everything but trades and liquidations is the project's simulator.
"""

import asyncio
import random
import struct
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from service.clock import WallClock
from service.simulator.bybit import Bybit
from service.simulator.exchange import Connection, Exchange
from service.simulator.market import Market
from service.simulator.scenario import firehose_scenario

#: After the load: long enough that everything sent has been answered.
TAIL_S = 1.0
#: Liquidations keep this far from the end of their second, so that they are sent within it.
MARGIN_S = 0.05
#: Of a coin's forced orders, one to the next: beats the tail of those before, ten seconds its half-life.
GROWTH = 1.15


class Liquidated(NamedTuple):
    """One forced order: the coin, the exchange's second, and CLOCK_MONOTONIC when it was written out."""

    coin: str
    second: int
    sent_ns: int


class Report(msgspec.Struct):
    """What was sent after the lead: frames, the seconds it took, and how late the loop was at worst."""

    frames: int
    seconds: float
    late_ms: float
    liquidated: list[Liquidated]


class Place(msgspec.Struct):
    """Where the simulated exchange listens."""

    websocket: str
    rest: str


def websocket_frame(payload: bytes) -> bytes:
    """Return an unmasked text frame of 126 to 65,535 bytes."""
    return b"\x81\x7e" + struct.pack(">H", len(payload)) + payload


def trade_template(symbol: bytes) -> bytes:
    """Return a frame with room for two times and a sequence, all of a constant width."""
    payload = (
        b'{"topic":"publicTrade.%b","type":"snapshot","ts":%%013d,"data":[{"T":%%013d,"s":"%b",'
        b'"S":"Buy","v":"0.500","p":"100.000","L":"PlusTick",'
        b'"i":"20f43950-d8dd-5b31-9112-a178eb6023af","BT":false,"RPI":false,"seq":%%012d}]}'
    ) % (symbol, symbol)
    head = websocket_frame(payload % (0, 0, 0))[:4]
    return head.replace(b"%", b"%%") + payload


def liquidation(symbol: bytes, now_ms: int, number: int) -> bytes:
    """Return the frame of a coin's `number`-th forced order, large enough to be a burst of its own.

    What follows a burst is its tail unless it is as strong, so each order is larger than the one before.
    """
    return websocket_frame(
        b'{"topic":"allLiquidation.%b","type":"snapshot","ts":%d,'
        b'"data":[{"T":%d,"s":"%b","S":"Buy","v":"%.3f","p":"99.000"}]}'
        % (symbol, now_ms, now_ms, symbol, 25.0 * GROWTH**number)
    )


class Load:
    """The market as frames: `batch` returns what is due."""

    def __init__(self, coins: list[str], rate: float, seconds: float) -> None:
        self.rate = rate
        self.frames = 0
        self.liquidated: list[tuple[str, int]] = []
        self._rng = random.Random(1)
        self._trades = [trade_template(f"{coin}USDT".encode()) for coin in coins]
        self._forced = dict.fromkeys(coins, 0)
        self._due = self._schedule(coins, int(seconds))
        self._next = next(self._due, None)
        self._sequence = 800_000_000_000

    def _schedule(self, coins: list[str], seconds: int) -> Iterator[tuple[float, str]]:
        """Yield (seconds after the start, coin), each coin once in each second, in order."""
        for second in range(seconds):
            yield from sorted(
                (second + self._rng.uniform(0.0, 1.0 - MARGIN_S), coin) for coin in coins
            )

    def batch(self, elapsed_s: float, now_ms: int) -> list[bytes]:
        """Return the frames that are due `elapsed_s` after the start."""
        out: list[bytes] = []
        due = int(elapsed_s * self.rate) - self.frames
        templates, choose = self._trades, self._rng.randrange
        while self._next is not None and self._next[0] <= elapsed_s:
            coin = self._next[1]
            self._forced[coin] += 1
            out.append(liquidation(f"{coin}USDT".encode(), now_ms, self._forced[coin]))
            self.liquidated.append((coin, now_ms // 1000))
            self._next = next(self._due, None)
        for _ in range(due - len(out)):
            self._sequence += 1
            out.append(templates[choose(len(templates))] % (now_ms, now_ms, self._sequence))
        self.frames += len(out)
        return out


async def serve(rate: float, seconds: float, coins: int, lead_s: float) -> Report:
    """Listen, wait for a subscriber of everything, send the load and return what was sent.

    Before the load come `lead_s` of levels and of trades at a tenth of the rate: until then the engine does
    not know its markets.
    """
    clock = WallClock()
    scenario = msgspec.structs.replace(
        firehose_scenario(1.0, coins=coins), shares=(("bybit", 1.0),), history_days=1
    )
    market = Market(scenario, clock.now_ns())
    exchange = Exchange(Bybit(market), clock, label="load")
    await exchange.start()
    websocket, rest = exchange.urls
    print(msgspec.json.encode(Place(websocket, rest)).decode(), flush=True)
    names = [one.name for one in scenario.underlyings]
    connection = await _subscriber(exchange, [f"{name}USDT" for name in names])
    levels = asyncio.create_task(_levels(exchange, market, clock))
    await _send(connection, Load(names, rate / 10.0, 0.0), lead_s, clock)
    # Whole seconds of the exchange's time, so that each coin's one liquidation is alone in its second.
    await asyncio.sleep(1.0 - clock.now_ns() % 10**9 / 1e9)
    report = await _send(connection, Load(names, rate, seconds), seconds, clock)
    await asyncio.sleep(TAIL_S)
    levels.cancel()
    await exchange.stop()
    return report


async def _subscriber(exchange: Exchange, symbols: list[str]) -> Connection:
    """Wait until one connection has subscribed to all liquidations, and return it."""
    wanted = {f"allLiquidation.{symbol}" for symbol in symbols}
    while True:
        for connection in exchange.connections:
            if wanted <= connection.streams:
                return connection
        await asyncio.sleep(0.05)


async def _levels(exchange: Exchange, market: Market, clock: WallClock) -> None:
    """Say each second that marks and open interest have moved a little."""
    step = 0
    while True:
        step += 1
        now_ns = clock.now_ns()
        ticks = [market.tick(contract.index, now_ns) for contract in market.contracts]
        moved = [
            msgspec.structs.replace(
                tick, mark=tick.mark + 0.01 * (step % 10), open_interest=tick.open_interest + step
            )
            for tick in ticks
        ]
        exchange.publish(moved, now_ns)
        await asyncio.sleep(1.0)


async def _send(connection: Connection, load: Load, seconds: float, clock: WallClock) -> Report:
    """Write due frames every millisecond, straight to the socket: the simulator would be the bottleneck."""
    transport = connection._request.transport
    if transport is None:
        raise ConnectionError("the subscriber left")
    liquidated: list[Liquidated] = []
    start_ns, late_ns = time.monotonic_ns(), 0
    before_ns = start_ns
    while (now_ns := time.monotonic_ns()) - start_ns < seconds * 1e9:
        late_ns, before_ns = max(late_ns, now_ns - before_ns), now_ns
        frames = load.batch((now_ns - start_ns) / 1e9, clock.now_ns() // 10**6)
        sent_ns = time.monotonic_ns()
        transport.write(b"".join(frames))
        liquidated += [Liquidated(*one, sent_ns) for one in load.liquidated]
        load.liquidated.clear()
        await asyncio.sleep(0.001)
    took_s = (time.monotonic_ns() - start_ns) / 1e9
    return Report(load.frames, took_s, late_ns / 1e6, liquidated)


if __name__ == "__main__":
    given = [float(text) for text in sys.argv[1:]]
    print(
        msgspec.json.encode(
            asyncio.run(serve(given[0], given[1], int(given[2]), given[3]))
        ).decode()
    )
