"""The styles of experiments, as mplhep has them, fitted to figures of many panels."""

from __future__ import annotations

from typing import Any

from cutflow_cli.errors import UsageError, nearest
from cutflow_cli.plots.backend import font_manager, mplhep

#: What makes a style of another: fonts, ticks, frames and where labels stand. Sizes are those of one large panel, and
#: figures here have many small ones; colours are ours in every style, as they are told apart without colour.
_TAKEN = ("font.family", "font.serif", "font.sans-serif", "mathtext.fontset", "mathtext.default", "axes.linewidth",
          "axes.unicode_minus", "xaxis.labellocation", "yaxis.labellocation", "xtick.", "ytick.")  # fmt: skip
_LEFT_OUT = ("labelsize", "pad", "color", "width", ".major.top", ".major.bottom", ".major.left", ".major.right",
             ".minor.top", ".minor.bottom", ".minor.left", ".minor.right")  # fmt: skip
_SERIF, _SANS = "DejaVu Serif", "DejaVu Sans"
_FONT_SIZE = 10.0
#: In points.
_LONGEST_TICK = 6.0


def style_names() -> tuple[str, ...]:
    """Return the names of the styles that can be asked for; those that need LaTeX can't."""
    styles = mplhep.styles
    known = {name: getattr(styles, name) for name in styles.__style_aliases__}
    return tuple(sorted(name for name, style in known.items() if "font.size" in style and not _needs_latex(style)))


def _needs_latex(style: dict[str, Any]) -> bool:
    return bool(style.get("text.usetex"))


def experiment_style(name: str) -> dict[str, Any]:
    """Return what a style of mplhep changes of ours.

    Fonts that are not installed are replaced by those that come with matplotlib, without a word.

    Args:
        name: as in mplhep, such as `ATLAS` or `CMS`.

    Raises:
        UsageError: if there is no style of that name, or it needs LaTeX.
    """
    known = style_names()
    if name not in known:
        msg = f"--style {name}: no such style; {nearest(name, known)} (there are: {', '.join(known)})"
        if name in mplhep.styles.__style_aliases__:
            msg = f"--style {name}: it needs LaTeX, or has fonts alone; there are: {', '.join(known)}"
        raise UsageError(msg)
    style = dict(getattr(mplhep.styles, name))
    scale = _FONT_SIZE / float(style.get("font.size", _FONT_SIZE))
    taken = {
        key: value
        for key, value in style.items()
        if key.startswith(_TAKEN) and not any(part in key for part in _LEFT_OUT if key.startswith(("xtick", "ytick")))
    }
    for key, value in taken.items():
        if key.endswith(".size"):
            longest = _LONGEST_TICK if "major" in key else 0.5 * _LONGEST_TICK
            taken[key] = min(scale * float(value), longest)
    if "axes.linewidth" in taken:
        taken["axes.linewidth"] = min(max(0.8, scale * float(taken["axes.linewidth"])), 1.5)
    return taken | _fonts(style)


def _fonts(style: dict[str, Any]) -> dict[str, Any]:
    """Choose the fonts of a style that are installed, and those of matplotlib behind them for what they lack."""
    there = {font.name.lower() for font in font_manager.fontManager.ttflist}
    family = style.get("font.family", "sans-serif")
    kind = family if isinstance(family, str) else family[0]
    wanted = style.get(f"font.{kind}", ())
    wanted = [wanted] if isinstance(wanted, str) else list(wanted)
    found = next((font for font in wanted if font.lower() in there), None)
    rest = [_SERIF, _SANS] if kind == "serif" else [_SANS]
    fonts: dict[str, Any] = {"font.family": rest if found is None else [found, *rest]}
    if style.get("mathtext.fontset") == "custom":  # a text font has no radicals, nor all Greek letters
        fonts["mathtext.fontset"] = "stix" if kind == "serif" else "stixsans"
    return fonts
