"""OKX v5: frames after https://www.okx.com/docs-v5/en/."""

from tests.service.venues.cases import HOUR_NS, NAN, Case, Mutant, listed
from tests.service.venues.frames_okx import (
    NOW,
    SWAP,
    T0,
    index,
    liquidations,
    mark,
    order,
    push,
    trade,
)
from tests.service.venues.liquidations_okx import LIQUIDATIONS

INSTRUMENTS = listed(
    "okx",
    ("BTC-USDT-SWAP", "BTC", "USDT", {"contract_size": "0.01"}),
    ("BTC-USDC-SWAP", "BTC", "USDC", {"contract_size": "0.0001"}),
    ("BTC-USD-SWAP", "BTC", "USD", {"contract_type": "inverse", "contract_size": "100"}),
    ("WNCG-USDT-SWAP", "WNCG", "USDT", {"contract_size": "1"}),
    ("SOS-USDT-SWAP", "SOS", "USDT", {"contract_size": "1000"}),
    ("MINA-USDT-SWAP", "MINA", "USDT", {"contract_size": "1"}),
)

CASES = (
    Case(
        "trade: 12 contracts of 0.01 coins at 42219.9 are 0.12 coins and 5066.388 USD",
        (trade(SWAP, b"buy", b"12", b"42219.9"),),
        "trade",
        (
            {
                "kind": "trade",
                "symbol": "BTC-USDT-SWAP",
                "taker": "buy",
                "price": 42219.9,
                "quantity": 0.12,
                "notional_usd": 5066.388,
                "sequence": 130639474,
                "exchange_ns": 1_630_048_897_897_000_000,
                "flags": ["stable_assumed"],
            },
        ),
    ),
    Case(
        "trade of an inverse swap: 5 contracts of 100 USD at 50000 are 0.01 coins",
        (trade(b"BTC-USD-SWAP", b"sell", b"5", b"50000"),),
        "trade",
        ({"taker": "sell", "quantity": 0.01, "notional_usd": 500.0, "flags": []},),
    ),
    Case(
        "keys in another order",
        (
            (
                b'{"data":[{"instId":"BTC-USDC-SWAP","tradeId":"1","px":"50000","sz":"3","side":"sell",'
                b'"ts":"1630048897897"}],"arg":{"instId":"BTC-USDC-SWAP","channel":"trades"}}'
            ),
        ),
        "trade",
        ({"symbol": "BTC-USDC-SWAP", "taker": "sell", "quantity": 0.0003, "notional_usd": 15.0},),
    ),
    Case(
        "a mark before any index",
        (mark(SWAP, b"60000", T0),),
        "mark",
        (
            {
                "kind": "mark",
                "mark_price": 60000.0,
                "index_price": NAN,
                "mid_price": NAN,
                "exchange_ns": T0 * 1_000_000,
                "flags": [],
            },
        ),
    ),
    Case("an index before any mark", (index(b"BTC-USDT", b"59990", T0),), "ignored", ()),
    Case(
        "a mark carries the last index",
        (index(b"BTC-USDT", b"59990", T0), mark(SWAP, b"60000", T0 + 100)),
        "mark",
        ({"mark_price": 60000.0, "index_price": 59990.0},),
    ),
    Case(
        "an index carries the last mark, at the index's time",
        (mark(SWAP, b"60000", T0), index(b"BTC-USDT", b"59990", T0 + 100)),
        "mark",
        (
            {
                "symbol": "BTC-USDT-SWAP",
                "mark_price": 60000.0,
                "index_price": 59990.0,
                "exchange_ns": (T0 + 100) * 1_000_000,
            },
        ),
    ),
    Case(
        "an index of another quote is not this swap's",
        (mark(SWAP, b"60000", T0), index(b"BTC-USD", b"59990", T0 + 100)),
        "ignored",
        (),
    ),
    Case(
        "an index does not keep a dead mark alive",
        (mark(SWAP, b"60000", T0), index(b"BTC-USDT", b"59990", T0 + 15_001)),
        "ignored",
        (),
    ),
    Case(
        "an index of two minutes ago is no index any more",
        (index(b"BTC-USDT", b"59990", T0), mark(SWAP, b"60000", T0 + 120_001)),
        "mark",
        ({"mark_price": 60000.0, "index_price": NAN},),
    ),
    Case(
        "funding: the interval is the time from this settlement to the next",
        (
            push(
                b"funding-rate",
                SWAP,
                b'"instType":"SWAP","fundingRate":"0.0001875","fundingTime":"1744590349506",'
                b'"nextFundingRate":"","nextFundingTime":"1744604749506","ts":"1744580000000"',
            ),
        ),
        "funding",
        (
            {
                "kind": "funding",
                "rate": 0.0001875,
                "interval_ns": 4 * HOUR_NS,
                "next_funding_ns": 1_744_590_349_506_000_000,
                "exchange_ns": 1_744_580_000_000_000_000,
                "flags": ["predicted"],
            },
        ),
    ),
    Case(
        "funding of 2021: neither the next settlement nor a time",
        (
            push(
                b"funding-rate",
                b"WNCG-USDT-SWAP",
                b'"fundingRate":"0.00048105","fundingTime":"1640131200000","instType":"SWAP",'
                b'"nextFundingRate":"0.00114"',
            ),
        ),
        "funding",
        (
            {
                "rate": 0.00048105,
                "interval_ns": 8 * HOUR_NS,
                "next_funding_ns": 1_640_131_200_000_000_000,
                "exchange_ns": 1_791_269_850_000_000_000,
                "flags": ["predicted", "interval_assumed"],
            },
        ),
    ),
    Case(
        "funding without a rate",
        (
            push(
                b"funding-rate",
                b"SOS-USDT-SWAP",
                b'"fundingTime":"1640851200000","instType":"SWAP","nextFundingRate":"0.0003"',
            ),
        ),
        "funding",
        (),
    ),
    Case(
        "open interest in coin and USD as the venue says; the mark is not known yet",
        (
            push(
                b"open-interest",
                SWAP,
                b'"instType":"SWAP","oi":"2216113","oiCcy":"22161.13","oiUsd":"1939251795.5",'
                b'"ts":"1789678209470"',
            ),
        ),
        "open_interest",
        (
            {
                "kind": "open_interest",
                "quantity": 22161.13,
                "notional_usd": 1939251795.5,
                "mark_price": NAN,
                "flags": ["stable_assumed"],
            },
        ),
    ),
    Case(
        "open interest in contracts only: 1000 of 0.01 coins, valued at the last mark",
        (
            mark(SWAP, b"60000", T0),
            push(b"open-interest", SWAP, b'"oi":"1000","oiCcy":"","ts":"1789678209500"'),
        ),
        "open_interest",
        ({"quantity": 10.0, "notional_usd": 600_000.0, "mark_price": 60000.0},),
    ),
    Case(
        "open interest of an inverse swap: USD are contracts of 100, exactly",
        (
            push(
                b"open-interest",
                b"BTC-USD-SWAP",
                b'"oi":"5000","oiCcy":"10","oiUsd":"499999.9","ts":"1789678209500"',
            ),
        ),
        "open_interest",
        ({"quantity": 10.0, "notional_usd": 500_000.0, "flags": []},),
    ),
    *LIQUIDATIONS,
    Case(
        "channels that carry nothing we want",
        (b'{"arg":{"channel":"bbo-tbt","instId":"BTC-USDT-SWAP"},"data":[{"asks":[]}]}',),
        "ignored",
        (),
    ),
    Case(
        "subscription acked",
        (
            b'{"event":"subscribe","arg":{"channel":"trades","instId":"BTC-USDT-SWAP"},"connId":"a4d3ae55"}',
        ),
        "ack",
        (),
    ),
    Case("text pong", (b"pong",), "pong", ()),
    Case("text ping", (b"ping",), "notice", ()),
    Case(
        "the venue will close the connection",
        (
            b'{"event":"notice","code":"64008","msg":"The connection will soon be closed","connId":"a"}',
        ),
        "leave",
        (),
    ),
    Case(
        "a notice of anything else",
        (b'{"event":"notice","code":"64999","msg":"Something else","connId":"a"}',),
        "notice",
        (),
    ),
    Case(
        "how many connections a channel has",
        (b'{"event":"channel-conn-count","channel":"trades","connCount":"2","connId":"a"}',),
        "notice",
        (),
    ),
)

#: Five days of five minutes are kept.
HISTORY = {"mark": 720, "funding": 90, "open_interest": 1440}

#: The venue's no.
REFUSALS = (
    b'{"event":"error","code":"60012","msg":"Invalid request","connId":"a4d3ae55"}',
    b'{"event":"channel-conn-count-error","channel":"trades","connCount":"31"}',
)

#: A frame of every kind that writes rows, with its price and its symbol as they stand in it.
GOOD = {
    "trade": (trade(SWAP, b"buy", b"12", b"42219.9"), b'"42219.9"', SWAP),
    "mark": (mark(SWAP, b"60000.5", T0), b'"60000.5"', SWAP),
    "liquidation": (
        liquidations(SWAP, order(b"sell", b"long", b"250", b"58000", NOW)), b'"58000"', SWAP,
    ),
}  # fmt: skip

STREAM = "okx_stream"

#: Ways to misread what swaps and spot share.
OF_BOTH = (
    Mutant("taker side flipped", 'TAKER: Final = {"buy": int(Side.BUY), "sell": int(Side.SELL)}',
     'TAKER: Final = {"buy": int(Side.SELL), "sell": int(Side.BUY)}', STREAM),
    Mutant("trades without their sequence", "received_ns, trade.trade_id,", "received_ns, 0,", STREAM),
    Mutant("quantity and price swapped", "c.amounts(trade.sz, price)", "c.amounts(price, trade.sz)", STREAM),
    Mutant("notice of the end not heeded", 'return "leave"', 'return "notice"', STREAM),
    Mutant("every notice taken for the end", "and envelope.code == CLOSING", "", STREAM),
)  # fmt: skip

#: Ways to misread this venue; a case must notice each.
MUTANTS = (
    *OF_BOTH,
    Mutant("position side flipped", '{"long": int(Side.LONG), "short": int(Side.SHORT)}',
     '{"long": int(Side.SHORT), "short": int(Side.LONG)}'),
    Mutant("net mode side flipped", '{"sell": int(Side.LONG), "buy": int(Side.SHORT)}',
     '{"sell": int(Side.SHORT), "buy": int(Side.LONG)}'),
    Mutant("posSide not read", "POSITION.get(order.pos_side) or ", ""),
    Mutant("contracts for coins in open interest", "coin = item.oi_ccy * c.unit", "coin = item.oi"),
    Mutant("open interest doubled", "coin = item.oi_ccy * c.unit", "coin = item.oi_ccy * 2"),
    Mutant("open interest halved", "coin = item.oi_ccy * c.unit", "coin = item.oi_ccy / 2"),
    Mutant("open interest's USD doubled", "usd = item.oi_usd", "usd = item.oi_usd * 2"),
    Mutant("rounded USD for an inverse swap", 'if not c.inverse and item.oi_usd != "":',
     'if item.oi_usd != "":'),
    Mutant("mark and index swapped", "received_ns, 0, mark, index, NAN", "received_ns, 0, index, mark, NAN"),
    Mutant("dead mark kept alive by the index",
     "self.mark if now_ms - self.mark_ms <= MARK_HOLD_MS else NAN", "self.mark"),
    Mutant("stale index repeated", "self.index if now_ms - self.index_ms <= INDEX_HOLD_MS else NAN",
     "self.index"),
    Mutant("interval dropped",
     "(item.next_funding_time - item.funding_time) * NS_PER_MS, 0", "0, 0"),
    Mutant("interval taken as 8 h",
     "(item.next_funding_time - item.funding_time) * NS_PER_MS, 0", "c.interval_ns, 0"),
    Mutant("next settlement for this one", "item.funding_rate, interval_ns, item.funding_time",
     "item.funding_rate, interval_ns, (item.next_funding_time or 0)"),
    Mutant("prediction passed as paid", 'kind="predicted"', 'kind="settled"'),
    Mutant("replayed orders passed as new", "_LIQUIDATION_FLAGS | age", "_LIQUIDATION_FLAGS"),
    Mutant("every order taken for old news", "0 if order.ts >= self._news_from_ms else _SNAPSHOT",
     "_SNAPSHOT"),
    Mutant("the venue's clock not heard", "min(self._news_from_ms, item.ts)", "self._news_from_ms"),
    Mutant("the venue's clock never heard enough", "self._clock_due = False\n            prices",
     "prices"),
    Mutant("a stale mark taken for the clock", "CLOCK_TRUSTED_MS: Final = 60_000",
     "CLOCK_TRUSTED_MS: Final = 60_001"),
    Mutant("a clock ahead loses what is just before it", "min(self._news_from_ms, item.ts)", "item.ts"),
    Mutant("clocks taken to agree", "CLOCKS_APART_MS: Final = 2000", "CLOCKS_APART_MS: Final = 0"),
    Mutant("old news of a minute taken for new", "CLOCKS_APART_MS: Final = 2000",
     "CLOCKS_APART_MS: Final = 60_000"),
    Mutant("repeated orders counted again", "if key in self._seen:", "if False:"),
    Mutant("orders of one instant taken for one",
     "(symbol, order.ts, order.side, order.sz, order.bk_px)", "(symbol, order.ts)"),
    Mutant("partial feed passed as complete", 'completeness="sampled"', 'completeness="complete"'),
    Mutant("bankruptcy price passed as a fill", 'price="bankruptcy"', 'price="fill"'),
)  # fmt: skip
