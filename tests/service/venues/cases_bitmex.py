"""BitMEX: frames after https://www.bitmex.com/app/wsAPI."""

from tests.service.venues.cases import HOUR_NS, NAN, RECEIVED_NS, Case, Mutant, listed

INSTRUMENTS = listed(
    "bitmex",
    ("XBTUSD", "BTC", "USD", {"contract_type": "inverse"}),
    ("XBTUSDT", "BTC", "USDT", {"contract_size": "0.000001"}),
    ("PEPEUSDT", "PEPE", "USDT", {"coins_per_unit": 1000, "contract_size": "10"}),
)

#: Rows of thirty days of history. There is no history of marks or open interest.
HISTORY = {"funding": 90}

_AT = "2026-09-27T16:28:59.043Z"
_AT_NS = 1_790_526_539_043_000_000
_FUNDING_NS = 1_790_539_200_000_000_000


def table(name: str, action: str, *rows: str) -> bytes:
    """Return a message of a table."""
    return f'{{"table":"{name}","action":"{action}","data":[{",".join(rows)}]}}'.encode()


def trade(
    symbol: str, side: str, price: str, home: str, foreign: str, more: str = ',"trdType":"Regular"'
) -> str:
    """Return a row of the table of trades."""
    return (
        f'{{"timestamp":"{_AT}","symbol":"{symbol}","side":"{side}","size":77,"price":{price},'
        '"tickDirection":"ZeroMinusTick","trdMatchID":"00000000-006d-1000-0000-00040f9d7b7e",'
        f'"grossValue":1,"homeNotional":{home},"foreignNotional":{foreign}{more}}}'
    )


def order(symbol: str, side: str, price: str, leaves: str) -> str:
    """Return a row of the table of liquidations."""
    return (
        f'{{"orderID":"dd9cea25-207c-0dab-15b5-b88da776f500","symbol":"{symbol}","side":"{side}",'
        f'"price":{price},"leavesQty":{leaves}}}'
    )


def levels(symbol: str, fields: str, at: str = _AT) -> str:
    """Return a row of the table of instruments."""
    return f'{{"symbol":"{symbol}",{fields},"timestamp":"{at}"}}'


#: An instrument as its partial has it, with fields around those that are read.
XBTUSD = levels(
    "XBTUSD",
    '"rootSymbol":"XBT","state":"Open","typ":"FFWCSX","quoteCurrency":"USD","lotSize":100,'
    '"fundingTimestamp":"2026-09-27T20:00:00.000Z","fundingInterval":"2000-01-01T08:00:00.000Z",'
    '"fundingRate":0.00011,"indicativeFundingRate":0.000125,"lastPrice":61234.5,"bidPrice":60001,'
    '"midPrice":60002.25,"askPrice":60003.5,"openInterest":411600000,"openValue":686000000000,'
    '"fairPrice":60000.5,"markPrice":60000,"indicativeSettlePrice":59990.77,"expiry":null',
)
PARTIAL = table("instrument", "partial", XBTUSD)
MARK = {"kind": "mark", "mark_price": 60000.0, "index_price": 59990.77, "mid_price": 60002.25}
LATER = "2026-09-27T16:29:00.000Z"
LATER_NS = 1_790_526_540_000_000_000


def update(fields: str) -> bytes:
    """Return an update of XBTUSD's instrument."""
    return table("instrument", "update", levels("XBTUSD", fields, LATER))


CASES = (
    Case(
        "trade of the inverse contract: side is the taker; home is coin, foreign is USD, size is not read",
        (table("trade", "insert", trade("XBTUSD", "Sell", "56000", "0.1", "5600")),),
        "trade",
        (
            {
                "kind": "trade",
                "symbol": "XBTUSD",
                "taker": "sell",
                "price": 56000.0,
                "quantity": 0.1,
                "notional_usd": 5600.0,
                "sequence": 0,
                "exchange_ns": _AT_NS,
                "flags": [],
            },
        ),
    ),
    Case(
        "trades of a linear contract, in their order",
        (
            table(
                "trade", "insert",
                trade("XBTUSDT", "Buy", "60000", "0.001", "60"),
                trade("XBTUSDT", "Sell", "60001", "0.002", "120.002"),
            ),
        ),
        "trade",
        (
            {"taker": "buy", "quantity": 0.001, "notional_usd": 60.0, "flags": ["stable_assumed"]},
            {"taker": "sell", "quantity": 0.002, "notional_usd": 120.002},
        ),
    ),
    Case(
        "trade of a thousand-coin unit: 250 units are 250,000 coins",
        (table("trade", "insert", trade("PEPEUSDT", "Buy", "0.012", "250", "3")),),
        "trade",
        ({"price": 0.000012, "quantity": 250_000.0, "notional_usd": 3.0},),
    ),
    Case(
        "before 2023 trades had no type",
        (table("trade", "insert", trade("XBTUSD", "Buy", "56000", "0.1", "5600", "")),),
        "trade",
        ({"taker": "buy", "quantity": 0.1},),
    ),
    Case(
        "a trade without a taker, and one that is not regular, are not the tape",
        (
            table(
                "trade", "insert",
                trade("XBTUSD", "", "56000", "0.1", "5600"),
                trade("XBTUSD", "Buy", "56000", "0.1", "5600", ',"trdType":"Settlement"'),
                trade("XBTUSD", "Buy", "56000", "0.3", "16800"),
            ),
        ),
        "trade",
        ({"quantity": 0.3},),
    ),
    Case(
        "the partial of trades is old",
        (table("trade", "partial", trade("XBTUSD", "Buy", "56000", "0.1", "5600")),),
        "notice",
        (),
    ),
    Case(
        "keys in another order",
        (
            b'{"data":[' + trade("XBTUSD", "Sell", "56000", "0.1", "5600").encode()
            + b'],"action":"insert","table":"trade"}',
        ),
        "trade",
        ({"taker": "sell"},),
    ),
    Case(
        "partial of an instrument: all is news; 411.6 million USD at 60,000 are 6,860 coins; 08:00 is 8 h",
        (PARTIAL,),
        "ticker",
        (
            {**MARK, "exchange_ns": _AT_NS, "flags": []},
            {
                "kind": "funding",
                "rate": 0.00011,
                "interval_ns": 8 * HOUR_NS,
                "next_funding_ns": _FUNDING_NS,
                "exchange_ns": _AT_NS,
                "flags": ["predicted"],
            },
            {
                "kind": "open_interest",
                "quantity": 6860.0,
                "notional_usd": 411_600_000.0,
                "mark_price": 60000.0,
                "flags": [],
            },
        ),
    ),
    Case(
        "an update of the mark keeps index and middle",
        (PARTIAL, update('"fairPrice":60010,"markPrice":60010')),
        "ticker",
        ({**MARK, "mark_price": 60010.0, "exchange_ns": LATER_NS},),
    ),
    Case(
        "an update of the index",
        (PARTIAL, update('"indicativeSettlePrice":60020')),
        "ticker",
        ({**MARK, "index_price": 60020.0},),
    ),
    Case(
        "the middle is gone: a blank is said, not left out",
        (PARTIAL, update('"midPrice":null')),
        "ticker",
        ({**MARK, "mid_price": NAN},),
    ),
    Case(
        "an update that changes nothing we keep",
        (PARTIAL, update('"volume24h":419742700,"markPrice":60000,"openInterest":411600000')),
        "ticker",
        (),
    ),
    Case(
        "an update of the rate keeps interval and time",
        (PARTIAL, update('"fundingRate":-0.0002')),
        "ticker",
        (
            {"kind": "funding", "rate": -0.0002, "interval_ns": 8 * HOUR_NS,
             "next_funding_ns": _FUNDING_NS},
        ),
    ),
    Case(
        "a rate of nothing is a rate; the estimate for the interval after the next is not read",
        (PARTIAL, update('"fundingRate":0,"indicativeFundingRate":0.0003')),
        "ticker",
        ({"kind": "funding", "rate": 0.0},),
    ),
    Case(
        "another interval: 04:00 is four hours",
        (PARTIAL, update('"fundingInterval":"2000-01-01T04:00:00.000Z"')),
        "ticker",
        ({"kind": "funding", "rate": 0.00011, "interval_ns": 4 * HOUR_NS},),
    ),
    Case(
        "an update of open interest is valued at the merged mark: 600 million at 60,000",
        (PARTIAL, update('"openInterest":600000000,"openValue":1')),
        "ticker",
        ({"kind": "open_interest", "quantity": 10_000.0, "notional_usd": 600_000_000.0},),
    ),
    Case(
        "an update without a time is of when it came",
        (PARTIAL, table("instrument", "update", '{"symbol":"XBTUSD","openInterest":600000000}')),
        "ticker",
        ({"kind": "open_interest", "exchange_ns": RECEIVED_NS},),
    ),
    Case(
        "linear open interest: 5e9 contracts of a millionth are 5,000 coins, at 60,000",
        (
            table(
                "instrument", "partial",
                levels("XBTUSDT", '"markPrice":60000,"indicativeSettlePrice":60001,'
                       '"openInterest":5000000000,"midPrice":null'),
            ),
        ),
        "ticker",
        (
            {"mark_price": 60000.0, "index_price": 60001.0, "mid_price": NAN},
            {"quantity": 5000.0, "notional_usd": 300_000_000.0, "flags": ["stable_assumed"]},
        ),
    ),
    Case(
        "a thousand-coin unit, ten a contract; the interval is not said",
        (
            table(
                "instrument", "partial",
                levels("PEPEUSDT", '"markPrice":0.012,"indicativeSettlePrice":0.016,"midPrice":0.011,'
                       '"openInterest":500,"fundingRate":0.0001,'
                       '"fundingTimestamp":"2026-09-27T20:00:00.000Z"'),
            ),
        ),
        "ticker",
        (
            {"mark_price": 0.000012, "index_price": 0.000016, "mid_price": 0.000011},
            {"interval_ns": 8 * HOUR_NS, "flags": ["predicted", "interval_assumed"]},
            {"quantity": 5_000_000.0, "notional_usd": 60.0},
        ),
    ),
    Case("an update before its partial", (update('"markPrice":60010'),), "ignored", ()),
    Case(
        "another partial replaces what was known",
        (PARTIAL, table("instrument", "partial", levels("XBTUSD", '"markPrice":60000'))),
        "ticker",
        ({"kind": "mark", "mark_price": 60000.0, "index_price": NAN, "mid_price": NAN},),
    ),
    Case(
        "a listing that is deleted is forgotten",
        (PARTIAL, table("instrument", "delete", '{"symbol":"XBTUSD"}'), update('"markPrice":1')),
        "ignored",
        (),
    ),
    Case(
        "liquidation: the ORDER sells, so it closes a long; 9,240 USD at 10,500 are 0.88 coins; time is ours",
        (table("liquidation", "insert", order("XBTUSD", "Sell", "10500", "9240")),),
        "liquidation",
        (
            {
                "kind": "liquidation",
                "symbol": "XBTUSD",
                "position": "long",
                "price": 10500.0,
                "quantity": 0.88,
                "notional_usd": 9240.0,
                "exchange_ns": RECEIVED_NS,
                "flags": ["complete", "unit_assumed", "price_bankruptcy"],
            },
        ),
    ),
    Case(
        "liquidation: the order buys, so it closes a short; 20,000 contracts are 0.02 coins, at 60,000",
        (table("liquidation", "insert", order("XBTUSDT", "Buy", "60000", "20000")),),
        "liquidation",
        (
            {
                "position": "short",
                "quantity": 0.02,
                "notional_usd": 1200.0,
                "flags": ["complete", "unit_assumed", "stable_assumed", "price_bankruptcy"],
            },
        ),
    ),
    Case(
        "liquidation of a thousand-coin unit, ten a contract: 4 are 40,000 coins",
        (table("liquidation", "insert", order("PEPEUSDT", "Sell", "0.0125", "4")),),
        "liquidation",
        ({"position": "long", "price": 0.0000125, "quantity": 40_000.0, "notional_usd": 0.5},),
    ),
    Case(
        "liquidations of all contracts come; those of others are passed over",
        (
            table(
                "liquidation", "insert",
                order("ETHUSD", "Sell", "2500", "50"), order("XBTUSD", "Buy", "10000", "100"),
            ),
        ),
        "liquidation",
        ({"symbol": "XBTUSD", "position": "short", "quantity": 0.01},),
    ),
    Case(
        "orders in the book when we came are old",
        (table("liquidation", "partial", order("XBTUSD", "Sell", "10500", "9240")),),
        "notice",
        (),
    ),
    Case(
        "an order that shrinks is counted already",
        (table("liquidation", "update", '{"orderID":"dd9c","symbol":"XBTUSD","leavesQty":40}'),),
        "notice",
        (),
    ),
    Case(
        "so is one that is filled",
        (table("liquidation", "delete", '{"orderID":"dd9c","symbol":"XBTUSD"}'),),
        "notice",
        (),
    ),
    Case(
        "the table of paid funding says nothing that is not known",
        (table("funding", "insert", f'{{"timestamp":"{_AT}","symbol":"XBTUSD","fundingRate":0.0001}}'),),
        "ignored",
        (),
    ),
    Case(
        "books carry nothing we want",
        (table("orderBookL2", "delete", '{"symbol":"XBTUSD","id":8799141400,"side":"Sell"}'),),
        "ignored",
        (),
    ),
    Case(
        "the greeting",
        (
            (b'{"info":"Welcome to the BitMEX Realtime API.","version":"2.0.0","timestamp":'
            b'"2026-09-27T16:28:59.043Z","docs":"https://www.bitmex.com/app/wsAPI","limit":{"remaining":39}}'),
        ),
        "notice",
        (),
    ),
    Case(
        "subscription acked",
        (
            (b'{"success":true,"subscribe":"trade:XBTUSD","request":{"op":"subscribe",'
            b'"args":["trade:XBTUSD","instrument:XBTUSD"]}}'),
        ),
        "ack",
        (),
    ),
    Case("pong is no JSON", (b"pong",), "pong", ()),
)  # fmt: skip

#: The venue's no.
REFUSALS = (
    (
        b'{"status":400,"error":"Unknown or expired symbol.","meta":{},"request":{"op":"subscribe",'
        b'"args":["trade:XBTEUR"]}}'
    ),
    (
        b'{"status":429,"error":"Rate limit exceeded, retry in 4 seconds.","meta":{"retryAfter":4},'
        b'"request":{"op":"subscribe","args":"trade"}}'
    ),
)

#: A frame of every kind that writes rows, with its price and its symbol as they stand in it.
GOOD = {
    "trade": (
        table("trade", "insert", trade("XBTUSD", "Sell", "56000.5", "0.1", "5600")),
        b"56000.5",
        b"XBTUSD",
    ),
    "ticker": (
        table("instrument", "partial", XBTUSD.replace('"markPrice":60000', '"markPrice":60000.1')),
        b"60000.1",
        b"XBTUSD",
    ),
    "liquidation": (
        table("liquidation", "insert", order("XBTUSD", "Sell", "10500", "9240")),
        b"10500",
        b"XBTUSD",
    ),
}

#: Ways to misread this venue; a case must notice each.
MUTANTS = (
    Mutant("taker side flipped", '{"Buy": int(Side.BUY), "Sell": int(Side.SELL)}',
     '{"Buy": int(Side.SELL), "Sell": int(Side.BUY)}'),
    Mutant("order side read as position", '{"Sell": int(Side.LONG), "Buy": int(Side.SHORT)}',
     '{"Sell": int(Side.SHORT), "Buy": int(Side.LONG)}'),
    Mutant("coin and quote swapped", "trade.home_notional * c.unit, trade.foreign_notional",
     "trade.foreign_notional * c.unit, trade.home_notional"),
    Mutant("a unit's coins dropped", "trade.home_notional * c.unit", "trade.home_notional"),
    Mutant("price of a unit taken as a coin's", "trade.price / c.unit", "trade.price"),
    Mutant("stablecoin of trades not said", "TAKER[trade.side], c.assumed", "TAKER[trade.side], 0"),
    Mutant("trades without taker or of other types taken",
     'if not trade.side or trade.trd_type != "Regular"', "if not trade.side"),
    Mutant("size dropped from liquidations", "c.amounts(order.leaves_qty, price)", "c.amounts(1.0, price)"),
    Mutant("liquidation price of a unit", "price = order.price / c.unit", "price = order.price"),
    Mutant("progress of an order counted again", 'if envelope.action == "insert":\n                return',
     'if envelope.action != "delete":\n                return'),
    Mutant("old orders counted", 'if envelope.action == "insert":\n                return',
     'if envelope.action in {"insert", "partial"}:\n                return'),
    Mutant("old trades taken", 'inserted = envelope.action == "insert"', "inserted = True"),
    Mutant("open interest doubled", "c.amounts(known.open_interest, mark)",
     "c.amounts(2 * known.open_interest, mark)"),
    Mutant("open interest halved", "c.amounts(known.open_interest, mark)",
     "c.amounts(known.open_interest / 2, mark)"),
    Mutant("open value for open interest", '"open_interest": "openInterest"', '"open_interest": "openValue"'),
    Mutant("mark and index swapped",
     '"mark_price": "markPrice",\n        "index_price": "indicativeSettlePrice"',
     '"mark_price": "indicativeSettlePrice",\n        "index_price": "markPrice"'),
    Mutant("last price for mark", '"mark_price": "markPrice"', '"mark_price": "lastPrice"'),
    Mutant("bid for the middle", '"mid_price": "midPrice"', '"mid_price": "bidPrice"'),
    Mutant("rate of the interval after the next", '"rate": "fundingRate"', '"rate": "indicativeFundingRate"'),
    Mutant("fixed rate passed as settled", 'kind="predicted"', 'kind="settled"'),
    Mutant("interval dropped", "if known.interval:", "if False:"),
    Mutant("interval's doubt dropped", "_PREDICTED | flags", "_PREDICTED"),
    Mutant("interval counted from another day", "_INTERVALS_FROM: Final = dt.datetime(2000, 1, 1",
     "_INTERVALS_FROM: Final = dt.datetime(1999, 12, 31, 20", "bitmex_rest"),
    Mutant("milliseconds lost", "(moment - _EPOCH) // _MICROSECOND * _NS_PER_MICROSECOND",
     "(moment - _EPOCH) // dt.timedelta(seconds=1) * 1_000_000_000", "bitmex_rest"),
    Mutant("updates forget what they omit", "_write_levels(known, _merge(known, said), c,",
     "_write_levels(said, _merge(known, said), c,"),
    Mutant("updates taken before a partial", 'if action != "update":', "if said.symbol not in self._levels:"),
    Mutant("partial merged into what was known", "self._levels[said.symbol] = _Levels(said.symbol)",
     "self._levels.setdefault(said.symbol, _Levels(said.symbol))"),
    Mutant("repeated values are news", "if value is not UNSET and value != before:",
     'if value is not UNSET and name != "symbol":'),
    Mutant("a blank taken as unchanged", "if value is not UNSET and value != before:",
     "if value is not UNSET and value is not None and value != before:"),
    Mutant("complete feed passed as a sample", 'completeness="complete"', 'completeness="sampled"'),
    Mutant("bankruptcy price passed as a fill", 'price="bankruptcy"', 'price="fill"'),
)  # fmt: skip
