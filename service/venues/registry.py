"""The venues there are. A new one is a module with `service.venue.Venue`'s names, and a line here."""

from typing import Final

from service.venue import Venue
from service.venues import binance_usdm, bybit, okx

VENUES: Final[dict[str, Venue]] = {
    "binance_usdm": binance_usdm,
    "bybit": bybit,
    "okx": okx,
}
