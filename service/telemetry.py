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
    "rows": "rows_folded_total", "late": "late_events_total", "ticks": None, "backfill_rows": None,
}  # fmt: skip
#: Connection events that are no end.
_BEGINNINGS: Final = frozenset({"connect", "live"})


class _Family(Generic[M]):
    """One metric and its children by label values, as many as its limit allows."""

    __slots__ = ("_children", "_limit", "_metric", "_overflow", "_refused", "_samples")

    def __init__(
        self, metric: M, overflow: M, limit: int, refused: Callable[[], None], samples: int = 1
    ) -> None:
        self._metric: M = metric
        self._overflow: M = overflow
        self._limit = limit
        self._refused = refused
        self._children: dict[tuple[str, ...], M] = {}
        self._samples = samples

    def of(self, *labels: str) -> M:
        """Return the child to move; a family at its limit returns one that is not exported."""
        child = self._children.get(labels)
        if child is None:
            if len(self._children) >= self._limit:
                self._refused()
                return self._overflow
            child = self._metric.labels(*labels) if labels else self._metric
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
            limit = 2 * max_symbols if "symbol" in spec.labels else FAMILY_LIMIT
            self._declare(spec, limit, partial(self.refused, spec.name))
        self.gauges["metrics_series"].of().set_function(self.series)

    def _declare(self, spec: Metric, limit: int, refused: Callable[[], None]) -> None:
        name, text, registry = PREFIX + spec.name, spec.help, self.registry
        if spec.type == "counter":
            counter = Counter(name, text, spec.labels, registry=registry)
            hidden = Counter(name, text, registry=None)
            self.counters[spec.name] = _Family(counter, hidden, limit, refused)
        elif spec.type == "gauge":
            gauge = Gauge(name, text, spec.labels, registry=registry)
            hidden_gauge = Gauge(name, text, registry=None)
            self.gauges[spec.name] = _Family(gauge, hidden_gauge, limit, refused)
            if not spec.labels:
                gauge.set(math.nan)  # exported from the start, and unknown until it is set
        else:
            histogram = Histogram(name, text, spec.labels, registry=registry, buckets=BUCKETS)
            unseen = Histogram(name, text, registry=None, buckets=BUCKETS)
            samples = len(BUCKETS) + 3  # the bucket without bound, sum and count
            self.histograms[spec.name] = _Family(histogram, unseen, limit, refused, samples)

    def refused(self, metric: str) -> None:
        """Count an update that a cap on label values refused."""
        self.counters["metrics_dropped_total"].of(metric).inc()

    def series(self) -> int:
        """Return how many series have been moved, those of the process itself aside."""
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
        self._engines: dict[int, dict[str, int]] = {}
        self._meters = Meters(max_symbols)
        self._counters = self._meters.counters
        self._gauges = self._meters.gauges
        self._histograms = self._meters.histograms

    def expose(self) -> tuple[bytes, str]:
        """Return the text a scrape gets, and its content type."""
        return generate_latest(self._meters.registry), CONTENT_TYPE_LATEST

    def value(self, name: str, **labels: str) -> float | None:
        """Return one sample by its full name, None if there is none: for tests and the demo's view."""
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
        self._counters["frames_total"].of(venue, name).inc()
        if rows:
            self._counters["events_total"].of(venue, name).inc(rows)
            last = self._gauges["feed_last_event_timestamp_seconds"].of(venue, name)
            last.set(self._now_ns() / 1e9)

    def reject(self, venue: str, reason: str) -> None:
        """Count a frame or row that was refused."""
        self._counters["malformed_frames_total"].of(venue, reason).inc()

    def duplicate(self, venue: str) -> None:
        """Count a row that had come already."""
        self._counters["duplicates_total"].of(venue).inc()

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

    def block(self, rows: int, stretch: float = 1.0) -> None:
        """Count a block that left, and note the linger's stretch."""
        self._counters["blocks_total"].of().inc()
        self._counters["rows_published_total"].of().inc(rows)
        self._gauges["linger_stretch_ratio"].of().set(stretch)

    # process

    def engine_started(self, partition: int, counts: Mapping[str, int]) -> None:
        """Note the counters that an engine was restored with: history that is not counted again."""
        self._engines[partition] = dict(counts)

    def engine(self, partition: int, counts: Mapping[str, int]) -> None:
        """Count what an engine's own counters have gained since the last call."""
        before = self._engines.get(partition, {})
        for name, count in counts.items():
            gained = max(0, count - before.get(name, 0))
            target = _ENGINE_COUNTS.get(name, "rows_rejected_total")
            if target and gained:
                labels = (name,) if target == "rows_rejected_total" else ()
                self._counters[target].of(*labels).inc(gained)
        self._engines[partition] = dict(counts)

    def signal(self, kind: str, latency_s: float = math.nan) -> None:
        """Count a signal; `latency_s` is received to emitted, NaN where it means nothing (replay)."""
        self._counters["signals_total"].of(kind).inc()
        if math.isfinite(latency_s):
            self._histograms["pipeline_latency_seconds"].of().observe(latency_s)

    def snapshot(self, partition: int, size_bytes: int) -> None:
        """Note that a snapshot was kept."""
        self._gauges["snapshot_timestamp_seconds"].of(str(partition)).set(self._now_ns() / 1e9)
        self._gauges["snapshot_bytes"].of(str(partition)).set(size_bytes)

    def consumer_lag(self, partition: int, records: int) -> None:
        """Set how many records of a partition wait."""
        self._gauges["consumer_lag_records"].of(str(partition)).set(records)

    def machine(self, symbol: str, side: str, code: int) -> None:
        """Set a machine's state by its documented code."""
        if self._admitted(symbol, "machine_state"):
            self._gauges["machine_state"].of(symbol, side).set(code)

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
