"""Our own venue modules, written from the venues' documents by others, against the simulated venues."""

import asyncio
from collections import Counter
from typing import Any

import aiohttp
import numpy as np
import pytest

from service.clock import Clock
from service.semantics import Semantics
from service.simulator.exchanges import SimulatedExchanges
from service.simulator.faces import FACES
from service.venue import Conversation, Decoder, RestRequest
from service.venues.registry import VENUES
from streams.events import VIEWS, Flag, Kind, RowBuffer, Rows, Side, block_rows
from streams.instruments import Instrument
from tests.service.simulator.talking import Client, Dial, Start, alone
from tests.service.venues.every import HISTORY, IGNORES

DAY_NS = 86_400 * 10**9
CANDLES = 720  # hours of thirty days

each = pytest.mark.parametrize("name", [name for name in VENUES if name in FACES])


def test_every_venue_has_a_face() -> None:
    assert set(FACES) == set(VENUES)


async def ask(session: aiohttp.ClientSession, base: str, request: RestRequest) -> bytes:
    """Return the body of a GET, or of a POST where the request has a body."""
    method = "GET" if request.body is None else "POST"
    headers = {} if request.body is None else {"content-type": "application/json"}
    async with session.request(
        method, base + request.path, params=request.params, data=request.body, headers=headers
    ) as answer:
        body = await answer.read()
        assert answer.status == 200, body
        return body


async def converse(
    session: aiohttp.ClientSession, base: str, conversation: Conversation[Any]
) -> Any:
    """Answer a conversation's requests from the simulated REST interface."""
    body = None
    while True:
        try:
            request = next(conversation) if body is None else conversation.send(body)
        except StopIteration as done:
            return done.value
        body = await ask(session, base, request)


async def discovered(session: aiohttp.ClientSession, base: str, name: str) -> list[Instrument]:
    """Return what a venue's discovery lists of the simulated market."""
    universe = await converse(session, base, VENUES[name].discover())
    assert universe.unmapped == {}
    return list(universe.instruments)


@each
async def test_contracts_and_a_month_of_history_are_understood(start: Start, name: str) -> None:
    simulated = await start(alone(name), speed=20.0)
    venue, rest = VENUES[name], simulated.urls()[name][1]
    now_ns, rows = simulated.market.start_ns, RowBuffer()
    async with aiohttp.ClientSession() as session:
        instruments = await discovered(session, rest, name)
        truth = {c.symbol: c for c in simulated.market.contracts}
        assert {i.symbol: (i.underlying, float(i.contract_size)) for i in instruments} == {
            symbol: (c.underlying, float(c.contract_size)) for symbol, c in truth.items()
        }
        for spec in instruments:
            assert (spec.contract_type == "inverse") == truth[spec.symbol].inverse
            assert (spec.market == "spot") == truth[spec.symbol].spot
            assert spec.market == venue.SPEC.semantics.market
        btc = next(i for i in instruments if i.underlying == "BTC")
        await converse(session, rest, venue.history(btc, now_ns - 30 * DAY_NS, now_ns, rows))
    block = block_rows(bytes(rows.view()))
    kinds = Counter(Kind(kind).name.lower() for kind in block["kind"].tolist())
    wanted = HISTORY.get(name, {"mark": CANDLES, "funding": 90, "open_interest": CANDLES})
    if btc.market == "spot":
        wanted = {}
    assert {kind: kinds[kind] for kind in wanted} == {
        kind: pytest.approx(count, abs=3) for kind, count in wanted.items()
    }
    assert kinds.keys() <= wanted.keys()
    assert (block["flags"] & Flag.BACKFILL != 0).all()
    assert (np.diff(block["exchange_ns"]) >= 0).all()
    if wanted.get("open_interest"):
        _check_open_interest(block, truth[btc.symbol].open_interest)


def _check_open_interest(block: Rows, base: float) -> None:
    """Open interest of the past varies as the scenario says and joins the present."""
    level = block.view(VIEWS[Kind.OPEN_INTEREST])[block["kind"] == Kind.OPEN_INTEREST]
    assert np.log(level["quantity"] / base).std() == pytest.approx(0.01, abs=0.006)
    assert level["quantity"][-1] == pytest.approx(base, rel=0.01)


async def listen(client: Client, decoder: Decoder, clock: Clock, rows: RowBuffer) -> Counter[str]:
    """Read a connection as it speaks, until nothing comes any more; say what its frames were."""
    names: Counter[str] = Counter()
    while True:
        try:
            frame = await client.raw(1.0)
        except TimeoutError:
            return names
        raw = frame.encode() if isinstance(frame, str) else frame
        names[decoder.decode(raw, clock.now_ns(), rows)] += 1


async def heard(simulated: SimulatedExchanges, dial: Dial, name: str) -> tuple[Rows, Counter[str]]:
    """Subscribe to everything, on as many connections as planned; return all rows, of polls too."""
    venue, (websocket, rest) = VENUES[name], simulated.urls()[name]
    clock, rows, names = simulated._clock, RowBuffer(), Counter[str]()
    async with aiohttp.ClientSession() as session:
        instruments = await discovered(session, rest, name)
        listening = []
        for plan in venue.plan(instruments):
            client = await dial(websocket + plan.path)
            for message in plan.subscribe:
                await client.say(message.decode())
            if venue.SPEC.ping is not None:
                await client.say(venue.SPEC.ping.decode())
            decoder = venue.decoder({i.symbol: i for i in plan.instruments})
            listening.append(asyncio.create_task(listen(client, decoder, clock, rows)))
        await asyncio.sleep(0.8)
        simulated.pause()
        await simulated.drained()
        for task in listening:
            names.update(await task)
        for poll in venue.polls(instruments):
            poll.decode(await ask(session, rest, poll.request), clock.now_ns(), rows)
    return block_rows(bytes(rows.view())), names


@each
async def test_every_frame_is_understood_and_every_row_arrives(
    start: Start, dial: Dial, name: str
) -> None:
    simulated = await start(alone(name), speed=30.0)
    block, names = await heard(simulated, dial, name)
    sent, said = simulated.rows()[name], VENUES[name].SPEC.semantics
    assert (block["kind"] == Kind.TRADE).sum() == sent["trade"] > 50
    forced = block[(block["kind"] == Kind.LIQUIDATION) & (block["flags"] & Flag.SNAPSHOT == 0)]
    assert len(forced) == sent.get("liquidation", 0)
    if said.liquidation is not None and said.liquidation.completeness != "none":
        assert len(forced) > (3 if said.liquidation.completeness == "partial" else 20)
        assert (forced["side"] == Side.LONG).mean() > 0.6
    for kind in _levels(said):
        assert (block["kind"] == kind).sum() >= 3, kind.name
    if name not in IGNORES:
        assert names["ignored"] == 0


def _levels(said: Semantics) -> list[Kind]:
    """Return the kinds of level that a venue serves: at least one row for each of three coins."""
    feeds = {
        Kind.MARK: said.mark,
        Kind.FUNDING: said.funding,
        Kind.OPEN_INTEREST: said.open_interest,
    }
    return [kind for kind, feed in feeds.items() if feed is not None and feed.source != "file"]
