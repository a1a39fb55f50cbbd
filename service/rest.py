"""The one client of the venues' REST interfaces: a budget, bans that are obeyed, bounded answers.

Errors, all the venue's: `RestFailed` (with a short `reason`), of which `VenueBanned` says until when.
"""

import asyncio
import random
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeVar

import aiohttp
import msgspec

from service.bans import Ban
from service.budget import Budget
from service.clock import Clock
from service.screen import HOSTILE
from service.stats import IngestStats
from service.venue import Conversation, MalformedFrame, RestRequest, VenueError, VenueRefused
from streams.events import RowBuffer

T = TypeVar("T")

NS: Final = 1_000_000_000
BODY_MAX: Final = 32 << 20
_JSON: Final = {"Content-Type": "application/json"}
#: Wall time: a request is about machines.
TIMEOUT: Final = aiohttp.ClientTimeout(total=20.0, sock_connect=5.0)
#: Pages of one conversation; more is a venue that never ends.
PAGES_MAX: Final = 2000
ATTEMPTS: Final = 3


class RestFailed(VenueRefused):
    """A request did not give a body. `reason` is a short word for a metric label."""

    def __init__(self, reason: str, detail: str, *, transient: bool) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.transient = transient


class VenueBanned(RestFailed):
    """The venue wants no requests before `until_ns` of the clock. None was made inside that time."""

    def __init__(self, host: str, until_ns: int) -> None:
        super().__init__(
            "banned", f"{host} takes no requests before {until_ns} ns", transient=False
        )
        self.until_ns = until_ns


class Getter(Protocol):
    """Whoever can answer a request of a conversation."""

    async def get(self, request: RestRequest) -> bytes:
        """Return the body.

        Raises:
            RestFailed: there is none.
        """
        ...


def error_class(error: BaseException) -> str:
    """Return a short word for why a connection could not be made or held.

    >>> error_class(TimeoutError()), error_class(ConnectionRefusedError())
    ('timeout', 'connection_refused')
    """
    seen: list[BaseException] = [error]
    while (inner := seen[-1].__cause__ or seen[-1].__context__) and inner not in seen:
        seen.append(inner)
    for one in seen:
        for kind, word in _ERROR_WORDS:
            if isinstance(one, kind):
                return word
    return "network"


_ERROR_WORDS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (ssl.SSLCertVerificationError, "certificate"),
    (aiohttp.ClientConnectorCertificateError, "certificate"),
    (ssl.SSLError, "tls"),
    (socket.gaierror, "dns"),
    (aiohttp.ClientConnectorDNSError, "dns"),
    (TimeoutError, "timeout"),
    (ConnectionRefusedError, "connection_refused"),
    (ConnectionResetError, "connection_reset"),
)


class RestClient:
    """GETs of one venue within its budget. Use it in an ``async with``.

    A ban is kept in `data_dir` (if given), so that a restart does not forget it. Times are the clock's.
    """

    def __init__(
        self,
        base_url: str,
        weight_per_minute: int,
        clock: Clock,
        used_weight_header: str | None = None,
        *,
        venue: str,
        stats: IngestStats,
        data_dir: Path | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.budget = Budget(weight_per_minute)
        self._base_url = base_url.rstrip("/")
        self._clock = clock
        self._header = used_weight_header
        self._venue = venue
        self._stats = stats
        self._headers = headers
        self._turn = asyncio.Lock()  # waiters are served in the order they came
        file = None if data_dir is None else data_dir / f"ban-{venue}.json"
        self._ban = Ban(file, clock.now_ns())
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(timeout=TIMEOUT, headers=self._headers)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._http is not None:
            await self._http.close()

    @property
    def banned_until_ns(self) -> int:
        """When the present or last ban ends, 0 without any."""
        return self._ban.until_ns

    def _banned(self, status: int, retry_after: str | None) -> VenueBanned:
        until_ns = self._ban.note(status, retry_after, self._clock.now_ns())
        return VenueBanned(self._venue, until_ns)

    async def get(self, request: RestRequest) -> bytes:
        """Wait for budget, ask once, return the body.

        Raises:
            VenueBanned: the venue wants no requests now; none was made, or this one earned it.
            RestFailed: refused, unreachable, too slow or too large.
        """
        try:
            async with self._turn:
                await self._afford(request.weight)
            body = await self._ask(request)
        except RestFailed as failed:
            self._stats.request(self._venue, failed.reason)
            raise
        self._stats.request(self._venue, "ok")
        return body

    async def _afford(self, weight: int) -> None:
        while True:
            now_ns = self._clock.now_ns()
            if now_ns < self._ban.until_ns:
                raise VenueBanned(self._venue, self._ban.until_ns)
            wait_ns = self.budget.wait_ns(weight, now_ns)
            if wait_ns <= 0:
                self.budget.spend(weight, now_ns)
                return
            await self._clock.sleep(wait_ns / NS)

    async def _ask(self, request: RestRequest) -> bytes:
        if self._http is None:
            raise RuntimeError("RestClient is used outside of its `async with`")
        url = self._base_url + request.path
        try:
            # Redirects could lead to another host or to plain text: none is followed.
            async with self._http.request(
                "GET" if request.body is None else "POST", url, params=request.params,
                data=request.body, headers=_JSON if request.body is not None else None,
                allow_redirects=False,
            ) as answer:  # fmt: skip
                self._learn(answer)
                if answer.status in {418, 429}:
                    raise self._banned(answer.status, answer.headers.get("Retry-After"))
                body = await self._body(answer)
        except (aiohttp.ClientError, OSError) as error:
            reason = error_class(error)
            raise RestFailed(reason, f"{request.path}: {error!r}"[:300], transient=True) from error
        if answer.status != 200:
            detail = f"{request.path}: {body[:200]!r}"
            raise RestFailed(f"http_{answer.status}", detail, transient=answer.status >= 500)
        return body

    def _learn(self, answer: aiohttp.ClientResponse) -> None:
        used = answer.headers.get(self._header, "") if self._header else ""
        if used.isascii() and used.isdigit() and len(used) < 10:
            self.budget.learn(int(used), self._clock.now_ns())

    async def _body(self, answer: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in answer.content.iter_chunked(1 << 16):
            body += chunk
            if len(body) > BODY_MAX:
                raise RestFailed("too_large", f"more than {BODY_MAX} bytes", transient=False)
        return bytes(body)


async def _get_patiently(client: Getter, request: RestRequest, clock: Clock) -> bytes:
    for attempt in range(1, ATTEMPTS):
        try:
            return await client.get(request)
        except RestFailed as failed:
            if not failed.transient:
                raise
        await clock.sleep(attempt + random.random())  # noqa: S311 - jitter, no secret
    return await client.get(request)


class _Done(msgspec.Struct):
    result: Any


def _step(
    conversation: Conversation[Any], body: bytes | None, out: RowBuffer | None
) -> RestRequest | _Done:
    start = 0 if out is None else out.rows
    try:
        return conversation.send(body)  # type: ignore[arg-type]  # a generator starts with None
    except StopIteration as stop:
        return _Done(stop.value)
    except (VenueError, *HOSTILE) as error:
        if out is not None:
            out.truncate(start)
        if isinstance(error, VenueError):
            raise
        raise MalformedFrame("unexpected", repr(error)[:300]) from error


async def run_conversation(
    client: Getter,
    conversation: Conversation[T],
    clock: Clock,
    *,
    out: RowBuffer | None = None,
    wrote: Callable[[int], Awaitable[None]] | None = None,
) -> T:
    """Answer a conversation's requests until it returns, and return its result.

    `wrote(start)` is awaited after each answer with the row of `out` at which that answer's rows begin.
    What is transient is tried again; a page that cannot be read leaves no rows.

    Raises:
        RestFailed: a request failed for good.
        MalformedFrame: a body could not be read, or the pages never end.
    """
    body: bytes | None = None
    try:
        for _ in range(PAGES_MAX):
            start = 0 if out is None else out.rows
            step = _step(conversation, body, out)
            if wrote is not None:
                await wrote(start)
            if isinstance(step, _Done):
                result: T = step.result
                return result
            body = await _get_patiently(client, step, clock)
        raise MalformedFrame("endless", f"more than {PAGES_MAX} pages")
    finally:
        conversation.close()
