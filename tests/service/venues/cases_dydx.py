"""dYdX v4: frames after https://docs.dydx.xyz, Indexer WebSockets."""

from tests.service.venues.cases import HOUR_NS, NAN, RECEIVED_NS, Case, Mutant, listed

HOURLY = {"funding_interval_ns": HOUR_NS}
INSTRUMENTS = listed(
    "dydx",
    ("BTC-USD", "BTC", "USDC", HOURLY),
    ("ETH-USD", "ETH", "USDC", HOURLY),
    ("1000PEPE-USD", "PEPE", "USDC", {**HOURLY, "coins_per_unit": 1000}),
)

#: Rows of thirty days of history. Everything is hourly.
HISTORY = {"mark": 720, "funding": 720, "open_interest": 720}

NEXT_HOUR_NS = 1_791_270_000_000_000_000
CONNECTION = b"2ddf629d-ee78-4cf3-8278-fe0900b59537"
CONNECTED = b'{"type":"connected","connection_id":"%b","message_id":0}' % CONNECTION
#: Subscriptions of a connection for all of `INSTRUMENTS`.
ASKED = len(INSTRUMENTS) + 1


def trade(side: bytes, size: bytes, price: bytes, kind: bytes = b"LIMIT") -> bytes:
    """Return one trade as an element of `trades`."""
    return (
        b'{"id":"0165e5e30000000200000002","size":"%b","price":"%b","side":"%b",'
        b'"createdAt":"2024-08-22T23:59:58.855Z","type":"%b"}'
    ) % (size, price, side, kind)


def trades(market: bytes, *items: bytes, number: int = 99, kind: bytes = b"channel_data") -> bytes:
    """Return a message of trades."""
    return (
        b'{"type":"%b","connection_id":"%b","message_id":%d,"id":"%b","channel":"v4_trades",'
        b'"version":"2.1.0","contents":{"trades":[%b]}}'
    ) % (kind, CONNECTION, number, market, b",".join(items))


def answered(number: int, market: bytes) -> bytes:
    """Return the answer to a subscription, with one old forced trade."""
    old = trade(b"SELL", b"1", b"5", b"LIQUIDATED")
    return trades(market, old, number=number, kind=b"subscribed")


def told(number: int) -> bytes:
    """Return a message of one trade."""
    return trades(b"BTC-USD", trade(b"BUY", b"1", b"5"), number=number)


def markets(contents: bytes, kind: bytes = b"channel_data", number: int = 17) -> bytes:
    """Return a message of levels."""
    return (
        b'{"type":"%b","connection_id":"%b","message_id":%d,"channel":"v4_markets","version":"1.0.0",'
        b'"contents":%b}'
    ) % (kind, CONNECTION, number, contents)


def oracle(market: bytes, price: bytes) -> bytes:
    """Return a message of one oracle price."""
    return markets(
        b'{"oraclePrices":{"%b":{"oraclePrice":"%b","effectiveAt":"2024-08-23T00:00:54.301Z",'
        b'"effectiveAtHeight":"23455252","marketId":86}}}' % (market, price)
    )


SNAPSHOT = markets(
    (
        b'{"markets":{"AVAX-USD":{"ticker":"AVAX-USD","oraclePrice":"22.87","openInterest":"1"},'
        b'"BTC-USD":{"clobPairId":"0","ticker":"BTC-USD","status":"ACTIVE","oraclePrice":"60000",'
        b'"priceChange24H":"-782.58326","volume24H":"247515340.0835","trades24H":73556,'
        b'"nextFundingRate":"0.0000135","initialMarginFraction":"0.05","openInterest":"648.25",'
        b'"atomicResolution":-10,"tickSize":"1","marketType":"CROSS","baseOpenInterest":"650"}}}'
    ),
    b"subscribed",
)
BTC_TRADE = trades(b"BTC-USD", trade(b"BUY", b"0.002", b"60397"))
FORCED = trades(b"BTC-USD", trade(b"SELL", b"3.5", b"60000", b"LIQUIDATED"))


def _gap(symbol: str) -> dict[str, object]:
    return {
        "kind": "gap",
        "symbol": symbol,
        "channels": 31,
        "from_ns": RECEIVED_NS,
        "to_ns": RECEIVED_NS,
        "exchange_ns": RECEIVED_NS,
        "received_ns": RECEIVED_NS,
    }


GAPS = tuple(_gap(symbol) for symbol in INSTRUMENTS)
ANSWERS = tuple(answered(n, b"BTC-USD") for n in range(1, ASKED + 1))

CASES = (
    Case(
        "trade: side is the taker; 0.002 * 60397 = 120.794",
        (BTC_TRADE,),
        "trade",
        (
            {
                "kind": "trade",
                "symbol": "BTC-USD",
                "taker": "buy",
                "price": 60397.0,
                "quantity": 0.002,
                "notional_usd": 120.794,
                "sequence": 0,
                "exchange_ns": 1_724_371_198_855_000_000,
                "flags": ["stable_assumed"],
            },
        ),
    ),
    Case(
        "trades of a block; part of a TWAP is a trade, and so was what came without a type",
        (
            trades(
                b"ETH-USD",
                trade(b"SELL", b"2", b"2500", b"TWAP_SUBORDER"),
                trade(b"BUY", b"3", b"2501").replace(b',"type":"LIMIT"', b""),
            ),
        ),
        "trade",
        (
            {"symbol": "ETH-USD", "taker": "sell", "notional_usd": 5000.0},
            {"symbol": "ETH-USD", "taker": "buy", "notional_usd": 7503.0},
        ),
    ),
    Case(
        "trade of a thousand-coin unit: 250 * 1000 coins at 0.012 / 1000",
        (trades(b"1000PEPE-USD", trade(b"SELL", b"250", b"0.012")),),
        "trade",
        ({"taker": "sell", "price": 0.000012, "quantity": 250_000.0, "notional_usd": 3.0},),
    ),
    Case(
        "LIQUIDATED SELL: a trade and the end of a long; 3.5 * 60000 = 210000",
        (FORCED,),
        "trade",
        (
            {"kind": "trade", "taker": "sell", "notional_usd": 210_000.0},
            {
                "kind": "liquidation",
                "symbol": "BTC-USD",
                "position": "long",
                "price": 60000.0,
                "quantity": 3.5,
                "notional_usd": 210_000.0,
                "exchange_ns": 1_724_371_198_855_000_000,
                "flags": ["complete", "stable_assumed", "price_fill"],
            },
        ),
    ),
    Case(
        "LIQUIDATED BUY: the end of a short; 4 * 1000 coins at 0.01 / 1000",
        (trades(b"1000PEPE-USD", trade(b"BUY", b"4", b"0.01", b"LIQUIDATED")),),
        "trade",
        (
            {"kind": "trade", "taker": "buy"},
            {"position": "short", "price": 0.00001, "quantity": 4000.0, "notional_usd": 0.04},
        ),
    ),
    Case(
        "DELEVERAGED is neither a trade nor a liquidation",
        (trades(b"BTC-USD", trade(b"SELL", b"1", b"60000", b"DELEVERAGED")),),
        "ignored",
        (),
    ),
    Case(
        "DELEVERAGED beside a trade",
        (
            trades(
                b"BTC-USD",
                trade(b"SELL", b"1", b"60000", b"DELEVERAGED"),
                trade(b"BUY", b"2", b"60001"),
            ),
        ),
        "trade",
        ({"kind": "trade", "taker": "buy", "quantity": 2.0},),
    ),
    Case("old trades come with the answer", (answered(1, b"BTC-USD"),), "ack", ()),
    Case(
        "all levels, stamped when received: 648.25 coins at 60000 are 38,895,000; paid at the next hour",
        (SNAPSHOT,),
        "ticker",
        (
            {
                "kind": "mark",
                "symbol": "BTC-USD",
                "mark_price": 60000.0,
                "index_price": 60000.0,
                "mid_price": NAN,
                "exchange_ns": RECEIVED_NS,
                "flags": [],
            },
            {
                "kind": "funding",
                "rate": 0.0000135,
                "interval_ns": HOUR_NS,
                "next_funding_ns": NEXT_HOUR_NS,
                "exchange_ns": RECEIVED_NS,
                "flags": ["predicted"],
            },
            {
                "kind": "open_interest",
                "quantity": 648.25,
                "notional_usd": 38_895_000.0,
                "mark_price": 60000.0,
                "exchange_ns": RECEIVED_NS,
                "flags": ["stable_assumed"],
            },
        ),
    ),
    Case(
        "an oracle price is of when it took effect, and is mark and index",
        (oracle(b"ETH-USD", b"2623.3521"),),
        "ticker",
        (
            {
                "kind": "mark",
                "symbol": "ETH-USD",
                "mark_price": 2623.3521,
                "index_price": 2623.3521,
                "mid_price": NAN,
                "exchange_ns": 1_724_371_254_301_000_000,
                "received_ns": RECEIVED_NS,
            },
        ),
    ),
    Case(
        "open interest alone is valued at the last oracle price: 700 * 60010 = 42,007,000",
        (
            SNAPSHOT,
            oracle(b"BTC-USD", b"60010"),
            markets(b'{"trading":{"BTC-USD":{"id":"0","openInterest":"700"}}}'),
        ),
        "ticker",
        (
            {
                "kind": "open_interest",
                "quantity": 700.0,
                "notional_usd": 42_007_000.0,
                "mark_price": 60010.0,
            },
        ),
    ),
    Case(
        "open interest before any price has no value",
        (markets(b'{"trading":{"ETH-USD":{"id":"1","openInterest":"15398.406"}}}'),),
        "ticker",
        ({"quantity": 15398.406, "notional_usd": NAN, "mark_price": NAN},),
    ),
    Case(
        "a rate alone",
        (markets(b'{"trading":{"ETH-USD":{"nextFundingRate":"-0.00002"}}}'),),
        "ticker",
        ({"kind": "funding", "rate": -0.00002, "interval_ns": HOUR_NS},),
    ),
    Case(
        "levels of a thousand-coin unit: 5000 units at 0.012 are 60 USD",
        (
            oracle(b"1000PEPE-USD", b"0.012"),
            markets(b'{"trading":{"1000PEPE-USD":{"openInterest":"5000"}}}'),
        ),
        "ticker",
        ({"quantity": 5_000_000.0, "notional_usd": 60.0, "mark_price": 0.000012},),
    ),
    Case(
        "prices of a thousand-coin unit",
        (oracle(b"1000PEPE-USD", b"0.012"),),
        "ticker",
        ({"mark_price": 0.000012, "index_price": 0.000012},),
    ),
    Case(
        "markets that we did not ask for come along, whatever is in them",
        (markets(b'{"trading":{"AVAX-USD":{"openInterest":"x"}},"oraclePrices":{"SOL-USD":7}}'),),
        "ticker",
        (),
    ),
    Case("the beginning", (CONNECTED,), "notice", ()),
    Case(
        "the end of a subscription",
        (
            (
                b'{"type":"unsubscribed","connection_id":"c","message_id":4,"channel":"v4_trades",'
                b'"id":"BTC-USD"}'
            ),
        ),
        "ack",
        (),
    ),
    Case(
        "order books are not read",
        (
            (
                b'{"type":"channel_data","connection_id":"c","message_id":5814,"id":"GRT-USD",'
                b'"channel":"v4_orderbook","version":"1.0.0","contents":{"bids":[["11.21","0"]]}}'
            ),
        ),
        "ignored",
        (),
    ),
    Case(
        "messages in order",
        (CONNECTED, *ANSWERS, told(5), told(6)),
        "trade",
        ({"kind": "trade"},),
    ),
    Case(
        "a message is missing: nobody knows of which market",
        (CONNECTED, *ANSWERS, told(5), told(7)),
        "trade",
        (*GAPS, {"kind": "trade"}),
    ),
    Case(
        "a hole is told of once",
        (CONNECTED, *ANSWERS, told(5), told(7), told(8)),
        "trade",
        ({"kind": "trade"},),
    ),
    Case(
        "a hole before an answer's turn",
        (CONNECTED, told(9)),
        "trade",
        (*GAPS, {"kind": "trade"}),
    ),
    Case(
        "answers may be overtaken, by one another and by what they announce",
        (CONNECTED, ANSWERS[2], ANSWERS[0], told(5), ANSWERS[3], ANSWERS[1], told(6)),
        "trade",
        ({"kind": "trade"},),
    ),
    Case(
        "an answer that came late leaves no hole",
        (CONNECTED, ANSWERS[2], ANSWERS[0], told(5)),
        "trade",
        ({"kind": "trade"},),
    ),
    Case(
        "once all answers are in, what is missing is lost",
        (CONNECTED, ANSWERS[0], told(3), answered(4, b"ETH-USD"), answered(5, b"ETH-USD"),
         answered(6, b"ETH-USD")),
        "ack",
        GAPS,
    ),
    Case(
        "a connection that was joined late is not watched",
        (told(5), told(9)),
        "trade",
        ({"kind": "trade"},),
    ),
    Case(
        "nor is another one judged by it",
        (CONNECTED, *ANSWERS, told(9).replace(CONNECTION, b"another")),
        "trade",
        ({"kind": "trade"},),
    ),
)  # fmt: skip

#: Rows of thirty days of history: the oracle price comes with each hour's funding.
HISTORY = {"mark": 720, "funding": 720, "open_interest": 720}

#: The venue's no.
REFUSALS = (
    b'{"type":"error","message":"Invalid channel: v4_liquidations","connection_id":"c","message_id":1}',
    b'{"type":"error","message":"Too many subscribe attempts.","connection_id":"c","message_id":9}',
)

#: A frame of every kind that writes rows, with its price and its symbol as they stand in it.
GOOD = {
    "trade": (BTC_TRADE, b'"60397"', b"BTC-USD"),
    "ticker": (SNAPSHOT, b'"60000"', b"BTC-USD"),
    "mark": (oracle(b"ETH-USD", b"2623.3521"), b'"2623.3521"', b"ETH-USD"),
    "liquidation": (FORCED, b'"60000"', b"BTC-USD"),
}

#: Ways to misread this venue; a case must notice each.
MUTANTS = (
    Mutant("taker side flipped", 'TAKER: Final = {"BUY": int(Side.BUY), "SELL": int(Side.SELL)}',
     'TAKER: Final = {"BUY": int(Side.SELL), "SELL": int(Side.BUY)}'),
    Mutant("position read as the taker's",
     'POSITION: Final = {"SELL": int(Side.LONG), "BUY": int(Side.SHORT)}',
     'POSITION: Final = {"SELL": int(Side.SHORT), "BUY": int(Side.LONG)}'),
    Mutant("forced trades not seen", 'if trade.type == "LIQUIDATED":', "if False:"),
    Mutant("every trade forced", 'if trade.type == "LIQUIDATED":', "if True:"),
    Mutant("deleveraging on the tape", 'if trade.type == "DELEVERAGED":', "if False:"),
    Mutant("old trades passed as new", 'case "channel_data", "v4_trades":',
     'case (("channel_data" | "subscribed"), "v4_trades"):'),
    Mutant("first levels dropped", 'case (("channel_data" | "subscribed"), "v4_markets"):',
     'case "channel_data", "v4_markets":'),
    Mutant("complete feed passed as a sample", 'completeness="complete"', 'completeness="sampled"'),
    Mutant("fill passed as a bankruptcy price", 'price="fill"', 'price="bankruptcy"'),
    Mutant("prediction passed as paid", 'kind="predicted"', 'kind="settled"'),
    Mutant("no index", "mark = index = price", "mark, index = price, NAN"),
    Mutant("no mark", "mark = index = price", "mark, index = NAN, price"),
    Mutant("both sides counted", '"open_interest": "openInterest"', '"open_interest": "baseOpenInterest"'),
    Mutant("open interest doubled", "c.amounts(said.open_interest, mark)",
     "c.amounts(said.open_interest * 2, mark)"),
    Mutant("open interest halved", "c.amounts(said.open_interest, mark)",
     "c.amounts(said.open_interest / 2, mark)"),
    Mutant("open interest in units", "coin, usd = c.amounts(said.open_interest, mark)",
     "coin, usd = said.open_interest, said.open_interest * mark"),
    Mutant("open interest valued at the first price", "price = self._prices[symbol] = quoted / c.unit",
     "price = quoted / c.unit; self._prices.setdefault(symbol, price)"),
    Mutant("interval taken as 8 h", "INTERVAL_NS: Final = HOUR_NS", "INTERVAL_NS: Final = 8 * HOUR_NS",
     "dydx_rest"),
    Mutant("last hour for the next", "received_ns // INTERVAL_NS + 1", "received_ns // INTERVAL_NS"),
    Mutant("milliseconds dropped", "// _MICROSECOND * _NS_PER_MICROSECOND",
     "// timedelta(seconds=1) * 1_000_000_000", "dydx_rest"),
    Mutant("oracle's time not read", "moment_ns(oracle.at), received_ns", "received_ns, received_ns"),
    Mutant("price of the unit", "price = trade.price / c.unit", "price = trade.price"),
    Mutant("size of the unit", "coin, usd = c.amounts(trade.size, price)",
     "coin, usd = trade.size, trade.size * price"),
    Mutant("mark of the unit", "self._prices[symbol] = quoted / c.unit", "self._prices[symbol] = quoted"),
    Mutant("holes not seen", "first, hole = self._next, number - self._next",
     "first, hole = self._next, min(0, number - self._next)"),
    Mutant("no patience with answers", "> self._awaited:", "> 0:"),
    Mutant("endless patience with answers", "> self._awaited:", "> 99:"),
    Mutant("answers not counted", "self._awaited -= 1", "pass"),
    Mutant("a late answer leaves its hole", "self._missing.discard(number)", "pass"),
    Mutant("holes told of for ever",
     "        self._numbers.lost_ns = 0\n        return said", "        return said"),
    Mutant("other connections' numbers taken", "if not self._connection or connection != self._connection:",
     "if not self._connection:"),
    Mutant("holes before the beginning", "if not self._connection or connection != self._connection:",
     "if self._connection and connection != self._connection:"),
)  # fmt: skip
