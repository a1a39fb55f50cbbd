"""Frames as the venues document them, and what each must become, computed by hand.

A case is frames fed in order to one new decoder; `rows` are what the last of them must write. The check is
plain Python, so that the mutation test can run it against mutated modules.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from service.venue import Venue, VenueError
from streams.events import RowBuffer, block_rows, row_to_dict
from streams.instruments import Instrument, instrument

HOUR_NS = 3_600_000_000_000
RECEIVED_NS = 1_791_269_850_000_000_000
NAN = float("nan")


class Case(NamedTuple):
    """Frames for one decoder, and what the last one must become."""

    name: str
    frames: tuple[bytes, ...]
    says: str
    rows: tuple[dict[str, Any], ...]


def _listed(venue: str, *specs: tuple[str, str, str, dict[str, Any]]) -> dict[str, Instrument]:
    return {
        symbol: instrument(venue=venue, symbol=symbol, underlying=coin, quote=quote, **rest)
        for symbol, coin, quote, rest in specs
    }


EIGHT_HOURS: dict[str, Any] = {"funding_interval_ns": 8 * HOUR_NS}
INSTRUMENTS: Mapping[str, dict[str, Instrument]] = {
    "binance_usdm": _listed(
        "binance_usdm",
        ("BTCUSDT", "BTC", "USDT", EIGHT_HOURS),
        ("ETHUSDT", "ETH", "USDT", EIGHT_HOURS),
        ("XRPUSDT", "XRP", "USDT", {"funding_interval_ns": 4 * HOUR_NS}),
        ("MANTAUSDT", "MANTA", "USDT", {}),
        ("1000PEPEUSDT", "PEPE", "USDT", {**EIGHT_HOURS, "coins_per_unit": 1000}),
    ),
    "bybit": _listed(
        "bybit",
        ("BTCUSDT", "BTC", "USDT", EIGHT_HOURS),
        ("BTCPERP", "BTC", "USDC", EIGHT_HOURS),
        ("BTCUSD", "BTC", "USD", {"contract_type": "inverse"}),
        ("1000PEPEUSDT", "PEPE", "USDT", {"coins_per_unit": 1000}),
        ("LTCUSDT", "LTC", "USDT", {}),
        ("PIPPINUSDT", "PIPPIN", "USDT", {}),
        ("STRKUSDT", "STRK", "USDT", {}),
        ("ADAUSDT", "ADA", "USDT", {}),
    ),
    "okx": _listed(
        "okx",
        ("BTC-USDT-SWAP", "BTC", "USDT", {"contract_size": "0.01"}),
        ("BTC-USDC-SWAP", "BTC", "USDC", {"contract_size": "0.0001"}),
        ("BTC-USD-SWAP", "BTC", "USD", {"contract_type": "inverse", "contract_size": "100"}),
        ("WNCG-USDT-SWAP", "WNCG", "USDT", {"contract_size": "1"}),
        ("SOS-USDT-SWAP", "SOS", "USDT", {"contract_size": "1000"}),
        ("MINA-USDT-SWAP", "MINA", "USDT", {"contract_size": "1"}),
    ),
}


def rows_of(out: RowBuffer, instruments: Mapping[str, Instrument]) -> list[dict[str, Any]]:
    """Return the rows of a buffer for people, the symbol in place of the id."""
    symbols = {spec.id: symbol for symbol, spec in instruments.items()}
    rows = [row_to_dict(row) for row in block_rows(bytes(out.view()))]
    for row in rows:
        row["symbol"] = symbols[row.pop("instrument")]
    return rows


def same(expected: object, actual: object) -> bool:
    """Compare, floats to 1e-12 and NaN equal to NaN."""
    if isinstance(expected, float) and isinstance(actual, int | float):
        if math.isnan(expected):
            return math.isnan(actual)
        return math.isclose(expected, actual, rel_tol=1e-12, abs_tol=0.0)
    return expected == actual


def differences(expected: dict[str, Any], actual: dict[str, Any]) -> list[str]:
    """Say in which of the expected fields a row differs."""
    return [
        f"{name}: expected {value!r}, got {actual.get(name)!r}"
        for name, value in expected.items()
        if not same(value, actual.get(name))
    ]


def problems(venue: Venue, name: str, case: Case) -> list[str]:
    """Run a case against a venue module; return what is wrong."""
    instruments = INSTRUMENTS[name]
    decoder = venue.decoder(instruments)
    out = RowBuffer()
    says = ""
    for frame in case.frames:
        out.clear()
        says = decoder.decode(frame, RECEIVED_NS, out)
    rows = rows_of(out, instruments)
    found = [] if says == case.says else [f"says {says}, expected {case.says}"]
    if len(rows) != len(case.rows):
        return [*found, f"{len(rows)} rows, expected {len(case.rows)}: {rows}"]
    for at, (expected, actual) in enumerate(zip(case.rows, rows, strict=True)):
        found += [f"row {at} {line}" for line in differences(expected, actual)]
    return found


def killed_by(venue: Venue, name: str, cases: Iterable[Case]) -> str | None:
    """Return the first case that notices something wrong with a module, None if none does."""
    for case in cases:
        try:
            if problems(venue, name, case):
                return case.name
        except VenueError:
            return case.name
    return None
