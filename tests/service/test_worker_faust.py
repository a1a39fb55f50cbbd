"""The parts of Faust made our own, without a broker: delivery, credentials, what is switched off."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest

from service.faust_app import App, Consumer, Resumed, credentials, make_app


def _app(folder: Path) -> App:
    return make_app(
        group_id="g", bootstrap="127.0.0.1:1,127.0.0.1:2", client={}, session_timeout_s=5.0,
        instance_id=None, fetch_wait_s=0.025, folder=str(folder), positions=dict,
    )  # fmt: skip


async def _steps(log: list[str], count: int, error: Exception | None = None) -> str:
    for number in range(count):
        await asyncio.sleep(0)
        log.append(f"step {number}")
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.01, future.set_result, "later")
    log.append(await future)
    if error is not None:
        raise error
    return "result"


async def test_a_coroutine_stepped_once_goes_on_as_if_it_had_not_been() -> None:
    log: list[str] = []
    coro = _steps(log, 3)
    assert await Resumed(coro, coro.send(None)) == "result"
    assert log == ["step 0", "step 1", "step 2", "later"]
    failing = _steps(log, 0, KeyError("its own"))
    with pytest.raises(KeyError, match="its own"):
        await Resumed(failing, failing.send(None))


async def test_cancelling_reaches_the_coroutine_inside() -> None:
    seen = []

    async def inside() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    coro = inside()
    first = coro.send(None)

    async def outside() -> None:
        await Resumed(coro, first)

    task = asyncio.create_task(outside())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["cancelled"]


@pytest.fixture
async def consumer(tmp_path: Path) -> Consumer:
    """Return Faust's consumer with our delivery, never connected."""
    found: Any = _app(tmp_path).consumer
    assert isinstance(found, Consumer)
    return found


async def test_delivery_that_finishes_at_once_needs_no_task(consumer: Consumer) -> None:
    tasks = len(asyncio.all_tasks())
    ran: list[int] = []

    async def deliver() -> None:
        ran.append(len(asyncio.all_tasks()))

    done = await consumer.wait_first(deliver(), asyncio.Event().wait())
    assert ran == [tasks]
    assert not done.stopped


async def test_delivery_that_waits_is_waited_for(consumer: Consumer) -> None:
    log: list[str] = []
    await asyncio.wait_for(consumer.wait_first(_steps(log, 2), asyncio.Event().wait()), 5)
    assert log == ["step 0", "step 1", "later"]


async def test_the_end_of_the_flow_ends_a_delivery_that_waits(consumer: Consumer) -> None:
    suspend, never = asyncio.Event(), asyncio.Event()
    asyncio.get_running_loop().call_later(0.02, suspend.set)
    await asyncio.wait_for(consumer.wait_first(never.wait(), suspend.wait()), 5)
    assert not never.is_set()


@pytest.mark.parametrize("waits", [0, 2])
async def test_a_delivery_that_fails_fails_the_consumer(consumer: Consumer, waits: int) -> None:
    async def deliver() -> None:
        for _ in range(waits):
            await asyncio.sleep(0)
        raise ValueError("decode")

    with pytest.raises(ValueError, match="decode"):
        await consumer.wait_first(deliver(), asyncio.Event().wait())


async def test_what_is_off_is_off(tmp_path: Path) -> None:
    app = _app(tmp_path)
    conf = app.conf
    assert not conf.web_enabled
    assert conf.topic_disable_leader
    assert not conf.topic_allow_declare
    assert conf.consumer_auto_offset_reset == "earliest"
    assert not app.tables
    assert [str(url) for url in conf.broker] == ["kafka://127.0.0.1:1", "kafka://127.0.0.1:2"]
    thread: Any = app.consumer
    made = thread._thread._create_worker_consumer(app.transport)
    assert made._fetch_max_wait_ms == 25
    assert made._session_timeout_ms == 5000
    await made.stop()


def test_security_options_reach_faust_or_are_refused() -> None:
    assert credentials({}) is None
    assert credentials({"security_protocol": "PLAINTEXT"}) is None
    context = ssl.create_default_context()
    tls = credentials({"security_protocol": "SSL", "ssl_context": context})
    assert (tls.protocol.value, tls.context) == ("SSL", context)
    scram = {
        "security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-512", "ssl_context": context,
        "sasl_plain_username": "svc", "sasl_plain_password": "pw",
    }  # fmt: skip
    found = credentials(scram)
    assert (found.protocol.value, found.mechanism.value) == ("SASL_SSL", "SCRAM-SHA-512")
    assert (found.username, found.password, found.ssl_context) == ("svc", "pw", context)
    plain = credentials({**scram, "security_protocol": "SASL_PLAINTEXT"})
    assert (plain.protocol.value, plain.ssl_context) == ("SASL_PLAINTEXT", None)
    with pytest.raises(ValueError, match="sasl_kerberos"):
        credentials({"sasl_kerberos_service_name": "kafka"})
