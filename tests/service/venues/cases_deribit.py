"""Deribit: frames after https://docs.deribit.com/subscriptions/trades and .../ticker."""

from tests.service.venues.cases import HOUR_NS, NAN, RECEIVED_NS, Case, Mutant, listed

INSTRUMENTS = listed(
    "deribit",
    ("BTC-PERPETUAL", "BTC", "USD", {"contract_type": "inverse"}),
    ("ETH_USDC-PERPETUAL", "ETH", "USDC", {}),
    ("1000PEPE_USDC-PERPETUAL", "PEPE", "USDC", {"coins_per_unit": 1000}),
    ("SOL-PERPETUAL", "SOL", "USD", {"contract_type": "inverse", "contract_size": "10"}),
)

#: Rows of thirty days of history. There is only funding, by the hour.
HISTORY = {"funding": 720}

_AT = 1_790_526_539_043


def trade(
    symbol: bytes, direction: bytes, amount: bytes, price: bytes, more: bytes = b"", seq: int = 30_289_432
) -> bytes:  # fmt: skip
    """Return one trade as an element of `data`."""
    return (
        b'{"trade_seq":%d,"trade_id":"48079254","timestamp":%d,"tick_direction":0,"price":%b,'
        b'"mark_price":8948.9,"instrument_name":"%b","index_price":8955.88,"direction":"%b","amount":%b,'
        b'"contracts":1%b}'
    ) % (seq, _AT, price, symbol, direction, amount, more)


def trades(symbol: bytes, *items: bytes) -> bytes:
    """Return a frame of trades."""
    return (
        b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":"trades.%b.100ms","data":[%b]}}'
        % (symbol, b",".join(items))
    )


def ticker(symbol: bytes, fields: bytes) -> bytes:
    """Return a frame of levels."""
    return (
        b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":"ticker.%b.100ms","data":{'
        b'"timestamp":%d,"stats":{"volume":42.5,"low":7684.0},"state":"open","last_price":61234.5,'
        b'"instrument_name":"%b",%b}}}'
    ) % (symbol, _AT, symbol, fields)


def answer(rest: bytes) -> bytes:
    """Return an answer to a request."""
    return b'{"jsonrpc":"2.0",' + rest + b',"usIn":1,"usOut":2,"usDiff":1,"testnet":false}'


def forced(direction: bytes, flag: bytes) -> bytes:
    """Return a frame of one trade of 1,120 USD at 4,480 that was forced on someone."""
    more = b',"liquidation":"%b"' % flag
    return trades(b"BTC-PERPETUAL", trade(b"BTC-PERPETUAL", direction, b"1120", b"4480", more))


BTC_TICKER = ticker(
    b"BTC-PERPETUAL",
    b'"index_price":59990.0,"mark_price":60000.0,"open_interest":1200000000.0,"best_bid_price":60001.0,'
    b'"best_bid_amount":10.0,"best_ask_price":60003.0,"best_ask_amount":20.0,"interest_value":0.28,'
    b'"current_funding":0.00042,"funding_8h":0.00001742,"settlement_price":60100.0',
)
ALL_SERVED = answer(
    b'"id":1,"result":["trades.BTC-PERPETUAL.100ms","ticker.BTC-PERPETUAL.100ms",'
    b'"trades.ETH_USDC-PERPETUAL.100ms","ticker.ETH_USDC-PERPETUAL.100ms",'
    b'"trades.1000PEPE_USDC-PERPETUAL.100ms","ticker.1000PEPE_USDC-PERPETUAL.100ms",'
    b'"trades.SOL-PERPETUAL.100ms","ticker.SOL-PERPETUAL.100ms"]'
)
_FORCED = {"kind": "liquidation", "price": 4480.0, "quantity": 0.25, "notional_usd": 1120.0}
_FLAGS = ["complete", "price_fill"]

CASES = (
    Case(
        "inverse trade: amount is USD; 5,600 at 56,000 are 0.1 coins; direction is the taker",
        (trades(b"BTC-PERPETUAL", trade(b"BTC-PERPETUAL", b"sell", b"5600.0", b"56000.0")),),
        "trade",
        (
            {
                "kind": "trade",
                "symbol": "BTC-PERPETUAL",
                "taker": "sell",
                "price": 56000.0,
                "quantity": 0.1,
                "notional_usd": 5600.0,
                "sequence": 30_289_432,
                "exchange_ns": _AT * 1_000_000,
                "received_ns": RECEIVED_NS,
                "flags": [],
            },
        ),
    ),
    Case(
        "linear trade: amount is coin; 2.5 * 2,400 = 6,000",
        (trades(b"ETH_USDC-PERPETUAL", trade(b"ETH_USDC-PERPETUAL", b"buy", b"2.5", b"2400")),),
        "trade",
        (
            {
                "symbol": "ETH_USDC-PERPETUAL",
                "taker": "buy",
                "quantity": 2.5,
                "notional_usd": 6000.0,
                "flags": ["stable_assumed"],
            },
        ),
    ),
    Case(
        "trade of a thousand-coin unit: 250 * 1,000 coins at 0.012 / 1,000",
        (
            trades(
                b"1000PEPE_USDC-PERPETUAL",
                trade(b"1000PEPE_USDC-PERPETUAL", b"buy", b"250", b"0.012"),
            ),
        ),
        "trade",
        ({"price": 0.000012, "quantity": 250_000.0, "notional_usd": 3.0},),
    ),
    Case(
        "an instrument of ten USD a unit: 3 * 10 at 150 are 0.2 coins",
        (trades(b"SOL-PERPETUAL", trade(b"SOL-PERPETUAL", b"buy", b"3", b"150")),),
        "trade",
        ({"quantity": 0.2, "notional_usd": 30.0},),
    ),
    Case(
        "a block trade and a leg of a combination make no rows; the trade between them does",
        (
            trades(
                b"BTC-PERPETUAL",
                trade(b"BTC-PERPETUAL", b"buy", b"10", b"56000", b',"block_trade_id":"BLOCK-61"', 7),
                trade(b"BTC-PERPETUAL", b"buy", b"20", b"56000", seq=8),
                trade(b"BTC-PERPETUAL", b"buy", b"30", b"56000", b',"combo_id":"BTC-FS-25DEC26_PERP"', 9),
            ),
        ),
        "trade",
        ({"kind": "trade", "notional_usd": 20.0, "sequence": 8},),
    ),
    Case(
        "T and sell: the taker was forced to sell, a long; 1,120 USD at 4,480 are 0.25 coins",
        (forced(b"sell", b"T"),),
        "trade",
        (
            {"kind": "trade", "taker": "sell", "quantity": 0.25},
            {**_FORCED, "position": "long", "flags": _FLAGS, "sequence": 30_289_432,
             "exchange_ns": _AT * 1_000_000},
        ),
    ),
    Case(
        "T and buy: a short",
        (forced(b"buy", b"T"),),
        "trade",
        ({"kind": "trade", "taker": "buy"}, {**_FORCED, "position": "short"}),
    ),
    Case(
        "M and buy: the maker was forced to sell, a long",
        (forced(b"buy", b"M"),),
        "trade",
        ({"kind": "trade", "taker": "buy"}, {**_FORCED, "position": "long"}),
    ),
    Case(
        "M and sell: a short",
        (forced(b"sell", b"M"),),
        "trade",
        ({"kind": "trade", "taker": "sell"}, {**_FORCED, "position": "short"}),
    ),
    Case(
        "MT and sell: both were forced, the taker's long and the maker's short",
        (forced(b"sell", b"MT"),),
        "trade",
        (
            {"kind": "trade", "taker": "sell"},
            {**_FORCED, "position": "long"},
            {**_FORCED, "position": "short"},
        ),
    ),
    Case(
        "forced linear trade of a thousand-coin unit: 40 * 1,000 coins, 0.5 USDC",
        (
            trades(
                b"1000PEPE_USDC-PERPETUAL",
                trade(
                    b"1000PEPE_USDC-PERPETUAL", b"sell", b"40", b"0.0125", b',"liquidation":"T"'
                ),
            ),
        ),
        "trade",
        (
            {"kind": "trade"},
            {
                "kind": "liquidation",
                "position": "long",
                "price": 0.0000125,
                "quantity": 40_000.0,
                "notional_usd": 0.5,
                "flags": ["complete", "stable_assumed", "price_fill"],
            },
        ),
    ),
    Case(
        "keys in another order",
        (
            b'{"params":{"data":['
            + trade(b"BTC-PERPETUAL", b"sell", b"5", b"5")
            + b'],"channel":"trades.BTC-PERPETUAL.agg2"},"method":"subscription","jsonrpc":"2.0"}',
        ),
        "trade",
        ({"taker": "sell", "notional_usd": 5.0},),
    ),
    Case(
        "ticker: open interest is USD, one side; 1.2e9 at 60,000 are 20,000 coins; funding of 8 h, due now",
        (BTC_TICKER,),
        "ticker",
        (
            {
                "kind": "mark",
                "mark_price": 60000.0,
                "index_price": 59990.0,
                "mid_price": 60002.0,
                "exchange_ns": _AT * 1_000_000,
                "flags": [],
            },
            {
                "kind": "funding",
                "rate": 0.00001742,
                "interval_ns": 8 * HOUR_NS,
                "next_funding_ns": RECEIVED_NS,
                "flags": ["predicted"],
            },
            {
                "kind": "open_interest",
                "quantity": 20_000.0,
                "notional_usd": 1_200_000_000.0,
                "mark_price": 60000.0,
                "flags": [],
            },
        ),
    ),
    Case(
        "linear ticker of a thousand-coin unit: 5,000 * 1,000 coins at 0.000012; an empty book has no middle",
        (
            ticker(
                b"1000PEPE_USDC-PERPETUAL",
                b'"index_price":0.016,"mark_price":0.012,"open_interest":5000,"best_bid_price":0.0,'
                b'"best_ask_price":0.013,"funding_8h":-0.0003,"current_funding":0.0',
            ),
        ),
        "ticker",
        (
            {"mark_price": 0.000012, "index_price": 0.000016, "mid_price": NAN},
            {"rate": -0.0003, "interval_ns": 8 * HOUR_NS, "flags": ["predicted"]},
            {"quantity": 5_000_000.0, "notional_usd": 60.0, "flags": ["stable_assumed"]},
        ),
    ),
    Case(
        "the middle of a thousand-coin unit",
        (
            ticker(
                b"1000PEPE_USDC-PERPETUAL",
                b'"mark_price":0.012,"open_interest":0,"best_bid_price":0.010,"best_ask_price":0.012',
            ),
        ),
        "ticker",
        (
            {"mark_price": 0.000012, "index_price": NAN, "mid_price": 0.000011},
            {"kind": "open_interest", "quantity": 0.0, "notional_usd": 0.0},
        ),
    ),
    Case("everything we asked for is served", (ALL_SERVED,), "ack", ()),
    Case(
        "an answer to what somebody else asked",
        (answer(b'"id":77,"result":["user.orders"]'),),
        "ack",
        (),
    ),
    Case("an answer in a word", (answer(b'"id":9,"result":"ok"'),), "ack", ()),
    Case("our ping is answered", (answer(b'"id":0,"result":{"version":"1.2.26"}'),), "pong", ()),
    Case(
        "a heartbeat, should one have been asked for",
        (b'{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}',),
        "notice",
        (),
    ),
    Case(
        "books carry nothing we want",
        (
            (b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":"book.BTC-PERPETUAL.100ms",'
            b'"data":{"type":"snapshot","timestamp":1,"bids":[["new",1.0,2.0]],"asks":[]}}}'),
        ),
        "ignored",
        (),
    ),
)  # fmt: skip

#: The venue's no, and its silence about channels it does not serve.
REFUSALS = (
    answer(b'"id":1,"error":{"message":"too_many_requests","code":10028}'),
    answer(
        b'"id":1,"error":{"message":"Invalid params","data":{"reason":"wrong format"},"code":-32602}'
    ),
    answer(b'"id":1,"result":[]'),
    ALL_SERVED.replace(b'"ticker.SOL-PERPETUAL.100ms"', b'"ticker.SOL-PERPETUAL.raw"'),
)

#: A frame of every kind that writes rows, with its price and its symbol as they stand in it.
GOOD = {
    "trade": (
        trades(b"BTC-PERPETUAL", trade(b"BTC-PERPETUAL", b"sell", b"5600.0", b"56000.0")),
        b"56000.0",
        b"BTC-PERPETUAL",
    ),
    "ticker": (BTC_TICKER, b"60000.0", b"BTC-PERPETUAL"),
    "liquidation": (forced(b"sell", b"T"), b"4480", b"BTC-PERPETUAL"),
}

#: Ways to misread this venue; a case must notice each.
MUTANTS = (
    Mutant("taker side flipped", '{"buy": int(Side.BUY), "sell": int(Side.SELL)}',
     '{"buy": int(Side.SELL), "sell": int(Side.BUY)}'),
    Mutant("forced taker's position flipped", '{"buy": int(Side.SHORT), "sell": int(Side.LONG)}',
     '{"buy": int(Side.LONG), "sell": int(Side.SHORT)}'),
    Mutant("maker read as taker", '("M", -of_taker)', '("M", of_taker)'),
    Mutant("MT read as the taker only", "if role in trade.liquidation", "if trade.liquidation[-1] == role"),
    Mutant("MT read as the maker only", "if role in trade.liquidation", "if trade.liquidation[0] == role"),
    Mutant("liquidations of trades not read", "if trade.liquidation is None", "if True"),
    Mutant("a liquidation for every trade", "if role in trade.liquidation:", "if True:"),
    Mutant("block trades and legs taken as the tape", "    if trade.negotiated:\n", "    if False:\n"),
    Mutant("legs taken as the tape", "self.block_trade_id is not None or self.combo_id is not None",
     "self.block_trade_id is not None", "deribit_rest"),
    Mutant("block trades taken as the tape", "self.block_trade_id is not None or self.combo_id is not None",
     "self.combo_id is not None", "deribit_rest"),
    Mutant("contracts for amount", "    amount: Positive",
     '    amount: Positive = msgspec.field(name="contracts")', "deribit_rest"),
    Mutant("trade of a unit at the unit's price", "price = trade.price / c.unit", "price = trade.price"),
    Mutant("size dropped from trades", "c.amounts(trade.amount, price)", "c.amounts(1.0, price)"),
    Mutant("open interest doubled", "c.amounts(t.open_interest, mark)",
     "c.amounts(2 * t.open_interest, mark)"),
    Mutant("open interest halved", "c.amounts(t.open_interest, mark)",
     "c.amounts(t.open_interest / 2, mark)"),
    Mutant("open interest of a thousandth", "c.amounts(t.open_interest, mark)",
     "c.amounts(t.open_interest / c.unit, mark)"),
    Mutant("mark and index swapped", "received_ns, 0, mark, index, mid)",
     "received_ns, 0, index, mark, mid)"),
    Mutant("last price for mark", "    mark_price: Positive\n",
     '    mark_price: Positive = msgspec.field(name="last_price")\n'),
    Mutant("bid for the middle", "(bid + ask) / 2 / c.unit", "bid / c.unit"),
    Mutant("middle of a unit", "(bid + ask) / 2 / c.unit", "(bid + ask) / 2"),
    Mutant("middle of half a book", "if bid and ask else NAN", "if bid is not None and ask else NAN"),
    Mutant("funding of the moment", "    funding_8h: Rate | None = None",
     '    funding_8h: Rate | None = msgspec.field(default=None, name="current_funding")'),
    Mutant("interval of an hour", "INTERVAL_NS: Final = 8 * HOUR_NS", "INTERVAL_NS: Final = HOUR_NS",
     "deribit_rest"),
    Mutant("continuous funding passed as settled", 'kind="continuous"', 'kind="settled"'),
    Mutant("next funding in eight hours", "t.funding_8h, INTERVAL_NS, received_ns",
     "t.funding_8h, INTERVAL_NS, received_ns + INTERVAL_NS"),
    Mutant("complete feed passed as a sample", 'completeness="complete"', 'completeness="sampled"'),
    Mutant("fill passed as a bankruptcy price", 'price="fill"', 'price="bankruptcy"'),
    Mutant("trades without their number", "c.id, at_ns, received_ns, trade.trade_seq,\n        price",
     "c.id, at_ns, received_ns, 0,\n        price"),
)  # fmt: skip
