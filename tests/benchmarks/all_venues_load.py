"""All simulated venues in their own process, at a given rate of frames over all connections.

    python -m tests.benchmarks.all_venues_load FRAMES_PER_S SECONDS LEAD_SECONDS

Every frame is made by its venue's own face at the moment it is sent, with running ids and the present time;
handshakes, acks, snapshots, keep-alive and REST are the simulator's too. What is not: the market, which is
here a round of trades cheap enough for the rate, and the sockets' writing, many frames at once.

It prints where the venues listen as a line of JSON, then ``begin`` when everybody has subscribed and the
full rate begins, ``end`` when it ends, and what it did as the last line.
"""

import asyncio
import itertools
import struct
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from service.clock import WallClock
from service.simulator.exchange import Connection, Exchange
from service.simulator.faces import FACES
from service.simulator.market import Market
from service.simulator.market_events import Liquidation, MarketEvent, Tick, Trade
from service.simulator.scenario import CALM_LAP, Contract, Scenario, Underlying
from service.simulator.wire import Frame

INSTRUMENTS: Final = 600
COINS: Final = (
    "BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "ADA", "TRX", "LINK", "AVAX", "SUI",
    "XLM", "BCH", "HBAR", "LTC", "DOT", "UNI", "AAVE", "NEAR", "ETC", "ICP", "ATOM",
    "APT", "ARB", "OP", "FIL", "INJ", "SEI", "TIA", "ALGO", "VET", "MKR", "GRT",
    "LDO", "CRV", "STX", "IMX", "RUNE", "FTM", "SAND",
)  # fmt: skip
#: Between two writes.
TURN_S: Final = 0.002
#: Levels of each contract.
TICK_EVERY_S: Final = 1.0
#: So many trades, and one of them is forced, of longs and shorts in turn: some 40 a second at the full rate,
#: as in a cascade. None before everybody listens, as some venues tell each connection about all contracts.
FORCED_EVERY: Final = 501
#: Of what another venue gets. Deribit numbers legs of combinations with its trades, more than any real day
#: has, and each is asked for by REST: no more of them than its REST answers.
SHARES: Final = {"deribit": 0.1}
#: Everybody is there when nobody has subscribed to more for so long.
SETTLED_S: Final = 5.0
#: Of the rate before that.
LEAD_SHARE: Final = 0.1
#: After the last frame has left the process.
TAIL_S: Final = 1.5
DRAIN_S: Final = 30.0
#: Not messages.
CONTROL: Final = ("ping", "pong_frame")


class Sent(msgspec.Struct):
    """What one venue sent, from the first connection on. `frames` are messages of any kind."""

    connections: int
    accepted: int
    instruments: int
    frames: int
    trades: int
    liquidations: int


class Report(msgspec.Struct):
    """What was sent; of the full rate: frames, bytes, seconds, CPU seconds, how late the loop was at worst.

    `backlog_bytes` is the most that waited in this process for its reader, `undelivered_bytes` what still
    did at the end.
    """

    venues: dict[str, Sent]
    frames: int
    bytes: int
    seconds: float
    cpu_s: float
    late_ms: float
    backlog_bytes: int
    undelivered_bytes: int


Places = dict[str, tuple[str, str]]


def head(length: int) -> bytes:
    """Return the header of an unmasked text frame.

    >>> head(5).hex(), head(300).hex(), head(70_000).hex()
    ('8105', '817e012c', '817f0000000000011170')
    """
    if length < 126:
        return bytes((0x81, length))
    if length < 65_536:
        return struct.pack(">BBH", 0x81, 126, length)
    return struct.pack(">BBQ", 0x81, 127, length)


class Firehose(Exchange):
    """An exchange whose broadcasts go to the socket in one write a turn, past the queue."""

    def __init__(self, market: Market, name: str, clock: WallClock) -> None:
        super().__init__(FACES[name](market), clock, label="load")
        self.contracts = [one for one in market.contracts if one.venue == name]
        self.frames = self.bytes = 0
        self._out: dict[Connection, bytearray] = {}

    def _queue(self, connection: Connection, frame: Frame) -> None:
        self.frames += 1
        if connection.unsent:  # an ack or a snapshot has not left yet, and comes first
            connection.post((frame,))
            return
        payload = connection.peer.pack(frame)
        out = self._out.setdefault(connection, bytearray())
        out += head(len(payload))
        out += payload
        self._count(frame)

    def flush(self, now_ns: int) -> None:
        """Write what was said since the last time."""
        for connection, out in self._out.items():
            transport = connection._request.transport
            if transport is not None:
                transport.write(bytes(out))
                connection.peer.told_ns = now_ns
                self.bytes += len(out)
        self._out.clear()

    @property
    def waiting(self) -> int:
        """Bytes that the kernel has not taken yet."""
        found = (connection._request.transport for connection in self.connections)
        return sum(one.get_write_buffer_size() for one in found if one is not None)

    @property
    def subscribed(self) -> int:
        """How many streams all connections have subscribed to."""
        return sum(len(connection.streams) for connection in self.connections)

    @property
    def sums(self) -> Sent:
        """What was sent so far."""
        return Sent(
            connections=len(self.connections),
            accepted=self.accepted,
            instruments=len(self.contracts),
            frames=sum(self.sent.values()) - sum(self.sent[name] for name in CONTROL),
            trades=self.rows["trade"],
            liquidations=self.rows["liquidation"],
        )


class Round:
    """One venue's market: trades of its contracts in turn, a forced one now and then, levels each second.

    `forcing` is whether there are forced ones.
    """

    def __init__(self, exchange: Firehose, market: Market, start_ns: int) -> None:
        self._market = market
        self._numbers = {contract.index: 0 for contract in exchange.contracts}
        self._trades = self._turns(exchange.contracts)
        self._ticks = self._levels(exchange.contracts, start_ns)
        self._tick = next(self._ticks, None)
        self._now_ns = start_ns
        self.forcing = False

    def events(self, trades: int, now_ns: int) -> list[MarketEvent]:
        """Return the levels that are due and so many trades."""
        self._now_ns = now_ns
        found: list[MarketEvent] = []
        while self._tick is not None and self._tick[0] <= now_ns:
            found.append(self._tick[1])
            self._tick = next(self._ticks)
        for _ in range(trades):
            found += next(self._trades)
        return found

    def _turns(self, contracts: Sequence[Contract]) -> Iterator[tuple[MarketEvent, ...]]:
        # venues have their first forced one at different times
        first = contracts[0].index * 23 % FORCED_EVERY
        for count, contract in enumerate(itertools.cycle(contracts), first):
            number = self._numbers[contract.index] = self._numbers[contract.index] + 1
            price, taker = round(100.0 + 0.003 * (count % 101), 3), 1 - 2 * (count % 2)
            trade = Trade(contract.index, self._now_ns, number, price, 0.25 + count % 7, taker)
            if contract.spot or not self.forcing or count % FORCED_EVERY:
                yield (trade,)
            else:
                lost = round(price * (1.0 + 0.002 * taker), 3)
                yield (
                    Liquidation(trade.contract, trade.time_ns, -taker, trade.quantity, price, lost),
                    trade,
                )

    def _levels(self, contracts: Sequence[Contract], start_ns: int) -> Iterator[tuple[int, Tick]]:
        """Yield (when, levels) for ever, each contract at its own place in the second."""
        every_ns, places = int(TICK_EVERY_S * 1e9), [one for one in contracts if not one.spot]
        for count in itertools.count() if places else ():
            for place, contract in enumerate(places):
                at_ns = start_ns + count * every_ns + place * every_ns // len(places)
                tick = self._market.tick(contract.index, at_ns)
                yield (
                    at_ns,
                    msgspec.structs.replace(
                        tick,
                        mark=tick.mark + 0.01 * (count % 10),
                        open_interest=tick.open_interest + 0.1 * (count % 10),
                    ),
                )


class Load:
    """All venues, their sockets and what is said on them."""

    def __init__(self, clock: WallClock) -> None:
        self._clock = clock
        coin = Underlying(
            name="", price=100.0, open_interest=1e6, price_decimals=3, okx_contract="1"
        )
        coins = COINS[: -(-INSTRUMENTS // len(FACES))]
        scenario = Scenario(
            seed=1,
            underlyings=tuple(msgspec.structs.replace(coin, name=name) for name in coins),
            shares=tuple((name, 1.0 / len(FACES)) for name in FACES),
            phases=CALM_LAP,
            history_days=1,
        )
        market = Market(scenario, clock.now_ns())
        self.exchanges = {name: Firehose(market, name, clock) for name in FACES}
        self._rounds = {
            name: Round(exchange, market, clock.now_ns())
            for name, exchange in self.exchanges.items()
        }
        self._owed = dict.fromkeys(FACES, 0.0)
        self.backlog_bytes = 0

    @property
    def frames(self) -> int:
        """Frames that were said."""
        return sum(exchange.frames for exchange in self.exchanges.values())

    @property
    def waiting(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return sum(exchange.waiting for exchange in self.exchanges.values())

    def turn(self, due: int) -> None:
        """Say `due` frames, more or less: some venues wait and then put several trades into one."""
        now_ns = self._clock.now_ns()
        part = due / sum(SHARES.get(name, 1.0) for name in self.exchanges)
        for name, exchange in self.exchanges.items():
            owed = self._owed[name] + part * SHARES.get(name, 1.0)
            self._owed[name] = owed % 1.0
            exchange.publish(self._rounds[name].events(int(owed), now_ns), now_ns)
            exchange.flush(now_ns)

    def force(self) -> None:
        """Let liquidations begin."""
        for one in self._rounds.values():
            one.forcing = True

    async def send(self, rate: float, over: Callable[[float], bool]) -> tuple[float, float]:
        """Say `rate` frames a second until it is over; return seconds, and ms the loop was late at worst."""
        first, start, late = self.frames, time.monotonic(), 0.0
        before = start
        while not over(now := time.monotonic()):
            late, before = max(late, now - before - TURN_S), now
            self.turn(max(0, int((now - start) * rate) - (self.frames - first)))
            self.backlog_bytes = max(self.backlog_bytes, self.waiting)
            await asyncio.sleep(TURN_S)
        return time.monotonic() - start, late * 1e3

    async def drain(self) -> int:
        """Wait until the kernel has taken everything; return the bytes that it has not after long."""
        for _ in range(int(DRAIN_S / 0.1)):
            await asyncio.sleep(0.1)
            if not self.waiting:
                break
        return self.waiting


class Settled:
    """Whether everybody is connected and has long subscribed to no more, and `lead_s` have passed."""

    def __init__(self, exchanges: Sequence[Firehose], lead_s: float) -> None:
        self._exchanges = exchanges
        self._streams = 0
        self._since = time.monotonic()
        self._least = self._since + lead_s

    def __call__(self, now: float) -> bool:
        """Say whether it is time."""
        streams = sum(exchange.subscribed for exchange in self._exchanges)
        if streams != self._streams or not all(one.subscribed for one in self._exchanges):
            self._streams, self._since = streams, now
        return now - self._since > SETTLED_S and now >= self._least


def say(value: object) -> None:
    """Write a line for the process that measures."""
    print(msgspec.json.encode(value).decode(), flush=True)


async def serve(rate: float, seconds: float, lead_s: float) -> None:
    """Listen, wait for subscribers of everything, send the load and say what was sent."""
    load = Load(WallClock())
    exchanges = list(load.exchanges.values())
    for exchange in exchanges:
        await exchange.start()
    say({name: exchange.urls for name, exchange in load.exchanges.items()})
    await load.send(rate * LEAD_SHARE, Settled(exchanges, lead_s))
    say("begin")
    load.force()
    end = time.monotonic() + seconds
    frames, sent_bytes, cpu_s = load.frames, sum(e.bytes for e in exchanges), time.process_time()
    load.backlog_bytes = 0
    took_s, late_ms = await load.send(rate, lambda now: now >= end)
    frames, cpu_s = load.frames - frames, time.process_time() - cpu_s
    sent_bytes = sum(e.bytes for e in exchanges) - sent_bytes
    say("end")
    undelivered = await load.drain()
    await asyncio.sleep(TAIL_S)
    say(
        Report(
            {name: exchange.sums for name, exchange in load.exchanges.items()},
            frames, sent_bytes, took_s, cpu_s, late_ms, load.backlog_bytes, undelivered,
        )
    )  # fmt: skip
    await asyncio.Event().wait()  # whoever measures has us killed: until then the venues stay


if __name__ == "__main__":
    given = [float(text) for text in sys.argv[1:]]
    asyncio.run(serve(given[0], given[1], given[2]))
