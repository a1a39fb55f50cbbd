"""The benchmark world: a market in which fuel, branching, absorption and regimes are known by construction.

A `Plan` and a seed make one world, a pure function of both. It has perpetual venues with traders who hold
leverage in margin brackets, funding, a US and an offshore spot market, a months-long past, and stages: where
price, open interest, premium and funding are led, how busy the background of forced orders is, how much of
what is forced spot buyers absorb. `World.until` returns the rows of the market log; the truth is in `state`,
`book` and the plan. How a step works: `service.simulator.world_step`.
"""

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from service.simulator.traders import BOOK, book_init, fill_book
from service.simulator.world_history import make_past, past_rows
from service.simulator.world_step import CAUSES, PERPS, SETTINGS, STATE, STEP, live
from streams.brackets import brackets, terms
from streams.config import MethodConfig
from streams.events import ROW, ROW_BYTES, Channel, Flag, Kind, RowBuffer
from streams.instruments import stable_id
from streams.kernels.jit import NS_PER_S

START_NS = 20_400 * 86_400 * NS_PER_S  # a midnight
ROOM = 1 << 17  # rows drawn at once
HOUR_S = 3600.0
WARM_S = 20  # of live rows before the first stage: the engine waits for history meanwhile
UNDERLYING = "BTC"
SPOT_VENUES = ("coinbase", "binance_spot")
USD, USDT = 1, 2  # what a contract is quoted in: `reserved` of its INSTRUMENT row
QUOTES = (USDT, USDT, USDT, USD, USDT)

Triple = tuple[float, float, float]


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the plan. Levels are reached in a straight line at its end; NaN stays where it is."""

    name: str
    duration_s: float
    step_s: float = 1.0
    price: float = 0.0  # planned ln move of the index
    open_interest: float = math.nan  # of the start's
    steered: bool = True  # traders open until open interest is as planned
    premium: float = math.nan  # perpetual over index, decimal
    excess: float = math.nan  # funding over neutral, APR
    longs: float = 0.5  # share of those who open
    mu: tuple[float, float] = (0.0, 0.0)  # background of forced longs and shorts, events a second
    close: float = 0.5  # share of positions that their owners close a day
    absorb: float = 0.0  # USD spot buys for each USD of longs forced
    us_premium: float = 0.0
    volatility: float = 1.0
    dead: bool = False  # the liquidation feeds are down


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides a world beside its seed."""

    stages: tuple[Stage, ...]
    venues: tuple[tuple[str, float, bool], ...] = (("bybit", 0.6, False), ("bitmex", 0.4, False))
    history_days: int = 0
    price: float = 60_000.0
    open_interest: float = 20_000.0  # coin; what the book starts with, if there is one
    volatility_bp: float = 1.0  # of the index, per square root of a second
    vol_of_vol: float = 0.0  # of ln(volatility), per square root of a second; pulled back in 2 h
    reversion_s: float = 0.0  # half-life of what is not planned; 0: none
    premium_sd: float = 1e-4
    lag_s: float = 2.0  # the index moves so long after what moves it
    kappa_bp: tuple[float, float] = (0.0, 0.0)  # against the side, per million USD forced
    impact_perp_bp: float = 0.0  # per million USD takers buy
    impact_spot_bp: float = 0.0
    perp_usd: float = 1e5  # sd of takers' net flow in a second
    spot_usd: float = 1e5
    turnover: float = 2e-5  # share of open interest traded a second
    half_lives_s: Triple = (2.0, 15.0, 120.0)
    own: Triple = (0.0, 0.0, 0.0)  # orders caused by one of the same side
    cross: Triple = (0.0, 0.0, 0.0)  # of the other side
    gain: Triple = (0.0, 0.0, 0.0)  # orders caused by a bp against the side
    booked: bool = False  # forced orders are positions of the book
    order_usd: float = 50_000.0  # mean of a forced order where there is no book
    order_sigma: float = 1.0
    position_coin: float = 2.0  # mean
    position_sigma: float = 1.0
    opens: float = 0.0  # positions a second where open interest is not steered
    isolated: float = 1.0  # share of positions with a liquidation price
    leverage: tuple[float, ...] = MethodConfig().heat_prior

    def branching(self) -> float:
        """Return orders that an order of the same side causes on average."""
        return sum(self.own)

    def loop_gain(self, side: int) -> float:
        """Return the same with the way by the price, where there is no book."""
        return self.branching() + sum(self.gain) * self.kappa_bp[side] * self.order_usd / 1e6


def _steps(stages: Sequence[Stage], plan: Plan, premium: float, excess: float) -> np.ndarray:
    """Return what the stages say of each step."""
    made, at = [], [0.0, 1.0, premium, excess]
    for stage in stages:
        n = max(1, round(stage.duration_s / stage.step_s))
        z = np.zeros(n, STEP)
        ends = (at[0] + stage.price, stage.open_interest, stage.premium, stage.excess)
        part = (np.arange(n) + 1.0) / n
        for k, name in enumerate(("plan", "oi", "premium", "excess")):
            end = at[k] if math.isnan(ends[k]) else ends[k]
            z[name] = at[k] + (end - at[k]) * part
            at[k] = end
        z["oi"] *= plan.open_interest if stage.steered else math.nan
        z["dt_s"], z["longs"], z["mu"] = stage.step_s, stage.longs, stage.mu
        z["close"], z["absorb"], z["us_premium"] = stage.close, stage.absorb, stage.us_premium
        z["volatility"], z["dead"] = stage.volatility, float(stage.dead)
        z["lag"] = int(plan.lag_s / stage.step_s)
        made.append(z)
    return np.concatenate(made)


def _settings(plan: Plan) -> np.ndarray:
    w = np.zeros(1, SETTINGS)
    per_usd = 1e-4 / 1e6
    w["perps"] = len(plan.venues)
    for k, (venue, share, sampled) in enumerate(plan.venues):
        w["perp"][0, k] = _signed(venue)
        w["share"][0, k], w["sampled"][0, k] = share, sampled
    w["spot"] = [_signed(venue) for venue in SPOT_VENUES]
    w["volatility"] = plan.volatility_bp * 1e-4
    w["kappa"] = np.array(plan.kappa_bp) * per_usd
    w["impact_perp"], w["impact_spot"] = (
        plan.impact_perp_bp * per_usd,
        plan.impact_spot_bp * per_usd,
    )
    w["half_life_s"] = plan.half_lives_s
    for name in (
        "reversion_s", "vol_of_vol", "perp_usd", "spot_usd", "turnover", "own", "cross", "gain",
        "order_usd", "order_sigma", "position_coin", "position_sigma", "opens", "premium_sd", "booked",
    ):  # fmt: skip
        w[name] = getattr(plan, name)
    return w


def _signed(venue: str) -> int:
    return int(np.uint64(stable_id(venue, UNDERLYING)).astype(np.int64))


class World:
    """One world of a plan from a seed."""

    def __init__(self, plan: Plan, seed: int) -> None:
        if not 1 <= len(plan.venues) <= PERPS:
            raise ValueError(f"between one and {PERPS} perpetual venues, not {len(plan.venues)}")
        self.plan, self.rng = plan, np.random.default_rng(seed)
        days = max(plan.history_days, 1)
        self.past = make_past(
            days, plan.price, plan.open_interest, plan.volatility_bp * 1e-4, self.rng
        )
        self.state, self.book = np.zeros(1, STATE), np.zeros(1, BOOK)
        self._settings = _settings(plan)
        usual = float(self.past.premium[-1]), float(self.past.excess[-1])
        warm = msgspec.structs.replace(plan.stages[0], name="warm", duration_s=WARM_S, step_s=1.0)
        self.steps = _steps((warm, *plan.stages), plan, *usual)
        self.ends_s = np.cumsum(self.steps["dt_s"])
        self._rows = np.zeros(ROOM, ROW)
        self._words = self._rows.view(np.int64).reshape(-1, ROW_BYTES // 8)
        self._begun = False
        self._init_state(usual[0])
        self._init_book()

    def _init_state(self, premium: float) -> None:
        s, plan = self.state[0], self.plan
        s["time_ns"] = START_NS
        s["start"] = s["index"] = plan.price
        s["premium"], s["oi"] = premium, plan.open_interest
        s["mark"] = s["low"] = s["high"] = plan.price * (1.0 + premium)
        s["mean_root"] = math.sqrt(plan.order_usd) * math.exp(-(plan.order_sigma**2) / 8.0)
        if plan.booked:
            usd = plan.position_coin * plan.price
            s["mean_root"] = math.sqrt(usd) * math.exp(-(plan.position_sigma**2) / 8.0)

    def _init_book(self) -> None:
        b = self.book[0]
        b["shares"] = np.append(np.cumsum(self.plan.leverage)[:-1], 1.0)
        b["maintenance"], b["amount"] = terms(brackets(self.plan.venues[0][0], UNDERLYING))
        b["isolated"] = self.plan.isolated
        book_init(b)
        first = self.plan.stages[0]
        if self.plan.booked and first.steered:
            index = self.past.price
            fill_book(
                b, self.plan.open_interest, self.plan.position_coin, self.plan.position_sigma,
                24.0 / first.close, index, np.minimum.accumulate(index[::-1])[::-1],
                np.maximum.accumulate(index[::-1])[::-1], self.rng,
            )  # fmt: skip

    @property
    def seconds(self) -> float:
        """How long the plan lasts."""
        return float(self.ends_s[-1])

    def stage_ends(self) -> list[tuple[str, float]]:
        """Return each stage's name and when it ends, in seconds from the start."""
        lengths = [max(1, round(s.duration_s / s.step_s)) * s.step_s for s in self.plan.stages]
        ends = WARM_S + np.cumsum(lengths)
        return [(s.name, float(e)) for s, e in zip(self.plan.stages, ends, strict=True)]

    def until(self, second: float) -> bytes:
        """Live on to `second` after the start and return the rows of it, in the log's order."""
        parts = [] if self._begun else [self._announcement()]
        self._begun = True
        last = int(np.searchsorted(self.ends_s, second, side="right"))
        s = self.state[0]
        while s["steps"] < last:
            s["rows"] = 0
            live(
                s, self.book[0], self._settings[0], self.steps, last, self._rows, self._words, self.rng
            )  # fmt: skip
            parts.append(self._rows[: int(s["rows"])].tobytes())
        return b"".join(parts)

    def look(self) -> None:
        """Begin to count orders, USD and the mark's extremes anew."""
        s = self.state[0]
        s["orders"], s["usd"], s["spot_usd"] = np.zeros((2, CAUSES)), np.zeros((2, CAUSES)), 0.0
        s["low"] = s["high"] = s["mark"]

    def _announcement(self) -> bytes:
        buffer, history = RowBuffer(), self.plan.history_days > 0
        parts = []
        for k, venue in enumerate((*(v[0] for v in self.plan.venues), *SPOT_VENUES)):
            perpetual = k < len(self.plan.venues)
            flags = int(Flag.SPOT)
            if perpetual:
                flags = int(Flag.SAMPLED if self.plan.venues[k][2] else Flag.COMPLETE)
                flags |= int(Flag.HAS_BACKFILL) if history else 0
            interval_ns = 8 * 3600 * NS_PER_S if perpetual else 0
            instrument = stable_id(venue, UNDERLYING)
            buffer.contract(flags, instrument, START_NS, START_NS, interval_ns, UNDERLYING, venue)
        announced = np.frombuffer(bytearray(buffer.view()), ROW)
        announced["reserved"] = QUOTES[-len(announced) :]
        parts.append(announced.tobytes())
        buffer.clear()
        for venue, share, _ in self.plan.venues if history else ():
            instrument = stable_id(venue, UNDERLYING)
            parts.append(past_rows(self.past, instrument, share, START_NS))
            buffer.integers(
                Kind.BACKFILL_END, int(Flag.BACKFILL), instrument, START_NS, START_NS,
                int(Channel.ALL), 0, 0,
            )  # fmt: skip
        parts.append(bytes(buffer.view()))
        return b"".join(parts)
