"""No feed is not no liquidations: what a machine says when inputs live, warm up, or die."""

from collections import Counter

import pytest

from streams.config import MethodConfig
from streams.engine import Engine
from streams.events import Channel, Kind
from streams.signals import Signal
from tests.reference.log import Contract, Log, market

A, B = Contract("alpha", "BTC"), Contract("beta", "BTC")
FAST = MethodConfig(
    funding_rank_half_life_s=30.0, oi_rank_half_life_s=30.0, oi_warm_s=60.0, calm_dwell_s=10.0,
    calm_min_s=10.0, unknown_exit_s=5.0, crowded_dwell_s=10.0,
)  # fmt: skip


class Market:
    """A flat, calm market of two venues."""

    def __init__(self, config: MethodConfig = FAST) -> None:
        self.engine, self.log, self.t = Engine(config), Log(), 0
        self.said: list[Signal] = []
        self.log.announce(A)
        self.log.announce(B)

    def run(self, seconds: int, channels: int = Channel.ALL, silent: int = 0) -> list[str]:
        """Let seconds pass; return the long machine's changes. `silent` channels send nothing at all."""
        seen = len(self.said)
        for _ in range(seconds):
            self.t += 1
            self.log.at(self.t)
            for c in (A, B):
                self.log.heartbeat(c, channels)
                self.log.mark(c, 100.0, 100.0, 100.01)
                if not silent & Channel.OPEN_INTEREST:
                    self.log.open_interest(c, 1e6, 1e8, 100.0)
                if not silent & Channel.FUNDING:
                    self.log.funding(c, 1e-4, 60)
            self.said += self.engine.fold(self.log.take(), self.t)
        new = self.said[seen:]
        return [s.status for s in new if s.kind == "state" and s.side == "long"]


def test_a_calm_market_with_heartbeats_becomes_calm_and_says_so_again_and_again() -> None:
    m = Market()
    assert m.run(400) == ["CALM"]
    assert [s.status for s in m.said if s.kind == "data_quality"] == ["OK"]
    beats = [s for s in m.said if s.kind == "heartbeat" and s.side == "long" and s.status == "CALM"]
    assert len(beats) == 6  # every thirty seconds since 203 or so
    assert all(b.previous == "UNKNOWN" and b.valid_until for b in beats)


@pytest.mark.parametrize(
    ("death", "seconds"),
    [({"channels": Channel.ALL & ~Channel.LIQUIDATION}, 2), ({"silent": Channel.OPEN_INTEREST}, 32),
     ({"silent": Channel.FUNDING}, 122)],
)  # fmt: skip
def test_a_dead_mandatory_feed_is_unknown_and_its_return_brings_the_state_back(
    death: dict[str, int], seconds: int
) -> None:
    m = Market()
    m.run(400)
    assert m.run(seconds + 1, **death) == ["UNKNOWN"]
    assert [s.status for s in m.said if s.kind == "data_quality"] == ["OK", "DEGRADED"]
    assert m.run(60, **death) == []
    assert m.run(30) == ["CALM"]
    assert m.said[-1].kind != "burst"
    assert [s.status for s in m.said if s.kind == "data_quality"] == ["OK", "DEGRADED", "OK"]


def test_without_heartbeats_the_liquidation_feed_is_dead_though_rows_come() -> None:
    m = Market()
    m.run(400)
    statuses = []
    for t in range(401, 440):
        m.log.at(t)
        for c in (A, B):
            m.log.mark(c, 100.0, 100.0)
            m.log.open_interest(c, 1e6, 1e8, 100.0)
            m.log.funding(c, 1e-4, 60)
        said = m.engine.fold(m.log.take(), t)
        statuses += [(t, s.status) for s in said if s.kind == "state" and s.side == "long"]
    assert statuses == [(416, "UNKNOWN")]  # fifteen seconds after the last beat


def test_one_venue_of_two_is_too_little_and_two_of_three_thirds_enough() -> None:
    m = Market()
    m.run(400)
    m.log.at(400.5).feed(Kind.FEED_DOWN, A, Channel.LIQUIDATION)
    said = m.engine.fold(m.log.take(), 400)
    m.log.at(401).mark(B, 100.0)
    said += m.engine.fold(m.log.take(), 401)
    assert {s.status for s in said if s.kind == "state"} == {"UNKNOWN"}  # half is below 0.6
    unknown = next(s for s in said if s.kind == "state")
    assert unknown.coverage == pytest.approx(0.5)
    assert {e.metric for e in unknown.evidence} >= {"crowding_long", "burst_long"}


@pytest.mark.parametrize("seed", [21, 22])
def test_nothing_but_unknown_is_said_of_what_is_warming_up(seed: int) -> None:
    config = MethodConfig(oi_warm_s=1e6, calm_dwell_s=1.0, crowded_dwell_s=1.0, unknown_exit_s=1.0)
    engine = Engine(config)
    said = engine.fold(market(seed, 300), 0)
    statuses = Counter(s.status for s in said if s.kind in ("state", "heartbeat"))
    # a cascade rests on absolute thresholds and needs no history; nothing else may be said
    assert set(statuses) <= {"UNKNOWN", "CASCADE"}
    assert statuses["UNKNOWN"] > 10
    for name in ("BTC", "ETH"):
        warming = engine.state(name)["readings"]["oi_z"]
        assert "WARMUP" in warming["quality"]
        assert warming["value"] is not None  # there is a number: it was not used
        assert engine.state(name)["readings"]["crowding_long"]["value"] is None


def test_every_state_is_backed_by_warm_evidence() -> None:
    m = Market()
    m.run(400)
    for s in m.said:
        if s.kind == "state" and s.status != "UNKNOWN":
            assert all(e.value is not None and "WARMUP" not in e.quality for e in s.evidence)
            assert any(e.passed for e in s.evidence)
            assert "WARMUP" not in s.quality
