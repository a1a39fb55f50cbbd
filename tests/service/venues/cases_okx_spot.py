"""OKX v5 spot: frames after https://www.okx.com/docs-v5/en/."""

from tests.service.venues.cases import Case, Mutant, listed
from tests.service.venues.cases_okx import OF_BOTH, REFUSALS, STREAM
from tests.service.venues.frames_okx import push, trade

__all__ = ["CASES", "GOOD", "INSTRUMENTS", "MUTANTS", "REFUSALS"]

INSTRUMENTS = listed(
    "okx_spot",
    ("BTC-USDT", "BTC", "USDT", {"market": "spot"}),
    ("BTC-USD", "BTC", "USD", {"market": "spot"}),
    ("CRV-USDT", "CRV", "USDT", {"market": "spot"}),
    ("kBONK-USDC", "BONK", "USDC", {"market": "spot", "coins_per_unit": 1000}),
)

PAIR = b"BTC-USDT"


def ticker(symbol: bytes) -> bytes:
    """Return a frame of a ticker."""
    return push(
        b"tickers",
        symbol,
        b'"instType":"SPOT","last":"9999.99","lastSz":"0.1","askPx":"9999.99","askSz":"11",'
        b'"bidPx":"8888.88","bidSz":"5","open24h":"9000","high24h":"10000","low24h":"8888.88",'
        b'"volCcy24h":"2222","vol24h":"2222","sodUtc0":"2222","sodUtc8":"2222","ts":"1597026383085"',
    )


CASES = (
    Case(
        "trade: side is the taker, sz is coin; 0.12 * 42219.9 = 5066.388",
        (trade(PAIR, b"buy", b"0.12", b"42219.9"),),
        "trade",
        (
            {
                "kind": "trade",
                "symbol": "BTC-USDT",
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
        "trade against dollars: 2 * 50000 = 100000, and nothing assumed",
        (trade(b"BTC-USD", b"sell", b"2", b"50000"),),
        "trade",
        ({"symbol": "BTC-USD", "taker": "sell", "notional_usd": 100_000.0, "flags": []},),
    ),
    Case(
        "trade of a thousand-coin unit: 250 * 0.012 = 3",
        (trade(b"kBONK-USDC", b"buy", b"250", b"0.012"),),
        "trade",
        ({"price": 0.000012, "quantity": 250_000.0, "notional_usd": 3.0},),
    ),
    Case(
        "keys in another order",
        (
            (
                b'{"data":[{"instId":"CRV-USDT","tradeId":"21300150","px":"4","sz":"13.5","side":"buy",'
                b'"ts":"1639999319938"}],"arg":{"instId":"CRV-USDT","channel":"trades"}}'
            ),
        ),
        "trade",
        ({"symbol": "CRV-USDT", "taker": "buy", "quantity": 13.5, "notional_usd": 54.0},),
    ),
    Case("the ticker we follow is proof of life", (ticker(PAIR),), "beat", ()),
    Case("other tickers are none", (ticker(b"CRV-USDT"),), "ignored", ()),
    Case(
        "books carry nothing we want",
        (b'{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"update","data":[{}]}',),
        "ignored",
        (),
    ),
    Case(
        "subscription acked",
        (
            b'{"event":"subscribe","arg":{"channel":"trades","instId":"BTC-USDT"},"connId":"a4d3ae55"}',
        ),
        "ack",
        (),
    ),
    Case("text pong", (b"pong",), "pong", ()),
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
)

#: A frame of every kind that writes rows, with its price and its symbol as they stand in it.
GOOD = {"trade": (trade(PAIR, b"buy", b"12", b"42219.9"), b'"42219.9"', PAIR)}

#: Ways to misread this venue; a case must notice each.
MUTANTS = (
    *OF_BOTH,
    Mutant("trade price of the unit", "price = trade.px / c.unit", "price = trade.px", STREAM),
    Mutant("any ticker is life", "and arg.inst_id == BEAT", ""),
    Mutant("life not seen", 'self._writers["tickers"] = _beat', "pass"),
)
