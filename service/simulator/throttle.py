"""How venues thin out their liquidation feeds: at most one event a symbol and second."""

from collections.abc import Iterator
from typing import Literal

from service.simulator.market_events import Liquidation
from service.simulator.wire import SECOND_NS

ThrottleModel = Literal["latest", "dead_time", "none"]


class Throttle:
    """Chooses the liquidations that are published, with the time of their publication.

    `latest`: at the end of each second the last event of that second. `dead_time`: an event at once,
    then nothing of its symbol for a second. `none`: all at once.
    """

    def __init__(self, model: ThrottleModel = "latest") -> None:
        self.model: ThrottleModel = model
        self._waiting: dict[int, Liquidation] = {}
        self._blind_until: dict[int, int] = {}

    def push(self, event: Liquidation) -> Iterator[tuple[int, Liquidation]]:
        """Take an event; yield (publication ns, event) for whatever is published by it."""
        if self.model == "latest":
            held = self._waiting.get(event.contract)
            if held is not None and _second(held) != _second(event):
                yield (_second(held) + 1) * SECOND_NS, held
            self._waiting[event.contract] = event
        elif self.model == "none":
            yield event.time_ns, event
        elif event.time_ns >= self._blind_until.get(event.contract, 0):
            self._blind_until[event.contract] = event.time_ns + SECOND_NS
            yield event.time_ns, event

    def due(self, now_ns: int) -> Iterator[tuple[int, Liquidation]]:
        """Yield what was held back and whose second has ended."""
        for contract, held in list(self._waiting.items()):
            if (_second(held) + 1) * SECOND_NS <= now_ns:
                del self._waiting[contract]
                yield (_second(held) + 1) * SECOND_NS, held


def _second(event: Liquidation) -> int:
    return event.time_ns // SECOND_NS
