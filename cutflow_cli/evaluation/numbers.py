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
#: Errors below this share of what a number is known to are what computers make of no error, and printed as 0.
_NOISE = 1e-3
#: Share of a value that is not known better in any event: a few digits above double precision.
_PRECISION = 1e-13
#: Errors below this are printed as `2.5e-6`, where they do not set the digits of the value.
_SMALL_ERROR = 1e-4


def with_errors(value: float, *errors: float | None, exact: bool = False) -> str:
    """Print a number with its errors, such as `34.3 ± 2.9` or `(6.8 ± 1.2)e-4`.

    The value is rounded to the second digit of its first error, each further error to its own second digit. An error
    that is nothing beside the value or the first error, by how computers count, is 0.

    Args:
        value: the number.
        errors: in order, for example statistical and over replicas; those that are None are left out.
        exact: do not round the value (numbers of events).
    """
    known = _without_noise(value, [error for error in errors if error is not None])
    largest = max(abs(value), *known) if known else abs(value)
    exponent = 0
    if not exact and largest and not _TOO_SMALL <= largest < _TOO_LARGE:
        exponent = math.floor(math.log10(largest))
    unit = 10.0**exponent
    leading = next((error for error in known if error > 0), None)
    shown = [f"{value:.{PLAIN_DIGITS}g}" if exact and value % 1 else f"{value:.0f}" if exact else ""]
    if not exact:
        shown = [f"{value / unit:.{PLAIN_DIGITS}g}" if leading is None else rounded(value / unit, leading / unit)]
    digits = known.index(leading) if leading is not None else -1
    shown += [
        rounded(error / unit, error / unit) if number == digits else _alone(error / unit)
        for number, error in enumerate(known)
    ]
    text = " ± ".join(shown)
    if not exponent:
        return text
    return f"({text})e{exponent}" if known else f"{text}e{exponent}"


def compact(value: float, error: float | None, spread: float | None = None) -> str:
    """Print a number with its error for a crowded table, such as `0.7131±0.0059`, or `(6.8±1.2)e-4`.

    Rounded as `with_errors` does, so that a number is the same in all tables.

    Args:
        value: the number.
        error: its error; None or 0 for a number of four digits without one.
        spread: a further error, printed to the last digit of the first.
    """
    if not error or error < _PRECISION * abs(value):
        return f"{value:.4g}"
    exponent = 0
    if not _TOO_SMALL <= max(abs(value), error) < _TOO_LARGE:
        exponent = math.floor(math.log10(max(abs(value), error)))
    decimals = _decimals(error / 10.0**exponent)
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
    decimals = _decimals(error)
    return f"{round(value, decimals):.{max(decimals, 0)}f}"


def error_alone(error: float, value: float | None) -> str:
    """Print the error of a number that stands elsewhere with `PLAIN_DIGITS` digits; 0 below half the last of them.

    Args:
        error: at least 0.
        value: the number; None where it is not known.
    """
    if value and math.isfinite(value) and error < 0.5 * 10.0 ** (math.floor(math.log10(abs(value))) + 1 - PLAIN_DIGITS):
        return "0"
    return _alone(error)


def _alone(error: float) -> str:
    """Print an error that sets the digits of nothing else."""
    if 0 < error < _SMALL_ERROR:
        mantissa, exponent = f"{error:.{ERROR_DIGITS - 1}e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    return rounded(error, error)


def _without_noise(value: float, errors: list[float]) -> list[float]:
    """Set errors to 0 that are far below what the value is known to."""
    least = _PRECISION * abs(value)
    leading = next((error for error in errors if error > least), 0.0)
    least = max(least, _NOISE * 10.0 ** -_decimals(leading)) if leading else least
    return [error if error == leading or error > least else 0.0 for error in errors]


def _decimals(error: float) -> int:
    """Return the decimals of a number with an error, negative where digits before the point are rounded."""
    return ERROR_DIGITS - 1 - math.floor(math.log10(float(f"{error:.{ERROR_DIGITS - 1}e}")))


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
