"""Coinbase Derivatives through Advanced Trade: frames and products after docs.cdp.coinbase.com."""

import json
from typing import Any

from streams.events import Channel
from tests.service.venues.cases import HOUR_NS, NAN, RECEIVED_NS, Case, Mutant, Polled, listed
from tests.service.venues.cases_coinbase_adv import ADVANCED, REFUSALS, beat, event, message, trade

__all__ = ["CASES", "GOOD", "INSTRUMENTS", "MUTANTS", "REFUSALS"]

HOURLY: dict[str, Any] = {"market": "regulated", "funding_interval_ns": HOUR_NS}
INSTRUMENTS = listed(
    "coinbase_cde",
    ("BIP-20DEC30-CDE", "BTC", "USD", {**HOURLY, "contract_size": "0.01"}),
    ("ETP-20DEC30-CDE", "ETH", "USD", {**HOURLY, "contract_size": "0.1"}),
    ("SHP-20DEC30-CDE", "SHIB", "USD", {**HOURLY, "contract_size": "10", "coins_per_unit": 1000}),
)

#: Rows of thirty days of history. There is no history.
HISTORY: dict[str, int] = {}
BIP = b"BIP-20DEC30-CDE"

#: 2026-10-06 06:00 and 07:00 UTC; frames are received in between.
SIX_NS = 1_791_266_400 * 10**9
SEVEN_NS = SIX_NS + HOUR_NS


def trades(*items: bytes, number: int = 5) -> bytes:
    """Return a message of new trades."""
    return message(b"market_trades", number, event(*items))


def product(symbol: str = "BIP-20DEC30-CDE", mid: str = "68925", **details: object) -> bytes:
    """Return the answer about a product, abridged."""
    said = {
        "venue": "cde",
        "contract_code": "BIP",
        "contract_expiry": "2030-12-20T16:00:00Z",
        "contract_size": "0.01",
        "contract_root_unit": "BTC",
        "contract_expiry_type": "EXPIRING",
        "perpetual_details": {"open_interest": "99", "funding_rate": "", "funding_time": None},
        "non_crypto": False,
        "funding_interval": "3600s",
        "open_interest": "183283",
        "funding_rate": "0.000013",
        "funding_time": "2026-10-06T06:00:00Z",
        "settlement_price": "69735",
        "index_price": "68899.882564",
    }
    body = {
        "product_id": symbol,
        "price": "68930",
        "mid_market_price": mid,
        "product_type": "FUTURE",
        "quote_currency_id": "USD",
        "base_currency_id": "",
        "future_product_details": said | details,
    }
    return json.dumps(body).encode()


def asked(name: str, body: bytes, *rows: dict[str, Any], symbol: str = "BIP-20DEC30-CDE") -> Polled:
    """Return a case of the poll."""
    return Polled(name, symbol, Channel.OPEN_INTEREST, body, rows)


FUNDING: dict[str, Any] = {
    "kind": "funding",
    "rate": 0.000013,
    "interval_ns": HOUR_NS,
    "exchange_ns": SIX_NS,
    "next_funding_ns": SEVEN_NS,
    "flags": ["settled"],
}
MARK = {
    "kind": "mark",
    "mark_price": NAN,
    "index_price": 68899.882564,
    "mid_price": 68925.0,
    "exchange_ns": RECEIVED_NS,
    "flags": [],
}
HELD = {
    "kind": "open_interest",
    "quantity": 1832.83,
    "notional_usd": 126281771.75977612,
    "mark_price": NAN,
    "flags": ["unit_assumed"],
}
ABSENT = {"funding_rate": "", "funding_time": None, "funding_interval": None}

CASES = (
    Case(
        "trade: the maker bought, so the taker sold; 3 contracts of 0.01 at 68925 are 2067.75",
        (trades(trade(b"BUY", b"3", b"68925", b"77", BIP)),),
        "trade",
        (
            {
                "kind": "trade",
                "symbol": "BIP-20DEC30-CDE",
                "taker": "sell",
                "price": 68925.0,
                "quantity": 0.03,
                "notional_usd": 2067.75,
                "sequence": 77,
                "flags": [],
            },
        ),
    ),
    Case(
        "the size is each contract's own: 5 of 0.1 at 2500 are 1250",
        (trades(trade(b"SELL", b"5", b"2500", b"78", b"ETP-20DEC30-CDE")),),
        "trade",
        ({"taker": "buy", "quantity": 0.5, "notional_usd": 1250.0},),
    ),
    Case(
        "a thousand-coin unit: 2 contracts of 10,000 coins at 0.012 a thousand are 0.24",
        (trades(trade(b"SELL", b"2", b"0.012", b"79", b"SHP-20DEC30-CDE")),),
        "trade",
        ({"price": 0.000012, "quantity": 20_000.0, "notional_usd": 0.24},),
    ),
    Case("a heartbeat", (beat(0),), "beat", ()),
    Case(
        "a lost message",
        (beat(0), beat(2)),
        "beat",
        tuple({"kind": "gap", "symbol": symbol, "channels": 1} for symbol in INSTRUMENTS),
    ),
    asked(
        "product: 183283 contracts of 0.01 are 1832.83, at the index 126,281,771.76; the hour is paid",
        product(),
        FUNDING,
        MARK,
        HELD,
    ),
    asked(
        "a rate for a time ahead is an estimate",
        product(funding_time="2026-10-06T07:00:00Z", funding_rate="-0.000004"),
        {
            **FUNDING,
            "rate": -0.000004,
            "exchange_ns": RECEIVED_NS,
            "next_funding_ns": SEVEN_NS,
            "flags": ["predicted"],
        },
        MARK,
        HELD,
    ),
    asked(
        "another interval",
        product(funding_interval="28800s"),
        {**FUNDING, "interval_ns": 8 * HOUR_NS, "next_funding_ns": SIX_NS + 8 * HOUR_NS},
        MARK,
        HELD,
    ),
    asked(
        "an interval that is not said is the contract's",
        product(funding_interval=None),
        FUNDING,
        MARK,
        HELD,
    ),
    asked(
        "without index, open interest is valued at the middle: 1832.83 * 68925 = 126327807.75",
        product(index_price="", **ABSENT),
        {**MARK, "index_price": NAN},
        {**HELD, "notional_usd": 126327807.75},
    ),
    asked(
        "without any price there is no mark, and open interest has no value",
        product(mid="", index_price="", **ABSENT),
        {**HELD, "notional_usd": NAN},
    ),
    asked(
        "no open interest is nothing, and not 0",
        product(open_interest="", **ABSENT),
        MARK,
    ),
    asked(
        "open interest of 0 is 0",
        product(open_interest="0", **ABSENT),
        MARK,
        {"kind": "open_interest", "quantity": 0.0, "notional_usd": 0.0},
    ),
    asked(
        "a thousand-coin unit: 7 contracts of 10,000 coins, at 0.02 a thousand 1.4",
        product("SHP-20DEC30-CDE", mid="0.03", index_price="0.02", open_interest="7", **ABSENT),
        {"kind": "mark", "index_price": 0.00002, "mid_price": 0.00003},
        {"kind": "open_interest", "quantity": 70_000.0, "notional_usd": 1.4},
        symbol="SHP-20DEC30-CDE",
    ),
)

GOOD = {"trade": (trades(trade(b"BUY", b"3", b"68925", b"77", BIP)), b'"68925"', BIP)}

MUTANTS = (
    Mutant("maker taken for taker", 'SIDE: Final = "maker"', 'SIDE: Final = "taker"', ADVANCED),
    Mutant("contracts taken for coins", "c.amounts(trade.size, price)",
           "(trade.size, trade.size * price)", ADVANCED),
    Mutant("price of the unit", "price = trade.price / c.unit", "price = trade.price", ADVANCED),
    Mutant("open interest doubled", "c.amounts(details.open_interest, ",
           "c.amounts(details.open_interest * 2, "),
    Mutant("open interest halved", "c.amounts(details.open_interest, ",
           "c.amounts(details.open_interest / 2, "),
    Mutant("contracts of open interest taken for coins",
           "c.amounts(details.open_interest, index if index == index else mid)",
           "details.open_interest, details.open_interest * index"),
    Mutant("the empty block of the product read", "details = self._contract, product.future_product_details",
           "details = self._contract, _Details()"),
    Mutant("the assumed price not said", "_ASSUMED | c.assumed", "c.assumed"),
    Mutant("valued at the middle", "index if index == index else mid", "mid"),
    Mutant("middle and index swapped", "received_ns, 0, NAN, index, mid)",
           "received_ns, 0, NAN, mid, index)"),
    Mutant("index passed as mark", "received_ns, 0, NAN, index, mid)",
           "received_ns, 0, index, NAN, mid)"),
    Mutant("index of the unit", "details.index_price / c.unit", "details.index_price"),
    Mutant("middle of the unit", "product.mid_market_price / c.unit", "product.mid_market_price"),
    Mutant("interval dropped", "received_ns, rate, every_ns, at_ns + every_ns",
           "received_ns, rate, 0, at_ns + every_ns"),
    Mutant("interval taken as 8 h", "received_ns, rate, every_ns, at_ns + every_ns",
           "received_ns, rate, 28_800 * _NS, at_ns + every_ns"),
    Mutant("the interval of the message not read", "interval_ns(details.funding_interval)\n        if rate",
           "0\n        if rate"),
    Mutant("paid passed as an estimate", 'kind="settled"', 'kind="predicted"'),
    Mutant("an estimate passed as paid", "_PREDICTED | flags", "_SETTLED | flags"),
    Mutant("the hour paid for the hour to come", "if at_ns > received_ns:", "if True:"),
    Mutant("paid now and not then", "c.id, at_ns, received_ns, rate, every_ns",
           "c.id, received_ns, received_ns, rate, every_ns"),
)  # fmt: skip
