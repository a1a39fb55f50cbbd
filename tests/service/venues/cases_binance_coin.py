"""Binance COIN-M: frames after https://developers.binance.com/docs/derivatives/coin-margined-futures."""

from streams.events import Channel
from tests.service.venues.cases import EIGHT_HOURS, HOUR_NS, NAN, Case, Mutant, Polled, listed

INVERSE = {"contract_type": "inverse", "contract_size": "10"}

INSTRUMENTS = listed(
    "binance_coin",
    ("BTCUSD_PERP", "BTC", "USD", {**INVERSE, **EIGHT_HOURS, "contract_size": "100"}),
    ("ETHUSD_PERP", "ETH", "USD", {**INVERSE, "funding_interval_ns": 4 * HOUR_NS}),
    ("LINKUSD_PERP", "LINK", "USD", INVERSE),
)

#: Rows of thirty days of history. Not asked for the whole month of open interest.
HISTORY = {"mark": 720, "funding": 90, "open_interest": 8352}

CASES = (
    Case(
        "aggTrade: 12 contracts of 100 USD at 80000 are 1200 USD, 0.015 coin",
        (
            (
                b'{"stream":"btcusd_perp@aggTrade","data":{"e":"aggTrade","E":1791269849801,"a":424951,'
                b'"s":"BTCUSD_PERP","p":"80000.0","q":"12","nq":"12","f":606073,"l":606075,'
                b'"T":1791269849651,"m":false,"st":2}}'
            ),
        ),
        "trade",
        (
            {
                "kind": "trade",
                "symbol": "BTCUSD_PERP",
                "taker": "buy",
                "price": 80000.0,
                "quantity": 0.015,
                "notional_usd": 1200.0,
                "sequence": 424951,
                "exchange_ns": 1_791_269_849_651_000_000,
                "flags": [],
            },
        ),
    ),
    Case(
        "trade of the market, as recordings have it: 5 contracts of 10 USD at 2500 are 50 USD, 0.02 coin",
        (
            (
                b'{"stream":"ethusd_perp@trade","data":{"e":"trade","E":1723161256322,"T":1723161256321,'
                b'"s":"ETHUSD_PERP","t":5266583,"p":"2500.00","q":"5","X":"MARKET","m":true}}'
            ),
        ),
        "trade",
        (
            {
                "taker": "sell",
                "price": 2500.0,
                "quantity": 0.02,
                "notional_usd": 50.0,
                "sequence": 5266583,
            },
        ),
    ),
    Case(
        "markPrice: mark, index, and the predicted rate for T, paid each 4 h",
        (
            (
                b'{"stream":"ethusd_perp@markPrice@1s","data":{"e":"markPriceUpdate","E":1790373638000,'
                b'"s":"ETHUSD_PERP","p":"2501.5","ap":"2501.4","P":"2499.9","i":"2500.5","r":"-0.00000573",'
                b'"T":1790380800000,"st":2}}'
            ),
        ),
        "mark",
        (
            {
                "kind": "mark",
                "mark_price": 2501.5,
                "index_price": 2500.5,
                "mid_price": NAN,
                "exchange_ns": 1_790_373_638_000_000_000,
                "flags": [],
            },
            {
                "kind": "funding",
                "rate": -0.00000573,
                "interval_ns": 4 * HOUR_NS,
                "next_funding_ns": 1_790_380_800_000_000_000,
                "flags": ["predicted"],
            },
        ),
    ),
    Case(
        "markPrice of 2020 has no index; without a known interval each 8 h is assumed and said",
        (
            (
                b'{"e":"markPriceUpdate","E":1596095725000,"s":"LINKUSD_PERP","p":"12.5","P":"12.4",'
                b'"r":"0.00010000","T":1596096000000}'
            ),
        ),
        "mark",
        (
            {"mark_price": 12.5, "index_price": NAN},
            {
                "rate": 0.0001,
                "interval_ns": 8 * HOUR_NS,
                "flags": ["predicted", "interval_assumed"],
            },
        ),
    ),
    Case(
        "forceOrder SELL closes a long: 20 of 23 contracts at ap 80000 are 2000 USD, 0.025 coin",
        (
            (
                b'{"stream":"btcusd_perp@forceOrder","data":{"e":"forceOrder","E":1791091175227,"o":{'
                b'"s":"BTCUSD_PERP","ps":"BTCUSD","S":"SELL","o":"LIMIT","f":"IOC","q":"23","p":"79000",'
                b'"ap":"80000","X":"FILLED","l":"3","z":"20","T":1791091174219,"st":2}}}'
            ),
        ),
        "liquidation",
        (
            {
                "kind": "liquidation",
                "symbol": "BTCUSD_PERP",
                "position": "long",
                "price": 80000.0,
                "quantity": 0.025,
                "notional_usd": 2000.0,
                "exchange_ns": 1_791_091_174_219_000_000,
                "flags": ["sampled", "price_fill"],
            },
        ),
    ),
    Case(
        "forceOrder BUY closes a short, of before st: 3 contracts of 10 USD at the limit 12.5 are 2.4 coins",
        (
            (
                b'{"e":"forceOrder","E":1594622954023,"o":{"s":"LINKUSD_PERP","ps":"LINKUSD","S":"BUY",'
                b'"o":"LIMIT","f":"IOC","q":"3","p":"12.5","ap":"0","X":"FILLED","l":"3","z":"3",'
                b'"T":1594622954021}}'
            ),
        ),
        "liquidation",
        (
            {
                "position": "short",
                "price": 12.5,
                "quantity": 2.4,
                "notional_usd": 30.0,
                "flags": ["sampled", "unit_assumed", "price_bankruptcy"],
            },
        ),
    ),
    Case(
        "USD-M in a merged stream: its sizes are coin",
        (
            (
                b'{"stream":"!forceOrder@arr","data":{"e":"forceOrder","E":1791091027107,"o":{"s":"BTCUSDT",'
                b'"S":"SELL","q":"0.5","p":"76822","ap":"76822","X":"FILLED","l":"1","z":"0.5",'
                b'"T":1791091026103,"ps":"BTCUSDT","st":1}}}'
            ),
        ),
        "ignored",
        (),
    ),
    Case(
        "USD-M is told by st even where the symbol is one of ours",
        (
            (
                b'{"e":"forceOrder","E":1791091027107,"o":{"s":"BTCUSD_PERP","S":"SELL","q":"2","p":"76822",'
                b'"ap":"76822","X":"FILLED","l":"1","z":"2","T":1791091026103,"st":1}}'
            ),
        ),
        "ignored",
        (),
    ),
    Case(
        "USD-M mark",
        (
            (
                b'{"stream":"btcusdt@markPrice@1s","data":{"e":"markPriceUpdate","E":1790373638000,'
                b'"s":"BTCUSDT","p":"83732.5","i":"83786.1","r":"-0.00000573","T":1790380800000,"st":1}}'
            ),
        ),
        "ignored",
        (),
    ),
    Case(
        "index prices have a stream of their own",
        (
            (
                b'{"stream":"btcusd@indexPrice@1s","data":{"e":"indexPriceUpdate","E":1591261236000,'
                b'"i":"BTCUSD","p":"9636.57860000"}}'
            ),
        ),
        "ignored",
        (),
    ),
    Case(
        "the connection will be closed",
        (b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1791269849801}}',),
        "leave",
        (),
    ),
    Case("subscription acked", (b'{"result":null,"id":1}',), "ack", ()),
)

POLLED = (
    Polled(
        "polled: 15004 contracts of 10 USD, one side, and no price to make coin of them",
        "ETHUSD_PERP",
        Channel.OPEN_INTEREST,
        (
            b'{"symbol":"ETHUSD_PERP","pair":"ETHUSD","openInterest":"15004","contractType":"PERPETUAL",'
            b'"time":1791261042378}'
        ),
        (
            {
                "kind": "open_interest",
                "symbol": "ETHUSD_PERP",
                "quantity": NAN,
                "notional_usd": 150_040.0,
                "mark_price": NAN,
                "exchange_ns": 1_791_261_042_378_000_000,
                "flags": [],
            },
        ),
    ),
)

#: The venue's no.
REFUSALS = (b'{"code":2,"msg":"Invalid request: unknown variant"}',)

#: A frame of every kind that writes rows, with its price and its symbol as they stand in it.
GOOD = {
    "trade": (CASES[0].frames[0], b'"80000.0"', b"BTCUSD_PERP"),
    "mark": (CASES[2].frames[0], b'"2501.5"', b"ETHUSD_PERP"),
    "liquidation": (CASES[4].frames[0], b'"79000"', b"BTCUSD_PERP"),
}

#: Ways to misread this venue; a case must notice each.
MUTANTS = (
    Mutant("taker side flipped", "{True: int(Side.SELL), False: int(Side.BUY)}",
           "{True: int(Side.BUY), False: int(Side.SELL)}", "binance"),
    Mutant("contracts taken as USD", "event.quantity * c.numerator / c.denominator", "event.quantity",
           "binance"),
    Mutant("contracts taken as coin", "if c.inverse:", "if False:", "binance"),
    Mutant("coin and USD swapped", "coin, usd = amount / price, amount",
           "coin, usd = amount, amount / price", "binance"),
    Mutant("position side flipped", '{"SELL": int(Side.LONG), "BUY": int(Side.SHORT)}',
           '{"SELL": int(Side.SHORT), "BUY": int(Side.LONG)}', "binance_futures"),
    Mutant("limit price for average fill", "(order.average_price or order.limit_price)",
           "order.limit_price", "binance_futures"),
    Mutant("ordered for filled quantity", '"filled": "z"', '"filled": "q"', "binance_futures"),
    Mutant("last fill for filled quantity", '"filled": "z"', '"filled": "l"', "binance_futures"),
    Mutant("forced contracts taken as coin", "coin, usd = c.amounts(order.filled, price)",
           "coin, usd = order.filled, order.filled * price", "binance_futures"),
    Mutant("mark and index swapped", '"mark_price": "p",\n        "index_price": "i"',
           '"mark_price": "i",\n        "index_price": "p"', "binance_futures"),
    Mutant("settle price for index", '"index_price": "i"', '"index_price": "P"', "binance_futures"),
    Mutant("interval dropped", "event.rate, c.interval_ns,", "event.rate, 0,", "binance_futures"),
    Mutant("interval taken as 8 h", "event.rate, c.interval_ns,", "event.rate, 28_800_000_000_000,",
           "binance_futures"),
    Mutant("interval's doubt dropped", "self._predicted | c.interval_flags", "self._predicted",
           "binance_futures"),
    Mutant("USD-M counted in contracts", ", foreign=1", ""),
    Mutant("own orders dropped as USD-M's", ", foreign=1", ", foreign=2"),
    Mutant("prediction passed as paid", 'kind="predicted"', 'kind="settled"'),
    Mutant("sample passed as complete", 'completeness="sampled"', 'completeness="complete"'),
    Mutant("fill passed as bankruptcy", 'side="order", price="fill"', 'side="order", price="bankruptcy"'),
    Mutant("polled contracts taken as coin", "c.amounts(answer.open_interest, NAN)",
           "answer.open_interest, NAN", "binance_rest"),
    Mutant("polled open interest doubled", "c.amounts(answer.open_interest, NAN)",
           "c.amounts(answer.open_interest * 2, NAN)", "binance_rest"),
    Mutant("polled open interest halved", "c.amounts(answer.open_interest, NAN)",
           "c.amounts(answer.open_interest / 2, NAN)", "binance_rest"),
)  # fmt: skip
