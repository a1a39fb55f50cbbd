"""Hyperliquid: frames after https://hyperliquid.gitbook.io/hyperliquid-docs, WebSocket subscriptions.

The first message of a coin's trades repeats old ones, so fresh trades are later than `RECEIVED_NS`.
"""

from tests.service.venues.cases import HOUR_NS, NAN, RECEIVED_NS, Case, Mutant, listed

HOURLY = {"funding_interval_ns": HOUR_NS}
INSTRUMENTS = listed(
    "hyperliquid",
    ("BTC", "BTC", "USDC", HOURLY),
    ("ETH", "ETH", "USDC", HOURLY),
    ("kPEPE", "PEPE", "USDC", {**HOURLY, "coins_per_unit": 1000}),
)

#: Rows of thirty days of history. There is only funding, by the hour.
HISTORY = {"funding": 720}

NOW_MS = RECEIVED_NS // 1_000_000
NEXT_HOUR_NS = 1_791_270_000_000_000_000
VAULT = b"0xb0a55f13d22f66e6d495ac98113841b2326e9540"
SOMEBODY = b"0x36081f2e4a0d5d6a1b2c3d4e5f60718293a4b5c6"


def trade(coin: bytes, side: bytes, price: bytes, size: bytes, ms: int = NOW_MS + 100) -> bytes:
    """Return one trade as an element of `data`."""
    return (
        b'{"coin":"%b","side":"%b","px":"%b","sz":"%b","time":%d,"hash":"0x00","tid":877707108085800,'
        b'"users":["0xa1","0xb2"]}'
    ) % (coin, side, price, size, ms)


def trades(*items: bytes) -> bytes:
    """Return a frame of trades."""
    return b'{"channel":"trades","data":[%b]}' % b",".join(items)


def context(coin: bytes, mark: bytes, index: bytes, mid: bytes, size: bytes) -> bytes:
    """Return a frame of a coin's levels. `mid` is written as it is."""
    return (
        b'{"channel":"activeAssetCtx","data":{"coin":"%b","ctx":{"funding":"0.0000125",'
        b'"openInterest":"%b","prevDayPx":"60500.0","dayNtlVlm":"1169046.29","premium":"0.00031774",'
        b'"oraclePx":"%b","markPx":"%b","midPx":%b,"impactPxs":["60001.0","60003.0"],'
        b'"dayBaseVlm":"1000.0"}}}'
    ) % (coin, size, index, mark, mid)


def fill(
    coin: bytes, side: bytes, price: bytes, size: bytes, liquidated: bytes | None = SOMEBODY
) -> bytes:
    """Return one fill of a watched address; without `liquidated` an ordinary one."""
    cause = b""
    if liquidated is not None:
        cause = b'"liquidation":{"liquidatedUser":"%b","markPx":"66607.0","method":"market"},' % (
            liquidated
        )
    return (
        b'{"coin":"%b","px":"%b","sz":"%b","side":"%b","time":1781528065899,"startPosition":"-0.0213",'
        b'"dir":"Open Short","closedPnl":"0.0","hash":"0x00","oid":90542681,"crossed":false,"fee":"0.0",'
        b'"tid":745210434703679,%b"feeToken":"USDC"}'
    ) % (coin, price, size, side, cause)


def fills(*items: bytes, user: bytes = VAULT, snapshot: bytes = b"") -> bytes:
    """Return a frame of a watched address's fills."""
    return b'{"channel":"userFills","data":{%b"user":"%b","fills":[%b]}}' % (
        snapshot,
        user,
        b",".join(items),
    )


BTC_CONTEXT = context(b"BTC", b"60000", b"59990", b'"60002"', b"31812.5")
BTC_FILL = fills(fill(b"BTC", b"A", b"66653.0", b"0.001"))

CASES = (
    Case(
        "trade: side B is a taker who buys; 0.00017 * 72581 = 12.33877",
        (trades(trade(b"BTC", b"B", b"72581.0", b"0.00017")),),
        "trade",
        (
            {
                "kind": "trade",
                "symbol": "BTC",
                "taker": "buy",
                "price": 72581.0,
                "quantity": 0.00017,
                "notional_usd": 12.33877,
                "sequence": 0,
                "exchange_ns": RECEIVED_NS + 100_000_000,
                "flags": ["stable_assumed"],
            },
        ),
    ),
    Case(
        "trades of a block, A is a taker who sells; 2 * 2500 = 5000",
        (trades(trade(b"ETH", b"A", b"2500", b"2"), trade(b"ETH", b"B", b"2501", b"3")),),
        "trade",
        (
            {"symbol": "ETH", "taker": "sell", "notional_usd": 5000.0},
            {"symbol": "ETH", "taker": "buy", "notional_usd": 7503.0},
        ),
    ),
    Case(
        "trade of a thousand coins: 250 * 1000 coins at 0.012 / 1000",
        (trades(trade(b"kPEPE", b"A", b"0.012", b"250")),),
        "trade",
        ({"taker": "sell", "price": 0.000012, "quantity": 250_000.0, "notional_usd": 3.0},),
    ),
    Case(
        "a coin's first message repeats what is older than the connection",
        (
            trades(
                trade(b"BTC", b"B", b"60000", b"1", NOW_MS - 50_000),
                trade(b"BTC", b"A", b"60001", b"2", NOW_MS - 1),
                trade(b"BTC", b"A", b"60002", b"3", NOW_MS),
            ),
        ),
        "trade",
        ({"taker": "sell", "price": 60002.0, "quantity": 3.0},),
    ),
    Case(
        "its second message does not, however late its trades are",
        (
            trades(trade(b"BTC", b"B", b"60000", b"1", NOW_MS - 50_000)),
            trades(trade(b"BTC", b"B", b"60000", b"1", NOW_MS - 800)),
        ),
        "trade",
        ({"symbol": "BTC", "quantity": 1.0, "exchange_ns": RECEIVED_NS - 800_000_000},),
    ),
    Case(
        "each coin has a first message",
        (
            trades(trade(b"BTC", b"B", b"60000", b"1", NOW_MS - 50_000)),
            trades(trade(b"ETH", b"B", b"2500", b"1", NOW_MS - 50_000)),
        ),
        "trade",
        (),
    ),
    Case(
        "keys in another order",
        (b'{"data":[' + trade(b"BTC", b"A", b"5", b"1") + b'],"channel":"trades"}',),
        "trade",
        ({"taker": "sell", "notional_usd": 5.0},),
    ),
    Case(
        "levels: stamped when received; 31812.5 coins at 60000 are 1,908,750,000; paid at the next hour",
        (BTC_CONTEXT,),
        "ticker",
        (
            {
                "kind": "mark",
                "mark_price": 60000.0,
                "index_price": 59990.0,
                "mid_price": 60002.0,
                "exchange_ns": RECEIVED_NS,
                "received_ns": RECEIVED_NS,
                "flags": [],
            },
            {
                "kind": "funding",
                "rate": 0.0000125,
                "interval_ns": HOUR_NS,
                "next_funding_ns": NEXT_HOUR_NS,
                "exchange_ns": RECEIVED_NS,
                "flags": ["predicted"],
            },
            {
                "kind": "open_interest",
                "quantity": 31812.5,
                "notional_usd": 1_908_750_000.0,
                "mark_price": 60000.0,
                "exchange_ns": RECEIVED_NS,
                "flags": ["stable_assumed"],
            },
        ),
    ),
    Case(
        "levels of a thousand coins: 5000 units are 5,000,000 coins at 0.000012, 60 USD",
        (context(b"kPEPE", b"0.012", b"0.016", b'"0.011"', b"5000"),),
        "ticker",
        (
            {"mark_price": 0.000012, "index_price": 0.000016, "mid_price": 0.000011},
            {"kind": "funding", "rate": 0.0000125, "interval_ns": HOUR_NS},
            {"quantity": 5_000_000.0, "notional_usd": 60.0, "mark_price": 0.000012},
        ),
    ),
    Case(
        "levels while the book is empty",
        (context(b"ETH", b"2500", b"2501", b"null", b"0.0"),),
        "ticker",
        (
            {"kind": "mark", "mark_price": 2500.0, "index_price": 2501.0, "mid_price": NAN},
            {"kind": "funding"},
            {"kind": "open_interest", "quantity": 0.0, "notional_usd": 0.0},
        ),
    ),
    Case(
        "watched fill A: the vault sold, a short was closed; 66653 * 0.001 = 66.653",
        (BTC_FILL,),
        "liquidation",
        (
            {
                "kind": "liquidation",
                "symbol": "BTC",
                "position": "short",
                "price": 66653.0,
                "quantity": 0.001,
                "notional_usd": 66.653,
                "exchange_ns": 1_781_528_065_899_000_000,
                "flags": ["stable_assumed", "price_fill", "partial"],
            },
        ),
    ),
    Case(
        "watched fill B: the vault bought, a long was closed; 4 units of a thousand at 0.01",
        (fills(fill(b"kPEPE", b"B", b"0.01", b"4")),),
        "liquidation",
        ({"position": "long", "price": 0.00001, "quantity": 4000.0, "notional_usd": 0.04},),
    ),
    Case(
        "the vault itself is liquidated: what it buys was its own short",
        (
            fills(
                fill(b"ETH", b"B", b"2500", b"2", VAULT.upper().replace(b"0X", b"0x")),
                fill(b"ETH", b"A", b"2500", b"2", VAULT),
            ),
        ),
        "liquidation",
        (
            {"symbol": "ETH", "position": "short", "notional_usd": 5000.0},
            {"symbol": "ETH", "position": "long"},
        ),
    ),
    Case(
        "the vault's own trading, spot and coins of builders are none of ours",
        (
            fills(
                fill(b"BTC", b"B", b"60000", b"1", None),
                fill(b"@107", b"B", b"20", b"1"),
                fill(b"xyz:TSLA", b"A", b"300", b"1"),
                fill(b"BTC", b"B", b"60000", b"2"),
            ),
        ),
        "liquidation",
        ({"symbol": "BTC", "position": "long", "quantity": 2.0},),
    ),
    Case(
        "what is repeated on subscribing says so",
        (fills(fill(b"BTC", b"B", b"60000", b"2"), snapshot=b'"isSnapshot":true,'),),
        "liquidation",
        (
            {
                "position": "long",
                "flags": ["snapshot", "stable_assumed", "price_fill", "partial"],
            },
        ),
    ),
    Case("no fills yet", (fills(snapshot=b'"isSnapshot":true,'),), "liquidation", ()),
    Case("the greeting is plain text", (b"Websocket connection established.",), "notice", ()),
    Case("a pong", (b'{"channel":"pong"}',), "pong", ()),
    Case(
        "an ack",
        (
            (
                b'{"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":'
                b'{"type":"trades","coin":"BTC"}}}'
            ),
        ),
        "ack",
        (),
    ),
    Case(
        "order books are not read",
        (b'{"channel":"l2Book","data":{"coin":"BTC","time":1730160007687,"levels":[[],[]]}}',),
        "ignored",
        (),
    ),
)

#: Rows of thirty days of history: of mark and open interest there is none.
HISTORY = {"funding": 720}

#: The venue's no.
REFUSALS = (
    b'{"channel":"error","data":"Invalid subscription {\\"type\\":\\"liquidations\\"}"}',
    b'{"channel":"error","data":"Already subscribed: {\\"type\\":\\"trades\\",\\"coin\\":\\"BTC\\"}"}',
)

#: A frame of every kind that writes rows, with its price and its symbol as they stand in it.
GOOD = {
    "trade": (trades(trade(b"BTC", b"B", b"72581.0", b"0.00017")), b'"72581.0"', b"BTC"),
    "ticker": (BTC_CONTEXT, b'"60000"', b"BTC"),
    "liquidation": (BTC_FILL, b'"66653.0"', b"BTC"),
}

#: Ways to misread this venue; a case must notice each.
MUTANTS = (
    Mutant("taker side flipped", 'TAKER: Final = {"B": int(Side.BUY), "A": int(Side.SELL)}',
     'TAKER: Final = {"B": int(Side.SELL), "A": int(Side.BUY)}'),
    Mutant("watched fill read as the order's side",
     'TAKEN_OVER: Final = {"B": int(Side.LONG), "A": int(Side.SHORT)}',
     'TAKEN_OVER: Final = {"B": int(Side.SHORT), "A": int(Side.LONG)}'),
    Mutant("vault's own loss flipped", 'LOST: Final = {"B": int(Side.SHORT), "A": int(Side.LONG)}',
     'LOST: Final = {"B": int(Side.LONG), "A": int(Side.SHORT)}'),
    Mutant("vault's own loss not seen", "if own else TAKEN_OVER[event.side]",
     "if False else TAKEN_OVER[event.side]"),
    Mutant("addresses compared letter by letter", "liquidated.lower() == said.user.lower()",
     "liquidated == said.user"),
    Mutant("vault's own trading taken for liquidations",
     "if event.liquidation is None or c is None:\n                continue\n"
     "            own = event.liquidation.liquidated.lower() == said.user.lower()",
     "if c is None:\n                continue\n            own = False"),
    Mutant("replayed fills passed as new", "_SNAPSHOT if said.snapshot else 0", "0"),
    Mutant("partial feed passed as complete", 'completeness="partial"', 'completeness="complete"'),
    Mutant("partial feed passed as a sample", 'completeness="partial"', 'completeness="sampled"'),
    Mutant("fill passed as a bankruptcy price", 'price="fill"', 'price="bankruptcy"'),
    Mutant("prediction passed as paid", 'kind="predicted"', 'kind="settled"'),
    Mutant("mark and index swapped",
     '"mark_price": "markPx",\n        "index_price": "oraclePx"',
     '"mark_price": "oraclePx",\n        "index_price": "markPx"'),
    Mutant("mark and middle swapped",
     '"mark_price": "markPx",\n        "index_price": "oraclePx",\n        "mid_price": "midPx"',
     '"mark_price": "midPx",\n        "index_price": "oraclePx",\n        "mid_price": "markPx"'),
    Mutant("open interest doubled", "c.amounts(levels.open_interest, mark)",
     "c.amounts(levels.open_interest * 2, mark)"),
    Mutant("open interest halved", "c.amounts(levels.open_interest, mark)",
     "c.amounts(levels.open_interest / 2, mark)"),
    Mutant("open interest valued at the index", "c.amounts(levels.open_interest, mark)",
     "c.amounts(levels.open_interest, index)"),
    Mutant("open interest in units", "coin, usd = c.amounts(levels.open_interest, mark)",
     "coin, usd = levels.open_interest, levels.open_interest * mark"),
    Mutant("interval taken as 8 h", "INTERVAL_NS: Final = HOUR_NS", "INTERVAL_NS: Final = 8 * HOUR_NS",
     "hyperliquid_rest"),
    Mutant("last hour for the next", "received_ns // INTERVAL_NS + 1", "received_ns // INTERVAL_NS"),
    Mutant("price of the unit", "price = trade.price / c.unit", "price = trade.price"),
    Mutant("size of the unit", "coin, usd = c.amounts(trade.size, price)",
     "coin, usd = trade.size, trade.size * price"),
    Mutant("mark of the unit", "levels.mark_price / c.unit", "levels.mark_price"),
    Mutant("index of the unit", "levels.index_price / c.unit", "levels.index_price"),
    Mutant("middle of the unit", "levels.mid_price / c.unit", "levels.mid_price"),
    Mutant("liquidation's price of the unit", "price = event.price / c.unit", "price = event.price"),
    Mutant("liquidation's size of the unit", "coin, usd = c.amounts(event.size, price)",
     "coin, usd = event.size, event.size * price"),
    Mutant("repetition passed as new", "if traded_ns < self._begun_ns and trade.coin not in self._heard:",
     "if False:"),
    Mutant("first message dropped whole", "if traded_ns < self._begun_ns and trade.coin not in self._heard:",
     "if trade.coin not in self._heard:"),
    Mutant("late trades dropped", "if traded_ns < self._begun_ns and trade.coin not in self._heard:",
     "if traded_ns < self._begun_ns:"),
    Mutant("one first message for all coins", "and trade.coin not in self._heard:",
     "and not self._heard:"),
)  # fmt: skip
