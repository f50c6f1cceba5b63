"""How figures look, as far as users choose it."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass
from typing import Any

from cutflow_cli.errors import UsageError

#: Inverse barns as people type them: `fb-1`, `fb^-1`, `fb^{-1}`, `fb**-1`.
_INVERSE_BARNS = re.compile(r"\b([afpn]b)\s*(?:\^|\*\*)?\s*\{?[-−]1\}?")


@dataclass(frozen=True, slots=True)
class Look:
    """What users choose of the looks of figures.

    Attributes:
        style: name of an mplhep style, such as `ATLAS` or `CMS`; None for our own, in which no experiment is named.
        label: text at the head of each figure, such as `work in progress`; None for none.
        luminosity: text of the luminosity, such as `139 fb⁻¹ (13 TeV)`; None for that of the events, empty for none.
        logarithmic: whether heights of distributions are on a logarithmic axis; None where a figure chooses, panel by
            panel.
    """

    style: str | None = None
    label: str | None = None
    luminosity: str | None = None
    logarithmic: bool | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON-like values."""
        return asdict(self)

    def luminosity_text(self, luminosity: float | None) -> str:
        """Return what a figure says of the luminosity; empty where it says nothing.

        Args:
            luminosity: that of the events, in fb⁻¹; None where it is not known.
        """
        if self.luminosity is not None:
            return self.luminosity
        return "" if luminosity is None else f"{luminosity:g} fb⁻¹"


def read_look(
    figures: bool, style: str | None, label: str | None, luminosity: str | None, logarithmic: bool | None
) -> Look | None:
    """Read the options on how figures look.

    Args:
        figures: whether figures are drawn at all.
        style: name of an mplhep style.
        label: text at the head of each figure.
        luminosity: a number of fb⁻¹, or a text.
        logarithmic: whether heights are on a logarithmic axis.

    Returns:
        The looks; None to draw no figures.

    Raises:
        UsageError: for an option that would be ignored as no figures are drawn, or a luminosity that is none.
    """
    if figures:
        return Look(style, label or None, None if luminosity is None else _luminosity(luminosity), logarithmic)
    given = {"--style": style, "--label": label, "--lumi": luminosity, "--log/--no-log": logarithmic}
    name = next((name for name, value in given.items() if value is not None), None)
    if name is not None:
        msg = f"{name} is about figures, but --no-figures draws none; leave out one of the two"
        raise UsageError(msg)
    return None


def _luminosity(text: str) -> str:
    """Write inverse barns as in print, and a bare number in fb⁻¹."""
    try:
        number = float(text)
    except ValueError:
        return _INVERSE_BARNS.sub(r"\1⁻¹", text.strip())
    if not (math.isfinite(number) and number > 0):
        msg = f"--lumi {text}: a luminosity is above 0; give a number of fb⁻¹, or a text such as '139 fb-1 (13 TeV)'"
        raise UsageError(msg)
    return f"{number:g} fb⁻¹"
