"""The port: three pages and nothing else, over a real socket."""

import asyncio
import socket
import time

import aiohttp
import pytest

from service.health import TURN_LIMIT_S, Check, Health
from service.settings import SettingsError
from service.telemetry import Telemetry


def health(checks: dict[str, Check] | None = None, port: int = 0) -> Health:
    """Return one for a free port of this machine."""
    return Health(Telemetry(time.time_ns), checks or {}, host="127.0.0.1", port=port)


async def get(served: Health, path: str) -> tuple[int, str, str]:
    """Return status, text and content type of a page."""
    url = f"http://127.0.0.1:{served.port}{path}"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text(), answer.headers["Content-Type"]


async def test_metrics_are_what_prometheus_reads() -> None:
    async with health() as served:
        status, text, kind = await get(served, "/metrics")
    assert status == 200
    assert kind.startswith("text/plain; version=")
    assert "# TYPE treadmill_frames_total counter" in text
    assert "process_resident_memory_bytes" in text


async def test_ready_once_every_check_is() -> None:
    state = {"broker": False}
    checks: dict[str, Check] = {
        "settings": lambda: True,
        "broker": lambda: state["broker"],
        "snapshot": lambda: state["broker"] or "restoring partition 2",
    }
    async with health(checks) as served:
        assert await get(served, "/readyz") == (
            503,
            "broker: not ready\nsnapshot: restoring partition 2\n",
            "text/plain; charset=utf-8",
        )
        state["broker"] = True
        assert (await get(served, "/readyz"))[:2] == (200, "ok\n")


async def test_liveness_asks_nobody() -> None:
    async with health({"broker": lambda: False}) as served:
        assert (await get(served, "/livez"))[:2] == (200, "ok\n")


async def test_a_fatal_task_ends_liveness_and_the_first_reason_stays() -> None:
    async with health() as served:
        served.fatal("ingest: KeyError")
        served.fatal("later")
        assert (await get(served, "/livez"))[:2] == (503, "fatal: ingest: KeyError\n")


async def test_an_event_loop_that_stood_still() -> None:
    async with health() as served:
        assert served._beat is not None
        served._beat.cancel()
        served._turned_s -= TURN_LIMIT_S + 5
        status, text, _ = await get(served, "/livez")
    assert status == 503
    assert text.startswith("event loop: stood still for 15 s")


async def test_the_loops_lag_is_measured() -> None:
    telemetry = Telemetry(time.time_ns)
    async with Health(telemetry, {}, host="127.0.0.1", port=0):
        await asyncio.sleep(0.3)
        time.sleep(0.6)  # what a blocking call would do
        await asyncio.sleep(0.1)
    lag = telemetry.value("treadmill_event_loop_lag_seconds")
    assert lag is not None
    assert 0.3 < lag < 5.0


@pytest.mark.parametrize("path", ["/", "/metrics/", "/debug", "/config", "/readyz/broker"])
async def test_nothing_else_is_served(path: str) -> None:
    async with health() as served:
        assert (await get(served, path))[0] == 404


async def test_nothing_can_be_changed() -> None:
    async with health() as served, aiohttp.ClientSession() as session:
        for path in ("/metrics", "/livez", "/readyz"):
            url = f"http://127.0.0.1:{served.port}{path}"
            async with session.post(url, data=b"x") as answer:
                assert answer.status == 405


async def test_a_port_in_use_is_the_operators_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SettingsError) as caught:
            async with health(port=port):
                raise AssertionError("entered")
    line = str(caught.value)
    assert "\n" not in line
    assert f"http_port = {port}: the port is in use; set TREADMILL_HTTP_PORT" in line


async def test_an_address_that_is_not_ours_is_one_line_too() -> None:
    served = Health(Telemetry(time.time_ns), {}, host="192.0.2.1", port=0)
    with pytest.raises(SettingsError, match="set TREADMILL_HTTP_HOST") as caught:
        async with served:
            raise AssertionError("entered")
    assert "\n" not in str(caught.value)


async def test_the_port_is_free_again_afterwards() -> None:
    async with health() as served:
        port = served.port
    async with health(port=port) as again:
        assert again.port == port
        assert (await get(again, "/livez"))[0] == 200
