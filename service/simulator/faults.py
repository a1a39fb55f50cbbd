"""What can be made to go wrong at a simulated exchange, while it runs."""

import msgspec


class Faults(msgspec.Struct, kw_only=True):
    """Switches of one exchange; set them at any time. The defaults are a healthy venue."""

    refuse_status: int | None = None  # answer websocket handshakes with this HTTP status
    stalled: bool = False  # half open: nothing is sent or answered, connections stay
    muted: set[str] = set()  # channels ("liquidation"), streams, or "route:/market"
    rest_status: int | None = None  # answer every GET with this HTTP status
    rest_status_by_path: dict[str, int] = {}
    rest_headers: dict[str, str] = {}  # with such an answer
    refuse_headers: dict[str, str] = {}  # with a refused handshake
    rest_body: bytes | None = None  # answer every GET with this body
    rest_delay_s: float = 0.0  # wall seconds before an answer

    def mutes(self, *, channel: str, stream: str, route: str) -> bool:
        """Say whether a frame is kept back."""
        muted = self.muted
        return bool(muted) and (channel in muted or stream in muted or f"route:{route}" in muted)

    def rest_override(self, path: str) -> int | None:
        """Return the HTTP status a GET of `path` gets instead of its answer."""
        return self.rest_status_by_path.get(path, self.rest_status)
