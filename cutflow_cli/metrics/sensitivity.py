"""Punzi's smallest detectable cross section of a selection, with its statistical error."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.propagation import propagated
from cutflow_cli.metrics.punzi import POWER, SIGNIFICANCE, Form, minimum_signal, simple_figure

#: What to know of σ_min where the number of generated events is not known.
RELATIVE = "σ_min counts the signal from the events in the file, not from those generated"
#: What to know of it where the luminosity is not known.
IN_EVENTS = "the luminosity is not known, so σ_min is in produced signal events rather than in fb"
#: Relative step of the numerical derivative in B.
_STEP = 1e-4


@dataclass(frozen=True, slots=True)
class PunziInputs:
    """What σ_min needs beside efficiency and background.

    Attributes:
        luminosity: in fb⁻¹; None where it is not known.
        acceptance: share of the generated signal events that are in the sample; None where it is not known.
        a: significance of the discovery, see `punzi.minimum_signal`.
        b: of its power.
        form: which of the two expressions.
        unit_luminosity: where the luminosity is not known, give σ_min in produced signal events, and say so.
        undefined: why there is no σ_min; None where there is one.
    """

    luminosity: float | None = None
    acceptance: float | None = None
    a: float = SIGNIFICANCE
    b: float = POWER
    form: Form = "paper"
    unit_luminosity: bool = False
    undefined: str | None = None


UNKNOWN = PunziInputs(undefined="the luminosity is not known: a cross section is undefined")


def smallest_cross_section(efficiency: Estimate, background: Estimate, inputs: PunziInputs) -> Estimate:
    """Return σ_min in fb: `punzi.sigma_min` for a measured efficiency and background.

    Statistical errors of the two are propagated to first order; they come from different events. For B = 0 the
    derivative in √B diverges: the error is then that of the efficiency, and the reason of B says what is not known. The
    acceptance is taken as exact.

    Args:
        efficiency: from events in the sample to selected events.
        background: B at the luminosity.
        inputs: luminosity, acceptance, a and b.
    """
    luminosity = 1.0 if inputs.unit_luminosity else inputs.luminosity
    if inputs.undefined is not None or luminosity is None:
        return Estimate.undefined(inputs.undefined or UNKNOWN.undefined or "")
    for part in (efficiency, background):
        if part.value is None or part.error is None:
            return Estimate.undefined(part.reason or "an efficiency or a yield is undefined")
    assert efficiency.value is not None
    assert background.value is not None
    if efficiency.value <= 0:
        return Estimate.undefined(f"{efficiency.reason or 'the efficiency is not positive'}; σ_min is undefined")
    if background.value < 0:
        return Estimate.undefined("negative weights outweigh the others: B is negative, so σ_min is undefined")

    def at(count: float) -> float:
        return float(minimum_signal(count, inputs.a, inputs.b, inputs.form))

    count, scale = background.value, efficiency.value * (inputs.acceptance or 1.0) * luminosity
    value = at(count) / scale
    slope = (at(count * (1 + _STEP)) - at(count * (1 - _STEP))) / (2 * _STEP * count * scale) if count else 0.0
    error = math.hypot(value * (efficiency.error or 0.0) / efficiency.value, slope * (background.error or 0.0))
    said = (
        IN_EVENTS if inputs.unit_luminosity else None,
        RELATIVE if inputs.acceptance is None else None,
        background.reason,
    )
    return Estimate(value, error, "; ".join(text for text in said if text) or None)


def punzi_figure(efficiency: Estimate, background: Estimate, inputs: PunziInputs, *, full: bool) -> Estimate:
    """Return Punzi's figure of merit for a measured efficiency and background, with its statistical error.

    It needs neither luminosity nor cross section, but B at the luminosity of the search. Errors as in
    `smallest_cross_section`.

    Args:
        efficiency: from events in the sample to selected events.
        background: B.
        inputs: a, and for the full form b and which of its two expressions.
        full: ε / `punzi.minimum_signal` rather than `punzi.simple_figure`.
    """
    for part in (efficiency, background):
        if part.value is None or part.error is None:
            return Estimate.undefined(part.reason or "an efficiency or a yield is undefined")
    if background.value is not None and background.value < 0:
        return Estimate.undefined("negative weights outweigh the others: B is negative, so Punzi's figure is undefined")

    def figure(share: float, count: float, _: float, __: float) -> float:
        if full:
            return share / float(minimum_signal(count, inputs.a, inputs.b, inputs.form))
        return float(simple_figure(share, count, inputs.a))

    value, error = propagated(figure, efficiency, background)
    return Estimate(value, error, background.reason)
