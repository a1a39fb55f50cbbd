"""What happens at a tick: the order in which indicators and machines see the market."""

import math

from streams import conclude
from streams.breakers.inputs import known
from streams.conclude import step_machine
from streams.events import Channel
from streams.indicators import (
    absorption,
    branching,
    branching_fit,
    bursts,
    carry,
    cascade,
    deleveraging,
    feeds,
    flow_outputs,
    flows,
    funding,
    funding_split,
    gates,
    groups,
    heatmap,
    heatmap_level,
    heatmap_outputs,
    heatmap_score,
    impact,
    information,
    lead_lag,
    leverage,
    liquidations,
    open_interest,
    premia,
    price,
    quadrant,
    throttling,
    trade_paths,
    turnover,
    volatility,
    volatility_regime,
)
from streams.kernels.jit import NS_PER_S, Record, kernel
from streams.kernels.path import QUARTER_S, ring_at
from streams.readings import Quality
from streams.told import told_init

FEEDS_NEVER, FEEDS_OK, FEEDS_DEGRADED = 0, 1, 2
LIQUIDATION_CHANNEL = int(Channel.LIQUIDATION)
UNIT_ASSUMED = int(Quality.UNIT_ASSUMED)


@kernel
def contract_init(c: Record) -> None:
    """Prepare a contract's record."""
    c.feed.channels = c.feed.heartbeat_ns = c.feed.inverse = c.feed.aside = c.feed.group = 0
    c.feed.venue = c.feed.quote = 0
    price.contract_init(c.price)
    open_interest.contract_init(c.open_interest)
    funding.contract_init(c.funding)
    liquidations.contract_init(c.liquidations)
    throttling.contract_init(c.throttling)
    gates.contract_init(c.gates)
    deleveraging.contract_init(c.deleveraging)
    turnover.contract_init(c.turnover)
    carry.contract_init(c.carry)
    heatmap.contract_init(c.heat)
    flows.contract_init(c.flows)
    trade_paths.contract_init(c.path)


@kernel
def underlying_init(u: Record) -> None:
    """Prepare an underlying's record; its readings are NaN already."""
    u.origin_ns = u.time_ns = u.tick_ns = u.live = u.sequence = 0
    u.feeds = u.feeds_said = u.feeds_ns = u.trigger_ns = 0
    u.taker_usd[:, :] = 0.0
    told_init(u.feeds_told)
    price.underlying_init(u.price)
    open_interest.underlying_init(u.open_interest)
    deleveraging.underlying_init(u.deleveraging)
    turnover.underlying_init(u.turnover)
    leverage.underlying_init(u.leverage)
    funding.underlying_init(u.funding)
    funding_split.underlying_init(u.funding_split)
    carry.underlying_init(u.carry)
    liquidations.underlying_init(u.liquidations)
    cascade.underlying_init(u.cascade)
    branching_fit.underlying_init(u.branching)
    quadrant.underlying_init(u.quadrant)
    flows.underlying_init(u.flows)
    premia.underlying_init(u.premia)
    groups.underlying_init(u.groups)
    volatility.underlying_init(u.volatility)
    volatility_regime.underlying_init(u.volatility_regime)
    impact.underlying_init(u.impact)
    absorption.underlying_init(u.absorption)
    trade_paths.underlying_init(u.paths)
    lead_lag.underlying_init(u.lead_lag)
    information.underlying_init(u.information)
    heatmap.underlying_init(u.heat)
    heatmap_level.level_init(u.heat_level)
    heatmap_score.score_init(u.heat_score)
    for side in range(2):
        bursts.burst_init(u.burst[side])
    conclude.conclude_init(u)


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
def _leverage(
    u: Record, contracts: Record, members: Record, count: int, time_ns: int, dt_s: float,
    now_s: float, live: bool, p: Record,
) -> None:  # fmt: skip
    """Write what open interest has done over days, what it hides, and what it costs to hold."""
    r, oi = u.readings, u.open_interest
    deleveraging.tick(u.deleveraging, oi, contracts, members, count, time_ns)
    deleveraging.publish(u.deleveraging, oi, contracts, members, count, r, time_ns, p)
    turnover.publish(u.turnover, contracts, members, count, r, time_ns, live, p)
    perp_usd, spot_usd = (
        known(r.volume_usd_24h_perp),
        known(r.volume_usd_24h_spot),
    )  # as of the last tick
    enough = oi.coverage >= p.oi_panel_coverage
    leverage.publish(u.leverage, r, perp_usd, spot_usd, time_ns, dt_s, now_s, enough, p)
    funding_split.tick(u.funding_split, contracts, members, count, r, time_ns, dt_s, p)
    flush_ns = max(u.machine[0].flush_ns, u.machine[1].flush_ns)
    carry.tick(u.carry, contracts, members, count, flush_ns, r, time_ns, dt_s, p)


@kernel
def _markets(
    u: Record, contracts: Record, members: Record, count: int, time_ns: int, dt_s: float,
    now_s: float, live: bool, p: Record, work: Record,
) -> None:  # fmt: skip
    """Advance prices, open interest and funding to `time_ns` and write their readings."""
    r = u.readings
    price.tick(u.price, contracts, members, count, time_ns, live)
    open_interest.tick(u.open_interest, contracts, members, count, time_ns, dt_s, p)
    price.publish(u.price, r, time_ns, dt_s, p.sigma_half_life_s, live)
    open_interest.publish(u.open_interest, contracts, members, count, r, time_ns, dt_s, now_s, p)
    if gates.any_tripped(contracts, members, count, time_ns):
        r.oi_usd.quality |= UNIT_ASSUMED
        r.oi_coin.quality |= UNIT_ASSUMED
    open_interest.learn_sizes(u.open_interest, contracts, members, count, r, time_ns, dt_s, p)
    funding.tick(contracts, members, count, r, time_ns, dt_s, live, p, work)
    funding.publish(u.funding, r, dt_s, now_s, p)
    _leverage(u, contracts, members, count, time_ns, dt_s, now_s, live, p)


@kernel
def _forced_flow(
    u: Record, contracts: Record, members: Record, count: int, time_ns: int, dt_s: float,
    now_s: float, p: Record, n: Record, up: Record,
) -> None:  # fmt: skip
    """Let the rates of forced orders and their configured excitation fade to `time_ns`."""
    r = u.readings
    _live_channels(contracts, members, count, LIQUIDATION_CHANNEL, time_ns, p, up)
    liquidations.tick(
        u.liquidations, contracts, members, count, up, time_ns, now_s, u.origin_ns, dt_s, p
    )
    liquidations.publish(u.liquidations, r, time_ns)
    hidden_usd, complete_usd = liquidations.rates_10m(u.liquidations)
    throttling.publish(contracts, members, count, up, hidden_usd, complete_usd, r)
    complete = u.liquidations.complete_live
    cascade.tick(u.cascade, u.price.last_return, complete, time_ns, now_s, dt_s, p)
    cascade.publish(u.cascade, r, n, complete, time_ns, p)


@kernel
def _branching(
    u: Record, contracts: Record, members: Record, count: int, time_ns: int, dt_s: float,
    now_s: float, p: Record, up: Record,
) -> None:  # fmt: skip
    """Let the fits of the excitation see this tick; `up` is as `_forced_flow` left it."""
    branching_fit.tick(
        u.branching, contracts, members, count, up, u.price.last_return, time_ns, now_s, dt_s, p
    )
    branching.publish(u.branching, u.readings, time_ns, p)


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
def _impact(
    u: Record, contracts: Record, members: Record, count: int, spot: float, time_ns: int, dt_s: float,
    p: Record,
) -> None:  # fmt: skip
    """Learn what forced orders do to the price, and tell those who build on it."""
    stale_s, covered = p.heartbeat_stale_s, u.branching.coverage
    trades = feeds.perp_coverage(contracts, members, count, time_ns, stale_s)
    observed = u.branching.observed == 1 and trades >= p.score_coverage
    observed = observed and not spot < p.spot_coverage  # NaN: there is no spot market to miss
    level = u.price.log_price if u.price.price == u.price.price else math.nan
    day_sigma = math.sqrt(volatility.variance(u.volatility, volatility.H24, time_ns, p) / 365.0)
    impact.tick(u.impact, u.taker_usd, level, 1e4 * day_sigma, covered, observed, time_ns, dt_s, p)
    impact.publish(u.impact, u.readings, time_ns, p)
    for side in range(2):
        kappa, error = impact.present_kappa(u.impact, side, time_ns, p)
        u.branching.impact[side, 0], u.branching.impact[side, 1] = kappa, error


@kernel
def _lead_lag(
    u: Record, contracts: Record, members: Record, count: int, beside: Record, beside_count: int,
    spot: float, time_ns: int, dt_s: float, p: Record,
) -> None:  # fmt: skip
    """Let lead-lag and information share see both price paths."""
    r = u.readings
    trade_paths.tick(u.paths, contracts, members, count, beside, beside_count, time_ns, dt_s, p)
    trade_paths.publish(u.paths, r)
    lead_lag.tick(u.lead_lag, u.paths, time_ns, p)
    lead_lag.publish(u.lead_lag, r, spot, time_ns, p)
    information.tick(u.information, u.paths, time_ns, p)
    information.publish(u.information, r, spot, time_ns, p)


@kernel
def _absorption(u: Record, spot: float, time_ns: int, dt_s: float, p: Record) -> None:
    """Hold bursts against what spot took and what the price did."""
    level = u.price.log_price if u.price.price == u.price.price else math.nan
    hidden = (u.liquidations.hidden[0].held, u.liquidations.hidden[3].held)
    kappas = (
        impact.kappa(u.impact, impact.BASE, 0, time_ns, p)[0],
        impact.kappa(u.impact, impact.BASE, 1, time_ns, p)[0],
    )
    absorption.tick(
        u.absorption, u.burst, u.taker_usd, u.impact.printed, hidden, kappas, level, spot,
        u.liquidations.coverage, time_ns, dt_s, p,
    )  # fmt: skip
    absorption.publish(
        u.absorption, u.readings, u.liquidations.any_sampled, u.liquidations.coverage, time_ns
    )


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
    kappa_long = impact.kappa(u.impact, impact.BASE, 0, time_ns, p)[0]
    kappa_short = impact.kappa(u.impact, impact.BASE, 1, time_ns, p)[0]
    heatmap_outputs.publish(
        u.heat, u.heat_level, u.heat_score, u.readings, u.open_interest.coverage,
        price.sigma(u.price, 2), kappa_long, kappa_short, time_ns, p,
    )  # fmt: skip


@kernel
def _flows(
    u: Record, contracts: Record, members: Record, count: int, beside: Record, beside_count: int,
    time_ns: int, dt_s: float, live: bool, p: Record,
) -> None:  # fmt: skip
    """See who trades where, and how spot and regulated futures stand beside the perpetuals."""
    f, r = u.flows, u.readings
    flows.tick(f, contracts, members, count, beside, beside_count, time_ns, live, p)
    if not live:
        return  # history has perpetuals only
    flow_outputs.publish(f, r, time_ns, dt_s, p)
    premia.tick(u.premia, r, contracts, beside, beside_count, time_ns, dt_s, p)
    level = u.price.log_price if u.price.price == u.price.price else math.nan
    groups.tick(
        u.groups, f, r, contracts, members, count, beside, beside_count,
        level - ring_at(u.price.quarter, QUARTER_S, time_ns, groups.MOVE_S), r.perp_leads.value, time_ns,
        dt_s, p,
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
    conclude.follow_bursts(u, time_ns)


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
    perp = (
        r.taker_imbalance_perp_15m.value, r.taker_imbalance_perp_1h.value, r.taker_imbalance_perp_4h.value,
    )  # fmt: skip
    spot = (
        r.taker_imbalance_spot_15m.value, r.taker_imbalance_spot_1h.value, r.taker_imbalance_spot_4h.value,
    )  # fmt: skip
    long, short = u.burst[0].phase == bursts.OPEN, u.burst[1].phase == bursts.OPEN
    for w in range(3):
        quadrant.step(
            u.quadrant.windows[w], moves[w], coin[w], price.sigma(u.price, w),
            open_interest.sigma(u.open_interest, w), r.funding_excess_apr.value, long, short,
            perp[w], spot[w], time_ns, p,
        )  # fmt: skip
    quadrant.publish(u.quadrant, r)


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
    said = u.feeds_said + u.burst[0].said + u.burst[1].said + u.machine[0].said + u.machine[1].said
    return said > 0 or conclude.breakers_speak(u)


@kernel
def tick(
    u: Record, contracts: Record, members: Record, count: int, beside: Record, beside_count: int,
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
    _markets(u, contracts, members, count, time_ns, dt_s, now_s, live, p, work)
    _forced_flow(u, contracts, members, count, time_ns, dt_s, now_s, p, n, up)
    _branching(u, contracts, members, count, time_ns, dt_s, now_s, p, up)
    _volatility(u, contracts, members, count, time_ns, now_s, live, p)
    spot = feeds.spot_coverage(contracts, beside, beside_count, time_ns, p.heartbeat_stale_s)
    if live:
        _impact(u, contracts, members, count, spot, time_ns, dt_s, p)
        _lead_lag(u, contracts, members, count, beside, beside_count, spot, time_ns, dt_s, p)
    _flows(u, contracts, members, count, beside, beside_count, time_ns, dt_s, live, p)
    _heat(u, contracts, members, count, time_ns, dt_s, live, p, work)
    conclude.score(u, time_ns, now_s, p)
    if not live:
        return False
    step_bursts(u, dt_s, time_ns, now_s, p)
    conclude.compare_bursts(u, time_ns, p)
    _absorption(u, spot, time_ns, dt_s, p)
    _publish_bursts(u, dt_s, now_s, p)
    _step_quadrants(u, time_ns, p)
    conclude.step_breakers(u, time_ns, p)
    step_machine(u, 0, time_ns, p)
    step_machine(u, 1, time_ns, p)
    conclude.publish(u, time_ns)
    _watch_feeds(u, time_ns, p)
    return speaks(u)


#: What `tick` calls, in its order: see `streams.ahead`.
PARTS = (
    _markets, _forced_flow, _branching, _volatility, _impact, _lead_lag, _flows, _heat, conclude.score,
    step_bursts, conclude.compare_bursts, _absorption, _publish_bursts, _step_quadrants,
    conclude.step_breakers, step_machine, conclude.publish,
)  # fmt: skip
