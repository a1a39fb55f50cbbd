import math
import random
from typing import Any

import pytest

from streams.brackets import brackets, terms
from streams.config import MethodConfig
from streams.engine import Engine
from streams.events import Side
from streams.indicators import heatmap
from tests.reference.indicators.heatmap import SHIFTS, Book, Map
from tests.reference.log import Contract, Log, play, reading
from tests.truth import Truth

ALPHA, BETA, GAMMA = (
    Contract("alpha", "BTC"),
    Contract("okx", "BTC", inverse=True),
    Contract("hyperliquid", "BTC"),  # sends no marks
)
CONFIG = MethodConfig(heat_half_life_s=900.0)


class Market:
    """Feeds the engine and the twin the same rows."""

    def __init__(self, contracts: tuple[Contract, ...] = (ALPHA, BETA, GAMMA)) -> None:
        self.engine, self.log, self.contracts = Engine(CONFIG), Log(), contracts
        books = [Book(c.inverse, *terms(brackets(c.venue, "BTC"))) for c in contracts]
        self.twin = Map(
            CONFIG.heat_bin, CONFIG.heat_passive, CONFIG.heat_prior, CONFIG.heat_half_life_s,
            CONFIG.heat_sample_s, CONFIG.oi_hold_s, books,
        )  # fmt: skip
        self.last: int | None = None
        for c in contracts:
            self.log.announce(c)

    def _book(self, c: Contract) -> Book:
        return self.twin.books[self.contracts.index(c)]

    def mark(self, c: Contract, t: float, price: float) -> None:
        """Write a mark."""
        self.log.at(t).mark(c, price)
        self._book(c).marks.append(price)
        self._book(c).now = price

    def trade(self, c: Contract, t: float, price: float, coin: float, *, buy: bool) -> None:
        """Write a trade."""
        self.log.at(t).trade(c, price, coin, Side.BUY if buy else Side.SELL)
        book = self._book(c)
        book.trades.append((coin, coin * price, buy))
        if not c.inverse and c is GAMMA:
            book.now = price

    def open_interest(self, c: Contract, t: float, coin: float, price: float) -> None:
        """Write an open interest."""
        self.log.at(t).open_interest(c, coin, coin * price, price)
        self._book(c).oi = (t, coin, coin * price)

    def tick(self, t: int) -> None:
        """Evaluate both at a whole second."""
        self.log.at(t).heartbeat(self.contracts[0])
        play(self.engine, self.log)
        weights = []
        for k in range(len(self.contracts)):
            oi = self.engine._contracts[k]["open_interest"]
            seen = float(oi["weight"]["observed_s"]) > 0.0
            weight = float(oi["weight"]["mean"] if seen else oi["usd"])
            weights.append(weight if weight == weight else 0.0)
        self.twin.tick(t, 0.0 if self.last is None else t - self.last, weights)
        self.last = t

    @property
    def heat(self) -> Any:
        """Return the engine's own record."""
        return self.engine._underlyings[0]["heat"]


def masses(ladder: Any) -> dict[int, float]:
    size, front = len(ladder["mass"]), int(ladder["front"])
    coin = {
        k: float(ladder["mass"][k % size] * ladder["scale"]) for k in range(front, front + size)
    }
    return {k: v for k, v in coin.items() if v > 0.0}


def compare(m: Market) -> None:
    for name, pair in zip(("map", "half", "double"), m.twin.ledgers, strict=True):
        for side in range(2):
            ours, theirs = masses(m.heat[name][side]), pair[side].by_bin()
            total = max(pair[side].opened, 1e-300)
            for k in ours.keys() | theirs.keys():
                assert ours.get(k, 0.0) == pytest.approx(
                    theirs.get(k, 0.0), rel=1e-9, abs=1e-12 * total
                )
            for what in ("opened", "consumed", "closed", "aged", "dropped"):
                ours_total = float(m.heat[name][side][what])
                assert ours_total == pytest.approx(getattr(pair[side], what), rel=1e-9, abs=1e-9)


def compare_readings(m: Market) -> None:
    width = CONFIG.heat_bin
    for side, (place, sign) in enumerate((("below", -1.0), ("above", 1.0))):
        here = m.twin.here[side]
        for pct in (1, 2, 5, 10):
            far = abs(math.log(1.0 + sign * pct / 100.0))
            wanted = m.twin.ledgers[0][side].usd(here, here + far, width, sign)
            got = reading(m.engine, f"risk_usd_{pct}pct_{place}")
            assert got == pytest.approx(wanted, rel=1e-9, abs=1e-6)
        for k, shift in ((1, "halved"), (2, "doubled")):
            far = abs(math.log(1.0 + sign * 0.05))
            w = width * SHIFTS[k][2]
            wanted = m.twin.ledgers[k][side].usd(here, here + far, w, sign)
            got = reading(m.engine, f"risk_usd_5pct_{place}_leverage_{shift}")
            assert got == pytest.approx(wanted, rel=1e-9, abs=1e-6)
    below, above = (reading(m.engine, f"risk_usd_5pct_{p}") for p in ("below", "above"))
    if below + above > 0.0:
        wanted = (below - above) / (below + above)
        assert reading(m.engine, "heatmap_asymmetry") == pytest.approx(wanted, rel=1e-12)


def second(
    m: Market, rng: random.Random, t: int, price: float, coin: dict[Contract, float]
) -> None:
    """Write one second's rows."""
    for i, c in enumerate(m.contracts):
        at = t - 0.9 + 0.2 * i
        if c is not GAMMA:
            for j in range(rng.choice((0, 1, 3))):
                m.mark(c, at + 0.01 * j, price * (1.0 + rng.gauss(0.0, 4e-4)))
        for j in range(rng.choice((0, 2))):
            tilt = price * (1.0 + rng.gauss(0.0, 5e-4))
            m.trade(
                c, at + 0.05 + 0.01 * j, tilt, rng.lognormvariate(0.0, 1.0), buy=rng.random() < 0.6
            )
        if rng.random() < 0.4:
            coin[c] = max(coin[c] * (1.0 + rng.gauss(0.0, 0.004)), 0.0)
            m.open_interest(c, at + 0.1, coin[c], price)


@pytest.mark.parametrize("seed", range(3))
def test_the_map_is_the_ledger_of_positions_at_every_tick(seed: int) -> None:
    rng = random.Random(seed)
    m, price = Market(), rng.uniform(100.0, 90_000.0)
    coin = dict.fromkeys(m.contracts, 1000.0)
    for t in range(1, 260):
        price *= math.exp(rng.gauss(0.0, 8e-4) + (-0.002 if t % 60 > 50 else 2e-4))
        second(m, rng, t, price, coin)
        m.tick(t)
        compare(m)
        if t % 10 == 0:
            compare_readings(m)
    for side in range(2):
        s = m.heat["map"][side]
        assert min(s["opened"], s["consumed"], s["closed"], s["aged"]) > 0.0


def flat(m: Market, t: float, coin: float, price: float = 100.0) -> None:
    m.mark(ALPHA, t - 0.6, price)
    m.open_interest(ALPHA, t - 0.5, coin, price)
    m.tick(int(t))


def test_what_is_opened_and_closed_again_leaves_nothing(truth: Truth) -> None:
    """Row 18: the round trip, with all of the market in one contract."""
    m = Market((ALPHA,))
    for t, coin in ((1, 0.0), (12, 50.0), (23, 0.0)):
        flat(m, t, coin)
    for side in range(2):
        s = m.heat["map"][side]
        assert s["opened"] == pytest.approx(
            50.0 * 0.75, rel=1e-12
        )  # no trades: half of takers bought
        truth(18, "coin left after a round trip", s["total"] * s["scale"], 0)


def test_a_side_never_holds_more_than_its_share_of_what_was_opened() -> None:
    m, rng, coin = Market((ALPHA,)), random.Random(9), 100.0
    flat(m, 1, coin)
    for t in range(12, 600, 11):
        coin *= 1.0 + rng.gauss(0.0, 0.05)
        price = 100.0 * math.exp(rng.gauss(0.0, 0.01))
        m.trade(ALPHA, t - 0.8, price, 1.0, buy=True)
        flat(m, t, coin, price)
        for side, most in ((0, 1.0), (1, 0.5)):  # takers all bought: longs in full, shorts half
            s = m.heat["map"][side]
            assert s["total"] * s["scale"] <= s["opened"] * (1.0 + 1e-12)
            assert s["total"] * s["scale"] <= m.heat["coin"] * most * (1.0 + 1e-12)
            assert s["opened"] == pytest.approx(most * m.heat["map"][0]["opened"], rel=1e-9)


def test_with_nothing_happening_the_map_only_ages() -> None:
    m = Market((ALPHA,))
    for t, coin in ((1, 10.0), (12, 20.0)):
        flat(m, t, coin)
    before = {side: masses(m.heat["map"][side]) for side in range(2)}
    for t in range(13, 60):
        flat(m, t, 20.0)
    kept = 0.5 ** (47.0 / CONFIG.heat_half_life_s)
    for side in range(2):
        after = masses(m.heat["map"][side])
        assert after.keys() == before[side].keys()
        for k, coin in after.items():
            assert coin == pytest.approx(before[side][k] * kept, rel=1e-12)
        assert m.heat["map"][side]["consumed"] == 0.0


@pytest.mark.parametrize("bins", [-3000, -17, 41, 2500])
def test_multiplying_all_prices_shifts_the_map(truth: Truth, bins: int) -> None:
    """Row 18: by ln c in bins, and nothing else changes."""
    factor, maps = math.exp(bins * CONFIG.heat_bin), []
    for c in (1.0, factor):
        m, rng, coin, price = Market((ALPHA,)), random.Random(3), 1000.0, 1234.5
        for t in range(1, 120):
            coin *= 1.0 + rng.gauss(0.001, 0.01)
            price *= math.exp(rng.gauss(0.0, 0.003))
            flat(m, t, coin, price * c)
        maps.append([masses(m.heat["map"][side]) for side in range(2)])
    for side, sign in ((0, -1), (1, 1)):
        moved = {k + sign * bins: v for k, v in maps[0][side].items()}
        assert moved.keys() == maps[1][side].keys()
        for k, v in moved.items():
            truth(18, "map of multiplied prices, shifted back", maps[1][side][k] / v - 1.0, 1e-9)


def test_one_venues_stray_mark_consumes_nothing_while_half_the_market_holds() -> None:
    m = Market((ALPHA, BETA, GAMMA))
    for t in (1, 12, 23):
        for c in m.contracts:
            m.trade(c, t - 0.7, 100.0, 1.0, buy=True)
            if c is not GAMMA:
                m.mark(c, t - 0.6, 100.0)
            m.open_interest(c, t - 0.5, 100.0 + t, 100.0)
        m.tick(t)
    assert m.heat["map"][0]["opened"] > 0.0
    m.mark(BETA, 23.5, 60.0)
    m.mark(BETA, 23.6, 100.0)
    m.tick(24)
    assert m.heat["map"][0]["consumed"] == 0.0
    m.mark(ALPHA, 24.4, 60.0)
    m.mark(BETA, 24.5, 60.0)
    m.tick(25)
    assert m.heat["map"][0]["consumed"] > 0.0


def test_after_a_gap_open_interest_begins_anew() -> None:
    m = Market((ALPHA,))
    flat(m, 1, 10.0)
    flat(m, 700, 500.0)  # nobody knows when those came, nor at what price
    assert m.heat["map"][0]["opened"] == 0.0
    flat(m, 712, 510.0)
    assert m.heat["map"][0]["opened"] == pytest.approx(7.5, rel=1e-12)


def test_without_any_price_the_readings_are_unknown_and_the_map_waits() -> None:
    m = Market((ALPHA,))
    for t, coin in ((1, 10.0), (12, 20.0), (21, 20.0)):
        flat(m, t, coin)
    assert reading(m.engine, "risk_usd_10pct_below") > 0.0
    m.log.at(200).heartbeat(ALPHA)
    play(m.engine, m.log)
    assert math.isnan(reading(m.engine, "risk_usd_10pct_below"))
    assert m.heat["map"][0]["consumed"] == 0.0
    quality = m.engine.state("BTC")["readings"]["risk_usd_10pct_below"]["quality"]
    assert quality == ["MODELLED", "WARMUP"]


def test_the_view_holds_the_whole_map() -> None:
    m, rng, coin, price = Market((ALPHA,)), random.Random(5), 1000.0, 20_000.0
    for t in range(1, 300):
        coin *= 1.0 + rng.gauss(0.001, 0.005)
        price *= math.exp(rng.gauss(0.0, 0.002))
        flat(m, t, coin, price)
    seen = m.engine.heatmap("BTC")
    assert seen["schema"] == "treadmill.heatmap.v1"
    assert "MODELLED" in seen["quality"]
    for side, name, place in ((0, "long", "below"), (1, "short", "above")):
        sign = heatmap.sign_of(side)
        here, edge = m.twin.here[side], sign * math.log(seen[name]["edge"])
        usd = sum(sum(run["usd"]) for run in seen[name]["runs"])
        wanted = m.twin.ledgers[0][side].usd(here, here + 2.0, CONFIG.heat_bin, sign)
        assert usd == pytest.approx(wanted, rel=1e-6)
        assert 0.0 <= edge - here <= CONFIG.heat_bin
        zones = seen[name]["zones"]
        assert zones, "a random map has zones"
        nearest = {
            k: reading(m.engine, f"zone_{k}_{place}") for k in ("low", "high", "distance_pct")
        }
        if m.last is not None and m.last % 10 == 0:
            assert all(zones[0][k] == pytest.approx(v) for k, v in nearest.items())
        assert [z["distance_pct"] for z in zones] == sorted(z["distance_pct"] for z in zones)
