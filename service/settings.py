"""Every option once: its meaning, unit, range and default.

`service.configuration` reads and prints them. `SettingsError` is the operator's fault: one line
that names the variable or key, its value and what to change. The command line turns it into exit
code 2.
"""

from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

from msgspec import Meta, Struct, field

from streams.config import DAY_S, MethodConfig


class SettingsError(Exception):
    """The operator's fault. One line: what is wrong, its value, what to change."""


class Secret:
    """A value that never prints itself; `reveal` is the one way to it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value, for the library that needs it and nothing else."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__


def _is(sentence: str, unit: str = "", form: str = "", **limits: Any) -> Meta:
    """Return an option's annotation. `form` says in words what a pattern says in signs."""
    return Meta(description=sentence, extra={"unit": unit, "form": form}, **limits)


# Plain text is for simulators: on this machine, or under a container network's one-word host name.
_ANYWHERE = r"://([A-Za-z0-9-]+\.)+[A-Za-z0-9-]+(:\d+)?(/\S*)?\Z"
_NEAR = r"://(127\.0\.0\.1|\[::1\]|[A-Za-z0-9-]+)(:\d+)?(/\S*)?\Z"
_NEAR_WORDS = " to this machine or a one-word host"

#: All there are but `coinbase_adv`, which tells the same trades as `coinbase`.
DEFAULT_VENUES: Final = (
    "aster", "binance_coin", "binance_spot", "binance_usdm", "bitfinex", "bitget", "bitmex", "bybit",
    "bybit_coin", "bybit_spot", "coinbase", "coinbase_cde", "deribit", "dydx", "gate", "hyperliquid",
    "kraken_perp", "kraken_spot", "lighter", "okx", "okx_spot",
)  # fmt: skip
VenueName = Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,12}\Z")]
Glob = Annotated[str, Meta(pattern=r"^[^\sa-z,]{1,12}\Z")]
_GLOBS = "upper-case names, * and ? stand for any"


class Kafka(Struct, frozen=True, kw_only=True):
    """The broker of a distributed run. An embedded run reads none of these."""

    bootstrap_servers: Annotated[
        str,
        _is(
            "Brokers asked first.",
            form="host:port, several with commas",
            pattern=r"^[A-Za-z0-9._-]+:\d{1,5}(,[A-Za-z0-9._-]+:\d{1,5})*\Z",
        ),
    ] = "127.0.0.1:9092"
    group_id: Annotated[
        str,
        _is(
            "Consumer group shared by all processors of one deployment.",
            form="letters, digits, . _ -",
            pattern=r"^[A-Za-z0-9._-]{1,200}\Z",
        ),
    ] = "treadmill-process"
    partitions: Annotated[
        int,
        _is("Partitions of topics keyed by underlying; never changed in place.", ge=1, le=256),
    ] = 4
    replication_factor: Annotated[
        int, _is("Copies of each partition; 3 in production.", ge=1, le=9)
    ] = 1
    min_insync_replicas: Annotated[
        int, _is("Copies that must have a record before it counts; 2 of 3.", ge=1, le=9)
    ] = 1


class VenueUrls(Struct, frozen=True, kw_only=True):
    """Where one venue is reached instead of where its module says."""

    websocket_url: (
        Annotated[
            str,
            _is(
                "Websocket address instead of the venue's own.",
                form="wss://…, or ws://…" + _NEAR_WORDS,
                pattern=f"^(wss{_ANYWHERE}|wss?{_NEAR})",
            ),
        ]
        | None
    ) = None
    rest_url: (
        Annotated[
            str,
            _is(
                "REST address instead of the venue's own.",
                form="https://…, or http://…" + _NEAR_WORDS,
                pattern=f"^(https{_ANYWHERE}|https?{_NEAR})",
            ),
        ]
        | None
    ) = None


class Settings(Struct, frozen=True, kw_only=True):
    """All options of all commands."""

    venues: Annotated[
        tuple[VenueName, ...],
        _is("Exchanges to listen to.", form="names of the modules in service/venues", min_length=1),
    ] = DEFAULT_VENUES
    underlyings: Annotated[tuple[Glob, ...], _is("Coins to watch.", form=_GLOBS, min_length=1)] = (
        "BTC",
        "ETH",
        "SOL",
    )
    data_dir: Annotated[
        Path, _is("Folder for the local log, snapshots and ban times; made if absent.")
    ] = Path("data")
    daily_files_dir: (
        Annotated[
            Path,
            _is("Folder of CSV files of CME's daily settlements; unset reads none.", form="path"),
        ]
        | None
    ) = None

    http_host: Annotated[
        str,
        _is(
            "Address that /metrics, /livez and /readyz listen on; 0.0.0.0 only in a container.",
            form="address or host name",
            pattern=r"^[A-Za-z0-9.:_-]{1,253}\Z",
        ),
    ] = "127.0.0.1"
    http_port: Annotated[
        int, _is("Port of the same; 0 lets the system choose.", ge=0, le=65535)
    ] = 9464
    metrics_symbols: Annotated[
        tuple[Glob, ...], _is("Coins whose readings become gauges.", form=_GLOBS)
    ] = ("*",)
    metrics_max_symbols: Annotated[
        int, _is("Coins that may have gauges at once; further ones are counted.", ge=0, le=200)
    ] = 100
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], _is("Least severe line that is written.")
    ] = "info"
    log_format: Annotated[
        Literal["json", "console"], _is("JSON lines for machines, console for people.")
    ] = "json"

    heartbeat_s: Annotated[
        float, _is("Time between heartbeat rows of a feed.", "s", ge=0.05, le=5)
    ] = 0.25
    linger_s: Annotated[
        float, _is("Longest a row waits for others of its block.", "s", ge=0, le=1)
    ] = 0.005
    block_rows: Annotated[int, _is("Rows that close a block at once.", "rows", ge=1, le=8192)] = 256
    silence_s: (
        Annotated[
            float,
            _is("Quiet after which a feed is dead; unset is the venue's own.", "s", ge=1, le=600),
        ]
        | None
    ) = None
    future_tolerance_s: Annotated[
        float, _is("How far a venue's time may be ahead of ours.", "s", ge=0.1, le=3600)
    ] = 5.0
    websocket_max_frame_bytes: Annotated[
        int,
        _is(
            "Largest frame, unpacked; a larger one ends the connection.",
            "bytes",
            ge=65536,
            le=2**26,
        ),
    ] = 2**20
    warmup_days: Annotated[
        int,
        _is(
            "History asked for at start; venues keep less of open interest. 0 asks for none.",
            "days",
            ge=0,
            le=365,
        ),
    ] = 92  # two half-lives of the funding ranks, and a month to spare

    kafka: Kafka = Kafka()
    snapshot_store: Annotated[
        Literal["file", "topic"], _is("Where a distributed processor keeps its snapshots.")
    ] = "topic"
    snapshot_interval_s: Annotated[
        float, _is("Time between snapshots: what a restart folds again.", "s", ge=0.5, le=3600)
    ] = 5.0
    local_log_max_bytes: Annotated[
        int,
        _is("Size of an embedded run's log; the oldest part goes.", "bytes", ge=2**24, le=2**44),
    ] = 2**31

    venue_urls: dict[str, VenueUrls] = field(default_factory=dict)
    method: MethodConfig = MethodConfig()


class MethodRange(NamedTuple):
    """The range of the `MethodConfig` fields whose names match `pattern`."""

    pattern: str
    low: float
    high: float
    unit: str
    sentence: str


#: First match decides. What each number does is said where it is declared, in `streams.config`.
METHOD_RANGES: Final = (
    MethodRange("tick_s", 0.1, 60, "s", "Step of log time on which states are judged."),
    MethodRange(
        "hawkes_half_lives_s", 0.01, DAY_S, "s", "Half-lives of excitation, short to long."
    ),
    MethodRange("hawkes_price_gain", 0, 1, "events/bp", "Excitation by price, per half-life."),
    MethodRange("hawkes_mu_floor", 1e-9, 10, "events/s", "Smallest background rate."),
    MethodRange(
        "hawkes_self", 0, 0.99, "events/event", "Excitation by the same side, per half-life."
    ),
    MethodRange("hawkes_cross", 0, 0.99, "events/event", "Excitation by the other side."),
    MethodRange("vol_half_lives_s", 1, 3650 * DAY_S, "s", "Memories of realised variance."),
    MethodRange("heat_brackets", 20_200_101, 20_991_231, "date", "Table of maintenance margins."),
    MethodRange("leverage_supply", 20_200_101, 20_991_231, "date", "Table of circulating coins."),
    MethodRange("heat_phi_episodes", 1, 1e6, "episodes", "Episodes that calibrate the level."),
    MethodRange("heat_prior", 0, 1, "share", "Leverage that positions are opened with."),
    MethodRange("vol_clip", 1, 100, "deviations", "Largest step the usual spread takes in."),
    MethodRange("vol_cusum_drift", 0, 100, "deviations", "Change that a switch of regime ignores."),
    MethodRange("vol_cusum_limit", 1, 1e4, "deviations", "Sum that is a switch of regime."),
    MethodRange("vol_prior_blocks", 1e-6, 1e6, "blocks", "Weight of the prior mean of a regime."),
    MethodRange("vol_prior_alpha", 0.5, 1e6, "values", "Weight of the prior spread of a regime."),
    MethodRange("vol_prior_sd", 1e-3, 10, "ln", "Usual spread of ln(variance) within a regime."),
    MethodRange("breaker_step_s", 1, 3600, "s", "Time between looks at the breakers."),
    MethodRange("*_half_life_s", 0.01, 3650 * DAY_S, "s", "Half-life of a forgetting average."),
    MethodRange("*_s", 0, 3650 * DAY_S, "s", "Length of time."),
    MethodRange("neutral_rate_8h", -0.01, 0.01, "per 8 h", "Funding that says nothing."),
    MethodRange("*_apr", -10, 10, "per year", "Funding a year, decimal."),
    MethodRange("*_rate", 0, 1e6, "events/s", "Rate of forced orders."),
    MethodRange("*_events", 1, 1e6, "events", "Number of forced orders."),
    MethodRange("mark_cap", 1, 1e6, "ratio", "Largest size an event counts as, in typical sizes."),
    MethodRange("quadrant_deadband", 0, 10, "deviations", "Change that counts as none."),
    MethodRange("*_sigmas", 0, 100, "deviations", "Size of a move, in its usual sizes."),
    MethodRange("margin_sd_bp", 1e-6, 1e4, "bp", "Least spread of a premium."),
    MethodRange("margin_sd_*", 1e-9, 100, "its own", "Least spread of a breaker's value."),
    MethodRange("reset_drawdown", -1, 0, "share", "Fall of open interest from its highest."),
    MethodRange("reset_oi_z", -8, 8, "deviations", "How unusually low open interest is."),
    MethodRange("absorption_spot_exit", 0, 100, "deviations", "Spot flow that ends an absorption."),
    MethodRange("regime_*", 0, 100, "ratio", "Variance of a day over that of a month."),
    MethodRange("cascade_oi_*", -1, 0, "share", "Change of open interest over five minutes."),
    MethodRange("*", 0, 1, "share", "Threshold or share."),
)
