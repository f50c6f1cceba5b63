"""How figures look: one style for all of them, colours, and text that is safe to draw."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from cutflow_cli.evaluation.numbers import rounded
from cutflow_cli.events.schema import FeatureInfo
from cutflow_cli.plots.backend import Figure, MathTextParser, Text, font_manager, matplotlib
from cutflow_cli.plots.experiments import experiment_style
from cutflow_cli.plots.look import Look

#: petroff10 (M. A. Petroff, arXiv:2107.02270): told apart with any colour vision.
PETROFF = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip
SIGNAL, BACKGROUND, KEPT = PETROFF[2], PETROFF[0], PETROFF[7]
#: Colours and hatches of processes in stacks, without the colour of the signal; the last is for what is put together.
PROCESSES = (
    (PETROFF[0], ""), (PETROFF[1], "////"), (PETROFF[3], "...."), (PETROFF[4], "\\\\\\\\"), (PETROFF[9], "xxxx"),
    (PETROFF[5], "----"), (PETROFF[6], "||||"), (PETROFF[8], "++++"), ("#e6e6e6", "oo"),
)  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 1)), (0, (3, 1, 1, 1)))
LONGEST_NAME = 40
#: Decimal places beyond which a number is not written to the second digit of its error.
_MOST_PLACES = 6

_STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.labelsize": 10,
    "axes.linewidth": 0.8,
    "axes.titlesize": 10,
    "figure.dpi": 100,
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "hatch.linewidth": 0.6,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "mathtext.fontset": "dejavusans",
    "pdf.fonttype": 42,  # journals ask for TrueType, not Type 3
    "savefig.dpi": 150,
    "savefig.transparent": False,
    "xtick.direction": "in",
    "xtick.labelsize": 9,
    "xtick.minor.visible": True,
    "xtick.top": True,
    "ytick.direction": "in",
    "ytick.labelsize": 9,
    "ytick.minor.visible": True,
    "ytick.right": True,
}


def colour_and_marker(position: int) -> tuple[str, str]:
    """Return what tells one of many from the others: ten colours, with other markers each time these come again.

    Args:
        position: of the one, from 0; the first hundred all differ.
    """
    turns, colour = divmod(position, len(PETROFF))
    return PETROFF[colour], MARKERS[(colour + turns) % len(MARKERS)]


@contextmanager
def figure_style(look: Look | None = None) -> Iterator[None]:
    """Draw and save in our style or the one asked for, whatever the user's settings, and leave those as they were.

    Raises:
        UsageError: if the style that is asked for is not known.
    """
    named = {} if look is None or look.style is None else experiment_style(look.style)
    with matplotlib.style.context(["default", _STYLE, named]):
        yield


@cache
def _glyphs() -> frozenset[int]:
    path = font_manager.findfont("DejaVu Sans")
    return frozenset(font_manager.get_font(path).get_charmap())


def plain(text: str) -> str:
    """Return text that is drawn as it stands: no TeX, no line breaks, a `?` for a character the font lacks."""
    known = _glyphs()
    shown = "".join(c if c.isprintable() and ord(c) in known else "?" for c in text)
    return shown.replace("$", r"\$")


def shortened(text: str, length: int = LONGEST_NAME) -> str:
    """Shorten a name in its middle, where names of one analysis differ least."""
    if len(text) <= length:
        return text
    head = (length - 1) // 2
    return f"{text[:head]}…{text[-(length - 1 - head) :]}"


def symbol(feature: FeatureInfo) -> str:
    """Return a feature's TeX label ready to draw, or its name where it has none or the label is no TeX."""
    if feature.label:
        label = feature.label if "$" in feature.label else _as_math(feature.label)
        try:
            _parser().parse(label)
        except ValueError:
            return plain(shortened(feature.label))
        return label if "$" in label else plain(shortened(label))
    return plain(shortened(feature.name))


def _as_math(label: str) -> str:
    return f"${label}$" if re.search(r"[\\^_{}]", label) else label


@cache
def _parser() -> MathTextParser[Any]:
    return MathTextParser("agg")


def words(text: str, length: int | None = None) -> str:
    """Return text of the user's ready to draw: TeX between dollars where it is that, superscripts as such.

    Args:
        text: the text.
        length: shorten it to so many characters where it is no TeX.
    """
    if text.count("$") >= 2:
        try:
            _parser().parse(text)
        except ValueError:
            pass
        else:
            return text
    shown = text if length is None else shortened(text, length)
    return plain(shown).replace("⁻¹", "$^{-1}$")


def axis_label(feature: FeatureInfo) -> str:
    """Return symbol and unit, as in `m [GeV]`."""
    return symbol(feature) + (f" [{unit(feature.unit)}]" if feature.unit else "")


def unit(text: str) -> str:
    """Return a unit with its powers raised, as `GeV^2` or `cm**-2` mean them."""
    return re.sub(r"(?:\^|\*\*)\{?([-+]?\d+)\}?", r"$^{\1}$", plain(text))


def number(value: float, error: float | None = None) -> str:
    """Write a number with its error, both to the error's second digit; without an error to four digits.

    >>> number(65.2349, 0.0312)
    '65.235 ± 0.031'
    >>> number(96325.4, 2401.2)
    '96300 ± 2400'
    >>> number(52583916.8, 4366856.6)
    '(5.26 ± 0.44)×$10^{7}$'
    >>> number(-0.5)
    '−0.5'
    """
    if not math.isfinite(value):
        return "∞" if value > 0 else "−∞"
    if error is None or not math.isfinite(error) or error <= 0:
        return _signed(f"{value:.4g}")
    digits = 1 - math.floor(math.log10(error))
    power = 0
    if not -4 <= digits <= 8 or abs(value) >= 1e6:
        power = math.floor(math.log10(max(abs(value), error)))
        if digits + power > _MOST_PLACES:
            return f"{_signed(f'{value:.4g}')} ± {_signed(f'{error:.2g}')}"
    value, error = value / 10.0**power, error / 10.0**power
    both = f"{_signed(rounded(value, error))} ± {rounded(error, error)}"
    return rf"({both})×$10^{{{power}}}$" if power else both


def _signed(text: str) -> str:
    """Write minus signs and powers of ten as in print."""
    mantissa, _, power = text.partition("e")
    if not power:
        return text.replace("-", "−")
    factor = {"1": "", "-1": "−"}.get(mantissa, f"{mantissa.replace('-', '−')}×")
    return f"{factor}$10^{{{int(power)}}}$"


def fit(figure: Figure, text: Text, width: float, smallest: float = 7.0) -> bool:
    """Shrink text until it is no wider than a width.

    Args:
        figure: the figure that it is in.
        text: the text.
        width: in inches, along the text.
        smallest: font size at which to stop.

    Returns:
        Whether it fits now.
    """
    size = float(text.get_fontsize())
    while True:
        box = text.get_window_extent(renderer=figure.canvas.get_renderer())  # type: ignore[attr-defined]
        extent = max(box.width, box.height) / figure.dpi  # its length, also where it is turned
        if extent <= 0.98 * width:  # hinting differs a little with the resolution
            return True
        if size <= smallest:
            return False
        size = max(smallest, min(size - 0.5, size * 0.98 * width / extent))
        text.set_fontsize(size)
