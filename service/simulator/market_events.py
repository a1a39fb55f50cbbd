"""What happens in a simulated market, before any venue has put it into its own words."""

import msgspec


class Trade(msgspec.Struct, frozen=True, gc=False):
    """A trade. `taker` is 1 for a buyer, -1 for a seller; price USD, quantity coin."""

    contract: int
    time_ns: int
    number: int  # counts up by one for each contract
    price: float
    quantity: float
    taker: int


class Tick(msgspec.Struct, frozen=True, gc=False):
    """All levels of a contract at one moment: prices USD, open interest coin, one side."""

    contract: int
    time_ns: int
    mark: float
    index: float
    mid: float
    last: float
    premium: float  # of the mid over the index
    funding_rate: float  # predicted for `next_funding_ns`, decimal per eight hours
    next_funding_ns: int
    open_interest: float


class Liquidation(msgspec.Struct, frozen=True, gc=False):
    """A forced close. `position` is 1 for a long that was sold, -1 for a short that was bought."""

    contract: int
    time_ns: int
    position: int
    quantity: float
    fill_price: float
    bankruptcy_price: float


class Settlement(msgspec.Struct, frozen=True, gc=False):
    """Funding was paid: `rate` decimal per eight hours, `mark` the price it was paid on."""

    contract: int
    time_ns: int
    rate: float
    mark: float


MarketEvent = Trade | Tick | Liquidation | Settlement
