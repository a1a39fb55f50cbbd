"""Coverage of trade feeds: by open interest for perpetuals, by number for spot, by heartbeats for both."""

import math
from typing import Any

import numpy as np
import pytest

from streams.events import Channel
from streams.groups import Group
from streams.indicators import feeds
from streams.state import CONTRACT

S = 1_000_000_000
NOW = 1_000 * S


def contracts(groups: tuple[Group, ...], usd: tuple[float, ...]) -> Any:
    """Return contracts whose feeds are all up."""
    made = np.zeros(len(groups), CONTRACT)
    made["feed"]["group"] = groups
    made["feed"]["heartbeat_ns"], made["feed"]["channels"] = NOW - 5 * S, int(Channel.ALL)
    made["open_interest"]["weight"]["mean"] = usd
    made["open_interest"]["weight"]["observed_s"] = np.array(usd) > 0.0
    return made


def test_perpetuals_count_by_open_interest() -> None:
    c = contracts((Group.OFFSHORE_PERP,) * 3, (6e9, 3e9, 1e9))
    members = np.arange(3)
    assert feeds.perp_coverage(c, members, 3, NOW, 15.0) == 1.0
    c["feed"]["channels"][1] = int(Channel.ALL & ~Channel.TRADE)
    assert feeds.perp_coverage(c, members, 3, NOW, 15.0) == pytest.approx(0.7)
    c["feed"]["heartbeat_ns"][0] = NOW - 16 * S
    assert feeds.perp_coverage(c, members, 3, NOW, 15.0) == pytest.approx(0.1)
    assert feeds.perp_coverage(c, members, 3, NOW + 11 * S, 15.0) == 0.0
    c = contracts((Group.ONCHAIN_PERP,) * 2, (0.0, 0.0))
    c["feed"]["heartbeat_ns"][0] = 0
    assert feeds.perp_coverage(c, members, 2, NOW, 15.0) == pytest.approx(0.5)


def test_spot_counts_by_market_and_regulated_futures_do_not() -> None:
    groups = (Group.SPOT_US, Group.REGULATED_FUTURES, Group.SPOT_OFFSHORE)
    c, beside = contracts(groups, (0.0, 0.0, 0.0)), np.arange(3)
    assert feeds.spot_coverage(c, beside, 3, NOW, 15.0) == 1.0
    c["feed"]["channels"][1:] = 0
    assert feeds.spot_coverage(c, beside, 3, NOW, 15.0) == 0.5
    assert math.isnan(feeds.spot_coverage(c, beside[1:2], 1, NOW, 15.0))
    assert math.isnan(feeds.spot_coverage(c, beside, 0, NOW, 15.0))
