"""Bitfinex derivatives: frames after https://docs.bitfinex.com, ws-general and ws-public-*."""

from tests.service.venues.cases import HOUR_NS, NAN, RECEIVED_NS, Case, Mutant, listed

INSTRUMENTS = listed(
    "bitfinex",
    ("tBTCF0:USTF0", "BTC", "USDT", {}),
    ("tETHF0:USTF0", "ETH", "USDT", {}),
    ("t1000BONKF0:USTF0", "BONK", "USDT", {"coins_per_unit": 1000}),
)

#: Rows of thirty days of history.
HISTORY = {"mark": 720, "funding": 90, "open_interest": 8640}

T = 1_790_526_539_000
NEXT = 1_790_553_600_000
#: Channels of this connection.
BTC_STATUS, BTC_TRADES, LIQUIDATIONS, ETH_STATUS, ETH_TRADES, UNIT_STATUS, UNIT_TRADES = range(
    17, 24
)


def subscribed(channel: bytes, number: int, name: bytes) -> bytes:
    """Return the answer that gives a channel its number; `name` is the field with its name."""
    return b'{"event":"subscribed","channel":"%b","chanId":%d,%b}' % (channel, number, name)


#: What a connection begins with: without it no array can be read.
OPENING = (
    b'{"event":"info","version":2,"serverId":"083bd8d4","platform":{"status":1}}',
    b'{"event":"conf","status":"OK","flags":98304}',
    subscribed(b"status", BTC_STATUS, b'"key":"deriv:tBTCF0:USTF0"'),
    subscribed(b"trades", BTC_TRADES, b'"symbol":"tBTCF0:USTF0","pair":"BTCF0:USTF0"'),
    subscribed(b"status", ETH_STATUS, b'"key":"deriv:tETHF0:USTF0"'),
    subscribed(b"trades", ETH_TRADES, b'"symbol":"tETHF0:USTF0","pair":"ETHF0:USTF0"'),
    subscribed(b"status", UNIT_STATUS, b'"key":"deriv:t1000BONKF0:USTF0"'),
    subscribed(b"trades", UNIT_TRADES, b'"symbol":"t1000BONKF0:USTF0"'),
    subscribed(b"status", LIQUIDATIONS, b'"key":"liq:global"'),
)


def array(channel: int, content: bytes, number: int = 1, sent_ms: int = T + 40) -> bytes:
    """Return a frame of a channel as the flags ask for it."""
    return b"[%d,%b,%d,%d]" % (channel, content, number, sent_ms)


def trade(amount: bytes, price: bytes, channel: int = BTC_TRADES, number: int = 1) -> bytes:
    """Return a trade when it is executed."""
    return array(channel, b'"te",[452025730,%d,%b,%b]' % (T, amount, price), number)


def status(
    channel: int = BTC_STATUS,
    *,
    rate: bytes = b"0.0003",
    mark: bytes = b"60000.5",
    open_interest: bytes = b"3005.25",
    due: bytes = b"%d" % NEXT,
    number: int = 1,
) -> bytes:
    """Return a contract's status."""
    return array(
        channel,
        b"[%d,null,60002.5,59990.5,null,1372762.95,null,%b,-0.00001415,533,null,%b,null,null,%b,null,null,%b,"
        b"null,null,null,0.0005,0.0025]" % (T, due, rate, mark, open_interest),
        number,
    )


def forced(
    symbol: bytes, amount: bytes, match: int = 0, at_ms: int = T, price: bytes = b"null"
) -> bytes:
    """Return one liquidation as an element of the list."""
    return b'["pos",143679087,%d,null,"%b",%b,58888.5,null,%d,1,null,%b]' % (
        at_ms, symbol, amount, match, price,
    )  # fmt: skip


def liquidations(*items: bytes, number: int = 2) -> bytes:
    """Return a frame of liquidations."""
    return array(LIQUIDATIONS, b"[%b]" % b",".join(items), number)


MARK = {
    "kind": "mark",
    "symbol": "tBTCF0:USTF0",
    "mark_price": 60000.5,
    "index_price": 59990.5,
    "mid_price": 60002.5,
    "exchange_ns": T * 10**6,
    "flags": [],
}
FUNDING = {
    "kind": "funding",
    "rate": 0.0003,
    "interval_ns": 8 * HOUR_NS,
    "next_funding_ns": NEXT * 10**6,
    "flags": ["predicted"],
}
#: 3005.25 coins at the mark.
OPEN_INTEREST = {
    "kind": "open_interest",
    "quantity": 3005.25,
    "notional_usd": 180_316_502.625,
    "mark_price": 60000.5,
    "flags": ["stable_assumed"],
}
BTC, ETH = b"tBTCF0:USTF0", b"tETHF0:USTF0"

CASES = (
    Case(
        "trade: above zero the taker bought; 0.005 coins at 9135.5 are 45.6775 USD",
        (*OPENING, trade(b"0.005", b"9135.5")),
        "trade",
        (
            {
                "kind": "trade",
                "symbol": "tBTCF0:USTF0",
                "taker": "buy",
                "price": 9135.5,
                "quantity": 0.005,
                "notional_usd": 45.6775,
                "sequence": 452_025_730,
                "exchange_ns": T * 10**6,
                "flags": ["stable_assumed"],
            },
        ),
    ),
    Case(
        "trade: below zero the taker sold",
        (*OPENING, trade(b"-2", b"2500", ETH_TRADES)),
        "trade",
        (
            {
                "symbol": "tETHF0:USTF0",
                "taker": "sell",
                "quantity": 2.0,
                "notional_usd": 5000.0,
            },
        ),
    ),
    Case(
        "trade of a thousand-coin unit: 250 units at 0.012 are 250000 coins and 3 USD",
        (*OPENING, trade(b"250", b"0.012", UNIT_TRADES)),
        "trade",
        ({"price": 0.000012, "quantity": 250_000.0, "notional_usd": 3.0},),
    ),
    Case(
        "tu repeats a trade",
        (
            *OPENING,
            trade(b"0.005", b"9135.5"),
            array(BTC_TRADES, b'"tu",[452025730,%d,0.005,9135.5]' % T, 2),
        ),
        "trade",
        (),
    ),
    Case(
        "trades of before the subscription are dropped",
        (*OPENING, array(BTC_TRADES, b"[[452025730,%d,0.005,9135.5]]" % T)),
        "notice",
        (),
    ),
    Case(
        "a connection without the flags is read as well",
        (*OPENING, b'[%d,"te",[452025730,%d,0.005,9135.5]]' % (BTC_TRADES, T)),
        "trade",
        ({"taker": "buy", "quantity": 0.005},),
    ),
    Case(
        "status: middle of the book, spot, mark; CURRENT_FUNDING for the time given; coin",
        (*OPENING, status()),
        "ticker",
        (MARK, FUNDING, OPEN_INTEREST),
    ),
    Case(
        "status of a thousand-coin unit: 60000.5 are 60.0005 a coin, 2 units are 2000 coins",
        (*OPENING, status(UNIT_STATUS, open_interest=b"2")),
        "ticker",
        (
            {"mark_price": 60.0005, "index_price": 59.9905, "mid_price": 60.0025},
            FUNDING,
            {"quantity": 2000.0, "notional_usd": 120_001.0},
        ),
    ),
    Case(
        "what is empty is unknown: no mark, so open interest has no value; a rate of zero is one",
        (*OPENING, status(mark=b"null", rate=b"0")),
        "ticker",
        (
            {**FUNDING, "rate": 0.0},
            {"kind": "open_interest", "quantity": 3005.25, "notional_usd": NAN},
        ),
    ),
    Case(
        "a status of 2019 ends early",
        (
            *OPENING,
            array(
                BTC_STATUS,
                b"[%d,null,8090.5,8051.45,null,101052.31,null,%d,0.00000843,16,null,0.00196337]"
                % (T, NEXT),
            ),
        ),
        "ticker",
        ({**FUNDING, "rate": 0.00196337},),
    ),
    Case(
        "liquidation: above zero a long was closed; 2 coins at the mark of 60000.5",
        (*OPENING, status(), liquidations(forced(BTC, b"2"))),
        "liquidation",
        (
            {
                "kind": "liquidation",
                "symbol": "tBTCF0:USTF0",
                "position": "long",
                "price": 60000.5,
                "quantity": 2.0,
                "notional_usd": 120_001.0,
                "sequence": 0,
                "exchange_ns": T * 10**6,
                "flags": ["unit_assumed", "stable_assumed", "partial"],
            },
        ),
    ),
    Case(
        "liquidation: below zero a short was closed; a later mark counts",
        (
            *OPENING,
            status(ETH_STATUS, mark=b"2500"),
            status(ETH_STATUS, mark=b"2600", number=2),
            liquidations(forced(ETH, b"-3"), number=3),
        ),
        "liquidation",
        (
            {
                "symbol": "tETHF0:USTF0",
                "position": "short",
                "price": 2600.0,
                "quantity": 3.0,
                "notional_usd": 7800.0,
            },
        ),
    ),
    Case(
        "a match repeats a trigger, whichever comes first",
        (
            *OPENING,
            status(),
            liquidations(forced(BTC, b"1.5", 1, price=b"59000"), forced(BTC, b"2")),
        ),
        "liquidation",
        ({"kind": "liquidation", "quantity": 2.0},),
    ),
    Case(
        "a liquidation before the first mark has no value and is left out",
        (*OPENING, status(), liquidations(forced(ETH, b"-3"))),
        "liquidation",
        (),
    ),
    Case(
        "positions of margin trading are none of ours",
        (*OPENING, status(), liquidations(forced(b"tBTCUSD", b"2"))),
        "liquidation",
        (),
    ),
    Case(
        "what is replayed on subscribing is hours old and left out",
        (*OPENING, status(), liquidations(forced(BTC, b"2", at_ms=T - 12 * 3_600_000))),
        "liquidation",
        (),
    ),
    Case(
        "a frame was lost: nobody knows whose",
        (*OPENING, trade(b"1", b"5", number=7), trade(b"1", b"5", number=9)),
        "trade",
        (
            *(
                {
                    "kind": "gap",
                    "symbol": symbol,
                    "channels": 31,
                    "from_ns": RECEIVED_NS,
                    "to_ns": RECEIVED_NS,
                }
                for symbol in INSTRUMENTS
            ),
            {"kind": "trade", "symbol": "tBTCF0:USTF0"},
        ),
    ),
    Case(
        "heartbeats are counted with the rest",
        (
            *OPENING,
            trade(b"1", b"5", number=7),
            array(BTC_STATUS, b'"hb"', 8),
            trade(b"1", b"5", number=9),
        ),
        "trade",
        ({"kind": "trade"},),
    ),
    Case(
        "a silent channel of trades proves that they are served",
        (*OPENING, array(BTC_TRADES, b'"hb"')),
        "beat",
        (),
    ),
    Case(
        "a silent channel of liquidations proves nothing",
        (*OPENING, array(LIQUIDATIONS, b'"hb"')),
        "notice",
        (),
    ),
    Case(
        "a heartbeat before the answer to the subscription is counted as well",
        (
            *OPENING,
            trade(b"1", b"5", number=7),
            array(232_954, b'"hb"', 8),
            trade(b"1", b"5", number=9),
        ),
        "trade",
        ({"kind": "trade"},),
    ),
    Case("the greeting", OPENING[:1], "notice", ()),
    Case("the flags are accepted", OPENING[:2], "ack", ()),
    Case("an answer to a subscription", OPENING[:3], "ack", ()),
    Case("a pong", (b'{"event":"pong","ts":1511545528111,"cid":1234}',), "pong", ()),
    Case(
        "the server will stop",
        (b'{"event":"info","code":20051,"msg":"Stopping. Please try to reconnect"}',),
        "leave",
        (),
    ),
    Case(
        "maintenance begins",
        (b'{"event":"info","code":20060,"msg":"Entering in Maintenance mode"}',),
        "leave",
        (),
    ),
    Case("maintenance has ended", (b'{"event":"info","code":20061}',), "notice", ()),
    Case(
        "books are no input",
        (
            b'{"event":"subscribed","channel":"book","chanId":99,"symbol":"tBTCF0:USTF0"}',
            array(99, b"[9163.7,0,1]"),
        ),
        "ignored",
        (),
    ),
)

#: Rows of thirty days' history, by kind.
HISTORY = {"mark": 720, "funding": 90, "open_interest": 8640}

#: The venue's no.
REFUSALS = (
    b'{"event":"error","msg":"symbol: invalid","code":10300,"channel":"trades"}',
    b'{"event":"conf","status":"FAILED","flags":98304}',
)

#: A frame of every kind that writes rows, with its price and its symbol as they stand in it. Which contract
#: a frame is of stands in the answer that gave its channel a number; that number is its symbol. The price of
#: a liquidation is not read.
GOOD = {
    "trade": (trade(b"0.005", b"9135.5"), b"9135.5", b"[18,"),
    "ticker": (status(), b"60000.5", b"[17,"),
}

_LEVEL = "c.amounts(s.open_interest, mark)"
_SIDE = "Side.LONG if event.amount > 0 else Side.SHORT"
#: Ways to misread this venue; a case must notice each.
MUTANTS = (
    Mutant("taker side flipped", "Side.BUY if trade.amount > 0 else Side.SELL",
           "Side.SELL if trade.amount > 0 else Side.BUY"),
    Mutant("size dropped", "c.amounts(_size(trade.amount), price)", "c.amounts(1.0, price)"),
    Mutant("sign kept in the size", "return abs(amount)", "return amount"),
    Mutant("unit scale dropped from trades", "price = trade.price / c.unit", "price = trade.price"),
    Mutant("numbers dropped", "received_ns, trade.number, price,", "received_ns, 0, price,"),
    Mutant("each trade twice", """if word == b'"te"':""",
           """if word in {b'"te"', b'"tu"'}:"""),
    Mutant("unit scale dropped from marks", "s.mark_price / c.unit", "s.mark_price"),
    Mutant("mark and index swapped", "out.floats(_MARK, 0, 0, c.id, at_ns, received_ns, 0, mark, index, mid)",
           "out.floats(_MARK, 0, 0, c.id, at_ns, received_ns, 0, index, mark, mid)"),
    Mutant("index and middle swapped", "_price(s.spot_price, c), _price(s.middle, c)",
           "_price(s.middle, c), _price(s.spot_price, c)"),
    Mutant("rate taken as of an hour", "FUNDING_INTERVAL_NS: Final = 8 * HOUR_NS",
           "FUNDING_INTERVAL_NS: Final = HOUR_NS"),
    Mutant("accrued taken for the rate",
           "_accrued: Any = None\n    _step: Any = None\n    _10: Any = None\n    rate: Rate | None = None",
           "rate: Rate | None = None\n    _step: Any = None\n    _10: Any = None\n    _accrued: Any = None",
           "bitfinex_rest"),
    Mutant("running rate called settled", 'kind="predicted"', 'kind="settled"'),
    Mutant("open interest halved", _LEVEL, "c.amounts(s.open_interest / 2, mark)"),
    Mutant("open interest doubled", _LEVEL, "c.amounts(s.open_interest * 2, mark)"),
    Mutant("position read as order side", _SIDE, "Side.SHORT if event.amount > 0 else Side.LONG"),
    Mutant("liquidations at their entry price", "price = self._marks.get(c.id)",
           "price = event.base_price"),
    Mutant("size of liquidations dropped", "c.amounts(_size(event.amount), price)",
           "c.amounts(1.0, price)"),
    Mutant("matches counted again", "or event.is_match or", "or"),
    Mutant("triggers left out", "or event.is_match or", "or not event.is_match or"),
    Mutant("replays passed on", "or sent_ns - at_ns > REPLAYED_NS", ""),
    Mutant("liquidations called complete", 'completeness="partial"', 'completeness="complete"'),
    Mutant("mark called a fill", 'price="mark"', 'price="fill"'),
    Mutant("holes overlooked", "counted > self._last + 1", "counted > self._last + 2"),
    Mutant("heartbeats not counted", "        if counted is not None:\n            self._last,",
           "        if counted is not None and says != 'notice':\n            self._last,"),
)  # fmt: skip
