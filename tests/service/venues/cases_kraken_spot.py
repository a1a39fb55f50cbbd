"""Kraken spot: frames after https://docs.kraken.com/exchange/api-reference/spot-websocket-v2."""

from typing import Any

from tests.service.venues.cases import Case, Mutant, listed

SPOT: dict[str, Any] = {"market": "spot"}
INSTRUMENTS = listed(
    "kraken_spot",
    ("BTC/USD", "BTC", "USD", SPOT),
    ("ETH/USDT", "ETH", "USDT", SPOT),
    ("1000BONK/USD", "BONK", "USD", {**SPOT, "coins_per_unit": 1000}),
)


def trade(pair: bytes, side: bytes, qty: bytes, price: bytes, number: int = 4_665_906) -> bytes:
    """Return one trade as an element of `data`."""
    return (
        b'{"symbol":"%b","side":"%b","qty":%b,"price":%b,"ord_type":"limit","trade_id":%d,'
        b'"timestamp":"2026-09-25T07:49:37.708706Z"}'
    ) % (pair, side, qty, price, number)


def trades(*items: bytes, kind: bytes = b"update") -> bytes:
    """Return a frame of trades."""
    return b'{"channel":"trade","type":"%b","data":[%b]}' % (kind, b",".join(items))


CASES = (
    Case(
        "trade: side is the taker; 0.25 coins at 60000 are 15000 USD; microseconds",
        (trades(trade(b"BTC/USD", b"sell", b"0.25", b"60000.0")),),
        "trade",
        (
            {
                "kind": "trade",
                "symbol": "BTC/USD",
                "taker": "sell",
                "price": 60000.0,
                "quantity": 0.25,
                "notional_usd": 15000.0,
                "sequence": 4_665_906,
                "exchange_ns": 1_790_322_577_708_706_000,
                "flags": [],
            },
        ),
    ),
    Case(
        "several trades of one message, in their order; holes in the numbers say nothing",
        (
            trades(
                trade(b"ETH/USDT", b"buy", b"2", b"2500", 7),
                trade(b"BTC/USD", b"buy", b"1", b"60000", 7),
                trade(b"ETH/USDT", b"sell", b"3", b"2501", 9),
            ),
        ),
        "trade",
        (
            {
                "symbol": "ETH/USDT",
                "taker": "buy",
                "notional_usd": 5000.0,
                "sequence": 7,
                "flags": ["stable_assumed"],
            },
            {"symbol": "BTC/USD", "taker": "buy", "notional_usd": 60000.0, "sequence": 7},
            {"symbol": "ETH/USDT", "taker": "sell", "notional_usd": 7503.0, "sequence": 9},
        ),
    ),
    Case(
        "trade of a thousand-coin unit: 250 units at 0.012 are 250000 coins and 3 USD",
        (trades(trade(b"1000BONK/USD", b"buy", b"250", b"0.012")),),
        "trade",
        ({"price": 0.000012, "quantity": 250_000.0, "notional_usd": 3.0},),
    ),
    Case(
        "a snapshot that comes in spite of us is dropped",
        (trades(trade(b"BTC/USD", b"buy", b"1", b"60000"), kind=b"snapshot"),),
        "notice",
        (),
    ),
    Case(
        "keys in another order",
        (
            b'{"type":"update","data":['
            + trade(b"BTC/USD", b"buy", b"2", b"5")
            + b'],"channel":"trade"}',
        ),
        "trade",
        ({"taker": "buy", "notional_usd": 10.0},),
    ),
    Case("the heartbeat proves that trades are served", (b'{"channel":"heartbeat"}',), "beat", ()),
    Case(
        "the greeting",
        (
            (
                b'{"channel":"status","type":"update","data":[{"version":"2.0.0","system":"online",'
                b'"api_version":"v2","connection_id":12393906104898154338}]}'
            ),
        ),
        "notice",
        (),
    ),
    Case(
        "an answer to a subscription",
        (
            (
                b'{"method":"subscribe","result":{"channel":"trade","snapshot":false,"symbol":"BTC/USD"},'
                b'"success":true,"time_in":"2026-09-25T09:17:35.834199Z","time_out":"2026-09-25T09:17:35.834258Z"}'
            ),
        ),
        "ack",
        (),
    ),
    Case(
        "a pong",
        (
            (
                b'{"method":"pong","req_id":101,"time_in":"2026-09-25T14:08:19.957823Z",'
                b'"time_out":"2026-09-25T14:08:19.957866Z"}'
            ),
        ),
        "pong",
        (),
    ),
    Case(
        "best quotes are no input",
        (
            (
                b'{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","bid":99.9,"bid_qty":1.2,'
                b'"ask":100.1,"ask_qty":2.3}]}'
            ),
        ),
        "ignored",
        (),
    ),
)

#: The venue's no.
REFUSALS = (
    (
        b'{"error":"Currency pair not supported XBT/USD","method":"subscribe","success":false,'
        b'"symbol":"XBT/USD","time_in":"2026-09-25T09:17:35.834199Z","time_out":"2026-09-25T09:17:35.834258Z"}'
    ),
)

#: A frame of every kind that writes rows, with its price and its symbol as they stand in it.
GOOD = {
    "trade": (
        trades(trade(b"BTC/USD", b"sell", b"0.25", b"60001.5")),
        b"60001.5",
        b"BTC/USD",
    ),
}

#: Ways to misread this venue; a case must notice each.
MUTANTS = (
    Mutant("taker side flipped", '{"buy": int(Side.BUY), "sell": int(Side.SELL)}',
           '{"buy": int(Side.SELL), "sell": int(Side.BUY)}'),
    Mutant("size dropped", "c.amounts(trade.qty, price)", "c.amounts(1.0, price)"),
    Mutant("size taken as USD", "coin, usd = c.amounts(trade.qty, price)",
           "coin, usd = trade.qty / price, trade.qty"),
    Mutant("unit scale dropped", "price = trade.price / c.unit", "price = trade.price"),
    Mutant("old trades passed on", 'if read.type == "snapshot":', 'if read.type == "none":'),
    Mutant("numbers dropped", "received_ns, trade.trade_id, price, coin, usd",
           "received_ns, 0, price, coin, usd"),
    Mutant("the heartbeat overlooked", 'return "beat"', 'return "notice"'),
)  # fmt: skip
