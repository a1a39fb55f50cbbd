"""OKX v5: liquidations, and which of them are news. All frames of a case are received at `NOW`."""

from tests.service.venues.cases import Case
from tests.service.venues.frames_okx import NOW, SUBSCRIBED, SWAP, liquidations, mark, order

SAMPLED = ["sampled", "unit_assumed", "stable_assumed", "price_bankruptcy"]

LIQUIDATIONS = (
    Case(
        "an order of before the subscription is old news; the last 2 s before it are not",
        (
            SUBSCRIBED,
            liquidations(
                SWAP,
                order(b"sell", b"long", b"250", b"58000", NOW - 60_000),
                order(b"sell", b"long", b"251", b"58000", NOW - 2001),
                order(b"sell", b"long", b"252", b"58000", NOW - 2000),
                order(b"sell", b"long", b"253", b"58000", NOW + 1500),
            ),
        ),
        "liquidation",
        (
            {"quantity": 2.5, "position": "long", "flags": ["snapshot", *SAMPLED]},
            {"quantity": 2.51, "flags": ["snapshot", *SAMPLED]},
            {"quantity": 2.52, "flags": SAMPLED},
            {"quantity": 2.53, "flags": SAMPLED},
        ),
    ),
    Case(
        "the first frame may be news, and a later one old news",
        (
            SUBSCRIBED,
            mark(SWAP, b"60000", NOW + 900),
            liquidations(SWAP, order(b"sell", b"long", b"250", b"58000", NOW)),
            liquidations(
                SWAP,
                order(b"sell", b"long", b"1", b"58000", NOW - 60_000),
                order(b"sell", b"long", b"2", b"58000", NOW),
            ),
        ),
        "liquidation",
        (
            {"quantity": 0.01, "flags": ["snapshot", *SAMPLED]},
            {"quantity": 0.02, "flags": SAMPLED},
        ),
    ),
    Case(
        "where the venue's clock is behind, the first mark after the ack tells its time",
        (
            SUBSCRIBED,
            mark(SWAP, b"60000", NOW - 7000),
            mark(SWAP, b"60001", NOW - 9000),
            liquidations(
                SWAP,
                order(b"sell", b"long", b"250", b"58000", NOW - 7001),
                order(b"sell", b"long", b"251", b"58000", NOW - 7000),
            ),
        ),
        "liquidation",
        ({"flags": ["snapshot", *SAMPLED]}, {"flags": SAMPLED}),
    ),
    Case(
        "a stale mark is no clock",
        (
            SUBSCRIBED,
            mark(SWAP, b"60000", NOW - 62_001),
            liquidations(SWAP, order(b"sell", b"long", b"250", b"58000", NOW - 2001)),
        ),
        "liquidation",
        ({"flags": ["snapshot", *SAMPLED]},),
    ),
    Case(
        "without an ack, in a recording, the first frame's time decides",
        (
            liquidations(
                SWAP,
                order(b"sell", b"long", b"250", b"58000", NOW - 60_000),
                order(b"sell", b"long", b"251", b"58000", NOW - 300),
            ),
        ),
        "liquidation",
        ({"flags": ["snapshot", *SAMPLED]}, {"flags": SAMPLED}),
    ),
    Case(
        "liquidation of a long: 250 contracts of 0.01 at 58000 are 2.5 coins and 145000 USD",
        (SUBSCRIBED, liquidations(SWAP, order(b"sell", b"long", b"250", b"58000", NOW))),
        "liquidation",
        (
            {
                "kind": "liquidation",
                "symbol": "BTC-USDT-SWAP",
                "position": "long",
                "price": 58000.0,
                "quantity": 2.5,
                "notional_usd": 145_000.0,
                "exchange_ns": NOW * 1_000_000,
                "flags": SAMPLED,
            },
        ),
    ),
    Case(
        "liquidation of a short",
        (
            SUBSCRIBED,
            liquidations(b"MINA-USDT-SWAP", order(b"buy", b"short", b"10975", b"0.09859", NOW)),
        ),
        "liquidation",
        ({"position": "short", "quantity": 10975.0, "notional_usd": 1082.02525},),
    ),
    Case(
        "in net mode the forced order decides: sell closes a long, buy a short",
        (
            SUBSCRIBED,
            liquidations(
                SWAP,
                order(b"sell", b"net", b"1", b"58000", NOW),
                order(b"buy", b"net", b"2", b"58000", NOW),
                order(b"buy", b"", b"3", b"58000", NOW),
            ),
        ),
        "liquidation",
        ({"position": "long"}, {"position": "short"}, {"position": "short"}),
    ),
    Case(
        "posSide decides where it is given",
        (SUBSCRIBED, liquidations(SWAP, order(b"buy", b"long", b"1", b"58000", NOW))),
        "liquidation",
        ({"position": "long"},),
    ),
    Case(
        "liquidation of an inverse swap: 5 contracts are 500 USD",
        (SUBSCRIBED, liquidations(b"BTC-USD-SWAP", order(b"sell", b"long", b"5", b"50000", NOW))),
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
            SUBSCRIBED,
            liquidations(SWAP, order(b"sell", b"long", b"250", b"58000", NOW)),
            liquidations(
                SWAP,
                order(b"sell", b"long", b"250", b"58000", NOW),
                order(b"sell", b"long", b"251", b"58000", NOW),
            ),
        ),
        "liquidation",
        ({"quantity": 2.51},),
    ),
    Case(
        "swaps we do not follow come in the same stream",
        (SUBSCRIBED, liquidations(b"CNPY-USDT-SWAP", order(b"buy", b"short", b"1", b"0.4", NOW))),
        "ignored",
        (),
    ),
)
