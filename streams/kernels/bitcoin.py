"""Bitcoin's supply in closed form from the height of its chain, and the height from the time.

The reward halves every 210,000 blocks, so the first h blocks created the sum of ``min(h_era, 210000) * 50
/ 2^era`` coins. Heights between the halvings that have been, whose moments are known, are interpolated.
After the last one a block is taken to come every 10 minutes, which is what the difficulty aims at. The era
up to 2024 ran 1.3 % faster than that and the one before 4 %: after two years at 4 % the height would be
off by 4,200 blocks and the supply by 13,000 coins, 0.07 %.
"""

from typing import Final

import numpy as np

from streams.kernels.jit import NS_PER_S, kernel

BLOCKS_AN_ERA: Final = 210_000
FIRST_REWARD: Final = 50.0
BLOCK_S: Final = 600.0
#: When eras began, in seconds since 1970: 2009-01-03, 2012-11-28, 2016-07-09, 2020-05-11 and 2024-04-20.
ERA_STARTS_S: Final = np.array([
    1_231_006_505.0, 1_354_116_278.0, 1_468_082_773.0, 1_589_225_023.0, 1_713_571_767.0,
])  # fmt: skip


@kernel
def bitcoin_at(height: float) -> float:
    """Return the coins created by the blocks below `height`.

    >>> bitcoin_at(840_000.0), bitcoin_at(930_000.0)
    (19687500.0, 19968750.0)
    """
    coins, reward = 0.0, FIRST_REWARD
    while height > 0.0:
        coins += min(height, BLOCKS_AN_ERA) * reward
        height -= BLOCKS_AN_ERA
        reward *= 0.5
    return coins


@kernel
def bitcoin_height(time_ns: int) -> float:
    """Return about how many blocks Bitcoin's chain had at `time_ns`.

    >>> bitcoin_height(1_713_571_767 * NS_PER_S), bitcoin_height(1_713_572_367 * NS_PER_S)
    (840000.0, 840001.0)
    """
    now_s = time_ns / NS_PER_S
    last = ERA_STARTS_S.size - 1
    if now_s >= ERA_STARTS_S[last]:
        return last * BLOCKS_AN_ERA + (now_s - ERA_STARTS_S[last]) / BLOCK_S
    for era in range(last, 0, -1):
        start, end = ERA_STARTS_S[era - 1], ERA_STARTS_S[era]
        if now_s >= start:
            return (era - 1 + (now_s - start) / (end - start)) * BLOCKS_AN_ERA
    return 0.0
