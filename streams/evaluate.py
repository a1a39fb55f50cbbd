"""What happens at a tick: the order in which indicators and machines see the market."""

import math

from streams.breakers import machine
from streams.events import Channel
from streams.indicators import (
    branching,
    branching_fit,
    bursts,
    cascade,
    funding,
    gates,
    heatmap,
    heatmap_level,
    heatmap_outputs,
    heatmap_score,
    liquidations,
    open_interest,
    price,
    quadrant,
    throttling,
    volatility,
    volatility_regime,
)
from streams.kernels.jit import NS_PER_S, Record, kernel
from streams.readings import Quality

FEEDS_NEVER, FEEDS_OK, FEEDS_DEGRADED = 0, 1, 2
LIQUIDATION_CHANNEL = int(Channel.LIQUIDATION)
UNIT_ASSUMED = int(Quality.UNIT_ASSUMED)


@kernel
def contract_init(c: Record) -> None:
    """Prepare a contract's record."""
    c.feed.channels = c.feed.heartbeat_ns = c.feed.inverse = c.feed.aside = c.feed.group = 0
    price.contract_init(c.price)
    open_interest.contract_init(c.open_interest)
    funding.contract_init(c.funding)
    liquidations.contract_init(c.liquidations)
    throttling.contract_init(c.throttling)
    gates.contract_init(c.gates)
    heatmap.contract_init(c.heat)


@kernel
def underlying_init(u: Record) -> None:
    """Prepare an underlying's record; its readings are NaN already."""
    u.origin_ns = u.time_ns = u.tick_ns = u.live = u.sequence = 0
    u.feeds = u.feeds_said = u.feeds_ns = u.trigger_ns = 0
    u.taker_usd[:, :] = 0.0
    price.underlying_init(u.price)
    open_interest.underlying_init(u.open_interest)
    funding.underlying_init(u.funding)
    liquidations.underlying_init(u.liquidations)
    cascade.underlying_init(u.cascade)
    branching_fit.underlying_init(u.branching)
    quadrant.underlying_init(u.quadrant)
    volatility.underlying_init(u.volatility)
    volatility_regime.underlying_init(u.volatility_regime)
    heatmap.underlying_init(u.heat)
    heatmap_level.level_init(u.heat_level)
    heatmap_score.score_init(u.heat_score)
    for side in range(2):
        bursts.burst_init(u.burst[side])
        machine.machine_init(u.machine[side])


@kernel
def _live_channels(
    contracts: Record,
    members: Record,
    count: int,
    channel: int,
    time_ns: int,
    p: Record,
    out: Record,
) -> None:
    for k in range(count):
        feed = contracts[members[k]].feed
        beats = (
            feed.heartbeat_ns > 0 and time_ns - feed.heartbeat_ns <= p.heartbeat_stale_s * NS_PER_S
        )
        out[k] = beats and feed.channels & channel != 0


@kernel
def _markets(
    u: Record, contracts: Record, members: Record, count: int, time_ns: int, dt_s: float,
    now_s: float, live: bool, p: Record, n: Record, work: Record, up: Record,
) -> None:  # fmt: skip
    """Advance every indicator to `time_ns` and write its readings."""
    r = u.readings
    price.tick(u.price, contracts, members, count, time_ns, live)
    open_interest.tick(u.open_interest, contracts, members, count, time_ns, dt_s, p)
    price.publish(u.price, r, time_ns, dt_s, p.sigma_half_life_s, live)
    open_interest.publish(u.open_interest, contracts, members, count, r, time_ns, dt_s, now_s, p)
    if gates.any_tripped(contracts, members, count, time_ns):
        r.oi_usd.quality |= UNIT_ASSUMED
        r.oi_coin.quality |= UNIT_ASSUMED
    open_interest.learn_sizes(u.open_interest, contracts, members, count, time_ns, dt_s, p)
    funding.tick(contracts, members, count, r, time_ns, dt_s, live, p, work)
    funding.publish(u.funding, r, dt_s, now_s, p)
    _live_channels(contracts, members, count, LIQUIDATION_CHANNEL, time_ns, p, up)
    liquidations.tick(u.liquidations, contracts, members, count, up, time_ns, now_s, dt_s, p)
    liquidations.publish(u.liquidations, r, time_ns)
    throttling.publish(contracts, members, count, up, r, p)
    complete = u.liquidations.complete_live
    cascade.tick(u.cascade, u.price.last_return, complete, time_ns, now_s, dt_s, p)
    cascade.publish(u.cascade, r, n, complete, time_ns, p)
    branching_fit.tick(
        u.branching, contracts, members, count, up, u.price.last_return, time_ns, now_s, dt_s, p
    )
    branching.publish(u.branching, r, time_ns, p)


@kernel
def _volatility(
    u: Record, contracts: Record, members: Record, count: int, time_ns: int, now_s: float,
    live: bool, p: Record,
) -> None:  # fmt: skip
    """Let volatility and its regime see the price path of this tick."""
    v, regime = u.volatility, u.volatility_regime
    level = u.price.log_price if u.price.price == u.price.price else math.nan
    indexed = volatility.indexed_share(contracts, members, count)
    volatility.tick(v, level, indexed, time_ns, live, p)
    volatility_regime.tick(regime, v, time_ns, now_s, live, p)
    volatility.publish(v, u.readings, time_ns, p)
    volatility_regime.publish(regime, v, u.readings, time_ns, now_s, p)


@kernel
def _heat(
    u: Record, contracts: Record, members: Record, count: int, time_ns: int, dt_s: float, live: bool,
    p: Record, work: Record,
) -> None:  # fmt: skip
    """Let the heatmap see prices, open interest and what was forced, and score its forecasts."""
    heatmap.tick(u.heat, contracts, members, count, time_ns, dt_s, live, p, work)
    covered = u.liquidations.coverage
    known = live and covered >= p.score_coverage
    for side in range(2):
        realised = liquidations.take_realised(u.liquidations, side, dt_s) / covered
        heatmap_level.level_step(
            u.heat_level,
            side,
            u.heat.consumed_usd[side],
            realised if known else math.nan,
            time_ns,
            p,
        )
    heatmap_score.score_step(u.heat_score, u.heat, known, time_ns, p)
    kappa_long = kappa_short = math.nan  # bp of adverse move per million USD forced (method 8.4)
    heatmap_outputs.publish(
        u.heat, u.heat_level, u.heat_score, u.readings, u.open_interest.coverage,
        price.sigma(u.price, 2), kappa_long, kappa_short, time_ns, p,
    )  # fmt: skip


@kernel
def step_bursts(u: Record, dt_s: float, time_ns: int, now_s: float, p: Record) -> None:
    """Let both sides' bursts begin, grow and end on the present rates."""
    r = u.readings
    long = liquidations.estimated_rate(u.liquidations, 0, 0)
    short = liquidations.estimated_rate(u.liquidations, 1, 0)
    oi_usd, oi, level = r.oi_usd.value, r.oi_coin.value, u.price.price
    bursts.step(u.burst[0], long, short, oi_usd, oi, level, True, dt_s, time_ns, now_s, p)
    bursts.step(u.burst[1], short, long, oi_usd, oi, level, False, dt_s, time_ns, now_s, p)


@kernel
def _publish_bursts(u: Record, dt_s: float, now_s: float, p: Record) -> None:
    r = u.readings
    long, short = r.liquidated_usd_per_s_60s_long.value, r.liquidated_usd_per_s_60s_short.value
    oi_usd = r.oi_usd.value
    bursts.learn(u.burst[0], long, oi_usd, dt_s, now_s, p)
    bursts.learn(u.burst[1], short, oi_usd, dt_s, now_s, p)
    bursts.publish(u.burst[0], long, oi_usd, r.burst_long, r.liquidation_rank_90d_long, now_s, p)
    bursts.publish(u.burst[1], short, oi_usd, r.burst_short, r.liquidation_rank_90d_short, now_s, p)


@kernel
def _step_quadrants(u: Record, time_ns: int, p: Record) -> None:
    r = u.readings
    moves = (r.return_15m.value, r.return_1h.value, r.return_4h.value)
    coin = (
        u.open_interest.change[0].held, u.open_interest.change[1].held, u.open_interest.change[2].held,
    )  # fmt: skip
    long, short = u.burst[0].phase == bursts.OPEN, u.burst[1].phase == bursts.OPEN
    for w in range(3):
        quadrant.step(
            u.quadrant.windows[w], moves[w], coin[w], price.sigma(u.price, w),
            open_interest.sigma(u.open_interest, w), r.funding_excess_apr.value, long, short,
            time_ns, p,
        )  # fmt: skip
    quadrant.publish(u.quadrant, r)


@kernel
def _crowding(u: Record, p: Record) -> None:
    r = u.readings
    r.crowding_long.value = machine.crowding(r.funding_stress_long, r.oi_z, p.score_coverage)
    r.crowding_short.value = machine.crowding(r.funding_stress_short, r.oi_z, p.score_coverage)
    r.crowding_long.coverage = r.crowding_short.coverage = 0.75


@kernel
def step_machine(u: Record, side: int, time_ns: int, p: Record) -> None:
    """Advance one side's machine on the readings as they stand."""
    r = u.readings
    sign = 1.0 if side == 0 else -1.0
    c = r.crowding_long.value if side == 0 else r.crowding_short.value
    x = r.fragility_long.value if side == 0 else r.fragility_short.value
    excess, usual = r.funding_excess_apr.value, r.funding_excess_median_30d.value
    m = u.machine[side]
    recent_flush = m.flush_ns > 0 and time_ns - m.flush_ns <= machine.DAY_NS
    underneath = not recent_flush and machine.fragile_underneath(
        sign, r.return_4h.value, price.sigma(u.price, 2),
        r.oi_change_4h.value, open_interest.sigma(u.open_interest, 2), excess,
    )  # fmt: skip
    b = u.burst[side]
    if b.said == bursts.ENDED and b.oi_end <= 0.99 * b.oi_start:
        m.flush_ns = time_ns
    forced = b.phase == bursts.OPEN and b.dominant == 1  # now, not only when it opened
    known_flow = u.liquidations.coverage >= p.score_coverage
    known = known_flow and u.open_interest.coverage >= p.score_coverage
    machine.step(
        m, c, x, underneath, forced, r.oi_change_5m.value, sign * excess,
        sign * usual, u.open_interest.log_oi, known, known_flow, time_ns, p,
    )  # fmt: skip


@kernel
def _publish_machines(u: Record) -> None:
    r = u.readings
    r.fragile_underneath_long.value = float(u.machine[0].underneath)
    r.fragile_underneath_short.value = float(u.machine[1].underneath)
    r.oi_drop_long.value = machine.oi_drop(u.machine[0], u.open_interest.log_oi)
    r.oi_drop_short.value = machine.oi_drop(u.machine[1], u.open_interest.log_oi)


@kernel
def _watch_feeds(u: Record, time_ns: int, p: Record) -> None:
    """Say when mandatory feeds cover too little of the market, and when they do again."""
    ok = (
        u.liquidations.coverage >= p.score_coverage
        and u.open_interest.coverage >= p.score_coverage
        and u.readings.funding_excess_apr.value == u.readings.funding_excess_apr.value
    )
    feeds = FEEDS_OK if ok else FEEDS_DEGRADED
    if u.feeds == FEEDS_NEVER and not ok:
        return  # still starting: the machines say UNKNOWN
    if feeds != u.feeds:
        u.feeds, u.feeds_said, u.feeds_ns = feeds, 1, time_ns


@kernel
def speaks(u: Record) -> bool:
    """Return whether the underlying has something to say."""
    return (
        u.feeds_said + u.burst[0].said + u.burst[1].said + u.machine[0].said + u.machine[1].said > 0
    )


@kernel
def tick(
    u: Record, contracts: Record, members: Record, count: int,
    beside: Record, beside_count: int,  # noqa: ARG001
    time_ns: int, live: bool, p: Record, n: Record, work: Record, up: Record,
) -> bool:  # fmt: skip
    """Evaluate an underlying at `time_ns`; return whether it has something to say.

    `members` are the slots of its perpetuals, `beside` those of its spot markets and regulated futures.
    """
    if u.tick_ns == 0:
        u.origin_ns = time_ns
    dt_s = (time_ns - u.tick_ns) / NS_PER_S if u.tick_ns > 0 else 0.0
    now_s = (time_ns - u.origin_ns) / NS_PER_S
    u.tick_ns = u.time_ns = u.trigger_ns = time_ns
    _markets(u, contracts, members, count, time_ns, dt_s, now_s, live, p, n, work, up)
    _volatility(u, contracts, members, count, time_ns, now_s, live, p)
    _heat(u, contracts, members, count, time_ns, dt_s, live, p, work)
    _crowding(u, p)
    if not live:
        return False
    step_bursts(u, dt_s, time_ns, now_s, p)
    _publish_bursts(u, dt_s, now_s, p)
    _step_quadrants(u, time_ns, p)
    step_machine(u, 0, time_ns, p)
    step_machine(u, 1, time_ns, p)
    _publish_machines(u)
    _watch_feeds(u, time_ns, p)
    return speaks(u)
