"""Durations counted in bins that grow by a tenth, so that any quantile is right within 5 %."""

import math
from collections.abc import Mapping

GROWTH = 1.1
SHORTEST_MS = 0.1
"""What is shorter counts as this."""
ERROR = math.sqrt(GROWTH) - 1
"""How far a quantile may be from the duration it stands for, as a share of it."""


def bin_of(duration_ms: float) -> int:
    return math.floor(math.log(max(duration_ms, SHORTEST_MS)) / math.log(GROWTH))


def duration_of(number: int) -> float:
    """The middle of a bin in milliseconds, where its two ends are equally far in proportion."""
    return math.pow(GROWTH, number + 0.5)


def quantile(bins: Mapping[str, int], share: float) -> float | None:
    """The duration that this share of all does not exceed. None where there are none.

    Args:
        bins: how many by the number of the bin, as text, which is what a key of JSON is.
        share: between 0 and 1, 0.95 for p95.
    """
    return quantiles(bins, share)[0]


def quantiles(bins: Mapping[str, int], *shares: float) -> list[float | None]:
    """The same for several shares, the smallest first."""
    ordered = sorted((int(number), count) for number, count in bins.items())
    total = sum(bins.values())
    found: list[float | None] = []
    reached, following = 0, iter(ordered)
    number = 0
    for share in shares:
        wanted = max(1, math.ceil(share * total))
        while reached < wanted:
            try:
                number, count = next(following)
            except StopIteration:
                return [*found, *[None] * (len(shares) - len(found))]
            reached += count
        found.append(duration_of(number))
    return found
