"""The three breakers' conditions written out from the method's text, in plain True, False and None."""

from typing import NamedTuple

from streams.config import MethodConfig
from tests.reference.breakers.life import UNKNOWN, SlowLife, all_of, any_of, code, passes

NAN = float("nan")


class Seen(NamedTuple):
    """What a breaker sees of one side; what is not given is unknown."""

    oi_drawdown: float = NAN
    oi_z: float = NAN
    stress: float = NAN
    excess: float = NAN
    shrinkage: float = NAN
    relative: float = NAN
    n_fast: float = NAN
    releverage: float = NAN
    bursts: float = NAN
    forced_share: float = NAN
    absorbed_flow: float = NAN
    absorbed_flow_2: float = NAN
    absorbed_price: float = NAN
    absorbed_price_2: float = NAN
    retracement: float = NAN
    premium: float = NAN
    spot_usd: float = NAN
    perp_usd: float = NAN
    spot_z: float = NAN
    vol_switch: float = NAN
    vol_change: float = NAN
    vol_ratio: float = NAN
    mirror: float = 1.0
    burst_ns: int = 0
    burst_end_ns: int = 0
    warming: frozenset[str] = frozenset()


def _is(s: Seen, name: str, op: str, threshold: float, *, signed: bool = False) -> bool | None:
    """Return whether a value passes; a signed one of shorts is turned round first."""
    value = getattr(s, name) * (s.mirror if signed else 1.0)
    return passes(value, op, threshold, warming=name in s.warming)


class SlowBreaker:
    """Entry, stay and life of one breaker."""

    def __init__(
        self, config: MethodConfig, candidate_s: float, hold_s: float, expiry_s: float
    ) -> None:
        self.config = config
        self.life = SlowLife(
            candidate=int(candidate_s * 1e9), hold=int(hold_s * 1e9), expiry=int(expiry_s * 1e9),
            grace=int(config.breaker_grace_s * 1e9),
        )  # fmt: skip

    def step(self, s: Seen, now_ns: int) -> str | None:
        """Take a look; return what is to be said."""
        return self.life.step(now_ns, code(self.entry(s)), code(self.stay(s)))

    def entry(self, s: Seen) -> bool | None:
        """Return whether it may enter."""
        raise NotImplementedError

    def stay(self, s: Seen) -> bool | None:
        """Return whether it may stay."""
        raise NotImplementedError


class SlowReset(SlowBreaker):
    """LEVERAGE_RESET."""

    def __init__(self, c: MethodConfig) -> None:
        super().__init__(c, c.reset_candidate_s, c.reset_hold_s, c.reset_expiry_s)

    def entry(self, s: Seen) -> bool | None:
        """Leverage is out, nobody is stressed, bursts shrink, nothing is built again."""
        c = self.config
        neutral = passes(abs(s.excess), "<=", c.reset_excess_apr, warming="excess" in s.warming)
        return all_of(
            any_of(
                _is(s, "oi_drawdown", "<=", c.reset_drawdown), _is(s, "oi_z", "<=", c.reset_oi_z)
            ),
            _is(s, "stress", ">=", c.reset_stress_low),
            _is(s, "stress", "<=", c.reset_stress_high),
            neutral,
            _is(s, "shrinkage", "<=", c.reset_shrinkage),
            _is(s, "n_fast", "<=", c.reset_branching),
            _is(s, "releverage", "<=", c.reset_releverage),
        )

    def stay(self, s: Seen) -> bool | None:
        """Not half is built again, the side is not stressed, no new burst came near the largest."""
        c = self.config
        new = self.life.status == "ACTIVE" and s.burst_ns > self.life.since
        return all_of(
            _is(s, "releverage", "<", c.reset_releverage_exit),
            _is(s, "stress", "<", c.reset_stress_exit),
            _is(s, "relative", "<", c.reset_burst_exit) if new else True,
        )


class SlowAbsorption(SlowBreaker):
    """SPOT_ABSORPTION."""

    def __init__(self, c: MethodConfig) -> None:
        super().__init__(c, c.absorption_candidate_s, c.absorption_hold_s, c.absorption_expiry_s)

    def entry(self, s: Seen) -> bool | None:
        """Enough was forced, spot took it, the price held and came back, and spot leads."""
        c = self.config
        two = "_2" if s.bursts >= 2.0 else ""
        return all_of(
            any_of(_is(s, "bursts", ">=", 2.0), _is(s, "forced_share", ">=", c.absorption_forced)),
            _is(s, f"absorbed_flow{two}", ">=", c.absorption_flow),
            _is(s, f"absorbed_price{two}", ">=", c.absorption_price),
            _is(s, "retracement", ">=", c.absorption_retracement),
            any_of(
                _is(s, "premium", ">=", 0.0, signed=True),
                all_of(
                    _is(s, "spot_usd", ">", 0.0, signed=True),
                    _is(s, "perp_usd", "<=", 0.0, signed=True),
                ),
            ),
        )

    def stay(self, s: Seen) -> bool | None:
        """No later burst went unabsorbed, and spot has not turned."""
        c = self.config
        later = self.life.status == "ACTIVE" and s.burst_end_ns > self.life.since
        return all_of(
            _is(s, "absorbed_flow", ">=", c.absorption_flow_exit) if later else True,
            _is(s, "spot_z", ">=", -c.absorption_spot_exit, signed=True),
        )


class SlowRegime(SlowBreaker):
    """VOL_REGIME, with the direction that it is about."""

    def __init__(self, c: MethodConfig) -> None:
        super().__init__(c, c.regime_candidate_s, c.regime_hold_s, c.regime_expiry_s)
        self.direction = 0
        self.outside = False

    def step(self, s: Seen, now_ns: int) -> str | None:
        """Choose the direction first: it only holds while the breaker is active."""
        life = self.life
        direction = self.direction if life.status == "ACTIVE" else self._direction(s)
        turned, self.direction = direction != self.direction, direction
        waiting = life.status != "INACTIVE" or (life.looks and life.held() > 0)
        if turned or not waiting:
            self.outside = False
        c = self.config
        edge = c.regime_exit_high if direction > 0 else c.regime_exit_low
        out = _is(s, "vol_ratio", ">" if direction > 0 else "<", edge)
        self.outside = self.outside or out is True
        stay = out if self.outside else True
        enter = False if turned else self.entry(s)
        return life.step(now_ns, code(enter), UNKNOWN if stay is None else int(stay))

    def _direction(self, s: Seen) -> int:
        if s.vol_switch * s.vol_change > 0.0:
            return 1 if s.vol_switch > 0.0 else -1
        if s.vol_ratio != s.vol_ratio and self.direction:
            return self.direction
        return -1 if s.vol_ratio < 1.0 else 1

    def entry(self, s: Seen) -> bool | None:
        """An alarm and a label agree, or the day's variance is far from the month's."""
        c, up = self.config, self.direction > 0
        op, one = (">=", 1.0) if up else ("<=", -1.0)
        beyond = c.regime_expansion if up else c.regime_compression
        return any_of(
            all_of(_is(s, "vol_switch", op, one), _is(s, "vol_change", op, one)),
            _is(s, "vol_ratio", op, beyond),
        )
