"""The premium that buyers in the United States pay: Coinbase in dollars over Binance in tethers (method 8.2).

``coinbase_premium_bp = 1e4 * ln(P_coinbase_usd / (P_binance_usdt * usdt_usd))``, EW mean with a half-life of
five minutes. Prices are last trades, at most `spot_fresh_s` old; with one missing the premium is unknown.

The log of an underlying has no market of the stablecoin itself. But some spot venues trade the coin both for
dollars and for tethers (Coinbase, Kraken, OKX), and what a tether is worth there follows: ``usdt_usd = P_usd
/ P_usdt`` of the same venue, as the geometric mean over the venues that trade both now. So a move of the peg
alone leaves the premium where it was. Where no venue trades both, a tether counts as one dollar, flagged
UNIT_ASSUMED until the mean has forgotten it for two half-lives, and the premium is that of the peg as well.
"""

import math

import numpy as np

from streams.events import Quote
from streams.groups import venue_code
from streams.kernels.decay import HELD, held_advance, held_init, held_set, held_warm
from streams.kernels.jit import NS_PER_S, Record, kernel
from streams.readings import Quality

WARMUP, UNIT_ASSUMED = int(Quality.WARMUP), int(Quality.UNIT_ASSUMED)
USD, USDT = int(Quote.USD), int(Quote.USDT)
#: The first that has a price counts: both of Coinbase's feeds tell the same trades.
COINBASE, COINBASE_TOO = venue_code("coinbase"), venue_code("coinbase_adv")
BINANCE = venue_code("binance_spot")

UNDERLYING = np.dtype([("premium", HELD), ("tether", HELD), ("assumed_ns", "i8")])
READINGS = (
    ("coinbase_premium_bp", "bp", "Coinbase in USD over Binance in USDT, peg taken out, 5-minute EW mean"),
    ("usdt_usd", "USD per USDT", "what one USDT is worth by venues that trade the coin for both"),
)  # fmt: skip


@kernel
def underlying_init(u: Record) -> None:
    """Nothing is known yet."""
    held_init(u.premium)
    held_init(u.tether)
    u.assumed_ns = 0


@kernel
def premium_bp(coinbase_usd: float, binance_usdt: float, log_usdt_usd: float) -> float:
    """Return the premium, NaN where a price is; the peg is given as ``ln(usdt_usd)``.

    >>> round(premium_bp(100.1, 100.0, 0.0), 6), round(premium_bp(100.1, 100.0, math.log(1.001)), 9)
    (9.995003, 0.0)
    """
    return 1e4 * (math.log(coinbase_usd / binance_usdt) - log_usdt_usd)


@kernel
def spot_price(contract: Record, time_ns: int, p: Record) -> float:
    """Return a spot market's last price, NaN where it is too old."""
    c = contract.price
    fresh = c.trade_ns > 0 and time_ns - c.trade_ns <= p.spot_fresh_s * NS_PER_S
    return float(c.trade) if fresh else math.nan


@kernel
def market_price(
    contracts: Record, beside: Record, count: int, venue: int, quote: int, time_ns: int, p: Record
) -> float:
    """Return the price on one venue in one money, NaN where there is none."""
    for k in range(count):
        contract = contracts[beside[k]]
        if contract.feed.venue == venue and contract.feed.quote == quote:
            price = spot_price(contract, time_ns, p)
            if price == price:
                return price
    return math.nan


@kernel
def log_tether(contracts: Record, beside: Record, count: int, time_ns: int, p: Record) -> float:
    """Return ``ln`` of USD per USDT, the mean over venues that trade the coin for both; NaN without one."""
    total = 0.0
    venues = 0
    for k in range(count):
        contract = contracts[beside[k]]
        if contract.feed.quote != USD or contract.feed.venue == 0:
            continue
        dollars = spot_price(contract, time_ns, p)
        tethers = market_price(contracts, beside, count, contract.feed.venue, USDT, time_ns, p)
        if dollars == dollars and tethers == tethers:
            total += math.log(dollars / tethers)
            venues += 1
    return total / venues if venues > 0 else math.nan


@kernel
def tick(
    u: Record, r: Record, contracts: Record, beside: Record, count: int, time_ns: int, dt_s: float,
    p: Record,
) -> None:  # fmt: skip
    """Let the means pass `dt_s` seconds, then look at the prices as they are, and publish."""
    half_life_s = p.coinbase_half_life_s
    held_advance(u.premium, dt_s, half_life_s)
    held_advance(u.tether, dt_s, half_life_s)
    coinbase = market_price(contracts, beside, count, COINBASE, USD, time_ns, p)
    if coinbase != coinbase:
        coinbase = market_price(contracts, beside, count, COINBASE_TOO, USD, time_ns, p)
    binance = market_price(contracts, beside, count, BINANCE, USDT, time_ns, p)
    tether = log_tether(contracts, beside, count, time_ns, p)
    now = premium_bp(coinbase, binance, tether if tether == tether else 0.0)
    if now == now and tether != tether:
        u.assumed_ns = time_ns
    held_set(u.premium, now)
    held_set(u.tether, tether)
    assumed = u.assumed_ns > 0 and time_ns - u.assumed_ns < 2.0 * half_life_s * NS_PER_S
    r.coinbase_premium_bp.value = u.premium.mean if now == now else math.nan
    r.coinbase_premium_bp.coverage = 1.0 if now == now else 0.0
    r.coinbase_premium_bp.quality = (UNIT_ASSUMED if assumed else 0) | (
        0 if held_warm(u.premium, half_life_s) else WARMUP
    )
    r.usdt_usd.value = math.exp(u.tether.mean) if tether == tether else math.nan
    r.usdt_usd.coverage = 1.0 if tether == tether else 0.0
    r.usdt_usd.quality = 0 if held_warm(u.tether, half_life_s) else WARMUP
