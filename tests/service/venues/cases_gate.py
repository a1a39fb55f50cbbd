"""Gate futures v4: frames after https://www.gate.com/docs/developers/futures/ws."""

from tests.service.venues.cases import EIGHT_HOURS, HOUR_NS, NAN, Case, Mutant, listed

INSTRUMENTS = listed(
    "gate",
    ("BTC_USDT", "BTC", "USDT", {**EIGHT_HOURS, "contract_size": "0.0001"}),
    ("XRP_USDT", "XRP", "USDT", {"contract_size": "10", "funding_interval_ns": 4 * HOUR_NS}),
    ("BTC_USD", "BTC", "USD", {"contract_type": "inverse"}),
    ("1000CAT_USDT", "CAT", "USDT", {"contract_size": "10", "coins_per_unit": 1000}),
)

T = 1_790_526_539_000
#: 2026-08-20 00:00 UTC, in ms: the day the liquidation channel began to tell of all.
CUT = 1_787_184_000_000


def update(
    channel: bytes, *rows: bytes, head: bytes = b'"time":1790526539,"time_ms":1790526539000'
) -> bytes:
    """Return a frame of news."""
    return b'{%b,"channel":"futures.%b","event":"update","result":[%b]}' % (
        head,
        channel,
        b",".join(rows),
    )


def trade(symbol: bytes, size: bytes, price: bytes, more: bytes = b"") -> bytes:
    """Return one trade of a frame."""
    return (
        b'{"size":%b,"id":27753479,"create_time":1545136464,"create_time_ms":1545136464123,"price":"%b",'
        b'"contract":"%b"%b}'
    ) % (size, price, symbol, more)


def liquidation(symbol: bytes, size: bytes, price: bytes, time: bytes) -> bytes:
    """Return one liquidation of a frame; `time` is the field with its name."""
    return b'{"price":"%b","size":"%b",%b,"contract":"%b"}' % (price, size, time, symbol)


TICKER = (
    b'{"contract":"BTC_USDT","last":"66666.6","change_percentage":"-3.1290","funding_rate":"-0.0005",'
    b'"funding_rate_indicative":"0.0007","mark_price":"60000","index_price":"59990","total_size":"50000",'
    b'"volume_24h":"518068345","quanto_base_rate":"","funding_interval":3600,"funding_offset":1800,'
    b'"funding_next_apply":1790530200,"t":1790526538500}'
)
SEEN = b'"time":%d' % (CUT + 1)

CASES = (
    Case(
        "trade: below zero the taker sold; 108 * 0.0001 coins at 96.4 are 1.04112",
        (update(b"trades", trade(b"BTC_USDT", b'"-108"', b"96.4")),),
        "trade",
        (
            {
                "kind": "trade",
                "symbol": "BTC_USDT",
                "taker": "sell",
                "price": 96.4,
                "quantity": 0.0108,
                "notional_usd": 1.04112,
                "sequence": 27753479,
                "exchange_ns": 1_545_136_464_123_000_000,
                "flags": ["stable_assumed"],
            },
        ),
    ),
    Case(
        "several trades, one of them of half a contract: 2.5 * 0.0001 * 40000 = 10, 3 * 10 * 0.5 = 15",
        (
            update(
                b"trades",
                trade(b"BTC_USDT", b'"2.5"', b"40000"),
                trade(b"XRP_USDT", b'"3"', b"0.5"),
            ),
        ),
        "trade",
        (
            {"symbol": "BTC_USDT", "taker": "buy", "quantity": 0.00025, "notional_usd": 10.0},
            {"symbol": "XRP_USDT", "taker": "buy", "quantity": 30.0, "notional_usd": 15.0},
        ),
    ),
    Case(
        "trade of before 2021: whole sizes, whole seconds",
        (
            (
                b'{"time":1593561616,"channel":"futures.trades","event":"update","error":null,"result":[{"size":-4,'
                b'"id":31615,"create_time":1593561616,"price":"20000","contract":"BTC_USDT"}]}'
            ),
        ),
        "trade",
        (
            {
                "taker": "sell",
                "notional_usd": 8.0,
                "sequence": 31615,
                "exchange_ns": 1_593_561_616_000_000_000,
            },
        ),
    ),
    Case(
        "inverse trade: a contract is a USD; 5000 of them at 50000 are 0.1 coins",
        (update(b"trades", trade(b"BTC_USD", b'"5000"', b"50000")),),
        "trade",
        ({"taker": "buy", "quantity": 0.1, "notional_usd": 5000.0, "flags": []},),
    ),
    Case(
        "trade of a thousand-coin unit: 2 contracts of 10 units at 0.012 a unit are 20000 coins and 0.24",
        (update(b"trades", trade(b"1000CAT_USDT", b'"-2"', b"0.012")),),
        "trade",
        ({"taker": "sell", "price": 0.000012, "quantity": 20_000.0, "notional_usd": 0.24},),
    ),
    Case(
        "what goes to the insurance fund is not of the market",
        (
            update(
                b"trades",
                trade(b"BTC_USDT", b'"9"', b"60000", b',"is_internal":true'),
                trade(b"BTC_USDT", b'"1"', b"60000", b',"is_internal":false'),
            ),
        ),
        "trade",
        ({"taker": "buy", "notional_usd": 6.0},),
    ),
    Case(
        "ticker: the running interval's rate, an hour from half to half; 50000 * 0.0001 * 60000 = 300000",
        (update(b"tickers", TICKER),),
        "ticker",
        (
            {
                "kind": "mark",
                "mark_price": 60000.0,
                "index_price": 59990.0,
                "mid_price": NAN,
                "exchange_ns": 1_790_526_538_500_000_000,
                "flags": [],
            },
            {
                "kind": "open_interest",
                "quantity": 5.0,
                "notional_usd": 300_000.0,
                "mark_price": 60000.0,
                "flags": ["stable_assumed"],
            },
            {
                "kind": "funding",
                "rate": -0.0005,
                "interval_ns": HOUR_NS,
                "next_funding_ns": 1_790_530_200_000_000_000,
                "flags": ["predicted"],
            },
        ),
    ),
    Case(
        "ticker of 2023: the listed four hours, whose next multiple after 13:48:59 is 16:00",
        (
            update(
                b"tickers",
                b'{"contract":"XRP_USDT","mark_price":"0.5","index_price":"0.49","funding_rate":"0.0001",'
                b'"funding_rate_indicative":"0.0002","total_size":"100","quanto_base_rate":""}',
                head=b'"time":1683294539,"time_ms":1683294539250',
            ),
        ),
        "ticker",
        (
            {"kind": "mark", "exchange_ns": 1_683_294_539_250_000_000, "index_price": 0.49},
            {"kind": "open_interest", "quantity": 1000.0, "notional_usd": 500.0},
            {
                "kind": "funding",
                "rate": 0.0001,
                "interval_ns": 4 * HOUR_NS,
                "next_funding_ns": 1_683_302_400_000_000_000,
                "flags": ["predicted"],
            },
        ),
    ),
    Case(
        "inverse ticker in whole seconds, interval unknown: 1000 USD at 50000 are 0.02 coins",
        (
            update(
                b"tickers",
                b'{"contract":"BTC_USD","mark_price":"50000","index_price":"50001","funding_rate":"0.0001",'
                b'"total_size":1000}',
                head=b'"time":1790526539,"time_ms":0',
            ),
        ),
        "ticker",
        (
            {
                "exchange_ns": 1_790_526_539_000_000_000,
                "mark_price": 50000.0,
                "index_price": 50001.0,
            },
            {"kind": "open_interest", "quantity": 0.02, "notional_usd": 1000.0, "flags": []},
            {
                "interval_ns": 8 * HOUR_NS,
                "next_funding_ns": 1_790_553_600_000_000_000,
                "flags": ["predicted", "interval_assumed"],
            },
        ),
    ),
    Case(
        "ticker of a thousand-coin unit, half of it blank",
        (
            update(
                b"tickers",
                b'{"contract":"1000CAT_USDT","mark_price":"0.012","index_price":"","funding_rate":"",'
                b'"total_size":"3"}',
            ),
        ),
        "ticker",
        (
            {"mark_price": 0.000012, "index_price": NAN},
            {"kind": "open_interest", "quantity": 30_000.0, "notional_usd": 0.36},
        ),
    ),
    Case(
        "liquidations of a second: below zero the order sells, so a long; 124.5 * 0.0001 * 20000 = 249",
        (
            update(
                b"public_liquidates",
                liquidation(b"BTC_USDT", b"-124.5", b"20000", SEEN),
                liquidation(b"BTC_USDT", b"10.5", b"20010", b'"time":%d' % CUT),
            ),
        ),
        "liquidation",
        (
            {
                "kind": "liquidation",
                "symbol": "BTC_USDT",
                "position": "long",
                "price": 20000.0,
                "quantity": 0.01245,
                "notional_usd": 249.0,
                "exchange_ns": (CUT + 1) * 1_000_000,
                "sequence": 0,
                "flags": ["complete", "unit_assumed", "stable_assumed", "price_bankruptcy"],
            },
            {
                "position": "short",
                "quantity": 0.00105,
                "notional_usd": 21.0105,
                "exchange_ns": CUT * 1_000_000,
                "flags": ["complete", "unit_assumed", "stable_assumed", "price_bankruptcy"],
            },
        ),
    ),
    Case(
        "liquidation of before: a time in seconds, one a second, a sample",
        (
            update(
                b"public_liquidates",
                liquidation(b"XRP_USDT", b"-12", b"0.5", b'"time":1784000000'),
                head=b'"time":1784000001,"time_ms":1784000001123',
            ),
        ),
        "liquidation",
        (
            {
                "position": "long",
                "quantity": 120.0,
                "notional_usd": 60.0,
                "exchange_ns": 1_784_000_000_000_000_000,
                "flags": ["sampled", "unit_assumed", "stable_assumed", "price_bankruptcy"],
            },
        ),
    ),
    Case(
        "liquidation of before with time_ms, a millisecond too early to be one of all",
        (
            update(
                b"public_liquidates",
                liquidation(
                    b"BTC_USDT",
                    b"8",
                    b"20000",
                    b'"time":%d,"time_ms":%d' % (CUT // 1000 - 1, CUT - 1),
                ),
            ),
        ),
        "liquidation",
        (
            {
                "position": "short",
                "notional_usd": 16.0,
                "exchange_ns": (CUT - 1) * 1_000_000,
                "flags": ["sampled", "unit_assumed", "stable_assumed", "price_bankruptcy"],
            },
        ),
    ),
    Case(
        "inverse liquidation, and those of contracts that we do not follow",
        (
            update(
                b"public_liquidates",
                liquidation(b"DOGE_USDT", b"-1", b"0.1", SEEN),
                liquidation(b"BTC_USD", b"-5000", b"50000", SEEN),
            ),
        ),
        "liquidation",
        (
            {
                "symbol": "BTC_USD",
                "position": "long",
                "quantity": 0.1,
                "notional_usd": 5000.0,
                "flags": ["complete", "unit_assumed", "price_bankruptcy"],
            },
        ),
    ),
    Case(
        "liquidation of a thousand-coin unit",
        (update(b"public_liquidates", liquidation(b"1000CAT_USDT", b"-4", b"0.0125", SEEN)),),
        "liquidation",
        ({"position": "long", "price": 0.0000125, "quantity": 40_000.0, "notional_usd": 0.5},),
    ),
    Case(
        "subscription acked",
        (
            (
                b'{"time":1545459681,"time_ms":0,"channel":"futures.trades","event":"subscribe","error":null,'
                b'"result":{"status":"success"}}'
            ),
        ),
        "ack",
        (),
    ),
    Case(
        "pong",
        (
            b'{"time":1545404023,"time_ms":1545404023123,"channel":"futures.pong","event":"","result":null}',
        ),
        "pong",
        (),
    ),
    Case(
        "the venue upgrades and will close",
        (
            (
                b'{"time":1790526539,"channel":"futures.system","event":"update","result":{"type":"upgrade",'
                b'"msg":"The connection will soon be closed."}}'
            ),
        ),
        "leave",
        (),
    ),
    Case(
        "something else the system says",
        (
            b'{"time":1790526539,"channel":"futures.system","event":"update","result":{"type":"hello"}}',
        ),
        "notice",
        (),
    ),
    Case(
        "books and candles carry nothing we want",
        (
            update(b"candlesticks", b'{"t":1684930140,"v":0,"c":"0.17","n":"1m_BTC_USDT"}'),
            b'{"time":1684930165,"channel":"futures.order_book_update","event":"update","result":{"U":1,"a":[]}}',
            b'{"time":1684930165,"channel":"futures.book_ticker","event":"update","result":{"t":1,"s":"X"}}',
        ),
        "ignored",
        (),
    ),
)

#: The venue's no.
REFUSALS = (
    (
        b'{"time":1,"channel":"futures.trades","event":"subscribe","error":{"code":2,"message":"unknown"},'
        b'"result":{"status":"fail"}}'
    ),
    b'{"time":1,"channel":"futures.trades","event":"subscribe","error":null,"result":{"status":"fail"}}',
    b'{"time":1,"channel":"","event":"","error":{"code":1,"message":"invalid request body"},"result":null}',
)

#: A frame of every kind that writes rows, with its price and its symbol as they stand in it.
GOOD = {
    "trade": (update(b"trades", trade(b"BTC_USDT", b'"-108"', b"96.4")), b'"96.4"', b"BTC_USDT"),
    "ticker": (update(b"tickers", TICKER), b'"60000"', b"BTC_USDT"),
    "liquidation": (
        update(b"public_liquidates", liquidation(b"BTC_USDT", b"-124.5", b"215.1", SEEN)),
        b'"215.1"',
        b"BTC_USDT",
    ),
}

#: Ways to misread this venue; a case must notice each.
MUTANTS = (
    Mutant("taker side flipped", "_signed(trade.size, _BUY, _SELL)", "_signed(trade.size, _SELL, _BUY)"),
    Mutant("order sign read as position", "_signed(event.size, _SHORT, _LONG)",
     "_signed(event.size, _LONG, _SHORT)"),
    Mutant("contracts read as coins in trades",
     "coin, usd = c.amounts(size, price)\n            out.floats(\n                _TRADE",
     "coin, usd = size, size * price\n            out.floats(\n                _TRADE"),
    Mutant("contracts read as coins in liquidations",
     "coin, usd = c.amounts(size, price)\n            out.floats(\n                _LIQUIDATION",
     "coin, usd = size, size * price\n            out.floats(\n                _LIQUIDATION"),
    Mutant("sign kept in the size", "else (-size, below)", "else (size, below)"),
    Mutant("internal trades are the market's", "if trade.is_internal:", "if False:"),
    Mutant("trade time cut to seconds", "if trade.create_time_ms is not None:", "if False:"),
    Mutant("trade's unit scale dropped", "price = trade.price / c.unit", "price = trade.price"),
    Mutant("liquidation's unit scale dropped", "price = event.price / c.unit", "price = event.price"),
    Mutant("open interest halved", "c.amounts(t.total_size, mark)", "c.amounts(t.total_size / 2, mark)"),
    Mutant("open interest doubled", "c.amounts(t.total_size, mark)", "c.amounts(t.total_size * 2, mark)"),
    Mutant("open interest read as coins", "coin, usd = c.amounts(t.total_size, mark)",
     "coin, usd = t.total_size, t.total_size * mark"),
    Mutant("mark and index swapped",
     "c.id, event_ns, received_ns, 0, mark, index, NAN", "c.id, event_ns, received_ns, 0, index, mark, NAN"),
    Mutant("mark's unit scale dropped", "mark = t.mark_price / c.unit", "mark = t.mark_price"),
    Mutant("next interval's rate for this one's", "_write_funding(ticker, ticker.funding_rate, c",
     "_write_funding(ticker, 0.0007, c"),
    Mutant("message's interval dropped", "if t.funding_interval:", "if False:"),
    Mutant("interval in minutes", "t.funding_interval * NS_PER_S", "t.funding_interval * NS_PER_S * 60"),
    Mutant("interval's doubt dropped", "_FUNDING_FLAGS | flags", "_FUNDING_FLAGS"),
    Mutant("next payment not read", "if t.funding_next_apply is not None:", "if False:"),
    Mutant("last payment for the next", "(event_ns // interval_ns + 1)", "(event_ns // interval_ns)"),
    Mutant("running rate passed as settled", 'kind="predicted"', 'kind="settled"'),
    Mutant("complete feed passed as a sample",
     'completeness="complete", side="order"', 'completeness="sampled", side="order"'),
    Mutant("sample of before passed as complete",
     'completeness="sampled", side="order"', 'completeness="complete", side="order"'),
    Mutant("cut-over dropped", "if at_ms >= COMPLETE_FROM_MS else", "if True else"),
    Mutant("cut-over a day late", "1_787_184_000_000", "1_787_270_400_000"),
    Mutant("order price passed as a fill",
     'completeness="complete", side="order", price="order"',
     'completeness="complete", side="order", price="fill"'),
    Mutant("seconds taken for milliseconds", "return event.time * 1000", "return event.time * 1001"),
    Mutant("time_ms of before not read", "if event.time_ms is not None:", "if False:"),
    Mutant("other contracts' liquidations are ours",
     "if c is None:  # one subscription covers all contracts, wanted or not\n                continue",
     "if c is None:\n                c = next(iter(self._contracts.values()))"),
    Mutant("ticker time dropped", "said_ns if ticker.t is None else", "said_ns if True else"),
    Mutant("frame's time_ms dropped", "if frame.time_ms >= MIN_MS:", "if False:"),
    Mutant("upgrade not heard", 'return "leave"', 'return "notice"'),
)  # fmt: skip

#: Rows by kind of thirty days' history.
HISTORY = {"mark": 720, "funding": 90, "open_interest": 8640}
