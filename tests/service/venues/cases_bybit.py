"""Bybit v5 linear: frames after https://bybit-exchange.github.io/docs/v5/websocket/public."""

from tests.service.venues.cases import EIGHT_HOURS, HOUR_NS, Case, Mutant, listed

INSTRUMENTS = listed(
    "bybit",
    ("BTCUSDT", "BTC", "USDT", EIGHT_HOURS),
    ("BTCPERP", "BTC", "USDC", EIGHT_HOURS),
    ("1000PEPEUSDT", "PEPE", "USDT", {"coins_per_unit": 1000}),
    ("LTCUSDT", "LTC", "USDT", {}),
    ("PIPPINUSDT", "PIPPIN", "USDT", {}),
    ("STRKUSDT", "STRK", "USDT", {}),
    ("ADAUSDT", "ADA", "USDT", {}),
)

SNAPSHOT = (
    b'{"topic":"tickers.BTCUSDT","type":"snapshot","data":{"symbol":"BTCUSDT","lastPrice":"66666.60",'
    b'"markPrice":"60000","indexPrice":"59990","openInterest":"1000","openInterestValue":"60000000",'
    b'"singleOpenInterest":"500","singleOpenInterestValue":"30000000","fundingIntervalHour":"4",'
    b'"fundingCap":"0.005","nextFundingTime":"1790553600000","fundingRate":"-0.0005","bid1Price":"60001",'
    b'"bid1Size":"2","ask1Price":"60003","ask1Size":"1"},"cs":9532239429,"ts":1790526539000}'
)


def delta(fields: bytes, ts: int = 1_790_526_540_000) -> bytes:
    """Return a delta of BTCUSDT's ticker."""
    return (
        b'{"topic":"tickers.BTCUSDT","type":"delta","data":{"symbol":"BTCUSDT",'
        + fields
        + b'},"cs":9532239430,"ts":%d}' % ts
    )


def trade(symbol: bytes, side: bytes, size: bytes, price: bytes, more: bytes = b"") -> bytes:
    """Return one trade as an element of `data`."""
    return (
        b'{"T":1672304486865,"s":"%b","S":"%b","v":"%b","p":"%b","L":"PlusTick",'
        b'"i":"20f43950-d8dd-5b31-9112-a178eb6023af","BT":false%b}'
    ) % (symbol, side, size, price, more)


def trades(symbol: bytes, *items: bytes) -> bytes:
    """Return a frame of trades."""
    return b'{"topic":"publicTrade.%b","type":"snapshot","ts":1672304486868,"data":[%b]}' % (
        symbol,
        b",".join(items),
    )


def liquidations(symbol: bytes, side: bytes, size: bytes, price: bytes) -> bytes:
    """Return a frame of one liquidation."""
    return (
        b'{"topic":"allLiquidation.%b","type":"snapshot","ts":1789669871912,"data":[{"T":1789669871606,'
        b'"s":"%b","S":"%b","v":"%b","p":"%b"}]}'
    ) % (symbol, symbol, side, size, price)


MARK = {"kind": "mark", "mark_price": 60000.0, "index_price": 59990.0, "mid_price": 60002.0}

CASES = (
    Case(
        "trade: S is the taker; 0.001 * 16578.5 = 16.5785",
        (
            trades(
                b"BTCUSDT", trade(b"BTCUSDT", b"Buy", b"0.001", b"16578.50", b',"seq":1783284617')
            ),
        ),
        "trade",
        (
            {
                "kind": "trade",
                "symbol": "BTCUSDT",
                "taker": "buy",
                "price": 16578.5,
                "quantity": 0.001,
                "notional_usd": 16.5785,
                "sequence": 1783284617,
                "exchange_ns": 1_672_304_486_865_000_000,
                "flags": ["stable_assumed"],
            },
        ),
    ),
    Case(
        "several trades of one message, in their order; seq came in 2025-08",
        (
            trades(
                b"BTCPERP",
                trade(b"BTCPERP", b"Sell", b"2", b"20000"),
                trade(b"BTCPERP", b"Buy", b"3", b"20001"),
            ),
        ),
        "trade",
        (
            {"symbol": "BTCPERP", "taker": "sell", "notional_usd": 40000.0, "sequence": 0},
            {"symbol": "BTCPERP", "taker": "buy", "notional_usd": 60003.0, "sequence": 0},
        ),
    ),
    Case(
        "trade of a thousand-coin unit",
        (trades(b"1000PEPEUSDT", trade(b"1000PEPEUSDT", b"Sell", b"250", b"0.012")),),
        "trade",
        ({"taker": "sell", "price": 0.000012, "quantity": 250_000.0, "notional_usd": 3.0},),
    ),
    Case(
        "keys in another order",
        (
            b'{"type":"snapshot","ts":1672304486868,"data":['
            + trade(b"BTCUSDT", b"Sell", b"1", b"5")
            + b'],"topic":"publicTrade.BTCUSDT"}',
        ),
        "trade",
        ({"taker": "sell", "notional_usd": 5.0},),
    ),
    Case(
        "ticker snapshot: everything is news; one side of open interest is taken",
        (SNAPSHOT,),
        "ticker",
        (
            {**MARK, "exchange_ns": 1_790_526_539_000_000_000, "flags": []},
            {
                "kind": "funding",
                "rate": -0.0005,
                "interval_ns": 4 * HOUR_NS,
                "next_funding_ns": 1_790_553_600_000_000_000,
                "flags": ["predicted"],
            },
            {
                "kind": "open_interest",
                "quantity": 500.0,
                "notional_usd": 30_000_000.0,
                "mark_price": 60000.0,
                "flags": ["stable_assumed"],
            },
        ),
    ),
    Case(
        "a delta of the bid moves the middle only",
        (SNAPSHOT, delta(b'"bid1Price":"59999","bid1Size":"1"')),
        "ticker",
        ({**MARK, "mid_price": 60001.0, "exchange_ns": 1_790_526_540_000_000_000},),
    ),
    Case(
        "a delta that changes no price we keep", (SNAPSHOT, delta(b'"bid1Size":"9"')), "ticker", ()
    ),
    Case(
        "a delta that repeats known values",
        (
            SNAPSHOT,
            delta(b'"markPrice":"60000","fundingRate":"-0.0005","singleOpenInterest":"500"'),
        ),
        "ticker",
        (),
    ),
    Case(
        "a delta of the mark",
        (SNAPSHOT, delta(b'"markPrice":"60010"')),
        "ticker",
        ({**MARK, "mark_price": 60010.0},),
    ),
    Case(
        "a delta of the index",
        (SNAPSHOT, delta(b'"indexPrice":"60020"')),
        "ticker",
        ({**MARK, "index_price": 60020.0},),
    ),
    Case(
        "a delta of the rate keeps interval and time",
        (SNAPSHOT, delta(b'"fundingRate":"0.0002"')),
        "ticker",
        (
            {
                "kind": "funding",
                "rate": 0.0002,
                "interval_ns": 4 * HOUR_NS,
                "next_funding_ns": 1_790_553_600_000_000_000,
            },
        ),
    ),
    Case(
        "a delta of the interval",
        (SNAPSHOT, delta(b'"fundingIntervalHour":"1"')),
        "ticker",
        ({"kind": "funding", "rate": -0.0005, "interval_ns": HOUR_NS},),
    ),
    Case(
        "a delta of open interest is valued at the merged mark",
        (SNAPSHOT, delta(b'"openInterest":"1200","singleOpenInterest":"600"')),
        "ticker",
        ({"kind": "open_interest", "quantity": 600.0, "notional_usd": 36_000_000.0},),
    ),
    Case("a delta before its snapshot", (delta(b'"markPrice":"60010"'),), "ignored", ()),
    Case(
        "ticker of 2023: no interval, no single side, so both sides are halved and the row says so",
        (
            (
                b'{"topic":"tickers.BTCUSDT","type":"snapshot","data":{"symbol":"BTCUSDT",'
                b'"markPrice":"28552.81","indexPrice":"28562.25","openInterest":"52774.528",'
                b'"openInterestValue":"1506861070.82","nextFundingTime":"1680681600000","fundingRate":"0.0001",'
                b'"bid1Price":"28550.70","ask1Price":"28550.80"},"cs":50193544280,"ts":1680673821770}'
            ),
        ),
        "ticker",
        (
            {"mark_price": 28552.81, "index_price": 28562.25, "mid_price": 28550.75},
            {"rate": 0.0001, "interval_ns": 8 * HOUR_NS, "flags": ["predicted"]},
            {
                "quantity": 26387.264,
                "notional_usd": 26387.264 * 28552.81,
                "flags": ["unit_assumed", "stable_assumed"],
            },
        ),
    ),
    Case(
        "ticker of a thousand-coin unit, interval unknown",
        (
            (
                b'{"topic":"tickers.1000PEPEUSDT","type":"snapshot","data":{"symbol":"1000PEPEUSDT",'
                b'"markPrice":"0.012","indexPrice":"0.016","singleOpenInterest":"5000",'
                b'"nextFundingTime":"1680681600000","fundingRate":"0.0001","bid1Price":"0.010",'
                b'"ask1Price":"0.012"},"ts":1680673821770}'
            ),
        ),
        "ticker",
        (
            {"mark_price": 0.000012, "index_price": 0.000016, "mid_price": 0.000011},
            {"interval_ns": 8 * HOUR_NS, "flags": ["predicted", "interval_assumed"]},
            {"quantity": 5_000_000.0, "notional_usd": 60.0},
        ),
    ),
    Case(
        "liquidation: S Buy is the position, a long; 2084.9 * 0.05165 = 107.685085",
        (liquidations(b"STRKUSDT", b"Buy", b"2084.9", b"0.05165"),),
        "liquidation",
        (
            {
                "kind": "liquidation",
                "symbol": "STRKUSDT",
                "position": "long",
                "price": 0.05165,
                "quantity": 2084.9,
                "notional_usd": 107.685085,
                "exchange_ns": 1_789_669_871_606_000_000,
                "flags": ["complete", "unit_assumed", "stable_assumed", "price_bankruptcy"],
            },
        ),
    ),
    Case(
        "liquidation: S Sell is a short; 13248 * 0.1915 = 2536.992",
        (liquidations(b"ADAUSDT", b"Sell", b"13248", b"0.1915"),),
        "liquidation",
        ({"position": "short", "quantity": 13248.0, "notional_usd": 2536.992},),
    ),
    Case(
        "liquidation of a thousand-coin unit",
        (liquidations(b"1000PEPEUSDT", b"Buy", b"40", b"0.0125"),),
        "liquidation",
        ({"position": "long", "price": 0.0000125, "quantity": 40_000.0, "notional_usd": 0.5},),
    ),
    Case(
        "the retired liquidation topic is known and not read",
        (
            (
                b'{"data":{"price":"0.03803","side":"Buy","size":"1637","symbol":"GALAUSDT",'
                b'"updatedTime":1673251091822},"topic":"liquidation.GALAUSDT","ts":1673251091822,'
                b'"type":"snapshot"}'
            ),
        ),
        "ignored",
        (),
    ),
    Case(
        "books carry nothing we want",
        (b'{"topic":"orderbook.1.BTCUSDT","type":"snapshot","ts":1,"data":{"s":"BTCUSDT"}}',),
        "ignored",
        (),
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
        "pong of other endpoints",
        (b'{"op":"pong","args":["1675418560633"],"conn_id":"x"}',),
        "pong",
        (),
    ),
)

HISTORY = {"mark": 720, "funding": 90, "open_interest": 8640}

#: The venue's no.
REFUSALS = (b'{"success":false,"ret_msg":"error:handler not found","op":"subscribe"}',)

#: A frame of every kind that writes rows, with its price and its symbol as they stand in it.
GOOD = {
    "trade": (
        trades(b"BTCUSDT", trade(b"BTCUSDT", b"Buy", b"0.001", b"16578.50")),
        b'"16578.50"',
        b"BTCUSDT",
    ),
    "ticker": (SNAPSHOT, b'"60000"', b"BTCUSDT"),
    "liquidation": (
        liquidations(b"STRKUSDT", b"Buy", b"2084.9", b"0.05165"),
        b'"0.05165"',
        b"STRKUSDT",
    ),
}

STREAM, CONTRACTS = "bybit_stream", "bybit_contracts"

#: Ways to misread what linear and inverse contracts share, that the frames of either must notice.
OF_BOTH = (
    Mutant("taker side flipped", '{"Buy": int(Side.BUY), "Sell": int(Side.SELL)}',
     '{"Buy": int(Side.SELL), "Sell": int(Side.BUY)}', STREAM),
    Mutant("position read as order side", '{"Buy": int(Side.LONG), "Sell": int(Side.SHORT)}',
     '{"Buy": int(Side.SHORT), "Sell": int(Side.LONG)}', CONTRACTS),
    Mutant("open interest doubled", "SIDES_COUNTED: Final = 2", "SIDES_COUNTED: Final = 1", CONTRACTS),
    Mutant("single open interest halved", "size = t.one_side\n", "size = t.one_side / 2\n", CONTRACTS),
    Mutant("single open interest not read", "if t.one_side is not None", "if False", CONTRACTS),
    Mutant("halving not said", "flags |= _HALVED", "pass", CONTRACTS),
    Mutant("mark and index swapped",
     '"mark_price": "markPrice",\n        "index_price": "indexPrice"',
     '"mark_price": "indexPrice",\n        "index_price": "markPrice"', CONTRACTS),
    Mutant("last price for mark", '"mark_price": "markPrice"', '"mark_price": "lastPrice"', CONTRACTS),
    Mutant("bid for the middle", "(t.bid_price + t.ask_price) / 2", "t.bid_price", CONTRACTS),
    Mutant("interval dropped", "if t.interval_hours:", "if False:", CONTRACTS),
    Mutant("interval in minutes", "t.interval_hours * HOUR_NS", "t.interval_hours * HOUR_NS // 60",
     CONTRACTS),
    Mutant("prediction passed as paid", 'kind="predicted"', 'kind="settled"', CONTRACTS),
    Mutant("next settlement left out", "t.next_funding_ms * NS_PER_MS", "0", CONTRACTS),
    Mutant("deltas forget what they omit", "        news = _merge(known, said)\n",
     "        news, known = _merge(known, said), said\n", CONTRACTS),
    Mutant("complete feed passed as a sample", 'completeness="complete"', 'completeness="sampled"',
     CONTRACTS),
    Mutant("bankruptcy price passed as a fill", 'price="bankruptcy"', 'price="fill"', CONTRACTS),
    Mutant("push time for trade time", '"traded_ms": "T"', '"traded_ms": "ts"', STREAM),
    Mutant("trades without their sequence", "received_ns, trade.sequence,", "received_ns, 0,", STREAM),
)  # fmt: skip

#: Ways to misread this venue; a case must notice each.
MUTANTS = (
    *OF_BOTH,
    Mutant("interval's doubt dropped", "flags | doubt", "flags", CONTRACTS),
    Mutant("deltas taken before a snapshot",
     'else:\n            return "ignored"',
     "else:\n            known = self._tickers[said.symbol] = _Ticker(said.symbol)", CONTRACTS),
    Mutant("repeated values are news", "if value is not None and value != before:",
     'if value is not None and name != "symbol":', CONTRACTS),
    Mutant("trade price of the unit", "price = trade.price / c.unit", "price = trade.price", STREAM),
    Mutant("bankruptcy price of the unit", "price = event.price / c.unit", "price = event.price",
     CONTRACTS),
    Mutant("mark of the unit", "received_ns, 0, t.mark_price / c.unit,", "received_ns, 0, t.mark_price,",
     CONTRACTS),
    Mutant("open interest at the unit's mark", "mark = t.mark_price / c.unit if t.mark_price else NAN",
     "mark = t.mark_price or NAN", CONTRACTS),
)  # fmt: skip
