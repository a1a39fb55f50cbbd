"""Binance USD-M: frames after https://developers.binance.com/docs/derivatives/usds-margined-futures."""

from streams.events import Channel
from tests.service.venues.cases import EIGHT_HOURS, HOUR_NS, NAN, Case, Mutant, Polled, listed

INSTRUMENTS = listed(
    "binance_usdm",
    ("BTCUSDT", "BTC", "USDT", EIGHT_HOURS),
    ("ETHUSDT", "ETH", "USDT", EIGHT_HOURS),
    ("XRPUSDT", "XRP", "USDT", {"funding_interval_ns": 4 * HOUR_NS}),
    ("MANTAUSDT", "MANTA", "USDT", {}),
    ("1000PEPEUSDT", "PEPE", "USDT", {**EIGHT_HOURS, "coins_per_unit": 1000}),
)

STABLE = ["stable_assumed"]

LIQUIDATION = (
    b'{"stream":"xrpusdt@forceOrder","data":{"e":"forceOrder","E":1791091175227,"o":{"s":"XRPUSDT",'
    b'"S":"BUY","o":"LIMIT","f":"IOC","q":"130.0","p":"1.4984","ap":"1.4912","X":"FILLED",'
    b'"l":"108.1","z":"127.2","T":1791091174219,"ps":"XRPUSDT","st":1}}}'
)

CASES = (
    Case(
        "aggTrade: buyer is maker, so the taker sold; 0.004 * 85299.9 = 341.1996",
        (
            (
                b'{"e":"aggTrade","E":1791269849801,"a":3476312671,"s":"BTCUSDT","p":"85299.90","q":"0.004",'
                b'"nq":"0.004","f":8149080393,"l":8149080393,"T":1791269849651,"m":true,"st":1}'
            ),
        ),
        "trade",
        (
            {
                "kind": "trade",
                "symbol": "BTCUSDT",
                "taker": "sell",
                "price": 85299.9,
                "quantity": 0.004,
                "notional_usd": 341.1996,
                "exchange_ns": 1_791_269_849_651_000_000,
                "received_ns": 1_791_269_850_000_000_000,
                "sequence": 3476312671,
                "flags": STABLE,
            },
        ),
    ),
    Case(
        "aggTrade of a thousand-coin unit, combined: 250 units are 250,000 coins",
        (
            (
                b'{"stream":"1000pepeusdt@aggTrade","data":{"e":"aggTrade","E":1791269849801,"a":7,'
                b'"s":"1000PEPEUSDT","p":"0.0120000","q":"250","f":1,"l":1,"T":1791269849651,"m":false}}'
            ),
        ),
        "trade",
        (
            {
                "symbol": "1000PEPEUSDT",
                "taker": "buy",
                "price": 0.000012,
                "quantity": 250_000.0,
                "notional_usd": 3.0,
            },
        ),
    ),
    Case(
        "keys in another order",
        (
            (
                b'{ "data":{"m":false,"T":1791269849651,"q":"2","p":"100","s":"ETHUSDT","a":9,"e":"aggTrade"'
                b'}, "stream":"ethusdt@aggTrade"}'
            ),
        ),
        "trade",
        ({"symbol": "ETHUSDT", "taker": "buy", "notional_usd": 200.0, "sequence": 9},),
    ),
    Case(
        "raw event with keys in another order",
        (b'{"s":"ETHUSDT","a":9,"p":"100","q":"2","T":1791269849651,"m":true,"e":"aggTrade"}',),
        "trade",
        ({"symbol": "ETHUSDT", "taker": "sell", "notional_usd": 200.0},),
    ),
    Case(
        "trade of the market",
        (
            (
                b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161256322,"T":1723161256321,'
                b'"s":"BTCUSDT","t":5266583935,"p":"61800.30","q":"0.006","X":"MARKET","m":false}}'
            ),
        ),
        "trade",
        (
            {
                "taker": "buy",
                "price": 61800.3,
                "quantity": 0.006,
                "notional_usd": 370.8018,
                "exchange_ns": 1_723_161_256_321_000_000,
                "sequence": 5266583935,
            },
        ),
    ),
    Case(
        "trade of before 2020-07 has no X and counts",
        (
            (
                b'{"e":"trade","E":1574381164089,"T":1574381164086,"s":"BTCUSDT","t":10934580,"p":"7627.60",'
                b'"q":"0.044","m":false}'
            ),
        ),
        "trade",
        ({"taker": "buy", "quantity": 0.044},),
    ),
    Case(
        "fills of the insurance fund are not the tape",
        (
            (
                b'{"e":"trade","E":1596034530241,"T":1596034530235,"s":"ETHUSDT","t":73701056,"p":"2366.55",'
                b'"q":"0.070","X":"INSURANCE_FUND","m":true}'
            ),
        ),
        "ignored",
        (),
    ),
    Case(
        "X NA comes with zeros",
        (
            (
                b'{"e":"trade","E":1596034530241,"T":1596034530235,"s":"ETHUSDT","t":73701056,"p":"0","q":"0",'
                b'"X":"NA","m":true}'
            ),
        ),
        "ignored",
        (),
    ),
    Case(
        "markPrice: mark, index, and the predicted rate for T",
        (
            (
                b'{"stream":"btcusdt@markPrice@1s","data":{"e":"markPriceUpdate","E":1790526539000,'
                b'"s":"BTCUSDT","p":"84551.10762319","ap":"84551.2","P":"84559.09090930",'
                b'"i":"84590.87304348","r":"0.00000801","T":1790553600000,"st":1}}'
            ),
        ),
        "mark",
        (
            {
                "kind": "mark",
                "mark_price": 84551.10762319,
                "index_price": 84590.87304348,
                "mid_price": NAN,
                "exchange_ns": 1_790_526_539_000_000_000,
                "flags": [],
            },
            {
                "kind": "funding",
                "rate": 0.00000801,
                "interval_ns": 8 * HOUR_NS,
                "next_funding_ns": 1_790_553_600_000_000_000,
                "exchange_ns": 1_790_526_539_000_000_000,
                "flags": ["predicted"],
            },
        ),
    ),
    Case(
        "markPrice of a contract that pays each 4 h, a negative rate",
        (
            (
                b'{"e":"markPriceUpdate","E":1790526539000,"s":"XRPUSDT","p":"1.5","i":"1.6","r":"-0.001",'
                b'"T":1790553600000}'
            ),
        ),
        "mark",
        (
            {"mark_price": 1.5, "index_price": 1.6},
            {"kind": "funding", "rate": -0.001, "interval_ns": 4 * HOUR_NS},
        ),
    ),
    Case(
        "markPrice where no interval is known: each 8 h is assumed and said",
        (
            (
                b'{"e":"markPriceUpdate","E":1790526539000,"s":"MANTAUSDT","p":"0.07","i":"0.08","r":"0.0001",'
                b'"T":1790553600000}'
            ),
        ),
        "mark",
        (
            {"mark_price": 0.07},
            {"interval_ns": 8 * HOUR_NS, "flags": ["predicted", "interval_assumed"]},
        ),
    ),
    Case(
        "markPrice of a thousand-coin unit",
        (
            (
                b'{"e":"markPriceUpdate","E":1790526539000,"s":"1000PEPEUSDT","p":"0.012","i":"0.016",'
                b'"r":"0.0001","T":1790553600000}'
            ),
        ),
        "mark",
        ({"mark_price": 0.000012, "index_price": 0.000016}, {"kind": "funding"}),
    ),
    Case(
        "markPrice without a rate",
        (b'{"e":"markPriceUpdate","E":1790526539000,"s":"BTCUSDT","p":"2","i":"3","r":"","T":0}',),
        "mark",
        ({"kind": "mark", "mark_price": 2.0, "index_price": 3.0},),
    ),
    Case(
        "markPrice of a settled delivery: a rate, but nothing to pay it at",
        (
            b'{"e":"markPriceUpdate","E":1790526539000,"s":"BTCUSDT","p":"2","i":"3","r":"0.0","T":0}',
        ),
        "mark",
        ({"kind": "mark"},),
    ),
    Case(
        "markPrice of 2019 has no index",
        (
            (
                b'{"e":"markPriceUpdate","E":1569888003001,"s":"BTCUSDT","p":"8291.34697815","r":"0.00010000",'
                b'"T":1569916800000}'
            ),
        ),
        "mark",
        ({"mark_price": 8291.34697815, "index_price": NAN}, {"rate": 0.0001}),
    ),
    Case(
        "forceOrder BUY closes a short: z 127.2 at ap 1.4912 is 189.68064",
        (LIQUIDATION,),
        "liquidation",
        (
            {
                "kind": "liquidation",
                "symbol": "XRPUSDT",
                "position": "short",
                "price": 1.4912,
                "quantity": 127.2,
                "notional_usd": 189.68064,
                "exchange_ns": 1_791_091_174_219_000_000,
                "flags": ["sampled", "stable_assumed", "price_fill"],
            },
        ),
    ),
    Case(
        "forceOrder SELL closes a long; raw, before st and ps",
        (
            (
                b'{"e":"forceOrder","E":1791091027107,"o":{"s":"MANTAUSDT","S":"SELL","o":"LIMIT","f":"IOC",'
                b'"q":"2049.1","p":"0.0711500","ap":"0.0722187","X":"FILLED","l":"245.9","z":"2000",'
                b'"T":1791091026103}}'
            ),
        ),
        "liquidation",
        ({"position": "long", "price": 0.0722187, "quantity": 2000.0, "notional_usd": 144.4374},),
    ),
    Case(
        "forceOrder of a thousand-coin unit",
        (
            (
                b'{"e":"forceOrder","E":1791091027107,"o":{"s":"1000PEPEUSDT","S":"SELL","q":"40","p":"0.011",'
                b'"ap":"0.0125","X":"FILLED","l":"40","z":"40","T":1791091026103}}'
            ),
        ),
        "liquidation",
        ({"price": 0.0000125, "quantity": 40_000.0, "notional_usd": 0.5},),
    ),
    Case(
        "forceOrder without an average: the order's limit, and the row says so",
        (
            (
                b'{"e":"forceOrder","E":1791091027107,"o":{"s":"MANTAUSDT","S":"SELL","q":"10","p":"0.5",'
                b'"ap":"0","X":"FILLED","l":"10","z":"10","T":1791091026103}}'
            ),
        ),
        "liquidation",
        (
            {
                "price": 0.5,
                "notional_usd": 5.0,
                "flags": ["sampled", "unit_assumed", "stable_assumed", "price_bankruptcy"],
            },
        ),
    ),
    Case(
        "a forced order that is not filled is no liquidation",
        (
            (
                b'{"e":"forceOrder","E":1791091027107,"o":{"s":"MANTAUSDT","S":"SELL","q":"10","p":"0.5",'
                b'"ap":"0","X":"NEW","l":"0","z":"0","T":1791091026103}}'
            ),
        ),
        "ignored",
        (),
    ),
    Case(
        "COIN-M in a merged stream: its sizes are contracts",
        (
            (
                b'{"stream":"!forceOrder@arr","data":{"e":"forceOrder","E":1791091027107,"o":{"s":"BTCUSD_PERP",'
                b'"S":"SELL","q":"2304","p":"76822","ap":"76822","X":"FILLED","l":"1","z":"2304",'
                b'"T":1791091026103,"ps":"BTCUSD","st":2}}}'
            ),
        ),
        "ignored",
        (),
    ),
    Case(
        "COIN-M is told by st even where the symbol is one of ours",
        (
            (
                b'{"e":"forceOrder","E":1791091027107,"o":{"s":"BTCUSDT","S":"SELL","q":"2304","p":"76822",'
                b'"ap":"76822","X":"FILLED","l":"1","z":"2304","T":1791091026103,"st":2}}'
            ),
        ),
        "ignored",
        (),
    ),
    Case(
        "COIN-M mark",
        (
            (
                b'{"stream":"btcusd_perp@markPrice@1s","data":{"e":"markPriceUpdate","E":1790373638000,'
                b'"s":"BTCUSD_PERP","p":"83732.5","i":"83786.1","r":"-0.00000573","T":1790380800000,"st":2}}'
            ),
        ),
        "ignored",
        (),
    ),
    Case(
        "a symbol we do not follow, in a merged stream",
        (
            (
                b'{"stream":"!forceOrder@arr","data":{"e":"forceOrder","E":1791091027107,"o":{"s":"SOLUSDT",'
                b'"S":"SELL","q":"2","p":"76","ap":"76","X":"FILLED","l":"1","z":"2","T":1791091026103,"st":1}}}'
            ),
        ),
        "ignored",
        (),
    ),
    Case(
        "streams that carry nothing we want are known by name",
        (
            (
                b'{"e":"bookTicker","u":11730346419457,"s":"BTCUSDT","ps":"BTCUSDT","b":"84788.20","B":"5.923",'
                b'"a":"84788.30","A":"2.824","T":1791091007473,"E":1791091007473,"st":1}'
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
    Case("the same, raw", (b'{"e":"serverShutdown","E":1791269849801}',), "leave", ()),
    Case("subscription acked", (b'{"result":null,"id":1}',), "ack", ()),
    Case("subscriptions listed", (b'{"result":["btcusdt@aggTrade"],"id":3}',), "ack", ()),
)

POLLED = (
    Polled(
        "open interest of a thousand-coin unit: 10659.5 units are 10,659,500 coins, without a price",
        "1000PEPEUSDT",
        Channel.OPEN_INTEREST,
        b'{"symbol":"1000PEPEUSDT","openInterest":"10659.5","time":1589437530011}',
        (
            {
                "kind": "open_interest",
                "symbol": "1000PEPEUSDT",
                "quantity": 10_659_500.0,
                "notional_usd": NAN,
                "mark_price": NAN,
                "exchange_ns": 1_589_437_530_011_000_000,
                "flags": STABLE,
            },
        ),
    ),
)

#: Not asked for the whole month.
HISTORY = {"mark": 720, "funding": 90, "open_interest": 8352}

#: The venue's no.
REFUSALS = (
    b'{"code":2,"msg":"Invalid request: property name must be a string"}',
    b'{"error":{"code":2,"msg":"Invalid request"},"id":1}',
)

#: A frame of every kind that writes rows, with its price and its symbol as they stand in it.
GOOD = {
    "trade": (CASES[0].frames[0], b'"85299.90"', b"BTCUSDT"),
    "mark": (
        (
            b'{"stream":"btcusdt@markPrice@1s","data":{"e":"markPriceUpdate","E":1790526539000,'
            b'"s":"BTCUSDT","p":"84551.1","i":"84590.8","r":"0.0001","T":1790553600000,"st":1}}'
        ),
        b'"84551.1"',
        b"BTCUSDT",
    ),
    "liquidation": (LIQUIDATION, b'"1.4984"', b"XRPUSDT"),
}

#: Ways to misread this venue; a case must notice each.
MUTANTS = (
    Mutant("taker side flipped", "{True: int(Side.SELL), False: int(Side.BUY)}",
           "{True: int(Side.BUY), False: int(Side.SELL)}", "binance"),
    Mutant("event time for trade time", '"traded_ms": "T",\n        "buyer_is_maker"',
           '"traded_ms": "E",\n        "buyer_is_maker"', "binance"),
    Mutant("insurance fund on the tape", 'if event.origin != "MARKET":', "if False:", "binance"),
    Mutant("price of the unit", "price = event.price / c.unit", "price = event.price", "binance"),
    Mutant("size of the unit", "event.quantity * c.numerator / c.denominator", "event.quantity", "binance"),
    Mutant("linear contracts taken as inverse", "if c.inverse:", "if True:", "binance"),
    Mutant("end of the connection not heard", 'return "leave"', 'return "ignored"', "binance"),
    Mutant("position side flipped", '{"SELL": int(Side.LONG), "BUY": int(Side.SHORT)}',
           '{"SELL": int(Side.SHORT), "BUY": int(Side.LONG)}', "binance_futures"),
    Mutant("limit price for average fill", "(order.average_price or order.limit_price)",
           "order.limit_price", "binance_futures"),
    Mutant("ordered for filled quantity", '"filled": "z"', '"filled": "q"', "binance_futures"),
    Mutant("last fill for filled quantity", '"filled": "z"', '"filled": "l"', "binance_futures"),
    Mutant("unfilled orders counted", 'if order.status != "FILLED":', "if False:", "binance_futures"),
    Mutant("limit passed as a fill", "if order.average_price else self._limit_price",
           "if True else self._limit_price", "binance_futures"),
    Mutant("mark and index swapped", '"mark_price": "p",\n        "index_price": "i"',
           '"mark_price": "i",\n        "index_price": "p"', "binance_futures"),
    Mutant("settle price for index", '"index_price": "i"', '"index_price": "P"', "binance_futures"),
    Mutant("average mark for mark", '"mark_price": "p"', '"mark_price": "ap"', "binance_futures"),
    Mutant("mark of the unit", "event.mark_price / c.unit", "event.mark_price", "binance_futures"),
    Mutant("interval dropped", "event.rate, c.interval_ns,", "event.rate, 0,", "binance_futures"),
    Mutant("interval taken as 8 h", "event.rate, c.interval_ns,", "event.rate, 28_800_000_000_000,",
           "binance_futures"),
    Mutant("interval's doubt dropped", "self._predicted | c.interval_flags", "self._predicted",
           "binance_futures"),
    Mutant("COIN-M counted in coins", "if self.foreign in (order.market, event.market):", "if False:",
           "binance_futures"),
    Mutant("COIN-M not told apart", ", foreign=2", ""),
    Mutant("prediction passed as paid", 'kind="predicted"', 'kind="settled"'),
    Mutant("sample passed as complete", 'completeness="sampled"', 'completeness="complete"'),
    Mutant("polled units taken as coins", "c.amounts(answer.open_interest, NAN)",
           "answer.open_interest, NAN", "binance_rest"),
    Mutant("polled open interest doubled", "c.amounts(answer.open_interest, NAN)",
           "c.amounts(answer.open_interest * 2, NAN)", "binance_rest"),
    Mutant("polled open interest halved", "c.amounts(answer.open_interest, NAN)",
           "c.amounts(answer.open_interest / 2, NAN)", "binance_rest"),
)  # fmt: skip
