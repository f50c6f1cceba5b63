"""Numbers for people: as many digits as their errors bear."""

from __future__ import annotations

import math

from cutflow_cli.selection.binned import BinnedCut
from cutflow_cli.selection.cut import Cut

#: Digits of an error that are printed (Particle Data Group: one or two).
ERROR_DIGITS = 2
#: Digits of a number whose error is not known, and of a boundary.
PLAIN_DIGITS = 6
_TOO_LARGE, _TOO_SMALL = 1e6, 1e-3


def with_errors(value: float, *errors: float | None, exact: bool = False) -> str:
    """Print a number with its errors, such as `34.3 ± 2.9` or `(6.8 ± 1.2)e-4`.

    The value is rounded to the second digit of its first error, each further error to its own second digit.

    Args:
        value: the number.
        errors: in order, for example statistical and over replicas; those that are None are left out.
        exact: do not round the value (numbers of events).
    """
    known = [error for error in errors if error is not None]
    largest = max(abs(value), *known) if known else abs(value)
    exponent = 0
    if not exact and largest and not _TOO_SMALL <= largest < _TOO_LARGE:
        exponent = math.floor(math.log10(largest))
    unit = 10.0**exponent
    leading = next((error for error in known if error > 0), None)
    shown = [f"{value:.{PLAIN_DIGITS}g}" if exact and value % 1 else f"{value:.0f}" if exact else ""]
    if not exact:
        shown = [f"{value / unit:.{PLAIN_DIGITS}g}" if leading is None else rounded(value / unit, leading / unit)]
    shown += [rounded(error / unit, error / unit) for error in known]
    text = " ± ".join(shown)
    if not exponent:
        return text
    return f"({text})e{exponent}" if known else f"{text}e{exponent}"


def compact(value: float, error: float | None, spread: float | None = None) -> str:
    """Print a number with its error for a crowded table, such as `0.713±0.006`, or `(6.8±1.2)e-4`.

    The error has one digit, two where the first is a 1.

    Args:
        value: the number.
        error: its error; None or 0 for a number of four digits without one.
        spread: a further error, printed to the last digit of the first.
    """
    if not error:
        return f"{value:.4g}"
    exponent = 0
    if not _TOO_SMALL <= max(abs(value), error) < _TOO_LARGE:
        exponent = math.floor(math.log10(max(abs(value), error)))
    leading = f"{error / 10.0**exponent:.1e}"
    decimals = (1 if leading.startswith("1") else 0) - math.floor(math.log10(float(leading)))
    parts = [part / 10.0**exponent for part in (value, error, spread) if part is not None]
    text = "±".join(f"{round(part, decimals):.{max(decimals, 0)}f}" for part in parts)
    return f"({text})e{exponent}" if exponent else text


def plain(value: float) -> str:
    """Print a number without an error: about three digits, whole from 100 on."""
    if not 0.1 <= abs(value) < _TOO_LARGE:
        return f"{value:.3g}"
    return f"{value:.{max(2 - math.floor(math.log10(abs(value))), 0) if abs(value) >= 1 else 3}f}"


def effective(events: float | None) -> str:
    """Print an effective number of events; a dash for none."""
    return "–" if events is None else f"{events:.{1 if events < 100 else 0}f}"


def rounded(value: float, error: float) -> str:
    """Print a value rounded to the last printed digit of an error."""
    if error == 0:
        return f"{value:.{PLAIN_DIGITS}g}"
    decimals = ERROR_DIGITS - 1 - math.floor(math.log10(float(f"{error:.{ERROR_DIGITS - 1}e}")))
    return f"{round(value, decimals):.{max(decimals, 0)}f}"


def short_cut(cut: Cut) -> str:
    """Print a cut with boundaries of a few digits; with all digits where fewer would say something else.

    Of a cut in bins the range of its boundaries.
    """

    def shorten(value: float | None) -> float | None:
        return None if value is None else float(f"{value:.{PLAIN_DIGITS}g}")

    if isinstance(cut, BinnedCut):
        return cut.brief(lambda value: repr(float(f"{value:.{PLAIN_DIGITS}g}")))
    lower, upper = shorten(cut.lower), shorten(cut.upper)
    if lower is not None and upper is not None and cut.lower != cut.upper and lower >= upper:
        return str(cut)
    return cut.text(lambda value: repr(float(f"{value:.{PLAIN_DIGITS}g}")))
