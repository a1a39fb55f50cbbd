"""A real Apache Kafka, from its Maven artifacts, as processes a test may kill.

Every node is its own JVM in KRaft mode (broker and controller in one), on loopback ports that were
free when it was made, with its logs in a folder that dies with the cluster.
"""

import asyncio
import base64
import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

POM = Path(__file__).with_name("pom.xml")
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
_JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")


class KafkaUnavailableError(Exception):
    """There is no Java or no Maven here, or the artifacts cannot be had."""


def libraries() -> Path:
    """Return the folder of Kafka's jars, fetched once a user and pom.

    ``TREADMILL_KAFKA_LIBS`` names a folder that is used as it is.

    Raises:
        KafkaUnavailableError: no Java, no Maven, or Maven failed three times.
    """
    if shutil.which("java") is None:
        raise KafkaUnavailableError("java is not installed (17 or later)")
    if given := os.environ.get("TREADMILL_KAFKA_LIBS"):
        return Path(given)
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "treadmill"
    folder = cache / f"kafka-libs-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"
    if not folder.is_dir():
        if shutil.which("mvn") is None:
            raise KafkaUnavailableError("mvn is not installed")
        cache.mkdir(parents=True, exist_ok=True)
        _fetch(folder)
    return folder


def _fetch(folder: Path) -> None:
    """Let Maven copy the jars beside `folder`, then rename: a half copy is not taken for whole."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as partial:
        command = [
            "mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies",
            "-DincludeScope=runtime", f"-DoutputDirectory={partial}/libs",
        ]  # fmt: skip
        for attempt in range(3):
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
            if done.returncode == 0:
                with contextlib.suppress(OSError):  # another run was first
                    Path(partial, "libs").rename(folder)
                return
            time.sleep(5 * (attempt + 1))
    raise KafkaUnavailableError(
        f"Maven could not fetch Kafka: {done.stdout[-800:]}{done.stderr[-400:]}"
    )


def free_ports(count: int) -> list[int]:
    """Return loopback ports that nobody listened on a moment ago."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


class KafkaNode:
    """One JVM: broker and controller. Keeps its ports and log folder over restarts."""

    def __init__(self, folder: Path, libs: Path, properties: Mapping[str, str]) -> None:
        self.folder = folder
        self.libs = libs
        self.port = int(properties["listeners"].split(",", maxsplit=1)[0].rsplit(":", 1)[1])
        self.process: subprocess.Popen[bytes] | None = None
        self.config = folder / "server.properties"
        folder.mkdir(parents=True)
        self.config.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))

    def format(self, cluster_id: str, *extra: str) -> None:
        """Write the metadata a node needs before its first start."""
        command = [
            "java", *_JVM, "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
            "-cp", f"{self.libs}/*",
            "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(self.config), *extra,
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True, timeout=START_TIMEOUT_S)

    def start(self) -> None:
        """Start the JVM; does not wait for it."""
        command = [
            "java", "-Xms256m", "-Xmx256m", *_JVM,
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-cp", f"{self.libs}/*", "kafka.Kafka", str(self.config),
        ]  # fmt: skip
        with (self.folder / "console.log").open("ab") as console:
            self.process = subprocess.Popen(command, stdout=console, stderr=subprocess.STDOUT)

    def send(self, number: signal.Signals) -> None:
        """Send a signal: SIGSTOP for a long pause, SIGCONT after it."""
        if self.process is not None:
            self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL: a crash. The page cache survives, so this is no power cut."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL if that takes too long."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def console(self) -> str:
        """Return the tail of what the JVM printed."""
        return (self.folder / "console.log").read_text(errors="replace")[-2000:]


class KafkaCluster:
    """`nodes` brokers (1 or 3) that form one cluster. Use as a context manager."""

    def __init__(self, *, nodes: int = 1, libs: Path | None = None) -> None:
        self._libs = libs or libraries()
        self._folder = tempfile.TemporaryDirectory(prefix="treadmill-kafka-")
        self.start_seconds = 0.0
        ports = free_ports(2 * nodes)
        voters = ",".join(f"{i + 1}@127.0.0.1:{ports[2 * i + 1]}" for i in range(nodes))
        self.nodes = [
            KafkaNode(
                Path(self._folder.name, f"node{i + 1}"),
                self._libs,
                _properties(i + 1, ports[2 * i : 2 * i + 2], voters, nodes, self._folder.name),
            )
            for i in range(nodes)
        ]

    @property
    def bootstrap(self) -> str:
        """Return the brokers as clients want them."""
        return ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def start(self) -> None:
        """Format and start all nodes; return when they form a cluster."""
        begin = time.monotonic()
        cluster_id = base64.urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
        for node in self.nodes:
            node.format(cluster_id)
        for node in self.nodes:
            node.start()
        self.wait()
        self.start_seconds = time.monotonic() - begin

    def wait(self) -> None:
        """Block until every node answers as part of the cluster.

        Raises:
            TimeoutError: it did not in a minute; the message holds the consoles' tails.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        while _brokers(self.bootstrap) < len(self.nodes):
            if time.monotonic() > deadline:
                raise TimeoutError("\n".join(node.console() for node in self.nodes))
            time.sleep(0.1)

    def close(self) -> None:
        """End all nodes and remove their logs, which is why they need not end well."""
        for node in self.nodes:
            node.kill()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _brokers(bootstrap: str) -> int:
    """Return how many brokers the cluster at `bootstrap` has; 0 while it does not answer."""
    for address in bootstrap.split(","):
        host, port = address.rsplit(":", 1)
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex((host, int(port))):
                return 0

    async def ask() -> int:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=2000)
        try:
            await admin.start()
            return len((await admin.describe_cluster())["brokers"])
        finally:
            await admin.close()

    try:
        return asyncio.run(ask())
    except (KafkaError, OSError, TimeoutError):
        return 0


def _properties(
    node: int, ports: list[int], voters: str, nodes: int, folder: str
) -> dict[str, str]:
    """Return a node's settings: durable as in production, fast to start and to rebalance."""
    replicas, in_sync = str(nodes), "2" if nodes > 1 else "1"
    return {
        "process.roles": "broker,controller",
        "node.id": str(node),
        "listeners": f"PLAINTEXT://127.0.0.1:{ports[0]},CONTROLLER://127.0.0.1:{ports[1]}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "controller.quorum.voters": voters,
        "log.dirs": f"{folder}/node{node}/logs",
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": replicas,
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": in_sync,
        "unclean.leader.election.enable": "false",
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        "log.retention.check.interval.ms": "1000",
        "broker.session.timeout.ms": "6000",
        "replica.lag.time.max.ms": "5000",
    }
