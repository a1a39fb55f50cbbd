"""Coinbase Advanced Trade: frames after docs.cdp.coinbase.com, Advanced Trade WebSocket Channels."""

from typing import Any

from tests.service.venues.cases import RECEIVED_NS, Case, Mutant, listed

SPOT = {"market": "spot"}
INSTRUMENTS = listed(
    "coinbase_adv",
    ("BTC-USD", "BTC", "USD", SPOT),
    ("ETH-USDT", "ETH", "USDT", SPOT),
    ("1000SATS-USD", "SATS", "USD", {**SPOT, "coins_per_unit": 1000}),
)

#: 2026-04-07 14:30:02 UTC.
SECOND = 1_775_572_202


def trade(
    side: bytes = b"SELL",
    size: bytes = b"0.00150000",
    price: bytes = b"68900.50",
    number: bytes = b"995098700",
    product: bytes = b"BTC-USD",
    time: bytes = b"2026-04-07T14:30:02.789012Z",
) -> bytes:
    """Return one trade. `side` is the maker's."""
    return (
        b'{"trade_id":"%b","product_id":"%b","price":"%b","size":"%b","side":"%b","time":"%b"}'
    ) % (number, product, price, size, side, time)


def event(*trades: bytes, kind: bytes = b"update") -> bytes:
    """Return an event of trades."""
    return b'{"type":"%b","trades":[%b]}' % (kind, b",".join(trades))


def message(channel: bytes, number: int, *events: bytes) -> bytes:
    """Return a message, the `number`-th of its connection."""
    return (
        b'{"channel":"%b","client_id":"","timestamp":"2026-04-07T14:30:02.812012889Z",'
        b'"sequence_num":%d,"events":[%b]}'
    ) % (channel, number, b",".join(events))


def trades(*items: bytes, number: int = 5) -> bytes:
    """Return a message of new trades."""
    return message(b"market_trades", number, event(*items))


def beat(number: int) -> bytes:
    """Return a heartbeat."""
    counter = b'{"current_time":"2026-04-07 14:30:10.000000000+00:00","heartbeat_counter":42}'
    return message(b"heartbeats", number, counter)


LATER = trade(b"BUY", b"0.05000000", b"68900.00", b"995098701", time=b"2026-04-07T14:30:02.800Z")
GAPS: tuple[dict[str, Any], ...] = tuple(
    {"kind": "gap", "symbol": symbol, "channels": 1, "from_ns": RECEIVED_NS, "to_ns": RECEIVED_NS}
    for symbol in INSTRUMENTS
)

CASES = (
    Case(
        "trade: the maker sold, so the taker bought; 0.0015 * 68900.5 = 103.35075",
        (trades(trade()),),
        "trade",
        (
            {
                "kind": "trade",
                "symbol": "BTC-USD",
                "taker": "buy",
                "price": 68900.5,
                "quantity": 0.0015,
                "notional_usd": 103.35075,
                "sequence": 995098700,
                "exchange_ns": SECOND * 10**9 + 789_012_000,
                "flags": [],
            },
        ),
    ),
    Case(
        "a batch comes newest first and is written oldest first; 0.05 * 68900 = 3445",
        (trades(LATER, trade()),),
        "trade",
        (
            {"taker": "buy", "sequence": 995098700},
            {
                "taker": "sell",
                "sequence": 995098701,
                "notional_usd": 3445.0,
                "exchange_ns": SECOND * 10**9 + 800_000_000,
            },
        ),
    ),
    Case(
        "at one time the id decides",
        (trades(trade(number=b"11"), trade(number=b"9")),),
        "trade",
        ({"sequence": 9}, {"sequence": 11}),
    ),
    Case(
        "quoted in a stablecoin; 2 * 2500 = 5000",
        (trades(trade(b"BUY", b"2", b"2500", product=b"ETH-USDT")),),
        "trade",
        ({"taker": "sell", "notional_usd": 5000.0, "flags": ["stable_assumed"]},),
    ),
    Case(
        "a thousand-coin unit: 250 units at 0.012 are 250,000 coins at 0.000012, 3 USD",
        (trades(trade(b"BUY", b"250", b"0.012", product=b"1000SATS-USD")),),
        "trade",
        ({"price": 0.000012, "quantity": 250_000.0, "notional_usd": 3.0},),
    ),
    Case(
        "an id that is no number",
        (trades(trade(number=b"8d3fc9a0-5b1c-4be7-a5b1-6a6dc7a9c1b7")),),
        "trade",
        ({"sequence": 0},),
    ),
    Case(
        "what is replayed on subscribing is no news",
        (message(b"market_trades", 2, event(LATER, trade(), kind=b"snapshot")),),
        "notice",
        (),
    ),
    Case(
        "old and new in one message",
        (message(b"market_trades", 2, event(trade(), kind=b"snapshot"), event(LATER)),),
        "trade",
        ({"sequence": 995098701},),
    ),
    Case("a heartbeat", (beat(0),), "beat", ()),
    Case("numbers count on across channels", (beat(4), trades(trade()), beat(6)), "beat", ()),
    Case("a number left out is a gap of everything", (beat(4), beat(6)), "beat", GAPS),
    Case(
        "what comes after a gap is read",
        (beat(3), trades(trade())),
        "trade",
        (*GAPS, {"kind": "trade", "sequence": 995098700}),
    ),
    Case("a gap is said once", (beat(3), beat(5), beat(6)), "beat", ()),
    Case("what comes late is no gap", (beat(4), beat(6), beat(5)), "beat", ()),
    Case("nor is what follows it", (beat(4), beat(6), beat(5), beat(7)), "beat", ()),
    Case(
        "subscribed",
        (message(b"subscriptions", 0, b'{"subscriptions":{"market_trades":["BTC-USD"]}}'),),
        "ack",
        (),
    ),
    Case(
        "an ack counts as well",
        (message(b"subscriptions", 0, b'{"subscriptions":{"heartbeats":[]}}'), beat(2)),
        "beat",
        GAPS,
    ),
    Case(
        "tickers carry nothing we want",
        (message(b"ticker", 0, b'{"type":"update","tickers":[]}'),),
        "ignored",
        (),
    ),
)

REFUSALS = (b'{"type":"error","message":"channel field is required"}',)

GOOD = {"trade": (trades(trade()), b'"68900.50"', b"BTC-USD")}

ADVANCED = "coinbase_advanced"
MUTANTS = (
    Mutant("maker taken for taker", 'SIDE: Final = "maker"', 'SIDE: Final = "taker"', ADVANCED),
    Mutant("price of the unit", "price = trade.price / c.unit", "price = trade.price", ADVANCED),
    Mutant("size of the unit", "c.amounts(trade.size, price)", "(trade.size, trade.size * price)",
           ADVANCED),
    Mutant("id dropped", "return int(trade_id) if", "return 0 if", ADVANCED),
    Mutant("replayed trades passed as news", 'if event.type == "update":', "if True:", ADVANCED),
    Mutant("newest first", "found.sort(key=itemgetter(0, 1))", "pass", ADVANCED),
    Mutant("order by time alone", "itemgetter(0, 1)", "itemgetter(0)", ADVANCED),
    Mutant("numbers not watched", "number <= self._sequence + 1", "True", ADVANCED),
    Mutant("one message may be lost", "number <= self._sequence + 1", "number <= self._sequence + 2",
           ADVANCED),
    Mutant("late messages turn the count back",
           "max(envelope.sequence_num, self._sequence or 0)", "envelope.sequence_num", ADVANCED),
    Mutant("a gap of one product only", "for c in self._contracts.values():",
           "for c in list(self._contracts.values())[:1]:", ADVANCED),
    Mutant("heartbeats are no life", 'return "beat"', 'return "notice"', ADVANCED),
)  # fmt: skip
