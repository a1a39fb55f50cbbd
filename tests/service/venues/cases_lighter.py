"""Lighter: frames after https://apidocs.lighter.xyz, WebSocket reference, as they are in 2026."""

from typing import Any

from tests.service.venues.cases import HOUR_NS, NAN, RECEIVED_NS, Case, Mutant, listed

HOURLY: dict[str, Any] = {"funding_interval_ns": HOUR_NS}
INSTRUMENTS = listed(
    "lighter",
    ("0", "ETH", "USDC", HOURLY),
    ("1", "BTC", "USDC", HOURLY),
    ("4", "PEPE", "USDC", {**HOURLY, "coins_per_unit": 1000}),
)

#: Rows of thirty days of history. There is only funding, by the hour.
HISTORY = {"funding": 720}

NOW_MS = RECEIVED_NS // 1_000_000
SAID_MS = NOW_MS - 100
SAID_NS = SAID_MS * 1_000_000
NEXT_HOUR_NS = 1_791_270_000_000_000_000


def trade(
    number: int, price: bytes, size: bytes, *, maker_asks: bool = False, kind: bytes = b"trade"
) -> bytes:
    """Return one trade as an element of its list."""
    return (
        b'{"trade_id":%d,"trade_id_str":"%d","tx_hash":"00ab","type":"%b","market_id":7,"size":"%b",'
        b'"price":"%b","usd_amount":"9.99","ask_id":41720126,"bid_id":41720037,"ask_client_id":5,'
        b'"bid_client_id":0,"ask_account_id":2304,"bid_account_id":21504,"is_maker_ask":%b,'
        b'"block_height":2204468,"timestamp":%d,"taker_fee":10000,'
        b'"taker_position_size_before":"-0.5","maker_fee":38,"transaction_time":%d}'
    ) % (
        number, number, kind, size, price, b"true" if maker_asks else b"false",
        SAID_MS, (SAID_MS + 53) * 1000,
    )  # fmt: skip


def trades(
    market: bytes, *items: bytes, forced: tuple[bytes, ...] = (), stage: bytes = b"update"
) -> bytes:
    """Return a frame of a market's trades."""
    return (
        b'{"type":"%b/trade","channel":"trade:%b","nonce":10380969080,"trades":[%b],'
        b'"liquidation_trades":[%b]}'
    ) % (stage, market, b",".join(items), b",".join(forced))


def levels(
    market: bytes,
    mark: bytes,
    index: bytes,
    size: bytes,
    *,
    rate: bytes = b"0.0012",
    mid: bytes = b"60002",
) -> bytes:
    """Return one market's statistics."""
    return (
        b'{"symbol":"C%b","market_id":%b,"index_price":"%b","mark_price":"%b","mid_price":"%b",'
        b'"best_ask_price":"60010","best_bid_price":"59980","open_interest":"%b",'
        b'"open_interest_limit":"72057594037927936.000000","funding_clamp_small":"0.0500",'
        b'"funding_clamp_big":"4.0000","last_trade_price":"60003","current_funding_rate":"%b",'
        b'"funding_rate":"0.0007","funding_timestamp":1791266400000,'
        b'"daily_base_token_volume":230206.48,"daily_quote_token_volume":765295250.98,'
        b'"daily_price_low":58265.13,"daily_price_high":61386.01,"daily_price_change":-1.15}'
    ) % (market, market, index, mark, mid, size, rate)


def statistics(*items: tuple[bytes, bytes], stage: bytes = b"update") -> bytes:
    """Return a frame of the statistics of several markets."""
    body = b",".join(b'"%b":%b' % item for item in items)
    return (
        b'{"type":"%b/market_stats","channel":"market_stats:all","timestamp":%d,"market_stats":{%b}}'
    ) % (stage, SAID_MS, body)


BTC_LEVELS = levels(b"1", b"60000", b"59990", b"1908750000")
BTC_STATISTICS = statistics((b"1", BTC_LEVELS))
BTC_TRADE = trades(b"1", trade(401, b"72581.0", b"0.00017", maker_asks=True))
BTC_FORCED = trades(
    b"1", forced=(trade(77, b"75602.8", b"0.01664", maker_asks=True, kind=b"liquidation"),)
)

CASES = (
    Case(
        "trade: the maker asks, so the taker buys; 0.00017 * 72581 = 12.33877",
        (BTC_TRADE,),
        "trade",
        (
            {
                "kind": "trade",
                "symbol": "1",
                "taker": "buy",
                "price": 72581.0,
                "quantity": 0.00017,
                "notional_usd": 12.33877,
                "sequence": 401,
                "exchange_ns": SAID_NS,
                "received_ns": RECEIVED_NS,
                "flags": ["stable_assumed"],
            },
        ),
    ),
    Case(
        "trade: the maker bids, so the taker sells; 2 * 2500 = 5000",
        (trades(b"0", trade(7, b"2500", b"2")),),
        "trade",
        ({"symbol": "0", "taker": "sell", "quantity": 2.0, "notional_usd": 5000.0},),
    ),
    Case(
        "trade of a thousand coins: 250 * 1000 coins at 0.012 / 1000",
        (trades(b"4", trade(7, b"0.012", b"250")),),
        "trade",
        ({"taker": "sell", "price": 0.000012, "quantity": 250_000.0, "notional_usd": 3.0},),
    ),
    Case(
        "trades newest first, and forced ones apart, come in the order of their ids",
        (
            trades(
                b"1",
                trade(12, b"103", b"1"),
                trade(9, b"100", b"1"),
                forced=(
                    trade(11, b"102", b"1", kind=b"liquidation"),
                    trade(10, b"101", b"1", kind=b"liquidation"),
                ),
            ),
        ),
        "trade",
        (
            {"kind": "trade", "sequence": 9, "price": 100.0},
            {"kind": "trade", "sequence": 10, "price": 101.0},
            {"kind": "liquidation", "sequence": 0, "price": 101.0},
            {"kind": "trade", "sequence": 11, "price": 102.0},
            {"kind": "liquidation", "sequence": 0, "price": 102.0},
            {"kind": "trade", "sequence": 12, "price": 103.0},
        ),
    ),
    Case(
        "forced: the taker buys back a short; 0.01664 * 75602.8 = 1258.030592; a trade as well",
        (BTC_FORCED,),
        "trade",
        (
            {"kind": "trade", "taker": "buy", "sequence": 77, "flags": ["stable_assumed"]},
            {
                "kind": "liquidation",
                "symbol": "1",
                "position": "short",
                "price": 75602.8,
                "quantity": 0.01664,
                "notional_usd": 1258.030592,
                "exchange_ns": SAID_NS,
                "flags": ["stable_assumed", "price_fill", "partial"],
            },
        ),
    ),
    Case(
        "forced: the taker sells a long; 4 units of a thousand at 0.01 are 0.04",
        (trades(b"4", forced=(trade(8, b"0.01", b"4", kind=b"liquidation"),)),),
        "trade",
        (
            {"kind": "trade", "taker": "sell", "quantity": 4000.0},
            {"position": "long", "price": 0.00001, "quantity": 4000.0, "notional_usd": 0.04},
        ),
    ),
    Case(
        "what is taken over past the book is no trade, and whose it was is not said",
        (
            trades(
                b"1",
                trade(1, b"60000", b"1", kind=b"market-settlement"),
                forced=(trade(2, b"60000", b"1", kind=b"deleverage"),),
            ),
        ),
        "trade",
        (),
    ),
    Case(
        "what comes first is old: trades are dropped, forced closes say so",
        (
            trades(
                b"0",
                trade(6, b"2501", b"1"),
                trade(5, b"2500", b"1"),
                forced=(trade(3, b"2400", b"2", kind=b"liquidation"),),
                stage=b"subscribed",
            ),
        ),
        "trade",
        (
            {
                "kind": "liquidation",
                "symbol": "0",
                "position": "long",
                "notional_usd": 4800.0,
                "flags": ["snapshot", "stable_assumed", "price_fill", "partial"],
            },
        ),
    ),
    Case(
        "nothing of either list",
        (
            b'{"type":"update/trade","channel":"trade:1","nonce":8,"trades":[]}',
            b'{"channel":"trade:1","trades":null,"liquidation_trades":null,"type":"update/trade"}',
        ),
        "trade",
        (),
    ),
    Case(
        "levels: 1,908,750,000 USDC at 60000 are 31812.5 coins; 0.0012 percent an hour",
        (BTC_STATISTICS,),
        "ticker",
        (
            {
                "kind": "mark",
                "symbol": "1",
                "mark_price": 60000.0,
                "index_price": 59990.0,
                "mid_price": 60002.0,
                "exchange_ns": SAID_NS,
                "received_ns": RECEIVED_NS,
                "flags": [],
            },
            {
                "kind": "funding",
                "rate": 0.000012,
                "interval_ns": HOUR_NS,
                "next_funding_ns": NEXT_HOUR_NS,
                "exchange_ns": SAID_NS,
                "flags": ["predicted"],
            },
            {
                "kind": "open_interest",
                "quantity": 31812.5,
                "notional_usd": 1_908_750_000.0,
                "mark_price": 60000.0,
                "exchange_ns": SAID_NS,
                "flags": ["unit_assumed", "stable_assumed"],
            },
        ),
    ),
    Case(
        "levels of a thousand coins: 60 USDC at 0.012 / 1000 are 5,000,000 coins; shorts pay",
        (
            statistics(
                (b"4", levels(b"4", b"0.012", b"0.016", b"60", rate=b"-0.05", mid=b"0.011")),
            ),
        ),
        "ticker",
        (
            {"mark_price": 0.000012, "index_price": 0.000016, "mid_price": 0.000011},
            {"kind": "funding", "rate": -0.0005, "interval_ns": HOUR_NS},
            {"quantity": 5_000_000.0, "notional_usd": 60.0, "mark_price": 0.000012},
        ),
    ),
    Case(
        "levels of several markets, of which some are none of ours, as they stand on subscribing",
        (
            statistics(
                (b"0", levels(b"0", b"2500", b"2501", b"5000")),
                (b"99", b'{"symbol":"GONE","market_id":99,"mark_price":"0","index_price":""}'),
                (b"1", BTC_LEVELS),
                stage=b"subscribed",
            ),
        ),
        "ticker",
        (
            {"kind": "mark", "symbol": "0", "mark_price": 2500.0, "index_price": 2501.0},
            {"kind": "funding", "symbol": "0"},
            {"kind": "open_interest", "symbol": "0", "quantity": 2.0, "notional_usd": 5000.0},
            {"kind": "mark", "symbol": "1"},
            {"kind": "funding", "symbol": "1"},
            {"kind": "open_interest", "symbol": "1"},
        ),
    ),
    Case(
        "levels while the book is empty, and without what is not told",
        (
            statistics(
                (
                    b"1",
                    b'{"mark_price":"60000","index_price":"","mid_price":"","open_interest":"0.0"}',
                ),
            ),
        ),
        "ticker",
        (
            {"kind": "mark", "mark_price": 60000.0, "index_price": NAN, "mid_price": NAN},
            {"kind": "open_interest", "quantity": 0.0, "notional_usd": 0.0},
        ),
    ),
    Case(
        "one market's statistics, in the order of the documentation",
        (
            (
                b'{"channel":"market_stats:0","market_stats":{"market_id":0,"index_price":"3335.04",'
                b'"mark_price":"3335.09","current_funding_rate":"0.0057","funding_rate":"0.0005"},'
                b'"timestamp":%d,"type":"update/market_stats"}'
            )
            % SAID_MS,
        ),
        "ticker",
        (
            {"kind": "mark", "symbol": "0", "mark_price": 3335.09, "index_price": 3335.04},
            {"kind": "funding", "rate": 0.000057},
        ),
    ),
    Case("none of the markets moved", (statistics(),), "ticker", ()),
    Case(
        "the greeting", (b'{"session_id":"6b27e9ee-3ec0-4321","type":"connected"}',), "notice", ()
    ),
    Case("the venue's own ping, which ours answers", (b'{"type":"ping"}',), "notice", ()),
    Case("a pong", (b'{"type":"pong"}',), "pong", ()),
    Case("an ack", (b'{"type":"unsubscribed","channel":"trade:1"}',), "ack", ()),
    Case(
        "order books are not read",
        (
            (
                b'{"channel":"order_book:0","offset":41692864,"order_book":{"code":0,"asks":[],'
                b'"bids":[]},"timestamp":1791269849900,"type":"update/order_book"}'
            ),
        ),
        "ignored",
        (),
    ),
)

#: The venue's no.
REFUSALS = (
    b'{"error":{"code":30005,"message":"Invalid Channel"}}',
    b'{"error":{"code":30003,"message":"Already Subscribed"}}',
)

#: A frame of every kind that writes rows, with its price and its symbol as they stand in it.
GOOD = {
    "trade": (BTC_TRADE, b'"72581.0"', b'"trade:1"'),
    "liquidation": (BTC_FORCED, b'"75602.8"', b'"trade:1"'),
    "ticker": (BTC_STATISTICS, b'"60000"', b'"1":'),
}

#: Ways to misread this venue; a case must notice each.
MUTANTS = (
    Mutant("taker side flipped", "bought = trade.is_maker_ask", "bought = not trade.is_maker_ask"),
    Mutant("maker's side taken for the taker's", "_TRADE, _BUY if bought else _SELL",
     "_TRADE, _SELL if bought else _BUY"),
    Mutant("liquidation read as the maker's position", "_SHORT if bought else _LONG",
     "_LONG if bought else _SHORT"),
    Mutant("forced closes not seen", 'if trade.type == "liquidation":', "if False:"),
    Mutant("every trade taken for a forced close", 'if trade.type == "liquidation":', "if True:"),
    Mutant("takeovers taken for trades", 'if trade.type not in {"trade", "liquidation"}:', "if False:"),
    Mutant("forced closes kept out of the trades", 'if trade.type not in {"trade", "liquidation"}:',
     'if trade.type != "trade":'),
    Mutant("replayed trades passed as new", "if not old:", "if True:"),
    Mutant("replayed forced closes passed as new", "_SNAPSHOT if old else 0", "0"),
    Mutant("updates taken for replays", 'old=stage == "subscribed"', "old=True"),
    Mutant("newest first", "told.sort(key=_number)", "pass"),
    Mutant("list of forced closes not read", "*(_read_trades(frame.liquidation_trades) or ())", "*()"),
    Mutant("id of the trade dropped", "trade.trade_id, price, coin, usd", "0, price, coin, usd"),
    Mutant("partial feed passed as complete", 'completeness="partial"', 'completeness="complete"'),
    Mutant("partial feed passed as a sample", 'completeness="partial"', 'completeness="sampled"'),
    Mutant("fill passed as a bankruptcy price", 'price="fill"', 'price="bankruptcy"'),
    Mutant("prediction passed as paid", 'kind="predicted"', 'kind="settled"'),
    Mutant("percent taken as a share", "rate = s.current_funding_rate / PERCENT",
     "rate = s.current_funding_rate"),
    Mutant("interval taken as 8 h", "INTERVAL_NS: Final = HOUR_NS", "INTERVAL_NS: Final = 8 * HOUR_NS"),
    Mutant("last hour for the next", "at_ns // INTERVAL_NS + 1", "at_ns // INTERVAL_NS"),
    Mutant("what was paid for what will be", "    current_funding_rate: _Percent | Blank",
     '    current_funding_rate: _Percent | Blank = msgspec.field(default="", name="funding_rate")  #'),
    Mutant("mark and index swapped", "received_ns, 0, mark, index, mid", "received_ns, 0, index, mark, mid"),
    Mutant("mark and middle swapped", "received_ns, 0, mark, index, mid", "received_ns, 0, mid, index, mark"),
    Mutant("open interest doubled", "s.open_interest / mark, s.open_interest, mark",
     "2 * s.open_interest / mark, 2 * s.open_interest, mark"),
    Mutant("open interest halved", "s.open_interest / mark, s.open_interest, mark",
     "s.open_interest / mark / 2, s.open_interest / 2, mark"),
    Mutant("open interest taken for coin", "s.open_interest / mark, s.open_interest, mark",
     "s.open_interest, s.open_interest * mark, mark"),
    Mutant("open interest at the index", "s.open_interest / mark, s.open_interest, mark",
     "s.open_interest / index, s.open_interest, mark"),
    Mutant("open interest not said to be assumed", "_AT_MARK | c.assumed", "c.assumed"),
    Mutant("time of receiving for the venue's", "at_ns = _read_time(frame.timestamp) * NS_PER_MS",
     "at_ns = received_ns"),
    Mutant("price of the unit", "price, at_ns = trade.price / c.unit,", "price, at_ns = trade.price,"),
    Mutant("size of the unit", "coin, usd = c.amounts(trade.size, price)",
     "coin, usd = trade.size, trade.size * price"),
    Mutant("mark of the unit", "s.mark_price / c.unit", "s.mark_price"),
    Mutant("index of the unit", "s.index_price / c.unit", "s.index_price"),
    Mutant("middle of the unit", "s.mid_price / c.unit", "s.mid_price"),
)  # fmt: skip
