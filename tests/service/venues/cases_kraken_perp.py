"""Kraken Futures: frames after https://docs.kraken.com/exchange/api-reference/futures-websocket."""

from tests.service.venues.cases import HOUR_NS, NAN, RECEIVED_NS, Case, Mutant, listed

INSTRUMENTS = listed(
    "kraken_perp",
    ("PF_XBTUSD", "BTC", "USD", {}),
    ("PF_ETHUSD", "ETH", "USD", {}),
    ("PI_XBTUSD", "BTC", "USD", {"contract_type": "inverse"}),
    ("PF_1000BONKUSD", "BONK", "USD", {"coins_per_unit": 1000}),
)

#: Rows of thirty days of history. Funding is hourly.
HISTORY = {"mark": 720, "funding": 720, "open_interest": 8640}

T = 1_790_526_539_000
NEXT = 1_790_528_400_000


def trade(
    product: bytes,
    side: bytes,
    qty: bytes,
    price: bytes,
    kind: bytes = b"fill",
    seq: int = 653_355,
) -> bytes:
    """Return a frame of one trade."""
    return (
        b'{"feed":"trade","product_id":"%b","uid":"05af78ac-a774-478c-a50c-8b9c234e071e","side":"%b",'
        b'"type":"%b","seq":%d,"time":1790526539123,"qty":%b,"price":%b}'
    ) % (product, side, kind, seq, qty, price)


def snapshot(product: bytes, *numbers: int) -> bytes:
    """Return the old trades that a subscription begins with, newest first."""
    old = b",".join(trade(product, b"sell", b"1", b"60000", seq=number) for number in numbers)
    return b'{"feed":"trade_snapshot","product_id":"%b","trades":[%b]}' % (product, old)


def ticker(product: bytes, fields: bytes, open_interest: bytes = b"1848.1574") -> bytes:
    """Return a ticker with some fields of funding."""
    return (
        b'{"time":1790526539000,"product_id":"%b",%b"feed":"ticker","bid":60001,"ask":60003,'
        b'"bid_size":0.1397,"ask_size":0.1155,"volume":4057.7149,"dtm":0,"leverage":"50x","index":59990.5,'
        b'"premium":0.0,"last":66666,"change":0.4,"suspended":false,"tag":"perpetual","pair":"XBT:USD",'
        b'"openInterest":%b,"markPrice":60000.5,"maturityTime":0,"post_only":false}'
    ) % (product, fields, open_interest)


FUNDING = (
    b'"funding_rate":0.384531641194978588,"funding_rate_prediction":0.442099710830145208,'
    b'"relative_funding_rate":0.0000064,"relative_funding_rate_prediction":0.0000073,'
    b'"next_funding_rate_time":1790528400000,'
)
LINEAR = ticker(b"PF_XBTUSD", FUNDING)
MARK = {"kind": "mark", "mark_price": 60000.5, "index_price": 59990.5, "mid_price": 60002.0}
#: 1848.1574 coins at the mark.
OPEN_INTEREST = {
    "kind": "open_interest",
    "symbol": "PF_XBTUSD",
    "quantity": 1848.1574,
    "notional_usd": 110_890_368.0787,
    "mark_price": 60000.5,
    "flags": [],
}

CASES = (
    Case(
        "trade: side is the taker; 0.25 coins at 60000 are 15000 USD; seq is no identity",
        (trade(b"PF_XBTUSD", b"sell", b"0.25", b"60000"),),
        "trade",
        (
            {
                "kind": "trade",
                "symbol": "PF_XBTUSD",
                "taker": "sell",
                "price": 60000.0,
                "quantity": 0.25,
                "notional_usd": 15000.0,
                "sequence": 0,
                "exchange_ns": 1_790_526_539_123_000_000,
                "flags": [],
            },
        ),
    ),
    Case(
        "inverse trade: qty is USD; 15000 at 30000 are half a coin",
        (trade(b"PI_XBTUSD", b"buy", b"15000", b"30000"),),
        "trade",
        ({"taker": "buy", "price": 30000.0, "quantity": 0.5, "notional_usd": 15000.0},),
    ),
    Case(
        "trade of a thousand-coin unit: 250 units at 0.012 are 250000 coins and 3 USD",
        (trade(b"PF_1000BONKUSD", b"buy", b"250", b"0.012"),),
        "trade",
        ({"price": 0.000012, "quantity": 250_000.0, "notional_usd": 3.0},),
    ),
    Case(
        "liquidation: the taker sold, so a long was closed; a trade as well",
        (trade(b"PF_ETHUSD", b"sell", b"4", b"2500", b"liquidation"),),
        "trade",
        (
            {"kind": "trade", "taker": "sell", "quantity": 4.0, "notional_usd": 10000.0},
            {
                "kind": "liquidation",
                "symbol": "PF_ETHUSD",
                "position": "long",
                "price": 2500.0,
                "quantity": 4.0,
                "notional_usd": 10000.0,
                "sequence": 0,
                "exchange_ns": 1_790_526_539_123_000_000,
                "flags": ["complete", "price_fill"],
            },
        ),
    ),
    Case(
        "inverse liquidation: the taker bought, so a short was closed; 12000 USD at 24000 are 0.5",
        (trade(b"PI_XBTUSD", b"buy", b"12000", b"24000", b"liquidation"),),
        "trade",
        (
            {"kind": "trade", "taker": "buy"},
            {"kind": "liquidation", "position": "short", "quantity": 0.5, "notional_usd": 12000.0},
        ),
    ),
    Case(
        "termination: a position unwound past the book is forced as well",
        (trade(b"PF_XBTUSD", b"sell", b"1", b"60000", b"termination"),),
        "trade",
        ({"kind": "trade", "taker": "sell"}, {"kind": "liquidation", "position": "long"}),
    ),
    Case(
        "a block is agreed elsewhere: no tape",
        (trade(b"PF_XBTUSD", b"sell", b"100", b"59000", b"block"),),
        "trade",
        (),
    ),
    Case(
        "the snapshot of old trades is dropped",
        (snapshot(b"PF_XBTUSD", 653_354, 653_353),),
        "notice",
        (),
    ),
    Case(
        "after the snapshot the next number is no gap",
        (
            snapshot(b"PF_XBTUSD", 653_354, 653_353),
            trade(b"PF_XBTUSD", b"sell", b"1", b"60000", seq=653_355),
        ),
        "trade",
        ({"kind": "trade"},),
    ),
    Case(
        "one number between the snapshot and the first trade is missing",
        (
            snapshot(b"PF_XBTUSD", 653_354, 653_353),
            trade(b"PF_XBTUSD", b"sell", b"1", b"60000", seq=653_356),
        ),
        "trade",
        (
            {
                "kind": "gap",
                "symbol": "PF_XBTUSD",
                "channels": 17,  # trades and what is flagged among them
                "from_ns": RECEIVED_NS,
                "to_ns": RECEIVED_NS,
            },
            {"kind": "trade"},
        ),
    ),
    Case(
        "a block has a number of the same row, so it leaves no gap",
        (
            trade(b"PF_XBTUSD", b"sell", b"1", b"60000", seq=7),
            trade(b"PF_XBTUSD", b"sell", b"1", b"60000", b"block", seq=8),
            trade(b"PF_XBTUSD", b"sell", b"1", b"60000", seq=9),
        ),
        "trade",
        ({"kind": "trade"},),
    ),
    Case(
        "products are counted apart",
        (
            trade(b"PF_XBTUSD", b"sell", b"1", b"60000", seq=7),
            trade(b"PF_ETHUSD", b"sell", b"1", b"2500", seq=70),
            trade(b"PF_XBTUSD", b"sell", b"1", b"60000", seq=8),
        ),
        "trade",
        ({"kind": "trade", "symbol": "PF_XBTUSD"},),
    ),
    Case(
        "keys in another order",
        (
            (
                b'{"product_id":"PF_XBTUSD","feed":"trade","side":"buy","type":"fill","seq":5,'
                b'"time":1790526539123,"qty":2,"price":5}'
            ),
        ),
        "trade",
        ({"taker": "buy", "notional_usd": 10.0},),
    ),
    Case(
        "linear ticker: open interest is coin; the rate is relative_funding_rate, of an hour",
        (LINEAR,),
        "ticker",
        (
            {**MARK, "symbol": "PF_XBTUSD", "exchange_ns": T * 10**6, "flags": []},
            {
                "kind": "funding",
                "rate": 0.0000064,
                "interval_ns": HOUR_NS,
                "next_funding_ns": NEXT * 10**6,
                "flags": ["predicted"],
            },
            OPEN_INTEREST,
        ),
    ),
    Case(
        "inverse ticker: open interest is USD; 30000250 at 60000.5 are 500 coins",
        (ticker(b"PI_XBTUSD", FUNDING, b"30000250"),),
        "ticker",
        (
            MARK,
            {"kind": "funding", "rate": 0.0000064},
            {"kind": "open_interest", "quantity": 500.0, "notional_usd": 30_000_250.0},
        ),
    ),
    Case(
        "ticker of a thousand-coin unit: 60000.5 are 60.0005 a coin, 2 units are 2000 coins",
        (ticker(b"PF_1000BONKUSD", FUNDING, b"2"),),
        "ticker",
        (
            {"mark_price": 60.0005, "index_price": 59.9905, "mid_price": 60.002},
            {"kind": "funding"},
            {"quantity": 2000.0, "notional_usd": 120_001.0, "mark_price": 60.0005},
        ),
    ),
    Case(
        "a rate of zero is left out",
        (ticker(b"PF_XBTUSD", b'"next_funding_rate_time":1790528400000,'),),
        "ticker",
        (MARK, {"kind": "funding", "rate": 0.0, "interval_ns": HOUR_NS}, OPEN_INTEREST),
    ),
    Case(
        "an amount without its rate is unknown, not zero",
        (ticker(b"PF_XBTUSD", b'"funding_rate":0.38,"next_funding_rate_time":1790528400000,'),),
        "ticker",
        (MARK, OPEN_INTEREST),
    ),
    Case(
        "a negative rate",
        (
            ticker(
                b"PF_XBTUSD",
                b'"relative_funding_rate":-1.38e-06,"next_funding_rate_time":1790528400000,',
            ),
        ),
        "ticker",
        (MARK, {"kind": "funding", "rate": -0.00000138}, OPEN_INTEREST),
    ),
    Case(
        "before funding begins its next time is zero; without quotes there is no middle",
        (
            ticker(
                b"PF_XBTUSD", b'"relative_funding_rate":0.0,"next_funding_rate_time":0,', b"0.0"
            ).replace(b'"bid":60001', b'"bid":0.0'),
        ),
        "ticker",
        (
            {**MARK, "mid_price": NAN},
            {"kind": "open_interest", "quantity": 0.0, "notional_usd": 0.0},
        ),
    ),
    Case(
        "what is not said of open interest is not zero",
        (LINEAR.replace(b'"openInterest":1848.1574,', b""),),
        "ticker",
        (MARK, {"kind": "funding"}),
    ),
    Case("the greeting", (b'{"event":"info","version":1}',), "notice", ()),
    Case(
        "an answer to a subscription",
        (b'{"event":"subscribed","feed":"trade","product_ids":["PF_XBTUSD"]}',),
        "ack",
        (),
    ),
    Case("a pong", (b'{"event":"pong"}',), "pong", ()),
    Case(
        "the heartbeat is of the connection, not of trades",
        (b'{"feed":"heartbeat","time":1534262350627}',),
        "notice",
        (),
    ),
    Case(
        "books are no input",
        (
            (
                b'{"feed":"book","product_id":"PI_XBTUSD","side":"sell","seq":326094134,"price":34981,"qty":0,'
                b'"timestamp":1612269953629}'
            ),
        ),
        "ignored",
        (),
    ),
)

#: Rows of thirty days' history, by kind.
HISTORY = {"mark": 720, "funding": 720, "open_interest": 8640}

#: The venue's no.
REFUSALS = (
    b'{"event":"error","message":"Invalid product id"}',
    b'{"event":"alert","message":"Bad websocket message"}',
    b'{"event":"subscribed_failed","feed":"trade","product_ids":["PF_NOSUCHUSD"]}',
)

#: A frame of every kind that writes rows, with its price and its symbol as they stand in it.
GOOD = {
    "trade": (trade(b"PF_XBTUSD", b"sell", b"0.25", b"34969.5"), b"34969.5", b"PF_XBTUSD"),
    "liquidation": (
        trade(b"PI_XBTUSD", b"buy", b"12000", b"24000.5", b"liquidation"),
        b"24000.5",
        b"PI_XBTUSD",
    ),
    "ticker": (LINEAR, b"60000.5", b"PF_XBTUSD"),
}

_SIZES = "coin, usd = c.amounts(trade.qty, price)"
_LEVEL = "coin, usd = c.amounts(t.open_interest, mark)"
#: Ways to misread this venue; a case must notice each.
MUTANTS = (
    Mutant("taker side flipped", '{"buy": int(Side.BUY), "sell": int(Side.SELL)}',
           '{"buy": int(Side.SELL), "sell": int(Side.BUY)}'),
    Mutant("taker read as position", '{"sell": int(Side.LONG), "buy": int(Side.SHORT)}',
           '{"sell": int(Side.SHORT), "buy": int(Side.LONG)}'),
    Mutant("terminations overlooked", 'frozenset({"liquidation", "termination"})',
           'frozenset({"liquidation"})'),
    Mutant("liquidations overlooked", 'frozenset({"liquidation", "termination"})',
           'frozenset({"termination"})'),
    Mutant("blocks on the tape", 'BLOCK: Final = "block"', 'BLOCK: Final = ""'),
    Mutant("size taken as coin", _SIZES, "coin, usd = trade.qty, trade.qty * price"),
    Mutant("size taken as USD", _SIZES, "coin, usd = trade.qty / price, trade.qty"),
    Mutant("unit scale dropped from trades", "price = trade.price / c.unit", "price = trade.price"),
    Mutant("unit scale dropped from marks", "mark = t.mark_price / c.unit", "mark = t.mark_price"),
    Mutant("mark and index swapped",
           '"mark_price": "markPrice",\n        "index_price": "index"',
           '"index_price": "markPrice",\n        "mark_price": "index"'),
    Mutant("last trade taken for the mark", '"mark_price": "markPrice"', '"mark_price": "last"'),
    Mutant("amount taken for the rate",
           '"rate": "relative_funding_rate",\n        "amount": "funding_rate"',
           '"amount": "relative_funding_rate",\n        "rate": "funding_rate"'),
    Mutant("prediction taken for the rate", '"rate": "relative_funding_rate"',
           '"rate": "relative_funding_rate_prediction"'),
    Mutant("rate taken as of eight hours", "FUNDING_INTERVAL_NS: Final = HOUR_NS",
           "FUNDING_INTERVAL_NS: Final = 8 * HOUR_NS"),
    Mutant("a rate of zero overlooked", "return 0.0", "return None"),
    Mutant("an unknown rate taken as zero", "ticker.rate is None and not ticker.amount",
           "ticker.rate is None"),
    Mutant("running rate called settled", 'kind="continuous"', 'kind="settled"'),
    Mutant("open interest halved", _LEVEL, "coin, usd = c.amounts(t.open_interest / 2, mark)"),
    Mutant("open interest doubled", _LEVEL, "coin, usd = c.amounts(t.open_interest * 2, mark)"),
    Mutant("open interest taken as coin", _LEVEL,
           "coin, usd = t.open_interest, t.open_interest * mark"),
    Mutant("liquidations called sampled", 'completeness="complete"', 'completeness="sampled"'),
    Mutant("fill called bankruptcy", 'price="fill"', 'price="bankruptcy"'),
    Mutant("holes overlooked", "trade.seq > last[0] + 1", "trade.seq > last[0] + 2"),
    Mutant("every number a hole", "trade.seq > last[0] + 1", "trade.seq > last[0]"),
    Mutant("the snapshot's numbers overlooked", "if newest:", "if False:"),
)  # fmt: skip
