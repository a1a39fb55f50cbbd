"""The one port: /metrics for Prometheus, /livez and /readyz for whoever restarts and routes.

Liveness asks nobody: the event loop turned, and no task that matters has died. Readiness asks every check
it was given and names what is missing. Nothing else is served.
"""

import asyncio
import errno
import math
from collections.abc import Callable, Mapping
from typing import Final, Self

from aiohttp import web

from service.settings import SettingsError
from service.telemetry import Telemetry

#: The event loop is alive if it turned within this.
TURN_LIMIT_S: Final = 10.0
TURN_EVERY_S: Final = 0.5

#: True for ready; otherwise False or, better, the reason in a few words.
Check = Callable[[], bool | str]


class Health:
    """Serves the three pages while it is entered: ``async with Health(...) as health``.

    `fatal` is set once by whoever sees a task die that the process cannot do without.
    """

    def __init__(
        self, telemetry: Telemetry, checks: Mapping[str, Check], *, host: str, port: int
    ) -> None:
        self._telemetry = telemetry
        self._checks = checks
        self._host = host
        self._port = port
        self._fatal: str | None = None
        self._turned_s = math.nan
        self._beat: asyncio.Task[None] | None = None
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """The port in use, which matters where 0 was asked for."""
        if self._runner is not None and self._runner.addresses:
            return int(self._runner.addresses[0][1])
        return self._port

    def fatal(self, reason: str) -> None:
        """Say that the process cannot go on: /livez fails from now on."""
        self._fatal = self._fatal or reason

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            SettingsError: the address cannot be listened on.
        """
        app = web.Application()
        app.add_routes(
            [
                web.get("/metrics", self._metrics),
                web.get("/livez", self._livez),
                web.get("/readyz", self._readyz),
            ]
        )
        self._turned_s = asyncio.get_running_loop().time()
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError as error:
            await runner.cleanup()
            raise SettingsError(self._complaint(error)) from None
        self._runner = runner
        self._beat = asyncio.create_task(self._turn(), name="health-beat")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening."""
        if self._beat is not None:
            self._beat.cancel()
            await asyncio.gather(self._beat, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()

    def _complaint(self, error: OSError) -> str:
        where = f"http_host = {self._host!r}, http_port = {self._port}"
        if error.errno == errno.EADDRINUSE:
            return (
                f"{where}: the port is in use; set TREADMILL_HTTP_PORT to a free one, or 0 for any"
            )
        reason = error.strerror or str(error)
        return f"{where}: cannot listen there ({reason}); set TREADMILL_HTTP_HOST to an own address"

    async def _turn(self) -> None:
        """Note that the loop turns, and how late it does."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + TURN_EVERY_S
            await asyncio.sleep(TURN_EVERY_S)
            self._turned_s = loop.time()
            self._telemetry.loop_lag(max(0.0, self._turned_s - due))

    async def _metrics(self, _: web.Request) -> web.Response:
        body, content_type = self._telemetry.expose()
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _livez(self, _: web.Request) -> web.Response:
        if self._fatal is not None:
            return _page([f"fatal: {self._fatal}"])
        quiet = asyncio.get_running_loop().time() - self._turned_s
        return _page([f"event loop: stood still for {quiet:.0f} s"] if quiet > TURN_LIMIT_S else [])

    async def _readyz(self, _: web.Request) -> web.Response:
        missing = []
        for name, check in self._checks.items():
            answer = check()
            if answer is not True:
                missing.append(f"{name}: {answer or 'not ready'}")
        return _page(missing)


def _page(missing: list[str]) -> web.Response:
    """Return 200 and ``ok``, or 503 and one line for everything that is missing."""
    text = "".join(f"{line}\n" for line in missing) or "ok\n"
    return web.Response(text=text, status=503 if missing else 200)
