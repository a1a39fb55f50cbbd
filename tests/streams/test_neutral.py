"""Where venues' funding rests, against what they have settled."""

import csv
import gzip
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from streams.neutral import NEUTRAL_8H, neutral_8h

USUAL = 1e-4
HOURLY = {"dydx", "hyperliquid", "kraken", "lighter"}
OURS = {"binance": "binance_usdm", "kraken": "kraken_perp"}


@pytest.fixture(scope="module")
def settled(shared_data: Path) -> dict[str, list[float]]:
    """Return rates per 8 hours by venue, of contracts that settle as their venue usually does."""
    rates: dict[str, list[float]] = defaultdict(list)
    for file in sorted(shared_data.glob("history/*/multi_venue_funding.csv.gz")):
        with gzip.open(file, "rt") as lines:
            for row in csv.DictReader(lines):
                if row["coin"] != "HYPE":  # each 4 hours on some venues
                    hours = 1 if row["venue"] in HOURLY else 8
                    rates[row["venue"]].append(float(row["funding_rate"]) * 8 / hours)
    return rates


@pytest.mark.parametrize("venue", ["binance", "bybit", "dydx", "hyperliquid", "lighter", "okx"])
def test_rates_rest_at_the_neutral_level(settled: dict[str, list[float]], venue: str) -> None:
    cut = 5e-6  # Lighter is recorded with four digits of a percent an hour
    common, times = Counter(round(rate / cut) for rate in settled[venue]).most_common(1)[0]
    assert common * cut == pytest.approx(neutral_8h(OURS.get(venue, venue), USUAL), abs=1.01 * cut)
    assert times > 0.1 * len(settled[venue])


def test_krakens_rates_rest_nowhere(settled: dict[str, list[float]]) -> None:
    cut = 5e-6
    rates = settled["kraken"]
    assert sum(abs(rate - USUAL) < cut / 2 for rate in rates) < 0.1 * len(rates)
    assert neutral_8h("kraken_perp", USUAL) == 0.0


def test_only_named_venues_differ_from_the_configured_rate() -> None:
    assert NEUTRAL_8H == {"deribit": 0.0, "dydx": 0.0, "kraken_perp": 0.0}
    assert neutral_8h("a venue of tomorrow", 3e-5) == 3e-5
