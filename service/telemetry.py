"""The calls that move the metrics of `service.metrics`, and what a scrape gets.

Each `Telemetry` has its own registry. Labels are closed sets: venues, channels and reasons from the code,
symbols from an allow-list with a cap. A family that reaches its limit takes no further label values; what
it refuses is counted in ``treadmill_metrics_dropped_total``. This is the only door to prometheus_client.
"""

import math
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Final, Generic, TypeVar

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from service.configuration import chosen
from service.metrics import (
    BREAKERS,
    BUCKETS,
    FAMILY_LIMIT,
    METRICS,
    PREFIX,
    READING_GAUGES,
    SIDES,
    Metric,
)

M = TypeVar("M", Counter, Gauge, Histogram)

#: Counters of the engine that are not rejections, and where they go (None: nowhere).
_ENGINE_COUNTS: Final = {
    "oi_usd_mismatch": "oi_usd_mismatch_total", "oi_volume_violation": "oi_volume_violation_total",
    "rows": "rows_folded_total", "late": "late_events_total", "ticks": None, "backfill_rows": None,
}  # fmt: skip
_PROCESSOR_COUNTS: Final = {
    "blocks": "blocks_folded_total",
    "fold_seconds": "fold_seconds_total",
    "repeated_signals": "repeated_signals_total",
    "conflicting_signals": "conflicting_signals_total",
    "snapshots": "snapshots_total",
    "restores": "restores_total",
}
#: Connection events that are no end.
_BEGINNINGS: Final = frozenset({"connect", "live"})


class _Family(Generic[M]):
    """One metric and its children by label values, as many as its limit allows."""

    __slots__ = ("_children", "_limit", "_metric", "_overflow", "_refused", "_samples")

    def __init__(
        self, spec: Metric, metric: M, overflow: M, limit: int, refused: Callable[[], None]
    ) -> None:
        self._metric: M = metric
        self._overflow: M = overflow
        self._limit = limit
        self._refused = refused
        # a family without labels is exported from the start
        self._children: dict[tuple[str, ...], M] = {} if spec.labels else {(): metric}
        self._samples = len(BUCKETS) + 3 if spec.type == "histogram" else 1  # +Inf, sum, count

    def of(self, *labels: str) -> M:
        """Return the child to move; a family at its limit returns one that is not exported."""
        child = self._children.get(labels)
        if child is None:
            if len(self._children) >= self._limit:
                self._refused()
                return self._overflow
            child = self._metric.labels(*labels)
            self._children[labels] = child
        return child

    def series(self) -> int:
        """Return how many series its children are."""
        return len(self._children) * self._samples


class Meters:
    """The families of the table in a registry of their own. A name outside the table is a KeyError."""

    def __init__(self, max_symbols: int) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series nobody reads
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.counters: dict[str, _Family[Counter]] = {}
        self.gauges: dict[str, _Family[Gauge]] = {}
        self.histograms: dict[str, _Family[Histogram]] = {}
        for spec in METRICS:
            per_symbol = BREAKERS if "breaker" in spec.labels else len(SIDES)
            limit = per_symbol * max_symbols if "symbol" in spec.labels else FAMILY_LIMIT
            self._declare(spec, limit, partial(self.refused, spec.name))
        self.gauges["metrics_series"].of().set_function(self.series)

    def _declare(self, spec: Metric, limit: int, refused: Callable[[], None]) -> None:
        name, text, registry = PREFIX + spec.name, spec.help, self.registry
        if spec.type == "counter":
            counter = Counter(name, text, spec.labels, registry=registry)
            hidden = Counter(name, text, registry=None)
            self.counters[spec.name] = _Family(spec, counter, hidden, limit, refused)
        elif spec.type == "gauge":
            gauge = Gauge(name, text, spec.labels, registry=registry)
            hidden_gauge = Gauge(name, text, registry=None)
            self.gauges[spec.name] = _Family(spec, gauge, hidden_gauge, limit, refused)
            if not spec.labels:
                gauge.set(math.nan)  # exported from the start, and unknown until it is set
        else:
            histogram = Histogram(name, text, spec.labels, registry=registry, buckets=BUCKETS)
            unseen = Histogram(name, text, registry=None, buckets=BUCKETS)
            self.histograms[spec.name] = _Family(spec, histogram, unseen, limit, refused)

    def refused(self, metric: str) -> None:
        """Count an update that a cap on label values refused."""
        self.counters["metrics_dropped_total"].of(metric).inc()

    def series(self) -> int:
        """Return how many series are exported, those of the process itself aside."""
        return (
            sum(family.series() for family in self.counters.values())
            + sum(family.series() for family in self.gauges.values())
            + sum(family.series() for family in self.histograms.values())
        )


class Telemetry:
    """The metrics of one process.

    It is an `IngestStats`; the process side calls the rest. `now_ns` dates what is dated. `symbols` are
    the globs of the allow-list, `max_symbols` how many symbols may have series at once.
    """

    def __init__(
        self,
        now_ns: Callable[[], int],
        *,
        symbols: Collection[str] = ("*",),
        max_symbols: int = 100,
    ) -> None:
        self._now_ns = now_ns
        self._allowed, self._max_symbols = symbols, max_symbols
        self._symbols: set[str] = set()
        self._before: dict[str, Mapping[str, float]] = {}
        # by venue and name: frames, rows, when the last rows came; not yet in the counters
        self._frames: dict[tuple[str, str], list[int]] = {}
        self._meters = Meters(max_symbols)
        self._counters = self._meters.counters
        self._gauges = self._meters.gauges
        self._histograms = self._meters.histograms

    def expose(self) -> tuple[bytes, str]:
        """Return the text a scrape gets, and its content type."""
        self._settle()
        return generate_latest(self._meters.registry), CONTENT_TYPE_LATEST

    def value(self, name: str, **labels: str) -> float | None:
        """Return one sample by its full name, None if there is none: for tests and the demo's view."""
        self._settle()
        return self._meters.registry.get_sample_value(name, labels)

    # the process as a whole

    def build(self, version: str, config_hash: str) -> None:
        """Say what is running."""
        self._gauges["build_info"].of(version, config_hash).set(1)

    def loop_lag(self, seconds: float) -> None:
        """A timer of the event loop ran `seconds` late."""
        self._gauges["event_loop_lag_seconds"].of().set(seconds)

    # ingest: `service.stats.IngestStats`

    def frame(self, venue: str, name: str, rows: int) -> None:
        """Count a frame that was understood, and the rows it left."""
        count = self._frames.get((venue, name))
        if count is None:
            count = self._frames[venue, name] = [0, 0, 0]
        count[0] += 1
        if rows:
            count[1] += rows
            count[2] = self._now_ns()

    def _settle(self) -> None:
        """Move the frames' counts: three locked updates a frame would cost more than reading it."""
        for labels, (frames, rows, last_ns) in self._frames.items():
            self._counters["frames_total"].of(*labels).inc(frames)
            if rows:
                self._counters["events_total"].of(*labels).inc(rows)
                last = self._gauges["feed_last_event_timestamp_seconds"].of(*labels)
                last.set(last_ns / 1e9)
        self._frames.clear()

    def reject(self, venue: str, reason: str) -> None:
        """Count a frame or row that was refused."""
        self._counters["malformed_frames_total"].of(venue, reason).inc()

    def duplicate(self, venue: str) -> None:
        """Count a row that had come already."""
        self._counters["duplicates_total"].of(venue).inc()

    def missing(self, venue: str, outcome: str, trades: int) -> None:
        """Count trades that did not come, by what became of them."""
        self._counters["trades_missing_total"].of(venue, outcome).inc(trades)

    def listing(self, venue: str, event: str, contracts: int) -> None:
        """Count contracts that appeared, went, changed, or cannot be mapped."""
        self._counters["contracts_changed_total"].of(venue, event).inc(contracts)

    def connection(self, venue: str, event: str) -> None:
        """Count a step in a connection's life."""
        self._counters["connection_events_total"].of(venue, event).inc()
        if event not in _BEGINNINGS:
            self._counters["reconnects_total"].of(venue, event).inc()

    def request(self, venue: str, outcome: str) -> None:
        """Count a REST request."""
        self._counters["polls_total"].of(venue, outcome).inc()

    def lag(self, venue: str, seconds: float) -> None:
        """Note an estimate of the venue's usual delay."""
        self._histograms["event_delay_seconds"].of(venue).observe(seconds)
        self._gauges["clock_offset_seconds"].of(venue).set(seconds)

    # ingest: what its owner reports each second

    def connected(self, venue: str, connections: int) -> None:
        """Set how many of the venue's websockets are live."""
        self._gauges["websocket_connected"].of(venue).set(connections)

    def feed(self, venue: str, channel: str, *, up: bool) -> None:
        """Set whether a venue's channel is live."""
        self._gauges["feed_up"].of(venue, channel).set(up)

    def rest_budget(self, venue: str, used_ratio: float, banned_until_ns: int) -> None:
        """Set the used share of the venue's REST budget and the end of a ban, 0 for none."""
        self._gauges["rest_weight_used_ratio"].of(venue).set(used_ratio)
        self._gauges["banned_until_timestamp_seconds"].of(venue).set(banned_until_ns / 1e9)

    def published(self, *, rows: int, blocks: int, stretch: float) -> None:
        """Count what a publisher's own counters have gained, and note its linger's stretch."""
        counts = {"blocks_total": blocks, "rows_published_total": rows}
        for name, gained in self._gained("publisher", counts):
            self._counters[name].of().inc(gained)
        self._gauges["linger_stretch_ratio"].of().set(stretch)

    # process

    def engine_started(self, partition: int, counts: Mapping[str, int]) -> None:
        """Note the counters that an engine was restored with: history that is not counted again."""
        self._before[f"engine {partition}"] = dict(counts)

    def engine(self, partition: int, counts: Mapping[str, int]) -> None:
        """Count what an engine's own counters have gained since the last call."""
        for name, gained in self._gained(f"engine {partition}", counts):
            target = _ENGINE_COUNTS.get(name, "rows_rejected_total")
            if target is not None:
                labels = (name,) if target == "rows_rejected_total" else ()
                self._counters[target].of(*labels).inc(gained)

    def processor(self, counts: Mapping[str, float]) -> None:
        """Count what the fields of `ProcessorStats` have gained since the last call."""
        for name, gained in self._gained("processor", counts):
            if name in _PROCESSOR_COUNTS:
                self._counters[_PROCESSOR_COUNTS[name]].of().inc(gained)

    def _gained(self, source: str, counts: Mapping[str, float]) -> list[tuple[str, float]]:
        """Return what has grown since the last call, and remember where it stands."""
        before = self._before.get(source, {})
        self._before[source] = dict(counts)
        return [
            (name, count - before.get(name, 0))
            for name, count in counts.items()
            if count > before.get(name, 0)
        ]

    def signal(self, kind: str, latency_s: float = math.nan) -> None:
        """Count a signal; `latency_s` is received to emitted, NaN where it means nothing (replay)."""
        self._counters["signals_total"].of(kind).inc()
        if math.isfinite(latency_s):
            self._histograms["pipeline_latency_seconds"].of().observe(latency_s)

    def partition(
        self, partition: int, *, lag: int | None, snapshot_age_s: float, snapshot_bytes: int
    ) -> None:
        """Set how far a partition is. `lag` None is unknown; 0 bytes is no snapshot yet."""
        label = str(partition)
        self._gauges["consumer_lag_records"].of(label).set(_number(lag))
        self._gauges["snapshot_bytes"].of(label).set(snapshot_bytes or math.nan)
        kept = self._now_ns() / 1e9 - snapshot_age_s if snapshot_bytes else math.nan
        self._gauges["snapshot_timestamp_seconds"].of(label).set(kept)

    def machine(self, symbol: str, side: str, code: int) -> None:
        """Set a machine's state by its documented code."""
        if self._admitted(symbol, "machine_state"):
            self._gauges["machine_state"].of(symbol, side).set(code)

    def breaker(self, symbol: str, side: str, name: str, code: int) -> None:
        """Set a breaker's status by its documented code."""
        if self._admitted(symbol, "breaker_status"):
            self._gauges["breaker_status"].of(symbol, side, name).set(code)

    def readings(self, symbol: str, values: Mapping[str, float | None]) -> None:
        """Set a symbol's gauges from the engine's readings by name. Unknown is NaN."""
        if not self._admitted(symbol, "readings"):
            return
        for spec in METRICS:
            source = READING_GAUGES.get(spec.name)
            if source and spec.labels == ("symbol",):
                self._gauges[spec.name].of(symbol).set(_number(values.get(source)))
            elif source:
                for side in SIDES:
                    value = _number(values.get(f"{source}_{side}"))
                    self._gauges[spec.name].of(symbol, side).set(value)

    def _admitted(self, symbol: str, metric: str) -> bool:
        """Say whether the symbol may be a label value; a refusal by the cap is counted."""
        if symbol in self._symbols:
            return True
        if not chosen(self._allowed, symbol):
            return False
        if len(self._symbols) >= self._max_symbols:
            self._meters.refused(metric)
            return False
        self._symbols.add(symbol)
        return True


def _number(value: float | None) -> float:
    return math.nan if value is None else value
