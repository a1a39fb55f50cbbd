"""Aster: frames after the futures API of github.com/asterdex/api-docs."""

from streams.events import Channel
from tests.service.venues.cases import EIGHT_HOURS, HOUR_NS, NAN, Case, Mutant, Polled, listed

INSTRUMENTS = listed(
    "aster",
    ("BTCUSDT", "BTC", "USDT", EIGHT_HOURS),
    ("ASTERUSDT", "ASTER", "USDT", {"funding_interval_ns": 4 * HOUR_NS}),
    ("1000SHIBUSDT", "SHIB", "USDT", {"coins_per_unit": 1000}),
)

#: Rows of thirty days of history.
HISTORY = {"mark": 720, "funding": 90}

STABLE = ["stable_assumed"]

CASES = (
    Case(
        "aggTrade: the buyer was the maker, so the taker sold; 0.25 * 84000.4 = 21000.1",
        (
            (
                b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1791269849801,"s":"BTCUSDT",'
                b'"a":5933014,"p":"84000.4","q":"0.25","f":100,"l":105,"T":1791269849785,"m":true}}'
            ),
        ),
        "trade",
        (
            {
                "kind": "trade",
                "symbol": "BTCUSDT",
                "taker": "sell",
                "price": 84000.4,
                "quantity": 0.25,
                "notional_usd": 21000.1,
                "sequence": 5933014,
                "exchange_ns": 1_791_269_849_785_000_000,
                "flags": STABLE,
            },
        ),
    ),
    Case(
        "aggTrade of a thousand-coin unit, raw: 4000 * 1000 coins at 0.0000125 = 50 USD",
        (
            (
                b'{"e":"aggTrade","E":1791269849801,"s":"1000SHIBUSDT","a":7,"p":"0.0125","q":"4000","f":1,'
                b'"l":1,"T":1791269849785,"m":false}'
            ),
        ),
        "trade",
        ({"taker": "buy", "price": 0.0000125, "quantity": 4e6, "notional_usd": 50.0},),
    ),
    Case(
        "markPrice: mark, index, and the predicted rate for T, paid each 4 h",
        (
            (
                b'{"stream":"asterusdt@markPrice@1s","data":{"e":"markPriceUpdate","E":1791269850000,'
                b'"s":"ASTERUSDT","p":"1.15","i":"1.14","P":"1.13","r":"-0.00038167","T":1791273600000}}'
            ),
        ),
        "mark",
        (
            {
                "kind": "mark",
                "mark_price": 1.15,
                "index_price": 1.14,
                "mid_price": NAN,
                "flags": [],
            },
            {
                "kind": "funding",
                "rate": -0.00038167,
                "interval_ns": 4 * HOUR_NS,
                "next_funding_ns": 1_791_273_600_000_000_000,
                "flags": ["predicted"],
            },
        ),
    ),
    Case(
        "markPrice of a contract without a listed interval: each 8 h is assumed and said",
        (
            (
                b'{"e":"markPriceUpdate","E":1791269850000,"s":"1000SHIBUSDT","p":"0.0125","i":"0.0126",'
                b'"P":"0.01","r":"0.0001","T":1791273600000}'
            ),
        ),
        "mark",
        (
            {"mark_price": 0.0000125, "index_price": 0.0000126},
            {"interval_ns": 8 * HOUR_NS, "flags": ["predicted", "interval_assumed"]},
        ),
    ),
    Case(
        "forceOrder: SELL closes a long; 0.014 at ap 9920 is 138.88, whatever the limit",
        (
            (
                b'{"stream":"btcusdt@forceOrder","data":{"e":"forceOrder","E":1791269850893,"o":{'
                b'"s":"BTCUSDT","S":"SELL","o":"LIMIT","f":"IOC","q":"0.020","p":"9910","ap":"9920",'
                b'"X":"FILLED","l":"0.010","z":"0.014","T":1791269850893}}}'
            ),
        ),
        "liquidation",
        (
            {
                "kind": "liquidation",
                "symbol": "BTCUSDT",
                "position": "long",
                "price": 9920.0,
                "quantity": 0.014,
                "notional_usd": 138.88,
                "exchange_ns": 1_791_269_850_893_000_000,
                "flags": ["sampled", "stable_assumed", "price_fill"],
            },
        ),
    ),
    Case(
        "forceOrder BUY closes a short, in thousands of coins: 2 * 1000 at 0.000013 is 0.026",
        (
            (
                b'{"e":"forceOrder","E":1791269850893,"o":{"s":"1000SHIBUSDT","S":"BUY","o":"LIMIT",'
                b'"f":"IOC","q":"2","p":"0.014","ap":"0.013","X":"FILLED","l":"2","z":"2",'
                b'"T":1791269850893}}'
            ),
        ),
        "liquidation",
        ({"position": "short", "price": 0.000013, "quantity": 2000.0, "notional_usd": 0.026},),
    ),
    Case(
        "st is nobody's here: an order that has it is ours",
        (
            (
                b'{"e":"forceOrder","E":1791269850893,"o":{"s":"BTCUSDT","S":"BUY","q":"1","p":"9","ap":"8",'
                b'"X":"FILLED","l":"1","z":"1","T":1791269850893,"st":2}}'
            ),
        ),
        "liquidation",
        ({"position": "short", "notional_usd": 8.0},),
    ),
    Case(
        "candles prove nothing where nobody asked for them",
        (b'{"e":"kline","E":1791269850011,"s":"BTCUSDT","k":{"i":"1m"}}',),
        "ignored",
        (),
    ),
    Case(
        "the connection will be closed", (b'{"e":"serverShutdown","E":1791269849801}',), "leave", ()
    ),
    Case("subscription acked", (b'{"result":null,"id":1}',), "ack", ()),
)

POLLED = (
    Polled(
        "polled: coin, of one side: 2 * 1000 coins",
        "1000SHIBUSDT",
        Channel.OPEN_INTEREST,
        b'{"symbol":"1000SHIBUSDT","openInterest":"2.000","time":1791269850011}',
        (
            {
                "kind": "open_interest",
                "quantity": 2000.0,
                "notional_usd": NAN,
                "mark_price": NAN,
                "exchange_ns": 1_791_269_850_011_000_000,
                "flags": STABLE,
            },
        ),
    ),
)

#: The venue's no.
REFUSALS = (b'{"code":3,"msg":"Invalid JSON: expected value at line 1 column 1"}',)

#: A frame of every kind that writes rows, with its price and its symbol as they stand in it.
GOOD = {
    "trade": (CASES[0].frames[0], b'"84000.4"', b"BTCUSDT"),
    "mark": (CASES[2].frames[0], b'"1.15"', b"ASTERUSDT"),
    "liquidation": (CASES[4].frames[0], b'"9910"', b"BTCUSDT"),
}

#: Ways to misread this venue; a case must notice each.
MUTANTS = (
    Mutant("taker side flipped", "{True: int(Side.SELL), False: int(Side.BUY)}",
           "{True: int(Side.BUY), False: int(Side.SELL)}", "binance"),
    Mutant("trade size of the unit", "event.quantity * c.numerator / c.denominator", "event.quantity",
           "binance"),
    Mutant("price of the unit", "price = event.price / c.unit", "price = event.price", "binance"),
    Mutant("position side flipped", '{"SELL": int(Side.LONG), "BUY": int(Side.SHORT)}',
           '{"SELL": int(Side.SHORT), "BUY": int(Side.LONG)}', "binance_futures"),
    Mutant("limit price for average fill", "(order.average_price or order.limit_price)",
           "order.limit_price", "binance_futures"),
    Mutant("ordered for filled quantity", '"filled": "z"', '"filled": "q"', "binance_futures"),
    Mutant("mark and index swapped", '"mark_price": "p",\n        "index_price": "i"',
           '"mark_price": "i",\n        "index_price": "p"', "binance_futures"),
    Mutant("interval dropped", "event.rate, c.interval_ns,", "event.rate, 0,", "binance_futures"),
    Mutant("interval's doubt dropped", "self._predicted | c.interval_flags", "self._predicted",
           "binance_futures"),
    Mutant("prediction passed as paid", 'kind="predicted"', 'kind="settled"'),
    Mutant("sample passed as complete", 'completeness="sampled"', 'completeness="complete"'),
    Mutant("fill passed as bankruptcy", 'side="order", price="fill"', 'side="order", price="bankruptcy"'),
    Mutant("own orders dropped as another product's", "FuturesProduct(semantics=SEMANTICS)",
           "FuturesProduct(semantics=SEMANTICS, foreign=2)"),
    Mutant("polled open interest doubled", "c.amounts(answer.open_interest, NAN)",
           "c.amounts(answer.open_interest * 2, NAN)", "binance_rest"),
    Mutant("polled open interest halved", "c.amounts(answer.open_interest, NAN)",
           "c.amounts(answer.open_interest / 2, NAN)", "binance_rest"),
)  # fmt: skip
