"""A market log without sockets: simulated venues' own frames through our intake, as fast as it goes.

Frames, polls, heartbeats and announcements come when a live ingester would have brought them; only the
waiting is left out.
"""

from collections.abc import Iterator

import numpy as np

from service.intake import Intake
from service.replay import FileClock
from service.simulator.binance_usdm import BinanceUsdm
from service.simulator.bybit import Bybit
from service.simulator.market import Market
from service.simulator.market_events import MarketEvent
from service.simulator.okx import Okx
from service.simulator.scenario import Scenario
from service.simulator.wire import Face, Peer
from service.stats import MemoryStats
from service.venue import contract_flags
from service.venues.registry import VENUES
from streams.events import Channel, RowBuffer, block_rows
from streams.instruments import Instrument, partition_of

NS = 10**9
STEP_NS = NS // 10
BEAT_NS = NS // 2
ANNOUNCE_NS = 60 * NS
#: REST is asked far less often than its budget allows; the budget itself is tested elsewhere.
POLL_NS = 10 * NS


class Outlet:
    """Where the venues leave their rows."""

    full = False

    def __init__(self) -> None:
        self.buffer = RowBuffer(4096)

    def note(self, name: str) -> None:
        """Nothing waits for anything."""

    async def drained(self) -> None:
        """There is no sink."""


class VenueTape:
    """One simulated venue and our reader of it, in one thread."""

    def __init__(self, face: Face, outlet: Outlet, clock: FileClock) -> None:
        self._face, self._clock = face, clock
        self._venue = VENUES[face.name]
        self.instruments = self._discover()
        by_symbol = {one.symbol: one for one in self.instruments}
        self.intake = Intake(face.name, outlet, clock, MemoryStats())
        self._decoder = self._venue.decoder(by_symbol)
        self.announce(clock.now_ns())
        (plan,) = self._venue.plan(self.instruments)
        self._peer, self._streams = self._subscribe(plan.path, plan.subscribe)
        self._polls = self._venue.polls(self.instruments)
        self.intake.feeds.add("tape", tuple(self.instruments), plan.channels)
        self.intake.feeds.report("tape", plan.channels, clock.now_ns())
        for poll in self._polls:
            name = f"poll:{poll.instrument.symbol}"
            self.intake.feeds.add(name, (poll.instrument,), Channel.OPEN_INTEREST)
            self.intake.feeds.report(name, Channel.OPEN_INTEREST, clock.now_ns())

    def _discover(self) -> list[Instrument]:
        conversation = self._venue.discover()
        request = next(conversation)
        while True:
            reply = self._face.rest(request.path, request.params, self._clock.now_ns())
            try:
                request = conversation.send(reply.body)
            except StopIteration as done:
                return done.value.instruments

    def _subscribe(self, path: str, messages: tuple[bytes, ...]) -> tuple[Peer, set[str]]:
        route, _, query = path.partition("?")
        pairs = dict(pair.split("=", 1) for pair in query.split("&") if pair)
        peer = self._face.connect(route, pairs, self._clock.now_ns())
        assert peer is not None
        streams = set(peer.initial)
        for message in messages:
            heard = peer.hear(message, self._clock.now_ns())
            streams.update(heard.join)
            for frame in heard.say:
                self.intake.frame(self._decoder, peer.pack(frame), 1)
        return peer, streams

    def live(self, events: list[MarketEvent], now_ns: int) -> None:
        """Hear what the venue says of these events."""
        for frame in self._face.frames(events, now_ns, self._streams):
            self.intake.frame(self._decoder, self._peer.pack(frame), 1)
        if now_ns % POLL_NS == 0:
            for poll in self._polls:
                reply = self._face.rest(poll.request.path, poll.request.params, now_ns)
                assert self.intake.body(poll, reply.body)
        if now_ns % BEAT_NS == 0:
            self.intake.feeds.beat(now_ns)
        if now_ns % ANNOUNCE_NS == 0:
            self.announce(now_ns)

    def announce(self, now_ns: int) -> None:
        """Say what the contracts are."""
        for one in self.instruments:
            self.intake.out.contract(
                contract_flags(self._venue.SPEC, one), one.id, now_ns, now_ns,
                one.funding_interval_ns, one.underlying, one.venue, one.quote,
            )  # fmt: skip


def market_blocks(
    scenario: Scenario, seconds: int, partitions: int, start_ns: int
) -> Iterator[tuple[int, bytes]]:
    """Yield (partition, block) in log order, a block a partition and tenth of a second."""
    market, clock, outlet = Market(scenario, start_ns), FileClock(), Outlet()
    clock.time_ns = market.start_ns
    tapes = [VenueTape(f(market), outlet, clock) for f in (BinanceUsdm, Bybit, Okx)]
    parts = {
        one.id: partition_of(one.underlying, partitions)
        for tape in tapes
        for one in tape.instruments
    }
    end_ns = market.start_ns + seconds * NS
    while clock.time_ns < end_ns:
        clock.time_ns += STEP_NS
        events = market.advance(clock.time_ns)
        for tape in tapes:
            tape.live(events, clock.time_ns)
        yield from _cut(outlet.buffer, parts)
    for tape in tapes:
        assert not tape.intake.stats.rejects, tape.intake.stats.rejects


def _cut(buffer: RowBuffer, parts: dict[int, int]) -> Iterator[tuple[int, bytes]]:
    rows = block_rows(bytes(buffer.view()))
    buffer.clear()
    where = np.array([parts[one] for one in rows["instrument"].tolist()])
    for partition in np.unique(where).tolist():
        yield partition, rows[where == partition].tobytes()
