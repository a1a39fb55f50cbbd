"""Bybit v5 inverse: the linear contracts' frames, in which sizes are dollars."""

from tests.service.venues.cases import HOUR_NS, NAN, Case, Mutant, listed
from tests.service.venues.cases_bybit import (
    CONTRACTS,
    OF_BOTH,
    REFUSALS,
    liquidations,
    trade,
    trades,
)

__all__ = ["CASES", "GOOD", "HISTORY", "INSTRUMENTS", "MUTANTS", "REFUSALS"]

INSTRUMENTS = listed(
    "bybit_coin",
    ("BTCUSD", "BTC", "USD", {"contract_type": "inverse"}),
    ("ETHUSD", "ETH", "USD", {"contract_type": "inverse", "funding_interval_ns": 4 * HOUR_NS}),
)

#: Rows of thirty days of history.
HISTORY = {"mark": 720, "funding": 90, "open_interest": 8640}

SNAPSHOT = (
    b'{"topic":"tickers.BTCUSD","type":"snapshot","data":{"symbol":"BTCUSD","lastPrice":"50010.00",'
    b'"markPrice":"50000.00","indexPrice":"50001.00","openInterest":"63910691",'
    b'"openInterestValue":"1278.21","singleOpenInterest":"31955000","singleOpenInterestValue":"639.1",'
    b'"fundingIntervalHour":"4","nextFundingTime":"1790553600000","fundingRate":"0.0001",'
    b'"bid1Price":"49999.00","bid1Size":"2","ask1Price":"50003.00","ask1Size":"1"},"cs":1,'
    b'"ts":1790526539000}'
)
OLD_TICKER = (
    b'{"topic":"tickers.ETHUSD","type":"snapshot","data":{"symbol":"ETHUSD",%b"indexPrice":"2000",'
    b'"openInterest":"9000","nextFundingTime":"","fundingRate":"","bid1Price":"","ask1Price":"2001"},'
    b'"ts":1680673821770}'
)


def delta(fields: bytes) -> bytes:
    """Return a delta of BTCUSD's ticker."""
    return (
        b'{"topic":"tickers.BTCUSD","type":"delta","data":{"symbol":"BTCUSD",%b},"cs":2,'
        b'"ts":1790526540000}' % fields
    )


CASES = (
    Case(
        "trade: v is USD; 5712.1 USD at 28560.5 are 0.2 coins",
        (
            trades(
                b"BTCUSD", trade(b"BTCUSD", b"Buy", b"5712.1", b"28560.50", b',"seq":20856433603')
            ),
        ),
        "trade",
        (
            {
                "kind": "trade",
                "symbol": "BTCUSD",
                "taker": "buy",
                "price": 28560.5,
                "quantity": 0.2,
                "notional_usd": 5712.1,
                "sequence": 20856433603,
                "exchange_ns": 1_672_304_486_865_000_000,
                "flags": [],
            },
        ),
    ),
    Case(
        "several trades of one message; 4000 USD at 2000 are 2 coins",
        (
            trades(
                b"ETHUSD",
                trade(b"ETHUSD", b"Sell", b"4000", b"2000"),
                trade(b"ETHUSD", b"Buy", b"1000", b"2000"),
            ),
        ),
        "trade",
        (
            {"symbol": "ETHUSD", "taker": "sell", "quantity": 2.0, "notional_usd": 4000.0},
            {"symbol": "ETHUSD", "taker": "buy", "quantity": 0.5, "notional_usd": 1000.0},
        ),
    ),
    Case(
        "ticker: open interest is USD; 31,955,000 of one side at 50,000 are 639.1 coins",
        (SNAPSHOT,),
        "ticker",
        (
            {
                "kind": "mark",
                "mark_price": 50000.0,
                "index_price": 50001.0,
                "mid_price": 50001.0,
                "exchange_ns": 1_790_526_539_000_000_000,
            },
            {
                "kind": "funding",
                "rate": 0.0001,
                "interval_ns": 4 * HOUR_NS,
                "next_funding_ns": 1_790_553_600_000_000_000,
                "flags": ["predicted"],
            },
            {
                "kind": "open_interest",
                "quantity": 639.1,
                "notional_usd": 31_955_000.0,
                "mark_price": 50000.0,
                "flags": [],
            },
        ),
    ),
    Case(
        "a delta of open interest is turned into coin at the merged mark",
        (SNAPSHOT, delta(b'"singleOpenInterest":"50000"')),
        "ticker",
        ({"kind": "open_interest", "quantity": 1.0, "notional_usd": 50_000.0},),
    ),
    Case(
        "a delta of the rate keeps interval and time",
        (SNAPSHOT, delta(b'"fundingRate":"-0.0003"')),
        "ticker",
        (
            {
                "kind": "funding",
                "rate": -0.0003,
                "interval_ns": 4 * HOUR_NS,
                "next_funding_ns": 1_790_553_600_000_000_000,
            },
        ),
    ),
    Case(
        "without the single side the sum is halved: 9,000 at 2,000 are 2.25 coins of one side",
        (OLD_TICKER % b'"markPrice":"2000",',),
        "ticker",
        (
            {"kind": "mark", "symbol": "ETHUSD", "mark_price": 2000.0, "mid_price": NAN},
            {
                "kind": "open_interest",
                "quantity": 2.25,
                "notional_usd": 4500.0,
                "flags": ["unit_assumed"],
            },
        ),
    ),
    Case(
        "dollars of open interest are no coins before there is a mark",
        (OLD_TICKER % b"",),
        "ticker",
        (),
    ),
    Case(
        "liquidation: S Sell is a short; 5000 USD at 50000 are 0.1 coins",
        (liquidations(b"BTCUSD", b"Sell", b"5000", b"50000"),),
        "liquidation",
        (
            {
                "kind": "liquidation",
                "symbol": "BTCUSD",
                "position": "short",
                "price": 50000.0,
                "quantity": 0.1,
                "notional_usd": 5000.0,
                "exchange_ns": 1_789_669_871_606_000_000,
                "flags": ["complete", "unit_assumed", "price_bankruptcy"],
            },
        ),
    ),
    Case(
        "liquidation: S Buy is a long",
        (liquidations(b"ETHUSD", b"Buy", b"1000", b"2000"),),
        "liquidation",
        ({"position": "long", "quantity": 0.5, "notional_usd": 1000.0},),
    ),
    Case(
        "subscription acked",
        (b'{"success":true,"ret_msg":"","conn_id":"x","req_id":"1","op":"subscribe"}',),
        "ack",
        (),
    ),
    Case(
        "pong",
        (b'{"success":true,"ret_msg":"pong","conn_id":"x","req_id":"","op":"ping"}',),
        "pong",
        (),
    ),
    Case(
        "books carry nothing we want",
        (b'{"topic":"orderbook.1.BTCUSD","type":"snapshot","ts":1,"data":{"s":"BTCUSD"}}',),
        "ignored",
        (),
    ),
)

#: A frame of every kind that writes rows, with its price and its symbol as they stand in it.
GOOD = {
    "trade": (
        trades(b"BTCUSD", trade(b"BTCUSD", b"Buy", b"5712", b"28560.50")),
        b'"28560.50"',
        b"BTCUSD",
    ),
    "ticker": (SNAPSHOT, b'"50000.00"', b"BTCUSD"),
    "liquidation": (
        liquidations(b"BTCUSD", b"Sell", b"5000", b"50000"),
        b'"50000"',
        b"BTCUSD",
    ),
}

#: Ways to misread this venue; a case must notice each.
MUTANTS = (
    *OF_BOTH,
    Mutant("open interest without coin passed on", "if math.isnan(coin):", "if False:", CONTRACTS),
)
