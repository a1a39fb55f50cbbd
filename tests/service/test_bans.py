"""A venue that wants to be left alone is left alone, across a restart too."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from service.bans import BANNED_S, NS, RATE_LIMITED_S, Ban
from service.clock import ScaledClock
from service.venue import ConnectionPlan
from streams.instruments import Instrument
from tests.reference.toy_run import T0, running, steady
from tests.reference.toy_venue import ToyExchange, ToyVenue


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [(429, "7", 7.0), (418, "300", 300.0), (429, None, RATE_LIMITED_S), (418, "soon", BANNED_S)],
)
def test_a_ban_lasts_as_long_as_the_venue_says_and_survives_a_restart(
    tmp_path: Path, status: int, header: str | None, seconds: float
) -> None:
    file = tmp_path / "deep" / "ban.json"
    ban = Ban(file, T0)
    assert ban.until_ns == 0
    assert ban.note(status, header, T0) == T0 + int(seconds * NS)
    assert ban.note(429, "1", T0) == T0 + int(seconds * NS), "a shorter one does not shorten it"
    assert Ban(file, T0 + NS).until_ns == ban.until_ns


def test_a_ban_that_was_half_noted_counts_as_the_usual_one(tmp_path: Path) -> None:
    file = tmp_path / "ban.json"
    file.write_bytes(b'{"until_ns":17')
    assert Ban(file, T0).until_ns == T0 + int(BANNED_S * NS)


async def test_no_handshake_is_tried_inside_a_ban_whoever_restarts(tmp_path: Path) -> None:
    clock = ScaledClock(T0, 20.0)
    async with ToyExchange(steady(clock)).open() as exchange:
        exchange.refuse = (418, {"Retry-After": "60"})
        async with running(ToyVenue(), exchange.url, clock=clock, data_dir=tmp_path) as run:
            await run.until(lambda: exchange.attempts == 1)
            banned_ns = clock.now_ns()
            await asyncio.sleep(0.5)
        assert exchange.attempts == 1
        exchange.refuse = None
        async with running(ToyVenue(), exchange.url, clock=clock, data_dir=tmp_path) as run:
            await asyncio.sleep(0.5)
            assert exchange.attempts == 1, "a new process knows"
            await run.until(lambda: exchange.attempts == 2)
            assert clock.now_ns() - banned_ns >= 59 * NS
            await run.until(lambda: run.stats.connections["toy", "live"] == 1)


class Wide(ToyVenue):
    """Needs three connections."""

    def plan(self, instruments: Sequence[Instrument]) -> list[ConnectionPlan]:
        """Return one connection on each of three paths."""
        (one,) = super().plan(instruments)
        return [msgspec.structs.replace(one, path=f"/ws/{n}") for n in range(3)]


async def test_a_connection_that_waits_for_its_turn_hears_of_the_ban_of_another() -> None:
    clock = ScaledClock(T0, 10.0)
    async with ToyExchange(steady(clock)).open() as exchange:
        exchange.refuse = (418, {"Retry-After": "60"})
        async with running(Wide(), exchange.url, clock=clock) as run:
            await run.until(lambda: exchange.attempts == 1)
            await asyncio.sleep(0.8)
            assert exchange.attempts == 1, "the others were to follow a second apart"
            exchange.refuse = None
            await run.until(lambda: run.stats.connections["toy", "live"] == 3, 12.0)
