"""Our own venue modules, written from the venues' documents by others, against the simulated venues."""

import asyncio
from collections import Counter
from typing import Any

import aiohttp
import numpy as np
import pytest

from service.venue import Conversation
from service.venues.registry import VENUES
from streams.events import VIEWS, Kind, RowBuffer, Side, block_rows
from tests.service.simulator.talking import Dial, Start

DAY_NS = 86_400 * 10**9


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
        async with session.get(base + request.path, params=request.params) as answer:
            body = await answer.read()
            assert answer.status == 200, body


@pytest.mark.parametrize("name", VENUES)
async def test_contracts_and_a_month_of_history_are_understood(start: Start, name: str) -> None:
    simulated = await start(speed=20.0)
    venue, rest = VENUES[name], simulated.urls()[name][1]
    now_ns, rows = simulated.market.start_ns, RowBuffer()
    async with aiohttp.ClientSession() as session:
        instruments = (await converse(session, rest, venue.discover())).instruments
        truth = {c.symbol: c for c in simulated.market.contracts if c.venue == name}
        assert {i.symbol: (i.underlying, float(i.contract_size)) for i in instruments} == {
            symbol: (c.underlying, float(c.contract_size)) for symbol, c in truth.items()
        }
        btc = next(i for i in instruments if i.underlying == "BTC")
        await converse(session, rest, venue.history(btc, now_ns - 30 * DAY_NS, now_ns, rows))
    block = block_rows(bytes(rows.view()))
    kinds = Counter(Kind(kind) for kind in block["kind"].tolist())
    assert kinds[Kind.MARK] == pytest.approx(720, abs=2)
    assert kinds[Kind.FUNDING] == pytest.approx(90, abs=1)
    # OKX keeps five days of five minutes, and Binance is not asked for the whole month
    least = {"binance_usdm": 29 * 288, "bybit": 30 * 288, "okx": 1440}[name]
    assert kinds[Kind.OPEN_INTEREST] == pytest.approx(least, abs=3)
    level = block.view(VIEWS[Kind.OPEN_INTEREST])[block["kind"] == Kind.OPEN_INTEREST]
    base = truth[btc.symbol].open_interest
    assert np.log(level["quantity"] / base).std() == pytest.approx(0.01, abs=0.006)
    assert level["quantity"][-1] == pytest.approx(base, rel=0.01), "the past joins the present"


@pytest.mark.parametrize("name", VENUES)
async def test_every_frame_is_understood_and_every_row_arrives(
    start: Start, dial: Dial, name: str
) -> None:
    simulated = await start(speed=30.0)
    venue, (websocket, rest) = VENUES[name], simulated.urls()[name]
    async with aiohttp.ClientSession() as session:
        instruments = (await converse(session, rest, venue.discover())).instruments
    (plan,) = venue.plan(instruments)
    client = await dial(websocket + plan.path)
    for message in plan.subscribe:
        await client.say(message.decode())
    await asyncio.sleep(0.6)
    simulated.pause()
    await simulated.drained()
    decoder, rows, names = venue.decoder({i.symbol: i for i in instruments}), RowBuffer(), Counter()
    while True:
        try:
            frame = await client.raw(0.3)
        except TimeoutError:
            break
        raw = frame.encode() if isinstance(frame, str) else frame
        names[decoder.decode(raw, simulated.market.start_ns, rows)] += 1
    block = block_rows(bytes(rows.view()))
    sent = simulated.rows()[name]
    assert (block["kind"] == Kind.TRADE).sum() == sent["trade"] > 50
    forced = block[(block["kind"] == Kind.LIQUIDATION) & (block["flags"] & 2 == 0)]  # no SNAPSHOT
    assert len(forced) == sent["liquidation"] > 20
    assert (forced["side"] == Side.LONG).mean() > 0.6
    assert (block["kind"] == Kind.MARK).sum() > 30
    assert (block["kind"] == Kind.FUNDING).sum() > 0
    assert names["ignored"] == 0
