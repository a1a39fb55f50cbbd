"""A simulated exchange on one port of loopback: websockets and REST. The simulator's only user of aiohttp.

The venue's protocol is its face; here are sockets, queues, keep-alive, faults and counters.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterable, Sequence

from aiohttp import ClientError, WSMsgType, web

from service.clock import Clock
from service.simulator.faults import Faults
from service.simulator.market_events import MarketEvent
from service.simulator.wire import Care, Face, Frame, Peer

SLOW_CONSUMER_FRAMES = 200_000
CLOSE_WAIT_S = 1.0
BREATH_FRAMES = 128  # frames sent before other tasks get their turn


class Connection:
    """One client: its peer, its socket and what waits to be sent."""

    def __init__(self, peer: Peer, socket: web.WebSocketResponse, request: web.Request) -> None:
        self.peer = peer
        self.socket = socket
        self.route = "/" + request.path.strip("/").split("/")[0]
        self.streams: set[str] = set()
        self.outbox: list[Frame] = []
        self.unsent = 0  # queued, or taken from the queue and not yet with the socket
        self.end: tuple[int, str] | None = None
        self.wake = asyncio.Event()
        self._request = request

    def post(self, frames: Iterable[Frame]) -> None:
        """Queue frames."""
        before = len(self.outbox)
        self.outbox.extend(frames)
        self.unsent += len(self.outbox) - before
        self.wake.set()

    def cut(self, code: int, reason: str) -> None:
        """Close after what is queued has been sent."""
        if self.end is None:
            self.end = (code, reason)
            self.wake.set()

    def abort(self) -> None:
        """Drop the TCP connection without a word: the client sees 1006."""
        if self._request.transport is not None:
            self._request.transport.abort()


class Exchange:
    """One venue on one port of 127.0.0.1.

    `sent` counts frames by channel over all connections; `rows` what a perfect ingester makes of them,
    each frame once however many connections it went to. `asked` counts GETs by path.
    """

    def __init__(self, face: Face, clock: Clock, *, port: int = 0, label: str = "") -> None:
        self.face = face
        self.faults = Faults()
        self.sent: Counter[str] = Counter()
        self.rows: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.attempts = self.accepted = 0  # handshakes tried, and let in
        self.connections: set[Connection] = set()
        self.patience_wall_s = 3.0  # no deadline of the clock's is shorter than this for a client
        self._clock = clock
        self._port = port
        self._label = label
        self._subscribers: dict[str, set[Connection]] = {}
        self._progress = asyncio.Event()  # something was sent, or a connection is gone
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """The port listened on; 0 before `start`."""
        return self._port

    @property
    def urls(self) -> tuple[str, str]:
        """Return the websocket's and REST's base URLs."""
        return f"ws://127.0.0.1:{self._port}", f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Listen. After a `stop`, on the same port again."""
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        app.router.add_post("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_WAIT_S)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await site.start()
        self._port = int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Close every connection and the port: clients are refused from now on."""
        runner, self._runner = self._runner, None
        if runner is not None:
            self.abort()
            await runner.cleanup()

    def close(self, code: int, reason: str = "") -> None:
        """Close all connections with a websocket close code."""
        for connection in self.connections:
            connection.cut(code, reason)

    def abort(self) -> None:
        """Drop all connections without a close frame."""
        for connection in self.connections:
            connection.abort()

    def inject(self, payload: bytes, stream: str | None = None) -> int:
        """Send raw bytes to the subscribers of `stream`, or to everybody; return how many."""
        chosen = self.connections if stream is None else self._subscribers.get(stream, set())
        for connection in chosen:
            connection.post([Frame(stream or "", "injected", payload, wrapped=payload)])
        return len(chosen)

    def publish(self, events: Sequence[MarketEvent], now_ns: int) -> None:
        """Say what happened in the market, and look after the connections."""
        self.broadcast(self.face.frames(events, now_ns, self._subscribers))
        for connection in self.connections:
            self._look_after(connection, now_ns)

    def broadcast(self, frames: Iterable[Frame], *, everyone: bool = False) -> None:
        """Queue frames for their subscribers, or for `everyone` connected."""
        for frame in frames:
            for connection in (
                self.connections if everyone else self._subscribers.get(frame.stream, ())
            ):
                self._queue(connection, frame)

    async def drained(self, most: int = 0) -> None:
        """Wait until no connection has more than `most` frames queued."""
        while any(c.unsent > most and c.end is None for c in self.connections):
            self._progress.clear()
            await self._progress.wait()

    def _queue(self, connection: Connection, frame: Frame) -> None:
        faults = self.faults
        if faults.stalled or faults.mutes(
            channel=frame.channel, stream=frame.stream, route=connection.route
        ):
            return
        connection.post((frame,))
        if connection.unsent > SLOW_CONSUMER_FRAMES:
            connection.unsent -= len(connection.outbox)
            connection.outbox.clear()
            connection.cut(1008, "slow consumer")

    def _look_after(self, connection: Connection, now_ns: int) -> None:
        if self.faults.stalled:
            return
        care = connection.peer.care(now_ns)
        if care.ping:
            connection.peer.pinged_ns = now_ns
            connection.post([Frame("", "ping", b"%d" % (now_ns // 10**6))])
        if care.cut is not None and self._out_of_patience(connection, care, now_ns):
            connection.cut(*care.cut)

    def _out_of_patience(self, connection: Connection, care: Care, now_ns: int) -> bool:
        """A fast clock must not turn the machine's hiccups into a client's silence."""
        if care.cut is None or care.cut[0] == 1001:  # the lifetime is not about silence
            return True
        quiet_ns = now_ns - max(connection.peer.heard_ns, connection.peer.ponged_ns)
        return quiet_ns >= self.patience_wall_s * self._clock.speed * 1e9

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._websocket(request)
        return await self._rest(request)

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        faults, path = self.faults, request.path
        self.asked[path] += 1
        if faults.rest_delay_s:
            await asyncio.sleep(faults.rest_delay_s)
        marks = {"x-treadmill-simulator": self._label, "content-type": "application/json"}
        status = faults.rest_override(path)
        if status is not None:
            headers = marks | faults.rest_headers
            return web.Response(status=status, body=faults.rest_body or b"{}", headers=headers)
        reply = self.face.rest(path, await _query(request), self._clock.now_ns())
        body = reply.body if faults.rest_body is None else faults.rest_body
        return web.Response(status=reply.status, body=body, headers=marks | reply.headers)

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        marks = {"x-treadmill-simulator": self._label}
        self.attempts += 1
        if self.faults.refuse_status is not None:
            headers = marks | self.faults.refuse_headers
            return web.Response(status=self.faults.refuse_status, headers=headers)
        peer = self.face.connect(request.path, dict(request.query), self._clock.now_ns())
        if peer is None:
            return web.Response(status=404, headers=marks)
        socket = web.WebSocketResponse(
            autoping=False, compress=False, timeout=CLOSE_WAIT_S, decode_text=False
        )
        socket.headers.update(marks)
        await socket.prepare(request)
        connection = Connection(peer, socket, request)
        self.connections.add(connection)
        self.accepted += 1
        self._join(connection, peer.initial)
        if peer.greeting:
            connection.post(peer.greeting)
        sender = asyncio.create_task(self._send(connection))
        try:
            await self._listen(connection)
        finally:
            self.connections.discard(connection)
            self._progress.set()
            self._leave(connection, list(connection.streams))
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sender
        return socket

    async def _listen(self, connection: Connection) -> None:
        peer = connection.peer
        async for message in connection.socket:
            now_ns = self._clock.now_ns()
            if self.faults.stalled:
                continue
            if message.type is WSMsgType.PING:
                connection.post([Frame("", "pong_frame", message.data)])
            elif message.type is WSMsgType.PONG:
                peer.ponged_ns = now_ns
            elif message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                self._hear(connection, bytes(message.data), now_ns)

    def _hear(self, connection: Connection, message: bytes, now_ns: int) -> None:
        heard = connection.peer.hear(message, now_ns)
        connection.peer.heard_ns = now_ns
        self._leave(connection, heard.leave)
        self._join(connection, heard.join)
        if heard.say:
            connection.post(heard.say)
        if heard.cut is not None:
            connection.cut(*heard.cut)

    def _join(self, connection: Connection, streams: Iterable[str]) -> None:
        for stream in streams:
            connection.streams.add(stream)
            self._subscribers.setdefault(stream, set()).add(connection)

    def _leave(self, connection: Connection, streams: Iterable[str]) -> None:
        for stream in streams:
            connection.streams.discard(stream)
            left = self._subscribers.get(stream, set())
            left.discard(connection)
            if not left:
                self._subscribers.pop(stream, None)

    async def _send(self, connection: Connection) -> None:
        with contextlib.suppress(ConnectionError, ClientError, RuntimeError):
            while True:
                await connection.wake.wait()
                connection.wake.clear()
                batch, connection.outbox = connection.outbox, []
                await self._send_batch(connection, batch)
                if connection.end is not None and not connection.outbox:
                    code, reason = connection.end
                    await connection.socket.close(code=code, message=reason.encode())
                    return

    async def _send_batch(self, connection: Connection, batch: list[Frame]) -> None:
        for number, frame in enumerate(batch, 1):
            if self.faults.stalled:
                connection.unsent -= len(batch) - number + 1
                break
            await self._send_one(connection, frame)
            connection.unsent -= 1
            self._count(frame)
            if number % BREATH_FRAMES == 0:
                self._progress.set()
                await asyncio.sleep(0)
        self._progress.set()
        connection.peer.told_ns = self._clock.now_ns()

    async def _send_one(self, connection: Connection, frame: Frame) -> None:
        send = connection.socket.send_frame
        if frame.channel == "ping":
            await send(frame.payload, WSMsgType.PING)
        elif frame.channel == "pong_frame":
            await send(frame.payload, WSMsgType.PONG)
        else:
            await send(connection.peer.pack(frame), WSMsgType.TEXT)

    def _count(self, frame: Frame) -> None:
        self.sent[frame.channel] += 1
        if not frame.counted:
            frame.counted = True
            self.rows[frame.channel] += frame.rows
            self.rows["liquidation"] += frame.forced


async def _query(request: web.Request) -> dict[str, str]:
    """Return what is asked: the query, and the fields of a JSON object that was posted, as text."""
    asked = dict(request.query)
    if request.method == "POST":
        with contextlib.suppress(ValueError, UnicodeDecodeError):
            posted = await request.json()
            if isinstance(posted, dict):
                asked |= {str(name): str(value) for name, value in posted.items()}
    return asked
