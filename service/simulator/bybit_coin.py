"""Bybit v5's inverse contracts, which speak as the linear ones do: sizes and open interest are dollars."""

from typing import ClassVar

from service.simulator.bybit import Bybit
from service.simulator.bybit_rest import Category


class BybitCoin(Bybit):
    """The face of Bybit's inverse category."""

    name: ClassVar[str] = "bybit_coin"
    category: ClassVar[Category] = "inverse"
