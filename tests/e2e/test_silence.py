"""A calm market and a dead feed look alike until one asks who is still talking. Treadmill asks."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from service.simulator.exchange import Exchange
from service.simulator.exchanges import SimulatedExchanges
from tests.e2e.world import SILENT_MARKET, Watched, embedded

SPEED = 20.0
CALM, UNKNOWN = ("CALM", "CALM"), ("UNKNOWN", "UNKNOWN")


def stall(exchange: Exchange) -> None:
    """Half open: the connections stay, nothing comes."""
    exchange.faults.stalled = True


def mute_data(exchange: Exchange) -> None:
    """Pings and answers go on as if all were well, but no market data comes."""
    exchange.faults.muted = set(exchange.sent) - {"ping", "pong_frame", "pong", "ack"}


def heal(exchanges: SimulatedExchanges) -> None:
    for exchange in exchanges.exchanges.values():
        exchange.faults.stalled = False
        exchange.faults.muted = set()


def liquidated(watched: Watched) -> dict[str, object]:
    """Return the rates of forced orders and what of the market they cover."""
    readings = watched.run.engine.state("BTC")["readings"]
    one = readings["liquidated_usd_per_s_60s_long"]
    return {"value": one["value"], "coverage": one["coverage"]}


async def become_calm(watched: Watched) -> None:
    await watched.until(lambda: watched.state() == CALM, 20.0, "CALM")
    assert [s.status for s in watched.said("data_quality")] == ["OK"]


@pytest.mark.parametrize("silence", [stall, mute_data])
async def test_dead_feeds_are_unknown_and_never_calm(
    tmp_path: Path, silence: Callable[[Exchange], None]
) -> None:
    async with embedded(tmp_path, SILENT_MARKET, SPEED) as watched:
        await become_calm(watched)
        exchanges = watched.exchanges.exchanges
        silence(exchanges["okx"])  # a fifth of the market: enough is left
        await watched.until(lambda: watched.metric("reconnects_total", venue="okx",
                            reason="silent") > 0, 6.0, "OKX is noticed")  # fmt: skip
        await asyncio.sleep(0.5)
        assert watched.state() == CALM
        assert liquidated(watched)["value"] == 0.0
        assert liquidated(watched)["coverage"] == pytest.approx(0.8, abs=0.02)

        for exchange in exchanges.values():
            silence(exchange)
        await watched.until(lambda: watched.state() == UNKNOWN, 8.0, "UNKNOWN")
        await watched.until(
            lambda: liquidated(watched)["value"] is None, 8.0, "no feed left is no zero"
        )
        said = len(watched.signals)
        await asyncio.sleep(2.0)
        later = watched.signals[said:]
        assert {s.status for s in later if s.kind in {"state", "heartbeat"}} <= {"UNKNOWN"}
        assert [s.status for s in watched.said("data_quality")] == ["OK", "DEGRADED"]
        assert liquidated(watched) == {"value": None, "coverage": 0.0}

        heal(watched.exchanges)
        await watched.until(lambda: watched.state() == CALM, 25.0, "CALM again")
        assert [s.status for s in watched.said("data_quality")] == ["OK", "DEGRADED", "OK"]
        for side in ("long", "short"):
            path = [s.status for s in watched.said("state") if s.side == side]
            assert path == ["CALM", "UNKNOWN", "CALM"]


async def test_no_liquidations_on_living_feeds_is_calm(tmp_path: Path) -> None:
    async with embedded(tmp_path, SILENT_MARKET, SPEED) as watched:
        await become_calm(watched)
        rows = watched.run.engine.counters["rows"]
        await asyncio.sleep(5.0)
        assert watched.run.engine.counters["rows"] > rows + 500
        assert watched.state() == CALM
        assert [s.status for s in watched.said("data_quality")] == ["OK"]
        assert len(watched.said("state")) == 2
        assert watched.said("burst") == []
        assert liquidated(watched) == {"value": 0.0, "coverage": 1.0}
        assert all("liquidation" not in sent for sent in watched.exchanges.rows().values())
