"""Boundaries with no more digits than their column holds."""

from __future__ import annotations

import math

import numpy as np

from cutflow_cli.selection.cut import Cut


def shortest(value: float, dtype: str) -> str:
    """Write a number with the fewest digits that name it among those of its type: 68.34, not 68.33999633789062.

    Args:
        value: a number that the type can hold.
        dtype: `float32` or wider.

    Returns:
        Digits, without exponent where at most 16 stand before the point or four zeros behind it.
    """
    number = np.float32(value) if dtype == "float32" else np.float64(value)
    if not math.isfinite(value):
        return repr(float(value))
    if value and not 1e-5 <= abs(value) < 1e16:
        return np.format_float_scientific(number, unique=True, trim="-", exp_digits=1)
    return np.format_float_positional(number, unique=True, trim="-")


def plain_cut(cut: Cut, dtype: str) -> str:
    """Write a cut for people, each boundary by its shortest digits."""
    return cut.text(lambda edge: shortest(edge, dtype))


def significant(error: float) -> str:
    """Write an error with two digits, without exponent where that is short."""
    return f"{float(f'{error:.1e}'):.15g}"
