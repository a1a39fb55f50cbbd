"""Metrics: declared once, moved by the calls of both halves, bounded in number."""

import math
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.metrics import (
    FAMILY_LIMIT,
    METRICS,
    PREFIX,
    READING_GAUGES,
    SERIES_BUDGET,
    SIDES,
)
from service.stats import IngestStats
from service.telemetry import Telemetry
from streams.breakers.machine import State
from streams.state import READINGS

NOW_NS = 1_700_000_000_500_000_000
VENUES = ("binance", "bybit", "okx")
FRAMES = (
    "trade", "mark", "funding", "open_interest", "liquidation", "ticker",
    "ack", "pong", "notice", "ignored",
)  # fmt: skip


def telemetry(**kwargs: int | tuple[str, ...]) -> Telemetry:
    """Return one whose clock stands still."""
    return Telemetry(lambda: NOW_NS, **kwargs)  # type: ignore[arg-type]  # symbols or max_symbols


def exported(made: Telemetry) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return every sample that a scrape sees, read by the client's own parser."""
    families = text_string_to_metric_families(made.expose()[0].decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def test_the_table_follows_the_rules_of_naming() -> None:
    names = [metric.name for metric in METRICS]
    assert len(names) == len(set(names))
    for metric in METRICS:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", metric.name)
        assert (metric.type == "counter") == metric.name.endswith("_total"), metric.name
        assert metric.help.endswith("."), metric.name
        assert len(metric.labels) <= 3
        assert not (metric.type == "histogram" and "symbol" in metric.labels)
        if metric.unit == "s":
            assert metric.name.removesuffix("_total").endswith("_seconds"), metric.name
        if metric.unit == "Unix s":
            assert metric.name.endswith("_timestamp_seconds"), metric.name


def test_ingest_hooks() -> None:
    made = telemetry()
    stats: IngestStats = made
    stats.frame("okx", "trade", 3)
    stats.frame("okx", "pong", 0)
    stats.reject("okx", "future")
    stats.duplicate("okx")
    for event in ("connect", "live", "silent", "connect"):
        stats.connection("okx", event)
    stats.request("okx", "ok")
    stats.request("okx", "http_429")
    stats.lag("okx", 0.04)
    samples = {
        "frames_total": ({"channel": "trade"}, 1),
        "events_total": ({"kind": "trade"}, 3),
        "malformed_frames_total": ({"reason": "future"}, 1),
        "duplicates_total": ({}, 1),
        "connection_events_total": ({"event": "connect"}, 2),
        "reconnects_total": ({"reason": "silent"}, 1),
        "polls_total": ({"outcome": "http_429"}, 1),
        "feed_last_event_timestamp_seconds": ({"channel": "trade"}, 1_700_000_000.5),
        "event_delay_seconds_sum": ({}, 0.04),
        "clock_offset_seconds": ({}, 0.04),
    }
    for name, (labels, value) in samples.items():
        assert made.value(PREFIX + name, venue="okx", **labels) == value, name
    assert made.value("treadmill_reconnects_total", venue="okx", reason="connect") is None
    silent = {"venue": "okx", "channel": "pong"}
    assert made.value("treadmill_feed_last_event_timestamp_seconds", **silent) is None
    assert made.value("treadmill_events_total", venue="okx", kind="pong") is None


def test_the_state_of_feeds_and_budgets() -> None:
    made = telemetry()
    made.connected("okx", 2)
    made.feed("okx", "trade", up=True)
    made.feed("okx", "mark", up=False)
    made.rest_budget("okx", 0.25, NOW_NS)
    assert made.value("treadmill_websocket_connected", venue="okx") == 2
    assert made.value("treadmill_feed_up", venue="okx", channel="trade") == 1
    assert made.value("treadmill_feed_up", venue="okx", channel="mark") == 0
    assert made.value("treadmill_rest_weight_used_ratio", venue="okx") == 0.25
    assert made.value("treadmill_banned_until_timestamp_seconds", venue="okx") == 1_700_000_000.5


def test_counters_of_others_are_counted_by_what_they_gained() -> None:
    made = telemetry()
    made.published(rows=10, blocks=2, stretch=1.0)
    made.published(rows=15, blocks=2, stretch=3.0)
    assert made.value("treadmill_rows_published_total") == 15
    assert made.value("treadmill_blocks_total") == 2
    assert made.value("treadmill_linger_stretch_ratio") == 3

    made.engine_started(0, {"rows": 1000, "late": 5})
    made.engine(0, {"rows": 1010, "late": 6, "out_of_range": 2, "ticks": 99})
    made.engine(1, {"rows": 1})
    made.engine(0, {"rows": 1010, "late": 6, "out_of_range": 3, "ticks": 100})
    assert made.value("treadmill_rows_folded_total") == 11
    assert made.value("treadmill_late_events_total") == 1
    assert made.value("treadmill_rows_rejected_total", reason="out_of_range") == 3
    assert made.value("treadmill_rows_rejected_total", reason="ticks") is None

    made.engine(0, {"rows": 4})  # another engine took the partition, with less behind it
    made.engine(0, {"rows": 6})
    assert made.value("treadmill_rows_folded_total") == 13

    made.processor({"blocks": 3, "fold_seconds": 0.5, "signals": 7})
    made.processor({"blocks": 4, "fold_seconds": 0.75, "signals": 9})
    assert made.value("treadmill_blocks_folded_total") == 4
    assert made.value("treadmill_fold_seconds_total") == 0.75


def test_signals_and_their_latency() -> None:
    made = telemetry()
    made.signal("state", 0.004)
    made.signal("state", math.nan)
    assert made.value("treadmill_signals_total", kind="state") == 2
    assert made.value("treadmill_pipeline_latency_seconds_count") == 1
    assert made.value("treadmill_pipeline_latency_seconds_bucket", le="0.0025") == 0
    assert made.value("treadmill_pipeline_latency_seconds_bucket", le="0.005") == 1


def test_partitions() -> None:
    made = telemetry()
    made.partition(3, lag=7, snapshot_age_s=2.5, snapshot_bytes=1024)
    made.partition(4, lag=None, snapshot_age_s=9.0, snapshot_bytes=0)
    assert made.value("treadmill_consumer_lag_records", partition="3") == 7
    assert made.value("treadmill_snapshot_timestamp_seconds", partition="3") == 1_699_999_998
    assert made.value("treadmill_snapshot_bytes", partition="3") == 1024
    for name in ("consumer_lag_records", "snapshot_timestamp_seconds", "snapshot_bytes"):
        value = made.value(PREFIX + name, partition="4")
        assert value is not None
        assert math.isnan(value), name


def test_readings_by_symbol_and_side_unknown_is_nan() -> None:
    made = telemetry()
    made.readings("BTC", {"oi_usd": 3e10, "oi_change_5m": None, "crowding_long": 0.8})
    made.machine("BTC", "long", 4)
    assert made.value("treadmill_open_interest_usd", symbol="BTC") == 3e10
    assert made.value("treadmill_crowding", symbol="BTC", side="long") == 0.8
    assert made.value("treadmill_machine_state", symbol="BTC", side="long") == 4
    for name, labels in (
        ("open_interest_change_5m", {}), ("funding_apr", {}), ("crowding", {"side": "short"}),
    ):  # fmt: skip
        assert math.isnan(
            exported(made)[PREFIX + name, frozenset({"symbol": "BTC", **labels}.items())]
        )
    made.readings("BTC", {"oi_usd": None})
    assert math.isnan(made.value("treadmill_open_interest_usd", symbol="BTC") or 0.0)


def test_gauges_show_readings_that_the_engine_has() -> None:
    known = {name for name, _, _ in READINGS}
    for gauge, reading in READING_GAUGES.items():
        labels = next(metric.labels for metric in METRICS if metric.name == gauge)
        names = {f"{reading}_{side}" for side in SIDES} if "side" in labels else {reading}
        assert names <= known, gauge


def test_the_codes_in_the_help_are_the_machines() -> None:
    text = next(metric.help for metric in METRICS if metric.name == "machine_state")
    assert text == ", ".join(f"{state.value} {state.name}" for state in State) + "."


def test_only_allowed_symbols_become_labels() -> None:
    made = telemetry(symbols=("BTC", "1*"))
    for symbol in ("BTC", "ETH", "1INCH"):
        made.readings(symbol, {"oi_usd": 1.0})
        made.machine(symbol, "long", 1)
    assert made.value("treadmill_open_interest_usd", symbol="1INCH") == 1
    assert made.value("treadmill_open_interest_usd", symbol="ETH") is None
    assert made.value("treadmill_machine_state", symbol="ETH", side="long") is None
    assert made.value("treadmill_metrics_dropped_total", metric="readings") is None


def test_the_cap_on_symbols_counts_what_it_refuses() -> None:
    made = telemetry(max_symbols=2)
    for symbol in ("A", "B", "C", "A"):
        made.readings(symbol, {"oi_usd": 1.0})
    assert made.value("treadmill_open_interest_usd", symbol="C") is None
    assert made.value("treadmill_metrics_dropped_total", metric="readings") == 1


def test_a_hostile_word_cannot_make_series_without_end() -> None:
    made = telemetry()
    for number in range(FAMILY_LIMIT + 50):
        made.reject("okx", f"reason {number}")
    made.reject("okx", "reason 0")
    assert made.value("treadmill_malformed_frames_total", venue="okx", reason="reason 0") == 2
    refused = made.value("treadmill_metrics_dropped_total", metric="malformed_frames_total")
    assert refused == 50
    names = [name for name, _ in exported(made) if name == "treadmill_malformed_frames_total"]
    assert len(names) == FAMILY_LIMIT


def fill(made: Telemetry, symbols: int) -> None:
    """Move everything that one busy process moves."""
    made.build("0.1.0", "sha256:0")
    made.signal("state", 0.1)
    for venue in VENUES:
        made.lag(venue, 0.1)
        made.connected(venue, 1)
        made.rest_budget(venue, 0.0, 0)
        made.duplicate(venue)
        for name in FRAMES:
            made.frame(venue, name, 1)
            made.feed(venue, name, up=True)
        for number in range(8):
            made.reject(venue, f"reason{number}")
            made.connection(venue, f"event{number}")
            made.request(venue, f"outcome{number}")
    for partition in range(16):
        made.partition(partition, lag=1, snapshot_age_s=1.0, snapshot_bytes=1)
    for number in range(symbols):
        made.readings(f"S{number}", {})
        for side in SIDES:
            made.machine(f"S{number}", side, 1)
            for name in ("LEVERAGE_RESET", "SPOT_ABSORPTION"):
                made.breaker(f"S{number}", side, name, 1)
        made.breaker(f"S{number}", "both", "VOL_REGIME", 1)


@pytest.mark.parametrize(("symbols", "budget"), [(100, SERIES_BUDGET), (200, 4900)])
def test_series_stay_in_budget_and_are_counted_right(symbols: int, budget: int) -> None:
    made = telemetry(max_symbols=symbols)
    fill(made, symbols)
    ours = [name for name, _ in exported(made) if name.startswith(PREFIX)]
    assert len(ours) == made.value("treadmill_metrics_series")
    assert len(ours) <= budget
    assert not any(name.endswith("_created") for name in ours)


def test_two_of_them_do_not_know_each_other() -> None:
    first, second = telemetry(), telemetry()
    first.duplicate("okx")
    assert second.value("treadmill_duplicates_total", venue="okx") is None


def test_what_nobody_has_measured_is_not_zero() -> None:
    made = telemetry()
    for name in ("event_loop_lag_seconds", "linger_stretch_ratio"):
        assert math.isnan(made.value(PREFIX + name) or 0.0)
    made.loop_lag(0.002)
    assert made.value("treadmill_event_loop_lag_seconds") == 0.002


def test_breakers_have_a_status() -> None:
    made = telemetry()
    made.breaker("BTC", "both", "VOL_REGIME", 2)
    made.breaker("BTC", "long", "LEVERAGE_RESET", 1)
    assert (
        made.value("treadmill_breaker_status", symbol="BTC", side="both", breaker="VOL_REGIME") == 2
    )
    assert (
        made.value("treadmill_breaker_status", symbol="BTC", side="long", breaker="LEVERAGE_RESET")
        == 1
    )


def test_one_symbol_more_than_allowed_has_no_breakers() -> None:
    made = telemetry(max_symbols=1)
    for symbol in ("BTC", "ETH"):
        for side, name in (
            ("long", "A"),
            ("long", "B"),
            ("short", "A"),
            ("short", "B"),
            ("both", "C"),
        ):
            made.breaker(symbol, side, name, 0)
    assert made.value("treadmill_breaker_status", symbol="BTC", side="both", breaker="C") == 0
    assert made.value("treadmill_breaker_status", symbol="ETH", side="both", breaker="C") is None
