"""What must hold of a simulated day, short or whole."""

import pytest

from tests.e2e.day import Close, Verdict
from tests.e2e.day_facts import CONTIGUOUS
from tests.e2e.day_world import BEHIND_S


def check(verdict: Verdict) -> None:
    """Assert all that a day must show."""
    check_events(verdict)
    check_trades(verdict)
    check_calm(verdict)
    check_tickers(verdict)


def check_events(verdict: Verdict) -> None:
    events = verdict.events
    assert events["1006"]["cuts"] >= 14
    assert events["silent but acked"]["acks meanwhile"] >= 2
    assert 5 <= events["refused for ten minutes"]["attempts"] <= 20
    assert events["429"]["requests inside"] == 0
    assert events["418 over a restart"]["requests and handshakes inside"] == 0
    assert events["cut at the lifetime"]["by the venue"] == 1
    assert events["listing"]["noticed after, s"] <= 900
    assert verdict.changed == {
        "event=listed,venue=binance_usdm": 1, "event=delisted,venue=bybit": 1,
    }  # fmt: skip
    for venue in ("binance_spot", "binance_usdm"):
        assert verdict.rotated[f"reason=rotate,venue={venue}"] >= 1, venue
        assert f"reason=closed_1008,venue={venue}" not in verdict.rotated
    assert not [why for why in verdict.refused_rows if "unexpected" in why or "future" in why]


def check_trades(verdict: Verdict) -> None:
    """Ids that count up are complete, over the restart too; what others lost is marked as lost."""
    for name, tape in verdict.tapes.items():
        assert (tape.duplicates, tape.strange, tape.unmarked, tape.late_end) == (0, 0, 0, 0), name
        assert tape.made - tape.had == tape.marked, name
        if name.split()[0] in CONTIGUOUS:
            assert tape.had == tape.made, name
        assert tape.had > 200 or "LTC" in name, name
    missing = verdict.missing
    for venue in CONTIGUOUS:
        assert missing[f"outcome=found,venue={venue}"] == missing[f"outcome=filled,venue={venue}"]
        assert f"outcome=lost,venue={venue}" not in missing


def check_calm(verdict: Verdict) -> None:
    """No burst, no alarm, no liquidation that nobody made, and no word about who is merely quiet."""
    assert verdict.bursts == 0
    words = {"CALM", "UNKNOWN", "CROWDED", "EXPIRED"}  # the last one while the process was stopped
    assert set(verdict.states) <= words
    assert verdict.unknown_unplanned == 0
    for name, (had, made) in verdict.forced.items():
        assert had <= made, name
    assert sum(had for had, _ in verdict.forced.values()) > 50
    for name, one in verdict.quiet.items():
        assert (one.downs, one.mute_beats) == (0, 0), name
        assert one.beats > 100, name
    assert max(one.longest_s for one in verdict.quiet.values()) > 3600


def check_tickers(verdict: Verdict) -> None:
    """A merged ticker is what it was at the venue, after every reconnect as well."""
    for name, one in verdict.tickers.items():
        assert one.wrong == 0, name
        assert one.after_reconnect > 20, name
        assert one.rows > 5000, name


def check_close(close: Close) -> None:
    """Dead sockets and routes are told within ten seconds, and nothing else is called dead."""
    assert max(close.half_open_s.values()) <= 10.0
    assert close.muted_s <= 10.0
    assert close.refused_rows == {}
    for offset_s in close.offsets.values():
        assert offset_s == pytest.approx(-BEHIND_S, abs=0.1)
    for name, one in close.quiet.items():
        assert (one.downs, one.mute_beats) == (0, 0), name
        assert one.beats > 10, name
