"""Bybit v5 spot: frames after https://bybit-exchange.github.io/docs/v5/websocket/public."""

from tests.service.venues.cases import Case, Mutant, listed
from tests.service.venues.cases_bybit import REFUSALS, STREAM, trade, trades

__all__ = ["CASES", "GOOD", "INSTRUMENTS", "MUTANTS", "REFUSALS"]

INSTRUMENTS = listed(
    "bybit_spot",
    ("BTCUSDT", "BTC", "USDT", {"market": "spot"}),
    ("BTCUSDC", "BTC", "USDC", {"market": "spot"}),
    ("SHIB1000USDT", "SHIB", "USDT", {"market": "spot", "coins_per_unit": 1000}),
)


def candle(topic: bytes) -> bytes:
    """Return a frame of a candle."""
    return (
        b'{"topic":"%b","data":[{"start":1672324800000,"end":1672324859999,"interval":"1",'
        b'"open":"16649.5","close":"16677","high":"16677","low":"16608","volume":"2.081",'
        b'"turnover":"34666.4005","confirm":false,"timestamp":1672324808882}],"ts":1672324808882,'
        b'"type":"snapshot"}' % topic
    )


CASES = (
    Case(
        "trade: S is the taker; 0.5 * 16578.5 = 8289.25",
        (
            trades(
                b"BTCUSDT", trade(b"BTCUSDT", b"Sell", b"0.5", b"16578.50", b',"seq":1783284617')
            ),
        ),
        "trade",
        (
            {
                "kind": "trade",
                "symbol": "BTCUSDT",
                "taker": "sell",
                "price": 16578.5,
                "quantity": 0.5,
                "notional_usd": 8289.25,
                "sequence": 1783284617,
                "exchange_ns": 1_672_304_486_865_000_000,
                "flags": ["stable_assumed"],
            },
        ),
    ),
    Case(
        "several trades of one message, in their order",
        (
            trades(
                b"BTCUSDC",
                trade(b"BTCUSDC", b"Buy", b"2", b"20000"),
                trade(b"BTCUSDC", b"Sell", b"3", b"20001"),
            ),
        ),
        "trade",
        (
            {"symbol": "BTCUSDC", "taker": "buy", "notional_usd": 40000.0},
            {"symbol": "BTCUSDC", "taker": "sell", "notional_usd": 60003.0},
        ),
    ),
    Case(
        "trade of a thousand-coin unit: 250 * 0.012 = 3",
        (trades(b"SHIB1000USDT", trade(b"SHIB1000USDT", b"Sell", b"250", b"0.012")),),
        "trade",
        ({"price": 0.000012, "quantity": 250_000.0, "notional_usd": 3.0},),
    ),
    Case("the candle we follow is proof of life", (candle(b"kline.1.BTCUSDT"),), "beat", ()),
    Case(
        "keys in another order",
        (
            (
                b'{"type":"snapshot","ts":1672324808882,"data":[{"start":1672324800000}],'
                b'"topic":"kline.1.BTCUSDT"}'
            ),
        ),
        "beat",
        (),
    ),
    Case("other candles are none", (candle(b"kline.60.BTCUSDT"),), "ignored", ()),
    Case(
        "books carry nothing we want",
        (b'{"topic":"orderbook.1.BTCUSDT","type":"snapshot","ts":1,"data":{"s":"BTCUSDT"}}',),
        "ignored",
        (),
    ),
    Case(
        "subscription acked",
        (b'{"success":true,"ret_msg":"subscribe","conn_id":"x","req_id":"1","op":"subscribe"}',),
        "ack",
        (),
    ),
    Case(
        "pong",
        (b'{"success":true,"ret_msg":"pong","conn_id":"x","req_id":"","op":"ping"}',),
        "pong",
        (),
    ),
)

#: A frame of every kind that writes rows, with its price and its symbol as they stand in it.
GOOD = {
    "trade": (
        trades(b"BTCUSDT", trade(b"BTCUSDT", b"Buy", b"0.001", b"16578.50")),
        b'"16578.50"',
        b"BTCUSDT",
    ),
}

#: Ways to misread this venue; a case must notice each.
MUTANTS = (
    Mutant("taker side flipped", '{"Buy": int(Side.BUY), "Sell": int(Side.SELL)}',
     '{"Buy": int(Side.SELL), "Sell": int(Side.BUY)}', STREAM),
    Mutant("push time for trade time", '"traded_ms": "T"', '"traded_ms": "ts"', STREAM),
    Mutant("trades without their sequence", "received_ns, trade.sequence,", "received_ns, 0,", STREAM),
    Mutant("trade price of the unit", "price = trade.price / c.unit", "price = trade.price", STREAM),
    Mutant("any candle is life", "read_envelope(frame).topic == BEAT", "True"),
    Mutant("life not seen", 'self._writers[b"kline"] = _beat', "pass"),
)  # fmt: skip
