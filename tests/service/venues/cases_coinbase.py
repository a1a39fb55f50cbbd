"""Coinbase Exchange: frames after docs.cdp.coinbase.com/exchange/websocket-feed/channels."""

from tests.service.venues.cases import Case, Mutant, listed

SPOT = {"market": "spot"}
INSTRUMENTS = listed(
    "coinbase",
    ("BTC-USD", "BTC", "USD", SPOT),
    ("ETH-USDT", "ETH", "USDT", SPOT),
    ("1000SATS-USD", "SATS", "USD", {**SPOT, "coins_per_unit": 1000}),
)

#: 2024-11-07 08:19:27 UTC.
SECOND = 1_730_967_567


def match(
    side: bytes = b"sell",
    product: bytes = b"BTC-USD",
    size: bytes = b"5.23512",
    price: bytes = b"400.23",
    number: int = 10,
    kind: bytes = b"match",
    time: bytes = b"2024-11-07T08:19:27.028459Z",
) -> bytes:
    """Return a match. `side` is the maker's."""
    return (
        b'{"type":"%b","trade_id":%d,"maker_order_id":"ac928c66-ca53-498f-9c13-a110027a60e8",'
        b'"taker_order_id":"132fb6ae-456b-4654-b4e0-d681ac05cea1","side":"%b","size":"%b",'
        b'"price":"%b","product_id":"%b","sequence":50,"time":"%b"}'
    ) % (kind, number, side, size, price, product, time)


def heartbeat(last: int, second: int = 28, product: bytes = b"BTC-USD") -> bytes:
    """Return a heartbeat that knows of `last`."""
    return (
        b'{"type":"heartbeat","last_trade_id":%d,"product_id":"%b","sequence":90,'
        b'"time":"2024-11-07T08:19:%02d.464459Z"}'
    ) % (last, product, second)


OLD = match(kind=b"last_match", number=20)
GAP = {
    "kind": "gap",
    "symbol": "BTC-USD",
    "channels": 1,
    "from_ns": SECOND * 10**9 + 1_464_459_000,
    "to_ns": SECOND * 10**9 + 3_464_459_000,
    "exchange_ns": SECOND * 10**9 + 3_464_459_000,
}

CASES = (
    Case(
        "match: the maker sold, so the taker bought; 5.23512 * 400.23 = 2095.2520776",
        (match(),),
        "trade",
        (
            {
                "kind": "trade",
                "symbol": "BTC-USD",
                "taker": "buy",
                "price": 400.23,
                "quantity": 5.23512,
                "notional_usd": 2095.2520776,
                "sequence": 10,
                "exchange_ns": SECOND * 10**9 + 28_459_000,
                "flags": [],
            },
        ),
    ),
    Case(
        "match: the maker bought, so the taker sold; quoted in a stablecoin; 2 * 2500 = 5000",
        (match(b"buy", b"ETH-USDT", b"2", b"2500"),),
        "trade",
        (
            {
                "symbol": "ETH-USDT",
                "taker": "sell",
                "notional_usd": 5000.0,
                "flags": ["stable_assumed"],
            },
        ),
    ),
    Case(
        "match of a thousand-coin unit: 250 units at 0.012 are 250,000 coins at 0.000012, 3 USD",
        (match(b"buy", b"1000SATS-USD", b"250", b"0.012"),),
        "trade",
        ({"taker": "sell", "price": 0.000012, "quantity": 250_000.0, "notional_usd": 3.0},),
    ),
    Case(
        "a time of whole seconds",
        (match(time=b"2024-11-07T08:19:27Z"),),
        "trade",
        ({"exchange_ns": SECOND * 10**9},),
    ),
    Case(
        "a time of nanoseconds keeps them, a time of tenths is not read as nanoseconds",
        (
            match(number=9, time=b"2024-11-07T08:19:27.123456789Z"),
            match(time=b"2024-11-07T08:19:27.5Z"),
        ),
        "trade",
        ({"exchange_ns": SECOND * 10**9 + 500_000_000},),
    ),
    Case(
        "nanoseconds",
        (match(time=b"2024-11-07T08:19:27.123456789Z"),),
        "trade",
        ({"exchange_ns": SECOND * 10**9 + 123_456_789},),
    ),
    Case(
        "keys in another order",
        (
            (
                b'{"time":"2024-11-07T08:19:27.028459Z","product_id":"BTC-USD","price":"5","size":"1",'
                b'"side":"buy","trade_id":11,"type":"match"}'
            ),
        ),
        "trade",
        ({"taker": "sell", "notional_usd": 5.0, "sequence": 11},),
    ),
    Case("the trade of before is no news", (OLD,), "notice", ()),
    Case("a heartbeat that knows of nothing else", (OLD, heartbeat(20)), "beat", ()),
    Case("a heartbeat on a connection that has heard nothing yet", (heartbeat(20),), "beat", ()),
    Case("a heartbeat that says nothing of trades", (OLD, heartbeat(0), heartbeat(0)), "beat", ()),
    Case("a heartbeat may overtake its matches", (OLD, heartbeat(22)), "beat", ()),
    Case(
        "and they come",
        (OLD, heartbeat(22), match(number=21), match(number=22), heartbeat(22, 29)),
        "beat",
        (),
    ),
    Case(
        "what does not come by the next heartbeat is a gap, from the last one that missed nothing",
        (OLD, heartbeat(20, 28), heartbeat(22, 29), heartbeat(22, 30)),
        "notice",
        (GAP,),
    ),
    Case(
        "part of it came: the gap begins with the last trade that did",
        (OLD, heartbeat(22, 29), match(number=21), heartbeat(22, 30)),
        "notice",
        ({**GAP, "from_ns": SECOND * 10**9 + 28_459_000},),
    ),
    Case(
        "a gap is said once",
        (OLD, heartbeat(22, 28), heartbeat(22, 29), heartbeat(22, 30)),
        "beat",
        (),
    ),
    Case(
        "gaps are of one product",
        (OLD, heartbeat(22, 28), heartbeat(5, 29, b"ETH-USDT")),
        "beat",
        (),
    ),
    Case(
        "subscribed",
        (
            (
                b'{"type":"subscriptions","channels":[{"name":"matches","product_ids":["BTC-USD"]},'
                b'{"name":"heartbeat","product_ids":["BTC-USD"]}]}'
            ),
        ),
        "ack",
        (),
    ),
    Case(
        "books and tickers carry nothing we want",
        (b'{"type":"ticker","sequence":37475248783,"product_id":"ETH-USD","price":"1285.22"}',),
        "ignored",
        (),
    ),
)

REFUSALS = (
    b'{"type":"error","message":"Failed to subscribe","reason":"FOO-BAR is not a valid product"}',
)

GOOD = {"trade": (match(), b'"400.23"', b"BTC-USD")}

MUTANTS = (
    Mutant("maker taken for taker", 'side="maker"', 'side="taker"'),
    Mutant("price of the unit", "price = match.price / c.unit", "price = match.price"),
    Mutant("size of the unit", "c.amounts(match.size, price)", "(match.size, match.size * price)"),
    Mutant("id dropped", "received_ns, match.trade_id,", "received_ns, 0,"),
    Mutant("old trade passed as news", "return self._last_match(frame)",
           "return self._match(frame, received_ns, out)"),
    Mutant("heartbeats are no life", 'return "notice" if missed else "beat"', 'return "notice"'),
    Mutant("a stopped tape lives on", 'return "notice" if missed else "beat"', 'return "beat"'),
    Mutant("heartbeats not compared", "missed = tape.told > tape.seen", "missed = False"),
    Mutant("matches have no time to come", "missed = tape.told > tape.seen",
           "missed = beat.last_trade_id > tape.seen"),
    Mutant("a gap said for ever", "tape.seen, tape.complete_ns = tape.told, now_ns", "pass"),
    Mutant("gaps from the last trade", "elif beat.last_trade_id <= tape.seen:", "elif False:"),
    Mutant("old trade forgotten",
           "self._came(match.product_id, match.trade_id, nanoseconds(match.time))", "pass"),
    Mutant("digits of a second as nanoseconds", 'int(fraction.ljust(9, "0"))', "int(fraction or 0)",
           "rfc3339"),
    Mutant("microseconds only", 'int(fraction.ljust(9, "0"))', 'int(fraction[:6].ljust(9, "0"))',
           "rfc3339"),
)  # fmt: skip
