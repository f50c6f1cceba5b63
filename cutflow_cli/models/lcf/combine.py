"""How two logistic neurons on one observable become one cut (LCF paper, section 2.1).

An observable is divided at a centre c. A lower and an upper neuron each have a boundary, where their output crosses
the threshold, and a direction: -1 passes below the boundary, +1 above. These rules are written in plain scalar Python
so that the compiled kernel and the exported cut share them to the letter.
"""

from __future__ import annotations

import math

from cutflow_cli.selection.cut import Cut, Region

#: Codes of regions inside numerical code.
ALL, BELOW, ABOVE, INSIDE, OUTSIDE = range(5)
REGIONS = (Region.ALL, Region.BELOW, Region.ABOVE, Region.INSIDE, Region.OUTSIDE)


def boundary(weight: float, bias: float, logit_threshold: float) -> float:
    """Return where `sigmoid(weight * z + bias)` crosses the threshold, in the unit of z.

    A weight of zero has no crossing. Its neuron counts as one that passes below its boundary, so infinity is returned
    with the sign by which everything or nothing passes, as the constant output decides.
    """
    if weight == 0.0:
        return math.inf if bias > logit_threshold else -math.inf
    return (logit_threshold - bias) / weight


def combine(
    lower: float, upper: float, lower_above: bool, upper_above: bool, centre: float
) -> tuple[int, float, float]:
    """Combine two neurons into a region, by the rules of the paper as its implementation applies them.

    A neuron is valid if its boundary lies on its own side of the centre. Of one valid neuron the cut follows that one;
    two valid neurons that pass the same side follow the one that is inside, a lower neuron passing above with an upper
    one passing below is a window, the opposite an edge cut. Of two invalid neurons the one-sided cases stay as they
    are, and all else is the union of what they pass, which may be everything.

    Args:
        lower: boundary of the lower neuron, in any unit.
        upper: boundary of the upper neuron.
        lower_above: whether the lower neuron passes what is above its boundary.
        upper_above: the same for the upper neuron.
        centre: where the observable is divided.

    Returns:
        Region code, lower and upper boundary of the region (NaN where it has none).
    """
    nothing = math.nan
    lower_valid = lower < centre
    upper_valid = upper > centre if lower_valid else upper >= centre
    if lower_valid != upper_valid:
        one, above = (lower, lower_above) if lower_valid else (upper, upper_above)
        return (ABOVE, one, nothing) if above else (BELOW, nothing, one)
    if lower_above == upper_above:
        return (ABOVE, upper, nothing) if upper_above else (BELOW, nothing, lower)
    if lower_valid:
        return (INSIDE, lower, upper) if lower_above else (OUTSIDE, lower, upper)
    # Both invalid, so upper < centre <= lower: the union is an edge cut, or everything.
    return (OUTSIDE, upper, lower) if lower_above else (ALL, nothing, nothing)


def combine_by_side(
    lower: float, upper: float, lower_above: bool, upper_above: bool, centre: float
) -> tuple[int, float, float]:
    """Combine two neurons so that each decides about the events on its own side, which are those that it trained on.

    Where both neurons are valid this is `combine`. A neuron that is not valid keeps or rejects its side as a whole, and
    the centre becomes a boundary where the sides differ. The published rules instead ignore what such a neuron says:
    if the other neuron's boundary is beyond the data, they reject every event. Everything is kept where neither side is
    divided and both say the same.

    Args:
        lower: boundary of the lower neuron, in any unit.
        upper: boundary of the upper neuron.
        lower_above: whether the lower neuron passes what is above its boundary.
        upper_above: the same for the upper neuron.
        centre: where the observable is divided.

    Returns:
        Region code, lower and upper boundary of the region (NaN where it has none).
    """
    nothing = math.nan
    lower_valid, upper_valid = lower < centre, upper > centre
    first = lower if lower_valid else centre
    last = upper if upper_valid else centre
    if lower_above == upper_above:
        if upper_above:
            return (ABOVE, upper if upper_valid else first, nothing)
        return (BELOW, nothing, lower if lower_valid else last)
    if not (lower_valid or upper_valid):
        return (ALL, nothing, nothing)
    return (INSIDE, first, last) if lower_above else (OUTSIDE, first, last)


def to_cut(observable: str, code: int, lower: float, upper: float) -> Cut:
    """Turn a region code and boundaries into a `Cut`."""
    region = REGIONS[code]
    return Cut(
        observable, region, float(lower) if region.has_lower else None, float(upper) if region.has_upper else None
    )
