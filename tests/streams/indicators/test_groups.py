import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.config import MethodConfig
from streams.groups import GROUPS, Group
from streams.indicators import groups
from streams.state import CONTRACT, UNDERLYING, params
from tests.reference.log import START_NS, S

P = params(MethodConfig())
DAY_S = 86_400
amounts = st.lists(
    st.one_of(st.floats(0.0, 1e12), st.just(math.nan)), min_size=GROUPS, max_size=GROUPS
)


@settings(deadline=None)  # it compiles
@given(amounts)
def test_shares_of_fresh_groups_sum_to_one_and_the_others_are_unknown(usd: list[float]) -> None:
    shares = [groups.share(np.array(usd), g) for g in range(GROUPS)]
    fresh = [x for x in usd if x == x]
    if len(fresh) < 2 or math.fsum(fresh) == 0.0:
        assert all(map(math.isnan, shares))
        return
    assert [math.isnan(x) for x in shares] == [math.isnan(x) for x in usd]
    known = [x for x in shares if x == x]
    assert math.fsum(known) == pytest.approx(1.0, rel=1e-12)
    assert all(0.0 <= x <= 1.0 for x in known)


@settings(deadline=None)
@given(usd=amounts, order=st.permutations(range(GROUPS)))
def test_relabelling_groups_permutes_shares(usd: list[float], order: list[int]) -> None:
    shares = [groups.share(np.array(usd), g) for g in range(GROUPS)]
    moved = [groups.share(np.array([usd[g] for g in order]), at) for at in range(GROUPS)]
    assert moved == pytest.approx([shares[g] for g in order], rel=1e-12, nan_ok=True)


class World:
    """Two perpetuals here and on chain, two regulated futures, and what is compared of them."""

    LISTED = (
        Group.OFFSHORE_PERP,
        Group.ONCHAIN_PERP,
        Group.REGULATED_FUTURES,
        Group.REGULATED_FUTURES,
    )

    def __init__(self, listed: tuple[Group, ...] = LISTED) -> None:
        self.contracts = np.zeros(len(listed), CONTRACT)
        perps = {Group.OFFSHORE_PERP, Group.ONCHAIN_PERP}
        for contract, group in zip(self.contracts, listed, strict=True):
            contract["feed"]["group"] = int(group)
            for part in ("premium_fast", "premium_slow"):
                contract["funding"][part]["held"] = math.nan
            contract["price"]["index"] = contract["price"]["mid"] = contract["price"]["trade"] = (
                math.nan
            )
            contract["funding"]["rate"] = math.nan
        self.members = np.array([i for i, g in enumerate(listed) if g in perps], np.int64)
        self.beside = np.array([i for i, g in enumerate(listed) if g not in perps], np.int64)
        self.u = np.zeros(1, UNDERLYING["groups"])[0]
        groups.underlying_init(self.u)
        self.flows = np.zeros(1, UNDERLYING["flows"])[0]
        self.r = np.zeros(1, UNDERLYING["readings"])[0]
        self.now_s = 0

    def perpetual(self, k: int, usd: float) -> None:
        """Let a perpetual's open interest be known now, and usual."""
        c = self.contracts[k]["open_interest"]
        c["usd"], c["time_ns"] = usd, START_NS + self.now_s * S
        c["weight"]["mean"], c["weight"]["observed_s"] = usd, 1.0

    def regulated(self, k: int, usd: float, age_s: float = 0.0) -> bool:
        """Take a regulated contract's open interest as of `age_s` ago."""
        asof_ns = START_NS + self.now_s * S - round(age_s * S)
        return bool(groups.take_open_interest(self.contracts[k], asof_ns, usd / 100.0, usd, 100.0))

    def tick(
        self, seconds: int = 1, move: float = math.nan, lead: float = math.nan
    ) -> dict[str, float]:
        """Let seconds pass, and return the values of all readings."""
        self.now_s += seconds
        groups.tick(
            self.u, self.flows, self.r, self.contracts, self.members, self.members.size, self.beside,
            self.beside.size, move, lead, START_NS + self.now_s * S, float(seconds), P,
        )  # fmt: skip
        return {name: float(self.r[name]["value"]) for name, _, _ in groups.READINGS}


OI = ("oi_share_offshore_perp", "oi_share_onchain_perp", "oi_share_regulated_futures")


def test_shares_of_open_interest_with_a_daily_settlement_beside() -> None:
    w = World()
    w.perpetual(0, 6e9)
    w.perpetual(1, 1e9)
    assert w.regulated(2, 3e9, age_s=3600.0)
    seen = w.tick()
    assert [seen[name] for name in OI] == pytest.approx([0.6, 0.1, 0.3])
    assert [float(w.r[name]["coverage"]) for name in OI] == [1.0] * 3


def test_a_settlement_stands_a_day_and_a_half_after_its_own_time_and_then_the_split_goes_without() -> (
    None
):
    w = World()
    w.regulated(2, 3e9, age_s=10 * 3600.0)
    for hour in range(60):
        w.perpetual(0, 6e9)
        w.perpetual(1, 2e9)
        seen = [w.tick(3600 if hour else 1)[name] for name in OI]
        fresh_settlement = 10 * 3600 + w.now_s <= 1.5 * DAY_S
        if hour == 0:
            assert seen == pytest.approx([6 / 11, 2 / 11, 3 / 11])
        else:  # the perpetuals' levels are an hour old by now
            assert all(map(math.isnan, seen))
        w.perpetual(0, 6e9)
        w.perpetual(1, 2e9)
        seen = [w.tick()[name] for name in OI]
        expected = [6 / 11, 2 / 11, 3 / 11] if fresh_settlement else [0.75, 0.25, math.nan]
        assert seen == pytest.approx(expected, nan_ok=True)
        assert bool(int(w.r[OI[0]]["quality"]) & groups.PARTIAL) != fresh_settlement


def test_with_only_one_side_fresh_there_is_no_split() -> None:
    w = World((Group.OFFSHORE_PERP, Group.REGULATED_FUTURES))
    w.regulated(1, 3e9)
    assert all(math.isnan(w.tick()[name]) for name in OI)
    w.perpetual(0, 1e9)
    assert [w.tick()[name] for name in OI] == pytest.approx([0.25, math.nan, 0.75], nan_ok=True)


def test_a_polled_venue_that_stops_is_stale_by_its_own_pace_and_not_by_the_day() -> None:
    w = World((Group.OFFSHORE_PERP, Group.REGULATED_FUTURES))
    for _ in range(20):
        w.perpetual(0, 1e9)
        w.regulated(1, 1e9)
        w.tick(10)
    for _ in range(70):
        w.perpetual(0, 1e9)
        share = w.tick(10)[OI[2]]
        assert math.isnan(share) == (w.now_s - 190 > 600)


def test_an_older_settlement_does_not_replace_a_newer_one_and_a_corrected_one_does() -> None:
    w = World((Group.OFFSHORE_PERP, Group.REGULATED_FUTURES))
    w.perpetual(0, 1e9)
    w.regulated(1, 1e9, age_s=3600.0)
    w.regulated(1, 9e9, age_s=90_000.0)
    assert w.tick()[OI[2]] == pytest.approx(0.5)
    w.regulated(1, 3e9, age_s=3601.0)
    assert w.tick()[OI[2]] == pytest.approx(0.75)


def test_open_interest_without_a_value_is_refused_and_that_of_spot_does_not_exist() -> None:
    w = World((Group.OFFSHORE_PERP, Group.REGULATED_FUTURES, Group.SPOT_US))
    assert not groups.take_open_interest(w.contracts[1], START_NS, 5.0, math.nan, math.nan)
    assert groups.take_open_interest(w.contracts[1], START_NS, 5.0, math.nan, 100.0)
    assert float(w.contracts[1]["open_interest"]["usd"]) == 500.0
    assert groups.take_open_interest(w.contracts[2], START_NS, 5.0, 500.0, 100.0)
    assert int(w.contracts[2]["open_interest"]["time_ns"]) == 0


def test_basis_is_weighed_by_open_interest_and_the_gap_is_in_what_is_paid() -> None:
    w = World()
    w.r["funding_apr"]["value"], w.r["funding_apr"]["coverage"] = 0.20, 1.0
    for k, usd, premium, rate in ((2, 3e9, 1.001, 1e-5), (3, 1e9, 0.999, -2e-5)):
        w.regulated(k, usd)
        c = w.contracts[k]
        c["price"]["index"], c["price"]["mid"] = 100.0, 100.0 * premium
        c["price"]["index_ns"] = c["price"]["mid_ns"] = START_NS
        c["funding"]["rate"], c["funding"]["interval_ns"] = rate, 3600 * S
        c["funding"]["time_ns"] = START_NS
    seen = w.tick()
    bp = 0.75 * 1e4 * math.log(1.001) + 0.25 * 1e4 * math.log(0.999)
    assert seen["basis_regulated_bp"] == pytest.approx(bp)
    assert seen["basis_regulated_apr"] == pytest.approx(0.75 * 0.0876 - 0.25 * 0.1752)
    assert seen["basis_gap_apr"] == pytest.approx(seen["basis_regulated_apr"] - 0.20)
    w.r["funding_apr"]["value"] = math.nan
    seen = w.tick()
    assert math.isnan(seen["basis_gap_apr"])
    assert not math.isnan(seen["basis_regulated_apr"])
    seen = w.tick(2 * 3600)  # no funding for two intervals, no price for a minute
    assert math.isnan(seen["basis_regulated_bp"])
    assert math.isnan(seen["basis_regulated_apr"])


def test_without_regulated_futures_there_is_no_basis() -> None:
    seen = World((Group.OFFSHORE_PERP, Group.SPOT_US)).tick()
    assert all(math.isnan(seen[name]) for name in seen if name.startswith("basis_"))


@settings(max_examples=40, deadline=None)
@given(st.lists(
    st.tuples(
        st.sampled_from([1, 5, 600, 40_000]), st.one_of(st.floats(-0.2, 0.2), st.just(math.nan)),
        st.sampled_from([0.0, 1.0, math.nan]),
    ),
    min_size=1, max_size=25,
))  # fmt: skip
def test_reflexivity_equals_the_weighted_share(steps: list[tuple[int, float, float]]) -> None:
    w = World()
    weights: list[tuple[float, float, float]] = []
    for seconds, move, lead in steps:
        kept = 2.0 ** (-seconds / DAY_S)
        weights = [(x * kept, m, who) for x, m, who in weights]
        if move == move and lead == lead:
            weights.append((1.0 - kept, abs(move), who := lead))
            assert who in (0.0, 1.0)
        got = w.tick(seconds, move, lead)["reflexivity"]
        moved = math.fsum(x * m for x, m, _ in weights)
        expected = (
            math.fsum(x * m * who for x, m, who in weights) / moved if moved > 0.0 else math.nan
        )
        assert got == pytest.approx(expected, rel=1e-9, nan_ok=True)
        seen = math.fsum(x for x, _, _ in weights)
        assert float(w.r["reflexivity"]["coverage"]) == pytest.approx(seen, rel=1e-9)
        assert bool(int(w.r["reflexivity"]["quality"]) & groups.WARMUP) == (seen < 0.75)


def test_reflexivity_does_not_know_up_from_down() -> None:
    one, other = World(), World()
    rng = random.Random(8)
    for _ in range(200):
        move, lead = rng.gauss(0.0, 0.01), rng.choice([0.0, 1.0, math.nan])
        a = one.tick(60, move, lead)["reflexivity"]
        assert a == pytest.approx(other.tick(60, -move, lead)["reflexivity"], abs=0, nan_ok=True)
    assert 0.2 < a < 0.8


def test_swapping_offshore_and_chain_swaps_their_shares() -> None:
    seen = []
    for order in itertools.permutations((Group.OFFSHORE_PERP, Group.ONCHAIN_PERP)):
        w = World((*order, Group.REGULATED_FUTURES))
        w.perpetual(0, 5e9)
        w.perpetual(1, 3e9)
        w.regulated(2, 2e9)
        values = w.tick()
        seen.append([values[name] for name in OI])
    assert seen[0] == pytest.approx([0.5, 0.3, 0.2])
    assert seen[1] == pytest.approx([0.3, 0.5, 0.2])
