"""One connection as a value: what to send, whether it is alive, when it must be replaced.

There is no socket and no clock in here; every verb is told the time. Two clocks run: transport liveness is
any frame, acks and pongs included; data liveness is frames of the plan's control channels. Only the second
decides anything, because venues ack subscriptions that will never deliver.
"""

import random
from collections import deque
from enum import Enum
from typing import Final

import msgspec

from service.venue import ConnectionPlan, FrameName, VenueSpec
from streams.events import Channel

NS: Final = 1_000_000_000

#: A retry that follows a loss of a working connection.
FIRST_RETRY_S: Final = 0.5
RETRY_FLOOR_S: Final = 1.0
RETRY_CAP_S: Final = 120.0
#: However the dice fall, so many attempts in such a span without data, and no more.
ATTEMPTS_MAX: Final = 20
ATTEMPTS_SPAN_S: Final = 600.0


class Phase(Enum):
    """How far a connection has come."""

    CONNECTING = "connecting"
    OPEN = "open"  # the socket is there, subscriptions are being sent
    SUBSCRIBED = "subscribed"  # all said, nothing proven
    LIVE = "live"  # a control channel has delivered
    CLOSED = "closed"


class Step(Enum):
    """What moves a connection on."""

    OPENED = "opened"
    SENT_ALL = "sent_all"
    DATA = "data"
    LOST = "lost"


#: The whole state machine. What is not listed changes nothing.
TRANSITIONS: Final[dict[tuple[Phase, Step], Phase]] = {
    (Phase.CONNECTING, Step.OPENED): Phase.OPEN,
    (Phase.OPEN, Step.SENT_ALL): Phase.SUBSCRIBED,
    (Phase.SUBSCRIBED, Step.DATA): Phase.LIVE,
    (Phase.CONNECTING, Step.LOST): Phase.CLOSED,
    (Phase.OPEN, Step.LOST): Phase.CLOSED,
    (Phase.SUBSCRIBED, Step.LOST): Phase.CLOSED,
    (Phase.LIVE, Step.LOST): Phase.CLOSED,
}

#: Frames that were no messages, of so many in a minute, after which a connection is replaced.
GARBLED_SHARE: Final = 0.01
GARBLED_LEAST: Final = 20
GARBLED_SPAN_S: Final = 60.0

#: Trades beside a channel that is never quiet: lost when silent for so many of their usual intervals, once
#: so many have been seen.
PACE: Final = 50
PACE_LEAST: Final = 20
NEVER_NS: Final = 2**62
#: What a venue says on subscribing is over by then; a channel that goes on is one.
GREETING_NS: Final = NS

_TRADE: Final = int(Channel.TRADE)
_TICKER: Final = Channel.MARK | Channel.FUNDING | Channel.OPEN_INTEREST
#: The channels a frame is evidence for. Acks, pongs and notices are evidence for none.
FRAME_CHANNELS: Final[dict[str, Channel]] = {
    "trade": Channel.TRADE,
    "mark": Channel.MARK,
    "funding": Channel.FUNDING,
    "open_interest": Channel.OPEN_INTEREST,
    "liquidation": Channel.LIQUIDATION,
    "ticker": _TICKER,
    "beat": Channel.TRADE,
}


class Cause(Enum):
    """Why a session wants another connection."""

    SILENT = "silent"  # control channels are quiet: this one is dead
    REFUSED = "refused"  # as SILENT, and the venue had said no to a subscription
    ROTATE = "rotate"  # the venue will cut it soon: open the next, then leave
    GARBLED = "garbled"  # too much of what comes is no message at all: another one may be better


class Send(msgspec.Struct, frozen=True):
    """Write these bytes as one text frame."""

    data: bytes


class Reconnect(msgspec.Struct, frozen=True):
    """Get another connection. After SILENT and REFUSED this one is over; else it serves on meanwhile."""

    cause: Cause


Action = Send | Reconnect


class Session:
    """The state of one connection.

    `rotate_at` is the share of the venue's lifetime after which to rotate. `silence_floor_s` lifts the
    venue's silence limit where log time runs so fast that scheduling would look like silence.
    """

    def __init__(
        self,
        plan: ConnectionPlan,
        spec: VenueSpec,
        *,
        now_ns: int,
        rotate_at: float = 0.95,
        silence_floor_s: float = 0.0,
    ) -> None:
        if not plan.control:
            raise ValueError(
                f"{spec.name}{plan.path}: no control channel, death would look like peace"
            )
        self.plan = plan
        self.phase = Phase.CONNECTING
        self.transport_ns = now_ns  # last sign of life of any kind
        self.data_ns = now_ns  # last sign of life of a control channel
        self._spec = spec
        self._unsent = deque(plan.subscribe)
        self._send_gap_ns = int(NS / spec.sends_per_s)
        self._send_ns = now_ns  # earliest next send
        self._ping_ns = now_ns
        self._silence_ns = int(max(spec.silence_s, silence_floor_s) * NS)
        self._lifetime_ns = (
            None if spec.lifetime_s is None else int(spec.lifetime_s * rotate_at * NS)
        )
        self._rotate_ns: int | None = None
        self._refused = False
        self._span_ns = now_ns
        self._frames = self._garbled = 0
        self._seen_ns: dict[int, int] = {}  # by bits of channels
        # beside a channel that is never quiet, trades may be: their own pace says what silence is
        self._hard = plan.control & ~Channel.TRADE or plan.control
        self._paced = self._hard != plan.control
        self._first_ns: dict[int, int] = {}
        self._trades = 0
        self._control = {
            name: int(channels & plan.control)
            for name, channels in FRAME_CHANNELS.items()
            if channels & plan.control
        }

    def _advance(self, step: Step) -> bool:
        if step is Step.DATA and self.phase is Phase.LIVE:
            return False  # nearly every frame; members of an Enum are slow to look up
        after = TRANSITIONS.get((self.phase, step))
        if after is None:
            return False
        self.phase = after
        return True

    def opened(self, now_ns: int) -> None:
        """Take note that the socket is connected."""
        if not self._advance(Step.OPENED):
            return
        self.transport_ns = self.data_ns = self._send_ns = now_ns
        self._ping_ns = now_ns + int(self._spec.ping_every_s * NS)
        if self._lifetime_ns is not None:
            self._rotate_ns = now_ns + self._lifetime_ns
        if not self._unsent:
            self._advance(Step.SENT_ALL)

    def received(self, name: FrameName, now_ns: int) -> bool:
        """Take note of a frame; True if it made the connection live."""
        if self.phase is Phase.CONNECTING or self.phase is Phase.CLOSED:
            return False
        self.transport_ns = now_ns
        self._frames += 1
        if name == "leave":
            self._rotate_ns = now_ns
        control = self._control.get(name)
        if control is None:
            return False
        self.data_ns = now_ns
        self._seen_ns[control] = now_ns
        if self._paced:
            self._trades += control == _TRADE
            self._first_ns.setdefault(control, now_ns)
        return self._advance(Step.DATA)

    def garbled(self, now_ns: int) -> None:
        """Take note of a frame that was no message: cut short, no JSON, no text."""
        self.transport_ns = now_ns
        if now_ns - self._span_ns > GARBLED_SPAN_S * NS:
            self._span_ns, self._frames, self._garbled = now_ns, 0, 0
        self._frames += 1
        self._garbled += 1

    def refused(self, now_ns: int) -> None:
        """Take note that the venue said no. It becomes the cause if data then fails to come."""
        self.transport_ns = now_ns
        self._refused = self.phase is not Phase.LIVE

    def closed(self) -> None:
        """Take note that the socket is gone."""
        self._advance(Step.LOST)

    def due(self, now_ns: int) -> list[Action]:
        """Return what is to be done now. Doing it is the caller's part; it is not said twice."""
        if self.phase in {Phase.CONNECTING, Phase.CLOSED}:
            return []
        if self.phase is not Phase.OPEN and now_ns - self.data_ns > self._silence_ns:
            self._advance(Step.LOST)
            return [Reconnect(Cause.REFUSED if self._refused else Cause.SILENT)]
        actions = self._sends(now_ns)
        if self._rotate_ns is not None and now_ns >= self._rotate_ns:
            self._rotate_ns = None
            actions.append(Reconnect(Cause.ROTATE))
        if self._garbled >= max(GARBLED_LEAST, GARBLED_SHARE * self._frames):
            self._span_ns, self._frames, self._garbled = now_ns, 0, 0
            actions.append(Reconnect(Cause.GARBLED))
        return actions

    def _sends(self, now_ns: int) -> list[Action]:
        if now_ns < self._send_ns:
            return []
        if self._unsent:
            self._send_ns = now_ns + self._send_gap_ns
            data = self._unsent.popleft()
            if not self._unsent:
                self._advance(Step.SENT_ALL)
                self.data_ns = now_ns  # silence is counted from when we had asked for everything
            return [Send(data)]
        if self._spec.ping is not None and now_ns >= self._ping_ns:
            self._send_ns = now_ns + self._send_gap_ns
            self._ping_ns = now_ns + int(self._spec.ping_every_s * NS)
            return [Send(self._spec.ping)]
        return []

    def next_wake_ns(self, now_ns: int) -> int:
        """Return when `due` will next have something to say, if nothing is received until then."""
        if self.phase in {Phase.CONNECTING, Phase.CLOSED}:
            return now_ns + self._silence_ns
        wakes = []
        if self._unsent:
            wakes.append(self._send_ns)
        elif self._spec.ping is not None:
            wakes.append(max(self._send_ns, self._ping_ns))
        if self.phase is not Phase.OPEN:
            wakes.append(self.data_ns + self._silence_ns + 1)
        if self._rotate_ns is not None:
            wakes.append(self._rotate_ns)
        return min(wakes)

    @property
    def oldest_ns(self) -> int:
        """When the control channel was heard that has been quiet the longest."""
        return min(self._seen_ns.values(), default=self.data_ns)

    def live_channels(self, now_ns: int) -> Channel:
        """Return what this connection can be trusted to deliver now.

        Channels outside the control set stand and fall with the connection, from when every control
        channel has been heard on it: a venue that greets with levels and then says nothing proves
        nothing. A control channel that has been quiet for three silence limits, or was never heard,
        is left out. Trades beside other control channels need not be waited for, where those go on, and are
        judged by their own pace: a contract may go untraded for hours.
        """
        if self.phase is not Phase.LIVE:
            return Channel(0)
        heard, proven, steady = Channel(0), Channel(0), Channel(0)
        for bits, seen_ns in self._seen_ns.items():
            proven |= Channel(bits)
            if seen_ns - self._first_ns.get(bits, seen_ns) >= GREETING_NS:
                steady |= Channel(bits)
            if now_ns - seen_ns <= self._patience_ns(bits, seen_ns):
                heard |= Channel(bits)
        if proven == self.plan.control or not self._hard & ~steady:
            heard |= self.plan.channels & ~self.plan.control
        return heard

    def _patience_ns(self, bits: int, seen_ns: int) -> int:
        """Return for how long a channel may be quiet and still be trusted."""
        usual_ns = 3 * self._silence_ns
        if not self._paced or bits != _TRADE:
            return usual_ns
        if self._trades < PACE_LEAST:
            return NEVER_NS
        return max(usual_ns, PACE * (seen_ns - self._first_ns[bits]) // (self._trades - 1))


def retry_delay_s(failures: int, rng: random.Random) -> float:
    """Return how long to wait before the next attempt, after `failures` attempts without data.

    The first retry is immediate but for jitter that keeps many clients from coming back in step. After it
    the wait is drawn from the whole of an exponentially growing span, never below a second.

    >>> rng = random.Random(1)
    >>> retry_delay_s(0, rng) < 0.5, 1.0 <= retry_delay_s(9, rng) <= 120.0
    (True, True)
    """
    if failures == 0:
        return rng.uniform(0.0, FIRST_RETRY_S)
    span_s = min(RETRY_CAP_S, 3.0 ** min(failures, 8))
    return max(RETRY_FLOOR_S, rng.uniform(0.0, span_s))


class Backoff:
    """When one plan may try again. Only data resets it: not a connect, not an ack."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._failures = 0
        self._tries: deque[int] = deque(maxlen=ATTEMPTS_MAX - 1)

    def tried(self, now_ns: int) -> None:
        """Take note of an attempt."""
        self._tries.append(now_ns)

    def delay_ns(self, now_ns: int, at_least_s: float = 0.0) -> int:
        """Return the wait before the next attempt after a loss. `at_least_s` is the venue's wish."""
        delay_s = max(at_least_s, retry_delay_s(self._failures, self._rng))
        self._failures += 1
        delay_ns = int(delay_s * NS)
        if len(self._tries) == self._tries.maxlen:
            delay_ns = max(delay_ns, self._tries[0] + int(ATTEMPTS_SPAN_S * NS) - now_ns)
        return delay_ns

    def reset(self) -> None:
        """Forget all failures: data has come."""
        self._failures = 0
        self._tries.clear()


class ConnectPacer:
    """Spaces the connection attempts of one venue, whichever plan makes them."""

    def __init__(self, every_s: float = 1.0) -> None:
        self._every_ns = int(every_s * NS)
        self._next_ns = 0

    def reserve(self, now_ns: int) -> int:
        """Take the next slot and return how many nanoseconds away it is."""
        slot_ns = max(now_ns, self._next_ns)
        self._next_ns = slot_ns + self._every_ns
        return slot_ns - now_ns
