"""Our rows against an answer key that others wrote, message by message.

The key is that of tardis-node: raw messages of the venues beside the records its authors expect. Every
message is either matched in all that the key says of it, or stands in `UNCOVERED` with the reason. Where
the key and we differ on purpose, `_LIQUIDATION_PRICE` and `_SIDES_IN_KEY` say how.

`lines` is all a report needs; the test only demands that no line is wrong.
"""

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from service.venue import Decoder, VenueError
from service.venues.registry import VENUES
from streams.events import RowBuffer
from streams.instruments import Instrument, instrument
from tests.service.venues.cases import RECEIVED_NS, differences, rows_of, same

Outcome = Literal["matched", "uncovered", "wrong"]

#: File of the key, by our venue.
FILES: Final = {"binance_usdm": "binance-futures", "bybit": "bybit", "okx": "okx-swap"}


class Line(NamedTuple):
    """What became of one message."""

    venue: str
    message: str
    outcome: Outcome
    detail: str


def _contract(venue: str, symbol: str, coin: str, quote: str = "USDT", **rest: Any) -> Instrument:
    return instrument(venue=venue, symbol=symbol, underlying=coin, quote=quote, **rest)


INSTRUMENTS: Final[Mapping[str, dict[str, Instrument]]] = {
    venue: {spec.symbol: spec for spec in specs}
    for venue, specs in {
        "binance_usdm": (
            _contract("binance_usdm", "BTCUSDT", "BTC"),
            _contract("binance_usdm", "ETHUSDT", "ETH"),
            _contract("binance_usdm", "XRPUSDT", "XRP"),
            _contract("binance_usdm", "MANTAUSDT", "MANTA"),
        ),
        "bybit": (
            _contract("bybit", "BTCUSD", "BTC", "USD", contract_type="inverse"),
            _contract("bybit", "BTCUSDT", "BTC"),
            _contract("bybit", "LTCUSDT", "LTC"),
            _contract("bybit", "PIPPINUSDT", "PIPPIN"),
            _contract("bybit", "STRKUSDT", "STRK"),
            _contract("bybit", "ADAUSDT", "ADA"),
        ),
        "okx": (
            _contract("okx", "BTC-USDT-SWAP", "BTC", contract_size="0.01"),
            _contract("okx", "WNCG-USDT-SWAP", "WNCG", contract_size="1"),
            _contract("okx", "SOS-USDT-SWAP", "SOS", contract_size="1000"),
            _contract("okx", "MINA-USDT-SWAP", "MINA", contract_size="1"),
        ),
    }.items()
}

_BOOK: Final = "order books are no input"
_OLD_BYBIT: Final = "format of before v5, retired"
_OLD_OKX: Final = "format of before v5, retired"
_FUTURE: Final = "a dated future, not a perpetual"

#: What is not covered, and why. An entry that turns out to be covered is an error as well.
UNCOVERED: Final[Mapping[tuple[str, str], str]] = {
    ("binance_usdm", "messages/2"): "24 h statistics are no input",
    ("binance_usdm", "messages/4"): "24 h statistics are no input",
    ("binance_usdm", "messages/6"): _BOOK,
    ("binance_usdm", "messages/7"): "made by tardis, not by the venue: a REST order book",
    ("binance_usdm", "messages/8"): _BOOK,
    (
        "binance_usdm",
        "messages/9",
    ): "made by tardis, not by the venue: its REST poll of open interest",
    ("binance_usdm", "messages/11"): "a fill of the insurance fund is not the tape",
    ("binance_usdm", "messages/14"): _FUTURE,
    ("binance_usdm", "messages/15"): _BOOK,
    **{("bybit", f"messages/{n}"): _OLD_BYBIT for n in range(2, 23)},
    ("bybit", "messages/1"): "an ack",
    **{("bybit", f"messagesIncludingOrderBook200/{n}"): _OLD_BYBIT for n in range(1, 17)},
    **{("bybit", f"messagesV5/{n}"): _BOOK for n in (3, 4, 5, 6, 14)},
    ("bybit", "messagesV5/9"): _FUTURE,
    ("bybit", "messagesV5/10"): _FUTURE,
    ("bybit", "messagesV5/12"): "topic `liquidation`, replaced by `allLiquidation` in 2025-02",
    ("bybit", "messagesV5/13"): "topic `liquidation`, replaced by `allLiquidation` in 2025-02",
    **{("okx", f"messages/{n}"): _OLD_OKX for n in range(1, 10)},
    ("okx", "okexSwapV5Messages/1"): _BOOK,
    ("okx", "okexSwapV5Messages/4"): "last price and best quotes are no input",
    ("okx", "okexSwapV5Messages/5"): "an index before any mark: it is in the row of message 6",
    ("okx", "okexSwapV5Messages/8"): "funding without a rate",
    ("okx", "okexSwapV5Messages/9"): _BOOK,
    ("okx", "okexV5WithBookTickerMessages/1"): _BOOK,
    ("okx", "okexV5WithBookTickerMessages/2"): "last price and best quotes are no input",
    ("binance_usdm", "live/4"): _BOOK,
    ("bybit", "live/5"): "a delta without its snapshot",
    ("bybit", "live/6"): "a delta without its snapshot",
    ("bybit", "live/7"): "a pong",
    ("binance_coinm", "live/13"): "COIN-M is another venue",
}

#: Messages of which the key says nothing, or not what we read: computed by hand.
BY_HAND: Final[Mapping[tuple[str, str], tuple[dict[str, Any], ...]]] = {
    ("binance_usdm", "messages/1"): (
        {"taker": "buy", "price": 10223.74, "quantity": 0.236, "notional_usd": 2412.80264},
    ),
    ("bybit", "messagesV5/15"): (
        {"position": "short", "quantity": 2846.0, "price": 0.02456, "notional_usd": 69.89776},
    ),
    ("bybit", "live/1"): (
        {"position": "long", "quantity": 2084.9, "price": 0.05165, "notional_usd": 107.685085},
    ),
    ("binance_usdm", "live/2"): (
        {"position": "short", "quantity": 127.2, "price": 1.4912, "notional_usd": 189.68064},
    ),
    ("binance_usdm", "live/3"): (
        {"position": "long", "quantity": 2049.1, "price": 0.0722187, "notional_usd": 147.98333817},
    ),
    ("binance_usdm", "live/8"): (
        {"position": "short", "quantity": 0.001, "price": 83598.5, "notional_usd": 83.5985},
    ),
    ("binance_usdm", "live/9"): (
        {"taker": "sell", "quantity": 0.004, "notional_usd": 341.1996, "sequence": 3476312671},
    ),
    ("binance_usdm", "live/10"): (
        {"mark_price": 85296.6026087, "index_price": 85345.93826087},
        {"rate": 0.00000523, "next_funding_ns": 1_791_273_600_000_000_000},
    ),
    ("binance_usdm", "live/11"): (
        {"mark_price": 84551.10762319, "index_price": 84590.87304348},
        {"rate": 0.00000801, "next_funding_ns": 1_790_553_600_000_000_000},
    ),
    ("binance_usdm", "live/12"): (
        {"taker": "buy", "quantity": 0.03, "notional_usd": 2536.533, "sequence": 3466782974},
    ),
    ("okx", "live/14"): (
        {"position": "short", "quantity": 10975.0, "price": 0.09859, "notional_usd": 1082.02525},
    ),
    ("bybit", "live/15"): (
        {"position": "short", "quantity": 13248.0, "price": 0.1915, "notional_usd": 2536.992},
    ),
}

#: The key gives a Binance liquidation the order's limit `p`; we take `ap`, at which it was filled.
_LIQUIDATION_PRICE: Final = {"binance_usdm": "ap"}
#: The key copies Bybit's open interest, which counts both sides.
_SIDES_IN_KEY: Final = {"bybit": 2.0}


def _nanoseconds(text: str) -> int:
    moment = dt.datetime.fromisoformat(text)
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (moment - epoch) // dt.timedelta(microseconds=1) * 1000


def _contracts(row: Mapping[str, Any], spec: Instrument) -> float:
    """Return a row's size as the venue, and the key, write it."""
    amount = row["quantity"] if spec.contract_type == "linear" else row["notional_usd"]
    return float(amount * spec.size_denominator / spec.size_numerator)


def _expected(
    venue: str, record: Mapping[str, Any], row: Mapping[str, Any], raw: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what the key's record demands of one of our rows, in the row's names."""
    match row["kind"]:
        case "trade":
            want = {"taker": record["side"], "price": float(record["price"])}
            if venue != "bybit":  # its ids are no numbers
                want["sequence"] = int(record["id"])
        case "liquidation":
            forced = {"sell": "long", "buy": "short"}[record["side"]]
            want = {"position": forced, "price": float(record["price"])}
            if venue in _LIQUIDATION_PRICE:
                want["price"] = float(raw["data"]["o"][_LIQUIDATION_PRICE[venue]])
        case "mark":
            index = record["indexPrice"]
            return {
                "mark_price": float(record["markPrice"]),
                "index_price": float("nan") if index is None else float(index),
            }
        case "funding":
            return {
                "rate": float(record["fundingRate"]),
                "next_funding_ns": _nanoseconds(record["fundingTimestamp"]),
            }
        case _:
            return {}
    return {**want, "exchange_ns": _nanoseconds(record["timestamp"])}


def _amount(venue: str, record: Mapping[str, Any], row: Mapping[str, Any]) -> float | None:
    """Return the size that the key's record demands, in contracts; None where a row has none."""
    if row["kind"] in {"trade", "liquidation"}:
        return float(record["amount"])
    if row["kind"] == "open_interest":
        return float(record["openInterest"]) / _SIDES_IN_KEY.get(venue, 1.0)
    return None


_RECORD_OF: Final = {"trade": "trade", "liquidation": "liquidation"}


def _pairs(
    rows: list[dict[str, Any]], key: list[dict[str, Any]]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield our rows with the record each must agree with, events one to one and in order."""
    for kind in ("trade", "liquidation"):
        ours = [row for row in rows if row["kind"] == kind]
        yield from zip(ours, [record for record in key if record["type"] == kind], strict=True)
    tickers = [record for record in key if record["type"] == "derivative_ticker"]
    for row in rows:
        if row["kind"] not in _RECORD_OF:
            yield row, tickers[0]


def _against_key(
    venue: str, rows: list[dict[str, Any]], key: list[dict[str, Any]], raw: Mapping[str, Any]
) -> list[str]:
    found = []
    for row, record in _pairs(rows, key):
        spec = INSTRUMENTS[venue][row["symbol"]]
        if record["symbol"] != row["symbol"]:
            found.append(f"symbol {row['symbol']}, key {record['symbol']}")
        found += differences(_expected(venue, record, row, raw), row)
        want = _amount(venue, record, row)
        if want is not None and not same(want, _contracts(row, spec)):
            found.append(f"{row['kind']} of {_contracts(row, spec)} contracts, key {want}")
    return found


def _judge(
    where: tuple[str, str],
    rows: list[dict[str, Any]],
    key: list[dict[str, Any]],
    raw: Mapping[str, Any],
) -> tuple[Outcome, str]:
    if where in UNCOVERED:
        return (
            ("wrong", "listed as uncovered but gave rows")
            if rows
            else ("uncovered", UNCOVERED[where])
        )
    if not rows:
        return "wrong", "no rows, and not listed as uncovered"
    by_hand = BY_HAND.get(where)
    if by_hand is not None:
        found = [] if len(rows) == len(by_hand) else [f"{len(rows)} rows, by hand {len(by_hand)}"]
        for want, row in zip(by_hand, rows, strict=False):
            found += differences(want, row)
    else:
        try:
            found = _against_key(where[0], rows, key, raw)
        except (ValueError, IndexError, TypeError) as error:
            found = [f"rows and key do not pair: {error}"]
    return (
        ("wrong", "; ".join(found))
        if found
        else ("matched", ", ".join(row["kind"] for row in rows))
    )


def _message(
    where: tuple[str, str], raw: Mapping[str, Any], key: list[dict[str, Any]], decoder: Decoder
) -> Line:
    venue = where[0] if where[0] in VENUES else "binance_usdm"
    out = RowBuffer()
    refused = ""
    try:
        decoder.decode(json.dumps(raw, separators=(",", ":")).encode(), RECEIVED_NS, out)
    except VenueError as error:
        refused = f" ({error})"
    outcome, detail = _judge(where, rows_of(out, INSTRUMENTS[venue]), key, raw)
    return Line(where[0], where[1], outcome, detail + refused)


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line]


def lines(shared_data: Path) -> Iterator[Line]:
    """Yield what became of every message of the key and of the newest recorded frames."""
    for venue, file in FILES.items():
        decoders: dict[str, Decoder] = {}
        for record in _read(shared_data / "raw" / "tardis_fixtures" / f"{file}.jsonl"):
            group = record["set"]
            decoder = decoders.setdefault(group, VENUES[venue].decoder(INSTRUMENTS[venue]))
            where = venue, f"{group}/{record['seq']}"
            yield _message(where, record["raw"], record["tardis_normalized"], decoder)
    recorded = _read(shared_data / "raw" / "live_frames_2026" / "frames.jsonl")
    for number, record in enumerate(recorded, start=1):
        venue = record["venue"] if record["venue"] in VENUES else "binance_usdm"
        decoder = VENUES[venue].decoder(INSTRUMENTS[venue])
        yield _message((record["venue"], f"live/{number}"), record["raw"], [], decoder)
