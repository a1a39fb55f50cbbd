"""OKX v5: frames after https://www.okx.com/docs-v5/en/."""

from tests.service.venues.cases import HOUR_NS, NAN, Case


def push(channel: bytes, symbol: bytes, item: bytes) -> bytes:
    """Return a frame of one item."""
    return b'{"arg":{"channel":"%b","instId":"%b"},"data":[{"instId":"%b",%b}]}' % (
        channel,
        symbol,
        symbol,
        item,
    )


def trade(symbol: bytes, side: bytes, size: bytes, price: bytes) -> bytes:
    """Return a frame of one trade."""
    item = b'"tradeId":"130639474","px":"%b","sz":"%b","side":"%b","ts":"1630048897897","count":"3"'
    return push(b"trades", symbol, item % (price, size, side))


def mark(symbol: bytes, price: bytes, ts: int) -> bytes:
    """Return a frame of a mark."""
    return push(b"mark-price", symbol, b'"instType":"SWAP","markPx":"%b","ts":"%d"' % (price, ts))


def index(symbol: bytes, price: bytes, ts: int) -> bytes:
    """Return a frame of an index."""
    return push(b"index-tickers", symbol, b'"idxPx":"%b","open24h":"1","ts":"%d"' % (price, ts))


def order(side: bytes, position: bytes, size: bytes, price: bytes, ts: int) -> bytes:
    """Return one liquidation order."""
    return b'{"bkLoss":"0","bkPx":"%b","ccy":"","posSide":"%b","side":"%b","sz":"%b","ts":"%d"}' % (
        price,
        position,
        side,
        size,
        ts,
    )


def liquidations(symbol: bytes, *orders: bytes) -> bytes:
    """Return a frame of liquidations of one swap."""
    return (
        b'{"arg":{"channel":"liquidation-orders","instType":"SWAP"},"data":[{"details":[%b],'
        b'"instFamily":"x","instId":"%b","instType":"SWAP","uly":"x"}]}'
    ) % (b",".join(orders), symbol)


T0 = 1_789_678_209_470
SWAP = b"BTC-USDT-SWAP"
SNAPSHOT = liquidations(SWAP, order(b"sell", b"long", b"1", b"1", T0 - 60_000))
SAMPLED = ["sampled", "unit_assumed", "stable_assumed", "price_bankruptcy"]

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
    Case(
        "the first liquidations after subscribing are old news",
        (liquidations(SWAP, order(b"sell", b"long", b"250", b"58000", T0)),),
        "liquidation",
        ({"position": "long", "flags": ["snapshot", *SAMPLED]},),
    ),
    Case(
        "liquidation of a long: 250 contracts of 0.01 at 58000 are 2.5 coins and 145000 USD",
        (SNAPSHOT, liquidations(SWAP, order(b"sell", b"long", b"250", b"58000", T0))),
        "liquidation",
        (
            {
                "kind": "liquidation",
                "symbol": "BTC-USDT-SWAP",
                "position": "long",
                "price": 58000.0,
                "quantity": 2.5,
                "notional_usd": 145_000.0,
                "exchange_ns": T0 * 1_000_000,
                "flags": SAMPLED,
            },
        ),
    ),
    Case(
        "liquidation of a short",
        (
            SNAPSHOT,
            liquidations(b"MINA-USDT-SWAP", order(b"buy", b"short", b"10975", b"0.09859", T0)),
        ),
        "liquidation",
        ({"position": "short", "quantity": 10975.0, "notional_usd": 1082.02525},),
    ),
    Case(
        "in net mode the forced order decides: sell closes a long, buy a short",
        (
            SNAPSHOT,
            liquidations(
                SWAP,
                order(b"sell", b"net", b"1", b"58000", T0),
                order(b"buy", b"net", b"2", b"58000", T0),
                order(b"buy", b"", b"3", b"58000", T0),
            ),
        ),
        "liquidation",
        ({"position": "long"}, {"position": "short"}, {"position": "short"}),
    ),
    Case(
        "posSide decides where it is given",
        (SNAPSHOT, liquidations(SWAP, order(b"buy", b"long", b"1", b"58000", T0))),
        "liquidation",
        ({"position": "long"},),
    ),
    Case(
        "liquidation of an inverse swap: 5 contracts are 500 USD",
        (SNAPSHOT, liquidations(b"BTC-USD-SWAP", order(b"sell", b"long", b"5", b"50000", T0))),
        "liquidation",
        (
            {
                "quantity": 0.01,
                "notional_usd": 500.0,
                "flags": ["sampled", "unit_assumed", "price_bankruptcy"],
            },
        ),
    ),
    Case(
        "a repeated liquidation is dropped, a new one beside it is not",
        (
            SNAPSHOT,
            liquidations(SWAP, order(b"sell", b"long", b"250", b"58000", T0)),
            liquidations(
                SWAP,
                order(b"sell", b"long", b"250", b"58000", T0),
                order(b"sell", b"long", b"251", b"58000", T0),
            ),
        ),
        "liquidation",
        ({"quantity": 2.51},),
    ),
    Case(
        "swaps we do not follow come in the same stream",
        (SNAPSHOT, liquidations(b"CNPY-USDT-SWAP", order(b"buy", b"short", b"1", b"0.4", T0))),
        "ignored",
        (),
    ),
    Case(
        "a second subscription brings a second snapshot",
        (
            SNAPSHOT,
            b'{"event":"subscribe","arg":{"channel":"liquidation-orders","instType":"SWAP"}}',
            liquidations(SWAP, order(b"sell", b"long", b"250", b"58000", T0)),
        ),
        "liquidation",
        ({"flags": ["snapshot", *SAMPLED]},),
    ),
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
        "notice",
        (),
    ),
)
