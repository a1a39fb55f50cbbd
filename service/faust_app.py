"""Faust with the parts made our own. The other door to Faust is `worker`.

Faust carries opaque blocks and is told three things it does not know by itself: where a partition
goes on (after its snapshot, not at the committed offset), when it may commit (after the snapshot,
through `App.commit_position`), and not to wait a second and a half for a fetch. Tables, the web server, the
leader topic and Faust's own producer are off.
"""

import inspect
from collections.abc import Callable, Coroutine, Generator, Mapping
from typing import Any

import faust
from faust.app.base import BootStrategy
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.services import WaitResults

from streams.topics import MARKET

#: Where each owned partition of the market log goes on.
Positions = Callable[[], Mapping[int, int]]


class Resumed:
    """A coroutine that has been stepped once and yielded `first`: awaiting this does the rest."""

    def __init__(self, coro: Coroutine[Any, Any, Any], first: Any) -> None:
        self._coro = coro
        self._first = first

    def __await__(self) -> Generator[Any, Any, Any]:
        waiting = self._first
        while True:
            step: Callable[[Any], Any] = self._coro.send
            try:
                value = yield waiting
            except BaseException as error:  # noqa: BLE001 - it is the coroutine's to handle
                step, value = self._coro.throw, error
            try:
                waiting = step(value)
            except StopIteration as done:
                return done.value


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread with our fetch wait."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Faust hard-codes 1500 ms; the fetcher reads this when the consumer starts.
        consumer._fetch_max_wait_ms = self.transport.fetch_wait_ms  # type: ignore[attr-defined] # noqa: SLF001
        return consumer


class Consumer(driver.Consumer):
    """Faust's consumer, positioned by our snapshots and cheaper by the record."""

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Go to where the snapshots end, whatever is committed."""
        owned: Positions = self.transport.positions  # type: ignore[attr-defined]
        assigned = self.assignment()
        positions = {
            where: offset
            for partition, offset in owned().items()
            if (where := TP(MARKET.name, partition)) in assigned
        }
        if positions:
            await self.seek_wait(positions)
        return positions

    async def wait_first(self, *coros: Any, **options: Any) -> WaitResults:
        """Deliver a record without the four tasks that Faust spends on each.

        Faust calls this once a record with (delivery, end of flow). The delivery nearly always
        finishes at its first step; only if it does not is it raced against the rest, as Faust
        always does. Every other use is Faust's own.
        """
        if options or [inspect.iscoroutine(each) for each in coros] != [True, True]:
            return await super().wait_first(*coros, **options)
        delivery, flow_end = coros
        try:
            waiting = delivery.send(None)
        except StopIteration as done:
            flow_end.close()
            return WaitResults([delivery], [done.value], False)
        except BaseException:
            flow_end.close()
            raise
        return await super().wait_first(Resumed(delivery, waiting), flow_end)


class Transport(driver.Transport):
    """Faust's Kafka transport with our consumer."""

    Consumer = Consumer
    fetch_wait_ms: int
    positions: Positions


class Boot(BootStrategy):
    """Starts what a worker needs and nothing else."""

    enable_kafka_producer = False
    enable_web = False


class App(faust.App):
    """Faust's application with our transport."""

    BootStrategy = Boot

    async def commit_position(self, where: TP, offset: int) -> None:
        """Commit one partition; if it has been taken from us this does nothing."""
        await self.consumer._commit({where: offset})  # type: ignore[attr-defined] # noqa: SLF001


def credentials(client: Mapping[str, Any]) -> Any:
    """Return aiokafka's security options as Faust wants them; None for plain text.

    Raises:
        ValueError: an option that Faust has no word for.
    """
    known = {
        "security_protocol", "ssl_context",
        "sasl_mechanism", "sasl_plain_username", "sasl_plain_password",
    }  # fmt: skip
    if unknown := set(client) - known:
        raise ValueError(f"client options {sorted(unknown)} cannot be passed on to Faust")
    protocol = client.get("security_protocol", "PLAINTEXT")
    if protocol == "PLAINTEXT":
        return None
    if protocol == "SSL":
        return faust.SSLCredentials(context=client["ssl_context"])
    return faust.SASLCredentials(
        username=client["sasl_plain_username"],
        password=client["sasl_plain_password"],
        mechanism=client["sasl_mechanism"],
        ssl_context=client["ssl_context"] if protocol == "SASL_SSL" else None,
    )


def make_app(
    *,
    group_id: str,
    bootstrap: str,
    client: Mapping[str, Any],
    session_timeout_s: float,
    instance_id: str | None,
    fetch_wait_s: float,
    folder: str,
    positions: Positions,
) -> App:
    """Return an application of one group, not started; `folder` is Faust's to litter."""
    app = App(
        group_id,
        broker=[f"kafka://{address}" for address in bootstrap.split(",")],
        broker_credentials=credentials(client),
        broker_session_timeout=session_timeout_s,
        broker_heartbeat_interval=session_timeout_s / 5,
        broker_commit_interval=1.0,
        consumer_group_instance_id=instance_id,
        consumer_auto_offset_reset="earliest",
        processing_guarantee="at_least_once",
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        autodiscover=False,
        datadir=folder,
        store="memory://",
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
    )
    transport = Transport(app.conf.broker_consumer, app)
    transport.fetch_wait_ms = int(fetch_wait_s * 1000)
    transport.positions = positions
    app.transport = transport
    return app
