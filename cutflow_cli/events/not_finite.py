"""What a user is told of values that are no finite numbers, wherever they are met."""

from __future__ import annotations


def count_not_finite(missing: int, infinite: int) -> str:
    """Count them: `3 missing (NaN) and 2 infinite values`."""
    counts = [f"{n} {what}" for n, what in ((missing, "missing (NaN)"), (infinite, "infinite")) if n]
    return f"{' and '.join(counts)} value{'s' * (missing + infinite != 1)}"


def what_cuts_do(missing: int, infinite: int) -> str:
    """Say what cuts do with those that there are, as `Cut.mask` has it: IEEE 754, but NaN passes no cut."""
    parts = ["missing ones fail every cut on it"] * (missing > 0)
    parts += ["+∞ is above every boundary, −∞ below"] * (infinite > 0)
    return ", ".join(parts)
