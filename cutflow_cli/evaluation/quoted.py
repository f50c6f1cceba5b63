"""Which of a run's selections its numbers are quoted for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from cutflow_cli.errors import UsageError, nearest
from cutflow_cli.evaluation.normalise import Normalised
from cutflow_cli.evaluation.tables import PunziLookup
from cutflow_cli.events.schema import ProcessInfo
from cutflow_cli.metrics.punzi import POWER, SIGNIFICANCE
from cutflow_cli.metrics.sensitivity import UNKNOWN, PunziInputs
from cutflow_cli.runs import Run


def quoted_points(runs: Sequence[Run], names: Sequence[str], wanted: str | None = None) -> dict[str, str]:
    """Choose the working point that each run is quoted at: the one asked for, or recommended, or its first.

    Args:
        runs: the runs.
        names: what tables call them.
        wanted: a working point to quote for the runs that have it.

    Raises:
        UsageError: if no run has the one that is wanted.
    """
    points = {
        name: list(dict.fromkeys(flow.working_point for flow in run.flows if flow.kind == "consensus"))
        for run, name in zip(runs, names, strict=True)
    }
    known = dict.fromkeys(point for those in points.values() for point in those)
    if wanted is not None and wanted not in known:
        msg = f"--working-point {wanted}: no run has it; {nearest(wanted, known)}"
        raise UsageError(msg)
    chosen: dict[str, str] = {}
    for run, name in zip(runs, names, strict=True):
        preferred = (wanted, run.manifest.recommended)
        chosen[name] = next((point for point in preferred if point in points[name]), points[name][0])
    return chosen


def punzi_lookup(
    run: Run, events: Normalised, luminosity: float | None, a: float | None = None, b: float | None = None
) -> PunziLookup:
    """Say what σ_min of a run needs for each mass point.

    The settings of a Punzi run give luminosity, a, b, the form and the number of generated events; for other runs
    they are those of the publication, the luminosity is that of the events, and the share of the generated events that
    is in the file is its yield over cross section times luminosity, where the file knows the cross section.

    Args:
        run: the run.
        events: all events, normalised.
        luminosity: that the events are normalised to, in fb⁻¹.
        a: significance of the discovery; None for that of the run.
        b: of its power; None for that of the run.
    """
    settings = run.manifest.settings
    found = settings.get("luminosity")
    known = luminosity if found is None else float(found)
    chosen = PunziInputs(
        luminosity=known,
        unit_luminosity=known is None,
        a=float(settings.get("a", SIGNIFICANCE)) if a is None else a,
        b=float(settings.get("b", POWER)) if b is None else b,
        form="improved" if settings.get("form") == "improved" else "paper",
    )

    def inputs(hypothesis: float | None) -> PunziInputs:
        if known is None and "sigma_min_unit" not in settings:
            return replace(chosen, undefined=UNKNOWN.undefined)
        if hypothesis is None and len(events.tally.hypotheses) > 1:
            return replace(chosen, undefined="the signal has several mass points: a cross section is that of one")
        generated = _number_for(settings.get("generated_events"), hypothesis)
        if generated is not None:
            share: float | None = _signal_events(events, hypothesis) / generated
        else:
            share = None if known is None else _share_by_cross_section(events, known)
        return replace(chosen, acceptance=share)

    return inputs


def _number_for(setting: Any, hypothesis: float | None) -> float | None:  # noqa: ANN401  (whatever run.json holds)
    """Read a setting that is one number, or one for each mass point, by its name in `run.json`."""
    if isinstance(setting, Mapping):
        setting = setting.get("signal" if hypothesis is None else f"{hypothesis:.15g}")
    return float(setting) if isinstance(setting, int | float) and setting > 0 else None


def _signal_events(events: Normalised, hypothesis: float | None) -> float:
    """Count the signal events of a mass point in all splits of the file."""
    signal = [position for position, process in enumerate(events.processes) if process.role == "signal"]
    counts = events.tally.sums[0, ..., 0][:, signal].sum(axis=(1, 2))
    return float(counts.sum() if hypothesis is None else counts[1 + events.tally.hypotheses.index(hypothesis)])


def _share_by_cross_section(events: Normalised, luminosity: float) -> float | None:
    """Return Σw(file) / (σ L) of the signal; None where a cross section is not known, or is that of several masses."""
    signal: list[tuple[int, ProcessInfo]] = [
        (position, process) for position, process in enumerate(events.processes) if process.role == "signal"
    ]
    cross_sections = [process.cross_section for _, process in signal]
    if len(events.tally.hypotheses) > 1 or any(one is None or one <= 0 for one in cross_sections):
        return None
    expected = sum(1000 * one * luminosity for one in cross_sections if one is not None)
    yield_ = float(events.tally.sums[0, ..., 1][:, [position for position, _ in signal]].sum())
    return yield_ / expected if yield_ > 0 else None
