"""How figures look, as far as users choose it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Look:
    """What users choose of the looks of figures.

    Attributes:
        style: name of an mplhep style, such as `ATLAS` or `CMS`; None for our own, in which no experiment is named.
        label: text at the head of each figure, such as `work in progress`; None for none.
        luminosity: text of the luminosity, such as `139 fb⁻¹ (13 TeV)`; None for that of the events.
        logarithmic: whether heights of distributions are on a logarithmic axis.
    """

    style: str | None = None
    label: str | None = None
    luminosity: str | None = None
    logarithmic: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON-like values."""
        return asdict(self)
