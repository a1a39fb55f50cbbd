"""Binance spot: frames after https://developers.binance.com/docs/binance-spot-api-docs."""

from tests.service.venues.cases import Case, Mutant, listed

SPOT = {"market": "spot"}

INSTRUMENTS = listed(
    "binance_spot",
    ("BTCUSDT", "BTC", "USDT", SPOT),
    ("ETHUSDC", "ETH", "USDC", SPOT),
    ("1000SATSUSDT", "SATS", "USDT", {**SPOT, "coins_per_unit": 1000}),
)

CASES = (
    Case(
        "aggTrade: the buyer was the maker, so the taker sold; 0.5 * 84000.02 = 42000.01",
        (
            (
                b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1791269849801,"s":"BTCUSDT",'
                b'"a":3476312671,"p":"84000.02000000","q":"0.50000000","f":100,"l":105,'
                b'"T":1791269849785,"m":true,"M":true}}'
            ),
        ),
        "trade",
        (
            {
                "kind": "trade",
                "symbol": "BTCUSDT",
                "taker": "sell",
                "price": 84000.02,
                "quantity": 0.5,
                "notional_usd": 42000.01,
                "sequence": 3476312671,
                "exchange_ns": 1_791_269_849_785_000_000,
                "flags": ["stable_assumed"],
            },
        ),
    ),
    Case(
        "aggTrade of a thousand-coin unit, raw: 20000 * 1000 coins at 0.0000002 = 4 USD",
        (
            (
                b'{"e":"aggTrade","E":1791269849801,"s":"1000SATSUSDT","a":7,"p":"0.00020000","q":"20000",'
                b'"f":1,"l":1,"T":1791269849785,"m":false,"M":true}'
            ),
        ),
        "trade",
        ({"taker": "buy", "price": 0.0000002, "quantity": 2e7, "notional_usd": 4.0},),
    ),
    Case(
        "trade, as recordings have it, has no X and counts: 2 * 2500 = 5000",
        (
            (
                b'{"stream":"ethusdc@trade","data":{"e":"trade","E":1723161255343,"s":"ETHUSDC",'
                b'"t":3735683259,"p":"2500.00000000","q":"2.00000000","T":1723161255342,"m":false,"M":true}}'
            ),
        ),
        "trade",
        (
            {
                "symbol": "ETHUSDC",
                "taker": "buy",
                "notional_usd": 5000.0,
                "sequence": 3735683259,
                "exchange_ns": 1_723_161_255_342_000_000,
            },
        ),
    ),
    Case(
        "a candle of one second, without a trade in it, is a sign of life",
        (
            (
                b'{"stream":"btcusdt@kline_1s","data":{"e":"kline","E":1791269850000,"s":"BTCUSDT","k":{'
                b'"t":1791269849000,"T":1791269849999,"s":"BTCUSDT","i":"1s","f":-1,"L":-1,"o":"84000.0",'
                b'"c":"84000.0","h":"84000.0","l":"84000.0","v":"0","n":0,"x":true,"q":"0","V":"0","Q":"0",'
                b'"B":"0"}}}'
            ),
        ),
        "beat",
        (),
    ),
    Case(
        "the connection will be closed",
        (b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}',),
        "leave",
        (),
    ),
    Case(
        "statistics are known and not wanted",
        (b'{"e":"24hrTicker","E":1791269849801,"s":"BTCUSDT","p":"0.0015","c":"0.0025"}',),
        "ignored",
        (),
    ),
    Case(
        "best quotes have no event name",
        (
            (
                b'{"stream":"btcusdt@bookTicker","data":{"u":400900217,"s":"BTCUSDT","b":"25.35",'
                b'"B":"31.21","a":"25.36","A":"40.66"}}'
            ),
        ),
        "ignored",
        (),
    ),
    Case("subscription acked", (b'{"result":null,"id":1}',), "ack", ()),
)

#: The venue's no.
REFUSALS = (
    b'{"code":2,"msg":"Invalid request: request ID must be an unsigned integer"}',
    b'{"error":{"code":-1121,"msg":"Invalid symbol."},"id":1}',
)

#: A frame that writes rows, with its price and its symbol as they stand in it.
GOOD = {"trade": (CASES[0].frames[0], b'"84000.02000000"', b"BTCUSDT")}

#: Ways to misread this venue; a case must notice each.
MUTANTS = (
    Mutant("taker side flipped", "{True: int(Side.SELL), False: int(Side.BUY)}",
           "{True: int(Side.BUY), False: int(Side.SELL)}", "binance"),
    Mutant("event time for trade time", '"traded_ms": "T",\n        "buyer_is_maker"',
           '"traded_ms": "E",\n        "buyer_is_maker"', "binance"),
    Mutant("first fill's id for the aggregate's", '"sequence": "a"', '"sequence": "f"', "binance"),
    Mutant("price of the unit", "price = event.price / c.unit", "price = event.price", "binance"),
    Mutant("size of the unit", "event.quantity * c.numerator / c.denominator", "event.quantity", "binance"),
    Mutant("trades without X dropped", 'origin: str = "MARKET"', 'origin: str = "NA"', "binance"),
    Mutant("end of the connection not heard", 'return "leave"', 'return "ignored"', "binance"),
    Mutant("sign of life not taken", 'beats=("btcusdt@kline_1s",),', ""),
)  # fmt: skip
