"""Bitget v3: frames after https://www.bitget.com/api-doc/uta/websocket/public."""

from tests.service.venues.cases import EIGHT_HOURS, HOUR_NS, NAN, Case, Mutant, listed

INSTRUMENTS = listed(
    "bitget",
    ("BTCUSDT", "BTC", "USDT", EIGHT_HOURS),
    ("XRPUSDT", "XRP", "USDT", {"funding_interval_ns": 4 * HOUR_NS}),
    ("BTCPERP", "BTC", "USDC", EIGHT_HOURS),
    ("APEUSDT", "APE", "USDT", {}),
    ("1000BONKUSDT", "BONK", "USDT", {**EIGHT_HOURS, "coins_per_unit": 1000}),
)

#: 2026-06-23 00:00 UTC, in ms: since then liquidations are a sample.
CUT = 1_782_172_800_000


def push(topic: bytes, symbol: bytes, *rows: bytes, action: bytes = b"update") -> bytes:
    """Return a frame of a contract."""
    return (
        b'{"action":"%b","arg":{"instType":"usdt-futures","topic":"%b","symbol":"%b"},"data":[%b],'
        b'"ts":1790526539000}'
    ) % (action, topic, symbol, b",".join(rows))


def trade(side: bytes, size: bytes, price: bytes) -> bytes:
    """Return one trade of a frame."""
    return (
        b'{"i":"1260903622036942849","p":"%b","v":"%b","S":"%b","T":"1736348770627",'
        b'"L":"1234568787878787878","isRPI":"no"}'
    ) % (price, size, side)


def forced(symbol: bytes, side: bytes, price: bytes, amount: bytes, ts: int = CUT) -> bytes:
    """Return one liquidation of a frame."""
    return b'{"symbol":"%b","side":"%b","price":"%b","amount":"%b","ts":"%d"}' % (
        symbol,
        side,
        price,
        amount,
        ts,
    )


def liquidations(*rows: bytes, action: bytes = b"update") -> bytes:
    """Return a frame of liquidations, of all contracts of a kind."""
    return (
        b'{"data":[%b],"arg":{"instType":"usdt-futures","topic":"liquidation"},"action":"%b",'
        b'"ts":1736371332162}'
    ) % (b",".join(rows), action)


TICKER = (
    b'{"highPrice24h":"78237.7","lastPrice":"66666.6","turnover24h":"2914473798.9","bid1Price":"60001",'
    b'"ask1Price":"60003","bid1Size":"0.9608","ask1Size":"9.5716","indexPrice":"59990","markPrice":"60000",'
    b'"fundingRate":"-0.0005","openInterest":"500","deliveryTime":"","nextFundingTime":"1790553600000"}'
)

CASES = (
    Case(
        "trade: S is the taker; 0.00118 * 100000 = 118",
        (
            b'{"data":['
            + trade(b"buy", b"0.00118", b"100000")
            + b'],"arg":{"instType":"usdt-futures",'
            b'"topic":"publicTrade","symbol":"BTCUSDT"},"action":"update","ts":1736348770630}',
        ),
        "trade",
        (
            {
                "kind": "trade",
                "symbol": "BTCUSDT",
                "taker": "buy",
                "price": 100000.0,
                "quantity": 0.00118,
                "notional_usd": 118.0,
                "sequence": 0,
                "exchange_ns": 1_736_348_770_627_000_000,
                "flags": ["stable_assumed"],
            },
        ),
    ),
    Case(
        "several trades of one message, in their order; of a contract in USDC: 2 * 20000, 3 * 20001",
        (
            push(
                b"publicTrade",
                b"BTCPERP",
                trade(b"sell", b"2", b"20000"),
                trade(b"buy", b"3", b"20001"),
            ),
        ),
        "trade",
        (
            {"symbol": "BTCPERP", "taker": "sell", "notional_usd": 40000.0},
            {"symbol": "BTCPERP", "taker": "buy", "notional_usd": 60003.0},
        ),
    ),
    Case(
        "trade of a thousand-coin unit: 250 units at 0.012 are 250000 coins and 3",
        (push(b"publicTrade", b"1000BONKUSDT", trade(b"sell", b"250", b"0.012")),),
        "trade",
        ({"taker": "sell", "price": 0.000012, "quantity": 250_000.0, "notional_usd": 3.0},),
    ),
    Case(
        "the snapshot of old trades is not news",
        (push(b"publicTrade", b"BTCUSDT", trade(b"buy", b"1", b"5"), action=b"snapshot"),),
        "trade",
        (),
    ),
    Case(
        "ticker: all levels, funding each eight hours by the listing; 500 * 60000 = 30000000",
        (push(b"ticker", b"BTCUSDT", TICKER, action=b"snapshot"),),
        "ticker",
        (
            {
                "kind": "mark",
                "mark_price": 60000.0,
                "index_price": 59990.0,
                "mid_price": 60002.0,
                "exchange_ns": 1_790_526_539_000_000_000,
                "flags": [],
            },
            {
                "kind": "open_interest",
                "quantity": 500.0,
                "notional_usd": 30_000_000.0,
                "mark_price": 60000.0,
                "flags": ["stable_assumed"],
            },
            {
                "kind": "funding",
                "rate": -0.0005,
                "interval_ns": 8 * HOUR_NS,
                "next_funding_ns": 1_790_553_600_000_000_000,
                "flags": ["predicted"],
            },
        ),
    ),
    Case(
        "ticker of a contract with four hours, and blanks where it has no value",
        (
            push(
                b"ticker",
                b"XRPUSDT",
                b'{"markPrice":"0.5","indexPrice":"","bid1Price":"","ask1Price":"0.51","openInterest":"",'
                b'"fundingRate":"0.0001","nextFundingTime":"1790539200000"}',
            ),
        ),
        "ticker",
        (
            {"mark_price": 0.5, "index_price": NAN, "mid_price": NAN},
            {"kind": "funding", "rate": 0.0001, "interval_ns": 4 * HOUR_NS, "flags": ["predicted"]},
        ),
    ),
    Case(
        "ticker whose interval nobody says, and one without a next payment",
        (
            push(
                b"ticker",
                b"APEUSDT",
                b'{"markPrice":"0.2","fundingRate":"0","nextFundingTime":"0"}',
            ),
            push(b"ticker", b"APEUSDT", b'{"fundingRate":"0","nextFundingTime":"1790553600000"}'),
        ),
        "ticker",
        (
            {
                "kind": "funding",
                "rate": 0.0,
                "interval_ns": 8 * HOUR_NS,
                "flags": ["predicted", "interval_assumed"],
            },
        ),
    ),
    Case(
        "no next payment, no funding",
        (
            push(
                b"ticker",
                b"APEUSDT",
                b'{"markPrice":"0.2","fundingRate":"0","nextFundingTime":"0"}',
            ),
        ),
        "ticker",
        ({"kind": "mark", "mark_price": 0.2},),
    ),
    Case(
        "ticker of a thousand-coin unit: 5000 units at 0.012 are 5000000 coins and 60",
        (
            push(
                b"ticker",
                b"1000BONKUSDT",
                b'{"markPrice":"0.012","indexPrice":"0.016","bid1Price":"0.010","ask1Price":"0.012",'
                b'"openInterest":"5000"}',
            ),
        ),
        "ticker",
        (
            {"mark_price": 0.000012, "index_price": 0.000016, "mid_price": 0.000011},
            {"kind": "open_interest", "quantity": 5_000_000.0, "notional_usd": 60.0},
        ),
    ),
    Case(
        "liquidation: buy is the position, a long; 445 USDT at 89000 are 0.005 coins; a sample now",
        (liquidations(forced(b"BTCUSDT", b"buy", b"89000", b"445")),),
        "liquidation",
        (
            {
                "kind": "liquidation",
                "symbol": "BTCUSDT",
                "position": "long",
                "price": 89000.0,
                "quantity": 0.005,
                "notional_usd": 445.0,
                "exchange_ns": CUT * 1_000_000,
                "flags": ["sampled", "stable_assumed"],
            },
        ),
    ),
    Case(
        "liquidation of before: complete, and sell was a short; 13.70319 / 0.1649 = 83.1",
        (liquidations(forced(b"APEUSDT", b"sell", b"0.1649", b"13.70319", CUT - 1)),),
        "liquidation",
        (
            {
                "position": "short",
                "quantity": 83.1,
                "notional_usd": 13.70319,
                "flags": ["complete", "stable_assumed"],
            },
        ),
    ),
    Case(
        "liquidations of contracts that we do not follow, and one of a thousand-coin unit",
        (
            liquidations(
                forced(b"DOGEUSDT", b"buy", b"0.1", b"5"),
                forced(b"1000BONKUSDT", b"buy", b"0.0125", b"0.5"),
            ),
        ),
        "liquidation",
        (
            {
                "symbol": "1000BONKUSDT",
                "price": 0.0000125,
                "quantity": 40_000.0,
                "notional_usd": 0.5,
            },
        ),
    ),
    Case(
        "should a snapshot of liquidations come, it is old news",
        (liquidations(forced(b"BTCUSDT", b"sell", b"50000", b"100"), action=b"snapshot"),),
        "liquidation",
        (
            {
                "position": "short",
                "quantity": 0.002,
                "flags": ["snapshot", "sampled", "stable_assumed"],
            },
        ),
    ),
    Case(
        "books carry nothing we want",
        (
            push(b"books1", b"BTCUSDT", b'{"a":[["1","2"]],"b":[],"seq":1,"pseq":0,"ts":"1"}'),
            push(b"kline", b"BTCUSDT", b"{}"),
        ),
        "ignored",
        (),
    ),
    Case(
        "subscription acked",
        (
            (
                b'{"event":"subscribe","arg":{"instType":"usdt-futures","topic":"ticker","symbol":"BTCUSDT"},'
                b'"connId":"x"}'
            ),
        ),
        "ack",
        (),
    ),
    Case("pong", (b"pong",), "pong", ()),
    Case(
        "the venue upgrades and will close",
        (b'{"event":"error","code":30033,"msg":"Upgrade, please reconnect","connId":"x"}',),
        "leave",
        (),
    ),
    Case("another event", (b'{"event":"welcome","connId":"x"}',), "notice", ()),
)

#: The venue's no.
REFUSALS = (
    (
        b'{"event":"error","arg":{"instType":"usdt-futures","topic":"ticker","symbol":"X"},"code":"30016",'
        b'"msg":"Param error"}'
    ),
    b'{"event":"error","code":30001,"msg":null}',
)

#: A frame of every kind that writes rows, with its price and its symbol as they stand in it.
GOOD = {
    "trade": (
        push(b"publicTrade", b"BTCUSDT", trade(b"buy", b"0.00118", b"100000")),
        b'"100000"',
        b"BTCUSDT",
    ),
    "ticker": (push(b"ticker", b"BTCUSDT", TICKER), b'"60000"', b"BTCUSDT"),
    "liquidation": (
        liquidations(forced(b"BTCUSDT", b"buy", b"89000", b"445")),
        b'"89000"',
        b"BTCUSDT",
    ),
}

#: Ways to misread this venue; a case must notice each.
MUTANTS = (
    Mutant("taker side flipped", '{"buy": int(Side.BUY), "sell": int(Side.SELL)}',
     '{"buy": int(Side.SELL), "sell": int(Side.BUY)}'),
    Mutant("position read as order side", '{"buy": int(Side.LONG), "sell": int(Side.SHORT)}',
     '{"buy": int(Side.SHORT), "sell": int(Side.LONG)}'),
    Mutant("amount read as coins", "price, event.amount / price, event.amount,",
     "price, event.amount, event.amount * price,"),
    Mutant("amount divided by the price of a unit", "event.amount / price, event.amount,",
     "event.amount / event.price, event.amount,"),
    Mutant("old trades are news", 'if frame.action == "snapshot":', "if False:"),
    Mutant("old liquidations are news", '_SNAPSHOT if frame.action == "snapshot" else 0', "0"),
    Mutant("trade's unit scale dropped", "price = trade.price / c.unit", "price = trade.price"),
    Mutant("liquidation's unit scale dropped", "price = event.price / c.unit", "price = event.price"),
    Mutant("mark's unit scale dropped", "mark = t.mark_price / c.unit", "mark = t.mark_price"),
    Mutant("trade size dropped", "c.amounts(trade.size, price)", "c.amounts(1.0, price)"),
    Mutant("push time for trade time", '"traded_ms": "T"', '"traded_ms": "i"'),
    Mutant("open interest halved",
     "c.amounts(t.open_interest, mark)", "c.amounts(t.open_interest / 2, mark)"),
    Mutant("open interest doubled",
     "c.amounts(t.open_interest, mark)", "c.amounts(t.open_interest * 2, mark)"),
    Mutant("mark and index swapped",
     '"mark_price": "markPrice",\n        "index_price": "indexPrice"',
     '"mark_price": "indexPrice",\n        "index_price": "markPrice"'),
    Mutant("last price for mark", '"mark_price": "markPrice"', '"mark_price": "lastPrice"'),
    Mutant("bid for the middle", "(t.bid_price + t.ask_price) / 2", "t.bid_price"),
    Mutant("interval dropped", "ticker.rate, c.interval_ns,", "ticker.rate, 0,"),
    Mutant("interval's doubt dropped", "_FUNDING_FLAGS | c.interval_flags", "_FUNDING_FLAGS"),
    Mutant("running rate passed as settled", 'kind="predicted"', 'kind="settled"'),
    Mutant("sample passed as complete", 'completeness="sampled"', 'completeness="complete"'),
    Mutant("complete feed of before passed as a sample", 'completeness="complete"', 'completeness="sampled"'),
    Mutant("cut-over dropped", "if event.ts >= SAMPLED_FROM_MS else", "if True else"),
    Mutant("cut-over a day late", "1_782_172_800_000", "1_782_259_200_000"),
    Mutant("price passed as a bankruptcy price",
     'completeness="sampled", side="position", unit="quote"',
     'completeness="sampled", side="position", price="bankruptcy", unit="quote"'),
    Mutant("other contracts' liquidations are ours",
     "if c is None:  # one subscription covers all contracts of a kind, wanted or not\n"
     "                continue",
     "if c is None:\n                c = next(iter(self._contracts.values()))"),
    Mutant("upgrade not heard", 'return "leave"', 'return "notice"'),
)  # fmt: skip

#: Rows by kind of thirty days' history: of open interest there is none.
HISTORY = {"mark": 720, "funding": 90}
