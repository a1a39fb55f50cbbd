"""The table of Prometheus metrics: name, type, unit, labels, meaning.

Names are API: dashboards and alerts of others build on them. `service.telemetry` moves them.
"""

from typing import Final, Literal, NamedTuple

PREFIX: Final = "treadmill_"
#: Bounds of all latency histograms, chosen around a signal within 250 ms.
BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
#: Series one process stays below with the default settings.
SERIES_BUDGET: Final = 2800
#: Label combinations of one family without symbols.
FAMILY_LIMIT: Final = 400
SIDES: Final = ("long", "short")
#: Breakers of one symbol: two of each side, one of both.
BREAKERS: Final = 5


class Metric(NamedTuple):
    """One line of the table. `unit` is for people; the name carries it where Prometheus wants it."""

    name: str
    type: Literal["counter", "gauge", "histogram"]
    unit: str
    labels: tuple[str, ...]
    help: str


_VENUE, _CHANNEL, _REASON = ("venue",), ("venue", "channel"), ("venue", "reason")
_SYMBOL, _SIDE = ("symbol",), ("symbol", "side")
_BREAKER = ("symbol", "side", "breaker")

#: The table. Names are API: dashboards and alerts of others build on them.
METRICS: Final = (
    Metric("build_info", "gauge", "", ("version", "config_hash"), "Always 1; what is running."),
    Metric("event_loop_lag_seconds", "gauge", "s", (), "How late the event loop ran a timer, latest."),
    Metric("metrics_series", "gauge", "series", (), "Series of this process, process_* aside."),
    Metric("metrics_dropped_total", "counter", "updates", ("metric",),
           "Updates of series that the cap on label values refused."),
    # ingest
    Metric("frames_total", "counter", "frames", _CHANNEL,
           "Websocket frames and REST bodies understood."),
    Metric("events_total", "counter", "rows", ("venue", "kind"),
           "Rows read, by the kind of frame they came in."),
    Metric("malformed_frames_total", "counter", "frames or rows", _REASON,
           "Frames and rows refused: malformed, oversized, from the future, unexpected."),
    Metric("duplicates_total", "counter", "rows", _VENUE,
           "Rows that another connection had brought already."),
    Metric("trades_missing_total", "counter", "trades", ("venue", "outcome"),
           "Trade ids that were skipped: found, then filled by REST, lost, or foreign (block trades)."),
    Metric("contracts_changed_total", "counter", "contracts", ("venue", "event"),
           "Contracts listed, delisted or respecified while running; unmapped ones of each look."),
    Metric("feed_up", "gauge", "0/1", _CHANNEL, "1 while the venue's channel is live."),
    Metric("feed_last_event_timestamp_seconds", "gauge", "Unix s", _CHANNEL,
           "When the channel last brought a row; its silence is time() minus this."),
    Metric("websocket_connected", "gauge", "connections", _VENUE, "Websockets that are open and live."),
    Metric("connection_events_total", "counter", "events", ("venue", "event"),
           "Steps in the life of connections: connect, live, rotate, and why they ended."),
    Metric("reconnects_total", "counter", "connections", _REASON,
           "Connections that ended or were replaced, by why."),
    Metric("polls_total", "counter", "requests", ("venue", "outcome"), "REST requests by how they ended."),
    Metric("rest_weight_used_ratio", "gauge", "ratio", _VENUE, "Used share of the venue's REST budget."),
    Metric("banned_until_timestamp_seconds", "gauge", "Unix s", _VENUE,
           "When the venue's ban of our REST requests ends; 0 for none."),
    Metric("event_delay_seconds", "histogram", "s", _VENUE,
           "Usual received minus exchange time, one observation an estimate."),
    Metric("clock_offset_seconds", "gauge", "s", _VENUE,
           "The latest such estimate, with its sign: network delay plus difference of clocks."),
    # publish
    Metric("blocks_total", "counter", "blocks", (), "Blocks handed to the market log."),
    Metric("rows_published_total", "counter", "rows", (), "Rows in them."),
    Metric("linger_stretch_ratio", "gauge", "ratio", (),
           "How far the linger is stretched; 1 is not at all."),
    # process
    Metric("rows_folded_total", "counter", "rows", (), "Rows the engine has folded."),
    Metric("blocks_folded_total", "counter", "blocks", (), "Blocks the engine has folded."),
    Metric("fold_seconds_total", "counter", "s", (), "Time spent in folding them."),
    Metric("rows_rejected_total", "counter", "rows", ("reason",), "Rows the engine could not use, by why."),
    Metric("oi_usd_mismatch_total", "counter", "levels", (),
           "Open interest whose own USD is not quantity times mark within 2 %: a wrong unit."),
    Metric("oi_volume_violation_total", "counter", "levels", (),
           "Open interest that moved more than was traded: a wrong contract size, or both sides counted."),
    Metric("late_events_total", "counter", "rows", (), "Rows older than their underlying's time."),
    Metric("signals_total", "counter", "signals", ("kind",), "Signals emitted."),
    Metric("repeated_signals_total", "counter", "signals", (),
           "Signals made again after a restart and dropped, being on the topic already."),
    Metric("conflicting_signals_total", "counter", "signals", (),
           "Signals with the id of another of other content: a fault of ours."),
    Metric("pipeline_latency_seconds", "histogram", "s", (),
           "From receiving the row that caused a signal to emitting it."),
    Metric("snapshots_total", "counter", "snapshots", (), "Snapshots kept."),
    Metric("restores_total", "counter", "partitions", (),
           "Partitions taken over, from a snapshot or the log."),
    Metric("snapshot_timestamp_seconds", "gauge", "Unix s", ("partition",),
           "When the last snapshot was kept; its age is time() minus this."),
    Metric("snapshot_bytes", "gauge", "bytes", ("partition",), "Size of the last snapshot."),
    Metric("consumer_lag_records", "gauge", "records", ("partition",),
           "Records of the market log not yet folded."),
    # readings, for symbols on the allow-list; NaN while unknown
    Metric("machine_state", "gauge", "code", _SIDE,
           "0 UNKNOWN, 1 CALM, 2 CROWDED, 3 FRAGILE, 4 CASCADE, 5 FLUSHED, 6 RESET."),
    Metric("breaker_status", "gauge", "code", _BREAKER,
           "0 INACTIVE, 1 CANDIDATE, 2 ACTIVE; the side of a breaker of both is both."),
    Metric("laps_30d", "gauge", "laps", _SIDE,
           "Cascades of 30 days that came out of a flush with a third built up again."),
    Metric("open_interest_usd", "gauge", "USD", _SYMBOL, "Open interest of all venues, one side."),
    Metric("open_interest_change_5m", "gauge", "ratio", _SYMBOL,
           "Change of coin open interest over 5 minutes."),
    Metric("funding_apr", "gauge", "per year", _SYMBOL, "Mean funding rate by open interest, decimal."),
    Metric("premium_bp", "gauge", "bp", _SYMBOL, "Perpetual over index, 5-minute mean."),
    Metric("funding_stress", "gauge", "0..1", _SIDE, "Crowding of a side by what it pays."),
    Metric("crowding", "gauge", "0..1", _SIDE,
           "Crowding of a side: funding stress and open interest."),
    Metric("liquidation_usd_per_second", "gauge", "USD/s", _SIDE,
           "Liquidated positions, 60-second mean, corrected for throttled feeds."),
    Metric("cascade_intensity", "gauge", "ln ratio", _SIDE,
           "ln of the liquidation rate over its background; 0 is calm."),
)  # fmt: skip

#: Which reading of the engine a gauge shows. Those by side have ``_long`` and ``_short``.
READING_GAUGES: Final = {
    "open_interest_usd": "oi_usd",
    "open_interest_change_5m": "oi_change_5m",
    "funding_apr": "funding_apr",
    "premium_bp": "premium_bp",
    "funding_stress": "funding_stress",
    "crowding": "crowding",
    "laps_30d": "laps_30d",
    "liquidation_usd_per_second": "liquidated_usd_per_s_60s",
    "cascade_intensity": "cascade_intensity",
}
